"""A family's picture: specimens before a background, in some light, as if photographed."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bestiary.noise import clouds
from training.bestiary.palette import Palette, shaded
from training.bestiary.pen import SIZE, Layer, Pen
from training.bestiary.registry import FAMILIES, Family

__all__ = ["SIDE", "picture"]

Image = NDArray[np.float32]
"""[side, side, 3], 0 to 255"""

SIDE = 128
"""Pixels a side of a picture."""

_MASKED = 0.35  # share of textures that are seen through a hole only
_FULL = 2 * 0.46 * SIZE / SIZE  # of a layer's width that a specimen takes


def picture(family: str, seed: int) -> NDArray[np.uint8]:
    """The family's picture number `seed`: uint8 [SIDE, SIDE, 3], the same each time.

    Raises KeyError for a name that is no family's.
    """
    kind = FAMILIES[family]
    random = Random(f"{family} {seed}")  # Strings are hashed the same way in each run.
    pen = Pen(random)
    kind.draw(pen)
    layer = _lit(pen, pen.layer)
    if kind.texture:
        covers = kind.name == "plain" or not pen.chance(_MASKED)
        image = _covered(kind, pen, layer) if covers else _placed(kind, pen, _cut(pen, layer))
    else:
        image = _placed(kind, pen, layer)
    return _photographed(pen, image)


def _lit(pen: Pen, layer: Layer) -> Image:
    """The layer with light from one side, as its outline suggests a solid, and a little grain.

    float32 [SIZE, SIZE, 4], colours multiplied by opacity, 0 to 255.
    """
    lit = layer.astype(np.float32)
    body = cv2.GaussianBlur(lit[..., 3], (0, 0), pen.between(4, 12))
    angle, reach = pen.between(0, 2 * math.pi), 3
    right = np.roll(body, reach, 1) - np.roll(body, -reach, 1)
    down = np.roll(body, reach, 0) - np.roll(body, -reach, 0)
    light = 1 + pen.between(0, 1) * (right * math.cos(angle) + down * math.sin(angle)) / 90
    if pen.chance(0.6):
        light = light + pen.between(0.03, 0.12) * clouds(pen)
    lit[..., :3] = np.clip(lit[..., :3] * light[..., None], 0, lit[..., 3:])
    return lit


def _cut(pen: Pen, layer: Image) -> Image:
    """The layer within a ragged round outline."""
    rows, columns = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    far = (rows**2 + columns**2) * pen.between(0.9, 1.5)
    mask = np.clip((clouds(pen, 0.8) * 0.3 + 1 - far) * 5, 0, 1)
    return np.asarray(layer * mask[..., None], np.float32)


def _angle(kind: Family, pen: Pen) -> float:
    """How far it is turned, in degrees."""
    return pen.random.gauss(0, 12) if kind.upright else pen.between(0, 360)


def _covered(kind: Family, pen: Pen, layer: Image) -> Image:
    scale = pen.between(1.35, 2.0) * SIDE / SIZE
    turned = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), _angle(kind, pen), scale)
    turned[:, 2] += np.full(2, SIDE / 2 - SIZE / 2)
    return np.asarray(
        cv2.warpAffine(layer[..., :3], turned, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101),
        np.float32,
    )


def _placed(kind: Family, pen: Pen, layer: Image) -> Image:
    """One specimen, large as a rule, or several copies, before a background of other colours."""
    background = cv2.resize(_background(pen), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    image = np.asarray(background, np.float32)
    count = pen.random.choices((1, 2, pen.count(3, 5)), (66, 17, 17))[0]
    low, high = {1: (0.7, 1.35), 2: (0.5, 0.85)}.get(count, (0.35, 0.6))
    for number in range(count):
        share = pen.between(low, high)
        copy = layer[:, ::-1] if pen.chance(0.5) else layer
        free = max(0.05, (1 - share * _FULL) / 2) + 0.05
        x, y = (SIDE * (0.5 + pen.between(-free, free)) for _ in range(2))
        shown = _warped(pen, copy, share, _angle(kind, pen), x, y)
        opacity = shown[..., 3:] / 255
        if pen.chance(0.4):
            shadow = cv2.GaussianBlur(np.roll(opacity[..., 0], (4, 4), (0, 1)), (0, 0), 4)
            image *= np.asarray(1 - 0.5 * shadow[..., None], np.float32)
        dim = pen.between(0.6, 1.05) if number and pen.chance(0.4) else 1.0
        image = np.asarray(
            image * (1 - opacity) + np.minimum(shown[..., :3] * dim, 255), np.float32
        )
    return image


def _warped(pen: Pen, layer: Image, share: float, degrees: float, x: float, y: float) -> Image:
    """The layer at `share` of the picture's width around (x, y), turned and a little stretched."""
    size = max(24, round(share * SIDE))
    small = cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA)
    turned = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1.0)
    stretch = math.sqrt(pen.between(0.8, 1.25))
    turned[0] *= stretch
    turned[1] /= stretch
    middle = turned @ np.array([size / 2, size / 2, 1])
    turned[:, 2] += np.array([x, y]) - middle
    return np.asarray(cv2.warpAffine(small, turned, (SIDE, SIDE)), np.float32)


