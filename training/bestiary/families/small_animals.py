"""Small animals: insects and spiders from above, and the soft and shelled ones of the sea."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.parts import ball, band, eyes, fur, pose, smooth, solid, swell
from training.bestiary.pen import Pen, Points, rotated, turn
from training.bestiary.registry import family

__all__: list[str] = []

_DARK: Color = (28.0, 22.0, 22.0)
_PALE: Color = (245.0, 240.0, 228.0)
_SIDES = (-1, 1)


def _ink(pen: Pen) -> float:
    """The width of the specimen's outlines: mostly none."""
    return pen.pick((0, 0, 1, 2, 3))


def _feelers(
    pen: Pen, x: float, y: float, reach: float, color: Color, *, club: bool = True
) -> None:
    """A pair of antennae curling outwards from a head at (`x`, `y`)."""
    curl = pen.between(0.2, 0.6)
    for side in _SIDES:
        path = [
            (x + side * 0.03, y),
            (x + side * reach * curl * 0.6, y - reach * 0.6),
            (x + side * reach * curl * 1.4, y - reach),
        ]
        pen.line(smooth(path, closed=False), color, 2)
        if club:
            pen.disc(x + side * reach * curl * 1.4, y - reach, 0.035, color)


def _legs(pen: Pen, rows: ArrayLike, color: Color, *, width: float = 0.035) -> None:
    """Jointed legs on both sides; each row is the points of a right leg."""
    for row in np.asarray(rows, np.float64):
        for side in _SIDES:
            sway = np.array([[0, 0], [0, 1], [0, 1]]) * pen.between(-0.06, 0.06)
            leg = smooth((row + sway) * (side, 1), closed=False, steps=3)
            pen.polygon(
                band(leg, np.linspace(width * 1.4, width * 0.6, len(leg))), shaded(color, -0.4)
            )
            pen.line(leg - (0.008, 0.012), shaded(color, 0.25), 1)


def _see_through(pen: Pen, wing: Pen, opacity: float) -> None:
    """Lay what `wing` has drawn over the rest like glass."""
    pen.paste((wing.layer * np.float32(opacity)).astype(np.uint8))


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
        shares = ((1.15, shaded(rim, -0.7)), (1.0, mark), (0.72, shaded(base, -0.5)), (0.48, _DARK))
        for share, color in shares:
            pen.disc(x, y, spot * share, color)
        pen.disc(x - 0.15 * spot, y - 0.2 * spot, spot * 0.2, _PALE)


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
    _feelers(pen, 0, -0.4, pen.between(0.4, 0.55), _DARK)
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
            (0.26, _DARK),
        ):
            skin.disc(x, y, spot * share, color)
        wings.polygon(root + (outline - root) * 1.03, dark)
        wings.paste(skin.layer, within=outline)
    _both_sides(pen, wings)
    for side in _SIDES:
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
    for side in _SIDES:
        pen.disc(side * 0.1, -0.52, 0.05, _DARK)
        pen.disc(side * 0.1 - 0.015, -0.54, 0.015, _PALE)
    pose(pen, lean=0.08)


def _insect_legs(pen: Pen, wide: float, color: Color) -> None:
    rows = [
        [(wide * 0.6, -0.3), (wide + 0.16, -0.5), (wide + 0.24, -0.82)],
        [(wide * 0.8, 0.0), (wide + 0.26, -0.06), (wide + 0.4, 0.16)],
        [(wide * 0.7, 0.3), (wide + 0.22, 0.42), (wide + 0.28, 0.86)],
    ]
    _legs(pen, rows, color)


