"""One objective for several threads, each with a picture of its own; like windows go as a batch.

A thread takes part while it dreams. The device computes when all that take part wait for a
gradient: windows of one kind, those that waited longest first, as one batch. So pictures of one
shape fall into step, and stay there. The bits of a result never depend on who else takes part.

A batch is made of windows side by side, each with the bits that it has alone; or, `padded`, as one
array of a fixed number of places, which is faster where a device is not filled by one window. Who
takes part has a place of its own then, and bits that depend on it: so it should follow from the
picture alone.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic

from dreamray.base.errors import DreamrayError, MemoryExhaustedError
from dreamray.engine.interfaces import A, BatchObjective, CellRanges, Number, PerCell
from dreamray.model.terms import Scope


class StoppedError(DreamrayError):
    """The objective was told to stop; no gradient is computed any more."""


@dataclass(frozen=True)
class _Kind:
    """What windows have to have in common to go as one batch."""

    shape: tuple[int, ...]
    owned: bytes
    per_cell: bytes

    @property
    def pixels(self) -> int:
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True, eq=False)
class _PendingGradient(Generic[A]):
    """A thread waits for the gradient of a window."""

    window: A
    owned: CellRanges
    per_cell: PerCell
    place: int = 0
    found: Future[tuple[Number, A]] = field(default_factory=Future)

    @property
    def kind(self) -> _Kind:
        shape = tuple(self.window.shape)
        return _Kind(shape, self.owned.tobytes(), self.per_cell.tobytes())


class SharedObjective(Generic[A]):
    """An objective for many threads, around one for a single thread.

    At most one thread at a time computes a gradient with it, for itself or for several that
    wait.
    """

    def __init__(
        self,
        objective: BatchObjective[A],
        most: int,
        most_pixels: float = math.inf,
        *,
        padded: bool = False,
    ) -> None:
        """`most` is the largest number of windows in a batch, `most_pixels` that of their pixels.

        Where memory does not suffice for them, batches have at most half as many from then on.
        `padded` batches are arrays of just `most` windows, or where these have too many pixels
        each window is computed alone; so are from then on those of a shape that memory did not
        suffice for, and of larger ones, but no smaller ones: their bits would change.
        """
        self._objective = objective
        self._most = most
        self._most_pixels = most_pixels
        self._padded = padded
        self._changed = threading.Condition()
        # All below is guarded by it.
        self._taking_part: Counter[int] = Counter()
        self._waiting: list[_PendingGradient[A]] = []
        self._computing = False
        self._stopped = False

    @property
    def scopes(self) -> Sequence[Scope]:
        """What it counts the cells of."""
        return self._objective.scopes

    @contextlib.contextmanager
    def taking_part(self) -> Iterator[None]:
        """While this thread is in it, the others' gradients wait for its next one.

        So it should not be in it while it does anything long, such as waiting for a network.
        A thread may enter it several times. Raises StoppedError.
        """
        me = threading.get_ident()
        with self._changed:
            if self._stopped:
                raise StoppedError("stopped")
            self._taking_part[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._taking_part[me] -= 1
                if not self._taking_part[me]:
                    del self._taking_part[me]
                self._changed.notify_all()

    def cancel(self) -> None:
        """Raise StoppedError in all threads that wait for a gradient, or ask for one from now on.

        One that is computed at this moment is finished.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def at(self, place: int) -> PlacedObjective[A]:
        """The objective for a thread whose windows are at this place of padded batches."""
        return PlacedObjective(self, place % self._most)

    def gradient(
        self, window: A, owned: CellRanges, per_cell: PerCell, place: int = 0
    ) -> tuple[Number, A]:
        """Loss and gradient of a window, the same bits as of the objective's own `gradient`.

        But for padded batches. A thread that does not take part does so for this one call. Raises
        StoppedError, and what the objective raises.
        """
        request = _PendingGradient(window, owned, per_cell, place)
        with self.taking_part(), self._queued(request):
            while group := self._wait(request):
                self._compute(group)
        return request.found.result()

    @contextlib.contextmanager
    def _queued(self, request: _PendingGradient[A]) -> Iterator[None]:
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                if request in self._waiting:
                    self._waiting.remove(request)

    def _wait(self, request: _PendingGradient[A]) -> list[_PendingGradient[A]]:
        """The group that this thread has to compute now; none once its own is there."""
        with self._changed:
            while not request.found.done():
                if self._stopped:
                    raise StoppedError("stopped")
                if not self._computing and len(self._waiting) == len(self._taking_part):
                    group = self._next_group()
                    if request in group:
                        self._computing = True
                        return group
                self._changed.wait()
        return []

    def _next_group(self) -> list[_PendingGradient[A]]:
        """What has waited longest, and others of its kind."""
        kind = self._waiting[0].kind
        alike = [request for request in self._waiting if request.kind == kind]
        if self._padded:
            if not self._is_array(kind):
                return alike[:1]
            first = {request.place: request for request in reversed(alike)}
            return [request for request in alike if first[request.place] is request]
        most = int(max(1, min(self._most, self._most_pixels / kind.pixels)))
        return alike[:most]

    def _is_array(self, kind: _Kind) -> bool:
        """Whether windows of a kind are computed as one array."""
        return self._padded and self._most * kind.pixels <= self._most_pixels

    def _compute(self, group: Sequence[_PendingGradient[A]]) -> None:
        try:
            alone = len(group) == 1 and not self._is_array(group[0].kind)
            if alone or not self._compute_batch(group):
                for request in group:
                    self._compute_alone(request)
        finally:
            with self._changed:
                self._computing = False
                self._changed.notify_all()

    def _compute_batch(self, group: Sequence[_PendingGradient[A]]) -> bool:
        """Whether a batch could be made of them."""
        one = group[0]
        size = self._most if self._padded else len(group)
        try:
            results = self._batch(group)
        except MemoryExhaustedError:
            tried = one.kind.pixels * size
            self._most_pixels = tried - 1 if self._padded else tried / 2
            return False
        except Exception as error:
            for request in group:
                self._settle(request, error)
            return True
        for request, found in zip(group, results, strict=True):
            self._settle(request, found)
        return True

    def _batch(self, group: Sequence[_PendingGradient[A]]) -> Sequence[tuple[Number, A]]:
        one = group[0]
        if not self._padded:
            windows = [request.window for request in group]
            return self._objective.gradients(windows, one.owned, one.per_cell)
        placed = {request.place: request.window for request in group}
        found = self._objective.padded_gradients(placed, self._most, one.owned, one.per_cell)
        return [found[request.place] for request in group]

    def _compute_alone(self, request: _PendingGradient[A]) -> None:
        try:
            found = self._objective.gradient(request.window, request.owned, request.per_cell)
        except Exception as error:
            self._settle(request, error)
        else:
            self._settle(request, found)

    def _settle(self, request: _PendingGradient[A], outcome: tuple[Number, A] | Exception) -> None:
        """Let a thread go on, though others of its group may have to wait still."""
        with self._changed:
            if isinstance(outcome, Exception):
                request.found.set_exception(outcome)
            else:
                request.found.set_result(outcome)
            if request in self._waiting:  # It may have been stopped.
                self._waiting.remove(request)
            self._changed.notify_all()


class PlacedObjective(Generic[A]):
    """A shared objective, for who has a place in its padded batches."""

    def __init__(self, shared: SharedObjective[A], place: int) -> None:
        self._shared = shared
        self._place = place

    @property
    def scopes(self) -> Sequence[Scope]:
        """See `SharedObjective`."""
        return self._shared.scopes

    def gradient(self, window: A, owned: CellRanges, per_cell: PerCell) -> tuple[Number, A]:
        """See `SharedObjective`."""
        return self._shared.gradient(window, owned, per_cell, self._place)
