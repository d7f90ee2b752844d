"""The data files that a report's page loads when it shows them.

They are scripts, as a page that was opened from a disk may load nothing else: each hands its
rows to the function `dreamrayPage`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from dreamray.bulk.record import Record, State
from dreamray.bulk.report.figures import STAGES, error_of
from dreamray.bulk.report.thumbnails import thumbnail_name
from dreamray.storage import Folder

PER_PAGE = 500

# Of a file that could not be written: it may have the old contents or the new ones.
_UNKNOWN = b""

# In ASCII, so that neither half characters nor a wrong character set can harm it.
_JSON = json.JSONEncoder(separators=(",", ":"))


def row_of(record: Record) -> dict[str, Any]:
    """What the page shows of a picture; what is empty is left out."""
    row: dict[str, Any] = {"output": record.output}
    if record.state is State.FAILED:
        row["failed"] = error_of(record)
        row["source"] = record.source
    elif record.state is State.SKIPPED:
        row["skipped"] = record.note
        row["source"] = record.source
    elif not (name := thumbnail_name(record.output)).endswith(f"/{record.output}.jpg"):
        row["thumb"] = name
    if record.width and record.height:
        row["size"] = [record.width, record.height]
    if record.seconds.total:
        row["seconds"] = [round(getattr(record.seconds, stage), 3) for stage in STAGES]
    if record.worker:
        row["worker"] = record.worker
    if record.attempts != 1:
        row["attempts"] = record.attempts
    if record.finished:
        row["finished"] = record.finished
    return row


class Pages:
    """Files `NAME-00001.js` and so on, with up to `PER_PAGE` rows each.

    A file with the contents that it was last given by this object is not written again.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._rows: list[dict[str, Any]] = []
        self._digests: list[bytes] = []
        self.count = 0
        """Written since `start`."""

    def start(self) -> None:
        """Begin with the first page again."""
        self._rows.clear()
        self.count = 0

    def add(self, row: dict[str, Any]) -> None:
        """Add a row, and write the page if that makes it full; raises as `Location.write`."""
        self._rows.append(row)
        if len(self._rows) == PER_PAGE:
            self._write()

    def finish(self) -> None:
        """Write what is left; raises as `Location.write`."""
        if self._rows:
            self._write()

    def remove_others(self) -> None:
        """Remove the pages behind the last one; raises as `Location.remove`."""
        last = max(self.count, len(self._digests))
        while self._folder.file(self._file_name(last + 1)).exists():
            last += 1
        # From the end: what an interruption leaves is found by the next run.
        for number in range(last, self.count, -1):
            self._folder.file(self._file_name(number)).remove()
        del self._digests[self.count :]

    def _write(self) -> None:
        self.count += 1
        rows = ",\n".join(map(_JSON.encode, self._rows))
        self._rows.clear()
        data = f'dreamrayPage("{self._name}", {self.count}, [\n{rows}\n]);\n'.encode()
        digest = hashlib.sha256(data).digest()
        here = slice(self.count - 1, self.count)
        if self._digests[here] == [digest]:
            return
        self._digests[here] = [_UNKNOWN]
        self._folder.file(self._file_name(self.count)).write(data)
        self._digests[here] = [digest]

    def _file_name(self, number: int) -> str:
        return f"{self._name}-{number:05}.js"
