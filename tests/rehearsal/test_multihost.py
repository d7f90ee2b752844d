"""Real hosts with addresses of their own, S3 between them: links are cut, nodes leave, jobs stop.

Three network namespaces: a head without processors for workers, and two nodes. The work and the
pictures lie on a real S3 server. Tokens are asked for everywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.support import namespaces
from tests.support.checkpoints import checkpoint_of
from tests.support.hosts import Host, Hosts, hosts_unavailable
from tests.support.places import PROJECT
from tests.support.ray_cluster import plain_dreamray, program
from tests.support.s3_server import S3Server, server_program

pytestmark = pytest.mark.ray

SETTINGS = """
layers: {mixed2: 1.0}
octaves: 2
iterations: 8
tile: 96
threads: 1
weights: random
"""
BUCKET = "dreams"
PACE = 4
"""Of the engine: an octave takes seconds, as with a network."""


EXPECTED: dict[tuple[str, ...], str] = {}
"""What `Farm.expected` found, by its options: the picture is the same for all tests."""


class Farm:
    """Hosts, and a bucket with a picture that all of them reach."""

    def __init__(self, hosts: Hosts, server: S3Server, picture: np.ndarray, folder: Path) -> None:
        self.hosts = hosts
        self.head: Host = hosts[0]
        self.bucket = server.make_bucket(BUCKET)
        self.settings = folder / "dream.yaml"
        self.settings.write_text(SETTINGS)
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        (self.bucket / "in.png").write_bytes(file.getvalue())
        self._folder = folder

    def expected(self, *options: str) -> str:
        """The sha256 of what the command makes in one process."""
        if options in EXPECTED:
            return EXPECTED[options]
        local = self._folder / "local.png"
        command = [*plain_dreamray(), "render", str(self.bucket / "in.png"), str(local)]
        command += ["--config", str(self.settings), *options]
        subprocess.run(command, check=True, timeout=240, cwd=PROJECT)
        return EXPECTED.setdefault(options, hashlib.sha256(local.read_bytes()).hexdigest())

    def command(self, output: str, *options: str) -> list[str]:
        """To render the bucket's picture into the bucket, with the work in it too."""
        places = [f"s3://{BUCKET}/in.png", f"s3://{BUCKET}/{output}"]
        settings = ["--config", str(self.settings), "--work", f"s3://{BUCKET}/work"]
        return [*plain_dreamray(PACE), "render", *places, *settings, *options]

    def render(self, output: str, *options: str) -> Driver:
        return Driver(self.head, self.command(output, *options))

    def sha256(self, output: str) -> str:
        return hashlib.sha256((self.bucket / output).read_bytes()).hexdigest()

    def checkpoint(self, output: str) -> dict[str, int]:
        """How far the work on an output is."""
        return checkpoint_of(self.bucket / "work", output)

    def wait_for_octave(self, output: str, octave: int, timeout: float = 240) -> None:
        """Until the work on an output has come to a checkpoint in the octave."""
        end = time.monotonic() + timeout
        while not self._has_come_to(output, octave):
            assert time.monotonic() < end, f"no checkpoint of {output} in octave {octave}"
            time.sleep(0.02)

    def _has_come_to(self, output: str, octave: int) -> bool:
        begun = any(self.bucket.glob(f"work/{output}-*/job.json"))
        return begun and self.checkpoint(output)["octave"] >= octave

    def left(self) -> list[str]:
        """Objects of work that are still there."""
        return [str(path) for path in self.bucket.glob("work/**/*") if path.is_file()]


def workers_on(host: Host) -> list[psutil.Process]:
    """The processes that dream tiles."""
    names = {process: namespaces.name_of(process) or "" for process in host.processes()}
    return [process for process, name in names.items() if name.startswith("ray::NodeWorker")]


@contextlib.contextmanager
def suspended(processes: list[psutil.Process]) -> Iterator[None]:
    """They stand still: no step is completed without them."""
    assert processes
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


