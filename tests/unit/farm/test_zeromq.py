"""Workers hear one another by TCP, and nobody else; with real sockets of this machine."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from dreamray.base.errors import RequestError
from dreamray.base.geometry import Region, Shape
from dreamray.engine.ascent import Octave
from dreamray.engine.halo_exchange import assign_tiles
from dreamray.engine.lockstep.mailbox import Epoch, Limits, Mailbox
from dreamray.engine.lockstep.member import Place
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.farm import zeromq
from dreamray.farm.zeromq import VARIABLE, Endpoint, Exchange, RunKeys, ports_of_machine
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Ports
from dreamray.storage import MemoryFolder
from tests.support.plain_engine import PlainEngine

HOST = "127.0.0.1"
KEYS = RunKeys.new()
SOON = 20.0
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.fixture(autouse=True)
def _soon_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not delivered by then is not waited for."""
    monkeypatch.setattr(zeromq, "_LINGER", 100)


@pytest.fixture
def closing_all() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def listen(closing_all: ExitStack) -> Callable[..., Exchange]:
    def start(keys: RunKeys = KEYS, ports: Ports | None = None) -> Exchange:
        return closing_all.enter_context(closing(Exchange(keys, HOST, ports)))

    return start


@pytest.fixture
def link(closing_all: ExitStack) -> Callable[..., Any]:
    def connect(exchange: Exchange, *peers: Endpoint) -> Any:
        return closing_all.enter_context(closing(exchange.connect(peers)))

    return connect


def heard(transport: Any, seconds: float = SOON) -> list[bytes] | None:
    found = transport.receive(seconds)
    return None if found is None else [bytes(frame) for frame in found]


class TestMessages:
    def test_arrive_as_they_were(self, listen, link):
        one, other = listen(), listen()
        array = np.arange(3 * 300 * 200, dtype=np.float32).reshape(300, 200, 3)
        link(one, one.endpoint, other.endpoint).send(1, [b"head", array])
        head, frame = heard(link(other))
        assert head == b"head"
        assert frame == array.tobytes()

    def test_wait_for_whoever_is_not_there_yet(self, listen, link):
        port = unused_port()
        link(listen(), Endpoint(HOST, port)).send(0, [b"early"])
        late = listen(ports=Ports(port, port))
        assert heard(link(late)) == [b"early"]

    def test_of_somebody_with_other_keys_are_not_heard(self, listen, link):
        """Neither with keys of another run, nor with the server's public key alone."""
        here = listen()
        stranger = listen(RunKeys.new())
        link(stranger, here.endpoint).send(0, [b"foreign"])
        half = RunKeys(KEYS.public, RunKeys.new().secret)
        link(listen(half), here.endpoint).send(0, [b"half"])
        receiver = link(here)
        link(listen(), here.endpoint).send(0, [b"ours"])
        assert heard(receiver) == [b"ours"]
        assert heard(receiver, 0.5) is None

    def test_of_somebody_who_knows_no_more_than_the_port_are_not_heard(self, listen, link):
        here = listen()
        receiver = link(here)
        with socket.create_connection((HOST, here.endpoint.port)) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(1000))
        plain = zmq.Context.instance().socket(zmq.PUSH)
        plain.linger = 0
        plain.connect(str(here.endpoint))
        plain.send(b"plain")
        link(listen(), here.endpoint).send(0, [b"ours"])
        assert heard(receiver) == [b"ours"]
        assert heard(receiver, 0.5) is None
        plain.close()


class TestReach:
    def test_who_is_there_is_reachable_until_it_is_gone(self, listen, link, monkeypatch):
        monkeypatch.setattr(zeromq, "_LOOK_EVERY", 0.01)
        one, other = listen(), listen()
        sender = link(one, other.endpoint)
        sender.send(0, [b"x"])
        assert heard(link(other)) == [b"x"]
        wait_until(lambda: not sender.unreachable())
        other.close()
        wait_until(lambda: sender.unreachable().get(0, 0) > 0.1)


