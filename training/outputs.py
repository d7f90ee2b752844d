"""Files that are written as a whole or not at all, and told of before the work for them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

__all__ = ["check", "check_picture", "whole"]


def check(path: Path) -> None:
    """Raise OSError if a file cannot be written there; nothing is left behind."""
    if path.is_dir():
        raise OSError(f"{path}: it is a folder; name a file in it")
    try:
        with tempfile.TemporaryFile(dir=path.parent):  # What root may do, no flag tells.
            pass
    except OSError as error:
        raise _unwritable(path, error) from None


def check_picture(path: Path) -> None:
    """`check`, and raise ValueError if no format of pictures has the file's suffix."""
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"{path}: no picture is written with this suffix; name a .png or .jpg")
    check(path)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write in place of `path`, which it becomes at the end; on failure it goes.

    Raises OSError, which names `path`, for one that is raised inside.
    """
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        part.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> OSError:
    return OSError(
        f"{path}: cannot be written ({error.strerror or error}); name a folder that is there and "
        "that you may write to, or make room in it"
    )
