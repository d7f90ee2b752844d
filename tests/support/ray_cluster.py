"""A Ray cluster of one node, as processes that outlive the drivers that join it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

BARE_NODE = ["--include-log-monitor=false"]
BARE_HEAD = [*BARE_NODE, "--no-monitor"]
"""Options of `ray start`: without who reads logs, and the autoscaler, which take a second each."""


def program(name: str) -> str:
    """The path of a command that is installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def plain_dreamray(pace: float = 0) -> list[str]:
    """The command with the engine in NumPy, at a pace in seconds of a million pixels.

    It, and the workers of its cluster, need the project in their PYTHONPATH.
    """
    return [sys.executable, "-m", "tests.support.plain_command", str(pace)]


class Cluster:
    """A Ray of this test's own, that commands are sent to by its address."""

    def __init__(self, folder: Path, processors: int = 6, **environment: str) -> None:
        """`environment`: what its workers have beside that of this process.

        Its node has a label of its kind, which workers in place of lost ones are pinned to.
        """
        self.environment = {
            **os.environ,
            **environment,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self.environment.pop("RAY_ADDRESS", None)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        command = [program("ray"), "start", "--head", "--block", f"--port={port}"]
        command += [f"--num-cpus={processors}", "--labels=dreamray.io/kind=ours"]
        command += ["--node-ip-address=127.0.0.1", "--include-dashboard=false", *BARE_HEAD]
        command += ["--object-store-memory=300000000", "--disable-usage-stats"]
        self._log = folder / "ray.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        while "Ray runtime started" not in self._log.read_text():
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.1)

    def close(self) -> None:
        family = psutil.Process(self._process.pid).children(recursive=True)
        for process in family:
            process.kill()
        self._process.kill()
        self._process.wait()
