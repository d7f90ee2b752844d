"""Winged insects from above: butterfly, moth, bee, dragonfly."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.coats import fur
from training.bestiary.light import swell
from training.bestiary.limbs import feelers, insect_legs
from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import INK, IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, Points, rotated, smooth
from training.bestiary.solids import ball, pose, solid

__all__ = ["bee", "butterfly", "dragonfly", "moth"]


def _wing(
    pen: Pen,
    outline: Points,
    colors: tuple[Color, Color, Color],
    *,
    spot: float,
    style: str,
    veins: int,
) -> None:
    """A butterfly's right wing on a pen of its own; `outline` starts at its root.

    The colours are those of the rim, the wing and its marks; `spot` is the eye spot's radius.
    """
    rim, base, mark = colors
    root = outline[0]

    def inner(share: float) -> Points:
        shrunk: Points = root + (outline - root) * share
        return shrunk

    pen.polygon(outline, shaded(rim, -0.5))
    far = outline[len(outline) // 8 : -len(outline) // 8]
    for point in far[::4]:
        dot = root + (point - root) * 0.94
        pen.disc(dot[0], dot[1], 0.025, shaded(mark, 0.6))
    pen.polygon(inner(0.88), base)
    if style in ("bands", "glow"):
        for share, color in ((0.7, mark), (0.5, mixed(base, rim, 0.4)), (0.3, shaded(mark, 0.3))):
            pen.polygon(inner(share), color if style == "bands" else shaded(base, 0.8 - share))
    for number in np.linspace(0.14, 0.86, veins):
        end = outline[int(number * (len(outline) - 1))]
        pen.line([root, root + (end - root) * 0.9], shaded(rim, -0.65), 2)
    if spot:
        x, y = root + (far[len(far) // 2] - root) * 0.66
        shares = ((1.15, shaded(rim, -0.7)), (1.0, mark), (0.72, shaded(base, -0.5)), (0.48, INK))
        for share, color in shares:
            pen.disc(x, y, spot * share, color)
        pen.disc(x - 0.15 * spot, y - 0.2 * spot, spot * 0.2, IVORY)


def _both_sides(pen: Pen, wing: Pen) -> None:
    """Lay the right wing down, and its mirror image."""
    swell(wing.layer, 0.45)
    pen.paste(wing.layer)
    pen.paste(np.ascontiguousarray(wing.layer[:, ::-1]))


@family("small animals")
def butterfly(pen: Pen) -> None:
    """A butterfly from above, its wings spread: eye spots, veins, a dotted rim."""
    hue = pen.between(0, 1)
    bright = (
        hsv(hue, pen.between(0, 0.5), pen.between(0.1, 0.4)),
        hsv(hue, pen.between(0.7, 1), pen.between(0.85, 1)),
        hsv(hue + pen.pick((0.08, 0.15, 0.5)), 0.8, 1),
    )
    colors = (
        bright
        if pen.chance(0.65)
        else (pen.palette[2], pen.palette[0], shaded(pen.palette[1], 0.3))
    )
    style, veins, up = (
        pen.pick(("bands", "plain", "glow")),
        pen.count(4, 7),
        pen.between(-0.15, 0.1),
    )
    tail = pen.between(0.0, 0.3) if pen.chance(0.4) else 0.0
    hind = [
        (0.02, 0.05), (0.45, 0.0), (0.76, 0.2), (0.72, 0.56), (0.48, 0.8 + tail), (0.24, 0.68),
        (0.08, 0.4),
    ]  # fmt: skip
    fore = [
        (0.02, -0.12), (0.3, -0.56), (0.72, -0.85 + up), (1.02, -0.78 + up), (0.98, -0.35),
        (0.78, 0.0), (0.4, 0.14),
    ]  # fmt: skip
    wings = pen.another()
    other = (colors[0], mixed(colors[1], colors[2], pen.between(0, 1)), colors[2])
    _wing(wings, smooth(hind), other, spot=pen.pick((0.0, 0.12, 0.16)), style=style, veins=veins)
    _wing(wings, smooth(fore), colors, spot=pen.between(0.13, 0.19), style=style, veins=veins)
    _both_sides(pen, wings)
    feelers(pen, 0, -0.4, pen.between(0.4, 0.55), INK)
    coat = shaded(colors[0], -0.3)
    ball(pen, 0, 0.22, 0.06, 0.4, coat, gloss=False)
    ball(pen, 0, -0.15, 0.085, 0.22, shaded(coat, 0.1), gloss=False)
    ball(pen, 0, -0.42, 0.075, 0.08, coat)


@family("small animals")
def moth(pen: Pen) -> None:
    """A moth from above: earthy banded wings held low, a furry body, combed antennae."""
    earth = hsv(pen.between(0.04, 0.12), pen.between(0.15, 0.55), pen.between(0.4, 0.85))
    base = earth if pen.chance(0.7) else mixed(earth, pen.palette[0], 0.6)
    dark, light = shaded(base, -0.6), shaded(base, pen.between(0.4, 0.7))
    droop, spot = pen.between(0.1, 0.35), pen.between(0.09, 0.15)
    fore = smooth(
        [
            (0.03, -0.42), (0.5, -0.45 + droop / 2), (1.0, -0.25 + droop), (0.9, 0.2 + droop),
            (0.55, 0.32), (0.08, 0.1),
        ]
    )  # fmt: skip
    hind = smooth([(0.03, 0.0), (0.5, 0.15), (0.78, 0.4), (0.62, 0.78), (0.3, 0.82), (0.06, 0.5)])
    wings = pen.another()
    for outline, tone in ((hind, shaded(base, 0.2)), (fore, base)):
        skin = pen.another()
        skin.fill(tone)
        root = outline[0]
        for share in np.linspace(0.95, 0.3, 6):
            wave = 0.025 * np.sin(np.arange(len(outline)) * pen.between(0.8, 1.3))
            line = root + (outline - root) * (share + wave)[:, None]
            skin.line(
                line, shaded(pen.pick((dark, light)), pen.between(-0.2, 0.2)), pen.count(2, 6)
            )
        for _ in range(40):
            x, y = pen.between(0, 1), pen.between(-0.5, 0.8)
            skin.line([(x, y), (x - 0.09, y - 0.03)], shaded(tone, pen.pick((-0.45, 0.4))), 1)
        x, y = root + (outline.mean(0) - root) * 1.15
        for share, color in (
            (1.0, dark),
            (0.75, light),
            (0.5, shaded(pen.palette[1], -0.2)),
            (0.26, INK),
        ):
            skin.disc(x, y, spot * share, color)
        wings.polygon(root + (outline - root) * 1.03, dark)
        wings.paste(skin.layer, within=outline)
    _both_sides(pen, wings)
    for side in SIDES:
        path = smooth(
            [(side * 0.05, -0.55), (side * 0.2, -0.8), (side * 0.45, -0.95)], closed=False
        )
        pen.line(path, dark, 2)
        for number in range(2, len(path)):
            x, y = path[number]
            comb = 0.13 * (1 - number / len(path)) + 0.04
            pen.line(
                [(x - comb * 0.6, y - comb), (x, y), (x + comb * 0.6, y + comb)],
                shaded(dark, 0.2),
                1,
            )
    pen.ellipse(0, 0.2, 0.16, 0.5, dark)
    for y in np.linspace(0.6, -0.1, 6):
        fur(pen, 0, y, 0.13, 0.05, [base, light], hairs=16, length=0.1)
        pen.line([(-0.13, y), (0.13, y)], dark, 2)
    fur(pen, 0, -0.3, 0.18, 0.2, [light, base, dark], hairs=90, length=0.13)
    for side in SIDES:
        pen.disc(side * 0.1, -0.52, 0.05, INK)
        pen.disc(side * 0.1 - 0.015, -0.54, 0.015, IVORY)
    pose(pen, lean=0.08)


@family("small animals")
def bee(pen: Pen) -> None:
    """A bee from above: a striped furry body and four glassy wings."""
    gold = hsv(pen.between(0.09, 0.15), pen.between(0.75, 1), pen.between(0.85, 1))
    coat = gold if pen.chance(0.8) else shaded(pen.palette[0], 0.2)
    dark, fat = shaded(pen.palette[1], -0.85), pen.between(0.32, 0.42)
    glass, sweep = mixed((225.0, 235.0, 245.0), pen.palette[2], 0.2), pen.between(-0.25, 0.25)
    insect_legs(pen, fat * 0.75, dark)
    pen.polygon([(-0.05, 0.85), (0.05, 0.85), (0, 1.02)], dark)
    skin = pen.another()
    skin.fill(coat)
    stripes = pen.count(3, 4)
    for y in np.linspace(0.16, 0.92, stripes):
        skin.line([(-0.6, y - 0.08), (0, y), (0.6, y - 0.08)], dark, 48 / stripes)
    body = smooth(
        [(0, -0.02), (fat, 0.2), (fat * 0.85, 0.6), (0, 0.95), (-fat * 0.85, 0.6), (-fat, 0.2)]
    )
    solid(pen, body, skin)
    for y in np.linspace(0.05, 0.78, 2 * stripes):
        tone = dark if round((y - 0.16) / 0.76 * 2 * (stripes - 1)) % 2 == 0 else shaded(coat, 0.3)
        fur(pen, 0, y, fat * 0.85, 0.04, [tone], hairs=14, length=0.09)
    for length, width, angle, y in ((0.72, 0.15, 0.45, -0.05), (0.95, 0.2, -0.15, -0.15)):
        wing = pen.another()
        along = np.linspace(0, 1, 16)
        bulge = width * np.sin(math.pi * along**1.6) ** 0.7
        shape = np.concatenate(
            [
                np.stack([along * length, -bulge * 0.8], 1),
                np.stack([along * length, bulge], 1)[::-1],
            ]
        )
        for side in SIDES:
            wing.polygon((rotated(shape, angle + sweep) + (0.1, y)) * (side, 1), glass)
            wing.line((rotated(shape, angle + sweep) + (0.1, y)) * (side, 1), dark, 2, closed=True)
            for tilt in np.linspace(-0.17, 0.17, 4):
                vein = rotated(
                    [(0, 0), (length * 0.6, tilt * 0.7), (length * 0.93, tilt * 0.5)], angle + sweep
                ) + (0.1, y)
                wing.line(vein * (side, 1), shaded(glass, -0.6), 1)
        pen.paste(wing.layer, opacity=pen.between(0.6, 0.8))
    ball(pen, 0, -0.2, 0.28, 0.26, coat, gloss=False)
    fur(
        pen,
        0,
        -0.2,
        0.25,
        0.24,
        [coat, shaded(coat, -0.4), shaded(coat, 0.4)],
        hairs=110,
        length=0.11,
    )
    feelers(pen, 0, -0.62, 0.34, dark, club=False)
    ball(pen, 0, -0.53, 0.21, 0.17, dark, gloss=False)
    for side in SIDES:
        pen.ellipse(side * 0.16, -0.54, 0.075, 0.12, shaded(dark, 0.15), side * 0.4)
        pen.ellipse(side * 0.16 - 0.02, -0.58, 0.025, 0.04, IVORY)
    pose(pen, lean=0.08)


@family("small animals")
def dragonfly(pen: Pen) -> None:
    """A dragonfly from above: a long jointed tail, four netted wings, huge eyes."""
    coat, mark, tint, *_ = pen.palette
    coat = shaded(coat, 0.05)
    glass = mixed((220.0, 235.0, 245.0), tint, pen.between(0.1, 0.7))
    sweep, opacity = pen.between(-0.12, 0.2), pen.between(0.65, 0.9)
    along = np.linspace(0, 1, 16)
    for y, angle, wide in ((-0.16, 0.3, 0.27), (-0.4, -0.22, 0.23)):
        wing = pen.another()
        low = wide * np.sin(math.pi * along ** (0.8 if wide > 0.25 else 1.4)) ** 0.6
        shape = np.concatenate(
            [
                np.stack([along, -0.03 - 0.04 * along * (1 - along)], 1),
                np.stack([along, low], 1)[::-1],
            ]
        )
        for side in SIDES:
            placed = (rotated(shape, angle + sweep) + (0.06, y)) * (side, 1)
            wing.polygon(placed, glass)
            for number in range(1, 16):
                upper, lower = placed[number], placed[31 - number]
                wing.line([upper, lower], shaded(glass, -0.5), 1)
            for share in (0.3, 0.6):
                wing.line(
                    placed[:16] * (1 - share) + placed[16:][::-1] * share, shaded(glass, -0.55), 1
                )
            wing.line(placed, shaded(coat, -0.7), 2, closed=True)
            wing.line(placed[12:14], shaded(mark, -0.4), 6)
        pen.paste(wing.layer, opacity=opacity)
    bend = pen.between(-0.12, 0.12)
    spine = smooth([(0, -0.1), (0, 0.25), (bend / 2, 0.6), (bend, 1.0)], closed=False, steps=4)
    for number, (x, y) in enumerate(spine):
        width = 0.1 if number < 2 else 0.075 + 0.02 * (number > 9)
        pen.ellipse(x, y, width * 1.15, 0.08, shaded(coat, -0.7))
        ball(pen, x, y, width, 0.065, coat if number % 2 else mark, gloss=False)
    pen.ellipse(0, -0.28, 0.165, 0.27, shaded(coat, -0.7))
    ball(pen, 0, -0.28, 0.15, 0.25, coat)
    for side in SIDES:
        pen.line([(side * 0.07, -0.45), (side * 0.09, -0.15)], shaded(mark, 0.2), 4)
    gem = pen.pick((mark, hsv(pen.between(0, 1), 0.8, 0.8)))
    for side in SIDES:
        pen.disc(side * 0.13, -0.6, 0.17, shaded(gem, -0.7))
        ball(pen, side * 0.13, -0.6, 0.15, 0.16, gem, gloss=False)
        pen.disc(side * 0.13 - 0.05, -0.66, 0.035, IVORY)
    pose(pen, lean=0.08)
