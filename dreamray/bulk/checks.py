"""What is looked at before a picture is made: its places, and what is there already."""

from __future__ import annotations

import os

from dreamray.bulk.identity import NOTE, digest_of
from dreamray.bulk.record import State
from dreamray.bulk.task import Task
from dreamray.errors import NotFoundError, PictureError
from dreamray.pictures import decode
from dreamray.pictures.metadata import read_metadata
from dreamray.storage import LocalFile, shown

_DECODED_BYTES = 64 << 20
"""Results of more are not decoded to see whether they are whole."""


def is_unchanged(task: Task, fingerprint: str) -> bool:
    """Whether an earlier run has made it, and neither source nor result has changed since."""
    earlier = task.earlier
    if task.overwrite or not task.there or earlier is None or earlier.state is not State.DONE:
        return False
    same = earlier.request == task.request and earlier.fingerprint == fingerprint
    try:
        return same and earlier.written == task.target.fingerprint()
    except NotFoundError:  # It was removed since.
        return False


def check_places(task: Task) -> None:
    """Raise PictureError for a source that never ends, and a result that would lie elsewhere."""
    source, target = task.source, task.target
    if isinstance(source, LocalFile) and source.path.exists() and not source.path.is_file():
        raise PictureError(f"{shown(source)}: this is no regular file: copy it into one")
    if isinstance(target, LocalFile):
        destination = str(target.path).removesuffix(task.output)
        inside = os.path.realpath(target.path).removeprefix(os.path.realpath(destination))
        if inside.strip("/") != task.output:
            raise PictureError(
                f"{shown(target)}: a symbolic link leads elsewhere from there: remove it"
            )


def is_right(task: Task, digest: str) -> bool:
    """Whether what is in the result's place is whole, and has this digest.

    Raises PictureError if dreamray has not made it, or from another source.
    """
    try:
        found = _target_digest(task)
        if found == digest:
            return _is_whole(task)
    except NotFoundError:  # It was removed since.
        return False
    earlier = task.earlier
    done = earlier is not None and earlier.state is State.DONE
    if earlier is not None and done and earlier.source != shown(task.source):
        raise PictureError(
            f"{shown(task.target)}: there is the dream of another source, {earlier.source}: "
            "name another destination, or give --overwrite"
        )
    return False


def _target_digest(task: Task) -> str | None:
    if digest := task.target.notes().get(NOTE):
        return digest
    try:
        with task.target.opened() as path, path.open("rb") as file:
            return digest_of(read_metadata(file, task.target.name))
    except PictureError:
        raise PictureError(
            f"{shown(task.target)}: there is a file that dreamray has not made; move it away, or "
            "give --overwrite"
        ) from None


def _is_whole(task: Task) -> bool:
    """Whether the result was not cut off or changed since; its digest stands in its head."""
    earlier, size = task.earlier, task.target.fingerprint().partition("-")[0]
    if earlier is not None and earlier.written:
        return earlier.written.partition("-")[0] == size
    try:
        with task.target.opened() as path:
            if path.stat().st_size <= _DECODED_BYTES:
                decode(path.read_bytes(), task.target.name)
    except PictureError:
        return False
    return True
