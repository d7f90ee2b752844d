"""What stands in a PNG besides its pixels, wherever it stands, and whether the file is whole.

Decoders leave texts and what comes behind the pixels to chance, or refuse a picture for a long
text. Here each chunk is passed over once; of the many kinds the few are kept that say how the
picture is to be shown.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from dreamray.base.geometry import Shape
from dreamray.pictures import parts, rgb_space
from dreamray.pictures.carried import Carried, animation_remarks
from dreamray.pictures.guard import KindError
from dreamray.pictures.rgb_space import RgbSpace

_MAX_CONTENT = 16 << 20
"""Bytes of any one chunk that are kept, packed or not: no EXIF, XMP or profile is larger."""

_PIECE = 1 << 20

_GREY, _PALETTE, _COLOUR_TYPES = (0, 4), 3, (0, 2, 3, 4, 6)
_KEPT = (b"IHDR", b"PLTE", b"acTL", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_XMP = b"XML:com.adobe.xmp"
_RAW = b"Raw profile type "
"""Where ImageMagick and GraphicsMagick put EXIF, XMP and profiles: as hexadecimal text."""

_Starts = bytes | tuple[bytes, ...]
_EXIF: _Starts = (b"Exif\0\0", b"II*\0", b"MM\0*")

_BARE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


@dataclass(frozen=True)
class Png:
    """A PNG but for its pixels."""

    shape: Shape
    depth: int
    """Bits of a sample: 1, 2, 4, 8 or 16."""
    is_grey: bool
    interlaced: bool
    chunks: dict[bytes, bytes] = field(repr=False)
    """The first of each kind that counts."""
    texts: dict[bytes, bytes] = field(repr=False)
    """Those that hold EXIF, XMP or a colour profile, by their keywords."""

    def carried(self) -> Carried:
        """What belongs to the pixels."""
        exif = self.chunks.get(b"eXIf") or self._raw(b"exif", b"APP1", b"app1", only=_EXIF)
        xmp = self.texts.get(_XMP) or self._raw(b"xmp", b"APP1", b"app1", but=_EXIF)
        icc_profile = None
        frames = int.from_bytes(self.chunks.get(b"acTL", b"")[:4], "big")
        remarks = animation_remarks(frames)
        space = self._code_points()
        if space is None:
            icc_profile = _unpacked(self.chunks.get(b"iCCP", b"")) or self._raw(b"icc", b"icm")
            if icc_profile is None and b"sRGB" in self.chunks:
                space = RgbSpace(rgb_space.BT_709)
            elif icc_profile is None:
                try:
                    space = rgb_space.of_png(self.chunks.get(b"gAMA"), self.chunks.get(b"cHRM"))
                except ValueError:
                    remarks += ("says impossible things of its colours, which are left out",)
        return Carried(exif, xmp, icc_profile, space, remarks)

    def _code_points(self) -> RgbSpace | None:
        code = self.chunks.get(b"cICP", b"")
        # The third is the matrix, which is none for RGB.
        return rgb_space.of_code_points(code[0], code[1], bool(code[3])) if len(code) == 4 else None

    def _raw(self, *kinds: bytes, only: _Starts = b"", but: _Starts = ()) -> bytes | None:
        for kind in kinds:
            content = _from_hexadecimal(self.texts.get(_RAW + kind, b""))
            if content and content.startswith(only) and not content.startswith(but):
                return content
        return None


def png_shape(file: BinaryIO) -> Shape:
    """Height and width, by the first bytes. Raises ValueError for what is no PNG's beginning."""
    file.seek(0)
    return _header(file.read(33))[0]


