"""Fronds and feathers: what grows along a curved shaft."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.palette import Color, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import CREAM, GREEN, LIME, PINE
from training.bestiary.registry import family
from training.bestiary.shapes import Points, around, rotated, turn
from training.bestiary.solids import ball
from training.bestiary.tints import tinted

__all__ = ["feather", "fern", "peacock_feather"]


def _rachis(pen: Pen, count: int, bend: float, top: float = -0.97) -> tuple[Points, Points]:
    """A curved stalk from the bottom up to `top`: its points, and its heading (radians) there."""
    t = np.linspace(0, 1, count)
    wave = pen.between(-0.5, 0.5)
    x = bend * (t**2 - 0.4) + 0.2 * bend * wave * np.sin(2 * math.pi * t)
    points = np.stack([x, 0.97 - (0.97 - top) * t], 1)
    along = np.gradient(points, axis=0)
    return points, np.arctan2(along[:, 1], along[:, 0])


def _comb(lobes: int, lean: float, depth: float) -> Points:
    """A leaflet's outline, 1 long along x and 1 to either side, with `lobes` along each edge."""
    root = np.linspace(0.02, 0.9, lobes)
    width = (1 - root) ** 0.6
    tips = np.stack([root + lean / lobes, width], 1)
    notches = np.stack([root + 0.95 / lobes, width * (1 - depth)], 1)
    side = np.stack([tips, notches], 1).reshape(-1, 2)
    return np.concatenate([[(0.0, 0.3)], side, [(1.0, 0.0)], side[::-1] * (1, -1), [(0.0, -0.3)]])


