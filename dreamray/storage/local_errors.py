"""What an operating system's errors mean to the user."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from dreamray.base.errors import DreamrayError, RequestError, StorageError, UnreadableError
from dreamray.base.messages import shown
from dreamray.storage import exclusive
from dreamray.storage.exclusive import LockedError
from dreamray.storage.handles import LinkError, OutsideError
from dreamray.storage.places import NoLocksError


def translate(place: object, folder: Path, error: OSError, doing: str) -> DreamrayError:
    """An error about a place in a folder, as our own."""
    if isinstance(error, LinkError):
        return RequestError(
            f"{shown(place)}: a symbolic link leads elsewhere from there, and is not followed: "
            "remove it"
        )
    if isinstance(error, OutsideError):
        return RequestError(
            f"{shown(place)}: this leads out of the folder that it should lie in; choose another "
            "name"
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, exclusive.NoLocksError):
        return NoLocksError(f"{shown(place)}: {error.strerror}")
    if isinstance(error, LockedError):
        return StorageError(f"{shown(place)}: {error.strerror}; end it, then run this again")
    kind = UnreadableError if doing == "reading" else RequestError
    match error.errno:
        case errno.ENOTDIR | errno.EEXIST:
            return kind(f"{shown(place)}: {shown(folder)} is not a folder; check the path")
        case errno.EISDIR:
            return kind(f"{shown(place)}: this is a folder; name a file in it")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return kind(f"{shown(place)}: {reason}; check its rights and its folder's")
        case errno.ENAMETOOLONG | errno.ELOOP | errno.EINVAL:
            return kind(f"{shown(place)}: {reason}; check the path")
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return StorageError(f"{shown(place)}: {reason}; free some space, then run it again")
    return StorageError(
        f"{shown(place)}: {doing} failed: {reason}; check the disk, then run it again"
    )
