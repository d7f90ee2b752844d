"""Rasters as strips of rows: read from top to bottom, halved into pyramids, worked on in threads.

Nothing here holds more than a few strips, so that a result may be larger than memory.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from dreamray.base.geometry import Shape
from dreamray.raster.pixels import Pixels

READ_BYTES = 64 << 20
"""Bytes of rows that are asked for at once; while they are made of floats, they take some more."""

_ROWS_HALVED = 16

THREADS = min(8, os.cpu_count() or 1)

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_Sum = TypeVar("_Sum", np.uint32, np.uint64)


class FinishedRaster(Protocol):
    """A finished raster, which nobody need hold as a whole."""

    @property
    def shape(self) -> Shape:
        """Height and width."""
        ...

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Of its samples."""
        ...

    @property
    def channels(self) -> int:
        """3 for RGB, 4 with alpha."""
        ...

    def rows(self, start: int, stop: int) -> Pixels:
        """[stop - start, width, channels]; asked for once each, from top to bottom."""
        ...


def read_strips(
    result: FinishedRaster, height: int, progress: Callable[[float], None]
) -> Iterator[Pixels]:
    """The whole raster in strips of `height` rows, of which the last may be lower.

    `progress` is told the share that has been read, from 0 to 1.
    """
    rows, width = result.shape
    strip_bytes = height * width * result.channels * result.dtype.itemsize
    step = height * max(1, READ_BYTES // strip_bytes)
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        piece = result.rows(start, stop)
        for top in range(0, stop - start, height):
            yield piece[top : top + height]
        progress(stop / rows)


def in_order(
    work: Callable[[_In], _Out], items: Iterable[_In], threads: int = THREADS
) -> Iterator[_Out]:
    """`map` in threads: results in the order of the items, with few of them under way."""
    waiting: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def levels_of(shape: Shape, smallest: int) -> list[Shape]:
    """The shapes of a pyramid, halved until both sides are at most `smallest`."""
    shapes = [shape]
    while max(shapes[-1]) > smallest:
        height, width = shapes[-1]
        shapes.append(Shape((height + 1) // 2, (width + 1) // 2))
    return shapes


def halve(samples: Pixels) -> Pixels:
    """Half as high and wide: the means of 2x2 pixels, the last of an odd side taken twice.

    Where there is alpha, colours count by their opacity: what cannot be seen leaves no fringe.
    """
    height, width, channels = samples.shape
    if height % 2 or width % 2:
        samples = np.pad(samples, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    means = np.empty((samples.shape[0] // 2, samples.shape[1] // 2, channels), samples.dtype)
    # A few rows at a time, as sums are wide and would be many times the strip.
    for top in range(0, len(means), _ROWS_HALVED):
        part = slice(top, top + _ROWS_HALVED)
        quarters = samples[2 * part.start : 2 * part.stop]
        means[part] = _means(quarters) if channels == 3 else _means_by_opacity(quarters)
    return means


def _means(samples: Pixels) -> npt.NDArray[np.uint32]:
    return (_sums(samples, np.uint32) + np.uint32(2)) >> np.uint32(2)


def _means_by_opacity(samples: Pixels) -> npt.NDArray[np.uint64]:
    colour, opacity = samples[..., :3], samples[..., 3:]
    weight = _sums(opacity, np.uint64)
    weighted = _sums(colour * opacity.astype(np.uint64), np.uint64)
    seen = np.maximum(weight, 1)
    mean = np.where(weight > 0, (weighted + (seen >> 1)) // seen, _means(colour))
    return np.concatenate((mean, (weight + 2) >> 2), axis=2)


def _sums(samples: npt.NDArray[Any], dtype: type[_Sum]) -> npt.NDArray[_Sum]:
    """Of each 2x2 pixels."""
    pairs: npt.NDArray[_Sum] = np.add(samples[0::2], samples[1::2], dtype=dtype)
    return pairs[:, 0::2] + pairs[:, 1::2]


def pyramid(
    strips: Iterable[Pixels], shapes: list[Shape], height: int
) -> Iterator[tuple[int, Pixels]]:
    """The strips of all levels, with the number of the level, each as soon as it is complete.

    `strips` are those of level 0. On each level all but the last are `height` (even) rows high.
    """
    left = [shape.height for shape in shapes]
    held: list[list[Pixels]] = [[] for _ in shapes]

    def add(level: int, rows: Pixels) -> Iterator[tuple[int, Pixels]]:
        held[level].append(rows)
        left[level] -= len(rows)
        if sum(map(len, held[level])) < height and left[level]:
            return
        strip = np.concatenate(held[level]) if len(held[level]) > 1 else rows
        held[level].clear()
        yield level, strip
        if level + 1 < len(shapes):
            yield from add(level + 1, halve(strip))

    for strip in strips:
        yield from add(0, strip)
