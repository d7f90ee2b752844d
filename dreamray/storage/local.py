"""Files and folders of this machine, or of a file system mounted on it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from dreamray.base.errors import DreamrayError, NotFoundError, RequestError, StorageError
from dreamray.base.messages import shown
from dreamray.storage.exclusive import lock, place
from dreamray.storage.listing import PART, fingerprint, walk
from dreamray.storage.pipes import MOST, read_pieces, too_large
from dreamray.storage.places import (
    Folder,
    ListedFile,
    Location,
    check_metadata,
    no_room,
    temporary_file,
)


@dataclass(frozen=True)
class LocalFile(Location):
    """A file of this machine."""

    path: Path
    makes_folders: bool = field(default=False, compare=False, repr=False)
    """Whether writing makes the folders on the way, as it does for what lies in a `Folder`.

    Elsewhere a folder that is not there is rather a mistyped one.
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
        return LocalFolder(self.path.parent)

    @override
    def read(self, limit: int | None = None) -> bytes:
        with self._reading():
            if not self._is_special():
                with self.path.open("rb") as file:
                    return file.read(-1 if limit is None else limit)
            data = b"".join(read_pieces(self.path, MOST + 1 if limit is None else limit))
        if limit is None and len(data) > MOST:
            raise too_large(self.path)
        return data

    @contextmanager
    @override
    def as_local_file(self) -> Iterator[Path]:
        """The file itself; a pipe, which can be read once, is copied."""
        with self._reading():
            is_special = self._is_special()
            is_pipe = is_special and self.path.is_fifo()
        if is_special and not is_pipe:
            raise RequestError(f"{shown(self)}: this is a device, not a file; name a file")
        if is_pipe:
            with temporary_file(self) as copy:
                self._copy_to(copy)
                yield copy
            return
        with self._reading():
            self.path.open("rb").close()
        yield self.path

    @override
    def write(self, data: bytes, metadata: Mapping[str, str] = {}) -> None:
        """A temporary file beside it, synced to disk, then renamed."""
        check_metadata(metadata)
        with self._replacing() as part:
            part.write_bytes(data)

    @override
    def write_file(self, path: Path, metadata: Mapping[str, str] = {}) -> None:
        """The file is moved, from another file system it is copied."""
        check_metadata(metadata)
        with self._replacing() as part:
            rights = stat.S_IMODE(part.stat().st_mode)
            try:
                path.replace(part)
            except OSError:
                shutil.copyfile(path, part)
            part.chmod(rights)

    @override
    def metadata(self) -> dict[str, str]:
        """None are kept."""
        return {}

    @override
    def create_if_absent(self, data: bytes) -> bool:
        """A finished temporary file gets this name as a second one."""
        with self._writing() as target, self._part_for(target) as part:
            part.write_bytes(data)
            _sync(part)
            return place(part, target)

    @override
    def compare_and_swap(self, expected: bytes, data: bytes | None) -> bool:
        """The file is locked (`flock`) while it is compared."""
        with self._writing() as target, lock(target) as held:
            if held is None or os.read(held, len(expected) + 1) != expected:
                return False
            if data is None:
                target.unlink()
                return True
            with self._part_for(target) as part:
                part.write_bytes(data)
                _sync(part)
                part.replace(target)
            return True

    @override
    def remove(self) -> None:
        try:
            self.path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise _translate_os_error(self, self.path.parent, error, "removing") from None

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
        if self.makes_folders:
            self.folder.check_writable()
            if not self.path.parent.is_dir():
                return
        with self._writing() as target:
            _probe(target.parent)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise NotFoundError(f"{shown(self)}: no such file; check the path") from None
        except IsADirectoryError:
            raise RequestError(f"{shown(self)}: this is a folder; name a file in it") from None
        except OSError as error:
            raise _translate_os_error(self, self.path.parent, error, "reading") from None

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        """Gives the file to replace, behind any symbolic link, after a look at what is there."""
        try:
            target = Path(os.path.realpath(self.path))
            try:
                mode = target.stat().st_mode
            except FileNotFoundError:
                mode = stat.S_IFREG
            if stat.S_ISDIR(mode):
                raise RequestError(f"{shown(self)}: this is a folder; add the name of a file")
            # Renaming over /dev/null or a pipe would destroy it.
            if not stat.S_ISREG(mode):
                raise RequestError(f"{shown(self)}: this is no regular file; choose another name")
            yield target
        except FileNotFoundError:
            folder = shown(self.path.parent)
            raise RequestError(f"{shown(self)}: no folder {folder}; create it first") from None
        except OSError as error:
            raise _translate_os_error(self, self.path.parent, error, "writing") from None

    @contextmanager
    def _replacing(self) -> Iterator[Path]:
        """Gives an empty file, with the rights of the target, that replaces it in the end.

        It is synced to disk first: for blocks of some MiB that costs next to nothing, and a
        checkpoint outlives even a power failure.
        """
        with self._writing() as target, self._part_for(target) as part:
            yield part
            _sync(part)
            part.replace(target)

    @contextmanager
    def _part_for(self, target: Path) -> Iterator[Path]:
        """Gives an empty temporary file beside the target, with its rights; gone in the end."""
        if self.makes_folders:
            target.parent.mkdir(parents=True, exist_ok=True)
        part = _part_in(target.parent)
        try:
            # Mode 0o666 leaves the rights to the umask, as for any other new file.
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            with suppress(FileNotFoundError):  # What is replaced keeps its rights.
                part.chmod(stat.S_IMODE(target.stat().st_mode))
            yield part
        finally:
            part.unlink(missing_ok=True)

    def _is_special(self) -> bool:
        """Whether this is a pipe or a device."""
        mode = self.path.stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)

    def _copy_to(self, path: Path) -> None:
        with self._reading(), path.open("wb") as copy:
            for piece in read_pieces(self.path, MOST + 1):
                try:
                    copy.write(piece)
                except OSError as error:
                    raise no_room(self, error) from None
                if copy.tell() > MOST:
                    raise too_large(self.path)


