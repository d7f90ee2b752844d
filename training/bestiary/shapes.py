"""Shapes: outlines and curves as points, before any pen draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SIDES",
    "Points",
    "around",
    "band",
    "blade",
    "box",
    "mirrored",
    "oval",
    "rotated",
    "smooth",
    "turn",
]

_CATMULL_ROM = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2

Points = NDArray[np.float64]
"""[points, 2], x to the right and y down, each -1 to 1 within the layer's margin"""

SIDES = (-1, 1)
"""Left and right, as what x is multiplied with."""


def turn(count: int) -> NDArray[np.float64]:
    """`count` angles evenly around the circle, in radians from 0."""
    return np.linspace(0, 2 * math.pi, count, endpoint=False)


def around(angles: ArrayLike) -> NDArray[np.float64]:
    """[..., 2]: where on the circle of radius 1 the angles (radians) are."""
    ways = np.asarray(angles, np.float64)
    return np.stack([np.cos(ways), np.sin(ways)], -1)


def rotated(points: ArrayLike, angle: float) -> Points:
    """The points turned around the origin by `angle` radians, clockwise as y points down."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: Points = np.asarray(points, np.float64) @ np.array([[cosine, sine], [-sine, cosine]])
    return turned


def oval(x: float, y: float, a: float, b: float, angle: float = 0) -> Points:
    """An ellipse of 28 points around (x, y) with half axes `a` and `b`, turned by `angle`."""
    points: Points = rotated(_circle() * (a, b), angle) + (x, y)
    return points


@cache
def _circle() -> Points:
    circle = around(turn(28))
    circle.flags.writeable = False
    return circle


def box(x: float, y: float, half: float, height: float) -> Points:
    """An upright rectangle that stands at (x, y), `half` to either side."""
    return np.array([(x - half, y), (x + half, y), (x + half, y - height), (x - half, y - height)])


def blade(length: float, width: float, fullness: float = 0.8, points: int = 14) -> Points:
    """The outline of a petal or a leaf from the origin along x, `width` to either side.

    `fullness` below 1 moves the widest place towards the origin, above 1 towards the tip.
    """
    t = np.linspace(0, 1, points)
    bulge = np.sin(math.pi * t**fullness) * width
    return np.concatenate(
        [np.stack([t * length, bulge], 1), np.stack([t * length, -bulge], 1)[::-1]]
    )


def band(path: ArrayLike, widths: ArrayLike) -> Points:
    """The outline of a band along the path whose half width at each point is in `widths`."""
    points = np.asarray(path, np.float64)
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    across = along[:, ::-1] * (-1, 1)
    lengths = np.sqrt((along * along).sum(1)) + 1e-9
    across *= (np.asarray(widths, np.float64) / lengths)[:, None]
    return np.concatenate([points + across, (points - across)[::-1]])


def mirrored(half: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """An outline from its right half, which starts and ends on the middle line."""
    return [*half, *((-x, y) for x, y in half[-2:0:-1])]


def smooth(points: ArrayLike, *, closed: bool = True, steps: int = 7) -> Points:
    """A curve (Catmull-Rom) through the points, with `steps` points for each of them."""
    knots = np.asarray(points, np.float64)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    pieces = len(knots) - 3
    near = np.stack([knots[place : place + pieces] for place in range(4)], 1)
    curve: Points = (_blends(steps) @ near).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knots[-2:-1]])


@cache
def _blends(steps: int) -> NDArray[np.float64]:
    """[steps, 4]: the shares that the four nearest knots have in a curve between two of them."""
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    powers = np.concatenate([0 * t + 1, t, t**2, t**3], 1)
    blends: NDArray[np.float64] = powers @ _CATMULL_ROM
    return blends
