"""The image that cluster/Dockerfile makes, unchanged, and what runs in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.commands import run
from tests.support.kubernetes import IMAGE, Farm, Kubernetes, Pod

SECRET = re.compile(r"(?i)(secret|token|password|access_key)")


@pytest.fixture(scope="module")
def config(kubernetes: Kubernetes) -> dict[str, Any]:
    """What the image says of itself."""
    found = json.loads(run("buildah", "inspect", "--type", "image", IMAGE).stdout)
    config: dict[str, Any] = found["OCIv1"]["config"]
    return config


@pytest.fixture(scope="module")
def pod(kubernetes: Kubernetes) -> Iterator[Pod]:
    """A pod that only sleeps in it, with nothing to write to."""
    farm = Farm(kubernetes, "image")
    with farm, farm.stranger(farm.namespace) as pod:
        yield pod


def test_it_ends_as_a_user_without_rights_and_runs_any_command(config: dict[str, Any]) -> None:
    assert config["User"] == "1000:1000"
    assert "Entrypoint" not in config
    assert config["Cmd"]


def test_all_that_is_written_goes_below_tmp_and_nothing_is_secret(config: dict[str, Any]) -> None:
    variables = dict(variable.split("=", 1) for variable in config["Env"])
    assert {variables[name] for name in ("HOME", "TMPDIR", "RAY_TMPDIR")} == {"/tmp"}
    assert not [name for name in (*variables, *config["Labels"]) if SECRET.search(name)]


@pytest.mark.parametrize(
    "command",
    [
        "dreamray --version && dreamray layers && ray --version",
        "bash -lc 'ray --version && dreamray --version'",  # Debian sets PATH anew for it.
        "HOME=/var/empty dreamray --version",
    ],
)
def test_what_pods_run_is_there(pod: Pod, command: str) -> None:
    assert pod.exec("sh", "-c", command).stdout


def test_the_program_cannot_be_changed_by_its_user(pod: Pod) -> None:
    assert pod.exec("sh", "-c", "id -u; test -w /opt/dreamray; echo $?").stdout.split() == [
        "1000",
        "1",
    ]
