"""The chart's submitter against a job server that is only played: whose a job is, and its time."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dreamray.farm import ray_compat, submit

SUCCEEDED, USED_UP, TOO_LATE, TOLD_TO_END = 0, 2, 124, 143


class JobServer:
    """The job server, and the client for it: what it knows of one job, and what was asked of it."""

    def __init__(self, job: dict[str, Any] | None = None) -> None:
        self.job = job
        self.answers = 0
        self.submitted: list[list[str]] = []
        self.stopped = False

    def __call__(self, address: str, seconds: float) -> JobServer:
        return self

    def submit(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        """Take what `ray job submit` would have sent."""
        self.submitted.append(command)
        given = [word.partition("=")[2] for word in command if word.startswith("--metadata-json=")]
        metadata = json.loads(given[0]) if given else None
        self.job = job("RUNNING", metadata=metadata, start_time=int(1000 * time.time()))
        return subprocess.CompletedProcess(command, 0, "", "")

    def stop_job(self, name: str) -> None:
        self.stopped = True
        assert self.job is not None
        self.job["status"] = "STOPPED"

    def _do_request(self, method: str, path: str) -> Answer:
        self.answers += 1
        return Answer(self.job)

    async def tail_job_logs(self, name: str) -> AsyncIterator[str]:
        for line in ():
            yield line


class Answer:
    """What the server says of the job: 404 if there is none."""

    def __init__(self, job: dict[str, Any] | None) -> None:
        self.status_code = 200 if job else 404
        self._job = job

    def raise_for_status(self) -> None:
        pass

    def json(self) -> dict[str, Any]:
        assert self._job is not None
        return dict(self._job)


def job(status: str, **more: Any) -> dict[str, Any]:
    return {"type": "SUBMISSION", "entrypoint": "dreamray", "status": status, **more}


class Submitter:
    """The program, with a server that is played."""

    def __init__(self, server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ray_compat, "job_client", server)
        monkeypatch.setattr(subprocess, "run", server.submit)

    def end(self, owner: str = "", deadline: float = 0) -> int:
        """The exit code of a run."""
        return submit.follow(
            submit.Submission(
                "nightly-now", ["dreamray"], owner, "http://head:8265", deadline, 60, poll=0.01
            )
        )


def test_a_finished_job_of_another_owner_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Job by hand whose name was used before would else report the old run as its own."""
    for metadata in ({"dreamray-owner": "uid-1"}, None):
        server = JobServer(job("SUCCEEDED", metadata=metadata))
        assert Submitter(server, monkeypatch).end(owner="uid-2") == USED_UP
        assert not server.submitted
        assert "was called nightly-now, too, and has succeeded" in capsys.readouterr().err


def test_a_new_pod_of_the_same_owner_reports_how_its_job_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = JobServer(job("SUCCEEDED", metadata={"dreamray-owner": "uid-1"}))
    assert Submitter(server, monkeypatch).end(owner="uid-1") == SUCCEEDED
    assert not server.submitted


def test_a_job_that_still_runs_is_followed_whoever_began_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The Job was deleted and made again: its run went on, and is not to be begun twice."""

    class Ending(JobServer):
        def _do_request(self, method: str, path: str) -> Answer:
            if self.answers == 2:
                assert self.job is not None
                self.job["status"] = "SUCCEEDED"
            return super()._do_request(method, path)

    server = Ending(job("RUNNING", metadata={"dreamray-owner": "uid-1"}))
    assert Submitter(server, monkeypatch).end(owner="uid-2") == SUCCEEDED
    assert server.answers == 3
    assert not server.submitted


def test_a_run_that_is_submitted_again_has_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would outlive the Job that follows it, and nobody would stop it."""

    class Forgetful(JobServer):
        def _do_request(self, method: str, path: str) -> Answer:
            if self.answers == 2:
                # The head is lost after 60 of 100 s, and 50 more pass until it is noticed.
                self.job = None
                now = time.time()
                monkeypatch.setattr(time, "time", lambda: now + 50)
            return super()._do_request(method, path)

    begun = int(1000 * (time.time() - 60))
    server = Forgetful(job("RUNNING", start_time=begun))
    assert Submitter(server, monkeypatch).end(deadline=100) == TOO_LATE
    assert len(server.submitted) == 1
    assert server.stopped


def test_a_run_is_submitted_with_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    server = JobServer()
    assert Submitter(server, monkeypatch).end(owner="uid-1", deadline=-1) == TOO_LATE
    (command,) = server.submitted
    assert '--metadata-json={"dreamray-owner": "uid-1"}' in command
    assert command[-2:] == ["--", "dreamray"]


def test_a_submitter_that_is_told_to_end_does() -> None:
    """As PID 1 of its container it is told only if it has a handler: so it has one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "dreamray.farm.submit", "--id=nightly-now"]
        with subprocess.Popen(
            [*command, f"--address={address}", "--", "dreamray"], stderr=subprocess.PIPE, text=True
        ) as submitter:
            silent.settimeout(60)
            asked, _ = silent.accept()
            submitter.terminate()
            _, said = submitter.communicate(timeout=60)
            asked.close()
    assert submitter.returncode == TOLD_TO_END
    assert said == "submit: told to end; nightly-now goes on without me\n"


@pytest.mark.parametrize("program", ["submit", "rayjob"])
def test_what_waits_for_a_run_needs_no_tensorflow(program: str) -> None:
    """Its pod is small, and stays for as long as the run."""
    heavy = "{'tensorflow', 'keras', 'h5py', 'boto3'} & {*sys.modules}"
    code = f"import sys, dreamray.farm.{program}; assert not {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
