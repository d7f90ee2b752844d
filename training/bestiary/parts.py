"""What several families share: eyes, fur, petals, shaded balls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

from training.bestiary.palette import BLACK, WHITE, Color, hsv, mixed, shaded
from training.bestiary.pen import Layer, Pen, Points, rotated

__all__ = [
    "ball",
    "band",
    "blade",
    "eye",
    "eyes",
    "fur",
    "lathe",
    "petals",
    "pose",
    "smooth",
    "solid",
    "swell",
    "tinted",
    "vane",
]

_PUPIL: Color = (8.0, 8.0, 10.0)


def ball(
    pen: Pen,
    x: float,
    y: float,
    a: float,
    b: float,
    color: Color,
    angle: float = 0,
    *,
    gloss: bool = True,
) -> None:
    """An ellipse lit from the upper left, with a highlight now and then if `gloss`."""
    steps = 6
    for step in range(steps):
        t = step / (steps - 1)
        pen.ellipse(
            x - 0.24 * a * t,
            y - 0.28 * b * t,
            a * (1 - 0.85 * t),
            b * (1 - 0.85 * t),
            shaded(color, 0.75 * t - 0.5),
            angle,
        )
    if gloss and pen.chance(0.7):
        pen.ellipse(x - 0.3 * a, y - 0.35 * b, a * 0.12, b * 0.12, mixed(WHITE, BLACK, 0.02), angle)


def eye(
    pen: Pen, x: float, y: float, radius: float, *, slit: bool = False, rim: Color | None = None
) -> None:
    """An iris with its rays, pupil (round, or a slit) and glint; `rim` is darkened around it."""
    iris = pen.pick(
        (
            hsv(pen.between(0.05, 0.16), pen.between(0.6, 1), pen.between(0.6, 1)),
            hsv(pen.between(0.5, 0.62), pen.between(0.3, 0.9), pen.between(0.5, 0.95)),
            hsv(pen.between(0.2, 0.4), pen.between(0.3, 0.8), pen.between(0.4, 0.8)),
            hsv(pen.between(0.03, 0.08), 0.7, 0.4),
            pen.palette[0],
        )
    )
    if rim is not None:
        pen.disc(x, y, radius * 1.18, shaded(rim, -0.6))
    pen.disc(x, y, radius, shaded(iris, -0.5))
    pen.disc(x, y, radius * 0.92, iris)
    if radius > 0.12:
        for _ in range(18):
            angle = pen.between(0, 2 * math.pi)
            reach = pen.between(0.6, 0.9) * radius
            way = np.array([math.cos(angle), math.sin(angle)])
            ray = np.array([x, y]) + np.outer((0.35 * radius, reach), way)
            pen.line(ray, shaded(iris, pen.between(-0.5, 0.5)), radius * 4)
    pupil = pen.between(0.38, 0.6) * radius
    if slit:
        pen.ellipse(x, y, pupil * 0.4, radius * 0.85, _PUPIL)
    else:
        pen.disc(x, y, pupil, _PUPIL)
    pen.disc(x - 0.3 * radius, y - 0.32 * radius, radius * 0.2, mixed(WHITE, BLACK, 0.01))
    if pen.chance(0.5):
        pen.disc(x + 0.3 * radius, y + 0.3 * radius, radius * 0.09, mixed(WHITE, BLACK, 0.15))


def fur(
    pen: Pen,
    x: float,
    y: float,
    a: float,
    b: float,
    colors: Sequence[Color],
    *,
    hairs: int = 160,
    length: float = 0.14,
) -> None:
    """Hairs all over an ellipse, pointing outwards and a little down."""
    for _ in range(hairs):
        angle, out = pen.between(0, 2 * math.pi), math.sqrt(pen.random.random())
        dx, dy = a * out * math.cos(angle), b * out * math.sin(angle)
        way = math.atan2(dy + 0.25, dx) + pen.between(-0.35, 0.35)
        root = x + dx, y + dy
        tip = root[0] + length * math.cos(way), root[1] + length * math.sin(way)
        pen.line([root, tip], shaded(pen.pick(colors), pen.between(-0.35, 0.35)), 1)


def petals(
    pen: Pen, count: int, length: float, width: float, color: Color, *, offset: float = 0
) -> None:
    """A ring of petals around the middle, each with a dark edge, a lighter heart and a vein.

    `width` is a petal's half width; `offset` turns the ring, in petals.
    """
    t = np.linspace(0, 1, 14)
    bulge = np.sin(math.pi * t ** pen.between(0.6, 1.1)) * width
    outline = np.concatenate(
        [np.stack([t * length, bulge], 1), np.stack([t * length, -bulge], 1)[::-1]]
    )
    heart = outline * (0.8, 0.45) + (0.1 * length, 0)
    for number in range(count):
        angle = 2 * math.pi * (number + offset) / count + pen.between(-0.05, 0.05)
        pen.polygon(rotated(outline * 1.03, angle), shaded(color, -0.5))
        pen.polygon(rotated(outline, angle), shaded(color, pen.between(-0.1, 0.1)))
        pen.polygon(rotated(heart, angle), shaded(color, 0.3))
        pen.line(rotated([(0.1, 0), (length * 0.85, 0)], angle), shaded(color, -0.35), 1)


def smooth(points: ArrayLike, *, closed: bool = True, steps: int = 7) -> Points:
    """A curve (Catmull-Rom) through the points, with `steps` points for each of them."""
    knots = np.asarray(points, np.float64)
    if not closed:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    before, here, after, later = (np.roll(knots, -shift, 0) for shift in (-1, 0, 1, 2))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = here + 0.5 * t * (
        after
        - before
        + t * (2 * before - 5 * here + 4 * after - later)
        + t * t * (3 * here - before - 3 * after + later)
    )
    if closed:
        return curve.swapaxes(0, 1).reshape(-1, 2)
    return np.concatenate([curve[:, 1:-2].swapaxes(0, 1).reshape(-1, 2), knots[-2:-1]])


def band(path: ArrayLike, widths: ArrayLike) -> Points:
    """The outline of a band along the path whose half width at each point is in `widths`."""
    points = np.asarray(path, np.float64)
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    across *= np.asarray(widths, np.float64).reshape(-1, 1) / (
        np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    )
    return np.concatenate([points + across, (points - across)[::-1]])


def swell(layer: Layer, strength: float = 1) -> None:
    """Shade what is on the layer in place as if it bulged out, lit from the upper left."""
    left, top, width, height = cv2.boundingRect(layer[..., 3])
    if min(width, height) < 4:
        return
    seen = layer[top : top + height, left : left + width]
    half = (width // 2, height // 2)  # The light is smooth: half the resolution is plenty.
    inside = (cv2.resize(seen[..., 3], half, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
    far = cv2.distanceTransform(cv2.copyMakeBorder(inside, 1, 1, 1, 1, 0), cv2.DIST_L2, 3)
    depth = max(2.0, min(18.0, float(far.max())))
    bulge = depth * np.sqrt(1 - (1 - np.minimum(far / depth, 1)) ** 2)
    bulge = cv2.blur(cv2.blur(bulge, (5, 5)), (5, 5))
    right = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=0.125)
    light = (0.55 * right + 0.8 * down) / np.sqrt(1 + right * right + down * down)
    light = cv2.resize(light[1:-1, 1:-1], (width, height)) * np.float32(strength)
    gain = 0.95 + 0.65 * light
    gloss = (115 * np.maximum(light - 0.4, 0)).astype(np.uint8)
    opacity = seen[..., 3]
    lit = cv2.multiply(seen, cv2.merge([gain, gain, gain, np.ones_like(gain)]), dtype=cv2.CV_8U)
    lit = cv2.add(lit, cv2.merge([gloss, gloss, gloss, np.zeros_like(gloss)]))
    seen[:] = cv2.min(lit, cv2.merge([opacity] * 4))


def solid(pen: Pen, outline: ArrayLike, skin: Pen | Color, *, ink: float = 0) -> None:
    """A bulging body: a colour, or what `skin` has drawn, cut to the outline.

    `ink` is the width of a dark line around it in pixels; 0 for none.
    """
    part = pen.another()
    part.polygon(outline, WHITE if isinstance(skin, Pen) else skin)
    left, top, width, height = cv2.boundingRect(part.layer[..., 3])
    window = slice(top, top + height), slice(left, left + width)
    shape: Layer = part.layer[window].copy()
    if isinstance(skin, Pen):
        cv2.multiply(shape, skin.layer[window], shape, scale=1 / 255)
    if width and height:
        swell(shape)
        clear = cv2.merge([255 - shape[..., 3]] * 4)
        below = cv2.multiply(pen.layer[window], clear, scale=1 / 255)
        pen.layer[window] = cv2.add(below, shape)
    if ink:
        pen.line(outline, (24, 18, 20), ink, closed=True)


_VANE_POINTS = 10


@cache
def _vane_shape(barbs: int) -> Points:
    """A feather 1 long, 1 to each side: its two edges, its shaft, each barb's middle and ends."""

    def edge(t: Points, ahead: float = 0) -> Points:
        return np.stack([t + ahead, -(np.sin(math.pi * t**1.5) ** 0.7)], 1)

    upper, t = edge(np.linspace(0, 1, _VANE_POINTS)), np.linspace(0.25, 0.9, barbs)
    middles, ends = np.stack([t, 0 * t], 1), edge(t, 0.1)
    shaft = np.array([(0, 0), (0.95, 0)])
    return np.concatenate([upper, upper[::-1] * (1, -1), shaft, middles, ends, ends * (1, -1)])


