"""Random weights keep the signal alive, and are the same bytes everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from dreamray.model.architecture import CONVOLUTIONS, INPUT, LAYERS
from dreamray.model.weights import random
from dreamray.model.weights.random import SIDE, kernels, picture


@pytest.fixture(scope="module")
def made() -> list[np.ndarray]:
    return kernels(0)


def test_the_picture_is_one() -> None:
    assert picture().shape == (SIDE, SIDE, 3)
    assert -1 <= picture().min() < -0.6
    assert 0.6 < picture().max() < 1


def test_every_layer_has_unit_variance(made: list[np.ndarray]) -> None:
    """Through TensorFlow's own operations, so that these are checked as well."""
    import tensorflow as tf

    by_name = {layer.name: kernel for layer, kernel in zip(CONVOLUTIONS, made, strict=True)}
    values = {INPUT: tf.constant(picture()[None], tf.float32)}
    for name, layer in LAYERS.items():
        below = [values[source] for source in layer.inputs]
        padding = "VALID" if layer.valid else "SAME"
        match layer.op:
            case "conv":
                values[name] = tf.nn.conv2d(below[0], by_name[name], layer.stride, padding)
                assert 0.9 < np.var(values[name]) < 1.1, name
            case "relu":
                values[name] = tf.nn.relu(below[0])
            case "max_pool":
                values[name] = tf.nn.max_pool2d(below[0], layer.kernel, layer.stride, padding)
            case "average_pool":
                values[name] = tf.nn.avg_pool2d(below[0], layer.kernel, layer.stride, padding)
            case "concat":
                values[name] = tf.concat(below, -1)
            case "batch_norm":
                values[name] = below[0]


def test_shapes_and_types(made: list[np.ndarray]) -> None:
    for layer, kernel in zip(CONVOLUTIONS, made, strict=True):
        channels = LAYERS[layer.inputs[0]].channels
        assert kernel.shape == (*layer.kernel, channels, layer.channels)
        assert kernel.dtype == np.float32


def test_gains_are_far_from_where_rounding_would_change_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another machine's sums differ by 1e-13 or so: the gains are the same there."""
    exact: list[float] = []

    def note(value: float) -> int:
        exact.append(value)
        return round(value)

    monkeypatch.setattr(random, "round", note, raising=False)
    kernels(0)
    assert min(abs(value % 1 - 0.5) for value in exact) > 1e-4
