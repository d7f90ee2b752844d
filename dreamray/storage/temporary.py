"""Temporary files and folders of this machine, which a later run knows to be a dead one's.

Each is locked (`flock`) by its process as long as that lives, whatever ends it. So what nobody
has locked was left behind, and may be removed.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A short name of its own: the target's may already be as long as names can be.
_NAME = re.compile(r"\.?dreamray-[0-9a-f]{16}\.(part|scratch)")


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is unfinished work of this module."""
    return _NAME.fullmatch(name) is not None


@contextmanager
def new_part(folder: int) -> Iterator[tuple[str, int]]:
    """A new file in an open folder: name and descriptor. What has its name at the end goes.

    Its rights are left to the umask, as those of any other new file. Raises OSError.
    """
    name, descriptor = _new_file(folder)
    try:
        yield name, descriptor
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        os.close(descriptor)


def _new_file(folder: int) -> tuple[str, int]:
    while True:
        name = f".dreamray-{secrets.token_hex(8)}.part"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o666, dir_fd=folder)
        if hold(descriptor):
            return name, descriptor
        os.close(descriptor)


def hold(descriptor: int) -> bool:
    """Lock an open file or folder of ours, where that can be done; False if it was removed."""
    # Another process that saw it without a lock has it for the moment that it takes to remove it.
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.fstat(descriptor).st_nlink > 0


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder in `parent`, or where temporary files go; it goes with all that is in it.

    What dead processes have left beside it goes too. Raises OSError.
    """
    hidden = "." if parent else ""
    parent = parent or Path(tempfile.gettempdir())
    remove_dead(parent)
    while True:
        path = parent / f"{hidden}dreamray-{secrets.token_hex(8)}.scratch"
        path.mkdir(mode=0o700)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # So soon, another process took it for a dead one's.
            continue
        if hold(descriptor):
            break
        os.close(descriptor)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def remove_dead(folder: Path) -> None:
    """Remove what dead processes have left in a folder; what cannot be removed stays."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(handle) as entries:
                names = [entry.name for entry in entries if is_temporary(entry.name)]
            for name in names:
                _remove_if_dead(handle, name)
        finally:
            os.close(handle)


def _remove_if_dead(folder: int, name: str) -> None:
    """Remove a temporary file or folder in an open one, unless its process may live."""
    with suppress(OSError):
        descriptor = _open(folder, name)
        try:
            # Where locks cannot be had, nobody knows who lives.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                shutil.rmtree(name, dir_fd=folder)
            elif stat.S_ISREG(mode):
                os.unlink(name, dir_fd=folder)
        finally:
            os.close(descriptor)


def _open(folder: int, name: str) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        # NFS gives exclusive locks only to those who may write.
        return os.open(name, os.O_RDWR | flags, dir_fd=folder)
    except OSError:
        return os.open(name, os.O_RDONLY | flags, dir_fd=folder)
