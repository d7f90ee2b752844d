"""What a worker's time in a step goes into."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

from dreamray.engine.ascent import Effort
from dreamray.engine.lockstep.mailbox import Mailbox


class Stopwatch:
    """Tells a worker's own work from what it waits for; what is in no lap is computing."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mail = mailbox
        self.start()

    def start(self) -> None:
        """The first step begins: what was before does not count."""
        self._begun = self._mail.clock()
        self._sent, self._dropped = self._mail.bytes_sent, self._mail.dropped.total()
        self._laps = {"exchange": 0.0, "reduction": 0.0, "storing": 0.0}

    @contextlib.contextmanager
    def lap(self, what: Literal["exchange", "reduction", "storing"]) -> Iterator[None]:
        """Time that is waited for the `exchange` or the `reduction`, or goes into `storing`."""
        begun = self._mail.clock()
        try:
            yield
        finally:
            self._laps[what] += self._mail.clock() - begun

    def effort(self) -> Effort:
        """Since it was asked for before; what was stored meanwhile is in none of it."""
        now, sent, dropped = self._mail.clock(), self._mail.bytes_sent, self._mail.dropped.total()
        effort = Effort(
            computing=now - self._begun - sum(self._laps.values()),
            exchange=self._laps["exchange"],
            reduction=self._laps["reduction"],
            sent=sent - self._sent,
            dropped=dropped - self._dropped,
        )
        self.start()
        return effort
