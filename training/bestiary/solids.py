"""Bodies: what looks round, and how a whole specimen is lit and posed by its outline alone.

Where heights are known, `training.bestiary.clay` lights by them instead.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from training.bestiary.palette import BLACK, WHITE, Color, mixed, shaded
from training.bestiary.pen import Layer, Pen

__all__ = ["ball", "inked", "lathe", "pose", "solid", "swell"]


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
        pen.ellipse(x - 0.3 * a, y - 0.35 * b, a * 0.12, b * 0.12, mixed(WHITE, BLACK, 0.02), angle)


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


def swell(layer: Layer, strength: float = 1) -> None:
    """Shade what is on the layer in place as if it bulged out, lit from the upper left."""
    left, top, width, height = cv2.boundingRect(layer[..., 3])
    if min(width, height) < 4:
        return
    seen = layer[top : top + height, left : left + width]
    half = (width // 2, height // 2)  # The light is smooth: half the resolution is plenty.
    inside = (cv2.resize(seen[..., 3], half, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    far = cv2.distanceTransform(cv2.copyMakeBorder(inside, 1, 1, 1, 1, 0), cv2.DIST_L2, 3)
    depth = max(2.0, min(18.0, float(far.max())))
    bulge = depth * np.sqrt(1 - (1 - np.minimum(far / depth, 1)) ** 2)
    bulge = cv2.blur(cv2.blur(bulge, (5, 5)), (5, 5))
    right = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=0.125)
    light = (0.55 * right + 0.8 * down) / np.sqrt(1 + right * right + down * down)
    light = cv2.resize(light[1:-1, 1:-1], (width, height)) * np.float32(strength)
    gain = 0.95 + 0.65 * light
    gloss = (115 * np.maximum(light - 0.4, 0)).astype(np.uint8)
    opacity = seen[..., 3]
    lit = cv2.multiply(seen, cv2.merge([gain, gain, gain, np.ones_like(gain)]), dtype=cv2.CV_8U)
    lit = cv2.add(lit, cv2.merge([gloss, gloss, gloss, np.zeros_like(gloss)]))
    seen[:] = cv2.min(lit, cv2.merge([opacity] * 4))


def solid(pen: Pen, outline: ArrayLike, skin: Pen | Color, *, ink: float = 0) -> None:
    """A bulging body: a colour, or what `skin` has drawn, cut to the outline.

    `ink` is the width of a dark line around it in pixels; 0 for none.
    """
    part = pen.another()
    part.polygon(outline, WHITE if isinstance(skin, Pen) else skin)
    left, top, width, height = cv2.boundingRect(part.layer[..., 3])
    window = slice(top, top + height), slice(left, left + width)
    shape: Layer = part.layer[window].copy()
    if isinstance(skin, Pen):
        cv2.multiply(shape, skin.layer[window], shape, scale=1 / 255)
    if width and height:
        swell(shape)
        clear = cv2.merge([255 - shape[..., 3]] * 4)
        below = cv2.multiply(pen.layer[window], clear, scale=1 / 255)
        pen.layer[window] = cv2.add(below, shape)
    if ink:
        pen.line(outline, (24, 18, 20), ink, closed=True)


def pose(pen: Pen, *, lean: float = 0.12) -> None:
    """Stretch and lean what is drawn by a little, so that no two have the same proportions."""
    wide, high = pen.between(0.86, 1.03), pen.between(0.86, 1.04)
    shear, middle = pen.between(-lean, lean), pen.layer.shape[0] / 2
    warp = np.array([[wide, shear, 0], [shear * pen.between(-0.5, 0.5), high, 0]])
    warp[:, 2] = middle - warp[:, :2].sum(1) * middle
    cv2.warpAffine(pen.layer.copy(), warp, pen.layer.shape[:2], pen.layer)
    cv2.min(pen.layer, cv2.merge([pen.layer[..., 3]] * 4), pen.layer)


def inked(pen: Pen) -> float:
    """The width of the specimen's outlines: mostly none."""
    return pen.pick((0, 0, 1, 2, 3))
