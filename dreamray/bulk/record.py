"""What is known of each picture of a set: one line of the manifest each."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, astuple, dataclass, field

from pydantic import TypeAdapter

_MOST = 2**53
"""Of a number: all up to here are the same as integers and as floats."""


class State(enum.StrEnum):
    """What became of a picture."""

    DONE = "done"
    """Its dream is in the destination."""
    FAILED = "failed"
    """There is no dream of it, and `Record.error` says why."""
    SKIPPED = "skipped"
    """It is a picture that was left out, and `Record.note` says why."""


@dataclass(frozen=True)
class Seconds:
    """Where the time of a picture went."""

    load: float = 0.0
    """Fetching and decoding."""
    wait: float = 0.0
    """For its turn: until those before it were dreamt, and the network was loaded."""
    dream: float = 0.0
    store: float = 0.0
    """Encoding and storing."""

    @property
    def own(self) -> float:
        """What the picture itself took: without waiting for its turn."""
        return self.load + self.dream + self.store


@dataclass(frozen=True)
class Record:
    """One picture, as it was last tried."""

    output: str
    """Relative to the destination, with `/` between folders."""
    source: str
    """Path or URI."""
    state: State
    fingerprint: str = ""
    """Of the source: see `dreamray.storage.Location.fingerprint`."""
    sha256: str = ""
    """Of the source's bytes, in hexadecimal; empty if it was not read."""
    request: str = ""
    """Digest of the settings and weights: another one makes the picture anew."""
    written: str = ""
    """Fingerprint of the output."""
    width: int = 0
    height: int = 0
    """In pixels; 0 if it was not decoded."""
    seconds: Seconds = field(default_factory=Seconds)
    worker: str = ""
    """Which process dreamt it: `host/pid`."""
    attempts: int = 1
    finished: str = ""
    """When, in UTC: `2026-11-22T18:40:02Z`."""
    error: str = ""
    """Why it failed, in one line."""
    release: str = ""
    """Of a failure for good: the release of dreamray that would fail in the same way again."""
    note: str = ""
    """What else the user should know of it."""

    def to_json(self) -> str:
        """One line; what is empty is left out."""
        values = {k: v for k, v in asdict(self).items() if v not in ("", 0)}
        values["seconds"] = {k: round(v, 3) for k, v in values["seconds"].items()}
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Raises ValueError for a line that is none; what it has besides is passed over."""
        record = _RECORD.validate_json(line, strict=True)
        numbers = (record.width, record.height, record.attempts, *astuple(record.seconds))
        if not all(0 <= number <= _MOST for number in numbers):  # Nor are they NaN.
            raise ValueError("a number of it cannot be meant")
        return record


_RECORD = TypeAdapter(Record)
