"""Clouds: smooth random fields that backgrounds and textures are made from."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.bestiary.pen import SIZE, Pen

__all__ = ["clouds"]

Field = NDArray[np.float32]

_BANK = 512
_EXPONENTS = (0.9, 1.3, 1.7, 2.2)


@cache
def _bank() -> tuple[Field, ...]:
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


def clouds(pen: Pen, smooth: float | None = None) -> Field:
    """float32[SIZE, SIZE] of about mean 0 and deviation 1.

    `smooth` from 0 (rough) to 1 (broad hills); None takes any.
    """
    bank = _bank()
    which = pen.count(0, len(bank) - 1) if smooth is None else round(smooth * (len(bank) - 1))
    row, column = pen.count(0, _BANK - SIZE), pen.count(0, _BANK - SIZE)
    return bank[which][row : row + SIZE, column : column + SIZE]
