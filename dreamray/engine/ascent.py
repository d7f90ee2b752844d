"""Gradient ascent on one octave: steps along the normalised gradient, until the loss is high."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dreamray.engine.halo_exchange import Roll
from dreamray.settings.dream import Dream

SMALLEST_MEAN = 1e-7
"""The mean gradient is not taken smaller than this: a picture without detail stays as it is."""


class Measure(Protocol):
    """What a gradient says of the whole picture."""

    @property
    def loss(self) -> float:
        """The whole loss."""

    @property
    def mean(self) -> float:
        """The mean absolute gradient."""


class Ascender(Protocol):
    """What an ascent needs of a `dreamray.engine.tile_executor.TileExecutor`."""

    def compute(self, roll: Roll) -> Measure:
        """Compute the gradient of the rolled picture."""

    def move(self, step: float, mean: float) -> None:
        """Move the picture along the gradient, by `step * gradient / mean`."""


@dataclass(frozen=True)
class Step:
    """One step that was made, or the loss that ended the octave."""

    number: int
    """From 0 in each octave."""
    loss: float
    moved: bool
    """False where the loss was over `max_loss`: the octave ended before this step."""


def ascend(climber: Ascender, dream: Dream, *, octave: int = 0, first: int = 0) -> Iterator[Step]:
    """Make the dream's steps on a picture, or those until its loss is over `max_loss`.

    `octave` seeds the jitter; `first` is the step to begin with. When one of the climber's
    errors is raised, the picture is as it was after the step that was yielded last.
    """
    for number in range(first, dream.iterations):
        found = climber.compute(roll(dream, octave, number))
        over = dream.max_loss is not None and found.loss > dream.max_loss
        if not over:
            climber.move(dream.step, max(found.mean, SMALLEST_MEAN))
        yield Step(number, found.loss, moved=not over)
        if over:
            return


def roll(dream: Dream, octave: int, number: int) -> Roll:
    """Rows and columns to roll the picture by: the same for the same seed, octave and step."""
    if dream.jitter == 0:
        return 0, 0
    random = np.random.default_rng([dream.seed, octave, number])
    rows, columns = random.integers(-dream.jitter, dream.jitter, 2, endpoint=True)
    return int(rows), int(columns)
