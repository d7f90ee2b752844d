"""A head's model: clay that is turned, tilted and lit, then given eyes, nose and mouth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.bestiary.coats import strands, strewn
from training.bestiary.eyeballs import globe
from training.bestiary.light import Clay
from training.bestiary.palette import Color, shaded
from training.bestiary.pen import Pen
from training.bestiary.pigments import FLESH, INK, IVORY
from training.bestiary.shapes import SIDES, Points, around, oval, rotated, smooth, turn
from training.bestiary.tints import tones

__all__ = ["Head", "gaping"]


class Head:
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
        self._facing = pen.pick(SIDES) if side else 1
        self._lift = lift
        self._side = side
        self._noise = pen.noise()

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
            self.pen.line(outline, INK, 2 * self.inked, closed=True)
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
        points = oval(x, y, a, b, angle)
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
        outline = self.at(oval(x, y, a, b, angle), depth)
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
        pairs = [tone for color in colors for tone in (shaded(color, -0.5), color)]
        self.pen.polygons(np.stack([posed, hearts], 1), pairs)
        self._clay.tiles(posed, 40 + 100 * level, rise)

    def combed(
        self, outline: ArrayLike, x: NDArray[np.float64], y: NDArray[np.float64], color: Color
    ) -> None:
        """Strands through [strands, points], cut to the outline."""
        layer = self.pen.another()
        paths = self.at(np.stack([x, y], 2)).reshape(*x.shape, 2)
        strands(layer, paths, tones(self.pen, (color,), 7), 2)
        self.pen.paste(layer.layer, within=self.at(outline, None))

    def patch(
        self, points: ArrayLike, color: Color, *, fringe: float = 0, depth: float = 0
    ) -> None:
        """A marking: colour alone."""
        outline = self.at(points, depth)
        if fringe and self.furry:
            outline = self._frayed(outline, fringe * self._size)
        self.pen.polygon(outline, color)

    def line(
        self, points: ArrayLike, color: Color = INK, width: float = 2, *, depth: float | None = 0
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
        roots = strewn(self._noise, x, y, a, b, count)
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
        rim: Color = INK,
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
            arc = rotated(around(t) * radius * 1.2, self._tilt) + (u, v)
            self.pen.polygon(arc, lid)
            self.pen.line(arc[[0, -1]], INK, 3)

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
        self.pen.polygon(self.at(lids * rim + (x, y)), INK)
        inside = self.pen.another()
        [[u, v]] = self.at([(x, y)])
        inside.disc(u, v, 1.5 * width, white if white is not None else color)
        radius = (height * 1.02 if white is not None else width * 0.95) * self._size
        globe(inside, u, v, radius, color, pupil=pupil, angle=self._tilt)
        self.pen.paste(inside.layer, within=self.at(lids + (x, y)))
        self.line(lids[12:] * 1.05 + (x, y), INK, 3)

    def nose(self, y: float, width: float, height: float, color: Color, depth: float) -> None:
        """A dog's or cat's nose: a rounded triangle with nostrils and a gleam."""
        shape = smooth([(-1, -0.5), (-0.4, -0.9), (0.4, -0.9), (1, -0.5), (0.3, 0.7), (-0.3, 0.7)])
        self.patch(shape * (width, height) + (0, y), color, depth=depth)
        for side in SIDES:
            hole = oval(side * 0.45 * width, y, 0.24 * width, 0.24 * height)
            self.patch(hole, shaded(color, -0.8), depth=depth)
        gleam = oval(-0.25 * width, y - 0.6 * height, 0.4 * width, 0.14 * height)
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
            tongue = oval(0, y + 0.78 * gape, 0.55 * width, 0.42 * gape)
            self.patch(tongue, FLESH, depth=depth)
            self.line([(0, y + 0.5 * gape), (0, y + gape)], shaded(FLESH, -0.35), 2, depth=depth)
            for side in SIDES if teeth else ():
                fang = np.array([(0.78, 0.12), (0.5, 0.2), (0.62, 0.75)]) * (side * width, gape)
                self.patch(fang + (0, y), IVORY, depth=depth)
        for side in SIDES:
            self.line(curl * (side, 1), INK, 3, depth=depth)

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


def gaping(pen: Pen, most: float, often: float = 0.45) -> float:
    """How far a mouth is open: often not at all."""
    return pen.between(0.5, 1) * most if pen.chance(often) else 0.0
