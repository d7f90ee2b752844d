"""The training: batches, the pictures led astray, updates, checkpoints.

What a batch holds depends on the recipe's seed and the number of the update alone. So a
training that is taken up again after an interruption goes on as if there had been none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training import checkpoints
from training.astray import Astray
from training.gallery import Batch
from training.recipe import Origin, Recipe
from training.update import Outcome, updating
from training.views import views

__all__ = ["Progress", "Trainer"]

Batches = Callable[[int], Batch]
"""number of the batch -> pictures to be shown"""


@dataclass(frozen=True, eq=False)
class Progress:
    """After an update."""

    update: int
    """how many are done"""
    replay: int
    """which one it was on its pictures, from 0"""
    dreaming: NDArray[np.bool_]
    """[batch] which pictures were led where a dream leads"""
    outcome: Outcome


class Trainer:
    """Trains a model by a recipe, from its first update or from a checkpoint."""

    def __init__(self, model: keras.Model, recipe: Recipe, origin: Origin | None = None) -> None:
        self.model = model
        self.recipe = recipe
        self.origin = origin
        self.done = 0
        """updates made so far"""
        self._optimizer = keras.optimizers.AdamW(
            recipe.rate, weight_decay=recipe.decay, beta_2=0.99, global_clipnorm=recipe.clip
        )
        self._optimizer.exclude_from_weight_decay(var_names=["beta", "bias"])
        self._optimizer.build(model.trainable_variables)
        self._update = updating(model, self._optimizer, recipe)

    def run(self, batches: Batches) -> Iterator[Progress]:
        """Make the updates that are left; yields after each.

        Between batches, when `replay` was the last, the trainer may be saved. The last batch has
        fewer replays than the others where the recipe's updates are no multiple of them; a
        training that is made longer then begins that batch anew.

        Raises ValueError where the loss is no number any more.
        """
        recipe = self.recipe
        while self.done < recipe.updates:
            number = self.done // recipe.replays
            random = np.random.default_rng((recipe.seed, number))
            batch = batches(number)
            shown = views(batch.pictures, recipe, random)
            astray = Astray.start(recipe, random)
            for replay in range(min(recipe.replays, recipe.updates - self.done)):
                outcome = self._update(
                    shown + astray.change,
                    batch.labels,
                    astray.weighing(recipe, replay),
                    recipe.rate_at(self.done),
                    recipe.is_still(self.done),
                )
                if not (np.isfinite(outcome.named).all() and np.isfinite(outcome.excess).all()):
                    raise self._diverged()
                astray = astray.moved(outcome.gradient)
                self.done += 1
                yield Progress(self.done, replay, astray.dreaming, outcome)

    def save(self, path: Path) -> None:
        """Write a checkpoint: everything that the next update depends on.

        Raises ValueError, and writes nothing, if the last update has spoilt the weights.
        """
        if not all(
            np.isfinite(keras.ops.convert_to_numpy(variable)).all()
            for variable in self.model.variables
        ):
            raise self._diverged()
        checkpoints.save(path, self._variables(), self.done, self.recipe, self.origin)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises ValueError if it is of another model, optimizer, recipe or origin, or of more
        updates than are wanted; only the recipe's number of updates and rate may be others.
        """
        made = checkpoints.restore(path, self._variables(), self.recipe, self.origin)
        if made > self.recipe.updates:
            raise ValueError(
                f"{path}: {made} updates are made, more than the {self.recipe.updates} that are "
                "wanted; give more --updates, or name another file"
            )
        self.done = made

    def _diverged(self) -> ValueError:
        return ValueError(
            f"the loss is no number any more after {self.done} updates; go on from the "
            "checkpoint with a smaller --rate"
        )

    def _variables(self) -> dict[str, list[Any]]:
        return {"model": self.model.variables, "optimizer": self._optimizer.variables}
