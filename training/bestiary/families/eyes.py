"""Single eyes, seen close, and a heap of them."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.coats import strands
from training.bestiary.eyeballs import SLIT, globe
from training.bestiary.light import Clay
from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import GLINT, INK
from training.bestiary.registry import family
from training.bestiary.shapes import Points, around, turn
from training.bestiary.tints import iris_color, tones

__all__ = ["animal_eye", "cat_eye", "eye_cluster", "human_eye", "reptile_eye"]


def _almond(pen: Pen, up: float, down: float, *, lift: float = 0) -> tuple[Points, Points]:
    """An eye's upper and lower edge from the left corner to the right, 30 points each."""
    t = np.linspace(-1, 1, 30)
    slant = -lift * t
    upper = np.stack([t, slant - up * (1 - np.abs(t) ** pen.between(1.8, 2.6))], 1)
    lower = np.stack([t, slant + down * (1 - np.abs(t) ** 2)], 1)
    return upper, lower


def _around(
    pen: Pen,
    inner: float,
    outer: float,
    colors: tuple[Color, ...],
    count: int,
    *,
    squash: float = 1,
    swirl: float = 0.4,
) -> None:
    """Hairs that stream away from the eye, from `inner` to `outer`, the outer ones first."""
    noise = np.random.default_rng(pen.random.getrandbits(32))
    way = noise.uniform(0, 2 * math.pi, (count, 1))
    root = np.linspace(outer - 0.1, inner, count)[:, None]
    length = noise.uniform(0.12, 0.24, (count, 1))
    ahead = np.concatenate([np.cos(way), np.sin(way)], 1)
    bent = way + swirl * length * 3
    start = root * ahead * (1, squash)
    middle = start + 0.5 * length * ahead
    end = middle + 0.5 * length * np.concatenate([np.cos(bent), np.sin(bent)], 1)
    paths = np.stack([start, middle, end], 1)
    for band in np.array_split(paths, 4):
        strands(pen, band, tones(pen, colors), 2)


def _sclera(pen: Pen, color: Color, veins: int) -> None:
    """The white of an eye: grey at its top and sides, with veins from the corners."""
    pen.fill(shaded(color, -0.35))
    pen.ellipse(0, 0.1, 0.95, 0.42, shaded(color, -0.12))
    pen.ellipse(0, 0.12, 0.7, 0.36, color)
    for _ in range(veins):
        side, x = pen.pick((-1, 1)), np.linspace(0.95, pen.between(0.5, 0.7), 5)
        y = pen.between(-0.2, 0.25) * (1 - x) * 2 + [pen.between(-0.03, 0.03) for _ in x]
        pen.line(np.stack([side * x, y], 1), mixed(color, (190, 40, 40), pen.between(0.3, 0.6)), 1)


@family("eyes", upright=True)
def human_eye(pen: Pen) -> None:
    """A human eye: almond with lids, lashes, the white and its corners, at times a brow."""
    skin = hsv(pen.between(0.03, 0.08), pen.between(0.3, 0.6), pen.between(0.3, 1))
    if pen.chance(0.15):
        skin = pen.palette[0]
    up, down = pen.between(0.42, 0.68), pen.between(0.25, 0.42)
    facing, brow = pen.pick((-1, 1)), pen.chance(0.6)
    upper, lower = (
        edge * (0.92 * facing, 1) for edge in _almond(pen, up, down, lift=pen.between(0, 0.12))
    )
    opening = np.concatenate([upper, lower[::-1]])
    for size in np.linspace(1, 0.3, 8):
        pen.ellipse(0, -0.08, size, (0.72 + 0.15 * brow) * size, shaded(skin, 0.28 - 0.5 * size))
    for lift, tone in ((1.75, -0.45), (1.62, 0.22), (1.25, 0.05)):  # The crease and the lid.
        lid = np.concatenate([upper * (1.03, lift), lower[::-1]])
        pen.polygon(lid, shaded(skin, tone))
    rosy = mixed(skin, (220, 130, 120), 0.4)
    for drop, color in ((1.7, shaded(skin, -0.25)), (1.5, shaded(skin, 0.12)), (1.18, rosy)):
        pen.polygon(np.concatenate([upper, (lower * (0.98, drop))[::-1]]), color)
    inside = pen.another()
    _sclera(inside, (246, 242, 236), pen.count(0, 7))
    inside.disc(-0.9 * facing, 0.04, 0.13, (214, 130, 122))
    radius = pen.between(0.36, 0.45)
    wide = pen.between(0.3, 0.55)
    globe(inside, pen.between(-0.2, 0.2), -0.04, radius, iris_color(pen), pupil=(wide, wide))
    pen.paste(inside.layer, within=opening)
    pen.line(upper + (0, 0.05), shaded(skin, -0.55), 3)
    dark = shaded(skin, -0.85)
    pen.line(lower, mixed(dark, skin, 0.4), 2)
    pen.ribbon(upper * 1.01, 0.025, 0.06, dark)
    bend = pen.between(0.1, 0.3)
    for edge, reach, count in ((upper, -0.26, pen.count(14, 24)), (lower, 0.12, pen.count(0, 16))):
        for spot in np.linspace(3, 29, count):
            x, y = edge[int(spot)]
            lean = bend * (x + 0.2 * facing)
            tip = x + lean, y + reach * pen.between(0.8, 1.2)
            lash = (x, y), (x + 0.3 * lean, y + reach * 0.5), tip
            pen.ribbon(lash, 0.022 if reach < 0 else 0.01, 0.002, INK)
    if brow:
        t = np.linspace(0, 1, 60)
        rise = -0.76 - 0.14 * np.sin(math.pi * t**0.7) + [pen.between(-0.04, 0.04) for _ in t]
        roots = np.stack([facing * (1.6 * t - 0.8), rise], 1)
        tips = roots + np.stack([0 * t + 0.13 * facing, 0.14 * t - 0.1], 1)
        strands(pen, np.stack([roots, tips], 1), [shaded(dark, light) for light in (0, 0.2)], 2)


