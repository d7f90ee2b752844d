"""Faces of bare skin: monkey, person, frog."""

from __future__ import annotations

import math

import numpy as np

from training.bestiary.eyeballs import SLIT
from training.bestiary.head import Head, gaping
from training.bestiary.palette import hsv, mixed, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import FLESH, INK, IVORY
from training.bestiary.registry import family
from training.bestiary.shapes import SIDES, mirrored, oval, smooth
from training.bestiary.tints import iris_color, natural

__all__ = ["frog", "human_face", "monkey"]


@family("heads", upright=True)
def monkey(pen: Pen) -> None:
    """A monkey's face: bare skin in a heart of fur, ears at the sides, a wide mouth."""
    head = Head(pen, furry=0.75)
    coat = natural(pen, (0.06, 0.6, 0.4), (0.07, 0.55, 0.6), (0.05, 0.3, 0.2), (0.08, 0.7, 0.75))
    skin = mixed(
        hsv(pen.between(0.03, 0.09), pen.between(0.2, 0.5), pen.between(0.5, 1)), coat, 0.1
    )
    size, y = pen.between(0.22, 0.34), pen.between(-0.15, 0.05)
    for side in SIDES:
        head.oval(side * 0.8, y, size * 0.8, size, shaded(skin, -0.2), depth=None)
        head.oval(
            side * 0.82, y + 0.02, size * 0.5, size * 0.65, shaded(skin, -0.4), bulge=-1, depth=None
        )
    head.oval(0, -0.02, 0.76, 0.88, coat, 0.2, depth=None, fringe=0.12)
    head.hair(
        0, -0.05, 0.74, 0.85, (coat, shaded(coat, 0.25), shaded(coat, -0.3)), 260, source=(0, 0)
    )
    heart = [
        (0, -0.22),
        (0.28, -0.42),
        (0.56, -0.2),
        (0.46, 0.14),
        (0.62, 0.45),
        (0.4, 0.8),
        (0, 0.9),
    ]
    head.part(smooth(mirrored(heart)), skin, 0.5, depth=0, fringe=0.05)
    head.oval(0, 0.5, pen.between(0.46, 0.56), 0.34, shaded(skin, 0.1), 0.7, depth=0.15)
    head.oval(0, -0.19, 0.5, 0.09, shaded(skin, -0.1), 0.7)
    head.oval(0, 0.14, 0.12, 0.17, shaded(skin, 0.02), 0.9, depth=0.15)
    head.light()
    for side in SIDES:
        head.patch(oval(side * 0.08, 0.24, 0.05, 0.035, side * 0.6), INK, depth=0.2)
    t = np.linspace(-1, 1, 17)
    wide, bend = pen.between(0.3, 0.42), pen.between(0.02, 0.14)
    lip = np.stack([wide * t, 0.58 - bend * t**2], 1)
    if gape := gaping(pen, 0.24, 0.5):
        lower = np.stack([wide * t, 0.56 - bend * t**2 + gape * (1 - t**4)], 1)
        head.patch(np.concatenate([lip, lower[::-1]]), (90, 25, 32), depth=0.15)
        for edge, sign in ((lip, 1), (lower, -1)):
            inner = edge * (0.85, 1) + (0, sign * 0.3 * gape)
            head.patch(np.concatenate([edge * (0.85, 1), inner[::-1]]), IVORY, depth=0.15)
        for x in np.linspace(-0.6, 0.6, 7) * wide:
            head.line([(x, 0.56), (x, 0.54 + gape)], (120, 80, 80), 1, depth=0.15)
        head.line(lower, shaded(skin, -0.6), 2, depth=0.15)
    head.line(lip, shaded(skin, -0.7), 3, depth=0.15)
    color = hsv(pen.between(0.05, 0.12), 0.8, pen.between(0.5, 0.85))
    for side in SIDES:
        head.eye(side * 0.23, -0.05, pen.between(0.1, 0.13), color, rim=shaded(skin, -0.7))


