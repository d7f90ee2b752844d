"""Updates on TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.recipe import Recipe
from training.update import Outcome, Update, Weighing, losses

__all__ = ["repeatable", "updating"]

Array = NDArray[np.float32]


def repeatable() -> None:
    """Choose operations that give the same bits each time."""
    tf.config.experimental.enable_op_determinism()


def updating(model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> Update:
    """See `training.update.updating`."""
    variables = model.trainable_variables

    @tf.function
    def step(pictures: Any, labels: Any, weighing: Weighing, still: bool) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            outputs = model(pictures, training=not still)
            found = losses(outputs, labels, weighing, recipe)
        *slopes, gradient = tape.gradient(found.total, [*variables, pictures])
        optimizer.apply(slopes, variables)
        return gradient, found.named, found.excess, found.right

    def update(
        pictures: Array, labels: NDArray[np.int32], weighing: Weighing, rate: float, still: bool
    ) -> Outcome:
        optimizer.learning_rate = rate
        constants = Weighing(*map(tf.constant, weighing))
        found = step(tf.constant(pictures), tf.constant(labels), constants, still)
        return Outcome(*(part.numpy() for part in found))

    return update
