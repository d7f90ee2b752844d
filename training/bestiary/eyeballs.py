"""Eyeballs: an iris with its pupil and its glints."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from training.bestiary.coats import strands
from training.bestiary.palette import BLACK, WHITE, Color, hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.shapes import turn

__all__ = ["SLIT", "eye", "eyes", "globe"]


_INK: Color = (14.0, 11.0, 12.0)
_GLINT: Color = (252.0, 252.0, 250.0)
SLIT = (0.13, 0.86)
"""a cat's pupil, as `globe` takes it"""
_PUPIL: Color = (8.0, 8.0, 10.0)


def globe(
    pen: Pen,
    x: float,
    y: float,
    radius: float,
    color: Color,
    *,
    pupil: tuple[float, float] = (0.5, 0.5),
    angle: float = 0,
) -> None:
    """An iris with a dark edge, rays, a pupil and glints, lit from the upper left.

    `pupil` is its half axes in radii; `angle` turns it.
    """
    pen.disc(x, y, radius, shaded(color, -0.75))
    pen.disc(x, y, radius * 0.93, shaded(color, -0.25))
    pen.disc(x + 0.05 * radius, y + 0.1 * radius, radius * 0.8, color)
    pen.disc(x + 0.1 * radius, y + 0.2 * radius, radius * 0.62, shaded(color, 0.25))
    if radius > 0.1:
        ways = turn(int(16 + 60 * radius))
        ways += [pen.between(-0.1, 0.1) for _ in ways]
        ahead = np.stack([np.cos(ways), np.sin(ways)], 1) * radius
        ends = np.array([[pen.between(0.6, 0.92)] for _ in ways])
        shades = [shaded(color, light) for light in (-0.6, 0.3, -0.4, 0.5, -0.2)]
        pen.random.shuffle(shades)
        rays = np.stack([0.3 * ahead, ends * ahead], 1) + (x, y)
        strands(pen, rays, shades, max(1, int(radius * 3.5)))
    wide, high = pupil
    if radius > 0.1:
        pen.ellipse(
            x, y, (wide + 0.06) * radius, (high + 0.06) * radius, shaded(color, -0.6), angle
        )
    pen.ellipse(x, y, wide * radius, high * radius, _INK, angle)
    pen.ellipse(x - 0.32 * radius, y - 0.36 * radius, radius * 0.23, radius * 0.18, _GLINT, -0.6)
    if radius > 0.06:
        pen.disc(x + 0.34 * radius, y + 0.36 * radius, radius * 0.09, mixed(_GLINT, color, 0.3))


def eye(
    pen: Pen, x: float, y: float, radius: float, *, slit: bool = False, rim: Color | None = None
) -> None:
    """An iris with its rays, pupil (round, or a slit) and glint; `rim` is darkened around it."""
    iris = pen.pick(
        (
            hsv(pen.between(0.05, 0.16), pen.between(0.6, 1), pen.between(0.6, 1)),
            hsv(pen.between(0.5, 0.62), pen.between(0.3, 0.9), pen.between(0.5, 0.95)),
            hsv(pen.between(0.2, 0.4), pen.between(0.3, 0.8), pen.between(0.4, 0.8)),
            hsv(pen.between(0.03, 0.08), 0.7, 0.4),
            pen.palette[0],
        )
    )
    if rim is not None:
        pen.disc(x, y, radius * 1.18, shaded(rim, -0.6))
    pen.disc(x, y, radius, shaded(iris, -0.5))
    pen.disc(x, y, radius * 0.92, iris)
    if radius > 0.12:
        for _ in range(18):
            angle = pen.between(0, 2 * math.pi)
            reach = pen.between(0.6, 0.9) * radius
            way = np.array([math.cos(angle), math.sin(angle)])
            ray = np.array([x, y]) + np.outer((0.35 * radius, reach), way)
            pen.line(ray, shaded(iris, pen.between(-0.5, 0.5)), radius * 4)
    pupil = pen.between(0.38, 0.6) * radius
    if slit:
        pen.ellipse(x, y, pupil * 0.4, radius * 0.85, _PUPIL)
    else:
        pen.disc(x, y, pupil, _PUPIL)
    pen.disc(x - 0.3 * radius, y - 0.32 * radius, radius * 0.2, mixed(WHITE, BLACK, 0.01))
    if pen.chance(0.5):
        pen.disc(x + 0.3 * radius, y + 0.3 * radius, radius * 0.09, mixed(WHITE, BLACK, 0.15))


def eyes(
    pen: Pen, places: ArrayLike, radius: float, *, slit: bool = False, rim: Color | None = None
) -> None:
    """The same eye at each of the places, a point each."""
    dice = pen.random.getstate()
    for x, y in np.asarray(places, np.float64):
        pen.random.setstate(dice)
        eye(pen, x, y, radius, slit=slit, rim=rim)
