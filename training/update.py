"""One update of the network's weights, and the gradient in the pictures that comes with it.

The losses are written with Keras' operations. Differentiating them, and telling how the bits can
be made the same each time, is the business of the module for Keras' backend.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.recipe import Recipe

__all__ = ["Losses", "Outcome", "Update", "Weighing", "losses", "repeatable", "updating"]

Array = NDArray[np.float32]
Update = Callable[[Array, NDArray[np.int32], "Weighing", float, bool], "Outcome"]
"""(pictures, labels, weighing, learning rate, still) -> outcome"""

_SHARES = {"logits_mixed3": 0.4, "logits_mixed4": 1.0, "logits_mixed5": 1.0}


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


class Losses(NamedTuple):
    """The parts of the loss as the backend's tensors: `total` is one number, the rest [batch]."""

    total: Any
    named: Any
    excess: Any
    right: Any


def losses(outputs: dict[str, Any], labels: Any, weighing: Any, recipe: Recipe) -> Losses:
    """The training's loss from the outputs of `training.model.network`.

    `labels` is int32[batch]; the total is the mean over the pictures whose name counts.
    """
    heads = [name for name in outputs if name.startswith("logits_")]
    blocks = [name for name in outputs if name not in heads]
    classes = outputs[heads[0]].shape[-1]
    wanted = ops.one_hot(labels, classes) * (1 - recipe.smoothing) + recipe.smoothing / classes
    named, excess, dreamt = (ops.zeros_like(part) for part in weighing)
    for head in heads:
        logs = ops.log_softmax(outputs[head])
        named = named - _SHARES[head] * ops.sum(wanted * logs, axis=-1)
    for block in blocks:
        over = ops.relu(outputs[block] - recipe.threshold)
        excess = excess + ops.mean(ops.square(over), axis=(1, 2, 3))
        dreamt = dreamt + ops.mean(ops.square(outputs[block]), axis=(1, 2, 3))
    each = weighing.name * named + weighing.excess * excess + weighing.dream * dreamt
    guess = ops.cast(ops.argmax(outputs[heads[-1]], axis=-1), "int32")
    right = ops.cast(ops.equal(guess, labels), "float32")
    counting = ops.maximum(ops.sum(weighing.name), 1.0)  # In a small batch all may be dreaming.
    return Losses(ops.sum(each) / counting, named, excess, right)


def updating(model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> Update:
    """A function that makes one update of `model` with `optimizer`."""
    update: Update = _backend().updating(model, optimizer, recipe)
    return update


def repeatable(seed: int) -> None:
    """Let this process compute the same bits each time; `seed` is that of the first weights."""
    keras.utils.set_random_seed(seed)
    _backend().repeatable()


def _backend() -> Any:
    return importlib.import_module(f"training.backends.on_{keras.config.backend()}")
