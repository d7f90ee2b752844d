"""Colours, and the handful of them that one picture is drawn with."""

from __future__ import annotations

import colorsys
from random import Random

__all__ = ["Color", "Palette", "hsv", "mixed", "shaded"]

Color = tuple[float, float, float]
"""red, green, blue in 0 to 255"""

_EARTHY_HUES = (0.06, 0.08, 0.10, 0.12, 0.25, 0.30, 0.58)
_COLORS = 5


def hsv(hue: float, saturation: float, value: float) -> Color:
    """A colour by its hue (any number of turns), saturation and value (both cut to 0 to 1)."""
    saturation, value = (min(1.0, max(0.0, part)) for part in (saturation, value))
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return 255 * red, 255 * green, 255 * blue


def mixed(first: Color, second: Color, share: float) -> Color:
    """`first` with `share` (0 to 1) of `second` in it."""
    (red, green, blue), (other_red, other_green, other_blue) = first, second
    rest = 1 - share  # Written out, as `shaded`: they are called for every stroke.
    return (
        red * rest + other_red * share,
        green * rest + other_green * share,
        blue * rest + other_blue * share,
    )


def shaded(color: Color, light: float) -> Color:
    """Towards white for `light` above 0, towards black below; 1 and -1 arrive there."""
    red, green, blue = color
    rest, lift = 1 - abs(light), 255 * max(light, 0)
    return red * rest + lift, green * rest + lift, blue * rest + lift


class Palette(tuple[Color, ...]):
    """Five colours that go together in one of several ways: kin, opposites, thirds, earth, any."""

    __slots__ = ()

    @classmethod
    def of(cls, random: Random) -> Palette:
        """A new one."""
        start = random.random()
        scheme = random.choices(
            ("kin", "opposites", "thirds", "earth", "any"), (30, 25, 15, 20, 10)
        )[0]
        vivid = random.choice((0.25, 0.5, 0.7, 0.9))
        colors = []
        for number in range(_COLORS):
            match scheme:
                case "kin":
                    hue = start + random.uniform(-0.08, 0.08)
                case "opposites":
                    hue = start + number % 2 / 2 + random.uniform(-0.06, 0.06)
                case "thirds":
                    hue = start + number / 3 + random.uniform(-0.05, 0.05)
                case "earth":
                    hue = random.choice(_EARTHY_HUES) + random.uniform(-0.03, 0.03)
                    vivid = random.uniform(0.15, 0.65)
                case _:
                    hue = random.random()
            colors.append(hsv(hue, vivid * random.uniform(0.6, 1.2), random.uniform(0.25, 1)))
        return cls(colors)
