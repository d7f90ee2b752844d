"""The rendered chart on this machine: a scheduled run on its cluster, with its token and policies.

What the containers of the rendered RayCluster and CronJobs would run is started as KubeRay and a
kubelet would start it: see `fakes/kuberay.py` and `fakes/kubelet.py`. Each pod is a network
namespace with an address of its own, under the rendered NetworkPolicies as rules of nftables. The
S3 server is outside the cluster, at the one address that the policies let workers go to; so is a
stand-in for the Kubernetes API, through which Ray's autoscaler, in the container that KubeRay puts
beside the head, has workers come and go. Not rehearsed: what Kubernetes refuses or forbids, the
look-up of names, and what limits a container's share of a machine. Takes about 3 minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fakes.kubelet import Container, RehearsedPod
from tests.support import chart
from tests.support.hosts import Host, Hosts
from tests.support.places import TRAINED
from tests.support.rehearsed_farm import OPEN, S3_PORT, SILENT, Farm, connections, farm_unavailable
from tests.support.s3_server import S3Server, server_program

pytestmark = pytest.mark.ray

PICTURES = [f"{number}.png" for number in range(6)]
WEIGHTS = "weights/inception.h5"
WORKERS = 2
SETTINGS = {"layer": ["mixed2=1"], "octaves": 1, "iterations": 2, "threads": 1}

GCS, DASHBOARD, METRICS, AGENT, CLIENT = 6379, 8265, 8080, 52365, 10001
OF_NODES = [6380, 6381, 6382, AGENT]
OTHER_PORT = 9001

REFUSED, WRONG_REQUEST = 78, 2
RUN_SECONDS = 240

LISTEN = """
import select, socket, sys
servers = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
print("ready", flush=True)
while True:
    for server in select.select(servers, [], [])[0]:
        server.accept()[0].close()
