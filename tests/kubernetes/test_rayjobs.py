"""The single jobs of cluster/, edited as its README says: they run, and their clusters go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dreamray.base.version import __version__
from tests.support.cluster_pictures import dream, files, put, remove
from tests.support.commands import until
from tests.support.kubernetes import S3_ENDPOINT, S3_KEYS, Farm, Kubernetes, Pod
from tests.support.places import PROJECT

README = (PROJECT / "cluster" / "README.md").read_text(encoding="utf-8")

EDITS = {
    # What the page says to edit: image, endpoint, source and destination; and the weights.
    rf"dreamray:{re.escape(__version__)}-gpu": f"localhost/dreamray:{__version__}",
    r"# (- \{name: AWS_ENDPOINT_URL_S3, value: ).*": rf'\1"{S3_ENDPOINT}"}}',
    r"# (- \{name: DREAMRAY_WEIGHTS, value: ).*": r"\1bestiary}",
    r"s3://(pictures|dreams)/": r"s3://\1/rayjobs/",
    # Nodes are small, and have no GPU: one is pretended, which Ray deals out, and four processors.
    r"rayStartParams: \{disable": r'rayStartParams: {num-cpus: "4", num-gpus: "1", disable',
    r", nvidia.com/gpu: 1": "",
    r'cpu: "[24]", memory: \d+Gi': "cpu: 200m, memory: 1Gi",
    r"(limits: \{memory: )(8|16)Gi": r"\g<1>3Gi",
    r"cpu: 500m, memory: 512Mi": "cpu: 50m, memory: 256Mi",
    # Nobody reads the logs of these.
    r"ttlSecondsAfterFinished: \d+": "ttlSecondsAfterFinished: 5",
}


@dataclass(frozen=True)
class Job:
    """A RayJob of cluster/: its file, its name, and what is edited in it alone."""

    file: str
    name: str
    edits: dict[str, str]

    @property
    def manifest(self) -> str:
        """Its file, edited."""
        text = (PROJECT / "cluster" / self.file).read_text(encoding="utf-8")
        for pattern, replacement in {**EDITS, **self.edits}.items():
            text, edits = re.subn(pattern, replacement, text)
            assert edits, f"{self.file} has no {pattern}"
        return text


BULK = Job("rayjob-bulk.yaml", "dreamray-bulk", {"workers 1:16": "workers 1:1"})
HUGE = Job(
    "rayjob-huge-picture.yaml",
    "dreamray-huge",
    {"workers 4:8": "workers 2:2", "octaves auto": "octaves auto --iterations 3"},
)
PICTURES = ["a.png", "b.png"]
HUGE_SIZE = (2100, 110)
"""Of two tiles, and of one octave, as it is so low."""


@pytest.fixture(scope="module")
def place(kubernetes: Kubernetes) -> Iterator[Farm]:
    """A namespace without a release, in which both jobs have begun."""
    pictures = kubernetes.buckets / "pictures" / "rayjobs"
    put(pictures / "2026", *PICTURES)
    put(pictures, "huge.tif", size=HUGE_SIZE)
    remove(kubernetes.buckets / "dreams" / "rayjobs")
    with Farm(kubernetes, "rayjobs") as place:
        token = "--from-literal=auth_token=" + 32 * "4a"
        place.kubectl("create", "secret", "generic", "dreamray-token", token)
        keys = [f"--from-literal={name}={value}" for name, value in S3_KEYS.items()]
        place.kubectl("create", "secret", "generic", "dreamray-s3", *keys)
        for job in (BULK, HUGE):
            place.kubectl("create", "--filename=-", stdin=job.manifest)
        yield place


def head(place: Farm, job: Job) -> Pod:
    """The head of a job's cluster, when it is ready."""
    labels = f"--selector=dreamray/cluster={job.name},ray.io/node-type=head"

    def ready() -> list[Pod]:
        return [pod for pod in place.pods(labels) if pod.ready]

    return until(f"the head of {job.name}", 300, ready)[0]


def end(place: Farm, job: Job) -> str:
    """How the job has ended."""

    def status() -> str | None:
        found = place.get("rayjob", job.name).get("status", {})
        ended = found.get("jobDeploymentStatus") in ("Complete", "Failed", "ValidationFailed")
        return f"{found['jobDeploymentStatus']} {found.get('jobStatus')}" if ended else None

    return until(f"the end of {job.name}", 480, status)


def log(place: Farm, job: Job) -> str:
    """The log of its submitter, found as the page says."""
    (found,) = re.findall(r"kubectl logs --follow --selector (\S+)", README)
    label = found.replace(BULK.name, job.name)
    return place.kubectl("logs", "--tail=-1", f"--selector={label}")


def test_nobody_but_its_own_pods_reaches_the_cluster(place: Farm) -> None:
    """Ray's ports time out from a pod beside; one with the label of its own is let in."""
    address = head(place, BULK).address
    ports = [6379, 8265, 8080, 10001]
    with place.stranger("rayjobs") as stranger:
        assert stranger.reaches(address, ports) == set()
    with place.stranger("rayjobs", {"dreamray/cluster": BULK.name}) as twin:
        assert twin.reaches(address, [6379, 8265]) == {6379, 8265}


def test_a_set(place: Farm, tmp_path: Path) -> None:
    assert end(place, BULK) == "Complete SUCCEEDED", log(place, BULK)
    assert "2 of 2 pictures dreamt" in log(place, BULK)
    pictures, dreams = (
        place.kubernetes.buckets / name / "rayjobs" for name in ("pictures", "dreams")
    )
    found = files(dreams / "2026", "?.png")
    assert sorted(found) == PICTURES
    dream("bulk", pictures / "2026", tmp_path, "--memory=20GiB", "--threads=4")
    assert files(tmp_path, "?.png") == found


def test_a_huge_picture(place: Farm, tmp_path: Path) -> None:
    """In step on two workers: the bytes of every tile are those of one process."""
    assert end(place, HUGE) == "Complete SUCCEEDED", log(place, HUGE)
    pictures, dreams = (
        place.kubernetes.buckets / name / "rayjobs" for name in ("pictures", "dreams")
    )
    options = ["--octaves=auto", "--iterations=3", "--memory=20GiB", "--tile=2048", "--threads=4"]
    dream("render", pictures / "huge.tif", tmp_path / "huge.dzi", *options)
    # Beside them the image has a viewer, which is built with it.
    found = files(dreams / "huge_files", "*_*.jpg")
    assert len(found) > 20
    assert files(tmp_path / "huge_files", "*_*.jpg") == found
    assert (dreams / "huge.dzi").read_bytes() == (tmp_path / "huge.dzi").read_bytes()


def test_the_clusters_go_when_the_jobs_are_over(place: Farm) -> None:
    for job in (BULK, HUGE):
        end(place, job)
        nodes = f"--selector=dreamray/cluster={job.name},ray.io/cluster"
        place.wait_until_gone(nodes)
    assert place.get("rayclusters") == []
