"""Who is tried when, and how often: by a clock of the test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dreamray.bulk.record import Record, State
from dreamray.bulk.retry_queue import ATTEMPTS, DEATHS, PAUSES, Attempt, RetryQueue
from dreamray.bulk.task import Task
from dreamray.settings.dream import Dream
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


def queue(clock: Clock, *names: str) -> RetryQueue:
    return RetryQueue(map(task, names), clock)


def taken(queue: RetryQueue) -> Attempt:
    """The next one, as if there were a worker for each suspect."""
    attempt = queue.next_suspect() or queue.next()
    assert attempt is not None
    queue.taken(attempt)
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

        waiting = RetryQueue(tasks(), clock)
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
        assert waiting.lost(attempt, "7", suspect=True)
        again = taken(waiting)
        assert (again.task.output, again.number, again.avoid) == ("a", 2, "7")
        assert again.suspect
        assert again.deaths == 0

    def test_in_company_never_end_it(self, clock):
        """Who had company the first time is alone from then on: only those losses count."""
        waiting = queue(clock, "a")
        assert waiting.lost(taken(waiting), "1", suspect=True)
        for number in range(1, DEATHS):
            assert waiting.lost(taken(waiting), str(number), suspect=True)
        last = taken(waiting)
        assert last.deaths == DEATHS - 1
        assert not waiting.lost(last, "9", suspect=True)
        assert waiting.empty

    def test_that_no_picture_can_be_the_reason_of_never_end_it(self, clock):
        waiting = queue(clock, "a")
        for number in range(2 * DEATHS):
            assert waiting.lost(taken(waiting), str(number), suspect=False)
        last = taken(waiting)
        assert (last.number, last.suspect, last.deaths) == (1, False, 0)
        assert last.avoid == str(2 * DEATHS - 1)
        assert waiting.empty

    def test_that_no_picture_can_be_the_reason_of_leave_a_suspect_one(self, clock):
        waiting = queue(clock, "a")
        assert waiting.lost(taken(waiting), "1", suspect=True)
        assert waiting.lost(taken(waiting), "2", suspect=True)
        for number in range(2 * DEATHS):
            assert waiting.lost(taken(waiting), str(number), suspect=False)
            assert waiting.next() is None
            assert not waiting.empty
        last = taken(waiting)
        assert (last.suspect, last.deaths) == (True, 1)

    def test_alone_are_counted_over_attempts_between_them(self, clock):
        waiting = queue(clock, "a")
        assert waiting.lost(taken(waiting), "1", suspect=True)
        assert waiting.lost(taken(waiting), "2", suspect=True)
        assert waiting.again(taken(waiting), failure("a"), "3") is None
        clock.now += PAUSES[0]
        attempt = taken(waiting)
        assert (attempt.number, attempt.deaths, attempt.suspect) == (2, 1, True)
        assert waiting.lost(attempt, "4", suspect=True)
        assert not waiting.lost(taken(waiting), "5", suspect=True)

    def test_of_several_all_get_a_worker_alone(self, clock):
        waiting = queue(clock, "a", "b", "c")
        lost = [taken(waiting), taken(waiting)]
        assert all(waiting.lost(attempt, "1", suspect=True) for attempt in lost)
        coming = [taken(waiting) for _ in range(3)]
        assert [one.task.output for one in coming] == ["a", "b", "c"]
        assert [one.suspect for one in coming] == [True, True, False]
        assert waiting.empty


class TestSuspects:
    def test_do_not_hold_up_new_ones(self, clock):
        waiting = queue(clock, "a", "b", "c")
        waiting.lost(taken(waiting), "1", suspect=True)
        for name in ("b", "c"):
            coming = waiting.next()
            assert coming is not None
            assert coming.task.output == name
            waiting.taken(coming)
        assert waiting.next() is None
        assert not waiting.empty
        assert taken(waiting).task.output == "a"
        assert waiting.empty

    def test_do_not_hold_up_other_attempts(self, clock):
        waiting = queue(clock, "a", "b")
        first, second = taken(waiting), taken(waiting)
        waiting.lost(first, "1", suspect=True)
        waiting.again(second, failure("b"), "1")
        clock.now += PAUSES[0]
        coming = waiting.next()
        assert coming is not None
        assert coming.task.output == "b"

    def test_stay_the_next_ones_until_they_are_taken(self, clock):
        waiting = queue(clock, "a", "b")
        lost = [taken(waiting), taken(waiting)]
        for attempt in lost:
            waiting.lost(attempt, "1", suspect=True)
        assert waiting.next_suspect() is waiting.next_suspect()
        assert [taken(waiting).task.output for _ in range(2)] == ["a", "b"]
        assert waiting.next_suspect() is None

    def test_are_taken_though_another_one_is_drawn(self, clock):
        waiting = queue(clock, "a", "b")
        waiting.lost(taken(waiting), "1", suspect=True)
        drawn, suspect = waiting.next(), waiting.next_suspect()
        assert suspect is not None
        waiting.taken(suspect)
        assert waiting.next_suspect() is None
        assert waiting.next() is drawn

    def test_that_are_tried_again_do_not_hold_up_others(self, clock):
        waiting = queue(clock, "a", "b")
        waiting.lost(taken(waiting), "1", suspect=True)
        waiting.again(taken(waiting), failure("a"), "2")
        clock.now += PAUSES[0]
        assert waiting.next().task.output == "b"
        assert waiting.next_suspect().task.output == "a"
