"""Making the channels equal, and then some of them dearer, without changing what the network sees.

A ReLU passes a positive factor on: scale a channel by `f`, and the next kernels' weights for it
by `1 / f`, and all behind is as before. A dream climbs the mean square of a block's channels;
the factors decide what each channel counts for in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from dreamray.model.architecture import CONVOLUTIONS, LAYERS
from dreamray.model.weights.arrays import Weights
from training.model import convolutions

__all__ = ["Response", "level", "liked", "response", "scaled"]

Array = NDArray[np.float32]

_PORTION = 64
_LEAST = 0.1  # A channel that hardly ever speaks is not made to shout; many are at about 0.5.


class Response:
    """How strongly each channel of each convolution answers to each family.

    `strength[convolution]` is float64 [families, channels]: the root mean square of the channel
    after its ReLU, over the family's pictures and all places.
    """

    def __init__(self, strength: Mapping[str, NDArray[np.float64]]) -> None:
        self.strength = strength

    def level(self, convolution: str) -> NDArray[np.float64]:
        """[channels] root mean square over all families."""
        squares: NDArray[np.float64] = np.mean(np.square(self.strength[convolution]), axis=0)
        return np.sqrt(squares)


def response(
    model: keras.Model, pictures: Array, labels: NDArray[np.int32], families: int
) -> Response:
    """How `model` answers to pictures [count, rows, columns, 3] in -1 to 1 with their families.

    To one of the `families` that none of the pictures shows, it is taken to answer nothing.
    """
    order = {norm.output.name: number for number, (_, norm) in enumerate(convolutions(model))}
    spoken = {
        CONVOLUTIONS[order[layer.input.name]].name: layer.output
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation) and layer.input.name in order
    }
    look = keras.Model(model.input, spoken)
    counts = np.bincount(labels, minlength=families)
    sums = {name: np.zeros((len(counts), output.shape[-1])) for name, output in spoken.items()}
    for start in range(0, len(pictures), _PORTION):
        part = slice(start, start + _PORTION)
        for name, activation in look.predict_on_batch(pictures[part]).items():
            np.add.at(sums[name], labels[part], np.square(activation).mean((1, 2)))
    shares = np.maximum(counts, 1)[:, None]
    return Response({name: np.sqrt(total / shares) for name, total in sums.items()})


def level(answers: Response) -> dict[str, Array]:
    """Factors that bring each channel to an RMS of 1; less for those that hardly speak."""
    return {
        name: (1 / np.maximum(answers.level(name), _LEAST)).astype(np.float32)
        for name in answers.strength
    }


def liked(answers: Response, liking: Sequence[float], power: float = 1.0) -> dict[str, Array]:
    """Factors that make channels dearer the more of their answer goes to families that are liked.

    `liking` holds a number for each family. A channel that answers to all families alike gets
    the factor 1; `power` sharpens the differences.
    """
    weights = np.asarray(liking, np.float64) / np.mean(liking)
    factors = {}
    for name, strength in answers.strength.items():
        energy = np.square(strength) + 1e-9  # One that answers to nothing answers to all alike.
        share = energy / energy.sum(0, keepdims=True)
        factors[name] = (np.sqrt(weights @ share) ** power).astype(np.float32)
    return factors


def scaled(weights: Weights, factors: Mapping[str, Array]) -> Weights:
    """The weights with each named convolution's channels scaled, and their readers set right.

    Every activation that no factor names, and every layer's meaning, is as before.
    """
    carried: dict[str, Array] = {}
    kernels, biases, scales = [], [], []
    numbers = {convolution.name: number for number, convolution in enumerate(CONVOLUTIONS)}
    for name, layer in LAYERS.items():
        if layer.op == "conv":
            number = numbers[name]
            own = factors.get(name, np.ones(layer.channels, np.float32))
            incoming = carried[layer.inputs[0]]
            kernels.append(weights.kernels[number] / incoming[:, None] * own)
            biases.append(weights.biases[number] * own)
            scales.append(weights.scales[number] * own)
            carried[name] = own
        elif layer.op == "input":
            carried[name] = np.ones(layer.channels, np.float32)
        else:
            carried[name] = np.concatenate([carried[source] for source in layer.inputs])
    return Weights(weights.name, weights.sha256, tuple(kernels), tuple(biases), tuple(scales))
