"""One worker's messages of an epoch: what has come, what is missing, what is sent again.

A worker is one step ahead of another at the most, as a step takes a word from everybody. So what
belongs to this step or to the next one is kept until it is asked for; all else is dropped and
counted, as is what comes twice, is damaged, or is not as long as the plan says. What does not come
is asked for again. No wait is without a limit.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dreamray.base.errors import DreamrayError
from dreamray.base.watched_time import WatchedTime
from dreamray.engine.lockstep.transport import Transport
from dreamray.engine.lockstep.wire import Frame, Head, Key, Kind, pack, unpack

_LONGER = 8
"""How many times as long the pauses become, before something is asked for again."""

_SLOWEST_LINK = 10e6
"""Bytes a second. What may still be on its way at that rate is not asked for again."""

_BEFORE_DECISION = (Kind.HALOS, Kind.GRADIENT, Kind.MEASURE)
"""What everybody has once a step is decided."""


class AbandonedError(DreamrayError):
    """The epoch was abandoned: tiles are dealt anew."""


class PeerLostError(DreamrayError):
    """Nothing comes from other workers, or none reaches them."""

    def __init__(self, peers: tuple[int, ...], why: str) -> None:
        """`peers` are all who are late, ascending."""
        super().__init__(peers, why)
        self.peers = peers
        self.why = why

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class Limits:
    """How many seconds is waited."""

    again: float = 5.0
    """Until a message is asked for again, beside the time that what comes in a step may take on a
    slow link; then twice as long, and so on, up to eight times."""
    unreachable: float = 60.0
    """Until somebody is given up whom nothing reaches."""
    message: float = 900.0
    """For any message."""
    goodbye: float = 60.0
    """For others' word that they have stored the octave, too."""
    look: float = 0.05
    """Between looks at whether the epoch is abandoned, while nothing comes."""


@dataclass(frozen=True)
class Epoch:
    """What all messages have in common, from when tiles are dealt until they are dealt anew."""

    run: bytes = bytes(16)
    number: int = 0