class TestPorts:
    def test_are_those_of_the_range(self, listen):
        first = listen().endpoint.port
        assert listen(ports=Ports(first, first + 200)).endpoint.port in range(first, first + 201)

    def test_that_are_all_taken_are_told(self, listen):
        taken = listen().endpoint.port
        with pytest.raises(RequestError) as caught:
            listen(ports=Ports(taken, taken))
        assert str(caught.value).startswith(f"--exchange-ports {taken}: none is free on 127.0.0.1")

    def test_of_an_address_that_the_machine_does_not_have_are_told_as_that(self):
        with pytest.raises(RequestError, match=r"^192.0.2.1: a worker cannot listen there, .+;"):
            Exchange(KEYS, "192.0.2.1", None)

    def test_that_are_refused_leave_no_thread_behind(self, listen):
        taken, before = listen().endpoint.port, threading.active_count()
        with pytest.raises(RequestError):
            listen(ports=Ports(taken, taken))
        assert threading.active_count() <= before

    @pytest.mark.parametrize(
        ("text", "ports"), [("", None), ("20000", (20000, 20000)), ("20000-20063", (20000, 20063))]
    )
    def test_may_be_the_machines(self, monkeypatch, text, ports):
        monkeypatch.setenv(VARIABLE, text)
        assert ports_of_machine() == ports

    @pytest.mark.parametrize("text", ["80", "30000-20000", "20000-70000", "a-b", "1-2-3"])
    def test_that_are_none_are_refused(self, monkeypatch, text):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(RequestError, match=VARIABLE):
            ports_of_machine()


def test_keys_are_not_shown():
    assert repr(KEYS) == "RunKeys(…)"


def test_an_octave_has_the_bytes_of_one_worker(listen, link):
    """By threads with sockets, among them somebody who sends what is none of theirs."""
    layer = "conv2d_2"
    plan = plan_tiles(Shape(62, 75), [layer], 32)
    grid = ChunkGrid.within(plan.core_rows, plan.core_columns, 512)
    image = np.random.default_rng(0).uniform(-1, 1, (*plan.shape, 3)).astype(np.float32)
    dream = Dream(layers={layer: 1.0}, iterations=4, step=0.05, max_loss=None, jitter=5)

    def octave() -> Octave:
        result = ChunkedRaster(MemoryFolder(), grid, "float32")
        return Octave(plan, ArrayRaster(image), dream, result=result)

    def pixels(asked: Octave) -> bytes:
        return read(asked.result, Region.whole(plan.shape)).tobytes()

    alone = octave()
    for _ in LocalTileExecutor(Worker(PlainEngine(layer))).dream(alone):
        pass
    exchanges = [listen() for _ in range(3)]
    ends = [one.endpoint for one in exchanges]
    owners, epoch, together = assign_tiles(plan, 3), Epoch(b"r" * 16, 7), octave()
    boxes = [
        Mailbox(link(one, *ends), me, epoch, Limits(again=1.0)) for me, one in enumerate(exchanges)
    ]
    disturbing = link(listen(), *ends)
    for to in range(3):
        disturbing.send(to, [b"rubbish"])
        disturbing.send(to, [bytes(44), bytes(12)])
    for box in boxes:  # All have heard it before the octave begins.
        wait_until(lambda box=box: not box.take_here([]) and box.dropped["damaged"] == 2)
    failed = []

    def live(me: int) -> None:
        try:
            place = Place(owners, me, boxes[me])
            for _ in Worker(PlainEngine(layer)).join(together, place).ascend():
                pass
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=live, args=(me,)) for me in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert not failed
    assert pixels(together) == pixels(alone)
    assert [box.dropped["damaged"] for box in boxes] == [2, 2, 2]


def unused_port() -> int:
    """One that the system gives nobody who asks for any."""
    first, last = map(int, EPHEMERAL.read_text().split())
    outside = [*range(1024, first), *range(last + 1, 65536)]
    for port in random.sample(outside, len(outside)):
        with closing(socket.socket()) as one, suppress(OSError):
            one.bind((HOST, port))
            return port
    pytest.skip("the system gives away all ports")


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
