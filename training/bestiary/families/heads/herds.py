"""Heads of those that live in herds: sheep, horse, elephant."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.head import Head
from training.bestiary.palette import hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import FLESH, INK, IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, around, band, mirrored, oval, smooth, turn
from training.bestiary.tints import natural

__all__ = ["elephant", "horse", "sheep"]


@family("heads", upright=True)
def sheep(pen: Pen) -> None:
    """A sheep's face: a long snout and drooping ears in a cloud of wool, at times ram's horns."""
    head = Head(pen, furry=0)
    wool = natural(pen, (0.1, 0.1, 0.95), (0.1, 0.2, 0.85), (0.07, 0.3, 0.5), (0.1, 0.1, 0.95))
    skin = pen.pick((INK, (60, 48, 44), (228, 205, 180), (190, 160, 130)))
    head.inked = pen.pick((0, 0, 2))
    horned = pen.chance(0.4)
    locks = [(0.74 * math.cos(a), 0.7 * math.sin(a) - 0.08) for a in turn(pen.count(13, 17))]
    inner = [(0.45 * math.cos(a), 0.42 * math.sin(a) - 0.22) for a in turn(9)]
    for x, y in locks + inner:
        size = pen.between(0.22, 0.3)
        head.oval(
            x, y, size, size, shaded(wool, pen.between(-0.1, 0.05)), pen.between(0, 0.3), depth=None
        )
        t = np.linspace(0, 9, 14)
        curl = around(t) * (0.02 * t * size * 3.6)[:, None]
        head.line(curl + (x, y), shaded(wool, -0.28), 2, depth=None)
    for side in SIDES:
        droop = pen.between(0, 0.3)
        ear = smooth(
            [
                (0.3, -0.2),
                (0.6, -0.3 + droop * 0.3),
                (0.98, -0.08 + droop),
                (0.7, 0.05 + droop * 0.6),
            ]
        )
        head.part(ear * (side, 1), shaded(skin, 0.06), 0.5)
        head.part(
            (ear * 0.7 + ear.mean(0) * 0.3) * (side, 1), mixed(skin, FLESH, 0.45), 0.8, bulge=-0.8
        )
    face = [
        (0, -0.5),
        (0.36, -0.38),
        (0.42, -0.1),
        (0.3, 0.4),
        (0.27, 0.75),
        (0.12, 0.92),
        (0, 0.94),
    ]
    head.part(smooth(mirrored(face)), skin, 0.6, depth=0.1)
    head.oval(0, 0.35, 0.2, 0.42, shaded(skin, 0.12), 0.9, depth=0.2)
    for x in (-0.28, -0.1, 0.1, 0.28):
        head.oval(x, -0.46 + 0.3 * x * x, 0.18, 0.16, wool, 0.9, depth=0.1)
    if horned:
        t, bone = np.linspace(0, 1, 26), hsv(0.1, pen.between(0.25, 0.5), pen.between(0.5, 0.8))
        way = -2.2 + 6.6 * t
        for side in SIDES:
            far = 0.36 - 0.2 * t
            path = np.stack([side * (0.62 + far * np.cos(way)), -0.24 + far * np.sin(way)], 1)
            sizes = 0.17 * (1 - 0.75 * t)[:, None, None]
            rings = path[:, None] + sizes * oval(0, 0, 1, 1)
            head.plumes(rings, [shaded(bone, -0.25 * (number % 2)) for number in range(26)], 1)
    head.light()
    for side in SIDES:
        head.eye(side * 0.27, -0.08, 0.105, hsv(0.12, 0.7, 0.9), pupil=(0.72, 0.28), depth=0.1)
        head.line([(side * 0.17, 0.66), (side * 0.08, 0.74), (side * 0.04, 0.7)], INK, 4, depth=0.2)
    tone = shaded(skin, -0.7) if sum(skin) > 300 else shaded(skin, 0.45)
    head.line([(0, 0.74), (0, 0.82)], tone, 2, depth=0.2)
    head.line([(-0.17, 0.83), (0, 0.81), (0.17, 0.83)], tone, 2, depth=0.2)


@family("heads", upright=True)
def horse(pen: Pen) -> None:
    """A horse's head from the side: a long face, a strong jaw and neck, ears and a mane."""
    head = Head(pen, side=True, tilt=0.25, furry=0.35, size=0.95)
    coat = natural(
        pen,
        (0.05, 0.7, 0.5),
        (0.07, 0.65, 0.65),
        (0.1, 0.06, 0.9),
        (0.05, 0.3, 0.22),
        (0.1, 0.5, 0.8),
    )
    mane = pen.pick((shaded(coat, -0.7), (238, 225, 190), shaded(coat, 0.4), pen.palette[1]))
    t = np.linspace(0, 1, 16)
    for number in range(pen.count(14, 18)):  # The mane falls behind the neck.
        share = number / 16
        root = np.array([0.1 + 0.5 * share, -0.78 + 1.5 * share**1.3])
        swing, reach = pen.between(0.1, 0.25), pen.between(0.4, 0.6)
        lock = np.stack(
            [
                root[0] + reach * t + 0.06 * np.sin(7 * t),
                root[1] - 0.12 * np.sin(3 * t) + swing * t**2,
            ],
            1,
        )
        head.part(
            band(lock, 0.12 * (1 - t) ** 0.7),
            shaded(mane, pen.between(-0.25, 0.25)),
            0.1 + 0.2 * (number % 2),
        )
    neck = [
        (0, -0.6),
        (0.25, -0.72),
        (0.6, -0.1),
        (0.85, 0.7),
        (0.85, 1.04),
        (0, 1.04),
        (-0.05, 0.5),
        (0.02, 0.2),
    ]
    head.part(smooth(neck), shaded(coat, -0.08), 0.2, fringe=0.02)
    head.part([(0.02, -0.66), (0.0, -1.02), (0.12, -1.06), (0.26, -0.72)], shaded(coat, -0.25), 0.2)
    drop = pen.between(-0.06, 0.06)
    face = [
        (0.1, -0.78),
        (-0.1, -0.68),
        (-0.38, -0.25),
        (-0.74, 0.3 + drop),
        (-0.84, 0.5 + drop),
        (-0.74, 0.66 + drop),
        (-0.54, 0.68 + drop),
        (-0.38, 0.52),
        (0.02, 0.38),
        (0.26, 0.16),
        (0.28, -0.3),
    ]
    head.part(smooth(face), coat, 0.5, fringe=0.02)
    head.oval(0.04, 0, 0.24, 0.3, shaded(coat, 0.04), 0.7, depth=None, bulge=0.7)
    head.oval(-0.66, 0.5 + drop, 0.16, 0.15, mixed(coat, (70, 55, 55), 0.5), 0.8, depth=None)
    head.part([(-0.1, -0.62), (-0.1, -0.9), (0.02, -1.1), (0.12, -0.85), (0.12, -0.62)], coat, 0.7)
    head.part(
        [(-0.05, -0.66), (-0.04, -0.86), (0.02, -1.0), (0.06, -0.68)],
        shaded(coat, -0.55),
        0.7,
        bulge=-0.7,
    )
    if pen.chance(0.5):
        blaze = smooth(
            [
                (-0.12, -0.58),
                (-0.3, -0.3),
                (-0.62, 0.2),
                (-0.66, 0.24),
                (-0.42, -0.22),
                (-0.18, -0.64),
            ]
        )
        head.patch(blaze, IVORY)
    for number in range(5):  # The forelock.
        lock = np.stack(
            [0.05 - (0.1 + 0.06 * number) * t, -0.82 + (0.3 + 0.05 * number) * t**1.3], 1
        )
        head.part(
            band(lock, 0.05 * (1 - t) ** 0.7), shaded(mane, pen.between(-0.2, 0.2)), 0.9, bulge=0.5
        )
    head.hair(0, -0.1, 0.3, 0.45, (coat, shaded(coat, -0.2)), 60, source=(0.4, -0.9), length=0.08)
    head.light(1.2)
    head.patch(oval(-0.73, 0.45 + drop, 0.035, 0.065, 0.6), INK)
    gape = 0.05 * pen.chance(0.4)
    head.line([(-0.78, 0.58 + drop), (-0.64, 0.57 + drop + gape), (-0.5, 0.5 + drop)], INK, 3)
    if gape:
        head.line([(-0.76, 0.6 + drop), (-0.66, 0.59 + drop + gape)], IVORY, 4)
    head.line([(0.24, -0.2), (0.26, 0.1), (0.06, 0.36), (-0.2, 0.45)], shaded(coat, -0.45), 2)
    if pen.chance(0.4):
        strap, width = pen.palette[2], 5
        head.line([(-0.58, 0.04), (-0.5, 0.3), (-0.36, 0.5)], strap, width)
        head.line([(-0.5, 0.28), (0.0, 0.1), (0.2, -0.5)], strap, width)
        head.patch(oval(-0.5, 0.28, 0.06, 0.06), (225, 190, 90))
    head.patch(oval(-0.13, -0.32, 0.14, 0.11, 0.7), shaded(coat, -0.6))
    head.eye(-0.13, -0.32, 0.09, hsv(0.06, 0.7, 0.4))
    head.line([(-0.26, -0.36), (-0.14, -0.46), (0, -0.36)], shaded(coat, -0.7), 3)


