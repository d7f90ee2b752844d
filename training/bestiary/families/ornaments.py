"""Ornaments: figures that turn around a middle."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.palette import Color, shaded
from training.bestiary.pen import Pen
from training.bestiary.registry import family
from training.bestiary.shapes import around, blade, rotated, turn
from training.bestiary.solids import ball

__all__ = ["beads", "mandala", "snowflake", "spiral", "star", "target"]


def _petals(
    pen: Pen, count: int, length: float, width: float, color: Color, *, offset: float = 0
) -> None:
    """A ring of petals around the middle, each with a dark edge, a lighter heart and a vein.

    `width` is a petal's half width; `offset` turns the ring, in petals.
    """
    outline = blade(length, width, pen.between(0.6, 1.1))
    heart = outline * (0.8, 0.45) + (0.1 * length, 0)
    for number in range(count):
        angle = 2 * math.pi * (number + offset) / count + pen.between(-0.05, 0.05)
        pen.polygon(rotated(outline * 1.03, angle), shaded(color, -0.5))
        pen.polygon(rotated(outline, angle), shaded(color, pen.between(-0.1, 0.1)))
        pen.polygon(rotated(heart, angle), shaded(color, 0.3))
        pen.line(rotated([(0.1, 0), (length * 0.85, 0)], angle), shaded(color, -0.35), 1)


@family("ornaments")
def target(pen: Pen) -> None:
    """Rings around rings, in two or three colours."""
    rings, colors, flat = pen.count(4, 10), pen.count(2, 3), pen.between(0.75, 1)
    for number in range(rings):
        size = 1 - number / rings
        pen.ellipse(0, 0, size, size * flat, pen.palette[number % colors])


@family("ornaments")
def spiral(pen: Pen) -> None:
    """Arms that wind out of the middle."""
    if pen.chance(0.6):
        pen.disc(0, 0, 1, shaded(pen.palette[2], pen.between(-0.5, 0.5)))
    arms, turns, bend = pen.count(1, 4), pen.between(2, 5), pen.between(0.7, 1.6)
    t = np.linspace(0, 1, 160)
    width = pen.between(0.03, 0.1) / math.sqrt(arms)
    for arm in range(arms):
        angle = 2 * math.pi * (turns / math.sqrt(arms) * t + arm / arms)
        path = 0.95 * (t**bend)[:, None] * around(angle)
        color = pen.palette[arm % 2]
        pen.ribbon(path, 0.3 * width, 1.25 * width, shaded(color, -0.5))
        pen.ribbon(path, 0.2 * width, width, color)
        pen.ribbon(path * 0.985, 0.05 * width, 0.4 * width, shaded(color, 0.45))


@family("ornaments")
def mandala(pen: Pen) -> None:
    """Rings of petals, beads and points, one inside the other."""
    count = pen.pick((6, 8, 10, 12, 16))
    pen.disc(0, 0, 1, shaded(pen.palette[0], pen.between(-0.6, 0.2)))
    size = 1.0
    for ring in range(pen.count(3, 5)):
        color = pen.palette[(ring + 1) % len(pen.palette)]
        offset = ring % 2 / 2
        match pen.pick(("petals", "beads", "points")):
            case "petals":
                _petals(pen, count, size, 1.6 * size / count, color, offset=offset)
            case "beads":
                for angle in turn(count) + 2 * math.pi * offset / count:
                    x, y = 0.88 * size * math.cos(angle), 0.88 * size * math.sin(angle)
                    ball(pen, x, y, 1.8 * size / count, 1.8 * size / count, color, gloss=False)
            case _:
                angles = turn(2 * count) + math.pi * offset / count
                reach = np.where(np.arange(2 * count) % 2, 0.75, 1.0) * size
                star = reach[:, None] * around(angles)
                pen.polygon(star, color)
                pen.line(star, shaded(color, -0.5), 2, closed=True)
        size *= pen.between(0.62, 0.78)
        pen.disc(0, 0, size, shaded(color, pen.between(-0.5, 0.4)))
    ball(pen, 0, 0, 0.16, 0.16, pen.palette[4])


@family("ornaments")
def star(pen: Pen) -> None:
    """A star whose rays have a bright and a dark side."""
    count, inner, start = pen.count(4, 9), pen.between(0.3, 0.55), pen.between(0, 6)
    color = pen.palette[0]
    corners = turn(2 * count) + start
    reach = np.where(np.arange(2 * count) % 2, inner, 1.0)
    outline = reach[:, None] * around(corners)
    for number in range(2 * count):
        side = [(0, 0), outline[number], outline[(number + 1) % (2 * count)]]
        pen.polygon(side, shaded(color, 0.35 if number % 2 else -0.35))
    if pen.chance(0.5):
        pen.line(outline, shaded(color, -0.7), 2, closed=True)


@family("ornaments")
def snowflake(pen: Pen) -> None:
    """Six equal branching arms."""
    width, arms = pen.between(2, 5), pen.pick((6, 6, 6, 8))
    color = pen.pick((pen.palette[0], (235.0, 242.0, 250.0)))
    twigs = [
        (pen.between(0.25, 0.95), pen.between(0.12, 0.35), pen.between(0.7, 1.2))
        for _ in range(pen.count(2, 5))
    ]
    for angle in turn(arms):
        pen.line(rotated([(0, 0), (1, 0)], angle), color, width)
        for start, length, spread in twigs:
            for side in (-spread, spread):
                tip = start + length * math.cos(side), length * math.sin(side)
                pen.line(rotated([(start, 0), tip], angle), color, width - 1)
    core = pen.between(0.12, 0.4)
    pen.line(core * around(turn(arms)), color, width, closed=True)


@family("ornaments")
def beads(pen: Pen) -> None:
    """A string of shining beads along a curve."""
    t = np.linspace(0, 1, pen.count(14, 26))
    match pen.pick(("wave", "coil", "ring")):
        case "wave":
            path = np.stack([2 * t - 1, 0.6 * np.sin(2 * math.pi * pen.between(1, 2) * t)], 1)
        case "coil":
            angle = 2 * math.pi * pen.between(1.5, 2.5) * t
            path = (0.15 + 0.8 * t)[:, None] * around(angle)
        case _:
            angle = 2 * math.pi * t * (1 - 1 / len(t))
            path = 0.8 * around(angle)
    size = pen.between(0.08, 0.15)
    colors = pen.palette[: pen.count(1, 3)]
    for number, (x, y) in enumerate(path):
        ball(pen, x, y, size, size, colors[number % len(colors)])
