"""From a checkpoint to weights for dreaming: folded, balanced, liked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dreamray.weights import Weights
from training.balance import level, liked, response, scaled
from training.bestiary import FAMILIES
from training.checkpoints import restore
from training.gallery import Gallery
from training.model import folded, network

__all__ = ["LIKING", "finished"]

LIKING = {
    "eyes": 2.0,
    "heads": 2.0,
    "animals": 1.6,
    "small animals": 1.6,
    "flowers": 1.6,
    "plants": 1.2,
    "shells": 1.4,
    "things": 1.0,
    "ornaments": 0.5,
    "textures": 0.25,
}
"""What a group's families count for in a dream, beside each other."""

_PIXELS = 112
_PICTURES = 960


def finished(
    checkpoint: Path,
    gallery: Gallery,
    *,
    last: str,
    name: str,
    liking: Mapping[str, float] = LIKING,
    power: float = 1.0,
) -> Weights:
    """The weights of a checkpoint, its channels levelled over some of the gallery's pictures.

    `power` 0 leaves them level, whatever is liked. Raises ValueError for the checkpoint of
    another network, FileNotFoundError if it or the pictures are not there.
    """
    model = network(len(gallery.families), last)
    restore(checkpoint, {"model": model.variables})
    batch = gallery.batch(0, _PICTURES, seed=1)
    edge = (batch.pictures.shape[1] - _PIXELS) // 2
    shown = batch.pictures[:, edge : edge + _PIXELS, edge : edge + _PIXELS].astype(np.float32)
    answers = response(model, shown / 127.5 - 1, batch.labels)
    preferences = [liking[FAMILIES[family].group] for family in gallery.families]
    even, dear = level(answers), liked(answers, preferences, power)
    return scaled(folded(model, name), {key: even[key] * dear[key] for key in even})
