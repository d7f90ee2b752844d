"""Heads of beasts of prey: dog, cat, fox, bear, lion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.bestiary.head import Head, gaping
from training.bestiary.palette import hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import FLESH, INK, IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, around, band, mirrored, oval, smooth, turn
from training.bestiary.tints import natural

__all__ = ["bear", "cat", "dog", "fox", "lion"]


@family("heads", upright=True)
def dog(pen: Pen) -> None:
    """A dog's face: floppy or pointed ears, a muzzle with a big nose, often the tongue out."""
    head = Head(pen, lift=-0.02)
    coat = natural(
        pen,
        (0.08, 0.6, 0.65),
        (0.09, 0.4, 0.9),
        (0.1, 0.06, 0.95),
        (0.05, 0.3, 0.25),
        (0.06, 0.7, 0.4),
    )
    other = pen.pick((shaded(coat, 0.6), shaded(coat, -0.6), IVORY))
    ears, wide = pen.pick(("floppy", "floppy", "pointed")), pen.between(0.58, 0.72)
    ear = pen.pick((shaded(coat, -0.3), shaded(other, -0.2), shaded(coat, -0.15)))
    if ears == "pointed":
        lean = pen.between(0.45, 0.75)
        for side in SIDES:
            flap = np.array([(0.12, -0.55), (lean, -1.08), (0.75, -0.15)])
            head.part(flap * (side, 1), ear, fringe=0.05)
            inner = flap * 0.72 + flap.mean(0) * 0.28
            head.part(inner * (side, 1), mixed(FLESH, ear, 0.5), depth=None, bulge=-0.8)
    head.oval(0, -0.12, wide, 0.68, coat, 0.2, depth=None, fringe=0.08)
    head.oval(0, 0.28, wide * 0.72, 0.5, coat, 0.2, depth=None, fringe=0.08)
    if pen.chance(0.5):
        blaze = pen.between(0.1, 0.2)
        stripe = smooth(
            [
                (0, -0.78),
                (blaze, -0.5),
                (blaze * 0.6, 0),
                (0.3, 0.4),
                (-0.3, 0.4),
                (-blaze * 0.6, 0),
                (-blaze, -0.5),
            ]
        )
        head.patch(stripe, shaded(other, 0.1), fringe=0.03)
    if pen.chance(0.35):
        side = pen.pick(SIDES)
        head.patch(oval(side * 0.32, -0.2, 0.26, 0.28), shaded(other, -0.25), fringe=0.04)
    head.hair(0, 0, wide, 0.72, (coat, shaded(coat, 0.2), shaded(coat, -0.25)), 230)
    snout = pen.pick((shaded(other, 0.15), shaded(coat, 0.3), coat))
    gape = gaping(pen, 0.42, 0.6)
    long = pen.between(0.28, 0.4)
    if gape:
        head.oval(0, 0.55 + 0.5 * gape, 0.26, 0.3, shaded(snout, -0.2), 0.3, depth=0.1, fringe=0.04)
    for side in SIDES:
        head.oval(side * 0.15, 0.42, 0.24, 0.24, snout, 0.5, depth=long * 0.8, fringe=0.04)
    head.oval(0, 0.2, 0.22, 0.26, snout, 0.6, depth=long * 0.7, bulge=0.8)
    head.hair(0, 0.4, 0.35, 0.2, (snout, shaded(snout, -0.2)), 60, length=0.08, depth=long * 0.8)
    if ears == "floppy":
        drop, out = pen.between(0.25, 0.75), pen.between(0.8, 1)
        for side in SIDES:
            lobe = [
                (0.28, -0.7),
                (0.62, -0.75),
                (out, -0.3),
                (0.95 * out, drop),
                (0.72, drop + 0.08),
                (0.52, -0.2),
            ]
            head.part(smooth(np.array(lobe) * (side, 1)), ear, 0.4, fringe=0.07)
            head.hair(side * 0.75, 0.1, 0.15, 0.45, (ear, shaded(ear, 0.2)), 60, depth=None)
    head.light()
    if gape:
        head.mouth(0.56, 0.24, gape, depth=long * 0.6, teeth=pen.chance(0.3))
    else:
        head.mouth(0.52, pen.between(0.22, 0.32), 0, depth=long * 0.8)
    head.line([(0, 0.3), (0, 0.54)], INK, 3, depth=long)
    head.nose(0.24, pen.between(0.16, 0.22), 0.14, pen.pick((INK, (70, 45, 40))), long)
    color = pen.pick((hsv(0.07, 0.75, 0.45), hsv(0.1, 0.8, 0.7), hsv(0.57, 0.45, 0.85)))
    for side in SIDES:
        head.eye(side * 0.31, -0.18, pen.between(0.105, 0.135), color)
        head.line(
            [(side * 0.2, -0.36), (side * 0.33, -0.41), (side * 0.44, -0.33)], shaded(coat, -0.5), 4
        )


