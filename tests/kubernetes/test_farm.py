"""A farm is installed in a restricted namespace, looked at from inside, changed, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.commands import until
from tests.support.kubernetes import Farm, Kubernetes, Pod

GCS, DASHBOARD, METRICS, CLIENT = 6379, 8265, 8080, 10001
AGENT, FIRST_WORKER = 52365, 10002
OF_RAY = [GCS, 6380, 6381, 6382, AGENT]
WORKERS = "--selector=ray.io/node-type=worker"
EACH = [*OF_RAY, DASHBOARD, METRICS, CLIENT, FIRST_WORKER]

REQUEST = """
import sys, urllib.error, urllib.request
method, url, *headers = sys.argv[1:]
headers = dict(header.split(": ") for header in headers)
request = urllib.request.Request(url, b"{}" if method == "POST" else None, headers, method=method)
try:
    print(urllib.request.urlopen(request, timeout=30).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def groups(**more: Any) -> dict[str, Any]:
    """Values with the one group, changed so."""
    resources = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "3Gi"}}
    group = {"name": "cpu", "maxReplicas": 2, "gpu": {"count": 0}, "resources": resources}
    return {"workerGroups": [{**group, **more}]}


@pytest.fixture(scope="module")
def farm(kubernetes: Kubernetes) -> Iterator[Farm]:
    """The farm, with one worker."""
    with Farm(kubernetes, "install", groups(minReplicas=1)) as farm:
        farm.install()
        yield farm


@pytest.fixture(scope="module")
def worker(farm: Farm) -> Pod:
    """Its worker."""
    return farm.workers(1)[0]


class TestInside:
    """What the pods of a farm may do, asked from inside."""

    def test_they_run_without_rights_on_a_root_that_cannot_be_written(
        self, farm: Farm, worker: Pod
    ) -> None:
        """User and group 1000, no capabilities, none to be had."""
        for pod in (farm.head(), worker):
            said = pod.exec("sh", "-c", "cat /proc/[0-9]*/status").stdout
            held: dict[str, set[str]] = {}
            for line in said.splitlines():
                key, _, value = line.partition(":")
                held.setdefault(key, set()).update(value.split())
            assert {"raylet"} <= held["Name"]
            assert held["Uid"] == held["Gid"] == {"1000"}
            for kind in ("Inh", "Prm", "Eff", "Bnd"):
                assert {int(mask, 16) for mask in held[f"Cap{kind}"]} == {0}
            assert held["NoNewPrivs"] == {"1"}
            assert held["Seccomp"] == {"2"}
            refused = pod.exec("touch", "/etc/mark", check=False)
            assert "Read-only file system" in refused.stderr

    def test_workers_have_no_account_at_the_kubernetes_api(self, worker: Pod) -> None:
        there = worker.exec("ls", "/var/run/secrets/kubernetes.io", check=False)
        assert "No such file" in there.stderr

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_the_job_server_answers_only_to_the_token(self, farm: Farm, method: str) -> None:
        head = farm.head()
        url = f"http://127.0.0.1:{DASHBOARD}/api/jobs/"

        def status(*headers: str) -> str:
            return head.exec("python", "-c", REQUEST, method, url, *headers).stdout.strip()

        assert status() == "401"
        assert status("Authorization: Bearer " + 48 * "0") == "403"
        # It is let in; what it posts is no job.
        token = farm.secret("dreamray-token", "auth_token")
        assert status(f"Authorization: Bearer {token}") == ("200" if method == "GET" else "400")