def vane(
    pen: Pen,
    root: tuple[float, float],
    angle: float,
    length: float,
    width: float,
    color: Color,
    *,
    barbs: int = 0,
) -> None:
    """A feather from its root: dark edge, a lit and a shaded half, barbs and a pale shaft.

    `width` is half its breadth.
    """
    points = rotated(_vane_shape(barbs) * (length, width), angle) + root
    count = _VANE_POINTS
    whole = points[: 2 * count]
    pen.polygon(whole, shaded(color, -0.15))
    pen.polygon(points[:count], shaded(color, 0.2))
    for middle, left, right in zip(*points[2 * count + 2 :].reshape(3, barbs, 2), strict=True):
        pen.line([left, middle, right], shaded(color, -0.4), 1)
    pen.line(whole, shaded(color, -0.6), 1, closed=True)
    pen.line(points[2 * count : 2 * count + 2], shaded(color, 0.45), 1)


def tinted(pen: Pen, *natural: Color, share: float = 0.65) -> Color:
    """One of the `natural` colours, a little changed, or else a bright one of the palette.

    `share` is how often it is natural.
    """
    if pen.chance(share):
        return shaded(
            mixed(pen.pick(natural), pen.palette[0], pen.between(0, 0.2)), pen.between(-0.15, 0.15)
        )
    color = pen.pick(pen.palette)
    peak = max(color)
    bright = 255 * pen.between(0.65, 1) / max(peak, 1)
    red, green, blue = (min(255.0, part * max(1.0, bright)) for part in color)
    return red, green, blue


