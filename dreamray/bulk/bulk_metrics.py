"""Figures of a set for Prometheus: see `dreamray.farm.metrics`."""

from __future__ import annotations

import dataclasses

from dreamray.bulk.bulk_events import BulkEvent, BulkProgress, PictureDone
from dreamray.farm.metrics import ACTIVE, LOST, PIXEL_STEPS, Counter, Gauge, Histogram


class BulkMetrics:
    """What a set of pictures counts."""

    def __init__(self) -> None:
        self._active = Gauge(*ACTIVE)
        self._lost = Counter(*LOST)
        self._pixel_steps = Counter(*PIXEL_STEPS)
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

    def on_event(self, event: BulkEvent) -> None:
        """Count an event of the set."""
        if isinstance(event, BulkProgress):
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
