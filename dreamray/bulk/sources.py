"""The pictures of a set, one after the other: of a folder, of an s3:// prefix, or of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dreamray.base.errors import RequestError
from dreamray.base.messages import shown
from dreamray.bulk.entry import Entry, EntryList
from dreamray.bulk.left_out import Cause, why_left_out
from dreamray.bulk.lists import LIST_SUFFIXES, read_list
from dreamray.bulk.naming import REPORT_FOLDER
from dreamray.pictures.formats import SOURCE_SUFFIXES
from dreamray.render.workspace import WORK
from dreamray.storage import (
    Folder,
    ListedFile,
    Location,
    locate,
    locate_folder,
)
from dreamray.storage.identity import is_folder, way_to


def entries(
    source: str | EntryList,
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
    if isinstance(source, EntryList):
        yield from source.entries
        return
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
    hidden = way_to(but, folder)
    for found in folder.files():
        # Keys may have more slashes than a path.
        inside = hidden and found.name.lstrip("/").startswith(f"{hidden}/")
        if inside or _belongs_to_a_run(found.name):
            continue
        cause = why_left_out(found.name, include)
        if cause is None:
            yield Entry(folder.file(found.name), found.name, found.fingerprint)
        else:
            leave_out(found, folder.file(found.name), cause)


def _belongs_to_a_run(name: str) -> bool:
    """Whether a file is what runs themselves leave in their destinations, such as thumbnails."""
    return not {REPORT_FOLDER, WORK}.isdisjoint(name.split("/"))


def is_list(source: str | EntryList) -> bool:
    """Whether the pictures of a source may have settings of their own."""
    if isinstance(source, EntryList):
        return True
    return not is_folder(source) and locate(source).suffix in LIST_SUFFIXES


def _list_file(source: str) -> Location | None:
    """The list that a source names; RequestError where it names a single picture."""
    if is_folder(source):
        return None
    place = locate(source)
    if is_list(source):
        return place
    if place.suffix in SOURCE_SUFFIXES and place.exists():
        raise RequestError(
            f"{shown(source)}: this is one picture; use `dreamray render`, or name a folder, an "
            "s3:// prefix or a list (.txt, .csv, .jsonl)"
        )
    return None


def _check_apart(source: Folder, destination: Folder) -> None:
    """Results among the sources would be dreamt again, or take a source's place."""
    if way_to(source, destination) is not None:
        raise RequestError(
            f"{shown(destination)}: the sources lie in it, and results could take their places; "
            "name a folder beside them or below them"
        )
