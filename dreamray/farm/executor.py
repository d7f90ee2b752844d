"""A picture dreamt by several of a cluster's workers, in step.

The driver deals the tiles out and passes references on; pixels and gradients travel from worker
to worker. Each step takes one answer from every worker.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import (
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
)
from typing_extensions import override

from dreamray.base.errors import DreamrayError, MemoryExhaustedError
from dreamray.engine.blending import TileTask
from dreamray.engine.halo_exchange import HaloExchange, Roll, assign_tiles
from dreamray.engine.tile_executor import StepMeasure, TileExecutor, WorkersLostError
from dreamray.engine.worker import Move
from dreamray.farm.answers import put
from dreamray.farm.metrics import Metrics
from dreamray.farm.pool import WorkerPool
from dreamray.farm.worker_handle import WorkerHandle
from dreamray.plan.tiles import TilePlan
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import LazyRaster

IN_FLIGHT = 2
"""Tasks that a worker has at a time: one at work, and the next."""

LOST_AT_A_TILE = 8
"""How many workers may get lost in a row, before tiles are begun anew, and after that given up."""

LOOK_EVERY = 1.0
"""Seconds between looks at whether the workers go on."""

ATTEMPTS = 3
"""How often a tile is tried before its error counts."""


class RayTileExecutor(TileExecutor):
    """Workers of a cluster."""

    def __init__(self, pool: WorkerPool, metrics: Metrics) -> None:
        self._pool = pool
        self._metrics = metrics
        self._workers: list[WorkerHandle] = []
        self._plan: TilePlan | None = None
        self._rounds: _Rounds | None = None

    @property
    @override
    def size(self) -> int:
        return len(self._workers)

    @property
    @override
    def must_change(self) -> bool:
        return any(self._pool.has_to_leave(worker) for worker in self._workers)

    @property
    @override
    def may_change(self) -> bool:
        tiles = len(self._plan.tiles) if self._plan else 0
        return self.must_change or min(len(self._pool.ready()), tiles) > len(self._workers)

    @override
    def about(self) -> Mapping[str, Any]:
        return self._pool.about or self._pool.wait_ready()[0].about or {}

    @override
    def begin(
        self, plan: TilePlan, image: LazyRaster, held: int | None, scratch: Path | None
    ) -> None:
        ready = self._pool.wait_ready()
        self._workers = ready[: len(plan.tiles)]
        self._plan, self._pending = plan, None
        owners = assign_tiles(plan, len(self._workers))
        self._rounds = _Rounds(HaloExchange(plan, owners), self._workers)
        shared = put((plan, owners, image, held, scratch))
        self._all(lambda number, worker: worker.actor.begin_shared.remote(shared, number))
        self._metrics.workers(len(self._workers))

    @override
    def compute(self, roll: Roll) -> StepMeasure:
        """As of any executor. The halos of a step go when its answers are there."""
        assert self._plan is not None
        assert self._rounds is not None
        if roll != self._rounds.exchange.roll:
            exchange = HaloExchange(self._plan, self._rounds.exchange.owners, roll)
            self._rounds = _Rounds(exchange, self._workers)
        move = self._take_move()
        with self._metrics.step(self._plan):
            refs = self._rounds.start(move)
            answers = self._get(refs, [*self._workers, *self._workers])
        count = len(self._workers)
        return StepMeasure(
            self._in_plan_order(answers[:count]),
            self._in_plan_order(answers[count:]),
            3 * math.prod(self._plan.shape),
        )

    @override
    def store(self, raster: ChunkedRaster, added: LazyRaster | None = None) -> None:
        move = self._take_move()
        self._all(lambda number, worker: worker.actor.store.remote(move, raster, added))

    @override
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        """As of any executor. Workers that come up meanwhile get tiles at once."""
        self._all(lambda number, worker: worker.actor.end.remote())
        waiting = deque(tasks)
        attempts: dict[int, int] = {}
        running: dict[Any, tuple[WorkerHandle, TileTask]] = {}
        lost_in_a_row = 0
        while waiting or running:
            busy = list({id(worker): worker for worker, _ in running.values()}.values())
            lost_in_a_row += len(self._end_stalled()) + len(self._end_idle(busy))
            ready = self._pool.ready() or self._pool.wait_ready()
            for ref in [ref for ref, (worker, _) in running.items() if worker not in self._pool]:
                waiting.appendleft(running.pop(ref)[1])
            self._workers = ready
            self._metrics.workers(len(ready))
            load = {worker.number: 0 for worker in ready}
            for worker, _ in running.values():
                load[worker.number] = load.get(worker.number, 0) + 1
            for worker in sorted(ready, key=lambda one: load[one.number]):
                while waiting and load[worker.number] < IN_FLIGHT:
                    task = waiting.popleft()
                    running[worker.actor.dream_tile.remote(task)] = worker, task
                    self._pool.note_given([worker])
                    load[worker.number] += 1
            finished, _ = ray.wait([*running], timeout=LOOK_EVERY)
            for ref in finished:
                worker, task = running.pop(ref)
                try:
                    steps = ray.get(ref)
                except RayError as error:
                    waiting.appendleft(task)
                    self._note_failure(error, worker, task, attempts)
                    lost_in_a_row += not isinstance(error, RayTaskError)
                else:
                    lost_in_a_row = 0
                    self._metrics.tile_steps(steps, task.window.pixels)
                    done(task, steps)
            if lost_in_a_row >= LOST_AT_A_TILE:
                raise WorkersLostError(
                    f"{lost_in_a_row} workers got lost, and no tile was finished meanwhile"
                )
            self._pool.scale_up()

    @override
    def end(self) -> None:
        """As of any executor. Nobody waits for it."""
        for worker in self._workers:
            worker.actor.end.remote()

    def close(self) -> None:
        """Let all workers go."""
        self._pool.close()
        self._metrics.end()

    def _note_failure(
        self, error: RayError, worker: WorkerHandle, task: TileTask, attempts: dict[int, int]
    ) -> None:
        """A lost worker does not count as an attempt at the tile."""
        if isinstance(error, RayTaskError):
            cause = error.cause
            attempts[task.number] = attempts.get(task.number, 0) + 1
            if isinstance(cause, MemoryExhaustedError) or attempts[task.number] >= ATTEMPTS:
                raise _describe_error(error) from None
        elif _is_out_of_memory(error):
            self._pool.lose(worker)
            raise MemoryExhaustedError(f"a worker ran out of memory on {task.window.shape}")
        else:
            self._pool.lose(worker)
            self._metrics.lost(1)

    def _wait(self, refs: Sequence[Any]) -> None:
        """Wait for all answers, or errors; raises WorkersLostError if a worker does not go on."""
        pending = list(refs)
        self._pool.note_given(self._workers)
        while pending:
            _, pending = ray.wait(pending, num_returns=len(pending), timeout=LOOK_EVERY)
            if not pending:
                return
            if stalled := self._end_stalled() or self._end_idle(self._workers):
                raise WorkersLostError(_count_lost(len(stalled), len(self._workers)))

    def _end_stalled(self) -> list[WorkerHandle]:
        """Those of our workers that are ended now, as they did not go on."""
        stalled = self._pool.end_stalled()
        self._metrics.lost(len(stalled))
        return [worker for worker in stalled if worker in self._workers]

    def _end_idle(self, workers: Sequence[WorkerHandle]) -> list[WorkerHandle]:
        """All of them, if all wait for what does not come."""
        idle = self._pool.end_idle(workers)
        self._metrics.lost(len(idle))
        return idle

    def _in_plan_order(self, by_member: Sequence[Sequence[float]]) -> tuple[float, ...]:
        assert self._rounds is not None
        values = [iter(one) for one in by_member]
        return tuple(next(values[owner]) for owner in self._rounds.exchange.owners)

    def _all(self, call: Callable[[int, WorkerHandle], Any]) -> list[Any]:
        """Call every worker, and wait for all."""
        refs = [call(number, worker) for number, worker in enumerate(self._workers)]
        return self._get(refs, self._workers)

    def _get(self, refs: Sequence[Any], workers: Sequence[WorkerHandle]) -> list[Any]:
        """The workers' answers; WorkersLostError if one is gone, MemoryExhaustedError first."""
        self._wait(refs)
        try:
            return list(ray.get(list(refs)))
        except RayError:
            pass
        lost: dict[int, WorkerHandle] = {}
        inputs_lost, errors = False, []
        for ref, worker in zip(refs, workers, strict=True):
            try:
                ray.get(ref)
            except RayTaskError as error:
                # Also where an input's worker died, which this worker has no part in.
                if isinstance(error, RayActorError | ObjectLostError):
                    inputs_lost = True
                else:
                    errors.append(_describe_error(error))
            except RayActorError as error:
                lost[worker.number] = worker
                if _is_out_of_memory(error):
                    errors.append(MemoryExhaustedError("a worker was ended for its memory"))
            except RayError:
                inputs_lost = True
        for worker in lost.values():
            self._pool.lose(worker)
        self._metrics.lost(len(lost))
        if errors:
            raise min(errors, key=lambda one: not isinstance(one, MemoryExhaustedError))
        assert lost or inputs_lost
        raise WorkersLostError(_count_lost(len(lost), len(self._workers)))


