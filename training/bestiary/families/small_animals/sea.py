"""The soft and the shelled ones of the sea: octopus, jellyfish, crab, starfish, urchin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training.bestiary.eyeballs import eyes
from training.bestiary.limbs import legs
from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, Points, band, rotated, smooth
from training.bestiary.solids import ball, inked, pose, solid

__all__ = ["crab", "jellyfish", "octopus", "sea_urchin", "starfish"]


@family("small animals", upright=True)
def octopus(pen: Pen) -> None:
    """An octopus: a big head with two eyes, curling arms with suckers."""
    coat, under, *_ = pen.palette
    coat, under = shaded(coat, 0.05), shaded(under, 0.4)
    order = [0, 7, 1, 6, 2, 5, 3, 4]
    for number in order:
        share = (number - 3.5) / 3.5
        side = 1 if share > 0 else -1
        curl = pen.between(1.5, 4.2) * pen.pick((side, side, -side))
        length = pen.between(0.95, 1.25)
        t = np.linspace(0, 1, 26)
        way = math.pi / 2 - share * 1.35 + curl * t**1.6 * 0.9
        step = length * (1 - 0.35 * t) / 26
        path = np.stack(
            [share * 0.28 + np.cumsum(np.cos(way) * step), 0.15 + np.cumsum(np.sin(way) * step)], 1
        )
        path = np.clip(path, -1.05, 1.05)
        widths = 0.125 * (1 - t) ** 0.8 + 0.015
        pen.polygon(band(path, widths * 1.18), shaded(coat, -0.75))
        pen.polygon(band(path, widths), shaded(coat, -0.2))
        pen.polygon(band(path - (0.008, 0.012), widths * 0.5), shaded(coat, 0.2))
        inner = np.sign(curl)
        for at in range(3, 22, 3):
            dx, dy = path[at + 1] - path[at - 1]
            away = inner * widths[at] * 0.62 / (math.hypot(dx, dy) + 1e-9)
            x, y = path[at, 0] - dy * away, path[at, 1] + dx * away
            pen.disc(x, y, widths[at] * 0.36, under)
            pen.disc(x, y, widths[at] * 0.16, shaded(under, -0.6))
    skin = pen.another()
    skin.fill(coat)
    for _ in range(pen.count(8, 45)):
        x, y, size = pen.between(-0.5, 0.5), pen.between(-1, 0.2), pen.between(0.02, 0.075)
        skin.disc(x, y, size, shaded(coat, pen.pick((-0.3, 0.25))))
    wide, lean = pen.between(0.5, 0.62), pen.between(-0.1, 0.1)
    head = smooth(
        [
            (lean, -1.02), (wide + lean, -0.66), (wide * 0.8, -0.2), (0.42, 0.2), (0, 0.32),
            (-0.42, 0.2), (-wide * 0.8, -0.2), (-wide + lean, -0.66),
        ]
    )  # fmt: skip
    solid(pen, head, skin, ink=inked(pen))
    size = pen.between(0.12, 0.17)
    for side in SIDES:
        pen.disc(side * 0.23, -0.12, size * 1.4, shaded(coat, 0.25))
    eyes(pen, [(-0.23, -0.1), (0.23, -0.1)], size, rim=coat)
    pose(pen, lean=0.08)


@family("small animals", upright=True)
def jellyfish(pen: Pen) -> None:
    """A jellyfish: a glowing ribbed bell, frilly arms, trailing threads."""
    bell, glow, frill, *_ = pen.palette
    bell = shaded(bell, 0.15)
    wide, high = pen.between(0.62, 0.82), pen.between(0.6, 0.78)
    t = np.linspace(0, 1, 18)
    threads = pen.another()
    for x in np.linspace(-wide * 0.88, wide * 0.88, pen.count(9, 15)):
        sway = 0.09 * np.sin(t * pen.between(4, 9) + pen.between(0, 6)) * t
        threads.line(
            np.stack([x * (1 - 0.2 * t) + sway, -0.15 + t * pen.between(0.7, 1.2)], 1),
            shaded(glow, pen.between(-0.3, 0.5)),
            pen.count(1, 3),
        )
    for x in np.linspace(-0.3, 0.3, pen.count(3, 5)):
        sway = 0.1 * np.sin(t * pen.between(5, 8) + pen.between(0, 6))
        path = np.stack([x + sway, -0.1 + t * pen.between(0.75, 1.05)], 1)
        ruffle = (0.06 + 0.05 * np.sin(np.arange(18) * 2.0)) * (1.2 - t)
        threads.polygon(band(path, ruffle + 0.02), shaded(frill, -0.45))
        threads.polygon(band(path, ruffle), shaded(frill, pen.between(0.1, 0.4)))
        threads.line(path, shaded(frill, -0.3), 1)
    pen.paste(threads.layer, opacity=pen.between(0.75, 1))
    skin = pen.another()
    skin.fill(bell)
    top = -0.95
    base = top + high
    for x in np.linspace(-1.3, 1.3, pen.count(7, 12)):
        rib = smooth(
            [(x * 0.1, top), (x * wide * 0.62, top + high * 0.45), (x * wide * 0.8, base + 0.2)],
            closed=False,
        )
        skin.line(rib, shaded(glow, -0.1), pen.count(3, 7))
    for number in range(4):
        x = -0.3 + 0.2 * number
        skin.ring(x, top + high * 0.45, 0.1, 0.14, shaded(frill, 0.5), 4)
    if pen.chance(0.5):
        for _ in range(30):
            skin.disc(
                pen.between(-wide, wide),
                pen.between(top, base),
                pen.between(0.015, 0.045),
                shaded(glow, 0.5),
            )
    q = np.linspace(0, 1, 15)
    hem = np.stack([wide * (1 - 2 * q), base + 0.09 * np.abs(np.sin(q * math.pi * 7))], 1)
    dome = smooth(
        [
            (-wide, base), (-wide * 0.86, top + high * 0.38), (-wide * 0.45, top + 0.04),
            (0, top - 0.04), (wide * 0.45, top + 0.04), (wide * 0.86, top + high * 0.38),
            (wide, base),
        ],
        closed=False,
    )  # fmt: skip
    shape = pen.another()
    solid(shape, np.concatenate([dome, hem]), skin)
    shape.line(hem, shaded(glow, 0.55), 4)
    shape.line(dome, shaded(bell, 0.6), 2)
    pen.paste(shape.layer, opacity=pen.between(0.8, 1))
    pose(pen, lean=0.08)


def _claw(pen: Pen, side: int, size: float, color: Color, ink: float) -> None:
    """A crab's arm and its open claw."""
    elbow = smooth([(0.45, 0.0), (0.85, -0.12), (0.8, -0.45)], closed=False)
    solid(
        pen,
        band(elbow * (side, 1), np.linspace(0.09, 0.11, len(elbow))),
        shaded(color, -0.1),
        ink=ink,
    )
    jaw = np.array(
        [
            (0.05, 0.2), (0.28, -0.05), (0.2, -0.42), (-0.02, -0.62), (0.02, -0.3), (-0.06, -0.2),
            (-0.14, -0.34), (-0.3, -0.5), (-0.28, -0.15), (-0.15, 0.12),
        ]
    )  # fmt: skip
    outline = smooth((jaw * size + (0.76, -0.48)) * (side, 1), steps=4)
    solid(pen, outline, color, ink=ink)


