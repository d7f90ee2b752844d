"""What the results of a set are called."""

from __future__ import annotations

from pathlib import PurePosixPath

from dreamray.base.errors import PictureError
from dreamray.base.messages import shown
from dreamray.bulk.clashes import Claim
from dreamray.bulk.entry import Entry
from dreamray.pictures.encoding import PICTURE_SUFFIXES, Format
from dreamray.render.workspace import WORK

MANIFEST = "manifest.jsonl"
REPORT_PAGE = "index.html"
REPORT_FOLDER = "dreamray-report"
RESERVED = (MANIFEST, REPORT_PAGE, REPORT_FOLDER, WORK)
"""Names in the destination that are no pictures.

In `WORK` a run keeps its lease, and what it has not yet put into the manifest.
"""


def output_name(entry: Entry, format: Format | None) -> str:
    """The name of a picture's result in the destination, with `/` between folders.

    It is the one that the list gives, else that of the source with the format's suffix; without
    a format, the source's own where results are written in it, else `.png`.

    Raises PictureError for a name that leads out of the destination or means something else
    there, and for one that is not UTF-8.
    """
    name = entry.output or _named_after(entry.name, format)
    parts = name.split("/")
    problem = None
    if not is_text(name):
        problem = "is not UTF-8"
    elif any(part in ("", ".", "..") for part in parts) or "\0" in name or "\\" in parts:
        problem = "leads out of the destination, or nowhere"
    elif parts[0] in RESERVED:
        problem = f"is kept for the run itself ({parts[0]})"
    elif PurePosixPath(name).suffix.lower() not in PICTURE_SUFFIXES:
        problem = f"does not end in {', '.join(PICTURE_SUFFIXES)}"
    if problem:
        raise PictureError(
            f"the result's name {shown(name)} {problem}: rename the source, or give it an "
            "`output` in a list"
        )
    return name


def claim_of(entry: Entry, output: str) -> Claim:
    """By what right a picture has the name that `output_name` gives."""
    if entry.output:
        return Claim.GIVEN
    return Claim.OWN if output == entry.name else Claim.DERIVED


def _named_after(name: str, format: Format | None) -> str:
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.rpartition(".")
    kept = PICTURE_SUFFIXES.get(f".{suffix.lower()}") if dot else None
    if kept is not None and format in (None, kept):
        return name
    return f"{folder}{slash}{stem if dot else last}{(format or Format.PNG).suffix}"


def is_text(name: str) -> bool:
    """Whether a name is UTF-8, so that it can be recorded."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
