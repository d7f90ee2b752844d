"""The objective and its gradient on a window, computed by TensorFlow.

The objective is, for each chosen layer, `weight * sum(a[:, 2:-2, 2:-2, :] ** 2) / a.size`,
summed. Each window adds the part of the cells that its core owns; the sum over the windows and
their gradients are those of the whole picture (`dreamray.plan.tiles`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dreamray.base.geometry import Shape
from dreamray.model import architecture
from dreamray.model.arithmetic import IMAGE, NUMBER, tell_memory_errors
from dreamray.model.layers import LayerChoice, Precision
from dreamray.model.network import Network
from dreamray.model.weights.arrays import Weights

_Vector = npt.NDArray[np.float32]

_STEP = [
    IMAGE,
    tf.TensorSpec([None, 2, 2], tf.int32),
    tf.TensorSpec([None], tf.float32),
]
_BATCH_STEP = [tf.TensorSpec([None, None, None, 3], tf.float32), *_STEP[1:]]
_FOUND = (NUMBER, IMAGE)
_SIDE_BY_SIDE = 64
"""Windows of a batch that are computed at a time, at most."""


class TileObjective:
    """The objective of a `dreamray.engine.subdomain.Subdomain`: arrays are TensorFlow's.

    One traced function serves windows of every size. Gradients must not be asked for by two
    threads at a time (`dreamray.engine.batching` sees to that); the rest may be.
    """

    def __init__(
        self,
        choices: Mapping[LayerChoice, float],
        weights: Weights,
        precision: Precision = "float32",
    ) -> None:
        self.network = Network(weights, [choice.name for choice in choices], precision)
        self._channel_weights = [_weigh_channels(name, choices) for name in self.network.layers]

    @property
    def layers(self) -> Sequence[str]:
        """The layers that are looked at, in the network's order."""
        return self.network.layers

    def gradient(
        self, window: tf.Tensor, owned: npt.NDArray[np.int32], per_cell: _Vector
    ) -> tuple[float, tf.Tensor]:
        """The loss of a window, and its gradient.

        Args:
            window: float32 [height, width, 3].
            owned: int32 [layers, 2, 2], the cells to count, in the window's feature maps.
            per_cell: float32 [layers], one over the cells of the picture's feature map.

        Returns: the loss, and its gradient, shaped as the window. Raises MemoryExhaustedError.
        """
        with tell_memory_errors(Shape(*window.shape[:2])):
            loss, gradient = self._window_step(window, tf.constant(owned), tf.constant(per_cell))
            return float(loss), gradient

    def gradients(
        self, windows: Sequence[tf.Tensor], owned: npt.NDArray[np.int32], per_cell: _Vector
    ) -> list[tuple[float, tf.Tensor]]:
        """Loss and gradient of each of several windows of one shape, computed side by side.

        See `gradient`, of which each has the bits. One traced function serves batches of every
        size. Raises MemoryExhaustedError.
        """
        with tell_memory_errors(Shape(*windows[0].shape[:2])):
            losses, gradients = self._batch_step(
                tf.stack(windows), tf.constant(owned), tf.constant(per_cell)
            )
            return list(zip(losses.numpy().tolist(), tf.unstack(gradients), strict=True))

    @tf.function(autograph=False, input_signature=_STEP)
    def _window_step(
        self, window: tf.Tensor, owned: tf.Tensor, per_cell: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        picture = window[None]
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
        return loss, tape.gradient(loss, picture)[0]

    @tf.function(autograph=False, input_signature=_BATCH_STEP)
    def _batch_step(
        self, windows: tf.Tensor, owned: tf.Tensor, per_cell: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Not as one array of four dimensions: convolutions of that divide their work otherwise
        # among the threads, and round some sums otherwise, in bfloat16 so few that it may stay
        # unseen for long.
        losses, gradients = tf.map_fn(
            lambda window: self._window_step(window, owned, per_cell),
            windows,
            parallel_iterations=_SIDE_BY_SIDE,
            fn_output_signature=_FOUND,
        )
        return losses, gradients


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
    channels = architecture.layer(name).channels
    weights = np.zeros(channels, np.float32)
    for choice, weight in choices.items():
        if choice.name == name:
            chosen = list(choice.channels or range(channels))
            weights[chosen] += weight / len(chosen)
    return weights[0] if np.all(weights == weights[0]) else weights


def _indicator(interval: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    cells = tf.range(length)
    return tf.cast((cells >= interval[0]) & (cells < interval[1]), tf.float32)
