"""How long a storage is waited for: calls are watched, and made again where that may help.

A call runs in a thread of its own. Where it makes no progress it is left behind: nothing else
bounds a look-up of a name, a program that gives credentials, or an answer that trickles.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dreamray.base.messages import Warn, show_size
from dreamray.storage.notices import tell

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How much patience there is. Times are in seconds."""

    attempts: int = 6
    """Times that a call is made that breaks or is answered by an error of the storage's own;
    with 1 nothing is ever made again."""
    outage: float = 60.0
    """How long that is gone on with, too, where the storage has answered before."""
    stalls: int = 3
    """Times that a call may make no progress."""
    window: float = 60.0
    """Within so many a call has to end, or to move at least `least`."""
    least: int = 64 << 10
    """Bytes."""
    busy: float = 300.0
    """How long a storage is waited for that asks for fewer requests."""
    quiet: float = 5.0
    """How long that is not worth a word."""


class Trouble(enum.Enum):
    """Why a call failed that may be made again."""

    BUSY = "busy"
    """The storage asks for fewer requests."""
    BROKEN = "broken"
    """It broke off, or the storage had an error of its own."""
    STALLED = "stalled"
    """There was no progress."""


@dataclass(frozen=True)
class Verdict:
    """What an error of a call means."""

    trouble: Trouble
    wait: float = 0.0
    """Seconds that the storage asks to wait."""
    why: str = ""
    """For people."""


class StalledError(Exception):
    """A call that makes no progress was left behind."""


class LeftBehindError(Exception):
    """Raised in the call that was left behind, so that it ends."""


class Progress:
    """What a call has moved; it tells so itself."""

    def __init__(self) -> None:
        self.bytes = 0
        self._left_behind = False
        self._cut: list[Callable[[], object]] = []

    def moved(self, count: int) -> None:
        """So many bytes more. Raises LeftBehindError where nobody waits for them any more."""
        if self._left_behind:
            raise LeftBehindError
        self.bytes += count

    def cut_with(self, cut: Callable[[], object]) -> None:
        """Call that to end a wait for bytes, should the call be left behind."""
        self._cut.append(cut)

    def leave_behind(self) -> None:
        """Nobody waits any more."""
        self._left_behind = True
        for cut in self._cut:
            with contextlib.suppress(Exception):
                cut()


