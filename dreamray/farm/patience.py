"""How long is waited for workers, and for Ray, before that is no use any more.

A worker tells every few seconds that it lives, and what it is at (`engine.activity.Pulse`). One
that is silent, or has not gone on for much longer than such work ever took, is ended and replaced.
False alarms cost work: so limits grow with the slowest that was seen, and only time counts in which
the driver itself was there to see.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief, shown
from dreamray.engine.activity import GRADIENT, Doing, Pulse
from dreamray.engine.lockstep.mailbox import Limits

VARIABLE = "DREAMRAY_PATIENCE"
"""All limits are so many times as long."""

_MOST = 1000.0
_SILENCES = 3
"""How many times as long as the longest one that ended may a silence last."""


@dataclass(frozen=True)
class Patience:
    """Limits in seconds."""

    beat: float = 5.0
    """Between two signs of life of a worker."""
    silent: float = 60.0
    """Without any, at the least."""
    start: float = 300.0
    """From when a worker's process is there to when it has loaded the network, at the least."""
    gradient: float = 300.0
    """For the gradient of one window, at the least, once a first one was made."""
    work: float = 900.0
    """For any other piece of work, such as to decode a picture, at the least."""
    driver: float = 15.0
    """Without a word of the driver, before workers wait for one: see `Dealing.silence`."""
    answer: float = 120.0
    """For what Ray's head is asked."""
    times: float = 10.0
    """How many times as long as the slowest of its kind so far something may take."""
    prior: float = 50e-6
    """Seconds a pixel, where none of its kind was seen: a hundred times those of two processors."""

    @classmethod
    def from_environment(cls) -> Patience:
        """With all limits as many times as long as `DREAMRAY_PATIENCE` says.

        Raises RequestError if that is no number over 0 and up to 1000.
        """
        text = os.environ.get(VARIABLE, "").strip()
        if not text:
            return cls()
        try:
            factor = float(text[:40])
        except ValueError:
            factor = math.nan
        if not 0 < factor <= _MOST:
            raise RequestError(
                f"{VARIABLE}={brief(text)}: it says how many times as long to wait for workers; "
                f"give a number over 0 and up to {_MOST:g}, or unset it"
            )
        return cls().scaled(factor)

    def scaled(self, factor: float) -> Patience:
        """With all limits so many times as long, but that for the driver: it hangs on a lease.

        Signs of life stay as frequent, or come sooner.
        """
        return replace(
            self,
            beat=self.beat * min(1.0, factor),
            silent=self.silent * factor,
            start=self.start * factor,
            gradient=self.gradient * factor,
            work=self.work * factor,
            answer=self.answer * factor,
            prior=self.prior * factor,
        )

    def for_work(self, doing: Doing, slowest: Mapping[str, float]) -> float:
        """How long a piece of work may take, if the slowest of each kind took so long a pixel."""
        seen = slowest.get(doing.kind)
        floor = self.gradient if doing.kind == GRADIENT and seen else self.work
        rate = self.times * seen if seen else self.prior
        return max(floor, rate * doing.pixels)

    def limits(self, share: int, slowest: Slowest) -> Limits:
        """How long workers wait for one another, of whom none has more pixels of windows."""
        rate = max(self.prior, self.times * slowest.work.get(GRADIENT, 0.0))
        return Limits(
            again=self.beat,
            unreachable=self.for_silence(slowest.silence),
            message=max(self.work, rate * share),
            goodbye=12 * self.beat,
        )

    def for_start(self, slowest: float) -> float:
        """How long a worker may take to load, if the slowest one took so long."""
        return max(self.start, self.times * slowest)

    def for_silence(self, longest: float) -> float:
        """How long a worker may be silent, if one that went on was for so long."""
        return max(self.silent, _SILENCES * longest)


@dataclass(frozen=True)
class Slowest:
    """The slowest that was seen, of all workers of a run."""

    silence: float = 0.0
    start: float = 0.0
    work: Mapping[str, float] = field(default_factory=dict)
    """Seconds a pixel, by kind."""

    def and_work(self, told: Mapping[str, float]) -> Slowest:
        """With what a worker tells."""
        known = self.work
        return replace(
            self,
            work={k: max(known.get(k, 0), told.get(k, 0)) for k in {*known, *told}},
        )


class WorkerWatch:
    """What is known of one worker's life. All times are those of one `WatchedTime`."""

    def __init__(self) -> None:
        self._placed: float | None = None
        self._ready = False
        self._heard: float | None = None
        self._since: dict[str, tuple[Doing, float]] = {}
        self._busy = 0.0

    def note_place(self, now: float) -> None:
        """Its process is there; before, it is the cluster's matter."""
        self._placed = now

    def note_ready(self, now: float, slowest: Slowest) -> Slowest:
        """It has loaded what it needs."""
        self._ready, self._heard = True, now
        if self._placed is None:
            return slowest
        return replace(slowest, start=max(slowest.start, now - self._placed))

    def hear(self, pulse: Pulse, now: float, slowest: Slowest) -> Slowest:
        """It has given a sign of life."""
        if self._ready and self._heard is not None:
            slowest = replace(slowest, silence=max(slowest.silence, now - self._heard))
        self._heard = now
        if pulse.doing:
            self._busy = now
        since = self._since
        self._since = {
            key: since[key] if key in since and since[key][0].mark == doing.mark else (doing, now)
            for key, doing in pulse.doing.items()
        }
        return slowest.and_work(pulse.slowest)

    def note_given(self, now: float) -> None:
        """It was given something to do."""
        self._busy = now

    def idle(self, now: float) -> float:
        """For how many seconds it has had nothing in hand, though it was given something."""
        return now - self._busy

    def overdue(self, patience: Patience, now: float, slowest: Slowest) -> str | None:
        """What it is overdue with, and for how long; None as long as nothing is lost."""
        if self._placed is None:
            return None
        if not self._ready:
            # While libraries are loaded, a process may give no sign of life.
            took, limit = now - self._placed, patience.for_start(slowest.start)
            return f"was not ready {_passed(took, limit)}" if took > limit else None
        assert self._heard is not None
        silence, limit = now - self._heard, patience.for_silence(slowest.silence)
        if silence > limit:
            return f"gave no sign of life {_passed(silence, limit)}"
        for key, (doing, since) in self._since.items():
            limit = patience.for_work(doing, slowest.work)
            if now - since > limit:
                what = f"{doing.kind} of {shown(key)}" if key else doing.kind
                return f"did not go on with the {what} {_passed(now - since, limit)}"
        return None


def _passed(seconds: float, limit: float) -> str:
    return f"for {seconds:.0f} s (limit {limit:.0f} s)"
