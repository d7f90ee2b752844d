"""How values stand in messages: on one line, short, in people's units."""

from __future__ import annotations

import reprlib
from collections.abc import Callable

Warn = Callable[[str], None]
"""Tells the user something, in one line."""


class Aside(str):
    """A remark for whoever watches: what is going on. With `--quiet` it is not shown."""


def shown(place: object) -> str:
    """A path or URI as it stands in a message: on one line, whatever its characters are."""
    text = str(place)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxlong, _BRIEF.maxother = 1, 60, 60, 60


def brief(value: object) -> str:
    """A value in a message: on one line, and not a long one, whoever wrote it."""
    return _BRIEF.repr(value)


def show_size(size: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB" if size < 1e6 else "over 1000 TiB"


def duration(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def plural(count: int, noun: str) -> str:
    """A number with its noun: `1 file`, `2,000 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
