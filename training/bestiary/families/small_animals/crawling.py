"""What crawls: beetles, a spider, a caterpillar, a snail."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.coats import fur
from training.bestiary.eyeballs import eyes
from training.bestiary.limbs import feelers, insect_legs
from training.bestiary.palette import hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import INK, IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, band, rotated, smooth, turn
from training.bestiary.solids import ball, inked, pose, solid

__all__ = ["beetle", "caterpillar", "ladybug", "snail", "spider"]


@family("small animals")
def beetle(pen: Pen) -> None:
    """A beetle from above: metallic grooved wing cases, jaws or a horn."""
    shine = hsv(pen.between(0, 1), pen.between(0.6, 1), pen.between(0.35, 0.8))
    shell = shine if pen.chance(0.6) else pen.palette[0]
    wide, ink = pen.between(0.4, 0.52), inked(pen)
    limb = shaded(shell, -0.6)
    insect_legs(pen, wide, limb)
    if pen.chance(0.6):
        bite = pen.between(0.1, 0.35)
        for side in SIDES:
            jaw = smooth(
                [(side * 0.1, -0.62), (side * (0.2 + bite), -0.82), (side * 0.08, -1.03)],
                closed=False,
            )
            solid(pen, band(jaw, np.linspace(0.06, 0.02, len(jaw))), limb)
    else:
        horn = smooth([(0, -0.6), (0.02, -0.85), (pen.between(-0.15, 0.15), -1.08)], closed=False)
        solid(pen, band(horn, np.linspace(0.09, 0.02, len(horn))), limb)
        feelers(pen, 0, -0.62, 0.3, limb)
    solid(
        pen,
        smooth([(-0.2, -0.62), (0, -0.76), (0.2, -0.62), (0.16, -0.45), (-0.16, -0.45)]),
        shaded(shell, -0.4),
    )
    for side in SIDES:
        pen.disc(side * 0.18, -0.6, 0.055, INK)
        pen.disc(side * 0.18 - 0.02, -0.62, 0.018, IVORY)
    plate = smooth(
        [
            (-0.24, -0.52), (0.24, -0.52), (wide * 0.92, -0.24), (wide * 0.7, -0.1),
            (-wide * 0.7, -0.1), (-wide * 0.92, -0.24),
        ]
    )  # fmt: skip
    solid(pen, plate, shaded(mixed(shell, pen.palette[1], pen.pick((0.0, 0.7))), -0.15), ink=ink)
    skin = pen.another()
    skin.fill(shell)
    mark, style = shaded(pen.palette[2], 0.2), pen.pick(("grooves", "bands", "spots", "grooves"))
    if style == "bands":
        for y in np.linspace(0.05, 0.75, pen.count(2, 4)):
            skin.line(
                [(-1, y - 0.05), (-0.3, y + 0.05), (0, y), (0.3, y + 0.05), (1, y - 0.05)], mark, 10
            )
    for side in SIDES:
        for number in range(1, 6):
            x = side * number * wide / 5.5
            if style == "spots":
                for y in np.linspace(0.0, 0.8, 4):
                    skin.disc(x * 1.2, y + 0.1 * (number % 2), 0.045, mark)
            else:
                groove = smooth([(x * 0.6, -0.2), (x, 0.3), (x * 0.5, 0.95)], closed=False)
                skin.line(groove, shaded(shell, -0.5), 2)
                skin.line(groove - (0.02, 0), shaded(shell, 0.25), 1)
    body = smooth(
        [
            (0, -0.14), (wide * 0.8, -0.14), (wide, 0.25), (wide * 0.6, 0.75), (0, 0.95),
            (-wide * 0.6, 0.75), (-wide, 0.25), (-wide * 0.8, -0.14),
        ]
    )  # fmt: skip
    solid(pen, body, skin, ink=ink)
    pen.line([(0, -0.1), (0, 0.92)], shaded(shell, -0.75), 3)
    gleam = smooth([(-wide * 0.62, 0.0), (-wide * 0.7, 0.25), (-wide * 0.55, 0.5)], closed=False)
    pen.line(gleam, shaded(shell, 0.75), pen.count(3, 6))
    pose(pen, lean=0.08)


@family("small animals")
def ladybug(pen: Pen) -> None:
    """A ladybird from above: a round spotted dome and a small dark head."""
    red = hsv(pen.between(-0.03, 0.13), pen.between(0.8, 1), pen.between(0.75, 1))
    shell = red if pen.chance(0.8) else pen.palette[0]
    size, dark = pen.between(0.66, 0.78), shaded(pen.palette[3], -0.85)
    insect_legs(pen, size * 0.75, dark)
    feelers(pen, 0, -0.8, 0.25, dark)
    solid(
        pen, smooth([(-0.34, -0.55), (0, -0.88), (0.34, -0.55), (0.3, -0.35), (-0.3, -0.35)]), dark
    )
    for side in SIDES:
        pen.ellipse(side * 0.2, -0.62, 0.09, 0.11, IVORY, -side * 0.5)
        pen.disc(side * 0.12, -0.78, 0.04, IVORY)
    skin = pen.another()
    skin.fill(shell)
    spots = [(0.36, -0.12), (0.28, 0.5), (0.0, -0.42), (0.22, 0.18), (0.54, 0.22)]
    chosen, big = pen.count(2, 5), pen.between(0.1, 0.14)
    for x, y in spots[:chosen]:
        for side in SIDES:
            skin.ellipse(side * x * size / 0.7, y + 0.08, big, big * 1.1, dark)
    pen.ellipse(0, 0.1, size * 1.02, size * 1.06, dark)
    dome = np.stack([size * np.cos(turn(40)), 0.1 + size * 1.04 * np.sin(turn(40))], 1)
    solid(pen, dome, skin, ink=inked(pen))
    pen.line([(0, -0.6), (0, 0.8)], dark, 3)
    pen.ellipse(-size * 0.42, -0.2, 0.16, 0.09, shaded(shell, 0.85), -0.7)
    pose(pen, lean=0.08)


@family("small animals")
def spider(pen: Pen) -> None:
    """A spider from above: eight legs, a patterned belly, many eyes."""
    coat, mark, *_ = pen.palette
    coat = shaded(coat, pen.between(-0.6, 0.1))
    fat, furry = pen.between(0.26, 0.38), pen.chance(0.5)
    thick = pen.between(0.035, 0.065)
    stance = pen.between(-0.08, 0.08)
    for number, (lift, reach) in enumerate(((-1.0, 1.12), (-0.42, 1.02), (0.25, 1.0), (0.85, 1.2))):
        for side in SIDES:
            way = lift + stance + pen.between(-0.1, 0.1)
            root = np.array([0.1, -0.2 + 0.07 * number])
            knee = root + rotated([(reach * 0.56, 0)], way - 0.45 * (1 if lift < 0 else -0.5))[0]
            foot = np.array([reach * math.cos(way * 1.02), -0.1 + reach * math.sin(way * 1.02)])
            leg = smooth(
                np.array([root, knee, (knee + foot) / 2 + (0.05, 0), foot]) * (side, 1),
                closed=False,
                steps=5,
            )
            solid_color = shaded(coat, -0.35)
            pen.polygon(band(leg, np.linspace(thick * 1.5, thick * 0.5, len(leg))), solid_color)
            pen.line(leg - (0.01, 0.012), shaded(coat, 0.3), 1)
            for x, y in leg[3::4]:
                pen.disc(x, y, thick * 1.1, shaded(mark, -0.1))
    solid(
        pen,
        np.stack([0.24 * np.cos(turn(24)), -0.22 + 0.26 * np.sin(turn(24))], 1),
        shaded(coat, 0.1),
    )
    skin = pen.another()
    skin.fill(coat)
    style = pen.pick(("chevrons", "hourglass", "dots", "cross"))
    for number, y in enumerate(np.linspace(0.12, 0.82, 6)):
        size = fat * 0.6 * math.sin(math.pi * (number + 1) / 7)
        if style == "chevrons":
            skin.line([(-size, y + 0.1), (0, y), (size, y + 0.1)], shaded(mark, 0.35), 4)
        elif style != "hourglass":
            spread = size if style == "dots" else (0.0 if number != 2 else size)
            for x in (-spread, 0.0, spread):
                skin.disc(x, y, 0.06, shaded(mark, 0.35))
    if style == "hourglass":
        skin.polygon(
            [(-0.15, 0.2), (0.15, 0.2), (0.03, 0.45), (0.15, 0.7), (-0.15, 0.7), (-0.03, 0.45)],
            hsv(0.0, 0.9, 0.9),
        )
    pen.ellipse(0, 0.44, fat * 1.05, 0.47, shaded(coat, -0.7))
    solid(pen, np.stack([fat * np.cos(turn(30)), 0.44 + 0.45 * np.sin(turn(30))], 1), skin)
    if furry:
        fur(pen, 0, 0.44, fat, 0.42, [coat, shaded(coat, 0.3)], hairs=70, length=0.1)
        fur(pen, 0, -0.2, 0.2, 0.2, [coat, shaded(coat, 0.3)], hairs=40, length=0.08)
    for side in SIDES:
        pen.ellipse(side * 0.07, -0.5, 0.045, 0.1, shaded(coat, -0.5), side * 0.2)
        for x, y, size in (
            (0.06, -0.4, 0.055),
            (0.15, -0.36, 0.04),
            (0.1, -0.28, 0.03),
            (0.04, -0.3, 0.025),
        ):
            pen.disc(side * x, y, size, INK)
            pen.disc(side * x - size * 0.3, y - size * 0.3, size * 0.4, IVORY)
    pose(pen, lean=0.08)


@family("small animals", upright=True)
def caterpillar(pen: Pen) -> None:
    """A caterpillar arching its row of round segments, with hairs, feet and a face."""
    coat, mark, *_ = pen.palette
    count, hairy, arch = pen.count(6, 9), pen.chance(0.6), pen.between(0.3, 0.62)
    t = np.linspace(1, 0, count)
    x = -0.55 + 1.3 * t
    waves = pen.pick((1, 2))
    y = 0.4 - 0.14 * waves - arch / waves * np.sin(t * math.pi * waves) + 0.05 * np.cos(9 * t)
    size = pen.between(0.25, 0.3)
    spots = pen.pick(("dot", "bands", "none"))
    for number in range(count):
        near = (x[number], y[number])
        for foot in (-0.05, 0.06):
            pen.ellipse(near[0] + foot, near[1] + size, 0.045, 0.09, shaded(mark, -0.3))
        color = mark if spots == "bands" and number % 2 else coat
        if hairy:
            for angle in np.linspace(-2.9, -0.25, 11):
                way = angle + pen.between(-0.15, 0.15)
                reach = size + pen.between(0.1, 0.2)
                tip = (near[0] + reach * math.cos(way), near[1] + reach * math.sin(way))
                pen.line([near, tip], shaded(pen.palette[2], pen.between(-0.4, 0.4)), 1)
        pen.ellipse(*near, size * 0.93, size * 1.08, shaded(color, -0.75))
        ball(pen, *near, size * 0.86, size, color, gloss=False)
        if spots == "dot":
            pen.disc(near[0], near[1] - 0.05, 0.075, shaded(mark, -0.5))
            pen.disc(near[0], near[1] - 0.05, 0.05, shaded(mark, 0.3))
    hx, hy, big = -0.62, float(y[-1]) - 0.16, pen.between(0.34, 0.4)
    feelers(pen, hx - 0.02, hy - big * 0.8, 0.36, shaded(mark, -0.4))
    face = pen.pick((mark, coat, hsv(0.05, 0.8, 0.8)))
    pen.disc(hx, hy, big * 1.05, shaded(face, -0.75))
    ball(pen, hx, hy, big, big, face, gloss=False)
    eyes(pen, [(hx - 0.21, hy - 0.05), (hx + 0.09, hy - 0.05)], 0.115, rim=face)
    smile = np.linspace(0.4, 2.7, 8)
    pen.line(
        np.stack([hx - 0.06 + 0.15 * np.cos(smile), hy + 0.1 + 0.1 * np.sin(smile)], 1), INK, 2
    )
    pose(pen, lean=0.08)


@family("small animals", upright=True)
def snail(pen: Pen) -> None:
    """A snail with a spiral shell, crawling to the left with its eyes on stalks."""
    flesh = (
        hsv(pen.between(0.05, 0.14), pen.between(0.2, 0.5), pen.between(0.55, 0.9))
        if pen.chance(0.6)
        else pen.palette[3]
    )
    shell, stripe, *_ = pen.palette
    turns, growth = pen.between(2.3, 3.2), pen.between(0.1, 0.15)
    angle = np.linspace(0, 2 * math.pi * turns, int(22 * turns)) - 2 * math.pi * turns + 1.3
    far = 0.5 * np.exp(growth * (angle - angle[-1]))
    banded = pen.pick((0.0, 0.5, 0.9))
    for number, (way, out) in enumerate(zip(angle, far, strict=True)):
        x, y = 0.18 + out * math.cos(way), -0.16 + out * math.sin(way)
        half = out * 0.5 + 0.02
        color = mixed(shell, stripe, banded * (0.5 + 0.5 * math.sin(number * 1.3)))
        if number % 3 == 0:
            pen.disc(x, y, half * 1.1, shaded(color, -0.7))
        pen.disc(x, y, half, shaded(color, -0.25))
        pen.disc(x - 0.12 * half, y - 0.2 * half, half * 0.7, color)
        pen.disc(x - 0.25 * half, y - 0.4 * half, half * 0.28, shaded(color, 0.45))
        if banded == 0.0:
            pen.disc(
                x + 0.5 * half * math.cos(way),
                y + 0.5 * half * math.sin(way),
                half * 0.2,
                shaded(stripe, -0.2),
            )
    rise = pen.between(-0.1, 0.1)
    tips = []
    for x, tall in ((-0.62, 0.62), (-0.8, 0.55)):
        tip = (x - 0.1, 0.3 - tall + rise)
        stalk = smooth([(x, 0.3), (x + 0.02, 0.0), tip], closed=False)
        pen.polygon(band(stalk, np.linspace(0.06, 0.035, len(stalk))), shaded(flesh, -0.1))
        tips.append(tip)
    eyes(pen, tips, 0.1, rim=flesh)
    skin = pen.another()
    skin.fill(flesh)
    for _ in range(120):
        skin.disc(
            pen.between(-1, 1),
            pen.between(0.1, 0.9),
            pen.between(0.015, 0.035),
            shaded(flesh, pen.pick((-0.3, 0.3))),
        )
    foot = smooth(
        [
            (-0.88, 0.35), (-0.72, 0.18), (-0.48, 0.3), (-0.25, 0.48), (0.04, 0.36), (0.32, 0.26),
            (0.56, 0.4), (0.72, 0.6), (1.03, 0.84), (0.4, 0.88), (-0.5, 0.88), (-0.85, 0.72),
        ]
    )  # fmt: skip
    solid(pen, foot, skin, ink=inked(pen))
    pen.line(
        smooth([(-0.86, 0.5), (-0.76, 0.55), (-0.66, 0.5)], closed=False), shaded(flesh, -0.6), 2
    )
    pose(pen, lean=0.08)