@family("heads", upright=True)
def cat(pen: Pen) -> None:
    """A cat's face: triangular ears, slanted bright eyes, whiskers, often a tabby's stripes."""
    head = Head(pen, lift=0.04, furry=0.7)
    coat = natural(
        pen,
        (0.07, 0.7, 0.85),
        (0.1, 0.08, 0.95),
        (0.6, 0.1, 0.28),
        (0.08, 0.3, 0.55),
        (0.6, 0.12, 0.6),
    )
    dark = shaded(coat, -0.6)
    lean = pen.between(0.6, 0.74)
    for side in SIDES:
        ear = np.array([(0.1, -0.5), (0.35, -0.78), (lean, -1.12), (0.8, -0.7), (0.82, -0.1)])
        head.part(ear * (side, 1), shaded(coat, -0.15), fringe=0.04)
        inner = np.array([(0.3, -0.55), (lean - 0.02, -0.93), (0.72, -0.3)])
        head.part(inner * (side, 1), mixed(FLESH, coat, 0.3), bulge=-1)
    wide = pen.between(0.8, 0.9)
    face = smooth(
        [
            (0, -0.68),
            (0.5, -0.6),
            (wide * 0.97, -0.1),
            (wide, 0.25),
            (0.5, 0.62),
            (0, 0.72),
            (-0.5, 0.62),
            (-wide, 0.25),
            (-wide * 0.97, -0.1),
            (-0.5, -0.6),
        ]
    )
    head.part(face, coat, 0.2, fringe=0.09)
    mark = pen.pick(("tabby", "tabby", "mask", "bib", "plain"))
    if mark == "mask":
        head.patch(oval(0, 0.12, 0.46, 0.5), shaded(coat, -0.65), fringe=0.1)
    if mark == "bib":
        head.patch(
            smooth(
                [
                    (0, -0.4),
                    (0.16, 0.1),
                    (0.5, 0.4),
                    (0.3, 0.68),
                    (-0.3, 0.68),
                    (-0.5, 0.4),
                    (-0.16, 0.1),
                ]
            ),
            IVORY,
            fringe=0.05,
        )
    head.hair(0, 0, 0.8, 0.62, (coat, shaded(coat, 0.2), shaded(coat, -0.25)), 230)
    if mark == "tabby":
        for x in (-0.26, -0.13, 0, 0.13, 0.26):
            t = np.linspace(-0.66, -0.36 + abs(x) * 0.3, 6)
            head.patch(
                band(
                    np.stack([x * (1 - 0.6 * (t + 0.66)), t], 1), [0.045, 0.05, 0.05, 0.04, 0.03, 0]
                ),
                dark,
            )
        for side in SIDES:
            for y in (-0.02, 0.17, 0.36):
                path = np.stack(
                    [side * np.linspace(0.86, 0.5, 6), y + np.linspace(0.04, 0, 6) ** 1], 1
                )
                head.patch(band(path, [0.045, 0.05, 0.045, 0.04, 0.02, 0]), dark)
    puff = shaded(coat, 0.5) if mark != "mask" else shaded(coat, -0.4)
    gape = gaping(pen, 0.32, 0.35)
    head.oval(0, 0.54 + 0.4 * gape, 0.17, 0.14, shaded(puff, -0.1), 0.4, depth=0.1)
    for side in SIDES:
        head.oval(side * 0.16, 0.38, 0.22, 0.17, puff, 0.6, depth=0.18, fringe=0.03)
    head.oval(0, 0.08, 0.13, 0.3, shaded(puff, -0.12) if mark != "plain" else coat, 0.5, depth=0.1)
    head.light()
    head.mouth(0.42, 0.19, gape, depth=0.18, teeth=True)
    head.line([(0, 0.25), (0, 0.42)], INK, 2, depth=0.2)
    head.nose(0.22, 0.11, 0.09, pen.pick((FLESH, (120, 60, 60), INK)), 0.22)
    color = pen.pick(
        (hsv(0.22, 0.7, 0.85), hsv(0.13, 0.85, 0.95), hsv(0.55, 0.6, 0.9), hsv(0.38, 0.6, 0.75))
    )
    wide, high = pen.between(0.2, 0.25), pen.between(0.16, 0.21)
    pupil = (pen.between(0.12, 0.2), 0.8) if pen.chance(0.65) else (0.62, 0.7)
    for side in SIDES:
        head.almond(side * 0.37, -0.08, wide, high, color, pupil=pupil, lift=0.05)
    bristle = IVORY if sum(coat) < 560 else shaded(coat, -0.5)
    for side in SIDES:
        for number in range(4):
            sag = pen.between(-0.06, 0.06)
            whisker = [
                (0.2, 0.33 + 0.04 * number),
                (0.6, 0.26 + 0.09 * number),
                (1.08, 0.26 + 0.15 * number + sag),
            ]
            head.line(np.array(whisker) * (side, 1), bristle, 1, depth=0.05)


