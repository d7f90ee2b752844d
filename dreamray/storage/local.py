"""Files and folders of this machine, or of a file system mounted on it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from dreamray.base.errors import NotFoundError, RequestError, UnreadableError
from dreamray.base.messages import shown
from dreamray.storage.exclusive import lock, place
from dreamray.storage.handles import check_no_link, led_to, open_folder, status_of
from dreamray.storage.listing import fingerprint, walk
from dreamray.storage.local_errors import translate
from dreamray.storage.pipes import read_pieces
from dreamray.storage.places import (
    Folder,
    ListedFile,
    Location,
    check_metadata,
    no_room,
    temporary_file,
)
from dreamray.storage.temporary import hold, new_part, remove_dead


@dataclass(frozen=True)
class LocalFile(Location):
    """A file of this machine."""

    path: Path
    root: Path | None = field(default=None, compare=False, repr=False)
    """The folder that somebody named, if this lies below it, and not the file itself.

    Writing then makes the folders on the way, and follows no symbolic link from there on.
    Elsewhere a folder that is not there is rather a mistyped one, and a link is the user's own.
    """

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.name

    @property
    @override
    def folder(self) -> LocalFolder:
        above = self.path.parent
        return LocalFolder(above, None if above == self.root else self.root)

    @override
    def read(self, limit: int | None = None) -> bytes:
        with self._reading():
            if self._is_special():
                return b"".join(read_pieces(self.path, limit))
            with self.path.open("rb") as file:
                return file.read(-1 if limit is None else limit)

    @contextmanager
    @override
    def as_local_file(self) -> Iterator[Path]:
        """The file itself; a pipe, which can be read once, is copied."""
        with self._reading():
            is_special = self._is_special()
            if is_special and not self.path.is_fifo():
                raise RequestError(f"{shown(self)}: this is a device, not a file; name a file")
            if not is_special:
                self.path.open("rb").close()
        if not is_special:
            yield self.path
            return
        with temporary_file(self) as copy:
            self._copy_to(copy)
            yield copy

    @override
    def write(self, data: bytes, metadata: Mapping[str, str] = {}) -> None:
        """A temporary file beside it, synced to disk, then renamed."""
        check_metadata(metadata)
        with self._writing() as (folder, name):
            _replace(folder, name, data)

    @override
    def write_file(self, path: Path, metadata: Mapping[str, str] = {}) -> None:
        """The file is moved, from another file system it is copied."""
        check_metadata(metadata)
        with self._writing() as (folder, name), _part_for(folder, name) as (part, descriptor):
            rights = stat.S_IMODE(os.fstat(descriptor).st_mode)
            with path.open("rb") as file:
                hold(file.fileno())
                try:
                    os.rename(path, part, dst_dir_fd=folder)
                except OSError:
                    with os.fdopen(os.dup(descriptor), "wb") as copy:
                        shutil.copyfileobj(file, copy)
                    os.fsync(descriptor)
                else:
                    os.fchmod(file.fileno(), rights)
                    os.fsync(file.fileno())
                os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)

    @override
    def create_if_absent(self, data: bytes) -> bool:
        """A finished temporary file gets this name as a second one."""
        with self._writing() as (folder, name), _part_for(folder, name) as (part, descriptor):
            _put(descriptor, data)
            return place(folder, part, name)

    @override
    def compare_and_swap(self, expected: bytes, data: bytes | None) -> bool:
        """The file is locked (`flock`) while it is compared."""
        with self._writing() as (folder, name), lock(folder, name) as held:
            if held is None or os.read(held, len(expected) + 1) != expected:
                return False
            if data is None:
                os.unlink(name, dir_fd=folder)
                return True
            _replace(folder, name, data)
            return True

    @override
    def remove(self) -> None:
        try:
            with open_folder(self.path.parent, self.root) as folder:
                os.unlink(self.path.name, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise translate(self, self.path.parent, error, "removing") from None

    @override
    def exists(self) -> bool:
        with self._reading():
            try:
                return not stat.S_ISDIR(self.path.stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                return False

    @override
    def fingerprint(self) -> str:
        """The size, and the time of the last change."""
        with self._reading():
            return fingerprint(self.path.stat())

    @override
    def check_writable(self) -> None:
        """Tries it with an empty temporary file."""
        if self.root is not None:
            self.folder.check_writable()
            if not self.path.parent.is_dir():
                return
        with self._writing(make=False) as (folder, _), new_part(folder):
            pass

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise NotFoundError(f"{shown(self)}: no such file; check the path") from None
        except IsADirectoryError:
            raise UnreadableError(f"{shown(self)}: this is a folder; name a file in it") from None
        except OSError as error:
            raise translate(self, self.path.parent, error, "reading") from None

    @contextmanager
    def _writing(self, *, make: bool = True) -> Iterator[tuple[int, str]]:
        """The open folder, and the name in it, to write; after a look at what is there.

        A file that somebody named may be a link: then it is what that leads to.
        """
        try:
            path = led_to(self.path) if self.root is None else self.path
            with open_folder(path.parent, self.root, make=make) as folder:
                name = path.name or "."
                status = status_of(folder, name)
                mode = stat.S_IFREG if status is None else status.st_mode
                if stat.S_ISDIR(mode):
                    raise RequestError(f"{shown(self)}: this is a folder; add the name of a file")
                check_no_link(folder, name)
                # Renaming over /dev/null or a pipe would destroy it.
                if not stat.S_ISREG(mode):
                    raise RequestError(
                        f"{shown(self)}: this is no regular file; choose another name"
                    )
                yield folder, name
        except FileNotFoundError as error:
            # Of a link it is where that leads to.
            missing = error.filename if self.path.parent.is_dir() else self.path.parent
            raise RequestError(
                f"{shown(self)}: no folder {shown(missing)}; create it first"
            ) from None
        except OSError as error:
            raise translate(self, self.path.parent, error, "writing") from None

    def _is_special(self) -> bool:
        """Whether this is a pipe or a device."""
        mode = self.path.stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)

    def _copy_to(self, path: Path) -> None:
        with self._reading(), path.open("wb") as copy:
            for piece in read_pieces(self.path):
                try:
                    copy.write(piece)
                except OSError as error:
                    raise no_room(self, error) from None


@contextmanager
def _part_for(folder: int, name: str) -> Iterator[tuple[str, int]]:
    """A new temporary file with the rights of what it is to replace: its name and descriptor."""
    with new_part(folder) as (part, descriptor):
        replaced = status_of(folder, name)
        if replaced is not None:
            os.fchmod(descriptor, stat.S_IMODE(replaced.st_mode))
        yield part, descriptor


def _replace(folder: int, name: str, data: bytes) -> None:
    with _part_for(folder, name) as (part, descriptor):
        _put(descriptor, data)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)


def _put(descriptor: int, data: bytes) -> None:
    """Write it all, synced to disk.

    For blocks of some MiB that costs next to nothing, and a checkpoint outlives even a power
    failure.
    """
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


@dataclass(frozen=True)
class LocalFolder(Folder):
    """A folder of this machine."""

    path: Path
    root: Path | None = field(default=None, compare=False, repr=False)
    """The folder that somebody named, if this lies below it: no link is followed from there."""

    def __str__(self) -> str:
        return str(self.path)

    @override
    def file(self, name: str) -> LocalFile:
        return LocalFile(self.path / name, self.root or self.path)

    @override
    def folder(self, name: str) -> LocalFolder:
        return LocalFolder(self.path / name, self.root or self.path)

    def exists(self) -> bool:
        """Whether there is a folder here. Raises as `Location.read`."""
        try:
            return stat.S_ISDIR(self.path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise translate(self, self.path, error, "reading") from None

    @override
    def files(self, *, clean: bool = False) -> Iterator[ListedFile]:
        try:
            yield from walk(self.path, clean=clean)
        except FileNotFoundError:
            raise NotFoundError(f"{shown(self)}: no such folder; check the path") from None
        except OSError as error:
            place = Path(error.filename or self.path)
            raise translate(place, place, error, "reading") from None

    @override
    def remove(self) -> None:
        try:
            with open_folder(self.path.parent, self.root) as above:
                name = self.path.name
                status = status_of(above, name)
                if status is not None and stat.S_ISLNK(status.st_mode):
                    os.unlink(name, dir_fd=above)
                # Where others remove or write at the same time, it takes more than one round.
                while status_of(above, name) is not None:
                    with suppress(FileNotFoundError):
                        shutil.rmtree(name, dir_fd=above)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise translate(self, self.path, error, "removing") from None

    @override
    def remove_if_empty(self) -> None:
        with suppress(OSError), open_folder(self.path.parent, self.root) as above:
            os.rmdir(self.path.name, dir_fd=above)

    @override
    def remove_leftovers(self) -> None:
        """They are known by their names, and by nobody having locked them."""
        remove_dead(self.path)

    @override
    def check_writable(self) -> None:
        """Tries it in the nearest folder that is there."""
        nearest = self.path if self.root else Path(os.path.realpath(self.path))
        try:
            while not os.path.lexists(nearest):
                nearest = nearest.parent
            root = self.root if self.root and nearest.is_relative_to(self.root) else None
            with open_folder(nearest, root) as folder, new_part(folder):
                pass
        except OSError as error:
            raise translate(self, nearest, error, "writing") from None