def read_png(file: BinaryIO) -> Png:
    """All of a file but its pixels.

    Raises ValueError for a missing end, and for a wrong checksum in what the pixels need;
    what else is damaged is passed over.
    """
    chunks: dict[bytes, bytes] = {}
    texts: dict[bytes, bytes] = {}
    for kind, content in _chunks(file):
        if kind in _TEXTS:
            keyword, _, packed = content.partition(b"\0")
            if keyword == _XMP or keyword.startswith(_RAW):
                text = _text(kind, packed)
                if text is not None:
                    texts.setdefault(keyword, text)
        else:
            chunks.setdefault(kind, content)
    if b"IDAT" not in chunks:
        raise ValueError("its pixels are missing")
    header = parts.png_chunk(b"IHDR", chunks.get(b"IHDR", b""))
    shape, depth, colour, interlaced = _header(parts.PNG_SIGNATURE + header)
    if colour == _PALETTE and b"PLTE" not in chunks:
        raise ValueError("its palette is missing")
    return Png(shape, depth, colour in _GREY, interlaced, chunks, texts)


def bare(png: bytes) -> bytes:
    """The same pixels without all else, at which a decoder might stumble."""
    out, begun = [parts.PNG_SIGNATURE], False
    for kind, body in parts.png_chunks(png):
        if kind == b"IDAT" and not begun and len(body) >= 2:
            begun = True
            body = _with_widest_window(body)
        if kind in _BARE:
            out.append(parts.png_chunk(kind, body))
    return b"".join(out)


def _with_widest_window(packed: memoryview) -> memoryview:
    """The same zlib stream that asks for the widest window.

    Some writers ask for less than they use. Most decoders pass that over, libpng does not.
    """
    first = packed[0] & 0x0F | 0x70
    second = packed[1] & 0xE0
    return memoryview(bytes((first, second + -(first << 8 | second) % 31)) + packed[2:])


def _header(head: bytes) -> tuple[Shape, int, int, bool]:
    """Shape, depth, colour type and whether it is interlaced."""
    if head[12:16] == b"CgBI":
        raise KindError("has the form that Apple's tools give to the pictures of apps")
    if head[8:16] != b"\0\0\0\x0dIHDR" or len(head) < 29:
        raise ValueError("its header is missing")
    width, height, depth, colour, packing, filters, interlaced = struct.unpack_from(
        ">IIBBBBB", head, 16
    )
    depths = {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(colour, (8, 16))
    sound = 0 < width < 1 << 31 and 0 < height < 1 << 31 and colour in _COLOUR_TYPES
    if not sound or depth not in depths or packing or filters or interlaced > 1:
        raise ValueError("its header is wrong")
    return Shape(height, width), depth, colour, bool(interlaced)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that are kept, with their content, all others passed over."""
    file.seek(len(parts.PNG_SIGNATURE))
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("its end is missing")
        left, kind = struct.unpack(">I4s", head)
        if kind == b"CgBI":
            raise KindError("has the form that Apple's tools give to the pictures of apps")
        kept = (kind in _KEPT or kind in _TEXTS) and left <= _MAX_CONTENT
        content = io.BytesIO()
        checksum = zlib.crc32(kind)
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise ValueError("its end is missing")
            checksum = zlib.crc32(piece, checksum)
            left -= len(piece)
            if kept:
                content.write(piece)
        is_sound = file.read(4) == struct.pack(">I", checksum)
        if not is_sound and not kind[0] & 0x20:  # A capital: nothing is shown without it.
            raise ValueError(f"wrong checksum in {ascii(kind)[2:-1]}")
        if is_sound and (kept or kind == b"IDAT"):
            yield kind, content.getvalue()


def _text(kind: bytes, body: bytes) -> bytes | None:
    if kind == b"tEXt":
        return body
    if kind == b"zTXt":
        return _inflated(body[1:])
    packed, text = body[:1] == b"\1", body[2:].split(b"\0", 2)[-1]
    return _inflated(text) if packed else text


def _unpacked(profile: bytes) -> bytes | None:
    """Of the chunk iCCP: a name, the method, and the packed profile."""
    return _inflated(profile.partition(b"\0")[2][1:]) if profile else None


def _inflated(packed: bytes) -> bytes | None:
    """None for what is damaged, or more than is kept."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, _MAX_CONTENT)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else content


def _from_hexadecimal(text: bytes) -> bytes | None:
    """Of ImageMagick's text: a line with the kind, one with the length, then lines of figures."""
    try:
        _, size, figures = text.strip(b"\n").split(b"\n", 2)
        return bytes.fromhex(figures.decode("ascii"))[: int(size)]
    except ValueError:
        return None
