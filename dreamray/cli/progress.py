"""Progress of a render: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from dreamray.base.messages import Aside, duration, plural
from dreamray.engine.events import Notice, OctaveStarted, StepDone, TileDone, Transfer

LINE_EVERY = 10.0
"""Seconds between plain lines within an octave."""


class Pace:
    """How fast it goes, and how long it will take: both by the same measure, work a second.

    The first step of an octave prepares the network for new shapes, and says nothing of the
    others: it is done, but neither its time nor its work counts for the pace.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._octave: OctaveStarted | None = None
        self._since: float | None = None
        """When the last step of this octave ended."""
        self._seconds = 0.0
        self._work = self._done = self._left = 0

    def update(self, event: object) -> None:
        """Take note of an event."""
        if isinstance(event, OctaveStarted):
            self._octave, self._since = event, None
            self._left = event.work * event.iterations + event.work_after
        elif isinstance(event, StepDone) and self._octave is not None:
            octave = self._octave
            self._left = (octave.iterations - event.number - 1) * octave.work + octave.work_after
            if not event.moved:
                self._left = octave.work_after
            self._count(octave.work)
        elif isinstance(event, TileDone) and self._octave is not None:
            octave = self._octave
            work = octave.work * octave.iterations
            self._left = work - work * event.done // event.tiles + octave.work_after
            self._count(work // event.tiles)

    def _count(self, work: int) -> None:
        now = self._clock()
        self._done += work
        if self._since is not None:
            self._seconds += now - self._since
            self._work += work
        self._since = now

    @property
    def steps_per_second(self) -> float | None:
        """Steps of this whole octave; None before it is known."""
        if not self._work or self._seconds <= 0 or self._octave is None:
            return None
        return self._work / self._seconds / self._octave.work

    @property
    def tile_steps_per_second(self) -> float | None:
        """Steps in this octave, counted for each tile; None before it is known."""
        speed = self.steps_per_second
        return speed * self._octave.tiles if speed is not None and self._octave else None

    @property
    def seconds_left(self) -> float | None:
        """Until the last step; None before it is known."""
        return self._left * self._seconds / self._work if self._work else None

    @property
    def share_done(self) -> float:
        """Of all work, by its floating point operations; from 0 to 1."""
        return self._done / (self._done + self._left) if self._done + self._left else 1.0


def _pace_texts(pace: Pace, workers: int = 1, waiting: float = 0.0) -> tuple[str, str]:
    """Speed and time left; empty before they are known.

    `waiting` is the share of the workers' time in which they wait for one another.
    """
    speed, left = pace.steps_per_second, pace.seconds_left
    if not speed or left is None:
        return "", ""
    shown = f"{speed:.1f} steps/s" if speed >= 0.95 else f"{1 / speed:.2g} s a step"
    if workers > 1:
        shown = f"{workers} workers, {pace.tile_steps_per_second:.2g} tile steps/s"
        shown += f", exchange {100 * waiting:.0f} %" if waiting else ""
    return shown, f"{duration(left)} left"


def _tiles(octave: OctaveStarted) -> str:
    return "1 tile" if octave.tiles == 1 else f"{octave.tiles} tiles of {octave.tile} pixels"


class QuietLines:
    """Shows what is to be minded, and nothing of what goes on."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: object) -> None:
        """Show a notice, but for asides."""
        if isinstance(event, Notice) and not isinstance(event.text, Aside):
            self._tell(event)

    def _tell(self, notice: Notice) -> None:
        self._console.print(f"note: {notice.text}", markup=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class NoticeLines(QuietLines):
    """Shows notices of all kinds."""

    def __call__(self, event: object) -> None:
        """Show a notice."""
        if isinstance(event, Notice):
            self._tell(event)


class PictureLines(NoticeLines):
    """A line for each octave, and one every few seconds within."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._clock = clock
        self._pace = Pace(clock)
        self._octave: OctaveStarted | None = None
        self._last = clock()

    def __call__(self, event: object) -> None:
        """Show an event of `dreamray.engine.events`."""
        super().__call__(event)
        self._pace.update(event)
        if isinstance(event, OctaveStarted):
            self._octave = event
            steps = plural(event.iterations, "step")
            self._say(f"{event.shape}, {_tiles(event)}, {steps} at the most")
        elif isinstance(event, StepDone) and self._octave is not None:
            last = event.number == self._octave.iterations - 1 or not event.moved
            if last or self._clock() - self._last >= LINE_EVERY:
                ended = "" if event.moved else ", over max_loss: octave ends"
                steps = f"step {event.number + 1}/{self._octave.iterations}"
                pace = _pace_texts(self._pace, event.workers, event.waiting)
                self._say(steps, f"loss {event.loss:.3g}{ended}", *pace)

        elif isinstance(event, TileDone):
            if event.done == event.tiles or self._clock() - self._last >= LINE_EVERY:
                tiles = f"tile {event.done}/{event.tiles}"
                self._say(tiles, *_pace_texts(self._pace, event.workers))
        elif isinstance(event, Transfer) and self._clock() - self._last >= LINE_EVERY:
            self._last = self._clock()
            self._console.print(f"{event.what}: {event.share:.0%}", markup=False)

    def _say(self, *texts: str) -> None:
        assert self._octave is not None
        self._last = self._clock()
        prefix = f"octave {self._octave.number + 1}/{self._octave.count}"
        self._console.print(f"{prefix}: {', '.join(filter(None, texts))}", markup=False)


_LEAST_BAR = 16
"""Characters of a bar that is worth its place."""


def fit(width: int, *choices: tuple[str, str], beside: int = 0) -> tuple[str, str]:
    """The first texts, before and behind a bar, that leave it room in so many characters.

    The last ones where none do. `beside` characters are taken by other columns.
    """
    for before, behind in choices:
        gaps = 1 + bool(behind)
        if len(before) + len(behind) + beside + gaps + _LEAST_BAR <= width:
            break
    return before, behind


class ProgressBar(NoticeLines):
    """A bar with a description before it and a pace behind, gone at the end."""

    def __init__(
        self, console: Console, description: str, total: float | None, *columns: ProgressColumn
    ) -> None:
        super().__init__(console)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            *columns,
            TextColumn("{task.fields[pace]}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(description, total=total, pace="")
        self._beside = 5 * len(columns)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def _update(self, *choices: tuple[str, str], **fields: Any) -> None:
        """Show the texts that fit best: what matters less is in the first ones only."""
        before, behind = fit(self._console.width, *choices, beside=self._beside)
        self._progress.update(self._task, description=before, pace=behind, **fields)


class PictureBar(ProgressBar):
    """One bar for the whole picture, by work done."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "starting", 1.0, TextColumn("{task.percentage:>3.0f}%"))
        self._pace = Pace()
        self._octave: OctaveStarted | None = None

    def __call__(self, event: object) -> None:
        """Show an event of `dreamray.engine.events`."""
        super().__call__(event)
        self._pace.update(event)
        if isinstance(event, OctaveStarted):
            self._octave = event
            self._show(event, f"{event.shape}", f", {_tiles(event)}", _pace_texts(self._pace))
        elif isinstance(event, StepDone) and self._octave is not None:
            steps = f"step {event.number + 1}/{self._octave.iterations}"
            pace = _pace_texts(self._pace, event.workers, event.waiting)
            self._show(self._octave, steps, f" loss {event.loss:.3g}", pace)
        elif isinstance(event, TileDone) and self._octave is not None:
            pace = _pace_texts(self._pace, event.workers)
            self._show(self._octave, f"tile {event.done}/{event.tiles}", "", pace)
        elif isinstance(event, Transfer):
            self._update((f"{event.what} {event.share:.0%}", ""))

    def _show(self, octave: OctaveStarted, text: str, more: str, pace: tuple[str, str]) -> None:
        number = f"octave {octave.number + 1}/{octave.count}"
        speed, left = pace
        self._update(
            (f"{number} {text}{more}", f"{speed}, {left}" if speed else ""),
            (f"{number} {text}", f"{speed}, {left}" if speed else ""),
            (f"{number} {text}", left),
            (number, left),
            (number, left.removesuffix(" left")),
            completed=self._pace.share_done,
        )


def reporter(
    *,
    quiet: bool = False,
    bar: Callable[[Console], NoticeLines] = PictureBar,
    lines: Callable[[Console], NoticeLines] = PictureLines,
) -> QuietLines:
    """The one that suits standard error: a bar on a terminal, lines elsewhere.

    It shows events while it is entered.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if quiet:
        return QuietLines(console)
    return (bar if console.is_terminal else lines)(console)
