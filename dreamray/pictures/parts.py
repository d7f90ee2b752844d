"""What `pictures` is made of: Pillow held in check, and what it leaves to others.

Pillow reduces 16 bit colour to 8 bits on reading and cannot write it at all, prints libtiff's
complaints to the terminal, drops the EXIF directory when it compresses a TIFF, and decodes the
whole picture to find a late PNG text. The pieces that fill these gaps take and give plain
bytes, arrays and dictionaries.
"""

from __future__ import annotations

import io
import itertools
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from dreamray.raster.pixels import Pixels

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

Tags = dict[int, Any]
"""TIFF tags by number; the EXIF and GPS directories are dictionaries under their own tags."""

ORIENTATION, SOFTWARE, DESCRIPTION, USER_COMMENT = 274, 305, 270, 37510
EXIF_DIRECTORY, GPS_DIRECTORY, ICC_PROFILE = 34665, 34853, 34675

# Of the main directory only what describes the picture is kept: in a TIFF source the same
# directory holds its layout (strips, compression, palette), which is not the result's.
_DESCRIPTIVE = {269, 270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 18246, 33432}
_DESCRIPTIVE |= {0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}  # title, comment, author, ... of Windows

# Of the EXIF directory what a rewrite makes untrue goes: the maker's note and the
# interoperability directory point to places in the old file; the sizes may be turned.
_UNTRUE_AFTERWARDS = {37500, 40965, 40962, 40963}

_STRIP_BYTES = 1 << 20

LIBVIPS = threading.RLock()
"""Held while libvips decodes: it has one list of errors, and who meets one empties it."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def tiff_directory(
    data: bytes | BinaryIO, offset: int | None = None, group: int | None = None
) -> Any:
    """Read one directory of a TIFF file (classic or Big) or of an EXIF block.

    `data` are its bytes, or a binary file that can seek. Without `offset`: the first directory.
    Raises whatever a malformed one makes the reader raise.
    """
    file = io.BytesIO(data.removeprefix(b"Exif\0\0")) if isinstance(data, bytes) else data
    file.seek(0)
    directory = empty_directory(file.read(16), group)
    file.seek(directory.next if offset is None else offset)
    directory.load(file)
    return directory


def empty_directory(head: bytes, group: int | None = None) -> Any:
    """A directory for a TIFF file that begins with these 16 bytes: in its order and width."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    if 43 in head[2:4]:
        # Pillow knows a BigTIFF by its third byte, which a big-endian one has as its fourth.
        return ImageFileDirectory_v2(b"II+\0\x08\0\0\0" + head[8:], head[:2], group)
    return ImageFileDirectory_v2(head[:8], group=group)


def read_tags(data: bytes | BinaryIO) -> Tags:
    """The tags of a TIFF file or an EXIF block that outlive a dream, and the orientation.

    Malformed entries are left out. Raises what a malformed header makes the reader raise.
    """
    main = tiff_directory(data)
    tags = _sound_entries(main, lambda tag: tag in _DESCRIPTIVE or tag == ORIENTATION)
    for group in (EXIF_DIRECTORY, GPS_DIRECTORY):
        offset = main.get(group)
        if isinstance(offset, int):
            entries = _sound_entries(
                tiff_directory(data, offset, group), lambda tag: tag not in _UNTRUE_AFTERWARDS
            )
            if entries:
                tags[group] = entries
    return tags


def _sound_entries(directory: ImageFileDirectory_v2, wanted: Callable[[int], bool]) -> Tags:
    entries: Tags = {}
    for tag in sorted(filter(wanted, directory)):
        try:
            value = directory[tag]
            probe = type(directory)(group=directory.group)
            probe[tag] = value
            probe.tobytes()
        except Exception:  # a hostile entry can fail in any way, and only costs itself
            continue
        entries[tag] = value
    return entries


