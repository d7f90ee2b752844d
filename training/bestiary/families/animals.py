"""Whole animals, mostly seen from the side and looking to the left."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.parts import band, eye, eyes, pose, smooth, solid, swell, vane
from training.bestiary.pen import SIZE, Pen, Points, rotated
from training.bestiary.registry import family

__all__: list[str] = []

_INK: Color = (24.0, 18.0, 20.0)
_BONE: Color = (240.0, 232.0, 212.0)


def _ink(pen: Pen) -> float:
    """The width of the specimen's outlines: mostly none."""
    return pen.pick((0, 0, 1, 2, 3))


def _beak_color(pen: Pen) -> Color:
    return pen.pick((hsv(pen.between(0.05, 0.14), 0.85, 0.95), (60.0, 55.0, 58.0), pen.palette[3]))


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
    relief = _scale_relief(round(size * SIZE * 0.46))[..., None]
    down = np.linspace(-0.3, 1.3, SIZE, dtype=np.float32).clip(0, 1)[:, None, None]
    above, below = np.asarray(color, np.float32), np.asarray(other or color, np.float32)
    tone = above * (1 - down) + below * down
    shown = tone * (0.35 + 0.7 * relief) + 160 * np.maximum(relief - 0.75, 0)
    skin.fill(color)
    skin.layer[..., :3] = np.minimum(shown, 255)
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


def _foot(pen: Pen, x: float, top: float, ground: float, color: Color) -> None:
    """A bird's leg with three toes."""
    pen.line([(x + 0.06, top), (x, ground)], color, 4)
    for toe in (-0.15, -0.04, 0.12):
        pen.line([(x, ground), (x + toe, ground + 0.06)], color, 3)


@family("animals", upright=True)
def bird(pen: Pen) -> None:
    """A songbird on a branch, wings folded."""
    coat, wing, breast, *_ = pen.palette
    ink, head, plump = _ink(pen), pen.between(0.3, 0.38), pen.between(0.38, 0.52)
    bark = hsv(0.07, pen.between(0.2, 0.6), pen.between(0.25, 0.55))
    branch = smooth([(-1, 0.9), (-0.3, 0.8), (0.4, 0.86), (1, 0.72)], closed=False)
    solid(pen, band(branch, np.linspace(0.07, 0.11, len(branch))), bark)
    for row in range(3):
        vane(pen, (0.5, 0.1 + 0.05 * row), 0.45 + 0.12 * row, 0.62, 0.08, shaded(wing, -0.2))
    for x in (-0.12, 0.1):
        _foot(pen, x, 0.5, 0.78, shaded(bark, 0.3))
    hx, hy = -0.38, pen.between(-0.52, -0.4)
    body = smooth(
        [
            (hx - head, hy), (hx - 0.1, hy - head), (hx + head, hy - 0.05),
            (0.25, 0.14 - plump * 0.75), (0.72, 0.25), (0.2, 0.2 + plump),
            (-0.35, 0.12 + plump * 0.8),
            (-0.7, 0.1),
        ]
    )  # fmt: skip
    skin = pen.another()
    skin.fill(coat)
    skin.ellipse(-0.5, 0.35, 0.62, 0.5, shaded(breast, 0.3), 0.5)
    if pen.chance(0.5):
        skin.ellipse(hx, hy - head * 0.7, head * 1.3, head * 0.7, shaded(wing, -0.3))
    if pen.chance(0.4):
        skin.line([(-1, hy + 0.03), (0, hy - 0.05)], shaded(wing, pen.pick((-0.8, 0.7))), 9)
    for _ in range(110):
        x, y = pen.between(-0.9, 0.5), pen.between(-0.8, 0.7)
        red, green, blue, _ = (
            float(part) for part in skin.layer[int(96 + 88 * y), int(96 + 88 * x)]
        )
        skin.line(
            [(x, y), (x + 0.1, y + 0.05)], shaded((red, green, blue), pen.pick((-0.3, 0.3))), 1
        )
    beak, color = pen.between(0.22, 0.36), _beak_color(pen)
    left = hx - head + 0.06
    pen.polygon([(left, hy - 0.1), (left - beak, hy + 0.06), (left, hy + 0.02)], color)
    pen.polygon(
        [(left, hy), (left - beak * 0.85, hy + 0.07), (left, hy + 0.12)], shaded(color, -0.35)
    )
    solid(pen, body, skin, ink=ink)
    for row, (count, length) in enumerate(((5, 0.85), (5, 0.58), (4, 0.36))):
        for number in range(count):
            root = (-0.12 + 0.03 * row, -0.12 + (0.055 + 0.02 * row) * number)
            angle = 0.52 - 0.08 * number + 0.03 * row
            tone = shaded(mixed(wing, pen.palette[3], row / 3), pen.between(-0.15, 0.15))
            vane(pen, root, angle, length, 0.075, tone)
    eye(pen, hx - 0.06, hy - 0.03, head * pen.between(0.3, 0.42), rim=coat)
    pose(pen)


