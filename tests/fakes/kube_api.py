"""What both stand-ins for the API of Kubernetes need: a certificate, and JSON behind a token."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Answer = tuple[int, dict[str, Any]]


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

        do_GET = do_PATCH = do_POST = _reply  # noqa: N815

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
