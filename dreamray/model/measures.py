"""The terms of an objective on TensorFlow's arrays: each sums something over a window's cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dreamray.model import architecture
from dreamray.model.terms import DAMPERS, GUIDE, SQUARE, Scope, Term

_Vector = npt.NDArray[np.float32]

_SMALL = 1e-6
"""Beside lengths that are divided by, and under roots: nothing has a slope without end."""


_OF_WINDOW = (1, 2, 3)
"""Axes of rows, columns and channels."""


class Measure(Protocol):
    """Something of a layer's cells that is summed over those that a window owns."""

    @property
    def scope(self) -> Scope:
        """The cells that it counts."""

    @property
    def of_picture(self) -> bool:
        """Whether it takes the picture, float32, in place of a layer's activations."""

    @property
    def compares(self) -> bool:
        """Whether it takes the source's activations, too."""

    @property
    def channels(self) -> _Vector | None:
        """What each channel counts, where that may change without another graph; else None."""

    @property
    def form(self) -> object:
        """Equal for measures that differ in their `channels` alone."""

    def of_channels(self, channels: tf.Tensor) -> Measure:
        """The same with these, float32 [c], in place of its own; where it has any."""

    def __call__(
        self, values: tf.Tensor, counted: tf.Tensor, source: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The sum for each of several windows, float32 [n].

        `values` are [n, h, w, c], and so is `source`; `counted`, float32 [n or 1, h, w, 1], is how
        much each cell counts, 0 for those of other windows.
        """


def measures_of(
    terms: Mapping[Term, float], layers: Sequence[str], guide: Mapping[str, tf.Tensor] = {}
) -> list[Measure]:
    """What sums up these terms. Mean squares of the same cells are one: channels with weights.

    `guide` has the guide's activations by layer, where terms follow one.
    """
    squares: dict[Scope, dict[Term, float]] = {}
    others: list[Measure] = []
    for term, weight in terms.items():
        if term.kind == SQUARE:
            squares.setdefault(term.scope, {})[term] = weight
        else:
            others.append(_measure(term, weight, guide))
    found: list[Measure] = [
        _Squares(scope, _weigh_channels(scope.layer, of)) for scope, of in squares.items()
    ]
    order = [architecture.INPUT, *layers]
    return sorted([*found, *others], key=lambda one: order.index(one.scope.layer))


def _measure(term: Term, weight: float, guide: Mapping[str, tf.Tensor]) -> Measure:
    if term.kind in DAMPERS:
        return _Damper(term.scope, term.kind, weight)
    name = term.scope.layer
    if term.kind == GUIDE:
        return _Guided(term.scope, _weigh_channels(name, {term: weight}), _cells(guide[name]))
    if term.compares:
        chosen = _weigh_channels(name, {term: 1.0}) > 0
        compare = _Accent if term.kind == "accent" else _Unlike
        return compare(term.scope, np.float32(chosen), weight)
    if term.of.mix is None:
        return _Linear(term.scope, _weigh_channels(name, {term: weight}))
    direction = np.zeros(architecture.layer(name).channels)
    direction[list(term.of.channels or ())] = term.of.mix
    direction = weight * direction / np.linalg.norm(direction)
    kind = _Cosine if term.kind == "cosine" else _Linear
    return kind(term.scope, direction.astype(np.float32))


@dataclass(frozen=True, eq=False)
class _OfCells:
    scope: Scope
    weights: np.float32 | _Vector
    """Of each channel; one number where all have the same."""

    of_picture = False
    compares = False

    @property
    def channels(self) -> _Vector | None:
        return self.weights if isinstance(self.weights, np.ndarray) else None

    @property
    def form(self) -> object:
        shared = None if self.channels is not None else float(self.weights)
        return type(self), self.scope, shared

    def of_channels(self, channels: tf.Tensor) -> Self:
        return replace(self, weights=channels)


class _OfItsOwn:
    """A measure whose graph is like no other's."""

    @property
    def channels(self) -> _Vector | None:
        return None

    @property
    def form(self) -> object:
        return self

    def of_channels(self, channels: tf.Tensor) -> Self:
        raise NotImplementedError


class _Squares(_OfCells):
    """Squares of the activations, weighted by channel."""

    def __call__(
        self, values: tf.Tensor, counted: tf.Tensor, source: tf.Tensor | None = None
    ) -> tf.Tensor:
        return sum_squares(values, counted, self.weights)


class _Linear(_OfCells):
    """The activations, weighted by channel: so also those along a direction."""

    def __call__(
        self, values: tf.Tensor, counted: tf.Tensor, source: tf.Tensor | None = None
    ) -> tf.Tensor:
        return sum_cells(_dot(tf.cast(values, tf.float32), self.weights), counted)


class _Cosine(_OfCells):
    """The cosine of each cell's activations with a direction; its length is the weight."""

    def __call__(
        self, values: tf.Tensor, counted: tf.Tensor, source: tf.Tensor | None = None
    ) -> tf.Tensor:
        a = tf.cast(values, tf.float32)
        return sum_cells(_dot(a, self.weights) / length(a), counted)


@dataclass(frozen=True, eq=False)
class _Guided(_OfItsOwn, _OfCells):
    """The dot product of each cell's activations with the best-matching cell's of a guide."""

    features: npt.NDArray[np.float32]
    """[cells, channels]"""

    def __call__(
        self, values: tf.Tensor, counted: tf.Tensor, source: tf.Tensor | None = None
    ) -> tf.Tensor:
        a = tf.cast(values, tf.float32)
        with tf.init_scope():
            features = tf.constant(self.features)
        # Channels that have no weight have no say in what matches best.
        chosen = tf.cast(self.weights != 0, tf.float32)
        matches = tf.linalg.matmul(_flat(a) * chosen, features, transpose_b=True)
        best = tf.gather(features, tf.argmax(matches, axis=1))
        best = tf.stop_gradient(tf.reshape(best, tf.shape(a)))
        return sum_cells(_dot(a * best, self.weights), counted)


def _flat(a: tf.Tensor) -> tf.Tensor:
    """[cells, channels]"""
    return tf.reshape(a, [-1, a.shape[-1]])


def _cells(activations: tf.Tensor) -> npt.NDArray[np.float32]:
    """[cells, channels]"""
    found: npt.NDArray[np.float32] = _flat(tf.cast(activations, tf.float32)).numpy()
    return found


@dataclass(frozen=True, eq=False)
class _OfBoth(_OfItsOwn):
    """What becomes of the angle between each cell's activations and the source's."""

    scope: Scope
    chosen: npt.NDArray[np.float32] | np.float32
    """1 for channels that are looked at, else 0."""
    weight: float

    of_picture = False
    compares = True

    def __call__(
        self, values: tf.Tensor, counted: tf.Tensor, source: tf.Tensor | None = None
    ) -> tf.Tensor:
        assert source is not None
        a, b = (tf.cast(one, tf.float32) * self.chosen for one in (values, source))
        along = tf.reduce_sum(a * b, -1, keepdims=True)
        return self.weight * sum_cells(self.of_each(along, length(a), length(b)), counted)

    def of_each(self, along: tf.Tensor, here: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """Of the dot products and the lengths."""
        raise NotImplementedError


class _Accent(_OfBoth):
    """Dot product times cosine, over the channels: at the source the mean square.

    The dot product gives it a slope there, which the cosine alone has not: it grows what is there.
    """

    def of_each(self, along: tf.Tensor, here: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        channels = np.sum(
            np.broadcast_to(self.chosen, architecture.layer(self.scope.layer).channels)
        )
        return tf.square(along) / (here * there) / channels


class _Unlike(_OfBoth):
    """One minus the cosine: 0 at the source."""

    def of_each(self, along: tf.Tensor, here: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        return 1 - along / (here * there)


@dataclass(frozen=True)
class _Damper(_OfItsOwn):
    """Something of the picture itself."""

    scope: Scope
    kind: str
    weight: float

    of_picture = True
    compares = False

    def __call__(
        self, values: tf.Tensor, counted: tf.Tensor, source: tf.Tensor | None = None
    ) -> tf.Tensor:
        of_each = total_variation(values) if self.kind == "tv" else tf.square(values)
        return self.weight / 3 * sum_cells(tf.reduce_sum(of_each, -1, keepdims=True), counted)


def total_variation(picture: tf.Tensor) -> tf.Tensor:
    """How much each pixel differs from the next ones to the right and below, [n, h, w, c].

    At the window's edge from itself.
    """
    padded = tf.pad(picture, [[0, 0], [0, 1], [0, 1], [0, 0]], "SYMMETRIC")
    down = padded[:, 1:, :-1] - picture
    right = padded[:, :-1, 1:] - picture
    return _absolute(down) + _absolute(right)


def _absolute(values: tf.Tensor) -> tf.Tensor:
    """Rounded off at 0."""
    return tf.sqrt(tf.square(values) + _SMALL)


def length(a: tf.Tensor) -> tf.Tensor:
    """Of each cell's activations, [n, h, w, 1]; never 0."""
    return tf.sqrt(tf.reduce_sum(tf.square(a), -1, keepdims=True) + _SMALL**2)


def _dot(a: tf.Tensor, weights: np.float32 | _Vector) -> tf.Tensor:
    return tf.reduce_sum(a * weights, -1, keepdims=True)


def sum_cells(values: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """The sums of float32 [n, h, w, 1] of each window, [n], each cell by what it counts."""
    return tf.reduce_sum(values * counted, axis=_OF_WINDOW)


def sum_squares(
    activations: tf.Tensor, counted: tf.Tensor, weights: np.float32 | _Vector
) -> tf.Tensor:
    """Sums [n] of squared activations [n, h, w, c], each cell by what it counts, by channel, too.

    In float32 whatever the activations' type.
    """

    @tf.custom_gradient
    def weighted(activations: tf.Tensor) -> tuple[tf.Tensor, object]:
        a = tf.cast(activations, tf.float32)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            upstream = upstream[:, None, None, None]
            return tf.cast(a * (2 * upstream * counted) * weights, activations.dtype)

        cells = tf.reduce_sum(tf.square(a) * weights, axis=-1, keepdims=True)
        return tf.reduce_sum(cells * counted, axis=_OF_WINDOW), gradient

    return weighted(activations)


def owned_mask(shape: tf.Tensor, owned: tf.Tensor) -> tf.Tensor:
    """Float32 [1, h, w, 1] for a `shape` [1, h, w, c]: 1 in the owned cells, else 0.

    `owned` is int32 [2, 3]: of rows and columns start and stop, and one that does not count. To be
    multiplied with: the gradient of slicing is slow.
    """
    rows, columns = (_indicator(owned[axis], shape[1 + axis]) for axis in (0, 1))
    return rows[None, :, None, None] * columns[None, None, :, None]


def _weigh_channels(name: str, terms: Mapping[Term, float]) -> np.float32 | _Vector:
    """Weight of each channel: one number where all channels have the same."""
    channels = architecture.layer(name).channels
    weights = np.zeros(channels, np.float32)
    for term, weight in terms.items():
        chosen = list(term.of.channels or range(channels))
        weights[chosen] += weight / len(chosen)
    return weights[0] if np.all(weights == weights[0]) else weights


def cell_shares(part: tf.Tensor, name: str, shape: tf.Tensor) -> tf.Tensor:
    """How much of a part of the picture lies in a layer's cells, float32 [n, h, w, 1].

    Each cell has the mean of its own pixels: as many as its stride, in the middle of what it sees,
    so that each pixel is one cell's. `part` is float32 [n, height, width, 1]; `shape` that of the
    layer's activations.
    """
    layer = architecture.layer(name)
    rows, columns, height, width = layer.rows, layer.columns, shape[1], shape[2]
    down, right = _own_pixels(rows, height), _own_pixels(columns, width)
    blocks = tf.reshape(part[:, down, right], [-1, height, rows.stride, width, columns.stride])
    return tf.reduce_mean(blocks, axis=[2, 4])[..., None]


def _own_pixels(along: architecture.Axis, cells: tf.Tensor) -> slice:
    """Those of so many cells of an axis, one behind the other."""
    first = (along.first + along.last + 1 - along.stride) // 2
    return slice(first, first + along.stride * cells)


def _indicator(owned: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    cells = tf.range(length)
    inside = (cells >= owned[0]) & (cells < owned[1])
    return tf.cast(inside & (cells != owned[2]), tf.float32)