@family("animals", upright=True)
def flying_bird(pen: Pen) -> None:
    """A bird soaring towards the viewer, every feather of the wings spread."""
    dark, light, *_ = pen.palette
    lift, primaries = pen.between(0.2, 1.0), pen.count(6, 8)
    for number in range(-3, 4):
        vane(pen, (0, 0.3), math.pi / 2 + 0.17 * number, 0.68, 0.09, shaded(light, -0.1), barbs=3)
    for side in (-1, 1):
        shoulder, wrist = np.array([0.1, -0.05]), np.array([0.5, -0.12 - 0.32 * lift])
        for row in range(3):
            share = (1.0, 0.62, 0.36)[row]
            tone = shaded(mixed(dark, light, row * 0.45), pen.between(-0.15, 0.15))
            for number in range(5):
                x, y = shoulder + (wrist - shoulder) * number / 5
                angle = 1.45 - 0.06 * number
                _mirrored_vane(pen, side, (x, y), angle, 0.66 * share, 0.1, tone)
            for number in range(primaries):
                angle = 1.15 - (1.3 + 0.5 * lift) * number / (primaries - 1)
                length = (0.58 + 0.06 * math.sin(math.pi * number / primaries)) * share
                x, y = wrist
                _mirrored_vane(pen, side, (x, y), angle, length, 0.075, tone)
        arm = smooth(
            [(0, -0.12), (0.3, -0.2 - 0.2 * lift), (wrist[0], wrist[1]), (0.66, -0.1)], closed=False
        )
        solid(pen, band(arm * (side, 1), np.linspace(0.11, 0.04, len(arm))), shaded(light, 0.1))
    skin = pen.another()
    skin.fill(dark)
    for _ in range(50):
        x, y = pen.between(-0.2, 0.2), pen.between(-0.5, 0.5)
        skin.ellipse(x, y, 0.03, 0.06, shaded(pen.pick((dark, light)), pen.between(-0.3, 0.4)))
    solid(
        pen,
        smooth([(0, -0.4), (0.2, -0.1), (0.14, 0.3), (0, 0.5), (-0.14, 0.3), (-0.2, -0.1)]),
        skin,
    )
    pale = shaded(pen.palette[2], pen.pick((-0.3, 0.5, 0.8)))
    beak = _beak_color(pen)
    pen.polygon(
        smooth([(-0.1, -0.58), (-0.34, -0.5), (-0.36, -0.36), (-0.26, -0.42), (-0.1, -0.44)]), beak
    )
    solid(
        pen,
        smooth([(-0.17, -0.5), (-0.02, -0.7), (0.16, -0.52), (0.18, -0.2), (-0.15, -0.22)]),
        pale,
    )
    eye(pen, -0.06, -0.52, 0.06, rim=dark)
    pose(pen)


def _mirrored_vane(
    pen: Pen,
    side: int,
    root: tuple[float, float],
    angle: float,
    length: float,
    width: float,
    color: Color,
) -> None:
    """A feather of the right wing (`side` 1) or its mirror image (-1)."""
    x, y = root
    vane(
        pen,
        (side * x, y),
        angle if side > 0 else math.pi - angle,
        length,
        width,
        color,
        barbs=2 if length > 0.5 else 0,
    )


