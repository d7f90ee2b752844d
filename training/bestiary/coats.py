"""Coats: hair and feathers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.bestiary.palette import Color, shaded
from training.bestiary.pen import Pen
from training.bestiary.shapes import Points, rotated

__all__ = ["fur", "strands", "vane"]


def strands(pen: Pen, paths: NDArray[np.float64], tones: Sequence[Color], width: int = 1) -> None:
    """Many thin lines at once, [lines, points, 2], each in one of the tones."""
    for number, tone in enumerate(tones):
        pen.lines(paths[number :: len(tones)], tone, width)


def fur(
    pen: Pen,
    x: float,
    y: float,
    a: float,
    b: float,
    colors: Sequence[Color],
    *,
    hairs: int = 160,
    length: float = 0.14,
) -> None:
    """Hairs all over an ellipse, pointing outwards and a little down."""
    for _ in range(hairs):
        angle, out = pen.between(0, 2 * math.pi), math.sqrt(pen.random.random())
        dx, dy = a * out * math.cos(angle), b * out * math.sin(angle)
        way = math.atan2(dy + 0.25, dx) + pen.between(-0.35, 0.35)
        root = x + dx, y + dy
        tip = root[0] + length * math.cos(way), root[1] + length * math.sin(way)
        pen.line([root, tip], shaded(pen.pick(colors), pen.between(-0.35, 0.35)), 1)


_VANE_POINTS = 10


@cache
def _vane_shape(barbs: int) -> Points:
    """A feather 1 long, 1 to each side: its two edges, its shaft, each barb's middle and ends."""

    def edge(t: Points, ahead: float = 0) -> Points:
        return np.stack([t + ahead, -(np.sin(math.pi * t**1.5) ** 0.7)], 1)

    upper, t = edge(np.linspace(0, 1, _VANE_POINTS)), np.linspace(0.25, 0.9, barbs)
    middles, ends = np.stack([t, 0 * t], 1), edge(t, 0.1)
    shaft = np.array([(0, 0), (0.95, 0)])
    return np.concatenate([upper, upper[::-1] * (1, -1), shaft, middles, ends, ends * (1, -1)])


def vane(
    pen: Pen,
    root: tuple[float, float],
    angle: float,
    length: float,
    width: float,
    color: Color,
    *,
    barbs: int = 0,
) -> None:
    """A feather from its root: dark edge, a lit and a shaded half, barbs and a pale shaft.

    `width` is half its breadth.
    """
    points = rotated(_vane_shape(barbs) * (length, width), angle) + root
    count = _VANE_POINTS
    whole = points[: 2 * count]
    pen.polygon(whole, shaded(color, -0.15))
    pen.polygon(points[:count], shaded(color, 0.2))
    for middle, left, right in zip(*points[2 * count + 2 :].reshape(3, barbs, 2), strict=True):
        pen.line([left, middle, right], shaded(color, -0.4), 1)
    pen.line(whole, shaded(color, -0.6), 1, closed=True)
    pen.line(points[2 * count : 2 * count + 2], shaded(color, 0.45), 1)
