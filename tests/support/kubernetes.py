"""A real Kubernetes of this machine (cluster/kubernetes), and farms that are installed in it.

    farm = Farm(kubernetes, "dreams")
    farm.install()
    farm.submit("render", "s3://pictures/lake.png", "s3://dreams/lake.png", "--workers=2:2")

Whoever calls this runs within the cluster's network: `make test-kubernetes` sees to that.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from dreamray.base.version import __version__
from tests.support.commands import POD_SECONDS, Lines, run, until
from tests.support.places import PROJECT

Manifest = dict[str, Any]

SCRIPTS = PROJECT / "cluster" / "kubernetes"
CHART = PROJECT / "helm" / "dreamray"
VALUES: Manifest = yaml.safe_load((SCRIPTS / "values.yaml").read_text())
IMAGE = f"{VALUES['image']['repository']}:{__version__}"
S3_ENDPOINT = "http://s3.storage:7070"
S3_KEYS = {"AWS_ACCESS_KEY_ID": "dreamer", "AWS_SECRET_ACCESS_KEY": "dreamer-secret"}
OFTEN_ASKED_FOR = {"pods": "api/v1", "job": "apis/batch/v1", "rayjob": "apis/ray.io/v1"}
"""Kinds with the groups of the API that they belong to."""
LENT = "dreamray.example/lent"
"""The taint of nodes beside the first two, which are lent to one test."""


def apply(*manifests: Manifest) -> None:
    """Have the cluster make these, or make them so."""
    run("kubectl", "apply", "--filename=-", stdin=_listed(manifests))


def delete(*manifests: Manifest) -> None:
    """Have it end these, in its own time."""
    run("kubectl", "delete", "--filename=-", "--wait=false", stdin=_listed(manifests))


def _listed(manifests: Sequence[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


@dataclass(frozen=True)
class Kubernetes:
    """The cluster. `state` is the folder of cluster/kubernetes/up, with its logs."""

    state: Path

    def node(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program on a node other than the first."""
        process = (self.state / f"{name}.pid").read_text().strip()
        spaces = ["--mount", "--net", "--pid", "--uts"]
        return run("nsenter", "--target", process, *spaces, "--", *command)

    def add_node(self, name: str) -> None:
        """Start one more node, or one anew, and wait until it is ready.

        It is lent to one test: only pods that tolerate the taint LENT go there.
        """
        run(str(SCRIPTS / "add-node"), name)
        here = f"node/{name}"
        until(f"node {name}", 120, lambda: not run("kubectl", "get", here, check=False).returncode)
        run("kubectl", "wait", "--for=condition=Ready", "--timeout=120s", here, timeout=150)

    def lose_node(self, name: str) -> None:
        """Power off: kubelet and containers of the node are gone, and nobody is told."""
        process = (self.state / f"{name}.pid").read_text().strip()
        run("kill", "-KILL", process)

    @contextmanager
    def another_node(self, name: str) -> Iterator[None]:
        """A node that is there in the meantime; it may get lost."""
        self.add_node(name)
        try:
            yield
        finally:
            process = (self.state / f"{name}.pid").read_text().strip()
            run("kill", "-KILL", process, check=False)
            run("kubectl", "delete", f"node/{name}")  # Its pods go with it.

    @contextmanager
    def pretended_gpus(self, node: str, number: int, product: str) -> Iterator[None]:
        """A node that says it has GPUs of a type, beside all that it has."""

        def patch(operation: str, **value: str) -> None:
            change = [{"op": operation, "path": "/status/capacity/nvidia.com~1gpu", **value}]
            where = [f"node/{node}", "--subresource=status", "--type=json"]
            run("kubectl", "patch", *where, f"--patch={json.dumps(change)}")

        def allocatable() -> bool:
            said = run("kubectl", "get", f"node/{node}", "--output=json").stdout
            return json.loads(said)["status"]["allocatable"].get("nvidia.com/gpu") == str(number)

        run("kubectl", "label", f"node/{node}", f"nvidia.com/gpu.product={product}")
        patch("add", value=str(number))
        try:
            until(f"GPUs of {node}", 60, allocatable)
            yield
        finally:
            patch("remove")
            run("kubectl", "label", f"node/{node}", "nvidia.com/gpu.product-")

    @property
    def buckets(self) -> Path:
        """The folder whose folders are the buckets of the S3 server."""
        return self.state / "data" / "buckets"


_REACH = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(port):
    try:
        with socket.create_connection((sys.argv[1], int(port)), timeout=4):
            return int(port)
    except OSError:
        return None
with ThreadPoolExecutor(32) as pool:
    print(json.dumps([port for port in pool.map(reached, sys.argv[2:]) if port]))
