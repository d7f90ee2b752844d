"""From a checkpoint to weights for dreaming: folded, balanced, liked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dreamray.model.weights.arrays import Weights
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
    liking: Mapping[str, float] = LIKING,
    power: float = 1.0,
) -> Weights:
    """The weights of a checkpoint, its channels levelled over some of the gallery's pictures.

    `power` 0 leaves them level, whatever is liked. Raises ValueError for the checkpoint of
    another network or of other families, for pictures of families that there are no more, and
    if what comes out are no numbers; FileNotFoundError if the checkpoint or the pictures are not
    there.
    """
    families = gallery.families
    if gone := [family for family in families if family not in FAMILIES]:
        raise ValueError(
            f"{gallery.folder} shows families that there are no more: {', '.join(gone)}; take "
            "the training/bestiary that drew them, or draw and train anew"
        )
    groups = [FAMILIES[family].group for family in families]
    if unknown := {*groups} - {*liking}:
        raise ValueError(
            f"nobody says what the group {min(unknown)} counts for; add it to LIKING in "
            "training/finish.py"
        )
    batch = gallery.batch(0, _PICTURES, seed=1)
    model = network(len(families), last)
    restore(checkpoint, {"model": model.variables}, families=families)
    edge = (batch.pictures.shape[1] - _PIXELS) // 2
    shown = batch.pictures[:, edge : edge + _PIXELS, edge : edge + _PIXELS].astype(np.float32)
    answers = response(model, shown / 127.5 - 1, batch.labels, len(families))
    with np.errstate(all="ignore"):  # What is no number is told below.
        even, dear = level(answers), liked(answers, [liking[group] for group in groups], power)
        factors = {key: even[key] * dear[key] for key in even}
        weights = scaled(folded(model, checkpoint.stem), factors)
    if not all(np.isfinite(array).all() for array in (*weights.kernels, *weights.biases)):
        raise ValueError(
            f"{checkpoint}: its finished weights are no numbers any more; name an earlier "
            "checkpoint, or give a smaller --liking"
        )
    return weights
