"""A family's picture: specimens before a background, in some light, as if photographed."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bestiary.fields import COLUMNS, ROWS, blended, clouds
from training.bestiary.light import Field, lit
from training.bestiary.palette import Palette, shaded
from training.bestiary.pen import SIZE, Layer, Pen, cut
from training.bestiary.registry import FAMILIES, Family

__all__ = ["SIDE", "picture"]

Image = NDArray[np.float32]
"""[SIDE, SIDE, 3], 0 to 255"""

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
        image = _covered(kind, pen, layer) if covers else _placed(kind, pen, _ragged(pen, layer))
    else:
        image = _placed(kind, pen, layer)
    return _photographed(pen, image)


def _lit(pen: Pen, layer: Layer) -> Layer:
    """The layer with light from one side, as its outline suggests a solid, and a little grain."""
    quarter = SIZE // 4, SIZE // 4  # The light is smooth.
    body = cv2.resize(layer[..., 3], quarter, interpolation=cv2.INTER_AREA).astype(np.float32)
    body = np.asarray(cv2.GaussianBlur(body, (0, 0), pen.between(4, 12) / 4), np.float32)
    angle, strength = pen.between(0, 2 * math.pi), pen.between(0, 1)
    right, down = (cv2.Sobel(body, cv2.CV_32F, *axis, ksize=1) for axis in ((1, 0), (0, 1)))
    slope = (right * math.cos(angle) + down * math.sin(angle)) * (strength / 120)
    light = np.asarray(cv2.resize(1 - slope, (SIZE, SIZE)), np.float32)
    if pen.chance(0.6):
        light += np.float32(pen.between(0.03, 0.12)) * clouds(pen)
    shown = layer.copy()
    lit(shown, np.maximum(light, 0))
    return shown


def _ragged(pen: Pen, layer: Layer) -> Layer:
    """The layer within a ragged round outline."""
    far = (ROWS**2 + COLUMNS**2) * 0.85 * pen.between(0.9, 1.5)
    mask = np.clip((clouds(pen, 0.8) * 0.3 + 1 - far) * 5, 0, 1)
    return cut(layer, (255 * mask).astype(np.uint8))


def _angle(kind: Family, pen: Pen) -> float:
    """How far it is turned, in degrees."""
    return pen.random.gauss(0, 12) if kind.upright else pen.between(0, 360)


def _covered(kind: Family, pen: Pen, layer: Layer) -> Image:
    scale = pen.between(1.35, 2.0) * SIDE / SIZE
    turned = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), _angle(kind, pen), scale)
    turned[:, 2] += np.full(2, SIDE / 2 - SIZE / 2)
    return np.asarray(
        cv2.warpAffine(layer[..., :3], turned, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101),
        np.float32,
    )


def _placed(kind: Family, pen: Pen, layer: Layer) -> Image:
    """One specimen, large as a rule, or several copies, before a background of other colours."""
    image = _background(pen)
    count = pen.random.choices((1, 2, pen.count(3, 5)), (66, 17, 17))[0]
    low, high = {1: (0.7, 1.35), 2: (0.5, 0.85)}.get(count, (0.35, 0.6))
    for number in range(count):
        share = pen.between(low, high)
        copy = layer[:, ::-1] if pen.chance(0.5) else layer
        free = max(0.05, (1 - share * _FULL) / 2) + 0.05
        x, y = (SIDE * (0.5 + pen.between(-free, free)) for _ in range(2))
        shown = _warped(pen, copy, share, _angle(kind, pen), x, y)
        if pen.chance(0.4):
            fallen = np.roll(shown[..., 3], (4, 4), (0, 1)).astype(np.float32)
            shadow = cv2.GaussianBlur(fallen, (0, 0), 4) * (0.5 / 255)
            image *= cv2.merge([1 - shadow] * 3)
        dim = pen.between(0.6, 1.05) if number and pen.chance(0.4) else 1.0
        image = _over(image, shown, dim)
    return image


def _over(image: Image, layer: Layer, dim: float = 1) -> Image:
    """The image under a layer of [SIDE, SIDE, 4] whose colours are multiplied by `dim`."""
    clear = 1 - layer[..., 3] * np.float32(1 / 255)
    above = np.minimum(layer[..., :3] * np.float32(dim), 255)
    return np.asarray(image * cv2.merge([clear] * 3) + above, np.float32)


def _warped(pen: Pen, layer: Layer, share: float, degrees: float, x: float, y: float) -> Layer:
    """The layer at `share` of the picture's width around (x, y), turned and a little stretched."""
    size = max(24, round(share * SIDE))
    faithful = cv2.INTER_LINEAR if 2 * size >= SIZE else cv2.INTER_AREA  # the former is faster
    small = cv2.resize(layer, (size, size), interpolation=faithful)
    turned = cv2.getRotationMatrix2D((size / 2, size / 2), degrees, 1.0)
    stretch = math.sqrt(pen.between(0.8, 1.25))
    turned[0] *= stretch
    turned[1] /= stretch
    middle = turned @ np.array([size / 2, size / 2, 1])
    turned[:, 2] += np.array([x, y]) - middle
    return np.asarray(cv2.warpAffine(small, turned, (SIDE, SIDE)), np.uint8)


def _background(pen: Pen) -> Image:
    """A gradient, clouds, or clouds with clutter."""
    colors = Palette.of(pen.random)
    kind = pen.random.choices(("gradient", "clouds", "clutter"), (25, 50, 25))[0]
    field = cv2.resize(clouds(pen), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if kind == "gradient":
        share = 0.5 + 0.35 * _slope(pen) + pen.between(0, 0.06) * field
    else:
        share = 0.5 + pen.between(0.1, 0.33) * field
    start, end = (shaded(color, pen.between(-0.5, 0.4)) for color in colors[:2])
    image = blended(start, end, share)
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
    strewn = cv2.resize(clutter.layer, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    image = _over(image, np.asarray(strewn, np.uint8))
    if pen.chance(0.5):
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), pen.between(0.5, 2.7)), np.float32)
    return image


def _photographed(pen: Pen, image: Image) -> NDArray[np.uint8]:
    """In uneven light, with some contrast and exposure, sharp or not, with grain."""
    if pen.chance(0.5):
        image = image * cv2.merge([1 + pen.between(0, 0.35) * _slope(pen)] * 3)
    image = (image - 128) * pen.between(0.7, 1.15) + 128 + pen.between(-25, 20)
    if pen.chance(0.3):
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), pen.between(0.4, 1.1)), np.float32)
    grain = pen.between(0, 6) * clouds(pen, 0)[:SIDE, :SIDE]
    return np.asarray(np.clip(image + cv2.merge([grain] * 3), 0, 255), np.uint8)


def _slope(pen: Pen) -> Field:
    """[SIDE, SIDE] that rises evenly, from -1 to 1 over the width, in some direction."""
    angle = pen.between(0, 2 * math.pi)
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    return across * np.float32(math.cos(angle)) + across[:, None] * np.float32(math.sin(angle))