@family("plants")
def fern(pen: Pen) -> None:
    """A large frond: lobed leaflets in pairs, shorter and shorter towards the tip."""
    green = tinted(pen, GREEN, LIME, PINE, share=0.75)
    tip = pen.pick((green, shaded(green, 0.35), mixed(green, LIME, 0.7)))
    count = pen.count(10, 16)
    points, heading = _rachis(pen, count + 3, pen.between(-0.6, 0.6))
    comb = _comb(pen.count(5, 8), pen.between(0.9, 1.5), pen.between(0.5, 0.75))
    upper = comb[: len(comb) // 2 + 1]
    broad, spread, droop = pen.between(0.65, 0.95), pen.between(1.0, 1.3), pen.between(-0.2, 0.3)
    for number in range(1, count + 2):
        t = number / (count + 2)
        length = broad * min(1.0, 0.45 + 2.2 * t) * (1 - t) ** 0.75 + 0.05
        width = min(0.15, 1.5 / count) * (0.35 + 0.65 * length / broad)
        color = shaded(mixed(green, tip, t), pen.between(-0.1, 0.1))
        for side in (-1, 1):
            angle = heading[number] + side * (spread - 0.35 * t) * pen.between(0.95, 1.05)
            layers = (
                (comb * (1, 1.2), -0.7),
                (comb * (0.97, 0.92), -0.1),
                (upper * (0.95, -side * 0.85), 0.35),
            )
            for shape, light in layers:
                bent = shape * (length, width)
                bent[:, 1] -= side * droop * length * shape[:, 0] ** 2 * 0.5
                pen.polygon(rotated(bent, angle) + points[number], shaded(color, light))
    pen.ribbon(points, 0.045, 0.008, shaded(green, -0.6))
    pen.ribbon(points, 0.022, 0.004, shaded(tip, 0.3))


def _barbs(
    pen: Pen, points: Points, heading: Points, first: int, reach: Points, colors: list[Color]
) -> None:
    """Barbs to both sides of a shaft from point `first` on; `reach`[side, point] is their length.

    Each takes the colour of its point, lighter or darker by chance.
    """
    for number in range(first, len(points)):
        t = (number - first) / (len(points) - first)
        for side in (-1, 1):
            length = reach[(side + 1) // 2, number]
            angle = heading[number] + side * (1.05 - 0.7 * t)
            root = points[number]
            middle = root + 0.55 * length * np.array([math.cos(angle), math.sin(angle)])
            angle -= side * 0.35
            end = middle + 0.55 * length * np.array([math.cos(angle), math.sin(angle)])
            light = pen.between(-0.15, 0.15) - 0.1 * side + (0.18 if number % 2 else -0.22)
            pen.line([root, middle, end], shaded(colors[number], light), 3)


@family("plants")
def feather(pen: Pen) -> None:
    """A large quill: a pale shaft, close barbs, down at its foot, often bars or a tip."""
    base = tinted(pen, CREAM, (120.0, 90.0, 70.0), (60.0, 60.0, 75.0), (60.0, 110.0, 190.0))
    second = pen.pick((pen.palette[1], shaded(base, -0.6), shaded(base, 0.6)))
    count = 66
    points, heading = _rachis(pen, count, pen.between(-0.6, 0.6), -0.7)
    t = np.linspace(0, 1, count)
    vane = np.clip((t - 0.16) / 0.84, 0, 1)
    form = np.sin(math.pi * (0.12 + 0.88 * vane) ** pen.between(0.7, 1.1)) ** 0.6 + 0.1
    sides = pen.between(0.45, 0.72), pen.between(0.45, 0.72)
    reach = np.stack([form * side for side in sides])
    # Here and there the vane is split: barbs stop short together.
    for _ in range(pen.count(0, 3)):
        side, at = pen.count(0, 1), pen.count(18, count - 14)
        reach[side, at : at + 2] *= 0.45
    match pen.pick(("bars", "tip", "plain", "bars")):
        case "bars":
            shares = (np.sin(t * pen.between(22, 45)) > pen.between(-0.2, 0.4)).astype(float)
        case "tip":
            shares = np.clip((t - pen.between(0.4, 0.7)) * 5, 0, 1)
        case _:
            shares = t * 0.6
    colors = [mixed(base, second, share) for share in shares]
    first = 12
    for number in range(5, 17):
        for side in (-1, 1):
            for _ in range(3):
                angle = heading[number] + side * pen.between(0.7, 1.5)
                way = pen.between(0.15, 0.35) * np.array([math.cos(angle), math.sin(angle)])
                sag = np.array([0, pen.between(0, 0.1)])
                tuft = [points[number], points[number] + 0.6 * way, points[number] + way + sag]
                pen.line(tuft, shaded(base, pen.between(0.2, 0.7)), 1)
    _barbs(pen, points, heading, first, reach, colors)
    pen.ribbon(points, 0.035, 0.006, shaded(second, -0.6))
    pen.ribbon(points, 0.02, 0.003, shaded(CREAM, 0.3))


@family("plants")
def peacock_feather(pen: Pen) -> None:
    """Loose shimmering barbs around the peacock's eye."""
    natural = pen.chance(0.65)
    green: Color = (60.0, 150.0, 70.0)
    eyes: list[Color] = [(150.0, 190.0, 60.0), (190.0, 120.0, 40.0), (40.0, 190.0, 200.0)]
    heart: Color = (35.0, 25.0, 120.0)
    if not natural:
        green = tinted(pen, PINE, share=0.2)
        eyes = [shaded(color, 0.25) for color in pen.palette[1:4]]
        heart = shaded(pen.palette[4], -0.7)
    gold = shaded(mixed(green, eyes[1], 0.5), 0.2)
    count = 54
    points, heading = _rachis(pen, count, pen.between(-0.4, 0.4), -0.6)
    t = np.linspace(0, 1, count)
    wide = pen.between(0.55, 0.8)
    form = (0.55 + 0.45 * np.sin(math.pi * t**0.8)) * (1 - 0.45 * t**4)
    reach = np.stack([wide * form, wide * form])
    reach *= 1 + 0.12 * np.array([[pen.between(-1, 1) for _ in t] for _ in range(2)])
    colors = [mixed(green, gold, pen.between(0, 1)) for _ in t]
    _barbs(pen, points, heading, 4, reach, colors)
    for number in range(4, count, 2):
        for side in (-1, 1):
            angle = heading[number] + side * (0.9 - 0.6 * number / count)
            way = wide * form[number] * np.array([math.cos(angle), math.sin(angle)])
            pen.line([points[number], points[number] + way], shaded(gold, 0.5), 1)
    pen.ribbon(points[:42], 0.03, 0.012, shaded(CREAM, 0.2))
    x, y = points[42] + (0, 0.04)
    angle, size = heading[42] + math.pi / 2, pen.between(0.46, 0.58)
    down = np.array([-math.sin(angle), math.cos(angle)])
    egg = around(turn(30))
    egg[:, 0] *= 1 - 0.18 * egg[:, 1]
    rings = ((1.04, shaded(green, -0.7), 0.0), (1.0, eyes[0], 0.0), (0.84, eyes[1], 0.06))
    for scale, color, lower in rings:
        at = np.array((x, y)) + down * size * lower
        pen.polygon(rotated(egg * size * scale * (0.82, 1), angle) + at, color)
    for spoke in turn(40):
        ray = np.outer((0.5, 0.99), (0.82 * math.cos(spoke), math.sin(spoke))) * size
        pen.line(rotated(ray, angle) + (x, y), shaded(eyes[1], pen.between(-0.4, 0.5)), 1)
    middle = np.array((x, y)) + down * size * 0.16
    pen.polygon(rotated(egg * size * 0.55 * (0.95, 1), angle) + middle, shaded(eyes[2], -0.3))
    pen.polygon(rotated(egg * size * 0.5 * (0.95, 1), angle) + middle, shaded(eyes[2], 0.15))
    s = turn(30)
    kidney = np.stack([0.36 * np.cos(s), 0.3 * np.sin(s) - 0.2 * np.exp(-9 * np.cos(s) ** 2)], 1)
    kidney[:, 1] *= -1
    low = middle + down * size * 0.1
    pen.polygon(rotated(kidney * size, angle) + low, heart)
    ball(pen, low[0] - 0.12 * size, low[1], 0.05, 0.05, shaded(heart, 0.5), gloss=False)
