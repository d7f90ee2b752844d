"""JPEG of any size, strip by strip.

After a restart marker a decoder knows nothing of what was before it. With one at the end of each
row of blocks, strips that were encoded apart join to the very JPEG that the whole would have
given, and its bytes depend on the pixels alone.

Libvips makes the same pixels for no less work, in one thread, and rewrites the EXIF. See
docs/performance.md.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from dreamray.base.geometry import Shape
from dreamray.pictures import parts
from dreamray.pictures.encoding import JPEG_OPTIONS, Format, on_white, save
from dreamray.pictures.jpeg_source import SCAN, segments
from dreamray.pictures.strips import in_order
from dreamray.raster.pixels import Pixels

STRIP_HEIGHT = 128
"""Rows of a strip. Markers are numbered from 0 to 7, and blocks have 8 rows: of each 64 rows
the last marker is number 7, and the next strip begins anew at 0."""

_LAST_MARKER = b"\xff\xd7"
_END = b"\xff\xd9"
_FRAME = 0xC0


def write_jpeg(
    file: BinaryIO,
    shape: Shape,
    strips: Iterable[Pixels],
    exif: bytes,
    icc_profile: bytes | None,
) -> None:
    """Write strips of `STRIP_HEIGHT` rows as a JPEG; transparent parts become white."""
    carried: dict[str, Any] = {"exif": exif, "icc_profile": icc_profile}
    options = itertools.chain([carried], itertools.repeat({}))
    before = b""
    for jpeg in in_order(_encode, zip(strips, options, strict=False)):
        pixels = _pixels_of(jpeg)
        file.write(before or _with_height(jpeg[:pixels], shape.height))
        file.write(jpeg[pixels:].removesuffix(_END))
        before = _LAST_MARKER
    file.write(_END)


def _encode(job: tuple[Pixels, dict[str, Any]]) -> bytes:
    strip, options = job
    samples = on_white(parts.to_depth(strip, np.uint8))
    return save(samples, Format.JPEG, restart_marker_rows=1, **JPEG_OPTIONS, **options)


def _pixels_of(jpeg: bytes) -> int:
    """Where the compressed pixels begin."""
    return next(stop for marker, _, stop in segments(jpeg) if marker == SCAN)


def _with_height(header: bytes, height: int) -> bytes:
    """The header of the first strip as that of the whole picture."""
    at = 1 + next(start for marker, start, _ in segments(header) if marker == _FRAME)
    return header[:at] + struct.pack(">H", height) + header[at + 2 :]
