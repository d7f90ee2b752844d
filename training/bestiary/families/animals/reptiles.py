"""Reptiles from above: lizard, snake, turtle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training.bestiary.eyeballs import eyes
from training.bestiary.fields import COLUMNS, ROWS, paint
from training.bestiary.palette import Color, mixed, shaded
from training.bestiary.pen import UNIT, Pen
from training.bestiary.registry import family
from training.bestiary.shapes import Points, band, rotated, smooth
from training.bestiary.solids import inked, pose, solid

__all__ = ["lizard", "snake", "turtle"]


@family("animals")
def lizard(pen: Pen) -> None:
    """A lizard from above, in an S, toes spread, spotted or banded."""
    coat, mark, belly, *_ = pen.palette
    swing, side = pen.between(0.18, 0.34), pen.pick((-1, 1))
    knots = [
        (0, -0.8), (-0.03, -0.5), (swing * 0.7, -0.1), (-swing * 0.2, 0.28), (-swing * 1.4, 0.6),
        (-0.1, 0.95), (0.4, 0.8), (0.42, 0.45), (0.2, 0.5),
    ]  # fmt: skip
    path = smooth(knots, closed=False) * (side, 1) + (-0.08 * side, 0)
    t = np.linspace(0, 1, len(path))
    widths = np.interp(
        t, (0, 0.08, 0.12, 0.28, 0.42, 0.6, 1), (0.12, 0.17, 0.14, 0.26, 0.17, 0.1, 0.015)
    )
    for at, forward in ((11, -1), (25, 1)):
        way = path[at + 1] - path[at - 1]
        across = np.array([-way[1], way[0]]) / float(np.hypot(*way))
        ahead = way / float(np.hypot(*way)) * forward
        for leg in (-1, 1):
            knee = path[at] + leg * 0.34 * across - 0.04 * ahead
            foot = knee + leg * 0.14 * across + pen.between(0.16, 0.26) * ahead
            limb = smooth([path[at], knee, foot], closed=False)
            for toe in np.linspace(-1.1, 1.1, 5):
                reach = rotated([(foot - knee) * 0.6], float(toe))[0] + foot
                pen.line([foot, reach], shaded(coat, -0.2), 3)
                pen.disc(reach[0], reach[1], 0.028, shaded(coat, 0.2))
            solid(pen, band(limb, np.linspace(0.12, 0.065, len(limb))), coat)
    skin = pen.another()
    skin.fill(coat)
    pattern = pen.pick(("spots", "bands", "stripe", "net"))
    for number, (x, y) in enumerate(path):
        width = float(widths[number])
        if pattern == "bands" and number % 3 == 0:
            ends = band(path, widths)
            skin.line([ends[number], ends[-1 - number]], shaded(mark, -0.3), 5)
        elif pattern == "stripe" or (pattern == "net" and number % 2):
            skin.disc(x, y, width * 0.4, shaded(mark, 0.2))
        if pattern in ("spots", "net"):
            for _ in range(3):
                skin.disc(
                    x + pen.between(-1, 1) * width,
                    y + pen.between(-1, 1) * width,
                    pen.between(0.012, 0.035),
                    shaded(mark, pen.pick((-0.5, 0.4))),
                )
    for _ in range(130):
        x, y = pen.between(-0.6, 0.6), pen.between(-0.9, 0.95)
        skin.disc(x, y, 0.012, shaded(coat, pen.pick((-0.4, 0.35))))
    solid(pen, band(path, widths), skin, ink=inked(pen))
    x, y = path[2]
    head = smooth(
        np.array(
            [
                (0, -0.3), (0.14, -0.14), (0.23, 0.04), (0.13, 0.18), (-0.13, 0.18),
                (-0.23, 0.04), (-0.14, -0.14),
            ]
        )
        + (x, y)
    )  # fmt: skip
    solid(pen, head, shaded(mixed(coat, belly, 0.3), 0.1), ink=inked(pen))
    eyes(pen, [(x - 0.15, y - 0.03), (x + 0.15, y - 0.03)], 0.08, slit=True, rim=coat)
    pose(pen)


def _back(pen: Pen, along: NDArray[np.float32], across: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[..., 3]: a snake's skin, `along` it in pattern lengths, `across` it from -1 to 1."""
    coat, mark, edge, *_ = np.asarray(pen.palette, np.float32)
    phase = np.abs(along % 1 - 0.5) * 2
    match pen.pick(("diamonds", "rings", "saddles")):
        case "diamonds":
            depth = 0.8 - phase - 0.75 * np.abs(across)
        case "rings":
            depth = 0.5 - phase
        case _:
            depth = 0.75 - np.hypot(phase, across * 1.1)
    skin = np.where((np.abs(across) > 0.72)[..., None], edge * 0.5 + 110, coat)
    skin = np.where((depth > -0.14)[..., None], coat * 0.15, skin)
    skin = np.where((depth > 0)[..., None], mark, skin)
    skin = np.where((depth > 0.35)[..., None], mark * 0.5 + 115, skin)
    fine = pen.between(5, 8) * math.pi
    scales = np.sin(fine * along + 9 * across) * np.sin(fine * along - 9 * across)
    colors: NDArray[np.float32] = skin * (0.92 + 0.24 * scales)[..., None]
    return colors


