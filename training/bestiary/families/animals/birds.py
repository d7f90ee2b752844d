"""Birds whole: on a branch, soaring, displaying, on the water, and a rooster."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.coats import vane
from training.bestiary.eyeballs import eye
from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import band, rotated, smooth
from training.bestiary.solids import inked, pose, solid

__all__ = ["bird", "duck", "flying_bird", "peacock", "rooster"]


def _beak_color(pen: Pen) -> Color:
    return pen.pick((hsv(pen.between(0.05, 0.14), 0.85, 0.95), (60.0, 55.0, 58.0), pen.palette[3]))


def _foot(pen: Pen, x: float, top: float, ground: float, color: Color) -> None:
    """A bird's leg with three toes."""
    pen.line([(x + 0.06, top), (x, ground)], color, 4)
    for toe in (-0.15, -0.04, 0.12):
        pen.line([(x, ground), (x + toe, ground + 0.06)], color, 3)


@family("animals", upright=True)
def bird(pen: Pen) -> None:
    """A songbird on a branch, wings folded."""
    coat, wing, breast, *_ = pen.palette
    ink, head, plump = inked(pen), pen.between(0.3, 0.38), pen.between(0.38, 0.52)
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
    pen.polygon([(hx - 0.08, hy - 0.06), (hx - 0.28, hy + 0.05), (hx - 0.06, hy + 0.07)], IVORY)
    solid(pen, smooth(rotated([(-0.14, 0), (0, -0.13), (0.13, 0), (0, 0.13)], 0) + (hx, hy)), blue)
    eye(pen, hx - 0.02, hy - 0.02, 0.06, rim=IVORY)


@family("animals", upright=True)
def duck(pen: Pen) -> None:
    """A duck or a swan on the water."""
    swan = pen.chance(0.45)
    coat = (248.0, 246.0, 240.0) if swan and pen.chance(0.7) else pen.palette[0]
    cap = coat if swan else shaded(pen.palette[1], -0.2)
    bill, ink = pen.pick((hsv(0.07, 0.9, 0.98), hsv(0.12, 0.9, 0.95), pen.palette[3])), inked(pen)
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
        skin.line([(-0.9, 0.12), (0.1, 0.12)], IVORY, 6)
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
    solid(pen, outline, skin, ink=inked(pen))
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
