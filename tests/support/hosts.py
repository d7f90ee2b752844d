"""Several hosts rehearsed on one machine: network namespaces on a switch, and Ray on them.

    with Hosts(3) as hosts:
        hosts.start_ray()
        driver = hosts[0].popen([sys.executable, "driver.py"])
        hosts[2].cut()

Each host has an address and a link of its own; file system, processors and process numbers are
shared. Neither the machine's network nor another Ray on it is touched. Needs root and `ip`.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import psutil
import pytest

from tests.support import namespaces
from tests.support.namespaces import ip
from tests.support.ray_cluster import BARE_HEAD, BARE_NODE

RAY_PORT = 6379
DASHBOARD_PORT = 8265

FAST_FAILURE_DETECTION = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
"""With these a head notices a cut link after 5 to 6 s, dead processes after 2 to 3 s.

Without them it takes Ray 64 s to notice a cut link.
"""

_NETWORK = "198.18.0"  # Of a range that is kept for tests of networks (RFC 2544).
_ROUTER = f"{_NETWORK}.254"
_OBJECT_STORE = 200_000_000
_START_SECONDS = 120


class Host:
    """One of the hosts: a network namespace with one link, and what runs in it.

    `address` is its IP address, `folder` has Ray's files and logs. Tasks and actors run here
    with `resources={host.resource: 1}`.
    """

    def __init__(self, hosts: Hosts, number: int) -> None:
        self._hosts = hosts
        self._namespace = f"{hosts.name}-{number}"
        self._switch_port = f"port{number}"
        self.address = f"{_NETWORK}.{number + 1}"
        self.resource = f"host{number}"
        self.folder = hosts.folder / str(number)
        self._log = self.folder / "ray.log"

    def connect(self) -> None:
        """Make the namespace, and its link to the switch."""
        self.folder.mkdir()
        ip("netns", "add", self._namespace)
        port, switch = self._switch_port, self._hosts.switch
        ends = ["type", "veth", "peer", "name", "eth0", "netns", self._namespace]
        ip("-n", switch, "link", "add", port, *ends)
        ip("-n", switch, "link", "set", port, "master", "bridge", "up")
        ip("-n", self._namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self._namespace, "link", "set", "lo", "up")
        ip("-n", self._namespace, "link", "set", "eth0", "up")
        # A process of Ray takes the address that its packets to the internet would have.
        ip("-n", self._namespace, "route", "add", "default", "via", _ROUTER)

    def cut(self) -> None:
        """Pull the cable: packets vanish, and nobody is told."""
        ip("-n", self._hosts.switch, "link", "set", self._switch_port, "down")

    def restore(self) -> None:
        """Plug the cable in again."""
        ip("-n", self._hosts.switch, "link", "set", self._switch_port, "up")

    def popen(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a program here, with `Hosts.environment` and `env`; options as of Popen."""
        process: subprocess.Popen[Any] = subprocess.Popen(
            ["ip", "netns", "exec", self._namespace, *command],
            env={**self._hosts.environment, **(env or {})},
            **options,
        )
        self._hosts.started.append(process)
        return process

    def run(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end, whatever its exit code.

        Raises TimeoutExpired, after killing it, when it takes more than `timeout` seconds.
        """
        pipe = subprocess.PIPE
        with self.popen(command, env, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def processes(self) -> list[psutil.Process]:
        """What runs here now."""
        return namespaces.processes_in(self._namespace)

    def kill(self, name: str) -> None:
        """Kill each process of the name with SIGKILL, such as `raylet`.

        An actor is called `ray::Class`, during a call `ray::Class.method`. Raises LookupError
        if there is no such process.
        """
        victims = [process for process in self.processes() if namespaces.name_of(process) == name]
        if not victims:
            raise LookupError(f"no process called {name} on {self.address}")
        namespaces.kill(victims)

    def start_head(
        self,
        cpus: int = 0,
        dashboard: bool = False,
        options: Sequence[str] = BARE_HEAD,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Begin to start Ray's head, with the dashboard if jobs are to be submitted.

        Without `cpus` no tasks and actors run on it.
        """
        how = [f"--port={RAY_PORT}", f"--include-dashboard={str(dashboard).lower()}"]
        how += ["--dashboard-host=0.0.0.0", f"--dashboard-port={DASHBOARD_PORT}"]
        self._start_ray(["--head", *how, *options], cpus, env)

    def start_worker(
        self,
        cpus: int = 2,
        options: Sequence[str] = BARE_NODE,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Begin to start a worker node of the head on the first host."""
        self._start_ray([f"--address={self._hosts.ray_address}", *options], cpus, env)

    def _start_ray(self, options: Sequence[str], cpus: int, env: Mapping[str, str] | None) -> None:
        command = ["ray", "start", "--block", f"--node-ip-address={self.address}"]
        command += [f"--num-cpus={cpus}", f"--object-store-memory={_OBJECT_STORE}"]
        command += [f"--resources={json.dumps({self.resource: 1000})}"]
        command += [f"--temp-dir={self.folder}", "--disable-usage-stats", *options]
        with self._log.open("w") as log:
            self._ray = self.popen(command, env, stdout=log, stderr=subprocess.STDOUT)

    def wait_for_ray(self) -> None:
        """Return when Ray is up; raises RuntimeError with its log if it does not come up."""
        until = time.monotonic() + _START_SECONDS
        while "Ray runtime started" not in (log := self._log.read_text()):
            if self._ray.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Ray did not start on {self.address}:\n{log}")
            time.sleep(0.05)

    def shut_down(self) -> None:
        """Ask Ray to leave, as Kubernetes does: SIGTERM, on which it drains the node first.

        Returns at once. The node is gone when its tasks and actors are, or after
        `RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S`.
        """
        self._ray.send_signal(signal.SIGTERM)


class Hosts(Sequence[Host]):
    """So many hosts on one switch, from the start of the context to its end.

    `environment` is that of every process, and may be added to: the tests' own without proxies
    and settings of Ray and AWS, and with a token of this rehearsal and quick failure detection.
    Whatever still runs at the end is killed. What a killed test run left behind is removed when
    the next one starts.
    """

    def __init__(self, number: int) -> None:
        self.name = namespaces.new_group()
        self.switch = f"{self.name}-switch"
        self.folder = namespaces.folder_of(self.name)
        self.started: list[subprocess.Popen[Any]] = []
        self._hosts = [Host(self, index) for index in range(number)]
        self.ray_address = f"{self._hosts[0].address}:{RAY_PORT}"
        self.dashboard_url = f"http://{self._hosts[0].address}:{DASHBOARD_PORT}"
        self.environment = {
            **_clean_environment(),
            "RAY_ADDRESS": self.ray_address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_prestart_worker_first_driver": "0",
            **FAST_FAILURE_DETECTION,
        }

    def __len__(self) -> int:
        return len(self._hosts)

    @overload
    def __getitem__(self, index: int) -> Host: ...
    @overload
    def __getitem__(self, index: slice) -> list[Host]: ...
    def __getitem__(self, index: int | slice) -> Host | list[Host]:
        return self._hosts[index]

    def __enter__(self) -> Hosts:
        namespaces.remove_leftovers()
        try:
            self.folder.mkdir()
            ip("netns", "add", self.switch)
            ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
            ip("-n", self.switch, "address", "add", f"{_ROUTER}/24", "dev", "bridge")
            ip("-n", self.switch, "link", "set", "bridge", "up")
            # A router refuses at once what is sent to the internet, rather than to lose it.
            forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
            ip("netns", "exec", self.switch, "sh", "-c", forward)
            for host in self:
                host.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what runs, and remove the hosts."""
        namespaces.remove(self.name)
        for process in self.started:
            process.wait()

    def start_ray(self, cpus: int = 2, dashboard: bool = False) -> None:
        """Start Ray: the head on the first host, a worker node of `cpus` on each other one.

        Takes about 10 s. Raises RuntimeError as `Host.wait_for_ray` does.
        """
        head, *workers = self
        head.start_head(dashboard=dashboard)
        for worker in workers:
            worker.start_worker(cpus)
        for host in self:
            host.wait_for_ray()


@functools.cache
def hosts_unavailable() -> str | None:
    """Why this machine cannot rehearse hosts; None if it can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "rehearsed hosts need Linux and root"
    if shutil.which("ip") is None:
        return "rehearsed hosts need `ip`, of iproute2"
    try:
        with Hosts(1):
            return None
    except subprocess.CalledProcessError as error:
        return f"this machine makes no network namespaces: {error.stderr.strip()}"


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Three connected hosts, on which nothing runs yet; skipped where there can be none."""
    if reason := hosts_unavailable():
        pytest.skip(reason)
    with Hosts(3) as three:
        yield three


def _clean_environment() -> dict[str, str]:
    foreign = ("RAY_", "AWS_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }
    # Ray's command and the tests' interpreter are found by name.
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"}
