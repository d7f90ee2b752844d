"""Arithmetic on TensorFlow's arrays, on whatever device it has."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.model.device_identity import describe_process

IMAGE = tf.TensorSpec([None, None, 3], tf.float32)
MANY = tf.TensorSpec([None, None, None], tf.float32)
SHARE = tf.TensorSpec([None, None, 1], tf.float32)
NUMBER = tf.TensorSpec([], tf.float32)


class TensorFlowArrays:
    """See `dreamray.engine.interfaces.ArrayBackend`. Several threads may use it at a time."""

    def __init__(self, said: Mapping[str, Any] = {}, *, tf32: bool = False) -> None:
        """`said` is told in `about` as well; `tf32`: gradients are computed with that."""
        self._said = dict(said)
        self._tf32 = tf32

    def about(self) -> Mapping[str, Any]:
        """See `dreamray.model.device_identity.describe_process`."""
        return describe_process(tf32=self._tf32) | self._said

    def load(self, array: Raster) -> tf.Tensor:
        """Copy an array to the device."""
        with tell_memory_errors(Shape(*array.shape[:2])):
            return tf.constant(array)

    def store(self, values: tf.Tensor) -> Raster:
        """Copy an array from the device, or share it where that is the processor."""
        return np.asarray(values.numpy())

    def join(self, parts: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
        """One array of a grid of parts."""
        rows = [row[0] if len(row) == 1 else tf.concat(row, 1) for row in parts]
        return rows[0] if len(rows) == 1 else tf.concat(rows, 0)

    def pair(self, one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        """One array with the channels of both."""
        return tf.concat([one, other], 2)

    def zeros(self, height: int, width: int, channels: int) -> tf.Variable:
        """An array of zeros."""
        return tf.Variable(tf.zeros((height, width, channels)), trainable=False)

    def add(
        self, target: tf.Variable | tf.Tensor, region: Region, values: tf.Tensor
    ) -> tf.Variable:
        """The array with something added in a region; in place where it can be."""
        if not isinstance(target, tf.Variable):
            target = tf.Variable(target, trainable=False)
        rows, columns = region.slices
        target[rows, columns].assign(target[rows, columns] + values)
        return target

    def absolute_sum(self, values: tf.Tensor) -> tf.Tensor:
        """The sum of the absolute values, in float64, still on the device."""
        return _absolute_sum(tf.convert_to_tensor(values))

    def smooth(self, values: tf.Tensor, kernels: npt.NDArray[np.float32]) -> tf.Tensor:
        """The mean of what each kernel gives that is run along both axes; edges are drawn out."""
        with tell_memory_errors(Shape(*values.shape[:2])):
            return _smooth(tf.convert_to_tensor(values), tf.constant(kernels))

    def bands(self, values: tf.Tensor, levels: int) -> tf.Tensor:
        """The bands of a Laplacian pyramid: see `ArrayBackend.bands`."""
        with tell_memory_errors(Shape(*values.shape[:2])):
            return _bands(levels)(tf.convert_to_tensor(values))

    def square_sums(self, values: tf.Tensor) -> tf.Tensor:
        """Of each three channels in turn the sum of the squares: float64, on the device."""
        return _square_sums(tf.convert_to_tensor(values))

    def balance(self, values: tf.Tensor, scales: Sequence[float]) -> tf.Tensor:
        """Each three channels divided by their scale, and added up: [height, width, 3]."""
        parts = tf.split(tf.convert_to_tensor(values), len(scales), axis=2)
        found = parts[0] / scales[0]
        for part, scale in zip(parts[1:], scales[1:], strict=True):
            found += part / scale
        return found

    def move(self, image: tf.Tensor, gradient: tf.Tensor, step: float, mean: float) -> tf.Tensor:
        """`image + step * (gradient / mean)`, in float32."""
        step, mean = tf.constant(step, tf.float32), tf.constant(mean, tf.float32)
        return _move(image, tf.convert_to_tensor(gradient), step, mean)

    def fade(self, before: tf.Tensor, after: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        """`before * (1 - share) + after * share`, in float32."""
        return _fade(before, after, share)


@tf.function(autograph=False, input_signature=[IMAGE])
def _absolute_sum(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(tf.abs(values), tf.float64))


@tf.function(autograph=False, input_signature=[MANY])
def _square_sums(values: tf.Tensor) -> tf.Tensor:
    sums = tf.reduce_sum(tf.square(tf.cast(values, tf.float64)), axis=[0, 1])
    return sums[0::3] + sums[1::3] + sums[2::3]


@tf.function(autograph=False, input_signature=[IMAGE, tf.TensorSpec([None, None], tf.float32)])
def _smooth(values: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    pictures = tf.transpose(values, [2, 0, 1])[..., None]
    radius = tf.shape(kernels)[1] // 2

    def along(axis: int, pictures: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        # A gather, as there may be fewer pixels than taps.
        length = tf.shape(pictures)[axis]
        at = tf.clip_by_value(tf.range(-radius, length + radius), 0, length - 1)
        shape = [-1, 1, 1, 1] if axis == 1 else [1, -1, 1, 1]
        drawn_out = tf.gather(pictures, at, axis=axis)
        return tf.nn.conv2d(drawn_out, tf.reshape(kernel, shape), 1, "VALID")

    def by(kernel: tf.Tensor) -> tf.Tensor:
        return along(2, along(1, pictures, kernel), kernel)

    total = tf.foldl(lambda total, kernel: total + by(kernel), kernels, tf.zeros_like(pictures))
    mean = total / tf.cast(tf.shape(kernels)[0], tf.float32)
    return tf.transpose(mean[..., 0], [1, 2, 0])


@functools.cache
def _bands(levels: int) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(autograph=False, input_signature=[IMAGE])
    def bands(values: tf.Tensor) -> tf.Tensor:
        coarse = [tf.transpose(values, [2, 0, 1])[..., None]]
        for _ in range(levels):
            coarse.append(_halve(coarse[-1]))
        shapes = [tf.shape(one) for one in coarse]
        for level in range(1, levels + 1):
            for finer in reversed(shapes[:level]):
                coarse[level] = _double(coarse[level], finer)
        found = [fine - rough for fine, rough in itertools.pairwise(coarse)]
        return tf.transpose(tf.concat([*found, coarse[-1]], 0)[..., 0], [1, 2, 0])

    compiled: Callable[[tf.Tensor], tf.Tensor] = bands
    return compiled


_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Burt and Adelson's filter, along each axis."""


