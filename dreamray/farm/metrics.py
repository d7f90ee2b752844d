"""Figures of a run for Prometheus, exported by Ray on the node of the driver.

Counters are exported with `_total` behind their names, all with `ray_` before them. Each driver
has series of its own: gauges go soon after it has ended, counters stay.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator

from ray.util.metrics import Counter, Gauge, Histogram

from dreamray.bulk.events import PictureDone, Progress, SetEvent
from dreamray.tiles import TilePlan

_ACTIVE = "dreamray_active_workers", "Workers that take part."
_LOST = "dreamray_lost_workers", "Workers that died, or were cut off."
_PIXEL_STEPS = (
    "dreamray_pixel_steps",
    "Steps times the pixels of the windows they were made on.",
)


class Metrics:
    """What a picture that is dreamt on a cluster counts."""

    def __init__(self) -> None:
        self._active = Gauge(*_ACTIVE)
        self._lost = Counter(*_LOST)
        self._tile_steps = Counter("dreamray_tile_steps", "Steps, counted for each tile.")
        self._pixel_steps = Counter(*_PIXEL_STEPS)
        self._seconds = Histogram(
            "dreamray_step_seconds",
            "Seconds of one step of a whole octave.",
            boundaries=[0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000],
        )

    def workers(self, count: int) -> None:
        """So many take part from now on."""
        self._active.set(count)

    def lost(self, count: int) -> None:
        """So many got lost."""
        if count:
            self._lost.inc(count)

    def tile_steps(self, steps: int, pixels: int) -> None:
        """So many steps were made on a window of so many pixels."""
        if steps:
            self._tile_steps.inc(steps)
            self._pixel_steps.inc(steps * pixels)

    @contextlib.contextmanager
    def step(self, plan: TilePlan) -> Iterator[None]:
        """One step on all tiles of a plan, counted if it succeeds."""
        begun = time.perf_counter()
        yield
        self._seconds.observe(time.perf_counter() - begun)
        self._tile_steps.inc(len(plan.tiles))
        self._pixel_steps.inc(sum(tile.window.pixels for tile in plan.tiles))

    def end(self) -> None:
        """Nobody takes part any more, though the driver may live on."""
        self._active.set(0)


class SetMetrics:
    """What a set of pictures counts."""

    def __init__(self) -> None:
        self._active = Gauge(*_ACTIVE)
        self._lost = Counter(*_LOST)
        self._pixel_steps = Counter(*_PIXEL_STEPS)
        self._pictures = Counter(
            "dreamray_pictures", "Pictures that came to their end.", tag_keys=("state",)
        )
        self._seconds = Histogram(
            "dreamray_picture_seconds",
            "Seconds of one picture, by stage.",
            boundaries=[0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000],
            tag_keys=("stage",),
        )
        self._queue = Gauge("dreamray_queue", "Pictures that no worker has in hand yet.")

    def hear(self, event: SetEvent) -> None:
        """Count an event of the set."""
        if isinstance(event, Progress):
            self._active.set(event.workers)
            self._queue.set(event.left - event.in_flight)
        elif isinstance(event, PictureDone):
            state = "kept" if event.kept else event.record.state.value
            self._pictures.inc(tags={"state": state})
            if not event.kept:
                for stage, seconds in dataclasses.asdict(event.record.seconds).items():
                    self._seconds.observe(seconds, tags={"stage": stage})
            if event.work:
                self._pixel_steps.inc(event.work)

    def lost(self, count: int) -> None:
        """So many workers got lost."""
        if count:
            self._lost.inc(count)

    def end(self) -> None:
        """Nobody works and nothing waits any more, though the driver may live on."""
        self._active.set(0)
        self._queue.set(0)
