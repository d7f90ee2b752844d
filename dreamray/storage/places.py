"""What files, objects and folders are, wherever they lie: see `dreamray.storage`."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath

from dreamray.errors import StorageError


def shown(place: object) -> str:
    """A path or URI as it stands in a message: on one line, whatever its characters are."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(place))


class Location(ABC):
    """One file or object, which need not exist yet; `str()` gives its path or URI."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The last component: `cat.png`."""

    @property
    def suffix(self) -> str:
        """The last suffix in lower case, with its dot: `.png`; empty if there is none."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    @abstractmethod
    def folder(self) -> Folder:
        """The folder that this lies in."""

    @abstractmethod
    def read(self, limit: int | None = None) -> bytes:
        """All bytes, or the first `limit` of them.

        Raises RequestError if there is nothing to read or it may not be read, StorageError if
        the storage fails.
        """

    @abstractmethod
    def opened(self) -> AbstractContextManager[Path]:
        """A local file of these bytes, to be read only, until the context ends.

        A file of this machine is its own; anything else is copied to a temporary one, without
        being held in memory. Raises as `read`.
        """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Put `data` here, all of it or nothing, replacing what was there.

        Raises RequestError if nothing can be written here, StorageError if the storage fails.
        """

    @abstractmethod
    def write_file(self, path: Path) -> None:
        """Put the contents of a finished local file here, as `write` does.

        They are never held in memory. Afterwards the file may be gone: it may have been moved.
        """

    @abstractmethod
    def remove(self) -> None:
        """Remove the file or object; that there is none is no error. Raises as `write`."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a file or object here; a folder is neither. Raises as `read`."""

    @abstractmethod
    def fingerprint(self) -> str:
        """What changes when the contents do, without reading them. Raises as `read`."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise what `write` would raise, as far as can be known before it.

        Call it before hours of work. It neither creates nor changes what is here.
        """


class Folder(ABC):
    """Where files lie together; it need not exist, writing into it makes it.

    `str()` gives its path or URI.
    """

    @abstractmethod
    def file(self, name: str) -> Location:
        """A file in this folder; `name` may lead into folders below: `octave-1/0-3.npy`."""

    @abstractmethod
    def folder(self, name: str) -> Folder:
        """A folder in this folder; `name` may lead further down."""

    @abstractmethod
    def remove(self) -> None:
        """Remove the folder with everything in it; that there is none is no error.

        Symbolic links are removed, never followed. Raises as `Location.write`.
        """

    @abstractmethod
    def check_writable(self) -> None:
        """Raise what writing into it would raise, as far as can be known before it.

        It leaves nothing behind.
        """


@contextmanager
def temporary_file(wanted: Location) -> Iterator[Path]:
    """A path in a temporary folder for a copy of `wanted`; all of it is gone afterwards.

    Raises StorageError where there is no room for temporary folders.
    """
    try:
        folder = tempfile.mkdtemp(prefix="dreamray-")
    except OSError as error:
        raise no_room(wanted, error) from None
    try:
        yield Path(folder, "copy")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def no_room(wanted: Location, error: OSError) -> StorageError:
    """The error of a temporary copy that could not be made."""
    return StorageError(
        f"{shown(wanted)}: no temporary copy of it can be made ({error.strerror}); "
        "free some space there, or set TMPDIR to a folder with more"
    )
