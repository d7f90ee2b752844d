"""Light from the upper left: on what bulges as its outline suggests, or on modelled heights."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bestiary.pen import SHIFT, SIZE, Layer, Pen, pixels
from training.bestiary.shapes import Points

__all__ = ["Clay", "Field", "lit", "swell"]

Field = NDArray[np.float32]
"""[rows, columns], a number for each pixel of a layer or of a piece of one"""


def lit(layer: Layer, gain: Field, gloss: Field | None = None) -> None:
    """Brighten or darken what is on the layer in place.

    Colours are multiplied by `gain`, then `gloss` (0 to 255) is added.
    """
    shown = cv2.multiply(layer, cv2.merge([gain, gain, gain, np.ones_like(gain)]), dtype=cv2.CV_8U)
    if gloss is not None:
        none = np.zeros_like(gloss)
        shown = cv2.add(shown, cv2.merge([gloss, gloss, gloss, none]), dtype=cv2.CV_8U)
    layer[:] = cv2.min(shown, cv2.merge([layer[..., 3]] * 4))


def swell(layer: Layer, strength: float = 1) -> None:
    """Light what is on the layer, or a piece of one, in place as if it bulged out."""
    left, top, width, height = cv2.boundingRect(layer[..., 3])
    if min(width, height) < 4:
        return
    seen = layer[top : top + height, left : left + width]
    half = (width // 2, height // 2)  # The light is smooth: half the resolution is plenty.
    inside = (cv2.resize(seen[..., 3], half, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    far = cv2.distanceTransform(cv2.copyMakeBorder(inside, 1, 1, 1, 1, 0), cv2.DIST_L2, 3)
    depth = max(2.0, min(18.0, float(far.max())))
    bulge = depth * np.sqrt(1 - (1 - np.minimum(far / depth, 1)) ** 2)
    bulge = cv2.blur(cv2.blur(bulge, (5, 5)), (5, 5))
    right = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=0.125)
    light = (0.55 * right + 0.8 * down) / np.sqrt(1 + right * right + down * down)
    light = cv2.resize(light[1:-1, 1:-1], (width, height)) * np.float32(strength)
    lit(seen, 0.95 + 0.65 * light, 115 * np.maximum(light - 0.4, 0))


class Clay:
    """The heights of what is drawn on a layer, to light it by.

    Kept at half the layer's resolution: light is smooth.
    """

    def __init__(self) -> None:
        self._surface: Field = np.zeros((SIZE // 2, SIZE // 2), np.float32)

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
        """Light the pen's layer; `blur` rounds the steps, in the layer's pixels."""
        surface = cv2.GaussianBlur(self._surface, (0, 0), blur / 2)
        slope = cv2.Sobel(surface, cv2.CV_32F, 1, 0) + 1.3 * cv2.Sobel(surface, cv2.CV_32F, 0, 1)
        light = cv2.resize(np.clip(slope * (0.0045 * strength), -0.62, 0.5), (SIZE, SIZE))
        opacity = pen.layer[..., 3].astype(np.float32)
        lit(pen.layer, 1 - np.abs(light), np.maximum(light, 0) * opacity)
