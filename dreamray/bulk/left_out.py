"""What of a folder or prefix is no picture to be dreamt, and why: told by its name alone."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from dreamray.base.messages import plural, shown
from dreamray.pictures.formats import SOURCE_SUFFIXES

_CAMERAS = """
    3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2
    srf srw x3f
"""
_PROGRAMS = "afphoto ai clip eps kra ora pdn psb psd svg svgz wmf emf xcf"
_OTHERS = """
    avif avifs bpg dcm dds dib exr fit fits flif hdp hdr heic heics heif hif icns ico j2c j2k jp2
    jpc jpf jph jpm jpx jxl jxr pam pbm pcx pfm pgm pnm ppm qoi sgi tga wdp xbm xpm
"""
_UNREAD = {f".{one}" for one in f"{_CAMERAS} {_PROGRAMS} {_OTHERS}".split()} - {*SOURCE_SUFFIXES}

_LITTER = (
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "*.lrdata",
    "@__thumb",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "__macosx",
    "desktop.ini",
    "ehthumbs*.db",
    "lost+found",
    "network trash folder",
    "recycler",
    "system volume information",
    "temporary items",
    "thumbs.db",
)
"""Names in lower case of what systems and programs leave among pictures: copies, bins, indices.

So is what begins with a dot: `._x.jpg`, `.DS_Store`, `.thumbnails`, `.Trash-1000`.
"""

_TILE = re.compile(r"(?:^|/)([^/]+_files)/\d+/\d+_\d+\.[a-z]+$", re.IGNORECASE)
"""A tile of a Deep Zoom, which is a picture of its own beside them."""


class Cause(enum.Enum):
    """Why a file is no picture to be dreamt."""

    LITTER = enum.auto()
    """A system or program has left it, such as a thumbnail, or it is hidden."""
    UNREAD = enum.auto()
    """It is a picture by its name, of a format that is not read."""
    NO_PICTURE = enum.auto()
    """It is none by its name, or by the patterns that are given."""


def why_left_out(name: str, include: tuple[str, ...]) -> Cause | None:
    """Why a file is left out; None for one that is to be dreamt.

    `include` are patterns of names, or with a slash in them of paths. As in a shell, litter is met
    only by a pattern that names it: `.thumbnails/*`, and not `*`.
    """
    litter = [part for part in name.split("/") if _is_litter(part)]
    if tile := _TILE.search(name):
        litter.append(tile[1])
    if include:
        last = name.rpartition("/")[2]
        matching = (p for p in include if fnmatchcase(name if "/" in p else last, p))
        if any(_names_all(pattern, litter) for pattern in matching):
            return None
        return Cause.LITTER if litter else Cause.NO_PICTURE
    if litter:
        return Cause.LITTER
    if name.lower().endswith(SOURCE_SUFFIXES):
        return None
    return Cause.UNREAD if f".{name.lower().rpartition('.')[2]}" in _UNREAD else Cause.NO_PICTURE


def _is_litter(part: str) -> bool:
    if part.startswith("."):
        return part not in (".", "..")  # Keys of S3 may have these.
    return any(fnmatchcase(part.lower(), pattern) for pattern in _LITTER)


def _names_all(pattern: str, litter: list[str]) -> bool:
    parts = pattern.split("/")
    return all(any(p[:1] == one[:1] and fnmatchcase(one, p) for p in parts) for one in litter)


_NAMED = 3
"""Files of a cause that are named on the terminal."""


@dataclass
class LeftOut:
    """How many files were left out, by cause, with the first names."""

    counts: dict[Cause, int] = field(default_factory=dict)
    names: dict[Cause, list[str]] = field(default_factory=dict)

    def add(self, name: str, cause: Cause) -> None:
        """Count a file."""
        self.counts[cause] = self.counts.get(cause, 0) + 1
        names = self.names.setdefault(cause, [])
        if len(names) < _NAMED:
            names.append(shown(name))

    def lines(self) -> list[str]:
        """What the user should know of them."""
        return [_WORDS[cause](self._files(cause)) for cause in Cause if cause in self.counts]

    def _files(self, cause: Cause) -> str:
        count, names = self.counts[cause], self.names[cause]
        more = f" and {count - len(names)} more" if count > len(names) else ""
        return f"{plural(count, 'file')} left out ({', '.join(names)}{more})"


def unread_reason(name: str) -> str:
    """Why a picture of a format that is not read is left out."""
    return (
        f"left out: {shown(name)} is of a format that is not read, by its name; save it as TIFF, "
        "PNG or JPEG"
    )


_WORDS = {
    Cause.LITTER: lambda files: f"{files}: hidden, or left there by a system or a program",
    Cause.UNREAD: lambda files: (
        f"{files}: pictures of formats that are not read; save them as TIFF, PNG or JPEG"
    ),
    Cause.NO_PICTURE: lambda files: f"{files}: no pictures by name",
}
