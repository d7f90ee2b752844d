"""Fish from the side, looking to the left: scaled ones, a seahorse, a shark."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.bestiary.eyeballs import eye
from training.bestiary.fields import ROWS, blended, paint
from training.bestiary.light import swell
from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.pen import SIZE, UNIT, Pen
from training.bestiary.pigments import INK, IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import band, rotated, smooth
from training.bestiary.solids import inked, pose, solid

__all__ = ["fancy_fish", "fish", "seahorse", "shark"]


@cache
def _scale_relief(size: int) -> NDArray[np.float32]:
    """How light (0 to 1) each pixel is under scales `size` pixels apart with tips to the right."""
    relief = np.zeros((SIZE, SIZE), np.uint8)
    columns = range(SIZE + size, -size, -max(1, size // 2))
    for number, x in enumerate(columns):  # from the tail on: the front ones lie over the others
        for y in range(-(number % 2) * size // 2, SIZE + size, size):
            for share, light in ((0.68, 20), (0.58, 190), (0.42, 225), (0.26, 255)):
                middle = round(x - (0.6 - share) * size * 0.4), y
                cv2.circle(relief, middle, max(1, round(size * share)), light, -1, cv2.LINE_AA)
    return np.asarray(relief / 255, np.float32)


def _scaled(pen: Pen, color: Color, size: float, *, other: Color | None = None) -> Pen:
    """A skin of scales `size` units long lying to the right, towards `other` at the belly."""
    skin = pen.another()
    relief = _scale_relief(round(size * UNIT))[..., None]
    tone = blended(color, other or color, 1.3 * (ROWS + 1) / 2)
    paint(skin, tone * (0.35 + 0.7 * relief) + 160 * np.maximum(relief - 0.75, 0))
    return skin


def _rays(pen: Pen, root: ArrayLike, edge: ArrayLike, color: Color, count: int) -> None:
    """A fin between the lines `root` and `edge` (as many points each), with its rays."""
    inner, outer = np.asarray(root, np.float64), np.asarray(edge, np.float64)
    part = pen.another()
    part.polygon(np.concatenate([inner, outer[::-1]]), color)
    for t in np.linspace(0, len(inner) - 1, count):
        low = int(min(t, len(inner) - 2))
        share = t - low
        start = inner[low] * (1 - share) + inner[low + 1] * share
        end = outer[low] * (1 - share) + outer[low + 1] * share
        part.line([start, end], shaded(color, pen.pick((-0.5, -0.35, 0.35))), pen.count(1, 2))
    swell(part.layer, 0.6)
    pen.paste(part.layer)
    pen.line(outer, shaded(color, -0.5), 2)


@family("animals", upright=True)
def fish(pen: Pen) -> None:
    """A fish from the side: scales, fins with rays, a big eye."""
    coat, fin, mark, *_ = pen.palette
    if pen.chance(0.4):
        coat = hsv(pen.between(0, 1), pen.between(0.5, 0.9), pen.between(0.75, 1))
    high, ink = pen.between(0.42, 0.6), inked(pen)
    fork, spiky = pen.between(0.35, 0.7), pen.chance(0.5)
    s = np.linspace(0, 1, 8)
    notch = 0.74 + 0.24 * np.abs(2 * s - 1) ** 1.3
    _rays(
        pen,
        np.stack([0.45 + 0 * s, -0.06 + 0.12 * s], 1),
        np.stack([notch, fork * (2 * s - 1)], 1),
        fin,
        12,
    )
    root = np.stack([-0.35 + 0.75 * s, -high * (0.85 - 0.6 * s**2)], 1)
    crest = (
        (0.34 + 0.1 * (np.arange(8) % 2) * spiky)
        * np.sin(math.pi * (0.15 + 0.75 * s))
        * pen.between(0.7, 1.2)
    )
    _rays(pen, root, root - np.stack([-0.12 * s, crest], 1), fin, 11)
    root = np.stack([-0.1 + 0.5 * s, high * (0.8 - 0.6 * s**2)], 1)
    _rays(
        pen,
        root,
        root + np.stack([0.2 + 0 * s, 0.3 * np.sin(math.pi * (0.2 + 0.6 * s))], 1),
        fin,
        7,
    )
    outline = smooth(
        [(-0.92, 0.03), (-0.62, -high * 0.62), (-0.15, -high), (0.3, -high * 0.6),
         (0.55, -0.09), (0.55, 0.09),
         (0.3, high * 0.55), (-0.15, high * 0.95), (-0.65, high * 0.6)]
    )  # fmt: skip
    skin = _scaled(
        pen,
        coat,
        pen.between(0.13, 0.2),
        other=shaded(pen.palette[3], 0.3) if pen.chance(0.5) else None,
    )
    match pen.pick(("plain", "bands", "line", "belly")):
        case "bands":
            for x in np.linspace(-0.25, 0.45, pen.count(2, 4)):
                skin.line([(x, -1), (x + 0.08, 0), (x, 1)], shaded(mark, -0.3), pen.count(8, 14))
        case "line":
            skin.line([(-1, 0), (1, -0.02)], shaded(mark, 0.2), pen.count(8, 16))
        case "belly":
            skin.ellipse(-0.1, high, 0.8, high * 0.7, shaded(coat, 0.6))
        case _:
            pass
    face = shaded(coat, pen.between(-0.25, 0.25))
    skin.ellipse(-0.85, 0, 0.46, 0.8, shaded(face, -0.6))
    skin.ellipse(-0.89, 0, 0.46, 0.8, face)
    solid(pen, outline, skin, ink=ink)
    _rays(pen, [(-0.3, 0.08), (-0.28, 0.2)], [(0.05, -0.04), (-0.02, 0.36)], shaded(fin, 0.15), 7)
    eye(pen, -0.62, -high * 0.22, pen.between(0.12, 0.17), rim=face)
    pen.line(smooth([(-0.9, 0.08), (-0.8, 0.14), (-0.7, 0.12)], closed=False), INK, 2)
    pose(pen)


@family("animals", upright=True)
def fancy_fish(pen: Pen) -> None:
    """A round fish with flowing veils for fins and stripes around it."""
    coat = (
        hsv(pen.between(0.0, 0.13), pen.between(0.7, 1), 1) if pen.chance(0.5) else pen.palette[0]
    )
    veil, stripe = (
        mixed(coat, pen.palette[1], pen.between(0, 1)),
        pen.pick((IVORY, shaded(pen.palette[2], -0.5))),
    )
    s = np.linspace(0, 1, 14)

    def flow(start: float, end: float, reach: float, x: float, y: float) -> None:
        phase, waves = pen.between(0, 6), pen.between(8, 13)
        angle = start + (end - start) * s
        far = reach * (1 + 0.1 * np.sin(waves * s + phase))
        edge = np.stack([x + far * np.cos(angle), y + far * np.sin(angle)], 1)
        near = np.stack([x + 0.1 * np.cos(angle), y + 0.1 * np.sin(angle)], 1)
        _rays(pen, near, edge, shaded(veil, pen.between(-0.15, 0.25)), 17)

    flow(-1.25, -0.1, pen.between(0.76, 0.9), 0.1, 0.0)
    flow(0.0, 1.2, pen.between(0.76, 0.9), 0.1, 0.05)
    flow(-0.55, 0.6, pen.between(0.65, 0.8), 0.15, 0.02)
    flow(-2.3, -0.9, pen.between(0.72, 0.9), -0.3, -0.15)
    flow(1.0, 2.0, pen.between(0.65, 0.85), -0.25, 0.15)
    high = pen.between(0.4, 0.52)
    skin = _scaled(pen, coat, 0.17)
    for x in np.linspace(-0.42, 0.15, pen.count(2, 3)):
        skin.line([(x, -0.8), (x + 0.06, 0), (x, 0.8)], shaded(coat, -0.7), 17)
        skin.line([(x, -0.8), (x + 0.06, 0), (x, 0.8)], stripe, 12)
    skin.ellipse(-0.95, 0, 0.32, 0.6, shaded(coat, 0.15))
    outline = smooth(
        [(-0.92, 0.03), (-0.72, -high * 0.7), (-0.3, -high), (0.1, -high * 0.6), (0.32, 0),
         (0.1, high * 0.6),
         (-0.3, high), (-0.75, high * 0.65)]
    )  # fmt: skip
    solid(pen, outline, skin, ink=inked(pen))
    _rays(pen, [(-0.35, 0.1), (-0.33, 0.2)], [(0.0, 0.1), (-0.12, 0.42)], veil, 6)
    eye(pen, -0.66, -0.1, pen.between(0.15, 0.19), rim=IVORY)
    pen.disc(-0.9, 0.05, 0.05, shaded(coat, -0.5))
    pose(pen)


@family("animals", upright=True)
def seahorse(pen: Pen) -> None:
    """A seahorse: a ringed body, a long snout and a curled tail."""
    coat, other, mark, *_ = pen.palette
    lean, curl = pen.between(-0.05, 0.1), pen.between(1.3, 1.75) * math.pi
    turn = np.linspace(0, curl, 16)
    radius = 0.27 * (1 - 0.68 * turn / curl)
    center = np.array([-0.13, 0.6])
    tail = np.stack([center[0] + radius * np.cos(turn), center[1] + radius * np.sin(turn)], 1)
    trunk = smooth(
        [(0.1, -0.62), (0.24, -0.35), (0.02, -0.05), (0.06, 0.3), (0.14, 0.6)], closed=False
    )
    path = np.concatenate([trunk + (lean, 0), tail[1:]])
    length = np.linspace(0, 1, len(path))
    widths = np.interp(length, (0, 0.12, 0.32, 0.55, 1), (0.18, 0.15, 0.31, 0.14, 0.03))
    fin = np.linspace(0, 1, 6)
    root = np.stack([0.2 + lean + 0 * fin, -0.25 + 0.4 * fin], 1)
    edge = root + np.stack([0.38 * np.sin(0.4 + 2.2 * fin), -0.06 + 0.1 * fin], 1)
    _rays(pen, root, edge, other, 10)
    skin = pen.another()
    skin.fill(coat)
    outline = band(path, widths)
    half = len(path)
    for number in range(half):
        left, right = outline[number], outline[2 * half - 1 - number]
        middle = (left + right) / 2 + (0, 0.03)
        skin.line([left, middle, right], shaded(coat, -0.45 if number % 2 else 0.35), 2)
        if number % 2 and number < 28:
            skin.disc(middle[0], middle[1], 0.03, shaded(mark, 0.2))
            pen.line([left, left + (left - middle) * 0.35], shaded(coat, -0.2), 4)
    solid(pen, outline, skin, ink=inked(pen))
    hx, hy = 0.02 + lean, -0.66
    for angle in np.linspace(-0.5, 0.9, 5):
        spike = rotated([(-0.05, -0.1), (0, -0.4), (0.05, -0.1)], float(angle)) + (hx, hy)
        pen.polygon(spike, shaded(other, pen.between(-0.3, 0.2)))
    snout = pen.between(0.5, 0.66)
    head = smooth(
        [(hx + 0.24, hy), (hx + 0.08, hy - 0.22), (hx - 0.18, hy - 0.15), (hx - 0.32, hy),
         (hx - snout, hy + 0.08),
         (hx - snout - 0.04, hy + 0.18), (hx - 0.3, hy + 0.16), (hx - 0.1, hy + 0.22),
         (hx + 0.16, hy + 0.2)]
    )  # fmt: skip
    solid(pen, head, shaded(coat, 0.1), ink=inked(pen))
    for step in range(3):
        pen.line(
            [(hx - 0.36 - 0.08 * step, hy + 0.02), (hx - 0.36 - 0.08 * step, hy + 0.16)],
            shaded(coat, -0.4),
            1,
        )
    eye(pen, hx - 0.06, hy - 0.02, 0.1, rim=other)
    pose(pen)


@family("animals", upright=True)
def shark(pen: Pen) -> None:
    """A shark from the side: fins like blades, gills, teeth, a pale belly."""
    hue = pen.between(0.52, 0.66)
    back = (
        hsv(hue, pen.between(0.1, 0.55), pen.between(0.3, 0.75))
        if pen.chance(0.7)
        else shaded(pen.palette[0], -0.1)
    )
    belly, ink, bend = shaded(back, 0.75), inked(pen), pen.between(-0.12, 0.12)
    dark = shaded(back, -0.2)
    solid(
        pen,
        smooth(
            [
                (0.7, bend), (0.92, -0.42 + bend), (1.04, -0.62 + bend), (0.98, -0.25 + bend),
                (0.88, 0.02 + bend), (1.0, 0.36 + bend), (0.78, 0.16 + bend),
            ]
        ),
        dark,
        ink=ink,
    )  # fmt: skip
    fin = pen.between(0.5, 0.66)
    solid(
        pen,
        smooth(
            [
                (-0.18, -0.2), (0.04, -0.2 - fin * 0.6), (0.24, -0.2 - fin), (0.22, -0.4),
                (0.28, -0.15), (0.1, -0.1),
            ]
        ),
        dark,
        ink=ink,
    )  # fmt: skip
    solid(pen, smooth([(0.45, -0.1), (0.58, -0.3), (0.6, -0.12), (0.62, 0)]), dark)
    solid(pen, smooth([(0.3, 0.15), (0.45, 0.38), (0.48, 0.2), (0.5, 0.08)]), dark)
    skin = pen.another()
    skin.fill(back)
    skin.polygon(
        smooth(
            [(-1.1, 0.12), (-0.6, 0.07), (0, 0.14), (0.5, 0.06), (1.1, bend), (1, 0.8), (-1.1, 0.8)]
        ),
        belly,
    )
    if pen.chance(0.4):
        for _ in range(22):
            x = pen.between(-0.4, 0.8)
            skin.disc(
                x,
                pen.between(-0.3, 0.0),
                pen.between(0.02, 0.04),
                shaded(back, pen.pick((-0.4, 0.4))),
            )
    for number in range(5):
        x = -0.44 + 0.065 * number
        skin.line([(x, -0.12), (x + 0.03, 0.02), (x, 0.14)], shaded(back, -0.65), 2)
    outline = smooth(
        [(-1.02, -0.06), (-0.75, -0.22), (-0.3, -0.32), (0.15, -0.28), (0.6, -0.1 + bend / 2),
         (0.86, -0.04 + bend), (0.86, 0.06 + bend),
         (0.5, 0.16), (0, 0.33), (-0.45, 0.32), (-0.8, 0.18)]
    )  # fmt: skip
    solid(pen, outline, skin, ink=ink)
    wide = pen.between(0.07, 0.13)
    mouth = smooth(
        [(-0.86, 0.1), (-0.72, 0.12), (-0.54, 0.1), (-0.6, 0.12 + wide), (-0.76, 0.12 + wide)]
    )
    pen.polygon(mouth, (120.0, 25.0, 35.0))
    for number in range(6):
        x = -0.83 + 0.048 * number
        pen.polygon([(x, 0.09), (x + 0.045, 0.09), (x + 0.022, 0.16)], (250.0, 250.0, 248.0))
    solid(
        pen,
        smooth([(-0.28, 0.16), (-0.02, 0.22), (0.06, 0.5), (0.12, 0.78), (-0.14, 0.55)]),
        dark,
        ink=ink,
    )
    eye(pen, -0.7, -0.06, 0.065, rim=back)
    pose(pen)
