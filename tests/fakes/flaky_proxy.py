"""An HTTP proxy that misbehaves: it stands before a server and spoils a share of the requests.

    python tests/fakes/flaky_proxy.py --target 127.0.0.1:9000 --share 0.05 --seed 1

It passes requests on as they are, with their Host header, so that the signatures of S3 hold.
"""

from __future__ import annotations

import argparse
import enum
import http.client
import io
import random
import re
import socket
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please slow down</Message></Error>"
# They hold for one connection only.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Fault(enum.StrEnum):
    """What is done to a request."""

    SLOW_DOWN = "slow down"
    """It is answered 503 SlowDown, and the server never sees it."""
    RESET = "reset"
    """The connection breaks before the server sees it."""
    LOST = "lost"
    """The server does what is asked, but the connection breaks before the answer."""
    HALF = "half"
    """The connection breaks in the middle of the answer's body; without a body, before it."""
    DELAY = "delay"
    """It is passed on after some time."""
    HANG = "hang"
    """It is not answered, and no more of it is read, but the connection stays."""
    STALL = "stall"
    """The answer stops in the middle of its body, or head, but the connection stays."""
    TRICKLE = "trickle"
    """The answer comes byte by byte."""


PASSING = (Fault.SLOW_DOWN, Fault.RESET, Fault.LOST, Fault.HALF, Fault.DELAY)
"""Those that a second request may not meet."""


class FlakyProxy:
    """A proxy before `target` ("host:port"), from the start of the context to its end.

    A `share` of the requests, 0 to 1, meets one of the `faults`; which ones depends on the seed
    and on the order in which the requests come. `delay` is in seconds, also that between the
    bytes of a trickle. With `only`, those alone whose method and path match that expression.
    All of that may be changed while it goes on.
    """

    def __init__(
        self,
        target: str,
        share: float,
        seed: int = 0,
        *,
        port: int = 0,
        delay: float = 0.2,
        faults: tuple[Fault, ...] = PASSING,
        only: str = "",
    ) -> None:
        self.done: Counter[str] = Counter()
        """How many requests there were ("requests"), and how many of each fault."""
        self.share, self.delay, self.faults, self.only = share, delay, faults, only
        self._ended = threading.Event()
        self._random, self._lock = random.Random(seed), threading.Lock()
        host, _, target_port = target.rpartition(":")
        handler = type("Handler", (_Handler,), {"proxy": self, "target": (host, int(target_port))})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)

    @property
    def address(self) -> str:
        """Where it listens: "host:port"."""
        return f"127.0.0.1:{self._server.server_port}"

    def fate(self, request: str = "") -> Fault | None:
        """What the next request meets, of this method and path."""
        with self._lock:
            spoiled = self._random.random() < self.share
            spoiled = spoiled and re.search(self.only, request) is not None
            fault = self._random.choice(self.faults) if spoiled else None
            self.done.update(["requests"] + [str(fault)] * spoiled)
            return fault

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the delay, or so long; whether the proxy goes on."""
        return not self._ended.wait(self.delay if seconds is None else seconds)

    def __enter__(self) -> FlakyProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FlakyProxy
    target: tuple[str, int]
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        fault = self.proxy.fate(f"{self.command} {self.path}")
        if fault is Fault.HANG:
            self.proxy.wait(3600)
            self._reset()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match fault:
            case Fault.SLOW_DOWN:
                self._answer(503, [], _SLOW_DOWN)
                return
            case Fault.RESET:
                self._reset()
                return
            case Fault.DELAY:
                self.proxy.wait()
        status, headers, answer = self._asked(body)
        if fault is Fault.LOST or (fault is Fault.HALF and not answer):
            self._reset()
        elif fault is Fault.HALF:
            self._answer(status, headers, answer, len(answer) // 2)
            self._reset()
        elif fault in (Fault.STALL, Fault.TRICKLE):
            self._answer_slowly(status, headers, answer, fault)
        else:
            self._answer(status, headers, answer)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        server = http.client.HTTPConnection(*self.target, timeout=60)
        try:
            # Every byte as it came: what is signed must not change.
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    server.putheader(name, value)
            server.endheaders(body)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, sent: int | None = None
    ) -> None:
        length = str(len(body))
        if self.command == "HEAD":  # It tells the length of a body that is not there.
            length = next((v for name, v in headers if name.lower() == "content-length"), "0")
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body[:sent])

    def _answer_slowly(
        self, status: int, headers: list[tuple[str, str]], body: bytes, fault: Fault
    ) -> None:
        """An answer that never ends."""
        out, self.wfile = self.wfile, io.BytesIO()
        self._answer(status, headers, body)
        text, self.wfile = self.wfile.getvalue(), out
        try:
            if fault is Fault.STALL:
                self.wfile.write(text[: len(text) - len(body) // 2 if body else len(text) // 2])
                self.proxy.wait(3600)
            for at in range(len(text)):
                self.wfile.write(text[at : at + 1])
                if not self.proxy.wait():
                    break
        except OSError:  # Nobody waits any more.
            pass
        self._reset()

    def _reset(self) -> None:
        """End the connection with RST, as a server does that dies."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Before the server's own orderly end of it.
        self.connection.close()

    def log_message(self, *args: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--target", required=True, metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--share", type=float, default=0.05, help="of the requests, 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.2, metavar="SECONDS")
    given = parser.parse_args()
    with FlakyProxy(
        given.target, given.share, given.seed, port=given.port, delay=given.delay
    ) as proxy:
        print(f"http://{proxy.address}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(dict(proxy.done))


if __name__ == "__main__":
    main()
