"""What controllers make of the chart's manifests: KubeRay of a RayCluster, Kubernetes of a CronJob.

The part of KubeRay 1.7 that decides what runs in a cluster's containers is told here once more, as
it is in its source (ray-operator/controllers/ray/common/pod.go): the command, the variables, the
labels, the autoscaler's container, the one that waits for the head, and the address of the head's
service. What it adds beside that is left out: service accounts, probes of being alive, and how
much of its node a container may take.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

GCS_PORT = "6379"
HEALTH_PATH = "/api/healthz"
"""What the kubelet asks the agent of each node for, on KubeRay's word."""

_SHELL = ["/bin/bash", "-c", "--"]
_SHARED = "image", "env", "volumeMounts", "securityContext"
_DOMAIN = "svc.cluster.local"
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}

# A worker's container starts when the head answers.
_WAIT = """
until ray health-check --address {address}:{port}; do
  echo "waiting for the head"
  sleep 5
done
"""


def head_service(cluster: Manifest, namespace: str) -> list[str]:
    """All names of the head's service, the shortest first."""
    name = f"{cluster['metadata']['name']}-head-svc"
    return [name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.{_DOMAIN}"]


def head_pod(cluster: Manifest, namespace: str) -> Manifest:
    """The pod of a RayCluster's head; if the cluster is scaled, with the autoscaler in it."""
    params = {"dashboard-host": "0.0.0.0", **cluster["spec"]["headGroupSpec"]["rayStartParams"]}
    variables = {}
    scaled = cluster["spec"].get("enableInTreeAutoscaling")
    if scaled:
        # It runs beside the head, not in it.
        params["no-monitor"] = "true"
        if cluster["spec"]["autoscalerOptions"].get("version") == "v2":
            variables["RAY_enable_autoscaler_v2"] = "true"
    spec = cluster["spec"]["headGroupSpec"]
    pod = _ray_pod(cluster, namespace, "head", "headgroup", spec, params, variables)
    if scaled:
        (ray,) = pod["spec"]["containers"]
        autoscaler = _autoscaler(cluster)
        pod["spec"]["containers"].append(autoscaler)
        _add_volume(pod["spec"], "ray-logs", "/tmp/ray", {}, ray, autoscaler)
    return pod


def worker_pod(cluster: Manifest, namespace: str, group: Manifest, number: int) -> Manifest:
    """A pod of one of a RayCluster's worker groups; the number makes its name unique."""
    service = head_service(cluster, namespace)[-1]
    params = {"address": f"{service}:{GCS_PORT}", **group["rayStartParams"]}
    name = f"{group['groupName']}-worker-{number}"
    variables = {"FQ_RAY_IP": service, "RAY_IP": service.partition(".")[0]}
    pod = _ray_pod(cluster, namespace, name, group["groupName"], group, params, variables)
    original = copy.deepcopy(group["template"]["spec"]["containers"][0])
    waiting = {
        **{key: value for key, value in original.items() if key in _SHARED},
        "name": "wait-gcs-ready",
        "command": _SHELL,
        "args": [_WAIT.format(address=service, port=GCS_PORT)],
    }
    _add(waiting, _token(cluster) | variables)
    pod["spec"].setdefault("initContainers", []).append(waiting)
    return pod


def job_pod(cronjob: Manifest, namespace: str, run: str = "29000000") -> Manifest:
    """The pod that a CronJob begins a run with; `run` is the minute in the name of its Job."""
    job = f"{cronjob['metadata']['name']}-{run}"
    pod = copy.deepcopy(cronjob["spec"]["jobTemplate"]["spec"]["template"])
    pod["metadata"] |= {"name": f"{job}-abcde", "namespace": namespace}
    pod["metadata"]["labels"] |= {
        "batch.kubernetes.io/job-name": job,
        "batch.kubernetes.io/controller-uid": "00000000-0000-0000-0000-000000000001",
    }
    return dict(pod)


def start_command(params: Mapping[str, str], resources: Manifest, head: bool) -> str:
    """How KubeRay starts Ray: what it is told, and what the container has of the node."""
    known = {"metrics-export-port": "8080", "dashboard-agent-listen-port": "52365", **params}
    known["block"] = "true"
    limits = resources.get("limits", {})
    cpu = limits.get("cpu", resources.get("requests", {}).get("cpu"))
    if cpu is not None:
        known.setdefault("num-cpus", str(quantity(cpu)))
    if "memory" in limits:
        known.setdefault("memory", str(quantity(limits["memory"])))
    for name in sorted(limits):
        if name.endswith("gpu"):
            known.setdefault("num-gpus", str(quantity(limits[name])))
    options = [
        f"--{name}" if value.lower() == "true" else f"--{name}={value}"
        for name, value in sorted(known.items())
        if value.lower() != "false"
    ]
    return " ".join(["ray", "start", *(["--head"] if head else []), *options])


def quantity(text: str | float) -> int:
    """A quantity of Kubernetes as a whole number, rounded up: 500m is 1, 2Gi is 2147483648."""
    text = str(text)
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return math.ceil(float(text.removesuffix(unit)) * factor)
    return math.ceil(float(text[:-1]) / 1000) if text.endswith("m") else math.ceil(float(text))


def _ray_pod(
    cluster: Manifest,
    namespace: str,
    suffix: str,
    group: str,
    spec: Manifest,
    params: Mapping[str, str],
    variables: Mapping[str, Any],
) -> Manifest:
    """What is the same in head and workers."""
    head, name = group == "headgroup", cluster["metadata"]["name"]
    address = "127.0.0.1" if head else head_service(cluster, namespace)[-1]
    pod: Manifest = copy.deepcopy(spec["template"])
    meta = pod["metadata"]
    meta |= {"name": f"{name}-{suffix}", "namespace": namespace}
    meta["labels"] = {
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
        **meta["labels"],
        "ray.io/is-ray-node": "yes",
        "ray.io/cluster": name,
        "ray.io/node-type": "head" if head else "worker",
        "ray.io/group": group,
    }
    container = pod["spec"]["containers"][0]
    resources = container.get("resources", {})
    start = start_command(params, resources, head)
    container["command"] = _SHELL
    container["args"] = [f"ulimit -n ${{RAY_START_ULIMIT_OPEN_FILES:-65536}}; {start}"]
    own = {
        "RAY_CLUSTER_NAME": _label("ray.io/cluster"),
        "RAY_CLUSTER_NAMESPACE": _field("metadata.namespace"),
        "RAY_CLOUD_INSTANCE_ID": _field("metadata.name"),
        "RAY_NODE_TYPE_NAME": _label("ray.io/group"),
        "KUBERAY_GEN_RAY_START_CMD": start,
        "RAY_PORT": GCS_PORT,
        "RAY_ADDRESS": f"{address}:{GCS_PORT}",
        "RAY_USAGE_STATS_KUBERAY_IN_USE": "1",
        "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE": "1",
    }
    _add(container, _token(cluster) | dict(variables) | own)
    port = params.get("dashboard-agent-listen-port", "52365")
    container["readinessProbe"] = {"httpGet": {"path": HEALTH_PATH, "port": int(port)}}
    limit = resources.get("limits", {}).get("memory")
    memory = {"medium": "Memory", **({"sizeLimit": limit} if limit else {})}
    _add_volume(pod["spec"], "shared-mem", "/dev/shm", memory, container)
    return pod


def _autoscaler(cluster: Manifest) -> Manifest:
    options = cluster["spec"]["autoscalerOptions"]
    container: Manifest = {
        "name": "autoscaler",
        "image": cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"],
        "command": _SHELL,
        "args": [
            "ray kuberay-autoscaler --cluster-name $(RAY_CLUSTER_NAME)"
            " --cluster-namespace $(RAY_CLUSTER_NAMESPACE)"
        ],
        "env": [],
        "volumeMounts": copy.deepcopy(options.get("volumeMounts", [])),
        "securityContext": copy.deepcopy(options.get("securityContext", {})),
    }
    _add(
        container,
        {
            "RAY_CLUSTER_NAME": _label("ray.io/cluster"),
            "RAY_CLUSTER_NAMESPACE": _field("metadata.namespace"),
            "RAY_HEAD_POD_NAME": _field("metadata.name"),
            "KUBERAY_CRD_VER": "v1",
            **_token(cluster),
        },
    )
    container["env"] += copy.deepcopy(options.get("env", []))
    return container


def _token(cluster: Manifest) -> dict[str, Any]:
    options = cluster["spec"].get("authOptions", {})
    if options.get("mode") != "token":
        return {}
    secret = {"name": options.get("secretName", cluster["metadata"]["name"]), "key": "auth_token"}
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": {"secretKeyRef": secret}}


def _add(container: Manifest, variables: Mapping[str, Any]) -> None:
    """Variables that the manifest does not set itself: values, or where they come from."""
    known = container.setdefault("env", [])
    there = {variable["name"] for variable in known}
    for name, value in variables.items():
        if name not in there:
            known.append({"name": name, "value" if isinstance(value, str) else "valueFrom": value})


def _field(path: str) -> Manifest:
    return {"fieldRef": {"fieldPath": path}}


def _label(name: str) -> Manifest:
    return _field(f"metadata.labels['{name}']")


def _add_volume(
    spec: Manifest, name: str, path: str, kind: Manifest, *containers: Manifest
) -> None:
    """Unless the manifest has it already."""
    if name not in [volume["name"] for volume in spec["volumes"]]:
        spec["volumes"].append({"name": name, "emptyDir": kind})
    for container in containers:
        if path not in [mount["mountPath"] for mount in container["volumeMounts"]]:
            container["volumeMounts"].append({"name": name, "mountPath": path})
