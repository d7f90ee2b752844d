"""Lightness and colours apart, as people see them: OKLab.

Björn Ottosson, "A perceptual color space for image processing" (2020),
https://bottosson.github.io/posts/oklab/, whose matrices these are; the curve of sRGB is that of
IEC 61966-2-1. Values are taken for sRGB's, whatever profile a picture has: of a wider space the
lightness is then not quite right, but what is not changed comes back as it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.float64]
"""[..., 3]."""

_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_FROM_LAB = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_FROM_CONES = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)

_HALVINGS = 10
"""A thousandth of a colour's strength is seen by nobody."""

_BEYOND = 1e-6
"""Of light, how far out of its range a value may be that is only cut off."""


def to_oklab(rgb: Colours) -> Colours:
    """Of sRGB's values from 0 to 1: lightness from 0 to 1, and two axes of colour."""
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((np.abs(rgb) + 0.055) / 1.055) ** 2.4)
    return _times(_TO_LAB, np.cbrt(_times(_TO_CONES, light)))


def from_oklab(lab: Colours) -> Colours:
    """Values of sRGB from 0 to 1.

    What sRGB cannot show keeps its lightness and hue, and becomes paler.
    """
    light = _light(lab)
    out = ((light < -_BEYOND) | (light > 1 + _BEYOND)).any(axis=-1)
    if out.any():
        light[out] = _paler(lab[out])
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def with_colours_of(image: Colours, other: Colours) -> Colours:
    """The lightness of one picture with the colours of another; both, and that, sRGB's values."""
    lab = to_oklab(other)
    lab[..., 0] = to_oklab(image)[..., 0]
    return from_oklab(lab)


def _paler(lab: Colours) -> Colours:
    """Light of the strongest colour of this lightness and hue that is within the range."""
    low, high = np.zeros(len(lab)), np.ones(len(lab))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        light = _light(lab * _only_colours(middle))
        inside = ((light >= -_BEYOND) & (light <= 1 + _BEYOND)).all(axis=-1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return _light(lab * _only_colours(low))


def _only_colours(factor: Colours) -> Colours:
    return np.stack([np.ones_like(factor), factor, factor], axis=-1)


def _light(lab: Colours) -> Colours:
    return _times(_FROM_CONES, _times(_FROM_LAB, lab) ** 3)


def _times(matrix: tuple[tuple[float, float, float], ...], values: Colours) -> Colours:
    """Not `@`: what adds up in another order, or on more threads, may round otherwise."""
    one, two, three = np.moveaxis(values, -1, 0)
    return np.stack([a * one + b * two + c * three for a, b, c in matrix], axis=-1)
