"""Wheels, buildings, vehicles and vessels."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.parts import ball, lathe, smooth, tinted
from training.bestiary.pen import Pen, Points, rotated, turn
from training.bestiary.registry import family

__all__ = [
    "arches",
    "bridge",
    "car",
    "clock",
    "crystal",
    "dome",
    "gear",
    "lantern",
    "pagoda",
    "ship",
    "tower",
    "vase",
    "wheel",
]

_GOLD: Color = (225.0, 175.0, 65.0)
_STEEL: Color = (165.0, 175.0, 185.0)
_COPPER: Color = (190.0, 105.0, 65.0)
_STONE: Color = (205.0, 190.0, 160.0)
_MARBLE: Color = (235.0, 230.0, 220.0)
_BRICK: Color = (175.0, 90.0, 65.0)
_RED: Color = (205.0, 45.0, 40.0)
_BLUE: Color = (50.0, 110.0, 190.0)
_TEAL: Color = (50.0, 150.0, 145.0)
_WOOD: Color = (135.0, 85.0, 50.0)
_INK: Color = (24.0, 20.0, 26.0)
_GLOW: Color = (255.0, 225.0, 130.0)


def _box(x: float, y: float, half: float, height: float) -> Points:
    """An upright rectangle that stands at (x, y), `half` to either side."""
    return np.array([(x - half, y), (x + half, y), (x + half, y - height), (x - half, y - height)])


def _opening(x: float, y: float, half: float, height: float, point: float = 1) -> Points:
    """A window or gate that stands at (x, y) under an arch, `point` times as high as round."""
    angles = np.linspace(0, math.pi, 13)
    bow = np.stack([x + half * np.cos(angles), y - height - half * point * np.sin(angles)], 1)
    return np.concatenate([[(x + half, y)], bow, [(x - half, y)]])


def _window(pen: Pen, x: float, y: float, half: float, height: float, wall: Color) -> None:
    """A lit or dark window in a pale frame."""
    glass = pen.pick((_INK, _GLOW, (45.0, 55.0, 80.0)))
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


def _disc(pen: Pen, radii: Iterable[tuple[float, Color]], x: float = 0, y: float = 0) -> None:
    """Concentric discs, each with its colour, from the outside in."""
    for radius, color in radii:
        pen.disc(x, y, radius, color)


@family("things")
def gear(pen: Pen) -> None:
    """A toothed wheel of metal with holes around its hub."""
    metal = tinted(pen, _GOLD, _STEEL, _COPPER, (110.0, 115.0, 125.0), share=0.75)
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
            fan = root * 0.9 * np.stack([np.cos(t), np.sin(t)], 1)
            pen.polygon(np.concatenate([fan, [(0, 0)]]), shaded(metal, light * 0.7 / (wide * 3)))
    groove = pen.between(0.58, 0.68)
    pen.ring(0, 0, groove, groove, shaded(metal, -0.6), 3)
    pen.ring(0.012, 0.012, groove, groove, shaded(metal, 0.5), 1)
    holes = pen.pick((0, 4, 5, 6, 8))
    size = min(0.14, 0.75 / max(holes, 1))
    for angle in turn(holes):
        x, y = 0.43 * math.cos(angle), 0.43 * math.sin(angle)
        rings = (size * 1.2, shaded(metal, 0.5)), (size * 1.1, shaded(metal, -0.5)), (size, _INK)
        _disc(pen, rings, x, y)
    ball(pen, 0, 0, 0.24, 0.24, shaded(metal, 0.1), gloss=False)
    _disc(pen, ((0.14, shaded(metal, -0.6)), (0.11, _INK)))


@family("things")
def wheel(pen: Pen) -> None:
    """A wheel that one sees through: a rim, spokes and a hub."""
    rim = tinted(pen, _WOOD, _INK, _STEEL, _RED, _GOLD, share=0.75)
    spoke = pen.pick((rim, shaded(rim, 0.35), tinted(pen, _STEEL, _GOLD, _WOOD)))
    tyre = pen.pick(((38.0, 36.0, 40.0), shaded(rim, -0.6), _WOOD))
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
            ball(pen, outer * math.cos(angle), outer * math.sin(angle), 0.035, 0.035, _GOLD)
    hub = pen.between(0.15, 0.24)
    pen.disc(0, 0, hub * 1.12, shaded(rim, -0.75))
    ball(pen, 0, 0, hub, hub, spoke, gloss=False)
    _disc(pen, ((hub * 0.45, shaded(rim, -0.6)), (hub * 0.33, shaded(spoke, 0.4))))


@family("things", upright=True)
def pagoda(pen: Pen) -> None:
    """A tower of storeys under curved roofs with raised corners, and a spire."""
    roof = tinted(pen, (60.0, 70.0, 85.0), _RED, _TEAL, (70.0, 110.0, 80.0), share=0.75)
    wall = tinted(pen, _MARBLE, _RED, _WOOD, share=0.75)
    storeys = pen.count(3, 6)
    high = 1.72 / storeys
    wide, taper = pen.between(0.5, 0.62), pen.between(0.4, 0.6)
    lift, over = pen.between(0.3, 0.5), pen.between(1.55, 1.8)
    pen.polygon(_box(0, 1, wide * 1.25, 0.08), shaded(wall, -0.5))
    t = np.linspace(-1, 1, 21)
    for storey in range(storeys):
        y = 0.93 - storey * high
        half = wide * (1 - taper * storey / storeys)
        pen.polygon(_box(0, y, half, high), shaded(wall, -0.55))
        pen.polygon(_box(-0.08 * half, y, half * 0.88, high), wall)
        doors = 5 if storeys < 5 else 3
        for place in np.linspace(-0.7, 0.7, doors):
            glass = pen.pick((_INK, _INK, _GLOW))
            pen.polygon(_box(place * half, y, half * 0.5 / doors, high * 0.36), glass)
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
    pen.line([(0, top), (0, -1.03)], shaded(_GOLD, -0.2), 5)
    for share in (0.25, 0.6):
        pen.ellipse(0, top + (-1 - top) * share, 0.07 - 0.03 * share, 0.03, _GOLD)


@family("things", upright=True)
def arches(pen: Pen) -> None:
    """A temple's front: columns that carry deep arches, under a gable or a second row."""
    stone = tinted(pen, _STONE, _MARBLE, (220.0, 165.0, 110.0), _BRICK, share=0.75)
    deep = pen.pick((_INK, shaded(stone, -0.8), shaded(pen.palette[1], -0.65)))
    count = pen.pick((1, 2, 2, 3, 3))
    point = pen.pick((1.0, 1.0, 1.5))
    top = pen.pick(("gable", "row", "plain"))
    crown = {"gable": -0.5, "row": -0.28, "plain": -0.82}[top]
    _wall(pen, _box(0, 1, 0.95, 1 - crown), stone, 0)
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
            pen.polygon(_box(x, y + 0.02, thick * 1.5, 0.08), shaded(stone, -0.6))
            pen.polygon(_box(x, y, thick * 1.5, 0.06), shaded(stone, 0.4))
    for y, light in ((crown, -0.4), (crown - 0.04, 0.45)):
        pen.polygon(_box(0, y, 1.0, 0.07), shaded(stone, light))
    if top == "gable":
        gable = np.array([(-1.0, crown - 0.1), (1.0, crown - 0.1), (0, -1.0)])
        pen.polygon(gable, shaded(stone, 0.35))
        inner = gable * (0.8, 0.72) + (0, -0.24 + 0.05)
        pen.polygon(inner, shaded(stone, -0.5))
        pen.disc(0, crown - 0.22, 0.09, shaded(stone, 0.4))
    elif top == "row":
        pen.polygon(_box(0, crown - 0.1, 0.93, 0.5), shaded(stone, -0.1))
        small = 2 * count
        for number in range(small):
            x = -0.93 + 1.86 * (number + 0.5) / small
            for size, color in ((0.36, shaded(stone, 0.4)), (0.26, deep)):
                wide = 1.86 / small * size
                pen.polygon(_opening(x, crown - 0.13, wide, 0.18, point), color)
        pen.polygon(_box(0, crown - 0.56, 1.0, 0.08), shaded(stone, 0.4))
        pen.line([(-1, crown - 0.55), (1, crown - 0.55)], shaded(stone, -0.5), 2)


