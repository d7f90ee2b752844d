"""How messages get from worker to worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dreamray.engine.lockstep.wire import Frame


class Transport(Protocol):
    """The way to the others who take part; for one thread.

    Messages may come late, twice, in any order, or never: `mailbox` sees to that.
    """

    def send(self, to: int, frames: Sequence[Frame]) -> None:
        """Send a message, without waiting; nobody may change the frames afterwards."""

    def receive(self, seconds: float) -> Sequence[Frame] | None:
        """The next message, None if none comes in so many seconds."""

    def unreachable(self) -> Mapping[int, float]:
        """Those who could not be reached lately, each with for how many seconds."""


class Alone:
    """The transport of a worker that has all tiles."""

    def send(self, to: int, frames: Sequence[Frame]) -> None:
        """Nobody is there."""
        raise AssertionError("there is nobody else")

    def receive(self, seconds: float) -> None:
        """Nothing ever comes."""

    def unreachable(self) -> Mapping[int, float]:
        """Nobody."""
        return {}
