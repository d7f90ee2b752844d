"""Heads of birds: owl, eagle, parrot."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.bestiary.coats import strands
from training.bestiary.head import Head, gaping
from training.bestiary.palette import hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import FLESH, INK, IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, band, oval, rotated, smooth, turn
from training.bestiary.tints import iris_color, natural

__all__ = ["eagle", "owl", "parrot"]


def _staggered(
    along: NDArray[np.floating[Any]], rows: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every place of every row, row by row, each second row shifted by half a place."""
    half = (along[1] - along[0]) / 2
    shifts = half * (np.arange(len(rows)) % 2)
    return (along + shifts[:, None]).ravel(), np.repeat(rows, len(along))


@family("heads", upright=True)
def owl(pen: Pen) -> None:
    """An owl from the front: ringed eyes, a hooked beak, ear tufts, a feathered breast."""
    head = Head(pen, tilt=0.25, yaw=0.4)
    coat = natural(pen, (0.08, 0.5, 0.55), (0.07, 0.35, 0.75), (0.1, 0.15, 0.9), (0.6, 0.08, 0.45))
    disc = mixed(shaded(coat, 0.45), pen.palette[1], 0.25)
    dark = shaded(coat, -0.55)
    head.oval(0, 0.52, pen.between(0.68, 0.8), 0.56, shaded(coat, -0.1), depth=None, fringe=0.07)
    x, y = _staggered(np.arange(-0.6, 0.61, 0.2), np.arange(0.98, 0.3, -0.13))
    inside = np.abs(x) < 0.72 * np.sqrt(np.maximum(0, 1 - ((y - 0.5) / 0.56) ** 2))
    spots = np.stack([x, y - 0.05], 1)[inside]
    shades = [
        shaded(mixed(coat, disc, pen.between(0.2, 0.9)), pen.between(-0.15, 0.1)) for _ in spots
    ]
    head.plumes(spots[:, None] + oval(0, 0, 0.12, 0.16), shades, 0.3, rise=14)
    shafts = spots[:, None] + [(0, -0.06), (0, 0.1)]
    strands(pen, head.at(shafts, None).reshape(shafts.shape), (dark,), 2)
    tufts, spread = pen.between(0.1, 0.4) * pen.chance(0.8), pen.between(0.55, 0.8)
    for side in SIDES:
        tuft = [(0.15, -0.7), (spread, -0.75 - tufts), (0.85, -0.3)]
        head.part(np.array(tuft) * (side, 1), shaded(coat, -0.3), fringe=0.06)
    head.oval(0, -0.22, 0.84, 0.66, coat, 0.2, depth=None, fringe=0.08)
    head.hair(0, -0.22, 0.8, 0.62, (coat, dark, disc), 170, source=(0, -0.1))
    radius, apart, up = pen.between(0.22, 0.28), pen.between(0.34, 0.4), pen.between(-0.24, -0.16)
    for side in SIDES:
        head.oval(side * apart, up, 0.43, 0.44, dark, 0.5, fringe=0.03, bulge=0.3)
        head.oval(side * apart, up, 0.39, 0.4, disc, 0.8, bulge=-0.6)
        spokes = np.array([[(math.cos(way), math.sin(way))] * 2 for way in turn(26)])
        spokes *= np.array([(radius * 1.1,), (0.38,)])
        spokes = head.at(spokes + (side * apart, up)).reshape(spokes.shape)
        strands(pen, spokes, (shaded(disc, -0.4), shaded(disc, 0.4)))
    head.part(
        [(0, 0.15), (-0.2, -0.75), (0, -0.62), (0.2, -0.75)], shaded(coat, -0.25), 0.8, depth=0
    )
    horn = pen.pick(((235, 175, 60), (80, 72, 66), (214, 196, 150)))
    beak = smooth([(-0.11, 0), (0, -0.12), (0.11, 0), (0.06, 0.2), (0, 0.33), (-0.06, 0.2)])
    head.part(beak, horn, 1, depth=0.2)
    head.light()
    color = pen.pick((hsv(pen.between(0.06, 0.15), 0.9, 1), iris_color(pen)))
    lid = shaded(coat, -0.15) if pen.chance(0.3) else None
    wide = pen.between(0.4, 0.65)
    for side in SIDES:
        head.eye(side * apart, up, radius, color, pupil=(wide, wide), lid=lid)


