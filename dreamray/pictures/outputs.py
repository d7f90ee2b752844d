"""The one rule for all that dreamray writes: what others have made is not replaced.

What stands in the place of an output must be dreamray's own, or `overwrite` was said; and what
is read is never written, whatever was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dreamray.base.errors import NotFoundError, PictureError, RequestError
from dreamray.base.messages import shown
from dreamray.pictures.metadata import read_metadata
from dreamray.storage.identity import is_inside, is_same
from dreamray.storage.places import Folder, Location

OBJECT_MARK = "dreamray"
"""What the names of metadata begin with that objects made by dreamray have."""


def check_output_place(
    place: Location,
    is_ours: Callable[[Location], bool],
    *,
    overwrite: bool,
    sources: Iterable[Location] = (),
    hint: str = "",
) -> None:
    """Raise RequestError where writing to a place would destroy what is not dreamray's to replace.

    Every output goes through it before any work, and again before it is written. `is_ours` tells
    of what is there whether dreamray has made it; `sources` are what is read; `hint` goes before
    the advice. Raises as `Location.read`.
    """
    for source in sources:
        if is_same(place, source):
            raise RequestError(
                f"{shown(place)}: this is the input, and its only original would be lost; name "
                "another output"
            )
    if overwrite or not place.exists():
        return
    place.check_writable()  # What is read of a pipe or a device never ends.
    try:
        if not place.read(1) or is_ours(place):  # Of an empty file nothing is lost.
            return
    except NotFoundError:  # It was removed since.
        return
    raise RequestError(
        f"{shown(place)}: there is a file that dreamray has not made; {hint}name another output, "
        "move it away, or give --overwrite"
    )


def check_not_read(folder: Folder, sources: Iterable[Location]) -> None:
    """Raise RequestError where an input lies in a folder that would be removed or replaced."""
    for source in sources:
        if is_inside(source, folder):
            raise RequestError(
                f"{shown(source)}: the input lies in {shown(folder)}, which would be replaced; "
                "move it, or name another output"
            )


def is_dream(place: Location) -> bool:
    """Whether what is there is a picture or a description that says dreamray has made it."""
    if any(name.startswith(OBJECT_MARK) for name in place.metadata()):
        return True
    try:
        with place.as_local_file() as path, path.open("rb") as file:
            read_metadata(file, shown(place.name))
    except PictureError:
        return False
    return True
