"""Ctrl-C, SIGTERM, a terminal that closes: the command ends in good order, or else without it.

The first signal raises KeyboardInterrupt in the main thread, and all that is held is let go. What
hangs, as a gradient, a storage or a worker can, has `WITHIN` seconds; then, or with a second
signal, the process ends where it stands, with all that it has started. Python's own handlers wait
for the main thread to come back from C: so a thread of its own is woken by the signal itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

INTERRUPTED = 130
"""Exit code after Ctrl-C or a termination signal."""

WITHIN = 6.0
"""Seconds that an end in good order may take; a busy machine needs some more for the rest."""

_ECHO = 0.5
"""Seconds in which a second signal is the first one, sent on by a wrapper."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_interrupted = threading.Event()
_said = threading.Lock()
_goes_on = ""


def watch() -> None:
    """Handle the signals from now on; one that is to be ignored, as under nohup, stays so."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(woken,), name="interruption", daemon=True).start()


def has_come() -> bool:
    """Whether one of the signals has come."""
    return _interrupted.is_set()


def goes_on(how: str) -> None:
    """Say that at the end of the line about an interruption: how to go on."""
    global _goes_on
    _goes_on = how


def say() -> None:
    """The line about an interruption, on standard error, which may be closed, or full; once."""
    if not _said.acquire(blocking=False):
        return
    line = f"dreamray: interrupted{'; ' if _goes_on else ''}{_goes_on}\n"
    with contextlib.suppress(Exception):
        number = sys.stderr.fileno()
        if select.select([], [number], [], 0)[1]:
            os.write(number, line.encode(errors="backslashreplace"))


def _interrupt(number: int, frame: object) -> None:
    if not _interrupted.is_set():
        _interrupted.set()
        raise KeyboardInterrupt


def _wait(woken: int) -> None:
    """For the signals; the first one gives a delay, and the second one none."""
    until: float | None = None
    since = 0.0
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([woken], [], [], left)[0]:
            _end()
        if os.read(woken, 1)[0] not in _SIGNALS:
            continue
        now = time.monotonic()
        if until is None:
            since, until = now, now + WITHIN
        elif now - since > _ECHO:
            _end()


def _end() -> None:
    """End the process, and what it has started, wherever they stand."""
    say()
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os._exit(INTERRUPTED)


def _descendants(pid: int) -> list[int]:
    """The processes below one, where the system shows them: of a Ray of our own, all of it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The program's name, in parentheses, may hold anything.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]