def _halve(pictures: tf.Tensor) -> tf.Tensor:
    """Cell k from what lies around 2k: [n, h, w, 1] to [n, (h + 1) // 2, (w + 1) // 2, 1]."""
    shape = tf.shape(pictures)
    after = [2 - (shape[axis] + 1) % 2 for axis in (1, 2)]
    padded = tf.pad(pictures, [[0, 0], [2, after[0]], [2, after[1]], [0, 0]])
    down = tf.nn.conv2d(padded, _BINOMIAL.reshape(-1, 1, 1, 1), [2, 1], "VALID")
    return tf.nn.conv2d(down, _BINOMIAL.reshape(1, -1, 1, 1), [1, 2], "VALID")


def _double(pictures: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """The other way, to a shape: what `_halve` made of cell 2k lies there again."""
    rows = tf.stack([pictures, tf.zeros_like(pictures)], axis=2)
    old = tf.shape(pictures)
    rows = tf.reshape(rows, [old[0], 2 * old[1], old[2], 1])[:, : shape[1]]
    apart = tf.stack([rows, tf.zeros_like(rows)], axis=3)
    apart = tf.reshape(apart, [old[0], shape[1], 2 * old[2], 1])[:, :, : shape[2]]
    down = tf.nn.conv2d(apart, 2 * _BINOMIAL.reshape(-1, 1, 1, 1), 1, "SAME")
    return tf.nn.conv2d(down, 2 * _BINOMIAL.reshape(1, -1, 1, 1), 1, "SAME")


@tf.function(autograph=False, input_signature=[IMAGE, IMAGE, NUMBER, NUMBER])
def _move(image: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor, mean: tf.Tensor) -> tf.Tensor:
    return image + step * (gradient / mean)


@tf.function(autograph=False, input_signature=[IMAGE, IMAGE, SHARE])
def _fade(before: tf.Tensor, after: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return before * (1 - share) + after * share


@contextlib.contextmanager
def tell_memory_errors(window: Shape) -> Iterator[None]:
    """Raise MemoryExhaustedError in place of what TensorFlow and NumPy raise of it."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise MemoryExhaustedError(
            f"memory ran out on a window of {window} pixels: give a smaller --memory or "
            "--tile, or close other programs"
        ) from None
