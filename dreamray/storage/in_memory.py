"""A folder in the memory of this process, for pictures that are given as arrays."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from dreamray.base.errors import NotFoundError
from dreamray.base.messages import shown
from dreamray.storage.places import (
    Folder,
    ListedFile,
    Location,
    check_metadata,
    no_room,
    temporary_file,
)


class _Memory:
    """What the files of one memory share: their contents by name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.lock = threading.Lock()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a folder in memory stays in its process: use a local folder or S3")


@dataclass(frozen=True)
class MemoryFolder(Folder):
    """A folder that lives as long as it, or anything in it, is referred to.

    Each `MemoryFolder()` is another one. It cannot be pickled.
    """

    name: str = "memory:"
    _memory: _Memory = field(default_factory=_Memory, repr=False)

    def __str__(self) -> str:
        return self.name

    @override
    def file(self, name: str) -> MemoryFile:
        return MemoryFile(f"{self.name}/{name}", self._memory)

    @override
    def folder(self, name: str) -> MemoryFolder:
        return MemoryFolder(f"{self.name}/{name}", self._memory)

    @override
    def files(self, *, clean: bool = False) -> Iterator[ListedFile]:
        inside = f"{self.name}/"
        paths = [path for path in list(self._memory.files) if path.startswith(inside)]
        for path in sorted(paths, key=os.fsencode):
            data = self._memory.files.get(path)
            if data is not None:
                yield ListedFile(path.removeprefix(inside), len(data), _fingerprint(data))

    @override
    def remove(self) -> None:
        with self._memory.lock:
            for path in list(self._memory.files):
                if path.startswith(f"{self.name}/"):
                    del self._memory.files[path]

    @override
    def check_writable(self) -> None:
        """It always is."""


@dataclass(frozen=True)
class MemoryFile(Location):
    """A file in a `MemoryFolder`."""

    path: str
    _memory: _Memory = field(repr=False)

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.rpartition("/")[2]

    @property
    @override
    def folder(self) -> MemoryFolder:
        return MemoryFolder(self.path.rpartition("/")[0], self._memory)

    @override
    def read(self, limit: int | None = None) -> bytes:
        try:
            return self._memory.files[self.path][:limit]
        except KeyError:
            raise NotFoundError(f"{shown(self)}: no such file; check the name") from None

    @contextmanager
    @override
    def as_local_file(self) -> Iterator[Path]:
        data = self.read()
        with temporary_file(self) as path:
            try:
                path.write_bytes(data)
            except OSError as error:
                raise no_room(self, error) from None
            yield path

    @override
    def write(self, data: bytes, metadata: Mapping[str, str] = {}) -> None:
        check_metadata(metadata)
        with self._memory.lock:
            self._memory.files[self.path] = data

    @override
    def write_file(self, path: Path, metadata: Mapping[str, str] = {}) -> None:
        """But here they are held in memory."""
        self.write(path.read_bytes(), metadata)

    @override
    def create_if_absent(self, data: bytes) -> bool:
        with self._memory.lock:
            if self.path in self._memory.files:
                return False
            self._memory.files[self.path] = data
            return True

    @override
    def compare_and_swap(self, expected: bytes, data: bytes | None) -> bool:
        files = self._memory.files
        with self._memory.lock:
            if files.get(self.path) != expected:
                return False
            if data is None:
                del files[self.path]
            else:
                files[self.path] = data
            return True

    @override
    def remove(self) -> None:
        with self._memory.lock:
            self._memory.files.pop(self.path, None)

    @override
    def exists(self) -> bool:
        return self.path in self._memory.files

    @override
    def fingerprint(self) -> str:
        """A digest."""
        return _fingerprint(self.read())

    @override
    def check_writable(self) -> None:
        """It always is."""


def _fingerprint(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
