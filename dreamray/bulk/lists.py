"""Lists of pictures, each with settings and a result's name of its own if it likes.

A list is a file whose name ends in `.txt` (a source a line), `.csv` (with a header) or `.jsonl`
(an object a line). The columns or keys `source` and `output` name the picture and its result,
all others are settings of its own. Sources are relative to the list's folder.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TextIO

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief, shown
from dreamray.base.parsing import MOST_LINE, ParseError, bounded_lines, parse_json
from dreamray.bulk.entry import Entry
from dreamray.pictures.noise import SCHEME, locate_source
from dreamray.settings.dream import PICTURES, Dream, parse_layers, read_mask_layers
from dreamray.settings.schema import none_as_word
from dreamray.storage import LocalFile, LocalFolder, Location

_SETTINGS = {"layer", *Dream.model_fields}
_COLUMNS = {"source", "output", *_SETTINGS}

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
"""What Excel reads at the top of a file, and some programs write for it."""
_LISTED = {"octave_sizes"}
"""Settings of several numbers."""
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

_Rows = Iterator[tuple[int, Mapping[str, Any]]]


def read_list(place: Location) -> Iterator[Entry]:
    """The pictures of a list; RequestError, with the line's number, for what is none."""
    name = shown(place)
    with place.as_local_file() as path:
        with path.open("rb") as file:
            head = file.read(4)
        encoding = next((one for mark, one in _MARKS.items() if head.startswith(mark)), "utf-8")
        with path.open(encoding=encoding, newline="") as text:
            number = 0
            try:
                for number, row in _READERS[place.suffix](_lines(text)):
                    yield replace(_entry(place, row), line=f"{name}, line {number}")
            except UnicodeError as error:
                raise RequestError(
                    f"{name}: this is no text in UTF-8 or UTF-16 ({_reason(error)}); save it as "
                    "UTF-8"
                ) from None
            except _LineError as error:
                raise RequestError(f"{name}, line {error.number}: {error}") from None
            except RequestError as error:
                raise RequestError(f"{name}, line {number}: {error}") from None


class _LineError(Exception):
    """What is wrong with a line."""

    def __init__(self, number: int, problem: object) -> None:
        super().__init__(str(problem))
        self.number = number


def _reason(error: UnicodeError) -> str:
    return error.reason if isinstance(error, UnicodeDecodeError) else str(error)


def _lines(text: TextIO) -> Iterator[str]:
    for number, line in enumerate(bounded_lines(text), 1):
        if len(line) > MOST_LINE:
            raise _LineError(number, "it is over a million characters long; shorten it")
        yield line


def _entry(place: Location, row: Mapping[str, Any]) -> Entry:
    source, output = row.get("source"), row.get("output")
    if not isinstance(source, str) or not source:
        raise RequestError("it names no source; write `source` and, if you like, `output`")
    if not isinstance(output, str | None):
        raise RequestError(f"output: {brief(output)} is no name; write it as text")
    if "\0" in source:
        raise RequestError(f"{source!r} is no path; name a file, or write s3://bucket/key")
    settings = {name: value for name, value in row.items() if name not in ("source", "output")}
    for name in settings:
        if name not in _SETTINGS:
            known = ", ".join(sorted(_SETTINGS))
            raise RequestError(f"{brief(name)}: no such column; there are source, output, {known}")
    if "layer" in settings:
        if "layers" in settings:
            raise RequestError("layer and layers are both given; give one of them")
        settings["layers"] = _layers(settings.pop("layer"))
    for name in PICTURES & settings.keys():
        if isinstance(named := none_as_word(settings[name]), str):
            settings[name] = str(_located(place, named))
    if "mask_layers" in settings and isinstance(
        masks := read_mask_layers(settings["mask_layers"]), Mapping
    ):
        settings["mask_layers"] = {
            name: str(_located(place, one)) if isinstance(one, str) else one
            for name, one in masks.items()
        }
    location = _located(place, source)
    name = source.removeprefix("./") if _is_relative(source) else location.name
    return Entry(location, name, output=output or None, settings=settings)


