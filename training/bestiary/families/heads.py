"""Heads of animals and people, in varied poses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.bestiary.families.eyes import SLIT, Clay, globe, inlay, iris_color, strands, tones
from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.parts import band, smooth
from training.bestiary.pen import Pen, Points, rotated, turn
from training.bestiary.registry import family

__all__: list[str] = []

_INK: Color = (20.0, 15.0, 17.0)
_PINK: Color = (222.0, 120.0, 128.0)
_IVORY: Color = (246.0, 240.0, 226.0)
_BOTH = (-1, 1)


class _Head:
    """A head that is modelled like clay: parts have a colour and a height, then it is lit.

    It is given in its own coordinates, as seen from the front, and turned in depth (features
    move over its dome) and tilted as it is drawn. Parts come first, then `light`, then what
    is not to be lit: eyes, mouths, whiskers.
    """

    def __init__(
        self,
        pen: Pen,
        *,
        size: float = 0.93,
        yaw: float = 0.6,
        tilt: float = 0.3,
        furry: float = 0.6,
        side: bool = False,
        lift: float = 0,
    ) -> None:
        self.pen = pen
        self.furry = pen.chance(furry)
        self.inked = 0 if self.furry else pen.pick((0, 2, 3))
        self._clay = Clay()
        self._size = size
        self._yaw = 0.0 if side or pen.chance(0.35) else math.sin(pen.between(-yaw, yaw))
        self._pitch = 0.0 if side else math.sin(pen.between(-0.2, 0.2))
        self._tilt = 0.0 if pen.chance(0.3) else pen.between(-tilt, tilt)
        self._facing = pen.pick(_BOTH) if side else 1
        self._lift = lift
        self._side = side
        self._noise = np.random.default_rng(pen.random.getrandbits(32))

    def at(self, points: ArrayLike, depth: float | None = 0) -> Points:
        """Where the points are on the layer; `depth` is in front of the dome, None at its rim."""
        own = np.asarray(points, np.float64).reshape(-1, 2)
        if depth is None or self._side:
            dome = np.full(len(own), -0.1 if depth is None else 0.0)
        else:
            dome = 0.55 * np.sqrt(np.maximum(0, 1 - (own**2).sum(1))) + depth
        posed = own + np.outer(dome, (self._yaw, self._pitch))
        posed = rotated(posed * (self._facing * self._size, self._size), self._tilt)
        return posed + (0, self._lift)

    def part(
        self,
        points: ArrayLike,
        color: Color,
        level: float = 0,
        *,
        depth: float | None = None,
        fringe: float = 0,
        bulge: float = 1,
    ) -> None:
        """A polygon that bulges up from `level` (0 to 1); a furry head's has hairs of `fringe`."""
        outline = self.at(points, depth)
        if fringe and self.furry:
            outline = self._frayed(outline, fringe * self._size)
        if self.inked:
            self.pen.line(outline, _INK, 2 * self.inked, closed=True)
        self.pen.polygon(outline, color)
        width, height = np.ptp(outline, 0)
        steps = int(np.clip(20 * min(width, height), 1, 16))
        self._clay.heap(outline, 40 + 100 * level, 88 * bulge, steps)

    def oval(
        self,
        x: float,
        y: float,
        a: float,
        b: float,
        color: Color,
        level: float = 0,
        *,
        angle: float = 0,
        depth: float | None = 0,
        fringe: float = 0,
        bulge: float = 1,
    ) -> None:
        """A part that is an ellipse, turned by `angle`."""
        points = _oval(x, y, a, b, angle)
        self.part(points, color, level, depth=depth, fringe=fringe, bulge=bulge)

    def swell(
        self,
        x: float,
        y: float,
        a: float,
        b: float,
        bulge: float,
        *,
        angle: float = 0,
        depth: float | None = 0,
    ) -> None:
        """Let an ellipse of what has been drawn swell, or sink for a `bulge` below 0."""
        outline = self.at(_oval(x, y, a, b, angle), depth)
        self._clay.swell(outline, 88 * bulge, 6)

    def plumes(
        self,
        outlines: NDArray[np.float64],
        colors: Sequence[Color],
        level: float,
        *,
        rise: float = 35,
        depth: float | None = None,
    ) -> None:
        """Many small parts with dark edges, [parts, points, 2]: feathers, locks, rings."""
        posed = self.at(outlines, depth).reshape(outlines.shape)
        middles = posed.mean(1, keepdims=True)
        hearts = middles + 0.8 * (posed - middles) - 0.012
        for outline, heart, color in zip(posed, hearts, colors, strict=True):
            self.pen.polygon(outline, shaded(color, -0.5))
            self.pen.polygon(heart, color)
        self._clay.tiles(posed, 40 + 100 * level, rise)

    def combed(
        self, outline: ArrayLike, x: NDArray[np.float64], y: NDArray[np.float64], color: Color
    ) -> None:
        """Strands through [strands, points], cut to the outline."""
        layer = self.pen.another()
        paths = self.at(np.stack([x, y], 2)).reshape(*x.shape, 2)
        strands(layer, paths, tones(self.pen, (color,), 7), 2)
        inlay(self.pen, layer.layer, self.at(outline, None))

    def patch(
        self, points: ArrayLike, color: Color, *, fringe: float = 0, depth: float = 0
    ) -> None:
        """A marking: colour alone."""
        outline = self.at(points, depth)
        if fringe and self.furry:
            outline = self._frayed(outline, fringe * self._size)
        self.pen.polygon(outline, color)

    def line(
        self, points: ArrayLike, color: Color = _INK, width: float = 2, *, depth: float | None = 0
    ) -> None:
        """A line on the dome."""
        self.pen.line(self.at(points, depth), color, width)

    def hair(
        self,
        x: float,
        y: float,
        a: float,
        b: float,
        colors: Sequence[Color],
        count: int = 200,
        *,
        length: float = 0.12,
        source: tuple[float, float] = (0, 0.2),
        depth: float | None = 0,
    ) -> None:
        """Hairs all over an ellipse that stream from `source`; none if it is not furry."""
        if not self.furry:
            return
        way = self._noise.uniform(0, 2 * math.pi, count)
        out = np.sqrt(self._noise.random(count))
        roots = np.stack([x + a * out * np.cos(way), y + b * out * np.sin(way)], 1)
        flow = roots - source
        flow = flow / (np.linalg.norm(flow, axis=1, keepdims=True) + 0.1) + (0, 0.3)
        flow += self._noise.normal(0, 0.2, flow.shape)
        paths = np.stack([self.at(roots, depth), self.at(roots + length * flow, depth)], 1)
        strands(self.pen, paths, tones(self.pen, colors))

    def light(self, strength: float = 1) -> None:
        """Light what has been drawn so far."""
        self._clay.light(self.pen, strength if not self.inked else 0.7 * strength)

    def eye(
        self,
        x: float,
        y: float,
        radius: float,
        color: Color,
        *,
        pupil: tuple[float, float] = (0.6, 0.6),
        rim: Color = _INK,
        depth: float = 0,
        lid: Color | None = None,
    ) -> None:
        """A round eye; `lid` covers its top."""
        [[u, v]] = self.at([(x, y)], depth)
        radius *= self._size
        self.pen.disc(u, v, radius * 1.2, rim)
        globe(self.pen, u, v, radius, color, pupil=pupil, angle=self._tilt)
        if lid is not None:
            t = np.linspace(1.08, 1.92, 12) * math.pi
            arc = rotated(np.stack([np.cos(t), np.sin(t)], 1) * radius * 1.2, self._tilt) + (u, v)
            self.pen.polygon(arc, lid)
            self.pen.line(arc[[0, -1]], _INK, 3)

    def almond(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        color: Color,
        *,
        pupil: tuple[float, float] = (0.5, 0.5),
        lift: float = 0,
        white: Color | None = None,
        rim: float = 1.2,
    ) -> None:
        """An eye between lids: half `width`, half `height`, its outer corner up by `lift`."""
        side = -1 if x < 0 else 1
        t = turn(24)
        lids = np.stack([width * np.cos(t), height * np.sin(t)], 1)
        lids[:, 1] -= lift * np.cos(t) * side
        lids[:, 1] *= 1 - 0.25 * np.abs(np.cos(t)) ** 3
        self.pen.polygon(self.at(lids * rim + (x, y)), _INK)
        inside = self.pen.another()
        [[u, v]] = self.at([(x, y)])
        inside.disc(u, v, 1.5 * width, white if white is not None else color)
        radius = (height * 1.02 if white is not None else width * 0.95) * self._size
        globe(inside, u, v, radius, color, pupil=pupil, angle=self._tilt)
        inlay(self.pen, inside.layer, self.at(lids + (x, y)))
        self.line(lids[12:] * 1.05 + (x, y), _INK, 3)

    def nose(self, y: float, width: float, height: float, color: Color, depth: float) -> None:
        """A dog's or cat's nose: a rounded triangle with nostrils and a gleam."""
        shape = smooth([(-1, -0.5), (-0.4, -0.9), (0.4, -0.9), (1, -0.5), (0.3, 0.7), (-0.3, 0.7)])
        self.patch(shape * (width, height) + (0, y), color, depth=depth)
        for side in _BOTH:
            hole = _oval(side * 0.45 * width, y, 0.24 * width, 0.24 * height)
            self.patch(hole, shaded(color, -0.8), depth=depth)
        gleam = _oval(-0.25 * width, y - 0.6 * height, 0.4 * width, 0.14 * height)
        self.patch(gleam, shaded(color, 0.5), depth=depth)

    def mouth(
        self, y: float, width: float, gape: float, *, depth: float = 0.2, teeth: bool = False
    ) -> None:
        """A snout's mouth: two curves below the nose; if it gapes, a tongue and maybe teeth."""
        t = np.linspace(0, 1, 10)
        curl = np.stack([width * t, y + 0.3 * width * np.sin(math.pi * t)], 1)
        if gape:
            upper = np.concatenate([(curl * (-1, 1))[:0:-1], curl])
            x = np.linspace(1, -1, 14)
            lower = np.stack([width * x, y + gape * (1 - np.abs(x) ** 2.5)], 1)
            self.patch(np.concatenate([upper, lower]), (84, 22, 30), depth=depth)
            tongue = _oval(0, y + 0.78 * gape, 0.55 * width, 0.42 * gape)
            self.patch(tongue, _PINK, depth=depth)
            self.line([(0, y + 0.5 * gape), (0, y + gape)], shaded(_PINK, -0.35), 2, depth=depth)
            for side in _BOTH if teeth else ():
                fang = np.array([(0.78, 0.12), (0.5, 0.2), (0.62, 0.75)]) * (side * width, gape)
                self.patch(fang + (0, y), _IVORY, depth=depth)
        for side in _BOTH:
            self.line(curl * (side, 1), _INK, 3, depth=depth)

    def _frayed(self, outline: Points, length: float) -> Points:
        """The outline with hairs that stick out of it."""
        middle = outline.mean(0)
        closed = np.concatenate([outline, outline[:1]])
        along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
        count = 2 * max(10, int(along[-1] / 0.05))
        spots = np.linspace(0, along[-1], count, endpoint=False)
        edge = np.stack([np.interp(spots, along, closed[:, axis]) for axis in (0, 1)], 1)
        outwards = edge[1::2] - middle
        outwards /= np.linalg.norm(outwards, axis=1, keepdims=True) + 1e-9
        reach = self._noise.uniform(0.3, 1, (count // 2, 1)) * length
        edge[1::2] += outwards * reach + (0, 0.3 * length)
        return edge


def _oval(x: float, y: float, a: float, b: float, angle: float = 0) -> Points:
    """An ellipse of 28 points."""
    t = turn(28)
    return rotated(np.stack([a * np.cos(t), b * np.sin(t)], 1), angle) + (x, y)


def _mirrored(half: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """An outline from its right half, which starts and ends on the middle line."""
    return [*half, *((-x, y) for x, y in half[-2:0:-1])]


def _staggered(
    along: NDArray[np.floating[Any]], rows: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every place of every row, row by row, each second row shifted by half a place."""
    half = (along[1] - along[0]) / 2
    shifts = half * (np.arange(len(rows)) % 2)
    return (along + shifts[:, None]).ravel(), np.repeat(rows, len(along))


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
    ahead = np.stack([np.cos(turned), np.sin(turned)], 2)
    path = ahead * (far + reaches[:, None] * t)[..., None]
    across = ahead[..., ::-1] * (-1, 1) * (width * (1 - t) ** 0.7)[:, None]
    return np.concatenate([path + across, (path - across)[:, -2::-1]], 1)


def _coat(pen: Pen, *natural: tuple[float, float, float]) -> Color:
    """A colour near one of the natural ones (hue, saturation, value), rarely the palette's."""
    if pen.chance(0.12):
        return pen.palette[0]
    hue, saturation, value = pen.pick(natural)
    return hsv(
        hue + pen.between(-0.015, 0.015),
        saturation * pen.between(0.75, 1.2),
        value * pen.between(0.8, 1.15),
    )


def _gape(pen: Pen, most: float, often: float = 0.45) -> float:
    """How far a mouth is open: often not at all."""
    return pen.between(0.5, 1) * most if pen.chance(often) else 0.0


@family("heads", upright=True)
def owl(pen: Pen) -> None:
    """An owl from the front: ringed eyes, a hooked beak, ear tufts, a feathered breast."""
    head = _Head(pen, tilt=0.25, yaw=0.4)
    coat = _coat(pen, (0.08, 0.5, 0.55), (0.07, 0.35, 0.75), (0.1, 0.15, 0.9), (0.6, 0.08, 0.45))
    disc = mixed(shaded(coat, 0.45), pen.palette[1], 0.25)
    dark = shaded(coat, -0.55)
    head.oval(0, 0.52, pen.between(0.68, 0.8), 0.56, shaded(coat, -0.1), depth=None, fringe=0.07)
    x, y = _staggered(np.arange(-0.6, 0.61, 0.2), np.arange(0.98, 0.3, -0.13))
    inside = np.abs(x) < 0.72 * np.sqrt(np.maximum(0, 1 - ((y - 0.5) / 0.56) ** 2))
    spots = np.stack([x, y - 0.05], 1)[inside]
    shades = [
        shaded(mixed(coat, disc, pen.between(0.2, 0.9)), pen.between(-0.15, 0.1)) for _ in spots
    ]
    head.plumes(spots[:, None] + _oval(0, 0, 0.12, 0.16), shades, 0.3, rise=14)
    shafts = spots[:, None] + [(0, -0.06), (0, 0.1)]
    strands(pen, head.at(shafts, None).reshape(shafts.shape), (dark,), 2)
    tufts, spread = pen.between(0.1, 0.4) * pen.chance(0.8), pen.between(0.55, 0.8)
    for side in _BOTH:
        tuft = [(0.15, -0.7), (spread, -0.75 - tufts), (0.85, -0.3)]
        head.part(np.array(tuft) * (side, 1), shaded(coat, -0.3), fringe=0.06)
    head.oval(0, -0.22, 0.84, 0.66, coat, 0.2, depth=None, fringe=0.08)
    head.hair(0, -0.22, 0.8, 0.62, (coat, dark, disc), 170, source=(0, -0.1))
    radius, apart, up = pen.between(0.22, 0.28), pen.between(0.34, 0.4), pen.between(-0.24, -0.16)
    for side in _BOTH:
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
    for side in _BOTH:
        head.eye(side * apart, up, radius, color, pupil=(wide, wide), lid=lid)


@family("heads", upright=True)
def dog(pen: Pen) -> None:
    """A dog's face: floppy or pointed ears, a muzzle with a big nose, often the tongue out."""
    head = _Head(pen, lift=-0.02)
    coat = _coat(
        pen,
        (0.08, 0.6, 0.65),
        (0.09, 0.4, 0.9),
        (0.1, 0.06, 0.95),
        (0.05, 0.3, 0.25),
        (0.06, 0.7, 0.4),
    )
    other = pen.pick((shaded(coat, 0.6), shaded(coat, -0.6), _IVORY))
    ears, wide = pen.pick(("floppy", "floppy", "pointed")), pen.between(0.58, 0.72)
    ear = pen.pick((shaded(coat, -0.3), shaded(other, -0.2), shaded(coat, -0.15)))
    if ears == "pointed":
        lean = pen.between(0.45, 0.75)
        for side in _BOTH:
            flap = np.array([(0.12, -0.55), (lean, -1.08), (0.75, -0.15)])
            head.part(flap * (side, 1), ear, fringe=0.05)
            inner = flap * 0.72 + flap.mean(0) * 0.28
            head.part(inner * (side, 1), mixed(_PINK, ear, 0.5), depth=None, bulge=-0.8)
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
        side = pen.pick(_BOTH)
        head.patch(_oval(side * 0.32, -0.2, 0.26, 0.28), shaded(other, -0.25), fringe=0.04)
    head.hair(0, 0, wide, 0.72, (coat, shaded(coat, 0.2), shaded(coat, -0.25)), 230)
    snout = pen.pick((shaded(other, 0.15), shaded(coat, 0.3), coat))
    gape = _gape(pen, 0.42, 0.6)
    long = pen.between(0.28, 0.4)
    if gape:
        head.oval(0, 0.55 + 0.5 * gape, 0.26, 0.3, shaded(snout, -0.2), 0.3, depth=0.1, fringe=0.04)
    for side in _BOTH:
        head.oval(side * 0.15, 0.42, 0.24, 0.24, snout, 0.5, depth=long * 0.8, fringe=0.04)
    head.oval(0, 0.2, 0.22, 0.26, snout, 0.6, depth=long * 0.7, bulge=0.8)
    head.hair(0, 0.4, 0.35, 0.2, (snout, shaded(snout, -0.2)), 60, length=0.08, depth=long * 0.8)
    if ears == "floppy":
        drop, out = pen.between(0.25, 0.75), pen.between(0.8, 1)
        for side in _BOTH:
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
    head.line([(0, 0.3), (0, 0.54)], _INK, 3, depth=long)
    head.nose(0.24, pen.between(0.16, 0.22), 0.14, pen.pick((_INK, (70, 45, 40))), long)
    color = pen.pick((hsv(0.07, 0.75, 0.45), hsv(0.1, 0.8, 0.7), hsv(0.57, 0.45, 0.85)))
    for side in _BOTH:
        head.eye(side * 0.31, -0.18, pen.between(0.105, 0.135), color)
        head.line(
            [(side * 0.2, -0.36), (side * 0.33, -0.41), (side * 0.44, -0.33)], shaded(coat, -0.5), 4
        )


@family("heads", upright=True)
def cat(pen: Pen) -> None:
    """A cat's face: triangular ears, slanted bright eyes, whiskers, often a tabby's stripes."""
    head = _Head(pen, lift=0.04, furry=0.7)
    coat = _coat(
        pen,
        (0.07, 0.7, 0.85),
        (0.1, 0.08, 0.95),
        (0.6, 0.1, 0.28),
        (0.08, 0.3, 0.55),
        (0.6, 0.12, 0.6),
    )
    dark = shaded(coat, -0.6)
    lean = pen.between(0.6, 0.74)
    for side in _BOTH:
        ear = np.array([(0.1, -0.5), (0.35, -0.78), (lean, -1.12), (0.8, -0.7), (0.82, -0.1)])
        head.part(ear * (side, 1), shaded(coat, -0.15), fringe=0.04)
        inner = np.array([(0.3, -0.55), (lean - 0.02, -0.93), (0.72, -0.3)])
        head.part(inner * (side, 1), mixed(_PINK, coat, 0.3), bulge=-1)
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
        head.patch(_oval(0, 0.12, 0.46, 0.5), shaded(coat, -0.65), fringe=0.1)
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
            _IVORY,
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
        for side in _BOTH:
            for y in (-0.02, 0.17, 0.36):
                path = np.stack(
                    [side * np.linspace(0.86, 0.5, 6), y + np.linspace(0.04, 0, 6) ** 1], 1
                )
                head.patch(band(path, [0.045, 0.05, 0.045, 0.04, 0.02, 0]), dark)
    puff = shaded(coat, 0.5) if mark != "mask" else shaded(coat, -0.4)
    gape = _gape(pen, 0.32, 0.35)
    head.oval(0, 0.54 + 0.4 * gape, 0.17, 0.14, shaded(puff, -0.1), 0.4, depth=0.1)
    for side in _BOTH:
        head.oval(side * 0.16, 0.38, 0.22, 0.17, puff, 0.6, depth=0.18, fringe=0.03)
    head.oval(0, 0.08, 0.13, 0.3, shaded(puff, -0.12) if mark != "plain" else coat, 0.5, depth=0.1)
    head.light()
    head.mouth(0.42, 0.19, gape, depth=0.18, teeth=True)
    head.line([(0, 0.25), (0, 0.42)], _INK, 2, depth=0.2)
    head.nose(0.22, 0.11, 0.09, pen.pick((_PINK, (120, 60, 60), _INK)), 0.22)
    color = pen.pick(
        (hsv(0.22, 0.7, 0.85), hsv(0.13, 0.85, 0.95), hsv(0.55, 0.6, 0.9), hsv(0.38, 0.6, 0.75))
    )
    wide, high = pen.between(0.2, 0.25), pen.between(0.16, 0.21)
    pupil = (pen.between(0.12, 0.2), 0.8) if pen.chance(0.65) else (0.62, 0.7)
    for side in _BOTH:
        head.almond(side * 0.37, -0.08, wide, high, color, pupil=pupil, lift=0.05)
    bristle = _IVORY if sum(coat) < 560 else shaded(coat, -0.5)
    for side in _BOTH:
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
    head = _Head(pen, lift=0.04, furry=0.7)
    coat = _coat(pen, (0.05, 0.85, 0.9), (0.06, 0.8, 0.75), (0.05, 0.85, 0.85), (0.6, 0.05, 0.85))
    pale = shaded(_IVORY, -0.04)
    tall = pen.between(1, 1.12)
    for side in _BOTH:
        ear = np.array([(0.1, -0.4), (0.3, -0.75), (0.62, -tall), (0.78, -0.7), (0.74, -0.1)])
        head.part(ear * (side, 1), shaded(coat, -0.1), fringe=0.04)
        tip = np.array([(0.42, -0.86), (0.62, -tall), (0.74, -0.8), (0.57, -0.72)])
        head.part(tip * (side, 1), _INK, fringe=0.03)
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
    face = _mirrored(cheeks)
    head.part(face, coat, 0.2, fringe=0.1)
    for side in _BOTH:
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
    for side in _BOTH:
        head.hair(side * 0.5, 0.32, 0.3, 0.15, (pale, shaded(pale, -0.2)), 50, source=(0, 0.1))
    snout = smooth(
        [(-0.2, -0.1), (0, -0.2), (0.2, -0.1), (0.19, 0.4), (0.1, 0.68), (-0.1, 0.68), (-0.19, 0.4)]
    )
    gape = _gape(pen, 0.25, 0.35)
    if gape:
        head.oval(0, 0.74 + 0.5 * gape, 0.13, 0.14, pale, 0.3, depth=0.1)
    head.part(snout, shaded(coat, 0.05), 0.6, depth=0.3)
    for side in _BOTH:
        head.oval(side * 0.12, 0.58, 0.13, 0.15, pale, 0.7, depth=0.3, bulge=0.6)
    head.light()
    head.mouth(0.7, 0.13, gape, depth=0.3, teeth=True)
    head.nose(0.56, 0.12, 0.1, _INK, 0.4)
    color = pen.pick((hsv(0.11, 0.9, 0.95), hsv(0.08, 0.85, 0.75), hsv(0.2, 0.6, 0.8)))
    for side in _BOTH:
        head.line([(side * 0.2, 0.12), (side * 0.16, 0.4)], shaded(coat, -0.6), 4, depth=0.2)
        head.almond(side * 0.36, -0.04, 0.15, 0.1, color, pupil=(0.3, 0.62), lift=0.05, rim=1.35)


@family("heads", upright=True)
def bear(pen: Pen) -> None:
    """A bear's face: round ears, small eyes, a pale muzzle; at times a panda's patches."""
    head = _Head(pen, furry=0.75)
    panda = pen.chance(0.3)
    coat = (
        _IVORY
        if panda
        else _coat(pen, (0.06, 0.65, 0.45), (0.07, 0.5, 0.62), (0.06, 0.4, 0.2), (0.12, 0.08, 0.95))
    )
    ear = _INK if panda else shaded(coat, -0.15)
    apart = pen.between(0.58, 0.68)
    for side in _BOTH:
        head.oval(side * apart, -0.62, 0.29, 0.29, ear, depth=None, fringe=0.07)
        if not panda:
            head.oval(
                side * apart,
                -0.6,
                0.17,
                0.17,
                mixed(shaded(ear, -0.3), _PINK, 0.3),
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
        for side in _BOTH:
            head.patch(_oval(side * 0.38, -0.08, 0.19, 0.27, side * 0.5), _INK, fringe=0.04)
    snout = shaded(coat, 0.02) if panda else mixed(shaded(coat, 0.45), (225, 190, 140), 0.35)
    gape = _gape(pen, 0.36, 0.45)
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
    head.line([(0, 0.3), (0, 0.55)], _INK, 3, depth=0.25)
    head.nose(0.2, 0.19, 0.13, _INK, 0.32)
    color = hsv(pen.between(0.04, 0.1), 0.7, pen.between(0.3, 0.6))
    for side in _BOTH:
        head.eye(side * 0.34, -0.1, pen.between(0.085, 0.11), color, rim=_INK)


@family("heads", upright=True)
def monkey(pen: Pen) -> None:
    """A monkey's face: bare skin in a heart of fur, ears at the sides, a wide mouth."""
    head = _Head(pen, furry=0.75)
    coat = _coat(pen, (0.06, 0.6, 0.4), (0.07, 0.55, 0.6), (0.05, 0.3, 0.2), (0.08, 0.7, 0.75))
    skin = mixed(
        hsv(pen.between(0.03, 0.09), pen.between(0.2, 0.5), pen.between(0.5, 1)), coat, 0.1
    )
    size, y = pen.between(0.22, 0.34), pen.between(-0.15, 0.05)
    for side in _BOTH:
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
    head.part(smooth(_mirrored(heart)), skin, 0.5, depth=0, fringe=0.05)
    head.oval(0, 0.5, pen.between(0.46, 0.56), 0.34, shaded(skin, 0.1), 0.7, depth=0.15)
    head.oval(0, -0.19, 0.5, 0.09, shaded(skin, -0.1), 0.7)
    head.oval(0, 0.14, 0.12, 0.17, shaded(skin, 0.02), 0.9, depth=0.15)
    head.light()
    for side in _BOTH:
        head.patch(_oval(side * 0.08, 0.24, 0.05, 0.035, side * 0.6), _INK, depth=0.2)
    t = np.linspace(-1, 1, 17)
    wide, bend = pen.between(0.3, 0.42), pen.between(0.02, 0.14)
    lip = np.stack([wide * t, 0.58 - bend * t**2], 1)
    if gape := _gape(pen, 0.24, 0.5):
        lower = np.stack([wide * t, 0.56 - bend * t**2 + gape * (1 - t**4)], 1)
        head.patch(np.concatenate([lip, lower[::-1]]), (90, 25, 32), depth=0.15)
        for edge, sign in ((lip, 1), (lower, -1)):
            inner = edge * (0.85, 1) + (0, sign * 0.3 * gape)
            head.patch(np.concatenate([edge * (0.85, 1), inner[::-1]]), _IVORY, depth=0.15)
        for x in np.linspace(-0.6, 0.6, 7) * wide:
            head.line([(x, 0.56), (x, 0.54 + gape)], (120, 80, 80), 1, depth=0.15)
        head.line(lower, shaded(skin, -0.6), 2, depth=0.15)
    head.line(lip, shaded(skin, -0.7), 3, depth=0.15)
    color = hsv(pen.between(0.05, 0.12), 0.8, pen.between(0.5, 0.85))
    for side in _BOTH:
        head.eye(side * 0.23, -0.05, pen.between(0.1, 0.13), color, rim=shaded(skin, -0.7))


@family("heads", upright=True)
def sheep(pen: Pen) -> None:
    """A sheep's face: a long snout and drooping ears in a cloud of wool, at times ram's horns."""
    head = _Head(pen, furry=0)
    wool = _coat(pen, (0.1, 0.1, 0.95), (0.1, 0.2, 0.85), (0.07, 0.3, 0.5), (0.1, 0.1, 0.95))
    skin = pen.pick((_INK, (60, 48, 44), (228, 205, 180), (190, 160, 130)))
    head.inked = pen.pick((0, 0, 2))
    horned = pen.chance(0.4)
    locks = [(0.74 * math.cos(a), 0.7 * math.sin(a) - 0.08) for a in turn(pen.count(13, 17))]
    inner = [(0.45 * math.cos(a), 0.42 * math.sin(a) - 0.22) for a in turn(9)]
    for x, y in locks + inner:
        size = pen.between(0.22, 0.3)
        head.oval(
            x, y, size, size, shaded(wool, pen.between(-0.1, 0.05)), pen.between(0, 0.3), depth=None
        )
        t = np.linspace(0, 9, 14)
        curl = np.stack([np.cos(t), np.sin(t)], 1) * (0.02 * t * size * 3.6)[:, None]
        head.line(curl + (x, y), shaded(wool, -0.28), 2, depth=None)
    for side in _BOTH:
        droop = pen.between(0, 0.3)
        ear = smooth(
            [
                (0.3, -0.2),
                (0.6, -0.3 + droop * 0.3),
                (0.98, -0.08 + droop),
                (0.7, 0.05 + droop * 0.6),
            ]
        )
        head.part(ear * (side, 1), shaded(skin, 0.06), 0.5)
        head.part(
            (ear * 0.7 + ear.mean(0) * 0.3) * (side, 1), mixed(skin, _PINK, 0.45), 0.8, bulge=-0.8
        )
    face = [
        (0, -0.5),
        (0.36, -0.38),
        (0.42, -0.1),
        (0.3, 0.4),
        (0.27, 0.75),
        (0.12, 0.92),
        (0, 0.94),
    ]
    head.part(smooth(_mirrored(face)), skin, 0.6, depth=0.1)
    head.oval(0, 0.35, 0.2, 0.42, shaded(skin, 0.12), 0.9, depth=0.2)
    for x in (-0.28, -0.1, 0.1, 0.28):
        head.oval(x, -0.46 + 0.3 * x * x, 0.18, 0.16, wool, 0.9, depth=0.1)
    if horned:
        t, bone = np.linspace(0, 1, 26), hsv(0.1, pen.between(0.25, 0.5), pen.between(0.5, 0.8))
        way = -2.2 + 6.6 * t
        for side in _BOTH:
            far = 0.36 - 0.2 * t
            path = np.stack([side * (0.62 + far * np.cos(way)), -0.24 + far * np.sin(way)], 1)
            sizes = 0.17 * (1 - 0.75 * t)[:, None, None]
            rings = path[:, None] + sizes * _oval(0, 0, 1, 1)
            head.plumes(rings, [shaded(bone, -0.25 * (number % 2)) for number in range(26)], 1)
    head.light()
    for side in _BOTH:
        head.eye(side * 0.27, -0.08, 0.105, hsv(0.12, 0.7, 0.9), pupil=(0.72, 0.28), depth=0.1)
        head.line(
            [(side * 0.17, 0.66), (side * 0.08, 0.74), (side * 0.04, 0.7)], _INK, 4, depth=0.2
        )
    tone = shaded(skin, -0.7) if sum(skin) > 300 else shaded(skin, 0.45)
    head.line([(0, 0.74), (0, 0.82)], tone, 2, depth=0.2)
    head.line([(-0.17, 0.83), (0, 0.81), (0.17, 0.83)], tone, 2, depth=0.2)


@family("heads", upright=True)
def horse(pen: Pen) -> None:
    """A horse's head from the side: a long face, a strong jaw and neck, ears and a mane."""
    head = _Head(pen, side=True, tilt=0.25, furry=0.35, size=0.95)
    coat = _coat(
        pen,
        (0.05, 0.7, 0.5),
        (0.07, 0.65, 0.65),
        (0.1, 0.06, 0.9),
        (0.05, 0.3, 0.22),
        (0.1, 0.5, 0.8),
    )
    mane = pen.pick((shaded(coat, -0.7), (238, 225, 190), shaded(coat, 0.4), pen.palette[1]))
    t = np.linspace(0, 1, 16)
    for number in range(pen.count(14, 18)):  # The mane falls behind the neck.
        share = number / 16
        root = np.array([0.1 + 0.5 * share, -0.78 + 1.5 * share**1.3])
        swing, reach = pen.between(0.1, 0.25), pen.between(0.4, 0.6)
        lock = np.stack(
            [
                root[0] + reach * t + 0.06 * np.sin(7 * t),
                root[1] - 0.12 * np.sin(3 * t) + swing * t**2,
            ],
            1,
        )
        head.part(
            band(lock, 0.12 * (1 - t) ** 0.7),
            shaded(mane, pen.between(-0.25, 0.25)),
            0.1 + 0.2 * (number % 2),
        )
    neck = [
        (0, -0.6),
        (0.25, -0.72),
        (0.6, -0.1),
        (0.85, 0.7),
        (0.85, 1.04),
        (0, 1.04),
        (-0.05, 0.5),
        (0.02, 0.2),
    ]
    head.part(smooth(neck), shaded(coat, -0.08), 0.2, fringe=0.02)
    head.part([(0.02, -0.66), (0.0, -1.02), (0.12, -1.06), (0.26, -0.72)], shaded(coat, -0.25), 0.2)
    drop = pen.between(-0.06, 0.06)
    face = [
        (0.1, -0.78),
        (-0.1, -0.68),
        (-0.38, -0.25),
        (-0.74, 0.3 + drop),
        (-0.84, 0.5 + drop),
        (-0.74, 0.66 + drop),
        (-0.54, 0.68 + drop),
        (-0.38, 0.52),
        (0.02, 0.38),
        (0.26, 0.16),
        (0.28, -0.3),
    ]
    head.part(smooth(face), coat, 0.5, fringe=0.02)
    head.oval(0.04, 0, 0.24, 0.3, shaded(coat, 0.04), 0.7, depth=None, bulge=0.7)
    head.oval(-0.66, 0.5 + drop, 0.16, 0.15, mixed(coat, (70, 55, 55), 0.5), 0.8, depth=None)
    head.part([(-0.1, -0.62), (-0.1, -0.9), (0.02, -1.1), (0.12, -0.85), (0.12, -0.62)], coat, 0.7)
    head.part(
        [(-0.05, -0.66), (-0.04, -0.86), (0.02, -1.0), (0.06, -0.68)],
        shaded(coat, -0.55),
        0.7,
        bulge=-0.7,
    )
    if pen.chance(0.5):
        blaze = smooth(
            [
                (-0.12, -0.58),
                (-0.3, -0.3),
                (-0.62, 0.2),
                (-0.66, 0.24),
                (-0.42, -0.22),
                (-0.18, -0.64),
            ]
        )
        head.patch(blaze, _IVORY)
    for number in range(5):  # The forelock.
        lock = np.stack(
            [0.05 - (0.1 + 0.06 * number) * t, -0.82 + (0.3 + 0.05 * number) * t**1.3], 1
        )
        head.part(
            band(lock, 0.05 * (1 - t) ** 0.7), shaded(mane, pen.between(-0.2, 0.2)), 0.9, bulge=0.5
        )
    head.hair(0, -0.1, 0.3, 0.45, (coat, shaded(coat, -0.2)), 60, source=(0.4, -0.9), length=0.08)
    head.light(1.2)
    head.patch(_oval(-0.73, 0.45 + drop, 0.035, 0.065, 0.6), _INK)
    gape = 0.05 * pen.chance(0.4)
    head.line([(-0.78, 0.58 + drop), (-0.64, 0.57 + drop + gape), (-0.5, 0.5 + drop)], _INK, 3)
    if gape:
        head.line([(-0.76, 0.6 + drop), (-0.66, 0.59 + drop + gape)], _IVORY, 4)
    head.line([(0.24, -0.2), (0.26, 0.1), (0.06, 0.36), (-0.2, 0.45)], shaded(coat, -0.45), 2)
    if pen.chance(0.4):
        strap, width = pen.palette[2], 5
        head.line([(-0.58, 0.04), (-0.5, 0.3), (-0.36, 0.5)], strap, width)
        head.line([(-0.5, 0.28), (0.0, 0.1), (0.2, -0.5)], strap, width)
        head.patch(_oval(-0.5, 0.28, 0.06, 0.06), (225, 190, 90))
    head.patch(_oval(-0.13, -0.32, 0.14, 0.11, 0.7), shaded(coat, -0.6))
    head.eye(-0.13, -0.32, 0.09, hsv(0.06, 0.7, 0.4))
    head.line([(-0.26, -0.36), (-0.14, -0.46), (0, -0.36)], shaded(coat, -0.7), 3)


@family("heads", upright=True)
def eagle(pen: Pen) -> None:
    """An eagle's head from the side: a great hooked beak, a fierce eye, pointed feathers."""
    head = _Head(pen, side=True, tilt=0.3, furry=0)
    bald = pen.chance(0.5)
    coat = _IVORY if bald else _coat(pen, (0.07, 0.65, 0.5), (0.08, 0.5, 0.35), (0.09, 0.6, 0.65))
    body = _coat(pen, (0.06, 0.6, 0.3), (0.06, 0.5, 0.2)) if bald else shaded(coat, -0.3)
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
    gape = _gape(pen, 0.16, 0.45)
    jaw = np.array([(-0.28, 0.08), (-0.62, 0.1), (-0.72, 0.2), (-0.55, 0.28), (-0.25, 0.24)]) + (
        0,
        gape,
    )
    if gape:
        head.part([(-0.2, 0), (-0.7, 0.05), (-0.62, 0.1 + gape), (-0.2, 0.2)], (120, 30, 40), 0.2)
        head.part(
            [(-0.25, 0.14), (-0.6, 0.02 + gape), (-0.6, 0.08 + gape), (-0.25, 0.22)], _PINK, 0.4
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
    head.patch(_oval(-0.45, -0.13, 0.05, 0.025, -0.6), _INK)
    head.line([(-0.02, 0.12), (-0.3, 0.09), (-0.72, 0.08)], shaded(horn, -0.75), 3)
    head.patch(_oval(-0.1, -0.24, 0.25, 0.18, -0.1), shaded(coat, -0.5))
    head.eye(
        -0.1, -0.24, 0.135, pen.pick((hsv(0.13, 0.85, 1), hsv(0.08, 0.9, 0.95))), pupil=(0.45, 0.45)
    )
    brow = smooth([(-0.34, -0.28), (-0.2, -0.38), (0.1, -0.46), (0.22, -0.4), (0, -0.36)])
    head.patch(brow, shaded(coat, -0.35 if bald else -0.6))
    head.patch(brow - (0, 0.03), shaded(coat, 0.15))


@family("heads", upright=True)
def parrot(pen: Pen) -> None:
    """A parrot's head from the side: a big curved beak, a bare lined cheek, bright feathers."""
    head = _Head(pen, side=True, tilt=0.3, furry=0)
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
    scales = np.stack([_oval(0, 0, 0.1, 0.095, turned) for turned in way])
    scales = (scales + np.stack([x, y], 1)[:, None])[inside]
    tones = [first if near < split else pen.pick((second, second, third)) for near in far[inside]]
    head.plumes(scales, [shaded(tone, pen.between(-0.2, 0.15)) for tone in tones], 0.35)
    if pen.chance(0.7):
        cheek = pen.pick((_IVORY, _IVORY, third))
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
    gape = _gape(pen, 0.14, 0.4)
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
    head.patch(_oval(-0.33, -0.32, 0.035, 0.03), _INK)
    skin = pen.pick((_IVORY, second, shaded(first, -0.4)))
    head.eye(-0.04, -0.3, pen.between(0.105, 0.14), iris_color(pen), pupil=(0.5, 0.5), rim=skin)
    [[x, y]] = head.at([(-0.04, -0.3)])
    pen.ring(x, y, 0.15, 0.15, shaded(first, -0.6), 2)


@family("heads", upright=True)
def frog(pen: Pen) -> None:
    """A frog's face: eyes that bulge on its top, and a mouth from side to side."""
    head = _Head(pen, furry=0, tilt=0.2, yaw=0.45)
    head.inked = pen.pick((0, 0, 2))
    skin = _coat(
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
    for side in _BOTH:
        head.oval(side * apart, high, size, size, skin, 0.1, depth=None)
    upper = [(0, -0.42), (0.5, -0.36), (0.88, 0), (1, 0.3), (0.9, 0.44), (0.45, 0.56), (0, 0.6)]
    throat = [(0, 0.2), (0.98, 0.26), (0.84, 0.62), (0.45, 0.88), (0, 0.95)]
    gape = _gape(pen, 0.24, 0.35)
    for half, color, level in ((throat, belly, 0.2), (upper, skin, 0.4)):
        head.part(smooth(_mirrored(half)), color, level)
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
        head.patch(_oval(0, 0.53 + 0.7 * gape, 0.4, 0.3 * gape), _PINK, depth=-0.1)
        head.line(lower, shaded(skin, -0.6), 3, depth=-0.1)
    head.line(lip, shaded(skin, -0.75), 5, depth=-0.1)
    head.line(lip - (0, 0.06), shaded(skin, 0.3), 3, depth=-0.1)
    color = pen.pick((hsv(0.12, 0.9, 0.95), hsv(0.0, 0.9, 0.85), iris_color(pen)))
    pupil = pen.pick(((0.72, 0.3), (0.72, 0.3), SLIT, (0.5, 0.5)))
    for side in _BOTH:
        head.patch(_oval(side * 0.1, 0.12, 0.03, 0.02, -side * 0.5), _INK)
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


@family("heads", upright=True)
def human_face(pen: Pen) -> None:
    """A person's face, with some hair or other, smiling, serious or singing."""
    head = _Head(pen, furry=0, yaw=0.5, tilt=0.2)
    head.inked = 0
    skin = hsv(pen.between(0.045, 0.08), pen.between(0.3, 0.58), pen.between(0.35, 1))
    hair = pen.pick(
        ((34, 26, 24), (96, 60, 34), (206, 168, 96), (150, 70, 36), (180, 178, 176), pen.palette[0])
    )
    style = pen.pick(("short", "short", "long", "long", "curly", "bun", "bald"))
    wide, jaw = pen.between(0.56, 0.64), pen.between(0.34, 0.46)
    bust = [(0, 0.4), (0.22, 0.4), (0.26, 0.86), (0.75, 1.0), (0.75, 1.08), (0, 1.08)]
    head.part(_mirrored(bust), shaded(skin, -0.3))
    if style == "long":
        low = pen.between(0.6, 0.98)
        mop = [(0, -1), (0.6, -0.82), (0.82, -0.2), (0.86, low), (0.4, low + 0.05), (0, low)]
        head.part(smooth(_mirrored(mop)), shaded(hair, -0.2))
        across, t = np.linspace(-0.95, 0.95, 60)[:, None], np.linspace(-1, 1, 9)
        sway = 0.03 * np.sin(8 * t + 3 * across)
        locks = across * (0.75 + 0.25 * t) + sway
        head.combed(smooth(_mirrored(mop)), locks, t + 0 * across, hair)
    if style == "bun":
        head.oval(0, -0.86, 0.26, 0.24, hair, 0.1, depth=None)
    if style != "bald":
        head.oval(0, -0.3, wide + 0.13, 0.68, hair, 0.1, depth=None)
    for side in _BOTH:
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
    head.part(smooth(_mirrored(face)), skin, 0.3)
    for side in _BOTH:
        for size in (1, 0.75, 0.5):
            blush = _oval(side * 0.34, 0.26, 0.17 * size, 0.14 * size)
            head.patch(blush, mixed(skin, (225, 100, 90), 0.1 + 0.12 * (1 - size)))
        head.swell(side * 0.32, 0.22, 0.22, 0.2, 0.14)
        head.swell(side * 0.25, -0.04, 0.2, 0.13, -0.22)
        head.patch(_oval(side * 0.25, -0.05, 0.2, 0.12), shaded(skin, -0.12))
    head.swell(0, 0.66, 0.18, 0.12, 0.16)
    nose = [(0, -0.12), (0.05, -0.1), (0.07, 0.1), (0.14, 0.22), (0.06, 0.29), (0, 0.3)]
    head.part(smooth(_mirrored(nose)), shaded(skin, 0.04), 1.2, depth=0.1, bulge=0.7)
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
    for side in _BOTH:
        head.patch(_oval(side * 0.07, 0.255, 0.035, 0.02), dark, depth=0.1)
        head.almond(
            side * 0.25, -0.03, size, 0.55 * size, iris, white=(248, 245, 240), lift=0.01, rim=1.08
        )
        rise = pen.between(-0.03, 0.05)
        arch = np.array([(0.1, -0.19 + rise), (0.24, -0.25), (0.42, -0.17)])
        head.pen.ribbon(head.at(smooth(arch, closed=False) * (side, 1)), 0.035, 0.01, brow)
    lips = mixed(skin, pen.pick(((190, 40, 60), (170, 70, 70))), 0.65)
    smile, half, gape = pen.between(-0.03, 0.1), pen.between(0.17, 0.25), _gape(pen, 0.14, 0.4)
    t = np.linspace(-1, 1, 15)
    seam = np.stack([half * t, 0.5 - smile * t**2], 1)
    full = (1 - t**2)[:, None] * (0, 1)
    head.patch(np.concatenate([seam - full * 0.055, (seam + full * (0.075 + gape))[::-1]]), lips)
    if gape:
        head.patch(np.concatenate([seam - full * 0.01, (seam + full * gape)[::-1]]), (80, 20, 28))
        head.patch(
            np.concatenate([seam * (0.9, 1), (seam * (0.9, 1) + full * 0.4 * gape)[::-1]]), _IVORY
        )
    else:
        head.line(seam, shaded(lips, -0.6), 2)
        head.line(seam[5:10] + (0, 0.05), shaded(lips, 0.4), 2)


@family("heads", upright=True)
def lion(pen: Pen) -> None:
    """A lion's face in its mane, calm or roaring."""
    head = _Head(pen, furry=0.85, tilt=0.25, yaw=0.5)
    coat = _coat(pen, (0.1, 0.55, 0.85), (0.09, 0.6, 0.75), (0.11, 0.4, 0.92))
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
    for side in _BOTH:
        head.oval(side * 0.5, -0.48, 0.17, 0.17, coat, 0.4, depth=None, fringe=0.04)
        head.oval(side * 0.5, -0.46, 0.1, 0.1, shaded(coat, -0.5), 0.4, bulge=-1, depth=None)
    face = [(0, -0.55), (0.36, -0.46), (0.55, -0.1), (0.5, 0.25), (0.36, 0.55), (0, 0.66)]
    head.part(smooth(_mirrored(face)), coat, 0.5, fringe=0.07)
    head.hair(0, -0.05, 0.5, 0.5, (coat, shaded(coat, 0.2), shaded(coat, -0.2)), 120)
    gape = _gape(pen, 0.42, 0.45)
    pale = mixed(shaded(coat, 0.5), _IVORY, 0.5)
    head.oval(0, 0.6 + 0.6 * gape, 0.2, 0.18, pale, 0.5, depth=0.1, fringe=0.08)
    head.oval(0, 0.08, 0.18, 0.36, shaded(coat, 0.1), 0.8, depth=0.15)
    for side in _BOTH:
        head.oval(side * 0.17, 0.38, 0.24, 0.2, pale, 0.8, depth=0.2, fringe=0.03)
    head.light()
    head.mouth(0.47, 0.24, gape, depth=0.2, teeth=True)
    head.line([(0, 0.28), (0, 0.48)], _INK, 3, depth=0.22)
    head.nose(0.22, 0.17, 0.12, pen.pick(((60, 35, 35), (150, 80, 75), _INK)), 0.25)
    for side in _BOTH:
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
            dot = _oval(side * (0.16 + 0.07 * number), 0.4 + 0.04 * (number % 2), 0.014, 0.014)
            head.patch(dot, _INK, depth=0.2)


@family("heads", upright=True)
def elephant(pen: Pen) -> None:
    """An elephant's face: wide ears, a wrinkled trunk, often tusks."""
    head = _Head(pen, furry=0, tilt=0.15, yaw=0.45)
    head.inked = pen.pick((0, 0, 2))
    hide = _coat(pen, (0.6, 0.08, 0.6), (0.07, 0.12, 0.55), (0.6, 0.12, 0.75), (0.75, 0.08, 0.5))
    spread = pen.between(0.85, 1)
    for side in _BOTH:
        ear = np.array(
            [
                (0.25, -0.6),
                (0.6, -0.74),
                (0.95, -0.52),
                (1.02, -0.05),
                (0.88, 0.4),
                (0.66, 0.5),
                (0.4, 0.15),
            ]
        )
        ear[:, 0] *= spread
        head.part(smooth(ear * (side, 1)), shaded(hide, -0.1), 0)
        inner = smooth((ear - (0.55, -0.1)) * 0.8 + (0.55, -0.1))
        head.part(inner * (side, 1), mixed(shaded(hide, -0.25), _PINK, 0.25), 0.2, bulge=-0.5)
        for number in range(4):
            fold = [
                (0.4, -0.3 + 0.1 * number),
                (0.65, -0.35 + 0.18 * number),
                (0.86 * spread, -0.4 + 0.24 * number),
            ]
            head.line(np.array(fold) * (side, 1), shaded(hide, -0.45), 1, depth=None)
    skull = [(0, -0.78), (0.3, -0.82), (0.5, -0.5), (0.52, -0.1), (0.38, 0.3), (0, 0.42)]
    head.part(smooth(_mirrored(skull)), hide, 0.3)
    for side in _BOTH:
        head.oval(side * 0.2, -0.52, 0.24, 0.26, shaded(hide, 0.06), 0.6, bulge=0.6)
    t = np.linspace(0, 1, 22)
    if tusks := pen.between(0.3, 0.6) * pen.chance(0.7):
        for side in _BOTH:
            path = np.stack([side * (0.3 + 0.22 * np.sin(2 * t)), 0.22 + tusks * t - 0.1 * t**3], 1)
            head.part(band(path, 0.085 * (1 - 0.85 * t)), _IVORY, 0.6, depth=0.1)
            head.oval(side * 0.3, 0.2, 0.13, 0.12, shaded(hide, -0.1), 0.7, depth=0.1)
    sway, curl = pen.between(-0.25, 0.25), pen.between(-0.6, 0.6)
    trunk = np.stack(
        [sway * np.sin(3 * t) + curl * t**4, -0.2 + 1.2 * t - 0.2 * abs(curl) * t**6], 1
    )
    girth = 0.25 - 0.14 * t
    head.part(band(trunk, girth), shaded(hide, 0.05), 0.8, depth=0.25, bulge=0.4)
    rolls = (
        trunk[:-1, None] + _oval(0, 0, 1, 0.05) * np.stack([girth[:-1], 0 * t[:-1] + 1], 1)[:, None]
    )
    head.plumes(rolls, [shaded(hide, pen.between(0.02, 0.14)) for _ in rolls], 1, depth=0.25)
    head.light()
    tip = trunk[-1]
    head.patch(_oval(tip[0], tip[1], 0.1, 0.05), shaded(hide, -0.3), depth=0.25)
    for side in _BOTH:
        head.patch(_oval(tip[0] + side * 0.04, tip[1], 0.025, 0.02), _INK, depth=0.25)
        for drop in (-0.08, 0.1, 0.14):
            wrinkle = [
                (side * 0.24, -0.13 + drop),
                (side * 0.36, -0.17 + drop * 1.2),
                (side * 0.46, -0.1 + drop),
            ]
            head.line(wrinkle, shaded(hide, -0.45), 2)
        head.eye(side * 0.36, -0.12, 0.075, hsv(0.08, 0.7, 0.6))
