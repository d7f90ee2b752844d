"""Limbs: the feelers and jointed legs of insects and their kin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.bestiary.palette import Color, shaded
from training.bestiary.pen import Pen
from training.bestiary.shapes import SIDES, band, smooth

__all__ = ["feelers", "insect_legs", "legs"]


def feelers(pen: Pen, x: float, y: float, reach: float, color: Color, *, club: bool = True) -> None:
    """A pair of antennae curling outwards from a head at (`x`, `y`)."""
    curl = pen.between(0.2, 0.6)
    for side in SIDES:
        path = [
            (x + side * 0.03, y),
            (x + side * reach * curl * 0.6, y - reach * 0.6),
            (x + side * reach * curl * 1.4, y - reach),
        ]
        pen.line(smooth(path, closed=False), color, 2)
        if club:
            pen.disc(x + side * reach * curl * 1.4, y - reach, 0.035, color)


def legs(pen: Pen, rows: ArrayLike, color: Color, *, width: float = 0.035) -> None:
    """Jointed legs on both sides; each row is the points of a right leg."""
    for row in np.asarray(rows, np.float64):
        for side in SIDES:
            sway = np.array([[0, 0], [0, 1], [0, 1]]) * pen.between(-0.06, 0.06)
            leg = smooth((row + sway) * (side, 1), closed=False, steps=3)
            pen.polygon(
                band(leg, np.linspace(width * 1.4, width * 0.6, len(leg))), shaded(color, -0.4)
            )
            pen.line(leg - (0.008, 0.012), shaded(color, 0.25), 1)


def insect_legs(pen: Pen, wide: float, color: Color) -> None:
    """An insect's three pairs of legs, around a body `wide` to either side."""
    rows = [
        [(wide * 0.6, -0.3), (wide + 0.16, -0.5), (wide + 0.24, -0.82)],
        [(wide * 0.8, 0.0), (wide + 0.26, -0.06), (wide + 0.4, 0.16)],
        [(wide * 0.7, 0.3), (wide + 0.22, 0.42), (wide + 0.28, 0.86)],
    ]
    legs(pen, rows, color)