@family("heads", upright=True)
def human_face(pen: Pen) -> None:
    """A person's face, with some hair or other, smiling, serious or singing."""
    head = Head(pen, furry=0, yaw=0.5, tilt=0.2)
    head.inked = 0
    skin = hsv(pen.between(0.045, 0.08), pen.between(0.3, 0.58), pen.between(0.35, 1))
    hair = pen.pick(
        ((34, 26, 24), (96, 60, 34), (206, 168, 96), (150, 70, 36), (180, 178, 176), pen.palette[0])
    )
    style = pen.pick(("short", "short", "long", "long", "curly", "bun", "bald"))
    wide, jaw = pen.between(0.56, 0.64), pen.between(0.34, 0.46)
    bust = [(0, 0.4), (0.22, 0.4), (0.26, 0.86), (0.75, 1.0), (0.75, 1.08), (0, 1.08)]
    head.part(mirrored(bust), shaded(skin, -0.3))
    if style == "long":
        low = pen.between(0.6, 0.98)
        mop = [(0, -1), (0.6, -0.82), (0.82, -0.2), (0.86, low), (0.4, low + 0.05), (0, low)]
        head.part(smooth(mirrored(mop)), shaded(hair, -0.2))
        across, t = np.linspace(-0.95, 0.95, 60)[:, None], np.linspace(-1, 1, 9)
        sway = 0.03 * np.sin(8 * t + 3 * across)
        locks = across * (0.75 + 0.25 * t) + sway
        head.combed(smooth(mirrored(mop)), locks, t + 0 * across, hair)
    if style == "bun":
        head.oval(0, -0.86, 0.26, 0.24, hair, 0.1, depth=None)
    if style != "bald":
        head.oval(0, -0.3, wide + 0.13, 0.68, hair, 0.1, depth=None)
    for side in SIDES:
        head.oval(side * (wide + 0.02), 0.02, 0.1, 0.17, shaded(skin, -0.1), 0.1, depth=None)
    face = [
        (0, -0.82),
        (0.4, -0.7),
        (wide, -0.2),
        (wide - 0.03, 0.2),
        (jaw, 0.6),
        (0.2, 0.8),
        (0, 0.83),
    ]
    head.part(smooth(mirrored(face)), skin, 0.3)
    for side in SIDES:
        for size in (1, 0.75, 0.5):
            blush = oval(side * 0.34, 0.26, 0.17 * size, 0.14 * size)
            head.patch(blush, mixed(skin, (225, 100, 90), 0.1 + 0.12 * (1 - size)))
        head.swell(side * 0.32, 0.22, 0.22, 0.2, 0.14)
        head.swell(side * 0.25, -0.04, 0.2, 0.13, -0.22)
        head.patch(oval(side * 0.25, -0.05, 0.2, 0.12), shaded(skin, -0.12))
    head.swell(0, 0.66, 0.18, 0.12, 0.16)
    nose = [(0, -0.12), (0.05, -0.1), (0.07, 0.1), (0.14, 0.22), (0.06, 0.29), (0, 0.3)]
    head.part(smooth(mirrored(nose)), shaded(skin, 0.04), 1.2, depth=0.1, bulge=0.7)
    if style == "curly":
        for way in np.linspace(math.pi * 0.88, math.pi * 2.12, 17):
            x, y = 0.68 * math.cos(way), -0.25 + 0.6 * math.sin(way)
            head.oval(x, y, 0.2, 0.19, shaded(hair, pen.between(-0.25, 0.2)), 0.4, depth=None)
            if math.sin(way) < -0.5:
                head.oval(0.7 * x, 0.72 * y, 0.18, 0.16, shaded(hair, pen.between(-0.2, 0.2)), 0.8)
    elif style != "bald":
        part, edge = pen.between(-0.3, 0.3), pen.between(-0.5, -0.34)
        right = [(0.45, edge + 0.02), (wide + 0.02, 0.02), (wide + 0.1, -0.3), (0.42, -0.86)]
        cap = smooth([(part, edge - 0.08), *right, (0, -0.97), *((-x, y) for x, y in right[::-1])])
        head.part(cap, hair, 0.5)
        t, out = np.linspace(0, 1, 8), np.linspace(-1.2, 1.2, 70)[:, None]
        crown = part + (out - part) * np.sin(1.5 * t) * 0.8
        head.combed(cap, crown, -1 + 0.2 * np.abs(out) + 1.0 * t**2 * (0.4 + np.abs(out)), hair)
    head.light()
    iris = pen.pick((hsv(0.06, 0.7, 0.45), hsv(0.57, 0.6, 0.75), hsv(0.3, 0.4, 0.55)))
    size = pen.between(0.155, 0.18)
    dark, brow = shaded(skin, -0.6), shaded(hair, -0.3) if style != "bald" else (50, 36, 30)
    for side in SIDES:
        head.patch(oval(side * 0.07, 0.255, 0.035, 0.02), dark, depth=0.1)
        head.almond(
            side * 0.25, -0.03, size, 0.55 * size, iris, white=(248, 245, 240), lift=0.01, rim=1.08
        )
        rise = pen.between(-0.03, 0.05)
        arch = np.array([(0.1, -0.19 + rise), (0.24, -0.25), (0.42, -0.17)])
        head.pen.ribbon(head.at(smooth(arch, closed=False) * (side, 1)), 0.035, 0.01, brow)
    lips = mixed(skin, pen.pick(((190, 40, 60), (170, 70, 70))), 0.65)
    smile, half, gape = pen.between(-0.03, 0.1), pen.between(0.17, 0.25), gaping(pen, 0.14, 0.4)
    t = np.linspace(-1, 1, 15)
    seam = np.stack([half * t, 0.5 - smile * t**2], 1)
    full = (1 - t**2)[:, None] * (0, 1)
    head.patch(np.concatenate([seam - full * 0.055, (seam + full * (0.075 + gape))[::-1]]), lips)
    if gape:
        head.patch(np.concatenate([seam - full * 0.01, (seam + full * gape)[::-1]]), (80, 20, 28))
        head.patch(
            np.concatenate([seam * (0.9, 1), (seam * (0.9, 1) + full * 0.4 * gape)[::-1]]), IVORY
        )
    else:
        head.line(seam, shaded(lips, -0.6), 2)
        head.line(seam[5:10] + (0, 0.05), shaded(lips, 0.4), 2)


