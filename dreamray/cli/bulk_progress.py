"""Progress of a set: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console

from dreamray.base.messages import duration, plural
from dreamray.bulk.bulk_events import BulkProgress, PicturesListed
from dreamray.cli.progress import LINE_EVERY, NoticeLines, ProgressBar


class BulkPace:
    """How fast pictures come to their end; those that earlier runs made do not count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: float | None = None
        self._ended_before = 0
        self._ended = self._left = 0

    def update(self, event: BulkProgress) -> None:
        """Take note of how far it is."""
        ended = event.done + event.failed
        if self._begun is None:
            self._begun, self._ended_before = self._clock(), ended
        self._ended, self._left = ended - self._ended_before, event.left

    @property
    def per_minute(self) -> float | None:
        """Pictures; None before it is known."""
        seconds = self._clock() - self._begun if self._begun is not None else 0.0
        return 60 * self._ended / seconds if self._ended and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until the last picture; None before it is known."""
        pace = self.per_minute
        return None if pace is None else 60 * self._left / pace


def describe_counts(event: BulkProgress) -> str:
    """The states and their numbers: `120 of 300 done, 3 failed, 20 kept`."""
    failed = f", {event.failed} failed" if event.failed else ""
    kept = f", {event.kept} kept" if event.kept else ""
    return f"{event.done} of {event.total - event.kept} done{failed}{kept}"


def describe_pace(event: BulkProgress, pace: BulkPace) -> list[str]:
    """Workers, pictures a minute, time left; the last two once they are known."""
    workers = plural(event.workers, "worker")
    speed, left = pace.per_minute, pace.seconds_left
    if speed is None or left is None:
        return [workers]
    return [workers, f"{speed:.3g} pictures/min", f"{duration(left)} left"]


class BulkLines(NoticeLines):
    """A line every few seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        self._clock = clock
        self._pace = BulkPace(clock)
        self._last = clock()
        self._began = False

    def __call__(self, event: object) -> None:
        """Show an event of `dreamray.bulk.bulk_events`."""
        super().__call__(event)
        if isinstance(event, BulkProgress):
            self._pace.update(event)
            if not self._began or self._clock() - self._last >= LINE_EVERY:
                self._say(
                    f"{describe_counts(event)}; {', '.join(describe_pace(event, self._pace))}"
                )
            self._began = True
        elif isinstance(event, PicturesListed) and self._clock() - self._last >= LINE_EVERY:
            self._say(f"{plural(event.pictures, 'picture')} found")

    def _say(self, text: str) -> None:
        self._last = self._clock()
        self._console.print(text, markup=False)


class BulkBar(ProgressBar):
    """One bar for the whole set."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "listing", None)
        self._pace = BulkPace()

    def __call__(self, event: object) -> None:
        """Show an event of `dreamray.bulk.bulk_events`."""
        super().__call__(event)
        if isinstance(event, PicturesListed):
            self._update((f"{plural(event.pictures, 'picture')} found", ""))
        elif isinstance(event, BulkProgress):
            self._pace.update(event)
            counts, pace = describe_counts(event), describe_pace(event, self._pace)
            brief = f"{event.done + event.failed}/{event.total - event.kept}"
            failed = f", {event.failed} failed" if event.failed else ""
            self._update(
                (counts, ", ".join(pace)),
                (counts, ", ".join(pace[1:])),
                (brief + failed, ", ".join(pace[1:])),
                (brief + failed, pace[-1] if pace[1:] else ""),
                (brief, pace[-1].removesuffix(" left") if pace[1:] else ""),
                total=event.total - event.kept,
                completed=event.done + event.failed,
            )
