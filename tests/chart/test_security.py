"""What the pods of the chart may and may not, in every kind of farm."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import chart

each_set = pytest.mark.parametrize("name", chart.VALUE_SETS)

HARDENED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@each_set
def test_every_container_is_hardened(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    for pod in manifests.pods():
        assert pod.container["securityContext"] == HARDENED, pod.where
        assert pod.spec["securityContext"]["runAsNonRoot"] is True
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod.spec.get("initContainers", []):
            said = {"readOnlyRootFilesystem": False} if container["name"] == "fetch" else {}
            assert container["securityContext"] == {**HARDENED, **said}, pod.where
        for forbidden in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
            assert forbidden not in pod.spec
    for cluster in clusters(manifests):
        if cluster["enableInTreeAutoscaling"]:
            assert cluster["autoscalerOptions"]["securityContext"] == HARDENED


@each_set
def test_every_container_can_write_to_tmp_and_has_its_home_there(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    for pod in manifests.pods():
        (tmp,) = [m for m in pod.container["volumeMounts"] if m["mountPath"] == "/tmp"]
        (volume,) = [v for v in pod.spec["volumes"] if v["name"] == tmp["name"]]
        assert "emptyDir" in volume
        assert pod.environment()["HOME"] == "/tmp"
    for cluster in clusters(manifests):
        for mount in cluster.get("autoscalerOptions", {}).get("volumeMounts", [])[:1]:
            assert mount["mountPath"] == "/tmp"


@each_set
def test_every_container_says_what_memory_it_needs(name: str) -> None:
    for pod in chart.render(chart.VALUE_SETS[name]).pods():
        assert pod.container["resources"]["limits"]["memory"], pod.where


@each_set
def test_kubernetes_token_is_mounted_only_where_it_is_needed(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    for account in manifests.of("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for pod in manifests.pods():
        assert pod.spec["automountServiceAccountToken"] is False
        launches = pod.labels["app.kubernetes.io/component"] == "launcher"
        paths = {mount["mountPath"] for mount in pod.container["volumeMounts"]}
        assert ("/var/run/secrets/kubernetes.io/serviceaccount" in paths) == launches, pod.where


@each_set
def test_ray_asks_for_the_token_everywhere(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    secret = manifests.of("Secret")
    secret_name = secret[0]["metadata"]["name"] if secret else "token"
    for cluster in clusters(manifests):
        assert cluster["authOptions"] == {"mode": "token", "secretName": secret_name}
    for pod in manifests.pods():
        environment = pod.environment()
        if pod.labels["app.kubernetes.io/component"] == "launcher":
            assert "RAY_AUTH_TOKEN" not in environment
            continue
        key = {"secretKeyRef": {"name": secret_name, "key": "auth_token"}}
        assert (environment["RAY_AUTH_MODE"], environment["RAY_AUTH_TOKEN"]) == ("token", key)


@each_set
def test_secrets_are_never_written_out(name: str) -> None:
    for pod in chart.render(chart.VALUE_SETS[name]).pods():
        for variable, value in pod.environment().items():
            if "TOKEN" in variable or "SECRET" in variable or "ACCESS_KEY" in variable:
                assert "secretKeyRef" in value, variable


def test_only_the_launcher_has_a_role_and_it_allows_no_more_than_to_make_ray_jobs() -> None:
    manifests = chart.render(chart.VALUE_SETS["schedules"])
    role, binding = manifests.one("Role"), manifests.one("RoleBinding")
    assert role["rules"] == [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create", "get"]}
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    launcher = manifests.pod("CronJob", "farm-dreamray-own")
    assert subject["name"] == launcher.spec["serviceAccountName"]
    assert not chart.render().of("Role")


def test_roles_of_the_cloud_are_for_those_who_dream_only() -> None:
    accounts = chart.render(chart.VALUE_SETS["clouds"]).of("ServiceAccount")
    annotated = {a["metadata"]["name"] for a in accounts if "annotations" in a["metadata"]}
    assert annotated == {"farm-dreamray-head", "farm-dreamray-worker"}


def test_credentials_of_storage_are_for_those_who_dream_only() -> None:
    for pod in chart.render(chart.VALUE_SETS["storage"]).pods():
        dreams = pod.labels["app.kubernetes.io/component"] in ("head", "worker")
        assert ("AWS_SECRET_ACCESS_KEY" in pod.environment()) == dreams, pod.where


def test_the_cluster_is_not_exposed_outside_unless_somebody_asks_for_it() -> None:
    for values in chart.VALUE_SETS.values():
        manifests = chart.render(values)
        assert not manifests.of("Ingress")
        assert bool(manifests.of("HTTPRoute")) is ("httpRoute" in values)
        assert not manifests.of("Service")
        for cluster in clusters(manifests):
            assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"


def clusters(manifests: chart.Manifests) -> list[dict[str, Any]]:
    """The specs of all Ray clusters."""
    long_lived = [cluster["spec"] for cluster in manifests.of("RayCluster")]
    return long_lived + [job["spec"]["rayClusterSpec"] for job in manifests.of("RayJob")]
