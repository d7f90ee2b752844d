"""Single leaves: with veins, like a hand, like a fan."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.light import swell
from training.bestiary.palette import mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import AUTUMN, CREAM, GREEN, LIME, PINE
from training.bestiary.registry import family
from training.bestiary.shapes import rotated
from training.bestiary.tints import tinted

__all__ = ["leaf", "maple_leaf", "palm_leaf"]


@family("plants")
def leaf(pen: Pen) -> None:
    """A single leaf with its veins: entire, toothed or wavy, from narrow to broad."""
    color = tinted(pen, GREEN, LIME, PINE, *AUTUMN)
    vein = pen.pick((shaded(color, 0.55), shaded(color, -0.55), CREAM))
    t = np.linspace(0, 1, 57)
    swelling = np.sin(math.pi * t ** pen.between(0.55, 0.95)) ** pen.between(0.75, 1.15)
    width = swelling * pen.between(0.42, 0.8)
    edge, teeth = pen.pick(("entire", "toothed", "wavy")), pen.count(8, 14)
    if edge == "toothed":
        width *= 0.9 + 0.22 * (teeth * t % 1)
    elif edge == "wavy":
        width *= 1 + 0.07 * np.sin(2 * math.pi * teeth * t * 0.6)
    bend = pen.between(-0.3, 0.3)
    spine = np.stack([1.8 * t - 0.83, bend * (np.sin(math.pi * t) - 0.5)], 1)
    upper, lower = spine - width[:, None] * (0, 1), spine + width[:, None] * (0, 1)
    stalk = np.array([(-1.05, spine[0, 1] + 0.08), spine[0], spine[3]])
    pen.ribbon(stalk, 0.04, 0.02, shaded(vein, -0.3))
    pen.polygon(np.concatenate([upper, lower[::-1]]) * 1.03, shaded(color, -0.7))
    pen.polygon(np.concatenate([upper, spine[::-1]]), shaded(color, 0.18))
    pen.polygon(np.concatenate([spine, lower[::-1]]), shaded(color, -0.15))
    heart = spine + (lower - spine) * 0.5, spine + (upper - spine) * 0.5
    pen.polygon(np.concatenate([heart[0], heart[1][::-1]]), shaded(color, 0.06))
    if pen.chance(0.3):
        rim = pen.pick((CREAM, LIME, AUTUMN[0]))
        for half in (upper, lower):
            pen.polygon(np.concatenate([half, ((half - spine) * 0.78 + spine)[::-1]]), rim)
    s = np.linspace(0, 1, 7)[:, None]
    count = pen.count(6, 10)
    for number in range(count):
        start = 3 + int(44 * number / count)
        for half, light in ((upper, 0.12), (lower, -0.1)):
            ahead = min(56, start + pen.count(7, 9))
            curve = spine[start] * (1 - s) + half[ahead] * s
            curve += (half[start] - spine[start]) * 0.25 * s * (1 - s)
            pen.line(curve[:6] + (0.035, 0), shaded(color, light - 0.3), 3)
            pen.line(curve[:6] - (0.03, 0), shaded(color, light + 0.25), 2)
            pen.line(curve, vein, 2)
    pen.ribbon(spine, 0.035, 0.006, vein)
    if pen.chance(0.5):
        swell(pen.layer, 0.5)


@family("plants")
def maple_leaf(pen: Pen) -> None:
    """Five toothed lobes spread like a hand around a stalk."""
    color = tinted(pen, *AUTUMN, *AUTUMN, GREEN, LIME, share=0.8)
    tip = pen.pick((color, mixed(color, (250.0, 190.0, 50.0), 0.5), shaded(color, -0.3)))
    vein = pen.pick((shaded(color, 0.5), shaded(color, -0.5)))
    fat, side_angle = pen.between(0.85, 1.15), pen.between(0.85, 1.0)
    tooth = pen.between(0.24, 0.32)
    half = np.array(
        [(0, 0.2), (0.3, 0.15), (0.42, 0.2), (0.5, tooth), (0.58, 0.17), (0.72, 0.17), (0.78, 0.06)]
    ) * (1, fat)
    up = -math.pi / 2
    lobes = [(up, 1.25)]
    for side in (-1, 1):
        lobes.append((up + side * side_angle, pen.between(1.05, 1.15)))
        lobes.append((up + side * 2.05, pen.between(0.65, 0.75)))
    shape = np.concatenate([half, [(1.0, 0.0)], half[::-1] * (1, -1)])
    heart = np.array((0, 0.28))
    stalk = np.stack(
        [pen.between(-0.2, 0.2) * np.linspace(0, 1, 6) ** 2, np.linspace(0, 0.75, 6)], 1
    )
    pen.ribbon(stalk + heart, 0.03, 0.025, shaded(vein, -0.4))
    for angle, length in lobes:
        pen.polygon(rotated(shape * (length * 1.04, 1.12), angle) + heart, shaded(color, -0.75))
    pen.disc(heart[0], heart[1], 0.22, color)
    for angle, length in reversed(lobes):
        grown = shape * (length, 1)
        pen.polygon(rotated(grown, angle) + heart, shaded(tip, -0.18))
        pen.polygon(rotated(grown[: len(half) + 1] * (1, 0.96), angle) + heart, shaded(tip, 0.12))
        pen.polygon(rotated(grown * (0.78, 0.62), angle) + heart, color)
    for angle, length in lobes:
        pen.line(rotated([(0, 0), (length * 0.93, 0)], angle) + heart, vein, 2)
        for share in (0.28, 0.45, 0.62):
            for side in (-1, 1):
                end = (share + 0.2) * length, side * fat * (0.24 - 0.2 * share)
                pen.line(rotated([(share * length, 0), end], angle) + heart, vein, 1)
    swell(pen.layer, 0.45)


@family("plants")
def palm_leaf(pen: Pen) -> None:
    """A fan palm's leaf: pleated blades that spread from the head of a stalk."""
    green = tinted(pen, GREEN, LIME, PINE, (200.0, 170.0, 80.0), share=0.75)
    count = pen.count(13, 23)
    spread = pen.between(1.5, 2.5)
    joined, bend = pen.between(0.4, 0.62), pen.between(-0.12, 0.12)
    heart = np.array((0, 0.25 + 0.12 * (2.5 - spread)))
    length = 1.0 + 0.18 * (2.5 - spread)
    foot = min(1.0 - heart[1], 0.8)
    stalk = np.stack([bend * np.linspace(0, 1, 5), np.linspace(0, foot, 5)], 1) + heart
    pen.ribbon(stalk, 0.05, 0.06, shaded(green, -0.6))
    pen.ribbon(stalk - (0.01, 0), 0.025, 0.03, shaded(green, 0.3))
    width = joined * math.sin(spread / count) * 1.08
    for angle in sorted(np.linspace(-spread, spread, count), key=abs, reverse=True):
        reach = length * (1 - 0.2 * (angle / spread) ** 2) * pen.between(0.94, 1)
        blades = np.array([(0, 0), (joined, width), (0.8, width * 0.7), (1, 0.0), (1, 0.0)])
        droop = (0.12 + bend) * math.copysign(1, angle) * np.array([0, 0, 0.35, 1, 1])
        upper, lower = blades * (reach, -1), blades * (reach, 1)
        middle = np.array([(0, 0), (joined, 0), (0.8, 0), (1, 0.0), (1, 0)]) * (reach, 1)
        for part in (upper, lower, middle):
            part[:, 1] += droop * reach * abs(math.sin(angle))
        turned = angle - math.pi / 2
        whole = np.concatenate([upper, lower[::-1]])
        light = pen.between(-0.08, 0.08)
        pen.polygon(rotated(whole * (1.02, 1.12), turned) + heart, shaded(green, -0.75))
        pen.polygon(rotated(whole * (0.99, 0.92), turned) + heart, shaded(green, light - 0.35))
        pen.polygon(
            rotated(np.concatenate([upper * (1, 0.92), middle[::-1]]), turned) + heart,
            shaded(green, light + 0.25),
        )
        pen.line(rotated(middle, turned) + heart, shaded(green, 0.55), 1)
    pen.disc(heart[0], heart[1], 0.06, shaded(green, -0.5))
