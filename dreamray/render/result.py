"""The finished pixels of a dream, read part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamray.base.geometry import Interval, Region, Shape
from dreamray.pictures.ingest import Source
from dreamray.raster.lazy import LazyRaster, read
from dreamray.raster.pixels import Pixels, from_tensor


@dataclass(frozen=True)
class DreamtPixels:
    """The finished pixels of a dream: see `dreamray.pictures.strips.FinishedRaster`."""

    dreamt: LazyRaster
    source: Source

    @property
    def shape(self) -> Shape:
        """Height and width."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the source's."""
        return np.dtype(self.source.dtype)

    @property
    def channels(self) -> int:
        """3, or 4 with alpha."""
        return 3 if self.source.alpha is None else 4

    def rows(self, start: int, stop: int) -> Pixels:
        """uint8 or uint16 [stop - start, width, channels]."""
        rows, columns = Interval(start, stop), Interval(0, self.shape.width)
        colour = from_tensor(read(self.dreamt, Region(rows, columns)), self.dtype)
        if self.source.alpha is None:
            return colour
        alpha = self.source.alpha.points(np.arange(*rows), np.arange(*columns))
        return np.concatenate([colour, alpha], axis=-1)
