"""What files, objects and folders are, wherever they lie: see `dreamray.storage`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dreamray.base.errors import NotFoundError, StorageError
from dreamray.base.messages import shown
from dreamray.storage.temporary import scratch_folder


class NoLocksError(StorageError):
    """Files cannot be locked there."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in the listing of a folder."""

    name: str
    """Relative to the folder, with `/` between; an S3 key may hold `..` or `//` too."""
    size: int
    """In bytes."""
    fingerprint: str
    """What `Location.fingerprint` of the file gives."""


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

        Raises NotFoundError if there is nothing to read, RequestError if it may not be read,
        StorageError if the storage fails.
        """

    @abstractmethod
    def as_local_file(self) -> AbstractContextManager[Path]:
        """A local file of these bytes, to be read only, until the context ends.

        A file of this machine is its own; anything else is copied to a temporary one, without
        being held in memory. Raises as `read`.
        """

    @abstractmethod
    def write(self, data: bytes, metadata: Mapping[str, str] = {}) -> None:
        """Put `data` here, all of it or nothing, replacing what was there and its metadata.

        S3 keeps `metadata` with the object; names are lower-case letters, digits and
        hyphens, values printable ASCII without spaces around, all together at most 2000 bytes.
        Elsewhere they are dropped: there the settings embedded in a picture serve instead.

        Raises RequestError if nothing can be written here, StorageError if the storage fails,
        ValueError for metadata that S3 would not keep as it is.
        """

    @abstractmethod
    def write_file(self, path: Path, metadata: Mapping[str, str] = {}) -> None:
        """Put the contents of a finished local file here, as `write` does.

        They are never held in memory. Afterwards the file may be gone: it may have been moved.
        """

    def metadata(self) -> dict[str, str]:
        """What was given when it was written; nothing where no metadata is kept.

        Raises as `read` where it is.
        """
        return {}

    @abstractmethod
    def create_if_absent(self, data: bytes) -> bool:
        """Put `data` here if nothing is here, all of it or nothing; whether it was put.

        Of all that try at the same time, in whatever process or machine, one does it. To be
        told from the others after a lost answer, each should bring data of its own. On a local
        file system without hard links this holds for the processes of one machine, on an S3
        storage that ignores conditions (`If-None-Match`) only for those that are not within
        one request's time of each other. Raises as `write`.
        """

    @abstractmethod
    def compare_and_swap(self, expected: bytes, data: bytes | None) -> bool:
        """Put `data` here if what is here now is `expected`; whether it was put.

        None removes it. Of all that expect the same bytes one does it, as with
        `create_if_absent`, under the same conditions; so bytes that were here once must not come
        again. Meant for small files. Raises as `write`.
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
    def files(self, *, clean: bool = False) -> Iterator[ListedFile]:
        """Every file below this folder, in the order of the bytes of their names.

        With `clean`, what writes of killed processes have left in it is removed on the way.

        S3 lists them in the order that the storage has, without the keys that end in a slash.
        A local folder leaves out unfinished writes, broken links and what is no regular file;
        links to files count as files, links to folders are not followed. Names that are not
        UTF-8 have surrogates in them (`os.fsencode` gives the bytes).

        It is read as the iterator goes on: S3 page by page, a local folder with the names of
        one folder and those above it in memory. What comes or goes meanwhile may be in it or
        not. Raises, from its first step on, RequestError where the folder does not exist (S3
        has nothing there instead) or it or one below may not be read, StorageError if the
        storage fails.
        """

    def is_empty(self) -> bool:
        """Whether no file lies in it, or there is no such folder. Raises as `files`."""
        try:
            return next(iter(self.files()), None) is None
        except NotFoundError:
            return True

    @abstractmethod
    def remove(self) -> None:
        """Remove the folder with everything in it; that there is none is no error.

        Symbolic links are removed, never followed. Raises as `Location.write`.
        """

    def remove_if_empty(self) -> None:
        """Remove the folder if nothing is in it; that it stays is no error.

        But on a disk, folders are nothing but what is in them.
        """
        return

    def remove_leftovers(self) -> None:
        """Remove what writes of killed processes have left in it, not in folders below.

        Of S3 there is nothing to see: uploads that were not finished are the storage's to end.
        """
        return

    @abstractmethod
    def check_writable(self) -> None:
        """Raise what writing into it would raise, as far as can be known before it.

        It leaves nothing behind.
        """


_NOTE_NAME = re.compile(r"[a-z0-9-]+")
_NOTE_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_NOTES_BYTES = 2000


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise ValueError for metadata that S3 would refuse or change: see `Location.write`."""
    for name, value in metadata.items():
        if not _NOTE_NAME.fullmatch(name) or not _NOTE_VALUE.fullmatch(value):
            raise ValueError(f"the note {name!r}: {value!r} cannot be kept")
    if sum(len(name) + len(value) for name, value in metadata.items()) > _NOTES_BYTES:
        raise ValueError(f"the notes are over {_NOTES_BYTES} bytes")


@contextmanager
def temporary_file(wanted: Location) -> Iterator[Path]:
    """A path in a temporary folder for a copy of `wanted`; all of it is gone afterwards.

    Raises StorageError where there is no room for temporary folders.
    """
    with ExitStack() as held:
        try:
            folder = held.enter_context(scratch_folder())
        except OSError as error:
            raise no_room(wanted, error) from None
        yield folder / "copy"


def no_room(wanted: Location, error: OSError) -> StorageError:
    """The error of a temporary copy that could not be made."""
    return StorageError(
        f"{shown(wanted)}: no temporary copy of it can be made ({error.strerror}); "
        "free some space there, or set TMPDIR to a folder with more"
    )