def _located(place: Location, named: str) -> Location:
    """What a list names: from its folder on, if it is relative."""
    if not _is_relative(named):
        return locate_source(named)
    folder = place.folder
    if isinstance(folder, LocalFolder):
        return LocalFile(folder.path / named)
    return folder.file(named)


def _is_relative(named: str) -> bool:
    return "://" not in named and not named.startswith(("/", "~", SCHEME))


def _layers(value: object) -> dict[str, float]:
    given = value.split() if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise RequestError('layer: write NAME=WEIGHT, such as "mixed3=1 mixed4=0.5"')
    return parse_layers(given)


def _sources(lines: Iterable[str]) -> _Rows:
    for number, line in enumerate(lines, 1):
        if (source := line.strip()) and not source.startswith("#"):
            yield number, {"source": source}


def _rows(lines: Iterator[str]) -> _Rows:
    """The rows below a header, whatever parts the columns and however they are spelled."""
    first, before = next(lines, ""), 0
    if told := _SEPARATOR_LINE.fullmatch(first):
        first, before = next(lines, ""), 1
    if not first.strip():
        if any(line.strip() for line in lines):
            raise _LineError(before + 1, "the columns' names are missing; write source,output")
        return
    separators = [told[1]] if told else [*_SEPARATORS]
    columns, separator = max(
        ((_header(first, one), one) for one in separators),
        key=lambda found: len(_COLUMNS.intersection(found[0])),
    )
    if "source" not in columns:
        raise _LineError(
            before + 1,
            f"no column is called source, in {brief(first.strip())}; name the columns there, such "
            f"as source,output, with {', '.join(_SEPARATORS.values())} between them",
        )
    named = [column for column in columns if column]
    if twice := {column for column in named if named.count(column) > 1}:
        raise _LineError(before + 1, f"a column is there twice: {brief(min(twice))}")
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            number = before + 1 + reader.line_num
            values = [value.strip() for value in row]
            if any(values[len(columns) :]):
                raise _LineError(number, "it has more fields than the header")
            # An empty field is a setting that is left as it is.
            given = {name: value for name, value in zip(columns, values, strict=False) if value}
            if "" in given:
                raise _LineError(number, f"{brief(given[''])} is in a column without a name")
            if separator != ",":
                given = {name: _with_point(name, value) for name, value in given.items()}
            if given:
                yield number, given
    except csv.Error as error:
        raise _LineError(before + 1 + reader.line_num, error) from None


def _header(line: str, separator: str) -> list[str]:
    try:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []
    return [_column(field) for field in fields]


def _column(name: str) -> str:
    """The name of a column or key as settings have it: `Octave Scale` is `octave_scale`."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _with_point(name: str, value: str) -> str:
    """A number as much of Europe writes it, as the settings have it."""
    is_number = name in Dream.model_fields and name not in _LISTED
    is_number = is_number and _DECIMAL_COMMA.fullmatch(value) is not None
    return value.replace(",", ".") if is_number else value


def _objects(lines: Iterable[str]) -> _Rows:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        problem = "it is a value of another kind"
        try:
            row = parse_json(line)
        except ParseError as error:
            row, problem = None, str(error)
        if not isinstance(row, dict):
            raise _LineError(
                number, f'no object of JSON ({problem}); write {{"source": "cat.jpg"}}'
            )
        named = {_column(name): value for name, value in row.items()}
        if len(named) < len(row):
            raise _LineError(number, "a name is there twice")
        yield number, named


LIST_SUFFIXES = (".txt", ".csv", ".jsonl")
_READERS: dict[str, Callable[[Iterator[str]], _Rows]] = {
    ".txt": _sources,
    ".csv": _rows,
    ".jsonl": _objects,
}
