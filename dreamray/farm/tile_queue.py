"""Tiles that are dreamt each by itself, where seams are blended: any worker takes the next one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from dreamray.base.errors import MemoryExhaustedError
from dreamray.engine.blending import TileTask
from dreamray.engine.tile_executor import WorkersLostError
from dreamray.farm.metrics import Metrics
from dreamray.farm.pool import WorkerPool
from dreamray.farm.supervisor import LOOK_EVERY, Supervisor, is_out_of_memory, raised_by
from dreamray.farm.worker_handle import WorkerHandle

IN_FLIGHT = 2
"""Tasks that a worker has at a time: one at work, and the next."""

LOST_AT_A_TILE = 8
"""How many workers may get lost in a row, before tiles are begun anew, and after that given up."""

ATTEMPTS = 3
"""How often a tile is tried before its error counts."""


class TileQueue:
    """Tiles that wait for a worker, or are with one."""

    def __init__(
        self, tasks: Sequence[TileTask], pool: WorkerPool, supervisor: Supervisor, metrics: Metrics
    ) -> None:
        self._pool = pool
        self._supervisor = supervisor
        self._metrics = metrics
        self._waiting = deque(tasks)
        self._running: dict[Any, tuple[WorkerHandle, TileTask]] = {}
        self._attempts: dict[int, int] = {}
        self._lost_in_a_row = 0

    def run(
        self,
        crew: Callable[[list[WorkerHandle]], None],
        done: Callable[[TileTask, int], None],
    ) -> None:
        """Until all are dreamt; `crew` is told who takes part, `done` of each tile and its steps.

        Raises WorkersLostError, MemoryExhaustedError, and a tile's own error.
        """
        while self._waiting or self._running:
            busy = list({id(worker): worker for worker, _ in self._running.values()}.values())
            self._lost_in_a_row += len(self._supervisor.end_lost(busy))
            ready = self._pool.ready() or self._pool.wait_ready()
            self._take_back()
            crew(ready)
            self._metrics.workers(len(ready))
            self._hand_out(ready)
            for ref in ray.wait([*self._running], timeout=LOOK_EVERY)[0]:
                self._finish(ref, done)
            if self._lost_in_a_row >= LOST_AT_A_TILE:
                raise WorkersLostError(
                    f"{self._lost_in_a_row} workers got lost, and no tile was finished meanwhile"
                )
            self._pool.scale_up()

    def _take_back(self) -> None:
        """What those had who are lost."""
        gone = [ref for ref, (worker, _) in self._running.items() if worker not in self._pool]
        for ref in gone:
            self._waiting.appendleft(self._running.pop(ref)[1])

    def _hand_out(self, ready: Sequence[WorkerHandle]) -> None:
        """To those with the least in hand first."""
        load = {worker.number: 0 for worker in ready}
        for worker, _ in self._running.values():
            load[worker.number] = load.get(worker.number, 0) + 1
        for worker in sorted(ready, key=lambda one: load[one.number]):
            while self._waiting and load[worker.number] < IN_FLIGHT:
                task = self._waiting.popleft()
                self._running[worker.actor.dream_tile.remote(task)] = worker, task
                self._pool.note_given([worker])
                load[worker.number] += 1

    def _finish(self, ref: Any, done: Callable[[TileTask, int], None]) -> None:
        worker, task = self._running.pop(ref)
        try:
            steps = ray.get(ref)
        except RayError as error:
            self._waiting.appendleft(task)
            self._note_failure(error, worker, task)
        else:
            self._lost_in_a_row = 0
            self._metrics.tile_steps(steps, task.window.pixels)
            done(task, steps)

    def _note_failure(self, error: RayError, worker: WorkerHandle, task: TileTask) -> None:
        """A lost worker does not count as an attempt at the tile."""
        if isinstance(error, RayTaskError):
            attempts = self._attempts[task.number] = self._attempts.get(task.number, 0) + 1
            if isinstance(error.cause, MemoryExhaustedError) or attempts >= ATTEMPTS:
                raise raised_by(error) from None
            return
        if is_out_of_memory(error):
            self._pool.lose(worker)
            raise MemoryExhaustedError(f"a worker ran out of memory on {task.window.shape}")
        self._supervisor.lose([worker])
        self._lost_in_a_row += 1
