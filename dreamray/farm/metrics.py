"""Figures of a run for Prometheus, exported by Ray on the node of the driver.

Counters are exported with `_total` behind their names, all with `ray_` before them. Each driver
has series of its own: gauges go soon after it has ended, counters stay.
"""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from dreamray.engine.ascent import Effort
from dreamray.plan.tiles import TilePlan

__all__ = ["ACTIVE", "LOST", "PIXEL_STEPS", "Counter", "Gauge", "Histogram", "Metrics"]

ACTIVE = "dreamray_active_workers", "Workers that take part."
LOST = "dreamray_lost_workers", "Workers that died, or were cut off."
PIXEL_STEPS = (
    "dreamray_pixel_steps",
    "Steps times the pixels of the windows they were made on.",
)


class Metrics:
    """What a picture that is dreamt on a cluster counts."""

    def __init__(self) -> None:
        self._active = Gauge(*ACTIVE)
        self._lost = Counter(*LOST)
        self._tile_steps = Counter("dreamray_tile_steps", "Steps, counted for each tile.")
        self._pixel_steps = Counter(*PIXEL_STEPS)
        self._seconds = Histogram(
            "dreamray_step_seconds",
            "Seconds of one step of a whole octave.",
            boundaries=[0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000],
        )
        self._worker_seconds = Counter(
            "dreamray_worker_seconds",
            "Seconds of workers: computing, or waiting for halos or for the reduction.",
            tag_keys=("into",),
        )
        self._sent = Counter("dreamray_exchange_bytes", "Bytes that workers sent one another.")

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

    def step(self, plan: TilePlan, seconds: float, effort: Effort) -> None:
        """One step was made on all tiles of a plan."""
        self._seconds.observe(seconds)
        self._tile_steps.inc(len(plan.tiles))
        self._pixel_steps.inc(sum(tile.window.pixels for tile in plan.tiles))
        for into in ("computing", "exchange", "reduction"):
            if seconds := getattr(effort, into):
                self._worker_seconds.inc(seconds, tags={"into": into})
        if effort.sent:
            self._sent.inc(effort.sent)

    def end(self) -> None:
        """Nobody takes part any more, though the driver may live on."""
        self._active.set(0)
