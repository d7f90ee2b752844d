"""Runs by the clock and by hand, on the farm and on clusters of their own, and how they end."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

import pytest

from tests.support.cluster_pictures import dream, files, put, remove
from tests.support.commands import run, until
from tests.support.kubernetes import VALUES, Farm, Kubernetes, Manifest

DONE, FAILED, WRONG, UNREACHABLE, REFUSED, TOO_LATE, STOPPED = 0, 1, 2, 75, 78, 124, 130

PICTURES = [f"{number:02}.png" for number in range(12)]
SETTINGS = {"threads": 1, "memory": "1GiB", "iterations": 10, "workers": "1:2"}
HERE = ["--threads=1", "--memory=1GiB", "--iterations=10"]
DEADLINE = 90
PATIENCE = 30

WORKERS = "--selector=ray.io/cluster=dreamray,ray.io/group=cpu"


def schedule(name: str, source: str, **more: Any) -> Manifest:
    """A schedule that nothing but a hand starts."""
    places = {"source": f"s3://pictures/{source}/", "destination": f"s3://dreams/{name}/"}
    return {"name": name, "schedule": "0 0 1 1 *", "suspend": True, **places, **more}


def values(*, clock: bool = False) -> Manifest:
    """The farm with its schedules; the one of each minute suspended, unless `clock`.

    For a run with four threads there is no worker: their group's pods wait for a node.
    """
    resources = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "3Gi"}}
    large = {"requests": {"cpu": "4", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    group = {"maxReplicas": 2, "gpu": {"count": 0}}
    without = {"settings": {**SETTINGS, "threads": 4}}
    return {
        "head": {"resources": {**VALUES["head"]["resources"], "limits": {"memory": "4Gi"}}},
        "workerGroups": [
            {**group, "name": "cpu", "resources": resources},
            {**group, "name": "none", "resources": large, "nodeSelector": {"pool": "none"}},
        ],
        "submitter": {**VALUES["submitter"], "patienceSeconds": PATIENCE},
        "scheduleDefaults": {"settings": SETTINGS, "retries": 1},
        "schedules": [
            schedule("clock", "clock", schedule="* * * * *", suspend=not clock),
            schedule("own", "own", runOn="rayJob", groups=["cpu"], keepSeconds=5),
            schedule("lost", "nothing", runOn="rayJob", groups=["cpu"], keepSeconds=5),
            schedule("empty", "nothing"),
            schedule("held", "clock", deadlineSeconds=DEADLINE, **without),
            schedule("rival", "clock", destination="s3://dreams/stopped/"),
            schedule("stopped", "clock", **without),
        ],
    }


@pytest.fixture(scope="module")
def farm(kubernetes: Kubernetes) -> Iterator[Farm]:
    """The farm, with its head alone."""
    pictures = kubernetes.buckets / "pictures"
    put(pictures / "clock", *PICTURES)
    put(pictures / "own", "own.png")
    for name in ("clock", "own", "held", "stopped"):
        remove(kubernetes.buckets / "dreams" / name)
    with Farm(kubernetes, "schedules", values()) as farm:
        farm.install()
        yield farm


@dataclass(frozen=True)
class Run:
    """A run by the clock, which ended with a code, and its moments in seconds of Unix time."""

    job: str
    code: int
    moments: dict[str, float]

    @property
    def timeline(self) -> str:
        """The moments in seconds from the first, in one line."""
        begun = next(iter(self.moments.values()))
        return ", ".join(f"{what} {when - begun:.0f} s" for what, when in self.moments.items())


def moment(text: str) -> float:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text).timestamp()


def by_the_clock(farm: Farm) -> list[str]:
    """Names of the Jobs that the clock has begun."""
    names = [job["metadata"]["name"] for job in farm.get("jobs")]
    return [name for name in names if name.startswith(f"{farm.name}-clock-")]


@pytest.fixture(scope="module")
def clock(farm: Farm) -> Run:
    """The first run by the clock, from before its time until its workers are gone."""
    farm.install("upgrade", values(clock=True))
    (job,) = until("a run by the clock", 90, lambda: by_the_clock(farm))
    # Nothing new begins; what runs goes on.
    farm.install("upgrade")
    workers = farm.workers(2)
    code = farm.wait_for_job(job)
    ended = time()
    # What has a head of its own, or needs no worker, does not have to wait for those to go.
    for name in ("own", "lost", "empty"):
        farm.start_schedule(name, f"{name}-now")
    farm.wait_until_gone(WORKERS)
    made = [moment(pod.manifest["metadata"]["creationTimestamp"]) for pod in workers]
    ready = [
        moment(condition["lastTransitionTime"])
        for pod in workers
        for condition in pod.manifest["status"]["conditions"]
        if condition["type"] == "Ready"
    ]
    results = farm.kubernetes.buckets / "dreams" / "clock"
    log = farm.kubectl("logs", f"job/{job}", "--timestamps")
    (submitted,) = [line.split()[0] for line in log.splitlines() if f"submitted {job}" in line]
    return Run(
        job,
        code,
        {
            "its Job": moment(farm.get("job", job)["metadata"]["creationTimestamp"]),
            "submitted": moment(submitted),
            "first pod": min(made),
            "second pod": max(made),
            "first pod ready": min(ready),
            "first picture": min(path.stat().st_mtime for path in results.glob("*.png")),
            "second pod ready": max(ready),
            "end": ended,
            "no pods": time(),
        },
    )


class TestByTheClock:
    """A run on the farm at its time."""

    def test_the_set_is_dreamt_with_the_bytes_of_one_process(
        self, farm: Farm, clock: Run, tmp_path: Path
    ) -> None:
        assert clock.code == DONE, farm.job_log(clock.job)
        assert f"{len(PICTURES)} of {len(PICTURES)} pictures dreamt" in farm.job_log(clock.job)
        buckets = farm.kubernetes.buckets
        found = files(buckets / "dreams" / "clock", "??.png")
        assert sorted(found) == PICTURES
        dream("bulk", buckets / "pictures" / "clock", tmp_path, *HERE)
        assert files(tmp_path, "??.png") == found

    def test_workers_come_up_from_none_and_go_again(self, clock: Run, record_property: Any) -> None:
        record_property("timeline", clock.timeline)
        when = clock.moments
        chain = ["its Job", "submitted", "first pod", "first pod ready", "first picture", "end"]
        times = [when[what] for what in [*chain, "no pods"]]
        assert times == sorted(times)
        assert when["second pod"] <= when["end"]

    def test_suspended_it_begins_no_other(self, farm: Farm, clock: Run) -> None:
        """The run under way went on when an upgrade suspended its schedule."""
        assert by_the_clock(farm) == [clock.job]

    def test_a_run_that_finds_nothing_new_brings_no_worker_up(self, farm: Farm, clock: Run) -> None:
        farm.start_schedule("clock", "clock-again")
        assert farm.wait_for_job("clock-again") == DONE
        assert farm.pods(WORKERS) == []


@pytest.fixture(scope="module")
def waiting(farm: Farm, clock: Run) -> None:
    """Two runs that hold their destinations, and wait for workers that do not come."""
    for name in ("held", "stopped"):
        farm.start_schedule(name, f"{name}-now")
    for name in ("held", "stopped"):
        lease = farm.kubernetes.buckets / "dreams" / name / ".dreamray" / "lease.json"
        until(f"the lease of {name}", 120, lease.exists)


class TestEnds:
    """Exit codes of runs on the farm, as operations.md has them."""

    def test_a_source_without_pictures(self, farm: Farm, clock: Run) -> None:
        assert farm.wait_for_job("empty-now") == WRONG
        assert "there are no pictures" in farm.job_log("empty-now")

    def test_a_destination_that_another_run_writes_to(self, farm: Farm, waiting: None) -> None:
        farm.start_schedule("rival", "rival-now")
        assert farm.wait_for_job("rival-now") == WRONG
        assert "is writing here" in farm.job_log("rival-now")

    def test_a_job_that_somebody_stops(self, farm: Farm, waiting: None) -> None:
        with farm.job_server() as environment:
            run("ray", "job", "stop", "stopped-now", env=environment)
        assert farm.wait_for_job("stopped-now") == STOPPED
        assert "stopped-now was stopped" in farm.job_log("stopped-now")

    def test_a_deadline_that_passes(self, farm: Farm, waiting: None) -> None:
        """The run on the farm ends with it."""
        assert farm.wait_for_job("held-now") == TOO_LATE
        assert f"held-now took more than {DEADLINE} s" in farm.job_log("held-now")
        with farm.job_server() as environment:
            status = run("ray", "job", "status", "held-now", env=environment).stdout
        assert "stopped" in status

    def test_a_name_that_an_earlier_run_had(self, farm: Farm, clock: Run) -> None:
        farm.kubectl("delete", "job", "empty-now")
        farm.start_schedule("empty", "empty-now")
        assert farm.wait_for_job("empty-now") == WRONG
        assert "an earlier run was called empty-now" in farm.job_log("empty-now")


def rights(farm: Farm, account: str) -> dict[str, str]:
    """What a service account may do with which resources, beside asking for its own rights."""
    who = f"--as=system:serviceaccount:{farm.namespace}:{account}"
    said = farm.kubectl("auth", "can-i", "--list", who)
    rows = re.findall(r"^(\S+) +\[\] +\[\] +\[(.*)\]$", said, re.M)
    assert rows
    return {resource: verbs for resource, verbs in rows if not resource.startswith("selfsubject")}


class TestClusterOfItsOwn:
    """Runs as RayJobs."""

    def test_who_makes_them_may_do_nothing_else(self, farm: Farm) -> None:
        assert rights(farm, "dreamray-launcher") == {"rayjobs.ray.io": "create get"}
        assert rights(farm, "dreamray-submitter") == rights(farm, "dreamray-worker") == {}

    def test_it_is_made_for_the_run_and_goes_with_it(
        self, farm: Farm, clock: Run, tmp_path: Path
    ) -> None:
        assert farm.wait_for_job("own-now") == DONE, farm.job_log("own-now")
        assert "RayJob own-now-ray: Complete SUCCEEDED" in farm.job_log("own-now")
        assert "1 of 1 picture dreamt" in farm.job_log("own-now-ray")
        buckets = farm.kubernetes.buckets
        dream("render", buckets / "pictures/own/own.png", tmp_path / "own.png", *HERE)
        found = buckets / "dreams" / "own" / "own.png"
        assert found.read_bytes() == (tmp_path / "own.png").read_bytes()
        cluster = farm.get("rayjob", "own-now-ray")["status"]["rayClusterName"]
        farm.wait_until_gone(f"--selector=ray.io/cluster={cluster}")
        # The RayJob stays, to be looked at, until its Job goes.
        farm.kubectl("delete", "job", "own-now")
        farm.kubectl("wait", "--for=delete", "rayjob/own-now-ray", "--timeout=60s")

    def test_a_run_that_fails(self, farm: Farm, clock: Run) -> None:
        assert farm.wait_for_job("lost-now") == FAILED
        assert "RayJob lost-now-ray: Failed FAILED" in farm.job_log("lost-now")

    def test_a_run_that_kubernetes_refuses(self, farm: Farm) -> None:
        """Such as for a quota."""
        none = "--hard=count/rayjobs.ray.io=0"
        farm.kubectl("create", "quota", "none", none)
        try:
            farm.start_schedule("own", "own-refused")
            assert farm.wait_for_job("own-refused") == WRONG
        finally:
            farm.kubectl("delete", "quota", "none")
        assert "Kubernetes refuses RayJob own-refused-ray: 403" in farm.job_log("own-refused")

    def test_it_goes_when_the_run_is_deleted(self, farm: Farm) -> None:
        """Though its head has not even come up."""
        farm.start_schedule("own", "own-cut")

        def clusters() -> list[str]:
            names = [cluster["metadata"]["name"] for cluster in farm.get("rayclusters")]
            return [name for name in names if name.startswith("own-cut")]

        (cluster,) = until("a cluster", 120, clusters)
        farm.kubectl("delete", "job", "own-cut")
        until("the end of the cluster", 120, lambda: not clusters())
        farm.wait_until_gone(f"--selector=ray.io/cluster={cluster}")


class TestOutOfReach:
    """Runs that the cluster does not take; the last of them has no head any more."""

    def test_a_token_that_the_cluster_does_not_know(self, farm: Farm) -> None:
        """It has changed since the head has started."""
        token = farm.secret("dreamray-token", "auth_token")

        def change(text: str) -> None:
            data = base64.b64encode(text.encode()).decode()
            patch = f'{{"data": {{"auth_token": "{data}"}}}}'
            farm.kubectl("patch", "secret", "dreamray-token", f"--patch={patch}")

        change(48 * "0")
        try:
            farm.start_schedule("empty", "intruder")
            assert farm.wait_for_job("intruder") == REFUSED
        finally:
            change(token)
        assert "refuses the token" in farm.job_log("intruder")
        assert farm.get("job", "intruder")["status"]["failed"] == 1

    def test_a_cluster_that_is_away_is_tried_again(self, farm: Farm) -> None:
        """For as long as it is to be waited for, as often as `retries` says."""
        suspended = '--patch={"spec": {"suspend": true}}'
        farm.kubectl("patch", "raycluster", farm.name, "--type=merge", suspended)
        farm.wait_until_gone("--selector=ray.io/cluster=dreamray,ray.io/node-type=head")
        farm.start_schedule("empty", "away")
        assert farm.wait_for_job("away") == UNREACHABLE
        assert "did not answer for" in farm.job_log("away")
        assert farm.get("job", "away")["status"]["failed"] == 2
