"""An engine in NumPy, so that what is not about the network is tested fast and without TensorFlow.

Its layers lie over the pixels as those of InceptionV3 do, and see as far, but each cell looks at
a few pixels only, among them the farthest. A window that is off the stride's grid, or cut by one
pixel too many, gives another gradient.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Raster, Region
from dreamray.model import architecture
from dreamray.model.terms import Scope

MIXES = np.float32(
    [[3, -1, 1], [1, 2, -3], [-2, 3, 1], [2, 2, 2], [1, -3, -1], [-1, 1, 2], [2, -2, 3]]
) / np.float32(8)
"""How the colours of each pixel that a cell looks at are mixed."""


class PlainEngine:
    """Both halves of a `dreamray.engine.interfaces.Engine`. Its arrays are NumPy's."""

    def __init__(self, *layers: str) -> None:
        self.scopes = tuple(map(Scope, layers))
        self.gradients = 0
        """How many windows it has seen."""

    @property
    def objective(self) -> Any:
        """Itself."""
        return self

    @property
    def arrays(self) -> Any:
        """Itself."""
        return self

    def about(self) -> Mapping[str, Any]:
        """What it computes with, in TensorFlow's place."""
        return {"threads": 1, "device": "NumPy", "tensorflow": "none"}

    def gradient(
        self, window: Raster, owned: npt.NDArray[np.int32], per_cell: Raster
    ) -> tuple[float, Raster]:
        """The sum of `b ** 2 / cells` with `b = a / (1 + a ** 2)`, and its gradient.

        `a` is linear in the pixels. Only what rounds the same in arrays of any size is used.
        """
        self.gradients += 1
        loss, gradient = 0.0, np.zeros_like(window)
        for scope, cells, weight in zip(self.scopes, owned, per_cell, strict=True):
            taps = _taps(scope.layer, tuple(map(tuple, cells.tolist())), window.shape[:2])
            a = np.zeros(np.diff(cells)[:, 0], np.float32)
            for (seeing, seen), mix in zip(taps, MIXES, strict=True):
                red, green, blue = np.moveaxis(window[seen] * mix, -1, 0)
                a[seeing] += red + green + blue
            one = 1 + a * a
            loss += float(weight) * float(np.sum((a / one) ** 2, dtype=np.float64))
            slope = 2 * weight * a * (1 - a * a) / (one * one * one)
            for (seeing, seen), mix in zip(taps, MIXES, strict=True):
                gradient[seen] += slope[seeing][..., None] * mix
        return loss, gradient

    def load(self, array: Raster) -> Raster:
        """A copy, as on a GPU: what happens to it does not happen to the original."""
        return np.array(array)

    def store(self, values: Raster) -> Raster:
        """The array itself: who is given it has to leave it as it is."""
        return values

    def join(self, parts: Sequence[Sequence[Raster]]) -> Raster:
        """One array of a grid of parts."""
        return np.concatenate([np.concatenate(row, 1) for row in parts], 0)

    def zeros(self, height: int, width: int) -> Raster:
        """An array of zeros."""
        return np.zeros((height, width, 3), np.float32)

    def add(self, target: Raster, region: Region, values: Raster) -> Raster:
        """The array with something added in a region, in place."""
        target[region.slices] += values
        return target

    def absolute_sum(self, values: Raster) -> float:
        """In an order that depends on the shape alone."""
        return float(np.sum(np.abs(np.ascontiguousarray(values)), dtype=np.float64))

    def move(self, image: Raster, gradient: Raster, step: float, mean: float) -> Raster:
        """`image + step * (gradient / mean)`, in float32."""
        return image + np.float32(step) * (gradient / np.float32(mean))

    def fade(self, before: Raster, after: Raster, share: Raster) -> Raster:
        """`before * (1 - share) + after * share`, in float32."""
        return before * (1 - share) + after * share


class TiredEngine(PlainEngine):
    """One that runs out of memory at some of the windows that it sees, counted from 0."""

    def __init__(self, *layers: str, at: Sequence[int]) -> None:
        super().__init__(*layers)
        self.at = at

    def gradient(
        self, window: Raster, owned: npt.NDArray[np.int32], per_cell: Raster
    ) -> tuple[float, Raster]:
        """See `PlainEngine.gradient`."""
        found = super().gradient(window, owned, per_cell)
        if self.gradients - 1 in self.at:
            raise MemoryExhaustedError("memory ran out")
        return found


class SlowEngine(PlainEngine):
    """One whose windows take so many seconds, in turn, by whatever clock `spend` makes go on."""

    def __init__(
        self, *layers: str, takes: Sequence[float], spend: Callable[[float], None]
    ) -> None:
        super().__init__(*layers)
        self._takes = itertools.cycle(takes)
        self._spend = spend

    def gradient(
        self, window: Raster, owned: npt.NDArray[np.int32], per_cell: Raster
    ) -> tuple[float, Raster]:
        """See `PlainEngine.gradient`."""
        self._spend(next(self._takes))
        return super().gradient(window, owned, per_cell)


@functools.lru_cache(maxsize=256)
def _taps(
    name: str, cells: tuple[tuple[int, int], ...], shape: tuple[int, int]
) -> list[tuple[Any, Any]]:
    """For each pixel that cells look at: which cells have it in the window, and where."""
    layer = architecture.layer(name)
    (top, bottom), (left, right) = ((a.first, a.last) for a in (layer.rows, layer.columns))
    middle = layer.rows.stride // 2, layer.columns.stride // 2
    offsets = [(0, 0), (0, 1), (1, 0), middle, (top, right), (bottom, left), (bottom, right)]
    taps = []
    for offset in offsets:
        seeing, seen = [], []
        for axis, along in enumerate((layer.rows, layer.columns)):
            pixels = along.stride * np.arange(*cells[axis]) + offset[axis]
            inside = np.flatnonzero((pixels >= 0) & (pixels < shape[axis]))
            seeing.append(inside)
            seen.append(pixels[inside])
        taps.append((np.ix_(*seeing), np.ix_(*seen)))
    return taps
