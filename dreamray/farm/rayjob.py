"""Makes a RayJob, waits for its end, and ends as it did.

    python -m dreamray.farm.rayjob --manifest FILE --name NAME [--owner-job NAME --owner-uid UID]
                                   [--patience S] [--poll S]

The pods that the chart begins runs on clusters of their own with do this.

Started again with the same name, it waits for the RayJob that is there. The RayJob belongs to the
Job that is given as owner, and goes away with it.

Exit codes: 0 if it succeeded; 1 if it failed, was stopped or deleted; 2 if Kubernetes refuses it,
or there is no manifest; 75 if Kubernetes was out of reach for too long, which is worth another
attempt; 143 if it was told to end.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dreamray.base.errors import RequestError
from dreamray.base.parsing import parse_json
from dreamray.farm import ending

Manifest = dict[str, Any]

_MOST_ANSWER = 16 << 20
"""Bytes of an answer of Kubernetes that are read."""

FAILED, REFUSED, UNREACHABLE = 1, 2, 75
ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))


class RayJobs:
    """The RayJobs of this pod's namespace, with the rights of its service account."""

    def __init__(self) -> None:
        """Raises RequestError outside of a pod that has a token of Kubernetes."""
        try:
            host, port = (os.environ[f"KUBERNETES_SERVICE_{part}"] for part in ("HOST", "PORT"))
            namespace = (ACCOUNT / "namespace").read_text().strip()
            trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        except (KeyError, OSError) as error:
            reason = f"{error.args[0]} is not set" if isinstance(error, KeyError) else str(error)
            raise RequestError(
                f"no way to Kubernetes with the account in {ACCOUNT}: {reason}; run it in a pod "
                "that has the token of one that may make RayJobs"
            ) from None
        host = f"[{host}]" if ":" in host else host
        self._url = f"https://{host}:{port}/apis/ray.io/v1/namespaces/{namespace}/rayjobs"
        # Not through a proxy of the environment.
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trusted), urllib.request.ProxyHandler({})
        )

    def create(self, manifest: Manifest) -> None:
        """Make it, unless it is there."""
        try:
            self._ask(self._url, json.dumps(manifest).encode())
            say(f"made RayJob {manifest['metadata']['name']}")
        except urllib.error.HTTPError as error:
            if error.code != http.client.CONFLICT:
                raise

    def status(self, name: str) -> dict[str, Any] | None:
        """Its status; None if there is no such RayJob."""
        try:
            status: dict[str, Any] = self._ask(f"{self._url}/{name}").get("status", {})
            return status
        except urllib.error.HTTPError as error:
            if error.code != http.client.NOT_FOUND:
                raise
            return None

    def _ask(self, url: str, data: bytes | None = None) -> dict[str, Any]:
        token = (ACCOUNT / "token").read_text().strip()  # It is exchanged now and then.
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        question = urllib.request.Request(url, data, headers)
        with self._opener.open(question, timeout=30) as answer:
            found: dict[str, Any] = parse_json(answer.read(_MOST_ANSWER))
            return found


def wait(jobs: RayJobs, manifest: Manifest, patience: float, poll: float) -> int:
    """Make it, tell how it goes on, and give the exit code."""
    name = manifest["metadata"]["name"]
    made, answered = False, time.monotonic()
    shown: list[str] | None = None
    while True:
        try:
            if not made:
                jobs.create(manifest)
                made = True
            status = jobs.status(name)
            answered = time.monotonic()
        except (OSError, http.client.HTTPException, ValueError) as error:
            code = getattr(error, "code", None)
            if code in (400, 401, 403, 404, 422):
                say(f"Kubernetes refuses RayJob {name}: {code} {_reason(error)}")
                return REFUSED
            if time.monotonic() - answered > patience:
                say(
                    f"Kubernetes did not answer for {patience:.0f} s: {error}; see whether "
                    "policies let this pod reach its API"
                )
                return UNREACHABLE
            time.sleep(poll)
            continue
        if status is None:
            say(f"RayJob {name} was deleted")
            return FAILED
        now = [status.get(key, "") for key in ("jobDeploymentStatus", "jobStatus")]
        if now != shown:
            say(" ".join(filter(None, [f"RayJob {name}:", *now, status.get("message", "")])))
            shown = now
        if now[0] in ("Complete", "Failed", "ValidationFailed"):
            return 0 if now[1] == "SUCCEEDED" else FAILED
        time.sleep(poll)


def _reason(error: Exception) -> str:
    """What Kubernetes gives as its reason, in one line."""
    text = str(error)
    if isinstance(error, urllib.error.HTTPError):
        with contextlib.suppress(Exception):
            text = parse_json(error.read(_MOST_ANSWER))["message"]
    return " ".join(text.split())


def read_manifest(path: Path, name: str, owner: tuple[str, str] | None) -> Manifest:
    """The manifest with its name and, if given, the Job that owns it: its name and UID.

    Raises RequestError where there is none.
    """
    try:
        manifest: Manifest = parse_json(path.read_bytes())
        manifest["metadata"]["name"] = name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path} is no manifest of a RayJob ({type(error).__name__}: {error}); the chart "
            "mounts one there"
        ) from None
    if owner:
        job = {"apiVersion": "batch/v1", "kind": "Job", "name": owner[0], "uid": owner[1]}
        manifest["metadata"]["ownerReferences"] = [job]
    return manifest


def say(text: str) -> None:
    """A line of the log."""
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options, complete the manifest, and wait."""
    parser = argparse.ArgumentParser(prog="python -m dreamray.farm.rayjob")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--owner-job")
    parser.add_argument("--owner-uid")
    parser.add_argument("--patience", type=float, default=300)
    parser.add_argument("--poll", type=float, default=10)
    options = parser.parse_args(arguments)
    job, uid = options.owner_job, options.owner_uid
    try:
        manifest = read_manifest(
            options.manifest, options.name, (job, uid) if job and uid else None
        )
        jobs = RayJobs()
    except RequestError as error:
        say(str(error))
        return error.exit_code
    ending.end_when_told(f"told to end; RayJob {options.name} goes as its Job does")
    return wait(jobs, manifest, options.patience, options.poll)


if __name__ == "__main__":
    sys.exit(main())
