"""PNG of any size, strip by strip.

Each strip is compressed by itself and ends on a whole byte. So threads can share the work, and
the strips still join to one stream, whose bytes depend on the samples alone.

Libvips alone takes a third less work, but packs in one thread, and rewrites the EXIF. See
docs/performance.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from dreamray.base.geometry import Shape
from dreamray.pictures import parts
from dreamray.pictures.encoding import PNG_LEVEL
from dreamray.pictures.strips import FinishedRaster, in_order
from dreamray.raster.pixels import Pixels

_STRIP_BYTES = 2 << 20

_COLOUR_TYPES = {3: 2, 4: 6}
_PAETH = 4
_RAW_DEFLATE = -15
_ZLIB_HEADER, _ZLIB_LAST_BLOCK = b"\x78\x5e", b"\x03\x00"


def strip_height(result: FinishedRaster) -> int:
    """Rows of a strip: about 2 MiB, of which the compressor learns enough."""
    row_bytes = result.shape.width * result.channels * result.dtype.itemsize
    return max(1, _STRIP_BYTES // row_bytes)


def write_png(
    file: BinaryIO,
    result: FinishedRaster,
    strips: Iterable[Pixels],
    chunks: list[tuple[bytes, bytes]],
) -> None:
    """Write the strips of a result as a PNG, with these optional chunks, type and content."""
    header = _header(result.shape, result.dtype.itemsize, result.channels)
    file.write(parts.PNG_SIGNATURE)
    for kind, content in ((b"IHDR", header), *chunks, (b"IDAT", _ZLIB_HEADER)):
        file.write(parts.png_chunk(kind, content))
    checksum = zlib.adler32(b"")
    for filtered, packed in in_order(_pack, _with_row_above(strips)):
        checksum = zlib.adler32(filtered, checksum)
        file.write(parts.png_chunk(b"IDAT", packed))
    file.write(parts.png_chunk(b"IDAT", _ZLIB_LAST_BLOCK + struct.pack(">I", checksum)))
    file.write(parts.png_chunk(b"IEND", b""))


def _header(shape: Shape, sample_bytes: int, channels: int) -> bytes:
    depth, colour_type = 8 * sample_bytes, _COLOUR_TYPES[channels]
    return struct.pack(">IIBBBBB", shape.width, shape.height, depth, colour_type, 0, 0, 0)


def _with_row_above(strips: Iterable[Pixels]) -> Iterator[Pixels]:
    """Each strip with the last row of the one before it, zeros for the first."""
    above = None
    for strip in strips:
        yield np.concatenate((np.zeros_like(strip[:1]) if above is None else above, strip))
        above = strip[-1:].copy()


def _pack(rows: Pixels) -> tuple[bytes, bytes]:
    """The filtered bytes of all rows but the first, and the same compressed."""
    filtered = _filter(rows)
    packer = zlib.compressobj(PNG_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    return filtered, packer.compress(filtered) + packer.flush(zlib.Z_SYNC_FLUSH)


def _filter(rows: Pixels) -> bytes:
    """PNG's Paeth filter: each byte's difference to the best of left, above and above left."""
    pixel = rows.shape[2] * rows.itemsize
    big_endian = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">"))
    samples: npt.NDArray[np.uint8] = big_endian.view(np.uint8).reshape(len(rows), -1)
    padded = np.pad(samples, ((0, 0), (pixel, 0))).astype(np.int16)
    left, above, corner = padded[1:, :-pixel], padded[:-1, pixel:], padded[:-1, :-pixel]
    to_left, to_above = np.abs(above - corner), np.abs(left - corner)
    to_corner = np.abs(left + above - 2 * corner)
    best = np.where(to_above <= to_corner, above, corner)
    best = np.where((to_left <= to_above) & (to_left <= to_corner), left, best)
    out = np.empty((len(rows) - 1, 1 + samples.shape[1]), np.uint8)
    out[:, 0] = _PAETH
    np.subtract(samples[1:], best, out=out[:, 1:], casting="unsafe")
    return out.tobytes()
