"""The pictures of one run, on disk: what is asked for, what is there, and what became of it.

A million pictures take no memory of the process here: they are rows of an SQLite database in a
temporary folder, made anew by each run from the listings and the manifest.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from dreamray.base.errors import StorageError
from dreamray.base.messages import plural
from dreamray.base.version import __version__
from dreamray.bulk.clashes import Claim, Claimant
from dreamray.bulk.record import Record, State
from dreamray.bulk.report import ReportEntry
from dreamray.storage.temporary import scratch_folder

_ROWS = 1000
"""Read at a time."""

_SCHEMA = """
CREATE TABLE asked (
    number INTEGER PRIMARY KEY, output TEXT, source TEXT, fingerprint TEXT,
    request TEXT, settings TEXT, state TEXT, name TEXT, claim INTEGER
);
CREATE INDEX asked_output ON asked (output);
CREATE TABLE found (output TEXT PRIMARY KEY, fingerprint TEXT) WITHOUT ROWID;
CREATE TABLE records (
    output TEXT PRIMARY KEY, state TEXT, fingerprint TEXT, request TEXT, written TEXT,
    release TEXT, line TEXT
) WITHOUT ROWID;
"""

_ASK = (
    "INSERT INTO asked (output, source, fingerprint, request, settings, state, name, claim)"
    " VALUES (:output, :source, :fingerprint, :request, :settings, 'todo', :name, :claim)"
)
_REMEMBER = (
    "INSERT OR REPLACE INTO records"
    " VALUES (:output, :state, :fingerprint, :request, :written, :release, :line)"
)

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
    name: str = field(default="", compare=False)
    """What its result is named by."""
    claim: Claim = field(default=Claim.OWN, compare=False)
    """By what right it has its result's name."""
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
        parts = [f"{self.done} of {plural(self.total, 'picture')} dreamt"]
        parts += [f"{self.kept} kept"] if self.kept else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.left} left"] if self.left else []
        return ", ".join(parts)