@family("things", upright=True)
def tower(pen: Pen) -> None:
    """A castle of one to three towers, pointed or with battlements, with windows."""
    stone = tinted(pen, _STONE, (165.0, 165.0, 170.0), _BRICK, (215.0, 205.0, 190.0), share=0.75)
    roof = tinted(pen, _RED, _BLUE, (90.0, 60.0, 120.0), _TEAL)
    count = pen.count(1, 3)
    spires, courses = pen.chance(0.6), pen.count(7, 11)
    places = {1: [0.0], 2: [-0.52, 0.45], 3: [-0.68, 0.68, 0.0]}[count]
    if count > 1:
        _wall(pen, _box(0, 1, 0.8, 0.75), shaded(stone, -0.15), 5)
        for x in np.linspace(-0.7, 0.7, 8):
            pen.polygon(_box(x, 0.27, 0.06, 0.12), shaded(stone, -0.1))
        gate = pen.between(0.14, 0.2)
        pen.polygon(_opening(0, 1, gate * 1.25, 0.3), shaded(stone, 0.35))
        pen.polygon(_opening(0, 1, gate, 0.3), _INK)
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
                merlon = _box(x + place * collar, top, collar * 0.17, 0.16)
                pen.line(merlon, shaded(stone, -0.7), 2, closed=True)
                pen.polygon(merlon, shaded(stone, 0.2 - 0.4 * place))
            if pen.chance(0.5):
                pen.line([(x, top - 0.1), (x, -0.98)], _INK, 2)
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
    wall = tinted(pen, _MARBLE, _STONE, (225.0, 190.0, 150.0), share=0.75)
    cap = tinted(pen, _GOLD, _TEAL, _BLUE, _MARBLE, (90.0, 170.0, 110.0))
    bulb, ribs = pen.pick((0.0, 0.5, 1.0)), pen.count(5, 9)

    def crown(x: float, y: float, wide: float, high: float) -> None:
        heights, radii = _onion(wide, high, bulb)
        lathe(pen, x, y + heights * 1.02, radii * 1.05, shaded(cap, -0.75))
        lathe(pen, x, y + heights, radii, cap, depth=0.6)
        for place in np.sin(np.linspace(-1.3, 1.3, ribs)):
            rib = np.stack([x + place * radii, y + heights], 1)
            pen.line(rib, shaded(cap, -0.4), 1)
        pen.line([(x, y - high), (x, y - high - 0.16)], shaded(_GOLD, -0.3), 3)
        pen.disc(x, y - high - 0.05, 0.035, _GOLD)
        pen.ring(x, y - high - 0.17, 0.035, 0.035, _GOLD, 2)

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
        pen.polygon(_opening(place * wide * 0.9, base, 0.03, 0.06), _INK)
    crown(0, base - drum, wide, high)
    _wall(pen, _box(0, 1, 0.78, 1 - base), wall, 0)
    pen.polygon(_box(0, base + 0.05, 0.82, 0.08), shaded(wall, 0.3))
    pen.line([(-0.82, base + 0.06), (0.82, base + 0.06)], shaded(wall, -0.6), 2)
    tile = pen.pick((cap, _BLUE, pen.palette[2]))
    for x, half in ((0.0, 0.22), (-0.52, 0.13), (0.52, 0.13)):
        tall = (0.92 - base) * (0.55 if x == 0 else 0.4)
        for scale, color in ((1.35, shaded(wall, -0.5)), (1.22, tile), (0.9, _INK)):
            pen.polygon(_opening(x, 1, half * scale, tall, 1.35), color)
        pen.polygon(_opening(x + 0.03, 1, half * 0.5, tall * 0.8, 1.35), shaded(tile, -0.6))


