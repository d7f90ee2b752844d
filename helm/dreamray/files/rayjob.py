"""Makes a RayJob, waits for its end, and ends as it did. Needs Python's own library only.

    rayjob.py --manifest FILE --name NAME [--owner-job NAME --owner-uid UID] [--patience S]
              [--poll S]

Started again with the same name, it waits for the RayJob that is there. The RayJob belongs to the
Job that is given as owner, and goes away with it.

Exit codes: 0 if it succeeded; 1 if it failed, was stopped or deleted; 2 if Kubernetes refuses it;
75 if Kubernetes was out of reach for too long, which is worth another attempt.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

FAILED, REFUSED, UNREACHABLE = 1, 2, 75
ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))


class Api:
    """The RayJobs of this pod's namespace, with the rights of its service account."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        host = f"[{host}]" if ":" in host else host
        namespace = (ACCOUNT / "namespace").read_text().strip()
        self._url = f"https://{host}:{port}/apis/ray.io/v1/namespaces/{namespace}/rayjobs"
        trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        # Not through a proxy of the environment.
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trusted), urllib.request.ProxyHandler({})
        )

    def create(self, manifest: dict) -> None:
        """Make it, unless it is there."""
        try:
            self._ask(self._url, json.dumps(manifest).encode())
            say(f"made RayJob {manifest['metadata']['name']}")
        except urllib.error.HTTPError as error:
            if error.code != http.client.CONFLICT:
                raise

    def status(self, name: str) -> dict | None:
        """Its status; None if there is no such RayJob."""
        try:
            return self._ask(f"{self._url}/{name}").get("status", {})
        except urllib.error.HTTPError as error:
            if error.code != http.client.NOT_FOUND:
                raise
            return None

    def _ask(self, url: str, data: bytes | None = None) -> dict:
        token = (ACCOUNT / "token").read_text().strip()  # It is exchanged now and then.
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        question = urllib.request.Request(url, data, headers)
        with self._opener.open(question, timeout=30) as answer:
            return json.load(answer)


def wait(api: Api, manifest: dict, patience: float, poll: float) -> int:
    """Make it, tell how it goes on, and give the exit code."""
    name = manifest["metadata"]["name"]
    made, shown, answered = False, None, time.monotonic()
    while True:
        try:
            if not made:
                api.create(manifest)
                made = True
            status = api.status(name)
            answered = time.monotonic()
        except (OSError, http.client.HTTPException, ValueError) as error:
            code = getattr(error, "code", None)
            if code in (400, 401, 403, 404, 422):
                say(f"Kubernetes refuses RayJob {name}: {code} {explained(error)}")
                return REFUSED
            if time.monotonic() - answered > patience:
                say(f"Kubernetes did not answer for {patience:.0f} s: {error}")
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


def explained(error: Exception) -> str:
    """The reason that Kubernetes gives."""
    try:
        return json.loads(error.read())["message"]
    except Exception:
        return str(error)


def say(text: str) -> None:
    """A line of the log."""
    print(text, flush=True)


def main() -> int:
    """Parse the options, and complete the manifest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--owner-job")
    parser.add_argument("--owner-uid")
    parser.add_argument("--patience", type=float, default=300)
    parser.add_argument("--poll", type=float, default=10)
    options = parser.parse_args()
    manifest = json.loads(options.manifest.read_text())
    manifest["metadata"]["name"] = options.name
    if options.owner_job and options.owner_uid:
        owner = {"name": options.owner_job, "uid": options.owner_uid}
        manifest["metadata"]["ownerReferences"] = [
            {"apiVersion": "batch/v1", "kind": "Job", **owner}
        ]
    return wait(Api(), manifest, options.patience, options.poll)


if __name__ == "__main__":
    sys.exit(main())
