"""An HTTP proxy that misbehaves: it stands before a server and spoils a share of the requests.

    python tests/fakes/flaky_proxy.py --target 127.0.0.1:9000 --share 0.05 --seed 1

It passes requests on as they are, with their Host header, so that the signatures of S3 hold.
"""

from __future__ import annotations

import argparse
import enum
import http.client
import random
import socket
import struct
import threading
import time
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


class FlakyProxy:
    """A proxy before `target` ("host:port"), from the start of the context to its end.

    A `share` of the requests, 0 to 1, meets one of the `faults`; which ones depends on the seed
    and on the order in which the requests come. `delay` is in seconds.
    """

    def __init__(
        self,
        target: str,
        share: float,
        seed: int = 0,
        *,
        port: int = 0,
        delay: float = 0.2,
        faults: tuple[Fault, ...] = tuple(Fault),
    ) -> None:
        self.done: Counter[str] = Counter()
        """How many requests there were ("requests"), and how many of each fault."""
        self._share, self._delay, self._faults = share, delay, faults
        self._random, self._lock = random.Random(seed), threading.Lock()
        host, _, target_port = target.rpartition(":")
        handler = type("Handler", (_Handler,), {"proxy": self, "target": (host, int(target_port))})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)

    @property
    def address(self) -> str:
        """Where it listens: "host:port"."""
        return f"127.0.0.1:{self._server.server_port}"

    def fate(self) -> Fault | None:
        """What the next request meets."""
        with self._lock:
            spoiled = self._random.random() < self._share
            fault = self._random.choice(self._faults) if spoiled else None
            self.done.update(["requests"] + [str(fault)] * spoiled)
            return fault

    def wait(self) -> None:
        time.sleep(self._delay)

    def __enter__(self) -> FlakyProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FlakyProxy
    target: tuple[str, int]
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.proxy.fate()
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
