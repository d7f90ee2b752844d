"""Octaves: the sizes a dream runs through, and the resampling between them.

Resampling is bilinear with aligned corners and without antialiasing, the same as
`scipy.ndimage.zoom(order=1)`: an output window then depends on a small input window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dreamray import inception
from dreamray.errors import PictureError
from dreamray.settings import Dream

Raster = npt.NDArray[np.float32]
"""A picture as float32 [height, width, 3], in the network's range of -1 to 1."""

AUTO_SMALLEST = 459
"""Longer side, in pixels, that `octaves: auto` aims at for the smallest octave.

It is the smallest octave of a 900 pixel picture at the defaults, so that on a larger picture
the coarsest motifs cover the same share of it.
"""

BORDER = 2
"""Cells at the edge of a feature map that the objective leaves out."""

_STRIP = 64
"""Rows that are resampled at a time."""


class Shape(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class OctavePlan:
    """The octaves of one picture, in the order in which they are dreamt."""

    shapes: tuple[Shape, ...]
    skipped: tuple[Shape, ...]
    """Octaves that the network cannot see anything in."""

    smallest_side: int
    """Pixels a side that a picture needs at the least for these layers."""


def count_octaves(shape: Shape, dream: Dream) -> int:
    """The number of octaves, with `auto` made definite."""
    if dream.octaves != "auto":
        return dream.octaves
    if dream.octave_scale <= 1:
        return 1
    ratio = max(shape) / AUTO_SMALLEST
    return 1 + max(0, min(49, round(math.log(ratio, dream.octave_scale))))


def plan_octaves(shape: Shape, dream: Dream) -> OctavePlan:
    """The octaves of a picture, those too small for the network left out.

    Raises PictureError if none is large enough.
    """
    count = count_octaves(shape, dream)
    every = [
        Shape(*(int(side / dream.octave_scale**i) for side in shape))
        for i in reversed(range(count))
    ]
    names = dream.layer_names
    shapes = tuple(s for s in every if is_visible(names, s))
    smallest = smallest_side(names)
    if not shapes:
        raise PictureError(
            f"a picture of {shape} is too small for {', '.join(names)}: "
            f"enlarge it to at least {smallest} pixels a side, or choose an earlier layer"
        )
    skipped = tuple(s for s in every if not is_visible(names, s))
    return OctavePlan(shapes, skipped, smallest)


def is_visible(names: tuple[str, ...], shape: Shape) -> bool:
    """Whether every layer exists over the picture, and one has a cell inside its border."""
    maps = [inception.feature_shape(name, *shape) for name in names]
    return all(min(m) >= 1 for m in maps) and any(min(m) > 2 * BORDER for m in maps)


def smallest_side(names: tuple[str, ...]) -> int:
    """The least number of pixels a side in which the layers see anything."""
    side = 1
    while not is_visible(names, Shape(side, side)):
        side += 1
    return side


def resize(image: Raster, shape: Shape) -> Raster:
    """Resample `image` [h, w, 3] to `shape`; the image itself where the shape is its own.

    Interpolated in float64 and rounded once, as SciPy does: hardly a bit differs then, and the
    ascent amplifies every one. A strip at a time, to need little memory beside the result.
    """
    if image.shape[:2] == shape:
        return image
    rows, columns = map(_points, image.shape[:2], shape)
    across = columns.weight[None, :, None]
    resized = np.empty((*shape, image.shape[2]), np.float32)
    for start in range(0, shape.height, _STRIP):
        strip = slice(start, start + _STRIP)
        down = rows.weight[strip, None, None]
        lines = image[rows.below[strip]] * (1 - down) + image[rows.above[strip]] * down
        resized[strip] = lines[:, columns.below] * (1 - across) + lines[:, columns.above] * across
    return resized


class _Points(NamedTuple):
    """Where an axis is sampled: between two cells each, and how near to the one above."""

    below: npt.NDArray[np.intp]
    above: npt.NDArray[np.intp]
    weight: npt.NDArray[np.floating]


def _points(source: int, length: int) -> _Points:
    """`length` points from the first to the last of `source` cells."""
    # One point alone sits on the first cell, as in scipy.ndimage.zoom.
    at = np.arange(length) * ((source - 1) / max(length - 1, 1))
    below = np.minimum(at.astype(np.intp), max(source - 2, 0))
    return _Points(below, np.minimum(below + 1, source - 1), at - below)


def lost_detail(original: Raster, previous: Shape, shape: Shape) -> Raster:
    """What the original shows at `shape` that it had lost at the previous octave's shape."""
    return resize(original, shape) - resize(resize(original, previous), shape)
