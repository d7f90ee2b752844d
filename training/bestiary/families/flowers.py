"""Flowers, and a cactus."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import BROWN, GREEN, IVORY, ORANGE, PINK, PURPLE, RED, YELLOW
from training.bestiary.registry import family
from training.bestiary.shapes import blade, rotated, turn
from training.bestiary.solids import ball, lathe
from training.bestiary.tints import tinted

__all__ = ["cactus", "dahlia", "daisy", "lotus", "pansy", "rose", "sunflower", "tulip"]


_GOLDEN = math.pi * (3 - math.sqrt(5))


def _petal(
    pen: Pen,
    outline: ArrayLike,
    angle: float,
    root: Color,
    tip: Color,
    veins: int = 2,
    at: tuple[float, float] = (0, 0),
) -> None:
    """One petal from `at` along `angle`: dark edge, `tip` outside running into `root` at its foot.

    Without veins it is simpler, as for a ring behind another.
    """
    shape = np.asarray(outline, np.float64)
    length, width = shape[:, 0].max(), shape[:, 1].max()
    light = pen.between(-0.12, 0.12)
    along, across = rotated(np.eye(2), angle)
    x, y = shape[:, :1] * along + at, shape[:, 1:] * across
    reach = shape[:, :1] * along
    pen.polygon(x + 0.03 * reach + 1.12 * y, shaded(root, -0.6))
    pen.polygon(x + y, shaded(tip, light))
    pen.polygon(x - 0.25 * reach + 0.68 * y, shaded(mixed(root, tip, 0.4), light + 0.06))
    if not veins:
        return
    pen.polygon(x - 0.45 * reach + 0.55 * y, shaded(root, light))
    for spread in np.linspace(-1, 1, veins):
        vein = np.array([(0.15, 0), (0.5, 0.3 * spread), (0.88, 0.3 * spread)])
        pen.line(rotated(vein * (length, width), angle) + at, shaded(root, -0.4), 1)


def _seeds(pen: Pen, radius: float, count: int, size: float, inner: Color, outer: Color) -> None:
    """Seeds along the spirals of a sunflower's head, on a dark ground."""
    for number in range(count):
        share = (number + 0.5) / count
        out, angle = radius * math.sqrt(share), number * _GOLDEN
        color = shaded(mixed(inner, outer, share), pen.between(0.1, 0.3))
        pen.disc(out * math.cos(angle), out * math.sin(angle), size * 0.8, color)


def _leaves(pen: Pen, count: int) -> None:
    """Green leaves that look out from behind a flower."""
    green = tinted(pen, GREEN, shaded(GREEN, -0.3), share=0.9)
    start = pen.between(0, 2 * math.pi)
    outline = blade(1, pen.between(0.2, 0.3))
    for angle in start + turn(count):
        _petal(pen, outline, angle + pen.between(-0.3, 0.3), shaded(green, -0.3), green, 3)


@family("flowers")
def daisy(pen: Pen) -> None:
    """Long blunt petals around a small domed heart."""
    petal = tinted(pen, IVORY, IVORY, PINK, PURPLE, YELLOW)
    root = pen.pick((petal, shaded(petal, -0.25), pen.palette[1]))
    count = pen.count(9, 21)
    shape = blade(1, min(0.3, pen.between(2.2, 3) / count), pen.between(1.1, 1.7))
    start = pen.between(0, 1)
    if pen.chance(0.4):
        for angle in turn(count) + start + math.pi / count:
            _petal(pen, shape * 0.97, angle, shaded(root, -0.3), shaded(petal, -0.3), 0)
    for angle in turn(count) + start:
        reach = pen.between(0.92, 1)
        _petal(pen, shape * (reach, 1), angle + pen.between(-0.06, 0.06), root, petal)
    heart = tinted(pen, YELLOW, YELLOW, ORANGE, BROWN)
    radius = pen.between(0.2, 0.33)
    pen.disc(0.02, 0.03, radius * 1.08, shaded(heart, -0.75))
    ball(pen, 0, 0, radius, radius, shaded(heart, -0.3), gloss=False)
    _seeds(pen, radius * 0.9, 40, radius * 0.1, shaded(heart, -0.2), heart)


