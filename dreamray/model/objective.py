"""The objective and its gradient on a window, computed by TensorFlow.

The objective is a sum of terms (`dreamray.model.terms`): for a layer as such it is
`weight * sum(a[:, 2:-2, 2:-2, :] ** 2) / a.size`. Each window adds the part of the cells that its
core owns; the sum over the windows and their gradients are those of the whole picture
(`dreamray.plan.tiles`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dreamray.base.geometry import Raster, Shape
from dreamray.model.arithmetic import IMAGE, MANY, NUMBER, tell_memory_errors
from dreamray.model.device import allow_tf32
from dreamray.model.layers import Precision
from dreamray.model.measures import Measure, cell_shares, measures_of, owned_mask
from dreamray.model.network import Network
from dreamray.model.terms import GUIDE, Part, Scope, Term, parts_of
from dreamray.model.weights.arrays import Weights

_Vector = npt.NDArray[np.float32]

_NUMBERS = tf.TensorSpec([None], tf.float32)
_STEP = [MANY, tf.TensorSpec([None, 2, 3], tf.int32), _NUMBERS, _NUMBERS]
_BATCH_STEP = [tf.TensorSpec([None, None, None, None], tf.float32), *_STEP[1:]]
_FOUND = (NUMBER, IMAGE)
_SIDE_BY_SIDE = 64
"""Windows of a batch that are computed at a time, at most."""


class TileObjective:
    """The objective of a `dreamray.engine.subdomain.Subdomain`: arrays are TensorFlow's.

    One traced function serves windows of every size, and other channels of the same layers: see
    `aimed_at`. Gradients must not be asked for by two threads at a time (`dreamray.engine.batching`
    sees to that); the rest may be.
    """

    def __init__(
        self,
        terms: Mapping[Term, float],
        weights: Weights,
        precision: Precision = "float32",
        guide: Raster | None = None,
        *,
        compiled: bool = False,
    ) -> None:
        """`guide` is the picture that terms follow, float32 [height, width, 3], where any do.

        `compiled`: XLA compiles the step, for each shape of window anew.
        """
        layers = [term.of.name for term in terms if not term.damps]
        self.network = Network(weights, layers, precision, compiled=compiled)
        self._tf32 = precision == "tf32"
        allow_tf32(self._tf32)
        followed = [term.of.name for term in terms if term.kind == GUIDE]
        seen = {}
        if guide is not None and followed:  # It may be too small for deeper layers.
            seen = _activations(Network(weights, followed, precision), guide)
        self._measures: Sequence[Measure] = measures_of(terms, self.network.layers, seen)
        self._channels = _channels_of(self._measures)
        self._compiled = compiled
        parts = parts_of(terms)
        self.steps = TracedSteps(self.network, self._measures, parts, compiled=compiled)

    def aimed_at(self, terms: Mapping[Term, float]) -> TileObjective | None:
        """The objective of other terms with this one's graph, if they differ in channels alone.

        Tracing a graph takes longer than a small dream. None where it would be another one.
        """
        layers = {term.of.name for term in terms if not term.damps}
        if layers != {*self.network.layers} or any(term.kind == GUIDE for term in terms):
            return None
        measures = measures_of(terms, self.network.layers)
        if parts_of(terms) != self.steps.parts or [one.form for one in measures] != [
            one.form for one in self._measures
        ]:
            return None
        other = copy.copy(self)
        other._measures, other._channels = measures, _channels_of(measures)
        return other

    @property
    def scopes(self) -> Sequence[Scope]:
        """What it counts the cells of, in the network's order."""
        return [measure.scope for measure in self._measures]

    def gradient(
        self, window: tf.Tensor, owned: npt.NDArray[np.int32], per_cell: _Vector
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss of a window, and its gradient, both still on the device.

        Args:
            window: float32 [height, width, 3], and more channels for what terms take beside the
                picture: see `dreamray.engine.interfaces.Objective`.
            owned: int32 [scopes, 2, 3], the cells to count, in the window's feature maps.
            per_cell: float32 [scopes], what each of these cells counts.

        Returns: the loss, and its gradient [height, width, 3]. Raises MemoryExhaustedError.
        """
        allow_tf32(self._tf32)
        with tell_memory_errors(Shape(*window.shape[:2])):
            loss, gradient = self.steps.window(
                window, tf.constant(owned), tf.constant(per_cell), tf.constant(self._channels)
            )
            return loss, gradient

    def gradients(
        self, windows: Sequence[tf.Tensor], owned: npt.NDArray[np.int32], per_cell: _Vector
    ) -> list[tuple[float, tf.Tensor]]:
        """Loss and gradient of each of several windows of one shape, computed side by side.

        See `gradient`, of which each has the bits. One traced function serves batches of every
        size. Raises MemoryExhaustedError.
        """
        if self._compiled:  # XLA takes loops apart otherwise, and with them what is in them.
            return [self.gradient(window, owned, per_cell) for window in windows]
        allow_tf32(self._tf32)
        with tell_memory_errors(Shape(*windows[0].shape[:2])):
            losses, gradients = self.steps.batch(
                tf.stack(windows),
                tf.constant(owned),
                tf.constant(per_cell),
                tf.constant(self._channels),
            )
            return list(zip(losses.numpy().tolist(), tf.unstack(gradients), strict=True))

    def padded_gradients(
        self,
        windows: Mapping[int, tf.Tensor],
        size: int,
        owned: npt.NDArray[np.int32],
        per_cell: _Vector,
    ) -> dict[int, tuple[float, tf.Tensor]]:
        """Loss and gradient of windows of one shape, computed as one array of `size` of them.

        `windows` are by their places in it; the other places are zeros, which no window sees. See
        `dreamray.engine.interfaces.BatchObjective`. Raises MemoryExhaustedError.
        """
        allow_tf32(self._tf32)
        some = next(iter(windows.values()))
        with tell_memory_errors(Shape(*some.shape[:2])):
            empty = tf.zeros_like(some)
            losses, gradients = self.steps.array(
                tf.stack([windows.get(place, empty) for place in range(size)]),
                tf.constant(owned),
                tf.constant(per_cell),
                tf.constant(self._channels),
            )
            known = losses.numpy()
            return {place: (float(known[place]), gradients[place]) for place in windows}


class TracedSteps:
    """A network with measures as functions that are traced once.

    What each channel counts is told with each call, as one array: see `_channels_of`.
    """

    def __init__(
        self,
        network: Network,
        measures: Sequence[Measure],
        parts: Sequence[Part],
        *,
        compiled: bool = False,
    ) -> None:
        """`compiled`: XLA compiles a window, or an array of them, for each shape anew."""
        self._network = network
        self._measures = measures
        self.parts = parts
        """Where terms count: windows have a channel for each."""
        if compiled:
            self.window, self.array = _compile(self.window), _compile(self.array)
        self._compares = any(measure.compares for measure in measures)

    @tf.function(autograph=False, input_signature=_STEP)
    def window(
        self, window: tf.Tensor, owned: tf.Tensor, per_cell: tf.Tensor, channels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Loss and gradient of a window: see `TileObjective.gradient`."""
        losses, gradients = self._differentiate(window[None], 1, owned, per_cell, channels)
        return losses[0], gradients[0]

    def _counted(
        self, scope: Scope, shape: tf.Tensor, owned: tf.Tensor, parts: tf.Tensor
    ) -> tf.Tensor:
        """How much each cell counts, float32 [1 or n, h, w, 1]."""
        mask = owned_mask(shape, owned)
        if scope.part is None:
            return mask
        channel = self.parts.index(scope.part)
        return mask * cell_shares(parts[..., channel, None], scope.layer, shape)

    @tf.function(autograph=False, input_signature=_BATCH_STEP)
    def batch(
        self, windows: tf.Tensor, owned: tf.Tensor, per_cell: tf.Tensor, channels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Losses and gradients of windows: see `TileObjective.gradients`."""
        # Not as one array of four dimensions: convolutions of that divide their work otherwise
        # among the threads, and round some sums otherwise, in bfloat16 so few that it may stay
        # unseen for long.
        losses, gradients = tf.map_fn(
            lambda window: self.window(window, owned, per_cell, channels),
            windows,
            parallel_iterations=_SIDE_BY_SIDE,
            fn_output_signature=_FOUND,
        )
        return losses, gradients

    @tf.function(autograph=False, input_signature=_BATCH_STEP)
    def array(
        self, windows: tf.Tensor, owned: tf.Tensor, per_cell: tf.Tensor, channels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The same as one array: see `TileObjective.padded_gradients`."""
        return self._differentiate(windows, None, owned, per_cell, channels)

    def _differentiate(
        self,
        windows: tf.Tensor,
        count: int | None,
        owned: tf.Tensor,
        per_cell: tf.Tensor,
        channels: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Losses [n] and gradients [n, height, width, 3] of an array of `count` windows."""
        shape = [count, None, None, 3]
        alone = not (self._compares or self.parts)
        pictures = tf.ensure_shape(windows if alone else windows[..., :3], shape)
        source = {}
        if self._compares:
            source = self._network(tf.ensure_shape(windows[..., 3:6], shape))
        parts = windows[..., 6 if self._compares else 3 :]
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            activations = self._network(pictures)
            sums = []
            for i, measure in enumerate(self._aimed(channels)):
                seen = pictures if measure.of_picture else activations[measure.scope.layer]
                before = source[measure.scope.layer] if measure.compares else None
                counted = self._counted(measure.scope, tf.shape(seen), owned[i], parts)
                sums.append(measure(seen, counted, before) * per_cell[i])
            losses = tf.add_n(sums)
        # No window is in another's loss: what they add up to has the gradient of each.
        return losses, tape.gradient(losses, pictures)

    def _aimed(self, channels: tf.Tensor) -> Iterator[Measure]:
        start = 0
        for measure in self._measures:
            if measure.channels is None:
                yield measure
            else:
                stop = start + len(measure.channels)
                yield measure.of_channels(tf.ensure_shape(channels[start:stop], [stop - start]))
                start = stop


def _channels_of(measures: Sequence[Measure]) -> _Vector:
    """What each channel counts, of all measures that tell it, one behind the other."""
    found = [measure.channels for measure in measures if measure.channels is not None]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _compile(function: Any) -> Any:
    """The same of a `tf.function`, by XLA."""
    signature = function.input_signature
    return tf.function(
        function.python_function, autograph=False, input_signature=signature, jit_compile=True
    )


def _activations(network: Network, picture: Raster) -> dict[str, tf.Tensor]:
    with tell_memory_errors(Shape(*picture.shape[:2])):
        found: dict[str, tf.Tensor] = tf.function(network, autograph=False)(
            tf.constant(picture[None])
        )
        return found
