"""A picture in step on workers of two nodes, from which pods, nodes and the head go away.

Whatever is lost, the bytes are those of one process on this machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkpoints import checkpoint_of
from tests.support.cluster_pictures import put, remove
from tests.support.commands import Lines, run, until
from tests.support.kubernetes import LENT, VALUES, Farm, Kubernetes, Pod

NODE = "node3"
PICTURE = "losses.png"
SETTINGS = {
    "weights": "bestiary",
    "layer": "mixed2=1",
    "max-loss": "none",
    "octaves": 2,
    "octave-scale": 2.0,
    "iterations": 40,
    "tile": 96,
    "threads": 1,
}
LONGER = {**SETTINGS, "iterations": 80}
"""So that a node can be drained in the last octave."""
LAST_OCTAVE = "octave 2/2: "
GIVEN_UP_SECONDS = 60
"""In which a lost node is noticed on a busy machine: 5 to 6 s on others, as operations.md says."""


def values() -> dict[str, Any]:
    """A group of one worker on each of two nodes, of which one will be lost."""
    group = {**VALUES["workerGroups"][0], "minReplicas": 1, "maxReplicas": 1}
    there = "kubernetes.io/hostname"
    lent = [{"key": LENT, "operator": "Exists"}]
    return {
        "workerGroups": [
            {**group, "name": "lasting", "nodeSelector": {there: "node2"}},
            {**group, "name": "spot", "nodeSelector": {there: NODE}, "tolerations": lent},
        ],
        "schedules": [
            {
                "name": "huge",
                "schedule": "0 0 1 1 *",
                "suspend": True,
                "command": "render",
                "source": f"s3://pictures/{PICTURE}",
                "destination": "s3://dreams/losses-head.png",
                "settings": {**LONGER, "wait": 300},
            }
        ],
    }


@dataclass
class Picture:
    """One picture, dreamt by the farm and by a process beside it."""

    buckets: Path
    alone: subprocess.Popen[bytes]
    expected: Path

    def digest(self) -> str:
        """That of the one process' result."""
        assert self.alone.wait(600) == 0
        return sha256(self.expected.read_bytes()).hexdigest()

    def digest_of(self, result: str) -> str:
        """That of a result of the farm's."""
        return sha256((self.buckets / "dreams" / result).read_bytes()).hexdigest()


