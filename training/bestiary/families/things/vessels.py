"""Vessels and precious things: ship, vase, lantern, crystal."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.palette import mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import BLUE, BRICK, COPPER, GLOW, GOLD, INK, MARBLE, RED, TEAL, WOOD
from training.bestiary.registry import family
from training.bestiary.shapes import around, box, rotated, smooth, turn
from training.bestiary.solids import ball, lathe
from training.bestiary.tints import tinted

__all__ = ["crystal", "lantern", "ship", "vase"]


@family("things", upright=True)
def ship(pen: Pen) -> None:
    """A sailing ship: a wooden hull with ports, masts, and sails that belly in the wind."""
    wood = tinted(pen, WOOD, (95.0, 60.0, 40.0), (60.0, 50.0, 60.0), share=0.8)
    cloth = tinted(pen, MARBLE, (240.0, 225.0, 190.0), RED)
    masts = pen.pick((1, 2, 2, 3))
    square = pen.chance(0.65)
    places = {1: [0.0], 2: [-0.36, 0.34], 3: [-0.56, 0.0, 0.54]}[masts]
    wide = {1: 0.62, 2: 0.36, 3: 0.27}[masts]
    deck = 0.42
    pen.line([(-0.7, deck), (-1.0, 0.12)], shaded(wood, -0.3), 4)
    for number, x in enumerate(places):
        top = -0.98 if number == masts // 2 else -0.85
        pen.line([(x, deck + 0.1), (x, top)], shaded(wood, -0.5), 6)
        pen.line([(x - 0.01, deck + 0.1), (x - 0.01, top)], shaded(wood, 0.25), 2)
        for end in (-1.0, places[number - 1] if number else -0.8, 0.9):
            pen.line([(x, top), (end * 0.85, deck)], INK, 1)
        s = np.linspace(-1, 1, 9)
        if square:
            rows = 3 if masts > 1 else 2
            edges = np.linspace(top + 0.12, deck - 0.1, rows + 1)
            for row in range(rows):
                high, low = edges[row], edges[row + 1] - 0.05
                grown = wide * (0.62 + 0.38 * (row + 1) / rows)
                head = np.stack([x + s * grown * 0.85, 0 * s + high], 1)
                foot = np.stack([x + s * grown, low - 0.1 * (1 - s**2)], 1)
                bulge = np.linspace(0, 1, 7)
                lee = x + grown * (0.85 + 0.15 * bulge) + 0.1 * np.sin(math.pi * bulge)
                right = np.stack([lee, high + (low - high) * bulge], 1)
                left = right * (-1, 1) + (2 * x, 0)
                sail = np.concatenate([head, right, foot[::-1], left[::-1]])
                pen.line(sail, shaded(cloth, -0.75), 3, closed=True)
                pen.polygon(sail, cloth)
                shade = sail.copy()
                shade[:, 0] = np.maximum(shade[:, 0], x + 0.35 * grown)
                pen.polygon(shade, shaded(cloth, -0.3))
                for place in (-0.45, 0.0, 0.45):
                    seam = np.stack(
                        [x + place * grown * np.array((0.85, 1.0)), (high, low - 0.08)], 1
                    )
                    pen.line(seam, shaded(cloth, -0.35), 1)
                pen.line([head[0] - (0.04, 0), head[-1] + (0.04, 0)], shaded(wood, -0.4), 3)
        else:
            for side, long in ((-1, 0.75), (1, 1.05)):
                end = x + side * wide * long * 1.1
                bow = np.linspace(0, 1, 9)
                leech = np.stack(
                    [
                        x + (end - x) * bow + side * 0.14 * np.sin(math.pi * bow),
                        top + 0.05 + (deck - 0.1 - top) * bow,
                    ],
                    1,
                )
                sail = np.concatenate([leech, [(x + side * 0.03, deck - 0.08)]])
                pen.line(sail, shaded(cloth, -0.75), 3, closed=True)
                pen.polygon(sail, shaded(cloth, -0.25 if side > 0 else 0.1))
                for share in (0.35, 0.6, 0.85):
                    y = top + (deck - top) * share
                    pen.line([(x, y), (x + (end - x) * share, y - 0.04)], shaded(cloth, -0.45), 1)
        pen.polygon([(x, top), (x + 0.2, top + 0.05), (x, top + 0.1)], shaded(RED, 0.1))
    hull = smooth(
        [(-0.9, deck - 0.08), (-0.5, deck + 0.1), (0.4, deck + 0.1), (0.75, deck - 0.05)]
        + [(0.92, deck - 0.2), (0.85, 0.75), (0.6, 0.93), (-0.5, 0.93), (-0.72, 0.75)]
    )
    pen.line(hull, INK, 4, closed=True)
    pen.polygon(hull, wood)
    planks = pen.another()
    for row, y in enumerate(np.linspace(deck, 0.95, 7)):
        planks.ribbon(
            [(-1, y - 0.03), (0, y + 0.06), (1, y - 0.05)],
            0.045,
            0.045,
            shaded(wood, (0.35, 0.05, -0.2)[min(2, row // 2)] - 0.1 * (row % 2)),
        )
    gilt = pen.pick((GOLD, MARBLE, shaded(pen.palette[1], 0.3)))
    planks.line([(-1, deck + 0.06), (0, deck + 0.16), (1, deck + 0.03)], gilt, 4)
    for x in np.linspace(-0.55, 0.65, 6):
        planks.polygon(box(x, deck + 0.32, 0.045, 0.08), INK)
    pen.paste(planks.layer, within=hull)
    sea = shaded(pen.pick((BLUE, TEAL)), pen.between(-0.2, 0.2))
    t = np.linspace(-1, 1, 41)
    for depth, light in ((0.0, 0.4), (0.04, -0.1), (0.1, -0.4)):
        crest = 0.86 + depth + 0.035 * np.sin(14 * t + 40 * depth)
        wave = np.stack([t, crest], 1)
        pen.polygon(np.concatenate([wave, [(0.9, 1.05), (-0.9, 1.05)]]), shaded(sea, light))


@family("things", upright=True)
def lantern(pen: Pen) -> None:
    """A paper lantern that glows from within, ribbed, between caps, with a tassel."""
    paper = tinted(pen, RED, (250.0, 150.0, 50.0), GOLD, MARBLE, share=0.7)
    trim = pen.pick((GOLD, INK, WOOD))
    wide, high = pen.between(0.55, 0.9), pen.between(0.5, 0.68)
    square = pen.between(1.8, 3.6)
    middle = -0.14
    t = np.linspace(-0.93, 0.93, 25)
    radii = wide * (1 - np.abs(t) ** square) ** (1 / square)
    y = middle + high * t
    pen.line([(0, -1.04), (0, middle - high)], trim, 3)
    whole = np.concatenate([np.stack([-radii, y], 1), np.stack([radii, y], 1)[::-1]])
    pen.line(whole, shaded(paper, -0.8), 5, closed=True)
    for share, color in (
        (1.0, shaded(paper, -0.55)),
        (0.9, shaded(paper, -0.25)),
        (0.75, paper),
        (0.58, mixed(paper, GLOW, 0.35)),
        (0.4, mixed(paper, GLOW, 0.7)),
        (0.22, shaded(GLOW, 0.6)),
    ):
        glow = np.stack([-radii * share, middle + 0.08 + (y - middle - 0.08) * share**0.6], 1)
        pen.polygon(np.concatenate([glow, (glow * (-1, 1))[::-1]]), color)
    if pen.chance(0.6):
        for number in range(1, 24, pen.pick((2, 3))):
            bow = np.linspace(-1, 1, 11)
            rib = np.stack([bow * radii[number], y[number] + 0.05 * (1 - bow**2)], 1)
            pen.line(rib, shaded(paper, -0.45), 1)
    else:
        for place in np.sin(np.linspace(-1.25, 1.25, pen.count(7, 11))):
            pen.line(np.stack([place * radii, y], 1), shaded(paper, -0.5), 2)
    if pen.chance(0.35):
        sign = shaded(pen.palette[1], -0.6)
        strokes = 0.2 * np.array([[pen.between(-1, 1) for _ in range(4)] for _ in range(5)])
        for x0, y0, x1, y1 in strokes:
            pen.line([(x0, middle + y0), (x1, middle + y1)], sign, 5)
    for end in (-1, 1):
        rim = middle + end * high * 0.93
        heights = np.array((rim - 0.07, rim + 0.07))
        lathe(pen, 0, heights, np.full(2, radii[0] * 1.15), shaded(trim, -0.6))
        lathe(pen, 0, heights, np.full(2, radii[0] * 1.05), trim, depth=0.6)
    foot = middle + high + 0.02
    tassel = tinted(pen, RED, GOLD)
    for place in np.linspace(-1, 1, 13):
        thread = [(place * 0.05, foot + 0.1), (place * 0.12, min(1.02, foot + 0.5))]
        pen.line(thread, shaded(tassel, pen.between(-0.4, 0.4)), 2)
    ball(pen, 0, foot + 0.08, 0.08, 0.07, trim)


@family("things", upright=True)
def vase(pen: Pen) -> None:
    """A turned vase, glazed, with painted bands and often two handles."""
    clay = tinted(pen, BLUE, COPPER, MARBLE, TEAL, BRICK, GOLD)
    paint = pen.pick((shaded(clay, 0.55), shaded(clay, -0.65), MARBLE, INK, pen.palette[1]))
    belly, neck, foot = pen.between(0.55, 0.8), pen.between(0.14, 0.3), pen.between(0.22, 0.4)
    mouth, waist = neck * pen.between(1.2, 1.9), pen.between(-0.2, 0.35)
    knots = [
        (mouth, -0.97),
        (neck, -0.72),
        (neck * 1.1, -0.55),
        (belly * 0.8, waist - 0.35),
        (belly, waist),
        ((belly + foot) / 2, (waist + 0.9) / 2 + 0.1),
        (foot * 0.9, 0.88),
        (foot * 1.15, 0.97),
    ]
    profile = smooth(knots, closed=False, steps=6)
    radii, y = np.abs(profile[:, 0]), profile[:, 1]
    if pen.chance(0.55):
        reach = min(0.92, belly + pen.between(0.05, 0.25))
        for side in (-1, 1):
            loop = smooth(
                [(side * neck, -0.68), (side * reach * 0.8, -0.7), (side * reach, waist - 0.4)]
                + [(side * belly * 0.85, waist - 0.2)],
                closed=False,
            )
            pen.ribbon(loop, 0.065, 0.065, shaded(clay, -0.75))
            pen.ribbon(loop, 0.045, 0.045, clay)
            pen.ribbon(loop - (0.012, 0.012), 0.014, 0.014, shaded(clay, 0.5))
    lathe(pen, 0, y, radii + 0.03, shaded(clay, -0.8))
    lathe(pen, 0, y, radii, clay, depth=0.6)
    places = np.sin(np.linspace(-1.35, 1.35, 13))
    for _ in range(pen.count(1, 3)):
        at = pen.between(-0.5, 0.75)
        high = pen.between(0.08, 0.18)
        kind = pen.pick(("band", "waves", "dots", "teeth"))
        for edge in (-high, high):
            wide = float(np.interp(at + edge, y, radii))
            pen.line(np.stack([wide * places, at + edge + 0.05 * (1 - places**2)], 1), paint, 2)
        wide = float(np.interp(at, y, radii))
        curve = at + 0.05 * (1 - places**2)
        for number, (place, level) in enumerate(zip(places, curve, strict=True)):
            narrow = math.sqrt(max(0.05, 1 - place * place))
            if kind == "dots":
                pen.ellipse(wide * place, level, 0.05 * narrow, high * 0.45, paint)
            elif kind == "teeth":
                half = 0.09 * narrow * wide
                x = wide * place
                tooth = [(x - half, level + high), (x + half, level + high), (x, level - high)]
                pen.polygon(tooth, paint)
            elif kind == "waves":
                curve[number] += high * 0.6 * (-1) ** number
        if kind == "waves":
            wave = smooth(np.stack([wide * places, curve], 1), closed=False, steps=4)
            pen.line(wave, paint, 4)
    pen.ellipse(0, -0.97, mouth, 0.07, shaded(clay, 0.2))
    pen.ellipse(0, -0.965, mouth * 0.82, 0.05, shaded(clay, -0.85))
    t = slice(len(y) // 4, 3 * len(y) // 4)
    gloss = np.stack([-0.55 * radii[t], y[t]], 1)
    pen.ribbon(gloss, 0.035, 0.01, shaded(clay, 0.85))


@family("things", upright=True)
def crystal(pen: Pen) -> None:
    """A cluster of pointed prisms with bright and dark facets."""
    color = tinted(pen, (160.0, 90.0, 210.0), (90.0, 190.0, 220.0), (235.0, 235.0, 245.0), TEAL)
    second = pen.pick((color, pen.palette[1], shaded(color, 0.4)))
    count = pen.count(5, 9)
    foot = np.array((0, 0.85))
    spread = pen.between(0.75, 1.1)
    lean = sorted(np.linspace(-spread, spread, count), key=abs, reverse=True)
    for number, angle in enumerate(lean):
        share = abs(angle) / spread
        length = (1.85 - 0.85 * share) * pen.between(0.82, 1)
        half = pen.between(0.13, 0.2) * (1.1 - 0.35 * share)
        tip = length - half * pen.between(1.4, 2.4)
        body = mixed(color, second, number / count)
        turned = angle - math.pi / 2 + pen.between(-0.08, 0.08)
        ridge = pen.between(-0.35, 0.35) * half
        at = foot + (0.35 * math.sin(angle), 0)
        rows = np.array(
            [(0, -0.75 * half), (tip, -half), (length, 0), (tip, half), (0, 0.75 * half)]
        )
        facets = (
            ([(0, -0.75 * half), (tip, -half), (tip + 0.06, ridge), (0, ridge)], 0.35),
            ([(0, ridge), (tip + 0.06, ridge), (tip, half), (0, 0.75 * half)], -0.4),
            ([(tip, -half), (length, 0), (tip + 0.06, ridge)], 0.7),
            ([(tip + 0.06, ridge), (length, 0), (tip, half)], -0.1),
        )
        pen.line(rotated(rows, turned) + at, shaded(body, -0.8), 4, closed=True)
        for points, light in facets:
            pen.polygon(rotated(points, turned) + at, shaded(body, light + pen.between(-0.1, 0.1)))
        glint = [(0.25 * tip, -0.5 * half), (0.9 * tip, -0.62 * half)]
        pen.line(rotated(glint, turned) + at, shaded(body, 0.85), 2)
        edge = [(0, ridge), (tip + 0.06, ridge), (length, 0)]
        pen.line(rotated(edge, turned) + at, shaded(body, 0.75), 1)
    rock = tinted(pen, (110.0, 100.0, 100.0), (70.0, 65.0, 75.0), share=0.85)
    for x in np.linspace(-0.6, 0.6, 7):
        size = pen.between(0.13, 0.22)
        stone = rotated(around(turn(6)) * size, pen.between(0, 1))
        at = np.array((x, 0.9))
        pen.polygon(stone * 1.1 + at, shaded(rock, -0.7))
        pen.polygon(stone + at, shaded(rock, -0.2))
        pen.polygon(stone * 0.6 + at - (0.04, 0.05), shaded(rock, 0.3))
