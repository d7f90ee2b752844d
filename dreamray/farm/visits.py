"""A check on one node of each kind that a cluster has. Importing this imports Ray."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dreamray.base.errors import DreamrayError
from dreamray.base.messages import Warn
from dreamray.farm import answers
from dreamray.farm.actors import prepare
from dreamray.farm.check.findings import Finding, MachineReport
from dreamray.farm.check.machine_check import CheckOptions, check_machine
from dreamray.farm.kinds import KIND
from dreamray.farm.resources import worker_resources
from dreamray.settings.execution import Execution

_LIMIT = 3600.0
"""Seconds that a node's check may take, beside the wait for room there."""


def visit_kinds(
    options: CheckOptions, execution: Execution, tell: Warn
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A node's name with what was found there, as JSON, for each kind of node that is up.

    Raises DreamrayError where no node has room for a worker.
    """
    needs = worker_resources(execution)
    kinds = one_of_each(answers.nodes(), needs.cpus, needs.gpus)
    if not kinds:
        raise DreamrayError(
            f"no node that is up has {needs}, as a worker takes: start one, or give another "
            "--threads or --gpus-per-worker"
        )
    check: Any = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=0)(_check_here)
    options = replace(options, threads=needs.cpus)
    for kind, node in kinds.items():
        tell(f"a node of {kind}")
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ref = check.options(scheduling_strategy=there).remote(options)
        host = node.get("NodeManagerHostname") or node["NodeID"]
        try:
            yield f"{kind} ({host})", ray.get(ref, timeout=execution.wait + _LIMIT)
        except (GetTimeoutError, RayError) as error:
            ray.cancel(ref, force=True)
            lines = str(error).strip().splitlines() or [type(error).__name__]
            finding = Finding("check", False, f"{host}: {lines[-1].strip()[:200]}")
            yield f"{kind} ({host})", MachineReport(findings=[finding]).to_json()


def one_of_each(
    nodes: Sequence[Mapping[str, Any]], cpus: float, gpus: float
) -> dict[str, Mapping[str, Any]]:
    """The first node of each kind that has so much: by its label, or by what it has."""
    found: dict[str, Mapping[str, Any]] = {}
    for node in nodes:
        has = node["Resources"]
        if has.get("CPU", 0) < cpus or has.get("GPU", 0) < gpus:
            continue
        labels = node.get("Labels") or {}
        kind = labels.get(KIND) or labels.get("ray.io/accelerator-type")
        found.setdefault(kind or f"{has.get('CPU', 0):g} CPUs, {has.get('GPU', 0):g} GPUs", node)
    return found


def _check_here(options: CheckOptions) -> dict[str, Any]:
    prepare(options.threads)
    report = check_machine(options)
    report.machine["host"] = socket.gethostname()
    return report.to_json()
