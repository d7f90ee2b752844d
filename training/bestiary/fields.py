"""Fields: a number or a colour for each pixel of a layer; clouds; how fields are painted."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bestiary.palette import Color
from training.bestiary.pen import SIZE, UNIT, Pen, laid

__all__ = ["COLUMNS", "ROWS", "Field", "blended", "clouds", "paint"]

Field = NDArray[np.floating[Any]]
"""[SIZE, SIZE], a number for each pixel, or [SIZE, SIZE, 3], a colour in 0 to 255"""

_BANK = 512
_EXPONENTS = (0.9, 1.3, 1.7, 2.2)

ROWS, COLUMNS = (((axis - SIZE / 2) / UNIT).astype(np.float32) for axis in np.mgrid[:SIZE, :SIZE])
"""Where the pixels are in the pen's units: y and x."""


@cache
def _bank() -> tuple[NDArray[np.float32], ...]:
    """Periodic fields with mean 0 and deviation 1, from rough to smooth; the same in each run."""
    noise = np.random.default_rng(7)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(_BANK), np.fft.rfftfreq(_BANK), indexing="ij"))
    frequency[0, 0] = np.inf
    fields = []
    for exponent in _EXPONENTS:
        spectrum = np.fft.rfft2(noise.standard_normal((_BANK, _BANK))) / frequency**exponent
        field = np.fft.irfft2(spectrum, (_BANK, _BANK))
        fields.append((field / field.std()).astype(np.float32))
    return tuple(fields)


def clouds(pen: Pen, smooth: float | None = None) -> NDArray[np.float32]:
    """float32[SIZE, SIZE] of about mean 0 and deviation 1.

    `smooth` from 0 (rough) to 1 (broad hills); None takes any.
    """
    bank = _bank()
    which = pen.count(0, len(bank) - 1) if smooth is None else round(smooth * (len(bank) - 1))
    row, column = pen.count(0, _BANK - SIZE), pen.count(0, _BANK - SIZE)
    return bank[which][row : row + SIZE, column : column + SIZE]


def blended(first: Color, second: Color, share: Field) -> NDArray[np.float32]:
    """float32[..., 3] from `first` where `share` is 0 to `second` where it is 1, cut there."""
    part = np.asarray(share, np.float32).clip(0, 1)
    channels = [start + (end - start) * part for start, end in zip(first, second, strict=True)]
    return np.asarray(cv2.merge(channels), np.float32)


def paint(pen: Pen, colors: Field, opacity: Field | None = None) -> None:
    """Lay colours over the pen's layer, with an opacity (0 to 1) or else opaque."""
    if opacity is None:
        pen.layer[..., :3] = np.clip(colors, 0, 255)
        pen.layer[..., 3] = 255
        return
    above = np.dstack([colors.clip(0, 255) * opacity[..., None], 255 * opacity]).astype(np.uint8)
    laid(pen.layer, np.asarray(cv2.GaussianBlur(above, (3, 3), 0.6), np.uint8))
