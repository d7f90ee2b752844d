"""Buildings: pagoda, temple, castle, mosque, bridge."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.palette import Color, hsv, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import (
    BLUE,
    BRICK,
    GLOW,
    GOLD,
    INK,
    MARBLE,
    RED,
    STEEL,
    STONE,
    TEAL,
    WOOD,
)
from training.bestiary.registry import family
from training.bestiary.shapes import Points, box
from training.bestiary.solids import lathe
from training.bestiary.tints import tinted

__all__ = ["arches", "bridge", "dome", "pagoda", "tower"]


def _opening(x: float, y: float, half: float, height: float, point: float = 1) -> Points:
    """A window or gate that stands at (x, y) under an arch, `point` times as high as round."""
    angles = np.linspace(0, math.pi, 13)
    bow = np.stack([x + half * np.cos(angles), y - height - half * point * np.sin(angles)], 1)
    return np.concatenate([[(x + half, y)], bow, [(x - half, y)]])


def _window(pen: Pen, x: float, y: float, half: float, height: float, wall: Color) -> None:
    """A lit or dark window in a pale frame."""
    glass = pen.pick((INK, GLOW, (45.0, 55.0, 80.0)))
    frame = half * 1.45
    pen.polygon(_opening(x, y + 0.02, frame, height), shaded(wall, 0.4))
    pen.polygon(_opening(x, y, half, height), glass)
    pen.line([(x, y), (x, y - height - half)], shaded(wall, -0.3), 1)


def _wall(pen: Pen, outline: Points, color: Color, courses: int) -> None:
    """A wall with a shadow side, and courses of stones if there are any."""
    low, high = outline.min(0), outline.max(0)
    pen.line(outline, shaded(color, -0.75), 4, closed=True)
    pen.polygon(outline, color)
    edge = low[0] + 0.62 * (high[0] - low[0])
    shade = outline.copy()
    shade[:, 0] = np.maximum(shade[:, 0], edge)
    pen.polygon(shade, shaded(color, -0.28))
    for number in range(1, courses):
        y = low[1] + (high[1] - low[1]) * number / courses
        pen.line([(low[0], y), (high[0], y)], shaded(color, -0.4), 1)
        for x in np.arange(low[0] + 0.06 * (1 + number % 2), high[0], 0.16):
            pen.line([(x, y), (x, y + 0.9 * (high[1] - low[1]) / courses)], shaded(color, -0.4), 1)


@family("things", upright=True)
def pagoda(pen: Pen) -> None:
    """A tower of storeys under curved roofs with raised corners, and a spire."""
    roof = tinted(pen, (60.0, 70.0, 85.0), RED, TEAL, (70.0, 110.0, 80.0), share=0.75)
    wall = tinted(pen, MARBLE, RED, WOOD, share=0.75)
    storeys = pen.count(3, 6)
    high = 1.72 / storeys
    wide, taper = pen.between(0.5, 0.62), pen.between(0.4, 0.6)
    lift, over = pen.between(0.3, 0.5), pen.between(1.55, 1.8)
    pen.polygon(box(0, 1, wide * 1.25, 0.08), shaded(wall, -0.5))
    t = np.linspace(-1, 1, 21)
    for storey in range(storeys):
        y = 0.93 - storey * high
        half = wide * (1 - taper * storey / storeys)
        pen.polygon(box(0, y, half, high), shaded(wall, -0.55))
        pen.polygon(box(-0.08 * half, y, half * 0.88, high), wall)
        doors = 5 if storeys < 5 else 3
        for place in np.linspace(-0.7, 0.7, doors):
            glass = pen.pick((INK, INK, GLOW))
            pen.polygon(box(place * half, y, half * 0.5 / doors, high * 0.36), glass)
        for place in np.linspace(-0.98, 0.98, doors + 1):
            pen.line([(place * half, y), (place * half, y - high)], shaded(roof, -0.3), 3)
        reach = half * over
        eave = y - high * (0.48 + lift * np.abs(t) ** 2.6)
        ridge = y - high * 1.05
        inner = half * (1 - taper / storeys) * 0.95
        # The slope hangs between the ridge and the eaves, steeper above.
        flank = np.linspace(0, 1, 8)
        side = np.stack(
            [inner + (reach - inner) * flank**1.4, ridge + (eave[-1] - ridge) * flank**0.75],
            1,
        )
        under = np.stack([t * reach, eave], 1)
        shape = np.concatenate([under, side[::-1], side * (-1, 1)])
        pen.polygon(shape + (0, 0.045), shaded(roof, -0.8))
        pen.polygon(shape, roof)
        for place in np.linspace(-0.92, 0.92, 15):
            low = float(np.interp(place, t, eave))
            tile = [
                (place * inner, ridge),
                (place * (inner + reach) / 2, 0),
                (place * reach, low),
            ]
            tile[1] = tile[1][0], ridge + (low - ridge) * 0.55
            light = 0.4 if place < 0.3 else -0.1
            pen.line(tile, shaded(roof, light), 2)
        pen.line(under, shaded(roof, 0.6), 2)
        pen.line([(-inner, ridge), (inner, ridge)], shaded(roof, -0.5), 3)
    top = 0.93 - storeys * high - 0.03
    pen.line([(0, top), (0, -1.03)], shaded(GOLD, -0.2), 5)
    for share in (0.25, 0.6):
        pen.ellipse(0, top + (-1 - top) * share, 0.07 - 0.03 * share, 0.03, GOLD)


@family("things", upright=True)
def arches(pen: Pen) -> None:
    """A temple's front: columns that carry deep arches, under a gable or a second row."""
    stone = tinted(pen, STONE, MARBLE, (220.0, 165.0, 110.0), BRICK, share=0.75)
    deep = pen.pick((INK, shaded(stone, -0.8), shaded(pen.palette[1], -0.65)))
    count = pen.pick((1, 2, 2, 3, 3))
    point = pen.pick((1.0, 1.0, 1.5))
    top = pen.pick(("gable", "row", "plain"))
    crown = {"gable": -0.5, "row": -0.28, "plain": -0.82}[top]
    _wall(pen, box(0, 1, 0.95, 1 - crown), stone, 0)
    pitch = 1.9 / count
    half = min(0.5, pitch * pen.between(0.32, 0.37))
    spring = crown + 0.14 + half * point
    for number in range(count):
        x = -0.95 + pitch * (number + 0.5)
        height = 0.93 - spring
        for ring, light in enumerate((0.45, -0.45, 0.2, -0.55)):
            size = half * (1.16 - 0.1 * ring)
            pen.polygon(_opening(x, 0.95, size, height, point), shaded(stone, light))
        pen.polygon(_opening(x, 0.95, half * 0.76, height, point), deep)
        if pen.chance(0.5):
            pen.polygon(
                _opening(x + 0.1 * half, 0.95, half * 0.45, height * 0.85, point),
                shaded(deep, 0.25),
            )
        for angle in np.linspace(0.1, math.pi - 0.1, 9):
            way = np.array([math.cos(angle), -point * math.sin(angle)])
            joint = np.outer((half * 0.98, half * 1.16), way) + (x, spring)
            pen.line(joint, shaded(stone, -0.6), 1)
    thick = min(0.09, pitch * 0.11)
    for number in range(count + 1):
        x = float(np.clip(-0.95 + pitch * number, -0.9, 0.9))
        lathe(pen, x, (spring, 0.9), (thick * 0.9, thick), shaded(stone, 0.15), depth=0.65)
        for y in (spring, 0.98):
            pen.polygon(box(x, y + 0.02, thick * 1.5, 0.08), shaded(stone, -0.6))
            pen.polygon(box(x, y, thick * 1.5, 0.06), shaded(stone, 0.4))
    for y, light in ((crown, -0.4), (crown - 0.04, 0.45)):
        pen.polygon(box(0, y, 1.0, 0.07), shaded(stone, light))
    if top == "gable":
        gable = np.array([(-1.0, crown - 0.1), (1.0, crown - 0.1), (0, -1.0)])
        pen.polygon(gable, shaded(stone, 0.35))
        inner = gable * (0.8, 0.72) + (0, -0.24 + 0.05)
        pen.polygon(inner, shaded(stone, -0.5))
        pen.disc(0, crown - 0.22, 0.09, shaded(stone, 0.4))
    elif top == "row":
        pen.polygon(box(0, crown - 0.1, 0.93, 0.5), shaded(stone, -0.1))
        small = 2 * count
        for number in range(small):
            x = -0.93 + 1.86 * (number + 0.5) / small
            for size, color in ((0.36, shaded(stone, 0.4)), (0.26, deep)):
                wide = 1.86 / small * size
                pen.polygon(_opening(x, crown - 0.13, wide, 0.18, point), color)
        pen.polygon(box(0, crown - 0.56, 1.0, 0.08), shaded(stone, 0.4))
        pen.line([(-1, crown - 0.55), (1, crown - 0.55)], shaded(stone, -0.5), 2)


