"""The pen that every family draws with: a transparent layer, its shapes, a palette and a dice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.bestiary.palette import Color, Palette
from training.bestiary.shapes import band

T = TypeVar("T")

__all__ = ["SHIFT", "SIZE", "UNIT", "Box", "Layer", "Pen", "cut", "laid", "pixels", "window"]

Layer = NDArray[np.uint8]
"""[SIZE, SIZE, 4] or a piece of one: red, green, blue, opacity; colours times the opacity"""
Box = tuple[slice, slice]
"""rows and columns of a layer"""

SIZE = 192
"""Pixels a side of a layer."""
UNIT = 0.46 * SIZE
"""Pixels of one of the pen's units."""
SHIFT = 4
"""cv2 takes positions in fractions of a pixel, 1 / 2**SHIFT."""

_MIDDLE = SIZE / 2
_FINE = 1 << SHIFT

cv2.setNumThreads(1)  # Pictures are drawn in processes side by side.


def pixels(points: ArrayLike, scale: float = 1) -> NDArray[np.int32]:
    """Where the points are on a layer of `scale` times the size, in cv2's fractions of pixels."""
    place = np.asarray(points, np.float64) * (UNIT * _FINE * scale) + _MIDDLE * _FINE * scale
    return np.rint(place, place).astype(np.int32, order="C")


def window(outline: ArrayLike) -> tuple[Box, NDArray[np.uint8]]:
    """The part of a layer that the polygon lies in, and there how much it covers, 0 to 255."""
    corners = pixels(outline)
    low = np.maximum((corners.min(0) >> SHIFT) - 1, 0)
    high = np.clip((corners.max(0) >> SHIFT) + 3, low, SIZE)
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    mask = np.zeros((bottom - top, right - left), np.uint8)
    if mask.size:
        cv2.fillPoly(mask, [corners - (low << SHIFT)], (255,), cv2.LINE_AA, SHIFT)
    return (slice(top, bottom), slice(left, right)), mask


def cut(layer: Layer, mask: NDArray[np.uint8], opacity: float = 1) -> Layer:
    """What is left of the layer under a mask of 0 to 255, at that opacity."""
    if not mask.size:
        return layer
    return np.asarray(cv2.multiply(layer, cv2.merge([mask] * 4), scale=opacity / 255), np.uint8)


def laid(below: Layer, above: Layer) -> None:
    """Lay `above` over `below`, in place; both are as large."""
    if above.size:
        below[:] = cv2.add(cut(below, 255 - above[..., 3]), above)


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

    def noise(self) -> np.random.Generator:
        """Dice for arrays of numbers, thrown as this pen's dice say."""
        return np.random.default_rng(self.random.getrandbits(32))

    # -- shapes --------------------------------------------------------------------------------

    def fill(self, color: Color) -> None:
        """The whole layer in one colour."""
        self.layer[:] = _opaque(color)

    def polygon(self, points: ArrayLike, color: Color) -> None:
        """A filled polygon; it may be concave."""
        cv2.fillPoly(self.layer, [pixels(points)], _opaque(color), cv2.LINE_AA, SHIFT)

    def polygons(self, outlines: NDArray[np.float64], colors: Iterable[Color]) -> None:
        """Many filled polygons, [..., points, 2], each with its colour, one after the other."""
        corners = pixels(outlines).reshape(-1, *outlines.shape[-2:])
        for outline, color in zip(corners, colors, strict=True):
            cv2.fillPoly(self.layer, [outline], _opaque(color), cv2.LINE_AA, SHIFT)

    def line(
        self, points: ArrayLike, color: Color, width: float = 2, *, closed: bool = False
    ) -> None:
        """A line through the points, `width` pixels wide."""
        thickness = max(1, int(width))
        cv2.polylines(
            self.layer, [pixels(points)], closed, _opaque(color), thickness, cv2.LINE_AA, SHIFT
        )

    def lines(self, paths: NDArray[np.float64], color: Color, width: float = 2) -> None:
        """Many lines of one colour, [lines, points, 2]."""
        thickness = max(1, int(width))
        cv2.polylines(
            self.layer, [*pixels(paths)], False, _opaque(color), thickness, cv2.LINE_AA, SHIFT
        )

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
        self._ellipse(x, y, radius, radius, color, 0, cv2.FILLED)

    def ribbon(self, points: ArrayLike, start: float, end: float, color: Color) -> None:
        """A band along the points whose half width goes from `start` to `end`."""
        path = np.asarray(points, np.float64)
        self.polygon(band(path, np.linspace(start, end, len(path))), color)

    # -- layers --------------------------------------------------------------------------------

    def another(self) -> Pen:
        """A pen with the same dice and palette on a new layer."""
        return Pen(self.random, self.palette)

    def paste(self, layer: Layer, *, within: ArrayLike | None = None, opacity: float = 1) -> None:
        """Lay `layer` over this one, cut to the polygon `within` if there is one.

        With an `opacity` below 1 this one shows through, as through glass.
        """
        if within is not None:
            box, mask = window(within)
        else:
            left, top, width, height = cv2.boundingRect(layer[..., 3])
            box = slice(top, top + height), slice(left, left + width)
            mask = np.full((height, width), 255, np.uint8)
        whole = within is None and opacity == 1
        laid(self.layer[box], layer[box] if whole else cut(layer[box], mask, opacity))

    def _ellipse(
        self, x: float, y: float, a: float, b: float, color: Color, angle: float, width: int
    ) -> None:
        middle = round((x * UNIT + _MIDDLE) * _FINE), round((y * UNIT + _MIDDLE) * _FINE)
        axes = max(8, round(a * UNIT * _FINE)), max(8, round(b * UNIT * _FINE))
        degrees = math.degrees(angle)
        cv2.ellipse(
            self.layer, middle, axes, degrees, 0, 360, _opaque(color), width, cv2.LINE_AA, SHIFT
        )


def _opaque(color: Color) -> tuple[int, int, int, int]:
    red, green, blue = color  # Written out: called for every stroke of a picture.
    return (
        int(min(255.0, max(0.0, red))),
        int(min(255.0, max(0.0, green))),
        int(min(255.0, max(0.0, blue))),
        255,
    )
