"""Putting a finished Deep Zoom where it belongs, also where there is an older one.

Description and tiles have two names, and no file system changes two at once. So the older
description goes first and the new one comes last: whenever the process is killed, what there is of
a Deep Zoom has all its tiles. A mark among the tiles tells the next run that they are nobody
else's.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dreamray.base.errors import DreamrayError, RequestError
from dreamray.base.messages import shown
from dreamray.pictures import viewer
from dreamray.pictures.outputs import check_not_read, check_output_place, is_dream
from dreamray.pictures.strips import in_order
from dreamray.storage import Folder, LocalFile, LocalFolder, Location

_MARK = "~dreamray-unfinished"
"""The last one in a listing, and so the last one that goes when a folder is removed."""

_UPLOADS = 16
"""Files that are sent at the same time."""


def files_of(description: Location) -> Folder:
    """Where the tiles of a Deep Zoom lie: `dream_files` beside `dream.dzi`."""
    return description.folder.folder(f"{PurePosixPath(description.name).stem}_files")


def check_place(
    description: Location, *, overwrite: bool, sources: Iterable[Location] = ()
) -> None:
    """Raise RequestError where a Deep Zoom would replace what is not dreamray's to replace.

    That is its description, its tiles and its page: see `outputs.check_output_place`.
    """
    sources = list(sources)
    files = files_of(description)
    check_output_place(description, is_dream, overwrite=overwrite, sources=sources)
    check_not_read(files, sources)
    page, _ = viewer.place_of(description)
    ours = functools.partial(viewer.is_page_of, description)
    check_output_place(page, ours, overwrite=overwrite, sources=sources)
    if isinstance(files, LocalFolder):  # A file may have that name.
        is_free = not os.path.lexists(files.path)
    else:
        is_free = files.is_empty()
    if overwrite or description.exists() or files.file(_MARK).exists() or is_free:
        return
    raise RequestError(
        f"{shown(files)}: there are files that dreamray has not made, where the tiles belong; name "
        "another output, move them away, or give --overwrite"
    )


@dataclass(frozen=True)
class FinishedDeepZoom:
    """A Deep Zoom that is complete, but not in its place."""

    tiles: Path
    """The folder of its tiles, on the disk of a local target."""
    description: bytes
    page: bytes


def put_in_place(
    finished: FinishedDeepZoom,
    target: Location,
    page: Location,
    scratch: Path,
    *,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Put tiles, page and description beside each other, instead of older ones.

    If that fails, older ones are put back where that can be done, and else there are none at
    all. `scratch` is a folder on the disk of a local target; `check` raises once another run may
    write there. Raises OSError, and as `Location.write`.
    """
    files = files_of(target)
    if isinstance(files, LocalFolder):
        assert isinstance(target, LocalFile)
        assert isinstance(page, LocalFile)
        with _instead_of_older(finished.tiles, files.path, target, page, scratch, check):
            page.write(finished.page)
            target.write(finished.description)
        return
    check()
    mark = files.file(_MARK)
    mark.write(b"")
    target.remove()
    page.remove()
    files.remove()
    mark.write(b"")
    try:
        paths = (path for path in sorted(finished.tiles.rglob("*")) if path.is_file())
        for _ in in_order(functools.partial(_send, finished.tiles, files), paths, _UPLOADS):
            check()
        page.write(finished.page)
        target.write(finished.description)
        mark.remove()
    except BaseException:
        if _is_allowed(check):  # Else all of this belongs to another run now.
            target.remove()
            page.remove()
            files.remove()
        raise


def _is_allowed(check: Callable[[], None]) -> bool:
    try:
        check()
    except DreamrayError:
        return False
    return True


def _send(tiles: Path, folder: Folder, path: Path) -> None:
    folder.file(path.relative_to(tiles).as_posix()).write_file(path)


@contextmanager
def _instead_of_older(
    tiles: Path,
    files: Path,
    target: LocalFile,
    page: LocalFile,
    scratch: Path,
    check: Callable[[], None],
) -> Iterator[None]:
    """The tiles in their place, and no page and no description, which come meanwhile."""
    older = {path: scratch / f"older-{n}" for n, path in enumerate((target.path, page.path, files))}
    rights = {path: _rights(path) for path in (target.path, page.path)}
    (tiles / _MARK).touch()
    if files.is_dir() and not files.is_symlink():
        (files / _MARK).touch()
    try:
        check()
        for path, place in older.items():
            with suppress(FileNotFoundError):
                path.rename(place)
        check()
        tiles.rename(files)
        yield
    except BaseException:
        if not tiles.exists():
            target.path.unlink(missing_ok=True)
            page.path.unlink(missing_ok=True)
            files.rename(tiles)
        # Unless another run has come in between, to which all of this now belongs.
        if not any(os.path.lexists(path) for path, place in older.items() if place.exists()):
            for path, place in reversed(older.items()):
                with suppress(FileNotFoundError):
                    place.rename(path)
        (files / _MARK).unlink(missing_ok=True)
        raise
    _give_back(rights)
    (files / _MARK).unlink()


def _rights(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _give_back(rights: Mapping[Path, int | None]) -> None:
    for path, mode in rights.items():
        if mode is not None:
            path.chmod(mode)
