"""Who is tried when, and how often: by a clock of the test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dreamray.bulk.queue import ATTEMPTS, DEATHS, PAUSES, Attempt, Queue
from dreamray.bulk.record import Record, State
from dreamray.bulk.task import Task
from dreamray.settings import Dream
from dreamray.storage import MemoryFolder


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def task(name: str) -> Task:
    folder = MemoryFolder()
    return Task(name, folder.file(name), folder.file(name), Dream(), "r1")


def queue(clock: Clock, *names: str) -> Queue:
    return Queue(map(task, names), clock)


def taken(queue: Queue) -> Attempt:
    attempt = queue.next()
    assert attempt is not None
    queue.taken()
    return attempt


def failure(name: str) -> Record:
    return Record(name, name, State.FAILED, error="it failed")


class TestNewTasks:
    def test_come_in_their_order_and_then_it_is_empty(self, clock):
        waiting = queue(clock, "a", "b")
        assert [taken(waiting).task.output for _ in range(2)] == ["a", "b"]
        assert waiting.next() is None
        assert waiting.empty

    def test_the_next_one_stays_until_it_is_taken(self, clock):
        waiting = queue(clock, "a", "b")
        assert waiting.next() is waiting.next()
        assert not waiting.empty
        assert taken(waiting).task.output == "a"
        assert taken(waiting).task.output == "b"

    def test_are_drawn_one_at_a_time(self, clock):
        drawn: list[str] = []

        def tasks():
            for name in ("a", "b", "c"):
                drawn.append(name)
                yield task(name)

        waiting = Queue(tasks(), clock)
        assert drawn == []
        waiting.next()
        assert not waiting.empty
        assert drawn == ["a"]

    def test_of_none_it_is_empty(self, clock):
        assert queue(clock).empty


class TestAnotherAttempt:
    def test_comes_after_a_pause_and_others_meanwhile(self, clock):
        waiting = queue(clock, "a", "b")
        assert waiting.again(taken(waiting), failure("a"), "7") is None
        assert taken(waiting).task.output == "b"
        assert waiting.next() is None
        assert not waiting.empty
        clock.now += PAUSES[0] - 0.01
        assert waiting.next() is None
        clock.now += 0.01
        second = taken(waiting)
        assert (second.task.output, second.number, second.avoid) == ("a", 2, "7")
        assert not second.suspect

    def test_goes_before_new_ones_when_it_is_due(self, clock):
        waiting = queue(clock, "a", "b", "c")
        waiting.again(taken(waiting), failure("a"), "7")
        taken(waiting)
        clock.now += PAUSES[0]
        assert taken(waiting).task.output == "a"
        assert taken(waiting).task.output == "c"

    def test_is_the_last_one_after_so_many(self, clock):
        waiting = queue(clock, "a")
        for number in range(1, ATTEMPTS):
            attempt = taken(waiting)
            assert attempt.number == number
            assert waiting.again(attempt, failure("a"), str(number)) is None
            clock.now += PAUSES[number - 1]
        last = waiting.again(taken(waiting), failure("a"), "3")
        assert last == replace(failure("a"), attempts=ATTEMPTS)
        assert waiting.empty

    def test_pauses_grow_and_there_is_one_for_each_but_the_first(self):
        assert len(PAUSES) == ATTEMPTS - 1
        assert list(PAUSES) == sorted(PAUSES)

    def test_those_due_first_come_first(self, clock):
        waiting = queue(clock, "a", "b", "c")
        first, second, third = (taken(waiting) for _ in range(3))
        waiting.again(replace(second, number=2), failure("b"), "1")
        waiting.again(first, failure("a"), "1")
        waiting.again(third, failure("c"), "1")
        clock.now += 100
        assert [taken(waiting).task.output for _ in range(3)] == ["a", "c", "b"]


class TestLosses:
    def test_do_not_count_as_attempts_and_come_again_at_once(self, clock):
        waiting = queue(clock, "a", "b")
        attempt = replace(taken(waiting), number=2)
        assert waiting.lost(attempt, "7")
        again = taken(waiting)
        assert (again.task.output, again.number, again.avoid) == ("a", 2, "7")
        assert again.suspect
        assert again.deaths == 0

    def test_in_company_never_end_it(self, clock):
        """Who had company the first time is alone from then on: only those losses count."""
        waiting = queue(clock, "a")
        assert waiting.lost(taken(waiting), "1")
        for number in range(1, DEATHS):
            assert waiting.lost(taken(waiting), str(number))
        last = taken(waiting)
        assert last.deaths == DEATHS - 1
        assert not waiting.lost(last, "9")
        assert waiting.empty

    def test_alone_are_counted_over_attempts_between_them(self, clock):
        waiting = queue(clock, "a")
        assert waiting.lost(taken(waiting), "1")
        assert waiting.lost(taken(waiting), "2")
        assert waiting.again(taken(waiting), failure("a"), "3") is None
        clock.now += PAUSES[0]
        attempt = taken(waiting)
        assert (attempt.number, attempt.deaths, attempt.suspect) == (2, 1, True)
        assert waiting.lost(attempt, "4")
        assert not waiting.lost(taken(waiting), "5")

    def test_of_several_all_get_a_worker_alone(self, clock):
        waiting = queue(clock, "a", "b", "c")
        lost = [taken(waiting), taken(waiting)]
        assert all(waiting.lost(attempt, "1") for attempt in lost)
        coming = [taken(waiting) for _ in range(3)]
        assert [one.task.output for one in coming] == ["a", "b", "c"]
        assert [one.suspect for one in coming] == [True, True, False]
