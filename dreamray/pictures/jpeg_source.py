"""What a JPEG's markers tell before it is decoded: its sort, and how much work it is."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from mmap import mmap
from typing import BinaryIO

from dreamray.base.errors import PictureError
from dreamray.pictures.guard import MAX_PIXELS, KindError

_HEADER_BYTES = 16 << 20
_MOST_SCANS = 500
"""Pictures have ten or so, and a component of each order by itself makes 192."""

_USUAL_SCANS = 20
_MOST_SCANNED = 2 * MAX_PIXELS
"""Pixels of all scans together, where there are more than the usual: seconds of decoding."""

SCAN = 0xDA
_END = 0xD9
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_COMMON = (0xC0, 0xC1, 0xC2)
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers that nothing belongs to."""

_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")


def check_scans(jpeg: bytes | mmap, name: str) -> None:
    """Raise PictureError for a JPEG that is small, but an endless work to decode.

    `jpeg` is the whole file, or a map of it. What is damaged is left to the decoder.
    """
    scans, pixels = 0, 0
    for marker, start, stop in segments(jpeg):
        if marker in _FRAMES and stop - start >= 5:
            height, width = struct.unpack_from(">HH", jpeg, start + 1)
            pixels = max(pixels, height * width)
        scans += marker == SCAN
    if scans > _MOST_SCANS or scans * pixels > max(_MOST_SCANNED, _USUAL_SCANS * pixels):
        raise PictureError(
            f"{name} is a JPEG of {scans:,} scans, each of which goes over the picture again, more "
            "than are decoded: save it anew"
        )


def check_sort(file: BinaryIO) -> None:
    """Raise KindError for one of the sorts that decoders are built without.

    Raises ValueError where there is no picture in it.
    """
    file.seek(0)
    head = file.read(_HEADER_BYTES)
    for marker, start, stop in segments(head):
        if marker in _FRAMES and start < stop:
            if head[start] != 8:
                raise KindError(f"has {head[start]} bit samples in a JPEG")
            if marker not in _COMMON:
                sort = "lossless" if marker in (0xC3, 0xC7, 0xCB, 0xCF) else "rare"
                raise KindError(f"has the {sort} compression {marker - 0xC0} of JPEG")
            return
    raise ValueError("there is no picture in it")


def segments(jpeg: bytes | mmap) -> Iterator[tuple[int, int, int]]:
    """Marker of each segment of the first picture, and where its content begins and ends."""
    at = 2
    while found := _MARKER.search(jpeg, at):
        marker, at = found[1][0], found.end()
        if marker == _END:
            return
        if marker in _ALONE:
            continue
        start = at + 2
        at = max(start, at + int.from_bytes(jpeg[at:start], "big"))
        yield marker, start, min(at, len(jpeg))
