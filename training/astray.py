"""The adversary: how pictures are led astray while the network learns from them.

A network whose names for things are not changed by small changes of the picture has gradients
that look like the things (Santurkar et al., "Image Synthesis with a Single (Robust)
Classifier", 2019); dreams are made of gradients. Half of the pictures are led away from their
names. The other half is led where a dream would lead it, with the dream's own step; there the
penalty on large activations is heavy, so that no part of a dream runs away.

The gradients that move the pictures are by-products of the updates: each update on a batch is
an adversary's step for the next one on the same pictures (Shafahi et al., "Adversarial
Training for Free!", 2019). From the dreaming half the network learns only in the last of them;
until then the dream's objective, with a minute weight, gives the direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.recipe import Recipe
from training.update import Weighing

__all__ = ["Astray"]

Array = NDArray[np.float32]

_TINY = 1e-12
_HINT = 1e-4  # A dream's gradient is normalised; so little of it does not teach.


@dataclass(frozen=True, eq=False)
class Astray:
    """Where each picture of a batch is led, and how far it has come.

    `dreaming` bool[batch] tells the two kinds apart; `radius` and `step`, float32[batch], are
    the largest L2 distance of the ones and the mean change in a step of the others.
    """

    dreaming: NDArray[np.bool_]
    radius: Array
    step: Array
    change: Array
    """float32[batch, rows, columns, 3]: what is to be added to the pictures"""

    @classmethod
    def start(cls, recipe: Recipe, random: np.random.Generator) -> Self:
        """For a new batch, nothing changed yet."""
        count, side = recipe.batch, recipe.pixels
        return cls(
            random.random(count) < recipe.dream_share,
            random.uniform(0, recipe.name_radius * side / 128, count).astype(np.float32),
            random.uniform(0, recipe.dream_step, count).astype(np.float32),
            np.zeros((count, side, side, 3), np.float32),
        )

    def weighing(self, recipe: Recipe, replay: int) -> Weighing:
        """What the losses are made of in the update number `replay` on these pictures."""
        walking = self.dreaming & (replay < recipe.replays - 1)
        excess = np.where(self.dreaming, recipe.dream_penalty, recipe.penalty)
        parts = np.where(walking, 0, 1), np.where(walking, 0, excess), np.where(walking, _HINT, 0)
        return Weighing(*(part.astype(np.float32) for part in parts))

    def moved(self, gradient: Array) -> Astray:
        """One step on, up the loss's gradient with respect to the pictures."""
        axes = (1, 2, 3)
        mean = np.abs(gradient).mean(axes, keepdims=True) + _TINY
        dreamt = self.change + _wide(self.step) * gradient / mean
        length = np.sqrt(np.square(gradient).sum(axes, keepdims=True)) + _TINY
        named = self.change + 0.7 * _wide(self.radius) * gradient / length
        reached = np.sqrt(np.square(named).sum(axes, keepdims=True)) + _TINY
        named *= np.minimum(1, _wide(self.radius) / reached)
        change = np.where(self.dreaming[:, None, None, None], dreamt, named).astype(np.float32)
        return Astray(self.dreaming, self.radius, self.step, change)


def _wide(values: Array) -> Array:
    return values[:, None, None, None]
