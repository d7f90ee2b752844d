"""The pictures of a set, one after the other: of a folder, of an s3:// prefix, or of a list."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dreamray.base.errors import RequestError
from dreamray.base.messages import shown
from dreamray.bulk.entry import Entry
from dreamray.bulk.left_out import Cause, why_left_out
from dreamray.bulk.lists import LIST_SUFFIXES, read_list
from dreamray.bulk.naming import REPORT_FOLDER
from dreamray.pictures.formats import SOURCE_SUFFIXES
from dreamray.render.workspace import WORK
from dreamray.storage import (
    Folder,
    ListedFile,
    LocalFolder,
    Location,
    S3Folder,
    locate,
    locate_folder,
)
from dreamray.storage.identity import is_folder


def entries(
    source: str,
    include: tuple[str, ...],
    but: Folder,
    leave_out: Callable[[ListedFile, Location, Cause], None],
) -> Iterator[Entry]:
    """The pictures of a source, in a fixed order.

    Of a folder or prefix those that `why_left_out` does not leave out; `leave_out` is called for
    each of the others. What lies in the folder `but` is no source. Raises RequestError for a
    source that is none, and for a list's line that cannot be read; StorageError as the listing
    does.
    """
    listed = _list_file(source)
    if listed is not None:
        checked: Folder | None = None
        for entry in read_list(listed):
            if entry.source.folder != checked:  # Most lie beside the one before.
                checked = entry.source.folder
                _check_apart(checked, but)
            yield entry
        return
    folder = locate_folder(source)
    _check_apart(folder, but)
    hidden = _inside(but, folder)
    for found in folder.files():
        if (hidden and found.name.startswith(hidden)) or _belongs_to_a_run(found.name):
            continue
        cause = why_left_out(found.name, include)
        if cause is None:
            yield Entry(folder.file(found.name), found.name, found.fingerprint)
        else:
            leave_out(found, folder.file(found.name), cause)


def _belongs_to_a_run(name: str) -> bool:
    """Whether a file is what runs themselves leave in their destinations, such as thumbnails."""
    return not {REPORT_FOLDER, WORK}.isdisjoint(name.split("/"))


def _list_file(source: str) -> Location | None:
    """The list that a source names; RequestError where it names a single picture."""
    if is_folder(source):
        return None
    place = locate(source)
    if place.suffix in LIST_SUFFIXES:
        return place
    if place.suffix in SOURCE_SUFFIXES and place.exists():
        raise RequestError(
            f"{shown(source)}: this is one picture; use `dreamray render`, or name a folder, an "
            "s3:// prefix or a list (.txt, .csv, .jsonl)"
        )
    return None


def _check_apart(source: Folder, destination: Folder) -> None:
    """Results among the sources would be dreamt again, or take a source's place."""
    if _inside(source, destination) is not None:
        raise RequestError(
            f"{shown(destination)}: the sources lie in it, and results could take their places; "
            "name a folder beside them or below them"
        )


def _inside(folder: Folder, outer: Folder) -> str | None:
    """The path from `outer` to `folder`, with a slash at its end; None if it is not inside."""
    if isinstance(folder, LocalFolder) and isinstance(outer, LocalFolder):
        here, there = (Path(os.path.realpath(one.path)) for one in (folder, outer))
        if not here.is_relative_to(there):
            return None
        return "" if here == there else f"{here.relative_to(there)}/"
    if isinstance(folder, S3Folder) and isinstance(outer, S3Folder):
        inner, prefix = (f"{one.prefix}/" if one.prefix else "" for one in (folder, outer))
        same = folder.bucket == outer.bucket and inner.startswith(prefix)
        return inner.removeprefix(prefix) if same else None
    return None
