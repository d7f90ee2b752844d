"""What turns, and what rolls: gear, wheel, clock, car."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from training.bestiary.palette import Color, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import BLUE, COPPER, GLOW, GOLD, INK, MARBLE, RED, STEEL, TEAL, WOOD
from training.bestiary.registry import family
from training.bestiary.shapes import around, box, rotated, smooth, turn
from training.bestiary.solids import ball
from training.bestiary.tints import tinted

__all__ = ["car", "clock", "gear", "wheel"]


def _disc(pen: Pen, radii: Iterable[tuple[float, Color]], x: float = 0, y: float = 0) -> None:
    """Concentric discs, each with its colour, from the outside in."""
    for radius, color in radii:
        pen.disc(x, y, radius, color)


@family("things")
def gear(pen: Pen) -> None:
    """A toothed wheel of metal with holes around its hub."""
    metal = tinted(pen, GOLD, STEEL, COPPER, (110.0, 115.0, 125.0), share=0.75)
    teeth, root = pen.count(8, 18), pen.between(0.76, 0.84)
    flank = pen.between(0.1, 0.2)
    shape = [(root, -0.28), (0.98, -0.28 + flank), (0.98, 0.28 - flank), (root, 0.28), (root, 0.5)]
    outline = np.array(
        [
            (out * math.cos(angle), out * math.sin(angle))
            for number in range(teeth)
            for out, place in shape
            for angle in [2 * math.pi * (number + place) / teeth]
        ]
    )
    for scale, shift, light in ((1.0, 0.02, -0.75), (0.985, 0, -0.3), (0.96, -0.012, 0.45)):
        pen.polygon(outline * scale + shift, shaded(metal, light))
    pen.polygon(outline * 0.93, metal)
    # Brushed metal shines in two opposite fans.
    for angle, light in ((3.9, 0.35), (0.75, 0.25), (2.35, -0.25), (5.5, -0.25)):
        for wide in (0.45, 0.22):
            t = np.linspace(angle - wide, angle + wide, 8)
            fan = root * 0.9 * around(t)
            pen.polygon(np.concatenate([fan, [(0, 0)]]), shaded(metal, light * 0.7 / (wide * 3)))
    groove = pen.between(0.58, 0.68)
    pen.ring(0, 0, groove, groove, shaded(metal, -0.6), 3)
    pen.ring(0.012, 0.012, groove, groove, shaded(metal, 0.5), 1)
    holes = pen.pick((0, 4, 5, 6, 8))
    size = min(0.14, 0.75 / max(holes, 1))
    for angle in turn(holes):
        x, y = 0.43 * math.cos(angle), 0.43 * math.sin(angle)
        rings = (size * 1.2, shaded(metal, 0.5)), (size * 1.1, shaded(metal, -0.5)), (size, INK)
        _disc(pen, rings, x, y)
    ball(pen, 0, 0, 0.24, 0.24, shaded(metal, 0.1), gloss=False)
    _disc(pen, ((0.14, shaded(metal, -0.6)), (0.11, INK)))


@family("things")
def wheel(pen: Pen) -> None:
    """A wheel that one sees through: a rim, spokes and a hub."""
    rim = tinted(pen, WOOD, INK, STEEL, RED, GOLD, share=0.75)
    spoke = pen.pick((rim, shaded(rim, 0.35), tinted(pen, STEEL, GOLD, WOOD)))
    tyre = pen.pick(((38.0, 36.0, 40.0), shaded(rim, -0.6), WOOD))
    count = pen.pick((6, 8, 8, 10, 12, 14, 16))
    thick = min(0.075, 0.6 / count) * pen.between(0.8, 1.2)
    swollen = pen.chance(0.4)
    for angle in turn(count) + pen.between(0, 1):
        t = np.linspace(0.1, 0.84, 9)
        half = thick * (1 + (0.7 * np.sin(math.pi * t * 2.2) ** 2 if swollen else 0 * t))
        for scale, light in ((1.4, -0.75), (1.0, -0.05), (0.4, 0.5)):
            edge = np.stack([t, half * scale], 1), np.stack([t, -half * scale], 1)[::-1]
            pen.polygon(rotated(np.concatenate(edge), angle), shaded(spoke, light))
    band = pen.between(0.09, 0.14)
    width = 2 * band * 88
    outer = 0.97 - band
    pen.ring(0, 0, outer, outer, shaded(tyre, -0.7), width)
    pen.ring(0, 0, outer + 0.02, outer + 0.02, tyre, width * 0.62)
    pen.ring(-0.012, -0.016, outer + 0.04, outer + 0.04, shaded(tyre, 0.4), width * 0.18)
    inner = outer - band * 0.75
    pen.ring(0, 0, inner, inner, rim, width * 0.45)
    pen.ring(-0.008, -0.012, inner, inner, shaded(rim, 0.5), 2)
    if pen.chance(0.4):
        for angle in turn(count):
            ball(pen, outer * math.cos(angle), outer * math.sin(angle), 0.035, 0.035, GOLD)
    hub = pen.between(0.15, 0.24)
    pen.disc(0, 0, hub * 1.12, shaded(rim, -0.75))
    ball(pen, 0, 0, hub, hub, spoke, gloss=False)
    _disc(pen, ((hub * 0.45, shaded(rim, -0.6)), (hub * 0.33, shaded(spoke, 0.4))))


@family("things", upright=True)
def clock(pen: Pen) -> None:
    """A round dial with twelve marks and two hands in a rim, at times with bells and feet."""
    rim = tinted(pen, GOLD, WOOD, STEEL, RED, INK)
    dial = tinted(pen, MARBLE, (245.0, 235.0, 205.0), share=0.85)
    ink = pen.pick((INK, INK, shaded(pen.palette[1], -0.6)))
    alarm = pen.chance(0.35)
    radius, y = (0.74, 0.14) if alarm else (0.97, 0.0)
    if alarm:
        for side in (-1, 1):
            leg = np.array([(side * 0.4, 0.7), (side * 0.58, 1.0)])
            pen.ribbon(leg, 0.07, 0.05, shaded(rim, -0.5))
            ball(pen, side * 0.45, -0.66, 0.3, 0.22, rim, side * 0.6)
        pen.line([(0, -0.55), (0, -0.85)], shaded(rim, -0.4), 7)
        ball(pen, 0, -0.88, 0.1, 0.08, rim)
    band = pen.between(0.1, 0.2)
    steps = (1.0, shaded(rim, -0.75)), (0.97, shaded(rim, -0.2)), (0.97 - 0.3 * band, rim)
    for scale, color in steps:
        pen.disc(0, y, radius * scale, color)
    bright = radius * (0.97 - 0.5 * band)
    pen.ring(-0.012, y - 0.016, bright, bright, shaded(rim, 0.6), 3)
    face = radius * (1 - band)
    pen.disc(0, y, face * 1.03, shaded(rim, -0.8))
    pen.disc(0, y, face, shaded(dial, -0.2))
    pen.disc(0.02, y + 0.03, face * 0.95, dial)
    strokes = pen.pick((1, 2, 3))
    for hour, angle in enumerate(turn(12)):
        long = 0.2 if hour % 3 == 0 else 0.13
        marks = strokes if hour % 3 == 0 else 1
        for shift in np.linspace(-1, 1, marks) * 0.035 * (marks > 1):
            mark = np.array([(0.92 - long, shift), (0.92, shift * 1.2)]) * face
            pen.line(rotated(mark, angle) + (0, y), ink, 5 if hour % 3 == 0 else 3)
    for angle in turn(60):
        tick = np.array([(0.94, 0), (0.98, 0)]) * face
        pen.line(rotated(tick, angle) + (0, y), ink, 1)
    time = pen.between(0, 12)
    for angle, long, half in ((time / 12, 0.52, 0.06), (time % 1, 0.8, 0.042)):
        hand = np.array([(-0.14, 0), (0.0, half), (long * 0.75, half), (long, 0)]) * face
        whole = np.concatenate([hand, hand[::-1] * (1, -1)])
        turned = 2 * math.pi * angle - math.pi / 2
        pen.polygon(rotated(whole, turned) + (0.02, y + 0.03), shaded(dial, -0.45))
        pen.polygon(rotated(whole, turned) + (0, y), ink)
    ball(pen, 0, y, 0.07, 0.07, rim)


@family("things", upright=True)
def car(pen: Pen) -> None:
    """A car from its side: body, windows, wheels and lamps."""
    paint = tinted(pen, RED, BLUE, GOLD, TEAL, MARBLE, (60.0, 60.0, 70.0))
    kind = pen.pick(("saloon", "beetle", "van"))
    outline, cabin = {
        "saloon": (
            [(-0.97, 0.3), (-0.95, 0.0), (-0.55, -0.08), (-0.3, -0.42), (0.3, -0.42), (0.6, -0.08)]
            + [(0.95, -0.03), (0.98, 0.3)],
            [(-0.48, -0.08), (-0.26, -0.36), (0.26, -0.36), (0.5, -0.08)],
        ),
        "beetle": (
            [(-0.97, 0.3), (-0.93, 0.05), (-0.6, -0.12), (-0.45, -0.4), (-0.1, -0.6), (0.35, -0.52)]
            + [(0.75, -0.2), (0.97, 0.2), (0.95, 0.3)],
            [(-0.45, -0.1), (-0.34, -0.36), (-0.08, -0.52), (0.3, -0.45), (0.55, -0.1)],
        ),
        "van": (
            [(-0.97, 0.3), (-0.96, -0.05), (-0.75, -0.15), (-0.55, -0.55), (0.85, -0.58)]
            + [(0.96, -0.45), (0.97, 0.3)],
            [(-0.66, -0.12), (-0.48, -0.47), (0.8, -0.5), (0.84, -0.12)],
        ),
    }[kind]
    tall = pen.between(0.95, 1.3)
    bent = smooth(outline, closed=False) if kind == "beetle" else np.array(outline)
    body = np.concatenate([bent, [(0.9, 0.42), (-0.9, 0.42)]]) * (1, tall)
    pen.line(body, shaded(paint, -0.8), 6, closed=True)
    pen.polygon(body, paint)
    low = body.copy()
    low[:, 1] = np.maximum(low[:, 1], 0.2 * tall)
    pen.polygon(low, shaded(paint, -0.4))
    middle = body.copy()
    middle[:, 1] = middle[:, 1].clip(-0.06 * tall, 0.03 * tall)
    pen.polygon(middle * (0.97, 1), shaded(paint, 0.4))
    glass = np.array(cabin) * (1, tall)
    pane: Color = pen.pick(((150.0, 200.0, 225.0), (60.0, 75.0, 95.0), GLOW))
    pen.line(glass, shaded(paint, -0.7), 4, closed=True)
    pen.polygon(glass, pane)
    shine = np.array([(-0.2, -0.1), (-0.05, -0.35), (0.05, -0.35), (-0.1, -0.1)]) * (1, tall)
    pen.polygon(shine, shaded(pane, 0.55))
    pillars = (-0.02, 0.45) if kind == "van" else (0.04,)
    for x in pillars:
        pen.line([(x, -0.5 * tall), (x, -0.1 * tall)], paint, 5)
        pen.line([(x, -0.1 * tall), (x, 0.38 * tall)], shaded(paint, -0.6), 2)
        pen.line([(x + 0.06, 0.02 * tall), (x + 0.16, 0.02 * tall)], shaded(paint, -0.7), 3)
    pen.ellipse(-0.9, 0.1 * tall, 0.07, 0.08, shaded(GLOW, 0.3))
    pen.ellipse(0.93, 0.08 * tall, 0.04, 0.08, (230.0, 40.0, 30.0))
    for x in (-1, 1):
        pen.polygon(box(x * 0.9, 0.42 * tall, 0.12, 0.09), shaded(STEEL, 0.3))
    radius = pen.between(0.24, 0.29)
    spokes, disc = pen.count(5, 9), pen.pick((STEEL, STEEL, shaded(paint, 0.3)))
    for x in (-0.56, 0.56):
        y = 0.42 * tall
        pen.disc(x, y - 0.03, radius * 1.2, shaded(paint, -0.85))
        rings = (radius, INK), (radius * 0.62, shaded(disc, -0.4)), (radius * 0.55, disc)
        _disc(pen, rings, x, y)
        for angle in turn(spokes):
            way = np.array([math.cos(angle), math.sin(angle)])
            pen.line(np.outer((0.06, radius * 0.52), way) + (x, y), shaded(disc, -0.6), 3)
        ball(pen, x, y, radius * 0.2, radius * 0.2, disc)