def options(settings: dict[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]


@contextmanager
def dreamt_alone(buckets: Path, folder: Path, settings: dict[str, Any]) -> Iterator[Picture]:
    """The picture, which one process here begins to dream."""
    source, expected = buckets / "pictures" / PICTURE, folder / "expected.png"
    command = [sys.executable, "-m", "dreamray", "render", str(source), str(expected)]
    with subprocess.Popen([*command, *options(settings)]) as alone:
        try:
            yield Picture(buckets, alone, expected)
        finally:
            alone.kill()


@pytest.fixture(scope="module")
def picture(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Picture]:
    for earlier in (kubernetes.buckets / "dreams").glob("losses-*.png"):
        remove(earlier)
    put(kubernetes.buckets / "pictures", PICTURE, size=(240, 180))
    with dreamt_alone(kubernetes.buckets, tmp_path_factory.mktemp("alone"), SETTINGS) as picture:
        yield picture


@pytest.fixture(scope="module")
def farm(kubernetes: Kubernetes, picture: Picture) -> Iterator[Farm]:
    """The farm, with its worker on each node."""
    farm = Farm(kubernetes, "losses", values())
    with kubernetes.another_node(NODE), farm:
        farm.install()
        yield farm


def workers(farm: Farm) -> dict[str, Pod]:
    """The two workers by their nodes, when both are ready."""
    return {pod.node: pod for pod in farm.workers(2)}


def render(farm: Farm, result: str) -> list[str]:
    places = [f"s3://pictures/{PICTURE}", f"s3://dreams/{result}"]
    return ["render", *places, *options(SETTINGS), "--workers=2:2", "--wait=300"]


def test_a_worker_that_is_killed_does_not_change_the_bytes(
    kubernetes: Kubernetes, farm: Farm, picture: Picture, record_property: Any
) -> None:
    """As for its memory, unheard; under the policies, on two nodes in step.

    Who deletes a pod, with force too, has it end by SIGTERM, which Ray takes for notice.
    """
    there = workers(farm)
    assert set(there) == {"node2", NODE}
    with farm.submitting(*render(farm, "losses-killed.png")) as job:
        log = Lines(job)
        log.read_until(LAST_OCTAVE)
        assert "2 workers, " in log.said
        (container,) = there[NODE].manifest["status"]["containerStatuses"]
        task = container["containerID"].removeprefix("containerd://")
        kill = ["tasks", "kill", "--signal=SIGKILL", task]
        kubernetes.node(NODE, "ctr", "--namespace=k8s.io", *kill)
        log.read_until("1 of 2 workers got lost; going on from the last checkpoint")
        assert log.finish() == 0, log.said
    assert "Traceback" not in log.said
    found = picture.digest_of("losses-killed.png")
    record_property("sha256", found)
    assert found == picture.digest()


@contextmanager
def drained() -> Iterator[None]:
    """The node is drained, and gets pods again when that is over."""
    drain = ["kubectl", "drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data"]
    try:
        with subprocess.Popen([*drain, "--force", "--timeout=180s"]) as draining:
            yield
            assert draining.wait(180) == 0
    finally:
        run("kubectl", "uncordon", NODE)


def test_a_scheduled_run_outlives_a_drained_node_and_the_head(
    kubernetes: Kubernetes, farm: Farm, tmp_path: Path
) -> None:
    """The node is left in time; without its head the run is submitted again, and goes on."""
    workers(farm)
    before = farm.head()
    farm.start_schedule("huge", "head-lost")
    with farm.following("head-lost") as log:
        log.read_until(LAST_OCTAVE)
        with drained():
            log.read_until("a node is about to leave: going on without it")
            work = kubernetes.buckets / "dreams" / ".dreamray"
            until(
                "the checkpoint of the leave",
                60,
                lambda: checkpoint_of(work, "losses-head.png")["step"],
            )
            farm.kubectl("delete", "pod", before.name, "--force", "--grace-period=0")
            deleted = time.monotonic()
            log.read_until("the cluster was started anew and has forgotten head-lost")
            print(f"submitted again {time.monotonic() - deleted:.0f} s after the head's end")
            log.read_until("going on from octave 2, step ")
        log.finish()
    assert "got lost" not in log.said.partition("forgotten")[0]
    assert farm.wait_for_job("head-lost") == 0, log.said
    with dreamt_alone(kubernetes.buckets, tmp_path, LONGER) as picture:
        assert picture.digest_of("losses-head.png") == picture.digest()


def test_a_node_that_is_lost_does_not_change_the_bytes(
    kubernetes: Kubernetes, farm: Farm, picture: Picture
) -> None:
    """Kubelet and containers are gone at once; nobody has said that they would."""
    workers(farm)
    with farm.submitting(*render(farm, "losses-node.png")) as job:
        log = Lines(job)
        log.read_until(LAST_OCTAVE)
        assert "2 workers, " in log.said
        kubernetes.lose_node(NODE)
        log.read_until("1 of 2 workers got lost", GIVEN_UP_SECONDS)
        assert log.finish() == 0, log.said
    assert picture.digest_of("losses-node.png") == picture.digest()
    until(f"the loss of {NODE}", 120, lambda: node_is_lost(NODE))


def node_is_lost(name: str) -> bool:
    """Whether Kubernetes knows it, too."""
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    where = ["kubectl", "get", f"node/{name}", f"--output=jsonpath={condition}"]
    return run(*where).stdout == "Unknown"
