"""The weights of a network as arrays, wherever they come from: see `loader`."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dreamray.base.errors import WeightsError
from dreamray.base.messages import shown
from dreamray.model.architecture import CONVOLUTIONS, Layer, ancestors, kernel_shape, layer

Array = NDArray[np.float32]

_BLOCKS = tuple(f"mixed{number}" for number in range(11))


@dataclass(frozen=True, eq=False)
class Weights:
    """An InceptionV3's convolutions with their batch norm folded in.

    The tuples hold one read-only float32 array for each of `architecture.CONVOLUTIONS`, in that
    order. Before its ReLU a convolution gives `conv(x, kernel) + bias`; the convolution alone,
    without its batch norm, gave `(that - bias) / scale`.
    """

    name: str
    """`imagenet`, `bestiary-1` with its version, `random`, `random:7`, or the file's name."""
    sha256: str
    """Of the file's bytes; of random weights: of the kernels' bytes, little-endian."""
    kernels: tuple[Array, ...] = field(repr=False)
    """[rows, columns, in, out] each"""
    biases: tuple[Array, ...] = field(repr=False)
    """[out] each"""
    scales: tuple[Array, ...] = field(repr=False)
    """[out] each: the factor that the batch norm multiplied in"""
    layers: Mapping[str, float] | None = None
    """Those that suit a dream with them, where they say so, with their weights."""

    def __post_init__(self) -> None:
        for array in (*self.kernels, *self.biases, *self.scales):
            array.flags.writeable = False

    def check_reaches(self, layers: Iterable[str]) -> None:
        """Raise WeightsError if a layer needs a convolution whose weights are missing.

        A file may hold a part of the network, with zeros behind it. Raises RequestError for a
        name that is no layer's.
        """
        for name in [layer(name).name for name in layers]:
            if _needs(name, self._missing):
                reached = [block for block in _BLOCKS if not _needs(block, self._missing)]
                step = f"dream up to {reached[-1]}, or name" if reached else "name"
                raise WeightsError(
                    f"weights {shown(self.name)}: they hold nothing but zeros on the way to "
                    f"{name}; {step} other weights that reach it: --weights imagenet, or a Keras "
                    "file"
                )

    @functools.cached_property
    def _missing(self) -> set[str]:
        """The names of the convolutions that are all zeros."""
        return {
            convolution.name
            for convolution, kernel in zip(CONVOLUTIONS, self.kernels, strict=True)
            if not kernel.any()
        }


def _needs(name: str, convolutions: set[str]) -> bool:
    return any(below.name in convolutions for below in ancestors([name]))


def absent(convolution: Layer) -> tuple[Array, Array, Array]:
    """Kernel, bias and scale that stand in `Weights` for a convolution that is not held."""
    shape = kernel_shape(convolution)
    channels = shape[-1]
    return (
        np.zeros(shape, np.float32),
        np.zeros(channels, np.float32),
        np.ones(channels, np.float32),
    )
