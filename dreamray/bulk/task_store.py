"""The pictures of one run, on disk: what is asked for, what is there, and what became of it.

A million pictures take no memory of the process here: they are rows of an SQLite database in a
temporary folder, made anew by each run from the listings and the manifest.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

from dreamray.base.errors import StorageError
from dreamray.bulk.record import Record, State

_ROWS = 1000
"""Read at a time."""

_SCHEMA = """
CREATE TABLE asked (
    number INTEGER PRIMARY KEY, output TEXT UNIQUE, source TEXT, fingerprint TEXT,
    request TEXT, settings TEXT, state TEXT
);
CREATE TABLE found (output TEXT PRIMARY KEY, fingerprint TEXT) WITHOUT ROWID;
CREATE TABLE records (
    output TEXT PRIMARY KEY, state TEXT, fingerprint TEXT, request TEXT, written TEXT, line TEXT
) WITHOUT ROWID;
"""

_REMEMBER = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)"

_TODO = "todo"
_KEPT = "kept"


@dataclass(frozen=True)
class TaskRow:
    """One picture that is asked for, and what is known of it from earlier."""

    output: str
    """Relative to the destination."""
    source: str
    """Path or URI."""
    fingerprint: str
    """Of the source; empty where the listing does not tell it."""
    request: str
    """Digest of the settings and weights."""
    settings: str
    """Settings of its own, as JSON; empty for none."""
    earlier: Record | None = None
    """What an earlier run knew of it."""
    there: bool = False
    """Whether the destination has a file of that name."""


class Counts(NamedTuple):
    """How many of the pictures asked for are what by now."""

    total: int
    kept: int
    """Finished by an earlier run, and still right."""
    done: int
    failed: int

    @property
    def left(self) -> int:
        """Neither of these yet."""
        return self.total - self.kept - self.done - self.failed

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.total} pictures dreamt"]
        parts += [f"{self.kept} kept"] if self.kept else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.left} left"] if self.left else []
        return ", ".join(parts)


class TaskStore:
    """The pictures of one run. For one thread; others read through `reader`."""

    def __init__(self) -> None:
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="dreamray-")
        except OSError as error:
            raise _no_room(error) from None
        self._path = Path(self._folder.name, "tasks.sqlite")
        try:
            self._database = _open(self._path)
            self._database.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._folder.cleanup()
            raise _no_room(error) from None
        self._counts = dict.fromkeys((_TODO, _KEPT, State.DONE, State.FAILED), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """Raise StorageError where the disk had no room for the database."""
        self._database.close()
        self._folder.cleanup()
        for error in raised:
            if isinstance(error, sqlite3.OperationalError):
                raise _no_room(error) from None

    def ask(self, pictures: Iterable[TaskRow]) -> list[tuple[str, str, str]]:
        """Add pictures that are asked for.

        Returns those that cannot be, as another one has the same output: the output, the source
        that has it, and the one that is left out; at most ten of them.
        """
        clashes = []
        with self._database as database:
            for one in pictures:
                values = (one.output, one.source, one.fingerprint, one.request, one.settings)
                try:
                    database.execute(
                        "INSERT INTO asked (output, source, fingerprint, request, settings, state)"
                        " VALUES (?, ?, ?, ?, ?, 'todo')",
                        values,
                    )
                    self._counts[_TODO] += 1
                except sqlite3.IntegrityError:
                    (first,) = database.execute(
                        "SELECT source FROM asked WHERE output = ?", (one.output,)
                    ).fetchone()
                    clashes.append((one.output, first, one.source))
                    if len(clashes) >= 10:
                        break
        return clashes

    def remember(self, records: Iterable[Record]) -> None:
        """Add what earlier runs recorded; of two records of one output the later one holds."""
        with self._database as database:
            database.executemany(_REMEMBER, map(_row, records))

    @property
    def knows_any(self) -> bool:
        """Whether earlier runs recorded anything."""
        rows = self._database.execute("SELECT EXISTS (SELECT 1 FROM records)")
        return bool(rows.fetchone()[0])

    def find(self, outputs: Iterable[tuple[str, str]]) -> None:
        """Add what the destination has: names and fingerprints."""
        with self._database as database:
            database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?)", outputs)

    def settle(self, *, overwrite: bool) -> None:
        """Tell which pictures are finished and right, so that they need not be made.

        They are if the manifest has them as done, the listing has the source and the output
        with the fingerprints of then, and the settings and weights are the same. With
        `overwrite` none is.
        """
        if overwrite:
            return
        with self._database as database:
            kept = database.execute(
                "UPDATE asked SET state = 'kept' WHERE output IN ("
                " SELECT a.output FROM asked a JOIN records r ON r.output = a.output"
                " JOIN found f ON f.output = a.output"
                " WHERE r.state = 'done' AND a.fingerprint != ''"
                " AND r.fingerprint = a.fingerprint AND r.request = a.request"
                " AND r.written = f.fingerprint)"
            ).rowcount
        self._counts[_KEPT] += kept
        self._counts[_TODO] -= kept

    def todo(self) -> Iterator[TaskRow]:
        """The pictures to be made, in the order of the listing; a later `note` changes nothing."""
        number = 0
        while True:
            rows = self._database.execute(
                "SELECT number, a.output, source, a.fingerprint, a.request, settings, line,"
                " f.output IS NOT NULL FROM asked a"
                " LEFT JOIN records r ON r.output = a.output"
                " LEFT JOIN found f ON f.output = a.output"
                " WHERE number > ? AND a.state = 'todo' ORDER BY number LIMIT ?",
                (number, _ROWS),
            ).fetchall()
            if not rows:
                return
            for _, *columns, line, there in rows:
                row = TaskRow(*columns)
                earlier = None if line is None else Record.from_json(line)
                yield replace(row, earlier=earlier, there=bool(there))
            number = rows[-1][0]

    def note(self, record: Record, *, kept: bool = False) -> None:
        """Record what became of a picture."""
        state = _KEPT if kept else record.state
        with self._database as database:
            database.execute(_REMEMBER, _row(record))
            changed = database.execute(
                "UPDATE asked SET state = ? WHERE output = ? AND state = 'todo'",
                (state, record.output),
            ).rowcount
        if changed:
            self._counts[_TODO] -= 1
            self._counts[state] += 1

    def refuse(self, record: Record) -> None:
        """Record a picture that cannot be asked for at all, as it has no right name."""
        with self._database as database:
            database.execute(_REMEMBER, _row(record))
            self._counts[State.FAILED] += database.execute(
                "INSERT OR IGNORE INTO asked (output, source, state) VALUES (?, ?, 'failed')",
                (record.output, record.source),
            ).rowcount

    @property
    def counts(self) -> Counts:
        """How many are what by now."""
        kept, done, failed = (self._counts[s] for s in (_KEPT, State.DONE, State.FAILED))
        return Counts(sum(self._counts.values()), kept, done, failed)

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """What is recorded, as another thread may read it meanwhile."""
        database = _open(self._path)
        try:
            yield Reader(database)
        finally:
            database.close()


class Reader:
    """Reads a task store."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def records(self) -> Iterator[Record]:
        """All that is known of pictures, in the order of their outputs.

        What was not asked for by this run is left out if it is gone from the destination.
        """
        for (line,) in self._database.execute(
            "SELECT line FROM records r LEFT JOIN asked a ON a.output = r.output"
            " WHERE a.output IS NOT NULL OR r.output IN (SELECT output FROM found)"
            " ORDER BY r.output"
        ):
            yield Record.from_json(line)


def _no_room(error: Exception) -> StorageError:
    return StorageError(
        f"{tempfile.gettempdir()}: the set's pictures cannot be noted there ({error}); free some "
        "space, or set TMPDIR to a folder with more"
    )


def _row(record: Record) -> tuple[str, ...]:
    return (
        record.output,
        record.state,
        record.fingerprint,
        record.request,
        record.written,
        record.to_json(),
    )


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    # Nothing is to outlive the process.
    for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -20000"):
        database.execute(f"PRAGMA {pragma}").close()
    return database
