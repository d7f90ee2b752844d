"""What the ascent needs of whoever computes: gradients of windows, and arithmetic on arrays.

Both are generic in the kind of array, which the ascent itself never looks into: NumPy's,
TensorFlow's on whatever device it has, or another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, SupportsFloat, TypeVar

import numpy as np
import numpy.typing as npt

from dreamray.base.geometry import Raster, Region
from dreamray.model.terms import Scope, Term


class DeviceArray(Protocol):
    """A float32 array [height, width, channels]; where it lies is its own matter.

    There is arithmetic of two of one shape, and with numbers, by element and in float32.
    """

    @property
    def shape(self) -> Any:
        """Its height, width and channels."""

    def __getitem__(self, key: Any) -> Any: ...

    def __add__(self, other: Any) -> Any: ...

    def __mul__(self, other: Any) -> Any: ...

    def __truediv__(self, other: Any) -> Any: ...


A = TypeVar("A", bound=DeviceArray)
"""The kind of array."""

Kernels = npt.NDArray[np.float32]
"""[kernels, taps], with the middle tap at the place itself."""

CellRanges = npt.NDArray[np.int32]
"""[scopes, 2, 3]: of the cells that are counted the first row, and column, the one behind the last,
and one between that is not counted; -1 where all are."""

PerCell = npt.NDArray[np.float32]
"""[scopes]: one over the number of cells of the whole picture's feature map."""


Number = SupportsFloat
"""One that may lie on the device still: `float()` waits until it is there.

So it is asked for once all that does not depend on it is on its way.
"""


class Objective(Protocol[A]):
    """The loss of windows, and its gradient: see `dreamray.model.objective.TileObjective`."""

    @property
    def scopes(self) -> Sequence[Scope]:
        """What it counts the cells of, in the network's order."""

    def gradient(self, window: A, owned: CellRanges, per_cell: PerCell) -> tuple[Number, A]:
        """Loss and gradient of a window. Raises MemoryExhaustedError.

        What terms take beside the picture is there as more channels, in this order: where a dream
        compares with the source, that one's three; and one for each part that terms look at, from
        0, where they don't, to 1.
        """


class BatchObjective(Objective[A], Protocol):
    """An objective that can compute several windows at a time."""

    def gradients(
        self, windows: Sequence[A], owned: CellRanges, per_cell: PerCell
    ) -> Sequence[tuple[Number, A]]:
        """Loss and gradient of each of several windows of one shape, with the bits of `gradient`.

        Raises MemoryExhaustedError.
        """

    def padded_gradients(
        self, windows: Mapping[int, A], size: int, owned: CellRanges, per_cell: PerCell
    ) -> Mapping[int, tuple[Number, A]]:
        """Loss and gradient of windows of one shape at their places in one array of so many.

        Places without a window are empty. The bits depend on window, place, shape and size, and
        on no other window. Raises MemoryExhaustedError.
        """

    def aimed_at(self, terms: Mapping[Term, float]) -> BatchObjective[A] | None:
        """The objective of other terms, if it needs nothing but this one's network; else None."""


class ArrayBackend(Protocol[A]):
    """Arithmetic on arrays: see `dreamray.model.arithmetic.TensorFlowArrays`."""

    def about(self) -> Mapping[str, Any]:
        """What this process computes with, in words and numbers: its results say so."""

    def load(self, array: Raster) -> A:
        """Take an array over from NumPy. Raises MemoryExhaustedError."""

    def store(self, values: A) -> Raster:
        """Give an array to NumPy."""

    def join(self, parts: Sequence[Sequence[A]]) -> A:
        """One array of a grid of parts."""

    def pair(self, one: A, other: A) -> A:
        """One array with the channels of both."""

    def zeros(self, height: int, width: int, channels: int) -> A:
        """An array of zeros."""

    def add(self, target: A, region: Region, values: A) -> A:
        """The array with something added in a region; in place where it can be."""

    def absolute_sum(self, values: A) -> Number:
        """Of all elements, in float64."""

    def smooth(self, values: A, kernels: Kernels) -> A:
        """The mean of what each kernel gives that is run along both axes; edges are drawn out.

        Raises MemoryExhaustedError.
        """

    def bands(self, values: A, levels: int) -> A:
        """The bands of a Laplacian pyramid at full size, fine to coarse, [h, w, 3 * (levels + 1)].

        They add up to the array. Cells of the pyramid lie on multiples of their distance from the
        array's corner; beyond its edges there are zeros. Raises MemoryExhaustedError.
        """

    def square_sums(self, values: A) -> npt.ArrayLike:
        """Of each three channels in turn the sum of the squares, in float64; see `Number`."""

    def balance(self, values: A, scales: Sequence[float]) -> A:
        """Each three channels divided by their scale, and added up: [height, width, 3]."""

    def move(self, image: A, gradient: A, step: float, mean: float) -> A:
        """`image + step * (gradient / mean)`, in float32."""

    def fade(self, before: A, after: A, share: A) -> A:
        """`before * (1 - share) + after * share`, in float32.

        `share`, [height, width, 1], goes from 0 to 1; at its ends this is the one or the other, to
        the bit.
        """


@dataclass(frozen=True)
class Engine(Generic[A]):
    """Whoever computes, for one kind of array."""

    objective: Objective[A]
    arrays: ArrayBackend[A]
