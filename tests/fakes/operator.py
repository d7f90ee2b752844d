"""KubeRay's operator at work, and the Kubernetes API that Ray's autoscaler asks and tells.

    with Operator(cluster, "dreams", api_host, free_hosts, make_pod) as operator:
        operator.start_head(head_host)
        operator.wait_for_workers(2)

The API knows one RayCluster and its pods, and has an address of its own. When the autoscaler
changes the number of workers, or names some that are to go, the operator starts and ends pods.
"""

from __future__ import annotations

import copy
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.fakes.kube_api import handler, tls_context
from tests.fakes.kubelet import SERVICE_ACCOUNT_TOKEN, RehearsedPod
from tests.fakes.kuberay import head_pod, worker_pod
from tests.support.hosts import Host

Manifest = dict[str, Any]

API_PORT = 443

_WAIT_SECONDS = 300
_ATTEMPTS = 3

# A socket that listens in a network namespace stays there, whoever has it.
_LISTEN = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])))
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"."], [server.fileno()])
"""


class Moment(NamedTuple):
    """At `second` since the head was started, the number of running workers became `workers`."""

    second: float
    workers: int


class Operator:
    """The operator of one RayCluster, from the start of the context to its end.

    `make_pod` makes a pod of a manifest on a host, and `forget` is told of one that is gone;
    workers come to the hosts `free`. `cluster` is the RayCluster as it is now.
    """

    def __init__(
        self,
        cluster: Manifest,
        namespace: str,
        api: Host,
        free: list[Host],
        make_pod: Callable[[Manifest, Host], RehearsedPod],
        forget: Callable[[RehearsedPod], None],
    ) -> None:
        self.cluster = copy.deepcopy(cluster)
        self.cluster["metadata"]["namespace"] = namespace
        self._namespace, self._api = namespace, api
        self._free, self._make_pod, self._forget = free, make_pod, forget
        self._pods: dict[str, Manifest] = {}
        self._made: dict[str, RehearsedPod] = {}
        self._changed = threading.Condition(threading.RLock())
        self._moments: list[Moment] = []
        self._problems: list[str] = []
        self._numbers = 0
        self._closed = False
        self.certificate = api.folder / "api.crt"
        self._tls = tls_context(self.certificate, api.folder / "api.key", api.address)

    def __enter__(self) -> Operator:
        told = handler(self.answer, SERVICE_ACCOUNT_TOKEN)
        self._server = ThreadingHTTPServer(("", 0), told, bind_and_activate=False)
        self._server.socket.close()
        listening = _listening(self._api, API_PORT)
        self._server.socket = self._tls.wrap_socket(listening, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._closed = True
        self._server.shutdown()
        self._server.server_close()

    def start_head(self, host: Host) -> RehearsedPod:
        """Start the head's pod, Ray and the autoscaler in it, and the workers to begin with.

        Returns when the head is ready; raises RuntimeError if it does not come to that.
        """
        self._start = time.monotonic()
        manifest = head_pod(self.cluster, self._namespace)
        pod = self._make_pod(manifest, host)
        # As a kubelet tells all containers.
        where = {"KUBERNETES_SERVICE_HOST": self._api.address}
        where["KUBERNETES_SERVICE_PORT_HTTPS"] = str(API_PORT)
        with self._changed:
            self._keep(manifest, pod)
            self._set_running(pod.name)
            ray = pod.start("ray-head")
            self._autoscaler = pod.start("autoscaler", env=where)
            self._reconcile()
        if not pod.wait_until_ready(ray, _WAIT_SECONDS):
            raise RuntimeError(f"the head does not come up\n{pod.printed()}")
        return pod

    def workers(self) -> list[RehearsedPod]:
        """The workers that run."""
        with self._changed:
            return [self._made[name] for name in self._running()]

    def wait_for_workers(self, number: int, timeout: float = _WAIT_SECONDS) -> None:
        """Return when so many run, and none comes or goes.

        Raises TimeoutError if that never is, RuntimeError if pods or the autoscaler have trouble.
        """
        until = time.monotonic() + timeout
        with self._changed:
            while not len(self._running()) == len(self._pods) - 1 == number:
                self._changed.wait(1)
                if self._problems or self._autoscaler.process.poll() is not None:
                    raise RuntimeError("\n".join([*self._problems, self.printed()]))
                if time.monotonic() > until:
                    raise TimeoutError(f"not {number} workers: {self._moments}\n{self.printed()}")

    def timeline(self) -> list[Moment]:
        """How the number of running workers changed so far."""
        with self._changed:
            return list(self._moments)

    def printed(self) -> str:
        """What all pods printed so far."""
        with self._changed:
            return "\n".join(pod.printed() for pod in self._made.values())

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Manifest]:
        """What a request is answered: status and object."""
        name = self.cluster["metadata"]["name"]
        pods = f"/api/v1/namespaces/{self._namespace}/pods"
        with self._changed:
            if path == f"/apis/ray.io/v1/namespaces/{self._namespace}/rayclusters/{name}":
                if method == "PATCH":
                    for step in body:
                        _replace(self.cluster, step)
                    self._reconcile()
                return 200, copy.deepcopy(self.cluster)
            if method == "GET" and path == pods:
                # Of the one cluster, which is what the autoscaler asks for.
                items = copy.deepcopy(list(self._pods.values()))
                return 200, {"metadata": {"resourceVersion": "1"}, "items": items}
            if method == "GET" and path.removeprefix(f"{pods}/") in self._pods:
                return 200, copy.deepcopy(self._pods[path.removeprefix(f"{pods}/")])
        return 404, {"kind": "Status", "code": 404, "message": f"no {path}"}

    def _reconcile(self) -> None:
        """Begin to end the workers that are to go, and to start those that are missing."""
        for group in self.cluster["spec"]["workerGroupSpecs"]:
            for name in group.get("scaleStrategy", {}).get("workersToDelete", []):
                if name in self._pods and not _is_going(self._pods[name]):
                    self._pods[name]["metadata"]["deletionTimestamp"] = "now"
                    self._in_background(self._end, name)
            label = {"ray.io/group": group["groupName"]}
            there = [pod for pod in self._pods.values() if _labels(pod).items() >= label.items()]
            staying = [pod for pod in there if not _is_going(pod)]
            for _ in range(group.get("replicas", group["minReplicas"]) - len(staying)):
                manifest = worker_pod(self.cluster, self._namespace, group, self._numbers)
                self._numbers += 1
                self._pods[manifest["metadata"]["name"]] = manifest | {"status": {}}
                self._in_background(self._begin, manifest)

    def _begin(self, manifest: Manifest) -> None:
        name = manifest["metadata"]["name"]
        with self._changed:
            self._changed.wait_for(lambda: bool(self._free), _WAIT_SECONDS)
            pod = self._make_pod(manifest, self._free.pop(0))
            self._keep(manifest, pod)
        for _ in range(_ATTEMPTS):
            before = pod.start("wait-gcs-ready")
            if before.wait(_WAIT_SECONDS):
                raise RuntimeError(f"{name} does not find the head")
            if pod.wait_until_ready(pod.start("ray-worker"), _WAIT_SECONDS):
                break
            # Ray gives up after 30 s, which a busy machine may need; KubeRay makes a new pod then.
            pod.end()
        else:
            raise RuntimeError(f"{name} does not come up")
        with self._changed:
            self._set_running(name)

    def _end(self, name: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: name in self._made, _WAIT_SECONDS)
            pod = self._made[name]
        pod.end()
        with self._changed:
            del self._pods[name], self._made[name]
            self._forget(pod)
            self._free.append(pod.host)
            self._warn()

    def _in_background(self, work: Callable[[Any], None], about: Any) -> None:
        def run() -> None:
            try:
                work(about)
            except Exception as error:
                with self._changed:
                    if not self._closed:
                        self._problems.append(repr(error))
                        self._changed.notify_all()

        threading.Thread(target=run, daemon=True).start()

    def _keep(self, manifest: Manifest, pod: RehearsedPod) -> None:
        meta = {**manifest["metadata"], "resourceVersion": "1"}
        self._pods[pod.name] = {**manifest, "metadata": meta, "status": {"podIP": pod.host.address}}
        self._made[pod.name] = pod
        self._changed.notify_all()

    def _set_running(self, name: str) -> None:
        self._pods[name]["status"]["containerStatuses"] = [{"state": {"running": {}}}]
        self._warn()

    def _running(self) -> list[str]:
        return [
            name
            for name, pod in self._pods.items()
            if _labels(pod)["ray.io/node-type"] == "worker"
            and "containerStatuses" in pod["status"]
            and not _is_going(pod)
        ]

    def _warn(self) -> None:
        count = len(self._running())
        if not self._moments or self._moments[-1].workers != count:
            self._moments.append(Moment(time.monotonic() - self._start, count))
        self._changed.notify_all()


def _listening(host: Host, port: int) -> socket.socket:
    """A socket that listens on a host's port, for this process."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        number = theirs.fileno()
        listen = [sys.executable, "-c", _LISTEN, str(port), str(number)]
        process = host.popen(listen, pass_fds=[number])
        theirs.close()
        _, (file, *_), _, _ = socket.recv_fds(ours, 1, 1)
        process.wait()
    return socket.socket(fileno=file)


def _labels(pod: Manifest) -> dict[str, str]:
    return dict(pod["metadata"]["labels"])


def _is_going(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _replace(document: Any, step: Manifest) -> None:
    """One step of a JSON patch, of the one kind that the autoscaler takes."""
    assert step["op"] == "replace", step
    *way, last = step["path"].strip("/").split("/")
    for key in way:
        document = document[int(key) if isinstance(document, list) else key]
    document[last] = step["value"]
