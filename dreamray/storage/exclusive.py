"""What one process at a time does with a file of this machine or of a file server."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOCK_SECONDS = 10.0
"""How long a lock of another process is waited for: its holders need milliseconds."""

_POLL = 0.02
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


class NoLocksError(OSError):
    """The file system has no locks."""


class LockedError(OSError):
    """Another program has a file locked, and does not let it go."""


def place(folder: int, part: str, target: str) -> bool:
    """Give a finished file in an open folder the name `target` unless there is such a file.

    Returns whether it was done. Where the file system has no hard links, that is exclusive
    among the processes of this machine. The file may keep its first name too. Raises OSError.
    """
    try:
        os.link(part, target, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        # The link may be our own: a file server's first answer can get lost.
        return os.stat(part, dir_fd=folder).st_nlink > 1
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _move(folder, part, target)
    return True


def _move(folder: int, part: str, target: str) -> bool:
    locked = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        _flock(locked)
        try:
            os.stat(target, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(part, target, src_dir_fd=folder, dst_dir_fd=folder)
            return True
        return False
    finally:
        os.close(locked)


@contextmanager
def lock(folder: int, target: str) -> Iterator[int | None]:
    """The descriptor of a file that nobody else has locked, or None if there is none.

    It is the file that is locked, not its folder: NFS shares only locks of files between
    machines. Who has waited for a file that was replaced meanwhile gets the new one.
    Raises LockedError where another program keeps it for `LOCK_SECONDS`, or OSError.
    """
    while True:
        try:
            # NFS gives exclusive locks only to those who may write.
            held = os.open(target, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            yield None
            return
        try:
            _flock(held)
            if _has_name(held, folder, target):
                yield held
                return
        finally:
            os.close(held)


def _flock(descriptor: int) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise LockedError(
                    errno.EWOULDBLOCK, f"another program has had it locked for {LOCK_SECONDS:.0f} s"
                ) from None
            time.sleep(_POLL)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise NoLocksError(error.errno, "this file system has no locks") from None
            raise


def _has_name(held: int, folder: int, target: str) -> bool:
    try:
        # Opening asks a file server, where stat might tell what was there before.
        named = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.ESTALE:
            return False
        raise
    try:
        return os.path.sameopenfile(held, named)
    finally:
        os.close(named)
