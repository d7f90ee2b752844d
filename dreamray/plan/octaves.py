"""Octaves: the sizes that a dream runs through."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Shape
from dreamray.model import architecture
from dreamray.settings.dream import Dream

AUTO_SMALLEST = 459
"""Longer side, in pixels, that `octaves: auto` aims at for the smallest octave.

It is the smallest octave of a 900 pixel picture at the defaults, so that on a larger picture
the coarsest motifs cover the same share of it.
"""

BORDER = 2
"""Cells at the edge of a feature map that the objective leaves out."""


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
    maps = [architecture.feature_shape(name, *shape) for name in names]
    return all(min(m) >= 1 for m in maps) and any(min(m) > 2 * BORDER for m in maps)


@functools.lru_cache(maxsize=64)
def smallest_side(names: tuple[str, ...]) -> int:
    """The least number of pixels a side in which the layers see anything."""
    side = 1
    while not is_visible(names, Shape(side, side)):
        side += 1
    return side
