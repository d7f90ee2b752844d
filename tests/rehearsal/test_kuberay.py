"""KubeRay's and Kubernetes' own part of the rehearsal: pods, commands and variables are theirs."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.fakes.kuberay import (
    head_pod,
    head_service,
    job_pod,
    quantity,
    start_command,
    worker_pod,
)
from tests.support import chart

HOST = "farm-dreamray-head-svc.dreams.svc.cluster.local"


def head(values: chart.Values | None = None) -> dict[str, Any]:
    return head_pod(chart.render(values).one("RayCluster"), chart.NAMESPACE)


def worker(number: int = 0, **entry: Any) -> dict[str, Any]:
    """A pod of the one group with this entry."""
    cluster = chart.render({"workerGroups": [chart.group("a", **entry)]}).one("RayCluster")
    (group,) = cluster["spec"]["workerGroupSpecs"]
    return worker_pod(cluster, chart.NAMESPACE, group, number)


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in container["env"]}


def ray(pod: dict[str, Any]) -> dict[str, Any]:
    """The container that Ray runs in."""
    container: dict[str, Any] = pod["spec"]["containers"][0]
    return container


def test_pods_have_names_of_their_own_and_the_labels_that_services_and_ray_look_for() -> None:
    for pod, name, node_type, group in (
        (head(), "farm-dreamray-head", "head", "headgroup"),
        (worker(7), "farm-dreamray-a-worker-7", "worker", "a"),
    ):
        assert (pod["metadata"]["name"], pod["metadata"]["namespace"]) == (name, chart.NAMESPACE)
        labels = pod["metadata"]["labels"]
        assert labels["ray.io/cluster"] == "farm-dreamray"
        assert (labels["ray.io/node-type"], labels["ray.io/group"]) == (node_type, group)
        assert labels["app.kubernetes.io/component"] == node_type
        assert labels["app.kubernetes.io/name"] == "kuberay"


def test_a_parameter_is_an_option_and_true_is_a_bare_one() -> None:
    params = {"port": "6379", "disable-usage-stats": "True", "no-monitor": "false"}
    assert shlex.split(start_command(params, {}, head=True)) == [
        *("ray", "start", "--head", "--block", "--dashboard-agent-listen-port=52365"),
        *("--disable-usage-stats", "--metrics-export-port=8080", "--port=6379"),
    ]


def test_what_ray_deals_out_is_what_the_container_has_unless_it_is_told_otherwise() -> None:
    both = {"requests": {"cpu": "1500m"}, "limits": {"memory": "2Gi", "nvidia.com/gpu": 4}}
    told = shlex.split(start_command({"num-gpus": "0"}, both, head=False))
    assert {"--num-cpus=2", "--num-gpus=0", f"--memory={2 << 30}"} <= set(told)
    assert "--head" not in told
    limited = {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 3, "example.com/gpu": 1}}
    told = shlex.split(start_command({}, limited, head=False))
    assert {"--num-cpus=3", "--num-gpus=1"} <= set(told)
    assert not [option for option in told if "memory" in option]


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", 1), ("2", 2), (2.5, 3), ("1500m", 2), ("2Gi", 2 << 30), ("1.5Ki", 1536), ("3M", 3e6)],
)
def test_a_quantity_is_a_whole_number(text: str | float, number: int) -> None:
    assert quantity(text) == number


def test_workers_wait_for_the_head_and_join_it_by_the_name_of_its_service() -> None:
    assert head_service(chart.render().one("RayCluster"), chart.NAMESPACE)[-1] == HOST
    assert "initContainers" not in head()["spec"]
    pod = worker()
    (waiting,) = pod["spec"]["initContainers"]
    assert f"ray health-check --address {HOST}:6379" in waiting["args"][0]
    assert waiting["securityContext"] == ray(pod)["securityContext"]
    assert variables(waiting).keys() >= {"RAY_AUTH_TOKEN", "FQ_RAY_IP"}
    assert f" --address={HOST}:6379 " in ray(pod)["args"][0]
    assert variables(ray(pod))["RAY_ADDRESS"] == f"{HOST}:6379"
    assert variables(ray(head()))["RAY_ADDRESS"] == "127.0.0.1:6379"


def test_a_head_with_an_autoscaler_beside_it_has_none_inside() -> None:
    scaled = head()
    fixed = chart.render(chart.VALUE_SETS["queue"]).one("RayJob")["spec"]["rayClusterSpec"]
    plain = head_pod({"metadata": {"name": "own"}, "spec": fixed}, chart.NAMESPACE)
    for pod, expected in ((scaled, True), (plain, False)):
        assert len(pod["spec"]["containers"]) == 1 + expected
        assert ("--no-monitor" in ray(pod)["args"][0]) is expected
        assert ("RAY_enable_autoscaler_v2" in variables(ray(pod))) is expected
        mounted = {mount["mountPath"] for mount in ray(pod)["volumeMounts"]}
        assert ("/tmp/ray" in mounted) is expected
        assert "/dev/shm" in mounted


def test_the_autoscaler_has_what_the_manifest_gives_it_and_shares_rays_logs() -> None:
    _, container = head()["spec"]["containers"]
    options = chart.render().one("RayCluster")["spec"]["autoscalerOptions"]
    assert container["securityContext"] == options["securityContext"]
    assert options["volumeMounts"] == container["volumeMounts"]
    assert variables(container)["HOME"] == "/tmp"
    assert variables(container)["RAY_AUTH_MODE"] == "token"
    assert container["args"][0].startswith("ray kuberay-autoscaler --cluster-name $(RAY_CLUSTER")


def test_a_variable_of_the_manifest_is_left_alone() -> None:
    changed = ray(head({"env": [{"name": "RAY_PORT", "value": "6399"}]}))
    assert variables(changed)["RAY_PORT"] == "6399"
    assert len(changed["env"]) == len(variables(changed))


def test_the_token_comes_from_the_secret_that_the_cluster_names() -> None:
    cluster = chart.render(chart.VALUE_SETS["given"]).one("RayCluster")
    ray(cluster["spec"]["headGroupSpec"]["template"])["env"] = []
    told = variables(ray(head_pod(cluster, chart.NAMESPACE)))
    assert told["RAY_AUTH_MODE"] == "token"
    assert told["RAY_AUTH_TOKEN"] == {"secretKeyRef": {"name": "token", "key": "auth_token"}}


def test_the_manifests_stay_as_they_are() -> None:
    manifests = chart.render(chart.VALUE_SETS["schedules"])
    cluster = manifests.one("RayCluster")
    head_pod(cluster, chart.NAMESPACE)
    worker_pod(cluster, chart.NAMESPACE, cluster["spec"]["workerGroupSpecs"][0], 0)
    job_pod(manifests.one("CronJob", "farm-dreamray-nightly"), chart.NAMESPACE)
    assert manifests == chart.render(chart.VALUE_SETS["schedules"])


def test_a_run_has_the_name_of_its_job() -> None:
    cronjob = chart.render(chart.VALUE_SETS["schedules"]).one("CronJob", "farm-dreamray-nightly")
    pod = job_pod(cronjob, chart.NAMESPACE, run="28000001")
    assert pod["metadata"]["name"].startswith("farm-dreamray-nightly-28000001-")
    labels = pod["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == "farm-dreamray-nightly-28000001"
    assert labels["app.kubernetes.io/component"] == "submitter"
