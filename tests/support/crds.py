"""KubeRay's definitions of its kinds, of each version that is to be had.

Those of 1.7 lie beside a checkout of the project, those of 1.6.1 in the operator's source, which Go
has fetched.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.places import SHARED

OPERATOR = "github.com/ray-project/kuberay/ray-operator@v1.6.1"


def check_kuberay_takes(manifest: dict[str, Any]) -> None:
    """Whether each KubeRay takes it; the test is skipped where no definitions are to be had."""
    schemas = kuberay_schemas(manifest["kind"])
    if not schemas:
        pytest.skip(
            "needs KubeRay's definitions, beside a checkout of the project or in Go's cache"
        )
    for schema in schemas:
        schema.validate(manifest)


@functools.cache
def kuberay_schemas(kind: str) -> list[jsonschema.Draft202012Validator]:
    """What they know of a kind; anything else is an error, where Kubernetes would drop it."""
    schemas = []
    for folder in (SHARED / "crds", go_modules() / OPERATOR / "config" / "crd" / "bases"):
        path = folder / f"ray.io_{kind.lower()}s.yaml"
        if path.is_file():
            definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
            (version,) = [v for v in definition["spec"]["versions"] if v["name"] == "v1"]
            schema = version["schema"]["openAPIV3Schema"]
            schema["properties"]["metadata"] = {"x-kubernetes-preserve-unknown-fields": True}
            schemas.append(jsonschema.Draft202012Validator(_strict(schema)))
    return schemas


def go_modules() -> Path:
    """Where Go keeps the source of modules."""
    if shutil.which("go") is None:
        return Path("no-go")
    command = ["go", "env", "GOMODCACHE"]
    return Path(subprocess.run(command, capture_output=True, text=True).stdout.strip())


def _strict(schema: Any) -> Any:
    """The same schema, in which unknown properties are refused."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(part) for name, part in schema.items()}
    open_to_all = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not open_to_all:
        made.setdefault("additionalProperties", False)
    return made
