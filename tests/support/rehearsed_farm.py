"""The farm of a rendered chart on this machine: its cluster, its runs, and others around them.

    with Hosts(Farm.HOSTS) as hosts, Farm(hosts, {"schedules": [...]}) as farm:
        run = farm.runs["farm-dreamray-nightly"].start("submitter")

Each pod is a host with an address; so are an S3 server, which the rendered policies let workers go
to, and others which nothing is to do with. Needs what `fakes/kubelet.py` needs, and `nft`.
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from tests.fakes.kubelet import RehearsedPod, pods_unavailable
from tests.fakes.kuberay import head_service, job_pod
from tests.fakes.network_policy import Pod, ruleset
from tests.fakes.operator import Operator
from tests.fakes.pod_variables import data_of
from tests.support import chart
from tests.support.hosts import Host, Hosts
from tests.support.s3_server import ACCESS_KEY, SECRET_KEY

S3_PORT = 9000

OPEN, SILENT = "open", "TimeoutError"
"""How a connection ends that is let through, and one whose packets vanish on their way."""

_PROBE = """
import concurrent.futures, json, socket, sys

def outcome(end):
    host, port = end.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError as error:
        return type(error).__name__
    return "open"

with concurrent.futures.ThreadPoolExecutor(64) as pool:
    print(json.dumps(dict(zip(sys.argv[1:], pool.map(outcome, sys.argv[1:])))))
"""


class Farm:
    """What the chart makes of some values, with a place for everything on `HOSTS` hosts.

    The cluster is up from the start of the context to its end; there is room for two workers, and
    its autoscaler decides. `nodes` are its pods, `runs` those of the schedules by their CronJobs'
    names, `test` is that of `helm test`. `neighbour` is a pod beside the farm's, `stranger` one
    with a submitter's labels in another namespace, `prometheus` one in the namespace monitoring;
    `s3` and `elsewhere` are no pods. Raises AssertionError with Helm's words where it refuses the
    values.
    """

    HOSTS = 12

    def __init__(self, hosts: Hosts, values: dict[str, Any]) -> None:
        free = iter(hosts)
        self.s3, self.elsewhere, self._api = next(free), next(free), next(free)
        self.manifests = chart.render(values | self._surroundings())
        self._network: dict[Host, Pod] = {}
        self._lock = threading.RLock()
        cluster, self._place_of_head = self.manifests.one("RayCluster"), next(free)
        service = head_service(cluster, chart.NAMESPACE)
        self._names = dict.fromkeys(service, self._place_of_head.address)
        nodes = [next(free), next(free)]
        self.operator = Operator(
            cluster, chart.NAMESPACE, self._api, nodes, self._make_pod, self._forget
        )
        self._objects = [*self.manifests, _account("s3"), _authority(self.operator.certificate)]
        secret = cluster["spec"]["authOptions"]["secretName"]
        self.token = data_of("Secret", secret, self._objects)["auth_token"]
        self.neighbour, self.stranger, self.prometheus = next(free), next(free), next(free)
        self.test = self._make_pod(self.manifests.one("Pod"), next(free))
        self.runs = {
            job["metadata"]["name"]: self._make_pod(job_pod(job, chart.NAMESPACE), next(free))
            for job in self.manifests.of("CronJob")
        }
        for host, labels, namespace in (
            (self.neighbour, {"app": "shop"}, chart.NAMESPACE),
            (self.stranger, self.test.labels, "shops"),
            (self.prometheus, {"app": "prometheus"}, "monitoring"),
        ):
            self._network[host] = Pod(host.address, labels, namespace)

    def __enter__(self) -> Farm:
        self.enforce_policies()
        self.operator.__enter__()
        try:
            self.head = self.operator.start_head(self._place_of_head)
        except BaseException:
            self.operator.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.operator.__exit__()

    @property
    def workers(self) -> list[RehearsedPod]:
        """The workers that run now."""
        return self.operator.workers()

    @property
    def nodes(self) -> list[RehearsedPod]:
        """Head and workers."""
        return [self.head, *self.workers]

    def _surroundings(self) -> dict[str, Any]:
        """The values that say where things are."""
        return {
            "s3": {
                "endpoint": f"http://{self.s3.address}:{S3_PORT}",
                "region": "us-east-1",
                "existingSecret": "s3",
            },
            "networkPolicy": {
                "s3": [{"ipBlock": {"cidr": f"{self.s3.address}/32"}}],
                "apiServer": [{"ipBlock": {"cidr": f"{self._api.address}/32"}}],
            },
        }

    def enforce_policies(self, *hosts: Host) -> None:
        """Have the rendered policies decide on these hosts, or wherever there is a pod."""
        policies = self.manifests.of("NetworkPolicy")
        with self._lock:
            everybody = list(self._network.values())
            for host in hosts or self._network:
                rules = ruleset(self._network[host], everybody, policies, chart.NAMESPACE)
                _load(host, rules)

    def lift_policies(self, host: Host) -> None:
        """Let all through, there."""
        _load(host, "flush ruleset\n")

    def _make_pod(self, manifest: dict[str, Any], host: Host) -> RehearsedPod:
        pod = RehearsedPod(host, manifest, self._objects, self._names)
        with self._lock:
            self._network[host] = Pod(host.address, pod.labels, chart.NAMESPACE)
            self.enforce_policies()
        return pod

    def _forget(self, pod: RehearsedPod) -> None:
        with self._lock:
            del self._network[pod.host]
            self.lift_policies(pod.host)
            self.enforce_policies()


def farm_unavailable() -> str | None:
    """Why this machine cannot rehearse a farm; None if it can."""
    nothing = "the rehearsed farm needs nft, of nftables" if shutil.which("nft") is None else None
    return pods_unavailable() or nothing


def connections(source: Host, targets: list[tuple[Host, int]]) -> dict[str, str]:
    """How connections to ports of hosts end, by `ADDRESS:PORT`."""
    ends = [f"{host.address}:{port}" for host, port in targets]
    done = source.run([sys.executable, "-c", _PROBE, *ends])
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _account(name: str) -> dict[str, Any]:
    """The secret with the S3 server's account, which the operator of the farm makes."""
    account = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in account.items()}
    return {"kind": "Secret", "metadata": {"name": name}, "data": encoded}


def _authority(certificate: Path) -> dict[str, Any]:
    """What the Kubernetes API's certificate is checked against; each namespace has it."""
    data = {"ca.crt": certificate.read_text()}
    return {"kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": data}


def _load(host: Host, rules: str) -> None:
    file = host.folder / "rules.nft"
    file.write_text(rules)
    done = host.run(["nft", "--file", str(file)])
    if done.returncode:
        raise RuntimeError(f"nft refuses the rules of {host.address}: {done.stderr}\n{rules}")
