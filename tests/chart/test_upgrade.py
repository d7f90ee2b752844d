"""What an upgrade finds in the cluster and keeps: Helm looks it up in a stand-in for Kubernetes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.fakes.kube_store import KubernetesApi
from tests.support import chart

SECRET = f"/api/v1/namespaces/{chart.NAMESPACE}/secrets/farm-dreamray-token"
CLUSTER = f"/apis/ray.io/v1/namespaces/{chart.NAMESPACE}/rayclusters/farm-dreamray"
OWNED = {
    "meta.helm.sh/release-name": chart.RELEASE,
    "meta.helm.sh/release-namespace": chart.NAMESPACE,
}
"""What Helm itself puts on all that it makes."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubernetesApi]:
    with KubernetesApi(tmp_path) as running:
        yield running


def apply(api: KubernetesApi, values: chart.Values | None = None) -> None:
    """Install or upgrade: render with what is there, then put the token and the cluster there."""
    where = ["--namespace", chart.NAMESPACE, "--kubeconfig", str(api.kubeconfig)]
    arguments = ["template", chart.RELEASE, str(chart.FOLDER), "--dry-run=server", *where]
    arguments.append("--disable-openapi-validation")  # The stand-in knows no schemas.
    done = chart.helm(*arguments, values=values)
    assert done.returncode == 0, done.stderr
    for manifest in yaml.safe_load_all(done.stdout):
        for path, kind in ((SECRET, "Secret"), (CLUSTER, "RayCluster")):
            if manifest and manifest["kind"] == kind:
                manifest["metadata"]["annotations"] = OWNED
                api.objects[path] = manifest


def token(api: KubernetesApi) -> str:
    return base64.b64decode(api.objects[SECRET]["data"]["auth_token"]).decode()


def test_a_generated_token_is_kept_over_upgrades_and_is_another_for_each_farm(
    api: KubernetesApi,
) -> None:
    apply(api)
    first = token(api)
    assert len(first) >= 32
    apply(api, {"rayVersion": "2.61.0"})
    assert api.objects[CLUSTER]["spec"]["rayVersion"] == "2.61.0"
    assert token(api) == first
    api.objects.clear()
    apply(api)
    assert token(api) != first


def test_a_token_of_the_operators_is_left_alone(api: KubernetesApi) -> None:
    apply(api, {"auth": {"existingSecret": "ours"}})
    assert SECRET not in api.objects
    assert api.objects[CLUSTER]["spec"]["authOptions"]["secretName"] == "ours"
