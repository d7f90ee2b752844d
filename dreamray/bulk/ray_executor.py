"""Pictures of a set on a cluster: the processes, and each with a few pictures at a time.

Importing this imports Ray; `dreamray.bulk.executors` connects first.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from typing_extensions import override

from dreamray.base.messages import shown
from dreamray.bulk.bulk_events import BulkEvent
from dreamray.bulk.bulk_metrics import BulkMetrics
from dreamray.bulk.feeding import Feeding
from dreamray.bulk.record import Record, State
from dreamray.bulk.task import Outcome, Task, utc_now
from dreamray.bulk.task_executor import FinishedTask, TaskExecutor
from dreamray.bulk.task_runner import TaskRunnerSpec
from dreamray.farm.actors import WatchedActor, actor_maker, prepare
from dreamray.farm.pool import WorkerPool
from dreamray.farm.resources import WorkerResources
from dreamray.farm.worker_handle import WorkerHandle

FAILURES = 3
"""Tasks in a row that a worker may fail at for reasons not their own, before it is replaced."""

_ASK_EVERY = 1.0
"""Seconds between looks at whether workers are to be replaced."""


class RayTaskExecutor(TaskExecutor):
    """Workers of a pool, each with so many tasks in hand as its feeding says.

    Of a worker that is lost all tasks come back as finished without an outcome.
    """

    def __init__(self, pool: WorkerPool, feeding: Feeding, metrics: BulkMetrics) -> None:
        self._pool = pool
        self._feeding = feeding
        self._metrics = metrics
        self._in_hand: dict[WorkerHandle, dict[Any, Task]] = defaultdict(dict)
        self._failures: dict[WorkerHandle, int] = defaultdict(int)
        self._alone: WorkerHandle | None = None
        """Gets nothing but the task that it has, or is to have, to itself."""
        self._asked = 0.0
        self._lost: list[FinishedTask] = []
        self._ready: list[WorkerHandle] = []
        self._busy_at_last: int | None = None
        """Workers that were kept, when nothing was left to hand out."""
        self._expected: int | None = None
        """Tasks that are still to be handed out, at most; None while nobody has told."""

    @override
    def submit(self, task: Task, *, avoid: str = "", alone: bool = False) -> bool:
        worker = self._pick_lonely_worker(avoid) if alone else self._pick_worker(avoid)
        if worker is None:
            return False
        self._in_hand[worker][worker.actor.make.remote(task)] = task
        self._pool.note_given([worker])
        if self._expected is not None:
            self._expected -= 1
        return True

    @override
    def finished(self, timeout: float) -> list[FinishedTask]:
        self._look()
        owners = {ref: worker for worker, refs in self._in_hand.items() for ref in refs}
        if not owners:
            if not self._lost:
                time.sleep(min(timeout, 0.1))
        elif not self._lost:
            ray.wait([*owners], num_returns=1, timeout=timeout)
        done, _ = ray.wait([*owners], num_returns=len(owners), timeout=0) if owners else ([], [])
        finished = [one for ref in done for one in self._collect(owners[ref], ref)]
        lost, self._lost = self._lost, []
        return [*finished, *lost]

    @override
    def expect(self, tasks: int) -> None:
        """Workers with nothing in hand go, if they would get nothing."""
        self._expected = tasks
        busy = [worker for worker, refs in self._in_hand.items() if refs]
        if tasks or len(busy) == self._busy_at_last:
            return
        self._busy_at_last = len(busy)
        self._pool.scale_down(busy)
        for worker in [one for one in self._ready if one not in busy]:
            self._forget(worker)

    def on_event(self, event: BulkEvent) -> None:
        """Count what happens."""
        self._metrics.on_event(event)

    @property
    @override
    def workers(self) -> int:
        return len(self._ready)

    @property
    @override
    def in_flight(self) -> int:
        return sum(map(len, self._in_hand.values())) + len(self._lost)

    def close(self) -> None:
        """End all workers, with whatever they have in hand."""
        self._pool.close()
        self._metrics.end()

    def _look(self) -> None:
        """See to the workers: who is ready, who has to leave, who is to be replaced."""
        now = time.monotonic()
        if now - self._asked >= _ASK_EVERY:
            self._asked = now
            self._pool.scale_up()
        stalled = self._pool.end_stalled()
        for worker in [worker for worker, tasks in self._in_hand.items() if tasks]:
            if worker not in stalled:
                stalled += self._pool.end_idle([worker])
        for worker in stalled:
            self._lose(worker, suspect=True)
        self._ready = self._pool.ready()
        for worker in self._pool.leaving():
            if not self._in_hand[worker]:
                self._lose(worker, suspect=False)
        self._pool.check_liveness(len(self._ready))

    def _pick_worker(self, avoid: str) -> WorkerHandle | None:
        """The worker with the least in hand that has room; another one than `avoid` if it can.

        One task is left for each worker that is still to come: the first to be ready would
        otherwise take all of a small set, and the others' nodes have come up for nothing.
        """
        self._ready = self._ready or self._pool.ready()
        each = self._feeding.in_hand
        if self._expected is not None and self._expected <= self._pool.coming:
            each = 1
        free = [
            worker
            for worker in self._ready
            if worker is not self._alone and len(self._in_hand[worker]) < each
        ]
        others = [worker for worker in free if str(worker.number) != avoid]
        return min(others or free, key=lambda m: len(self._in_hand[m]), default=None)

    def _pick_lonely_worker(self, avoid: str) -> WorkerHandle | None:
        """A worker with nothing in hand; one is kept free for it until it is there."""
        if self._alone is None:
            candidates = [m for m in self._ready if str(m.number) != avoid] or self._ready
            self._alone = min(candidates, key=lambda m: len(self._in_hand[m]), default=None)
        worker = self._alone
        return worker if worker is not None and not self._in_hand[worker] else None

    def _collect(self, worker: WorkerHandle, ref: Any) -> list[FinishedTask]:
        task = self._in_hand[worker].pop(ref, None)
        if task is None:  # It came back with its worker's others.
            return []
        if worker is self._alone:
            self._alone = None
        try:
            outcome: Outcome = ray.get(ref)
        except RayActorError:
            self._in_hand[worker][ref] = task
            self._lose(worker, suspect=not self._pool.has_to_leave(worker))
            return []
        except RayError as error:
            outcome = _fail_unforeseen(task, error)
        self._feeding.note(outcome.record.seconds)
        self._failures[worker] = self._failures[worker] + 1 if outcome.again else 0
        # Where all of them fail it is not the worker's fault.
        others_fine = any(not n for one, n in self._failures.items() if one is not worker)
        if self._failures[worker] >= FAILURES and others_fine:
            self._lose(worker, suspect=False)
        return [FinishedTask(task, outcome, str(worker.number))]

    def _lose(self, worker: WorkerHandle, *, suspect: bool) -> None:
        """Let a worker go; what it had in hand comes back, perhaps as what it died of."""
        tasks = self._in_hand[worker].values()
        self._lost += [FinishedTask(task, None, str(worker.number), suspect) for task in tasks]
        self._metrics.lost(suspect)
        self._forget(worker)
        self._pool.lose(worker)

    def _forget(self, worker: WorkerHandle) -> None:
        self._in_hand.pop(worker, None)
        self._failures.pop(worker, None)
        self._ready = [one for one in self._ready if one is not worker]
        if worker is self._alone:
            self._alone = None


def _fail_unforeseen(task: Task, error: Exception) -> Outcome:
    """What was not foreseen in a worker, as the failure of one picture."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    record = Record(
        output=task.output,
        source=shown(task.source),
        state=State.FAILED,
        request=task.request,
        finished=utc_now(),
        error=f"{shown(task.source)}: the worker failed: {lines[-1].strip()[:200]}",
    )
    return Outcome(record, again=True, own=False)


class NodeTaskRunner(WatchedActor):
    """A process that makes the pictures of a set, several at a time."""

    def __init__(self, spec: TaskRunnerSpec) -> None:
        super().__init__()
        prepare(spec.threads)
        self._runner = spec.runner(self.activity)

    def handshake(self) -> Mapping[str, Any]:
        """See `NodeWorker.handshake`."""
        return self._runner.about()

    def make(self, task: Task) -> Outcome:
        """See `TaskRunner.make`."""
        return self._runner.make(task)


def task_runner_maker(
    spec: TaskRunnerSpec, resources: WorkerResources, calls: int
) -> Callable[[str | None], Any]:
    """Makes workers of sets, which answer so many calls at a time; else as `worker_maker`."""
    return actor_maker(NodeTaskRunner, spec, resources, max_concurrency=calls)