@family("animals", upright=True)
def peacock(pen: Pen) -> None:
    """A peacock's fan of feathers with eye spots, the bird before it."""
    natural = pen.chance(0.6)
    hues = [pen.between(low, low + 0.07) for low in (0.3, 0.08, 0.47, 0.6)]
    leaf, gold, teal, blue = (
        [hsv(hue, 0.8, pen.between(0.55, 0.95)) for hue in hues] if natural else pen.palette[:4]
    )
    origin, spread, rows = (0.0, 0.62), pen.between(1.35, 1.75), pen.count(3, 4)
    for row in range(rows):
        reach, count = 1.58 * (1 - 0.21 * row), 13 - 2 * row
        for angle in np.linspace(-spread, spread, count) + (row % 2) * spread / count:
            way = float(angle) - math.pi / 2
            length = reach * (0.66 + 0.34 * math.cos(angle) ** 2)
            vane(
                pen,
                origin,
                way,
                length,
                0.17,
                shaded(leaf, pen.between(-0.5, -0.15)),
                barbs=0 if row else 5,
            )
            size = 0.15 * (1 - 0.1 * row)
            x, y = rotated([(length - size * 0.9, 0)], way)[0] + origin
            for share, color in ((1, shaded(gold, 0.1)), (0.72, teal), (0.45, shaded(blue, -0.5))):
                back = rotated([((share - 1) * size * 0.2, 0)], way)[0]
                pen.ellipse(x + back[0], y + back[1], size * share, size * share * 0.8, color, way)
            pen.disc(x - 0.02, y - 0.03, size * 0.12, shaded(teal, 0.7))
    for sign in (-1, 1):
        pen.line([(sign * 0.08, 0.8), (sign * 0.1, 1.04)], (120.0, 95.0, 70.0), 4)
    sway = pen.between(-0.1, 0.1)
    neck = smooth([(0, 0.72), (0.05, 0.4), (sway, 0.1), (sway * 1.5, -0.16)], closed=False)
    body = band(
        neck, np.interp(np.linspace(0, 1, len(neck)), (0, 0.3, 0.8, 1), (0.22, 0.22, 0.1, 0.1))
    )
    hx, hy = float(neck[-1, 0]), float(neck[-1, 1])
    for angle in np.linspace(-0.5, 0.5, 5):
        tip = rotated([(0, -0.3)], float(angle))[0] + (hx, hy)
        pen.line([(hx, hy), tip], shaded(blue, -0.4), 2)
        pen.disc(tip[0], tip[1], 0.035, teal)
    skin = pen.another()
    skin.fill(blue)
    for y in np.arange(0.1, 0.95, 0.09):
        for x in np.arange(-0.3, 0.31, 0.12):
            skin.ellipse(
                x + 0.06 * (round(y * 11) % 2), y, 0.05, 0.06, shaded(blue, pen.between(-0.3, 0.3))
            )
    solid(pen, smooth([*body[::3]]), skin, ink=pen.pick((0, 2)))
    pen.polygon([(hx - 0.08, hy - 0.06), (hx - 0.28, hy + 0.05), (hx - 0.06, hy + 0.07)], _BONE)
    solid(pen, smooth(rotated([(-0.14, 0), (0, -0.13), (0.13, 0), (0, 0.13)], 0) + (hx, hy)), blue)
    eye(pen, hx - 0.02, hy - 0.02, 0.06, rim=_BONE)


