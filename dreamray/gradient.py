"""The objective and its gradient on a whole picture, window by window.

The objective is, for each chosen layer, `weight * sum(a[:, 2:-2, 2:-2, :] ** 2) / a.size`,
summed. Each window adds the part of the cells that its core owns; the sum over the windows and
their gradients are those of the whole picture (`dreamray.tiles`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dreamray import inception, tiles
from dreamray.errors import MemoryExhaustedError
from dreamray.network import Network, Precision
from dreamray.octaves import Raster, Shape
from dreamray.settings import LayerChoice
from dreamray.tiles import Tile, TilePlan
from dreamray.weights import Weights

SMALLEST_MEAN = 1e-7
"""The mean gradient is not taken smaller than this: a picture without detail stays as it is."""

_EMPTY = np.zeros((0, 0, 3), np.float32)

_Vector = npt.NDArray[np.float32]


class PictureGradient:
    """A picture, the gradient of its loss, and the move along it.

    Both stay on the device between `put` and `clear`. One traced function serves windows of
    every size. One instance must not be used by two threads at a time.
    """

    def __init__(
        self,
        choices: Mapping[LayerChoice, float],
        weights: Weights,
        precision: Precision = "float32",
    ) -> None:
        self.network = Network(weights, [choice.name for choice in choices], precision)
        self._channel_weights = [_weigh_channels(name, choices) for name in self.network.layers]
        any_size = tf.TensorShape([None, None, 3])
        self._image = tf.Variable(_EMPTY, shape=any_size, trainable=False)
        self._gradient = tf.Variable(_EMPTY, shape=any_size, trainable=False)

    @property
    def image(self) -> Raster:
        """The picture as it is now, float32 [height, width, 3]."""
        return np.asarray(self._image.numpy())

    @property
    def gradient(self) -> Raster:
        """What `compute` left, float32 [height, width, 3]; not normalised."""
        return np.asarray(self._gradient.numpy())

    def put(self, image: Raster) -> None:
        """Take over a picture, float32 [height, width, 3]."""
        self._image.assign(image)

    def clear(self) -> None:
        """Give the device's memory back."""
        self._image.assign(_EMPTY)
        self._gradient.assign(_EMPTY)

    def compute(self, plan: TilePlan, roll: tuple[int, int] = (0, 0)) -> float:
        """Compute the gradient of the whole picture, and return the whole loss.

        The picture is rolled by so many rows and columns meanwhile. Losses are summed in the
        order of the tiles, and so are the contributions to each pixel. Raises
        MemoryExhaustedError; the picture is then as it was.
        """
        with _memory_errors(plan), self._rolled(roll):
            self._gradient.assign(_EMPTY)  # Gone before the new one is made.
            self._gradient.assign(tf.zeros_like(self._image))
            return sum(float(self._add_window(tile, plan.shape)) for tile in plan.tiles)

    def move(self, plan: TilePlan, step: float) -> None:
        """Move the picture by `step * gradient / mean(abs(gradient))`, of the whole picture."""
        sums = [float(self._absolute_sum(tf.constant(t.core, tf.int32))) for t in plan.tiles]
        mean = sum(sums) / (plan.shape.height * plan.shape.width * 3)
        mean = max(mean, SMALLEST_MEAN)
        for tile in plan.tiles:
            self._update(
                tf.constant(tile.core, tf.int32),
                tf.constant(step, tf.float32),
                tf.constant(mean, tf.float32),
            )

    @contextlib.contextmanager
    def _rolled(self, roll: tuple[int, int]) -> Iterator[None]:
        if not any(roll):
            yield
            return
        self._image.assign(tf.roll(self._image, roll, (0, 1)))
        try:
            yield
        finally:
            back = tuple(-pixels for pixels in roll)
            self._image.assign(tf.roll(self._image, back, (0, 1)))
            self._gradient.assign(tf.roll(self._gradient, back, (0, 1)))

    def _add_window(self, tile: Tile, shape: Shape) -> tf.Tensor:
        owned = [
            [
                tiles.owned_cells(name, axis, tile.core[axis], tile.window[axis], shape[axis])
                for axis in (0, 1)
            ]
            for name in self.network.layers
        ]
        cells = [np.prod(inception.feature_shape(name, *shape)) for name in self.network.layers]
        return self._window_step(
            tf.constant(tile.window, tf.int32),
            tf.constant(owned, tf.int32),
            tf.constant(1 / np.array(cells), tf.float32),
        )

    @tf.function(autograph=False)
    def _window_step(self, window: tf.Tensor, owned: tf.Tensor, per_cell: tf.Tensor) -> tf.Tensor:
        """Add the gradient of a window's loss to the whole gradient; return the loss.

        Args:
            window: int32 [2, 2], start and stop of its rows and columns.
            owned: int32 [layers, 2, 2], the cells to count, in the window's feature maps.
            per_cell: float32 [layers], one over the cells of the picture's feature map.
        """
        rows, columns = slice(window[0, 0], window[0, 1]), slice(window[1, 0], window[1, 1])
        picture = self._image[rows, columns][None]
        with tf.GradientTape() as tape:
            tape.watch(picture)
            activations = self.network(picture)
            loss = tf.add_n(
                [
                    sum_squares(activations[name], owned[i], weights) * per_cell[i]
                    for i, (name, weights) in enumerate(
                        zip(self.network.layers, self._channel_weights, strict=True)
                    )
                ]
            )
        gradient = tape.gradient(loss, picture)[0]
        self._gradient[rows, columns].assign(self._gradient[rows, columns] + gradient)
        return loss

    @tf.function(autograph=False)
    def _absolute_sum(self, core: tf.Tensor) -> tf.Tensor:
        part = self._gradient[core[0, 0] : core[0, 1], core[1, 0] : core[1, 1]]
        return tf.reduce_sum(tf.cast(tf.abs(part), tf.float64))

    @tf.function(autograph=False)
    def _update(self, core: tf.Tensor, step: tf.Tensor, mean: tf.Tensor) -> None:
        rows, columns = slice(core[0, 0], core[0, 1]), slice(core[1, 0], core[1, 1])
        moved = self._image[rows, columns] + step * (self._gradient[rows, columns] / mean)
        self._image[rows, columns].assign(moved)