_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Have all calls of this thread fail that have not ended after so many seconds.

    What they would fail with last is raised; the longer waits of `Limits` are cut short.
    """
    until, outer = time.monotonic() + seconds, _deadline.get()
    token = _deadline.set(until if outer is None else min(until, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def watched(
    work: Callable[[Progress], T], limits: Limits, clock: Callable[[], float] = time.monotonic
) -> T:
    """What `work` gives, from a thread of its own; StalledError where it makes no progress."""
    progress: Progress = Progress()
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((True, work(progress)))
        except BaseException as error:  # Whatever it is, the one who waits has to know.
            answers.put((False, error))

    threading.Thread(target=run, name="storage", daemon=True).start()
    begun = marked = clock()
    moved, until = 0, _deadline.get()
    try:
        while True:
            try:
                done, answer = answers.get(timeout=_until_look(limits, clock(), until))
                break
            except queue.Empty:
                now = clock()
                if progress.bytes - moved >= limits.least:
                    marked, moved = now, progress.bytes
                if until is not None and now >= until:
                    raise StalledError(f"no end within {now - begun:.0f} s") from None
                if now - marked >= limits.window:
                    raise StalledError(
                        f"less than {show_size(limits.least)} in {limits.window:.0f} s"
                    ) from None
    except BaseException:
        progress.leave_behind()
        raise
    if not done:
        raise answer
    return answer  # type: ignore[no-any-return]


def _until_look(limits: Limits, now: float, until: float | None) -> float:
    look = limits.window / 12
    return look if until is None else max(0.0, min(look, until - now))


_waiting: set[_Call] = set()
"""Those that were asked to wait, and do so."""


def is_waiting() -> bool:
    """Whether this process waits as a storage asks for fewer requests: nothing is out of order."""
    return bool(_waiting)


@dataclass
class Retrier:
    """Makes calls of one storage, again and again where that may help."""

    limits: Limits
    judge: Callable[[Exception], Verdict | None]
    """What an error means; None where the call is not to be made again."""
    name: Callable[[], str]
    """Of the storage, for people."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    tell: Warn = tell
    answered: bool = False
    """Whether it has ever done what it was asked for."""
    _since: dict[Trouble, float] = field(default_factory=dict)
    """Since when it has done nothing else; one call's patience is that of all."""
    _busy_told: bool = False
    _stall_told: float = -1e9
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, what: str, work: Callable[[Progress], T], limits: Limits | None = None) -> T:
        """What `work` gives in the end; its last error where patience has an end.

        `what` names the place. Work is begun anew for each attempt, and says what it moves.
        """
        call = _Call(limits or self.limits)
        try:
            return self._ask(what, work, call)
        finally:
            if Trouble.BUSY in call.counts:
                _waiting.discard(call)

    def _ask(self, what: str, work: Callable[[Progress], T], call: _Call) -> T:
        while True:
            try:
                answer = watched(work, call.limits, self.clock)
            except Exception as error:
                verdict = self.judge(error)
                if verdict is None:
                    self._answers(call)  # If only with a no.
                    raise
                pause = self._pause(call, verdict)
                if pause is None or not _fits(pause, self.clock):
                    raise
                _log.info("%s: %s, asking again: %s", what, verdict.trouble.value, error)
                self._say(what, verdict, call)
                if verdict.trouble is Trouble.BUSY:
                    _waiting.add(call)
            else:
                self.answered = True
                self._answers(call)
                return answer
            self.sleep(pause)

    def _pause(self, call: _Call, verdict: Verdict) -> float | None:
        """Seconds until the next attempt; None if there is to be none."""
        limits, trouble, now = call.limits, verdict.trouble, self.clock()
        if limits.attempts <= 1:
            return None
        number = call.count(trouble, now)
        with self._lock:
            waited = now - min(call.since[trouble], self._since.setdefault(trouble, now))
        match trouble:
            case Trouble.STALLED:
                return _spread(0.5) if number < limits.stalls else None
            case Trouble.BUSY:
                pause = max(_spread(min(0.5 * 2.0**number, 20.0)), verdict.wait)
                return min(pause, limits.busy - waited) if waited < limits.busy else None
            case Trouble.BROKEN:
                if number >= limits.attempts and not (self.answered and waited < limits.outage):
                    return None
                return _spread(min(0.1 * 2.0**number, 10.0))

    def _say(self, what: str, verdict: Verdict, call: _Call) -> None:
        limits, trouble, now, text = call.limits, verdict.trouble, self.clock(), ""
        with self._lock:
            waited = now - call.since.get(Trouble.BUSY, now)
            if trouble is Trouble.BUSY and waited >= limits.quiet and not self._busy_told:
                self._busy_told = True
                since = time.strftime("%H:%M:%S", time.localtime(time.time() - waited))
                text = (
                    f"the storage at {self.name()} asks for fewer requests; waiting since {since}, "
                    f"for up to {limits.busy / 60:.0f} minutes"
                )
            # Many calls stall at a time.
            if trouble is Trouble.STALLED and now - self._stall_told >= limits.window / 2:
                self._stall_told = now
                text = f"{what}: no progress, {verdict.why}; asking again"
        if text:
            self.tell(text)

    def _answers(self, call: _Call) -> None:
        now, text = self.clock(), ""
        with self._lock:
            self._since.clear()
            waited = now - call.since.get(Trouble.BUSY, now)
            if self._busy_told and waited >= call.limits.quiet:
                self._busy_told = False
                text = f"the storage at {self.name()} answers again, after {waited:.0f} s"
        if text:
            self.tell(text)


class _Call:
    """What a call has come to so far."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts: Counter[Trouble] = Counter()
        self.since: dict[Trouble, float] = {}

    def count(self, trouble: Trouble, now: float) -> int:
        """How often it has had this trouble, with this one."""
        self.since.setdefault(trouble, now)
        self.counts[trouble] += 1
        return self.counts[trouble]


def _spread(seconds: float) -> float:
    """At least half of it: what fails at the same time is not to come again at the same time."""
    return seconds * random.uniform(0.5, 1.0)


def _fits(pause: float, clock: Callable[[], float]) -> bool:
    until = _deadline.get()
    return until is None or clock() + pause < until
