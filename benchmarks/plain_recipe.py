"""Deep Dream as its well-known recipe has it: the Keras model, a tape, a loop over octaves.

What people write when they follow the tutorial, for `start.py`, `step.py` and `bulk.py` to
compare with.
A script of its own:

    python benchmarks/plain_recipe.py PICTURE OUTPUT [--weights imagenet|random|FILE]
"""

from __future__ import annotations

import argparse
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

LAYERS = {"mixed2": 0.2, "mixed3": 0.5, "mixed4": 2.0, "mixed5": 1.5}
STEP = 0.01
OCTAVES = 3
OCTAVE_SCALE = 1.4
ITERATIONS = 20
MAX_LOSS = 10.0


def feature_extractor(weights: str | None) -> keras.Model:
    """The Keras model that gives the activations of the chosen layers."""
    model = keras.applications.InceptionV3(weights=weights, include_top=False)
    outputs = {name: model.get_layer(name).output for name in LAYERS}
    return keras.Model(inputs=model.inputs, outputs=outputs)


def compute_loss(extractor: keras.Model, image: tf.Tensor) -> tf.Tensor:
    """The weighted mean squares of the activations inside their borders."""
    features = extractor(image)
    loss = tf.zeros(())
    for name, weight in LAYERS.items():
        activation = features[name]
        cells = tf.cast(tf.size(activation), tf.float32)
        loss += weight * tf.reduce_sum(tf.square(activation[:, 2:-2, 2:-2, :])) / cells
    return loss


def ascend_once(extractor: keras.Model, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One step: the loss, and the image moved along the normalised gradient."""
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = compute_loss(extractor, image)
    gradient = tape.gradient(loss, image)
    gradient /= tf.maximum(tf.reduce_mean(tf.abs(gradient)), 1e-7)
    return loss, image + STEP * gradient


def dream(
    original: tf.Tensor,
    extractor: keras.Model,
    octaves: int = OCTAVES,
    iterations: int = ITERATIONS,
) -> Any:
    """All octaves of a picture [1, height, width, 3]."""

    @tf.function
    def step(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return ascend_once(extractor, image)

    height, width = original.shape[1:3]
    shapes = [
        (int(height / OCTAVE_SCALE**i), int(width / OCTAVE_SCALE**i))
        for i in reversed(range(octaves))
    ]
    shrunk = tf.image.resize(original, shapes[0])
    image = original
    for shape in shapes:
        image = tf.image.resize(image, shape)
        for _ in range(iterations):
            loss, moved = step(image)
            if loss > MAX_LOSS:
                break
            image = moved
        resized = tf.image.resize(original, shape)
        image += resized - tf.image.resize(shrunk, shape)
        shrunk = resized
    return image[0].numpy()


def main() -> None:
    """Dream of a picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture")
    parser.add_argument("output")
    parser.add_argument("--weights", default="imagenet", help="imagenet, random, or a file")
    parser.add_argument("--octaves", type=int, default=OCTAVES)
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    given = parser.parse_args()
    pixels = np.asarray(Image.open(given.picture).convert("RGB"), np.float32)
    extractor = feature_extractor(None if given.weights == "random" else given.weights)
    dreamt = dream(
        tf.constant(pixels[None] / 127.5 - 1), extractor, given.octaves, given.iterations
    )
    result = np.clip((dreamt / 2 + 0.5) * 255, 0, 255).astype(np.uint8)
    Image.fromarray(result).save(given.output)


if __name__ == "__main__":
    main()
