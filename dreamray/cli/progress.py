"""Progress of a render: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from dreamray.base.errors import StorageError
from dreamray.base.messages import duration
from dreamray.engine.events import Notice, OctaveStarted, StepDone, TileDone, Transfer

LINE_EVERY = 10.0
"""Seconds between plain lines within an octave."""


class Pace:
    """How fast it goes, and how long it will take.

    The first step of all builds the network, and is left out of the pace.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._octave: OctaveStarted | None = None
        self._begun: float | None = None
        self._octave_begun = 0.0
        self._tile_steps = 0
        self._work = 0
        self._left = 0

    def update(self, event: object) -> None:
        """Take note of an event."""
        if isinstance(event, OctaveStarted):
            self._octave = event
            self._octave_begun, self._tile_steps = self._clock(), 0
            self._left = event.work * event.iterations + event.work_after
        elif isinstance(event, StepDone) and self._octave is not None:
            octave = self._octave
            self._left = (octave.iterations - event.number - 1) * octave.work + octave.work_after
            if not event.moved:
                self._left = octave.work_after
            self._count(octave.work, octave.tiles)
        elif isinstance(event, TileDone) and self._octave is not None:
            octave = self._octave
            work = octave.work * octave.iterations
            self._left = work - work * event.done // event.tiles + octave.work_after
            self._count(work // event.tiles, event.steps)

    def _count(self, work: int, tile_steps: int) -> None:
        if self._begun is None:
            self._begun = self._octave_begun = self._clock()
        else:
            self._work += work
            self._tile_steps += tile_steps

    @property
    def tile_steps_per_second(self) -> float | None:
        """Steps in this octave, counted for each tile; None before it is known."""
        seconds = self._clock() - self._octave_begun
        return self._tile_steps / seconds if self._tile_steps and seconds > 0 else None

    @property
    def steps_per_second(self) -> float | None:
        """Steps of the whole octave; None before it is known."""
        speed = self.tile_steps_per_second
        return speed / self._octave.tiles if speed is not None and self._octave else None

    @property
    def seconds_left(self) -> float | None:
        """Until the last step; None before it is known."""
        if self._begun is None or not self._work:
            return None
        return self._left * (self._clock() - self._begun) / self._work

    @property
    def share_done(self) -> float:
        """Of all work, by its floating point operations; from 0 to 1."""
        done = self._work
        return done / (done + self._left) if done + self._left else 1.0


def _pace_text(pace: Pace, workers: int = 1) -> str:
    speed, left = pace.steps_per_second, pace.seconds_left
    if speed is None or left is None:
        return ""
    shown = f"{speed:.1f} steps/s" if speed >= 0.1 else f"{1 / speed:.0f} s a step"
    if workers > 1:
        shown = f"{workers} workers, {pace.tile_steps_per_second:.2g} tile steps/s"
    return f"{shown}, {duration(left)} left"


def _tiles(octave: OctaveStarted) -> str:
    return "1 tile" if octave.tiles == 1 else f"{octave.tiles} tiles of {octave.tile} pixels"


class NoticeLines:
    """Shows notices only, whatever else happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: object) -> None:
        """Show a notice."""
        if isinstance(event, Notice):
            self._console.print(f"note: {event.text}", markup=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


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
            self._say(f"{event.shape}, {_tiles(event)}, {event.iterations} iterations")
        elif isinstance(event, StepDone) and self._octave is not None:
            last = event.number == self._octave.iterations - 1 or not event.moved
            if last or self._clock() - self._last >= LINE_EVERY:
                ended = "" if event.moved else ", over max_loss: octave ends"
                pace = _pace_text(self._pace, event.workers)
                self._say(
                    f"step {event.number + 1}/{self._octave.iterations}, "
                    f"loss {event.loss:.3g}{ended}{', ' if pace else ''}{pace}"
                )

        elif isinstance(event, TileDone):
            if event.done == event.tiles or self._clock() - self._last >= LINE_EVERY:
                pace = _pace_text(self._pace, event.workers)
                text = f"tile {event.done}/{event.tiles}{', ' if pace else ''}{pace}"
                self._say(text)
        elif isinstance(event, Transfer) and self._clock() - self._last >= LINE_EVERY:
            self._last = self._clock()
            self._console.print(f"{event.what}: {event.share:.0%}", markup=False)

    def _say(self, text: str) -> None:
        assert self._octave is not None
        self._last = self._clock()
        prefix = f"octave {self._octave.number + 1}/{self._octave.count}"
        self._console.print(f"{prefix}: {text}", markup=False)


class ProgressBar(NoticeLines):
    """A bar with a description before it and a pace behind, gone at the end."""

    def __init__(
        self, console: Console, description: str, total: float | None, *columns: ProgressColumn
    ) -> None:
        super().__init__(console)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            *columns,
            TextColumn("{task.fields[pace]}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(description, total=total, pace="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def _update(self, **fields: Any) -> None:
        self._progress.update(self._task, **fields)


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
            self._show(event, f"{event.shape}, {_tiles(event)}")
        elif isinstance(event, StepDone) and self._octave is not None:
            steps = f"step {event.number + 1}/{self._octave.iterations}"
            self._show(self._octave, f"{steps} loss {event.loss:.3g}", event.workers)
        elif isinstance(event, TileDone) and self._octave is not None:
            self._show(self._octave, f"tile {event.done}/{event.tiles}", event.workers)
        elif isinstance(event, Transfer):
            self._update(description=f"{event.what} {event.share:.0%}", pace="")

    def _show(self, octave: OctaveStarted, text: str, workers: int = 1) -> None:
        self._update(
            description=f"octave {octave.number + 1}/{octave.count} {text}",
            completed=self._pace.share_done,
            pace=_pace_text(self._pace, workers),
        )


def reporter(
    *,
    quiet: bool = False,
    bar: Callable[[Console], NoticeLines] = PictureBar,
    lines: Callable[[Console], NoticeLines] = PictureLines,
) -> NoticeLines:
    """The one that suits standard error: a bar on a terminal, lines elsewhere.

    It shows events while it is entered.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if quiet:
        return NoticeLines(console)
    return (bar if console.is_terminal else lines)(console)


def say(text: str) -> None:
    """A line of result on standard output, which may be closed; StorageError if it is full."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as in `dreamray layers | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise StorageError(f"standard output: {error.strerror}; send it elsewhere") from None
