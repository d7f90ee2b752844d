"""How many pictures a process is given at a time, so that its device waits for none of them.

A device that dreams fast needs more pictures loaded and stored beside it than a slow one: as many
as go through loading and storing in the time of a dream. That is measured while the set is made.
"""

from __future__ import annotations

import math

from dreamray.bulk.record import Seconds

MOST_MORE = 16
"""Pictures beyond the least that are in hand, whatever is measured: each holds memory."""

_WEIGHT = 0.1
"""Of the newest picture in the mean."""


class Feeding:
    """Counts for one process, or for those of one kind."""

    def __init__(self, least: int, dreaming: int = 1) -> None:
        """`least` pictures are in hand at any rate, of which so many are dreamt at a time."""
        self._least = least
        self._dreaming = dreaming
        self._beside = self._dream = 0.0

    @property
    def most(self) -> int:
        """In hand, whatever is measured."""
        return self._least + MOST_MORE

    @property
    def in_hand(self) -> int:
        """Pictures to have in hand now."""
        if self._dream <= 0:
            return self._least
        needed = self._dreaming + math.ceil(self._dreaming * self._beside / self._dream)
        return min(max(self._least, needed), self.most)

    def note(self, seconds: Seconds) -> None:
        """Take the times of a picture that was made into account."""
        if seconds.dream <= 0:  # It was there already.
            return
        beside = seconds.load + seconds.store
        weight = _WEIGHT if self._dream else 1.0
        self._beside += weight * (beside - self._beside)
        self._dream += weight * (seconds.dream - self._dream)
