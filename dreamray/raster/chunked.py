"""A raster larger than memory, as blocks in a folder.

Each block is one `.npy` file, written whole by its only owner, so that many processes write
one raster and read any part of what is written.

    raster = ChunkedRaster(folder, ChunkGrid.even(Shape(30000, 40000), 1024), np.uint8)
    raster.write(region, values)          # whole blocks
    raster.points(np.arange(100, 200), np.arange(0, 40000, 97))
"""

from __future__ import annotations

import io
import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dreamray.base.errors import RequestError, StorageError
from dreamray.base.geometry import Interval, Region, Shape
from dreamray.base.messages import shown
from dreamray.storage.places import Folder, Location

Values = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]
_Item = TypeVar("_Item")

_CACHE_BYTES = 64 << 20

# How a .npy file of version 1.0 starts.
_NPY = b"\x93NUMPY\x01\0"

# What hides the latency of S3; a local disk is busy with fewer.
_THREADS = 8


@dataclass(frozen=True)
class ChunkGrid:
    """The cuts of a raster into blocks: every block is one of `rows` by one of `columns`."""

    rows: tuple[Interval, ...]
    columns: tuple[Interval, ...]

    def __post_init__(self) -> None:
        for axis in (self.rows, self.columns):
            starts = [0, *(interval.stop for interval in axis)]
            if not axis or any(
                interval.start != start or interval.length < 1
                for interval, start in zip(axis, starts, strict=False)
            ):
                raise ValueError(f"these intervals are no partition from 0 on: {axis}")

    @classmethod
    def even(cls, shape: Shape, side: int) -> ChunkGrid:
        """Blocks of at most `side` pixels a side, as equal as can be."""
        return cls.within([Interval(0, shape.height)], [Interval(0, shape.width)], side)

    @classmethod
    def within(cls, rows: Iterable[Interval], columns: Iterable[Interval], side: int) -> ChunkGrid:
        """Each interval, such as the cores of tiles, cut into equal parts of at most `side`.

        The intervals partition their axis, in order; each block then lies within one core.
        """
        return cls(
            *(tuple(part for i in axis for part in cut_evenly(i, side)) for axis in (rows, columns))
        )

    @classmethod
    def from_json(cls, record: object) -> ChunkGrid:
        """The grid of which `to_json` gave this. Raises ValueError for anything else."""
        match record:
            case {"rows": [*rows], "columns": [*columns]}:
                if all(type(cut) is int for cut in (*rows, *columns)):
                    axes = (
                        tuple(itertools.starmap(Interval, itertools.pairwise(cuts)))
                        for cuts in (rows, columns)
                    )
                    return cls(*axes)
        raise ValueError("this is no record of a grid")

    def to_json(self) -> dict[str, list[int]]:
        """What JSON can hold: where blocks start and the last one stops, on either axis."""
        return {
            "rows": [0, *(interval.stop for interval in self.rows)],
            "columns": [0, *(interval.stop for interval in self.columns)],
        }

    @property
    def shape(self) -> Shape:
        """Height and width of the raster."""
        return Shape(self.rows[-1].stop, self.columns[-1].stop)


class ChunkedRaster:
    """A raster [height, width, channels] in a folder.

    It can be pickled, and travels to other processes without its cache. What another one
    wrote over a block that this one has read may not be seen: make a new one for that.
    """

    def __init__(
        self, folder: Folder, grid: ChunkGrid, dtype: npt.DTypeLike, channels: int = 3
    ) -> None:
        """Nothing is read or written yet."""
        self.folder = folder
        self.grid = grid
        self.dtype = np.dtype(dtype)
        self.channels = channels
        self._row_starts = np.array([interval.start for interval in grid.rows])
        self._column_starts = np.array([interval.start for interval in grid.columns])
        self._cache = _Cache(_CACHE_BYTES)

    def __reduce__(self) -> tuple[Any, ...]:
        return ChunkedRaster, (self.folder, self.grid, self.dtype, self.channels)

    def __repr__(self) -> str:
        return f"ChunkedRaster({self.folder}, {self.shape}, {self.dtype}, {self.channels} channels)"

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        return self.grid.shape

    def write(self, region: Region, values: Values) -> None:
        """Store values [height, width, channels] of the raster's dtype in a region.

        Every block is complete or as it was before. Raises ValueError for a region that does
        not consist of whole blocks and for values that do not fit it; else as `Location.write`.
        """
        expected = (*region.shape, self.channels)
        if values.shape != expected or values.dtype != self.dtype:
            raise ValueError(
                f"{values.dtype} {list(values.shape)} for a region of {self.dtype} {list(expected)}"
            )
        blocks = itertools.product(
            _whole(self.grid.rows, region.rows), _whole(self.grid.columns, region.columns)
        )
        top, left = region.rows.start, region.columns.start

        def write(block: tuple[int, int]) -> None:
            rows, columns = self._region(block)
            part = values[Region(rows.shift(-top), columns.shift(-left)).slices]
            file = io.BytesIO()
            np.lib.format.write_array(file, np.ascontiguousarray(part), (1, 0), allow_pickle=False)
            self._file(block).write(file.getvalue())
            self._cache.forget(block)

        _for_each(write, blocks)

    def points(self, rows: Indices, columns: Indices) -> Values:
        """The values where these rows and columns cross: [len(rows), len(columns), channels].

        Both ascend; they may leave out indices and repeat them. Beside the result only a few
        blocks are in memory. Raises IndexError for indices outside, ValueError for descending
        ones, StorageError if a block is missing or damaged; else as `Location.read`.
        """
        down = _overlapping(rows, self._row_starts, self.shape.height)
        across = _overlapping(columns, self._column_starts, self.shape.width)
        result = np.empty((len(rows), len(columns), self.channels), self.dtype)

        def fill(one: tuple[_Touched, _Touched]) -> None:
            (row, here_down, inside_down), (column, here_across, inside_across) = one
            block = self._block((row, column))
            result[here_down, here_across] = block[inside_down][:, inside_across]

        _for_each(fill, itertools.product(down, across))
        return result

    def _region(self, block: tuple[int, int]) -> Region:
        return Region(self.grid.rows[block[0]], self.grid.columns[block[1]])

    def _file(self, block: tuple[int, int]) -> Location:
        return self.folder.file(f"{block[0]}-{block[1]}.npy")

    def _block(self, block: tuple[int, int]) -> Values:
        values = self._cache.get(block)
        if values is None:
            file = self._file(block)
            expected = (*self._region(block).shape, self.channels)
            values = _parse(file, _read(file), expected, self.dtype)
            self._cache.put(block, values)
        return values


