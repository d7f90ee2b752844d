"""Submits a run to a Ray cluster, follows it to its end, and ends as it did.

    python -m dreamray.farm.submit --id ID [--owner UID] [--address URL] [--deadline S]
                                   [--patience S] [--poll S] -- COMMAND...

The pods that the chart begins runs on its cluster with do this.

The ID is the run's: started again with the same one, it follows the job that is there rather than
to submit it twice. But a finished one of another owner, such as a Job by hand whose name is used
again, is not taken for its own. A job that the cluster has forgotten, since its head was started
anew, is submitted again. Told to end, it lets the job go on; past the deadline, which counts from
its first start, it stops it.

Exit codes: that of the command; 1 if it died otherwise; 2 if the ID is used up; 124 past the
deadline; 130 if somebody stopped the job; 75 if the cluster was out of reach for too long, which is
worth another attempt; 78 if it refused the token; 143 if it was told to end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from dreamray.base.errors import DreamrayError
from dreamray.farm import ending, ray_compat

DIED, USED_UP, UNREACHABLE, REFUSED, TOO_LATE, STOPPED = 1, 2, 75, 78, 124, 130

NO_ANSWER = (requests.RequestException, ConnectionError, RuntimeError)
"""What the client raises where the job server is away, or in trouble."""

REQUEST_SECONDS = 30
QUIET_SECONDS = 300  # After them the log is asked for again: a dead link says nothing either.
LAST_LINES_SECONDS = 10
SUBMIT_SECONDS = 120
SUBMISSIONS = 5
OWNER = "dreamray-owner"  # In the metadata of a job.


class GivenUpError(DreamrayError):
    """The job is not followed any more; with the exit code."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Submission:
    """What to submit, and how long to wait for whom. All times are in seconds."""

    id: str
    command: Sequence[str]
    owner: str = ""
    """UID of the Job that the run is one of; empty: nobody's."""
    address: str = "http://127.0.0.1:8265"
    deadline: float = 0
    """How long the run may take; 0: for ever."""
    patience: float = 300
    """How long the cluster may be out of reach."""
    poll: float = 5


