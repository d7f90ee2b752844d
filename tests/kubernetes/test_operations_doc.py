"""The commands of docs/operations.md as they stand there, pasted into a shell one after the other.

They are found by their headings and by a word of theirs. Values are as the page has them for a farm
without GPUs, on nodes that are small.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster_pictures import dream, files, put, remove
from tests.support.commands import run, until
from tests.support.kubernetes import CHART, IMAGE, S3_ENDPOINT, S3_KEYS, VALUES, Kubernetes
from tests.support.places import PROJECT

PAGE = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")

NAMESPACE = "dreams"

# What the image has in the place of wget. Its input ends when kubectl has attached: what is said
# before that is lost.
ASK = """
import sys, urllib.error, urllib.request
sys.stdin.read()
try:
    print("answer", urllib.request.urlopen(sys.argv[1], timeout=5).status)
except urllib.error.HTTPError as error:
    print("answer", error.code)
"""


def section(heading: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found, f"operations.md has no {heading}"
    return found[1]


def commands(heading: str, word: str) -> str:
    """The block of commands under a heading that has this word."""
    blocks = re.findall(r"(?:^    .*\n)+", section(heading), re.MULTILINE)
    (block,) = [block for block in blocks if word in block]
    return re.sub(r"^    ", "", block, flags=re.MULTILINE)


def edited(text: str, *edits: tuple[str, str]) -> str:
    """The text with parts replaced, all of which are there."""
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


class Shell:
    """A terminal in a folder: what is pasted into it finds what was set and begun before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "ASK": ASK},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.paste("set -euo pipefail\nless() { cat; }\n")

    def paste(self, text: str, *, check: bool = True, timeout: float = 600) -> str:
        """Run commands; what they say. The test fails if one of them does, unless not `check`."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        pasted = self.folder / "pasted"
        pasted.write_text(text)
        # Not from this shell's own input, which a command could read away.
        otherwise = "" if check else " || true"
        self._bash.stdin.write(f"source {pasted} < /dev/null{otherwise}; echo; echo =over=\n")
        self._bash.stdin.flush()
        timer = threading.Timer(timeout, self.close)
        timer.start()
        said = []
        for line in self._bash.stdout:
            if line == "=over=\n":
                timer.cancel()
                return "".join(said)
            said.append(line)
        timer.cancel()
        raise AssertionError(text + "".join(said))

    def close(self) -> None:
        """End it, and what runs in the background."""
        os.killpg(self._bash.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def shell(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell where the page's commands are, with a kubeconfig and values of its own."""
    root = tmp_path_factory.mktemp("project")
    (root / "helm").mkdir()
    (root / "helm" / "dreamray").symlink_to(CHART)
    put(root / "examples", "lake.png")
    shutil.copy(os.environ["KUBECONFIG"], root / "kubeconfig")
    (schedules,) = re.findall(
        r"^```yaml\n(schedules:\n  - name: nightly.*?)^```", PAGE, re.M | re.S
    )
    # Ray is told of more processors than a node of this machine has.
    resources = {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": 4, "memory": "3Gi"},
    }
    group = {**VALUES["workerGroups"][0], "resources": resources}
    values = {**VALUES, "workerGroups": [group], **yaml.safe_load(schedules)}
    (root / "my-values.yaml").write_text(json.dumps(values))
    put(kubernetes.buckets / "pictures" / "new", "one.png", "two.png")
    put(kubernetes.buckets / "pictures", "huge.tif")
    for name in ("new", "huge_files"):
        remove(kubernetes.buckets / "dreams" / name)
    shell = Shell(root)
    yield shell
    shell.close()
    run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def installed(shell: Shell) -> str:
    """The farm; what its own test has said."""
    (key, one), (secret, other) = S3_KEYS.items()
    account = edited(
        commands("Install", "create secret generic"),
        (f"{key}=…", f"{key}={one}"),
        (f"{secret}=…", f"{secret}={other}"),
    )
    shell.paste(account)
    shell.paste(commands("Pods", "pod-security"))
    shell.paste(commands("Install", "helm install"))
    return shell.paste(commands("Install", "helm test"), timeout=900)


