"""Time in which somebody was there to see it pass."""

from __future__ import annotations

import time
from collections.abc import Callable


class WatchedTime:
    """A clock of the time in which somebody looked at it.

    Between two looks it goes on by `most` seconds at the most. So it stands while this process
    is stopped, this machine sleeps, or all the machine is too slow to do anything.
    """

    def __init__(self, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._last = clock()
        self._now = 0.0

    def look(self) -> float:
        """The seconds so far."""
        now = self._clock()
        self._now += min(now - self._last, self._most)
        self._last = now
        return self._now
