"""Whose fault it is that workers hear nothing of each other."""

from __future__ import annotations

from typing import Any

from dreamray.engine.lockstep.mailbox import PeerLostError
from dreamray.farm.supervisor import guilty
from dreamray.farm.worker_handle import WorkerHandle

CREW = [WorkerHandle(number, *4 * [None]) for number in (11, 12, 13)]


def found(accused: dict[int, list[int]], lost: tuple[int, ...] = ()) -> list[int]:
    """The workers that are ended where they say so of each other, by their places in the crew."""
    told: Any = {
        peer: [(CREW[one], PeerLostError((peer,), "nothing came")) for one in by]
        for peer, by in accused.items()
    }
    return [CREW.index(peer) for peer, _ in guilty(told, CREW, [CREW[one].number for one in lost])]


def test_it_is_the_one_whom_the_others_do_not_reach() -> None:
    assert found({1: [0, 2]}) == [1]


def test_the_word_of_one_who_is_cut_off_does_not_count() -> None:
    assert found({1: [0, 2], 0: [1]}) == [1]


def test_where_all_accuse_each_other_all_are() -> None:
    assert found({1: [0], 0: [1]}) == [1, 0]


def test_of_who_is_gone_it_is_known_already() -> None:
    assert found({1: [0, 2]}, lost=(1,)) == []
