"""Pictures that are read in parts, so that nobody needs to hold them as a whole.

A lazy raster gives the values at any grid of points. They are made of one another - a picture
resampled, the sum of two - and compute nothing before they are read.

Resampling is bilinear with aligned corners and without antialiasing, the same as
`scipy.ndimage.zoom(order=1)`: a point depends on the four around it and on no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dreamray.base.geometry import Interval, Raster, Region, Shape
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.pixels import to_lasting_tensor, to_tensor

Indices = npt.NDArray[np.intp]

_STRIP = 64
"""Rows that are resampled at a time."""


class LazyRaster(Protocol):
    """A picture, float32 with three channels, that may be larger than memory."""

    @property
    def shape(self) -> Shape:
        """Its height and width."""

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """The values where these rows and columns cross, float32 [rows, columns, 3].

        Both ascend; neither need be complete.
        """


def strips(rows: int, most: int) -> Iterator[slice]:
    """All of so many rows, in slices of `most` at the most."""
    for start in range(0, rows, most):
        yield slice(start, min(rows, start + most))


def read(view: LazyRaster, region: Region) -> Raster:
    """A rectangle of a lazy raster, float32 [height, width, 3]."""
    return view.points(np.arange(*region.rows), np.arange(*region.columns))


@dataclass(frozen=True, eq=False)
class ArrayRaster:
    """A picture that is held in memory."""

    image: Raster

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return Shape(*self.image.shape[:2])

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        return self.image[np.ix_(rows, columns)]


@dataclass(frozen=True)
class NormalizedRaster:
    """The pixels of a chunked raster in the network's range."""

    raster: ChunkedRaster
    """uint8 or uint16, three channels."""
    lasts: bool = False
    """Whether the same pixels are to come out of it in the end: see `to_lasting_tensor`."""

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.raster.shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        pixels = self.raster.points(rows, columns)
        return to_lasting_tensor(pixels) if self.lasts else to_tensor(pixels)


@dataclass(frozen=True)
class ResizedRaster:
    """A raster resampled to another shape.

    Interpolated in float64 and rounded once, as SciPy does: hardly a bit differs then, and the
    ascent amplifies every one. A point has the same bits in whichever part it is read.
    """

    source: LazyRaster
    shape: Shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        if self.source.shape == self.shape:
            return self.source.points(rows, columns)
        sampled_rows = _sample(self.source.shape.height, self.shape.height, rows)
        sampled_columns = _sample(self.source.shape.width, self.shape.width, columns)
        across = sampled_columns.weight[None, :, None]
        needed, below, above = sampled_columns.among_the_needed()
        resized = np.empty((len(rows), len(columns), 3), np.float32)
        # A strip at a time, to need little memory beside the result.
        for strip in strips(len(rows), _STRIP):
            part = sampled_rows.part(strip)
            needed_rows, below_rows, above_rows = part.among_the_needed()
            values = self.source.points(needed_rows, needed)
            down = part.weight[:, None, None]
            lines = values[below_rows] * (1 - down) + values[above_rows] * down
            resized[strip] = lines[:, below] * (1 - across) + lines[:, above] * across
        return resized


@dataclass(frozen=True)
class DetailResidual:
    """What a picture shows at a shape that it has lost at the previous octave's shape."""

    original: LazyRaster
    previous: Shape
    shape: Shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        shrunk = ResizedRaster(ResizedRaster(self.original, self.previous), self.shape)
        values = ResizedRaster(self.original, self.shape).points(rows, columns)
        return values - shrunk.points(rows, columns)


@dataclass(frozen=True)
class SumRaster:
    """Two rasters of the same shape, added."""

    one: LazyRaster
    other: LazyRaster

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.one.shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        return self.one.points(rows, columns) + self.other.points(rows, columns)


@dataclass(frozen=True)
class StackedRaster:
    """The channels of several rasters of the same shape."""

    parts: tuple[LazyRaster, ...]

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.parts[0].shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        return np.concatenate([part.points(rows, columns) for part in self.parts], axis=2)


@dataclass(frozen=True)
class MirroredRaster:
    """A raster with a margin around it, in which it is mirrored, again and again if need be."""

    source: LazyRaster
    margin: int
    """Pixels on each side."""

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.source.shape.widened(self.margin)

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        (down, place), (across, other) = (
            np.unique(mirror(along - self.margin, side), return_inverse=True)
            for along, side in zip((rows, columns), self.source.shape, strict=True)
        )
        return self.source.points(down, across)[np.ix_(place, other)]


@dataclass(frozen=True)
class CroppedRaster:
    """A rectangle of a raster."""

    source: LazyRaster
    region: Region

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.region.shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`."""
        return self.source.points(
            rows + self.region.rows.start, columns + self.region.columns.start
        )


def with_margin(picture: LazyRaster, margin: int) -> LazyRaster:
    """A picture with a mirrored margin of so many pixels; itself where there is none."""
    return MirroredRaster(picture, margin) if margin else picture


def without_margin(dreamt: LazyRaster, picture: Shape, margin: int) -> LazyRaster:
    """The picture's part of what was made of it with a margin, at the scale that it has there."""
    if not margin:
        return dreamt
    starts = (
        min(round(margin * here / (side + 2 * margin)), (here - 1) // 2)
        for here, side in zip(dreamt.shape, picture, strict=True)
    )
    rows, columns = (
        Interval(start, here - start) for start, here in zip(starts, dreamt.shape, strict=True)
    )
    return CroppedRaster(dreamt, Region(rows, columns))


def mirror(at: Indices, length: int) -> Indices:
    """Where places along an endless row of mirrored copies lie in the first, 0 to length - 1."""
    at = at % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)


def resize(image: Raster, shape: Shape) -> Raster:
    """Resample an image [h, w, 3] to `shape`; the image itself where the shape is its own."""
    if image.shape[:2] == shape:
        return image
    return read(ResizedRaster(ArrayRaster(image), shape), Region.whole(shape))


class _Samples(NamedTuple):
    """Where an axis is sampled: between two cells each, and how near to the one above."""

    below: Indices
    above: Indices
    weight: npt.NDArray[np.floating]

    def part(self, strip: slice) -> _Samples:
        return _Samples(self.below[strip], self.above[strip], self.weight[strip])

    def among_the_needed(self) -> tuple[Indices, Indices, Indices]:
        """The cells that are needed, each once, and the two of each sample among them."""
        needed = np.union1d(self.below, self.above)
        return needed, np.searchsorted(needed, self.below), np.searchsorted(needed, self.above)


def _sample(source: int, length: int, points: Indices) -> _Samples:
    """The given ones of `length` points that go from the first to the last of `source` cells."""
    # One point alone sits on the first cell, as in scipy.ndimage.zoom.
    at = points * ((source - 1) / max(length - 1, 1))
    below = np.minimum(at.astype(np.intp), max(source - 2, 0))
    return _Samples(below, np.minimum(below + 1, source - 1), at - below)
