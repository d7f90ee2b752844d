"""Of the forest: a tree, a mushroom, a pine cone, a fern that unrolls."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.palette import mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import AUTUMN, CREAM, GREEN, LIME, PINE, WOOD
from training.bestiary.registry import family
from training.bestiary.shapes import Points, blade, rotated, turn
from training.bestiary.solids import lathe
from training.bestiary.tints import tinted

__all__ = ["fiddlehead", "mushroom", "pine_cone", "tree"]


@family("plants", upright=True)
def tree(pen: Pen) -> None:
    """A trunk that forks into a round crown of leaves, dense or sparse."""
    bark = tinted(pen, WOOD, (90.0, 70.0, 60.0), (200.0, 195.0, 185.0), share=0.85)
    green = tinted(pen, GREEN, PINE, LIME, *AUTUMN, (240.0, 160.0, 190.0), share=0.75)
    tips: list[Points] = []

    def grow(foot: Points, angle: float, length: float, width: float, left: int) -> None:
        way = np.array([math.cos(angle), math.sin(angle)])
        end = foot + length * way
        pen.ribbon([foot, end], width * 1.25, width * 0.9, shaded(bark, -0.65))
        pen.ribbon([foot, end], width, width * 0.65, bark)
        pen.line([foot - (0.3 * width, 0), end - (0.3 * width, 0)], shaded(bark, 0.35), width * 30)
        if not left:
            tips.append(end)
            return
        for side in (-1, 1):
            turned = angle + side * pen.between(0.3, 0.65) - 0.15 * math.cos(angle)
            grow(end, turned, length * pen.between(0.66, 0.82), width * 0.62, left - 1)

    trunk = pen.between(0.55, 0.7)
    for side in (-1, 1):
        root = np.array([(0, 0.85), (side * 0.09, 0.95), (side * 0.25, 1.0)])
        pen.ribbon(root, 0.07, 0.02, shaded(bark, -0.3))
    grow(np.array((0.0, 1.0)), -math.pi / 2 + pen.between(-0.12, 0.12), trunk, 0.11, 3)
    crown = np.array([0, -0.25]), np.array([pen.between(0.68, 0.85), pen.between(0.5, 0.62)])
    sparse = pen.chance(0.25)
    clumps = [tip for tip in tips if abs(tip[0]) < 0.85]
    for _ in range(6 if sparse else 22):
        angle, out = pen.between(0, 2 * math.pi), math.sqrt(pen.between(0.1, 1))
        clumps.append(crown[0] + crown[1] * (out * math.cos(angle), out * math.sin(angle)))
    size = pen.between(0.1, 0.13) if sparse else pen.between(0.16, 0.22)
    clumps.sort(key=lambda clump: clump[1], reverse=True)
    for x, y in clumps:
        pen.disc(x, y + 0.04, size * 1.05, shaded(green, -0.7))
    for x, y in clumps:
        light = -0.2 - 0.3 * (y + 0.25)
        pen.disc(x, y, size * 0.95, shaded(green, light - 0.2))
        for _ in range(7):
            angle, out = pen.between(0, 2 * math.pi), size * pen.between(0.3, 1.05)
            dx, dy = out * math.cos(angle), out * math.sin(angle)
            shine = max(-0.8, min(0.6, light + 0.25 - 2.2 * (dx + 1.4 * dy)))
            pen.ellipse(x + dx, y + dy, 0.05, 0.03, shaded(green, shine), pen.between(0, 3))


@family("plants", upright=True)
def mushroom(pen: Pen) -> None:
    """A cap, mostly spotted, over gills and a thick stem."""
    cap = tinted(pen, (210.0, 35.0, 30.0), (200.0, 120.0, 60.0), (225.0, 160.0, 60.0), WOOD)
    stem = tinted(pen, CREAM, (225.0, 205.0, 170.0), share=0.9)
    wide, high = pen.between(0.75, 0.97), pen.between(0.65, 1.0)
    rim = pen.between(-0.15, 0.1)
    thick = pen.between(0.16, 0.28)
    top = rim - high if rim - high > -0.95 else -0.95
    y = np.linspace(rim, 1, 9)
    lathe(pen, 0, y, thick * (1 + 0.35 * np.linspace(0, 1, 9) ** 2), stem, depth=0.6)
    under = 0.2 * wide
    gill = shaded(mixed(stem, cap, 0.15), -0.1)
    pen.ellipse(0, rim, wide, under, shaded(gill, -0.6))
    for angle in turn(44):
        way = np.array([wide * 0.94 * math.cos(angle), under * 0.88 * math.sin(angle)])
        pen.line(np.outer((0.3, 1), way) + (0, rim), shaded(gill, pen.between(-0.1, 0.3)), 1)
    lathe(pen, 0, (rim, rim + under), (thick * 0.98, thick), shaded(stem, -0.35), depth=0.6)
    if pen.chance(0.5):
        ring = rim + pen.between(0.3, 0.42)
        lathe(pen, 0, (ring - 0.14, ring), (thick * 0.95, thick * 1.55), shaded(stem, 0.15))
        pen.line([(-thick * 1.55, ring), (thick * 1.55, ring)], shaded(stem, -0.6), 2)
    # The cap ends in the near half of its rim, which hides the far gills.
    side = np.linspace(0, 1, 16)
    power = pen.between(0.42, 0.95)
    radii = wide * (1 - (1 - side) ** pen.between(1.1, 2.2)) ** power
    brim = np.linspace(0, math.pi, 14)
    lower = np.stack([wide * np.cos(brim), rim + 0.28 * under * np.sin(brim) ** 2], 1)
    left = np.stack([-radii, top + (rim - top) * side], 1)
    dome = np.concatenate([left, lower[::-1], left[::-1] * (-1, 1)])
    pen.line(dome, shaded(cap, -0.75), 4, closed=True)
    face = pen.another()
    lathe(face, 0, left[:, 1], radii, cap, depth=0.45)
    face.polygon(lower, shaded(cap, -0.3))
    if pen.chance(0.88):
        spot = pen.pick((CREAM, CREAM, shaded(cap, 0.55), shaded(pen.palette[1], 0.3)))
        for number in range(pen.count(8, 16)):
            out = math.sqrt((number + 0.4) / 16)
            angle = number * 2.4 + pen.between(-0.3, 0.3)
            size = pen.between(0.06, 0.13) * (1.1 - 0.5 * out)
            x = wide * out * math.cos(angle)
            spot_y = (top + rim) / 2 + 0.5 * (rim - top) * out * math.sin(angle)
            face.ellipse(x + 0.02, spot_y + 0.02, size, size * 0.75, shaded(cap, -0.6))
            face.ellipse(x, spot_y, size, size * 0.75, spot)
    pen.paste(face.layer, within=dome)
    pen.ellipse(-0.35 * wide, top + 0.3 * (rim - top), 0.1, 0.05, shaded(cap, 0.7), -0.6)


@family("plants")
def pine_cone(pen: Pen) -> None:
    """An egg of woody scales that overlap in rows, each with a pale tip."""
    wood = tinted(pen, WOOD, (160.0, 110.0, 65.0), (110.0, 70.0, 50.0), share=0.9)
    tip = pen.pick((shaded(wood, 0.3), shaded(wood, 0.45), mixed(wood, CREAM, 0.5)))
    rows, round_ = pen.count(7, 10), pen.count(7, 10)
    broad, shape = pen.between(0.55, 0.75), pen.between(0.6, 0.85)
    opened = pen.between(1.0, 1.35)
    form = blade(1, 1, 1.25, 9)
    pen.ellipse(0, 0, broad * 0.9, 0.9, shaded(wood, -0.8))
    for row in range(rows):
        t = (row + 0.5) / rows
        y = 0.88 - 1.7 * t
        reach = broad * math.sin(math.pi * (1 - t) ** shape * 0.97 + 0.03) ** 0.75
        size = (0.5 * reach + 0.16) * 0.62
        places = math.pi * (np.arange(round_) + 0.5 * (row % 2) - round_ / 2) / round_ * 1.05
        for place in sorted(places, key=abs, reverse=True):
            if abs(place) > 1.5:
                continue
            x, facing = reach * math.sin(place), 0.35 + 0.65 * math.cos(place)
            lean = -1.1 * math.sin(place) * opened + math.pi / 2
            scale = form * (size * opened, size * 0.66 * facing) - (size * 0.35, 0)
            light = -0.35 * math.sin(place) - 0.1 + pen.between(-0.08, 0.08)
            at = (x, y)
            layers = np.stack([scale * 1.12, scale, scale * 0.86 - (0.05, 0), scale * 0.55])
            edge, lip, body, hollow = rotated(layers, lean) + at
            pen.polygon(edge, shaded(wood, -0.85))
            pen.polygon(lip, shaded(tip, light))
            pen.polygon(body, shaded(wood, light - 0.1))
            pen.polygon(hollow, shaded(wood, light - 0.35))


@family("plants")
def fiddlehead(pen: Pen) -> None:
    """A young fern's head, rolled into a spiral with small rolled leaves along it."""
    green = tinted(pen, GREEN, LIME, PINE, (150.0, 110.0, 60.0), share=0.75)
    turns = pen.between(1.9, 2.8)
    steps = 60
    t = np.linspace(0, 1, steps)
    angle = 2 * math.pi * turns * t
    out = 0.62 * (0.1 + 0.9 * t ** pen.between(0.8, 1.2))
    coil = np.stack([out * np.cos(angle), out * np.sin(angle)], 1)
    coil = rotated(coil, -angle[-1]) + (-0.05, -0.32)
    stem = np.stack([coil[-1, 0] + 0.12 * np.sin(2.2 * t[:50] / t[49]), np.linspace(0, 1, 50)], 1)
    stem[:, 1] = coil[-1, 1] + stem[:, 1] * (1.05 - coil[-1, 1])
    path = np.concatenate([coil, stem[1::2]])
    thick = np.concatenate([0.045 + 0.085 * t, np.full(25, 0.13)]) * pen.between(0.8, 1.1)
    kinds = pen.pick(("leaves", "hairs", "bare"))
    fringe = shaded(mixed(green, pen.palette[1], 0.3), 0.1)
    if kinds != "bare":
        for number in range(4, len(path), 3):
            x, y = path[number] - (-0.05, -0.32)
            way = math.atan2(y, x) if number < steps else 0.0
            reach = thick[number]
            for side in (1,) if number < steps else (-1, 1):
                base = path[number] + side * 0.9 * reach * np.array([math.cos(way), math.sin(way)])
                if kinds == "leaves":
                    size = reach * 0.55
                    pen.disc(base[0], base[1], size, shaded(fringe, -0.6))
                    pen.disc(base[0] - 0.2 * size, base[1] - 0.2 * size, size * 0.65, fringe)
                    continue
                for _ in range(3):
                    lean = way + pen.between(-0.7, 0.7) + (0 if side > 0 else math.pi)
                    tip = base + pen.between(0.06, 0.14) * np.array(
                        [math.cos(lean), math.sin(lean)]
                    )
                    pen.line([base, tip], shaded(CREAM, pen.between(-0.5, 0)), 1)
    body = pen.another()
    for (x, y), reach in zip(path, thick, strict=True):
        body.disc(x, y, reach, shaded(green, -0.7))
    # From the stem inwards, so that the inner turns lie on the outer ones.
    for number in range(len(path) - 1, -1, -1):
        (x, y), reach = path[number], thick[number]
        light = 0.12 if number % 4 < 2 else -0.05
        body.disc(x, y, reach * 0.86, shaded(green, light - 0.25))
        body.disc(x - 0.22 * reach, y - 0.28 * reach, reach * 0.42, shaded(green, light + 0.25))
    pen.paste(body.layer)
