"""The Ray clusters of the chart: their ports, their scale, and where their nodes run."""

from __future__ import annotations

from typing import Any

import pytest
from ray.autoscaler._private.kuberay import autoscaling_config

from tests.support import chart

START = {
    "node-manager-port": "6380",
    "object-manager-port": "6381",
    "dashboard-agent-grpc-port": "6382",
    "dashboard-agent-listen-port": "52365",
    "runtime-env-agent-port": "6383",
    "metrics-export-port": "8080",
    "min-worker-port": "10002",
    "max-worker-port": "10999",
}


def cluster(values: chart.Values | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = chart.render(values).one("RayCluster")["spec"]
    return spec


def worker(**entry: Any) -> tuple[dict[str, Any], chart.Pod]:
    """The group with this entry, and its pod."""
    manifests = chart.render({"workerGroups": [chart.group("g", **entry)]})
    (group,) = manifests.one("RayCluster")["spec"]["workerGroupSpecs"]
    return group, manifests.pod("RayCluster", "worker", "g")


def test_the_head_takes_no_tasks() -> None:
    start = cluster()["headGroupSpec"]["rayStartParams"]
    assert (start["num-cpus"], start["num-gpus"]) == ("0", "0")
    assert "nvidia.com/gpu" not in str(cluster()["headGroupSpec"])


def test_ports_are_the_same_on_all_nodes_and_nothing_is_left_to_chance() -> None:
    spec = cluster(chart.VALUE_SETS["clouds"])
    head = spec["headGroupSpec"]["rayStartParams"]
    assert START.items() <= head.items()
    for group in spec["workerGroupSpecs"]:
        assert START.items() <= group["rayStartParams"].items()
    assert all(isinstance(value, str) for value in head.values())
    fixed = [int(v) for k, v in head.items() if "port" in k and "worker" not in k]
    assert len(fixed) == len(set(fixed))
    low, high = int(head["min-worker-port"]), int(head["max-worker-port"])
    assert not [port for port in fixed if low <= port <= high]


def test_container_ports_are_those_that_ray_is_told_and_rays_client_has_none() -> None:
    manifests = chart.render()
    start = cluster()["headGroupSpec"]["rayStartParams"]
    ports = manifests.pod("RayCluster", "head").container["ports"]
    assert {port["name"]: str(port["containerPort"]) for port in ports} == {
        "gcs-server": start["port"],
        "dashboard": start["dashboard-port"],
        "metrics": start["metrics-export-port"],
    }
    (metrics,) = manifests.pod("RayCluster", "worker").container["ports"]
    assert (metrics["name"], metrics["containerPort"]) == ("metrics", 8080)


def test_an_idle_cluster_has_no_workers_and_the_autoscaler_is_version_2() -> None:
    spec = cluster()
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["autoscalerOptions"]["version"] == "v2"
    (group,) = spec["workerGroupSpecs"]
    assert (group["minReplicas"], group["maxReplicas"]) == (0, 4)
    for pod in chart.render().pods():
        assert pod.spec.get("restartPolicy") == ("Never" if "Pod" in pod.where else None)


def test_the_submitters_address_is_the_service_that_kuberay_makes() -> None:
    manifests = chart.render(chart.VALUE_SETS["schedules"])
    name = manifests.one("RayCluster")["metadata"]["name"]
    submitter = manifests.pod("CronJob", "farm-dreamray-nightly")
    assert f"--address=http://{name}-head-svc:8265" in submitter.container["args"]


def test_kuberays_own_labels_are_left_alone() -> None:
    for values in chart.VALUE_SETS.values():
        for pod in chart.render(values).pods():
            assert "app.kubernetes.io/name" not in pod.labels


def test_a_lost_node_is_noticed_within_seconds() -> None:
    head = chart.render().pod("RayCluster", "head").environment()
    assert {k: v for k, v in head.items() if "health" in k} == {
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "1000",
        "RAY_health_check_failure_threshold": "3",
    }


@pytest.mark.parametrize("name", chart.VALUE_SETS)
def test_how_many_workers_there_are_is_the_autoscalers_to_say(name: str) -> None:
    """Else each upgrade would say it, too."""
    manifests = chart.render(chart.VALUE_SETS[name])
    jobs = [job["spec"]["rayClusterSpec"] for job in manifests.of("RayJob")]
    for spec in [m["spec"] for m in manifests.of("RayCluster")] + jobs:
        for group in spec["workerGroupSpecs"]:
            assert ("replicas" in group) is not spec["enableInTreeAutoscaling"]


def test_a_worker_may_get_its_gpus_by_claims() -> None:
    pod = chart.render(chart.VALUE_SETS["platform"]).pod("RayCluster", "worker", "claimed")
    assert pod.container["resources"]["claims"] == [{"name": "card"}]
    assert "gpu" not in str(pod.container["resources"])
    (claim,) = pod.spec["resourceClaims"]
    assert claim == {"name": "card", "resourceClaimTemplateName": "l4"}


def test_a_worker_gets_the_gpus_that_it_asks_for() -> None:
    _, pod = worker(gpu={"count": 2, "type": "NVIDIA-L4"})
    resources = pod.container["resources"]
    assert resources["limits"] == {"memory": "16Gi", "nvidia.com/gpu": 2}
    assert resources["requests"]["nvidia.com/gpu"] == 2
    assert pod.spec["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod.spec[
        "tolerations"
    ]


def test_workers_tell_ray_their_type_of_gpu() -> None:
    """So that a run can keep to workers with the same bits."""
    typed, _ = worker(gpu={"count": 1, "type": "NVIDIA-L4"})
    assert typed["labels"] == {"dreamray.io/kind": "NVIDIA-L4"}
    for gpu in ({"count": 1}, {"count": 0}):
        assert "labels" not in worker(gpu=gpu)[0]


def test_a_worker_without_gpus_asks_for_none_and_may_run_anywhere() -> None:
    _, pod = worker(gpu={"count": 0})
    assert "nvidia.com/gpu" not in str(pod.container["resources"])
    assert "tolerations" not in pod.spec


@pytest.mark.parametrize(
    "resource", ["nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "gpu.intel.com/i915"]
)
def test_ray_is_told_of_gpus_by_whatever_name_the_nodes_have_them(resource: str) -> None:
    """KubeRay and Ray's autoscaler count only what ends with `gpu`."""
    group, pod = worker(gpu={"count": 2, "resource": resource})
    assert group["rayStartParams"]["num-gpus"] == "2"
    assert pod.container["resources"]["limits"][resource] == 2
    without, _ = worker(gpu={"count": 0})
    assert without["rayStartParams"]["num-gpus"] == "0"


@pytest.mark.parametrize(
    ("cloud", "label", "tainted"),
    [
        ("gke", ("cloud.google.com/gke-spot", "true"), True),
        ("eks", ("eks.amazonaws.com/capacityType", "SPOT"), False),
        ("karpenter", ("karpenter.sh/capacity-type", "spot"), False),
        ("aks", ("kubernetes.azure.com/scalesetpriority", "spot"), True),
    ],
)
def test_spot_nodes_are_chosen_and_their_taint_tolerated(
    cloud: str, label: tuple[str, str], tainted: bool
) -> None:
    _, pod = worker(spot=cloud, nodeSelector={"pool": "gpus"})
    assert pod.spec["nodeSelector"] == {"pool": "gpus", label[0]: label[1]}
    keys = {toleration["key"] for toleration in pod.spec["tolerations"]}
    assert (label[0] in keys) == tainted


def test_a_group_has_of_the_defaults_what_it_does_not_say_itself() -> None:
    manifests = chart.render(
        {
            "workerDefaults": {"maxReplicas": 9, "resources": {"requests": {"cpu": "8"}}},
            "workerGroups": [
                chart.group("a"),
                chart.group("b", maxReplicas=2, resources={"limits": {"memory": "64Gi"}}),
            ],
        }
    )
    a, b = manifests.one("RayCluster")["spec"]["workerGroupSpecs"]
    assert (a["maxReplicas"], b["maxReplicas"]) == (9, 2)
    resources = manifests.pod("RayCluster", "worker", "b").container["resources"]
    assert resources["requests"] == {"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": 1}
    assert resources["limits"] == {"memory": "64Gi", "nvidia.com/gpu": 1}
    assert "64Gi" not in str(a)


def test_a_worker_has_time_to_hand_on_its_tiles() -> None:
    group, pod = worker(drainSeconds=90)
    assert pod.environment()["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] == "90"
    assert pod.spec["terminationGracePeriodSeconds"] == 120
    assert "idleTimeoutSeconds" not in group
    _, pod = worker(drainSeconds=2_000_000)
    assert pod.environment()["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] == "2000000"


@pytest.mark.parametrize("name", chart.VALUE_SETS)
def test_no_pod_takes_long_to_end_because_its_first_process_does_not_hear_it(name: str) -> None:
    """The autoscaler does not, nor does KubeRay's shell that submits runs: both await SIGKILL."""
    for pod in chart.render(chart.VALUE_SETS[name]).pods():
        if pod.where.endswith("head"):
            assert pod.spec["terminationGracePeriodSeconds"] <= 15
            assert pod.environment()["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] == "0"
        elif pod.where.startswith("RayJob") and pod.where.endswith("submitter"):
            assert pod.spec["terminationGracePeriodSeconds"] <= 5


@pytest.mark.parametrize("name", chart.VALUE_SETS)
def test_all_that_a_pod_writes_to_its_node_is_limited(name: str) -> None:
    """Also Ray's logs and spilled objects: the autoscaler shares them with the head."""
    values = chart.VALUE_SETS[name]
    limit = (
        {"sizeLimit": "20Gi"} if values.get("storage", {}).get("tmpSize", "") is not None else {}
    )
    manifests = chart.render(values)
    for pod in manifests.pods():
        written = [volume["emptyDir"] for volume in pod.spec["volumes"] if "emptyDir" in volume]
        assert all(volume == limit for volume in written), pod.where
    for cluster in manifests.of("RayCluster"):
        logs = {"name": "ray-logs", "mountPath": "/tmp/ray"}
        assert logs in cluster["spec"]["autoscalerOptions"]["volumeMounts"]
        assert logs in manifests.pod("RayCluster", "head").container["volumeMounts"]


def test_weights_come_from_the_image_from_storage_or_from_a_volume() -> None:
    def environment(weights: dict[str, Any]) -> dict[str, Any]:
        return chart.render({"weights": weights}).pod("RayCluster", "worker").environment()

    assert "DREAMRAY_WEIGHTS" not in environment({})
    uri = "s3://weights/inception.h5"
    assert environment({"source": "uri", "uri": uri})["DREAMRAY_WEIGHTS"] == uri
    cached = environment({"source": "volume"})
    assert cached["DREAMRAY_WEIGHTS"] == "imagenet"
    manifests = chart.render({"weights": {"source": "volume"}})
    assert manifests.of("PersistentVolumeClaim")
    mounts = manifests.pod("RayCluster", "worker").container["volumeMounts"]
    assert {"name": "weights", "mountPath": cached["KERAS_HOME"]} in mounts
    claimed = {"source": "volume", "volume": {"existingClaim": "keras"}}
    assert not chart.render({"weights": claimed}).of("PersistentVolumeClaim")


def test_storage_is_described_to_boto3() -> None:
    pod = chart.render(chart.VALUE_SETS["storage"]).pod("RayCluster", "worker")
    environment = pod.environment()
    assert environment["AWS_ENDPOINT_URL_S3"] == "http://minio.storage:9000"
    assert environment["AWS_REGION"] == "eu"
    key = {"secretKeyRef": {"name": "s3", "key": "AWS_ACCESS_KEY_ID"}}
    assert environment["AWS_ACCESS_KEY_ID"] == key
    bundle = environment["AWS_CA_BUNDLE"]
    (ca,) = [v for v in pod.spec["volumes"] if v["name"] == "ca"]
    (mount,) = [m for m in pod.container["volumeMounts"] if m["name"] == "ca"]
    assert bundle == f"{mount['mountPath']}/{ca['configMap']['items'][0]['path']}"


def test_the_head_is_not_drained() -> None:
    """Neither is that of a run on a cluster of its own: it is not repeated."""
    manifests = chart.render(chart.VALUE_SETS["schedules"])
    budgets = [budget["spec"] for budget in manifests.of("PodDisruptionBudget")]
    assert [budget["minAvailable"] for budget in budgets] == [1, 1]
    selected = [
        pod.where
        for budget in budgets
        for pod in manifests.pods()
        if budget["selector"]["matchLabels"].items() <= pod.labels.items()
    ]
    heads = [pod.where for pod in manifests.pods() if pod.where.endswith("head")]
    assert sorted(selected) == sorted(heads)
    assert len(heads) == 2


def node_types(*entries: dict[str, Any], idle: int = 120) -> tuple[dict[str, Any], float]:
    """The groups as Ray's autoscaler reads them in the head's pod, and its idle time in seconds.

    By Ray's own translation: a real cluster shows one size and one idle time only.
    """
    values = {"workerGroups": [*entries], "autoscaler": {"idleTimeoutSeconds": idle}}
    manifest = chart.render(values if entries else {}).one("RayCluster")
    metadata = {"namespace": "default", **manifest["metadata"]}
    config = autoscaling_config._derive_autoscaling_config_from_ray_cr(
        {**manifest, "metadata": metadata}
    )
    types = dict(config["available_node_types"])
    del types[config["head_node_type"]]
    return types, 60 * config["idle_timeout_minutes"]


def test_worker_groups_become_the_node_types_that_their_pods_are() -> None:
    """Processors, GPUs, memory and limits are those of pods and groups, as KubeRay reads them."""
    found, _ = node_types(
        chart.group("spot", spot="gke", gpu={"type": "nvidia-l4"}, maxReplicas=2),
        chart.group("cpu", gpu={"count": 0}, maxReplicas=2),
        chart.group("warm", gpu={"count": 8}, minReplicas=1, maxReplicas=3),
    )
    size = {"CPU": 4, "memory": 16 * 2**30}
    assert {name: one["resources"] for name, one in found.items()} == {
        "spot": {**size, "GPU": 1},
        "cpu": {**size, "GPU": 0},
        "warm": {**size, "GPU": 8},
    }
    limits = {name: (one["min_workers"], one["max_workers"]) for name, one in found.items()}
    assert limits == {"spot": (0, 2), "cpu": (0, 2), "warm": (1, 3)}


def test_groups_of_the_default_values_keep_no_node() -> None:
    """The chart as it is installed has an idle time, and nothing that stays up."""
    found, idle = node_types()
    assert idle == 120
    assert {one["min_workers"] for one in found.values()} == {0}


def test_a_group_may_have_an_idle_time_of_its_own() -> None:
    """Without one it is that of the autoscaler."""
    found, idle = node_types(
        chart.group("slow", idleTimeoutSeconds=90), chart.group("quick"), idle=2
    )
    assert idle == 2
    assert [found[name].get("idle_timeout_s") for name in ("slow", "quick")] == [90, None]


def test_a_size_of_its_own_is_that_of_the_node() -> None:
    """A limit goes over a request, and parts of a processor count as a whole one."""
    resources = {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "2500m", "memory": "3Gi"},
    }
    found, _ = node_types(chart.group("big", resources=resources, gpu={"count": 2}))
    assert found["big"]["resources"] == {"CPU": 3, "GPU": 2, "memory": 3 * 2**30}
