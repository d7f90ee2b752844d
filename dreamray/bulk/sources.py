"""The pictures of a set, one after the other: of a folder, of an s3:// prefix, or of a list.

A list is a file whose name ends in `.txt` (a source a line), `.csv` (with a header) or `.jsonl`
(an object a line). The columns or keys `source` and `output` name the picture and its result,
all others are settings of its own. Sources are relative to the list's folder.
"""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from dreamray.errors import RequestError
from dreamray.options import DREAM
from dreamray.pictures.encoding import PICTURE_SUFFIXES
from dreamray.settings import parse_layer_option
from dreamray.storage import (
    Folder,
    LocalFile,
    LocalFolder,
    Location,
    S3Folder,
    locate,
    locate_folder,
    shown,
)

SOURCE_SUFFIXES = (*PICTURE_SUFFIXES, ".gif", ".bmp")
"""Of the pictures that are taken from a folder, if nothing else is said."""

_SETTINGS = {"layers", *(option.setting for option in DREAM)}


@dataclass(frozen=True)
class Entry:
    """One picture to be dreamt."""

    source: Location
    name: str
    """What its result is named by: relative, with `/` between folders."""
    fingerprint: str = ""
    """Of the source, where the listing tells it."""
    output: str | None = None
    """The name of its result, where the list gives one."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of its own, over those of the run."""


def entries(
    source: str, include: tuple[str, ...], but: Folder, leave_out: Callable[[], None]
) -> Iterator[Entry]:
    """The pictures of a source, in a fixed order.

    Of a folder or prefix those whose name or relative path matches one of the patterns in
    `include`, or without any those that end like pictures; `leave_out` is called for each of
    the others. What lies in the folder `but` is no source. Raises RequestError for a source
    that is none, and for a list's line that cannot be read; StorageError as the listing does.
    """
    listed = _list_file(source)
    if listed is not None:
        yield from _of_list(listed)
        return
    folder = locate_folder(source)
    _check_apart(folder, but)
    hidden = _inside(but, folder)
    for found in folder.files():
        if hidden and found.name.startswith(hidden):
            continue
        if _is_included(found.name, include):
            yield Entry(folder.file(found.name), found.name, found.fingerprint)
        else:
            leave_out()


def is_list(source: str) -> bool:
    """Whether a source is a list file."""
    return _list_file(source) is not None


def _is_included(name: str, include: tuple[str, ...]) -> bool:
    if not include:
        return name.lower().endswith(SOURCE_SUFFIXES)
    last = name.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(name if "/" in one else last, one) for one in include)


def _list_file(source: str) -> Location | None:
    """The list that a source names; RequestError where it names a single picture."""
    bucket_only = source.lower().startswith("s3://") and source.count("/") == 2
    if source.endswith("/") or bucket_only:
        return None
    place = locate(source)
    if isinstance(place, LocalFile) and place.path.is_dir():
        return None
    if place.suffix in _READERS:
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


def _of_list(place: Location) -> Iterator[Entry]:
    with place.opened() as path, path.open(encoding="utf-8-sig", newline="") as text:
        try:
            for number, row in _READERS[place.suffix](text):
                with _line_named(place, number):
                    yield _entry(place, row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise RequestError(
                f"{shown(place)}: this is no list of pictures ({error}); write it as UTF-8 text"
            ) from None


@contextlib.contextmanager
def _line_named(place: Location, number: int) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        raise RequestError(f"{shown(place)}, line {number}: {error}") from None


def _entry(place: Location, row: Mapping[str, Any]) -> Entry:
    source, output = row.get("source"), row.get("output") or None
    if not isinstance(source, str) or not source or not isinstance(output, str | None):
        raise RequestError("it names no source; write `source` and, if you like, `output`")
    settings = {k: v for k, v in row.items() if k not in ("source", "output") and v is not None}
    for name in settings:
        if name not in _SETTINGS:
            known = ", ".join(sorted(_SETTINGS))
            raise RequestError(f"{name!r}: no such column; there are source, output, {known}")
    layers = settings.pop("layer", None)
    if layers is not None:
        given = layers.split() if isinstance(layers, str) else layers
        settings["layers"] = dict(parse_layer_option(one) for one in given)
    elsewhere = "://" in source or source.startswith(("/", "~"))
    if elsewhere:
        location = locate(source)
        return Entry(location, location.name, output=output, settings=settings)
    folder = place.folder
    location = (
        locate(str(Path(folder.path, source)))
        if isinstance(folder, LocalFolder)
        else (folder.file(source))
    )
    return Entry(location, source.removeprefix("./"), output=output, settings=settings)


def _lines(text: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text, 1):
        if (source := line.strip()) and not source.startswith("#"):
            yield number, {"source": source}


def _rows(text: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(text, strict=True)
    for row in reader:
        if None in row:
            raise csv.Error(f"line {reader.line_num} has more fields than the header")
        # An empty field is a setting that is left as it is.
        yield reader.line_num, {name: value for name, value in row.items() if value}


def _objects(text: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        yield number, row if isinstance(row, dict) else {}


_READERS: dict[str, Callable[[TextIO], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    ".txt": _lines,
    ".csv": _rows,
    ".jsonl": _objects,
}
