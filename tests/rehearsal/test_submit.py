"""The chart's submitter against a real Ray: it follows a job to its end, whatever happens.

How runs end that are stopped, too late or out of reach is seen on Kubernetes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hosts import Host, Hosts, hosts_unavailable
from tests.support.places import PROJECT

pytestmark = pytest.mark.ray

SUCCEEDED, DIED = 0, 1


@pytest.fixture(scope="module")
def farm() -> Iterator[Hosts]:
    """A head with its job server, and a host beside it for submitters."""
    if reason := hosts_unavailable():
        pytest.skip(reason)
    with Hosts(2) as two:
        start_head(two[0])
        yield two


def start_head(host: Host) -> None:
    host.start_head(dashboard=True)
    host.wait_for_ray()


def submit(hosts: Hosts, name: str, *command: str) -> subprocess.Popen[str]:
    """Start a submitter on the second host."""
    words = [sys.executable, "-m", "dreamray.farm.submit", f"--id={name}"]
    words += [f"--address={hosts.dashboard_url}", "--poll=0.3", "--", *command]
    pipe = subprocess.PIPE
    return hosts[1].popen(words, stdout=pipe, stderr=pipe, text=True, cwd=PROJECT)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, the log of the job, and what the submitter says."""
    log, said = process.communicate(timeout=120)
    return process.returncode, log, said


def counting(path: Path, lines: int, code: int = 0) -> list[str]:
    """A job that leaves a mark that it was begun, and prints numbered lines."""
    loop = f"for i in $(seq {lines}); do echo line $i; sleep 0.2; done"
    return ["sh", "-c", f"echo begun >> {path}; {loop}; exit {code}"]


def wait_for(path: Path, text: str = "begun\n") -> None:
    until = time.monotonic() + 60
    while not path.exists() or path.read_text() != text:
        assert time.monotonic() < until, f"{path} is not {text!r}"
        time.sleep(0.05)


def numbered(count: int) -> list[str]:
    return [f"line {number}" for number in range(1, count + 1)]


def lines_of(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith("line ")]


def test_log_and_exit_code_are_those_of_the_job(farm: Hosts, tmp_path: Path) -> None:
    codes = {0: SUCCEEDED, 2: 2, 130: DIED}
    jobs = {
        code: submit(farm, f"code-{code}", *counting(tmp_path / str(code), 8, code=code))
        for code in codes
    }
    for code, process in jobs.items():
        passed, log, said = end(process)
        assert (passed, lines_of(log)) == (codes[code], numbered(8)), said
        assert f"code-{code} {'failed: ' if code else 'succeeded'}" in said


def test_a_submitter_that_is_started_anew_finds_the_job(farm: Hosts, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    job = counting(mark, 15)
    first = submit(farm, "again", *job)
    wait_for(mark)
    first.terminate()
    first.wait()
    code, log, said = end(submit(farm, "again", *job))
    assert (code, lines_of(log)) == (SUCCEEDED, numbered(15)), said
    assert mark.read_text() == "begun\n"
    assert "submitted" not in said


def test_a_lost_connection_loses_no_line_and_repeats_none(farm: Hosts, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    process = submit(farm, "cut", *counting(mark, 25))
    wait_for(mark)
    # The job server's end is closed, and nobody answers for a while.
    (server,) = [p for p in farm[0].processes() if any("dashboard.py" in w for w in p.cmdline())]
    server.suspend()
    time.sleep(1.5)
    server.resume()
    farm[0].cut()
    time.sleep(1.5)
    farm[0].restore()
    code, log, said = end(process)
    assert (code, lines_of(log)) == (SUCCEEDED, numbered(25)), said


def test_a_job_that_a_new_head_has_forgotten_is_submitted_again(
    farm: Hosts, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    process = submit(farm, "forgotten", *counting(mark, 20))
    wait_for(mark)
    for running in farm[0].processes():
        running.kill()
    start_head(farm[0])
    code, log, said = end(process)
    assert code == SUCCEEDED, said
    assert mark.read_text() == 2 * "begun\n"
    assert lines_of(log)[-20:] == numbered(20)
    assert "submitting it again" in said
