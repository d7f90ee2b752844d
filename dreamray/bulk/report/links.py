"""Ways from a report to the sources of its pictures."""

from __future__ import annotations

import functools
import os.path
import posixpath
from pathlib import PurePath
from urllib.parse import quote

from dreamray.storage import Folder, LocalFolder, S3Folder


def link_to(destination: Folder, source: str) -> str | None:
    """The path from a destination to a source, a path or URI, with `/` between folders.

    None where a browser that has the report may not come to it: it lies in another bucket, or on
    the other side of a machine's edge, or has steps in its key that a browser would take.
    """
    if isinstance(destination, LocalFolder):
        if "://" in source or not PurePath(source).is_absolute():
            return None
        folder, name = os.path.split(source)
        way = _way(folder, str(destination.path))
        return name if way == "." else f"{way}/{name}"
    if isinstance(destination, S3Folder):
        bucket = f"s3://{destination.bucket}/"
        key = source.removeprefix(bucket)
        plain = all(is_reachable(path) for path in (key, destination.prefix) if path)
        if source.startswith(bucket) and plain:
            return posixpath.relpath(f"/{key}", f"/{destination.prefix}")
    return None


@functools.lru_cache(maxsize=1024)
def _way(folder: str, destination: str) -> str:
    return os.path.relpath(folder, destination)  # Many sources lie beside each other.


def is_reachable(path: str) -> bool:
    """Whether a browser leaves a relative path as it is: some components are steps to it."""
    return not {"", ".", ".."} & {*path.split("/")}


def address(path: str) -> str:
    """A relative path as it stands in a link; it cannot be taken for a scheme."""
    return "./" + quote(path.encode(errors="surrogateescape"), safe="/")
