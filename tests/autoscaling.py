"""Ray's own autoscaler on a rehearsed host, with worker nodes that only pretend to be machines.

    with Hosts(1) as hosts, Autoscaling(hosts[0], max_nodes=2) as cluster:
        hosts[0].run([sys.executable, "driver.py"])
        cluster.wait_for_nodes(0)
        print(cluster.timeline())

Ray's `AutoscalingCluster` is of no use here: it stops every Ray of the machine before and after,
and its configuration file is missing in Ray's wheel.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any, NamedTuple

from hosts import Host

NODE_TYPE = "gpu-worker"

_HEAD_TYPE = "ray.head.default"  # This name and the id are fixed in Ray's node provider.
_HEAD_ID = 51 * "f" + "00000"
_PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
_EMPTY = "setup_commands", "head_setup_commands", "worker_setup_commands", "cluster_synced_files"
_UPDATE_SECONDS = 1

_WATCH = """
import time, ray
ray.init(log_to_driver=False, logging_level="ERROR")
while True:
    print(sum(node["Alive"] for node in ray.nodes()) - 1, flush=True)
    time.sleep(0.2)
"""


class Moment(NamedTuple):
    """At `second` since the cluster was up, the number of alive worker nodes became `nodes`."""

    second: float
    nodes: int


class Autoscaling:
    """A head without processors, and nodes with `cpus` and one pretended GPU as they are needed.

    There are none at first and `max_nodes` at most. A node goes after `idle_seconds` without
    tasks and actors. What of it is left ends with the host's `Hosts`.
    """

    def __init__(self, host: Host, max_nodes: int, cpus: int = 2, idle_seconds: float = 3) -> None:
        self._host = host
        self._config = _config(host, max_nodes, cpus, idle_seconds)
        self._moments: list[Moment] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Autoscaling:
        config = self._host.folder / "autoscaling.json"
        config.write_text(json.dumps(self._config))
        (self._host.folder / "ssh-key").touch()
        self._host.start_head(
            options=[f"--autoscaling-config={config}", "--num-gpus=0"],
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
        """How the number of worker nodes changed so far; seen five times a second."""
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
            if not line.strip().isdecimal():
                continue  # Ray reports lost nodes on a driver's standard output.
            with self._changed:
                if int(line) != self._nodes():
                    self._moments.append(Moment(time.monotonic() - self._start, int(line)))
                    self._changed.notify_all()


def _config(host: Host, max_nodes: int, cpus: int, idle_seconds: float) -> dict[str, Any]:
    resources = {"CPU": cpus, "GPU": 1, "object_store_memory": 200_000_000}
    return {
        **{key: [] for key in _EMPTY},
        "cluster_name": "rehearsal",
        "max_workers": max_nodes,
        "idle_timeout_minutes": idle_seconds / 60,
        "provider": {
            "type": "external",
            "module": _PROVIDER,
            "launch_multiple": True,
            "head_node_id": _HEAD_ID,
        },
        "auth": {"ssh_user": "nobody", "ssh_private_key": str(host.folder / "ssh-key")},
        "head_node_type": _HEAD_TYPE,
        "available_node_types": {
            _HEAD_TYPE: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            NODE_TYPE: {
                "resources": resources,
                "node_config": {},
                "min_workers": 0,
                "max_workers": max_nodes,
            },
        },
    }