@family("things", upright=True)
def car(pen: Pen) -> None:
    """A car from its side: body, windows, wheels and lamps."""
    paint = tinted(pen, _RED, _BLUE, _GOLD, _TEAL, _MARBLE, (60.0, 60.0, 70.0))
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
    pane: Color = pen.pick(((150.0, 200.0, 225.0), (60.0, 75.0, 95.0), _GLOW))
    pen.line(glass, shaded(paint, -0.7), 4, closed=True)
    pen.polygon(glass, pane)
    shine = np.array([(-0.2, -0.1), (-0.05, -0.35), (0.05, -0.35), (-0.1, -0.1)]) * (1, tall)
    pen.polygon(shine, shaded(pane, 0.55))
    pillars = (-0.02, 0.45) if kind == "van" else (0.04,)
    for x in pillars:
        pen.line([(x, -0.5 * tall), (x, -0.1 * tall)], paint, 5)
        pen.line([(x, -0.1 * tall), (x, 0.38 * tall)], shaded(paint, -0.6), 2)
        pen.line([(x + 0.06, 0.02 * tall), (x + 0.16, 0.02 * tall)], shaded(paint, -0.7), 3)
    pen.ellipse(-0.9, 0.1 * tall, 0.07, 0.08, shaded(_GLOW, 0.3))
    pen.ellipse(0.93, 0.08 * tall, 0.04, 0.08, (230.0, 40.0, 30.0))
    for x in (-1, 1):
        pen.polygon(_box(x * 0.9, 0.42 * tall, 0.12, 0.09), shaded(_STEEL, 0.3))
    radius = pen.between(0.24, 0.29)
    spokes, disc = pen.count(5, 9), pen.pick((_STEEL, _STEEL, shaded(paint, 0.3)))
    for x in (-0.56, 0.56):
        y = 0.42 * tall
        pen.disc(x, y - 0.03, radius * 1.2, shaded(paint, -0.85))
        rings = (radius, _INK), (radius * 0.62, shaded(disc, -0.4)), (radius * 0.55, disc)
        _disc(pen, rings, x, y)
        for angle in turn(spokes):
            way = np.array([math.cos(angle), math.sin(angle)])
            pen.line(np.outer((0.06, radius * 0.52), way) + (x, y), shaded(disc, -0.6), 3)
        ball(pen, x, y, radius * 0.2, radius * 0.2, disc)


