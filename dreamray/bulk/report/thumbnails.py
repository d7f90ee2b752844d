"""Thumbnails: small JPEGs of a picture and of its dream.

Measured on dreams of 540 x 360: WebP of the same looks has the same 43 kB, and takes 40 times as
long to make.
"""

from __future__ import annotations

import hashlib
import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from dreamray.base.geometry import Shape
from dreamray.bulk.naming import REPORT_FOLDER
from dreamray.raster.lazy import LazyRaster
from dreamray.raster.pixels import from_tensor
from dreamray.storage import Folder, Location

WIDTH, HEIGHT = 480, 360
"""A thumbnail covers these pixels, where its picture has as many: twice what a card shows."""

LONGEST = 1440
"""Of a thumbnail's sides, in pixels."""

_FINER = 2
"""Rows and columns that are read for each one of a thumbnail, at least."""

_LARGEST_PROFILE = 4096
"""Bytes; with a larger one a thumbnail would be mostly profile."""

MARK = b"dreamray thumbnail"
"""A comment in each, which says whose it is."""

_LONGEST_NAME = 240
_LONGEST_PATH = 900


class Thumbnails(NamedTuple):
    """Where the thumbnails of one picture lie."""

    before: Location
    after: Location

    def write(self, before: LazyRaster, after: LazyRaster, icc_profile: bytes | None) -> None:
        """Write both; raises as `Location.write`."""
        self.before.write(thumbnail(before, icc_profile))
        self.after.write(thumbnail(after, icc_profile))


def thumbnails_of(destination: Folder, output: str) -> Thumbnails:
    """Those of a result, by its name relative to the destination."""
    folder, name = destination.folder(REPORT_FOLDER), thumbnail_name(output)
    return Thumbnails(*(folder.folder(side).file(name) for side in Thumbnails._fields))


def thumbnail_name(output: str) -> str:
    """The name of an output's thumbnails, in a folder of their own each."""
    if is_named_plainly(output):
        return f"{output}.jpg"
    return f"{hashlib.sha256(output.encode(errors='surrogateescape')).hexdigest()}.jpg"


def is_named_plainly(output: str) -> bool:
    """Whether the thumbnails are named like it: neither led elsewhere by that, nor too long."""
    parts = output.split("/")
    longest = max(len(part.encode(errors="surrogateescape")) for part in parts)
    whole = len(output.encode(errors="surrogateescape"))
    return longest <= _LONGEST_NAME and whole <= _LONGEST_PATH and not {"", ".", ".."} & {*parts}


def thumbnail(view: LazyRaster, icc_profile: bytes | None = None) -> bytes:
    """A JPEG of a picture, not enlarged, in the colours of the profile."""
    size = thumbnail_shape(view.shape)
    # Few of a large picture's pixels are read: averaging all 40 million would take a hundred
    # times as long, and nobody could tell.
    rows, columns = (
        np.arange(0, side, max(1, side // (_FINER * small)))
        for side, small in zip(view.shape, size, strict=True)
    )
    pixels: npt.NDArray[np.generic] = from_tensor(view.points(rows, columns))
    image = Image.fromarray(pixels).resize((size.width, size.height), Image.Resampling.LANCZOS)
    if icc_profile is not None and len(icc_profile) > _LARGEST_PROFILE:
        icc_profile = None
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75, optimize=True, icc_profile=icc_profile, comment=MARK)
    return file.getvalue()


def thumbnail_shape(shape: Shape) -> Shape:
    """Of a picture's thumbnail."""
    covering = max(WIDTH / shape.width, HEIGHT / shape.height)
    scale = min(1.0, covering, LONGEST / max(shape))
    return Shape(*(max(1, round(side * scale)) for side in shape))
