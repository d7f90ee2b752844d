"""Gradient ascent on one octave: steps along the normalised gradient, until the loss is high."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dreamray.errors import MemoryExhaustedError
from dreamray.octaves import Raster
from dreamray.settings import Dream
from dreamray.tiles import TilePlan


class Gradient(Protocol):
    """What an ascent needs of `dreamray.gradient.PictureGradient`, without TensorFlow."""

    @property
    def image(self) -> Raster:
        """The picture as it is now, float32 [height, width, 3]."""

    def put(self, image: Raster) -> None:
        """Take over a picture."""

    def clear(self) -> None:
        """Let go of it."""

    def compute(self, plan: TilePlan, roll: tuple[int, int]) -> float:
        """Compute the gradient of the rolled picture, and return the loss."""

    def move(self, plan: TilePlan, step: float) -> None:
        """Move the picture along the gradient."""


@dataclass(frozen=True)
class Step:
    """One step that was made, or the loss that ended the octave."""

    number: int
    """From 0 in each octave."""
    loss: float
    moved: bool
    """False where the loss was over `max_loss`: the octave ended before this step."""


def ascend(
    image: Raster,
    plan: TilePlan,
    dream: Dream,
    gradient: Gradient,
    *,
    octave: int = 0,
    on_step: Callable[[Step], None] = lambda step: None,
    smaller: Callable[[TilePlan], TilePlan] | None = None,
) -> Raster:
    """Ascend from `image` for the dream's iterations, or until its loss is over `max_loss`.

    Args:
        image: float32 [height, width, 3]; left as it is.
        plan: tiles for the image's shape and the dream's layers.
        dream: its step, iterations, max_loss, jitter and seed count here.
        gradient: of the dream's layers.
        octave: which octave it is; seeds the jitter.
        on_step: told of each step.
        smaller: makes a plan with smaller tiles when memory runs out; the step is then
            made again with it, and the rest of the octave too.

    Returns: the dreamt image, float32 [height, width, 3].

    Raises MemoryExhaustedError if memory runs out and `smaller` is None or raises it.
    """
    gradient.put(image)
    try:
        for number in range(dream.iterations):
            roll = _roll(dream, octave, number)
            while True:
                try:
                    loss = gradient.compute(plan, roll)
                    break
                except MemoryExhaustedError:
                    if smaller is None:
                        raise
                    plan = smaller(plan)
            over = dream.max_loss is not None and loss > dream.max_loss
            if not over:
                gradient.move(plan, dream.step)
            on_step(Step(number, loss, moved=not over))
            if over:
                break
        return gradient.image
    finally:
        gradient.clear()


def _roll(dream: Dream, octave: int, number: int) -> tuple[int, int]:
    """Rows and columns to roll the picture by: the same for the same seed, octave and step."""
    if dream.jitter == 0:
        return 0, 0
    random = np.random.default_rng([dream.seed, octave, number])
    rows, columns = random.integers(-dream.jitter, dream.jitter, 2, endpoint=True)
    return int(rows), int(columns)
