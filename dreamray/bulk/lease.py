"""One run at a time writes into a destination: a lease, which its holder renews.

The lease is a small file in the destination. Clocks of different machines are never compared: a
newcomer watches the file, and whoever has not renewed it for `dead_after` seconds of the
newcomer's own clock is dead. The holder itself gives up sooner than that.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dreamray.base.errors import DreamrayError, RequestError
from dreamray.base.messages import Warn, shown
from dreamray.base.parsing import parse_json
from dreamray.storage import Folder, Location

_log = logging.getLogger(__name__)

NAME = "lease.json"


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, and how often it was renewed."""

    owner: str
    """A random number of the run."""
    host: str
    boot: str
    """Which start of the machine; empty where the system does not say."""
    pids: str
    """Which name space of process numbers: containers of one machine have one each."""
    pid: int
    started: str
    """When the process was started, in ticks since the machine was; empty if not known."""
    command: str
    since: str
    """When the lease was taken, in UTC by the host's clock."""
    renewals: int = 0

    @classmethod
    def me(cls) -> Holder:
        """A new holder: the process that asks."""
        boot, pids = "", ""
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            pids = str(Path("/proc/self/ns/pid").readlink())
        return cls(
            owner=secrets.token_hex(16),
            host=socket.gethostname(),
            boot=boot,
            pids=pids,
            pid=os.getpid(),
            started=_start_time(os.getpid()) or "",
            command=shlex.join(sys.argv),
            since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def renewed(self) -> Holder:
        """The same one a renewal later: different bytes each time."""
        return replace(self, renewals=self.renewals + 1)

    def to_json(self) -> bytes:
        """What stands in the file."""
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Holder | None:
        """None if it is no lease, or one of another version of dreamray."""
        try:
            return cls(**parse_json(text))
        except (TypeError, ValueError):
            return None

    def has_ended(self) -> bool:
        """Whether this is a process of this machine that is gone; False if that is not known."""
        me = Holder.me()
        if not me.boot or (self.host, self.boot, self.pids) != (me.host, me.boot, me.pids):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
        except (TypeError, OverflowError):  # Somebody wrote it by hand.
            return False
        started = _start_time(self.pid)
        return bool(self.started) and started is not None and started != self.started


def _start_time(pid: int) -> str | None:
    """When a process was started; empty if it has ended, None if the system does not say."""
    try:
        # The program's name, in parentheses, may hold anything.
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    ended = fields[0] in "ZX"  # Nobody has asked yet how it ended.
    return "" if ended else fields[19]


class Lease:
    """The right to write into a folder, which `hold_lease` takes."""

    def __init__(self, file: Location, holder: Holder, taken: float, trusted: float) -> None:
        """`taken` is a time of `_clock` before it was written, `trusted` are seconds."""
        self._file = file
        self._holder = holder
        self._renewed = taken
        self._trusted = trusted
        self._lost_to: str | None = None
        self._failure = ""
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise DreamrayError if another run may write here now. Call it before each record.

        It costs nothing as long as the lease is renewed in time. If it was not, as this process
        or its machine was suspended, or the storage failed, it is renewed here.
        """
        if self._is_fresh():
            return
        self.renew()
        if self._is_fresh():
            return
        folder = shown(self._file.folder)
        if self._lost_to is not None:
            raise DreamrayError(f"{folder}: {self._lost_to}")
        raise DreamrayError(
            f"{folder}: the lease could not be renewed for {self._trusted:.0f} s: {self._failure}"
        )

    def keep(self, every: float, stop: threading.Event) -> None:
        """Renew it every so many seconds until `stop` is set."""
        while not stop.wait(every):
            self.renew()

    def renew(self) -> None:
        """Renew it unless it is lost; `check` tells of failures."""
        with self._lock:
            if self._lost_to is None:
                try:
                    self._renew()
                except DreamrayError as error:
                    _log.info("the lease is not renewed: %s", error)
                    self._failure = str(error)

    def release(self) -> None:
        """Remove it, if it is held still."""
        # If that fails, whoever comes next waits until it is dead.
        with self._lock, suppress(DreamrayError):
            self._file.compare_and_swap(self._holder.to_json(), None)

    def _is_fresh(self) -> bool:
        return self._lost_to is None and _clock() <= self._renewed + self._trusted

    def _renew(self) -> None:
        for _ in range(2):
            asked, renewed = _clock(), self._holder.renewed()
            if self._file.compare_and_swap(self._holder.to_json(), renewed.to_json()):
                self._holder, self._renewed = renewed, asked
                return
            text = _text(self._file)
            if text is None:
                self._lost_to = f"{NAME} was removed; run it again and leave that file alone"
                return
            found = Holder.from_json(text)
            if found is None or found.owner != self._holder.owner:
                self._lost_to = f"{_run_of(found)} took over; let it finish, then run this again"
                return
            # An earlier renewal was written, but its answer was lost.
            self._holder = found
        self._failure = "the storage does not keep what is written"


@contextmanager
def hold_lease(
    folder: Folder, warn: Warn, *, every: float = 10.0, dead_after: float = 45.0
) -> Iterator[Lease]:
    """Hold the lease of a folder, and renew it every so many seconds in a thread.

    A lease that is there already is watched, which `warn` is told: if it was not renewed for
    `dead_after` seconds, or its process is known to be gone, it is taken over. Of all that try
    one gets it. Give the same times to all runs, and several renewals time in `dead_after`.
    Raises RequestError if another run holds it; otherwise as `Location.create_if_absent`.
    """
    lease = _take(folder, warn, every, dead_after)
    stop = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(every, stop), name="lease", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        stop.set()
        # A storage that does not answer must not hold up the end.
        keeper.join(every)
        if not keeper.is_alive():
            lease.release()


def _take(folder: Folder, warn: Warn, every: float, dead_after: float) -> Lease:
    file, me = folder.file(NAME), Holder.me()
    # The holder stops half a renewal before any newcomer can take over.
    trusted = dead_after - every / 2
    while True:
        asked = _clock()
        if file.create_if_absent(me.to_json()):
            _log.info("%s is created", file)
            return Lease(file, me, asked, trusted)
        text = _text(file)
        if text is None:
            continue
        found = Holder.from_json(text)
        if found is not None and found.owner == me.owner:
            me = found.renewed()  # It was written, but the answer was lost.
        elif found is None or not found.has_ended():
            _watch(file, text, warn, every, dead_after)
        asked = _clock()
        if file.compare_and_swap(text, me.to_json()):
            _log.info("%s is taken over from %s", file, _run_of(found))
            return Lease(file, me, asked, trusted)


def _watch(file: Location, text: bytes, warn: Warn, every: float, dead_after: float) -> None:
    """Return once the lease is dead or gone. Raises RequestError if somebody renews it."""
    folder = shown(file.folder)
    warn(
        f"{folder}: {_run_of(Holder.from_json(text))} has not finished; waiting up to "
        f"{dead_after:.0f} s to see whether it goes on"
    )
    until = _clock() + dead_after
    while _clock() < until:
        time.sleep(every / 5)
        now = _text(file)
        if now is None:
            return
        if now != text:
            raise RequestError(
                f"{folder}: {_run_of(Holder.from_json(now))} is writing here; let it finish or "
                "stop it, or choose another destination"
            )


def _run_of(holder: Holder | None) -> str:
    if holder is None:
        return "a run of another version of dreamray"
    who = f"host {holder.host}, process {holder.pid}, since {holder.since}"
    return f"another run ({shown(who)})"


def _text(file: Location) -> bytes | None:
    """What the lease says now; None if there is none."""
    try:
        return file.read()
    except RequestError:
        return file.read() if file.exists() else None


def _clock() -> float:
    """Seconds that go on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
