"""The manifest of a set: a line of JSON for each picture, kept in the destination.

`manifest.jsonl` is written as a whole when a run ends. Storage cannot append to a file, so
that during the run the records go into small parts beside it, `.dreamray/manifest/000001.jsonl`
and so on: what a killed run has left there, the next one reads after the manifest itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from dreamray.base.errors import NotFoundError, StorageError
from dreamray.base.messages import Warn, plural, shown
from dreamray.base.parsing import bounded_lines
from dreamray.bulk.naming import MANIFEST
from dreamray.bulk.record import Record
from dreamray.render.workspace import WORK
from dreamray.storage import Folder, Location
from dreamray.storage.temporary import scratch_folder

_PART = re.compile(r"(\d{6,})\.jsonl")


class Manifest:
    """The manifest of one destination. Only the holder of its lease may write it."""

    def __init__(self, destination: Folder) -> None:
        self._file = destination.file(MANIFEST)
        self._folder = destination.folder(WORK).folder("manifest")
        self._last_part = 0

    def read(self, warn: Warn) -> Iterator[Record]:
        """What earlier runs recorded, the latest record of a picture last.

        Lines that are none are passed over, and told. Raises StorageError.
        """
        unreadable = 0
        parts = self._parts()
        self._last_part = max(parts, default=0)
        files = [self._file] if self._file.exists() else []
        files += [self._part(number) for number in sorted(parts)]
        for file in files:
            with (
                file.as_local_file() as path,
                path.open(encoding="utf-8", errors="replace") as lines,
            ):
                for line in bounded_lines(lines):
                    try:
                        record = Record.from_json(line)
                    except ValueError:
                        unreadable += bool(line.strip())
                    else:
                        yield record
        if unreadable:
            warn(
                f"{shown(self._file)}: {plural(unreadable, 'line')} cannot be read, whose pictures "
                "are made anew"
            )

    @property
    def has_parts(self) -> bool:
        """Whether there are records beside the manifest itself, once it was read."""
        return self._last_part > 0

    def add(self, records: Sequence[Record]) -> None:
        """Keep records of this run, until `complete`. Raises StorageError."""
        if records:
            self._last_part += 1
            lines = "".join(f"{record.to_json()}\n" for record in records)
            self._part(self._last_part).write(lines.encode())

    def complete(
        self, records: Iterable[Record], then: Callable[[], object] = lambda: None
    ) -> None:
        """Write the manifest as a whole, do what is due with it, and remove its parts.

        As long as there are parts, the next run does all that again. Raises StorageError, and as
        `then`.
        """
        try:
            with scratch_folder() as folder:
                whole = folder / MANIFEST
                with whole.open("w", encoding="utf-8") as file:
                    file.writelines(f"{record.to_json()}\n" for record in records)
                self._file.write_file(whole)
        except OSError as error:
            raise StorageError(
                f"{self._file}: it cannot be prepared ({error.strerror}); free some space, or set "
                "TMPDIR to a folder with more, then run it again"
            ) from None
        then()
        self._folder.remove()
        self._last_part = 0

    def _parts(self) -> list[int]:
        try:
            names = [found.name for found in self._folder.files()]
        except NotFoundError:
            return []
        return [int(match[1]) for name in names if (match := _PART.fullmatch(name))]

    def _part(self, number: int) -> Location:
        return self._folder.file(f"{number:06}.jsonl")
