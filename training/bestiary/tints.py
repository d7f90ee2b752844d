"""Tints: colours near nature's, thrown with a pen's dice, for hides, irises and hairs."""

from __future__ import annotations

from collections.abc import Sequence

from training.bestiary.palette import Color, hsv, mixed, shaded
from training.bestiary.pen import Pen

__all__ = ["iris_color", "natural", "tinted", "tones"]


def tinted(pen: Pen, *near: Color, share: float = 0.65) -> Color:
    """One of the colours `near` it, a little changed, or else a bright one of the palette.

    `share` is how often it is the former.
    """
    if pen.chance(share):
        return shaded(
            mixed(pen.pick(near), pen.palette[0], pen.between(0, 0.2)), pen.between(-0.15, 0.15)
        )
    color = pen.pick(pen.palette)
    peak = max(color)
    bright = 255 * pen.between(0.65, 1) / max(peak, 1)
    red, green, blue = (min(255.0, part * max(1.0, bright)) for part in color)
    return red, green, blue


def natural(pen: Pen, *near: tuple[float, float, float]) -> Color:
    """A hide's colour: near one of those (hue, saturation, value), rarely the palette's."""
    if pen.chance(0.12):
        return pen.palette[0]
    hue, saturation, value = pen.pick(near)
    return hsv(
        hue + pen.between(-0.015, 0.015),
        saturation * pen.between(0.75, 1.2),
        value * pen.between(0.8, 1.15),
    )


def iris_color(pen: Pen) -> Color:
    """Amber, blue, green or brown; the palette's own now and then."""
    return pen.pick(
        (
            hsv(pen.between(0.07, 0.15), pen.between(0.75, 1), pen.between(0.75, 1)),
            hsv(pen.between(0.52, 0.62), pen.between(0.35, 0.9), pen.between(0.6, 0.95)),
            hsv(pen.between(0.2, 0.42), pen.between(0.4, 0.85), pen.between(0.5, 0.85)),
            hsv(pen.between(0.03, 0.08), 0.75, pen.between(0.4, 0.6)),
            pen.palette[0],
        )
    )


def tones(pen: Pen, colors: Sequence[Color], count: int = 9) -> list[Color]:
    """`count` shades of the colours in turn, from dark to light in no order."""
    return [
        shaded(colors[number % len(colors)], pen.between(-0.4, 0.33)) for number in range(count)
    ]