@family("heads", upright=True)
def fox(pen: Pen) -> None:
    """A fox's face: big ears with dark tips, pointed white cheeks, a narrow muzzle."""
    head = Head(pen, lift=0.04, furry=0.7)
    coat = natural(pen, (0.05, 0.85, 0.9), (0.06, 0.8, 0.75), (0.05, 0.85, 0.85), (0.6, 0.05, 0.85))
    pale = shaded(IVORY, -0.04)
    tall = pen.between(1, 1.12)
    for side in SIDES:
        ear = np.array([(0.1, -0.4), (0.3, -0.75), (0.62, -tall), (0.78, -0.7), (0.74, -0.1)])
        head.part(ear * (side, 1), shaded(coat, -0.1), fringe=0.04)
        tip = np.array([(0.42, -0.86), (0.62, -tall), (0.74, -0.8), (0.57, -0.72)])
        head.part(tip * (side, 1), INK, fringe=0.03)
        inner = np.array([(0.28, -0.45), (0.58, -0.86), (0.64, -0.3)])
        head.part(inner * (side, 1), mixed(pale, coat, 0.25), bulge=-1, fringe=0.04)
    width = pen.between(0.9, 1.02)
    low = pen.between(0.2, 0.34)
    cheeks = [
        (0, -0.55),
        (0.5, -0.5),
        (width * 0.75, -0.1),
        (width, low),
        (0.6, 0.42),
        (0.3, 0.66),
        (0, 0.86),
    ]
    face = mirrored(cheeks)
    head.part(face, coat, 0.2, fringe=0.1)
    for side in SIDES:
        cheek = [
            (0.14, 0.3),
            (0.45, 0.1),
            (0.7, 0.12),
            (width * 0.97, low),
            (0.58, 0.4),
            (0.28, 0.64),
            (0, 0.82),
        ]
        head.patch(np.array(cheek) * (side, 1), pale, fringe=0.06)
    head.hair(
        0, -0.15, 0.7, 0.4, (coat, shaded(coat, 0.2), shaded(coat, -0.3)), 170, source=(0, 0.5)
    )
    for side in SIDES:
        head.hair(side * 0.5, 0.32, 0.3, 0.15, (pale, shaded(pale, -0.2)), 50, source=(0, 0.1))
    snout = smooth(
        [(-0.2, -0.1), (0, -0.2), (0.2, -0.1), (0.19, 0.4), (0.1, 0.68), (-0.1, 0.68), (-0.19, 0.4)]
    )
    gape = gaping(pen, 0.25, 0.35)
    if gape:
        head.oval(0, 0.74 + 0.5 * gape, 0.13, 0.14, pale, 0.3, depth=0.1)
    head.part(snout, shaded(coat, 0.05), 0.6, depth=0.3)
    for side in SIDES:
        head.oval(side * 0.12, 0.58, 0.13, 0.15, pale, 0.7, depth=0.3, bulge=0.6)
    head.light()
    head.mouth(0.7, 0.13, gape, depth=0.3, teeth=True)
    head.nose(0.56, 0.12, 0.1, INK, 0.4)
    color = pen.pick((hsv(0.11, 0.9, 0.95), hsv(0.08, 0.85, 0.75), hsv(0.2, 0.6, 0.8)))
    for side in SIDES:
        head.line([(side * 0.2, 0.12), (side * 0.16, 0.4)], shaded(coat, -0.6), 4, depth=0.2)
        head.almond(side * 0.36, -0.04, 0.15, 0.1, color, pupil=(0.3, 0.62), lift=0.05, rim=1.35)


