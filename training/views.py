"""The views of pictures that the network is shown: parts, mirrored, recoloured, noisy."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from training.recipe import Recipe

__all__ = ["views"]

# Faint things must be seen and strong ones not be shouted at: else a dream, which makes what is
# strong stronger, grows one thing and leaves the rest of the picture as it is.
_LOG_CONTRASTS = math.log(0.25), math.log(2.2)
_FARTHEST = 2.5  # Dreams leave the range of pictures, -1 to 1.


def views(
    pictures: NDArray[np.uint8], recipe: Recipe, random: np.random.Generator
) -> NDArray[np.float32]:
    """A view of each picture.

    `pictures` is [batch, side, side, 3]; the views are [batch, pixels, pixels, 3], about -1
    to 1 but for those of high contrast.
    """
    count, side = pictures.shape[:2]
    shown = np.empty((count, recipe.pixels, recipe.pixels, 3), np.float32)
    for number, picture in enumerate(pictures):
        crop = int(random.integers(recipe.smallest_crop, side + 1))
        row, column = random.integers(0, side + 1 - crop, 2)
        part = picture[row : row + crop, column : column + crop]
        if random.random() < 0.5:
            part = part[:, ::-1]
        shrinks = crop > recipe.pixels
        cv2.resize(
            np.ascontiguousarray(part, np.float32),
            (recipe.pixels, recipe.pixels),
            dst=shown[number],
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
    shown *= 1 / 127.5
    shown -= 1

    def per_picture(channels: int = 1) -> NDArray[np.float32]:
        values: NDArray[np.float32] = random.standard_normal((count, 1, 1, channels), np.float32)
        return values

    mean = shown.mean((1, 2, 3), keepdims=True)
    contrast = np.exp(random.uniform(*_LOG_CONTRASTS, (count, 1, 1, 1))).astype(np.float32)
    shown = (shown - mean) * contrast + mean + 0.15 * per_picture() + 0.06 * per_picture(3)
    grey = random.random((count, 1, 1, 1)) < 0.08
    shown = np.where(grey, shown.mean(3, keepdims=True), shown)
    noise = np.maximum(random.uniform(-0.5, 0.5, (count, 1, 1, 1)), 0).astype(np.float32) * 0.5
    shown += noise * random.standard_normal(shown.shape, np.float32)
    return np.asarray(np.clip(shown, -_FARTHEST, _FARTHEST), np.float32)
