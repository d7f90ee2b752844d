"""What is made of a dream at its end, pixel by pixel: its strength, and whose colours it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamray.base.geometry import Raster, Shape
from dreamray.raster.lazy import Indices, LazyRaster, strips
from dreamray.raster.oklab import with_colours_of

_STRIP = 256
"""Rows that are read at a time."""

_BAND_PIXELS = 1 << 16
"""Computed at a time, to need little memory beside the result."""


@dataclass(frozen=True)
class MixedRaster:
    """A dream mixed with its source."""

    dreamt: LazyRaster
    source: LazyRaster
    """Of the same shape."""
    strength: float = 1.0
    """Of the dream over its source, as of a layer that is not quite opaque; from 0 to 1."""
    keeps_colours: bool = False
    """Whether the source gives the colours, and the dream but the lightness: see `oklab`."""

    @property
    def shape(self) -> Shape:
        """See `LazyRaster`."""
        return self.dreamt.shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`. A point has the same bits in whichever part it is read."""
        mixed = np.empty((len(rows), len(columns), 3), np.float32)
        lines = max(1, _BAND_PIXELS // max(1, len(columns)))
        for strip in strips(len(rows), _STRIP):
            part = rows[strip]
            dreamt, source = (one.points(part, columns) for one in (self.dreamt, self.source))
            for band in strips(len(part), lines):
                mixed[strip][band] = self._mix(dreamt[band], source[band])
        return mixed

    def _mix(self, dreamt: Raster, source: Raster) -> Raster:
        if self.keeps_colours:
            values = (np.clip(one.astype(np.float64) / 2 + 0.5, 0, 1) for one in (dreamt, source))
            dreamt = (with_colours_of(*values) * 2 - 1).astype(np.float32)
        if self.strength < 1:
            dreamt = source + np.float32(self.strength) * (dreamt - source)
        return dreamt
