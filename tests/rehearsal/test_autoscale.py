"""Sets on the chart's worker groups: Ray's own autoscaler brings nodes up and lets them go."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
from PIL import Image

from dreamray.bulk.ray_executor import RayTaskExecutor
from dreamray.farm.pool import WorkerHandle
from tests.support import chart, namespaces
from tests.support.autoscaling import Autoscaling, Groups, Moment
from tests.support.hosts import Host, Hosts, hosts_unavailable
from tests.support.places import PROJECT
from tests.support.ray_cluster import plain_dreamray

pytestmark = pytest.mark.ray

SMALL = 16
PACE = 8
"""Of an engine in NumPy: a small picture takes a second, the last one some."""
SETTINGS = {
    "layer": ["mixed0=1"],
    "octaves": 2,
    "iterations": 10,
    "weights": "random",
    "no-report": True,
}

GROUPS = [
    chart.group("spot", spot="gke", gpu={"type": "nvidia-l4"}, maxReplicas=2),
    chart.group("cpu", gpu={"count": 0}, maxReplicas=2),
]


def values(**more: Any) -> dict[str, Any]:
    """Of a farm with spot nodes that have a GPU, and others without; idle ones go soon."""
    return {"autoscaler": {"idleTimeoutSeconds": 2}, "workerGroups": GROUPS, **more}


def groups(*entries: dict[str, Any], **more: Any) -> Groups:
    return Groups.of(chart.render(values(workerGroups=[*entries], **more)).one("RayCluster"))


def test_worker_groups_become_the_node_types_that_their_pods_are() -> None:
    """Processors, GPUs, memory and limits are those of pods and groups, as KubeRay reads them."""
    found = groups(*GROUPS, chart.group("warm", gpu={"count": 8}, minReplicas=1, maxReplicas=3))
    size = {"CPU": 4, "memory": 16 * 2**30}
    assert {name: one["resources"] for name, one in found.node_types.items()} == {
        "spot": {**size, "GPU": 1},
        "cpu": {**size, "GPU": 0},
        "warm": {**size, "GPU": 8},
    }
    limits = {n: (one["min_workers"], one["max_workers"]) for n, one in found.node_types.items()}
    assert limits == {"spot": (0, 2), "cpu": (0, 2), "warm": (1, 3)}


def test_groups_of_the_default_values_keep_no_node() -> None:
    """The chart as it is installed has an idle time, and nothing that stays up."""
    found = Groups.of(chart.render().one("RayCluster"))
    assert found.idle_seconds == 120
    assert {one["min_workers"] for one in found.node_types.values()} == {0}


def test_a_group_may_have_an_idle_time_of_its_own() -> None:
    """Without one it is that of the autoscaler."""
    found = groups(chart.group("slow", idleTimeoutSeconds=90), chart.group("quick"))
    assert found.idle_seconds == 2
    idle = [found.node_types[name].get("idle_timeout_s") for name in ("slow", "quick")]
    assert idle == [90, None]


def test_a_size_of_its_own_is_that_of_the_node() -> None:
    """A limit goes over a request, and parts of a processor count as a whole one."""
    resources = {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "2500m", "memory": "3Gi"},
    }
    found = groups(chart.group("big", resources=resources, gpu={"count": 2}))
    assert found.node_types["big"]["resources"] == {"CPU": 3, "GPU": 2, "memory": 3 * 2**30}


class Farm:
    """A head on a host, and folders with pictures that all nodes reach."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self._folder = folder
        self.pictures = folder / "pictures"
        self.pictures.mkdir()

    def paint(self, name: str, side: int) -> None:
        """A picture of noise, of so many pixels a side."""
        random = np.random.default_rng(side)
        pixels = random.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(self.pictures / f"{name}.png")

    def manifests(self, **settings: Any) -> chart.Manifests:
        """With a schedule that dreams the pictures into the folder `dreams`."""
        run = chart.schedule(
            source=str(self.pictures),
            destination=str(self._folder / "dreams"),
            settings={**SETTINGS, **settings},
        )
        mount = {"name": "pictures", "mountPath": str(self._folder)}
        return chart.render(
            values(
                schedules=[run],
                extraVolumes=[{"name": "pictures", "emptyDir": {}}],
                extraVolumeMounts=[mount],
            )
        )

    def done(self) -> set[str]:
        """Names of the pictures that are finished."""
        return {path.stem for path in (self._folder / "dreams").glob("*.png")}

    def run(self, manifests: chart.Manifests) -> subprocess.Popen[str]:
        """Start what the schedule's pod would submit to the head."""
        arguments = manifests.pod("CronJob").container["args"]
        command = arguments[arguments.index("--") + 1 :]
        assert command[0] == "dreamray"
        command = [*plain_dreamray(PACE), *command[1:]]
        pipe = subprocess.PIPE
        return self.host.popen(
            command, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=PROJECT
        )

    def workers(self) -> list[psutil.Process]:
        """Processes that dream."""
        found = self.host.processes()
        return [p for p in found if (namespaces.name_of(p) or "").startswith("ray::NodeTaskRunner")]


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    if reason := hosts_unavailable():
        pytest.skip(reason)
    with Hosts(1) as hosts:
        hosts.environment["PYTHONPATH"] = str(PROJECT)
        yield Farm(hosts[0], tmp_path)


