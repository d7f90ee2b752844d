"""The process of a worker on a cluster."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import ray

from dreamray.base.errors import RequestError
from dreamray.engine.activity import Activity, Pulse, WatchedObjective
from dreamray.engine.blending import TileTask
from dreamray.engine.halo_exchange import Roll
from dreamray.engine.interfaces import Engine
from dreamray.engine.subdomain import Halos, PartialGradients
from dreamray.engine.worker import EngineSpec, Move, Worker
from dreamray.farm.answers import put
from dreamray.farm.resources import WorkerResources
from dreamray.plan.tiles import TilePlan
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import LazyRaster

PULSE = "pulse"
"""The concurrency group of Ray's in which a worker tells that it lives, whatever else it does."""


class Place(NamedTuple):
    """Where the process of a worker is."""

    node: str
    """Ray's own name of it."""
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}"


class WatchedActor:
    """What the pool needs of a worker to see whether it goes on."""

    def __init__(self) -> None:
        self.activity = Activity()

    def place(self) -> Place:
        """Answered as soon as the process is there."""
        node = str(ray.get_runtime_context().get_node_id())
        return Place(node, socket.gethostname(), os.getpid())

    @ray.method(concurrency_group=PULSE)
    def pulse(self, every: float) -> Iterator[Pulse]:
        """A sign of life every so many seconds, for as long as it lives."""
        while True:
            yield self.activity.pulse()
            time.sleep(every)


class NodeWorker(WatchedActor):
    """A worker of single pictures, whose answers Ray tells apart, each as an object of its own."""

    def __init__(self, spec: EngineSpec) -> None:
        """Nothing is loaded yet: see `handshake`."""
        super().__init__()
        prepare(spec.threads)
        self._spec = spec
        self._pixels = 0
        """Of the tiles that are its own."""

    def handshake(self) -> Mapping[str, Any]:
        """What it computes with; answered when that is loaded."""
        engine = self._spec.engine()
        watched = WatchedObjective(engine.objective, self.activity, "")
        self._worker: Worker[Any] = Worker(Engine(watched, engine.arrays))
        del self._spec  # And with it the weights.
        return self._worker.about()

    def begin_shared(
        self,
        shared: tuple[TilePlan, tuple[int, ...], LazyRaster, int | None, Path | None],
        me: int,
    ) -> None:
        """See `Worker.begin`; what is the same for all comes in one."""
        plan, owners, image, held, scratch = shared
        if scratch is not None and not scratch.parent.is_dir():
            raise RequestError(
                f"the work folder {scratch.parent} is not on node "
                f"{_node()}: give --work a folder that all nodes share, "
                "or an s3:// URI"
            )
        self._pixels = sum(
            tile.core.pixels for tile, owner in zip(plan.tiles, owners, strict=True) if owner == me
        )
        with self._doing("reading of its tiles"):
            self._worker.begin(plan, owners, me, image, held, scratch)

    def end(self) -> None:
        """See `Worker.end`."""
        self._worker.end()

    def halos_apart(self, move: Move | None, roll: Roll) -> Any:
        """Nothing, then the halos for each neighbour: see `Worker.halos`."""
        with self._doing("halos"):
            halos: list[Halos] = self._worker.halos(move, roll)
        return [None, *halos] if halos else None

    def compute_apart(self, *incoming: Halos) -> Any:
        """The losses, then the gradients for each neighbour: see `Worker.compute`."""
        with self._doing("step"):
            losses, *outgoing = self._worker.compute(*incoming)
        return [losses, *outgoing] if outgoing else losses

    def collect_all(self, *incoming: PartialGradients) -> list[float]:
        """See `Worker.collect`."""
        with self._doing("sums"):
            return self._worker.collect(*incoming)

    def store(
        self, move: Move | None, raster: ChunkedRaster, added: LazyRaster | None = None
    ) -> None:
        """See `Worker.store`."""
        with self._doing("storing of its tiles"):
            self._worker.store(move, raster, added)

    def dream_tile(self, task: TileTask) -> int:
        """See `Worker.dream_tile`."""
        with self.activity.doing("", "tile", task.window.pixels):
            return self._worker.dream_tile(task)

    def _doing(self, kind: str) -> AbstractContextManager[None]:
        return self.activity.doing("", kind, self._pixels)


def worker_maker(spec: EngineSpec, resources: WorkerResources) -> Callable[[], Any]:
    """Makes workers of single pictures; they share one copy of the weights on each node."""
    return actor_maker(NodeWorker, spec, resources)


def actor_maker(
    kind: type, spec: Any, resources: WorkerResources, **more: Any
) -> Callable[[], Any]:
    """Makes actors of a `WatchedActor` that takes `spec`, with `more` of Ray's options."""
    make: Any = ray.remote(  # type: ignore[call-overload]
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
        max_restarts=0,  # A new process would not have the tiles: the pool asks for another one.
        max_task_retries=0,
        concurrency_groups={PULSE: 1},
        **more,
    )
    remote, shared = make(kind), put(spec)
    return lambda: remote.remote(shared)


def prepare(threads: int | None) -> None:
    """Undo what Ray sets for processes that do not dream, before TensorFlow is imported."""
    from dreamray.model.device import keep_freed_memory

    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray would let it see all of the node's.
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Ray sets it to 1.
    keep_freed_memory()


def _node() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