"""


@dataclass(frozen=True)
class Pod:
    """A pod as it was when it was looked at."""

    manifest: Manifest

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.manifest["metadata"]["labels"])

    @property
    def node(self) -> str:
        """The name of its node."""
        return str(self.manifest["spec"]["nodeName"])

    @property
    def address(self) -> str:
        """Its IP address."""
        return str(self.manifest["status"]["podIP"])

    @property
    def leaving(self) -> bool:
        """Whether it has been told to end."""
        return "deletionTimestamp" in self.manifest["metadata"]

    @property
    def ready(self) -> bool:
        """Whether it answers its readiness probe."""
        conditions = self.manifest.get("status", {}).get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def exec(
        self, *command: str, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in its first container."""
        place = [f"--namespace={self.manifest['metadata']['namespace']}", self.name]
        container = f"--container={self.manifest['spec']['containers'][0]['name']}"
        words = ["kubectl", "exec", *place, container, "--", *command]
        return run(*words, check=check, timeout=timeout)

    def reaches(self, host: str, ports: Iterable[int]) -> set[int]:
        """Those of the ports of a host that let it connect within 4 s."""
        found = self.exec("python", "-c", _REACH, host, *map(str, ports)).stdout
        return set(json.loads(found))


@dataclass
class Farm:
    """A release of the chart, called `dreamray`, in a restricted namespace of its own.

    `values` go over those of cluster/kubernetes/values.yaml.
    """

    kubernetes: Kubernetes
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict)
    name: str = "dreamray"

    def __enter__(self) -> Farm:
        run("kubectl", "create", "namespace", self.namespace)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        run("kubectl", "label", "namespace", self.namespace, restricted)
        keys = [f"--from-literal={name}={value}" for name, value in S3_KEYS.items()]
        self.kubectl("create", "secret", "generic", "s3-account", *keys)
        return self

    def __exit__(self, *error: object) -> None:
        run("kubectl", "delete", "namespace", self.namespace, "--wait=false")

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """What `kubectl` prints, in this namespace."""
        where = f"--namespace={self.namespace}"
        return run("kubectl", where, *arguments, stdin=stdin, timeout=timeout).stdout

    def get(self, kind: str, *selection: str) -> Any:
        """Manifests of a kind: one by its name, or a list of those of `--selector=…`."""
        if kind in OFTEN_ASKED_FOR:
            found = self._ask(kind, *selection)
        else:
            found = json.loads(self.kubectl("get", kind, "--output=json", *selection))
        return found.get("items", found)

    def _ask(self, kind: str, selection: str = "") -> Any:
        """The API's answer, without a `kubectl` that costs more than what it asks for."""
        place = f"{OFTEN_ASKED_FOR[kind]}/namespaces/{self.namespace}/{kind.removesuffix('s')}s"
        if selection.startswith("--selector="):
            place += f"?labelSelector={quote(selection.removeprefix('--selector='))}"
        elif selection:
            place += f"/{selection}"
        config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        trusted = ssl.create_default_context(cafile=cluster["certificate-authority"])
        trusted.load_cert_chain(user["client-certificate"], user["client-key"])
        # Not through a proxy of the environment.
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trusted), urllib.request.ProxyHandler({})
        )
        url = f"{cluster['server']}/{place}"
        try:
            with opener.open(url, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error}") from None

    def secret(self, name: str, key: str) -> str:
        """The text of a key of a secret."""
        template = f"--output=go-template={{{{index .data {json.dumps(key)} | base64decode}}}}"
        return self.kubectl("get", "secret", name, template)

    def helm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Helm in this namespace."""
        return run("helm", f"--namespace={self.namespace}", *arguments, timeout=900)

    def install(
        self,
        command: str = "install",
        values: Mapping[str, Any] | None = None,
        *,
        wait: bool = True,
    ) -> None:
        """Install or upgrade the release, and wait until its head is ready."""
        chosen = {**VALUES, **self.values, **(values or {})}
        place = self.kubernetes.state / f"{self.namespace}.yaml"
        place.write_text(json.dumps(chosen))
        # Ray's autoscaler owns the groups since it has set a number of workers.
        more = ["--force-conflicts"] if command == "upgrade" else []
        self.helm(command, self.name, str(CHART), "--values", str(place), *more)
        if wait and chosen.get("cluster", {}).get("enabled", True):
            self.head()

    def pods(self, *selection: str) -> list[Pod]:
        """Pods of selections like `--selector=…`, those that are on their way out among them."""
        return [Pod(manifest) for manifest in self.get("pods", *selection)]

    def nodes(self, node_type: str) -> list[Pod]:
        """Pods of Ray's, a `head` or `worker`s, that are ready and stay."""
        found = self.pods(f"--selector=ray.io/node-type={node_type}")
        return [pod for pod in found if pod.ready and not pod.leaving]

    def head(self) -> Pod:
        """The head, when it is ready."""
        return until("the head", POD_SECONDS, lambda: self.nodes("head"))[0]

    def workers(self, number: int) -> list[Pod]:
        """So many workers at least, when they are ready."""

        def there() -> list[Pod] | None:
            found = self.nodes("worker")
            return found if len(found) >= number else None

        return until(f"{number} workers", POD_SECONDS, there)

    def wait_until_gone(self, selection: str) -> None:
        """Wait until there are no such pods any more."""
        self.kubectl("wait", "--for=delete", "pod", selection, "--timeout=240s", timeout=270)

    @contextmanager
    def stranger(self, namespace: str, labels: Mapping[str, str] | None = None) -> Iterator[Pod]:
        """A pod with our image that only sleeps, in a namespace, with labels if any."""
        container = {
            "name": "stranger",
            "image": IMAGE,
            "command": ["sleep", "3600"],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        unprivileged = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stranger", "namespace": namespace, "labels": dict(labels or {})},
            "spec": {
                "containers": [container],
                "securityContext": unprivileged,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
            },
        }
        where = f"--namespace={namespace}"
        apply(manifest)
        try:
            ready = ["--for=condition=Ready", "--timeout=120s"]
            run("kubectl", "wait", where, *ready, "pod/stranger", timeout=150)
            found = run("kubectl", "get", where, "--output=json", "pod/stranger").stdout
            yield Pod(json.loads(found))
        finally:
            run("kubectl", "delete", where, "pod/stranger")

    @contextmanager
    def job_server(self) -> Iterator[dict[str, str]]:
        """The environment in which Ray's tools reach the job server, as operations.md says."""
        command = ["kubectl", f"--namespace={self.namespace}", "port-forward"]
        command += [f"service/{self.name}-head-svc", ":8265"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forwarding:
            try:
                assert forwarding.stdout is not None
                # Forwarding from 127.0.0.1:40123 -> 8265
                port = forwarding.stdout.readline().split(" ->")[0].rpartition(":")[2]
                yield {
                    **os.environ,
                    "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}",
                    "RAY_AUTH_MODE": "token",
                    "RAY_AUTH_TOKEN": self.secret(f"{self.name}-token", "auth_token"),
                }
            finally:
                forwarding.terminate()

    @contextmanager
    def submitting(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Run `dreamray` with these arguments as a job: the process whose output is the job's."""
        with self.job_server() as environment:
            submit = ["ray", "job", "submit", "--", "dreamray", *command]
            both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            with subprocess.Popen(submit, env=environment, **both) as job:
                try:
                    yield job
                finally:
                    job.kill()

    def submit(self, *command: str, timeout: float = 600) -> str:
        """The same to its end: what it says. The test fails if the job does."""
        with self.submitting(*command) as job:
            said, _ = job.communicate(timeout=timeout)
        assert job.returncode == 0, said
        return said

    def start_schedule(self, schedule: str, job: str) -> None:
        """Start a schedule now, under a name, as operations.md says."""
        self.kubectl("create", "job", f"--from=cronjob/{self.name}-{schedule}", job)

    def wait_for_job(self, job: str, seconds: float = 600) -> int:
        """The exit code of a Job's last pod, when the Job has ended."""

        def ended() -> bool:
            conditions = self.get("job", job).get("status", {}).get("conditions", [])
            return any(
                c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions
            )

        until(f"the end of job {job}", seconds, ended)
        pods = self.pods(f"--selector=batch.kubernetes.io/job-name={job}")
        last = max(pods, key=lambda pod: str(pod.manifest["metadata"]["creationTimestamp"]))
        (container,) = last.manifest["status"]["containerStatuses"]
        return int(container["state"]["terminated"]["exitCode"])

    @contextmanager
    def following(self, job: str) -> Iterator[Lines]:
        """What a Job's first pod says, from its beginning on."""
        selection = f"--selector=batch.kubernetes.io/job-name={job}"

        def begun() -> bool:
            pods = self.get("pods", selection)
            return any(pod["status"]["phase"] not in ("Pending", "Unknown") for pod in pods)

        until(f"a pod of job {job}", POD_SECONDS, begun)
        command = ["kubectl", f"--namespace={self.namespace}", "logs", "--follow", f"job/{job}"]
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, **both) as logs:
            try:
                yield Lines(logs)
            finally:
                logs.kill()

    def job_log(self, job: str) -> str:
        """What the pods of a Job have said."""
        return self.kubectl("logs", f"--selector=batch.kubernetes.io/job-name={job}", "--tail=-1")