"""

REQUEST = """
import sys, urllib.error, urllib.request
method, url, *headers = sys.argv[1:]
headers = dict(header.split(": ") for header in headers)
request = urllib.request.Request(url, b"{}" if method == "POST" else None, headers, method=method)
try:
    print(urllib.request.urlopen(request, timeout=30).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


def values() -> dict[str, Any]:
    """A small farm of processors, and its schedules."""
    resources = {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}
    lost = {"source": "s3://pictures/lost/", "destination": "s3://dreams/lost/"}
    weights = {"source": "uri", "uri": f"s3://{WEIGHTS}"}
    drawn = {} if TRAINED.is_file() else {"weights": "random"}
    return {
        "weights": weights if TRAINED.is_file() else {},
        "head": {"resources": resources},
        # Workers stay, until the test that is about their going.
        "autoscaler": {"idleTimeoutSeconds": 3600},
        "workerDefaults": {"gpu": {"count": 0}, "resources": resources},
        "workerGroups": [chart.group("cpu", minReplicas=0, maxReplicas=WORKERS)],
        "scheduleDefaults": {"settings": {**SETTINGS, **drawn, "workers": WORKERS}},
        "schedules": [chart.schedule("nightly"), chart.schedule("lost", **lost)],
        "submitter": {"patienceSeconds": 60},
        "monitoring": {"podMonitor": {"enabled": True}},
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hosts_of_farm: Hosts) -> Iterator[S3Server]:
    """An S3 server outside the cluster, with pictures, and weights if there are any."""
    place = hosts_of_farm[0]
    folder = tmp_path_factory.mktemp("s3")
    with S3Server(folder, place.address, S3_PORT, place.popen) as started:
        pictures = started.make_bucket("pictures") / "new"
        pictures.mkdir()
        started.make_bucket("dreams")
        random = np.random.default_rng(5)
        for name in PICTURES:
            coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
            Image.fromarray(coarse).resize((96, 96)).save(pictures / name)
        started.make_bucket("weights")
        if TRAINED.is_file():
            shutil.copy(TRAINED, started.buckets / WEIGHTS)
        yield started


@pytest.fixture(scope="module")
def hosts_of_farm() -> Iterator[Hosts]:
    """Hosts with nothing in their environment but the path; skipped where there can be none."""
    chart.tool("helm")
    server_program()
    if reason := farm_unavailable():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with Hosts(Farm.HOSTS) as hosts:
        path = hosts.environment["PATH"]
        hosts.environment.clear()
        hosts.environment["PATH"] = path
        yield hosts


@pytest.fixture(scope="module")
def farm(hosts_of_farm: Hosts, server: S3Server) -> Iterator[Farm]:
    """The farm under its policies, with its cluster up, and servers that nobody needs."""
    with Farm(hosts_of_farm, values()) as farm:
        assert farm.s3.address == server.address
        for host, ports in ((farm.s3, [OTHER_PORT]), (farm.elsewhere, [S3_PORT, 443, 53])):
            listen = [sys.executable, "-c", LISTEN, *map(str, ports)]
            listener = host.popen(listen, stdout=subprocess.PIPE, text=True)
            assert listener.stdout is not None
            assert listener.stdout.readline() == "ready\n"
        yield farm


@pytest.fixture(scope="module")
def scheduled(farm: Farm) -> Container:
    """The submitter of the scheduled run, begun while there is no worker."""
    assert farm.workers == []
    return farm.runs["farm-dreamray-nightly"].start("submitter")


@pytest.fixture(scope="module")
def scaled(farm: Farm, scheduled: Container) -> Farm:
    """The farm after the scheduled run, with the workers that this brought up."""
    farm.operator.wait_for_workers(WORKERS)
    assert scheduled.wait(RUN_SECONDS) == 0, scheduled.out + scheduled.err
    return farm


@pytest.fixture(scope="module")
def others(scaled: Farm) -> dict[str, Container]:
    """What else submits something, both at once: the run that fails, and the chart's test."""
    pods = {"lost": scaled.runs["farm-dreamray-lost"], "test": scaled.test}
    return {name: pod.start("submitter") for name, pod in pods.items()}


@pytest.fixture
def nightly(farm: Farm) -> RehearsedPod:
    """The pod of the schedule that dreams."""
    return farm.runs["farm-dreamray-nightly"]


def test_a_scheduled_run_dreams_its_pictures(
    scaled: Farm,
    scheduled: Container,
    nightly: RehearsedPod,
    server: S3Server,
    tmp_path: Path,
) -> None:
    """The submitter passes on the job's log and its success; bytes are those of `render`."""
    assert "6 of 6 pictures dreamt" in scheduled.out
    assert f"{nightly.labels['batch.kubernetes.io/job-name']} succeeded" in scheduled.err
    results = server.buckets / "dreams" / "new"
    assert {path.name for path in results.glob("*.png")} == set(PICTURES)
    source, expected = server.buckets / "pictures" / "new" / PICTURES[3], tmp_path / "dream.png"
    # Of the same name, which a picture has in its metadata.
    weights = server.buckets / WEIGHTS if TRAINED.is_file() else "random"
    command = [Path(sys.executable).with_name("dreamray"), "render", source, expected]
    command += [f"--weights={weights}", "--layer=mixed2=1", "--octaves=1", "--iterations=2"]
    subprocess.run([*map(str, command), "--threads=1"], check=True, timeout=RUN_SECONDS)
    assert (results / PICTURES[3]).read_bytes() == expected.read_bytes()


def test_a_run_that_fails_ends_with_its_own_code(farm: Farm, others: dict[str, Container]) -> None:
    """A source without pictures: the run's code is the pod's, and for it no pod is made anew."""
    submitter = others["lost"]
    assert submitter.wait(RUN_SECONDS) == WRONG_REQUEST, submitter.out + submitter.err
    assert "there are no pictures" in submitter.out
    job = farm.manifests.one("CronJob", "farm-dreamray-lost")["spec"]["jobTemplate"]["spec"]
    (fail,) = [r for r in job["podFailurePolicy"]["rules"] if r["action"] == "FailJob"]
    assert fail["onExitCodes"]["operator"] == "NotIn"
    assert WRONG_REQUEST not in fail["onExitCodes"]["values"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_job_server_answers_only_to_the_token(
    farm: Farm, nightly: RehearsedPod, method: str
) -> None:
    def status(*headers: str) -> str:
        words = [method, f"http://{farm.head.host.address}:{DASHBOARD}/api/jobs/", *headers]
        return nightly.host.run([sys.executable, "-c", REQUEST, *words]).stdout.strip()

    assert status() == "401"
    assert status("Authorization: Bearer " + 48 * "0") == "403"
    # It is let in; what it posts is no job.
    assert status(f"Authorization: Bearer {farm.token}") == ("200" if method == "GET" else "400")


@pytest.mark.parametrize("token", [None, 48 * "0"], ids=["none", "wrong"])
def test_a_submitter_with_another_token_gives_up_at_once(
    nightly: RehearsedPod, token: str | None
) -> None:
    """It ends with the code for that, which no attempt follows, and submits nothing."""
    if token is None:
        submitter = nightly.start("submitter", without=["RAY_AUTH_TOKEN"])
    else:
        submitter = nightly.start("submitter", env={"RAY_AUTH_TOKEN": token, "RUN": "intruder"})
    assert submitter.wait(RUN_SECONDS) == REFUSED, submitter.out + submitter.err
    assert "refuses the token" in submitter.err
    assert "submitted" not in submitter.err


def test_the_chart_tests_itself(others: dict[str, Container]) -> None:
    """What `helm test` would run: a dream as a job, without workers and without storage."""
    test = others["test"]
    assert test.wait(RUN_SECONDS) == 0, test.out + test.err
    assert "/tmp/dream.png: 96x96" in test.out


def test_processes_have_the_rights_that_their_manifests_leave_them(scaled: Farm) -> None:
    """User and group 1000, no capabilities, none to be had, and nothing to write but volumes."""
    for pod in scaled.nodes:
        processes = pod.host.processes()
        assert {"raylet"} <= {process.name() for process in processes}
        for process in processes:
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            held = dict(line.split(":", 1) for line in status)
            assert held["Uid"].split() == held["Gid"].split() == 4 * ["1000"]
            assert {int(held[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd")} == {0}
            assert held["NoNewPrivs"].strip() == "1"
        (raylet,) = [process for process in processes if process.name() == "raylet"]
        root = Path(f"/proc/{raylet.pid}/root")
        assert (root / "tmp" / "ray" / "session_latest").is_symlink()
        with pytest.raises(OSError, match="Read-only file system"):
            (root / "etc" / "mark").touch()


def on(ports: list[int], *pods: RehearsedPod) -> list[tuple[Host, int]]:
    return [(pod.host, port) for pod in pods for port in ports]


def ends(source: Host, targets: list[tuple[Host, int]]) -> set[str]:
    """The ways in which connections to the targets end."""
    found = connections(source, targets)
    print(source.address, found)
    return set(found.values())


def test_nodes_reach_each_other(scaled: Farm) -> None:
    assert ends(scaled.workers[0].host, on([GCS, *OF_NODES], scaled.head)) == {OPEN}
    assert ends(scaled.head.host, on(OF_NODES, *scaled.workers)) == {OPEN}
    assert ends(scaled.workers[0].host, on(OF_NODES, scaled.workers[1])) == {OPEN}
    assert ends(scaled.workers[0].host, on([DASHBOARD, CLIENT], scaled.head)) == {SILENT}


def test_submitters_reach_the_job_server_and_nothing_else(
    scaled: Farm, nightly: RehearsedPod
) -> None:
    assert ends(nightly.host, on([DASHBOARD], scaled.head)) == {OPEN}
    closed = on([GCS, CLIENT, METRICS, *OF_NODES], scaled.head) + on(OF_NODES, *scaled.workers)
    assert ends(nightly.host, closed) == {SILENT}
    assert ends(nightly.host, [(scaled.s3, S3_PORT), (scaled.elsewhere, 443)]) == {SILENT}


def test_others_reach_no_node(scaled: Farm) -> None:
    """A pod beside, one with a submitter's labels in another namespace, and no pod at all."""
    ports = [GCS, DASHBOARD, CLIENT, METRICS, *OF_NODES]
    for host in (scaled.neighbour, scaled.stranger, scaled.elsewhere):
        assert ends(host, on(ports, scaled.head, *scaled.workers)) == {SILENT}


def test_it_is_the_policies_that_keep_others_out(farm: Farm) -> None:
    """Without them the same ports of the same processes are open."""
    farm.lift_policies(farm.head.host)
    try:
        ports = [GCS, DASHBOARD, CLIENT, METRICS, *OF_NODES]
        assert ends(farm.stranger, on(ports, farm.head)) == {OPEN}
    finally:
        farm.enforce_policies(farm.head.host)
    assert ends(farm.stranger, on([GCS, DASHBOARD], farm.head)) == {SILENT}


def test_nodes_reach_storage_and_nothing_else_outside(scaled: Farm) -> None:
    outside = [(scaled.s3, OTHER_PORT), *((scaled.elsewhere, port) for port in (S3_PORT, 443, 53))]
    assert ends(scaled.stranger, outside) == {OPEN}
    for pod in scaled.nodes:
        assert ends(pod.host, [(scaled.s3, S3_PORT)]) == {OPEN}
        assert ends(pod.host, outside) == {SILENT}


def test_prometheus_reads_the_metrics_of_all_nodes_and_nothing_else(scaled: Farm) -> None:
    nodes = [scaled.head, *scaled.workers]
    assert ends(scaled.prometheus, on([METRICS], *nodes)) == {OPEN}
    assert ends(scaled.prometheus, on([GCS, DASHBOARD, *OF_NODES], scaled.head)) == {SILENT}
    for pod in nodes:
        url = f"http://{pod.host.address}:{METRICS}/metrics"
        read = f"import urllib.request as r; print(r.urlopen({url!r}).read().decode())"
        assert "ray_" in scaled.prometheus.run([sys.executable, "-c", read]).stdout


def test_workers_come_from_none_and_go_when_there_is_no_work(scaled: Farm) -> None:
    """By Ray's autoscaler as KubeRay starts it, which the policies let ask the Kubernetes API."""
    workers = [pod.host for pod in scaled.workers]
    assert {len(host.processes()) > 0 for host in workers} == {True}
    # As an upgrade of the release would change it; the autoscaler looks at it each time.
    scaled.operator.cluster["spec"]["autoscalerOptions"]["idleTimeoutSeconds"] = 2
    scaled.operator.wait_for_workers(0)
    print(*scaled.operator.timeline(), sep="\n")
    counts = [moment.workers for moment in scaled.operator.timeline()]
    assert (counts[0], max(counts), counts[-1]) == (0, WORKERS, 0)
    assert [host.processes() for host in workers] == [[], []]
