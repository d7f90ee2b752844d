"""What a process is at, for whoever watches from outside that it goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple

from dreamray.engine.interfaces import A, CellRanges, Number, Objective, PerCell
from dreamray.model.terms import Scope

GRADIENT = "gradient"
"""The kind of work that is done again and again, and takes about as long each time."""


_SIZES = 10_000
"""Sizes of windows that are kept in mind."""


class Doing(NamedTuple):
    """One piece of work in hand."""

    mark: int
    """Another number for each piece: the same one seen twice has not gone on meanwhile."""
    kind: str
    pixels: int
    """How large it is; 0 where that is not known."""


@dataclass(frozen=True)
class Pulse:
    """A sign of life."""

    doing: Mapping[str, Doing]
    """By what it is done for: a picture of a set, or the one that all make together. Whoever
    waits for others is not in it."""
    slowest: Mapping[str, float]
    """Seconds a pixel of the slowest piece so far, by kind."""


class Activity:
    """Keeps track of what a process is at. Any thread may tell or ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks = 0
        self._doing: dict[str, tuple[Doing, float]] = {}
        self._slowest: dict[str, float] = {}
        self._sizes: set[int] = set()

    def pulse(self) -> Pulse:
        """What is in hand now."""
        doing = {key: one for key, (one, _) in self._doing.copy().items()}
        return Pulse(doing, self._slowest.copy())

    def begin(self, key: str, kind: str, pixels: int = 0) -> None:
        """Something else is done for `key` from now on."""
        self.end(key)
        self._marks += 1
        self._doing[key] = Doing(self._marks, kind, pixels), self._clock()

    def end(self, key: str) -> None:
        """Nothing is done for it from now on; it may wait for something."""
        before = self._doing.pop(key, None)
        if before is not None and self._counts(done := before[0]):
            rate = (self._clock() - before[1]) / done.pixels
            self._slowest[done.kind] = max(rate, self._slowest.get(done.kind, 0.0))

    def _counts(self, done: Doing) -> bool:
        """Whether it tells what such work takes: the first gradient of a size is for TensorFlow."""
        if done.kind != GRADIENT:
            return done.pixels > 0
        if len(self._sizes) > _SIZES:
            self._sizes.clear()
        known = done.pixels in self._sizes
        self._sizes.add(done.pixels)
        return known

    @contextlib.contextmanager
    def doing(self, key: str, kind: str, pixels: int = 0) -> Iterator[None]:
        """One piece of work, after which what was done before goes on."""
        outer = self._doing.get(key)
        self.begin(key, kind, pixels)
        try:
            yield
        finally:
            self.end(key)
            if outer is not None:
                self.begin(key, outer[0].kind, outer[0].pixels)


class WatchedObjective(Generic[A]):
    """An objective whose gradients are told to an `Activity`."""

    def __init__(self, objective: Objective[A], activity: Activity, key: str) -> None:
        self._objective = objective
        self._activity = activity
        self._key = key

    @property
    def scopes(self) -> Sequence[Scope]:
        """See `Objective`."""
        return self._objective.scopes

    def gradient(self, window: A, owned: CellRanges, per_cell: PerCell) -> tuple[Number, A]:
        """See `Objective`."""
        height, width, _ = window.shape
        with self._activity.doing(self._key, GRADIENT, int(height) * int(width)):
            return self._objective.gradient(window, owned, per_cell)