@family("eyes")
def animal_eye(pen: Pen) -> None:
    """A big round animal's eye with a dark rim, in fur, feathers or folds of skin."""
    coat = (pen.palette[1], pen.palette[2], shaded(pen.palette[1], -0.4))
    for size in np.linspace(1, 0.55, 6):
        pen.disc(0, 0, size, shaded(coat[0], 0.35 - 0.75 * size))
    if pen.chance(0.6):
        _around(pen, 0.55, 0.9, coat, pen.count(200, 300), swirl=pen.between(-2, 2))
    else:
        for number in range(folds := pen.count(3, 6)):
            size = 1 - 0.42 * number / folds
            turned = pen.between(0, math.pi)
            pen.ellipse(0, 0, size, size * 0.95, shaded(coat[0], -0.5), turned)
            pen.ellipse(
                -0.02, -0.03, size * 0.94, size * 0.9, shaded(coat[number % 2], 0.1), turned
            )
            pen.ring(-0.02, -0.03, size * 0.9, size * 0.87, shaded(coat[0], 0.35), 2, turned)
    rim, radius, color = pen.between(0.62, 0.72), pen.between(0.5, 0.6), iris_color(pen)
    pen.disc(0, 0, rim, shaded(coat[0], -0.85))
    pen.ring(-0.01, -0.01, rim * 0.96, rim * 0.96, shaded(coat[0], pen.pick((0.3, -0.5))), 2)
    wide = pen.between(0.4, 0.68)
    globe(pen, 0, 0, radius, color, pupil=(wide, wide))
    if pen.chance(0.4):
        t = np.linspace(math.pi, 2 * math.pi, 20)
        sag = pen.between(-0.35, -0.05)
        edge = np.stack([0.72 * np.cos(t), sag + 0.3 * np.cos(2 * t)[::-1] * 0.3], 1)
        lid = np.concatenate([edge, 0.74 * around(t)[::-1]])
        pen.polygon(lid, shaded(coat[0], -0.1))
        pen.line(edge, shaded(coat[0], -0.8), 4)
        pen.line(edge - (0, 0.07), shaded(coat[0], 0.3), 2)


@family("eyes", upright=True)
def cat_eye(pen: Pen) -> None:
    """A cat's eye: slit pupil in a bright almond with a black lining, in streaming fur."""
    coat = pen.pick(
        (
            (hsv(0.08, pen.between(0.3, 0.75), pen.between(0.5, 0.95)), hsv(0.06, 0.6, 0.3)),
            (hsv(0.6, 0.1, pen.between(0.3, 0.8)), hsv(0.6, 0.15, 0.25)),
            (pen.palette[1], pen.palette[2]),
        )
    )
    facing, lift = pen.pick((-1, 1)), pen.between(0.08, 0.3)
    high = pen.between(0.5, 0.66)
    pen.ellipse(0, 0, 0.92, 0.85, shaded(coat[0], -0.2))
    _around(pen, 0.55, 0.92, (coat[0], coat[0], coat[1]), 240, squash=0.9, swirl=0.8 * facing)
    upper, lower = (
        edge * (0.88 * facing, 1) for edge in _almond(pen, high, high * 0.85, lift=lift)
    )
    opening = np.concatenate([upper, lower[::-1]])
    pen.polygon(opening * 1.2, shaded(coat[0], 0.45))
    pen.polygon(opening * 1.1, INK)
    corner = upper[0]
    pen.ribbon([corner, corner * (1.1, 1) + (0, 0.15), corner + (0, 0.45)], 0.07, 0.01, INK)
    inside, color = pen.another(), iris_color(pen)
    inside.fill(shaded(color, -0.35))
    wide = pen.between(0.08, 0.22)
    globe(inside, pen.between(-0.06, 0.06), 0, 0.78, color, pupil=(wide, 0.74))
    pen.paste(inside.layer, within=opening * 0.98)
    pen.line(upper * 0.97 + (0, 0.02), shaded(color, -0.8), 4)


