"""When a worker is given up: limits that grow with what was seen, and a clock that is fair."""

from __future__ import annotations

import math

import pytest

from dreamray.base.errors import RequestError
from dreamray.engine.activity import GRADIENT, Activity
from dreamray.farm.patience import VARIABLE, Patience, Slowest, WorkerWatch

LIMITS = Patience(silent=60, start=300, gradient=300, work=900, times=10, prior=50e-6)


class Watched:
    """A worker, and the driver that watches it; both have clocks that stand until they are put."""

    def __init__(self) -> None:
        self.now = 0.0
        self.activity = Activity(lambda: self.now)
        self.slowest = Slowest()
        self.watch = WorkerWatch()
        self.watch.note_place(0)

    def ready(self) -> Watched:
        self.slowest = self.watch.note_ready(self.now, self.slowest)
        return self

    def hear(self) -> None:
        self.slowest = self.watch.hear(self.activity.pulse(), self.now, self.slowest)

    def hear_until(self, now: float) -> None:
        while self.now < now:
            self.now = min(now, self.now + 5)
            self.hear()

    @property
    def overdue(self) -> str | None:
        return self.watch.overdue(LIMITS, self.now, self.slowest)


def test_a_worker_without_a_process_is_the_clusters_matter() -> None:
    assert WorkerWatch().overdue(LIMITS, math.inf, Slowest()) is None


def test_loading_may_be_silent_but_not_for_ever() -> None:
    one = Watched()
    one.now = 300
    assert one.overdue is None
    one.now = 301
    assert one.overdue == "was not ready for 301 s (limit 300 s)"


def test_where_loading_is_slow_others_may_take_as_long() -> None:
    one = Watched()
    one.now = 200
    slowest = one.ready().slowest
    other = WorkerWatch()
    other.note_place(0)
    assert other.overdue(LIMITS, 2000, slowest) is None
    assert other.overdue(LIMITS, 2001, slowest) is not None


def test_a_silent_worker_is_overdue_whatever_it_is_at() -> None:
    one = Watched().ready()
    one.hear_until(100)
    one.now = 160
    assert one.overdue is None
    one.now = 161
    assert one.overdue == "gave no sign of life for 61 s (limit 60 s)"


def test_where_one_came_back_after_long_silence_they_may_last_longer() -> None:
    one = Watched().ready()
    one.hear_until(100)
    one.now = 150
    one.hear()
    one.now = 290
    assert one.overdue is None
    one.now = 301
    assert one.overdue is not None


def test_who_has_nothing_in_hand_may_wait_for_ever() -> None:
    one = Watched().ready()
    one.activity.begin("cat.png", "load")
    one.activity.end("cat.png")
    one.hear_until(100_000)
    assert one.overdue is None


def test_how_long_it_has_waited_for_what_it_was_given_is_known() -> None:
    one = Watched().ready()
    one.hear_until(1000)
    one.watch.note_given(one.now)
    one.hear_until(1100)
    assert one.watch.idle(one.now) == 100
    with one.activity.doing("cat.png", "load"):
        one.hear_until(1200)
        assert one.watch.idle(one.now) == 0
    one.hear_until(1250)
    assert one.watch.idle(one.now) == 50


def test_work_that_does_not_go_on_is_overdue_though_the_worker_lives() -> None:
    one = Watched().ready()
    one.activity.begin("cat.png", "load")
    one.hear_until(905)
    assert one.overdue is None
    one.hear_until(910)
    assert one.overdue == "did not go on with the load of cat.png for 905 s (limit 900 s)"


def test_work_that_goes_on_is_never_overdue() -> None:
    """However long all of it takes."""
    one = Watched().ready()
    for _ in range(100):
        with one.activity.doing("", GRADIENT, 1000):
            one.hear_until(one.now + 250)
            assert one.overdue is None


def test_a_first_gradient_has_longer_and_more_for_its_pixels() -> None:
    one = Watched().ready()
    one.activity.begin("", GRADIENT, 100_000_000)
    one.hear_until(5000)
    assert one.overdue is None
    one.hear_until(5010)
    assert one.overdue is not None


def test_later_gradients_may_take_ten_times_the_slowest_by_their_pixels() -> None:
    one = Watched().ready()
    for seconds in (90, 40, 20):  # The first one is TensorFlow's, and tells nothing.
        with one.activity.doing("", GRADIENT, 1_000_000):
            one.now += seconds
            one.hear()
    one.activity.begin("", GRADIENT, 2_000_000)
    one.hear()
    begun = one.now
    one.hear_until(begun + 800)
    assert one.overdue is None
    one.hear_until(begun + 801)
    assert one.overdue is not None


def test_small_gradients_have_the_floor() -> None:
    one = Watched().ready()
    for _ in range(2):
        with one.activity.doing("", GRADIENT, 1000):
            one.now += 0.1
    one.activity.begin("", GRADIENT, 1000)
    one.hear()
    begun = one.now
    one.hear_until(begun + 300)
    assert one.overdue is None
    one.hear_until(begun + 301)
    assert one.overdue == "did not go on with the gradient for 301 s (limit 300 s)"


def test_after_an_inner_piece_of_work_the_outer_one_goes_on_anew() -> None:
    one = Watched().ready()
    with one.activity.doing("", "step", 1000):
        first = one.activity.pulse().doing[""]
        with one.activity.doing("", GRADIENT, 500):
            assert one.activity.pulse().doing[""][1:] == (GRADIENT, 500)
        again = one.activity.pulse().doing[""]
        assert again[1:] == first[1:]
        assert again.mark != first.mark
    assert not one.activity.pulse().doing


@pytest.mark.parametrize(("text", "silent"), [("", 60), ("2.5", 150), ("0.1", 6)])
def test_the_environment_stretches_all_limits(
    monkeypatch: pytest.MonkeyPatch, text: str, silent: float
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    found = Patience.from_environment()
    assert found.silent == silent
    assert found.beat <= 5
    assert found.silent / found.start == pytest.approx(60 / 300)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", "1e9", "9" * 400])
def test_the_environment_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(RequestError, match=rf"^{VARIABLE}=.*give a number over 0") as caught:
        Patience.from_environment()
    assert len(str(caught.value)) < 250