def test_a_set_brings_up_the_nodes_it_needs_and_lets_them_go(farm: Farm) -> None:
    """None to all of the GPU group, one less before the last picture, and back to none.

    The last picture is held up until a node has gone, so that this is no matter of speed. One
    more picture, without a GPU, then brings up one node of the other group.
    """
    for number in range(SMALL):
        farm.paint(f"small-{number:02}", 75 + number)
    farm.paint("the-last", 220)
    with_gpus = farm.manifests(**{"gpus-per-worker": 1})
    node_types = Groups.of(with_gpus.one("RayCluster"))
    with Autoscaling(farm.host, groups=node_types, note=lambda: len(farm.done())) as scaling:
        run = farm.run(with_gpus)
        scaling.wait_for_nodes(2, timeout=120)
        wait_until(lambda: len(farm.done()) == SMALL, run)
        wait_until(lambda: len(farm.workers()) == 1, run)
        (worker,) = farm.workers()
        worker.suspend()
        assert "the-last" not in farm.done()
        scaling.wait_for_nodes(1, timeout=120)
        worker.resume()
        succeed(run)
        assert len(farm.done()) == SMALL + 1
        scaling.wait_for_nodes(0, timeout=120)
        first = scaling.timeline()

        farm.paint("without-a-gpu", 75)
        succeed(farm.run(farm.manifests(**{"gpus-per-worker": 0})))
        assert len(farm.done()) == SMALL + 2
        scaling.wait_for_nodes(0, timeout=120)
        second = scaling.timeline()[len(first) :]

    print("", *(f"{moment} pictures done" for moment in [*first, *second]), sep="\n")
    assert first[0].nodes == 0
    assert types(first) == {"spot"}
    assert max(moment.nodes for moment in first) == 2  # The run may have 4 workers.
    assert [(moment.nodes, moment.noted) for moment in first[-2:]] == [(1, SMALL), (0, SMALL + 1)]
    assert types(second) == {"cpu"}
    assert [moment.nodes for moment in second] == [1, 0]


def types(moments: list[Moment]) -> set[str]:
    """All that there were at some time."""
    return {name for moment in moments for name in moment.types}


def succeed(run: subprocess.Popen[str]) -> None:
    """Wait for its end; the test fails, with what it says, if that is no good one."""
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said


def wait_until(holds: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    """Return when it holds; the test fails, with what the run says, if that ends before."""
    while not holds():
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.1)


class StubPool:
    """In place of the workers of a cluster: those that are ready, and how many may still come."""

    def __init__(self, *ready: WorkerHandle, coming: int) -> None:
        self._ready = ready
        self.coming = coming

    def ready(self) -> list[WorkerHandle]:
        return [*self._ready]

    def note_given(self, workers: Iterable[WorkerHandle]) -> None:
        """They have something to do; that is nobody's matter here."""


def hands(*ready: WorkerHandle, coming: int) -> RayTaskExecutor:
    """With room for three tasks each."""
    return RayTaskExecutor(StubPool(*ready, coming=coming), 3, Mock())


def member(number: int) -> WorkerHandle:
    """A worker whose calls give refs that are told apart."""
    actor = Mock()
    actor.make.remote.side_effect = lambda task: object()
    return WorkerHandle(number, actor, None, None, None)


def handed_out(to: RayTaskExecutor, tasks: int) -> int:
    """How many of so many tasks find a worker."""
    to.expect(tasks)
    return [to.submit(Mock()) for _ in range(tasks)].count(True)


def test_a_small_set_waits_for_the_workers_that_are_still_to_come() -> None:
    """The first node to be up does not take all: a picture is left for each of the others."""
    first = member(1)
    waiting = hands(first, coming=2)
    assert handed_out(waiting, 3) == 1
    assert handed_out(waiting, 2) == 0
    assert first.actor.make.remote.call_count == 1


def test_with_more_than_one_picture_for_each_to_come_workers_look_ahead() -> None:
    """While one is dreamt, the next ones are fetched: as many as there is room for."""
    assert handed_out(hands(member(1), coming=2), 50) == 3
    assert handed_out(hands(member(1), member(2), coming=0), 50) == 6


def test_nobody_else_to_come_means_nobody_to_wait_for() -> None:
    """The ready ones share a small set."""
    one, other = member(1), member(2)
    assert handed_out(hands(one, other, coming=0), 4) == 4
    assert one.actor.make.remote.call_count == other.actor.make.remote.call_count == 2