@family("animals")
def snake(pen: Pen) -> None:
    """A coiled snake, patterned along its back, head on top."""
    turns, hand = pen.between(2.0, 2.7), pen.pick((-1, 1))
    start, squeeze = pen.between(0, 2 * math.pi), pen.between(0.82, 1)
    pitch = 1.04 / (turns + 0.1)
    x, y = COLUMNS, ROWS / np.float32(squeeze)
    far, way = np.hypot(x, y), np.arctan2(y, x)
    angle = (hand * way - start) / (2 * math.pi) % 1
    loop = np.round(far / pitch - angle)
    wound = loop + angle  # turns from the middle to the nearest piece of the snake
    thin = np.clip((turns - wound) / 0.7, 0, 1) ** 0.6 * 0.53 * pitch
    across = (far - wound * pitch) / np.maximum(thin, 1e-3)
    inside = np.clip((1 - np.abs(across)) * thin * UNIT, 0, 1)
    across = across.clip(-1, 1)
    length = pitch * math.pi * wound**2 / pen.between(0.35, 0.6)
    slope = -(0.55 * np.cos(way) + 0.8 * np.sin(way)) * across
    height = np.sqrt(1 - across**2)
    light = 0.25 + 0.75 * height + 0.4 * slope
    shine = 90 * np.maximum(0.6 * slope + 0.8 * height - 0.9, 0)
    colors = _back(pen, length, across) * light[..., None] + shine[..., None]
    paint(pen, colors, inside)
    coat, mark, *_ = pen.palette
    head = np.array(
        [
            (-0.25, -0.13), (0.02, -0.24), (0.22, -0.17), (0.38, 0), (0.22, 0.17), (0.02, 0.24),
            (-0.25, 0.13),
        ]
    )  # fmt: skip
    away = pen.between(0, 2 * math.pi)
    for piece in (
        [(0.36, 0), (0.56, 0.02)],
        [(0.56, 0.02), (0.7, -0.07)],
        [(0.56, 0.02), (0.68, 0.09)],
    ):
        pen.line(rotated(piece, away), (225.0, 30.0, 50.0), 3)
    skin = pen.another()
    skin.fill(shaded(coat, 0.2))
    skin.polygon(
        rotated([(-0.3, -0.1), (0.1, -0.05), (0.3, 0), (0.1, 0.05), (-0.3, 0.1)], away),
        shaded(mark, -0.2),
    )
    solid(pen, smooth(rotated(head, away)), skin, ink=2)
    eyes(pen, rotated([(0.12, -0.16), (0.12, 0.16)], away), 0.085, slit=True, rim=coat)


