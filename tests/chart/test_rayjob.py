"""The chart's program that makes a RayJob and waits for it, against a stand-in for Kubernetes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.kube_store import TOKEN, KubernetesApi
from tests.support import chart

PROJECT = Path(__file__).parents[2]
JOBS = "/apis/ray.io/v1/namespaces/dreams/rayjobs"
RUN = f"{JOBS}/farm-own-28"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubernetesApi]:
    with KubernetesApi(tmp_path) as running:
        (tmp_path / "namespace").write_text("dreams")
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        manifest = chart.render(chart.VALUE_SETS["schedules"]).one("RayJob")
        (tmp_path / "rayjob.json").write_text(json.dumps(manifest))
        yield running


def launch(api: KubernetesApi, *options: str) -> subprocess.CompletedProcess[str]:
    with launched(api, *options) as launcher:
        said, complaints = launcher.communicate(timeout=60)
    return subprocess.CompletedProcess(launcher.args, launcher.returncode, said, complaints)


def launched(api: KubernetesApi, *options: str) -> subprocess.Popen[str]:
    folder = api.certificate.parent
    command = [sys.executable, "-m", "dreamray.farm.rayjob"]
    command.append(f"--manifest={folder / 'rayjob.json'}")
    command += ["--name=farm-own-28", "--owner-job=farm-own-28", "--owner-uid=7", "--poll=0.05"]
    environment = {
        **os.environ,
        "SERVICE_ACCOUNT": str(folder),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(api.port),
    }
    return subprocess.Popen(
        [*command, *options],
        cwd=PROJECT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def course(api: KubernetesApi, *statuses: dict[str, str] | None) -> None:
    """The states that the RayJob goes through, one at each look; None: it is gone."""
    left = list(statuses)

    def look(method: str, path: str) -> Any:
        if (method, path) != ("GET", RUN):
            return None
        status = left.pop(0) if len(left) > 1 else left[0]
        return (200, {"status": status}) if status is not None else (404, {"message": "gone"})

    api.on_request = look


RUNNING = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
SUCCEEDED = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}


def test_a_run_that_succeeds_succeeds(api: KubernetesApi) -> None:
    course(api, {}, {"jobDeploymentStatus": "Initializing"}, RUNNING, RUNNING, SUCCEEDED)
    done = launch(api)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "made RayJob farm-own-28",
        "RayJob farm-own-28:",
        "RayJob farm-own-28: Initializing",
        "RayJob farm-own-28: Running RUNNING",
        "RayJob farm-own-28: Complete SUCCEEDED",
    ]
    made = api.objects[RUN]
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", "farm-own-28", "7")
    assert "dreamray" in made["spec"]["entrypoint"]


@pytest.mark.parametrize(
    "status",
    [
        {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": "exit code 1"},
        {"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"},
        {"jobDeploymentStatus": "Failed", "jobStatus": "", "message": "DeadlineExceeded"},
        {"jobDeploymentStatus": "ValidationFailed", "message": "no such name"},
        None,
    ],
    ids=str,
)
def test_a_run_that_does_not_succeed_fails(
    api: KubernetesApi, status: dict[str, str] | None
) -> None:
    course(api, RUNNING, status)
    done = launch(api)
    assert done.returncode == 1
    assert (status or {}).get("message", "") in done.stdout


def test_started_again_it_waits_for_the_run_that_is_there(api: KubernetesApi) -> None:
    api.objects[RUN] = {"metadata": {"name": "farm-own-28"}}
    course(api, RUNNING, SUCCEEDED)
    done = launch(api)
    assert done.returncode == 0
    assert "made" not in done.stdout


def test_what_kubernetes_refuses_is_told_and_not_tried_again(api: KubernetesApi) -> None:
    api.on_request = lambda method, path: (403, {"message": "rayjobs is forbidden"})
    done = launch(api)
    assert done.returncode == 2
    assert "rayjobs is forbidden" in done.stdout
    assert len(api.requests) == 1


def test_trouble_passes_and_an_api_out_of_reach_is_worth_another_attempt(
    api: KubernetesApi,
) -> None:
    troubled = 3

    def trouble(method: str, path: str) -> Any:
        nonlocal troubled
        troubled -= 1
        return (503, {"message": "later"}) if troubled > 0 else None

    api.on_request = trouble
    api.objects[RUN] = {"metadata": {"name": "farm-own-28"}, "status": SUCCEEDED}
    assert launch(api).returncode == 0
    api.on_request = lambda method, path: (503, {"message": "later"})
    assert launch(api, "--patience=0.2").returncode == 75


def test_told_to_end_it_does(api: KubernetesApi) -> None:
    """As PID 1 of its container it is told only if it has a handler: so it has one."""
    asked = threading.Event()

    def look(method: str, path: str) -> Any:
        asked.set()
        return (200, {"status": RUNNING})

    api.on_request = look
    with launched(api) as launcher:
        assert asked.wait(60)
        launcher.terminate()
        _, said = launcher.communicate(timeout=10)
    assert launcher.returncode == 143
    assert said == "told to end; RayJob farm-own-28 goes as its Job does\n"


def test_only_the_clusters_own_certificate_is_trusted(api: KubernetesApi, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with KubernetesApi(other):
        api.certificate.write_text((other / "ca.crt").read_text())
    done = launch(api, "--patience=0.1")
    assert done.returncode == 75
    assert "certificate verify failed" in done.stdout
    assert not api.requests


@pytest.mark.parametrize("missing", ["rayjob.json", "namespace", "ca.crt"])
def test_a_pod_that_lacks_something_says_what(api: KubernetesApi, missing: str) -> None:
    (api.certificate.parent / missing).unlink()
    done = launch(api)
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    assert str(api.certificate.parent) in line
    assert "; " in line
    assert not done.stderr
