"""Whether a destination's files of our names are ours, before they are replaced."""

from __future__ import annotations

from dreamray.bulk.naming import MANIFEST, REPORT_PAGE
from dreamray.bulk.record import Record
from dreamray.errors import NotFoundError, RequestError
from dreamray.storage import Folder, Location, shown

_MARK = b'<meta name="dreamray"'
_HEAD = 1 << 16
"""Bytes of a file that are looked at."""


def check_ours(destination: Folder, *, report: bool) -> None:
    """Raise RequestError where somebody else's file would be replaced by a run's own.

    That is a manifest whose first line is no record and, with a `report`, a page that is none.
    """
    manifest, page = destination.file(MANIFEST), destination.file(REPORT_PAGE)
    first, newline, _ = _head(manifest).partition(b"\n")
    if first.strip() and newline and not _is_record(first):
        raise _foreign(manifest, "no manifest of a set")
    head = _head(page) if report else b""
    if head and _MARK not in head:
        raise _foreign(page, "no report of a set")


def _head(file: Location) -> bytes:
    try:
        return file.read(_HEAD)
    except NotFoundError:
        return b""


def _is_record(line: bytes) -> bool:
    try:
        Record.from_json(line.decode())
    except ValueError:
        return False
    return True


def _foreign(file: Location, what: str) -> RequestError:
    return RequestError(
        f"{shown(file)}: this is {what}, and would be replaced; move it away, or name another "
        "destination"
    )
