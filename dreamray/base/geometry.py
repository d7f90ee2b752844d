"""Sizes, intervals and rectangles of pixels: what every other module counts in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Raster = npt.NDArray[np.float32]
"""A picture as float32 [height, width, 3], in the network's range of -1 to 1."""


class Shape(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Their number."""
        return self.height * self.width

    def widened(self, margin: int) -> Shape:
        """The shape with so many pixels more on each side."""
        return Shape(*(side + 2 * margin for side in self))

    def within(self, longest: int | None) -> Shape:
        """The shape scaled down so that its longer side is at most `longest`; never up."""
        if longest is None or max(self) <= longest:
            return self
        return Shape(*(max(1, round(side * longest / max(self))) for side in self))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Interval(NamedTuple):
    """Whole numbers from `start` up to, but not including, `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many numbers."""
        return self.stop - self.start

    def shift(self, offset: int) -> Interval:
        """The interval moved by `offset`."""
        return Interval(self.start + offset, self.stop + offset)

    def clip(self, other: Interval) -> Interval:
        """The part inside `other`; empty, at one of its ends, if there is none."""
        start = min(max(self.start, other.start), other.stop)
        return Interval(start, max(start, min(self.stop, other.stop)))


class Region(NamedTuple):
    """A rectangle of pixels."""

    rows: Interval
    columns: Interval

    @classmethod
    def whole(cls, shape: Shape) -> Region:
        """All of a picture."""
        return cls(Interval(0, shape.height), Interval(0, shape.width))

    @property
    def shape(self) -> Shape:
        """Its height and width."""
        return Shape(self.rows.length, self.columns.length)

    @property
    def pixels(self) -> int:
        """Its area."""
        return self.rows.length * self.columns.length

    @property
    def slices(self) -> tuple[slice, slice]:
        """An index for arrays [height, width, …]."""
        return slice(*self.rows), slice(*self.columns)
