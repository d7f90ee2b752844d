"""The rendered manifests are what Kubernetes and KubeRay take, and fit each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest

from tests.support import chart
from tests.support.crds import check_kuberay_takes

each_set = pytest.mark.parametrize("name", chart.VALUE_SETS)


@each_set
def test_helm_lint_is_content(name: str) -> None:
    done = chart.helm("lint", "--strict", str(chart.FOLDER), values=chart.VALUE_SETS[name])
    assert done.returncode == 0, done.stdout + done.stderr


@each_set
def test_kubernetes_takes_all_that_is_its_own(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    own = [m for m in manifests if not re.match(r"ray\.io|monitoring\.|gateway\.", m["apiVersion"])]
    pods = [
        {"apiVersion": "v1", "kind": "Pod", **pod.template, "metadata": {"name": "x"}}
        for pod in manifests.pods()
    ]
    for manifest in own + pods:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@each_set
def test_each_kuberay_takes_its_resources(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    for manifest in manifests.of("RayCluster") + manifests.of("RayJob"):
        check_kuberay_takes(manifest)


@each_set
def test_names_are_unique_and_short_enough(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    named = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(named) == len(set(named))
    longest = {"CronJob": 52, "RayCluster": 41, "RayJob": 32}  # KubeRay and Kubernetes add to them.
    for kind, own in named:
        assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", own)
        assert len(own) <= longest.get(kind, 63)


@each_set
def test_everything_that_is_referred_to_is_there_or_was_named_by_the_user(name: str) -> None:
    values = chart.VALUE_SETS[name]
    manifests = chart.render(values)
    made = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    given = {*strings(values), "kube-root-ca.crt", "default"}
    for pod in manifests.pods():
        for kind, referred in references(pod):
            assert (kind, referred) in made or referred in given, f"{pod.where}: {kind} {referred}"


@each_set
def test_every_mount_has_its_volume_and_every_volume_its_mount(name: str) -> None:
    manifests = chart.render(chart.VALUE_SETS[name])
    for pod in manifests.pods():
        mounts = pod.container["volumeMounts"]
        mounted = {mount["name"] for mount in mounts}
        if pod.where.endswith("head"):
            mounted |= {mount["name"] for mount in autoscaler_mounts(manifests, pod)}
        assert mounted == {volume["name"] for volume in pod.spec["volumes"]}, pod.where
        assert len({mount["mountPath"] for mount in mounts}) == len(mounts)


@each_set
def test_no_variable_is_set_twice(name: str) -> None:
    for pod in chart.render(chart.VALUE_SETS[name]).pods():
        assert len(pod.environment()) == len(pod.container["env"]), pod.where
        if pod.where.endswith("submitter"):  # KubeRay sets it, too.
            assert "PYTHONUNBUFFERED" not in pod.environment()


def test_what_is_said_of_pods_is_passed_on_the_same_way_to_all() -> None:
    manifests = chart.render(chart.VALUE_SETS["platform"])
    for pod in manifests.pods():
        if pod.labels["app.kubernetes.io/component"] == "worker":
            assert pod.spec["topologySpreadConstraints"][0]["maxSkew"] == 1
            names = ["fetch", "proxy"]
        else:
            assert (pod.spec["dnsPolicy"], pod.spec["dnsConfig"]["nameservers"]) == (
                "None",
                ["192.0.2.53"],
            )
            names = ["proxy"]
        assert [container["name"] for container in pod.spec["initContainers"]] == names, pod.where


def test_templates_in_objects_of_the_users_are_filled_in() -> None:
    manifests = chart.render(chart.VALUE_SETS["platform"])
    assert manifests.one("ConfigMap", "farm-notes")["data"] == {"owner": "dreams"}
    assert manifests.one("ConfigMap", "farm-dreamray-more")["data"]["version"]


def test_a_route_leads_to_the_head_of_the_lasting_cluster() -> None:
    route = chart.render(chart.VALUE_SETS["platform"]).one("HTTPRoute")["spec"]
    assert route["parentRefs"] == [{"name": "internal", "namespace": "gateways"}]
    (rule,) = route["rules"]
    assert rule == {"backendRefs": [{"name": "farm-dreamray-head-svc", "port": 8265}]}


def test_a_cluster_that_cannot_do_it_is_refused() -> None:
    old = ["template", "farm", str(chart.FOLDER), "--kube-version", "1.26.0"]
    assert "requires kubeVersion: >=1.29.0-0" in chart.helm(*old).stderr


def test_the_notes_tell_three_commands_and_where_the_head_is() -> None:
    dry = ["install", "farm", str(chart.FOLDER), "--dry-run=client", "--namespace", "dreams"]
    notes = chart.helm(*dry).stdout.partition("NOTES:")[2]
    for command in (
        "helm -n dreams test farm",
        "service/farm-dreamray-head-svc",
        "ray job submit -- dreamray bulk s3://pictures/ s3://dreams/ --gpus-per-worker=1",
    ):
        assert command in notes
    schedules = {"cluster": {"enabled": False}, "schedules": [chart.schedule(runOn="rayJob")]}
    notes = chart.helm(*dry, values=schedules).stdout.partition("NOTES:")[2]
    assert "create job --from=cronjob/farm-dreamray-nightly nightly-now" in notes
    unsafe = chart.helm(*dry, values={"networkPolicy": {"enabled": False}}).stdout
    assert "networkPolicy.enabled=true" in unsafe


def test_the_test_of_the_release_dreams_and_checks_on_the_head_without_workers() -> None:
    pod = chart.render().one("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    *_, shell, option, line = pod["spec"]["containers"][0]["args"]
    assert (shell, option) == ("sh", "-c")
    assert "env -u RAY_ADDRESS dreamray render" in line
    assert "env -u RAY_ADDRESS dreamray check --short" in line
    assert not chart.render({"cluster": {"enabled": False}}).of("Pod")


def references(pod: chart.Pod) -> Iterator[tuple[str, str]]:
    """Kind and name of all that a pod needs to be there."""
    yield "ServiceAccount", pod.spec["serviceAccountName"]
    for source in pod.environment().values():
        if isinstance(source, dict) and "secretKeyRef" in source:
            yield "Secret", source["secretKeyRef"]["name"]
    for secret in pod.spec.get("imagePullSecrets", []):
        yield "Secret", secret["name"]
    for volume in pod.spec["volumes"]:
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]


def autoscaler_mounts(manifests: chart.Manifests, head: chart.Pod) -> list[dict[str, Any]]:
    """What KubeRay mounts into the autoscaler's container in the pod of this head."""
    kind, name, _ = head.where.split()
    spec = manifests.one(kind, name)["spec"]
    options = spec.get("rayClusterSpec", spec).get("autoscalerOptions", {})
    mounts: list[dict[str, Any]] = options.get("volumeMounts", [])
    return mounts


def strings(value: Any) -> Iterator[str]:
    """All texts in a tree of values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
