"""How alike pictures and gradients are, in numbers."""

from __future__ import annotations

import numpy as np


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Likeness of two uint8 pictures in decibels; infinite for equal ones."""
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The L2 norm of the difference, in terms of the norm of `theirs`."""
    difference = ours.astype(np.float64) - theirs
    return float(np.linalg.norm(difference) / np.linalg.norm(theirs))
