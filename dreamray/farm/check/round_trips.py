"""Bytes to another worker's process, and to a storage and back."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dreamray.base.errors import DreamrayError
from dreamray.base.messages import shown
from dreamray.engine.lockstep.wire import Head, Key, Kind, pack, unpack
from dreamray.farm.check.findings import Finding
from dreamray.farm.check.trial_process import python
from dreamray.farm.zeromq import Endpoint, Exchange, RunKeys, ports_of_machine
from dreamray.storage import LocalFolder, locate_folder

WHOLE = "whole"
"""What the receiver tells of strips that are as they were sent."""

_HOST = "127.0.0.1"
_STRIP = 8 << 20
_STRIPS = 16
_LIMIT = 60.0
"""Seconds for any message."""


def try_exchange() -> Finding:
    """Whether strips reach another process as they were, with the ports and keys of workers."""
    keys = RunKeys.new()
    try:
        with contextlib.closing(_Listener(keys)) as other:
            peer = Endpoint(_HOST, int(other.line()))
            begun = time.perf_counter()
            send_strips(keys, _HOST, peer, other.line)
            return judge_strips(other.told, time.perf_counter() - begun, "through loopback")
    except (DreamrayError, OSError, ValueError) as error:
        return judge_strips(str(error), 0.0, "")


def judge_strips(told: str, seconds: float, where: str) -> Finding:
    """What the receiver told of the strips, and how long it took."""
    whole = told == WHOLE
    rate = _STRIPS * _STRIP / 1e9 / max(seconds, 1e-9)
    found = f"{rate:.2f} GB/s {where}, encrypted" if whole else told
    return Finding("exchange of workers", whole, f"{_STRIPS} strips of 8 MiB: {found}")


def send_strips(
    keys: RunKeys, host: str, peer: Endpoint, done: Callable[[], object] = lambda: None
) -> None:
    """Send all strips to a peer as a worker at this address does; part when `done` returns."""
    strip = _strip()
    with (
        contextlib.closing(Exchange(keys, host, ports_of_machine())) as here,
        contextlib.closing(here.connect([peer])) as link,
    ):
        for number in range(_STRIPS):
            link.send(0, pack(_head(number), [strip]))
        done()


def take_strips(exchange: Exchange) -> str:
    """Take all strips; `WHOLE` if they are, else what is wrong."""
    strip = _strip().tobytes()
    with contextlib.closing(exchange.connect([])) as link:
        for number in range(_STRIPS):
            frames = link.receive(_LIMIT)
            message = None if frames is None else unpack(frames)
            if message is None or message[0] != _head(number):
                return f"strip {number} came damaged, or not within {_LIMIT:.0f} s"
            if bytes(message[1][0]) != strip:
                return f"strip {number} came as another one"
    return WHOLE


def listen() -> None:
    """Be the other process: tell the port, take all strips, and tell whether they are whole."""
    public, secret = (bytes.fromhex(sys.stdin.readline()) for _ in range(2))
    keys = RunKeys(public, secret)
    with contextlib.closing(Exchange(keys, _HOST, ports_of_machine())) as exchange:
        print(exchange.endpoint.port, flush=True)
        print(take_strips(exchange), flush=True)


def try_storage(place: str) -> Finding:
    """Whether a folder or prefix gives back what it was given, and lists and guards it.

    Nothing stays there; nor does the folder, if it was not there before.
    """
    promise = "storage"
    data = np.random.default_rng(0).bytes(_STRIP)
    try:
        base = locate_folder(place)
        base.check_writable()
        made = isinstance(base, LocalFolder) and not base.exists()
        folder = base.folder(f".dreamray-check-{secrets.token_hex(8)}")
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
            if made:
                base.remove_if_empty()
    except DreamrayError as error:
        return Finding(promise, False, str(error), ours=False)
    rates = (_STRIP / 1e6 / max(seconds, 1e-9) for seconds in (written - begun, read - written))
    told = "written with {:,.0f} MB/s, read with {:,.0f} MB/s, listed, guarded".format(*rates)
    return Finding(promise, not wrong, f"{shown(place)}: {'; '.join(wrong) or told}")


class _Listener:
    """The other process, from outside."""

    def __init__(self, keys: RunKeys) -> None:
        code = "from dreamray.farm.check.round_trips import listen; listen()"
        self._process = subprocess.Popen(
            python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told = ""
        """The last line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{keys.public.hex()}\n{keys.secret.hex()}\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """The next line that it tells. Raises DreamrayError if there is none any more."""
        assert self._process.stdout is not None
        self.told = self._process.stdout.readline().strip()
        if not self.told:
            raise DreamrayError("the other process ended")
        return self.told

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def _head(number: int) -> Head:
    return Head(bytes(16), 1, number, Key(Kind.HALOS, 0))


def _strip() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).random(_STRIP // 4, np.float32)