@family("flowers")
def sunflower(pen: Pen) -> None:
    """Two rings of pointed petals around a broad disc of seeds in spirals."""
    petal = tinted(pen, YELLOW, YELLOW, ORANGE, (200.0, 90.0, 30.0), share=0.75)
    root = pen.pick((shaded(petal, -0.25), mixed(petal, RED, 0.4)))
    count = pen.count(13, 21)
    shape = blade(1, pen.between(2.2, 3) / count, pen.between(0.75, 1))
    for ring, angles in enumerate((turn(count) + math.pi / count, turn(count))):
        dim = -0.25 * (1 - ring)
        for angle in angles:
            reach = pen.between(0.9, 1) - 0.05 * ring
            turned = angle + pen.between(-0.08, 0.08)
            turned_shape = shape * (reach, 1)
            _petal(pen, turned_shape, turned, shaded(root, dim), shaded(petal, dim), 2 * ring)
    disc = tinted(pen, BROWN, BROWN, (60.0, 40.0, 25.0), share=0.8)
    radius = pen.between(0.46, 0.6)
    pen.disc(0, 0, radius * 1.05, shaded(disc, -0.8))
    middle = pen.pick((shaded(disc, -0.6), mixed(disc, GREEN, 0.6), shaded(disc, 0.1)))
    rim = mixed(disc, petal, pen.between(0.2, 0.7))
    _seeds(pen, radius, pen.count(70, 100), radius * 0.09, middle, rim)


@family("flowers")
def rose(pen: Pen) -> None:
    """A full rose from above: broad petals with light rims, wound inwards in a spiral."""
    color = tinted(pen, RED, PINK, IVORY, YELLOW, ORANGE, (200.0, 60.0, 110.0))
    if pen.chance(0.5):
        _leaves(pen, pen.count(3, 5))
    count, size = pen.count(15, 22), pen.between(0.9, 0.98)
    start, step = pen.between(0, 6), pen.between(2.1, 2.6)
    rim, wide = pen.between(0.3, 0.55), pen.between(0.66, 0.76)
    t = turn(26)
    for number in range(count):
        share = number / count
        reach = size * (1 - share) ** 0.8 + 0.06
        angle = start + number * step
        wave = 1 + 0.04 * np.sin(3 * t + pen.between(0, 6)) + 0.02 * np.sin(5 * t)
        # A petal's outer lip is bright; what lies deeper towards the heart is darker.
        petal = np.stack([0.4 + 0.6 * wave * np.cos(t), wide * wave * np.sin(t)], 1) * reach
        tones = (-0.8, rim, 0.02, -0.2 - 0.15 * share, -0.4 - 0.2 * share)
        insets = (-0.035, 0.0, 0.055, 0.13, 0.24)
        for inset, tone in zip(insets, tones, strict=True):
            grown = petal * (1 - 0.6 * inset) - (0.6 * inset * reach, 0)
            pen.polygon(rotated(grown, angle), shaded(color, tone + pen.between(-0.03, 0.03)))
    t = np.linspace(0, 1, 30)
    coil = 0.13 * np.stack([t * np.cos(11 * t), t * np.sin(11 * t)], 1)
    pen.line(rotated(coil, start), shaded(color, rim), 2)


@family("flowers")
def lotus(pen: Pen) -> None:
    """Broad pointed petals that open like a cup, from the side or from above."""
    tip = tinted(pen, PINK, (225.0, 90.0, 150.0), IVORY, (150.0, 130.0, 230.0))
    root = pen.pick((IVORY, shaded(tip, 0.55), mixed(tip, YELLOW, 0.45)))
    shape = blade(1, pen.between(0.2, 0.27), pen.between(0.9, 1.15), 18)
    if pen.chance(0.45):
        for ring, reach in enumerate((1.0, 0.84, 0.66, 0.5)):
            count = 9 - ring
            for angle in turn(count) + ring * 0.37:
                dim = 0.1 * ring - 0.2
                _petal(pen, shape * reach, angle, shaded(root, dim), shaded(tip, dim), 3)
        pod = tinted(pen, YELLOW, (190.0, 200.0, 70.0), share=0.9)
        pen.disc(0, 0, 0.27, shaded(pod, -0.6))
        _seeds(pen, 0.25, 45, 0.03, pod, YELLOW)
        ball(pen, 0, 0, 0.14, 0.14, pod, gloss=False)
        return
    spread, foot = pen.between(1.15, 1.5), 0.62
    if pen.chance(0.6):
        pad = tinted(pen, GREEN, share=0.85)
        pen.ellipse(0, foot + 0.08, 0.98, 0.22, shaded(pad, -0.6))
        pen.ellipse(0, foot + 0.05, 0.95, 0.18, pad)
    for ring, reach in enumerate((1.55, 1.42, 1.2)):
        count = 9 - 2 * ring
        # From the outside in, so that the middle petal is in front.
        for side in sorted(np.linspace(-1, 1, count), key=abs, reverse=True):
            angle = side * spread * (1 - 0.12 * ring) - math.pi / 2
            long = reach * (1 - 0.44 * abs(side) ** 1.5)
            dim = 0.12 * ring - 0.22 - 0.1 * abs(side)
            at = (0.08 * side, foot + 0.06 * ring)
            _petal(pen, shape * long, angle, shaded(root, dim), shaded(tip, dim), 3, at)


