"""Solids: balls, turned bodies, bodies of any outline, and the pose of a whole specimen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from training.bestiary.light import swell
from training.bestiary.palette import Color, shaded
from training.bestiary.pen import SIZE, Pen, cut, laid, window
from training.bestiary.pigments import GLINT, INK

__all__ = ["ball", "inked", "lathe", "pose", "solid"]


def ball(
    pen: Pen,
    x: float,
    y: float,
    a: float,
    b: float,
    color: Color,
    angle: float = 0,
    *,
    gloss: bool = True,
) -> None:
    """An ellipse lit from the upper left, with a highlight now and then if `gloss`."""
    steps = 6
    for step in range(steps):
        t = step / (steps - 1)
        pen.ellipse(
            x - 0.24 * a * t,
            y - 0.28 * b * t,
            a * (1 - 0.85 * t),
            b * (1 - 0.85 * t),
            shaded(color, 0.75 * t - 0.5),
            angle,
        )
    if gloss and pen.chance(0.7):
        pen.ellipse(x - 0.3 * a, y - 0.35 * b, a * 0.12, b * 0.12, GLINT, angle)


def lathe(
    pen: Pen, x: float, heights: ArrayLike, radii: ArrayLike, color: Color, *, depth: float = 0.5
) -> None:
    """A turned body around the upright axis at `x`, lit from the left.

    It reaches `radii[i]` to either side at the height `heights[i]`; `depth` is how dark its
    shadow side is.
    """
    y, half = np.asarray(heights, np.float64), np.asarray(radii, np.float64)
    for t in np.linspace(0, 1, 7):
        middle, reach = x - 0.38 * half * t, half * (1 - 0.85 * t)
        left, right = np.stack([middle - reach, y], 1), np.stack([middle + reach, y], 1)
        pen.polygon(np.concatenate([left, right[::-1]]), shaded(color, (depth + 0.3) * t - depth))


def solid(pen: Pen, outline: ArrayLike, skin: Pen | Color, *, ink: float = 0) -> None:
    """A bulging body: a colour, or what `skin` has drawn, cut to the outline.

    `ink` is the width of a dark line around it in pixels; 0 for none.
    """
    if not isinstance(skin, Pen):
        color, skin = skin, pen.another()
        skin.fill(color)
    box, mask = window(outline)
    if mask.size:
        shape = cut(skin.layer[box], mask)
        swell(shape)
        laid(pen.layer[box], shape)
    if ink:
        pen.line(outline, INK, ink, closed=True)


def pose(pen: Pen, *, lean: float = 0.12) -> None:
    """Stretch and lean what is drawn by a little, so that no two have the same proportions."""
    wide, high = pen.between(0.86, 1.03), pen.between(0.86, 1.04)
    shear, middle = pen.between(-lean, lean), SIZE / 2
    warp = np.array([[wide, shear, 0], [shear * pen.between(-0.5, 0.5), high, 0]])
    warp[:, 2] = middle - warp[:, :2].sum(1) * middle
    cv2.warpAffine(pen.layer.copy(), warp, (SIZE, SIZE), pen.layer)
    cv2.min(pen.layer, cv2.merge([pen.layer[..., 3]] * 4), pen.layer)


def inked(pen: Pen) -> float:
    """The width of the specimen's outlines: mostly none."""
    return pen.pick((0, 0, 1, 2, 3))
