"""Smoothing and bands on TensorFlow's arrays: against SciPy, the tutorial's recipe, and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dreamray.plan import refinement
from dreamray.settings.dream import Dream
from tests.support.likeness import relative_error
from tests.support.plain_engine import PlainEngine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arrays(tensorflow: Any) -> Any:
    from dreamray.model.arithmetic import TensorFlowArrays

    return TensorFlowArrays()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).normal(size=(height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("number", [0, 7, 19])
def test_smoothing_is_the_cascade_of_scipys_gaussians(arrays: Any, number: int) -> None:
    """The mean of three, of half, once and twice the width, as the program in PyTorch has it."""
    dream = Dream(smooth=0.5)
    values, treated = noise(70, 83), refinement.refinement(dream, number)
    found = arrays.store(arrays.smooth(arrays.load(values), treated.kernels))
    cascade = [
        gaussian_filter(
            values.astype(np.float64),
            (sigma, sigma, 0),
            mode="nearest",
            radius=(int(np.ceil(3 * sigma)),) * 2 + (0,),
        )
        for sigma in refinement.sigmas(dream, number)
    ]
    assert relative_error(found, np.mean(cascade, axis=0)) < 1e-6


def laplacian_of_the_tutorial(image: np.ndarray, levels: int) -> tuple[np.ndarray, list[float]]:
    """The band-wise normalised gradient, and what each band is divided by, fine to coarse.

    Written from the recipe of TensorFlow's DeepDream tutorial of 2015: split off what a 5x5
    binomial filter leaves out, halve, and so on; divide each part by its root mean square; merge.
    """
    import tensorflow as tf

    line = np.float32([1, 4, 6, 4, 1])
    kernel = np.outer(line, line)[:, :, None, None] / 256 * np.eye(3, dtype=np.float32)
    parts, rest = [], tf.constant(image[None])
    for _ in range(levels):
        low = tf.nn.conv2d(rest, kernel, 2, "SAME")
        parts.append(rest - tf.nn.conv2d_transpose(low, kernel * 4, tf.shape(rest), 2))
        rest = low
    parts.append(rest)
    sizes = [float(tf.sqrt(tf.reduce_mean(tf.square(part)))) for part in parts]
    merged = parts[-1] / sizes[-1]
    for part, size in zip(parts[-2::-1], sizes[-2::-1], strict=True):
        merged = tf.nn.conv2d_transpose(merged, kernel * 4, tf.shape(part), 2) + part / size
    return merged[0].numpy(), sizes


def test_bands_are_those_of_the_tutorial(arrays: Any) -> None:
    """Where its cells lie as ours: it puts those of even lengths half a cell off."""
    values = noise(65, 97)
    expected, sizes = laplacian_of_the_tutorial(values, 4)
    bands = arrays.bands(arrays.load(values), 4)
    assert relative_error(arrays.store(arrays.balance(bands, sizes)), expected) < 1e-5
    assert relative_error(arrays.store(arrays.balance(bands, [1.0] * 5)), values) < 1e-6


@pytest.mark.parametrize(("height", "width"), [(64, 96), (37, 50), (1, 1), (2, 9)])
def test_is_what_numpy_finds(arrays: Any, height: int, width: int) -> None:
    values, plain = noise(height, width), PlainEngine()
    kernels = refinement.refinement(Dream(smooth=2.0), 3).kernels
    ours, theirs = arrays.store(arrays.smooth(values, kernels)), plain.smooth(values, kernels)
    assert ours.shape == values.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for levels in (1, 3):
        bands = arrays.bands(values, levels)
        np.testing.assert_allclose(arrays.store(bands), plain.bands(values, levels), atol=2e-6)
        sums = arrays.square_sums(bands).numpy()
        assert sums == pytest.approx(plain.square_sums(arrays.store(bands)), rel=1e-9)
