"""A storage is waited for as long as the limits say: no longer, no shorter, and not in silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from dreamray.storage.notices import told_to
from dreamray.storage.waits import (
    LeftBehindError,
    Limits,
    Progress,
    Retrier,
    StalledError,
    Trouble,
    Verdict,
    watched,
    within,
)

DEFAULT = Limits()
QUICK = Limits(window=0.12, least=100)


class RefusalError(Exception):
    """An answer of a storage: its trouble, and how long it wants us to wait; or a plain no."""

    def __init__(self, trouble: Trouble | None, wait: float = 0.0) -> None:
        self.verdict = None if trouble is None else Verdict(trouble, wait)


def judge(error: Exception) -> Verdict | None:
    if isinstance(error, StalledError):
        return Verdict(Trouble.STALLED, why=str(error))
    return error.verdict if isinstance(error, RefusalError) else None


class Storage:
    """Answers one thing after the other, by a clock that goes on while it is waited for."""

    def __init__(self, answers: Iterable[object], limits: Limits = DEFAULT) -> None:
        self.now = 0.0
        self.calls = 0
        self.pauses: list[float] = []
        self.told: list[str] = []
        self._answers = iter(answers)
        self.retrier = Retrier(
            limits, judge, lambda: "here", self.clock, self.sleep, self.told.append
        )

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def ask(self) -> object:
        def work(progress: Progress) -> object:
            self.calls += 1
            answer = next(self._answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return self.retrier.ask("s3://b/k", work)


def always(answer: object) -> Iterator[object]:
    while True:
        yield answer


def until(seconds: float, answer: object) -> Callable[[Callable[[], float]], Iterator[object]]:
    def answers(clock: Callable[[], float]) -> Iterator[object]:
        while clock() < seconds:
            yield answer
        yield "done"

    return answers


class TestWatched:
    def test_gives_what_the_call_gives_or_raises_what_it_raises(self) -> None:
        assert watched(lambda progress: 5, QUICK) == 5
        with pytest.raises(KeyError):
            watched(lambda progress: {}[1], QUICK)

    def test_what_hangs_is_left_behind(self) -> None:
        ended = threading.Event()
        begun = time.monotonic()
        with pytest.raises(StalledError, match="less than 100 B in 0 s"):
            watched(lambda progress: ended.wait(20), QUICK)
        assert time.monotonic() - begun < 5
        ended.set()

    def test_a_trickle_is_no_progress_and_is_cut(self) -> None:
        cut, ended = threading.Event(), threading.Event()

        def trickle(progress: Progress) -> None:
            progress.cut_with(cut.set)
            try:
                while True:
                    progress.moved(1)
                    cut.wait(0.01)
            except LeftBehindError:
                ended.set()

        with pytest.raises(StalledError):
            watched(trickle, QUICK)
        assert cut.is_set()
        assert ended.wait(5)

    def test_what_is_slow_but_goes_on_may_take_as_long_as_it_takes(self) -> None:
        def slow(progress: Progress) -> str:
            for _ in range(30):
                progress.moved(60)
                time.sleep(0.012)
            return "done"

        assert watched(slow, Limits(window=0.24, least=100)) == "done"

    def test_a_deadline_of_the_caller_comes_first(self) -> None:
        ended = threading.Event()
        with within(0.05), pytest.raises(StalledError, match="no end within"):
            watched(lambda progress: ended.wait(20), Limits())
        ended.set()


class TestPatience:
    def test_a_storage_that_asks_to_slow_down_is_waited_for_and_it_is_said_once(self) -> None:
        storage = Storage([])
        storage._answers = until(90, RefusalError(Trouble.BUSY))(storage.clock)
        assert storage.ask() == "done"
        assert 90 <= storage.now < 111
        asks, again = storage.told
        assert "here asks for fewer requests; waiting since" in asks
        assert asks.endswith("for up to 5 minutes")
        assert f"answers again, after {storage.now:.0f} s" in again

    def test_a_no_is_an_answer_too(self) -> None:
        storage = Storage([*[RefusalError(Trouble.BUSY)] * 9, RefusalError(None)])
        with pytest.raises(RefusalError):
            storage.ask()
        assert len(storage.told) == 2

    def test_that_has_an_end(self) -> None:
        storage = Storage(always(RefusalError(Trouble.BUSY)))
        with pytest.raises(RefusalError):
            storage.ask()
        assert storage.now == pytest.approx(300, abs=0.1)
        assert storage.calls < 60
        assert len(storage.told) == 1

    def test_one_call_has_waited_for_all(self) -> None:
        """A thousand pictures do not wait five minutes each."""
        storage = Storage(always(RefusalError(Trouble.BUSY)))
        for _ in range(5):
            with pytest.raises(RefusalError):
                storage.ask()
        assert storage.now == pytest.approx(300, abs=0.1)

    def test_it_waits_as_long_as_the_storage_wishes_and_pauses_differ(self) -> None:
        storage = Storage([RefusalError(Trouble.BUSY, 40), "done"])
        assert storage.ask() == "done"
        assert storage.pauses == [40]
        pauses = set()
        for _ in range(5):
            other = Storage([RefusalError(Trouble.BUSY), "done"])
            other.ask()
            pauses.update(other.pauses)
        assert len(pauses) > 1

    def test_a_short_moment_is_not_worth_a_word(self) -> None:
        storage = Storage([RefusalError(Trouble.BUSY)] * 2 + ["done"])
        assert storage.ask() == "done"
        assert storage.told == []

    def test_who_never_answered_is_given_up_soon(self) -> None:
        storage = Storage(always(RefusalError(Trouble.BROKEN)))
        with pytest.raises(RefusalError):
            storage.ask()
        assert storage.calls == 6
        assert storage.now < 8

    def test_who_has_answered_before_has_a_minute_to_come_back_once(self) -> None:
        storage = Storage(["done"])
        storage.ask()
        storage._answers = always(RefusalError(Trouble.BROKEN))
        with pytest.raises(RefusalError):
            storage.ask()
        assert 60 <= storage.now < 72
        before, calls = storage.now, storage.calls
        with pytest.raises(RefusalError):
            storage.ask()
        assert storage.now - before < 8
        assert storage.calls - calls == 6

    def test_what_stalls_is_asked_for_again_and_that_is_said(self) -> None:
        storage = Storage(always(StalledError("less than 64 KiB in 60 s")))
        with pytest.raises(StalledError):
            storage.ask()
        assert storage.calls == 3
        assert storage.told == ["s3://b/k: no progress, less than 64 KiB in 60 s; asking again"]

    def test_an_answer_is_an_answer(self) -> None:
        storage = Storage(always(RefusalError(None)))
        with pytest.raises(RefusalError):
            storage.ask()
        assert storage.calls == 1

    def test_who_wants_one_attempt_gets_one(self) -> None:
        for trouble in Trouble:
            storage = Storage(always(RefusalError(trouble)), Limits(attempts=1))
            with pytest.raises(RefusalError):
                storage.ask()
            assert storage.calls == 1

    def test_a_deadline_cuts_patience_short(self) -> None:
        storage = Storage(always(RefusalError(Trouble.BUSY)))
        storage.retrier.clock = time.monotonic
        storage.retrier.sleep = time.sleep
        begun = time.monotonic()
        with within(0.2), pytest.raises(RefusalError):
            storage.ask()
        assert time.monotonic() - begun < 0.3


def test_the_last_listener_is_told_and_without_one_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from dreamray.storage.notices import tell

    outer: list[str] = []
    inner: list[str] = []
    with told_to(outer.append):
        with told_to(inner.append):
            tell("a")
        tell("b")
    tell("c")
    assert (outer, inner) == (["b"], ["a"])
    assert caplog.messages == ["c"]
