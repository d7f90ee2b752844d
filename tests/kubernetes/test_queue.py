"""Runs that wait in a queue of Kueue's for their share of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster_pictures import put, remove
from tests.support.commands import run, until
from tests.support.kubernetes import SCRIPTS, Farm, Kubernetes, Manifest, apply, delete

QUEUE = "dreams"
ROOM = {"cpu": "800m", "memory": "16Gi"}
"""For one of the two runs at a time, with its worker."""
SETTINGS = {"threads": 1, "memory": "1GiB", "iterations": 4, "octaves": 1, "workers": "1:1"}


def schedule(name: str, **more: Any) -> Manifest:
    places = {"source": "s3://pictures/queue/", "destination": f"s3://dreams/queue-{name}/"}
    started = {"schedule": "0 0 1 1 *", "suspend": True, "runOn": "rayJob", "queue": QUEUE}
    return {"name": name, **started, **places, **more}


def queue(namespace: str) -> list[Manifest]:
    """What Kueue is told of the cluster: one queue, with so much room."""
    quotas = [{"name": name, "nominalQuota": room} for name, room in ROOM.items()]
    flavors = {"coveredResources": list(ROOM), "flavors": [{"name": "any", "resources": quotas}]}
    kueue = "kueue.x-k8s.io/v1beta2"
    return [
        {"apiVersion": kueue, "kind": "ResourceFlavor", "metadata": {"name": "any"}},
        {
            "apiVersion": kueue,
            "kind": "ClusterQueue",
            "metadata": {"name": QUEUE},
            "spec": {"namespaceSelector": {}, "resourceGroups": [flavors]},
        },
        {
            "apiVersion": kueue,
            "kind": "LocalQueue",
            "metadata": {"name": QUEUE, "namespace": namespace},
            "spec": {"clusterQueue": QUEUE},
        },
    ]


@pytest.fixture(scope="module")
def farm(kubernetes: Kubernetes) -> Iterator[Farm]:
    """The schedules alone, whose runs have clusters of their own."""
    if "kueue-system" not in run("kubectl", "get", "namespaces", "--output=name").stdout:
        run(str(SCRIPTS / "kueue"), timeout=360)
    put(kubernetes.buckets / "pictures" / "queue", "one.png")
    for name in ("elastic", "fixed"):
        remove(kubernetes.buckets / "dreams" / f"queue-{name}")
    values = {
        "cluster": {"enabled": False},
        "scheduleDefaults": {"settings": SETTINGS},
        "schedules": [schedule("elastic", elastic=True), schedule("fixed", replicas={"cpu": 1})],
    }
    with Farm(kubernetes, "queue", values) as farm:
        ours = queue(farm.namespace)
        apply(*ours)
        farm.install()
        yield farm
        delete(*ours)


@pytest.fixture(scope="module")
def jobs(farm: Farm) -> dict[str, Manifest]:
    """The RayJobs of both runs: an elastic one, and one that came when that had the room."""
    farm.start_schedule("elastic", "elastic-now")
    until("the elastic run", 120, lambda: state(farm, "elastic-now") == "Running")
    farm.start_schedule("fixed", "fixed-now")
    until("the other run's wait", 120, lambda: state(farm, "fixed-now") == "Suspended")
    for name in ("elastic-now", "fixed-now"):
        assert farm.wait_for_job(name) == 0, farm.job_log(name)
    return {name: farm.get("rayjob", f"{name}-ray") for name in ("elastic-now", "fixed-now")}


def state(farm: Farm, name: str) -> str | None:
    """How the RayJob of a run stands with KubeRay, None before there is one."""
    jobs = {job["metadata"]["name"]: job for job in farm.get("rayjobs")}
    found: str | None = jobs.get(f"{name}-ray", {}).get("status", {}).get("jobDeploymentStatus")
    return found


def test_a_run_waits_for_the_end_of_the_one_that_has_the_room(jobs: dict[str, Manifest]) -> None:
    """It is told its worker's room at once, with the head's."""
    ended = jobs["elastic-now"]["status"]["endTime"]
    assert jobs["fixed-now"]["status"]["startTime"] >= ended


def test_an_elastic_run_asks_for_its_worker_when_it_needs_it(
    farm: Farm, jobs: dict[str, Manifest]
) -> None:
    """The head has no processor for dreams: a worker came from none, by a second request."""
    marks = [
        name for load in farm.get("workloads") for name in load["metadata"].get("annotations", {})
    ]
    assert "kueue.x-k8s.io/workload-slice-replacement-for" in marks
    assert "1 of 1 picture dreamt" in farm.job_log("elastic-now-ray")
    spec = jobs["elastic-now"]["spec"]["rayClusterSpec"]
    assert [group["minReplicas"] for group in spec["workerGroupSpecs"]] == [0]