@family("things", upright=True)
def tower(pen: Pen) -> None:
    """A castle of one to three towers, pointed or with battlements, with windows."""
    stone = tinted(pen, STONE, (165.0, 165.0, 170.0), BRICK, (215.0, 205.0, 190.0), share=0.75)
    roof = tinted(pen, RED, BLUE, (90.0, 60.0, 120.0), TEAL)
    count = pen.count(1, 3)
    spires, courses = pen.chance(0.6), pen.count(7, 11)
    places = {1: [0.0], 2: [-0.52, 0.45], 3: [-0.68, 0.68, 0.0]}[count]
    if count > 1:
        _wall(pen, box(0, 1, 0.8, 0.75), shaded(stone, -0.15), 5)
        for x in np.linspace(-0.7, 0.7, 8):
            pen.polygon(box(x, 0.27, 0.06, 0.12), shaded(stone, -0.1))
        gate = pen.between(0.14, 0.2)
        pen.polygon(_opening(0, 1, gate * 1.25, 0.3), shaded(stone, 0.35))
        pen.polygon(_opening(0, 1, gate, 0.3), INK)
    for number, x in enumerate(places):
        half = {1: 0.42, 2: 0.3, 3: 0.24}[count] * pen.between(0.9, 1.1)
        tall = number == 2 or count == 1
        top = pen.between(-0.35, -0.15) if spires else pen.between(-0.75, -0.5)
        top += 0 if tall else pen.between(0.1, 0.3)
        lathe(pen, x, (top, 1), (half * 1.05, half * 1.1), shaded(stone, -0.6))
        lathe(pen, x, (top, 1), (half, half * 1.04), stone, depth=0.6)
        for course in range(1, courses):
            y = top + (1 - top) * course / courses
            pen.line([(x - half, y), (x + half, y)], shaded(stone, -0.35), 1)
            for place in np.linspace(-0.8, 0.6, 4) + 0.2 * (course % 2):
                joint = [(x + place * half, y), (x + place * half, y + (1 - top) / courses)]
                pen.line(joint, shaded(stone, -0.35), 1)
        collar = half * 1.22
        lathe(pen, x, (top, top + 0.14), (collar, half), shaded(stone, 0.1), depth=0.65)
        if spires:
            peak = max(-1.0, top - pen.between(0.65, 0.85))
            t = np.linspace(0, 1, 7)
            lathe(pen, x, peak + (top - peak) * t, collar * 1.12 * t**1.15, roof, depth=0.6)
            for share in (0.4, 0.6, 0.8):
                wide = collar * share**1.15
                y = peak + (top - peak) * share
                pen.line([(x - wide, y), (x, y + 0.03), (x + wide, y)], shaded(roof, -0.5), 1)
        else:
            for place in np.linspace(-0.85, 0.85, 4):
                merlon = box(x + place * collar, top, collar * 0.17, 0.16)
                pen.line(merlon, shaded(stone, -0.7), 2, closed=True)
                pen.polygon(merlon, shaded(stone, 0.2 - 0.4 * place))
            if pen.chance(0.5):
                pen.line([(x, top - 0.1), (x, -0.98)], INK, 2)
                pen.polygon([(x, -0.98), (x + 0.3, -0.9), (x, -0.8)], roof)
        for y in np.arange(top + 0.42, 0.85 if count == 1 else 0.6, 0.42):
            for side in (-0.4, 0.4) if half > 0.36 else (0,):
                _window(pen, x + side * half, y, 0.07, 0.12, stone)