def write_tags(tags: Tags) -> bytes:
    """An EXIF block (with the `Exif` marker that JPEG wants in front) of these tags."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    block = io.BytesIO()
    directory = ImageFileDirectory_v2()
    put_tags(directory, tags)
    directory.save(block)
    return b"Exif\0\0" + block.getvalue()


def put_tags(directory: ImageFileDirectory_v2, tags: Tags) -> None:
    """Set entries of a directory that is to be written; text as it was read."""
    from PIL.TiffTags import ASCII

    for tag, value in tags.items():
        if isinstance(value, str):
            # Read as Latin-1, so this gives the original bytes back, UTF-8 included.
            directory.tagtype[tag] = ASCII
            directory[tag] = value.encode("latin-1", "replace")
        else:
            directory[tag] = value


def write_tiff(samples: npt.NDArray[Any], tags: Tags, icc_profile: bytes | None) -> bytes:
    """A little-endian TIFF, deflated with horizontal differences, in strips of about 1 MiB.

    `samples` is uint8 or uint16 [height, width, 3 or 4]; a fourth channel is alpha, not
    multiplied into the colour.
    """
    from PIL import TiffImagePlugin as Tiff

    height, width, channels = samples.shape
    row_bytes = width * channels * samples.dtype.itemsize
    rows = min(height, max(1, _STRIP_BYTES // row_bytes))
    strips = [
        zlib.compress(differences(samples[top : top + rows]).tobytes(), 6)
        for top in range(0, height, rows)
    ]
    sizes = [len(strip) for strip in strips]
    directory = Tiff.ImageFileDirectory_v2()
    put_tags(directory, tags)
    layout = {
        Tiff.IMAGEWIDTH: width,
        Tiff.IMAGELENGTH: height,
        Tiff.BITSPERSAMPLE: (samples.dtype.itemsize * 8,) * channels,
        Tiff.COMPRESSION: 8,
        Tiff.PHOTOMETRIC_INTERPRETATION: 2,
        # Relative to the end of the directory: saving it adds where that is.
        Tiff.STRIPOFFSETS: tuple(itertools.accumulate(sizes[:-1], initial=0)),
        Tiff.SAMPLESPERPIXEL: channels,
        Tiff.ROWSPERSTRIP: rows,
        Tiff.STRIPBYTECOUNTS: tuple(sizes),
        Tiff.PLANAR_CONFIGURATION: 1,
        Tiff.PREDICTOR: 2,
    }
    if channels == 4:
        layout[Tiff.EXTRASAMPLES] = 2
    if icc_profile:
        layout[Tiff.ICCPROFILE] = icc_profile
    put_tags(directory, layout)
    out = io.BytesIO()
    directory.save(out)
    out.writelines(strips)
    return out.getvalue()


def differences(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of each pixel to the one on its left: TIFF's predictor 2, little-endian."""
    little = rows.astype(rows.dtype.newbyteorder("<"))
    little[:, 1:] -= rows[:, :-1]
    return little


def to_depth(samples: Pixels, dtype: npt.DTypeLike) -> Pixels:
    """The same samples as uint8 or uint16, reduced to the nearest value."""
    if samples.dtype == dtype:
        return samples
    if dtype == np.uint16:
        return samples.astype(np.uint16) * np.uint16(257)
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def open_vips(data: bytes, kind: str) -> Any:
    """Open a picture as a pyvips image; nothing but its header is read yet."""
    import pyvips

    loaders = {
        "JPEG": pyvips.Image.jpegload_buffer,
        "PNG": pyvips.Image.pngload_buffer,
        "TIFF": pyvips.Image.tiffload_buffer,
        "WEBP": pyvips.Image.webpload_buffer,
        "GIF": pyvips.Image.gifload_buffer,
        "AVIF": pyvips.Image.heifload_buffer,
    }
    with LIBVIPS:
        return loaders[kind](data, fail_on="error")


def vips_samples(image: Any) -> Pixels:
    """Decode a pyvips image to uint8 or uint16 [height, width, channels]."""
    with LIBVIPS:
        samples: Pixels = image.numpy()
    return samples.reshape(image.height, image.width, image.bands)


def write_deep_png(samples: Pixels, level: int) -> bytes:
    """A 16 bit PNG of uint16 [height, width, 3 or 4] and nothing else in it."""
    import pyvips

    image = pyvips.Image.new_from_array(np.ascontiguousarray(samples), interpretation="rgb16")
    png: bytes = image.pngsave_buffer(compression=level, filter="paeth", bitdepth=16, keep="none")
    return png


def png_chunks(png: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Type and content of each chunk, up to the first that is cut short."""
    view, at = memoryview(png), len(PNG_SIGNATURE)
    while at + 12 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, at)
        if at + 12 + size > len(view):
            return
        yield kind, view[at + 8 : at + 8 + size]
        at += 12 + size


def png_chunk(kind: bytes, content: bytes | memoryview) -> bytes:
    """A chunk as it stands in a file."""
    check = zlib.crc32(content, zlib.crc32(kind))
    return b"".join((struct.pack(">I4s", len(content), kind), content, struct.pack(">I", check)))


def png_with(png: bytes, extra: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The pixels of `png` with these chunks in front of them, and no other optional chunk."""
    needed = (chunk for chunk in png_chunks(png) if chunk[0] in (b"IHDR", b"IDAT", b"IEND"))
    chunks = itertools.chain([next(needed)], extra, needed)
    return PNG_SIGNATURE + b"".join(itertools.starmap(png_chunk, chunks))
