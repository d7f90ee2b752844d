"""What a worker takes of a cluster, and what the cluster has."""

from __future__ import annotations

from dataclasses import dataclass

from dreamray.farm import answers
from dreamray.farm.cluster import LOCAL, threads_of_local
from dreamray.settings.execution import Execution, Workers

_THREADS_BESIDE_A_GPU = 4
_THREADS = 4
"""Where no node tells how many processors there are."""


@dataclass(frozen=True)
class WorkerResources:
    """What each worker takes of a node."""

    cpus: int
    gpus: float

    def __str__(self) -> str:
        cpus = f"{self.cpus} CPU{'s' * (self.cpus != 1)}"
        gpus = f" and {self.gpus:g} GPU{'s' * (self.gpus != 1)}" if self.gpus else ""
        return cpus + gpus


def worker_resources(execution: Execution) -> WorkerResources:
    """What each worker takes, with `auto` made definite by the nodes there are.

    Without a number, workers get a GPU each where the cluster has any; and, where they have
    none, all processors of the smallest node that has some.
    """
    gpus = execution.gpus_per_worker
    if gpus == "auto":
        gpus = 1.0 if any(node.get("GPU") for node in _nodes()) else 0.0
    if execution.address in (None, LOCAL):
        return WorkerResources(threads_of_local(execution), gpus)
    if execution.threads is not None:
        return WorkerResources(execution.threads, gpus)
    if gpus:
        return WorkerResources(_THREADS_BESIDE_A_GPU, gpus)
    cpus = [int(node.get("CPU", 0)) for node in _nodes()]
    return WorkerResources(min((count for count in cpus if count), default=_THREADS), gpus)


def worker_count(execution: Execution, resources: WorkerResources) -> Workers:
    """How many workers to ask for; without a number, as many as the nodes have room for."""
    if execution.workers is not None:
        return execution.workers
    if execution.address == LOCAL:
        return Workers(1, 1)
    room = 0
    for node in _nodes():
        by_cpu = node.get("CPU", 0) // resources.cpus
        room += int(min(by_cpu, node.get("GPU", 0) // resources.gpus) if resources.gpus else by_cpu)
    return Workers(1, max(1, room))


def _nodes() -> list[dict[str, float]]:
    """The resources of the nodes that are alive, those in use included."""
    return [node["Resources"] for node in answers.nodes()]
