"""The network that dreams: InceptionV3 truncated, folded and fused for the ascent.

Built once from any InceptionV3 weights. Truncated behind the deepest chosen layer, with three
exact rewritings of the layers in `dreamray.model.architecture`:

1. Batch norm is folded into the convolution before it (by `dreamray.model.weights.loader`).
2. The 1x1 convolutions that read the same input become one, followed by a split.
3. Average pooling commutes with the 1x1 convolution behind it, since both are linear: the
   convolution joins those of (2), and fewer channels are pooled.

The gradient is wanted with respect to the picture alone. So the gradient of a convolution is
written as what it is, a convolution with the flipped filter, whose code is faster on a CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dreamray.model import architecture
from dreamray.model.architecture import Layer
from dreamray.model.layers import NUMBERS, Precision
from dreamray.model.weights.arrays import Weights

_Array = npt.NDArray[np.float32]


class Network:
    """Maps a picture to the activations of the chosen layers.

    Attributes:
        layers: the names of the layers, in the network's order.
        precision: the type of the activations and of the arithmetic.
        compiled: whether XLA compiles it.
    """

    def __init__(
        self,
        weights: Weights,
        layers: Iterable[str],
        precision: Precision = "float32",
        *,
        compiled: bool = False,
    ) -> None:
        self._needed = architecture.ancestors(layers)
        wanted = set(layers)
        self.layers = tuple(layer.name for layer in self._needed if layer.name in wanted)
        self.precision = precision
        self.compiled = compiled
        weights.check_reaches(self.layers)
        self._weights = weights
        self._type = tf.as_dtype(NUMBERS.get(precision, precision))
        self._heads = _heads(self._needed)

    def __call__(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """Activations by layer name, for pictures [n, height, width, 3] in -1 to 1.

        To be called while a `tf.function` is traced: it puts the weights into the graph.
        """
        return _Forward(self, tf.cast(pictures, self._type)).run()


def _heads(needed: list[Layer]) -> dict[str, list[Layer]]:
    """The 1x1 convolutions that read each layer, directly or through an average pooling.

    Directly reading ones first, so that their outputs lie together.
    """
    names = {layer.name: layer for layer in needed}
    heads: dict[str, list[Layer]] = {}
    for layer in needed:
        if layer.op == "conv" and layer.kernel == (1, 1):
            below = names[layer.inputs[0]]
            pooled = below.op == "average_pool"
            group = heads.setdefault(below.inputs[0] if pooled else below.name, [])
            group.append(layer) if pooled else group.insert(0, layer)
    return heads


class _Forward:
    """One pass over the layers: what has been computed so far, by layer name."""

    def __init__(self, network: Network, pictures: tf.Tensor) -> None:
        self._network = network
        self._values: dict[str, tf.Tensor] = {architecture.INPUT: pictures}

    def run(self) -> dict[str, tf.Tensor]:
        network = self._network
        for layer in network._needed:
            if layer.name in self._values:
                continue
            if layer.op == "average_pool" and layer.name not in network.layers:
                continue  # Its convolution reads what is below it, and pools afterwards.
            if layer.op == "conv":
                self._convolve(layer)
            elif layer.op != "batch_norm":
                self._values[layer.name] = self._apply(layer)
        return {name: self._value(name) for name in network.layers}

    def _value(self, name: str) -> tf.Tensor:
        """A layer's activations; those of a bare convolution are recovered from the folded."""
        layer = architecture.LAYERS[name]
        if layer.op == "batch_norm":
            return self._values[layer.inputs[0]]
        if layer.op == "conv":
            weights, at = self._network._weights, layer.position
            scale, bias = self._constant(weights.scales[at]), self._constant(weights.biases[at])
            return (self._values[name] - bias) / scale
        return self._values[name]

    def _constant(self, array: _Array) -> tf.Tensor:
        # Outside the graph, which refers to it: inside, each of the copies that TensorFlow makes
        # of a graph while it optimises it would hold the weights once more.
        with tf.init_scope():
            return tf.constant(array, self._network._type)

    def _apply(self, layer: Layer) -> tf.Tensor:
        if layer.op == "concat":
            return tf.concat([self._values[name] for name in layer.inputs], axis=-1)
        (name,) = layer.inputs
        if layer.op == "relu":
            return tf.nn.relu(self._values[architecture.LAYERS[name].inputs[0]])
        if layer.op == "max_pool":
            pool = max_pool_of_slices if self._network.compiled else tf.nn.max_pool2d
            return pool(self._values[name], layer.kernel, layer.stride, "VALID")
        return average_pool(self._values[name])

    def _convolve(self, layer: Layer) -> None:
        """Compute a convolution, and with it all 1x1 convolutions that read the same input.

        What is stored under a convolution's name has the folded batch norm in it.
        """
        weights = self._network._weights
        below = architecture.LAYERS[layer.inputs[0]]
        source = below.inputs[0] if below.op == "average_pool" else below.name
        group = self._network._heads[source] if layer.kernel == (1, 1) else [layer]
        kernel = np.concatenate([weights.kernels[one.position] for one in group], axis=-1)
        bias = np.concatenate([weights.biases[one.position] for one in group])
        fused = tf.nn.bias_add(
            self._conv2d(self._values[source], kernel, layer), self._constant(bias)
        )
        parts = [fused]
        if len(group) > 1:
            parts = tf.split(fused, [one.channels for one in group], axis=-1)
        for one, part in zip(group, parts, strict=True):
            pooled = architecture.LAYERS[one.inputs[0]].op == "average_pool"
            self._values[one.name] = average_pool(part) if pooled else part

    def _conv2d(self, x: tf.Tensor, kernel: _Array, layer: Layer) -> tf.Tensor:
        forward = self._constant(kernel)
        padding = "VALID" if layer.valid else "SAME"
        if layer.stride != 1:
            if self._network.precision == "bfloat16":
                backward = self._constant(sub_pixel_kernel(kernel, layer.stride))
                return strided_conv2d(x, forward, backward, layer.stride)
            return tf.nn.conv2d(x, forward, layer.stride, padding)
        backward = self._constant(kernel[::-1, ::-1].swapaxes(2, 3))
        gradient_padding: str | list[list[int]] = "SAME"
        if layer.valid and layer.kernel != (1, 1):
            # It lies on more cells than the output: those that any kernel touched.
            rows, columns = ([side - 1, side - 1] for side in layer.kernel)
            gradient_padding = [[0, 0], rows, columns, [0, 0]]

        @tf.custom_gradient
        def convolve(x: tf.Tensor) -> tuple[tf.Tensor, object]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                return tf.nn.conv2d(upstream, backward, 1, gradient_padding)

            return tf.nn.conv2d(x, forward, 1, padding), gradient

        return convolve(x)