class TestPolicies:
    """Who reaches whom."""

    def test_nodes_reach_each_other(self, farm: Farm, worker: Pod) -> None:
        """By Ray's ports, and by no other that the head listens on, as it finds itself."""
        head = farm.head()
        listening = head.reaches(head.address, EACH)
        assert {DASHBOARD, METRICS, *OF_RAY} <= listening
        assert worker.reaches(head.address, EACH) == listening - {DASHBOARD, METRICS, CLIENT}
        assert head.reaches(worker.address, OF_RAY[1:]) == set(OF_RAY[1:])

    @pytest.mark.parametrize("namespace", ["install", "default"])
    def test_nobody_else_reaches_a_node(
        self, farm: Farm, worker: Pod, kubernetes: Kubernetes, namespace: str
    ) -> None:
        """From a pod of the same namespace, and of another one; the server for names it reaches."""
        with farm.stranger(namespace) as stranger:
            for pod in (farm.head(), worker):
                assert stranger.reaches(pod.address, EACH) == set()
            assert stranger.reaches("10.96.0.10", [53]) == {53}

    def test_nodes_reach_storage_names_and_nothing_else(self, farm: Farm, worker: Pod) -> None:
        """Storage's port, wherever; but no other port of it, and no Kubernetes API."""
        assert worker.reaches("s3.storage", [7070]) == {7070}
        assert worker.reaches("10.96.0.10", [53]) == {53}
        assert worker.reaches("10.96.0.1", [443]) == set()
        assert farm.head().reaches("10.96.0.1", [443]) == {443}

    def test_it_is_the_policies_that_keep_others_out(self, farm: Farm, worker: Pod) -> None:
        """A worker of no release, with the labels of ours, is let in: the network is there."""
        with farm.stranger("install", worker.labels) as twin:
            assert twin.reaches(farm.head().address, [GCS]) == {GCS}


def is_new(pod: Pod) -> bool:
    """Whether a worker is of the changed group."""
    return pod.manifest["spec"].get("nodeSelector") == {"pool": "no"}


class TestChanges:
    """Upgrades, in their order: none of these tests runs without those before it."""

    def test_a_changed_group_comes_and_the_head_with_it(self, farm: Farm) -> None:
        before = farm.head()
        token = farm.secret("dreamray-token", "auth_token")
        farm.install("upgrade", groups(minReplicas=1, maxReplicas=3, nodeSelector={"pool": "no"}))
        (group,) = farm.get("raycluster", farm.name)["spec"]["workerGroupSpecs"]
        assert group["maxReplicas"] == 3
        until("another head", 240, lambda: {pod.name for pod in farm.nodes("head")} - {before.name})
        assert farm.secret("dreamray-token", "auth_token") == token
        # Ray's autoscaler may ask for one more, as it has just come up.
        pod, *_ = until("a worker", 60, lambda: [pod for pod in farm.pods(WORKERS) if is_new(pod)])
        assert pod.manifest["status"]["phase"] == "Pending"

    def test_a_rollback_leads_back(self, farm: Farm) -> None:
        number = '[{"op": "add", "path": "/spec/workerGroupSpecs/0/replicas", "value": 1}]'
        patch = ("--type=json", "--field-manager=python-requests", f"--patch={number}")
        farm.kubectl("patch", "raycluster", farm.name, *patch)  # As the autoscaler does.
        farm.helm("rollback", farm.name, "--force-conflicts")
        (group,) = farm.get("raycluster", farm.name)["spec"]["workerGroupSpecs"]
        assert group["maxReplicas"] == 2
        assert farm.workers(1)

    def test_another_token_is_that_of_the_cluster_when_its_pods_are_new(self, farm: Farm) -> None:
        """As operations.md says: the secret deleted, the upgrade, the pods deleted."""
        before = farm.secret("dreamray-token", "auth_token")
        farm.kubectl("delete", "secret", "dreamray-token")
        farm.install("upgrade")
        farm.kubectl("delete", "pod", f"--selector=ray.io/cluster={farm.name}", "--wait=false")
        after = farm.secret("dreamray-token", "auth_token")
        assert after != before

        def accepted(token: str) -> str:
            url = f"http://127.0.0.1:{DASHBOARD}/api/jobs/"
            header = f"Authorization: Bearer {token}"
            done = farm.head().exec("python", "-c", REQUEST, "GET", url, header, check=False)
            return done.stdout.strip()

        until("the new token", 240, lambda: accepted(after) == "200")
        assert accepted(before) == "403"

    def test_what_is_uninstalled_leaves_nothing_behind(self, farm: Farm) -> None:
        farm.helm("uninstall", farm.name, "--wait")
        kinds = "pod,service,secret,configmap,networkpolicy,raycluster,cronjob,job,role,rolebinding"

        def left() -> set[str]:
            names = farm.kubectl("get", kinds, "--output=name").split()
            return {name for name in names if "kube-root-ca" not in name}

        until("the end of it", 120, lambda: left() == {"secret/s3-account"})
