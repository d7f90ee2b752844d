"""Updates on JAX."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import keras
import numpy as np
from numpy.typing import NDArray

from training.recipe import Recipe
from training.update import Outcome, Update, Weighing, losses

__all__ = ["repeatable", "updating"]

Array = NDArray[np.float32]


def repeatable() -> None:
    """JAX gives the same bits each time on one machine."""


def updating(model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> Update:
    """See `training.update.updating`."""

    def total(
        trainable: Any, pictures: Any, rest: Any, labels: Any, weighing: Any, still: bool
    ) -> Any:
        outputs, rest = model.stateless_call(trainable, rest, pictures, training=not still)
        found = losses(outputs, labels, weighing, recipe)
        return found.total, (found, rest)

    @partial(jax.jit, static_argnames="still")
    def step(state: Any, pictures: Any, labels: Any, weighing: Any, still: bool) -> Any:
        trainable, rest, memory = state
        differentiated = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)
        (_, (found, rest)), (slopes, gradient) = differentiated(
            trainable, pictures, rest, labels, weighing, still
        )
        trainable, memory = optimizer.stateless_apply(memory, slopes, trainable)
        return (trainable, rest, memory), (gradient, found.named, found.excess, found.right)

    def update(
        pictures: Array, labels: NDArray[np.int32], weighing: Weighing, rate: float, still: bool
    ) -> Outcome:
        optimizer.learning_rate = rate
        kinds = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        state = [[variable.value for variable in kind] for kind in kinds]
        state, found = step(state, pictures, labels, weighing, still)
        for variables, values in zip(kinds, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return Outcome(*(np.asarray(part) for part in found))

    return update
