"""Who holds a lease: a process, of which others of the same machine know whether it lives."""

from __future__ import annotations

import os
import secrets
import shlex
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from json import dumps
from pathlib import Path

from dreamray.base.messages import shown
from dreamray.base.parsing import parse_json

MOST_BYTES = 64 << 10
"""Of a record: a command line may be long."""

_living: set[str] = set()
"""Holders of this very process; one whose lease could not be removed is none any more."""


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
            started=found[1] if (found := _look_at(os.getpid())) else "",
            command=shlex.join(sys.argv),
            since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def to_json(self) -> bytes:
        """What stands in the file."""
        return dumps(asdict(self), indent=2).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Holder | None:
        """None if it is no lease, or one of another version of dreamray."""
        try:
            holder = cls(**parse_json(text))
        except (TypeError, ValueError):
            return None
        typed = all(type(getattr(holder, f.name)).__name__ == f.type for f in fields(cls))
        return holder if typed else None

    def __str__(self) -> str:
        who = f"host {self.host}, process {self.pid}, since {self.since}"
        return f"another run ({shown(who)})"

    def begin(self) -> None:
        """From now on this process is the holder."""
        _living.add(self.owner)

    def end(self) -> None:
        """It is not any more."""
        _living.discard(self.owner)

    def has_ended(self) -> bool:
        """Whether this is a process of this machine that is gone; False if that is not known."""
        return self._is_of_this_machine() and self._state() == ""

    def is_at_work(self) -> bool:
        """Whether this is a process of this machine that runs; False if that is not known."""
        return self._is_of_this_machine() and self._state() not in (None, "", "T", "t")

    def _is_of_this_machine(self) -> bool:
        me = Holder.me()
        here = (self.host, self.boot, self.pids)
        return bool(me.boot) and here == (me.host, me.boot, me.pids)

    def _state(self) -> str | None:
        """The system's letter for it, as T for stopped; empty if it is gone, None if not known."""
        found = _look_at(self.pid)
        if found is None:
            return None if _is_there(self.pid) else ""
        state, started = found
        if self.started and started != self.started:
            return ""
        if self.pid == os.getpid() and self.owner not in _living:
            return ""
        return "" if state in "ZX" else state  # Nobody has asked yet how it ended.


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # Another user's, or somebody wrote it by hand.
        return True
    return True


def _look_at(pid: int) -> tuple[str, str] | None:
    """State and start of a process, as the system says; None where it does not."""
    try:
        # The program's name, in parentheses, may hold anything.
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]
