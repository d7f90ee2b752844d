"""A stand-in for the API of Kubernetes: it keeps what it is given, and knows no rules.

It refuses, fails and forgets when a test says so, which a real one cannot be told to.

    with KubernetesApi(tmp_path) as api:
        api.objects["/apis/ray.io/v1/namespaces/dreams/rayjobs/first"] = {...}

Create and get, with TLS by a certificate of its own, and a token.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Answer = tuple[int, dict[str, Any]]

TOKEN = "a token of this rehearsal"


class KubernetesApi:
    """The API on a port of this machine, from the start of the context to its end.

    `objects` are those that there are, by their paths; `requests` are method and path of what was
    asked; `on_request` may give an answer of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.on_request: Callable[[str, str], Answer | None] = lambda method, path: None
        self.certificate = folder / "ca.crt"
        self._key = folder / "ca.key"

    def __enter__(self) -> KubernetesApi:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self.answer, TOKEN))
        context = tls_context(self.certificate, self._key, "127.0.0.1")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        """What a request is answered: status and object."""
        self.requests.append((method, path))
        if told := self.on_request(method, path):
            return told
        match method:
            case "GET" if path in self.objects:
                return 200, self.objects[path]
            case "POST" if body is not None:
                where = f"{path}/{body['metadata']['name']}"
                if where in self.objects:
                    return 409, failure(409, "AlreadyExists")
                self.objects[where] = body
                return 201, body
        return 404, failure(404, "NotFound")


def tls_context(certificate: Path, key: Path, address: str) -> ssl.SSLContext:
    """TLS for a server at an IP address; its certificate and key are made and written."""
    command = ["openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=kubernetes"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-addext", f"subjectAltName=IP:{address}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def handler(
    answer: Callable[[str, str, dict[str, Any] | None], Answer], token: str
) -> type[BaseHTTPRequestHandler]:
    """Answers method, path and body with `answer`; 401 to those without the token."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if self.headers.get("Authorization") == f"Bearer {token}":
                code, said = answer(self.command, urlsplit(self.path).path, body)
            else:
                code, said = 401, failure(401, "Unauthorized")
            text = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _reply  # noqa: N815

    return Handler


def failure(code: int, reason: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": f"{reason}, says the rehearsal",
    }
