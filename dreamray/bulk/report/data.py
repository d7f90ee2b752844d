"""The data files that a report's page loads when it shows them.

They are scripts, as a page that was opened from a disk may load nothing else: each hands its
rows to the function `dreamrayPart`. Beside each lies a plain page of the same pictures, for
browsers without scripts.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dreamray.bulk.record import Record, State
from dreamray.bulk.report.figures import STAGES, error_of
from dreamray.bulk.report.links import link_to
from dreamray.bulk.report.thumbnails import is_named_plainly, thumbnail_name
from dreamray.storage import Folder

PER_PART = 500

PART_HEAD = b"dreamrayPart("
"""How a data file begins."""

# Of a file that could not be written: it may have the old contents or the new ones.
_UNKNOWN = b""

# In ASCII, so that neither half characters nor a wrong character set can harm it.
_JSON = json.JSONEncoder(separators=(",", ":"))

Row = dict[str, Any]
"""What the page shows of a picture; what is empty is left out."""


@dataclass(frozen=True)
class ReportEntry:
    """A picture as a report is told of it."""

    record: Record
    kept: bool = False
    """Whether this run found it finished."""
    source: str = ""
    """Path or URI, letter by letter; empty where this run does not know it."""


class Group(enum.StrEnum):
    """What the pictures of a report are told apart by."""

    DREAMT = "dreamt"
    KEPT = "kept"
    FAILED = "failed"
    SKIPPED = "left out"


def group_of(entry: ReportEntry) -> Group:
    """Which one a picture belongs to."""
    if entry.record.state is State.FAILED:
        return Group.FAILED
    if entry.record.state is State.SKIPPED:
        return Group.SKIPPED
    return Group.KEPT if entry.kept else Group.DREAMT


def row_of(entry: ReportEntry, destination: Folder) -> Row:
    """What the page shows of a picture of a set with this destination."""
    record, group = entry.record, group_of(entry)
    row: Row = {"output": record.output}
    if group is not Group.DREAMT:
        row["group"] = group
    if link := entry.source and link_to(destination, entry.source):
        row["link"] = link
    else:
        row["source"] = record.source
    if group is Group.FAILED:
        row["error"] = error_of(record)
    elif group is not Group.SKIPPED and not is_named_plainly(record.output):
        row["thumb"] = thumbnail_name(record.output)
    if record.width and record.height:
        row["size"] = [record.width, record.height]
    if record.seconds.own:
        row["seconds"] = [round(getattr(record.seconds, stage), 3) for stage in STAGES]
        if waited := round(record.seconds.wait, 3):
            row["waited"] = waited
    for name in ("worker", "finished", "note"):
        if value := getattr(record, name):
            row[name] = value
    if record.attempts != 1:
        row["attempts"] = record.attempts
    return row


class Parts:
    """Files `pictures-00001.js` and so on, with up to `PER_PART` rows each, and their pages.

    A file with the contents that it was last given by this object is not written again.
    """

    def __init__(self, folder: Folder, page: Callable[[int, Sequence[Row]], bytes]) -> None:
        """`page` makes the page without scripts of a part, by its number from 1."""
        self._folder = folder
        self._page = page
        self._rows: list[Row] = []
        self._digests: list[bytes] = []
        self.first: list[Row] = []
        """Of the first part, since `start`."""
        self.counts: list[Counter[str]] = []
        """How many of which group each part has that was written since `start`."""

    def start(self) -> None:
        """Begin with the first part again."""
        self._rows, self.first, self.counts = [], [], []

    def add(self, row: Row) -> None:
        """Add a row, and write the part if that makes it full; raises as `Location.write`."""
        self._rows.append(row)
        if len(self._rows) == PER_PART:
            self._write()

    def finish(self) -> None:
        """Write what is left; raises as `Location.write`."""
        if self._rows:
            self._write()

    def remove_others(self) -> None:
        """Remove the parts behind the last one; raises as `Location.remove`."""
        count = len(self.counts)
        remove_numbered(self._folder, count + 1, part_name, part_page)
        del self._digests[count:]

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        self.first = self.first or rows
        self.counts.append(Counter(row.get("group", Group.DREAMT) for row in rows))
        number = len(self.counts)
        lines = ",\n".join(map(_JSON.encode, rows))
        data = PART_HEAD + f"{number}, [\n{lines}\n]);\n".encode()
        digest = hashlib.sha256(data).digest()
        here = slice(number - 1, number)
        if self._digests[here] == [digest]:
            return
        self._digests[here] = [_UNKNOWN]
        self._folder.file(part_page(number)).write(self._page(number, rows))
        self._folder.file(part_name(number)).write(data)
        self._digests[here] = [digest]


def part_name(number: int) -> str:
    """The data file of a part."""
    return f"pictures-{number:05}.js"


def part_page(number: int) -> str:
    """The page without scripts of a part."""
    return f"pictures-{number:05}.html"


def remove_numbered(folder: Folder, first: int, *names: Callable[[int], str]) -> None:
    """Remove the files of these names from a number on, up to the first that is not there.

    From the end: what an interruption leaves is found by the next run. Raises as
    `Location.remove`.
    """
    for name in names:
        last = first
        while folder.file(name(last)).exists():
            last += 1
        for number in range(last - 1, first - 1, -1):
            folder.file(name(number)).remove()