def without_gpus(heading: str, job: str, workers: str) -> str:
    """The commands that submit a job, for processors, with so many workers."""
    text = edited(commands(heading, f"--submission-id={job}"), ("--gpus-per-worker=1 ", ""))
    return re.sub(r"--workers=\S+", f"--workers={workers}", text)


@pytest.fixture(scope="module")
def first(shell: Shell, installed: str) -> str:
    """The first job's log, in a shell that reaches the job server."""
    return shell.paste(without_gpus("The first job", "first", "1:8"))


def test_the_farm_is_installed_and_tests_itself(installed: str) -> None:
    """By a dream as a job, and a short check."""
    assert "/tmp/dream.png: 96x96" in installed
    assert "promises hold" in installed


def test_the_first_job(shell: Shell, first: str, kubernetes: Kubernetes, tmp_path: Path) -> None:
    """It dreams its set, with a report beside it, and is asked for by its name."""
    assert "2 of 2 pictures dreamt" in first
    assert "first' succeeded" in first
    buckets = kubernetes.buckets
    found = files(buckets / "dreams" / "new", "???.png")
    assert (buckets / "dreams" / "new" / "index.html").is_file()
    dream("bulk", buckets / "pictures" / "new", tmp_path, "--memory=20GiB", "--threads=4")
    assert files(tmp_path, "???.png") == found
    assert len(found) == 2
    logs, status, stop = re.findall(r"`(ray job \w+ .*?first)`", section("The first job"))
    assert "2 of 2 pictures dreamt" in shell.paste(logs)
    assert "SUCCEEDED" in shell.paste(status).upper()
    assert "first" in shell.paste(stop)


def test_one_huge_picture(shell: Shell, first: str, kubernetes: Kubernetes) -> None:
    said = shell.paste(without_gpus("The first job", "huge", "1:2"))
    assert "huge' succeeded" in said
    assert (kubernetes.buckets / "dreams" / "huge.dzi").is_file()


def test_a_picture_that_comes_with_the_job(shell: Shell, first: str) -> None:
    """The part of the page's first trial that comes after the install."""
    lines = commands("Try it", "--working-dir").splitlines(keepends=True)
    begin = next(i for i, line in enumerate(lines) if "--working-dir" in line)
    shell.paste("".join(line for line in lines[begin:] if "uninstall" not in line))
    assert (shell.folder / "lake-dream.png").read_bytes().startswith(b"\x89PNG")


def test_a_schedule_is_looked_at_and_started(shell: Shell, first: str) -> None:
    """With the settings of the page: it dreams the set of the first job anew."""
    said = shell.paste(commands("Schedules", "--from=cronjob"))
    assert "dreamray-nightly" in said
    assert "2 of 2 pictures dreamt" in said
    assert "nightly-now succeeded" in said


def test_what_the_autoscaler_does_is_seen(shell: Shell, first: str) -> None:
    said = shell.paste(commands("Autoscaling", "ray status"))
    assert "Total Usage" in said
    assert "dreamray-head" in said


def test_nobody_else_reaches_the_job_server(shell: Shell, installed: str) -> None:
    """The probe ends without an answer; the same one has an answer from what it may reach."""
    probe = edited(
        commands("What is open to whom", "run probe"),
        ("busybox:1.37", IMAGE),
        ("wget -T 5 -q -O -", 'python -c "$ASK"'),
    )
    said = shell.paste(probe, check=False)
    assert "timed out" in said
    assert "answer" not in said
    (url,) = re.findall(r"http://\S+", probe)
    assert "answer 403" in shell.paste(probe.replace(url, S3_ENDPOINT))


def test_an_upgrade(shell: Shell, first: str) -> None:
    """That of the page, though the autoscaler has changed the cluster."""
    upgrade, test = commands("Upgrades", "helm upgrade").splitlines()
    assert "has been upgraded" in shell.paste(upgrade)
    assert test in commands("Install", "helm test").splitlines()


def test_an_uninstall(shell: Shell, first: str) -> None:
    """Last of all: nothing is left but what the page names."""
    said = shell.paste(commands("Uninstall", "helm uninstall"))
    assert "'first'" in said
    kinds = "service,secret,networkpolicy,raycluster,rayjob,cronjob,job,role,rolebinding,pvc"

    def left() -> list[str]:
        return shell.paste(f"kubectl get {kinds} --output=name").split()

    until("the end of it", 120, lambda: left() == ["secret/s3-account"])
