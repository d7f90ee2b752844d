"""A set of pictures: what is to be done is found out, handed out, tried again, and recorded.

Whatever happens on the way, running the same again goes on: results are complete or absent,
and what is recorded is known to the next run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from dreamray.base.errors import DreamrayError, StorageError
from dreamray.base.messages import plural, shown
from dreamray.bulk.bulk_events import BulkListener, BulkProgress, PictureDone
from dreamray.bulk.bulk_planner import BulkPlanner
from dreamray.bulk.manifest import Manifest
from dreamray.bulk.record import Record, State
from dreamray.bulk.request import BulkRequest
from dreamray.bulk.retry_queue import Attempt, RetryQueue
from dreamray.bulk.task import Outcome, utc_now
from dreamray.bulk.task_executor import FinishedTask, TaskExecutor
from dreamray.bulk.task_store import TaskStore
from dreamray.engine.events import Notice

KEEP_EVERY = 10.0
"""Seconds between parts of the manifest."""

KEEP_RECORDS = 1000
"""Records that make a part sooner."""

IN_A_ROW = 30
"""Pictures that may fail one after the other for reasons that are not their own."""

_POLL = 0.5
_TOLD = 10
"""Failures that are told as they happen; the others are in the manifest."""


class BulkScheduler:
    """One run over a set, by the holder of its destination's lease."""

    def __init__(
        self,
        wanted: BulkRequest,
        store: TaskStore,
        check: Callable[[], None],
        on_event: BulkListener,
    ) -> None:
        """`check` raises once the lease is lost."""
        self._wanted = wanted
        self._store = store
        self._check = check
        self._on_event = on_event
        self._manifest = Manifest(wanted.destination)
        self._plan = BulkPlanner(wanted, store, on_event)
        self._unkept: list[Record] = []
        self._kept_at = time.monotonic()
        self._attempts: dict[str, Attempt] = {}
        self._last_error = ""
        self._recorded = False
        self._failed_in_a_row = 0
        self._storage_failed = False
        self._told = 0

    def plan(self) -> None:
        """Find out what is to be done; raises as `BulkPlanner.find`."""
        self._recorded |= self._plan.find(self._manifest.read(self._warn))
        for record in self._store.failures(_TOLD + 1):
            self._tell_failure(record)

    def make(self, executor: TaskExecutor) -> None:
        """Have everything made that is to be done, and record it.

        Raises DreamrayError where going on is hopeless: more failures than allowed, a storage
        that fails again and again, a lost lease, no workers.
        """
        queue = RetryQueue(self._plan.tasks())
        self._progress(executor)
        try:
            while True:
                self._check()
                self._hand_out(queue, executor)
                if not executor.in_flight and queue.empty:
                    return
                executor.expect(self._store.counts.left - executor.in_flight)
                for finished in executor.finished(_POLL):
                    self._note(finished, queue, executor)
                self._keep()
                self._progress(executor)
                self.check_failures()
        except BaseException:
            # Before the executor is closed, which may take longer than there is time.
            with contextlib.suppress(DreamrayError):
                self.keep()
            raise

    def keep(self) -> None:
        """Put what is recorded into the destination, for the next run."""
        self._kept_at = time.monotonic()
        if self._unkept:
            self._check()
            self._manifest.add(self._unkept)
            self._unkept = []

    def complete(self, then: Callable[[], object] = lambda: None) -> None:
        """Write the manifest as a whole; see `Manifest.complete`."""
        self.keep()
        self._check()
        with self._store.reader() as reader:
            self._manifest.complete(reader.records(), then)

    @property
    def changed(self) -> bool:
        """Whether the destination's manifest is not what it was, or has parts."""
        return self._recorded or self._manifest.has_parts

    def _hand_out(self, queue: RetryQueue, executor: TaskExecutor) -> None:
        # A suspect waits for a worker of its own, and must not hold up the others.
        for draw in (queue.next_suspect, queue.next):
            while (attempt := draw()) is not None:
                if not executor.submit(attempt.task, avoid=attempt.avoid, alone=attempt.suspect):
                    break
                self._attempts[attempt.task.output] = attempt
                queue.taken(attempt)

    def _note(self, finished: FinishedTask, queue: RetryQueue, executor: TaskExecutor) -> None:
        attempt = self._attempts.pop(finished.task.output)
        outcome = finished.outcome
        if outcome is None:
            if queue.lost(attempt, finished.worker, suspect=finished.suspect):
                return
            outcome = Outcome(_fail_deadly(attempt))
        elif outcome.again:
            record = queue.again(attempt, outcome.record, finished.worker)
            if record is None:
                return
            outcome = replace(outcome, record=record)
        elif not outcome.kept:
            outcome = replace(outcome, record=replace(outcome.record, attempts=attempt.number))
        self._failed_in_a_row = 0 if outcome.own else self._failed_in_a_row + 1
        self._store.note(outcome.record, kept=outcome.kept)
        self._record(outcome, known=outcome.record == attempt.task.earlier)
        executor.on_event(PictureDone(outcome.record, outcome.kept, outcome.work))

    def _record(self, outcome: Outcome, *, known: bool = False) -> None:
        record = outcome.record
        if not known:
            self._recorded = True
            self._unkept.append(record)
        self._on_event(PictureDone(record, outcome.kept, outcome.work))
        if record.state is State.FAILED:
            self._tell_failure(record)

    def _tell_failure(self, record: Record) -> None:
        self._last_error = record.error
        self._told += 1
        if self._told <= _TOLD:
            self._warn(f"failed: {record.error}")
        elif self._told == _TOLD + 1:
            self._warn("more failures: they will be in the manifest and the report")

    def _keep(self) -> None:
        waited = time.monotonic() - self._kept_at > KEEP_EVERY
        if waited or (len(self._unkept) >= KEEP_RECORDS and not self._storage_failed):
            try:
                self.keep()
                self._storage_failed = False
            except StorageError as error:
                # Not worth the run: if it lasts, the lease is lost.
                self._storage_failed = True
                self._warn(f"{error}; trying again")

    def check_failures(self) -> None:
        """Raise DreamrayError where going on is hopeless."""
        limit, counts = self._wanted.max_failures, self._store.counts
        if limit is not None and limit.is_passed(counts):
            raise DreamrayError(
                f"{plural(counts.failed, 'picture')} failed, more than --max-failures {limit}: the "
                f"last one as {self._last_error}"
            )
        if self._failed_in_a_row >= IN_A_ROW:
            raise StorageError(
                f"{self._failed_in_a_row} pictures in a row failed for no reason of their own, "
                f"the last one as {self._last_error}; run it again when that is mended"
            )

    def _progress(self, executor: TaskExecutor) -> None:
        counts = self._store.counts
        progress = BulkProgress(
            counts.total,
            counts.kept,
            counts.done,
            counts.failed,
            executor.in_flight,
            executor.workers,
        )
        self._on_event(progress)
        executor.on_event(progress)

    def _warn(self, text: str) -> None:
        self._on_event(Notice(text))


def _fail_deadly(attempt: Attempt) -> Record:
    task = attempt.task
    return Record(
        output=task.output,
        source=shown(task.source),
        state=State.FAILED,
        request=task.request,
        attempts=attempt.number,
        finished=utc_now(),
        error=f"{shown(task.source)}: the worker's process ended, or did not go on, each time "
        "that it was dreamt alone; it may need more memory than there is: give a smaller --memory "
        "or --tile",
    )
