"""A check on one node of each kind that a cluster has. Importing this imports Ray."""

from __future__ import annotations

import socket
import time
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
from dreamray.farm.check.round_trips import judge_strips, send_strips, take_strips
from dreamray.farm.kinds import KIND
from dreamray.farm.resources import worker_resources
from dreamray.farm.zeromq import Endpoint, Exchange, RunKeys, ports_of_machine
from dreamray.settings.execution import Execution

_SOON = 180.0
"""Seconds for strips from node to node, and for processes to come up there."""

_LIMIT = 3600.0
"""Seconds that a node's check may take, once there is room for it."""


def visit_kinds(
    options: CheckOptions, execution: Execution, tell: Warn
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A node's name with what was found there, as JSON, for each kind of node that is up.

    Raises DreamrayError where no node has room for a worker.
    """
    needs = worker_resources(execution)
    nodes = [one for one in answers.nodes() if has_room(one, needs.cpus, needs.gpus)]
    kinds = one_of_each(nodes)
    if not kinds:
        raise DreamrayError(
            f"no node that is up has {needs}, as a worker takes: start one, or give another "
            "--threads or --gpus-per-worker"
        )
    checker: Any = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus)(_Checker)
    options = replace(options, threads=needs.cpus)
    for kind, node in kinds.items():
        tell(f"a node of {kind}")
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        worker = checker.options(scheduling_strategy=there).remote()
        host = node.get("NodeManagerHostname") or node["NodeID"]
        try:
            yield f"{kind} ({host})", _visit(worker, options, host, execution.wait)
        finally:
            ray.kill(worker)
    if len(nodes) > 1:
        tell("exchange from node to node")
        between = MachineReport(findings=[exchange_between(nodes, needs.cpus)])
        yield "between two nodes", between.to_json()


def exchange_between(nodes: Sequence[Mapping[str, Any]], cpus: float) -> Finding:
    """Whether strips reach a worker on the second node from one on the first, by their addresses.

    What lies between nodes is seen here alone: policies, firewalls, address translation.
    """
    first, second = (
        NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes[:2]
    )
    keys = RunKeys.new()
    kind: Any = ray.remote(num_cpus=cpus)(_Listener)
    listener = kind.options(scheduling_strategy=second).remote()
    try:
        peer = ray.get(listener.listen.remote(keys), timeout=_SOON)
        told = listener.take.remote()
        send: Any = ray.remote(num_cpus=cpus, max_retries=0)(_send_to)
        seconds = ray.get(
            send.options(scheduling_strategy=first).remote(keys, peer, [told]), timeout=_SOON
        )
        return judge_strips(ray.get(told, timeout=_SOON), seconds, "from node to node")
    except (GetTimeoutError, RayError) as error:
        return judge_strips(answers.last_line(error), 0.0, "")
    finally:
        ray.kill(listener)


def _visit(worker: Any, options: CheckOptions, host: str, wait: int) -> Mapping[str, Any]:
    """What a worker found, once there was room for it, or why it found nothing."""
    room = True
    try:
        ready, _ = ray.wait([worker.ready.remote()], timeout=wait)
        if ready:
            found: Mapping[str, Any] = ray.get(worker.check.remote(options), timeout=_LIMIT)
            return found
        room = False
        told = f"no room for a worker within {wait} s; free some, or give more with --wait"
    except (GetTimeoutError, RayError) as error:
        told = answers.last_line(error)
    finding = Finding("check", False, f"{host}: {told}", ours=room)
    return MachineReport(findings=[finding]).to_json()


class _Listener:
    """A worker that takes strips."""

    def listen(self, keys: RunKeys) -> Endpoint:
        self._exchange = Exchange(keys, _address(), ports_of_machine())
        return self._exchange.endpoint

    def take(self) -> str:
        return take_strips(self._exchange)


def _send_to(keys: RunKeys, peer: Endpoint, told: list[Any]) -> float:
    """Seconds, until the other one has all."""
    begun = time.perf_counter()
    send_strips(keys, _address(), peer, lambda: ray.get(told[0], timeout=_SOON))
    return time.perf_counter() - begun


def _address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def has_room(node: Mapping[str, Any], cpus: float, gpus: float) -> bool:
    """Whether a node has so much, in use or not."""
    has = node["Resources"]
    return bool(has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus)


def one_of_each(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The first node of each kind: by its label, or by what it has."""
    found: dict[str, Mapping[str, Any]] = {}
    for node in nodes:
        has = node["Resources"]
        labels = node.get("Labels") or {}
        kind = labels.get(KIND) or labels.get("ray.io/accelerator-type")
        found.setdefault(kind or f"{has.get('CPU', 0):g} CPUs, {has.get('GPU', 0):g} GPUs", node)
    return found


class _Checker:
    """A worker that checks its node."""

    def ready(self) -> None:
        """There is room for it."""

    def check(self, options: CheckOptions) -> dict[str, Any]:
        prepare(options.threads)
        report = check_machine(options)
        report.machine["host"] = socket.gethostname()
        return report.to_json()