def strided_conv2d(x: tf.Tensor, forward: tf.Tensor, backward: tf.Tensor, stride: int) -> tf.Tensor:
    """A convolution without padding, whose gradient is a convolution to sub-pixels.

    `backward` is the `sub_pixel_kernel` of `forward`. In bfloat16 TensorFlow's own gradient of it
    is so slow on processors without instructions for that, that it takes half of a step's time; in
    float32 there is nothing to be gained.
    """

    @tf.custom_gradient
    def convolve(x: tf.Tensor) -> tuple[tf.Tensor, object]:
        shape = tf.shape(x)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            rows, columns = ([taps - 1, taps - 1] for taps in backward.shape[:2])
            parts = tf.nn.conv2d(upstream, backward, 1, [[0, 0], rows, columns, [0, 0]])
            found = tf.nn.depth_to_space(parts, stride)
            return tf.ensure_shape(found[:, : shape[1], : shape[2]], x.shape)

        return tf.nn.conv2d(x, forward, stride, "VALID"), gradient

    return convolve(x)


def sub_pixel_kernel(kernel: _Array, stride: int) -> _Array:
    """What makes of the gradient of a strided convolution's output that of its input.

    From [rows, columns, in, out] to [taps, taps, out, stride * stride * in]: each cell gets the
    gradients of the stride x stride cells of the input that begin where its own kernel does, for
    `depth_to_space`. They have the same number of taps or one less, which is 0 then.
    """
    rows, columns, below, channels = kernel.shape
    assert 0 not in (rows % stride, columns % stride), "cells behind the last one would be missing"
    taps = [-(-side // stride) for side in (rows, columns)]
    padded = np.zeros((taps[0] * stride, taps[1] * stride, below, channels), np.float32)
    padded[:rows, :columns] = kernel
    parts = padded.reshape(taps[0], stride, taps[1], stride, below, channels)
    flipped = parts[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    return np.ascontiguousarray(flipped.reshape(*taps, channels, stride * stride * below))


def max_pool_of_slices(
    x: tf.Tensor, kernel: tuple[int, int], stride: int, padding: str = "VALID"
) -> tf.Tensor:
    """As `tf.nn.max_pool2d`, and of several largest cells the first has the gradient, too.

    For XLA, which refuses to compile the gradient of that one where kernels are reproducible.
    """
    assert padding == "VALID"
    shape = tf.shape(x)
    ends = [(shape[1 + axis] - kernel[axis]) // stride * stride + 1 for axis in (0, 1)]
    parts = [
        x[:, row : row + ends[0] : stride, column : column + ends[1] : stride]
        for row in range(kernel[0])
        for column in range(kernel[1])
    ]
    return functools.reduce(tf.maximum, parts)


@tf.custom_gradient
def average_pool(x: tf.Tensor) -> tuple[tf.Tensor, object]:
    """Mean of the 3x3 neighbourhood, of fewer cells at the edge: [n, h, w, c], same shape out.

    Dividing by the count, then summing, is the gradient; summing is averaging times the count,
    and TensorFlow averages several times faster than it computes that gradient.
    """
    shape = tf.shape(x)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        rows, columns = _neighbours(shape[1]), _neighbours(shape[2])
        count = tf.cast(rows[None, :, None, None] * columns[None, None, :, None], x.dtype)
        return _mean_3x3(upstream / count) * count

    return _mean_3x3(x), gradient


def _mean_3x3(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(x, 3, 1, "SAME")


def _neighbours(length: tf.Tensor) -> tf.Tensor:
    """How many of the cells k-1, k, k+1 exist, for each k below `length`."""
    cells = tf.range(length)
    return 1 + tf.cast(cells > 0, tf.int32) + tf.cast(cells < length - 1, tf.int32)
