"""Who makes the pictures of a set: threads of this process; `ray_executor` has a cluster."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from typing_extensions import override

from dreamray.bulk.bulk_events import BulkEvent
from dreamray.bulk.task import Outcome, Task
from dreamray.bulk.task_runner import TaskRunner, TaskRunnerSpec

_IDLE = 0.1
"""Seconds to wait where nobody has anything in hand."""


@dataclass(frozen=True)
class FinishedTask:
    """A task that no worker has any more."""

    task: Task
    outcome: Outcome | None
    """None if its worker was lost."""
    worker: str = ""
    """Which one had it."""
    suspect: bool = False
    """Whether it may be why its worker was lost."""


class TaskExecutor(ABC):
    """What a run needs of those who make its pictures. Closed at its end."""

    @abstractmethod
    def submit(self, task: Task, *, avoid: str = "", alone: bool = False) -> bool:
        """Hand out a task; False if there is no room for it now.

        It goes to another worker than `avoid` if there is one. A task that may be a worker's
        death is given to one that then has nothing else to lose: `alone`.
        """

    @abstractmethod
    def finished(self, timeout: float) -> list[FinishedTask]:
        """Tasks that are finished, after at most so many seconds; each is told once.

        Raises DreamrayError if there is nobody to wait for.
        """

    @abstractmethod
    def expect(self, tasks: int) -> None:
        """At most so many more tasks will be submitted: who is not needed may go."""

    @abstractmethod
    def on_event(self, event: BulkEvent) -> None:
        """Take note of what happens in the run."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Processes that are ready."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Tasks that are not finished."""

    @abstractmethod
    def close(self) -> None:
        """Let all go, with whatever they have in hand."""


class ThreadTaskExecutor(TaskExecutor):
    """Threads of this process."""

    workers = 1

    def __init__(self, spec: TaskRunnerSpec) -> None:
        """Nothing is loaded before the first task comes."""
        self._spec = spec
        self._runner: TaskRunner | None = None
        self._feeding = spec.feeding()
        self._threads = ThreadPoolExecutor(self._feeding.most, "picture")
        self._tasks: dict[Future[Outcome], Task] = {}

    @override
    def submit(self, task: Task, *, avoid: str = "", alone: bool = False) -> bool:
        if len(self._tasks) >= self._feeding.in_hand:
            return False
        if self._runner is None:
            self._runner = self._spec.runner()
        self._tasks[self._threads.submit(self._runner.make, task)] = task
        return True

    @override
    def finished(self, timeout: float) -> list[FinishedTask]:
        if not self._tasks:
            time.sleep(min(timeout, _IDLE))
        done, _ = wait(self._tasks, timeout, FIRST_COMPLETED)
        finished = [FinishedTask(self._tasks.pop(future), future.result()) for future in done]
        for one in finished:
            if one.outcome is not None:
                self._feeding.note(one.outcome.record.seconds)
        return finished

    @override
    def expect(self, tasks: int) -> None:
        pass

    @override
    def on_event(self, event: BulkEvent) -> None:
        pass

    @property
    @override
    def in_flight(self) -> int:
        return len(self._tasks)

    def close(self) -> None:
        """Let the threads end, each at its next step."""
        if self._runner is not None:
            self._runner.stop()
        self._threads.shutdown(cancel_futures=True)
