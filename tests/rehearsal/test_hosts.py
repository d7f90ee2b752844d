"""The rehearsal itself: hosts, links, an S3 server and Ray's autoscaler behave as real ones do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support import namespaces
from tests.support.hosts import FAST_FAILURE_DETECTION, Host, Hosts, hosts_unavailable
from tests.support.places import PROJECT
from tests.support.s3_server import S3Server, server_program

pytestmark = pytest.mark.ray

PIPE = subprocess.PIPE


def python(host: Host, program: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python program on the host; it is talked to by its standard input and output."""
    command = [sys.executable, "-c", program, *arguments]
    return host.popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    """What it says next."""
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said, process.communicate()[1]
    return said.strip()


def warn(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    print(word, file=process.stdin, flush=True)


def until(holds: Callable[[], bool]) -> None:
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < 5
        time.sleep(0.02)


# Hosts

LISTEN = """
import socket
server = socket.create_server(("", 7000))
print("ready", flush=True)
connection, peer = server.accept()
print(peer[0], flush=True)
while word := connection.recv(100):
    print(word.decode(), flush=True)
"""

TALK = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 7000), timeout=5)
while True:
    connection.sendall(input().encode())
    print("sent", flush=True)
"""


PROBE = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 7000), timeout=0.5)
except OSError as error:
    print(type(error).__name__)
"""


def test_hosts_talk_to_each_other_under_their_own_addresses(hosts: Hosts) -> None:
    listener = python(hosts[1], LISTEN)
    assert line(listener) == "ready"
    python(hosts[2], TALK, hosts[1].address)
    assert line(listener) == hosts[2].address != hosts[1].address


def test_a_cut_link_loses_packets_silently_and_a_restored_one_carries_them(hosts: Hosts) -> None:
    listener = python(hosts[1], LISTEN)
    line(listener)
    talker = python(hosts[0], TALK, hosts[1].address)
    line(listener)
    hosts[1].cut()
    warn(talker, "hello")
    assert line(talker) == "sent"
    refused = hosts[2].run([sys.executable, "-c", PROBE, hosts[1].address])
    assert refused.stdout.strip() == "TimeoutError"
    assert listener.poll() is None
    hosts[1].restore()
    assert line(listener) == "hello"


def test_the_internet_is_refused(hosts: Hosts) -> None:
    refused = hosts[0].run([sys.executable, "-c", PROBE, "192.0.2.1"])
    assert refused.stdout.strip() == "OSError"  # No route; a loss would be a TimeoutError.


def test_programs_get_a_token_and_no_settings_of_the_machine(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for foreign in "RAY_ADDRESS", "RAY_CGRAPH", "AWS_PROFILE", "https_proxy", "ALL_PROXY":
        monkeypatch.setenv(foreign, "foreign")
    with Hosts(1) as others:
        show = [sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))"]
        seen = json.loads(others[0].run(show, env={"EXTRA": "1"}).stdout)
        assert "foreign" not in seen.values()
        assert seen["EXTRA"] == "1"
        assert seen["RAY_AUTH_MODE"] == "token"
        assert len(seen["RAY_AUTH_TOKEN"]) == 32
        assert seen["RAY_AUTH_TOKEN"] != hosts.environment["RAY_AUTH_TOKEN"]
        assert seen.items() >= FAST_FAILURE_DETECTION.items()


def test_run_gives_output_and_exit_code_and_kills_what_takes_too_long(hosts: Hosts) -> None:
    done = hosts[0].run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
    with pytest.raises(subprocess.TimeoutExpired):
        hosts[0].run(["sleep", "100"], timeout=0.2)
    assert hosts[0].processes() == []


def test_kill_takes_the_processes_of_that_name_on_that_host(hosts: Hosts) -> None:
    victim = hosts[0].popen(["sleep", "100"])
    bystanders = [hosts[1].popen(["sleep", "100"]), python(hosts[0], "input()")]
    until(lambda: [p.name() for p in hosts[0].processes()].count("sleep") == 1)
    hosts[0].kill("sleep")
    assert victim.wait(5) == -signal.SIGKILL
    assert [process.poll() for process in bystanders] == [None, None]
    with pytest.raises(LookupError, match="no process called raylet"):
        hosts[0].kill("raylet")


STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    time.sleep(100)
"""


def test_nothing_is_left_afterwards(hosts: Hosts) -> None:
    with Hosts(2) as others:
        daemon = int(line(python(others[1], STUBBORN)))
        assert psutil.pid_exists(daemon)
    until(lambda: not psutil.pid_exists(daemon))
    assert others.name not in namespaces.ip("netns", "list")
    assert not others.folder.exists()
    assert hosts[0].folder.exists()


CRASH = """
import os, signal, subprocess
from tests.support.hosts import Hosts
with Hosts(1) as hosts:
    sleeper = hosts[0].popen(["sleep", "100"], stdout=subprocess.DEVNULL)
    print(hosts.name, sleeper.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_test_run_left_goes_when_the_next_one_starts(hosts: Hosts) -> None:
    here = {**os.environ, "PYTHONPATH": str(PROJECT)}
    crash = [sys.executable, "-c", CRASH]
    said = subprocess.run(crash, env=here, stdout=PIPE, text=True, check=False).stdout
    name, sleeper = said.split()
    assert psutil.pid_exists(int(sleeper))
    assert name in namespaces.ip("netns", "list")
    with Hosts(1):
        assert name not in namespaces.ip("netns", "list")
        assert not namespaces.folder_of(name).exists()
    until(lambda: not psutil.pid_exists(int(sleeper)))
    assert hosts[0].run(["true"]).returncode == 0


# Ray

DRIVER = """
import sys, time
import numpy as np
import ray

def say(*words):  # Ray itself prints on standard output, too.
    print("driver:", *words, flush=True)

@ray.remote(num_cpus=0)
class Worker:
    def address(self):
        return ray.util.get_node_ip_address()
    def make(self):
        return np.full(3 << 20, 7, np.uint8)
    def total(self, array):
        return int(array.sum())
    def sleep(self, seconds):
        time.sleep(seconds)
        return "slept"

def outcome(call):
    try:
        return ray.get(call)
    except ray.exceptions.ActorDiedError:
        return "lost"

ray.init(log_to_driver=False, logging_level="ERROR")
workers = [Worker.options(resources={name: 1}).remote() for name in ("host0", "host1", "host2")]
say(*ray.get([worker.address.remote() for worker in workers]))
say(ray.get(workers[1].total.remote(workers[2].make.remote())))
calls = [worker.sleep.remote(seconds) for worker, seconds in zip(workers, (8, 100, 100))]
say("calls run")
say(*(outcome(call) for call in calls))
nodes = {node["NodeManagerAddress"]: node for node in ray.nodes()}
for address in sorted(nodes):
    say(nodes[address]["Alive"], nodes[address]["DeathReasonMessage"])
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Hosts]:
    """Ray on three hosts; its nodes leave 2 s after they are asked to."""
    if reason := hosts_unavailable():
        pytest.skip(reason)
    with Hosts(3) as three:
        three.environment["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = "2"
        three.start_ray()
        yield three


@pytest.mark.parametrize(
    "wrong", [{"RAY_AUTH_TOKEN": "0" * 32}, {"RAY_AUTH_MODE": "disabled"}], ids=["wrong", "none"]
)
def test_ray_refuses_whoever_has_not_the_token(cluster: Hosts, wrong: dict[str, str]) -> None:
    connect = [sys.executable, "-c", "import ray; ray.init()"]
    once = {"RAY_gcs_server_port_wait_time_s": "1"}  # By default Ray tries for 20 s.
    refused = cluster[1].run(connect, env={**wrong, **once})
    assert refused.returncode == 1
    assert "InvalidAuthToken" in refused.stderr


def test_a_cut_host_is_lost_a_leaving_one_goes_and_the_rest_goes_on(cluster: Hosts) -> None:
    driver = python(cluster[0], DRIVER)

    def said() -> str:
        while not (words := line(driver)).startswith("driver:"):
            pass
        return words.removeprefix("driver: ")

    assert said().split() == [host.address for host in cluster]
    assert said() == str(7 * (3 << 20))
    assert said() == "calls run"
    begin = time.monotonic()
    cluster[1].cut()
    cluster[2].shut_down()
    assert said() == "slept lost lost"
    # The time is the property here: without FAST_FAILURE_DETECTION it takes 64.
    assert time.monotonic() - begin < 40
    assert said().strip() == "True"
    assert said().startswith("False health check failed")
    left = said()
    assert left.startswith("False")
    assert "received SIGTERM" in left
    assert driver.wait(20) == 0


def test_a_ray_that_does_not_start_says_why(hosts: Hosts) -> None:
    hosts[0].start_head(options=["--no-such-option"])
    with pytest.raises(RuntimeError, match="No such option"):
        hosts[0].wait_for_ray()


# The S3 server


def client(server: S3Server, secret: str | None = None) -> Any:
    known = server.environment()
    return boto3.session.Session().client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret or known["AWS_SECRET_ACCESS_KEY"],
        region_name=known["AWS_REGION"],
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def test_objects_are_kept_and_are_files(s3_server: S3Server) -> None:
    folder = s3_server.make_bucket("pictures")
    s3 = client(s3_server)
    s3.put_object(Bucket="pictures", Key="a/cat.png", Body=b"cat", ContentType="image/png")
    cat = s3.get_object(Bucket="pictures", Key="a/cat.png")
    assert (cat["Body"].read(), cat["ContentType"]) == (b"cat", "image/png")
    assert (folder / "a" / "cat.png").read_bytes() == b"cat"


def test_an_object_that_must_not_be_there_yet_is_refused(s3_server: S3Server) -> None:
    s3_server.make_bucket("locks")
    s3 = client(s3_server)
    s3.put_object(Bucket="locks", Key="lock", Body=b"mine", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="locks", Key="lock", Body=b"yours", IfNoneMatch="*")


def test_a_wrong_secret_is_refused(s3_server: S3Server) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(s3_server, secret="wrong").list_buckets()


def test_a_stopped_server_is_gone_and_a_new_one_has_the_objects(tmp_path: Path) -> None:
    with S3Server(tmp_path) as server:
        server.make_bucket("pictures")
        client(server).put_object(Bucket="pictures", Key="cat", Body=b"cat")
    with pytest.raises(EndpointConnectionError):
        client(server).list_buckets()
    with S3Server(tmp_path) as server:
        assert client(server).get_object(Bucket="pictures", Key="cat")["Body"].read() == b"cat"


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(RuntimeError, match="address already in use"),
            S3Server(tmp_path, port=port),
        ):
            pass


PUT = """
import boto3, sys
boto3.client("s3").put_object(Bucket="pictures", Key=sys.argv[1], Body=b"cat")
"""


def test_every_host_reaches_a_server_on_one_of_them(hosts: Hosts, tmp_path: Path) -> None:
    with S3Server(tmp_path, hosts[0].address, 9000, hosts[0].popen) as server:
        bucket = server.make_bucket("pictures")
        for number, host in enumerate(hosts):
            put = [sys.executable, "-c", PUT, str(number)]
            done = host.run(put, env=server.environment())
            assert done.returncode == 0, done.stderr
        assert {path.name for path in bucket.glob("[0-9]")} == {"0", "1", "2"}


def test_a_promised_server_must_be_there_and_an_unpromised_one_need_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("DREAMRAY_S3_SERVER", raising=False)
    with pytest.raises(pytest.skip.Exception):
        server_program()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        server_program()
    monkeypatch.delenv("CI")
    monkeypatch.setenv("DREAMRAY_S3_SERVER", "/nowhere/versitygw")
    with pytest.raises(pytest.fail.Exception, match="/nowhere/versitygw"):
        server_program()
