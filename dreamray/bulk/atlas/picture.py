"""The picture of an atlas, made from its dreams' files a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dreamray.base.geometry import Shape
from dreamray.bulk.atlas.layout import Band, Layout
from dreamray.pictures.strips import in_order
from dreamray.raster.pixels import Pixels

_BACKGROUND, _INK, _FAINT = (13, 13, 16), (236, 236, 236), (140, 140, 148)

_READERS = 16
"""Files that are read at the same time."""


class AtlasPicture:
    """A `FinishedRaster`, of which the row of dreams that was asked for last is held."""

    channels = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, layout: Layout, read: Callable[[str], Pixels | None]) -> None:
        """`read` gives a dream by its name, uint8 [cell, cell, 3]; None for one that failed."""
        self._layout = layout
        self._read = read
        self._draw = lru_cache(maxsize=1)(self._draw_band)

    @property
    def shape(self) -> Shape:
        """Height and width."""
        return self._layout.shape

    def rows(self, start: int, stop: int) -> Pixels:
        """[stop - start, width, 3]."""
        found = np.empty((stop - start, self.shape.width, 3), np.uint8)
        found[:] = _BACKGROUND
        for band in self._layout.bands:
            top, bottom = max(start, band.top), min(stop, band.top + band.height)
            if top < bottom:
                drawn = self._draw(band)
                found[top - start : bottom - start] = drawn[top - band.top : bottom - band.top]
        return found

    def _draw_band(self, band: Band) -> Pixels:
        layout = self._layout
        image = Image.new("RGB", (self.shape.width, band.height), _BACKGROUND)
        draw = ImageDraw.Draw(image)
        if not band.channels:
            font = ImageFont.load_default(size=2 * layout.label)
            draw.text((layout.gap, layout.label // 4), band.plate.name, fill=_INK, font=font)
            return np.asarray(image)
        font = ImageFont.load_default(size=layout.label - 2)
        dreams = in_order(self._read, map(band.plate.output, band.channels), _READERS)
        for column, (channel, pixels) in enumerate(zip(band.channels, dreams, strict=True)):
            left = layout.left(column)
            draw.text((left, 0), str(channel), fill=_INK, font=font)
            if pixels is not None:
                image.paste(Image.fromarray(pixels), (left, layout.label))
            else:
                draw.text((left, 2 * layout.label), "not dreamt", fill=_FAINT, font=font)
        return np.asarray(image)
