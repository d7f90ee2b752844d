"""What a terminal and a log show of a set."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from dreamray.bulk.bulk_events import BulkProgress, PictureDone, PicturesListed
from dreamray.bulk.record import Record, State
from dreamray.cli.bulk_progress import BulkBar, BulkLines, BulkPace
from dreamray.engine.events import Notice


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(done: int, failed: int = 0, workers: int = 2) -> BulkProgress:
    return BulkProgress(total=100, kept=20, done=done, failed=failed, in_flight=3, workers=workers)


def console() -> Console:
    return Console(file=io.StringIO(), width=200, soft_wrap=True)


def text(shown: Console) -> str:
    file = shown.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_pace_counts_what_ends_from_the_first_event_on() -> None:
    clock = Clock()
    pace = BulkPace(clock)
    pace.update(progress(10))
    assert pace.per_minute is None
    clock.now = 30
    pace.update(progress(24, 1))
    assert pace.per_minute == 30
    assert pace.seconds_left == 110


def test_lines_come_at_once_and_then_every_few_seconds() -> None:
    clock, shown = Clock(), console()
    lines = BulkLines(shown, clock)
    for done in range(40):
        clock.now += 1
        lines(progress(done, failed=2))
    assert text(shown).splitlines() == [
        "0 of 80 done, 2 failed, 20 kept; 2 workers",
        "10 of 80 done, 2 failed, 20 kept; 2 workers, 60 pictures/min, 1:08 left",
        "20 of 80 done, 2 failed, 20 kept; 2 workers, 60 pictures/min, 0:58 left",
        "30 of 80 done, 2 failed, 20 kept; 2 workers, 60 pictures/min, 0:48 left",
    ]


def test_a_long_listing_is_told() -> None:
    clock, shown = Clock(), console()
    lines = BulkLines(shown, clock)
    lines(PicturesListed(10))
    clock.now = 11
    lines(PicturesListed(70_000))
    assert text(shown) == "70,000 pictures found\n"


def test_remarks_are_shown_and_pictures_are_not() -> None:
    shown = console()
    lines = BulkLines(shown)
    lines(Notice("failed: [red]a.png[/red]"))
    lines(PictureDone(Record("a.png", "a.png", State.DONE), False, 0))
    assert text(shown) == "note: failed: [red]a.png[/red]\n"


def test_the_bar_takes_all_events() -> None:
    shown = Console(file=io.StringIO(), width=120, force_terminal=True)
    with BulkBar(shown) as bar:
        for event in (PicturesListed(5), progress(1), progress(5, 1), Notice("careful")):
            bar(event)
    assert "note: careful" in text(shown)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_bar_has_its_room_on_any_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, clock = Console(file=io.StringIO(), width=width, force_terminal=True), Clock()
    with BulkBar(shown) as bar:
        monkeypatch.setattr(bar, "_pace", BulkPace(clock))
        for done in (1, 30):
            clock.now += 30
            bar(progress(done, 3))
    unstyled = re.sub(r"\x1b\[2K|\x1b\[[\d;?]*[a-zA-Z]", "", text(shown))
    last = [line for line in re.split(r"[\r\n]+", unstyled) if "━" in line][-1]
    assert len(last) <= width
    assert sum(last.count(piece) for piece in "━╺╸") >= 14
    assert last.startswith(("33/80", "30 of 80 done, 3 failed"))
    assert "0:49" in last  # 29 pictures in 30 seconds, and 47 are left.
