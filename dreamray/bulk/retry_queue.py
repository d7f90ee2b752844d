"""The pictures that wait for a worker, and those that are tried again."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dreamray.bulk.record import Record
from dreamray.bulk.task import Task

_log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a picture is tried, where trying again may help."""

PAUSES = (2.0, 10.0)
"""Seconds before the second and the third attempt."""

DEATHS = 3
"""How often a picture may have a worker to itself that then dies."""


@dataclass(frozen=True)
class Attempt:
    """A picture, and how often it was tried."""

    task: Task
    number: int = 1
    avoid: str = ""
    """The worker that failed with it last."""
    suspect: bool = False
    """Whether a worker was lost that had it in hand, perhaps because of it."""
    deaths: int = 0
    """How many workers were lost that had nothing else in hand."""


class RetryQueue:
    """New tasks, drawn when they are asked for, and attempts that wait until they are due."""

    def __init__(self, tasks: Iterator[Task], clock: Callable[[], float] = time.monotonic) -> None:
        self._new = (Attempt(task) for task in tasks)
        self._clock = clock
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Attempt]] = []
        """When they are due; numbers, which are never equal, keep attempts from being compared."""
        self._suspects: deque[Attempt] = deque()
        self._due: deque[Attempt] = deque()

    def next(self) -> Attempt | None:
        """The one to be handed out next; None if there is none at the moment.

        It stays the next one until it is `taken`.
        """
        self._wake()
        if not self._due and (new := next(self._new, None)) is not None:
            self._due.append(new)
        return self._due[0] if self._due else None

    def next_suspect(self) -> Attempt | None:
        """The same of those that want a worker to themselves."""
        self._wake()
        return self._suspects[0] if self._suspects else None

    def taken(self, attempt: Attempt) -> None:
        """It was handed out."""
        (self._suspects if attempt.suspect else self._due).popleft()

    @property
    def empty(self) -> bool:
        """Whether nothing is left, now or later."""
        return self.next() is None and not self._suspects and not self._waiting

    def again(self, attempt: Attempt, record: Record, worker: str) -> Record | None:
        """A failure that need not be the last one: tried again later, or the final record."""
        if attempt.number >= ATTEMPTS:
            return replace(record, attempts=attempt.number)
        pause = PAUSES[attempt.number - 1]
        _log.info("%s failed, again in %g s: %s", attempt.task.output, pause, record.error)
        self._put(replace(attempt, number=attempt.number + 1, avoid=worker), pause)
        return None

    def lost(self, attempt: Attempt, worker: str, *, suspect: bool) -> bool:
        """Its worker was lost: tried again at once; False if it has cost enough of them.

        That does not count as an attempt, as it may be the node's fault, or another picture's.
        From then on a suspect gets a worker to itself, which shows whose fault it is.
        """
        _log.info("worker %s was lost with %s in hand", worker, attempt.task.output)
        if not suspect:
            if attempt.suspect:
                self._suspects.append(attempt)
            else:
                self._put(replace(attempt, avoid=worker), 0.0)
            return True
        deaths = attempt.deaths + attempt.suspect
        if deaths >= DEATHS:
            return False
        self._suspects.append(replace(attempt, avoid=worker, suspect=True, deaths=deaths))
        return True

    def _wake(self) -> None:
        """Let those that are due come next, each among its like."""
        while self._waiting and self._waiting[0][0] <= self._clock():
            attempt = heapq.heappop(self._waiting)[-1]
            (self._suspects if attempt.suspect else self._due).append(attempt)

    def _put(self, attempt: Attempt, pause: float) -> None:
        due = self._clock() + pause
        heapq.heappush(self._waiting, (due, next(self._numbers), attempt))