@family("heads", upright=True)
def bear(pen: Pen) -> None:
    """A bear's face: round ears, small eyes, a pale muzzle; at times a panda's patches."""
    head = Head(pen, furry=0.75)
    panda = pen.chance(0.3)
    coat = (
        IVORY
        if panda
        else natural(
            pen, (0.06, 0.65, 0.45), (0.07, 0.5, 0.62), (0.06, 0.4, 0.2), (0.12, 0.08, 0.95)
        )
    )
    ear = INK if panda else shaded(coat, -0.15)
    apart = pen.between(0.58, 0.68)
    for side in SIDES:
        head.oval(side * apart, -0.62, 0.29, 0.29, ear, depth=None, fringe=0.07)
        if not panda:
            head.oval(
                side * apart,
                -0.6,
                0.17,
                0.17,
                mixed(shaded(ear, -0.3), FLESH, 0.3),
                bulge=-1,
                depth=None,
            )
    width = pen.between(0.8, 0.93)
    face = smooth(
        [
            (0, -0.72),
            (0.55, -0.6),
            (width * 0.92, 0),
            (width, 0.35),
            (0.55, 0.8),
            (0, 0.9),
            (-0.55, 0.8),
            (-width, 0.35),
            (-width * 0.92, 0),
            (-0.55, -0.6),
        ]
    )
    head.part(face, coat, 0.2, fringe=0.09)
    head.hair(0, 0.05, 0.82, 0.78, (coat, shaded(coat, 0.2), shaded(coat, -0.25)), 270)
    if panda:
        for side in SIDES:
            head.patch(oval(side * 0.38, -0.08, 0.19, 0.27, side * 0.5), INK, fringe=0.04)
    snout = shaded(coat, 0.02) if panda else mixed(shaded(coat, 0.45), (225, 190, 140), 0.35)
    gape = gaping(pen, 0.36, 0.45)
    if gape:
        head.oval(
            0, 0.58 + 0.45 * gape, 0.3, 0.26, shaded(snout, -0.2), 0.4, depth=0.1, fringe=0.05
        )
    head.oval(
        0,
        0.36,
        pen.between(0.36, 0.44),
        pen.between(0.3, 0.36),
        snout,
        0.6,
        depth=0.22,
        fringe=0.05,
    )
    head.oval(0, 0.2, 0.24, 0.18, snout, 0.8, depth=0.25)
    head.hair(0, 0.42, 0.34, 0.22, (snout, shaded(snout, -0.2)), 60, length=0.07, depth=0.22)
    head.light()
    head.mouth(0.53, 0.22, gape, depth=0.22, teeth=pen.chance(0.7))
    head.line([(0, 0.3), (0, 0.55)], INK, 3, depth=0.25)
    head.nose(0.2, 0.19, 0.13, INK, 0.32)
    color = hsv(pen.between(0.04, 0.1), 0.7, pen.between(0.3, 0.6))
    for side in SIDES:
        head.eye(side * 0.34, -0.1, pen.between(0.085, 0.11), color, rim=INK)