def blade(length: float, width: float, fullness: float = 0.8, points: int = 14) -> Points:
    """The outline of a petal or a leaf from the origin along x, `width` to either side.

    `fullness` below 1 moves the widest place towards the origin, above 1 towards the tip.
    """
    t = np.linspace(0, 1, points)
    bulge = np.sin(math.pi * t**fullness) * width
    return np.concatenate(
        [np.stack([t * length, bulge], 1), np.stack([t * length, -bulge], 1)[::-1]]
    )


def lathe(
    pen: Pen, x: float, heights: ArrayLike, radii: ArrayLike, color: Color, *, depth: float = 0.5
) -> None:
    """A turned body around the upright axis at `x`, lit from the left.

    It reaches `radii[i]` to either side at the height `heights[i]`; `depth` is how dark its
    shadow side is.
    """
    y, half = np.asarray(heights, np.float64), np.asarray(radii, np.float64)
    for t in np.linspace(0, 1, 7):
        middle, reach = x - 0.38 * half * t, half * (1 - 0.85 * t)
        left, right = np.stack([middle - reach, y], 1), np.stack([middle + reach, y], 1)
        pen.polygon(np.concatenate([left, right[::-1]]), shaded(color, (depth + 0.3) * t - depth))


def eyes(
    pen: Pen, places: ArrayLike, radius: float, *, slit: bool = False, rim: Color | None = None
) -> None:
    """The same eye at each of the places, a point each."""
    dice = pen.random.getstate()
    for x, y in np.asarray(places, np.float64):
        pen.random.setstate(dice)
        eye(pen, x, y, radius, slit=slit, rim=rim)


def pose(pen: Pen, *, lean: float = 0.12) -> None:
    """Stretch and lean what is drawn by a little, so that no two have the same proportions."""
    wide, high = pen.between(0.86, 1.03), pen.between(0.86, 1.04)
    shear, middle = pen.between(-lean, lean), pen.layer.shape[0] / 2
    warp = np.array([[wide, shear, 0], [shear * pen.between(-0.5, 0.5), high, 0]])
    warp[:, 2] = middle - warp[:, :2].sum(1) * middle
    cv2.warpAffine(pen.layer.copy(), warp, pen.layer.shape[:2], pen.layer)
    cv2.min(pen.layer, cv2.merge([pen.layer[..., 3]] * 4), pen.layer)
