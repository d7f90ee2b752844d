"""Shapes: outlines and curves as points, before any pen draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SIDES", "Points", "band", "blade", "mirrored", "oval", "rotated", "smooth", "turn"]

Points = NDArray[np.float64]
"""[points, 2], x to the right and y down, each -1 to 1 within the layer's margin"""

SIDES = (-1, 1)
"""Left and right, as what x is multiplied with."""


def turn(count: int) -> NDArray[np.float64]:
    """`count` angles evenly around the circle, in radians from 0."""
    return np.linspace(0, 2 * math.pi, count, endpoint=False)


def rotated(points: ArrayLike, angle: float) -> Points:
    """The points turned around the origin by `angle` radians, clockwise as y points down."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: Points = np.asarray(points, np.float64) @ np.array([[cosine, sine], [-sine, cosine]])
    return turned


def oval(x: float, y: float, a: float, b: float, angle: float = 0) -> Points:
    """An ellipse of 28 points around (x, y) with half axes `a` and `b`, turned by `angle`."""
    t = turn(28)
    return rotated(np.stack([a * np.cos(t), b * np.sin(t)], 1), angle) + (x, y)


def mirrored(half: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """An outline from its right half, which starts and ends on the middle line."""
    return [*half, *((-x, y) for x, y in half[-2:0:-1])]


def smooth(points: ArrayLike, *, closed: bool = True, steps: int = 7) -> Points:
    """A curve (Catmull-Rom) through the points, with `steps` points for each of them."""
    knots = np.asarray(points, np.float64)
    if not closed:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    before, here, after, later = (np.roll(knots, -shift, 0) for shift in (-1, 0, 1, 2))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = here + 0.5 * t * (
        after
        - before
        + t * (2 * before - 5 * here + 4 * after - later)
        + t * t * (3 * here - before - 3 * after + later)
    )
    if closed:
        return curve.swapaxes(0, 1).reshape(-1, 2)
    return np.concatenate([curve[:, 1:-2].swapaxes(0, 1).reshape(-1, 2), knots[-2:-1]])


def band(path: ArrayLike, widths: ArrayLike) -> Points:
    """The outline of a band along the path whose half width at each point is in `widths`."""
    points = np.asarray(path, np.float64)
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    across *= np.asarray(widths, np.float64).reshape(-1, 1) / (
        np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    )
    return np.concatenate([points + across, (points - across)[::-1]])


def blade(length: float, width: float, fullness: float = 0.8, points: int = 14) -> Points:
    """The outline of a petal or a leaf from the origin along x, `width` to either side.

    `fullness` below 1 moves the widest place towards the origin, above 1 towards the tip.
    """
    t = np.linspace(0, 1, points)
    bulge = np.sin(math.pi * t**fullness) * width
    return np.concatenate(
        [np.stack([t * length, bulge], 1), np.stack([t * length, -bulge], 1)[::-1]]
    )


def box(x: float, y: float, half: float, height: float) -> Points:
    """An upright rectangle that stands at (x, y), `half` to either side."""
    return np.array([(x - half, y), (x + half, y), (x + half, y - height), (x - half, y - height)])
