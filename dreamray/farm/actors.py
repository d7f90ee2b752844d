"""The process of a worker on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray

from dreamray.base.errors import RequestError
from dreamray.engine.halo_exchange import Roll
from dreamray.engine.subdomain import Halos, PartialGradients
from dreamray.engine.worker import EngineSpec, Move, Worker
from dreamray.farm.resources import WorkerResources
from dreamray.plan.tiles import TilePlan
from dreamray.raster.lazy import LazyRaster


class NodeWorker(Worker[Any]):
    """A worker whose answers are told apart by Ray, each as an object of its own."""

    def __init__(self, spec: EngineSpec) -> None:
        prepare(spec.threads)
        super().__init__(spec.engine())

    def handshake(self) -> tuple[str, Mapping[str, Any]]:
        """The node it is on, and what it computes with; answered when it is ready."""
        return node_id(), self.about()

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
        self.begin(plan, owners, me, image, held, scratch)

    def halos_apart(self, move: Move | None, roll: Roll) -> Any:
        """Nothing, then the halos for each neighbour: see `Worker.halos`."""
        halos: list[Halos] = self.halos(move, roll)
        return [None, *halos] if halos else None

    def compute_apart(self, *incoming: Halos) -> Any:
        """The losses, then the gradients for each neighbour: see `Worker.compute`."""
        losses, *outgoing = self.compute(*incoming)
        return [losses, *outgoing] if outgoing else losses

    def collect_all(self, *incoming: PartialGradients) -> list[float]:
        """See `Worker.collect`."""
        return self.collect(*incoming)


def worker_maker(spec: EngineSpec, resources: WorkerResources) -> Callable[[], Any]:
    """Makes workers of single pictures; they share one copy of the weights on each node."""
    return actor_maker(NodeWorker, spec, resources)


def actor_maker(
    kind: type, spec: Any, resources: WorkerResources, **more: Any
) -> Callable[[], Any]:
    """Makes actors of a class that takes `spec`, with `more` of Ray's options."""
    remote: Any = ray.remote(kind)
    shared = ray.put(spec)
    options = remote.options(
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
        max_restarts=0,  # A new process would not have the tiles: the pool asks for another one.
        max_task_retries=0,
        **more,
    )
    return lambda: options.remote(shared)


def prepare(threads: int | None) -> None:
    """Undo what Ray sets for processes that do not dream, before TensorFlow is imported."""
    from dreamray.model.device import keep_freed_memory

    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray would let it see all of the node's.
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Ray sets it to 1.
    keep_freed_memory()


def node_id() -> str:
    """Ray's own name of the node that this process is on."""
    return str(ray.get_runtime_context().get_node_id())


def _node() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
