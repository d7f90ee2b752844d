"""Samples of pictures, and as numbers of the network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dreamray.base.errors import PictureError

Pixels = npt.NDArray[np.uint8 | np.uint16]
"""uint8 or uint16 [height, width, channels]."""

HELD_PIXELS = 40_000_000
"""Pictures up to this are decoded and encoded as a whole, larger ones streamed."""


def to_tensor(pixels: Pixels) -> npt.NDArray[np.float32]:
    """uint8 or uint16 of any shape to float32 from -1 to 1: `x / 127.5 - 1`."""
    tensor = pixels.astype(np.float32)
    tensor /= np.float32(np.iinfo(pixels.dtype).max / 2)
    tensor -= np.float32(1)
    return tensor


def to_lasting_tensor(pixels: Pixels) -> npt.NDArray[np.float32]:
    """As `to_tensor`, but half a level higher: `from_tensor`, which truncates, gives them back."""
    return to_tensor(pixels) + np.float32(1 / np.iinfo(pixels.dtype).max)


def from_tensor(x: npt.NDArray[np.float32], dtype: npt.DTypeLike = np.uint8) -> Pixels:
    """Back to uint8 or uint16: `x / 2 + 0.5`, times the largest value, clipped, truncated.

    Raises `PictureError` for values that are no number: the ascent has left every range.
    """
    largest = np.float32(np.iinfo(dtype).max)
    scaled = x.astype(np.float32)
    scaled /= np.float32(2)
    scaled += np.float32(0.5)
    scaled *= largest
    np.clip(scaled, 0, largest, out=scaled)
    if np.isnan(scaled).any():
        raise PictureError("the dream has diverged to no number at all: choose a smaller step")
    return scaled.astype(dtype)
