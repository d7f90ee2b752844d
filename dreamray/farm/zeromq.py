"""Workers reach each other by ZeroMQ over TCP.

Each listens on one port, and connects to that of everybody whom it sends something. Both sides
prove by CURVE that they have the key of the run, which the driver makes and Ray brings to the
workers; messages are encrypted, and what is changed on its way ends the connection. So whoever
has no key is not heard, and hears nothing. Connections are watched by the library's own thread,
which answers while this process computes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import zmq
import zmq.auth.thread
from zmq.utils import monitor

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief
from dreamray.engine.lockstep.wire import Frame
from dreamray.settings.execution import Ports, parse_ports

_log = logging.getLogger(__name__)

VARIABLE = "DREAMRAY_EXCHANGE_PORTS"
"""The ports of a machine's workers, where the run names none."""

IO_THREADS = 4
"""Threads that encrypt and send, of each worker: one reaches less than 1 GB/s."""

_BEAT = 2_000
_BEAT_LOST = 15_000
"""Milliseconds between two signs of life of a connection, and until it is taken to be lost."""

_READABLE, _NOW, _MORE = int(zmq.POLLIN), int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
"""As numbers: what is done with enumerations takes longer than to send."""

_LOOK_EVERY = 1.0
"""Seconds between looks at which connections are up."""


@dataclass(frozen=True)
class RunKeys:
    """What those who take part in a run have, and nobody else."""

    public: bytes
    secret: bytes

    @classmethod
    def new(cls) -> RunKeys:
        """Of a new run."""
        return cls(*zmq.curve_keypair())

    def __repr__(self) -> str:
        return "RunKeys(…)"


class Endpoint(NamedTuple):
    """Where a worker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def ports_of_machine() -> Ports | None:
    """Those that the environment of this process names, as that of a chart's pods does.

    Raises RequestError if they are none.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    with contextlib.suppress(ValueError):
        if isinstance(ports := parse_ports(text), Ports):
            return ports
    raise RequestError(
        f"{VARIABLE}={brief(text)}: give ports from 1024 to 65535 as FIRST-LAST, or unset it"
    )


class Exchange:
    """The port of one process, on which it is heard from for as long as it lives."""

    def __init__(
        self, keys: RunKeys, host: str, ports: Ports | None, named: str = "--exchange-ports"
    ) -> None:
        """Listen at this address of the machine, on one of the `ports`, or any that is free.

        `named` is what names the ports. Raises RequestError if none of them is free.
        """
        self._keys = keys
        self._named = named
        self._context = zmq.Context(IO_THREADS)
        self._gate = zmq.auth.thread.ThreadAuthenticator(self._context, log=_log)
        self._gate.start()
        self._gate.configure_curve_callback(credentials_provider=_OnlyThisRun(keys))
        self._socket = self._context.socket(zmq.PULL)
        _prepare(self._socket, keys)
        self._socket.curve_server = True
        self._socket.rcvhwm = 0
        try:
            self.endpoint = self._listen(host, ports)
        except BaseException:
            self.close()
            raise

    def _listen(self, host: str, ports: Ports | None) -> Endpoint:
        for port in _in_any_order(ports):
            try:
                self._socket.bind(str(Endpoint(host, port)))
            except zmq.ZMQError as error:
                if error.errno == zmq.EADDRINUSE:
                    continue
                raise RequestError(
                    f"{host}: a worker cannot listen there, {error.strerror}; start its node's Ray "
                    "with --node-ip-address and an address that the others reach it by"
                ) from None
            bound = self._socket.getsockopt(zmq.LAST_ENDPOINT)
            return Endpoint(host, int(bytes(bound).rpartition(b":")[2]))
        raise RequestError(
            f"{self._named} {ports or 'any'}: none is free on {host}; give more of them, as "
            "each worker of a machine takes one"
        )

    def connect(self, peers: Sequence[Endpoint]) -> ZeroMqTransport:
        """The way to these workers, by number, until it is closed."""
        return ZeroMqTransport(self._context, self._socket, self._keys, peers)

    def close(self) -> None:
        """Listen no more."""
        self._socket.close(0)
        self._gate.stop()
        self._context.destroy(0)