@family("flowers")
def dahlia(pen: Pen) -> None:
    """A ball of many small petals in spirals, smaller towards the heart."""
    outer = tinted(pen, RED, PURPLE, PINK, ORANGE, YELLOW, IVORY)
    inner = pen.pick((shaded(outer, -0.45), pen.palette[1], mixed(outer, YELLOW, 0.6)))
    count = pen.count(60, 85)
    fat, fullness = pen.between(0.9, 1.3), pen.between(0.95, 1.5)
    for number in range(count):
        share = number / count
        out = (1 - share) ** 0.6
        length = 0.34 * out + 0.1
        shape = blade(length, 0.3 * fat * length + 0.015, fullness, 8) + (out - length, 0)
        color = mixed(outer, inner, share**1.5)
        angle = number * _GOLDEN
        layers = np.stack([shape * (1.02, 1.25), shape, shape * (0.97, 0.45) - (0.02, 0)])
        edge, leaf, fold = rotated(layers, angle)
        pen.polygon(edge, shaded(color, -0.7))
        pen.polygon(leaf, shaded(color, pen.between(0.05, 0.3)))
        pen.polygon(fold, shaded(color, -0.35))


@family("flowers", upright=True)
def pansy(pen: Pen) -> None:
    """A flower with a face: five wavy petals, dark blotches with rays, and a yellow eye."""
    back = tinted(pen, PURPLE, YELLOW, (70.0, 60.0, 190.0), RED, IVORY)
    front = pen.pick((back, tinted(pen, YELLOW, IVORY, ORANGE, PURPLE)))
    dark = pen.pick(((35.0, 10.0, 45.0), (60.0, 10.0, 25.0), shaded(pen.palette[1], -0.75)))
    waves, phase = pen.count(5, 9), pen.between(0, 6)
    t = turn(44)
    wavy = 1 + 0.05 * np.sin(waves * t + phase)
    petal = np.stack([wavy * np.cos(t), wavy * np.sin(t)], 1)
    low = pen.between(0.44, 0.52)
    parts = (
        (-0.36, -0.5, 0.47, 0.45, back),
        (0.36, -0.5, 0.47, 0.45, back),
        (-0.52, 0.06, 0.44, 0.4, front),
        (0.52, 0.06, 0.44, 0.4, front),
        (0.0, 0.48, low + 0.1, low, front),
    )
    for x, y, a, b, color in parts:
        for scale, tone in ((1.04, -0.65), (1.0, -0.12), (0.86, 0.08), (0.68, 0.22)):
            pen.polygon(petal * (a * scale, b * scale) + (x, y), shaded(color, tone))
        for angle in np.linspace(-1.1, 1.1, 9) + math.atan2(y, x):
            reach = (0.42 if color is back else 0.66) * pen.between(0.8, 1.1)
            way = np.array([math.cos(angle), math.sin(angle)])
            vein = np.outer((0.15, reach), way) + np.array([x, y]) * 0.25
            pen.line(vein, mixed(dark, color, 0.2), 2)
        if y > 0:
            blotch = petal * (a * 0.55, b * 0.5) + (x * 0.55, y * 0.55)
            pen.polygon(blotch, dark)
    eye = tinted(pen, YELLOW, ORANGE, share=0.9)
    pen.disc(0, 0.05, 0.13, shaded(eye, -0.3))
    pen.disc(0, 0.04, 0.1, shaded(eye, 0.25))
    pen.ellipse(0, 0.07, 0.04, 0.06, GREEN)


