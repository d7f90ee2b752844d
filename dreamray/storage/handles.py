"""Folders of this machine held open: what is done in one is done where it was looked at.

Functions of `os` with `dir_fd` take these handles. Below a root no symbolic link is followed,
also none that is put there meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Whoever may write into a folder need not be allowed to list it.
_OPEN = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC

_MOST_LINKS = 40
"""One after the other, as in Linux."""


class LinkError(OSError):
    """A symbolic link is in the way."""


class OutsideError(OSError):
    """The path leads out of the folder that it should lie in."""


def led_to(path: Path) -> Path:
    """The path that a path leads to by links, in a folder that is there; nothing need be there.

    As the system goes, and unlike `os.path.realpath`, `..` of a folder that is not there leads
    nowhere. Raises OSError.
    """
    for _ in range(_MOST_LINKS):
        path = Path(os.path.realpath(path.parent, strict=True)) / path.name
        try:
            path = path.parent / path.readlink()
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):  # No link, or nothing.
                return path
            raise
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


@contextmanager
def open_folder(path: Path, root: Path | None = None, *, make: bool = False) -> Iterator[int]:
    """The handle of a folder. Raises OSError.

    With a `root`, links from there on raise LinkError, a path that leads out of it raises
    OutsideError, and with `make` folders that are not there are made.
    """
    if root is None:
        handle = os.open(path, _OPEN)
    else:
        if not path.is_relative_to(root) or ".." in (names := path.relative_to(root).parts):
            raise OutsideError(f"{path} is not in {root}")
        if make:
            root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, _OPEN)
        try:
            for name in names:
                handle, above = _enter(handle, name, make=make), handle
                os.close(above)
        except BaseException:
            os.close(handle)
            raise
    try:
        yield handle
    finally:
        os.close(handle)


def _enter(above: int, name: str, *, make: bool) -> int:
    for _ in range(8):  # Others may remove and make it at the same time.
        try:
            return os.open(name, _OPEN | os.O_NOFOLLOW, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=above)
        except OSError:
            check_no_link(above, name)
            raise
    raise FileNotFoundError(f"{name} is removed again and again")


def check_no_link(folder: int, name: str) -> None:
    """Raise LinkError if this name in a folder is a symbolic link; OSError if that is not known."""
    status = status_of(folder, name)
    if status is not None and stat.S_ISLNK(status.st_mode):
        raise LinkError(f"{name} is a symbolic link")


def status_of(folder: int, name: str) -> os.stat_result | None:
    """What a name in a folder is, a link itself and not what it leads to; None if it is nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
