"""Arithmetic on TensorFlow's arrays, on whatever device it has."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.model.device import used_threads

IMAGE = tf.TensorSpec([None, None, 3], tf.float32)
SHARE = tf.TensorSpec([None, None, 1], tf.float32)
NUMBER = tf.TensorSpec([], tf.float32)


class TensorFlowArrays:
    """See `dreamray.engine.interfaces.ArrayBackend`. Several threads may use it at a time."""

    def about(self) -> Mapping[str, Any]:
        """The device, threads and TensorFlow that this process computes with."""
        gpus = tf.config.list_physical_devices("GPU")
        device = f"CPU {platform.machine()}"
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            device = f"GPU {details.get('device_name', 'unknown')}"
        return {"threads": used_threads(), "device": device, "tensorflow": tf.__version__}

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

    def zeros(self, height: int, width: int) -> tf.Variable:
        """An array of zeros."""
        return tf.Variable(tf.zeros((height, width, 3)), trainable=False)

    def add(
        self, target: tf.Variable | tf.Tensor, region: Region, values: tf.Tensor
    ) -> tf.Variable:
        """The array with something added in a region; in place where it can be."""
        if not isinstance(target, tf.Variable):
            target = tf.Variable(target, trainable=False)
        rows, columns = region.slices
        target[rows, columns].assign(target[rows, columns] + values)
        return target

    def absolute_sum(self, values: tf.Tensor) -> float:
        """The sum of the absolute values, in float64."""
        return float(_absolute_sum(tf.convert_to_tensor(values)))

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
