"""A picture dreamt by several of a cluster's workers, in step.

The driver deals the tiles out, and has the workers make an octave by themselves. It hears of each
step from one of them, and steps in when something happens: when one is lost, the others abandon
the epoch, and tiles are dealt anew from the last checkpoint.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

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
from dreamray.base.messages import Warn
from dreamray.engine.ascent import Octave, Step, Stored, Wish
from dreamray.engine.blending import TileTask
from dreamray.engine.halo_exchange import assign_tiles
from dreamray.engine.lockstep.mailbox import AbandonedError, Epoch, PeerLostError
from dreamray.engine.lockstep.member import StepMeasure
from dreamray.engine.tile_executor import TileExecutor, WorkersLostError
from dreamray.farm.answers import put
from dreamray.farm.dealing import Dealing
from dreamray.farm.metrics import Metrics
from dreamray.farm.pool import WorkerPool
from dreamray.farm.worker_handle import WorkerHandle, answered
from dreamray.farm.zeromq import RunKeys
from dreamray.plan.tiles import TilePlan
from dreamray.settings.execution import Ports

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

    def __init__(
        self, pool: WorkerPool, metrics: Metrics, warn: Warn, ports: Ports | None = None
    ) -> None:
        """`ports` are those that workers listen on; any that are free if there are none."""
        self._pool = pool
        self._metrics = metrics
        self._warn = warn
        self._ports = ports
        self._keys = RunKeys.new()
        self._run = secrets.token_bytes(16)
        self._epochs = itertools.count(1)
        self._workers: list[WorkerHandle] = []

    @property
    @override
    def size(self) -> int:
        return len(self._workers)

    @override
    def about(self) -> Mapping[str, Any]:
        return self._pool.about or self._pool.wait_ready()[0].about or {}

    @override
    def dream(self, octave: Octave) -> Iterator[Step | Stored]:
        """As of any executor. Workers that must leave, or may join, do so with a checkpoint."""
        epoch = self._deal(octave)
        root, *others = self._workers
        stream = root.actor.lead.remote(epoch.shared)
        epoch.calls = [
            stream.completed(),
            *(one.actor.follow.remote(epoch.shared, me) for me, one in enumerate(others, 1)),
        ]
        over = False
        try:
            yield from self._hear(epoch, octave.plan, stream)
            over = True
        finally:
            if not over:
                self._abandon(epoch)

    @override
    def measure(self, octave: Octave) -> StepMeasure:
        epoch = self._deal(octave)
        epoch.calls = [
            one.actor.measure.remote(epoch.shared, me) for me, one in enumerate(self._workers)
        ]
        found: StepMeasure = self._settle(epoch)[0]
        return found

    def _deal(self, octave: Octave) -> _RunningEpoch:
        """Deal the tiles out to those workers that are ready."""
        plan = octave.plan
        while True:
            ready = self._pool.wait_ready()
            self._workers = ready[: len(plan.tiles)]
            if len(self._workers) == 1 or self._let_listen():
                break
        owners = assign_tiles(plan, len(self._workers))
        pixels = dict.fromkeys(owners, 0)
        for tile, owner in zip(plan.tiles, owners, strict=True):
            pixels[owner] += tile.window.pixels
        epoch = Epoch(self._run, next(self._epochs))
        endpoints = tuple(one.endpoint for one in self._workers if one.endpoint is not None)
        several = len(self._workers) > 1
        dealing = Dealing(
            octave,
            owners,
            epoch,
            self._pool.limits(max(pixels.values())),
            endpoints if several else (),
        )
        self._metrics.workers(len(self._workers))
        self._pool.note_given(self._workers)
        return _RunningEpoch(epoch.number, put(dealing))

    def _let_listen(self) -> bool:
        """Ask where the workers are to be reached; False if one of them is gone meanwhile."""
        new = [worker for worker in self._workers if worker.endpoint is None]
        refs = [worker.actor.listen.remote(self._keys, self._ports) for worker in new]
        try:
            found = self._get(refs, new)
        except WorkersLostError:
            return False
        for worker, endpoint in zip(new, found, strict=True):
            worker.endpoint = endpoint
        return True

    def _hear(self, epoch: _RunningEpoch, plan: TilePlan, stream: Any) -> Iterator[Step | Stored]:
        """What the root tells; all are looked after every second."""
        last: Stored | None = None
        looked = begun = time.monotonic()
        while True:
            if ray.wait([stream], timeout=LOOK_EVERY)[0]:
                try:
                    told = ray.get(next(stream))
                except StopIteration:
                    break
                except RayError:
                    self._fail(epoch)
                if isinstance(told, Step):
                    now = time.monotonic()
                    self._metrics.step(plan, now - begun, told.effort)
                    begun = now
                if isinstance(told, Stored) and told.last:
                    last = told  # That the others have stored their tiles, too, their calls tell.
                else:
                    yield told
            if time.monotonic() - looked > LOOK_EVERY:
                looked = time.monotonic()
                self._look_after(epoch)
                self._tell_wishes(epoch, plan)
        self._settle(epoch)
        if last is not None:
            yield last

    def _look_after(self, epoch: _RunningEpoch) -> None:
        """See that all go on. Raises as `_fail` does."""
        if self._end_stalled() or self._end_idle(self._workers):
            self._fail(epoch)
        if any(_failed(call) for call in answered(epoch.calls)):
            self._fail(epoch)

    def _tell_wishes(self, epoch: _RunningEpoch, plan: TilePlan) -> None:
        """Tell the root who has to leave, or could join."""
        self._pool.scale_up()
        wish = Wish.GO_ON
        if any(self._pool.has_to_leave(worker) for worker in self._workers):
            wish = Wish.LEAVE
        elif min(len(self._pool.ready()), len(plan.tiles)) > len(self._workers):
            wish = Wish.LEAVE_AT_CHECKPOINT
        if wish > epoch.wish:
            epoch.wish = wish
            self._workers[0].actor.wish.remote(epoch.number, wish)
            if wish == Wish.LEAVE:
                self._warn("a node is about to leave: going on without it")

    def _settle(self, epoch: _RunningEpoch) -> list[Any]:
        """What the calls of an epoch give, when all have ended. Raises as `_fail` does."""
        pending = epoch.calls
        while pending:
            _, pending = ray.wait(pending, timeout=LOOK_EVERY)
            self._look_after(epoch)
        return list(ray.get(epoch.calls))

    def _fail(self, epoch: _RunningEpoch) -> NoReturn:
        """Somebody does not go on: all end, and what it was is raised."""
        self._abandon(epoch)
        self._get(epoch.calls, self._workers)
        raise WorkersLostError(_count_lost(0, len(self._workers)))

    def _abandon(self, epoch: _RunningEpoch) -> None:
        for worker in self._workers:
            if worker in self._pool:
                worker.actor.abandon.remote(epoch.number)

    @override
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        """As of any executor. Workers that come up meanwhile get tiles at once."""
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

    def _get(self, refs: Sequence[Any], workers: Sequence[WorkerHandle]) -> list[Any]:
        """The workers' answers; WorkersLostError if one is gone, MemoryExhaustedError first."""
        self._wait(refs)
        try:
            return list(ray.get(list(refs)))
        except RayError:
            pass
        lost: dict[int, WorkerHandle] = {}
        errors = []
        for ref, worker in zip(refs, workers, strict=True):
            try:
                ray.get(ref)
            except RayTaskError as error:
                cause = error.cause
                if isinstance(cause, PeerLostError):
                    peer = workers[cause.peer]
                    lost[peer.number] = peer
                    if peer in self._pool:
                        self._warn(f"{peer}: {worker} says that {cause}: it is ended and replaced")
                elif not isinstance(cause, AbandonedError) and not _is_of_ray(error):
                    errors.append(_describe_error(error))
            except RayActorError as error:
                lost[worker.number] = worker
                if _is_out_of_memory(error):
                    errors.append(MemoryExhaustedError("a worker was ended for its memory"))
            except RayError:
                continue
        self._metrics.lost(sum(worker in self._pool for worker in lost.values()))
        for worker in lost.values():
            self._pool.lose(worker)
        if errors:
            raise min(errors, key=lambda one: not isinstance(one, MemoryExhaustedError))
        raise WorkersLostError(_count_lost(len(lost), len(self._workers)))


@dataclass
class _RunningEpoch:
    """Workers make an octave."""

    number: int
    shared: Any
    """The ref of what all are told."""
    calls: list[Any] = field(default_factory=list)
    """The refs of each worker's call."""
    wish: Wish = Wish.GO_ON
    """What the root was told last."""


def _count_lost(lost: int, workers: int) -> str:
    return f"{lost or 'some'} of {workers} workers got lost"


def _describe_error(error: RayTaskError) -> Exception:
    """What a worker raised: as it was, if it is for the user."""
    cause = error.cause
    return cause if isinstance(cause, DreamrayError) else error


def _failed(ref: Any) -> bool:
    """Whether an answered call has ended with an error."""
    try:
        ray.get(ref)
    except RayError:
        return True
    return False


def _is_of_ray(error: RayTaskError) -> bool:
    """Whether it is that something of a call was lost with another process."""
    return isinstance(error, RayActorError | ObjectLostError)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Ray ended a process because the node's memory was used up."""
    if isinstance(error, OutOfMemoryError):
        return True
    return any(sign in str(error) for sign in ("NODE_OUT_OF_MEMORY", "low on memory"))
