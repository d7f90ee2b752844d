"""Textures: what covers a whole picture, or a part of it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from training.bestiary.fields import blended, clouds, paint
from training.bestiary.palette import shaded
from training.bestiary.pen import SIZE, Pen
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, around, turn

__all__ = ["bricks", "coat", "honeycomb", "pebbles", "plain", "plumage", "scales", "waves", "zebra"]


_EDGE = 1.15  # beyond the layer's edge


@family("textures", texture=True)
def plain(pen: Pen) -> None:
    """Nothing but clouds: what there is no name for."""
    first, second, *_ = pen.palette
    paint(pen, blended(first, second, clouds(pen) * pen.between(0.1, 0.3) + 0.5))


@family("textures", texture=True)
def zebra(pen: Pen) -> None:
    """Stripes that split and join, as on a hide."""
    field = clouds(pen, 0).copy()
    width = pen.between(5, 9)
    for _ in range(3):  # Sharpened bands of the noise's middle frequencies
        field = cv2.GaussianBlur(field, (0, 0), width / 2) - cv2.GaussianBlur(field, (0, 0), width)
        field = np.tanh(4 * field / field.std())
    dark, light = sorted(pen.palette[:2], key=sum)
    colors = blended(shaded(dark, -0.5), shaded(light, 0.5), 2.5 * field + 0.5)
    paint(pen, colors * (1 + 0.1 * clouds(pen)[..., None]))


@family("textures", texture=True)
def waves(pen: Pen) -> None:
    """Bands that run beside each other like water or sand."""
    rows = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None]
    lift = cv2.GaussianBlur(clouds(pen, 1), (0, 0), 6)
    phase = rows * pen.between(4, 8) + lift * pen.between(0.15, 0.5)
    profile = (phase % 1).astype(np.float32)
    colors = blended(shaded(pen.palette[0], -0.4), shaded(pen.palette[1], 0.3), profile**2)
    paint(pen, colors)


@family("textures", texture=True)
def honeycomb(pen: Pen) -> None:
    """Six-sided cells, hollow or domed."""
    size = pen.between(0.13, 0.26)
    pen.fill(shaded(pen.palette[0], -0.7))
    hollow = pen.chance(0.5)
    corners = around(turn(6))
    for column, x in enumerate(np.arange(-_EDGE, _EDGE + size, 1.5 * size)):
        for y in np.arange(-_EDGE - column % 2 * size * 0.866, _EDGE + size, 1.732 * size):
            color = shaded(pen.palette[0], pen.between(-0.15, 0.15))
            for part in (0.92, 0.7, 0.45, 0.2):
                light = (part - 0.6) if hollow else (0.5 - part)
                middle = np.array([x, y]) - (0.92 - part) * size * 0.12
                pen.polygon(middle + corners * size * part, shaded(color, 0.9 * light))


@family("textures", texture=True)
def scales(pen: Pen) -> None:
    """Rows of overlapping scales, each with a bright edge."""
    _overlapping(pen, pen.between(0.16, 0.34), pen.between(0.85, 1.3), ribs=0)


@family("textures", texture=True)
def plumage(pen: Pen) -> None:
    """Rows of overlapping feathers, each with its shaft and barbs."""
    _overlapping(pen, pen.between(0.26, 0.42), pen.between(1.3, 2.0), ribs=pen.count(4, 7))


def _overlapping(pen: Pen, size: float, long: float, ribs: int) -> None:
    """Rows of rounded tips, `size` apart and `long` times as long, from below upwards."""
    pen.fill(shaded(pen.palette[0], -0.7))
    outline = around(np.linspace(0, math.pi, 16)) * (0.56 * size, 0.56 * size * long)
    layers = outline * np.array([(1.06, 1.06), (1, 1), (0.86, 0.88), (0.6, 0.6)])[:, None]
    share = np.arange(ribs) / max(ribs, 1)
    roots = np.stack([0 * share, (share + 0.5 / max(ribs, 1)) * 0.4], 1)
    ends = np.stack([0.4 * (1 - share), roots[:, 1] + 0.14], 1)
    barbs = np.concatenate([np.stack([roots, ends * (side, 1)], 1) for side in SIDES])
    barbs *= (size, size * long)
    shaft = np.array([(0, 0), (0, 0.5 * size * long)])
    eyed = pen.chance(0.3)
    for row, y in enumerate(np.arange(_EDGE, -_EDGE - size * long, -0.42 * size * long)):
        for x in np.arange(-_EDGE - row % 2 * size / 2, _EDGE + size, size):
            color = shaded(pen.palette[row % 2 if eyed else 0], pen.between(-0.2, 0.2))
            at = (x + pen.between(-0.03, 0.03) * size, y)
            tones = shaded(color, -0.65), shaded(color, 0.3), color, shaded(color, -0.25)
            pen.polygons(layers + at, tones)
            if ribs:
                pen.lines(barbs + at, shaded(color, -0.5), 1)
                pen.line(shaft + at, shaded(color, 0.6), 1)


@family("textures", texture=True)
def coat(pen: Pen) -> None:
    """Fur combed by the wind."""
    pen.fill(shaded(pen.palette[0], -0.4))
    wind = cv2.GaussianBlur(clouds(pen, 1), (0, 0), 8)
    start, spread = pen.between(0, 2 * math.pi), pen.between(0.3, 1.0)
    length, colors = pen.between(0.18, 0.36), pen.palette[: pen.count(1, 3)]
    noise, count = pen.noise(), 380
    roots = noise.uniform(-_EDGE, _EDGE, (count, 2))
    columns, rows = ((roots + 1) / 2 * SIZE).astype(int).clip(0, SIZE - 1).T
    ahead = around(start + spread * wind[rows, columns]) * length
    across = ahead[:, ::-1] * (-1, 1)
    middles = roots + 0.5 * ahead
    tips = roots + ahead + noise.uniform(-0.2, 0.2, (count, 1)) * across
    wide = across / length * 0.022
    edges = middles + 0.6 * wide, tips, middles - 0.6 * wide
    tones = [shaded(pen.pick(colors), pen.between(-0.6, 0.55)) for _ in range(count)]
    pen.polygons(np.stack([roots + wide, *edges, roots - wide], 1), tones)


@family("textures", texture=True)
def pebbles(pen: Pen) -> None:
    """Rounded stones close together."""
    count, half = pen.count(18, 50), SIZE // 2
    places = np.array([(pen.between(0, half), pen.between(0, half)) for _ in range(count)])
    rows, columns = np.mgrid[0:half, 0:half]
    away = np.hypot(columns[..., None] - places[:, 0], rows[..., None] - places[:, 1])
    nearest = np.partition(away, 1, -1)
    height = cv2.resize((nearest[..., 1] - nearest[..., 0]).astype(np.float32), (SIZE, SIZE))
    owner = cv2.resize(
        away.argmin(-1).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST
    ).astype(np.int64)
    stones = [shaded(pen.pick(pen.palette[:3]), pen.between(-0.3, 0.3)) for _ in range(count)]
    dome = np.clip(height / pen.between(4, 9), 0, 1) ** 0.5
    light = np.clip(0.15 + 0.95 * dome + 0.12 * np.gradient(-height, axis=0), 0, 1.6)
    paint(pen, np.asarray(stones)[owner] * light[..., None])


@family("textures", texture=True)
def bricks(pen: Pen) -> None:
    """A wall of bricks in mortar."""
    pen.fill(shaded(pen.palette[1], 0.4 if pen.chance(0.6) else -0.6))
    high = pen.between(0.16, 0.34)
    wide, gap = high * pen.between(1.7, 2.5), 0.025
    clay = pen.pick(((165.0, 75.0, 55.0), pen.palette[0]))
    for row, y in enumerate(np.arange(-_EDGE, _EDGE, high)):
        for x in np.arange(-_EDGE - row % 2 * wide / 2, _EDGE, wide):
            color = shaded(clay, pen.between(-0.35, 0.2))
            for inset, light in ((gap, -0.3), (1.8 * gap, 0.05)):
                left, top, right, low = x + gap, y + gap, x + wide - inset, y + high - inset
                pen.polygon(
                    [(left, top), (right, top), (right, low), (left, low)], shaded(color, light)
                )
