"""Whether two places are one, however they are spelled."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Hashable
from pathlib import Path, PurePath, PurePosixPath

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
    return bool(way_to(place, folder))


def way_to(place: Location | Folder, folder: Folder) -> str | None:
    """The path from a folder to what lies in it, or below it, behind whatever links, or is it.

    With `/` between folders; empty for the folder itself. None for what lies elsewhere.
    """
    here, there = _whole_path(place), _whole_path(folder)
    if here is None or there is None or not here.is_relative_to(there):
        return None
    way = here.relative_to(there).as_posix()
    return "" if way == "." else way


def _whole_path(place: Location | Folder) -> PurePath | None:
    match place:
        case LocalFile() | LocalFolder():
            return Path(os.path.realpath(place.path))
        case S3Object():
            return PurePosixPath(place.bucket + _as_path(place.key))
        case S3Folder():
            return PurePosixPath(place.bucket + _as_path(place.prefix))
    return None


def _as_path(key: str) -> str:
    return posixpath.normpath(f"/{key.lstrip('/')}")


def is_folder(text: str) -> bool:
    """Whether a path or URI names a folder: one that is there, a whole bucket, or with a slash."""
    bucket_only = text.lower().startswith("s3://") and text.count("/") == 2
    if text.endswith("/") or bucket_only:
        return True
    folder = locate_folder(text)
    return isinstance(folder, LocalFolder) and folder.exists()
