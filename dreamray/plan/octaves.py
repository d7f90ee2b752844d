"""Octaves: the sizes that a dream runs through."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Shape
from dreamray.model import architecture
from dreamray.model.terms import BORDER
from dreamray.settings.dream import Dream

AUTO_SMALLEST = 459
"""Longer side, in pixels, that `octaves: auto` aims at for the smallest octave.

It is the smallest octave of a 900 pixel picture at the defaults, so that on a larger picture
the coarsest motifs cover the same share of it.
"""

MOST_PIXELS = 1 << 34
"""Of an octave: as many as a picture may have that is brought in."""

FRAME = BORDER + 1
"""Cells of the deepest layer from the edge in which little is dreamt; measured: see docs/margin.md.

One more than the objective leaves out: what its cells there see lies, in the middle, further in.
"""

MOST_AUTO_MARGIN = 2000
"""Pixels; what a dream may be given by hand."""

_NUDGE = 1e-6
"""Pixels more than an octave is asked to have, lest rounding makes it one less."""

_MOTIF = 3
"""A motif is about this many times smaller than what its layer sees, by the look of dreams."""


@dataclass(frozen=True)
class OctavePlan:
    """The octaves of one picture, in the order in which they are dreamt."""

    margin: int
    """Pixels that are mirrored around the picture at its own scale; the octaves contain them."""

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


def growths(shape: Shape, dream: Dream) -> list[float]:
    """How many times larger the picture is than each octave, the smallest first."""
    if dream.octave_sizes is None:
        return [dream.octave_scale**i for i in reversed(range(count_octaves(shape, dream)))]
    longest = max(shape)
    smaller = [size for size in dream.octave_sizes if size < longest]
    return [*(longest / (size + _NUDGE) for size in smaller), 1.0]


def _shrunk(shape: Shape, growth: float) -> Shape:
    return Shape(*(int(side / growth) for side in shape))


def count_margin(shape: Shape, dream: Dream) -> int:
    """Pixels of the mirrored margin, with `auto` made definite."""
    if dream.margin != "auto":
        return dream.margin or 0
    names = dream.layer_names
    seen = [one for one in growths(shape, dream) if is_visible(names, _shrunk(shape, one))]
    stride = max(architecture.layer(name).columns.stride for name in names)
    frame = FRAME * stride * max(1.0, *seen, 1.0)
    return min(math.ceil(frame), max(shape), MOST_AUTO_MARGIN)


def advise(shape: Shape, dream: Dream) -> str | None:
    """What to know of a picture on which motifs will be small: one line, or None.

    The network sees no more than its receptive field: what it dreams is of a size of its own,
    and only octaves make more of it. Those that begin on more than twice the pixels that `auto`
    begins on give motifs of less than half the share of the picture.
    """
    if dream.octaves == "auto" or dream.octave_scale <= 1 or dream.octave_sizes is not None:
        return None
    growth = dream.octave_scale ** (dream.octaves - 1)
    longest = max(shape)
    if longest <= 2 * AUTO_SMALLEST * growth:
        return None
    fields = [architecture.layer(name).columns.receptive_field for name in dream.layer_names]
    motif = max(fields) * growth / _MOTIF
    more = count_octaves(shape, dream.replace(octaves="auto"))
    size = max(1, round(AUTO_SMALLEST * growth / 100)) * 100
    if not is_visible(dream.layer_names, shape.within(size)):
        return None  # Too narrow for either.
    octaves = f"{dream.octaves} octave{'s' * (dream.octaves != 1)}"
    return (
        f"at {shape} with {octaves} the largest motifs are about {motif:.0f} pixels, 1/"
        f"{longest / motif:.0f} of the longer side: --octaves {more} or --size {size} makes them "
        "larger"
    )


def plan_octaves(shape: Shape, dream: Dream) -> OctavePlan:
    """The octaves of a picture, those too small for the network left out.

    Raises PictureError if none is large enough, or one is beyond `MOST_PIXELS`.
    """
    margin = count_margin(shape, dream)
    every = [_shrunk(shape.widened(margin), one) for one in growths(shape, dream)]
    _check_growth(shape, dream, max(every, key=math.prod))
    names = dream.layer_names
    shapes = tuple(s for s in every if is_visible(names, s))
    smallest = smallest_side(names)
    if not shapes:
        needed = smallest - 2 * margin
        larger = f"enlarge it to at least {needed} pixels a side"
        if dream.size == max(shape):
            larger = f"give --size {-(-needed * max(shape) // min(shape))} or more"
        raise PictureError(
            f"a picture of {shape} is too small for {', '.join(names)}: "
            f"{larger}, or choose an earlier layer"
        )
    skipped = tuple(s for s in every if not is_visible(names, s))
    return OctavePlan(margin, shapes, skipped, smallest)


def _check_growth(shape: Shape, dream: Dream, largest: Shape) -> None:
    if largest.pixels > max(MOST_PIXELS, shape.pixels):
        raise PictureError(
            f"a picture of {shape} would grow to {largest.pixels:.2g} pixels, over the "
            f"{MOST_PIXELS:.2g} that an octave may have: give fewer --octaves, or an "
            "--octave-scale nearer to 1"
        )


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
