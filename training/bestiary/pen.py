"""The pen that every family draws with: a transparent layer, its shapes, a palette and a dice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.bestiary.palette import Color, Palette

T = TypeVar("T")

__all__ = ["SIZE", "Layer", "Pen", "pixels"]

Layer = NDArray[np.uint8]
"""[SIZE, SIZE, 4], red, green, blue and opacity; the colours are multiplied by the opacity"""

SIZE = 192
_UNIT = 0.46 * SIZE
_MIDDLE = SIZE / 2
SHIFT = 4  # cv2 takes sixteenths of a pixel for sub-pixel positions.
_FINE = 1 << SHIFT

cv2.setNumThreads(1)  # Pictures are drawn in processes side by side.


class Pen:
    """Draws on a transparent layer of its own.

    Lengths are in units of which the layer is a little more than 2 wide, with (0, 0) in its
    middle; line widths are in pixels of the layer. Angles are in radians. What is drawn later
    covers what was drawn before.
    """

    def __init__(self, random: Random, palette: Palette | None = None) -> None:
        self.random = random
        self.palette = palette or Palette.of(random)
        self.layer: Layer = np.zeros((SIZE, SIZE, 4), np.uint8)

    # -- the dice ------------------------------------------------------------------------------

    def between(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return self.random.uniform(low, high)

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return self.random.randint(low, high)

    def chance(self, probability: float) -> bool:
        """True as often as `probability` says."""
        return self.random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return self.random.choice(choices)

    # -- shapes --------------------------------------------------------------------------------

    def fill(self, color: Color) -> None:
        """The whole layer in one colour."""
        self.layer[:] = _opaque(color)

    def polygon(self, points: ArrayLike, color: Color) -> None:
        """A filled polygon; it may be concave."""
        cv2.fillPoly(self.layer, [pixels(points)], _opaque(color), cv2.LINE_AA, SHIFT)

    def line(
        self, points: ArrayLike, color: Color, width: float = 2, *, closed: bool = False
    ) -> None:
        """A line through the points, `width` pixels wide."""
        thickness = max(1, int(width))
        cv2.polylines(
            self.layer, [pixels(points)], closed, _opaque(color), thickness, cv2.LINE_AA, SHIFT
        )

    def lines(self, paths: NDArray[np.float64], color: Color, width: int = 1) -> None:
        """Many lines at once, [lines, points, 2]."""
        cv2.polylines(self.layer, [*pixels(paths)], False, (*color, 255), width, cv2.LINE_AA, SHIFT)

    def ellipse(
        self, x: float, y: float, a: float, b: float, color: Color, angle: float = 0
    ) -> None:
        """A filled ellipse with half axes `a` and `b`, turned by `angle`."""
        self._ellipse(x, y, a, b, color, angle, cv2.FILLED)

    def ring(
        self,
        x: float,
        y: float,
        a: float,
        b: float,
        color: Color,
        width: float = 2,
        angle: float = 0,
    ) -> None:
        """An ellipse's outline, `width` pixels wide."""
        self._ellipse(x, y, a, b, color, angle, max(1, int(width)))

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        """A filled circle."""
        self.ellipse(x, y, radius, radius, color)

    def ribbon(self, points: ArrayLike, start: float, end: float, color: Color) -> None:
        """A band along the points whose half width goes from `start` to `end`."""
        path = np.asarray(points, np.float64)
        along = np.gradient(path, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], 1)
        across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
        across *= np.linspace(start, end, len(path))[:, None]
        self.polygon(np.concatenate([path + across, (path - across)[::-1]]), color)

    # -- layers --------------------------------------------------------------------------------

    def another(self) -> Pen:
        """A pen with the same dice and palette on a new layer."""
        return Pen(self.random, self.palette)

    def paste(self, layer: Layer, *, within: ArrayLike | None = None, opacity: float = 1) -> None:
        """Lay `layer` over this one, cut to the polygon `within` if there is one.

        With an `opacity` below 1 this one shows through, as through glass.
        """
        if opacity < 1:
            layer = (layer * np.float32(opacity)).astype(np.uint8)
        shown = layer.astype(np.uint16)
        box = slice(None), slice(None)
        if within is not None:
            mask = np.zeros((SIZE, SIZE), np.uint8)
            cv2.fillPoly(mask, [pixels(within)], (255,), cv2.LINE_AA, SHIFT)
            left, top, width, height = cv2.boundingRect(mask)
            box = slice(top, top + height), slice(left, left + width)
            shown = layer[box].astype(np.uint16) * mask[box][..., None] // 255
        below = self.layer[box].astype(np.uint16) * (255 - shown[..., 3:]) // 255
        self.layer[box] = np.minimum(shown + below, 255)

    def _ellipse(
        self, x: float, y: float, a: float, b: float, color: Color, angle: float, width: int
    ) -> None:
        [[column, row]] = pixels([(x, y)])
        axes = tuple(max(8, round(axis * _UNIT * _FINE)) for axis in (a, b))
        degrees = math.degrees(angle)
        cv2.ellipse(
            self.layer,
            (int(column), int(row)),
            axes,
            degrees,
            0,
            360,
            _opaque(color),
            width,
            cv2.LINE_AA,
            SHIFT,
        )


def pixels(points: ArrayLike, scale: float = 1) -> NDArray[np.int32]:
    """Where the points are on a layer of `scale` times the size, as cv2 wants them: in 1 / FINE."""
    place = np.asarray(points, np.float64) * _UNIT + _MIDDLE
    return np.round(place * (_FINE * scale)).astype(np.int32)


def _opaque(color: Color) -> tuple[int, int, int, int]:
    red, green, blue = color  # Written out: called for every stroke of a picture.
    return (
        int(min(255.0, max(0.0, red))),
        int(min(255.0, max(0.0, green))),
        int(min(255.0, max(0.0, blue))),
        255,
    )
