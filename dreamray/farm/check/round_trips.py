"""Bytes to another worker's process, and to a storage and back."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from contextlib import closing

import numpy as np

from dreamray.base.errors import DreamrayError
from dreamray.base.messages import shown
from dreamray.engine.lockstep.wire import Head, Key, Kind, pack, unpack
from dreamray.farm.check.findings import Finding
from dreamray.farm.zeromq import Endpoint, Exchange, RunKeys, ports_of_machine
from dreamray.storage import locate_folder

_HOST = "127.0.0.1"
_STRIP = 8 << 20
_STRIPS = 16
_LIMIT = 60.0
"""Seconds for any message."""


def try_exchange() -> Finding:
    """Whether strips reach another process as they were, with the ports and keys of workers."""
    promise = "exchange of workers"
    keys = RunKeys.new()
    strip = np.random.default_rng(0).random(_STRIP // 4, np.float32)
    try:
        with (
            _listener(keys) as other,
            closing(Exchange(keys, _HOST, ports_of_machine())) as here,
        ):
            peer = Endpoint(_HOST, int(_line(other)))
            with closing(here.connect([peer])) as link:
                begun = time.perf_counter()
                for number in range(_STRIPS):
                    link.send(0, pack(_head(number), [strip]))
                told = _line(other)
                seconds = time.perf_counter() - begun
    except (DreamrayError, OSError, ValueError) as error:
        return Finding(promise, False, f"{error}")
    rate = _STRIPS * _STRIP / 1e9 / seconds
    whole = told == _digest(strip)
    found = f"{rate:.2f} GB/s through loopback, encrypted" if whole else told
    return Finding(promise, whole, f"{_STRIPS} strips of 8 MiB: {found}")


def listen() -> None:
    """Be the other one: tell the port, take all strips, and tell whether they are whole."""
    public, secret = (bytes.fromhex(sys.stdin.readline()) for _ in range(2))
    keys = RunKeys(public, secret)
    with (
        closing(Exchange(keys, _HOST, ports_of_machine())) as exchange,
        closing(exchange.connect([])) as link,
    ):
        print(exchange.endpoint.port, flush=True)
        digests = set()
        for number in range(_STRIPS):
            frames = link.receive(_LIMIT)
            message = None if frames is None else unpack(frames)
            if message is None or message[0] != _head(number):
                print(f"strip {number} came damaged, or not at all", flush=True)
                return
            digests.add(_digest(np.frombuffer(message[1][0], np.float32)))
        print(*digests, flush=True)


def try_storage(place: str) -> Finding:
    """Whether a folder or prefix gives back what it was given, and lists and guards it."""
    promise = "storage"
    data = np.random.default_rng(0).bytes(_STRIP)
    try:
        folder = locate_folder(place).folder(f".dreamray-check-{secrets.token_hex(8)}")
        try:
            file = folder.file("strip")
            begun = time.perf_counter()
            file.write(data)
            written = time.perf_counter()
            same = file.read() == data
            read = time.perf_counter()
            wrong = []
            if not same:
                wrong.append("what is read is not what was written")
            if [one.name for one in folder.files()] != ["strip"]:
                wrong.append("it does not list what is there")
            lease = folder.file("lease")
            if not lease.create_if_absent(b"1") or lease.create_if_absent(b"2"):
                wrong.append("two can create one file, so that two runs could write one result")
            elif lease.compare_and_swap(b"2", b"3") or not lease.compare_and_swap(b"1", b"3"):
                wrong.append("files are replaced whatever they hold")
        finally:
            folder.remove()
    except DreamrayError as error:
        return Finding(promise, False, str(error))
    rates = (_STRIP / 1e6 / max(seconds, 1e-9) for seconds in (written - begun, read - written))
    told = "written with {:,.0f} MB/s, read with {:,.0f} MB/s, listed, guarded".format(*rates)
    return Finding(promise, not wrong, f"{shown(place)}: {'; '.join(wrong) or told}")


def _listener(keys: RunKeys) -> subprocess.Popen[str]:
    code = "from dreamray.farm.check.round_trips import listen; listen()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(f"{keys.public.hex()}\n{keys.secret.hex()}\n")
    process.stdin.flush()
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise DreamrayError("the other process ended")
    return line


def _head(number: int) -> Head:
    return Head(bytes(16), 1, number, Key(Kind.HALOS, 0))


def _digest(strip: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
    import hashlib

    return hashlib.sha256(strip.tobytes()).hexdigest()
