"""Progress: the pace that is shown is right, and each kind of output gets its own form."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dreamray.base.geometry import Shape
from dreamray.base.messages import Aside, duration
from dreamray.cli import app
from dreamray.cli.progress import Pace, PictureBar, PictureLines, QuietLines, fit
from dreamray.engine.events import Notice, OctaveStarted, StepDone
from tests.support.places import PROJECT


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def octave(
    number: int = 0, *, work: int = 10, after: int = 0, iterations: int = 3
) -> OctaveStarted:
    return OctaveStarted(number, 2, Shape(60, 80), 4, 48, iterations, work, after)


def test_time_left_is_by_work_and_the_first_step_does_not_count() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.update(octave(work=10, after=40))
    clock.now = 100.0  # The first step builds the network.
    pace.update(StepDone(0, 0, 1.0, moved=True))
    assert pace.seconds_left is None
    clock.now = 102.0
    pace.update(StepDone(0, 1, 1.0, moved=True))
    assert pace.steps_per_second == pytest.approx(0.5)
    assert pace.seconds_left == pytest.approx((10 + 40) * 2.0 / 10)
    assert pace.share_done == pytest.approx(20 / 70)
    # A rate that others could not work out the time from would be none.
    steps_left = 1 + 40 / 10
    assert pace.seconds_left == pytest.approx(steps_left / pace.steps_per_second)


def test_the_first_step_of_any_octave_does_not_count() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in (0, 1):
        pace.update(octave(number, work=10, after=30 * (1 - number)))
        for step in range(3):
            clock.now += 1.0 if step else 50.0
            pace.update(StepDone(number, step, 1.0, moved=True))
            if number or step:
                assert pace.steps_per_second == pytest.approx(1.0)
                assert pace.seconds_left == pytest.approx(2 - step + 3 * (1 - number))
    assert pace.share_done == 1.0


def test_an_octave_that_ends_early_leaves_only_those_after_it() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.update(octave(work=10, after=20, iterations=100))
    pace.update(StepDone(0, 0, 1.0, moved=True))
    clock.now = 1.0
    pace.update(StepDone(0, 1, 11.0, moved=False))
    assert pace.seconds_left == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (754, "12:34"), (3723, "1:02:03")]
)
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def written(kind: type[QuietLines], *, terminal: bool, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, highlight=False)
    with kind(console) as show:
        show(Notice("[not markup] mind this"))
        show(Notice(Aside("by the way")))
        show(octave(0))
        for step in range(3):
            show(StepDone(0, step, 1.5 + step, moved=True))
    return out.getvalue()


def test_lines_tell_octaves_and_their_last_step() -> None:
    assert [
        line.partition(" steps/s")[0] for line in written(PictureLines, terminal=False).splitlines()
    ][:3] == [
        "note: [not markup] mind this",
        "note: by the way",
        "octave 1/2: 80x60, 4 tiles of 48 pixels, 3 steps at the most",
    ]
    assert "octave 1/2: step 3/3, loss 3.5" in written(PictureLines, terminal=False)


def test_lines_come_every_ten_seconds_within_an_octave() -> None:
    clock, out = Clock(), io.StringIO()
    show = PictureLines(Console(file=out, width=100), clock)
    show(octave(iterations=100))
    for step in range(30):
        clock.now += 1.0
        show(StepDone(0, step, 1.0, moved=True))
    assert [line.split()[3] for line in out.getvalue().splitlines()[1:]] == [
        "10/100,", "20/100,", "30/100,",
    ]  # fmt: skip


def test_several_workers_tell_how_long_they_wait_for_one_another() -> None:
    clock, out = Clock(), io.StringIO()
    show = PictureLines(Console(file=out, width=100), clock)
    show(octave(iterations=2))
    for step in range(2):
        clock.now += 1.0
        show(StepDone(0, step, 1.0, moved=True, workers=3, waiting=0.123))
    assert "3 workers, 4 tile steps/s, exchange 12 %" in out.getvalue()


def test_the_bar_shows_octave_step_and_loss() -> None:
    assert "octave 1/2 step 3/3 loss 3.5" in written(PictureBar, terminal=True)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_bar_has_its_room_on_any_terminal(width: int) -> None:
    shown = written(PictureBar, terminal=True, width=width).split("\x1b[2K")
    bars = [re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", line).strip("\r\n") for line in shown]
    last = [line for line in bars if "━" in line][-1]
    assert len(last) <= width
    assert last.count("━") + last.count("╺") + last.count("╸") >= 14
    assert "octave 1/2" in last


@given(st.integers(40, 300), st.integers(1, 99), st.integers(0, 10**7), st.integers(1, 10_000))
def test_what_matters_less_gives_way_to_the_bar(
    width: int, octaves: int, seconds: int, steps: int
) -> None:
    number, left = f"octave {octaves}/{octaves}", f"{duration(seconds)} left"
    full = (f"{number} step {steps}/{steps} loss 3.14", f"{left}, 1.5 steps/s")
    choices = [full, (number, left), (number, duration(seconds))]
    before, behind = fit(width, *choices, beside=5)
    place = choices.index((before, behind))
    assert all(len("".join(c)) + 5 + 2 + 16 > width for c in choices[:place])
    if place < 2:
        assert width - len(before) - len(behind) - 5 - 2 >= 16


def test_quiet_shows_what_is_to_be_minded_alone() -> None:
    assert written(QuietLines, terminal=False) == "note: [not markup] mind this\n"


def test_what_is_logged_stays_on_its_line() -> None:
    """Names come from anybody: none forges a line, or speaks to the terminal."""
    name = "cat\nERROR forged\x1b[31m.png"
    record = logging.LogRecord("dreamray", logging.INFO, "", 0, "lost with %s", (name,), None)
    line = app._OneLine("%(levelname)s %(message)s").format(record)
    assert line == r"INFO lost with cat\nERROR forged\x1b[31m.png"


@pytest.mark.parametrize("full", [False, True], ids=["its reader has gone", "its disk is full"])
def test_a_standard_error_that_takes_nothing_ends_nothing(full: bool) -> None:
    code = f"""
import logging, os
from dreamray.cli.streams import make_lasting, tell
from dreamray.engine.events import Notice
reading, writing = (0, os.open("/dev/full", os.O_WRONLY)) if {full} else os.pipe()
os.close(reading)
os.dup2(writing, 2)
make_lasting()
from dreamray.cli.progress import reporter
with reporter() as show:
    for _ in range(3): show(Notice("line"))
logging.warning("line")
tell("line")
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
