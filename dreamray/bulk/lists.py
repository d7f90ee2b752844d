"""Lists of pictures, each with settings and a result's name of its own if it likes.

A list is a file whose name ends in `.txt` (a source a line), `.csv` (with a header) or `.jsonl`
(an object a line). The columns or keys `source` and `output` name the picture and its result,
all others are settings of its own. Sources are relative to the list's folder.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TextIO

from dreamray.base.errors import RequestError
from dreamray.base.messages import shown
from dreamray.bulk.entry import Entry
from dreamray.settings.dream import Dream, parse_layers
from dreamray.storage import LocalFile, LocalFolder, Location, locate

_SETTINGS = {"layer", *Dream.model_fields}


def read_list(place: Location) -> Iterator[Entry]:
    """The pictures of a list; RequestError, with the line's number, for what is none."""
    with place.as_local_file() as path, path.open(encoding="utf-8-sig", newline="") as text:
        try:
            for number, row in _READERS[place.suffix](text):
                line = f"{shown(place)}, line {number}"
                try:
                    entry = _entry(place, row)
                except RequestError as error:
                    raise RequestError(f"{line}: {error}") from None
                yield replace(entry, line=line)
        except (UnicodeDecodeError, csv.Error) as error:
            raise RequestError(
                f"{shown(place)}: this is no list of pictures ({error}); write it as UTF-8 text"
            ) from None


def _entry(place: Location, row: Mapping[str, Any]) -> Entry:
    source, output = row.get("source"), row.get("output")
    if not isinstance(source, str) or not source or not isinstance(output, str | None):
        raise RequestError("it names no source; write `source` and, if you like, `output`")
    if "\0" in source:
        raise RequestError(f"{source!r} is no path; name a file, or write s3://bucket/key")
    settings = {name: value for name, value in row.items() if name not in ("source", "output")}
    for name in settings:
        if name not in _SETTINGS:
            known = ", ".join(sorted(_SETTINGS))
            raise RequestError(f"{name!r}: no such column; there are source, output, {known}")
    if "layer" in settings:
        if "layers" in settings:
            raise RequestError("layer and layers are both given; give one of them")
        settings["layers"] = _layers(settings.pop("layer"))
    if "://" in source or source.startswith(("/", "~")):
        location = locate(source)
        return Entry(location, location.name, output=output or None, settings=settings)
    folder = place.folder
    location = (
        LocalFile(folder.path / source) if isinstance(folder, LocalFolder) else folder.file(source)
    )
    return Entry(location, source.removeprefix("./"), output=output or None, settings=settings)


def _layers(value: object) -> dict[str, float]:
    given = value.split() if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise RequestError('layer: write NAME=WEIGHT, such as "mixed3=1 mixed4=0.5"')
    return parse_layers(given)


def _lines(text: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text, 1):
        if (source := line.strip()) and not source.startswith("#"):
            yield number, {"source": source}


def _rows(text: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(text, strict=True)
    columns = reader.fieldnames or ()
    if len({*columns}) < len(columns):
        raise csv.Error("a column is there twice")
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
        except (ValueError, RecursionError):
            row = None
        yield number, row if isinstance(row, dict) else {}


LIST_SUFFIXES = (".txt", ".csv", ".jsonl")
_READERS: dict[str, Callable[[TextIO], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    ".txt": _lines,
    ".csv": _rows,
    ".jsonl": _objects,
}
