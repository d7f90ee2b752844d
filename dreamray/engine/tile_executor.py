"""Who dreams an octave: one worker in this process, or several elsewhere.

An executor holds the image of one octave between `begin` and `end`, assigned to its workers tile
by tile, and makes the ascent's steps on it. The bytes do not depend on who its workers are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from dreamray.base.errors import DreamrayError
from dreamray.engine.blending import TileTask
from dreamray.engine.halo_exchange import Roll
from dreamray.engine.worker import Move, Worker
from dreamray.plan.tiles import TilePlan
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import LazyRaster


class WorkersLostError(DreamrayError):
    """Workers are gone, and with them the image: begin again from where it was stored."""


@dataclass(frozen=True)
class StepMeasure:
    """What a step found out, for each tile in the order of the plan."""

    losses: tuple[float, ...]
    """The parts of the whole loss."""
    sums: tuple[float, ...]
    """Of the absolute gradient over each core."""
    values: int
    """How many numbers the whole gradient has."""

    @property
    def loss(self) -> float:
        """The whole loss."""
        return sum(self.losses)

    @property
    def mean(self) -> float:
        """The mean absolute gradient of the whole picture."""
        return sum(self.sums) / self.values


class TileExecutor(ABC):
    """What an ascent needs of those who make it."""

    _pending: Move | None = None

    @abstractmethod
    def about(self) -> Mapping[str, Any]:
        """The device, threads and TensorFlow that it computes with."""

    @abstractmethod
    def begin(
        self, plan: TilePlan, image: LazyRaster, held: int | None, scratch: Path | None
    ) -> None:
        """Take over the image of an octave, of which `held` bytes may be in memory a worker.

        The rest waits in `scratch`, a folder of each worker's machine. Raises WorkersLostError,
        as all that follow.
        """

    @abstractmethod
    def compute(self, roll: Roll) -> StepMeasure:
        """Compute the gradient of the rolled image. Raises MemoryExhaustedError."""

    def move(self, step: float, mean: float) -> None:
        """Move the image along the gradient, by `step * gradient / mean`.

        That is made with the next call, which saves the workers a message.
        """
        self._pending = Move(step, mean)

    def _take_move(self) -> Move | None:
        """The move that is still to be made, for the call that makes it."""
        pending, self._pending = self._pending, None
        return pending

    @abstractmethod
    def store(self, raster: ChunkedRaster, added: LazyRaster | None = None) -> None:
        """Write the image, with another raster added to it, into one of the same shape."""

    @abstractmethod
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        """Dream tiles by themselves; `done` is told of each, and how many steps it took."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Workers that take part now."""

    @property
    @abstractmethod
    def must_change(self) -> bool:
        """Whether a worker has to leave: store the image and begin anew."""

    @property
    @abstractmethod
    def may_change(self) -> bool:
        """Whether there are more workers than take part: begin anew once the image is stored."""

    @abstractmethod
    def end(self) -> None:
        """Let go of the octave."""


class LocalTileExecutor(TileExecutor):
    """One worker, in this process."""

    size = 1
    must_change = may_change = False

    def __init__(self, worker: Worker[Any]) -> None:
        self._worker = worker
        self._plan: TilePlan | None = None

    @override
    def about(self) -> Mapping[str, Any]:
        return self._worker.about()

    @override
    def begin(
        self, plan: TilePlan, image: LazyRaster, held: int | None, scratch: Path | None
    ) -> None:
        self._plan, self._pending = plan, None
        self._worker.begin(plan, (0,) * len(plan.tiles), 0, image, held, scratch)

    @override
    def compute(self, roll: Roll) -> StepMeasure:
        assert self._plan is not None
        self._worker.halos(self._take_move(), roll)
        losses, *_ = self._worker.compute()
        sums = self._worker.collect()
        return StepMeasure(tuple(losses), tuple(sums), 3 * math.prod(self._plan.shape))

    @override
    def store(self, raster: ChunkedRaster, added: LazyRaster | None = None) -> None:
        self._worker.store(self._take_move(), raster, added)

    @override
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        for task in tasks:
            done(task, self._worker.dream_tile(task))

    @override
    def end(self) -> None:
        self._worker.end()
