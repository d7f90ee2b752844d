"""One update of the network's weights, and the loss's gradient in the pictures with it.

The loss is written with Keras' operations; only the differentiation is TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from training.recipe import Recipe

__all__ = ["Outcome", "Update", "Weighing", "repeatable", "updating"]

Array = NDArray[np.float32]
Update = Callable[[Array, NDArray[np.int32], "Weighing", float, bool], "Outcome"]
"""(pictures, labels, weighing, learning rate, still) -> outcome"""

_SHARES = {"logits_mixed3": 0.4, "logits_mixed4": 0.6, "logits_mixed5": 1.0}


class Weighing(NamedTuple):
    """What each picture's loss is made of: three weights, float32[batch] each."""

    name: Array
    """of the cross-entropy of its name"""
    excess: Array
    """of the mean square of what its activations have above the threshold"""
    dream: Array
    """of what a dream would increase: minute, where only the gradient in the picture is wanted"""


class Outcome(NamedTuple):
    """What an update found, before it changed anything."""

    gradient: Array
    """of each picture's loss in the picture; like the pictures"""
    named: Array
    """[batch] cross-entropy"""
    excess: Array
    """[batch] mean square of what the activations have above the threshold"""
    right: Array
    """[batch] 1 where the last head named the picture rightly, else 0"""


def repeatable(seed: int) -> None:
    """Let this process compute the same bits each time; `seed` is that of the first weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def updating(model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> Update:
    """A function that makes one update of `model` with `optimizer`."""
    blocks = [name for name in model.output_names if not name.startswith("logits_")]
    heads = [name for name in model.output_names if name not in blocks]
    classes = model.get_layer(heads[0]).units
    variables = model.trainable_variables

    def compute(pictures: Any, labels: Any, weighing: Weighing, still: bool) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            outputs = model(pictures, training=not still)
            wanted = ops.one_hot(labels, classes) * (1 - recipe.smoothing)
            wanted += recipe.smoothing / classes
            named = ops.zeros_like(weighing.name)
            for head in heads:
                logs = ops.log_softmax(outputs[head])
                named -= _SHARES[head] * ops.sum(wanted * logs, axis=-1)
            excess, dreamt = ops.zeros_like(named), ops.zeros_like(named)
            for block in blocks:
                over = ops.relu(outputs[block] - recipe.threshold)
                excess += ops.mean(ops.square(over), axis=(1, 2, 3))
                dreamt += ops.mean(ops.square(outputs[block]), axis=(1, 2, 3))
            losses = weighing.name * named + weighing.excess * excess + weighing.dream * dreamt
            loss = ops.sum(losses) / ops.sum(weighing.name)
        *slopes, gradient = tape.gradient(loss, [*variables, pictures])
        right = ops.cast(ops.equal(ops.argmax(outputs[heads[-1]], -1), labels), "float32")
        return slopes, (gradient, named, excess, right)

    @tf.function
    def learning(pictures: Any, labels: Any, weighing: Weighing) -> Any:
        slopes, found = compute(pictures, labels, weighing, still=False)
        optimizer.apply(slopes, variables)
        return found

    @tf.function
    def holding(pictures: Any, labels: Any, weighing: Weighing) -> Any:
        slopes, found = compute(pictures, labels, weighing, still=True)
        optimizer.apply(slopes, variables)
        return found

    def update(
        pictures: Array, labels: NDArray[np.int32], weighing: Weighing, rate: float, still: bool
    ) -> Outcome:
        optimizer.learning_rate = rate
        run = holding if still else learning
        constants = Weighing(*map(tf.constant, weighing))
        found = run(tf.constant(pictures), tf.constant(labels), constants)
        return Outcome(*(part.numpy() for part in found))

    return update
