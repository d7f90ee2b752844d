"""Network namespaces that tests make on this machine, and what runs in them.

A group of them is called `dreamray-PID-N` after the process that made it, each namespace in it
`dreamray-PID-N-SOMETHING`, and a folder of the group's name belongs to it. Needs `ip` and root.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path

import psutil

_ROOT = Path("/tmp")  # Ray's sockets allow no long paths.
_KILL_SECONDS = 10

_serial = count()


def new_group() -> str:
    """The name of a new group of this process."""
    return f"dreamray-{os.getpid()}-{next(_serial)}"


def folder_of(group: str) -> Path:
    """The place of the group's folder; its path is short."""
    return _ROOT / group


def remove(group: str) -> None:
    """Remove the group, and kill all that runs in it; what is gone already is no error."""
    spaces = [space for space in _namespaces() if space.startswith(f"{group}-")]
    until = time.monotonic() + _KILL_SECONDS
    # A process may start another one while it is killed.
    while (running := list(chain(*map(processes_in, spaces)))) and time.monotonic() < until:
        kill(running)
        time.sleep(0.05)
    for space in spaces:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "delete", space)
    shutil.rmtree(folder_of(group), ignore_errors=True)


def remove_leftovers() -> None:
    """Remove the groups of processes that are no more."""
    spaces = (space.rpartition("-")[0] for space in _namespaces())
    folders = (folder.name for folder in _ROOT.glob("dreamray-*-*"))
    for group in {*spaces, *folders}:
        owner = re.fullmatch(r"dreamray-(\d+)-\d+", group)
        if owner and not psutil.pid_exists(int(owner[1])):
            remove(group)


def processes_in(namespace: str) -> list[psutil.Process]:
    """What runs in the namespace; nothing if there is no such namespace any more."""
    found = []
    with contextlib.suppress(subprocess.CalledProcessError):
        for pid in ip("netns", "pids", namespace).split():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(int(pid)))
    return found


def name_of(process: psutil.Process) -> str | None:
    """The process' name, None if it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return str(process.name())
    return None


def kill(processes: Iterable[psutil.Process]) -> None:
    """Send SIGKILL to those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def ip(*arguments: str) -> str:
    """The output of `ip`; raises CalledProcessError, with what it said, if it fails."""
    return subprocess.run(["ip", *arguments], check=True, text=True, capture_output=True).stdout


def _namespaces() -> list[str]:
    # A line is a name, followed by a number for some.
    return [line.split()[0] for line in ip("netns", "list").splitlines()]
