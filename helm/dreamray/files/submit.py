"""Submits a run to a Ray cluster, follows it to its end, and ends as it did.

    submit.py --id ID [--owner UID] [--address URL] [--deadline S] [--patience S] [--poll S]
              -- COMMAND...

The ID is the run's: started again with the same one, it follows the job that is there rather than
to submit it twice. But a finished one of another owner, such as a Job by hand whose name is used
again, is not taken for its own. A job that the cluster has forgotten, since its head was started
anew, is submitted again. Told to end, it lets the job go on; past the deadline, which counts from
its first start, it stops it.

Exit codes: that of the command; 1 if it died otherwise; 2 if the ID is used up; 124 past the
deadline; 130 if somebody stopped the job; 75 if the cluster was out of reach for too long, which is
worth another attempt; 78 if it refused the token.
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

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

DIED, USED_UP, UNREACHABLE, REFUSED, TOO_LATE, STOPPED = 1, 2, 75, 78, 124, 130

NO_ANSWER = (requests.RequestException, ConnectionError, RuntimeError)
"""What the client raises where the job server is away, or in trouble."""

REQUEST_SECONDS = 30
QUIET_SECONDS = 300  # After them the log is asked for again: a dead link says nothing either.
LAST_LINES_SECONDS = 10
SUBMISSIONS = 5
OWNER = "dreamray-owner"  # In the metadata of a job.


class GivenUpError(Exception):
    """The job is not followed any more; with the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Log:
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

    def __init__(self, options: argparse.Namespace) -> None:
        self._id = options.id
        self._owner = options.owner
        self._command = options.command
        self._deadline = options.deadline
        self._patience = options.patience
        self._poll = options.poll
        self._address = options.address
        self._client: JobSubmissionClient | None = None
        self._log = Log(self._id)
        self._answered = time.monotonic()
        self._submissions = 0
        self._found = False
        self._began: int | None = None
        self._late = False

    async def to_its_end(self) -> int:
        """Follow it to its end, and give the exit code; raises GivenUpError."""
        following = asyncio.create_task(asyncio.sleep(0))
        while True:
            job = await self._look()
            if job is not None:
                if following.done():
                    following = asyncio.create_task(self._log.follow(self._client))
                if job.status.is_terminal():
                    await asyncio.wait([following], timeout=LAST_LINES_SECONDS)
                    return self._too_late() if self._late else ended(self._id, job)
                await asyncio.to_thread(self._mind_the_deadline, job)
            await asyncio.sleep(self._poll)

    async def _look(self) -> JobDetails | None:
        """What the cluster knows of the job; None if it cannot be asked, or just got it."""
        try:
            job = await asyncio.to_thread(self._ask)
            self._answered = time.monotonic()
            if job is None:
                await asyncio.to_thread(self._submit)
            return job
        except AuthenticationError:
            raise GivenUpError(
                f"{self._address} refuses the token; give RAY_AUTH_TOKEN as the cluster has it",
                REFUSED,
            ) from None
        except NO_ANSWER as error:
            away = time.monotonic() - self._answered
            if away > self._patience:
                raise GivenUpError(
                    f"{self._address} did not answer for {away:.0f} s ({type(error).__name__}); "
                    "see whether the cluster's head is up",
                    UNREACHABLE,
                ) from None
            return None

    def _ask(self) -> JobDetails | None:
        if self._client is None:
            self._client = JobSubmissionClient(self._address)
        # The client's own request has the token, but get_job_info would wait for ever.
        path = f"/api/jobs/{self._id}"
        answer = self._client._do_request("GET", path, timeout=REQUEST_SECONDS)
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        job = JobDetails(**answer.json())
        owner = (job.metadata or {}).get(OWNER)
        if self._owner not in ("", owner) and not self._found and job.status.is_terminal():
            raise GivenUpError(
                f"an earlier run was called {self._id}, too, and has {job.status.lower()}; the "
                "cluster knows runs by their names, so give the Job another one",
                USED_UP,
            )
        self._found = True
        return job

    def _submit(self) -> None:
        if self._submissions == SUBMISSIONS:
            raise GivenUpError(f"the cluster forgot {self._id} {SUBMISSIONS} times", DIED)
        if self._submissions:
            say(f"the cluster was started anew and has forgotten {self._id}; submitting it again")
            self._log.begin_again()
        command = ["ray", "job", "submit", "--no-wait", f"--address={self._address}"]
        if self._owner:
            command.append(f"--metadata-json={json.dumps({OWNER: self._owner})}")
        command += [f"--submission-id={self._id}", "--", *self._command]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            self._submissions += 1
            self._found = True
            say(f"submitted {self._id}")
        else:  # The next look finds it, or that it has to be tried again.
            say(f"not submitted yet: {(done.stderr.strip() or '?').splitlines()[-1]}")

    def _mind_the_deadline(self, job: JobDetails) -> None:
        if self._late or not (self._deadline and job.start_time):
            return
        if self._began is None:  # Submitted again, it has no more time.
            self._began = job.start_time
        if time.time() - self._began / 1000 > self._deadline:
            with contextlib.suppress(*NO_ANSWER):  # Then it is asked again.
                self._client.stop_job(self._id)
                self._late = True

    def _too_late(self) -> int:
        say(
            f"{self._id} took more than {self._deadline:g} s and was stopped; what is done is "
            "kept, the next run goes on"
        )
        return TOO_LATE


def ended(name: str, job: JobDetails) -> int:
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


def main() -> int:
    """Parse the options, and follow the run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--id", required=True)
    parser.add_argument("--owner", default="")
    parser.add_argument("--address", default="http://127.0.0.1:8265")
    parser.add_argument("--deadline", type=float, default=0)
    parser.add_argument("--patience", type=float, default=300)
    parser.add_argument("--poll", type=float, default=5)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    # What the environment says of it would go over what the client is told.
    os.environ["RAY_API_SERVER_ADDRESS"] = options.address
    try:
        return asyncio.run(Run(options).to_its_end())
    except GivenUpError as error:
        say(str(error))
        return error.code


if __name__ == "__main__":
    sys.exit(main())