class ZeroMqTransport:
    """See `dreamray.engine.lockstep.transport.Transport`."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        incoming: zmq.Socket[bytes],
        keys: RunKeys,
        peers: Sequence[Endpoint],
    ) -> None:
        self._context = context
        self._incoming = incoming
        self._keys = keys
        self._peers = peers
        self._outgoing: dict[int, _Outgoing] = {}
        self._looked = time.monotonic()

    def send(self, to: int, frames: Sequence[Frame]) -> None:
        """As of any transport. Large frames are not copied."""
        if to not in self._outgoing:
            self._outgoing[to] = _Outgoing(self._context, self._keys, self._peers[to])
        socket = self._outgoing[to].socket
        *first, last = frames
        for frame in first:
            socket.send(frame, _MORE, copy=False)
        socket.send(last, _NOW, copy=False)

    def receive(self, seconds: float) -> Sequence[Frame] | None:
        """As of any transport."""
        end = time.monotonic() + seconds
        while True:
            if int(self._incoming.getsockopt(zmq.EVENTS)) & _READABLE:  # Cheaper than to fail.
                with contextlib.suppress(zmq.Again):  # It may be for nothing.
                    found = [self._incoming.recv(_NOW, copy=False)]
                    while found[-1].more:
                        found.append(self._incoming.recv(_NOW, copy=False))
                    return [frame.buffer for frame in found]
            left = end - time.monotonic()
            if left <= 0:
                return None
            self._incoming.poll(int(1000 * left) + 1)

    def unreachable(self) -> Mapping[int, float]:
        """As of any transport. Time in which nobody looks does not count."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            away, self._looked = now - self._looked, now
            for one in self._outgoing.values():
                one.look(min(away, 2 * _LOOK_EVERY))
        return {number: one.lost for number, one in self._outgoing.items() if one.lost}

    def close(self) -> None:
        """Part from the others; the last words may still go out for a while."""
        for one in self._outgoing.values():
            one.close()


_LINGER = 10_000
"""Milliseconds in which the last words of an octave may still go out."""


class _Outgoing:
    """The connection to one worker."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: RunKeys, peer: Endpoint
    ) -> None:
        self.socket = context.socket(zmq.PUSH)
        _prepare(self.socket, keys)
        self.socket.curve_serverkey = keys.public
        self.socket.sndhwm = 0  # A few steps' messages wait here at the most, never the worker.
        self._watch = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self.socket.connect(str(peer))
        self._up = False
        self.lost = 0.0
        """For how many seconds it is down."""

    def look(self, seconds: float) -> None:
        """See what became of it in the last seconds."""
        while self._watch.poll(0):
            event = monitor.recv_monitor_message(self._watch)["event"]
            self._up = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        self.lost = 0.0 if self._up else self.lost + seconds

    def close(self) -> None:
        self.socket.disable_monitor()
        self._watch.close(0)
        self.socket.close(_LINGER)


class _OnlyThisRun:
    """Who may connect."""

    def __init__(self, keys: RunKeys) -> None:
        self._public = keys.public

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether it is one of ours."""
        return key == self._public


def _prepare(socket: zmq.Socket[bytes], keys: RunKeys) -> None:
    socket.linger = 0
    socket.ipv6 = True
    socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
    socket.heartbeat_ivl, socket.heartbeat_timeout = _BEAT, _BEAT_LOST
    socket.reconnect_ivl, socket.reconnect_ivl_max = 100, 2_000


def _in_any_order(ports: Ports | None) -> Iterable[int]:
    """Ports to try; processes of one machine that start at once begin with different ones."""
    if ports is None:
        return [0]
    count = ports.last - ports.first + 1
    begin = random.randrange(count)
    return (ports.first + (begin + one) % count for one in range(count))