@family("small animals", upright=True)
def crab(pen: Pen) -> None:
    """A crab with raised claws, eyes on stalks, bent legs, a bumpy shell."""
    red = hsv(pen.between(-0.02, 0.09), pen.between(0.7, 0.95), pen.between(0.65, 1))
    coat = red if pen.chance(0.6) else pen.palette[0]
    mark, ink, wide = pen.palette[1], inked(pen), pen.between(0.54, 0.64)
    rows = [
        [
            (wide * 0.7, 0.2 + 0.1 * n),
            (wide + 0.3 - 0.05 * n, 0.08 + 0.2 * n),
            (wide + 0.34 - 0.13 * n, 0.5 + 0.16 * n),
        ]
        for n in range(4)
    ]
    legs(pen, rows, coat, width=0.055)
    big = pen.between(0.75, 1.0)
    for side in SIDES:
        _claw(pen, side, big * pen.between(0.8, 1.1), coat, ink)
    skin = pen.another()
    skin.fill(coat)
    for _ in range(pen.count(20, 60)):
        x, y = pen.between(-0.6, 0.6), pen.between(-0.2, 0.6)
        size, tone = (
            pen.between(0.015, 0.05),
            pen.pick((shaded(coat, -0.35), shaded(coat, 0.35), mark)),
        )
        skin.disc(x, y, size, tone)
        skin.disc(-x, y, size, tone)
    for side in SIDES:
        skin.line(
            smooth([(side * 0.1, 0.25), (side * 0.3, 0.05), (side * 0.5, 0.15)], closed=False),
            shaded(coat, -0.4),
            3,
        )
    skin.ellipse(0, 0.72, 0.7, 0.22, shaded(coat, 0.5))
    for side in SIDES:
        pen.line([(side * 0.17, -0.05), (side * 0.2, -0.34)], shaded(coat, -0.3), 5)
    shell = smooth(
        [
            (-wide, 0.1), (-0.3, -0.18), (0, -0.22), (0.3, -0.18), (wide, 0.1),
            (wide * 0.8, 0.42), (0.3, 0.62), (-0.3, 0.62), (-wide * 0.8, 0.42),
        ]
    )  # fmt: skip
    solid(pen, shell, skin, ink=ink)
    eyes(pen, [(-0.2, -0.38), (0.2, -0.38)], 0.1, rim=coat)
    pen.line(smooth([(-0.14, 0.44), (0, 0.5), (0.14, 0.44)], closed=False), shaded(coat, -0.7), 3)
    pose(pen, lean=0.08)


