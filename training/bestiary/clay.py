"""Clay: heights modelled part by part, and the light on them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bestiary.pen import SHIFT, SIZE, Pen, pixels
from training.bestiary.shapes import Points

__all__ = ["Clay"]


class Clay:
    """The heights of what is drawn on a layer, to light it by.

    Kept at half the layer's resolution: light is smooth.
    """

    def __init__(self) -> None:
        self._surface = np.zeros((SIZE // 2, SIZE // 2), np.float32)

    def heap(self, outline: Points, level: float, rise: float, steps: int) -> None:
        """A mound within the outline (star-shaped, best): from `level` up by `rise`, as a dome.

        Heights are in 255ths of a layer's width. The more steps, the rounder; 1 is a mesa.
        """
        middle = outline.mean(0)
        shares = np.arange(steps) / steps
        rings = pixels(middle + (outline - middle) * (1 - shares)[:, None, None], 0.5)
        heights = level + rise * np.sqrt(1 - (1 - shares) ** 2)
        for ring, height in zip(rings, heights.tolist(), strict=True):
            cv2.fillPoly(self._surface, [ring], (height,), cv2.LINE_8, SHIFT)

    def swell(self, outline: Points, rise: float, steps: int) -> None:
        """Raise what is there within the outline by a dome of `rise`, or dent it if below 0."""
        below, self._surface = self._surface, np.zeros_like(self._surface)
        self.heap(outline, 0, rise, steps)
        self._surface += below

    def tiles(self, outlines: NDArray[np.float64], level: float, rise: float) -> None:
        """Many small mesas with bevelled edges, [tiles, points, 2], the later above the earlier."""
        middles = outlines.mean(1, keepdims=True)
        tops = pixels(middles + 0.7 * (outlines - middles), 0.5)
        for foot, top in zip(pixels(outlines, 0.5), tops, strict=True):
            cv2.fillPoly(self._surface, [foot], (level,), cv2.LINE_8, SHIFT)
            cv2.fillPoly(self._surface, [top], (level + rise,), cv2.LINE_8, SHIFT)

    def light(self, pen: Pen, strength: float = 1, blur: float = 2.6) -> None:
        """Light the pen's layer from the upper left; `blur` rounds the steps, in its pixels."""
        surface = cv2.GaussianBlur(self._surface, (0, 0), blur / 2)
        slope = cv2.Sobel(surface, cv2.CV_32F, 1, 0) + 1.3 * cv2.Sobel(surface, cv2.CV_32F, 0, 1)
        half = np.clip(slope * (0.0045 * strength), -0.62, 0.5)
        gain = cv2.resize(half, (SIZE, SIZE))
        red, green, blue, opacity = cv2.split(pen.layer)
        dim, bright = 1 - np.abs(gain), np.maximum(gain, 0) * opacity
        for channel, part in enumerate((red, green, blue)):
            pen.layer[..., channel] = np.minimum(part * dim + bright, opacity)