@family("small animals")
def beetle(pen: Pen) -> None:
    """A beetle from above: metallic grooved wing cases, jaws or a horn."""
    shine = hsv(pen.between(0, 1), pen.between(0.6, 1), pen.between(0.35, 0.8))
    shell = shine if pen.chance(0.6) else pen.palette[0]
    wide, ink = pen.between(0.4, 0.52), _ink(pen)
    limb = shaded(shell, -0.6)
    _insect_legs(pen, wide, limb)
    if pen.chance(0.6):
        bite = pen.between(0.1, 0.35)
        for side in _SIDES:
            jaw = smooth(
                [(side * 0.1, -0.62), (side * (0.2 + bite), -0.82), (side * 0.08, -1.03)],
                closed=False,
            )
            solid(pen, band(jaw, np.linspace(0.06, 0.02, len(jaw))), limb)
    else:
        horn = smooth([(0, -0.6), (0.02, -0.85), (pen.between(-0.15, 0.15), -1.08)], closed=False)
        solid(pen, band(horn, np.linspace(0.09, 0.02, len(horn))), limb)
        _feelers(pen, 0, -0.62, 0.3, limb)
    solid(
        pen,
        smooth([(-0.2, -0.62), (0, -0.76), (0.2, -0.62), (0.16, -0.45), (-0.16, -0.45)]),
        shaded(shell, -0.4),
    )
    for side in _SIDES:
        pen.disc(side * 0.18, -0.6, 0.055, _DARK)
        pen.disc(side * 0.18 - 0.02, -0.62, 0.018, _PALE)
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
    for side in _SIDES:
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
    _insect_legs(pen, size * 0.75, dark)
    _feelers(pen, 0, -0.8, 0.25, dark)
    solid(
        pen, smooth([(-0.34, -0.55), (0, -0.88), (0.34, -0.55), (0.3, -0.35), (-0.3, -0.35)]), dark
    )
    for side in _SIDES:
        pen.ellipse(side * 0.2, -0.62, 0.09, 0.11, _PALE, -side * 0.5)
        pen.disc(side * 0.12, -0.78, 0.04, _PALE)
    skin = pen.another()
    skin.fill(shell)
    spots = [(0.36, -0.12), (0.28, 0.5), (0.0, -0.42), (0.22, 0.18), (0.54, 0.22)]
    chosen, big = pen.count(2, 5), pen.between(0.1, 0.14)
    for x, y in spots[:chosen]:
        for side in _SIDES:
            skin.ellipse(side * x * size / 0.7, y + 0.08, big, big * 1.1, dark)
    pen.ellipse(0, 0.1, size * 1.02, size * 1.06, dark)
    dome = np.stack([size * np.cos(turn(40)), 0.1 + size * 1.04 * np.sin(turn(40))], 1)
    solid(pen, dome, skin, ink=_ink(pen))
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
        for side in _SIDES:
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
    for side in _SIDES:
        pen.ellipse(side * 0.07, -0.5, 0.045, 0.1, shaded(coat, -0.5), side * 0.2)
        for x, y, size in (
            (0.06, -0.4, 0.055),
            (0.15, -0.36, 0.04),
            (0.1, -0.28, 0.03),
            (0.04, -0.3, 0.025),
        ):
            pen.disc(side * x, y, size, _DARK)
            pen.disc(side * x - size * 0.3, y - size * 0.3, size * 0.4, _PALE)
    pose(pen, lean=0.08)


