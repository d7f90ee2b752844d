"""Files that are written as a whole or not at all, and told of before the work for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

__all__ = ["check", "check_picture", "whole"]


def check(path: Path) -> None:
    """Raise OSError if a file cannot be written there; nothing is left behind."""
    target = _target(path)
    try:
        with tempfile.TemporaryFile(dir=target.parent):  # What root may do, no flag tells.
            pass
    except OSError as error:
        raise _unwritable(path, error) from None


def check_picture(path: Path) -> None:
    """`check`, and raise ValueError if no format that pictures are saved in has the suffix."""
    try:
        kind = Image.registered_extensions()[path.suffix.lower()]
        Image.new("RGB", (1, 1)).save(BytesIO(), kind)
    except (KeyError, OSError, ValueError):
        raise ValueError(
            f"{path}: no picture is written with this suffix; name a .png or .jpg"
        ) from None
    check(path)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write in place of `path`, which it becomes at the end; on failure it goes.

    It has the suffix of `path`, and a folder of its own beside it, so that nobody's file is hit.
    Where `path` is a link, the file behind it is written. Raises OSError, which names `path`,
    for one that is raised inside, and if `path` is there and no file.
    """
    target = _target(path)
    try:
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f"{target.stem}.part-", ignore_cleanup_errors=True
        ) as folder:
            part = Path(folder, target.name)
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from None


def _target(path: Path) -> Path:
    """The file behind links; OSError if something else is there."""
    try:
        target = path.resolve()
    except RuntimeError as error:  # Links in a circle, before Python 3.13.
        raise OSError(f"{path}: cannot be written ({error}); name another file") from None
    if target.is_dir():
        raise OSError(f"{path}: it is a folder; name a file in it")
    if target.exists() and not target.is_file():
        raise OSError(f"{path}: it is there, and no file; name another")
    return target


def _unwritable(path: Path, error: OSError) -> OSError:
    if error.errno is None:
        return OSError(f"{path}: cannot be written ({error})")
    return OSError(
        f"{path}: cannot be written ({error.strerror}); name a folder that is there and "
        "that you may write to, or make room in it"
    )
