"""Who dreams an octave: one worker in this process, or several elsewhere.

The bytes do not depend on who the workers are, nor on how many.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import override

from dreamray.base.errors import DreamrayError
from dreamray.engine.ascent import Octave, Step, StepMeasure, Stored
from dreamray.engine.blending import TileTask
from dreamray.engine.lockstep.member import alone
from dreamray.engine.worker import Worker


class WorkersLostError(DreamrayError):
    """Workers are gone, and with them the image: begin again from where it was stored."""


class TileExecutor(ABC):
    """What a picture's dream needs of those who make it."""

    @abstractmethod
    def about(self) -> Mapping[str, Any]:
        """The device, threads and TensorFlow that it computes with."""

    @abstractmethod
    def dream(self, octave: Octave) -> Iterator[Step | Stored]:
        """Dream an octave in exact tiles, and store it where it says.

        Each step is told when it was made, each checkpoint when it is stored. Where workers have
        to leave, or others to join, it ends with a checkpoint: begin again with that. Raises
        WorkersLostError, MemoryExhaustedError.
        """

    @abstractmethod
    def measure(self, octave: Octave) -> StepMeasure:
        """What the gradient of an octave's image, not rolled, is like. Raises as `dream`."""

    @abstractmethod
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        """Dream tiles by themselves; `done` is told of each, and how many steps it took."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Workers that take part now."""


class LocalTileExecutor(TileExecutor):
    """One worker, in this process."""

    size = 1

    def __init__(self, worker: Worker[Any]) -> None:
        self._worker = worker

    @override
    def about(self) -> Mapping[str, Any]:
        return self._worker.about()

    @override
    def dream(self, octave: Octave) -> Iterator[Step | Stored]:
        return self._worker.join(octave, alone(octave)).ascend()

    @override
    def measure(self, octave: Octave) -> StepMeasure:
        found = self._worker.join(octave, alone(octave)).measure()
        assert found is not None
        return found

    @override
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        for task in tasks:
            done(task, self._worker.dream_tile(task))
