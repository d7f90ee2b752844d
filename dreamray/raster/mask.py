"""Masks: how much of each pixel is dreamt, or counts for a term; read in parts as pictures are.

A mask is a `LazyRaster` of one channel, float32 [rows, columns, 1], from 0, where the picture
stays, to 1. Black is 0 and white is 1, to the bit, at every size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dreamray.base.geometry import Raster, Shape
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import Indices, LazyRaster, strips

_STRIP = 256
"""Rows that are looked at at a time, to need little memory beside the result."""

_READ_PIXELS = 1 << 20
"""Of the source of a filtered mask that are read at a time."""

_RED, _GREEN, _BLUE, _ALL = 2126, 7152, 722, 10_000
"""Shares of the channels in the luminance of BT.709: whole numbers, for grey to stay as it is."""


@dataclass(frozen=True)
class GreyRaster:
    """The luminance of a picture; what is transparent is black."""

    colour: ChunkedRaster
    """uint8 or uint16, three channels."""
    alpha: ChunkedRaster | None
    """Of the same shape and type, one channel."""

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.colour.shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        grey = np.empty((len(rows), len(columns), 1), np.float32)
        for strip in strips(len(rows), _STRIP):
            grey[strip, :, 0] = self._strip(rows[strip], columns)
        return grey

    def _strip(self, rows: Indices, columns: Indices) -> npt.NDArray[np.float64]:
        most = np.iinfo(self.colour.dtype).max
        red, green, blue = np.moveaxis(self.colour.points(rows, columns).astype(np.int32), -1, 0)
        light = _RED * red + _GREEN * green + _BLUE * blue
        grey = np.asarray(light / (_ALL * most), np.float64)
        if self.alpha is not None:
            grey *= self.alpha.points(rows, columns)[..., 0] / most
        return grey


@dataclass(frozen=True)
class FilteredRaster:
    """A mask at another shape, by a triangular filter as wide as what becomes one pixel.

    Larger than its source it is what `ResizedRaster` makes; smaller, every pixel of the source
    counts. Nothing goes beyond the range of what is there: next to black, black stays black.
    """

    source: LazyRaster
    shape: Shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`. A point has the same bits in whichever part it is read."""
        if self.source.shape == self.shape:
            return self.source.points(rows, columns)
        filtered = np.empty((len(rows), len(columns), 1), np.float32)
        if not filtered.size:
            return filtered
        across = _Taps.of(self.source.shape.width, self.shape.width, columns)
        needed = np.arange(across.cells.min(), across.cells.max() + 1)
        growth = self.source.shape.height / self.shape.height
        lines = max(1, int(_READ_PIXELS / len(needed) / max(1, growth)))
        for strip in strips(len(rows), lines):
            down = _Taps.of(self.source.shape.height, self.shape.height, rows[strip])
            here = np.arange(down.cells.min(), down.cells.max() + 1)
            values = self.source.points(here, needed)[..., 0]
            columns_done = down.apply(values, here[0])
            filtered[strip, :, 0] = across.apply(columns_done.T, needed[0]).T
        return filtered


@dataclass(frozen=True)
class _Taps:
    """The cells along an axis that make each of some points, and how much they count."""

    cells: Indices
    """[taps, points]"""
    weights: npt.NDArray[np.float64]
    """[taps, points]"""

    @classmethod
    def of(cls, source: int, length: int, points: Indices) -> _Taps:
        """For points of `length` that go from the first to the last of `source` cells."""
        apart = (source - 1) / max(length - 1, 1)
        reach = max(1.0, apart)
        at = points * apart
        first = np.floor(at - reach).astype(np.intp)
        cells = first + np.arange(2 * math.ceil(reach) + 2)[:, None]
        weights = np.maximum(0, 1 - np.abs(cells - at) / reach)
        weights[(cells < 0) | (cells >= source)] = 0
        total = functools.reduce(np.add, weights)  # NumPy's sum of a single point rounds otherwise.
        return cls(np.clip(cells, 0, source - 1), weights / total)

    def apply(self, values: npt.NDArray[np.floating], start: int) -> npt.NDArray[np.float64]:
        """Of values whose first row is the cell `start`, the points along that axis."""
        total = np.zeros((self.cells.shape[1], values.shape[1]))
        for cells, weights in zip(self.cells, self.weights, strict=True):
            total += weights[:, None] * values[cells - start]
        return total


@dataclass(frozen=True)
class SquareRaster:
    """A mask that is white in a rectangle, and as grey at its edges as it covers pixels."""

    shape: Shape
    rows: tuple[float, float]
    """Its start and end in pixels, from the picture's edge on; it may lie beyond that."""
    columns: tuple[float, float]

    @classmethod
    def near(
        cls, shape: Shape, x: float, y: float, radius: float, picture: Shape, margin: int = 0
    ) -> SquareRaster:
        """A square of a picture that is dreamt with a margin, at the shape of one of its octaves.

        `x` and `y` are its middle, as shares of the picture's width and height, and `radius` half
        its side, as a share of the longer one.
        """
        half = radius * max(picture)
        rows, columns = (
            tuple((margin + at * side + way * half) / (side + 2 * margin) * here for way in (-1, 1))
            for at, side, here in zip((y, x), picture, shape, strict=True)
        )
        return cls(shape, (rows[0], rows[1]), (columns[0], columns[1]))

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        down, right = _covered(rows, *self.rows), _covered(columns, *self.columns)
        return (down[:, None] * right)[..., None].astype(np.float32)


def _covered(points: Indices, start: float, end: float) -> npt.NDArray[np.float64]:
    """How much of each pixel along an axis lies between two places."""
    covered: npt.NDArray[np.float64] = np.minimum(points + 1, end) - np.maximum(points, start)
    return np.clip(covered, 0, 1)


@dataclass(frozen=True)
class Masks:
    """The masks of a picture: grey pictures of its aspect, of any size."""

    steps: LazyRaster | None = None
    """How much of each pixel's steps is made; all of it if None."""
    terms: Mapping[str, LazyRaster] = field(default_factory=dict)
    """Where terms count, by the names that they have for them."""


NO_MASKS = Masks()
"""All is dreamt, and counts."""


@dataclass(frozen=True)
class KeptRaster:
    """A picture that is another one wherever a mask is black."""

    dreamt: LazyRaster
    source: LazyRaster
    mask: LazyRaster
    """All of the same shape."""

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.dreamt.shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        dreamt = self.dreamt.points(rows, columns)
        for strip in strips(len(rows), _STRIP):
            mask = self.mask.points(rows[strip], columns)
            if not mask.all():
                kept = self.source.points(rows[strip], columns)
                np.copyto(dreamt[strip], kept, where=mask == 0)
        return dreamt
