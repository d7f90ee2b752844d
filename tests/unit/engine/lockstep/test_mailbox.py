"""What is none of a step is dropped and counted, what is missing asked for; no wait is endless."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dreamray.engine.lockstep.mailbox import (
    AbandonedError,
    Epoch,
    Limits,
    Mailbox,
    PeerLostError,
)
from dreamray.engine.lockstep.wire import Head, Key, Kind, pack, unpack

EPOCH = Epoch(b"run of this test", 7)
STEP = 4
HALOS = Key(Kind.HALOS, 1)
SOON = Limits(again=1.0, unreachable=3.0, message=20.0)


class Scripted:
    """A transport that delivers what it was given; its clock goes on when nothing is left."""

    def __init__(self, *messages: Sequence[Any]) -> None:
        self.coming = deque(messages)
        self.sent: list[tuple[int, Any]] = []
        self.sent_at: list[float] = []
        self.now = 0.0
        self.away: dict[int, float] = {}

    def send(self, to: int, frames: Sequence[Any]) -> None:
        self.sent.append((to, unpack(frames)))
        self.sent_at.append(self.now)

    def receive(self, seconds: float) -> Sequence[Any] | None:
        if self.coming:
            return self.coming.popleft()
        self.now += seconds
        return None

    def unreachable(self) -> Mapping[int, float]:
        return {peer: self.now - since for peer, since in self.away.items()}


def message(
    payload: Sequence[bytes] = (b"pixels",),
    *,
    run: bytes = EPOCH.run,
    epoch: int = EPOCH.number,
    step: int = STEP,
    key: Key = HALOS,
) -> list[Any]:
    return pack(Head(run, epoch, step, key), payload)


def opened(transport: Scripted, **options: Any) -> Mailbox:
    box = Mailbox(transport, 0, EPOCH, SOON, clock=lambda: transport.now, **options)
    box.begin(STEP, {HALOS: (6,)})
    return box


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (message(run=b"another test run"), "foreign"),
        (message(epoch=EPOCH.number - 1), "stale"),
        (message(epoch=EPOCH.number + 1), "stale"),
        (message(step=STEP - 1), "stale"),
        (message(step=STEP + 2), "stale"),
        (message([b"pixel"]), "length"),
        (message([b"pixels", b""]), "length"),
        (message(key=Key(Kind.HALOS, 2)), "unexpected"),
        (message(key=Key(Kind.GRADIENT, 1)), "unexpected"),
        (message()[:1], "damaged"),
        ([b"rubbish"], "damaged"),
        ([], "damaged"),
    ],
)
def test_what_is_none_of_this_steps_is_dropped_and_counted(wrong: list[Any], why: str) -> None:
    box = opened(Scripted(wrong, message()))
    assert box.take([HALOS]) == (HALOS, [b"pixels"])
    assert box.dropped == {why: 1}


def test_what_comes_again_is_dropped_even_if_it_says_something_else() -> None:
    transport = Scripted(message(), message([b"forged"]), message())
    box = opened(transport)
    assert box.take([HALOS]) == (HALOS, [b"pixels"])
    assert box.take_here([HALOS]) == []
    assert box.dropped == {"repeated": 2}
    # Nor is it taken for the next step's.
    box.begin(STEP + 1, {HALOS: (6,)})
    transport.coming.append(message())
    assert box.take_here([HALOS]) == []
    assert box.dropped == {"repeated": 2, "stale": 1}


def test_what_is_early_is_kept_for_the_next_step() -> None:
    box = opened(Scripted(message(step=STEP + 1), message()))
    assert box.take([HALOS])[1] == [b"pixels"]
    box.begin(STEP + 1, {HALOS: (6,)})
    assert box.take_here([HALOS]) == [(HALOS, [b"pixels"])]
    assert not box.dropped


def test_what_is_missing_is_asked_for_again_and_again_ever_less_often() -> None:
    transport = Scripted()
    with pytest.raises(PeerLostError, match=r"nothing came from it for 20 s") as caught:
        opened(transport).take([HALOS])
    assert caught.value.peers == (1,)
    heads = [found[0] for to, found in transport.sent if to == 1]
    assert [head.key for head in heads] == [Key(Kind.AGAIN, 0)] * 4  # After 1, 3, 7 and 15 s.
    assert all((head.run, head.epoch, head.step) == (*vars(EPOCH).values(), STEP) for head in heads)


def test_all_who_are_late_are_named() -> None:
    """Whoever has the lowest number need not be the one."""
    others = [Key(Kind.GRADIENT, 2, 7), Key(Kind.GRADIENT, 2, 8), Key(Kind.HALOS, 3)]
    with pytest.raises(PeerLostError) as caught:
        opened(Scripted()).take(others)
    assert caught.value.peers == (2, 3)


def test_what_takes_long_on_a_slow_link_is_asked_for_later() -> None:
    transport = Scripted()
    box = opened(transport)
    box.begin(STEP + 1, {HALOS: (20_000_000, 30_000_000)})
    with pytest.raises(PeerLostError):
        box.take([HALOS])
    # After 1 s and the 5 s that 50 MB take, and 12 s later.
    assert transport.sent_at == pytest.approx([6, 18], abs=0.1)


def test_time_in_which_this_process_was_stopped_does_not_count() -> None:
    """It asks for what it lacks before it accuses anybody."""

    class Stopped(Scripted):
        def receive(self, seconds: float) -> Sequence[Any] | None:
            if not self.now:
                self.now = 3600.0
            return super().receive(seconds)

        def send(self, to: int, frames: Sequence[Any]) -> None:
            super().send(to, frames)
            self.coming.append(message())

    transport = Stopped()
    assert opened(transport).take([HALOS]) == (HALOS, [b"pixels"])
    assert len(transport.sent) == 1


def test_who_asked_for_what_was_not_there_yet_gets_it_once() -> None:
    transport = Scripted(message([bytes([Kind.HALOS])], key=Key(Kind.AGAIN, 1)))
    box = opened(transport)
    box.send(1, Kind.HALOS, [b"mine"], step=STEP)
    assert box.take_here([HALOS]) == []
    assert len(transport.sent) == 1


def test_who_asks_gets_again_what_was_sent() -> None:
    ask = message([bytes([Kind.HALOS])], key=Key(Kind.AGAIN, 1))
    transport = Scripted()
    box = opened(transport)
    box.send(1, Kind.HALOS, [b"mine"], step=STEP)
    transport.coming.extend([ask, message([bytes([Kind.GRADIENT])], key=Key(Kind.AGAIN, 1))])
    box.take_here([HALOS])
    mine = Head(*vars(EPOCH).values(), STEP, Key(Kind.HALOS, 0)), [b"mine"]
    assert transport.sent == [(1, mine)] * 2


def test_what_nobody_can_ask_for_any_more_is_let_go() -> None:
    """All have halos once a step is decided; what was decided somebody may still lack."""
    transport = Scripted()
    box = opened(transport)
    box.send(1, Kind.HALOS, [b"large"], step=STEP)
    box.send(1, Kind.DECISION, [b"small"], step=STEP)
    box.begin(STEP + 1, {})
    for kind in Kind.HALOS, Kind.DECISION:
        transport.coming.append(message([bytes([kind])], key=Key(Kind.AGAIN, 1)))
    del transport.sent[:]
    box.take_here([])
    assert [found[1] for _, found in transport.sent] == [[b"small"]]


def test_who_cannot_be_reached_is_given_up_before_the_limit_of_messages() -> None:
    transport = Scripted()
    transport.away = {5: 0.0}
    with pytest.raises(PeerLostError, match="could not be reached") as caught:
        opened(transport).take([HALOS])
    assert caught.value.peers == (5,)
    assert transport.now < SOON.unreachable + 1


def test_an_epoch_that_is_abandoned_ends_every_wait() -> None:
    transport = Scripted()
    box = opened(transport, abandoned=lambda: transport.now > 0.5)
    with pytest.raises(AbandonedError):
        box.take([HALOS])
    assert transport.now < 1