def _onion(wide: float, high: float, bulb: float) -> tuple[Points, Points]:
    """The heights (0 at the foot up to -`high`) and half widths of a dome; `bulb` from 0 to 1."""
    t = np.linspace(0, 1, 20)
    round_ = np.sqrt(np.maximum(0, 1 - t**2.2))
    onion = (0.62 + 0.75 * np.sin(math.pi * t**0.8) * (1 - t) ** 0.7) * (1 - t**1.6) ** 0.9
    return -high * t, wide * (round_ * (1 - bulb) + onion * bulb)


@family("things", upright=True)
def dome(pen: Pen) -> None:
    """A mosque: a large dome with smaller ones beside it, over arched gates, and minarets."""
    wall = tinted(pen, MARBLE, STONE, (225.0, 190.0, 150.0), share=0.75)
    cap = tinted(pen, GOLD, TEAL, BLUE, MARBLE, (90.0, 170.0, 110.0))
    bulb, ribs = pen.pick((0.0, 0.5, 1.0)), pen.count(5, 9)

    def crown(x: float, y: float, wide: float, high: float) -> None:
        heights, radii = _onion(wide, high, bulb)
        lathe(pen, x, y + heights * 1.02, radii * 1.05, shaded(cap, -0.75))
        lathe(pen, x, y + heights, radii, cap, depth=0.6)
        for place in np.sin(np.linspace(-1.3, 1.3, ribs)):
            rib = np.stack([x + place * radii, y + heights], 1)
            pen.line(rib, shaded(cap, -0.4), 1)
        pen.line([(x, y - high), (x, y - high - 0.16)], shaded(GOLD, -0.3), 3)
        pen.disc(x, y - high - 0.05, 0.035, GOLD)
        pen.ring(x, y - high - 0.17, 0.035, 0.035, GOLD, 2)

    if pen.chance(0.7):
        slim = pen.between(0.06, 0.08)
        for side in (-0.9, 0.9):
            lathe(pen, side, (-0.6, 1), (slim, slim * 1.2), wall, depth=0.65)
            for y in (-0.55, 0.0):
                lathe(pen, side, (y - 0.05, y + 0.08), (slim * 1.7, slim), shaded(wall, 0.1))
            lathe(pen, side, (-0.98, -0.6), (0.0, slim * 1.2), cap, depth=0.6)
    wide = pen.between(0.5, 0.6)
    base = pen.between(0.2, 0.35)
    drum = 0.14
    high = min(wide * pen.between(1.1, 1.6), base - drum + 0.82)
    for side in (-1, 1):
        crown(side * 0.58, base + 0.04, 0.2, 0.3)
    lathe(pen, 0, (base - drum, base + 0.05), (wide * 0.92, wide * 0.92), wall, depth=0.6)
    for place in np.sin(np.linspace(-1.1, 1.1, 7)):
        pen.polygon(_opening(place * wide * 0.9, base, 0.03, 0.06), INK)
    crown(0, base - drum, wide, high)
    _wall(pen, box(0, 1, 0.78, 1 - base), wall, 0)
    pen.polygon(box(0, base + 0.05, 0.82, 0.08), shaded(wall, 0.3))
    pen.line([(-0.82, base + 0.06), (0.82, base + 0.06)], shaded(wall, -0.6), 2)
    tile = pen.pick((cap, BLUE, pen.palette[2]))
    for x, half in ((0.0, 0.22), (-0.52, 0.13), (0.52, 0.13)):
        tall = (0.92 - base) * (0.55 if x == 0 else 0.4)
        for scale, color in ((1.35, shaded(wall, -0.5)), (1.22, tile), (0.9, INK)):
            pen.polygon(_opening(x, 1, half * scale, tall, 1.35), color)
        pen.polygon(_opening(x + 0.03, 1, half * 0.5, tall * 0.8, 1.35), shaded(tile, -0.6))