@family("flowers", upright=True)
def tulip(pen: Pen) -> None:
    """A cup of pointed petals on a stem between long leaves."""
    color = tinted(pen, RED, PINK, YELLOW, ORANGE, PURPLE, IVORY)
    tip = pen.pick((shaded(color, 0.2), color, YELLOW, shaded(pen.palette[1], 0.2)))
    green = tinted(pen, GREEN, (90.0, 160.0, 110.0), share=0.9)
    t = np.linspace(0, 1, 12)
    bend = pen.between(-0.12, 0.12)
    stem = np.stack([bend * np.sin(math.pi * t), t], 1)
    pen.ribbon(stem, 0.06, 0.06, shaded(green, -0.5))
    pen.ribbon(stem - (0.01, 0), 0.035, 0.035, shaded(green, 0.1))
    for side in (-1, 1):
        long = pen.between(0.8, 1.25)
        outline = blade(long, pen.between(0.1, 0.15), 0.8)
        outline[:, 1] += side * 0.25 * (outline[:, 0] / long) ** 2
        lean = -math.pi / 2 + side * pen.between(0.3, 0.6)
        pen.polygon(rotated(outline, lean) + (0, 1), shaded(green, -0.5))
        pen.polygon(rotated(outline * (0.97, 0.75), lean) + (0, 1), green)
        pen.line(rotated([(0.1, 0), (0.7 * long, 0.1 * side)], lean) + (0, 1), shaded(green, 0.4))
    wide, flare = pen.between(0.2, 0.36), pen.between(0.1, 0.9)
    cup = blade(pen.between(1.15, 1.3), wide, pen.between(0.72, 0.85), 18)
    poses = ((-0.7, -0.2), (0.7, -0.2), (-1.0, 0.0), (1.0, 0.0), (0.0, 0.12))
    for lean, light in poses:
        shape = cup.copy()
        shape[:, 1] += lean * (0.5 * np.sin(math.pi * np.clip(shape[:, 0] / 1.25, 0, 1)) * 0.62)
        angle = -math.pi / 2 + lean * flare * 0.45
        pen.polygon(rotated(shape * (1.02, 1.07), angle) + (0, 0.32), shaded(color, -0.65))
        for scale, tone in ((1.0, tip), (0.93, mixed(color, tip, 0.4)), (0.84, color)):
            inside = rotated(shape * (scale, scale**2), angle) + (0, 0.32)
            pen.polygon(inside, shaded(tone, light))
        for streak in np.linspace(-0.6, 0.6, 5):
            t = np.linspace(0.1, 0.8, 8)
            arc = np.sin(math.pi * t**0.8)
            across = wide * streak * arc + lean * 0.31 * arc
            line = np.stack([t * 1.2, across], 1)
            streaked = shaded(color, light + pen.pick((-0.3, 0.35)))
            pen.line(rotated(line, angle) + (0, 0.32), streaked, 1)


@family("flowers", upright=True)
def cactus(pen: Pen) -> None:
    """A round cactus with ribs and stars of spines, often in flower or in a pot."""
    green = tinted(pen, GREEN, (60.0, 130.0, 90.0), (120.0, 160.0, 70.0), share=0.8)
    spine = pen.pick((IVORY, (240.0, 215.0, 130.0), (190.0, 80.0, 60.0)))
    potted = pen.chance(0.45)
    a = pen.between(0.62, 0.75) if potted else pen.between(0.75, 0.95)
    foot = 0.45 if potted else 0.93
    blooming = pen.chance(0.6)
    b = min(a * pen.between(0.8, 1.15), (foot + (0.68 if blooming else 0.95)) / 2)
    middle = foot - b
    if potted:
        pot = tinted(pen, (190.0, 95.0, 55.0), share=0.8)
        lathe(pen, 0, (0.4, 1.0), (a * 0.85, a * 0.62), pot)
        lathe(pen, 0, (0.36, 0.5), (a * 0.95, a * 0.95), shaded(pot, 0.1))
    pen.ellipse(0, middle, a * 1.03, b * 1.03, shaded(green, -0.75))
    ribs = pen.count(7, 11)
    meridians = np.linspace(-0.5, 0.5, ribs) * math.pi
    down = np.linspace(-0.5, 0.5, 14) * math.pi
    # Each rib is a swelling between two furrows, narrower the further it is at the side.
    order = sorted(meridians, key=abs, reverse=True)
    for meridian in order:
        x = a * math.sin(meridian) * np.cos(down)
        y = middle + b * np.sin(down)
        half = a * 0.62 * math.pi / ribs * max(0.25, math.cos(meridian)) * np.cos(down)
        light = 0.05 - 0.35 * math.sin(meridian)
        for scale, tone in ((1.0, -0.45), (0.75, -0.1), (0.35, 0.25)):
            edge = np.stack([x - half * scale, y], 1), np.stack([x + half * scale, y], 1)[::-1]
            pen.polygon(np.concatenate(edge), shaded(green, max(-0.9, tone + light - 0.05)))
    for meridian in order:
        for latitude in np.linspace(-0.4, 0.4, 6) * math.pi:
            root = np.array([math.sin(meridian) * math.cos(latitude), math.sin(latitude)])
            root = root * (a, b) + (0, middle)
            for angle in turn(5) + pen.between(0, 1):
                way = pen.between(0.07, 0.12) * np.array([math.cos(angle), math.sin(angle)])
                pen.line([root, root + way], shaded(spine, pen.between(-0.2, 0.1)), 1)
    if blooming:
        petal = tinted(pen, PINK, RED, YELLOW, ORANGE)
        for angle in np.linspace(-2.9, -0.25, 9):
            shape = blade(0.36, 0.09, 1.0)
            long = shape * (pen.between(0.8, 1.1), 1)
            pen.polygon(rotated(long * 1.08, angle) + (0, middle - b * 0.93), shaded(petal, -0.6))
            pen.polygon(rotated(long, angle) + (0, middle - b * 0.93), shaded(petal, 0.1))
        pen.disc(0, middle - b * 0.96, 0.09, hsv(0.14, 0.8, 1))