def _locks(
    ways: NDArray[np.float64],
    bends: NDArray[np.float64],
    reaches: NDArray[np.float64],
    far: float,
    width: float,
) -> NDArray[np.float64]:
    """Pointed locks of hair, [locks, points, 2].

    They leave the middle at `far` by `ways`, as long as their `reaches`, and bend as they go.
    """
    t = np.linspace(0, 1, 7)
    turned = ways[:, None] + bends[:, None] * t**2
    ahead = around(turned)
    path = ahead * (far + reaches[:, None] * t)[..., None]
    across = ahead[..., ::-1] * (-1, 1) * (width * (1 - t) ** 0.7)[:, None]
    return np.concatenate([path + across, (path - across)[:, -2::-1]], 1)


@family("heads", upright=True)
def lion(pen: Pen) -> None:
    """A lion's face in its mane, calm or roaring."""
    head = Head(pen, furry=0.85, tilt=0.25, yaw=0.5)
    coat = natural(pen, (0.1, 0.55, 0.85), (0.09, 0.6, 0.75), (0.11, 0.4, 0.92))
    mane = pen.pick(
        (
            mixed(coat, (90, 40, 15), 0.6),
            shaded(coat, -0.55),
            mixed(coat, (190, 80, 20), 0.6),
            pen.palette[1],
        )
    )
    head.oval(0, 0.02, 0.82, 0.84, shaded(mane, -0.25), depth=None, fringe=0.15)
    for ring, (far, reach) in enumerate(((0.6, 0.45), (0.52, 0.4), (0.44, 0.34))):
        ways = turn(pen.count(20, 25)) + pen.random.random()
        bends = np.array([pen.between(-0.35, 0.35) for _ in ways])
        reaches = np.array([reach * pen.between(0.75, 1.08) for _ in ways])
        locks = _locks(ways, bends, reaches, far, 0.13)
        base = mixed(mane, coat, 0.22 * ring)
        head.plumes(locks, [shaded(base, pen.between(-0.3, 0.25)) for _ in ways], 0.15 * ring)
    for side in SIDES:
        head.oval(side * 0.5, -0.48, 0.17, 0.17, coat, 0.4, depth=None, fringe=0.04)
        head.oval(side * 0.5, -0.46, 0.1, 0.1, shaded(coat, -0.5), 0.4, bulge=-1, depth=None)
    face = [(0, -0.55), (0.36, -0.46), (0.55, -0.1), (0.5, 0.25), (0.36, 0.55), (0, 0.66)]
    head.part(smooth(mirrored(face)), coat, 0.5, fringe=0.07)
    head.hair(0, -0.05, 0.5, 0.5, (coat, shaded(coat, 0.2), shaded(coat, -0.2)), 120)
    gape = gaping(pen, 0.42, 0.45)
    pale = mixed(shaded(coat, 0.5), IVORY, 0.5)
    head.oval(0, 0.6 + 0.6 * gape, 0.2, 0.18, pale, 0.5, depth=0.1, fringe=0.08)
    head.oval(0, 0.08, 0.18, 0.36, shaded(coat, 0.1), 0.8, depth=0.15)
    for side in SIDES:
        head.oval(side * 0.17, 0.38, 0.24, 0.2, pale, 0.8, depth=0.2, fringe=0.03)
    head.light()
    head.mouth(0.47, 0.24, gape, depth=0.2, teeth=True)
    head.line([(0, 0.28), (0, 0.48)], INK, 3, depth=0.22)
    head.nose(0.22, 0.17, 0.12, pen.pick(((60, 35, 35), (150, 80, 75), INK)), 0.25)
    for side in SIDES:
        head.almond(
            side * 0.3,
            -0.12,
            0.12,
            0.09,
            hsv(pen.between(0.1, 0.14), 0.85, 0.95),
            pupil=(0.42, 0.42),
            lift=0.04,
            rim=1.4,
        )
        for number in range(3):
            dot = oval(side * (0.16 + 0.07 * number), 0.4 + 0.04 * (number % 2), 0.014, 0.014)
            head.patch(dot, INK, depth=0.2)