@family("eyes")
def reptile_eye(pen: Pen) -> None:
    """A reptile's eye: a slit in a veined iris, ringed by rows of scales."""
    hide = pen.pick((pen.palette[1], hsv(pen.between(0.1, 0.4), 0.6, pen.between(0.3, 0.8))))
    other = pen.pick((pen.palette[2], hide))
    pen.disc(0, 0, 0.97, shaded(hide, -0.7))
    rows, tilt = pen.count(3, 4), pen.between(0.5, 1.1)
    for row in range(rows):
        far = 0.92 - row * 0.36 / rows
        size = far * tilt * 1.9 / 10 * (1 - 0.12 * row)
        ways = turn(int(2 * math.pi * far / (size * 1.7))) + row * 0.5 * size
        for way in ways:
            x, y = far * math.cos(way), far * math.sin(way)
            tone = shaded(pen.pick((hide, hide, other)), 0.18 * math.cos(way + 2.3))
            pen.ellipse(x, y, size * 0.72, size, shaded(tone, -0.65), way)
            pen.ellipse(x - 0.01, y - 0.012, size * 0.58, size * 0.84, tone, way)
            pen.ellipse(
                x - 0.2 * size, y - 0.25 * size, size * 0.3, size * 0.4, shaded(tone, 0.4), way
            )
    pen.disc(0, 0, 0.63, INK)
    pen.ring(0, 0, 0.61, 0.61, shaded(hide, 0.2), 3)
    color = pen.pick((iris_color(pen), hsv(pen.between(0, 0.17), 0.95, 1)))
    globe(pen, 0, 0, 0.56, color, pupil=(pen.between(0.08, 0.2), 0.9))
    for way in turn(pen.count(9, 16)):  # Veins that creep from the edge towards the slit.
        wiggle = np.linspace(0.5, pen.between(0.2, 0.3), 5)
        turned = way + np.array([pen.between(-0.12, 0.12) for _ in wiggle])
        vein = np.stack([wiggle * np.cos(turned), wiggle * np.sin(turned)], 1)
        if abs(vein[-1, 0]) > 0.12:
            pen.line(vein, shaded(color, -0.65), 1)
    pen.ellipse(-0.17, -0.2, 0.12, 0.09, GLINT, -0.6)


@family("eyes")
def eye_cluster(pen: Pen) -> None:
    """Many eyes of several sizes crowded in one lump of flesh."""
    flesh = pen.palette[1]
    spots: list[tuple[float, float, float]] = []
    sizes = [pen.between(0.3, 0.45)] * pen.count(1, 2)
    sizes += [pen.between(0.15, 0.3) for _ in range(60)] + [0.12] * 40
    for size in sizes:
        far, way = math.sqrt(pen.random.random()) * (0.98 - size), pen.between(0, 2 * math.pi)
        x, y = far * math.cos(way), far * math.sin(way)
        if all(math.hypot(x - u, y - v) > 0.94 * (size + other) for u, v, other in spots):
            spots.append((x, y, size))
    clay, t = Clay(), turn(24)
    for x, y, size in spots:
        pen.disc(x, y, size * 1.25, shaded(flesh, pen.between(-0.2, 0.05)))
        clay.heap(around(t) * size * 1.25 + (x, y), 60, 200 * size, 8)
    clay.light(pen, 1.2)
    same, white = iris_color(pen), pen.chance(0.5)
    pupil = pen.pick(((0.5, 0.5), (0.5, 0.5), SLIT))
    look = pen.between(-0.2, 0.2), pen.between(-0.2, 0.2)
    for x, y, size in spots:
        size *= 0.88
        pen.disc(x, y, size, shaded(flesh, -0.85))
        color = same if pen.chance(0.7) else iris_color(pen)
        if white:
            pen.disc(x, y, size * 0.92, (200, 196, 188))
            pen.disc(x - 0.06 * size, y - 0.08 * size, size * 0.78, (250, 247, 240))
        inner = 0.58 * size if white else 0.88 * size
        globe(
            pen, x + look[0] * size * white, y + look[1] * size * white, inner, color, pupil=pupil
        )
        if pen.chance(0.25):
            t = np.linspace(math.pi * 1.08, math.pi * 1.92, 12)
            arc = around(t) * size
            pen.polygon(arc + (x, y), shaded(flesh, 0.05))
            pen.line(arc[[0, -1]] + (x, y), shaded(flesh, -0.75), 2)