@family("small animals")
def bee(pen: Pen) -> None:
    """A bee from above: a striped furry body and four glassy wings."""
    gold = hsv(pen.between(0.09, 0.15), pen.between(0.75, 1), pen.between(0.85, 1))
    coat = gold if pen.chance(0.8) else shaded(pen.palette[0], 0.2)
    dark, fat = shaded(pen.palette[1], -0.85), pen.between(0.32, 0.42)
    glass, sweep = mixed((225.0, 235.0, 245.0), pen.palette[2], 0.2), pen.between(-0.25, 0.25)
    _insect_legs(pen, fat * 0.75, dark)
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
        for side in _SIDES:
            wing.polygon((rotated(shape, angle + sweep) + (0.1, y)) * (side, 1), glass)
            wing.line((rotated(shape, angle + sweep) + (0.1, y)) * (side, 1), dark, 2, closed=True)
            for tilt in np.linspace(-0.17, 0.17, 4):
                vein = rotated(
                    [(0, 0), (length * 0.6, tilt * 0.7), (length * 0.93, tilt * 0.5)], angle + sweep
                ) + (0.1, y)
                wing.line(vein * (side, 1), shaded(glass, -0.6), 1)
        _see_through(pen, wing, pen.between(0.6, 0.8))
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
    _feelers(pen, 0, -0.62, 0.34, dark, club=False)
    ball(pen, 0, -0.53, 0.21, 0.17, dark, gloss=False)
    for side in _SIDES:
        pen.ellipse(side * 0.16, -0.54, 0.075, 0.12, shaded(dark, 0.15), side * 0.4)
        pen.ellipse(side * 0.16 - 0.02, -0.58, 0.025, 0.04, _PALE)
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
        for side in _SIDES:
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
        _see_through(pen, wing, opacity)
    bend = pen.between(-0.12, 0.12)
    spine = smooth([(0, -0.1), (0, 0.25), (bend / 2, 0.6), (bend, 1.0)], closed=False, steps=4)
    for number, (x, y) in enumerate(spine):
        width = 0.1 if number < 2 else 0.075 + 0.02 * (number > 9)
        pen.ellipse(x, y, width * 1.15, 0.08, shaded(coat, -0.7))
        ball(pen, x, y, width, 0.065, coat if number % 2 else mark, gloss=False)
    pen.ellipse(0, -0.28, 0.165, 0.27, shaded(coat, -0.7))
    ball(pen, 0, -0.28, 0.15, 0.25, coat)
    for side in _SIDES:
        pen.line([(side * 0.07, -0.45), (side * 0.09, -0.15)], shaded(mark, 0.2), 4)
    gem = pen.pick((mark, hsv(pen.between(0, 1), 0.8, 0.8)))
    for side in _SIDES:
        pen.disc(side * 0.13, -0.6, 0.17, shaded(gem, -0.7))
        ball(pen, side * 0.13, -0.6, 0.15, 0.16, gem, gloss=False)
        pen.disc(side * 0.13 - 0.05, -0.66, 0.035, _PALE)
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
    _feelers(pen, hx - 0.02, hy - big * 0.8, 0.36, shaded(mark, -0.4))
    face = pen.pick((mark, coat, hsv(0.05, 0.8, 0.8)))
    pen.disc(hx, hy, big * 1.05, shaded(face, -0.75))
    ball(pen, hx, hy, big, big, face, gloss=False)
    eyes(pen, [(hx - 0.21, hy - 0.05), (hx + 0.09, hy - 0.05)], 0.115, rim=face)
    smile = np.linspace(0.4, 2.7, 8)
    pen.line(
        np.stack([hx - 0.06 + 0.15 * np.cos(smile), hy + 0.1 + 0.1 * np.sin(smile)], 1), _DARK, 2
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
    solid(pen, foot, skin, ink=_ink(pen))
    pen.line(
        smooth([(-0.86, 0.5), (-0.76, 0.55), (-0.66, 0.5)], closed=False), shaded(flesh, -0.6), 2
    )
    pose(pen, lean=0.08)


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
    solid(pen, head, skin, ink=_ink(pen))
    size = pen.between(0.12, 0.17)
    for side in _SIDES:
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
    _see_through(pen, threads, pen.between(0.75, 1))
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
    _see_through(pen, shape, pen.between(0.8, 1))
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
    mark, ink, wide = pen.palette[1], _ink(pen), pen.between(0.54, 0.64)
    rows = [
        [
            (wide * 0.7, 0.2 + 0.1 * n),
            (wide + 0.3 - 0.05 * n, 0.08 + 0.2 * n),
            (wide + 0.34 - 0.13 * n, 0.5 + 0.16 * n),
        ]
        for n in range(4)
    ]
    _legs(pen, rows, coat, width=0.055)
    big = pen.between(0.75, 1.0)
    for side in _SIDES:
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
    for side in _SIDES:
        skin.line(
            smooth([(side * 0.1, 0.25), (side * 0.3, 0.05), (side * 0.5, 0.15)], closed=False),
            shaded(coat, -0.4),
            3,
        )
    skin.ellipse(0, 0.72, 0.7, 0.22, shaded(coat, 0.5))
    for side in _SIDES:
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
    solid(pen, outline, skin, ink=_ink(pen))
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