class _Rounds:
    """The calls of a step, for one dealing of the tiles and one roll.

    They are made ready once: that takes the driver longer than to make them.
    """

    def __init__(self, exchange: HaloExchange, workers: Sequence[WorkerHandle]) -> None:
        self.exchange = exchange
        everyone = range(len(workers))
        self._receivers = [exchange.receivers(me) for me in everyone]
        self._senders = [exchange.senders(me) for me in everyone]
        self._halos = [
            worker.actor.halos_apart.options(num_returns=1 + len(others))
            for worker, others in zip(workers, self._receivers, strict=True)
        ]
        self._compute = [
            worker.actor.compute_apart.options(num_returns=1 + len(others))
            for worker, others in zip(workers, self._senders, strict=True)
        ]
        self._collect = [worker.actor.collect_all for worker in workers]

    def start(self, move: Move | None) -> list[Any]:
        """Have a step made; gives the refs of every worker's losses, then of their sums.

        All calls are made at once: each waits for the halos that it takes.
        """
        halos: dict[tuple[int, int], Any] = {}
        parts: dict[tuple[int, int], Any] = {}
        losses, sums = [], []
        for me, others in enumerate(self._receivers):
            _, *refs = _as_list(self._halos[me].remote(move, self.exchange.roll))
            halos.update({(me, other): ref for other, ref in zip(others, refs, strict=True)})
        for me, others in enumerate(self._senders):
            incoming = [halos[other, me] for other in others]
            found, *refs = _as_list(self._compute[me].remote(*incoming))
            losses.append(found)
            parts.update({(me, other): ref for other, ref in zip(others, refs, strict=True)})
        for me, others in enumerate(self._receivers):
            sums.append(self._collect[me].remote(*(parts[other, me] for other in others)))
        return [*losses, *sums]


def _count_lost(lost: int, workers: int) -> str:
    return f"{lost or 'some'} of {workers} workers got lost"


def _as_list(refs: Any) -> list[Any]:
    """Ray gives a single ref for one return value."""
    return refs if isinstance(refs, list) else [refs]


def _describe_error(error: RayTaskError) -> Exception:
    """What a worker raised: as it was, if it is for the user."""
    cause = error.cause
    return cause if isinstance(cause, DreamrayError) else error


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Ray ended a process because the node's memory was used up."""
    if isinstance(error, OutOfMemoryError):
        return True
    return any(sign in str(error) for sign in ("NODE_OUT_OF_MEMORY", "low on memory"))
