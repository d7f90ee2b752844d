"""The drawn pictures on disk, in shards, and the batches taken from them."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.bestiary import FAMILIES, SIDE, picture
from training.outputs import whole

__all__ = ["SHARD", "Batch", "Gallery"]

SHARD = 2000
"""Pictures of a shard."""

_NAMES = "families.json"


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures with their names."""

    pictures: NDArray[np.uint8]
    """[batch, side, side, 3]"""
    labels: NDArray[np.int32]
    """[batch] numbers of the families"""


class Gallery:
    """Pictures of all families in turn: number `n` is of family `n % families`, with seed `n`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def families(self) -> list[str]:
        """Their names, in the order of the labels.

        FileNotFoundError if nothing was drawn, ValueError if the file with them is amiss.
        """
        listed = self.folder / _NAMES
        step = "nobody knows what the pictures beside it show; draw into another folder"
        if not listed.exists():
            if self._shards():
                raise ValueError(f"{listed} is missing, and {step}")
            raise FileNotFoundError(f"{self.folder} holds no pictures; draw some first")
        try:
            names = json.loads(listed.read_text())
        except ValueError:
            names = None
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            raise ValueError(f"{listed} is damaged, and {step}")
        return names

    def draw(self, shards: int, processes: int) -> Iterator[int]:
        """Draw the shards that are missing of so many; yields the number of each as it is there.

        Each process writes what it draws, so that an interruption loses no finished shard.
        Raises ValueError if the folder holds pictures of other families, or does not tell.
        """
        names = [*FAMILIES]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"{self.folder}: the folder cannot be made ({error.strerror}); name another"
            ) from None
        listed = self.folder / _NAMES
        if listed.exists() or self._shards():
            if self.families != names:
                raise ValueError(
                    f"{self.folder} holds pictures of other families; name another folder"
                )
        else:
            with whole(listed) as part:
                part.write_text(json.dumps(names))
        missing = [number for number in range(shards) if not self._shard(number).exists()]
        try:
            with ProcessPoolExecutor(processes, initializer=_end_with_parent) as pool:
                yield from pool.map(partial(self._draw_shard, names), missing)
        except BrokenProcessPool:
            raise OSError(
                f"{self.folder}: a process that drew was killed, as it is where memory runs out; "
                "draw on with fewer --processes"
            ) from None

    @property
    def total(self) -> int:
        """How many pictures there are; raises as `batch` does."""
        return sum(map(len, self._opened()))

    def batch(self, number: int, size: int, seed: int) -> Batch:
        """Batch `number` of an endless walk: all pictures in a new order, again and again.

        FileNotFoundError if nothing was drawn, ValueError if a shard is damaged.
        """
        families = self.families
        shards = self._opened()
        total = sum(map(len, shards))
        walks, steps = np.divmod(np.arange(number * size, (number + 1) * size), total)
        orders = {
            walk: np.random.default_rng((seed, walk)).permutation(total)
            for walk in set(walks.tolist())
        }
        places = np.array([orders[w][s] for w, s in zip(walks.tolist(), steps, strict=True)])
        chosen = np.stack([shards[place // SHARD][place % SHARD] for place in places])
        return Batch(chosen, (places % len(families)).astype(np.int32))

    def _opened(self) -> list[NDArray[np.uint8]]:
        """The shards: all full but the last, their pictures all of one size."""
        paths = self._shards()
        if not paths:
            raise FileNotFoundError(f"{self.folder} holds no pictures; draw some first")
        shards = [_opened(path) for path in paths]
        size = shards[0].shape[1:]
        for path, shard in zip(paths, shards, strict=True):
            least = 1 if path == paths[-1] else SHARD
            if shard.shape[1:] != size or not least <= len(shard) <= SHARD:
                raise _unreadable(path, f"{shard.shape} is no shape for it beside the others")
        return shards

    def _draw_shard(self, names: list[str], number: int) -> int:
        """Draw a shard, write it, and return its number."""
        with whole(self._shard(number)) as part:
            np.save(part, _drawn(names, number))
        return number

    def _shards(self) -> list[Path]:
        """Those without a gap before them."""
        return [*takewhile(Path.exists, map(self._shard, count()))]

    def _shard(self, number: int) -> Path:
        return self.folder / f"shard-{number:05}.npy"


def _opened(shard: Path) -> NDArray[np.uint8]:
    try:
        pictures: NDArray[np.uint8] = np.lib.format.open_memmap(shard, mode="r")
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
            raise ValueError(f"an array {pictures.dtype} {pictures.shape}")
    except (OSError, ValueError) as error:
        raise _unreadable(shard, error) from None
    return pictures


def _unreadable(shard: Path, why: object) -> ValueError:
    return ValueError(f"{shard} cannot be read as pictures ({why}); remove it, and draw again")


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone, even if that was killed."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _drawn(names: list[str], shard: int) -> NDArray[np.uint8]:
    pictures = np.empty((SHARD, SIDE, SIDE, 3), np.uint8)
    for place in range(SHARD):
        number = shard * SHARD + place
        pictures[place] = picture(names[number % len(names)], number)
    return pictures
