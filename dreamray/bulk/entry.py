"""One picture that a source asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dreamray.storage import Location


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
    line: str = field(default="", compare=False)
    """Where a list has it, for messages: `list.csv, line 7`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of its own, over those of the run."""


@dataclass(frozen=True)
class EntryList:
    """Pictures that a program asks for, in place of a source that is listed."""

    name: str
    """What they are called, for people."""
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        return self.name
