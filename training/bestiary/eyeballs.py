"""Eyeballs: an iris with its rays, a pupil round or slit, and glints."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.bestiary.coats import strands
from training.bestiary.palette import Color, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import GLINT, INK
from training.bestiary.shapes import around, turn
from training.bestiary.tints import iris_color

__all__ = ["SLIT", "eye", "eyes", "globe"]

SLIT = (0.13, 0.86)
"""A cat's pupil, as `globe` takes it."""


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
        ahead = around(ways) * radius
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
    pen.ellipse(x, y, wide * radius, high * radius, INK, angle)
    pen.ellipse(x - 0.32 * radius, y - 0.36 * radius, radius * 0.23, radius * 0.18, GLINT, -0.6)
    if radius > 0.06:
        pen.disc(x + 0.34 * radius, y + 0.36 * radius, radius * 0.09, mixed(GLINT, color, 0.3))


def eye(
    pen: Pen, x: float, y: float, radius: float, *, slit: bool = False, rim: Color | None = None
) -> None:
    """An animal's eye of any colour with a round pupil, or a slit; `rim` is darkened around it."""
    if rim is not None:
        pen.disc(x, y, radius * 1.18, shaded(rim, -0.6))
    wide = pen.between(0.38, 0.6)
    globe(pen, x, y, radius, iris_color(pen), pupil=(0.4 * wide, 0.85) if slit else (wide, wide))


def eyes(
    pen: Pen, places: ArrayLike, radius: float, *, slit: bool = False, rim: Color | None = None
) -> None:
    """The same eye at each of the places, a point each."""
    dice = pen.random.getstate()
    for x, y in np.asarray(places, np.float64):
        pen.random.setstate(dice)
        eye(pen, x, y, radius, slit=slit, rim=rim)