@family("heads", upright=True)
def elephant(pen: Pen) -> None:
    """An elephant's face: wide ears, a wrinkled trunk, often tusks."""
    head = Head(pen, furry=0, tilt=0.15, yaw=0.45)
    head.inked = pen.pick((0, 0, 2))
    hide = natural(pen, (0.6, 0.08, 0.6), (0.07, 0.12, 0.55), (0.6, 0.12, 0.75), (0.75, 0.08, 0.5))
    spread = pen.between(0.85, 1)
    for side in SIDES:
        ear = np.array(
            [
                (0.25, -0.6),
                (0.6, -0.74),
                (0.95, -0.52),
                (1.02, -0.05),
                (0.88, 0.4),
                (0.66, 0.5),
                (0.4, 0.15),
            ]
        )
        ear[:, 0] *= spread
        head.part(smooth(ear * (side, 1)), shaded(hide, -0.1), 0)
        inner = smooth((ear - (0.55, -0.1)) * 0.8 + (0.55, -0.1))
        head.part(inner * (side, 1), mixed(shaded(hide, -0.25), FLESH, 0.25), 0.2, bulge=-0.5)
        for number in range(4):
            fold = [
                (0.4, -0.3 + 0.1 * number),
                (0.65, -0.35 + 0.18 * number),
                (0.86 * spread, -0.4 + 0.24 * number),
            ]
            head.line(np.array(fold) * (side, 1), shaded(hide, -0.45), 1, depth=None)
    skull = [(0, -0.78), (0.3, -0.82), (0.5, -0.5), (0.52, -0.1), (0.38, 0.3), (0, 0.42)]
    head.part(smooth(mirrored(skull)), hide, 0.3)
    for side in SIDES:
        head.oval(side * 0.2, -0.52, 0.24, 0.26, shaded(hide, 0.06), 0.6, bulge=0.6)
    t = np.linspace(0, 1, 22)
    if tusks := pen.between(0.3, 0.6) * pen.chance(0.7):
        for side in SIDES:
            path = np.stack([side * (0.3 + 0.22 * np.sin(2 * t)), 0.22 + tusks * t - 0.1 * t**3], 1)
            head.part(band(path, 0.085 * (1 - 0.85 * t)), IVORY, 0.6, depth=0.1)
            head.oval(side * 0.3, 0.2, 0.13, 0.12, shaded(hide, -0.1), 0.7, depth=0.1)
    sway, curl = pen.between(-0.25, 0.25), pen.between(-0.6, 0.6)
    trunk = np.stack(
        [sway * np.sin(3 * t) + curl * t**4, -0.2 + 1.2 * t - 0.2 * abs(curl) * t**6], 1
    )
    girth = 0.25 - 0.14 * t
    head.part(band(trunk, girth), shaded(hide, 0.05), 0.8, depth=0.25, bulge=0.4)
    rolls = (
        trunk[:-1, None] + oval(0, 0, 1, 0.05) * np.stack([girth[:-1], 0 * t[:-1] + 1], 1)[:, None]
    )
    head.plumes(rolls, [shaded(hide, pen.between(0.02, 0.14)) for _ in rolls], 1, depth=0.25)
    head.light()
    tip = trunk[-1]
    head.patch(oval(tip[0], tip[1], 0.1, 0.05), shaded(hide, -0.3), depth=0.25)
    for side in SIDES:
        head.patch(oval(tip[0] + side * 0.04, tip[1], 0.025, 0.02), INK, depth=0.25)
        for drop in (-0.08, 0.1, 0.14):
            wrinkle = [
                (side * 0.24, -0.13 + drop),
                (side * 0.36, -0.17 + drop * 1.2),
                (side * 0.46, -0.1 + drop),
            ]
            head.line(wrinkle, shaded(hide, -0.45), 2)
        head.eye(side * 0.36, -0.12, 0.075, hsv(0.08, 0.7, 0.6))
