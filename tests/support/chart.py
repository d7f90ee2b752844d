"""The chart as the real Helm renders it, and what is to be known of its manifests.

Needs Helm: from the folder that `DREAMRAY_CHART_TOOLS` names, as `.ci/chart-tools` prints it, or on
PATH.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.support.places import PROJECT

Manifest = dict[str, Any]
Values = Mapping[str, Any]

FOLDER = PROJECT / "helm" / "dreamray"
RELEASE, NAMESPACE = "farm", "dreams"


def tool(name: str) -> str:
    """The path of a program that `.ci/chart-tools` installs, or the end of the test.

    The test is skipped where there is none, but fails in CI and where `DREAMRAY_CHART_TOOLS`
    promises one.
    """
    promised = os.environ.get("DREAMRAY_CHART_TOOLS")
    program = shutil.which(name, path=promised)
    if program is None and (promised or os.environ.get("CI")):
        pytest.fail(f"there is no {name} in {promised or 'PATH'}: see .ci/run")
    if program is None:
        pytest.skip(f"needs {name}, which .ci/chart-tools installs")
    return program


def helm(*arguments: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm, whatever its exit code; `values` come last and go over all others."""
    command = [tool("helm"), *arguments]
    if values is not None:
        command += ["--values", "-"]
    text = json.dumps(values) if values is not None else None
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=120)


@dataclass(frozen=True)
class Pod:
    """A pod that somebody would make from a manifest: where it is written, and its template."""

    where: str
    template: Manifest

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        labels: dict[str, str] = self.template["metadata"]["labels"]
        return labels

    @property
    def spec(self) -> Manifest:
        """Its spec."""
        spec: Manifest = self.template["spec"]
        return spec

    @property
    def container(self) -> Manifest:
        """Its one container."""
        (container,) = self.spec["containers"]
        return dict(container)

    def environment(self) -> dict[str, Any]:
        """Variables of the container: a value, or where it comes from."""
        return {
            variable["name"]: variable.get("value", variable.get("valueFrom"))
            for variable in self.container.get("env", [])
        }


class Manifests(list[Manifest]):
    """What Helm renders, and the RayJobs that pods make from it when their time comes."""

    def of(self, kind: str) -> list[Manifest]:
        """All of a kind."""
        return [manifest for manifest in self if manifest["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Manifest:
        """The one of a kind and, if given, a name."""
        (found,) = [m for m in self.of(kind) if name in (None, m["metadata"]["name"])]
        return found

    def pods(self) -> Iterator[Pod]:
        """All pods that are made from these, by Kubernetes or by KubeRay."""
        for manifest in self:
            where = f"{manifest['kind']} {manifest['metadata'].get('name')}"
            spec = manifest.get("spec", {})
            match manifest["kind"]:
                case "Pod":
                    yield Pod(where, manifest)
                case "CronJob":
                    yield Pod(where, spec["jobTemplate"]["spec"]["template"])
                case "RayCluster":
                    yield from _nodes(where, spec)
                case "RayJob":
                    yield Pod(f"{where} submitter", spec["submitterPodTemplate"])
                    yield from _nodes(where, spec["rayClusterSpec"])

    def pod(self, *words: str) -> Pod:
        """The pod whose place has all the words."""
        (found,) = [pod for pod in self.pods() if set(words) <= set(pod.where.split())]
        return found


def _nodes(where: str, cluster: Manifest) -> Iterator[Pod]:
    yield Pod(f"{where} head", cluster["headGroupSpec"]["template"])
    for group in cluster["workerGroupSpecs"]:
        yield Pod(f"{where} worker {group['groupName']}", group["template"])


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """With $(NAME) replaced as Kubernetes does: unknown names stay, $$ is a dollar sign."""

    def put_in(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\((\w+)\)", put_in, text)


def render(values: Values | None = None) -> Manifests:
    """The manifests with these values; the test fails, with what Helm says, if there are none."""
    found: Manifests = pickle.loads(_rendered(json.dumps(values or {})))
    return found


def refusal(values: Values) -> str:
    """What Helm says when it refuses the values; the test fails if it takes them."""
    done = _template(json.dumps(values))
    assert done.returncode != 0, "the values were taken"
    return done.stderr


@functools.cache
def _rendered(values: str) -> bytes:
    """Pickled, so that each test has manifests of its own: they are parsed once."""
    done = _template(values)
    assert done.returncode == 0, done.stderr
    found = Manifests(m for m in yaml.load_all(done.stdout, Loader=_Loader) if m)
    for config in found.of("ConfigMap"):
        if text := config["data"].get("rayjob.json"):
            job = json.loads(text)
            job["metadata"].setdefault("name", config["metadata"]["name"])
            found.append(job)
    return pickle.dumps(found)


@functools.cache
def _template(values: str) -> subprocess.CompletedProcess[str]:
    arguments = ["template", RELEASE, str(FOLDER), "--namespace", NAMESPACE]
    return helm(*arguments, values=json.loads(values))


class _Loader(yaml.CSafeLoader):
    """Refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is given twice in {keys}"
        return super().construct_mapping(node, deep)


def schedule(name: str = "nightly", **more: Any) -> dict[str, Any]:
    """An entry of schedules."""
    places = {"source": "s3://pictures/new/", "destination": "s3://dreams/new/"}
    return {"name": name, "schedule": "0 2 * * *", **places, **more}


def group(name: str = "gpu", **more: Any) -> dict[str, Any]:
    """An entry of workerGroups."""
    return {"name": name, **more}


VALUE_SETS: dict[str, Values] = {
    path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((FOLDER / "ci").glob("*-values.yaml"))
}
"""Values of many kinds of farms, each of which must be valid and safe."""
