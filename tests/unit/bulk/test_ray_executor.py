"""Which of Ray's workers get the tasks of a set; no Ray runs."""

from __future__ import annotations

from collections.abc import Iterable
from unittest.mock import Mock

from dreamray.bulk.feeding import Feeding
from dreamray.bulk.ray_executor import RayTaskExecutor
from dreamray.farm.pool import WorkerHandle


class StubPool:
    """In place of the workers of a cluster: those that are ready, and how many may still come."""

    def __init__(self, *ready: WorkerHandle, coming: int) -> None:
        self._ready = ready
        self.coming = coming

    def ready(self) -> list[WorkerHandle]:
        return [*self._ready]

    def note_given(self, workers: Iterable[WorkerHandle]) -> None:
        """They have something to do; that is nobody's matter here."""


def hands(*ready: WorkerHandle, coming: int) -> RayTaskExecutor:
    """With room for three tasks each."""
    return RayTaskExecutor(StubPool(*ready, coming=coming), Feeding(3), Mock())


def member(number: int) -> WorkerHandle:
    """A worker whose calls give refs that are told apart."""
    actor = Mock()
    actor.make.remote.side_effect = lambda task: object()
    return WorkerHandle(number, actor, None, None, None)


def handed_out(to: RayTaskExecutor, tasks: int) -> int:
    """How many of so many tasks find a worker."""
    to.expect(tasks)
    return [to.submit(Mock()) for _ in range(tasks)].count(True)


def test_a_small_set_waits_for_the_workers_that_are_still_to_come() -> None:
    """The first node to be up does not take all: a picture is left for each of the others."""
    first = member(1)
    waiting = hands(first, coming=2)
    assert handed_out(waiting, 3) == 1
    assert handed_out(waiting, 2) == 0
    assert first.actor.make.remote.call_count == 1


def test_with_more_than_one_picture_for_each_to_come_workers_look_ahead() -> None:
    """While one is dreamt, the next ones are fetched: as many as there is room for."""
    assert handed_out(hands(member(1), coming=2), 50) == 3
    assert handed_out(hands(member(1), member(2), coming=0), 50) == 6


def test_nobody_else_to_come_means_nobody_to_wait_for() -> None:
    """The ready ones share a small set."""
    one, other = member(1), member(2)
    assert handed_out(hands(one, other, coming=0), 4) == 4
    assert one.actor.make.remote.call_count == other.actor.make.remote.call_count == 2