def _background(pen: Pen) -> Image:
    """float32 [SIZE, SIZE, 3]: a gradient, clouds, or clouds with clutter."""
    colors = Palette.of(pen.random)
    kind = pen.random.choices(("gradient", "clouds", "clutter"), (25, 50, 25))[0]
    field = clouds(pen)
    if kind == "gradient":
        share = 0.5 + 0.35 * _slope(pen, SIZE) + pen.between(0, 0.06) * field
    else:
        share = 0.5 + pen.between(0.1, 0.33) * field
    ends = [np.asarray(shaded(color, pen.between(-0.5, 0.4))) for color in colors[:2]]
    part = np.clip(share, 0, 1)[..., None]
    image = np.asarray(ends[0] * (1 - part) + ends[1] * part, np.float32)
    if kind == "clutter":
        image = _cluttered(pen, image, colors)
    return image


def _cluttered(pen: Pen, image: Image, colors: Palette) -> Image:
    """Sticks, spots and shards strewn over it, often out of focus."""
    clutter = Pen(pen.random, colors)
    for _ in range(pen.count(5, 35)):
        color = shaded(pen.pick(colors), pen.between(-0.5, 0.5))
        x, y = pen.between(-1.1, 1.1), pen.between(-1.1, 1.1)
        match pen.pick(("stick", "spot", "shard")):
            case "stick":
                end = x + pen.between(-0.8, 0.8), y + pen.between(-0.8, 0.8)
                clutter.line([(x, y), end], color, pen.count(1, 5))
            case "spot":
                clutter.ellipse(
                    x, y, pen.between(0.03, 0.3), pen.between(0.03, 0.3), color, pen.between(0, 3)
                )
            case _:
                corners = [
                    (x + pen.between(-0.3, 0.3), y + pen.between(-0.3, 0.3))
                    for _ in range(pen.count(3, 5))
                ]
                clutter.polygon(corners, color)
    above = clutter.layer.astype(np.float32)
    image = np.asarray(above[..., :3] + image * (1 - above[..., 3:] / 255), np.float32)
    if pen.chance(0.5):
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), pen.between(0.7, 4)), np.float32)
    return image


def _photographed(pen: Pen, image: Image) -> NDArray[np.uint8]:
    """In uneven light, with some contrast and exposure, sharp or not, with grain."""
    if pen.chance(0.5):
        image = image * (1 + pen.between(0, 0.35) * _slope(pen, SIDE))[..., None]
    image = (image - 128) * pen.between(0.7, 1.15) + 128 + pen.between(-25, 20)
    if pen.chance(0.3):
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), pen.between(0.4, 1.1)), np.float32)
    grain = pen.between(0, 6) * clouds(pen, 0)[:SIDE, :SIDE]
    return np.clip(image + grain[..., None], 0, 255).astype(np.uint8)


def _slope(pen: Pen, side: int) -> Image:
    """[side, side] that rises evenly, from -1 to 1 over the width, in some direction."""
    angle = pen.between(0, 2 * math.pi)
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return np.asarray(columns * math.cos(angle) + rows * math.sin(angle), np.float32)
