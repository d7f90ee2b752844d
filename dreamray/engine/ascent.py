"""Gradient ascent on one octave: what is asked for, and what each step's loss decides.

Steps go along the normalised gradient, until the loss is high. Pure: who computes, and how many
they are, is the matter of `dreamray.engine.lockstep`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from dreamray.engine.halo_exchange import Roll
from dreamray.plan.tiles import TilePlan
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import LazyRaster
from dreamray.settings.dream import Dream

SMALLEST_MEAN = 1e-7
"""The mean gradient is not taken smaller than this: a picture without detail stays as it is."""

SMALLEST_OF_PARTS = 1e-12
"""The same where terms look at parts: the mean is the whole picture's, and most may have none."""


class Checkpoints(Protocol):
    """Where an octave is stored on its way."""

    def __call__(self, step: int) -> ChunkedRaster:
        """The image after so many steps."""

    def remembered(self, step: int, slot: str) -> ChunkedRaster:
        """What the optimizer remembers then."""


@dataclass(frozen=True)
class Octave:
    """One octave to be dreamt: all that those who take part have to know, and the same for all."""

    plan: TilePlan
    image: LazyRaster
    """What it goes on from."""
    dream: Dream
    number: int = 0
    """From 0, in the order in which octaves are dreamt: seeds the jitter."""
    first: int = 0
    """The step to begin with."""
    every: int | None = None
    """Steps from checkpoint to checkpoint."""
    held: int | None = None
    """Bytes of tiles that may be in memory a worker; the rest waits in `scratch`."""
    scratch: Path | None = None
    """A folder of each worker's machine."""
    checkpoint: Checkpoints | None = None
    """Where the image is stored after so many steps."""
    result: ChunkedRaster | None = None
    """Where it is stored at the end, with `added` added."""
    added: LazyRaster | None = None
    beside: LazyRaster | None = None
    """What the objective takes beside the picture, at this size: see `Objective.gradient`."""
    remembered: Mapping[str, LazyRaster] = field(default_factory=dict)
    """What the optimizer has remembered at `first`: see `dreamray.plan.refinement.slots`."""
    mask: LazyRaster | None = None
    """How much of each pixel's steps is made: see `dreamray.raster.mask`; all of it if None."""


@dataclass(frozen=True)
class Effort:
    """What a step took, summed over all who made it; seconds and bytes."""

    computing: float = 0.0
    exchange: float = 0.0
    """Waiting for others' halos and gradients."""
    reduction: float = 0.0
    """Waiting for the sums of all, and for what they decide."""
    sent: float = 0.0
    """Bytes."""
    dropped: float = 0.0
    """Messages that were none of this step's, or damaged."""

    @property
    def waiting(self) -> float:
        """The share of the time that was spent in waiting for others, from 0 to 1."""
        waited = self.exchange + self.reduction
        whole = self.computing + waited
        return waited / whole if whole > 0 else 0.0


@dataclass(frozen=True)
class StepMeasure:
    """What a step found out, for each tile in the order of the plan."""

    losses: tuple[float, ...]
    """The parts of the whole loss."""
    sums: tuple[tuple[float, ...], ...]
    """Of the absolute gradient over each core; of several bands, of the squares of each."""
    values: int
    """How many numbers the whole gradient, or a band of it, has."""

    @property
    def loss(self) -> float:
        """The whole loss."""
        return sum(self.losses)

    @property
    def mean(self) -> float:
        """The mean absolute gradient of the whole picture, where it has no bands."""
        return self.scales[0]

    @property
    def scales(self) -> tuple[float, ...]:
        """The mean absolute gradient of the whole picture, or the root mean square of each band."""
        means = [sum(band) / self.values for band in zip(*self.sums, strict=True)]
        return tuple(means) if len(means) == 1 else tuple(map(math.sqrt, means))


@dataclass(frozen=True)
class Step:
    """One step that was made, or the loss that ended the octave."""

    number: int
    """From 0 in each octave."""
    loss: float
    moved: bool
    """False where the loss was over `max_loss`: the octave ended before this step."""
    effort: Effort = field(default=Effort(), compare=False)
    """Of the step before: what the last one took is known when all have told."""


@dataclass(frozen=True)
class Stored:
    """All have stored the image as it is after so many steps."""

    step: int
    last: bool = False
    """Whether nothing follows."""
    finished: bool = False
    """Whether it is the octave's result; else a checkpoint."""


class Wish(enum.IntEnum):
    """What is to become of an octave on its way."""

    GO_ON = 0
    LEAVE_AT_CHECKPOINT = 1
    """End it with the next checkpoint, as others want to join."""
    LEAVE = 2
    """Store it and end it after this step, as somebody has to leave."""


class Decision(NamedTuple):
    """What all do after a gradient."""

    loss: float
    scales: tuple[float, ...]
    """What the gradient, or each band of it, is divided by."""
    moves: bool
    ends: bool
    """Whether it is the octave's last step."""
    stores: bool
    """Whether the image is stored after the move, as a checkpoint."""
    leaves: bool
    """Whether nothing follows that checkpoint."""


def decide(
    octave: Octave,
    number: int,
    loss: float,
    scales: tuple[float, ...],
    wish: Wish = Wish.GO_ON,
) -> Decision:
    """What follows from the loss and the size of the gradient of the whole picture."""
    dream, reached = octave.dream, number + 1
    over = dream.max_loss is not None and loss > dream.max_loss
    ends = over or reached == dream.iterations
    due = octave.every is not None and reached % octave.every == 0
    leaves = not ends and wish >= (Wish.LEAVE_AT_CHECKPOINT if due else Wish.LEAVE)
    stores = not ends and (due or leaves)
    return Decision(loss, divisors(dream, scales), not over, ends, stores, leaves)


def divisors(dream: Dream, scales: Sequence[float]) -> tuple[float, ...]:
    """What a gradient of that size is divided by, so that what is left is of size 1.

    Bands, of which several add up, each count for so much less.
    """
    smallest = SMALLEST_OF_PARTS if dream.parts else SMALLEST_MEAN
    return tuple(math.sqrt(len(scales)) * max(scale, smallest) for scale in scales)


def roll(dream: Dream, octave: int, number: int) -> Roll:
    """Rows and columns to roll the picture by: the same for the same seed, octave and step."""
    if dream.jitter == 0:
        return 0, 0
    random = np.random.default_rng([dream.seed, octave, number])
    rows, columns = random.integers(-dream.jitter, dream.jitter, 2, endpoint=True)
    return int(rows), int(columns)
