"""Fronds, leaves, a tree, mushrooms, cones and feathers."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.palette import Color, mixed, shaded
from training.bestiary.parts import ball, blade, lathe, swell, tinted
from training.bestiary.pen import Pen, Points, rotated, turn
from training.bestiary.registry import family

__all__ = [
    "feather",
    "fern",
    "fiddlehead",
    "leaf",
    "maple_leaf",
    "mushroom",
    "palm_leaf",
    "peacock_feather",
    "pine_cone",
    "tree",
]

_GREEN: Color = (80.0, 165.0, 60.0)
_LIME: Color = (160.0, 200.0, 60.0)
_DEEP: Color = (40.0, 120.0, 70.0)
_AUTUMN: tuple[Color, ...] = ((215.0, 70.0, 35.0), (235.0, 150.0, 40.0), (170.0, 40.0, 45.0))
_WOOD: Color = (130.0, 85.0, 50.0)
_CREAM: Color = (240.0, 228.0, 200.0)


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
    green = tinted(pen, _GREEN, _LIME, _DEEP, share=0.75)
    tip = pen.pick((green, shaded(green, 0.35), mixed(green, _LIME, 0.7)))
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


@family("plants")
def fiddlehead(pen: Pen) -> None:
    """A young fern's head, rolled into a spiral with small rolled leaves along it."""
    green = tinted(pen, _GREEN, _LIME, _DEEP, (150.0, 110.0, 60.0), share=0.75)
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
                    pen.line([base, tip], shaded(_CREAM, pen.between(-0.5, 0)), 1)
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


@family("plants")
def leaf(pen: Pen) -> None:
    """A single leaf with its veins: entire, toothed or wavy, from narrow to broad."""
    color = tinted(pen, _GREEN, _LIME, _DEEP, *_AUTUMN)
    vein = pen.pick((shaded(color, 0.55), shaded(color, -0.55), _CREAM))
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
        rim = pen.pick((_CREAM, _LIME, _AUTUMN[0]))
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
    color = tinted(pen, *_AUTUMN, *_AUTUMN, _GREEN, _LIME, share=0.8)
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
    green = tinted(pen, _GREEN, _LIME, _DEEP, (200.0, 170.0, 80.0), share=0.75)
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


@family("plants", upright=True)
def tree(pen: Pen) -> None:
    """A trunk that forks into a round crown of leaves, dense or sparse."""
    bark = tinted(pen, _WOOD, (90.0, 70.0, 60.0), (200.0, 195.0, 185.0), share=0.85)
    green = tinted(pen, _GREEN, _DEEP, _LIME, *_AUTUMN, (240.0, 160.0, 190.0), share=0.75)
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
    cap = tinted(pen, (210.0, 35.0, 30.0), (200.0, 120.0, 60.0), (225.0, 160.0, 60.0), _WOOD)
    stem = tinted(pen, _CREAM, (225.0, 205.0, 170.0), share=0.9)
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
        spot = pen.pick((_CREAM, _CREAM, shaded(cap, 0.55), shaded(pen.palette[1], 0.3)))
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
    wood = tinted(pen, _WOOD, (160.0, 110.0, 65.0), (110.0, 70.0, 50.0), share=0.9)
    tip = pen.pick((shaded(wood, 0.3), shaded(wood, 0.45), mixed(wood, _CREAM, 0.5)))
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
    base = tinted(pen, _CREAM, (120.0, 90.0, 70.0), (60.0, 60.0, 75.0), (60.0, 110.0, 190.0))
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
    pen.ribbon(points, 0.02, 0.003, shaded(_CREAM, 0.3))


@family("plants")
def peacock_feather(pen: Pen) -> None:
    """Loose shimmering barbs around the peacock's eye."""
    natural = pen.chance(0.65)
    green: Color = (60.0, 150.0, 70.0)
    eyes: list[Color] = [(150.0, 190.0, 60.0), (190.0, 120.0, 40.0), (40.0, 190.0, 200.0)]
    heart: Color = (35.0, 25.0, 120.0)
    if not natural:
        green = tinted(pen, _DEEP, share=0.2)
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
    pen.ribbon(points[:42], 0.03, 0.012, shaded(_CREAM, 0.2))
    x, y = points[42] + (0, 0.04)
    angle, size = heading[42] + math.pi / 2, pen.between(0.46, 0.58)
    down = np.array([-math.sin(angle), math.cos(angle)])
    egg = np.stack([np.cos(turn(30)), np.sin(turn(30))], 1)
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