class TaskStore:
    """The pictures of one run. For one thread; others read through `reader`."""

    def __init__(self) -> None:
        self._folder = contextlib.ExitStack()
        try:
            folder = self._folder.enter_context(scratch_folder())
        except OSError as error:
            raise _no_room(error) from None
        self._path = folder / "tasks.sqlite"
        try:
            self._database = _open(self._path)
            self._database.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._folder.close()
            raise _no_room(error) from None
        self._counts = dict.fromkeys((_TODO, _KEPT, *State), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """Raise StorageError where the disk had no room for the database."""
        self._database.close()
        self._folder.close()
        for error in raised:
            if isinstance(error, sqlite3.OperationalError):
                raise _no_room(error) from None

    def ask(self, pictures: Iterable[TaskRow]) -> None:
        """Add pictures that are asked for; `clashes` has those of them with one output."""
        with self._database as database:
            for one in pictures:
                database.execute(_ASK, vars(one))
                self._counts[_TODO] += 1

    def clashes(self) -> Iterator[tuple[str, list[Claimant]]]:
        """Each output that several pictures have, with these; what is changed meanwhile is not."""
        outputs = self._database.execute(
            "SELECT output FROM asked WHERE state = 'todo' GROUP BY output HAVING count(*) > 1"
        ).fetchall()
        for (output,) in outputs:
            rows = self._database.execute(
                "SELECT number, source, request, name, claim FROM asked"
                " WHERE output = ? AND state = 'todo'",
                (output,),
            )
            claimants = (Claimant(*row) for row in rows.fetchall())
            yield output, [replace(one, claim=Claim(one.claim)) for one in claimants]

    def drop(self, number: int) -> None:
        """Take back a picture that is asked for."""
        with self._database as database:
            database.execute("DELETE FROM asked WHERE number = ?", (number,))
        self._counts[_TODO] -= 1

    def rename(self, number: int, output: str) -> None:
        """Give another output to a picture that is asked for, in place of one it has to share."""
        with self._database as database:
            database.execute(
                "UPDATE asked SET output = ?, claim = ? WHERE number = ?",
                (output, Claim.LONGER, number),
            )

    def remember(self, records: Iterable[Record]) -> None:
        """Add what earlier runs recorded; of two records of one output the later one holds."""
        with self._database as database:
            database.executemany(_REMEMBER, map(_row, records))

    @property
    def knows_any(self) -> bool:
        """Whether earlier runs recorded any picture that they tried."""
        rows = self._database.execute(
            "SELECT EXISTS (SELECT 1 FROM records WHERE state != 'skipped')"
        )
        return bool(rows.fetchone()[0])

    def find(self, outputs: Iterable[tuple[str, str]]) -> None:
        """Add what the destination has: names and fingerprints."""
        with self._database as database:
            database.executemany("INSERT OR REPLACE INTO found VALUES (?, ?)", outputs)

    def settle(self, *, overwrite: bool) -> int:
        """Tell which pictures need not be made: they are finished and right, or failed for good.

        They are finished if the manifest has them as done, the listing has the source and the
        output with the fingerprints of then, and the settings and weights are the same. They
        failed for good if the manifest has it from this release, for this source and these
        settings; their number is returned. With `overwrite` none is either.
        """
        if overwrite:
            return 0
        self._settle(
            _KEPT, State.DONE, "r.written = (SELECT fingerprint FROM found WHERE output = a.output)"
        )
        return self._settle(State.FAILED, State.FAILED, "r.release = :release")

    def _settle(self, state: str, earlier: State, condition: str) -> int:
        with self._database as database:
            settled = database.execute(
                "UPDATE asked SET state = :state WHERE state = 'todo' AND output IN ("
                " SELECT a.output FROM asked a JOIN records r ON r.output = a.output"
                " WHERE r.state = :earlier AND a.fingerprint != ''"
                f" AND r.fingerprint = a.fingerprint AND r.request = a.request AND {condition})",
                {"state": state, "earlier": earlier, "release": __version__},
            ).rowcount
        self._counts[state] += settled
        self._counts[_TODO] -= settled
        return settled

    def failures(self, most: int) -> list[Record]:
        """The first failures in the order of the listing."""
        rows = self._database.execute(
            "SELECT line FROM asked a JOIN records r ON r.output = a.output"
            " WHERE a.state = 'failed' ORDER BY number LIMIT ?",
            (most,),
        )
        return [Record.from_json(line) for (line,) in rows]

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

    def refuse(self, record: Record) -> bool:
        """Record a picture that cannot be asked for at all, or a file that is left out.

        Returns whether an earlier run has recorded the same already.
        """
        with self._database as database:
            known = database.execute(
                "SELECT line FROM records WHERE output = ?", (record.output,)
            ).fetchone()
            is_known = known is not None and record == replace(
                Record.from_json(known[0]), finished=record.finished
            )
            if not is_known:
                database.execute(_REMEMBER, _row(record))
            asked = database.execute(
                "SELECT 1 FROM asked WHERE output = ? AND state = ?", (record.output, record.state)
            )
            if asked.fetchone() is None:
                database.execute(
                    "INSERT INTO asked (output, source, state) VALUES (?, ?, ?)",
                    (record.output, record.source, record.state),
                )
                self._counts[record.state] += 1
        return is_known

    @property
    def counts(self) -> Counts:
        """How many are what by now."""
        kept, done, failed = (self._counts[s] for s in (_KEPT, State.DONE, State.FAILED))
        return Counts(kept + done + failed + self._counts[_TODO], kept, done, failed)

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
        for known in self.pictures():
            yield known.record

    def pictures(self) -> Iterator[ReportEntry]:
        """As `records`, with what this run knows of each beside it."""
        for line, state, source in self._database.execute(
            "SELECT line, a.state, a.source FROM records r LEFT JOIN asked a ON a.output = r.output"
            " WHERE a.output IS NOT NULL OR r.output IN (SELECT output FROM found)"
            " GROUP BY r.output ORDER BY r.output"
        ):
            # None: this run has not asked for it.
            kept = state in (_KEPT, _TODO, None)
            yield ReportEntry(Record.from_json(line), kept, source or "")


def _no_room(error: Exception) -> StorageError:
    return StorageError(
        f"{tempfile.gettempdir()}: the set's pictures cannot be noted there ({error}); free some "
        "space, or set TMPDIR to a folder with more"
    )


def _row(record: Record) -> dict[str, Any]:
    return vars(record) | {"line": record.to_json()}


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    # Nothing is to outlive the process.
    for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -20000"):
        database.execute(f"PRAGMA {pragma}").close()
    return database