@family("animals", upright=True)
def duck(pen: Pen) -> None:
    """A duck or a swan on the water."""
    swan = pen.chance(0.45)
    coat = (248.0, 246.0, 240.0) if swan and pen.chance(0.7) else pen.palette[0]
    cap = coat if swan else shaded(pen.palette[1], -0.2)
    bill, ink = pen.pick((hsv(0.07, 0.9, 0.98), hsv(0.12, 0.9, 0.95), pen.palette[3])), _ink(pen)
    top = -0.78 if swan else pen.between(-0.45, -0.3)
    hx = -0.55
    thick = 0.105 if swan else 0.18
    bow = pen.between(0.12, 0.3) if swan else 0.04
    neck = smooth(
        [
            (-0.4, 0.45), (-0.6, 0.2), (-0.42 + bow, (top + 0.2) / 2),
            (-0.3 + bow / 2, top + 0.05), (hx, top),
        ],
        closed=False,
    )  # fmt: skip
    tail = pen.between(-0.15, 0.1)
    hull = smooth(
        [
            (-0.72, 0.3), (-0.35, 0.08), (0.35, 0.1), (0.98, tail), (0.8, 0.5), (0.2, 0.72),
            (-0.5, 0.62),
        ]
    )  # fmt: skip
    for offset in (0.02, 0.09, 0.16):
        vane(pen, (0.55, 0.28 + offset), -0.45, 0.55, 0.08, shaded(coat, -0.25))
    solid(pen, hull, coat, ink=ink)
    skin = pen.another()
    skin.fill(coat)
    skin.ellipse(hx - 0.05, top - 0.05, 0.45, 0.42 if not swan else 0.2, cap)
    if not swan and pen.chance(0.6):
        skin.line([(-0.9, 0.12), (0.1, 0.12)], _BONE, 6)
    bill_at = hx - 0.1, top
    x, y = bill_at
    size = 0.3 if swan else 0.42
    outline = smooth(
        [
            (x, y - 0.1), (x - size * 0.6, y + 0.02), (x - size, y + 0.08),
            (x - size * 0.9, y + 0.16), (x, y + 0.12),
        ]
    )  # fmt: skip
    solid(pen, outline, bill, ink=min(ink, 1))
    pen.line([(x, y + 0.05), (x - size * 0.9, y + 0.11)], shaded(bill, -0.6), 1)
    widths = np.linspace(thick * 1.7, thick, len(neck))
    widths[-6:] *= np.linspace(1.15, 1.5 if swan else 1.45, 6)
    head = np.array(
        [(hx + 0.12, top - 0.2), (hx - 0.1, top - 0.17), (hx - 0.22, top), (hx - 0.1, top + 0.16)]
    )
    outline = np.concatenate(
        [band(neck, widths)[: len(neck)], head[::-1], band(neck, widths)[len(neck) :]]
    )
    solid(pen, outline, skin)
    solid(
        pen,
        smooth(
            head * 0.0
            + np.array(
                [
                    (hx + 0.2, top - 0.06), (hx - 0.02, top - 0.22), (hx - 0.24, top),
                    (hx, top + 0.19),
                ]
            )
        ),
        cap,
    )  # fmt: skip
    wing = mixed(coat, pen.palette[2], 0.0 if swan else 0.7)
    for row, (count, length) in enumerate(((6, 0.95), (5, 0.65), (4, 0.4))):
        for number in range(count):
            root = (-0.2 + 0.04 * row, 0.46 - 0.05 * number)
            tone = shaded(wing, pen.between(-0.2, 0.1))
            vane(pen, root, -0.25 - 0.05 * number + 0.1 * row, length, 0.09, tone, barbs=3)
    eye(pen, hx - 0.05, top - 0.04, 0.06, rim=cap)
    water = hsv(pen.between(0.48, 0.62), pen.between(0.3, 0.8), pen.between(0.5, 0.9))
    t = np.linspace(-1, 1, 30)
    for row in range(4):
        wave = 0.66 + 0.1 * row + 0.025 * np.sin(t * pen.between(12, 18) + pen.between(0, 6))
        reach = (0.9, 1.0, 0.85, 0.6)[row]
        pen.line(np.stack([t * reach, wave], 1), shaded(water, (0.5, -0.1, 0.4, -0.3)[row]), 5)
    pose(pen)


@family("animals", upright=True)
def fish(pen: Pen) -> None:
    """A fish from the side: scales, fins with rays, a big eye."""
    coat, fin, mark, *_ = pen.palette
    if pen.chance(0.4):
        coat = hsv(pen.between(0, 1), pen.between(0.5, 0.9), pen.between(0.75, 1))
    high, ink = pen.between(0.42, 0.6), _ink(pen)
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
    pen.line(smooth([(-0.9, 0.08), (-0.8, 0.14), (-0.7, 0.12)], closed=False), _INK, 2)
    pose(pen)