def _for_each(work: Callable[[_Item], None], items: Iterable[_Item]) -> None:
    """Several at a time, for which threads are not worth their start where there is but one."""
    items = list(items)
    if len(items) > 1:
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(work, items):
                pass
    elif items:
        work(items[0])


class _Cache:
    """The blocks used last, up to so many bytes; for several threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._blocks: OrderedDict[tuple[int, int], Values] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, block: tuple[int, int]) -> Values | None:
        with self._lock:
            if block in self._blocks:
                self._blocks.move_to_end(block)
            return self._blocks.get(block)

    def put(self, block: tuple[int, int], values: Values) -> None:
        self.forget(block)
        with self._lock:
            self._blocks[block] = values
            self._size += values.nbytes
            while self._size > self._capacity:
                self._size -= self._blocks.popitem(last=False)[1].nbytes

    def forget(self, block: tuple[int, int]) -> None:
        with self._lock:
            values = self._blocks.pop(block, None)
            if values is not None:
                self._size -= values.nbytes


_Touched = tuple[int, slice, "slice | Indices"]
"""A block along one axis, where its points lie in the result, and which of its points they are."""


def _overlapping(points: Indices, starts: npt.NDArray[Any], length: int) -> list[_Touched]:
    """The blocks along one axis that contain some of these points."""
    if np.any(points[1:] < points[:-1]):
        raise ValueError("the indices do not ascend")
    if len(points) and (points[0] < 0 or points[-1] >= length):
        raise IndexError(f"indices from {points[0]} to {points[-1]} in a length of {length}")
    bounds = [*np.searchsorted(points, starts).tolist(), len(points)]
    return [
        (number, slice(*here), _compact(points[slice(*here)] - starts[number]))
        for number, here in enumerate(itertools.pairwise(bounds))
        if here[0] < here[1]
    ]


def _compact(points: Indices) -> slice | Indices:
    """An index of these points: a slice, which copies nothing, where they are consecutive."""
    if np.all(points[1:] - points[:-1] == 1):
        return slice(int(points[0]), int(points[-1]) + 1)
    return points


def _whole(intervals: tuple[Interval, ...], wanted: Interval) -> range:
    """The numbers of the intervals that `wanted` consists of."""
    starts = {interval.start: number for number, interval in enumerate(intervals)}
    stops = {interval.stop: number for number, interval in enumerate(intervals)}
    first, last = starts.get(wanted.start), stops.get(wanted.stop)
    if first is None or last is None or first > last:
        raise ValueError(f"{wanted.start} to {wanted.stop} does not consist of whole blocks")
    return range(first, last + 1)


def cut_evenly(interval: Interval, side: int) -> list[Interval]:
    """The fewest parts of at most `side`, as equal as can be."""
    count = -(-interval.length // side)
    bounds = [interval.start + interval.length * i // count for i in range(count + 1)]
    return [Interval(*bound) for bound in itertools.pairwise(bounds)]


def _read(file: Location) -> bytes:
    try:
        return file.read()
    except RequestError:
        if file.exists():  # It may not be read, which is another matter.
            raise
        raise StorageError(
            f"{shown(file)}: this part of the picture is missing; start again with --fresh"
        ) from None


def _parse(file: Location, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Values:
    """The array of a block's file: a read-only view of its bytes."""
    # Not np.load: it evaluates the header as Python, which several threads cannot do at a time
    # in Python 3.11 (a SystemError of `ast`); and here all that it may say is known.
    fields = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}"
    start = len(_NPY) + 2 + int.from_bytes(data[len(_NPY) : len(_NPY) + 2], "little")
    header = data[len(_NPY) + 2 : start].rstrip()
    values = math.prod(shape) * dtype.itemsize
    if (data[: len(_NPY)], header, len(data)) != (_NPY, fields.encode(), start + values):
        raise StorageError(
            f"{shown(file)}: this part of the picture is damaged; start again with --fresh"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape)