@family("things", upright=True)
def ship(pen: Pen) -> None:
    """A sailing ship: a wooden hull with ports, masts, and sails that belly in the wind."""
    wood = tinted(pen, _WOOD, (95.0, 60.0, 40.0), (60.0, 50.0, 60.0), share=0.8)
    cloth = tinted(pen, _MARBLE, (240.0, 225.0, 190.0), _RED)
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
            pen.line([(x, top), (end * 0.85, deck)], _INK, 1)
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
        pen.polygon([(x, top), (x + 0.2, top + 0.05), (x, top + 0.1)], shaded(_RED, 0.1))
    hull = smooth(
        [(-0.9, deck - 0.08), (-0.5, deck + 0.1), (0.4, deck + 0.1), (0.75, deck - 0.05)]
        + [(0.92, deck - 0.2), (0.85, 0.75), (0.6, 0.93), (-0.5, 0.93), (-0.72, 0.75)]
    )
    pen.line(hull, _INK, 4, closed=True)
    pen.polygon(hull, wood)
    planks = pen.another()
    for row, y in enumerate(np.linspace(deck, 0.95, 7)):
        planks.ribbon(
            [(-1, y - 0.03), (0, y + 0.06), (1, y - 0.05)],
            0.045,
            0.045,
            shaded(wood, (0.35, 0.05, -0.2)[min(2, row // 2)] - 0.1 * (row % 2)),
        )
    gilt = pen.pick((_GOLD, _MARBLE, shaded(pen.palette[1], 0.3)))
    planks.line([(-1, deck + 0.06), (0, deck + 0.16), (1, deck + 0.03)], gilt, 4)
    for x in np.linspace(-0.55, 0.65, 6):
        planks.polygon(_box(x, deck + 0.32, 0.045, 0.08), _INK)
    pen.paste(planks.layer, within=hull)
    sea = shaded(pen.pick((_BLUE, _TEAL)), pen.between(-0.2, 0.2))
    t = np.linspace(-1, 1, 41)
    for depth, light in ((0.0, 0.4), (0.04, -0.1), (0.1, -0.4)):
        crest = 0.86 + depth + 0.035 * np.sin(14 * t + 40 * depth)
        wave = np.stack([t, crest], 1)
        pen.polygon(np.concatenate([wave, [(0.9, 1.05), (-0.9, 1.05)]]), shaded(sea, light))


@family("things", upright=True)
def lantern(pen: Pen) -> None:
    """A paper lantern that glows from within, ribbed, between caps, with a tassel."""
    paper = tinted(pen, _RED, (250.0, 150.0, 50.0), _GOLD, _MARBLE, share=0.7)
    trim = pen.pick((_GOLD, _INK, _WOOD))
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
        (0.58, mixed(paper, _GLOW, 0.35)),
        (0.4, mixed(paper, _GLOW, 0.7)),
        (0.22, shaded(_GLOW, 0.6)),
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
    tassel = tinted(pen, _RED, _GOLD)
    for place in np.linspace(-1, 1, 13):
        thread = [(place * 0.05, foot + 0.1), (place * 0.12, min(1.02, foot + 0.5))]
        pen.line(thread, shaded(tassel, pen.between(-0.4, 0.4)), 2)
    ball(pen, 0, foot + 0.08, 0.08, 0.07, trim)


@family("things", upright=True)
def vase(pen: Pen) -> None:
    """A turned vase, glazed, with painted bands and often two handles."""
    clay = tinted(pen, _BLUE, _COPPER, _MARBLE, _TEAL, _BRICK, _GOLD)
    paint = pen.pick((shaded(clay, 0.55), shaded(clay, -0.65), _MARBLE, _INK, pen.palette[1]))
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
    color = tinted(pen, (160.0, 90.0, 210.0), (90.0, 190.0, 220.0), (235.0, 235.0, 245.0), _TEAL)
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
        stone = rotated(np.stack([np.cos(turn(6)), np.sin(turn(6))], 1) * size, pen.between(0, 1))
        at = np.array((x, 0.9))
        pen.polygon(stone * 1.1 + at, shaded(rock, -0.7))
        pen.polygon(stone + at, shaded(rock, -0.2))
        pen.polygon(stone * 0.6 + at - (0.04, 0.05), shaded(rock, 0.3))


@family("things", upright=True)
def clock(pen: Pen) -> None:
    """A round dial with twelve marks and two hands in a rim, at times with bells and feet."""
    rim = tinted(pen, _GOLD, _WOOD, _STEEL, _RED, _INK)
    dial = tinted(pen, _MARBLE, (245.0, 235.0, 205.0), share=0.85)
    ink = pen.pick((_INK, _INK, shaded(pen.palette[1], -0.6)))
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
def bridge(pen: Pen) -> None:
    """A bridge over water: hung from cables between towers, or from a bow of steel."""
    steel = tinted(pen, (190.0, 70.0, 45.0), _STEEL, _STONE, _TEAL, share=0.75)
    sea = shaded(pen.pick((_BLUE, _TEAL, hsv(pen.between(0.45, 0.65), 0.6, 0.7))), -0.1)
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
    pen.polygon([(-1, deck - 0.05), (1, deck - 0.05), (1, deck + 0.12), (-1, deck + 0.12)], _INK)
    pen.polygon([(-1, deck - 0.03), (1, deck - 0.03), (1, deck + 0.02), (-1, deck + 0.02)], steel)
    truss = np.stack([np.linspace(-1, 1, 33), deck + 0.065 + 0.04 * (-1.0) ** np.arange(33)], 1)
    pen.line(truss, shaded(steel, 0.3), 2)
    for depth, light in ((0.0, 0.35), (0.05, 0.0), (0.12, -0.25), (0.2, -0.45)):
        crest = water + depth + 0.02 * np.sin(17 * t + 60 * depth)
        wave = np.stack([t, crest], 1)
        pen.polygon(np.concatenate([wave, [(1, 1), (-1, 1)]]), shaded(sea, light))