@family("animals", upright=True)
def fancy_fish(pen: Pen) -> None:
    """A round fish with flowing veils for fins and stripes around it."""
    coat = (
        hsv(pen.between(0.0, 0.13), pen.between(0.7, 1), 1) if pen.chance(0.5) else pen.palette[0]
    )
    veil, stripe = (
        mixed(coat, pen.palette[1], pen.between(0, 1)),
        pen.pick((_BONE, shaded(pen.palette[2], -0.5))),
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
    solid(pen, outline, skin, ink=_ink(pen))
    _rays(pen, [(-0.35, 0.1), (-0.33, 0.2)], [(0.0, 0.1), (-0.12, 0.42)], veil, 6)
    eye(pen, -0.66, -0.1, pen.between(0.15, 0.19), rim=_BONE)
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
    solid(pen, outline, skin, ink=_ink(pen))
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
    solid(pen, head, shaded(coat, 0.1), ink=_ink(pen))
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
    belly, ink, bend = shaded(back, 0.75), _ink(pen), pen.between(-0.12, 0.12)
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


@family("animals")
def lizard(pen: Pen) -> None:
    """A lizard from above, in an S, toes spread, spotted or banded."""
    coat, mark, belly, *_ = pen.palette
    swing, side = pen.between(0.18, 0.34), pen.pick((-1, 1))
    knots = [
        (0, -0.8), (-0.03, -0.5), (swing * 0.7, -0.1), (-swing * 0.2, 0.28), (-swing * 1.4, 0.6),
        (-0.1, 0.95), (0.4, 0.8), (0.42, 0.45), (0.2, 0.5),
    ]  # fmt: skip
    path = smooth(knots, closed=False) * (side, 1) + (-0.08 * side, 0)
    t = np.linspace(0, 1, len(path))
    widths = np.interp(
        t, (0, 0.08, 0.12, 0.28, 0.42, 0.6, 1), (0.12, 0.17, 0.14, 0.26, 0.17, 0.1, 0.015)
    )
    for at, forward in ((11, -1), (25, 1)):
        way = path[at + 1] - path[at - 1]
        across = np.array([-way[1], way[0]]) / float(np.hypot(*way))
        ahead = way / float(np.hypot(*way)) * forward
        for leg in (-1, 1):
            knee = path[at] + leg * 0.34 * across - 0.04 * ahead
            foot = knee + leg * 0.14 * across + pen.between(0.16, 0.26) * ahead
            limb = smooth([path[at], knee, foot], closed=False)
            for toe in np.linspace(-1.1, 1.1, 5):
                reach = rotated([(foot - knee) * 0.6], float(toe))[0] + foot
                pen.line([foot, reach], shaded(coat, -0.2), 3)
                pen.disc(reach[0], reach[1], 0.028, shaded(coat, 0.2))
            solid(pen, band(limb, np.linspace(0.12, 0.065, len(limb))), coat)
    skin = pen.another()
    skin.fill(coat)
    pattern = pen.pick(("spots", "bands", "stripe", "net"))
    for number, (x, y) in enumerate(path):
        width = float(widths[number])
        if pattern == "bands" and number % 3 == 0:
            ends = band(path, widths)
            skin.line([ends[number], ends[-1 - number]], shaded(mark, -0.3), 5)
        elif pattern == "stripe" or (pattern == "net" and number % 2):
            skin.disc(x, y, width * 0.4, shaded(mark, 0.2))
        if pattern in ("spots", "net"):
            for _ in range(3):
                skin.disc(
                    x + pen.between(-1, 1) * width,
                    y + pen.between(-1, 1) * width,
                    pen.between(0.012, 0.035),
                    shaded(mark, pen.pick((-0.5, 0.4))),
                )
    for _ in range(130):
        x, y = pen.between(-0.6, 0.6), pen.between(-0.9, 0.95)
        skin.disc(x, y, 0.012, shaded(coat, pen.pick((-0.4, 0.35))))
    solid(pen, band(path, widths), skin, ink=_ink(pen))
    x, y = path[2]
    head = smooth(
        np.array(
            [
                (0, -0.3), (0.14, -0.14), (0.23, 0.04), (0.13, 0.18), (-0.13, 0.18),
                (-0.23, 0.04), (-0.14, -0.14),
            ]
        )
        + (x, y)
    )  # fmt: skip
    solid(pen, head, shaded(mixed(coat, belly, 0.3), 0.1), ink=_ink(pen))
    eyes(pen, [(x - 0.15, y - 0.03), (x + 0.15, y - 0.03)], 0.08, slit=True, rim=coat)
    pose(pen)


def _back(pen: Pen, along: NDArray[np.float32], across: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[..., 3]: a snake's skin, `along` it in pattern lengths, `across` it from -1 to 1."""
    coat, mark, edge, *_ = np.asarray(pen.palette, np.float32)
    phase = np.abs(along % 1 - 0.5) * 2
    match pen.pick(("diamonds", "rings", "saddles")):
        case "diamonds":
            depth = 0.8 - phase - 0.75 * np.abs(across)
        case "rings":
            depth = 0.5 - phase
        case _:
            depth = 0.75 - np.hypot(phase, across * 1.1)
    skin = np.where((np.abs(across) > 0.72)[..., None], edge * 0.5 + 110, coat)
    skin = np.where((depth > -0.14)[..., None], coat * 0.15, skin)
    skin = np.where((depth > 0)[..., None], mark, skin)
    skin = np.where((depth > 0.35)[..., None], mark * 0.5 + 115, skin)
    fine = pen.between(5, 8) * math.pi
    scales = np.sin(fine * along + 9 * across) * np.sin(fine * along - 9 * across)
    colors: NDArray[np.float32] = skin * (0.92 + 0.24 * scales)[..., None]
    return colors


@family("animals")
def snake(pen: Pen) -> None:
    """A coiled snake, patterned along its back, head on top."""
    turns, hand = pen.between(2.0, 2.7), pen.pick((-1, 1))
    start, squeeze = pen.between(0, 2 * math.pi), pen.between(0.82, 1)
    pitch = 1.04 / (turns + 0.1)
    y, x = (np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) - SIZE / 2) / (0.46 * SIZE)
    y /= squeeze
    far, way = np.hypot(x, y), np.arctan2(y, x)
    angle = (hand * way - start) / (2 * math.pi) % 1
    loop = np.round(far / pitch - angle)
    wound = loop + angle  # turns from the middle to the nearest piece of the snake
    thin = np.clip((turns - wound) / 0.7, 0, 1) ** 0.6 * 0.53 * pitch
    across = (far - wound * pitch) / np.maximum(thin, 1e-3)
    inside = np.clip((1 - np.abs(across)) * thin * 0.46 * SIZE, 0, 1)
    across = across.clip(-1, 1)
    length = pitch * math.pi * wound**2 / pen.between(0.35, 0.6)
    slope = -(0.55 * np.cos(way) + 0.8 * np.sin(way)) * across
    height = np.sqrt(1 - across**2)
    light = 0.25 + 0.75 * height + 0.4 * slope
    shine = 90 * np.maximum(0.6 * slope + 0.8 * height - 0.9, 0)
    colors = _back(pen, length, across) * light[..., None] + shine[..., None]
    pen.layer[..., :3] = colors.clip(0, 255) * inside[..., None]
    pen.layer[..., 3] = 255 * inside
    coat, mark, *_ = pen.palette
    head = np.array(
        [
            (-0.25, -0.13), (0.02, -0.24), (0.22, -0.17), (0.38, 0), (0.22, 0.17), (0.02, 0.24),
            (-0.25, 0.13),
        ]
    )  # fmt: skip
    away = pen.between(0, 2 * math.pi)
    for piece in (
        [(0.36, 0), (0.56, 0.02)],
        [(0.56, 0.02), (0.7, -0.07)],
        [(0.56, 0.02), (0.68, 0.09)],
    ):
        pen.line(rotated(piece, away), (225.0, 30.0, 50.0), 3)
    skin = pen.another()
    skin.fill(shaded(coat, 0.2))
    skin.polygon(
        rotated([(-0.3, -0.1), (0.1, -0.05), (0.3, 0), (0.1, 0.05), (-0.3, 0.1)], away),
        shaded(mark, -0.2),
    )
    solid(pen, smooth(rotated(head, away)), skin, ink=2)
    eyes(pen, rotated([(0.12, -0.16), (0.12, 0.16)], away), 0.085, slit=True, rim=coat)


@family("animals")
def turtle(pen: Pen) -> None:
    """A turtle from above: plates on its shell, flippers, head."""
    shell, limb, seam, *_ = pen.palette
    limb = shaded(limb, 0.1)
    wide, ink = pen.between(0.58, 0.7), _ink(pen)
    sea = pen.chance(0.6)
    _turtle_limbs(pen, limb, wide, sea, ink)
    long = 0.74
    rim = smooth(
        [
            (wide * math.sin(a) * (1 + 0.06 * math.cos(a)), -long * math.cos(a))
            for a in np.linspace(0, 2 * math.pi, 12, endpoint=False)
        ]
    )
    skin = pen.another()
    skin.fill(shaded(seam, -0.5))
    plates: list[Points] = []
    for number in range(16):
        a, b = 2 * math.pi * np.array([number + 0.06, number + 0.94]) / 16
        plates.append(
            np.array(
                [
                    (out * wide * math.sin(q), -out * long * math.cos(q))
                    for out, q in ((1.06, a), (1.06, b), (0.84, b), (0.84, a))
                ]
            )
        )
    for number in range(5):
        y, half = -0.48 + 0.24 * number, 0.17 - 0.02 * abs(number - 2)
        plates.append(
            np.array(
                [
                    (-half * 0.6, y - 0.11), (half * 0.6, y - 0.11), (half, y),
                    (half * 0.6, y + 0.11), (-half * 0.6, y + 0.11), (-half, y),
                ]
            )
        )  # fmt: skip
    for number in range(4):
        y = -0.37 + 0.245 * number
        far = wide * 0.8 * math.sqrt(1 - (y / long) ** 2)
        plate = np.array(
            [(0.13, y), (0.18, y - 0.1), (far, y - 0.11), (far * 1.0, y + 0.11), (0.18, y + 0.1)]
        )
        plates += [plate, plate * (-1, 1)]
    for number, plate in enumerate(plates):
        middle = plate.mean(0)
        tone = shaded(shell, pen.between(-0.12, 0.12))
        for share, light in ((1.0, -0.2), (0.75, 0.0), (0.45, 0.28)):
            skin.polygon((plate - middle) * share + middle, shaded(tone, light))
        if number > 15 and pen.chance(0.5):
            for corner in plate:
                skin.line([middle, corner * 0.9 + middle * 0.1], shaded(tone, -0.35), 1)
    solid(pen, rim, skin, ink=max(ink, 1))
    pose(pen, lean=0.06)


def _turtle_limbs(pen: Pen, color: Color, wide: float, sea: bool, ink: float) -> None:
    """What looks out from under the shell, with blotches."""
    spots = pen.another()
    spots.fill(color)
    for _ in range(90):
        blotch = shaded(color, pen.pick((-0.5, -0.3, 0.3)))
        spots.disc(pen.between(-1, 1), pen.between(-1, 1), pen.between(0.02, 0.06), blotch)
    sweep, front = pen.between(-0.15, 0.25), 0.42 if sea else 0.26
    for side in (-1, 1):
        arm = smooth(
            [
                (wide * 0.6, -0.4),
                (wide + 0.2, -0.62 + sweep),
                (wide + front * 0.85, -0.35 + 2 * sweep),
            ],
            closed=False,
        )
        leg = smooth([(wide * 0.5, 0.5), (wide * 0.85, 0.72), (wide + 0.08, 0.9)], closed=False)
        solid(
            pen,
            band(arm * (side, 1), np.linspace(0.15, 0.06 if sea else 0.13, len(arm))),
            spots,
            ink=ink,
        )
        solid(pen, band(leg * (side, 1), np.linspace(0.14, 0.08, len(leg))), spots, ink=ink)
    pen.polygon([(-0.07, 0.65), (0.07, 0.65), (0, 1.0)], shaded(color, -0.2))
    head = smooth([(-0.13, -0.6), (-0.17, -0.85), (0, -1.06), (0.17, -0.85), (0.13, -0.6)])
    solid(pen, head, spots, ink=ink)
    eyes(pen, [(-0.11, -0.88), (0.11, -0.88)], 0.06, rim=color)


@family("animals", upright=True)
def rooster(pen: Pen) -> None:
    """A rooster: comb and wattles, hackle, arched tail plumes."""
    body, tail, hackle, *_ = pen.palette
    if pen.chance(0.5):
        body, hackle, tail = (
            hsv(0.05, 0.8, pen.between(0.4, 0.8)),
            hsv(0.1, 0.85, 0.95),
            hsv(pen.between(0.4, 0.6), 0.6, 0.3),
        )
    red = hsv(pen.between(-0.03, 0.02), 0.9, pen.between(0.7, 0.95))
    t = np.linspace(0, 1, 14)
    for number in range(9):
        rise = 0.15 + 0.13 * number + pen.between(-0.03, 0.03)
        reach = 0.68 - 0.035 * number
        px, py = 0.35 + reach * t, 0.15 - rise * np.sin(math.pi * t**0.9 * 0.78) * 1.05 + 0.1 * t
        plume, width = (
            np.stack([px - 0.1 * number / 9, py], 1),
            0.095 * np.sin(math.pi * (0.15 + 0.83 * t)),
        )
        tone = shaded(mixed(tail, pen.palette[4], (number % 3) / 4), pen.between(-0.2, 0.2))
        pen.polygon(band(plume, width * 1.3), shaded(tone, -0.7))
        pen.polygon(band(plume, width), tone)
        pen.polygon(band(plume - (0, 0.02), width * 0.35), shaded(tone, 0.45))
    yellow = hsv(0.12, 0.8, 0.85)
    for x in (-0.05, 0.2):
        _foot(pen, x, 0.6, 0.98, yellow)
    hx, hy = -0.55, -0.56
    outline = smooth(
        [(hx - 0.17, hy), (hx, hy - 0.18), (hx + 0.2, hy), (-0.05, -0.15), (0.4, 0.0),
         (0.58, 0.2), (0.3, 0.6), (-0.1, 0.72), (-0.48, 0.5),
         (-0.62, 0.1)]
    )  # fmt: skip
    for number in range(5):
        angle = -2.35 + 0.42 * number
        x, y = hx + 0.02 + 0.24 * math.cos(angle), hy - 0.1 + 0.24 * math.sin(angle)
        pen.ellipse(x, y, 0.15, 0.085, shaded(red, -0.4), angle)
        pen.ellipse(x - 0.01, y, 0.13, 0.065, red, angle)
    skin = pen.another()
    skin.fill(body)
    for _ in range(70):
        x, y = pen.between(-0.6, 0.5), pen.between(0.0, 0.7)
        skin.ellipse(x, y, 0.06, 0.035, shaded(body, pen.between(-0.4, 0.3)), 0.7)
    solid(pen, outline, skin, ink=_ink(pen))
    for row in range(4):
        for number in range(7 - row // 2):
            root = (hx + 0.16 - 0.05 * number + 0.03 * row, hy + 0.12 + 0.15 * (3 - row) * 0.8)
            tone = shaded(hackle, pen.between(-0.25, 0.25))
            vane(pen, root, 1.0 + 0.13 * number + pen.between(-0.1, 0.1), 0.4, 0.05, tone)
    for number in range(6):
        vane(
            pen,
            (-0.15 + 0.02 * number, 0.1 + 0.05 * number),
            0.35 - 0.03 * number,
            0.6,
            0.08,
            shaded(tail, pen.between(-0.1, 0.3)),
        )
    solid(
        pen,
        smooth([(hx - 0.2, hy), (hx - 0.02, hy - 0.2), (hx + 0.18, hy), (hx, hy + 0.2)]),
        mixed(red, hackle, pen.pick((0.0, 0.8))),
    )
    beak = _beak_color(pen)
    pen.polygon(
        smooth(
            [
                (hx - 0.16, hy - 0.1), (hx - 0.34, hy + 0.02), (hx - 0.42, hy + 0.12),
                (hx - 0.28, hy + 0.1), (hx - 0.15, hy + 0.1),
            ]
        ),
        beak,
    )  # fmt: skip
    solid(
        pen,
        smooth(
            [
                (hx - 0.16, hy + 0.1), (hx - 0.04, hy + 0.12), (hx - 0.06, hy + 0.36),
                (hx - 0.18, hy + 0.38),
            ]
        ),
        red,
    )  # fmt: skip
    eye(pen, hx - 0.05, hy - 0.03, 0.075, rim=red)
    pose(pen)
