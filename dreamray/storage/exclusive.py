"""What one process at a time does with a file of this machine or of a file server."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def place(part: Path, target: Path) -> bool:
    """Give a finished file the name `target` unless there is such a file; whether it was done.

    Where the file system has no hard links, that is exclusive among the processes of this
    machine. The file may keep its first name too. Raises OSError.
    """
    try:
        target.hardlink_to(part)
    except FileExistsError:
        # The link may be our own: a file server's first answer can get lost.
        return part.stat().st_nlink > 1
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _move(part, target)
    return True


def _move(part: Path, target: Path) -> bool:
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if target.exists():
            return False
        part.replace(target)
        return True
    finally:
        os.close(folder)


@contextmanager
def lock(target: Path) -> Iterator[int | None]:
    """The descriptor of a file that nobody else has locked, or None if there is none.

    It is the file that is locked, not its folder: NFS shares only locks of files between
    machines. Who has waited for a file that was replaced meanwhile gets the new one.
    Raises OSError.
    """
    while True:
        try:
            # NFS gives exclusive locks only to those who may write.
            held = os.open(target, os.O_RDWR)
        except FileNotFoundError:
            yield None
            return
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            if _has_name(held, target):
                yield held
                return
        finally:
            os.close(held)


def _has_name(held: int, target: Path) -> bool:
    try:
        # Opening asks a file server, where stat might tell what was there before.
        with target.open("rb") as named:
            return os.path.sameopenfile(held, named.fileno())
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.ESTALE:
            return False
        raise