@family("heads", upright=True)
def eagle(pen: Pen) -> None:
    """An eagle's head from the side: a great hooked beak, a fierce eye, pointed feathers."""
    head = Head(pen, side=True, tilt=0.3, furry=0)
    bald = pen.chance(0.5)
    coat = IVORY if bald else natural(pen, (0.07, 0.65, 0.5), (0.08, 0.5, 0.35), (0.09, 0.6, 0.65))
    body = natural(pen, (0.06, 0.6, 0.3), (0.06, 0.5, 0.2)) if bald else shaded(coat, -0.3)
    head.inked = pen.pick((0, 0, 2))
    head.part(smooth([(-0.3, 0.2), (0.5, -0.2), (0.95, 0.5), (0.9, 1.04), (-0.45, 1.04)]), body, 0)
    head.part(
        smooth(
            [
                (-0.45, -0.25),
                (-0.2, -0.66),
                (0.25, -0.74),
                (0.65, -0.35),
                (0.8, 0.3),
                (0.6, 0.66),
                (0, 0.75),
                (-0.35, 0.3),
            ]
        ),
        mixed(coat, body, 0.75),
        0.2,
    )
    head.oval(0, -0.22, 0.44, 0.46, coat, 0.3, depth=None)
    way, far = _staggered(np.linspace(-0.75, 1.95, 13), 1.3 - 0.125 * np.arange(8))
    x, y = -0.3 + 0.86 * far * np.cos(way), -0.28 + 0.98 * far * np.sin(way)
    inside = (x * x + y * y < 1.1) & (y < 1)
    spots, way, far = np.stack([x, y], 1)[inside], way[inside], far[inside]
    blunt = [(-0.2, -0.08), (0, -0.085), (0.14, 0), (0, 0.085), (-0.2, 0.08)]
    leaves = np.stack([rotated(blunt, turned + 0.15) for turned in way]) + spots[:, None]
    shares = np.clip(3.2 - 3.2 * far, 0, 1)
    head.plumes(
        leaves,
        [shaded(mixed(body, coat, share), pen.between(-0.18, 0.12)) for share in shares],
        0.3,
    )
    horn = pen.pick(((250, 190, 40), (240, 165, 50), (90, 90, 98)))
    cere = mixed(horn, (255, 205, 60), 0.6)
    gape = gaping(pen, 0.16, 0.45)
    jaw = np.array([(-0.28, 0.08), (-0.62, 0.1), (-0.72, 0.2), (-0.55, 0.28), (-0.25, 0.24)]) + (
        0,
        gape,
    )
    if gape:
        head.part([(-0.2, 0), (-0.7, 0.05), (-0.62, 0.1 + gape), (-0.2, 0.2)], (120, 30, 40), 0.2)
        head.part(
            [(-0.25, 0.14), (-0.6, 0.02 + gape), (-0.6, 0.08 + gape), (-0.25, 0.22)], FLESH, 0.4
        )
    head.part(smooth(jaw), shaded(horn, -0.25), 0.5)
    hook = pen.between(0.3, 0.46)
    bill = smooth(
        [
            (-0.28, -0.3),
            (-0.5, -0.37),
            (-0.8, -0.25),
            (-0.99, 0),
            (-0.97, hook),
            (-0.87, hook - 0.14),
            (-0.74, 0.06),
            (-0.5, 0.1),
            (-0.24, 0.12),
        ]
    )
    head.part(bill, horn, 0.6, bulge=1.2)
    head.part(
        smooth([(-0.24, -0.32), (-0.44, -0.37), (-0.5, -0.15), (-0.44, 0.08), (-0.18, 0.1)]),
        cere,
        0.8,
        bulge=0.8,
    )
    head.light(1.1)
    head.patch(oval(-0.45, -0.13, 0.05, 0.025, -0.6), INK)
    head.line([(-0.02, 0.12), (-0.3, 0.09), (-0.72, 0.08)], shaded(horn, -0.75), 3)
    head.patch(oval(-0.1, -0.24, 0.25, 0.18, -0.1), shaded(coat, -0.5))
    head.eye(
        -0.1, -0.24, 0.135, pen.pick((hsv(0.13, 0.85, 1), hsv(0.08, 0.9, 0.95))), pupil=(0.45, 0.45)
    )
    brow = smooth([(-0.34, -0.28), (-0.2, -0.38), (0.1, -0.46), (0.22, -0.4), (0, -0.36)])
    head.patch(brow, shaded(coat, -0.35 if bald else -0.6))
    head.patch(brow - (0, 0.03), shaded(coat, 0.15))