@family("things", upright=True)
def bridge(pen: Pen) -> None:
    """A bridge over water: hung from cables between towers, or from a bow of steel."""
    steel = tinted(pen, (190.0, 70.0, 45.0), STEEL, STONE, TEAL, share=0.75)
    sea = shaded(pen.pick((BLUE, TEAL, hsv(pen.between(0.45, 0.65), 0.6, 0.7))), -0.1)
    deck, water = pen.between(0.25, 0.38), 0.72
    t = np.linspace(-1, 1, 41)
    hung = pen.chance(0.6)
    places = pen.pick(([-0.55, 0.55], [-0.5, 0.5])) if hung else [-0.88, 0.88]
    top = pen.between(-0.95, -0.75)
    if hung:
        reach = places[1]
        sag = deck - 0.08 - top
        inner = top + sag * (1 - (t / reach) ** 2)
        outer = top + (deck - top) * ((np.abs(t) - reach) / (1 - reach)).clip(0, 1) ** 0.8
        cable = np.where(np.abs(t) < reach, inner, outer)
    else:
        cable = deck + 0.12 + (top * 0.75 - deck) * (1 - (t / 0.97) ** 2)
    for x in np.linspace(-0.95, 0.95, 27):
        high = float(np.interp(x, t, cable))
        if high < deck:
            pen.line([(x, high), (x, deck)], shaded(steel, -0.5), 2)
            pen.line([(x - 0.008, high), (x - 0.008, deck)], shaded(steel, 0.4), 1)
    line = np.stack([t, cable], 1)
    thick = 0.03 if hung else 0.075
    pen.ribbon(line, thick * 1.5, thick * 1.5, shaded(steel, -0.7))
    pen.ribbon(line - (0, 0.008), thick * 0.9, thick * 0.9, shaded(steel, 0.25))
    if not hung:
        pen.ribbon(line - (0, 0.03), 0.015, 0.015, shaded(steel, 0.6))
    for x in places:
        high = top - 0.05 if hung else deck
        half = 0.085
        lathe(pen, x, (high, water + 0.08), (half * 0.95, half * 1.5), shaded(steel, -0.6))
        lathe(pen, x, (high + 0.02, water + 0.08), (half * 0.75, half * 1.3), steel, depth=0.6)
        if hung:
            for y in np.linspace(top + 0.2, deck - 0.18, 4):
                pen.polygon(_opening(x, y, half * 0.4, 0.1), shaded(steel, -0.85))
    pen.polygon([(-1, deck - 0.05), (1, deck - 0.05), (1, deck + 0.12), (-1, deck + 0.12)], INK)
    pen.polygon([(-1, deck - 0.03), (1, deck - 0.03), (1, deck + 0.02), (-1, deck + 0.02)], steel)
    truss = np.stack([np.linspace(-1, 1, 33), deck + 0.065 + 0.04 * (-1.0) ** np.arange(33)], 1)
    pen.line(truss, shaded(steel, 0.3), 2)
    for depth, light in ((0.0, 0.35), (0.05, 0.0), (0.12, -0.25), (0.2, -0.45)):
        crest = water + depth + 0.02 * np.sin(17 * t + 60 * depth)
        wave = np.stack([t, crest], 1)
        pen.polygon(np.concatenate([wave, [(1, 1), (-1, 1)]]), shaded(sea, light))
