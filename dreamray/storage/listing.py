"""The files below a folder of this machine, one after the other."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dreamray.storage.places import ListedFile
from dreamray.storage.temporary import is_temporary, remove_dead

# What a symbolic link that leads nowhere answers.
_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def fingerprint(status: os.stat_result) -> str:
    """The size of a file, and the time of its last change."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def walk(root: Path, *, clean: bool = False) -> Iterator[ListedFile]:
    """See `Folder.files`. Raises OSError; FileNotFoundError only if the folder is not there."""
    # Not a recursion: folders can lie deeper in each other than Python's calls may.
    open_folders = [_names(root, "", clean=clean)]
    while open_folders:
        name = next(open_folders[-1], None)
        if name is None:
            open_folders.pop()
        elif name.endswith("/"):
            with suppress(FileNotFoundError):  # It was removed meanwhile.
                open_folders.append(_names(root, name, clean=clean))
        else:
            found = _list_one(root, name)
            if found is not None:
                yield found


def _names(root: Path, folder: str, *, clean: bool) -> Iterator[str]:
    """The entries of a folder, relative to the root, those that are folders with a slash behind.

    Without unfinished writes; with `clean` those of dead processes are removed.

    So sorted, the walk meets the files in the order of their whole names.
    """
    with os.scandir(root / folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    names = [name + "/" * is_folder for name, is_folder in found if not is_temporary(name)]
    if clean and len(names) < len(found):
        remove_dead(root / folder)
    names.sort(key=os.fsencode)
    return (folder + name for name in names)


def _list_one(root: Path, name: str) -> ListedFile | None:
    try:
        status = (root / name).stat()
    except OSError as error:
        if error.errno in _NOWHERE:
            return None
        raise
    if not stat.S_ISREG(status.st_mode):
        return None
    return ListedFile(name, status.st_size, fingerprint(status))
