"""The dream in plain Keras and SciPy: written from the recipe, for comparison, not for speed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.ndimage import zoom

LAYERS = {"mixed2": 0.2, "mixed3": 0.5, "mixed4": 2.0, "mixed5": 1.5}


@dataclass(frozen=True)
class Dreamt:
    """What came of a dream, and the losses on the way, octave by octave."""

    pixels: np.ndarray
    losses: list[list[float]]

    @property
    def steps(self) -> int:
        """Steps of all octaves, those that `max_loss` held back among them."""
        return sum(map(len, self.losses))


class Reference:
    """Keras' own InceptionV3 with the recipe's objective, in the model's precision."""

    def __init__(self, model: Any, layers: dict[str, float] = LAYERS) -> None:
        import keras

        outputs = {name: model.get_layer(name).output for name in layers}
        self._features = keras.Model(model.input, outputs)
        self._weights = layers
        self._dtype = model.input.dtype
        signature = tf.TensorSpec([1, None, None, 3], self._dtype)
        self._step = tf.function(self._loss_and_gradient, input_signature=[signature])

    def _loss_and_gradient(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            features = self._features(image)
            loss = tf.zeros((), self._dtype)
            for name, weight in self._weights.items():
                a = features[name]
                size = tf.cast(tf.size(a), self._dtype)
                loss += weight * tf.reduce_sum(tf.square(a[:, 2:-2, 2:-2, :])) / size
        return loss, tape.gradient(loss, image)

    def activations(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The layers' activations [height, width, channels] of an image [height, width, 3]."""
        return {name: a[0].numpy() for name, a in self._features(image[None]).items()}

    def gradient(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss of an image [height, width, 3] in -1 to 1, and its gradient."""
        loss, gradient = self._step(tf.constant(image[None], self._dtype))
        return float(loss), gradient[0].numpy()

    def dream(
        self,
        pixels: np.ndarray,
        *,
        step: float = 0.01,
        octaves: int = 3,
        octave_scale: float = 1.4,
        iterations: int = 20,
        max_loss: float | None = 10.0,
        nudge: int | None = None,
    ) -> Dreamt:
        """The dream of uint8 pixels; `nudge` seeds noise of 1e-7 that is added to the input."""
        original = pixels.astype(np.float32) / 127.5 - 1
        if nudge is not None:
            noise = np.random.default_rng(nudge).normal(0, 1e-7, original.shape)
            original += noise.astype(np.float32)
        shapes = [
            tuple(int(side / octave_scale**i) for side in pixels.shape[:2])
            for i in reversed(range(octaves))
        ]
        image, losses = original, []
        for before, shape in itertools.pairwise([shapes[0], *shapes]):
            image, curve = self._ascend(resize(image, shape), step, iterations, max_loss)
            losses.append(curve)
            shrunk = resize(original, before)
            image = image + (resize(original, shape) - resize(shrunk, shape))
        return Dreamt(to_pixels(image), losses)

    def _ascend(
        self, image: np.ndarray, step: float, iterations: int, max_loss: float | None
    ) -> tuple[np.ndarray, list[float]]:
        losses = []
        for _ in range(iterations):
            loss, gradient = self.gradient(image)
            losses.append(loss)
            if max_loss is not None and loss > max_loss:
                break
            image = image + step * (gradient / np.maximum(np.abs(gradient).mean(), 1e-7))
        return image, losses


def resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """SciPy's linear zoom to a height and width.

    Mode "nearest" matters at the last row and column only: rounding may put them a hair beyond
    the image, where the default mode is black.
    """
    factors = (shape[0] / image.shape[0], shape[1] / image.shape[1], 1)
    return zoom(image, factors, order=1, mode="nearest")


def to_pixels(image: np.ndarray) -> np.ndarray:
    """Uint8 pixels of an image in -1 to 1."""
    return np.clip((image / 2 + 0.5) * 255, 0, 255).astype(np.uint8)