@family("heads", upright=True)
def frog(pen: Pen) -> None:
    """A frog's face: eyes that bulge on its top, and a mouth from side to side."""
    head = Head(pen, furry=0, tilt=0.2, yaw=0.45)
    head.inked = pen.pick((0, 0, 2))
    skin = natural(
        pen,
        (0.28, 0.75, 0.7),
        (0.33, 0.7, 0.5),
        (0.2, 0.7, 0.75),
        (0.1, 0.6, 0.5),
        (0.58, 0.8, 0.8),
    )
    belly = pen.pick((shaded(skin, 0.55), (238, 230, 170), pen.palette[1]))
    spot = pen.pick((shaded(skin, -0.55), pen.palette[2], (30, 26, 26)))
    high, apart, size = pen.between(-0.58, -0.48), pen.between(0.46, 0.58), pen.between(0.32, 0.4)
    head.oval(0, 0.62, 0.72, 0.42, shaded(skin, -0.2), 0, depth=None)
    for side in SIDES:
        head.oval(side * apart, high, size, size, skin, 0.1, depth=None)
    upper = [(0, -0.42), (0.5, -0.36), (0.88, 0), (1, 0.3), (0.9, 0.44), (0.45, 0.56), (0, 0.6)]
    throat = [(0, 0.2), (0.98, 0.26), (0.84, 0.62), (0.45, 0.88), (0, 0.95)]
    gape = gaping(pen, 0.24, 0.35)
    for half, color, level in ((throat, belly, 0.2), (upper, skin, 0.4)):
        head.part(smooth(mirrored(half)), color, level)
    for _ in range(pen.count(0, 22)):
        x, y = pen.between(-0.75, 0.75), pen.between(-0.32, 0.25)
        radius = pen.between(0.03, 0.1)
        head.oval(x, y, radius * 1.2, radius, spot, 0.6, depth=0, bulge=0.4)
    head.light(1.1)
    across = np.linspace(-1, 1, 25)
    grin = pen.between(0.1, 0.26)
    lip = np.stack([0.93 * across, 0.53 - grin * np.abs(across) ** 2.2], 1)
    if gape:
        lower = np.stack(
            [0.93 * across, 0.53 - grin * np.abs(across) ** 2.2 + gape * (1 - across**4)], 1
        )
        head.patch(np.concatenate([lip, lower[::-1]]), (110, 30, 45), depth=-0.1)
        head.patch(oval(0, 0.53 + 0.7 * gape, 0.4, 0.3 * gape), FLESH, depth=-0.1)
        head.line(lower, shaded(skin, -0.6), 3, depth=-0.1)
    head.line(lip, shaded(skin, -0.75), 5, depth=-0.1)
    head.line(lip - (0, 0.06), shaded(skin, 0.3), 3, depth=-0.1)
    color = pen.pick((hsv(0.12, 0.9, 0.95), hsv(0.0, 0.9, 0.85), iris_color(pen)))
    pupil = pen.pick(((0.72, 0.3), (0.72, 0.3), SLIT, (0.5, 0.5)))
    for side in SIDES:
        head.patch(oval(side * 0.1, 0.12, 0.03, 0.02, -side * 0.5), INK)
        head.eye(
            side * apart,
            high,
            size * 0.68,
            color,
            pupil=pupil,
            rim=shaded(skin, -0.7),
            depth=-0.2,
            lid=shaded(skin, 0.1) if pen.chance(0.3) else None,
        )