def sum_squares(
    activations: tf.Tensor, owned: tf.Tensor, weights: np.float32 | _Vector
) -> tf.Tensor:
    """Sum of squared activations [1, h, w, c] over the owned cells, weighted by channel.

    In float32 whatever the activations' type. `owned` is int32 [2, 2]: start and stop of rows
    and columns. Masked by a row and a column vector: the gradient of slicing is slow.
    """
    shape = tf.shape(activations)
    rows, columns = (_indicator(owned[axis], shape[1 + axis]) for axis in (0, 1))
    mask = rows[None, :, None, None] * columns[None, None, :, None]

    @tf.custom_gradient
    def weighted(activations: tf.Tensor) -> tuple[tf.Tensor, object]:
        a = tf.cast(activations, tf.float32)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.cast(a * (2 * upstream * mask) * weights, activations.dtype)

        cells = tf.reduce_sum(tf.square(a) * weights, axis=-1, keepdims=True)
        return tf.reduce_sum(cells * mask), gradient

    return weighted(activations)


def _weigh_channels(name: str, choices: Mapping[LayerChoice, float]) -> np.float32 | _Vector:
    """Weight of each channel's mean square: one number where all channels have the same."""
    channels = inception.layer(name).channels
    weights = np.zeros(channels, np.float32)
    for choice, weight in choices.items():
        if choice.name == name:
            chosen = list(choice.channels or range(channels))
            weights[chosen] += weight / len(chosen)
    return weights[0] if np.all(weights == weights[0]) else weights


def _indicator(interval: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    cells = tf.range(length)
    return tf.cast((cells >= interval[0]) & (cells < interval[1]), tf.float32)


@contextlib.contextmanager
def _memory_errors(plan: TilePlan) -> Iterator[None]:
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        window = plan.largest_window
        raise MemoryExhaustedError(
            f"memory ran out on a window of {window.shape} pixels: give a smaller --memory or "
            "--tile, or close other programs"
        ) from None