@dataclass(frozen=True)
class LocalFolder(Folder):
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @override
    def file(self, name: str) -> LocalFile:
        return LocalFile(self.path / name, makes_folders=True)

    @override
    def folder(self, name: str) -> LocalFolder:
        return LocalFolder(self.path / name)

    @override
    def files(self) -> Iterator[ListedFile]:
        try:
            yield from walk(self.path)
        except FileNotFoundError:
            raise NotFoundError(f"{shown(self)}: no such folder; check the path") from None
        except OSError as error:
            place = Path(error.filename or self.path)
            raise _translate_os_error(place, place, error, "reading") from None

    @override
    def remove(self) -> None:
        try:
            if self.path.is_symlink():
                self.path.unlink()
            # Where others remove or write at the same time, it takes more than one round.
            while self.path.exists():
                with suppress(FileNotFoundError):
                    shutil.rmtree(self.path)
        except OSError as error:
            raise _translate_os_error(self, self.path, error, "removing") from None

    @override
    def check_writable(self) -> None:
        """Tries it in the nearest folder that is there."""
        try:
            nearest = Path(os.path.realpath(self.path))
            while not nearest.exists():
                nearest = nearest.parent
            _probe(nearest)
        except OSError as error:
            raise _translate_os_error(self, nearest, error, "writing") from None


def _part_in(folder: Path) -> Path:
    """The path of a new temporary file."""
    # A short name of its own: the target's may already be as long as names can be.
    return folder / PART.replace("*", secrets.token_hex(8))


def _sync(part: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())


def _probe(folder: Path) -> None:
    """Raise OSError if nothing can be written into a folder."""
    probe = _part_in(folder)
    try:
        # Asking for the rights would not do: root has them all, a read-only mount none.
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    finally:
        probe.unlink(missing_ok=True)


def _translate_os_error(place: object, folder: Path, error: OSError, doing: str) -> DreamrayError:
    """An operating system's error about a place in a folder, as our own."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    match error.errno:
        case errno.ENOTDIR | errno.EEXIST:
            return RequestError(f"{shown(place)}: {shown(folder)} is not a folder; check the path")
        case errno.EISDIR:
            return RequestError(f"{shown(place)}: this is a folder; name a file in it")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return RequestError(f"{shown(place)}: {reason}; check its rights and its folder's")
        case errno.ENAMETOOLONG | errno.ELOOP | errno.EINVAL:
            return RequestError(f"{shown(place)}: {reason}; check the path")
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return StorageError(f"{shown(place)}: {reason}; free some space, then run it again")
    return StorageError(
        f"{shown(place)}: {doing} failed: {reason}; check the disk, then run it again"
    )
