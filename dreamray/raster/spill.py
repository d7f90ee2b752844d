"""Arrays by name, of which the ones used longest ago wait on disk while memory is short."""

from __future__ import annotations

import itertools
import math
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from dreamray.base.errors import StorageError
from dreamray.base.geometry import Raster
from dreamray.storage.temporary import scratch_folder


class _Sized(Protocol):
    @property
    def shape(self) -> Any: ...


A = TypeVar("A", bound=_Sized)
"""The kind of array."""


class SpillBuffer(MutableMapping[Hashable, A]):
    """A mapping of names to float32 arrays, of which `capacity` bytes are in memory at most.

    The arrays may be of any kind that `load` makes of NumPy's and `store` turns into it. What
    is changed in place has to be assigned again. The one that was used last always stays.

    Raises StorageError where the disk is full.
    """

    def __init__(
        self,
        capacity: int | None = None,
        scratch: Path | None = None,
        load: Callable[[Raster], Any] = lambda array: array,
        store: Callable[[Any], Raster] = lambda values: values,
    ) -> None:
        """`scratch` is a folder with room for the rest; the system's temporary one if None."""
        self._capacity = capacity
        self._scratch = scratch
        self._load, self._store = load, store
        self._held: OrderedDict[Hashable, A] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self._files: dict[Hashable, Path] = {}
        self._names = itertools.count()
        self._folder: Path | None = None

    def __getitem__(self, key: Hashable) -> A:
        if key not in self._held:
            self._held[key] = self._load(np.load(self._files[key], allow_pickle=False))
            self._make_room(key)
        self._held.move_to_end(key)
        return self._held[key]

    def __setitem__(self, key: Hashable, values: A) -> None:
        self._forget_file(key)
        self._held[key] = values
        self._held.move_to_end(key)
        self._sizes[key] = 4 * int(math.prod(values.shape))
        self._make_room(key)

    def __delitem__(self, key: Hashable) -> None:
        del self._sizes[key]
        self._held.pop(key, None)
        self._forget_file(key)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, key: object) -> bool:
        return key in self._sizes

    def _make_room(self, keep: Hashable) -> None:
        if self._capacity is None:
            return
        held = sum(self._sizes[key] for key in self._held)
        for key in list(self._held):
            if held <= self._capacity or key == keep:
                break
            if key not in self._files:
                self._files[key] = self._write(self._store(self._held[key]))
            del self._held[key]
            held -= self._sizes[key]

    def _write(self, array: Raster) -> Path:
        try:
            if self._folder is None:
                self._folder = self._new_folder()
            path = self._folder / f"{next(self._names)}.npy"
            np.save(path, array)
        except OSError as error:
            place = self._scratch or tempfile.gettempdir()
            raise StorageError(
                f"{place}: {error.strerror or error} while tiles that do not fit into memory are "
                "kept there; free some space, set --work, or of a set TMPDIR, to a folder with "
                "more, or give a larger --memory"
            ) from None
        return path

    def _new_folder(self) -> Path:
        """A folder that goes with this buffer."""
        closing = ExitStack()
        weakref.finalize(self, closing.close)
        if self._scratch is None:  # What killed processes have left there goes, too.
            return closing.enter_context(scratch_folder())
        # Workers of other machines share it, whose locks are not seen everywhere.
        self._scratch.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(
            prefix="dreamray-", dir=self._scratch, ignore_cleanup_errors=True
        )
        return Path(closing.enter_context(folder))

    def _forget_file(self, key: Hashable) -> None:
        path = self._files.pop(key, None)
        if path is not None:
            path.unlink(missing_ok=True)