def _turtle_limbs(pen: Pen, color: Color, wide: float, sea: bool, ink: float) -> None:
    """What looks out from under the shell, with blotches."""
    spots = pen.another()
    spots.fill(color)
    for _ in range(90):
        blotch = shaded(color, pen.pick((-0.5, -0.3, 0.3)))
        spots.disc(pen.between(-1, 1), pen.between(-1, 1), pen.between(0.02, 0.06), blotch)
    sweep, front = pen.between(-0.15, 0.25), 0.42 if sea else 0.26
    for side in (-1, 1):
        arm = smooth(
            [
                (wide * 0.6, -0.4),
                (wide + 0.2, -0.62 + sweep),
                (wide + front * 0.85, -0.35 + 2 * sweep),
            ],
            closed=False,
        )
        leg = smooth([(wide * 0.5, 0.5), (wide * 0.85, 0.72), (wide + 0.08, 0.9)], closed=False)
        solid(
            pen,
            band(arm * (side, 1), np.linspace(0.15, 0.06 if sea else 0.13, len(arm))),
            spots,
            ink=ink,
        )
        solid(pen, band(leg * (side, 1), np.linspace(0.14, 0.08, len(leg))), spots, ink=ink)
    pen.polygon([(-0.07, 0.65), (0.07, 0.65), (0, 1.0)], shaded(color, -0.2))
    head = smooth([(-0.13, -0.6), (-0.17, -0.85), (0, -1.06), (0.17, -0.85), (0.13, -0.6)])
    solid(pen, head, spots, ink=ink)
    eyes(pen, [(-0.11, -0.88), (0.11, -0.88)], 0.06, rim=color)


@family("animals")
def turtle(pen: Pen) -> None:
    """A turtle from above: plates on its shell, flippers, head."""
    shell, limb, seam, *_ = pen.palette
    limb = shaded(limb, 0.1)
    wide, ink = pen.between(0.58, 0.7), inked(pen)
    sea = pen.chance(0.6)
    _turtle_limbs(pen, limb, wide, sea, ink)
    long = 0.74
    rim = smooth(
        [
            (wide * math.sin(a) * (1 + 0.06 * math.cos(a)), -long * math.cos(a))
            for a in np.linspace(0, 2 * math.pi, 12, endpoint=False)
        ]
    )
    skin = pen.another()
    skin.fill(shaded(seam, -0.5))
    plates: list[Points] = []
    for number in range(16):
        a, b = 2 * math.pi * np.array([number + 0.06, number + 0.94]) / 16
        plates.append(
            np.array(
                [
                    (out * wide * math.sin(q), -out * long * math.cos(q))
                    for out, q in ((1.06, a), (1.06, b), (0.84, b), (0.84, a))
                ]
            )
        )
    for number in range(5):
        y, half = -0.48 + 0.24 * number, 0.17 - 0.02 * abs(number - 2)
        plates.append(
            np.array(
                [
                    (-half * 0.6, y - 0.11), (half * 0.6, y - 0.11), (half, y),
                    (half * 0.6, y + 0.11), (-half * 0.6, y + 0.11), (-half, y),
                ]
            )
        )  # fmt: skip
    for number in range(4):
        y = -0.37 + 0.245 * number
        far = wide * 0.8 * math.sqrt(1 - (y / long) ** 2)
        plate = np.array(
            [(0.13, y), (0.18, y - 0.1), (far, y - 0.11), (far * 1.0, y + 0.11), (0.18, y + 0.1)]
        )
        plates += [plate, plate * (-1, 1)]
    for number, plate in enumerate(plates):
        middle = plate.mean(0)
        tone = shaded(shell, pen.between(-0.12, 0.12))
        for share, light in ((1.0, -0.2), (0.75, 0.0), (0.45, 0.28)):
            skin.polygon((plate - middle) * share + middle, shaded(tone, light))
        if number > 15 and pen.chance(0.5):
            for corner in plate:
                skin.line([middle, corner * 0.9 + middle * 0.1], shaded(tone, -0.35), 1)
    solid(pen, rim, skin, ink=max(ink, 1))
    pose(pen, lean=0.06)
