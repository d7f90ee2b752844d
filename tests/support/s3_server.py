"""A real S3 server as a process: versitygw, over a folder.

It is one program, needs nothing beside it, and each object is a plain file in its bucket's
folder, so that tests see the results from any network namespace. `.ci/run` installs it and says
where in `DREAMRAY_S3_SERVER`. Unlike S3, it takes no key `a/b` beside a key `a`. Linux only.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ACCESS_KEY = "rehearsal"
SECRET_KEY = "rehearsal-secret"

_START_SECONDS = 20
_LISTEN = "0A"  # Of the states in /proc/net/tcp


class S3Server:
    """An S3 server on `address`, from the start of the context to its end.

    Each folder in `buckets` is a bucket, each file below it an object. `popen` starts the
    process, so that it can run on a rehearsed host: `S3Server(folder, host.address, 9000,
    host.popen)`. With `port=0` it listens on a free port of this machine. Raises RuntimeError
    if it does not start.
    """

    def __init__(
        self,
        folder: Path,
        address: str = "127.0.0.1",
        port: int = 0,
        popen: Callable[..., subprocess.Popen[Any]] = subprocess.Popen,
    ) -> None:
        self.address = address
        self.port = port or _free_port(address)
        self.buckets = folder / "buckets"
        self.log = folder / "s3.log"
        self._metadata = folder / "metadata"
        self._popen = popen

    @property
    def url(self) -> str:
        """The endpoint, such as http://127.0.0.1:9000."""
        return f"http://{self.address}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What boto3 needs to know."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": self.address,
            "no_proxy": self.address,
        }

    def make_bucket(self, name: str) -> Path:
        """An empty bucket; gives its folder."""
        bucket = self.buckets / name
        bucket.mkdir()
        return bucket

    def __enter__(self) -> S3Server:
        self.buckets.mkdir(parents=True, exist_ok=True)
        self._metadata.mkdir(exist_ok=True)
        command = [server_program(), "--access", ACCESS_KEY, "--secret", SECRET_KEY]
        command += ["--port", f"{self.address}:{self.port}", "--keep-alive", "posix"]
        command += ["--sidecar", str(self._metadata), str(self.buckets)]
        with self.log.open("w") as log:
            self._process = self._popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; whoever talks to the server now is cut off."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while not _listens(self._process.pid, self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the S3 server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)


def server_program() -> str:
    """The server's program, or the end of the test.

    The test is skipped where there is none, but fails where `DREAMRAY_S3_SERVER` promises one.
    """
    promised = os.environ.get("DREAMRAY_S3_SERVER")
    program = shutil.which(promised or "versitygw")
    if program is None and (promised or os.environ.get("CI")):
        pytest.fail(f"there is no S3 server at {promised or 'versitygw'}: see .ci/run")
    if program is None:
        pytest.skip("needs versitygw, an S3 server, which .ci/s3-server installs")
    return program


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Boto3's settings: dummy keys and one attempt, nothing of the machine's own.

    Gives the monkeypatch to set more of them with, before the first call.
    """
    from dreamray.storage import s3_client as s3

    set_dummy_keys(monkeypatch, tmp_path)
    s3.forget()
    yield monkeypatch
    s3.forget()


def set_dummy_keys(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Boto3's settings: dummy keys and one attempt, nothing of the machine's own."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_ACCESS_KEY_ID", "dummy-key-id")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "dummy-secret")
    patch.setenv("AWS_REGION", "us-east-1")
    patch.setenv("AWS_MAX_ATTEMPTS", "1")
    patch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def patient(aws: pytest.MonkeyPatch) -> list[float]:
    """Requests are made again, as where nothing is said, but at once; gives the pauses."""
    from dreamray.storage import s3_client as s3

    aws.delenv("AWS_MAX_ATTEMPTS")
    s3.forget()
    return waiting_in_no_time(aws)


def waiting_in_no_time(patch: pytest.MonkeyPatch) -> list[float]:
    """Have the patience with the storage end as if it had waited; gives the pauses."""
    from dreamray.storage import s3_client as s3

    pauses: list[float] = []
    patch.setattr(s3.retrier(), "sleep", pauses.append)
    patch.setattr(s3.retrier(), "clock", lambda: time.monotonic() + sum(pauses))
    return pauses


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server on this machine."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _listens(pid: int, port: int) -> bool:
    """Whether the process listens on the port, also in another network namespace than ours."""
    process = Path(f"/proc/{pid}")
    try:
        # Columns: number, local address, remote address, state, ...; the tenth is the inode.
        rows = [row.split() for row in (process / "net" / "tcp").read_text().splitlines()[1:]]
        files = {str(file.readlink()) for file in (process / "fd").iterdir()}
    except OSError:  # It ended, or closed a file meanwhile.
        return False
    listening = [row for row in rows if row[3] == _LISTEN and row[1].endswith(f":{port:04X}")]
    return any(f"socket:[{row[9]}]" in files for row in listening)
