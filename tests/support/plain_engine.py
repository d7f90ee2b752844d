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
from dreamray.model.terms import Term, parts_of

MIXES = np.float32(
    [[3, -1, 1], [1, 2, -3], [-2, 3, 1], [2, 2, 2], [1, -3, -1], [-1, 1, 2], [2, -2, 3]]
) / np.float32(8)
"""How the colours of each pixel that a cell looks at are mixed."""


class PlainEngine:
    """Both halves of a `dreamray.engine.interfaces.Engine`. Its arrays are NumPy's."""

    def __init__(self, *layers: str) -> None:
        """`layers` may be terms: where they count is heeded, what they make of a layer is not."""
        terms = [Term.parse(text) for text in layers]
        self.scopes = tuple(dict.fromkeys(term.scope for term in terms))
        self._parts = parts_of(terms)
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
        split = window.shape[2] - len(self._parts)
        window, parts = window[..., :split], window[..., split:]
        if split == 6:  # The source is there to be compared with.
            window = window[..., :3] - window[..., 3:] / np.float32(4)
        loss, gradient = 0.0, np.zeros_like(window)
        for scope, cells, weight in zip(self.scopes, owned, per_cell, strict=True):
            taps = _taps(scope.layer, tuple(map(tuple, cells[:, :2].tolist())), window.shape[:2])
            a = np.zeros(cells[:, 1] - cells[:, 0], np.float32)
            shares = np.float32(1)
            if scope.part is not None:
                shares = _shares(parts[..., self._parts.index(scope.part)], scope.layer, cells)
            for (seeing, seen), mix in zip(taps, MIXES, strict=True):
                red, green, blue = np.moveaxis(window[seen] * mix, -1, 0)
                a[seeing] += red + green + blue
            one = 1 + a * a
            loss += float(weight) * float(np.sum(shares * (a / one) ** 2, dtype=np.float64))
            slope = 2 * weight * shares * a * (1 - a * a) / (one * one * one)
            for (seeing, seen), mix in zip(taps, MIXES, strict=True):
                gradient[seen] += slope[seeing][..., None] * mix
        return loss, gradient

    def aimed_at(self, terms: Any) -> None:
        """There is no network to share."""

    def load(self, array: Raster) -> Raster:
        """A copy, as on a GPU: what happens to it does not happen to the original."""
        return np.array(array)

    def store(self, values: Raster) -> Raster:
        """The array itself: who is given it has to leave it as it is."""
        return values

    def join(self, parts: Sequence[Sequence[Raster]]) -> Raster:
        """One array of a grid of parts."""
        return np.concatenate([np.concatenate(row, 1) for row in parts], 0)

    def pair(self, one: Raster, other: Raster) -> Raster:
        """One array with the channels of both."""
        return np.concatenate([one, other], 2)

    def zeros(self, height: int, width: int, channels: int) -> Raster:
        """An array of zeros."""
        return np.zeros((height, width, channels), np.float32)

    def add(self, target: Raster, region: Region, values: Raster) -> Raster:
        """The array with something added in a region, in place."""
        target[region.slices] += values
        return target

    def absolute_sum(self, values: Raster) -> float:
        """In an order that depends on the shape alone."""
        return float(np.sum(np.abs(np.ascontiguousarray(values)), dtype=np.float64))

    def smooth(self, values: Raster, kernels: Raster) -> Raster:
        """The mean of what each kernel gives that is run along both axes; edges are drawn out."""
        total = np.zeros_like(values)
        for kernel in kernels:
            radius = len(kernel) // 2
            padded = np.pad(values, [(radius, radius), (0, 0), (0, 0)], "edge")
            down = np.zeros_like(values)
            for i, weight in enumerate(kernel):
                down += weight * padded[i : i + values.shape[0]]
            padded = np.pad(down, [(0, 0), (radius, radius), (0, 0)], "edge")
            for i, weight in enumerate(kernel):
                total += weight * padded[:, i : i + values.shape[1]]
        return total / np.float32(len(kernels))

    def bands(self, values: Raster, levels: int) -> Raster:
        """The bands of a Laplacian pyramid at full size: see `ArrayBackend.bands`."""
        blur = functools.partial(self.smooth, kernels=np.float32([[1, 4, 6, 4, 1]]) / 16)
        coarse = [values]
        for level in range(1, levels + 1):
            found, shapes = values, []
            for _ in range(level):
                shapes.append(found.shape)
                found = _without_edges(blur, found)[::2, ::2]
            for shape in reversed(shapes):
                apart = np.zeros(shape, np.float32)
                apart[::2, ::2] = found
                found = 4 * _without_edges(blur, apart)
            coarse.append(found)
        fine = [one - other for one, other in itertools.pairwise(coarse)]
        return np.concatenate([*fine, coarse[-1]], axis=2)

    def square_sums(self, values: Raster) -> list[float]:
        """Of each three channels in turn."""
        bands = np.split(values, values.shape[2] // 3, axis=2)
        return [float(np.sum(np.square(np.ascontiguousarray(b), dtype=np.float64))) for b in bands]

    def balance(self, values: Raster, scales: Sequence[float]) -> Raster:
        """Each three channels divided by their scale, and added up."""
        bands = np.split(values, len(scales), axis=2)
        total = np.zeros_like(bands[0])
        for band, scale in zip(bands, scales, strict=True):
            total += band / np.float32(scale)
        return total

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


def _shares(part: Raster, name: str, cells: npt.NDArray[np.int32]) -> Raster:
    """The mean of a part over each cell's own pixels, in the middle of what it sees."""
    layer = architecture.layer(name)
    counts, slices = [], []
    for axis, (first, behind) in zip((layer.rows, layer.columns), cells[:, :2], strict=True):
        at = (axis.first + axis.last + 1) // 2 - axis.stride // 2 + axis.stride * first
        slices.append(slice(at, at + axis.stride * (behind - first)))
        counts += [behind - first, axis.stride]
    shares: Raster = part[tuple(slices)].reshape(counts).mean(axis=(1, 3), dtype=np.float32)
    return shares


def _without_edges(blur: Any, values: Raster) -> Raster:
    """Blurred as if zeros lay around it."""
    return blur(np.pad(values, [(2, 2), (2, 2), (0, 0)]))[2:-2, 2:-2]


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
