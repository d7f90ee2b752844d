"""Large encoded pictures, decoded from top to bottom without being held as a whole.

What comes out is what `pictures.decode` would give. Pillow reads the headers, without its limit
on pixels as it decodes none of them; libvips reads the pixels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Interval, Shape
from dreamray.pictures import parts
from dreamray.pictures.decoding import (
    Channels,
    animation_remarks,
    check_tiff,
    tiff_channels,
    tiff_remarks,
)
from dreamray.pictures.exif import Exif, read_exif
from dreamray.raster.pixels import Pixels

STREAMED = ("JPEG", "PNG", "TIFF", "WEBP")
"""The formats that can be streamed, by Pillow's names."""

# Tags of TIFF.
_WIDTH, _HEIGHT, _COMPRESSION, _STRIP_ROWS, _STRIP_BYTES, _PLANES = 256, 257, 259, 278, 279, 284
_TILE_WIDTH = 322
_OLD_JPEG, _JPEG = 6, 7

_MAX_STRIP = 256 << 20
_PIECE = 1 << 20
_FETCHED_ROWS = 64


def read_shape(path: Path, kind: str, name: str) -> Shape:
    """Height and width as a file stores them; only its header is read.

    `kind` is Pillow's name of the format, `name` what messages call the picture. Raises
    PictureError for a damaged header.
    """
    with path.open("rb") as file, parts.pillow(name):
        if kind == "TIFF":
            tags = parts.tiff_directory(file)
            if not (_WIDTH in tags and _HEIGHT in tags):
                raise ValueError("its size is missing")
            return Shape(int(tags[_HEIGHT]), int(tags[_WIDTH]))
        width, height = _header(file, kind).size
        return Shape(height, width)


@dataclass(frozen=True)
class Stream:
    """A picture that is being decoded: as it is stored, perhaps lying on its side."""

    shape: Shape
    dtype: np.dtype[Any]
    """Of the samples: uint8 or uint16; CMYK comes out as uint8 in any case."""
    channels: Channels
    icc_profile: Any
    exif: Exif
    remarks: list[str]
    """What is to be told, without the picture's name."""
    _name: str
    _image: Any

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of samples."""
        return int(self.shape.width * self._image.bands * self.dtype.itemsize)

    def strips(self, rows: Iterable[Interval]) -> Iterator[tuple[Pixels, Pixels | None]]:
        """Colour [rows, width, 1, 3 or 4] and alpha [rows, width] or None, from top to bottom.

        `rows` are intervals that follow on one another. Raises PictureError for damage.
        """
        import pyvips

        width, bands = self.shape.width, self._image.bands
        region = pyvips.Region.new(self._image)
        for start, stop in rows:
            samples = np.empty((stop - start, width, bands), self.dtype)
            # libvips keeps several copies of what is fetched at a time.
            for top in range(start, stop, _FETCHED_ROWS):
                height = min(_FETCHED_ROWS, stop - top)
                with parts.damage_told(self._name):
                    data = region.fetch(0, top, width, height)
                lines = np.frombuffer(data, self.dtype).reshape(height, width, bands)
                samples[top - start : top - start + height] = lines
            yield self.channels.split(samples)


@contextmanager
def open_stream(path: Path, kind: str, name: str) -> Iterator[Stream]:
    """Open a picture of one of the formats in `STREAMED`; see `read_shape`.

    Raises PictureError for a damaged one, as far as that can be seen before its pixels, and for
    one that cannot be decoded from top to bottom and is too large to be held.
    """
    # libvips moves the place in the file that it reads from: it has one for itself.
    with path.open("rb") as file, path.open("rb") as pixels:
        with parts.pillow(name):
            opened = _tiff_stream if kind == "TIFF" else _other_stream
            stream = opened(file, pixels, kind, name)
        yield stream


def _tiff_stream(file: BinaryIO, pixels: BinaryIO, kind: str, name: str) -> Stream:
    tags = parts.tiff_directory(file)
    check_tiff(tags, name)
    # libtiff's own limit on memory would refuse strips that fit; `_check_pieces` has ours.
    image = _open_vips(pixels, kind, unlimited=True)
    _check_pieces(image, tags, name)
    return Stream(
        shape=Shape(image.height, image.width),
        dtype=_dtype(image),
        channels=tiff_channels(image, tags),
        icc_profile=tags.get(parts.ICC_PROFILE),
        exif=read_exif(file),
        remarks=tiff_remarks(image),
        _name=name,
        _image=image,
    )


def _other_stream(file: BinaryIO, pixels: BinaryIO, kind: str, name: str) -> Stream:
    if kind == "PNG":
        _check_png(file)
    header = _header(file, kind)
    image = _open_vips(pixels, kind)
    _check_order(image, kind, name)
    return Stream(
        shape=Shape(image.height, image.width),
        dtype=_dtype(image),
        channels=_channels(image, header),
        icc_profile=header.info.get("icc_profile"),
        exif=read_exif(header.info.get("exif")),
        remarks=animation_remarks(header),
        _name=name,
        _image=image,
    )


def _header(file: BinaryIO, kind: str) -> Any:
    """Pillow's image of a file, without pixels, whatever their number."""
    Image.init()
    factory, _ = Image.OPEN[kind]
    file.seek(0)
    try:
        return factory(file, "")
    except SyntaxError as error:
        raise UnidentifiedImageError(str(error)) from error


