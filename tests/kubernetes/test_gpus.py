"""A farm of processors and of GPUs, which are pretended: numbers to Kubernetes and to Ray."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster_pictures import put, remove
from tests.support.commands import until
from tests.support.kubernetes import VALUES, Farm, Kubernetes, Pod

NODE, PRODUCT = "node2", "NVIDIA-L4"
GROUP = "--selector=ray.io/node-type=worker"
GONE_SECONDS = 120


def schedule(name: str, gpus: int) -> dict[str, Any]:
    """A set of more pictures than there are workers, begun by hand."""
    return {
        "name": name,
        "schedule": "0 0 1 1 *",
        "suspend": True,
        "source": "s3://pictures/gpus/",
        "destination": f"s3://dreams/gpus-{name}/",
        "settings": {
            "gpus-per-worker": gpus,
            "layer": "mixed0=1",
            "octaves": 1,
            "iterations": 2,
            "threads": 1,
            "no-report": True,
        },
    }


def values() -> dict[str, Any]:
    """A group without GPUs, and one of a type that one node has."""
    group = {**VALUES["workerGroups"][0], "maxReplicas": 1}
    return {
        "autoscaler": {**VALUES["autoscaler"], "idleTimeoutSeconds": 10},
        "workerGroups": [
            {**group, "name": "cpu"},
            {**group, "name": "l4", "gpu": {"count": 1, "type": PRODUCT}},
        ],
        "schedules": [schedule("processors", 0), schedule("graphics", 1)],
    }


@pytest.fixture(scope="module")
def farm(kubernetes: Kubernetes) -> Iterator[Farm]:
    """The farm, with pictures."""
    folder = kubernetes.buckets / "pictures" / "gpus"
    for name in ("processors", "graphics"):  # Of an earlier run in the same cluster.
        remove(kubernetes.buckets / "dreams" / f"gpus-{name}")
    put(folder, *(f"{number}.png" for number in range(6)), size=(96, 80))
    with kubernetes.pretended_gpus(NODE, 2, PRODUCT), Farm(kubernetes, "gpus", values()) as farm:
        farm.install()
        yield farm


def pods_of_run(farm: Farm, schedule: str) -> dict[str, Pod]:
    """The workers that a run brings up, by the names of their groups."""
    earlier = {pod.name for pod in farm.pods(GROUP)}
    job = f"{schedule}-now"
    farm.start_schedule(schedule, job)
    found: dict[str, Pod] = {}

    def ended() -> bool:
        for pod in farm.pods(GROUP):
            if pod.name not in earlier:
                found[pod.labels["ray.io/group"]] = pod
        status = farm.get("job", job).get("status", {})
        return any(c["type"] in ("Complete", "Failed") for c in status.get("conditions", []))

    until(f"the end of {job}", 420, ended)
    assert farm.wait_for_job(job) == 0, farm.job_log(job)
    assert "6 of 6 pictures dreamt" in farm.job_log(job)
    return found


def test_a_run_without_gpus_brings_no_gpu_up(farm: Farm) -> None:
    """Though there are more pictures than processors: a GPU that only its processor works costs."""
    assert set(pods_of_run(farm, "processors")) == {"cpu"}


def test_a_run_with_gpus_gets_them_and_nothing_else(farm: Farm) -> None:
    """On the node that has them; they go when there is no work."""
    found = pods_of_run(farm, "graphics")
    assert set(found) == {"l4"}
    assert found["l4"].node == NODE
    (container,) = found["l4"].manifest["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    until("the end of idle workers", GONE_SECONDS, lambda: not farm.pods(GROUP))
