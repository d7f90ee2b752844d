"""A picture dreamt by several of a cluster's workers, in step.

The driver deals the tiles out, and has the workers make an octave by themselves. When one is lost,
tiles are dealt anew from the last checkpoint.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import override

from dreamray.base.errors import RequestError
from dreamray.base.messages import Warn
from dreamray.engine.ascent import Octave, Step, StepMeasure, Stored, Wish
from dreamray.engine.blending import TileTask
from dreamray.engine.halo_exchange import assign_tiles, helping
from dreamray.engine.lockstep.mailbox import Epoch
from dreamray.engine.tile_executor import TileExecutor
from dreamray.farm.answers import put
from dreamray.farm.dealing import Dealing
from dreamray.farm.metrics import Metrics
from dreamray.farm.pool import WorkerPool
from dreamray.farm.running_epoch import RunningEpoch
from dreamray.farm.supervisor import Supervisor
from dreamray.farm.tile_queue import TileQueue
from dreamray.farm.worker_handle import WorkerHandle
from dreamray.farm.zeromq import RunKeys
from dreamray.plan.tiles import TilePlan
from dreamray.settings.execution import Ports

_log = logging.getLogger(__name__)


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
        self._supervisor = Supervisor(pool, metrics, warn)
        self._keys = RunKeys.new()
        self._run = secrets.token_bytes(16)
        self._epochs = itertools.count(1)
        self._workers: list[WorkerHandle] = []
        self._unreachable: set[WorkerHandle] = set()
        """Those that can listen nowhere, so that they are of no use beside others."""

    @property
    @override
    def size(self) -> int:
        return len(self._workers)

    @property
    def workers(self) -> tuple[WorkerHandle, ...]:
        """Those who take part now; the first one leads."""
        return tuple(self._workers)

    @override
    def about(self) -> Mapping[str, Any]:
        return self._pool.about or self._pool.wait_ready()[0].about or {}

    @override
    def dream(self, octave: Octave) -> Iterator[Step | Stored]:
        """As of any executor. Workers that must leave, or may join, do so with a checkpoint."""
        events = self._deal(octave).dream(lambda: self._wish(octave.plan))
        begun = time.monotonic()
        with contextlib.closing(events):
            for told in events:
                if isinstance(told, Step):
                    now = time.monotonic()
                    self._metrics.step(octave.plan, now - begun, told.effort)
                    begun = now
                    if told.effort.dropped:
                        _log.info(
                            "step %d: %.0f messages dropped", told.number, told.effort.dropped
                        )
                yield told

    @override
    def measure(self, octave: Octave) -> StepMeasure:
        return self._deal(octave).measure()

    @override
    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        """As of any executor. Workers that come up meanwhile get tiles at once."""

        def crew(workers: list[WorkerHandle]) -> None:
            self._workers = workers

        TileQueue(tasks, self._pool, self._supervisor, self._metrics).run(crew, done)

    def close(self) -> None:
        """Let all workers go."""
        self._pool.close()
        self._metrics.end()

    def _deal(self, octave: Octave) -> RunningEpoch:
        """Deal the tiles out to those workers that are ready."""
        plan, ready = octave.plan, self._pool.wait_ready()
        while True:
            able = self._able(ready) or ready[:1]
            self._workers = able[: helping(len(plan.tiles), len(able))]
            if len(self._workers) == 1 or self._let_listen():
                break
        owners = assign_tiles(plan, len(self._workers))
        pixels = dict.fromkeys(owners, 0)
        for tile, owner in zip(plan.tiles, owners, strict=True):
            pixels[owner] += tile.window.pixels
        endpoints = tuple(one.endpoint for one in self._workers if one.endpoint is not None)
        number = next(self._epochs)
        dealing = Dealing(
            octave,
            owners,
            Epoch(self._run, number),
            self._pool.limits(max(pixels.values())),
            endpoints if len(self._workers) > 1 else (),
            self._pool.driver_silence,
        )
        self._metrics.workers(len(self._workers))
        self._pool.note_given(self._workers)
        return RunningEpoch(number, put(dealing), self._workers, self._supervisor, self._warn)

    def _let_listen(self) -> bool:
        """Ask where the workers are to be reached; False if some of them can listen nowhere.

        Raises RequestError, which says why, if none can; WorkersLostError.
        """
        new = [worker for worker in self._workers if worker.endpoint is None]
        refs = [worker.actor.listen.remote(self._keys, self._ports) for worker in new]
        found = self._supervisor.answers(refs, new)
        refused = {
            w: answer for w, answer in zip(new, found, strict=True) if isinstance(answer, str)
        }
        if len(refused) == len(self._workers):
            raise RequestError(next(iter(refused.values())))
        for worker, answer in zip(new, found, strict=True):
            if worker in refused:
                self._warn(f"{worker} cannot take part: {answer}")
                self._unreachable.add(worker)
            else:
                worker.endpoint = answer
        return not refused

    def _able(self, ready: Sequence[WorkerHandle]) -> list[WorkerHandle]:
        """Those of them that can take part beside others."""
        return [worker for worker in ready if worker not in self._unreachable]

    def _wish(self, plan: TilePlan) -> Wish:
        """Whether somebody has to leave, or could join."""
        self._pool.scale_up()
        if any(self._pool.has_to_leave(worker) for worker in self._workers):
            return Wish.LEAVE
        able = self._able(self._pool.ready())
        if helping(len(plan.tiles), len(able) or 1) > len(self._workers):
            return Wish.LEAVE_AT_CHECKPOINT
        return Wish.GO_ON