def _open_vips(pixels: BinaryIO, kind: str, **options: Any) -> Any:
    import pyvips

    loaders = {
        "JPEG": pyvips.Image.jpegload_source,
        "PNG": pyvips.Image.pngload_source,
        "TIFF": pyvips.Image.tiffload_source,
        "WEBP": pyvips.Image.webpload_source,
    }
    source = pyvips.Source.new_from_descriptor(pixels.fileno())
    return loaders[kind](source, access="sequential", fail_on="error", **options)


def _dtype(image: Any) -> np.dtype[Any]:
    return np.dtype({"uchar": np.uint8, "ushort": np.uint16}[image.format])


def _channels(image: Any, header: Any) -> Channels:
    """The channels of pyvips' image of a file, of which `header` is Pillow's."""
    bands = image.bands
    if header.mode == "CMYK":
        return Channels(4, None)
    if image.format == "ushort":
        colour = 1 if bands < 3 else 3
        return Channels(colour, colour if bands > colour else None)
    # Grey comes with equal channels of red, green and blue where one value is transparent.
    colour = 1 if header.mode in ("1", "L", "LA") else 3
    return Channels(colour, bands - 1 if header.has_transparency_data else None)


def _check_order(image: Any, kind: str, name: str) -> None:
    """Raise PictureError for pixels that are not stored from top to bottom, and too many."""
    mixed = image.get_typeof("interlaced") and image.get("interlaced")
    if mixed and image.width * image.height > parts.MAX_PIXELS:
        sort = "a progressive" if kind == "JPEG" else "an interlaced"
        raise PictureError(
            f"{name} is {sort} {kind} of more than {parts.MAX_PIXELS:,} pixels, which cannot be "
            "read in parts: save it anew from top to bottom"
        )


def _check_pieces(image: Any, tags: Any, name: str) -> None:
    """Raise PictureError for a TIFF of strips that take too much memory, or seem to."""
    compression = tags.get(_COMPRESSION, 1)
    in_lines = compression not in (_OLD_JPEG, _JPEG) and tags.get(_PLANES, 1) == 1
    if in_lines:  # Decoded line by line, but with the whole encoded strip in memory.
        largest = 0 if compression == 1 else max(tags.get(_STRIP_BYTES, (0,)))
    else:
        sample_bytes = image.width * image.bands * _dtype(image).itemsize
        largest = min(tags.get(_STRIP_ROWS, image.height), image.height) * sample_bytes
    # libvips refuses tiles that are too large.
    if largest > _MAX_STRIP and _TILE_WIDTH not in tags:
        raise PictureError(
            f"{name} is a TIFF in strips of {largest >> 20:,} MiB, too large to be read in "
            "parts: save it anew in tiles or small strips"
        )


def _check_png(file: BinaryIO) -> None:
    """Raise ValueError for a wrong checksum, with which decoders are lenient, or a missing end."""
    file.seek(len(b"\x89PNG\r\n\x1a\n"))
    kind = b""
    while kind != b"IEND":
        left, kind = struct.unpack(">I4s", file.read(8))
        checksum = zlib.crc32(kind)
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise ValueError("its end is missing")
            checksum = zlib.crc32(piece, checksum)
            left -= len(piece)
        if file.read(4) != struct.pack(">I", checksum):
            raise ValueError(f"wrong checksum in {ascii(kind)[2:-1]}")