def _star(reach: float, waist: float, arms: int, blunt: float) -> Points:
    """The outline of a soft star."""
    points: list[tuple[float, float]] = []
    for number in range(arms):
        way = 2 * math.pi * number / arms - math.pi / 2
        gap = math.pi / arms
        points += [
            (reach * math.cos(way - blunt), reach * math.sin(way - blunt)),
            (reach * 1.06 * math.cos(way), reach * 1.06 * math.sin(way)),
            (reach * math.cos(way + blunt), reach * math.sin(way + blunt)),
            (waist * math.cos(way + gap), waist * math.sin(way + gap)),
        ]
    return smooth(points)


@family("small animals")
def starfish(pen: Pen) -> None:
    """A starfish: soft tapering arms covered with rows of knobs."""
    coat, knob, *_ = pen.palette
    arms, waist = pen.pick((5, 5, 5, 5, 5, 6)), pen.between(0.38, 0.48)
    knob = shaded(knob, pen.pick((0.5, 0.3, -0.4)))
    outline = _star(0.94, waist, arms, pen.between(0.1, 0.15))
    bend = pen.between(-0.5, 0.5)
    far = np.hypot(outline[:, 0], outline[:, 1])
    twist: NDArray[np.float64] = np.arctan2(outline[:, 1], outline[:, 0]) + bend * far**2
    outline = np.stack([far * np.cos(twist), far * np.sin(twist)], 1)
    skin = pen.another()
    skin.fill(coat)
    for _ in range(120):
        skin.disc(
            pen.between(-1, 1), pen.between(-1, 1), 0.016, shaded(coat, pen.pick((-0.4, 0.3)))
        )
    solid(pen, outline, skin, ink=inked(pen))
    for number in range(arms):
        for out in np.linspace(0.12, 0.9, 6):
            way = 2 * math.pi * number / arms - math.pi / 2 + bend * out**2
            size = 0.08 * (1.15 - 0.75 * out)
            for aside in (-0.55, 0.0, 0.55):
                spread = aside * 0.42 * (1.12 - 0.9 * out)
                x, y = rotated([(out, spread)], way)[0]
                pen.disc(x + 0.01, y + 0.015, size, shaded(coat, -0.6))
                pen.disc(x, y, size * (0.85 if aside else 1.0), knob)
                pen.disc(x - size * 0.25, y - size * 0.3, size * 0.35, shaded(knob, 0.5))
    pose(pen, lean=0.08)


@family("small animals")
def sea_urchin(pen: Pen) -> None:
    """A sea urchin: a ball of knobs in rows with spines all around."""
    coat, spine, *_ = pen.palette
    coat = shaded(coat, pen.between(-0.45, 0.05))
    size, thick = pen.between(0.42, 0.56), pen.between(0.012, 0.035)
    for layer in range(3):
        for number in range(30):
            way = 2 * math.pi * (number + layer / 3) / 30 + pen.between(-0.07, 0.07)
            reach = pen.between(0.86, 1.06) * (1 - 0.08 * layer)
            tone = shaded(mixed(spine, coat, 0.3 - 0.1 * layer), -0.55 + 0.35 * layer)
            pen.polygon(rotated([(size * 0.8, -thick), (reach, 0), (size * 0.8, thick)], way), tone)
    pen.disc(0, 0, size * 1.05, shaded(coat, -0.75))
    ball(pen, 0, 0, size, size, coat, gloss=False)
    sectors = pen.pick((5, 6, 8, 10))
    for number in range(sectors * 2):
        for ring, out in enumerate(np.linspace(0.2, 0.93, 6)):
            way = math.pi * number / sectors + pen.between(-0.03, 0.03)
            x, y = rotated([(out * size, 0)], way)[0]
            knob = 0.016 + 0.03 * math.sin(math.pi * (out * 0.8 + 0.1)) * (
                1.0 if number % 2 else 0.6
            )
            tone = shaded(spine if number % 2 else coat, 0.3 - 0.4 * out)
            pen.disc(x + 0.008, y + 0.012, knob * 1.2, shaded(coat, -0.7))
            pen.disc(x, y, knob, tone)
            if ring % 2 == 1 and number % 2:
                tip = rotated([(out * size + 0.24 + 0.1 * out, 0)], way)[0]
                pen.line([(x, y), tip], shaded(spine, 0.2), max(1.0, thick * 80))
                pen.line([(x - 0.01, y - 0.01), tip], shaded(spine, 0.6), 1)
    pen.disc(0, 0, size * 0.13, shaded(coat, -0.7))
    ball(pen, 0, 0, size * 0.1, size * 0.1, spine)
