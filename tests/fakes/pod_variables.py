"""The variables of a container: its image's, and its manifest's with what they refer to put in."""

from __future__ import annotations

import base64
import re
import runpy
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.places import PROJECT

Manifest = dict[str, Any]

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$\$|\$\((\w+)\)")
_LABEL = re.compile(r"metadata\.labels\['(.+)'\]")


def environment(container: Manifest, pod: Manifest, objects: Iterable[Manifest]) -> dict[str, str]:
    """The variables of a container, with what they refer to put in; raises LookupError."""
    objects, found = list(objects), dict[str, str]()
    for variable in container.get("env", []):
        match variable.get("valueFrom"):
            case None:
                found[variable["name"]] = expanded(variable.get("value", ""), found)
            case {"secretKeyRef": {"name": name, "key": key}}:
                found[variable["name"]] = data_of("Secret", name, objects)[key]
            case {"configMapKeyRef": {"name": name, "key": key}}:
                found[variable["name"]] = data_of("ConfigMap", name, objects)[key]
            case {"fieldRef": {"fieldPath": path}}:
                found[variable["name"]] = field_of(path, pod["metadata"])
            case other:
                raise LookupError(f"{variable['name']} comes from {other}, which is not rehearsed")
    return found


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """With $(NAME) replaced as Kubernetes does: unknown names stay, $$ is a dollar sign."""

    def put_in(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return _REFERENCE.sub(put_in, text)


def data_of(kind: str, name: str, objects: Iterable[Manifest]) -> dict[str, str]:
    """What is in a Secret or ConfigMap, by its keys; raises LookupError if there is none."""
    for item in objects:
        if (item["kind"], item["metadata"]["name"]) == (kind, name):
            data: dict[str, str] = item["data"]
            if kind == "Secret":
                return {key: base64.b64decode(value).decode() for key, value in data.items()}
            return dict(data)
    raise LookupError(f"there is no {kind} {name}")


def image_environment() -> dict[str, str]:
    """The variables that the image gives to all containers, with paths for here.

    It has dreamray installed; the project may be another one than this Python's environment has.
    """
    parse = runpy.run_path(str(PROJECT / "cluster" / "dockerfile.py"), run_name="dockerfile")[
        "parse"
    ]
    runtime = parse((PROJECT / "cluster" / "Dockerfile").read_text()).stage("runtime")
    variables = dict(pair for step in runtime.of("ENV") for pair in step.pairs())
    path = f"{Path(sys.executable).parent}:{_SYSTEM_PATH}"
    return {**variables, "PATH": path, "PYTHONPATH": str(PROJECT)}


def field_of(path: str, metadata: Manifest) -> str:
    """What a pod tells of itself, such as `metadata.name`; raises KeyError if it does not."""
    if label := _LABEL.fullmatch(path):
        return str(metadata["labels"][label[1]])
    return str(metadata[path.removeprefix("metadata.")])
