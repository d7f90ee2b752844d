"""Coats: strands of hair, fur all over a body, and feathers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.bestiary.palette import Color, shaded
from training.bestiary.pen import Pen
from training.bestiary.shapes import Points, around, rotated
from training.bestiary.tints import tones

__all__ = ["fur", "strands", "strewn", "vane"]

_VANE_POINTS = 10


def strands(pen: Pen, paths: NDArray[np.float64], shades: Sequence[Color], width: int = 1) -> None:
    """Many thin lines at once, [lines, points, 2], each in one of the shades."""
    for number, shade in enumerate(shades):
        pen.lines(paths[number :: len(shades)], shade, width)


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
    noise = pen.noise()
    roots = strewn(noise, x, y, a, b, hairs)
    away = roots - (x, y - 0.25)
    ways = np.arctan2(away[:, 1], away[:, 0]) + noise.uniform(-0.35, 0.35, hairs)
    strands(pen, np.stack([roots, roots + length * around(ways)], 1), tones(pen, colors))


def strewn(
    noise: np.random.Generator, x: float, y: float, a: float, b: float, count: int
) -> Points:
    """So many points evenly strewn over an ellipse with half axes `a` and `b`."""
    out = np.sqrt(noise.random((count, 1)))
    return out * around(noise.uniform(0, 2 * math.pi, count)) * (a, b) + (x, y)


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
    if barbs:
        middles, left, right = points[2 * count + 2 :].reshape(3, barbs, 2)
        pen.lines(np.stack([left, middles, right], 1), shaded(color, -0.4), 1)
    pen.line(whole, shaded(color, -0.6), 1, closed=True)
    pen.line(points[2 * count : 2 * count + 2], shaded(color, 0.45), 1)
