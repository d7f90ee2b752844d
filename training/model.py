"""The network that is trained: Keras' InceptionV3 up to a block, with heads on some of its blocks.

The heads only teach: what is shipped is the convolutions, whose batch norms are folded away.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from dreamray.model.architecture import CONVOLUTIONS, LAYERS
from dreamray.model.weights.arrays import Weights, absent

__all__ = [
    "HEADS",
    "LAST",
    "SPOKEN_FOR",
    "WATCHED",
    "convolutions",
    "folded",
    "forget_names",
    "network",
    "start_from",
]

LAST = "mixed5"
HEADS = ("mixed3", "mixed4", "mixed5")
"""The blocks that must tell the families apart."""
SPOKEN_FOR = ("mixed4", "mixed5")
"""The heads that have nothing to learn: each channel of these blocks stands for a family."""
WATCHED = ("mixed1", "mixed2", "mixed3", "mixed4", "mixed5")
"""The blocks whose activations are kept from running away."""

_MOMENTUM = 0.97  # of the batch norms: the runs are short
_SHARPNESS = 2.0  # of the channels' names: a few activations of about 1 must decide
_FAINT, _ALIKE = 0.1, 0.4
_MEAN, _MAXIMUM = 0.75, 0.25  # of a channel over a picture: what a head hears


def network(classes: int, last: str = LAST) -> keras.Model:
    """From pictures float32[batch, rows, columns, 3] in -1 to 1 to a dict of named outputs.

    It ends at the block `last`. `logits_BLOCK` for each of `HEADS` that it reaches: [batch,
    classes]; and by their own names the activations of the blocks of `WATCHED`.

    Raises ValueError if `last` is none of `HEADS`, or a block has fewer channels than `classes`
    that its channels are to stand for.
    """
    if last not in HEADS:
        raise ValueError(f"--last {last}: the network may end at {', '.join(HEADS)}")
    for name in HEADS[: HEADS.index(last) + 1]:
        channels = LAYERS[name].channels
        if name in SPOKEN_FOR and classes > channels:
            raise ValueError(
                f"{classes} families are more than the {channels} channels of {name}, which are "
                "to stand for them; draw fewer families, or end the network before it: --last"
            )
    body = keras.applications.InceptionV3(
        weights=None, include_top=False, input_shape=(None, None, 3), name="inception"
    )
    blocks = WATCHED[: WATCHED.index(last) + 1]
    outputs: dict[str, Any] = {name: body.get_layer(name).output for name in blocks}
    for name in (name for name in HEADS if name in blocks):
        pooled = layers.GlobalAveragePooling2D()(outputs[name]) * _MEAN
        pooled += layers.GlobalMaxPooling2D()(outputs[name]) * _MAXIMUM
        if name in SPOKEN_FOR:
            outputs[f"logits_{name}"] = _spoken_for(pooled, classes)
        else:
            outputs[f"logits_{name}"] = layers.Dense(classes, name=f"logits_{name}")(pooled)
    model = keras.Model(body.input, outputs)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _MOMENTUM
    return model


def _spoken_for(pooled: Any, classes: int) -> Any:
    """Logits [batch, classes] from channels [batch, channels] that stand for the classes in turn.

    A dream makes a block's channels louder. If a channel is a family's name, what makes it louder
    is the family's picture; with a head that weighs all channels, it would be some part of many.
    """
    each = pooled.shape[-1] // classes
    channels = keras.ops.reshape(pooled[:, : each * classes], (-1, each, classes))
    return keras.ops.sum(channels, axis=1) * _SHARPNESS


def convolutions(model: keras.Model) -> list[tuple[keras.layers.Layer, keras.layers.Layer]]:
    """The convolutions with their batch norms, in the order of `CONVOLUTIONS`.

    Keras counts on from model to model in its layers' names, but keeps the order of creation.
    """
    found = [
        sorted((layer for layer in model.layers if isinstance(layer, kind)), key=_number)
        for kind in (layers.Conv2D, layers.BatchNormalization)
    ]
    return list(zip(*found, strict=True))


def _number(layer: keras.layers.Layer) -> int:
    suffix = layer.name.rpartition("_")[2]
    return int(suffix) if suffix.isdigit() else 0


def folded(model: keras.Model, name: str) -> Weights:
    """The model's convolutions for dreaming, zeros behind its last block; heads are left out."""
    kernels, biases, scales = [], [], []
    for layer, norm in convolutions(model):
        scale = 1 / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
        kernels.append((_array(layer.kernel) * scale).astype(np.float32))
        biases.append((_array(norm.beta) - _array(norm.moving_mean) * scale).astype(np.float32))
        scales.append(scale.astype(np.float32))
    for missing in CONVOLUTIONS[len(kernels) :]:
        kernel, bias, ones = absent(missing)
        kernels.append(kernel)
        biases.append(bias)
        scales.append(ones)
    return Weights(name, "", tuple(kernels), tuple(biases), tuple(scales))


def start_from(model: keras.Model, weights: Weights) -> None:
    """Put weights into the model's convolutions; its heads stay as they are."""
    for number, (layer, norm) in enumerate(convolutions(model)):
        scale = weights.scales[number]
        layer.kernel.assign(weights.kernels[number] / scale)
        norm.beta.assign(weights.biases[number])
        norm.moving_mean.assign(np.zeros_like(scale))
        norm.moving_variance.assign(1 / scale**2 - norm.epsilon)


def forget_names(model: keras.Model) -> None:
    """Make the channels of `SPOKEN_FOR` answer faintly and alike, ready to be given families.

    The blocks before them keep what they know, and are not taught the accidents of a first
    assignment.
    """
    numbers = {convolution.name: number for number, convolution in enumerate(CONVOLUTIONS)}
    pairs = convolutions(model)
    for block in SPOKEN_FOR:
        for name in LAYERS[block].inputs:
            while LAYERS[name].op != "conv":
                (name,) = LAYERS[name].inputs
            number = numbers[name]
            if number < len(pairs):
                layer, norm = pairs[number]
                layer.kernel.assign(layer.kernel * _FAINT)
                norm.beta.assign(keras.ops.full_like(norm.beta, _ALIKE))


def _array(variable: keras.Variable) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(variable))