class Driver:
    """A command on a host, and the lines of its progress."""

    def __init__(self, host: Host, command: list[str]) -> None:
        pipe = subprocess.PIPE
        self.lines: list[str] = []
        self._process = host.popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def read_until(self, word: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if word in line:
                return line
        raise AssertionError(f"no {word!r} in {''.join(self.lines)}")

    def finish(self) -> int:
        out, _ = self._process.communicate(timeout=240)
        self.lines += out.splitlines(keepends=True)
        return self._process.returncode

    @property
    def said(self) -> str:
        return "".join(self.lines)


@pytest.fixture
def farm(tmp_path: Path, scene: np.ndarray) -> Iterator[Farm]:
    """Hosts without a Ray yet."""
    if reason := hosts_unavailable():
        pytest.skip(reason)
    server_program()
    with Hosts(3) as hosts, S3Server(tmp_path, hosts[0].address, 9000, hosts[0].popen) as server:
        hosts.environment.update(server.environment(), PYTHONPATH=str(PROJECT))
        yield Farm(hosts, server, scene[:180, :240], tmp_path)


def test_a_cut_link_does_not_change_the_bytes(farm):
    """In the middle of the ascent; the node's processes live on, and are not waited for."""
    farm.hosts.start_ray(cpus=1)
    driver = farm.render("cut.png", "--workers", "2", "--checkpoint-every", "2")
    driver.read_until("octave 2/2: ")
    farm.hosts[2].cut()
    cut = time.monotonic()
    driver.read_until("1 of 2 workers got lost; going on from the last checkpoint")
    assert time.monotonic() - cut < 60  # The time is the property: see FAST_FAILURE_DETECTION.
    assert driver.finish() == 0, driver.said
    assert farm.sha256("cut.png") == farm.expected()
    assert farm.left() == []
    assert "Traceback" not in driver.said
    assert "raylet" not in driver.said


STRANGER = """
import itertools, socket, sys, time
import zmq

first, last, *hosts = sys.argv[1:]
reached = set()
context = zmq.Context()
for turn in itertools.count():
    for host, port in itertools.product(hosts, range(int(first), int(last) + 1)):
        try:
            with socket.create_connection((host, port), timeout=1) as raw:
                raw.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n" + bytes(1 << 16))
        except OSError:
            continue
        reached.add((host, port))
        if turn < 20:
            plain, foreign = context.socket(zmq.PUSH), context.socket(zmq.PUSH)
            foreign.curve_publickey, foreign.curve_secretkey = zmq.curve_keypair()
            foreign.curve_serverkey, _ = zmq.curve_keypair()
            for one in plain, foreign:
                one.connect(f"tcp://{host}:{port}")
                one.send_multipart([bytes(44), bytes(1 << 16)], zmq.NOBLOCK)
    print(len(reached), flush=True)
    time.sleep(0.05)
"""
"""Sends to all ports that anybody listens on: bytes, and messages with no keys or its own."""


def test_who_has_no_keys_reaches_the_ports_and_disturbs_nothing(farm):
    farm.hosts.start_ray(cpus=1)
    driver = farm.render("stranger.png", "--workers", "2", "--exchange-ports", "20000-20003")
    there = [host.address for host in farm.hosts[1:]]
    command = [sys.executable, "-c", STRANGER, "20000", "20003", *there]
    stranger = farm.head.popen(command, stdout=subprocess.PIPE, text=True)
    driver.read_until("octave 1/2: ")
    assert driver.finish() == 0, driver.said
    stranger.kill()
    told = stranger.communicate(timeout=30)[0].split()
    assert told[-1] == "2"
    assert "lost" not in driver.said
    assert farm.sha256("stranger.png") == farm.expected()


def test_a_job_that_is_stopped_goes_on_where_it_was(farm):
    """`ray job submit`, `ray job stop`, and submitted again; a wrong request fails the job."""
    farm.hosts.start_ray(cpus=1, dashboard=True)
    farm.hosts.environment["RAY_API_SERVER_ADDRESS"] = farm.hosts.dashboard_url

    def job(*arguments: str) -> Driver:
        return Driver(farm.head, [program("ray"), "job", *arguments])

    options = "--workers", "2", "--checkpoint-every", "1"
    render = farm.command("job.png", *options)
    first = job("submit", "--submission-id", "first", "--", *render)
    farm.wait_for_octave("job.png", 1)
    with suspended(workers_on(farm.hosts[1])):  # So that it cannot end before it is stopped.
        assert job("stop", "first").finish() == 0
        first.finish()
    assert not (farm.bucket / "job.png").exists()
    assert farm.checkpoint("job.png")["octave"] == 1

    second = job("submit", "--submission-id", "second", "--", *render)
    second.read_until("going on from octave 2")
    assert second.finish() == 0, second.said
    assert farm.sha256("job.png") == farm.expected()
    assert farm.left() == []

    wrong = farm.command("job.png", "--octaves", "none")
    failed = job("submit", "--submission-id", "third", "--", *wrong)
    assert failed.finish() == 1
    assert "octaves: 'none' is not allowed" in failed.said


def test_a_node_that_is_drained_is_left_in_time(farm):
    """SIGTERM, as from Kubernetes: its tiles are stored and dealt out again; no step is lost."""
    farm.hosts.start_ray(cpus=1)
    options = "--octaves", "1", "--iterations", "30"
    driver = farm.render("drained.png", "--workers", "2", *options)
    driver.read_until("octave 1/1: ")
    farm.hosts[2].shut_down()
    driver.read_until("a node is about to leave: going on without it")
    assert driver.finish() == 0, driver.said
    assert "got lost" not in driver.said
    assert farm.sha256("drained.png") == farm.expected(*options)
