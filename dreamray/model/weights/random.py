"""Untrained weights that are good enough to dream with: seeded, and the same on every machine.

Each kernel is uniform noise times a gain, and the gain makes the convolution's output (before
the ReLU, with biases of 0) have a variance of about 1 over a fixed picture. So the signal
neither fades nor grows on its way through the network.

The bytes are the same everywhere: NumPy guarantees the raw stream of a PCG64, every number
made from it is exact, and a gain is rounded to a power of 2 ** (1/8), coarse enough for the
different rounding of other processors' matrix products to vanish.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from dreamray.model.architecture import CONVOLUTIONS, INPUT, LAYERS, Layer
from dreamray.model.weights.arrays import Weights

__all__ = ["SIDE", "kernels", "load", "picture"]

SIDE = 150
"""Rows and columns of the picture: 3 x 3 cells at mixed10."""

_STEPS_PER_DOUBLING = 8

Activation = NDArray[np.float64]
"""[rows, columns, channels]"""


def kernels(seed: int) -> list[NDArray[np.float32]]:
    """The kernels, [rows, columns, in, out] each, in the order of `architecture.CONVOLUTIONS`."""
    stream = np.random.PCG64(seed)
    made: list[NDArray[np.float32]] = []
    values = {INPUT: picture()}
    for layer in LAYERS.values():
        if layer.op == "conv":
            below = values[layer.inputs[0]]
            noise = _uniform(stream, (*layer.kernel, below.shape[2], layer.channels))
            output = convolve(below, noise, layer)
            doublings = -math.log2(output.std())
            gain = 2.0 ** (round(doublings * _STEPS_PER_DOUBLING) / _STEPS_PER_DOUBLING)
            made.append(noise * np.float32(gain))
            values[layer.name] = output * np.float32(gain)
        elif layer.op != "input":
            values[layer.name] = _pass(layer, [values[name] for name in layer.inputs])
    return made


def load(seed: int) -> Weights:
    """The weights of a seed; see `kernels`."""
    made = tuple(kernels(seed))
    digest = hashlib.sha256()
    for kernel in made:
        digest.update(kernel.astype("<f4", copy=False).tobytes())
    return Weights(
        f"random:{seed}" if seed else "random",
        digest.hexdigest(),
        made,
        tuple(np.zeros(convolution.channels, np.float32) for convolution in CONVOLUTIONS),
        tuple(np.ones(convolution.channels, np.float32) for convolution in CONVOLUTIONS),
    )


def picture() -> Activation:
    """A picture to calibrate on, in [-1, 1): squares of many sizes, as loud as each other."""
    stream = np.random.PCG64(2015)
    total = np.zeros((SIDE, SIDE, 3))
    sizes = (50, 25, 10, 5, 1)
    for size in sizes:
        cells = SIDE // size
        squares = _uniform(stream, (cells, cells, 3)).astype(np.float64)
        total += squares.repeat(size, axis=0).repeat(size, axis=1)
    return total / len(sizes)


def convolve(below: Activation, kernel: NDArray[np.float32], layer: Layer) -> Activation:
    """The layer's convolution of an activation, without bias."""
    windows = _windows(below, layer).transpose(0, 1, 3, 4, 2)
    rows, columns = windows.shape[:2]
    product = windows.reshape(rows * columns, -1) @ kernel.reshape(-1, kernel.shape[3]).astype(
        np.float64
    )
    return product.reshape(rows, columns, -1)


def _uniform(stream: np.random.PCG64, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers in [-1, 1), each a multiple of 2 ** -23."""
    count = math.prod(shape)
    # Low half first, on machines of either byte order.
    words = np.asarray(stream.random_raw(-(-count // 2)), np.uint64).astype("<u8").view("<u4")
    whole = (words[:count] >> 8).astype(np.int32) - (1 << 23)
    return (whole.astype(np.float32) * np.float32(2.0**-23)).reshape(shape)


def _pass(layer: Layer, below: list[Activation]) -> Activation:
    match layer.op:
        case "relu":
            return np.maximum(below[0], 0)
        case "max_pool":
            return np.asarray(_windows(below[0], layer).max(axis=(3, 4)))
        case "average_pool":
            # The padding does not count, as in TensorFlow.
            inside = np.ones((*below[0].shape[:2], 1))
            counts = _windows(inside, layer).sum(axis=(3, 4))
            return np.asarray(_windows(below[0], layer).sum(axis=(3, 4)) / counts)
        case "concat":
            return np.concatenate(below, axis=2)
        case "batch_norm":
            return below[0]
    raise AssertionError(f"no such operation: {layer.op}")


def _windows(below: Activation, layer: Layer) -> NDArray[np.float64]:
    """What the kernel sees at each place: [rows, columns, channels, kernel rows and columns]."""
    if not layer.valid:
        pads = [((size - 1) // 2, size // 2) for size in layer.kernel]
        below = np.pad(below, [*pads, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(below, layer.kernel, axis=(0, 1))
    return windows[:: layer.stride, :: layer.stride]
