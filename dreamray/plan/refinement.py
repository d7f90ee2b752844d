"""What is done to a gradient before the picture moves along it: pure arithmetic of the settings.

Smoothing and bands are linear. So each window treats its own gradient, and what tiles add up is the
whole picture's treated gradient, where windows reach further by what the treatment spreads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dreamray.settings.dream import Dream

CASCADE = (0.5, 1.0, 2.0)
"""Widths of the Gaussians whose mean is taken, as shares of the step's."""

WIDER_AT_FIRST = 2.0
"""Pixels by which the first step's width is over that of the last."""

MOMENTUM, SECOND_MOMENT, SMALLEST_ROOT = 0.9, 0.999, 1e-8
"""Decays, and what Adam adds to the root: those of Kingma and Ba, arXiv:1412.6980."""

SLOTS: Mapping[str, tuple[str, ...]] = {
    "normalized": (),
    "momentum": ("first",),
    "adam": ("first", "second"),
}
"""What an optimizer remembers of each pixel from step to step."""


class Reach(NamedTuple):
    """What a treatment asks of windows."""

    spread: int = 0
    """Pixels by which it spreads a gradient."""
    grid: int = 1
    """What the origins of windows have to be multiples of."""


WITHIN = Reach()
"""Of no treatment."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """What is done to a window's gradient in one step."""

    kernels: npt.NDArray[np.float32] | None = None
    """Of the smoothing, [kernels, taps]: each is run along both axes, and their mean taken."""
    levels: int = 0
    """Of the Laplacian pyramid whose bands are told apart: see `bands`."""


PLAIN = Refinement()
"""Nothing is done."""


def reach(dream: Dream) -> Reach:
    """How far the gradient of a dream is spread, and on what grid."""
    spread = _radius(dream)
    if dream.laplacian:
        spread += 4 * (2**dream.laplacian - 1)
    # A pixel's total variation has its neighbours in it.
    spread += any(term.kind == "tv" for term in dream.terms)
    return Reach(spread, 2**dream.laplacian)


def bands(dream: Dream) -> int:
    """How many parts of a gradient are normalised each by itself."""
    return 1 + dream.laplacian


def slots(dream: Dream) -> tuple[str, ...]:
    """What the optimizer remembers of each pixel."""
    return SLOTS[dream.optimizer]


def refinement(dream: Dream, number: int) -> Refinement:
    """What is done to the gradient of a step, counted from 0 in each octave."""
    kernels = None
    if dream.smooth:
        kernels = np.stack([_gaussian(s, _radius(dream)) for s in sigmas(dream, number)])
    return Refinement(kernels, dream.laplacian)


def sigmas(dream: Dream, number: int) -> tuple[float, ...]:
    """Of the Gaussians of a step, in pixels; the last step's middle one is the dream's `smooth`."""
    left = 1 - (number + 1) / max(1, dream.iterations)
    width = dream.smooth + WIDER_AT_FIRST * max(0.0, left)
    return tuple(share * width for share in CASCADE)


def step_length(dream: Dream, number: int) -> float:
    """How far a step goes: `step`, made smaller by the schedule."""
    share = number / max(1, dream.iterations)
    if dream.schedule == "linear":
        return dream.step * (1 - share)
    if dream.schedule == "cosine":
        return dream.step * (1 + math.cos(math.pi * share)) / 2
    return dream.step


def _radius(dream: Dream) -> int:
    """Pixels: three widths of the widest Gaussian of all steps."""
    return math.ceil(3 * max(sigmas(dream, 0))) if dream.smooth else 0


def _gaussian(sigma: float, radius: int) -> npt.NDArray[np.float32]:
    """Cut off at three widths; its sum is 1."""
    at = np.arange(-radius, radius + 1)
    values = np.exp(-0.5 * (at / sigma) ** 2) * (np.abs(at) <= math.ceil(3 * sigma))
    kernel: npt.NDArray[np.float32] = (values / values.sum()).astype(np.float32)
    return kernel
