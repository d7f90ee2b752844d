"""Ray's own autoscaler on a rehearsed host, with worker nodes that only pretend to be machines.

    with Hosts(1) as hosts, Autoscaling(hosts[0], max_nodes=2) as cluster:
        hosts[0].run([sys.executable, "driver.py"])
        cluster.wait_for_nodes(0)
        print(cluster.timeline())

The nodes may be those of a chart: `Autoscaling(hosts[0], groups=Groups.of(ray_cluster))`.

Ray's `AutoscalingCluster` is of no use here: it stops every Ray of the machine before and after,
and its configuration file is missing in Ray's wheel.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.autoscaler._private.kuberay import autoscaling_config

from tests.support.hosts import Host
from tests.support.ray_cluster import BARE_NODE

NODE_TYPE = "gpu-worker"

_HEAD_TYPE = "ray.head.default"  # This name and the id are fixed in Ray's node provider.
_HEAD_ID = 51 * "f" + "00000"
_PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
_EMPTY = "setup_commands", "head_setup_commands", "worker_setup_commands", "cluster_synced_files"
_OBJECT_STORE = 200_000_000
_TYPE_LABEL = "rehearsal/type"
_UPDATE_SECONDS = 1

_WATCH = f"""
import collections, json, time, ray
ray.init(log_to_driver=False, logging_level="ERROR")
while True:
    alive = [node for node in ray.nodes() if node["Alive"]]
    workers = [node["Labels"] for node in alive if node["NodeID"] != "{_HEAD_ID}"]
    types = collections.Counter(labels["{_TYPE_LABEL}"] for labels in workers)
    print(json.dumps(types), flush=True)
    time.sleep(0.2)
"""


@dataclass(frozen=True)
class Groups:
    """Groups of worker nodes that an autoscaler may bring up."""

    node_types: Mapping[str, Mapping[str, Any]]
    """By name, as in the file that `ray up` takes: resources, min_workers, max_workers, …"""
    idle_seconds: float
    """How long a node stays without tasks and actors, where its type says nothing else."""

    @classmethod
    def of(cls, cluster: Mapping[str, Any]) -> Groups:
        """The worker groups of a RayCluster, as the autoscaler in its head's pod reads them.

        It is Ray's own translation. Raises ValueError where a group does not tell its processors.
        """
        metadata = {"namespace": "default", **cluster["metadata"]}
        config = autoscaling_config._derive_autoscaling_config_from_ray_cr(
            {**cluster, "metadata": metadata}
        )
        types = dict(config["available_node_types"])
        del types[config["head_node_type"]]
        return cls(types, 60 * config["idle_timeout_minutes"])


@dataclass(frozen=True, order=True)
class Moment:
    """At `second` since the cluster was up, the alive worker nodes became `types`."""

    second: float
    types: Mapping[str, int] = field(compare=False)
    """How many there are of each type; those without any are left out."""
    noted: Any = field(default=None, compare=False)
    """What `Autoscaling` was told to note at that time."""

    @property
    def nodes(self) -> int:
        """How many there are of all types."""
        return sum(self.types.values())

    def __str__(self) -> str:
        types = ", ".join(f"{count} {name}" for name, count in sorted(self.types.items()))
        noted = f"; {self.noted}" if self.noted is not None else ""
        return f"{self.second:6.1f} s: {types or 'none'}{noted}"


class Autoscaling:
    """A head without processors, and nodes as they are needed: at first as few as there may be.

    These are `groups`, or else at most `max_nodes` with `cpus` and one pretended GPU, none at
    first, which go after `idle_seconds` without tasks and actors. `note` is called whenever their
    number changes, for the timeline. What is left of the nodes ends with the host's `Hosts`.
    """

    def __init__(
        self,
        host: Host,
        max_nodes: int = 1,
        cpus: int = 2,
        idle_seconds: float = 3,
        *,
        groups: Groups | None = None,
        note: Callable[[], Any] = lambda: None,
    ) -> None:
        self._host = host
        self._config = _config(host, groups or _pretended(max_nodes, cpus, idle_seconds))
        self._note = note
        self._moments: list[Moment] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Autoscaling:
        config = self._host.folder / "autoscaling.json"
        config.write_text(json.dumps(self._config))
        (self._host.folder / "ssh-key").touch()
        self._host.start_head(
            options=[f"--autoscaling-config={config}", "--num-gpus=0", *BARE_NODE],
            env={
                "AUTOSCALER_UPDATE_INTERVAL_S": str(_UPDATE_SECONDS),
                "RAY_FAKE_CLUSTER": "1",
                "RAY_enable_autoscaler_v2": "1",
                "RAY_CLOUD_INSTANCE_ID": _HEAD_ID,
                "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD_ID,
                "RAY_TMPDIR": str(self._host.folder),
            },
        )
        self._host.wait_for_ray()
        self._start = time.monotonic()
        watch = [sys.executable, "-c", _WATCH]
        self._watch = self._host.popen(watch, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        try:
            self.wait_for_nodes(0)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the watch."""
        self._watch.kill()
        self._watch.wait()
        self._thread.join()

    def timeline(self) -> list[Moment]:
        """How the worker nodes changed so far; seen five times a second."""
        with self._changed:
            return list(self._moments)

    def wait_for_nodes(self, nodes: int, timeout: float = 60) -> None:
        """Return when so many worker nodes are alive; raises TimeoutError if that never comes."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._nodes() == nodes, timeout):
                raise TimeoutError(f"{self._nodes()} nodes, not {nodes}: {self._moments}")

    def _nodes(self) -> int | None:
        return self._moments[-1].nodes if self._moments else None

    def _follow(self) -> None:
        for line in self._watch.stdout or ():
            if not line.startswith("{"):
                continue  # Ray reports lost nodes on a driver's standard output.
            types = json.loads(line)
            with self._changed:
                if not self._moments or types != self._moments[-1].types:
                    second = time.monotonic() - self._start
                    self._moments.append(Moment(second, types, self._note()))
                    self._changed.notify_all()


def _pretended(max_nodes: int, cpus: int, idle_seconds: float) -> Groups:
    node_type = {
        "resources": {"CPU": cpus, "GPU": 1},
        "node_config": {},
        "min_workers": 0,
        "max_workers": max_nodes,
    }
    return Groups({NODE_TYPE: node_type}, idle_seconds)


def _pretendable(name: str, node_type: Mapping[str, Any]) -> dict[str, Any]:
    """Such nodes cannot pretend to have memory, and tell their type by a label only."""
    resources = {key: count for key, count in node_type["resources"].items() if key != "memory"}
    return {
        **node_type,
        "resources": {**resources, "object_store_memory": _OBJECT_STORE},
        "labels": {**node_type.get("labels", {}), _TYPE_LABEL: name},
    }


def _config(host: Host, groups: Groups) -> dict[str, Any]:
    head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
    node_types = {name: _pretendable(name, one) for name, one in groups.node_types.items()}
    return {
        **{key: [] for key in _EMPTY},
        "cluster_name": "rehearsal",
        "max_workers": sum(one["max_workers"] for one in node_types.values()),
        "idle_timeout_minutes": groups.idle_seconds / 60,
        "provider": {
            "type": "external",
            "module": _PROVIDER,
            "launch_multiple": True,
            "head_node_id": _HEAD_ID,
        },
        "auth": {"ssh_user": "nobody", "ssh_private_key": str(host.folder / "ssh-key")},
        "head_node_type": _HEAD_TYPE,
        "available_node_types": {_HEAD_TYPE: head, **node_types},
    }
