"""Whether two places are one, however they are spelled."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Hashable
from pathlib import Path

from dreamray.storage import locate_folder
from dreamray.storage.local import LocalFile, LocalFolder
from dreamray.storage.places import Folder, Location
from dreamray.storage.s3 import S3Folder, S3Object


def identity(place: Location) -> Hashable:
    """What is equal for places that are one file or object, by whatever path or link.

    Of a file that is there it is not its name, which may be one of several. Keys of S3 that would
    be one path are one: they are one object on storages that keep objects as files.
    """
    if isinstance(place, LocalFile):
        try:
            status = place.path.stat()
        except OSError:
            return os.path.realpath(place.path)  # Nothing is there, perhaps not even a folder.
        return status.st_dev, status.st_ino
    if isinstance(place, S3Object):
        return place.bucket, _as_path(place.key)
    return place


def is_same(one: Location, other: Location) -> bool:
    """Whether both name one file or object."""
    return identity(one) == identity(other)


def is_inside(place: Location, folder: Folder) -> bool:
    """Whether a file or object lies in a folder, or below it, behind whatever links."""
    if isinstance(place, LocalFile) and isinstance(folder, LocalFolder):
        here, there = (Path(os.path.realpath(path)) for path in (place.path, folder.path))
        return here.is_relative_to(there)
    if isinstance(place, S3Object) and isinstance(folder, S3Folder):
        inside = _as_path(folder.prefix).rstrip("/")
        return place.bucket == folder.bucket and _as_path(place.key).startswith(f"{inside}/")
    return False


def _as_path(key: str) -> str:
    return posixpath.normpath(f"/{key.lstrip('/')}")


def is_folder(text: str) -> bool:
    """Whether a path or URI names a folder: one that is there, a whole bucket, or with a slash."""
    bucket_only = text.lower().startswith("s3://") and text.count("/") == 2
    if text.endswith("/") or bucket_only:
        return True
    folder = locate_folder(text)
    return isinstance(folder, LocalFolder) and folder.exists()
