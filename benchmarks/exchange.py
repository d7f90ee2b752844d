"""How fast strips go from worker to worker.

    python benchmarks/exchange.py [--size 8MiB] [--messages 100] [--markdown FILE]

One process sends strips to another one of this machine: as workers do, with the keys of a run and
the head and check sum of each message; without the check sum; and through a plain socket, which
is as fast as loopback gets. The processor time is that of both processes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from dreamray.engine.lockstep.wire import Head, Key, Kind, pack, unpack
from dreamray.farm.zeromq import Endpoint, Exchange, RunKeys
from dreamray.settings.execution import parse_size

HOST = "127.0.0.1"
LIMIT = 60.0
"""Seconds for any message."""


def receive_exchanged(pipe: Connection, keys: RunKeys, count: int, checked: bool) -> None:
    """Take messages as a worker does, and tell when all are there, and the processor time."""
    with closing(Exchange(keys, HOST, None)) as exchange, closing(exchange.connect([])) as link:
        pipe.send(exchange.endpoint)
        for _ in range(count):
            frames = link.receive(LIMIT)
            assert frames is not None, "nothing came"
            assert not checked or unpack(frames) is not None
        pipe.send(processor_seconds())


def send_exchanged(pipe: Connection, keys: RunKeys, count: int, size: int, checked: bool) -> float:
    """Seconds, until the receiver has all."""
    strip = np.random.default_rng(0).random(size // 4, np.float32)
    head = Head(bytes(16), 1, 0, Key(Kind.HALOS, 0))
    peer: Endpoint = pipe.recv()
    with closing(Exchange(keys, HOST, None)) as exchange, closing(exchange.connect([peer])) as link:
        begun = time.perf_counter()
        for _ in range(count):
            link.send(0, pack(head, [strip]) if checked else [b"head", strip])
        assert pipe.poll(LIMIT)
        return time.perf_counter() - begun


def receive_plain(pipe: Connection, keys: RunKeys, count: int, size: int) -> None:
    """The same by a socket."""
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(LIMIT)
        pipe.send(Endpoint(HOST, server.getsockname()[1]))
        with server.accept()[0] as taken:
            buffer = memoryview(bytearray(size))
            for _ in range(count):
                left = buffer
                while left:
                    left = left[taken.recv_into(left) :]
    pipe.send(processor_seconds())


def send_plain(pipe: Connection, keys: RunKeys, count: int, size: int) -> float:
    """The same by a socket."""
    strip = np.random.default_rng(0).random(size // 4, np.float32)
    with socket.create_connection(pipe.recv(), timeout=LIMIT) as link:
        begun = time.perf_counter()
        for _ in range(count):
            link.sendall(memoryview(strip).cast("B"))
        assert pipe.poll(LIMIT)
        return time.perf_counter() - begun


def processor_seconds() -> float:
    """Of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(way: str, count: int, size: int) -> tuple[float, float]:
    """Gigabytes a second, and seconds of processors for each gigabyte."""
    here, there = multiprocessing.Pipe()
    keys = RunKeys.new()
    checked = way == "exchange"
    take: Callable[..., None] = receive_plain if way == "socket" else receive_exchanged
    last = size if way == "socket" else checked
    other = multiprocessing.get_context("fork").Process(
        target=take, args=(there, keys, count, last)
    )
    before = processor_seconds()
    other.start()
    if way == "socket":
        seconds = send_plain(here, keys, count, size)
    else:
        seconds = send_exchanged(here, keys, count, size, checked)
    spent = processor_seconds() - before + here.recv()
    other.join(LIMIT)
    gigabytes = count * size / 1e9
    return gigabytes / seconds, spent / gigabytes


WAYS = {
    "exchange": "as workers do: CURVE and a check sum",
    "unchecked": "CURVE without a check sum",
    "socket": "a plain socket",
}


def main() -> None:
    """Measure all ways in turns."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--size", type=parse_size, default="8MiB", help="of a strip")
    made.add_argument("--messages", type=int, default=100)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--markdown", type=Path, metavar="FILE")
    given = made.parse_args()
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(given.rounds):
        for way, measured in found.items():
            measured.append(measure(way, given.messages, given.size))
    lines = [
        f"strips of {given.size / 2**20:g} MiB, medians of {given.rounds}, "
        f"{os.cpu_count()} processors for both processes",
        "",
        "| | GB/s | processor seconds a GB |",
        "|---|---|---|",
    ]
    for way, measured in found.items():
        speed, spent = (statistics.median(column) for column in zip(*measured, strict=True))
        lines.append(f"| {WAYS[way]} | {speed:.2f} | {spent:.2f} |")
    print("\n".join(lines))
    if given.markdown:
        given.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