class Mailbox:
    """The messages to and from one worker."""

    def __init__(
        self,
        transport: Transport,
        me: int,
        epoch: Epoch = Epoch(),
        limits: Limits = Limits(),
        *,
        abandoned: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`abandoned` is looked at whenever something is sent or waited for."""
        self._transport = transport
        self._me = me
        self._epoch = epoch
        self.limits = limits
        self._abandoned = abandoned
        self.clock = clock
        self._step = -1
        self._expected: Mapping[Key, tuple[int, ...]] = {}
        self._on_its_way = 0.0
        """Seconds that all of it may take."""
        self._here: dict[Key, Sequence[Frame]] = {}
        self._seen: set[Key] = set()
        self._early: dict[Key, Sequence[Frame]] = {}
        self._sent: dict[tuple[int, int, int, int], list[Frame]] = {}
        """By receiver, step, kind and tile."""
        self.dropped: Counter[str] = Counter()
        """How many messages were dropped, by what was wrong with them."""
        self.bytes_sent = 0

    def begin(self, step: int, expected: Mapping[Key, tuple[int, ...]]) -> None:
        """A step begins, in which all of this comes: keys with the lengths of the frames."""
        early = self._early if step == self._step + 1 else {}
        self._step, self._expected = step, expected
        self._on_its_way = sum(map(sum, expected.values())) / _SLOWEST_LINK
        self._here, self._seen, self._early = {}, set(), {}
        for key, payload in early.items():
            self._accept(key, payload)
        self._sent = {
            sent: frames
            for sent, frames in self._sent.items()
            if sent[1] >= step or (sent[1] == step - 1 and sent[2] not in _BEFORE_DECISION)
        }

    def send(
        self, to: int, kind: Kind, payload: Sequence[Frame], *, step: int, tile: int = 0
    ) -> None:
        """Send a message, which is kept for as long as it may be asked for again.

        Who has asked for it already gets it once. Raises AbandonedError.
        """
        self._look()
        head = Head(self._epoch.run, self._epoch.number, step, Key(kind, self._me, tile))
        frames = pack(head, payload)
        self._sent[to, step, kind, tile] = frames
        self._send(to, frames)

    def take(
        self, keys: Collection[Key], at_most: float | None = None
    ) -> tuple[Key, Sequence[Frame]]:
        """The first of these messages that is there, waited for if need be.

        Raises AbandonedError; PeerLostError if none comes in `at_most` seconds, or in time. Time
        in which this process does not run counts for neither.
        """
        # So a process that was stopped asks before it accuses anybody.
        waited = WatchedTime(2 * self.limits.again, self.clock)
        limit = self.limits.message if at_most is None else at_most
        ask_at = pause = self.limits.again + self._on_its_way
        longest = _LONGER * pause
        while True:
            self._look()
            for key in keys:
                if key in self._here:
                    return key, self._here.pop(key)
            now = waited.look()
            if now > limit:
                late = sorted({key.sender for key in keys})
                raise PeerLostError(tuple(late), f"nothing came from it for {now:.0f} s")
            for peer, seconds in self._transport.unreachable().items():
                if seconds > self.limits.unreachable:
                    raise PeerLostError((peer,), f"it could not be reached for {seconds:.0f} s")
            if now >= ask_at:
                pause = min(2 * pause, longest)
                ask_at = now + pause
                for key in keys:
                    self._ask(key)
            self._hear(self._transport.receive(self.limits.look))

    def take_here(self, keys: Collection[Key]) -> list[tuple[Key, Sequence[Frame]]]:
        """Those of these messages that are there. Raises AbandonedError."""
        self._look()
        return [(key, self._here.pop(key)) for key in keys if key in self._here]

    def _look(self) -> None:
        """Hear what has come, without waiting."""
        if self._abandoned():
            raise AbandonedError("the epoch was abandoned")
        while (frames := self._transport.receive(0)) is not None:
            self._hear(frames)

    def _hear(self, frames: Sequence[Frame] | None) -> None:
        if frames is None:
            return
        found = unpack(frames)
        if found is None:
            self.dropped["damaged"] += 1
            return
        head, payload = found
        if head.run != self._epoch.run:
            self.dropped["foreign"] += 1
        elif head.epoch != self._epoch.number:
            self.dropped["stale"] += 1
        elif head.key.kind == Kind.AGAIN:
            self._answer(head, payload)
        elif head.step == self._step:
            self._accept(head.key, payload)
        elif head.step == self._step + 1:
            self._early.setdefault(head.key, payload)
        else:
            self.dropped["stale"] += 1

    def _accept(self, key: Key, payload: Sequence[Frame]) -> None:
        lengths = self._expected.get(key)
        if lengths is None:
            self.dropped["unexpected"] += 1
        elif tuple(memoryview(frame).nbytes for frame in payload) != lengths:
            self.dropped["length"] += 1
        elif key in self._seen:
            self.dropped["repeated"] += 1
        else:
            self._seen.add(key)
            self._here[key] = payload

    def _ask(self, key: Key) -> None:
        mine = Key(Kind.AGAIN, self._me, key.tile)
        head = Head(self._epoch.run, self._epoch.number, self._step, mine)
        self._send(key.sender, pack(head, [bytes([key.kind])]))

    def _answer(self, head: Head, payload: Sequence[Frame]) -> None:
        wanted = b"".join(map(bytes, payload))
        if len(wanted) == 1:
            sent = self._sent.get((head.key.sender, head.step, wanted[0], head.key.tile))
            if sent is not None:
                self._send(head.key.sender, sent)

    def _send(self, to: int, frames: Sequence[Frame]) -> None:
        self.bytes_sent += sum(memoryview(frame).nbytes for frame in frames)
        self._transport.send(to, frames)
