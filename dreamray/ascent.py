"""Gradient ascent on one octave: the objective, the gradient of a window, the step.

The objective is, for each chosen layer, `weight * sum(a[:, 2:-2, 2:-2, :] ** 2) / a.size`,
summed. Each window adds the part of the cells that its core owns; the sum over the windows and
their gradients are those of the whole picture (`dreamray.tiles`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dreamray import inception, tiles
from dreamray.errors import MemoryExhaustedError
from dreamray.network import Network, Precision
from dreamray.octaves import Raster, Shape
from dreamray.settings import Dream
from dreamray.tiles import Tile, TilePlan
from dreamray.weights import Weights

SMALLEST_MEAN = 1e-7
"""The mean gradient is not taken smaller than this: a picture without detail stays as it is."""

_Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """One step that was made, or the loss that ended the octave."""

    number: int
    """From 0 in each octave."""
    loss: float
    moved: bool
    """False where the loss was over `max_loss`: the octave ended before this step."""


class Ascent:
    """Dreams one octave after another with a network that is built once.

    The picture and its gradient stay on the device during an octave. One traced function
    serves windows of every size. One instance must not be used by two threads at a time.
    """

    def __init__(self, dream: Dream, weights: Weights, precision: Precision = "float32") -> None:
        self.dream = dream
        self._network = Network(weights, dream.layer_names, precision)
        self._channel_weights = [self._weigh_channels(name) for name in self._network.layers]
        empty = np.zeros((0, 0, 3), np.float32)
        any_size = tf.TensorShape([None, None, 3])
        self._image = tf.Variable(empty, shape=any_size, trainable=False)
        self._gradient = tf.Variable(empty, shape=any_size, trainable=False)

    def _weigh_channels(self, name: str) -> np.float32 | _Vector:
        """Weight of each channel's mean square: one number where all channels have the same."""
        channels = inception.layer(name).channels
        weights = np.zeros(channels)
        for choice, weight in self.dream.choices.items():
            if choice.name == name:
                chosen = list(choice.channels or range(channels))
                weights[chosen] += weight / len(chosen)
        if np.all(weights == weights[0]):
            return np.float32(weights[0])
        return weights.astype(np.float32)

    def run(
        self,
        image: Raster,
        plan: TilePlan,
        *,
        octave: int = 0,
        on_step: Callable[[Step], None] = lambda step: None,
        smaller: Callable[[TilePlan], TilePlan] | None = None,
    ) -> Raster:
        """Ascend from `image` for the dream's iterations, or until its loss is over `max_loss`.

        Args:
            image: float32 [height, width, 3]; left as it is.
            plan: tiles for the image's shape and the dream's layers.
            octave: which octave it is; seeds the jitter.
            on_step: told of each step.
            smaller: makes a plan with smaller tiles when memory runs out; the step is then
                made again with it.

        Returns: the dreamt image, float32 [height, width, 3].

        Raises MemoryExhaustedError if memory runs out and there is no smaller plan.
        """
        self._image.assign(image)
        try:
            for number in range(self.dream.iterations):
                plan, loss = self._gradient_or_smaller(plan, octave, number, smaller)
                over = self.dream.max_loss is not None and loss > self.dream.max_loss
                if not over:
                    self._move(plan)
                on_step(Step(number, loss, moved=not over))
                if over:
                    break
            return np.asarray(self._image.numpy())
        finally:
            for variable in (self._image, self._gradient):
                variable.assign(np.zeros((0, 0, 3), np.float32))

    def gradient(self, image: Raster, plan: TilePlan) -> tuple[float, Raster]:
        """The loss of an image and its gradient, float32 [height, width, 3], unnormalised."""
        self._image.assign(image)
        loss = self._sum_windows(plan, roll=(0, 0))
        return loss, np.asarray(self._gradient.numpy())

    def _gradient_or_smaller(
        self,
        plan: TilePlan,
        octave: int,
        number: int,
        smaller: Callable[[TilePlan], TilePlan] | None,
    ) -> tuple[TilePlan, float]:
        roll = self._roll(octave, number)
        while True:
            try:
                return plan, self._sum_windows(plan, roll)
            except MemoryExhaustedError:
                if smaller is None:
                    raise
                plan = smaller(plan)

    def _roll(self, octave: int, number: int) -> tuple[int, int]:
        """Rows and columns to roll the picture by: the same for the same seed and step."""
        if self.dream.jitter == 0:
            return 0, 0
        random = np.random.default_rng([self.dream.seed, octave, number])
        rows, columns = random.integers(-self.dream.jitter, self.dream.jitter, 2, endpoint=True)
        return int(rows), int(columns)

    def _sum_windows(self, plan: TilePlan, roll: tuple[int, int]) -> float:
        """Leave the gradient of the whole picture in `_gradient`; return the whole loss."""
        with _memory_errors(plan):
            if any(roll):
                self._image.assign(tf.roll(self._image, roll, (0, 1)))
            self._gradient.assign(tf.zeros_like(self._image))
            try:
                return sum(float(self._add_window(tile, plan.shape)) for tile in plan.tiles)
            finally:
                if any(roll):
                    back = tuple(-pixels for pixels in roll)
                    self._image.assign(tf.roll(self._image, back, (0, 1)))
                    self._gradient.assign(tf.roll(self._gradient, back, (0, 1)))

    def _add_window(self, tile: Tile, shape: Shape) -> tf.Tensor:
        owned = [
            tuple(
                tiles.owned_cells(name, axis, tile.core[axis], tile.window[axis], shape[axis])
                for axis in (0, 1)
            )
            for name in self._network.layers
        ]
        cells = [np.prod(inception.feature_shape(n, *shape)) for n in self._network.layers]
        return self._window_step(
            tf.constant(tile.window, tf.int32),
            tf.constant(owned, tf.int32),
            tf.constant(1 / np.array(cells), tf.float32),
        )

    def _move(self, plan: TilePlan) -> None:
        sums = [float(self._absolute_sum(tf.constant(t.core, tf.int32))) for t in plan.tiles]
        mean = sum(sums) / (plan.shape.height * plan.shape.width * 3)
        self._update(tf.constant(max(mean, SMALLEST_MEAN), tf.float32))

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
            activations = self._network(picture)
            loss = tf.add_n(
                [
                    mean_square(activations[name], owned[i], weights) * per_cell[i]
                    for i, (name, weights) in enumerate(
                        zip(self._network.layers, self._channel_weights, strict=True)
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
    def _update(self, mean: tf.Tensor) -> None:
        self._image.assign_add(self.dream.step * (self._gradient / mean))


def mean_square(
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