class JobLog:
    """The log of a job on standard output, each line once however often it is asked for."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._printed = 0

    async def follow(self, client: JobSubmissionClient) -> None:
        """Print what is new until the connection ends, or says nothing for long."""
        seen = 0
        lines = client.tail_job_logs(self._job)
        with contextlib.suppress(Exception):  # The job's status tells whether it is the end.
            while True:
                text = await asyncio.wait_for(anext(lines), QUIET_SECONDS)
                new = text[max(0, self._printed - seen) :]
                seen += len(text)
                self._printed = max(self._printed, seen)
                print(new, end="", flush=True)

    def begin_again(self) -> None:
        """The job is another one, with a log of its own."""
        self._printed = 0


class Run:
    """One run, whichever of its submissions it is in."""

    def __init__(self, submission: Submission) -> None:
        self._asked = submission
        self._client: JobSubmissionClient | None = None
        self._log = JobLog(submission.id)
        self._answered = time.monotonic()
        self._submissions = 0
        self._found = False
        self._began: int | None = None
        self._late = False

    async def follow(self) -> int:
        """Follow it to its end, and give the exit code; raises GivenUpError."""
        following: asyncio.Task[None] | None = None
        while True:
            job = await self._look()
            if job is not None:
                if following is None or following.done():
                    following = asyncio.create_task(self._log.follow(self._connected()))
                if job.status.is_terminal():
                    await asyncio.wait([following], timeout=LAST_LINES_SECONDS)
                    return self._report_late() if self._late else report_end(self._asked.id, job)
                await asyncio.to_thread(self._stop_if_late, job)
            await asyncio.sleep(self._asked.poll)

    async def _look(self) -> JobDetails | None:
        """What the cluster knows of the job; None if it cannot be asked, or just got it."""
        address = self._asked.address
        try:
            job = await asyncio.to_thread(self._ask)
            self._answered = time.monotonic()
            if job is None:
                await asyncio.to_thread(self._submit)
            return job
        except AuthenticationError:
            raise GivenUpError(
                f"{address} refuses the token; give RAY_AUTH_TOKEN as the cluster has it", REFUSED
            ) from None
        except NO_ANSWER as error:
            away = time.monotonic() - self._answered
            if away > self._asked.patience:
                raise GivenUpError(
                    f"{address} did not answer for {away:.0f} s ({type(error).__name__}); "
                    "see whether the cluster's head is up",
                    UNREACHABLE,
                ) from None
            return None

    def _connected(self) -> JobSubmissionClient:
        """The client, which asks the server for its version as it is made."""
        if self._client is None:
            self._client = ray_compat.job_client(self._asked.address, REQUEST_SECONDS)
        return self._client

    def _ask(self) -> JobDetails | None:
        path = f"/api/jobs/{self._asked.id}"
        answer = ray_compat.ask_job_server(self._connected(), path)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        job = JobDetails(**answer.json())
        owner = (job.metadata or {}).get(OWNER)
        if self._asked.owner not in ("", owner) and not self._found and job.status.is_terminal():
            raise GivenUpError(
                f"an earlier run was called {self._asked.id}, too, and has {job.status.lower()}; "
                "the cluster knows runs by their names, so give the Job another one",
                USED_UP,
            )
        self._found = True
        return job

    def _submit(self) -> None:
        name, owner = self._asked.id, self._asked.owner
        if self._submissions == SUBMISSIONS:
            raise GivenUpError(
                f"the cluster forgot {name} {SUBMISSIONS} times; see why its head is lost", DIED
            )
        if self._submissions:
            say(f"the cluster was started anew and has forgotten {name}; submitting it again")
            self._log.begin_again()
        command = ["ray", "job", "submit", "--no-wait", f"--address={self._asked.address}"]
        if owner:
            command.append(f"--metadata-json={json.dumps({OWNER: owner})}")
        command += [f"--submission-id={name}", "--", *self._asked.command]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SUBMIT_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"not submitted yet: no answer for {SUBMIT_SECONDS} s")
            return
        if done.returncode == 0:
            self._submissions += 1
            self._found = True
            say(f"submitted {name}")
        else:  # The next look finds it, or that it has to be tried again.
            say(f"not submitted yet: {(done.stderr.strip() or '?').splitlines()[-1]}")

    def _stop_if_late(self, job: JobDetails) -> None:
        if self._late or not (self._asked.deadline and job.start_time):
            return
        if self._began is None:  # Submitted again, it has no more time.
            self._began = job.start_time
        if time.time() - self._began / 1000 > self._asked.deadline:
            with contextlib.suppress(*NO_ANSWER):  # Then it is asked again.
                self._connected().stop_job(self._asked.id)
                self._late = True

    def _report_late(self) -> int:
        say(
            f"{self._asked.id} took more than {self._asked.deadline:g} s and was stopped; what is "
            "done is kept, the next run goes on"
        )
        return TOO_LATE


def report_end(name: str, job: JobDetails) -> int:
    """Say how a job ended, and give the exit code for it."""
    if job.status == JobStatus.SUCCEEDED:
        say(f"{name} succeeded")
        return 0
    if job.status == JobStatus.STOPPED:
        say(f"{name} was stopped")
        return STOPPED
    say(f"{name} failed: {' '.join((job.message or '').split())[:300]}")
    code = job.driver_exit_code
    return code if code and 0 < code < 126 else DIED


def say(text: str) -> None:
    """A remark of ours, apart from the log of the job."""
    print(f"submit: {text}", file=sys.stderr, flush=True)


def follow(submission: Submission) -> int:
    """Submit it, unless it is there, follow it to its end, and give the exit code."""
    try:
        return asyncio.run(Run(submission).follow())
    except GivenUpError as error:
        say(str(error))
        return error.exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options, and follow the run."""
    parser = argparse.ArgumentParser(prog="python -m dreamray.farm.submit")
    parser.add_argument("--id", required=True)
    parser.add_argument("--owner", default=Submission.owner)
    parser.add_argument("--address", default=Submission.address)
    parser.add_argument("--deadline", type=float, default=Submission.deadline)
    parser.add_argument("--patience", type=float, default=Submission.patience)
    parser.add_argument("--poll", type=float, default=Submission.poll)
    parser.add_argument("command", nargs="+")
    submission = Submission(**vars(parser.parse_args(arguments)))
    # What the environment says of it would go over what the client is told.
    os.environ["RAY_API_SERVER_ADDRESS"] = submission.address
    ending.end_when_told(f"submit: told to end; {submission.id} goes on without me")
    return follow(submission)


if __name__ == "__main__":
    sys.exit(main())
