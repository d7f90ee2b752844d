"""Whether two places are one, however they are spelled."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dreamray.storage.local import LocalFile, LocalFolder
from dreamray.storage.places import Folder, Location
from dreamray.storage.s3 import S3Folder, S3Object


def is_same(one: Location, other: Location) -> bool:
    """Whether both name one file or object: by another path, a symbolic or a hard link."""
    if isinstance(one, LocalFile) and isinstance(other, LocalFile):
        with suppress(OSError):
            if one.path.samefile(other.path):
                return True
        return os.path.realpath(one.path) == os.path.realpath(other.path)
    if isinstance(one, S3Object) and isinstance(other, S3Object):
        return (one.bucket, one.key) == (other.bucket, other.key)
    return one == other


def is_inside(place: Location, folder: Folder) -> bool:
    """Whether a file or object lies in a folder, or below it, behind whatever links."""
    if isinstance(place, LocalFile) and isinstance(folder, LocalFolder):
        here, there = (Path(os.path.realpath(path)) for path in (place.path, folder.path))
        return here.is_relative_to(there)
    if isinstance(place, S3Object) and isinstance(folder, S3Folder):
        inside = f"{folder.prefix}/" if folder.prefix else ""
        return place.bucket == folder.bucket and place.key.startswith(inside)
    return False
