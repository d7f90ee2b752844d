"""Storage that misbehaves now and then, as S3 does under load: every request succeeds anyway."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dreamray.storage import S3Folder, S3Object
from tests.fakes.flaky_proxy import PASSING, Fault, FlakyProxy
from tests.support.places import PROJECT

pytestmark = pytest.mark.slow


@pytest.fixture
def target() -> Iterator[str]:
    """A server that answers what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = [self.command, self.path, self.headers["Host"], body.decode()]
            answer = json.dumps(asked).encode()
            self.send_response(200)
            self.send_header("X-Kept", "yes")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def put(address: str) -> tuple[int, list[str] | bytes]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("PUT", "/a%20b//c?d=%2F", b"dream", {"Host": "storage.example"})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if answer.getheader("X-Kept") else body
    finally:
        connection.close()


def test_requests_pass_as_they_are(target: str) -> None:
    with FlakyProxy(target, share=0) as proxy:
        assert put(proxy.address) == (
            200,
            ["PUT", "/a%20b//c?d=%2F", "storage.example", "dream"],
        )
        assert proxy.done == {"requests": 1}


def test_each_fault_is_what_it_says(target: str) -> None:
    with FlakyProxy(target, share=1, faults=(Fault.SLOW_DOWN,)) as proxy:
        status, body = put(proxy.address)
        assert (status, b"<Code>SlowDown</Code>" in body) == (503, True)
    for fault in (Fault.RESET, Fault.LOST):
        with (
            FlakyProxy(target, share=1, faults=(fault,)) as proxy,
            pytest.raises(ConnectionError),
        ):
            put(proxy.address)
        assert proxy.done == {"requests": 1, str(fault): 1}
    with (
        FlakyProxy(target, share=1, faults=(Fault.HALF,)) as proxy,
        pytest.raises((http.client.IncompleteRead, ConnectionError)),
    ):
        put(proxy.address)
    with FlakyProxy(target, share=1, faults=(Fault.DELAY,), delay=0) as proxy:
        assert put(proxy.address)[0] == 200
        assert proxy.done == {"requests": 1, "delay": 1}


def test_a_seed_decides_what_is_spoiled() -> None:
    def fates(seed: int) -> list[Fault | None]:
        with FlakyProxy("127.0.0.1:1", 0.5, seed) as proxy:
            return [proxy.fate() for _ in range(50)]

    assert fates(1) == fates(1) != fates(2)
    assert 10 < fates(1).count(None) < 40


def test_it_is_a_program(target: str) -> None:
    program = PROJECT / "tests" / "fakes" / "flaky_proxy.py"
    command = [sys.executable, str(program), "--target", target, "--share", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert put(urlsplit(url).netloc)[0] == 200
        finally:
            process.terminate()


@pytest.fixture
def flaky(
    bucket: str, s3_url: str, aws: pytest.MonkeyPatch, patient: list[float]
) -> Iterator[FlakyProxy]:
    """Between boto3 and an S3 server, a fifth of the requests is spoiled."""
    from dreamray.storage import s3_client as s3

    with FlakyProxy(s3_url.removeprefix("http://"), share=0.2, seed=5, delay=0.05) as proxy:
        aws.setenv("AWS_ENDPOINT_URL_S3", f"http://{proxy.address}")
        s3.client.cache_clear()
        yield proxy
        aws.setenv("AWS_ENDPOINT_URL_S3", s3_url)
        s3.client.cache_clear()


def test_many_small_objects_are_written_and_read(flaky: FlakyProxy, bucket: str) -> None:
    folder = S3Folder(bucket, "many")

    def work(n: int) -> bool:
        data = b"%d" % n * 500
        folder.file(str(n)).write(data)
        return folder.file(str(n)).read() == data

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(work, range(50)))
    assert sorted(int(found.name) for found in folder.files()) == list(range(50))
    assert flaky.done["requests"] > 100
    for fault in PASSING:
        assert flaky.done[str(fault)] > 0


def test_files_and_conditions_hold(flaky: FlakyProxy, bucket: str, tmp_path: Path) -> None:
    """A lost answer to a write on a condition is no refusal."""

    def work(n: int) -> bool:
        place = S3Object(bucket, f"few/{n}")
        made = tmp_path / str(n)
        made.write_bytes(b"%d" % n * 5000)
        done = place.create_if_absent(b"one") and place.compare_and_swap(b"one", b"two")
        refused = place.create_if_absent(b"three") or place.compare_and_swap(b"one", b"three")
        place.write_file(made)
        with place.as_local_file() as path:
            return done and not refused and path.read_bytes() == b"%d" % n * 5000

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(work, range(12)))
    assert flaky.done[str(Fault.LOST)] > 0