@family("heads", upright=True)
def parrot(pen: Pen) -> None:
    """A parrot's head from the side: a big curved beak, a bare lined cheek, bright feathers."""
    head = Head(pen, side=True, tilt=0.3, furry=0)
    hue, vivid = pen.random.random(), pen.between(0.75, 1)
    first = hsv(pen.pick((0, 0.33, 0.14, 0.57, hue)), vivid, pen.between(0.75, 1))
    if pen.chance(0.15):
        first = (245, 243, 238)
    second, third = (hsv(hue + pen.between(0.2, 0.8), vivid, pen.between(0.6, 1)) for _ in range(2))
    head.inked = pen.pick((0, 0, 2))
    if crest := pen.pick((0, 0, pen.between(0.3, 0.5))):
        t = np.linspace(0, 1, 10)
        for way in np.linspace(-2.3, -0.6, 7):
            curve = way + 0.8 * t
            plume = np.stack([crest * 1.1 * t * np.cos(curve), crest * t * np.sin(curve)], 1) + (
                0.12,
                -0.62,
            )
            head.part(
                band(plume, 0.07 * np.sin(math.pi * np.minimum(1, t * 0.9 + 0.1))),
                pen.pick((second, first)),
                0.2,
            )
    head.part(
        smooth([(-0.35, 0.2), (0.5, -0.1), (0.85, 0.5), (0.85, 1.02), (-0.4, 1.02)]),
        shaded(second, -0.1),
        0,
    )
    head.oval(0.1, -0.2, 0.66, 0.66, first, 0.3, depth=None)
    split = pen.between(0.75, 0.95)
    way, far = _staggered(np.linspace(-1.2, 2.1, 14), 1.28 - 0.12 * np.arange(7))
    x, y = -0.15 + 0.8 * far * np.cos(way), -0.3 + 1.02 * far * np.sin(way)
    inside = (x * x + y * y < 1.08) & (y < 1) & ((y > 0.2) | (np.hypot(x - 0.1, y + 0.2) < 0.66))
    scales = np.stack([oval(0, 0, 0.1, 0.095, turned) for turned in way])
    scales = (scales + np.stack([x, y], 1)[:, None])[inside]
    tones = [first if near < split else pen.pick((second, second, third)) for near in far[inside]]
    head.plumes(scales, [shaded(tone, pen.between(-0.2, 0.15)) for tone in tones], 0.35)
    if pen.chance(0.7):
        cheek = pen.pick((IVORY, IVORY, third))
        head.part(
            smooth([(-0.4, -0.35), (-0.1, -0.52), (0.16, -0.36), (0.2, 0), (0, 0.26), (-0.3, 0.2)]),
            cheek,
            0.6,
            bulge=0.5,
        )
        for low in (-0.12, -0.04, 0.04, 0.12, 0.2):
            head.line(
                [(-0.3, low), (-0.1, low + 0.03), (0.12, low)],
                shaded(mixed(cheek, first, 0.5), -0.2),
                2,
            )
    horn = pen.pick(((52, 48, 50), (240, 225, 190), (235, 130, 40)))
    gape = gaping(pen, 0.14, 0.4)
    if gape:
        head.part([(-0.2, 0.05), (-0.66, 0.1), (-0.5, 0.3 + gape), (-0.2, 0.3)], (70, 30, 40), 0.2)
        head.oval(-0.42, 0.22, 0.14, 0.07, (110, 80, 85), 0.3, depth=None, angle=-0.5)
    jaw = np.array([(-0.2, 0.14), (-0.48, 0.22), (-0.6, 0.3), (-0.48, 0.46), (-0.22, 0.4)]) + (
        0,
        gape,
    )
    head.part(smooth(jaw), shaded(horn, -0.2), 0.5)
    bill = smooth(
        [
            (-0.26, -0.42),
            (-0.55, -0.46),
            (-0.84, -0.26),
            (-0.97, 0.08),
            (-0.88, pen.between(0.42, 0.56)),
            (-0.76, 0.3),
            (-0.56, 0.2),
            (-0.22, 0.2),
            (-0.18, -0.1),
        ]
    )
    head.part(bill, horn, 0.6, bulge=1.3)
    head.light(1.1)
    head.line([(-0.3, -0.34), (-0.6, -0.36), (-0.8, -0.16)], shaded(horn, 0.55), 4)
    head.patch(oval(-0.33, -0.32, 0.035, 0.03), INK)
    skin = pen.pick((IVORY, second, shaded(first, -0.4)))
    head.eye(-0.04, -0.3, pen.between(0.105, 0.14), iris_color(pen), pupil=(0.5, 0.5), rim=skin)
    [[x, y]] = head.at([(-0.04, -0.3)])
    pen.ring(x, y, 0.15, 0.15, shaded(first, -0.6), 2)
