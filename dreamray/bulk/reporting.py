"""The report of a run, brought up to date while the run goes on."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from dreamray.base.errors import DreamrayError
from dreamray.base.messages import shown
from dreamray.bulk.bulk_events import BulkEvent, PictureDone, PicturesListed
from dreamray.bulk.record import State
from dreamray.bulk.report import Report, RunState, Summary, WorkerFigures
from dreamray.bulk.request import BulkRequest
from dreamray.bulk.task import utc_now
from dreamray.bulk.task_store import TaskStore

UPDATE_EVERY = 60.0
"""Seconds between updates, or more where each takes long."""

_SHARE = 0.05
"""Of the time that updates may take."""


class Reporting:
    """Listens to a run, and writes its report: now and then in a thread, and at the end."""

    def __init__(self, wanted: BulkRequest, store: TaskStore, check: Callable[[], None]) -> None:
        """`check` raises DreamrayError once the run may not write any more."""
        self._wanted = wanted
        self._store = store
        self._check = check
        self._report = Report(wanted.destination)
        self._begun = time.monotonic()
        self._started = utc_now()
        self._workers: dict[str, WorkerFigures] = {}
        self._thread: threading.Thread | None = None
        self._due = self._begun + UPDATE_EVERY

    def on_event(self, event: BulkEvent) -> None:
        """Take note of a picture; begin an update where one is due."""
        if isinstance(event, PictureDone):
            self._count(event)
        if isinstance(
            event, PicturesListed
        ):  # It is not known yet whether there is anything to tell.
            return
        busy = self._thread is not None and self._thread.is_alive()
        if time.monotonic() >= self._due and not busy:
            self._thread = threading.Thread(
                target=self._try_update, args=(self._summary(),), name="report", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Wait for an update that was begun."""
        if self._thread is not None:
            self._thread.join()

    def finish(self, problem: str = "") -> None:
        """Write the report as it is at the end, for whatever reason. Raises StorageError."""
        self.close()
        state = RunState.STOPPED if problem else RunState.FINISHED
        self._update(replace(self._summary(), state=state, note=problem))

    def _try_update(self, summary: Summary) -> None:
        begun = time.monotonic()
        with contextlib.suppress(
            DreamrayError, OSError, sqlite3.Error
        ):  # The next one may succeed; the last is told.
            self._update(summary)
        now = time.monotonic()
        self._due = now + max(UPDATE_EVERY, (now - begun) / _SHARE)

    def _update(self, summary: Summary) -> None:
        self._check()
        with self._store.reader() as reader:
            self._report.update(summary, reader.pictures())

    def _count(self, event: PictureDone) -> None:
        record = event.record
        if event.kept or not record.worker:
            return
        known = self._workers.get(record.worker, WorkerFigures(record.worker, 0, 0, 0.0))
        done = record.state is State.DONE
        self._workers[record.worker] = replace(
            known,
            done=known.done + done,
            failed=known.failed + (not done),
            busy=known.busy + record.seconds.dream,
        )

    def _summary(self) -> Summary:
        wanted, counts = self._wanted, self._store.counts
        execution = wanted.execution
        about = {"weights": shown(wanted.weights_name), **execution.visible}
        settings = wanted.dream.to_yaml() + "".join(f"{k}: {v}\n" for k, v in about.items())
        return Summary(
            destination=shown(wanted.destination),
            source=shown(wanted.source),
            state=RunState.RUNNING,
            total=counts.total,
            done=counts.done,
            kept=counts.kept,
            failed=counts.failed,
            seconds=time.monotonic() - self._begun,
            started=self._started,
            as_of=utc_now(),
            settings=settings,
            weights=wanted.weights_name,
            weights_sha256=wanted.weights_sha256,
            workers=tuple(sorted(self._workers.values(), key=lambda one: one.name)),
        )
