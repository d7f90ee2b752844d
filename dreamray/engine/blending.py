"""Blended seams: tiles dreamt each by itself, and faded into one another.

The cheap mode for slow links: tiles exchange nothing within an octave. Each runs all of the
octave's steps on its own window, and the windows' overlaps are blended with weights that add up
to one at every pixel, whatever the sizes.

Tiles that normalise their gradients apart would make a flat sky as loud as detail. So the
octave begins with one exact gradient of the whole picture, and each tile keeps the share of it
that its core has: it moves by `step * share * gradient / mean(abs(gradient in its core))` with
`share = mean(abs(exact gradient in its core)) / mean(abs(exact gradient))`. Where a gradient is
told apart in bands, each of them has a share, of root mean squares.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dreamray.base.geometry import Interval, Raster, Region, Shape
from dreamray.engine.ascent import StepMeasure, divisors, roll
from dreamray.engine.halo_exchange import HaloExchange
from dreamray.engine.interfaces import A, Engine
from dreamray.engine.subdomain import Follow, Subdomain
from dreamray.plan import tiles
from dreamray.plan.refinement import refinement, step_length
from dreamray.plan.tiles import TilePlan
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import Indices, LazyRaster, read
from dreamray.raster.spill import SpillBuffer
from dreamray.settings.dream import Dream

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TileTask:
    """One tile of one octave, to be dreamt by itself. It carries all that it takes."""

    number: int
    """The tile's place in the plan."""
    core: Region
    window: Region
    shares: tuple[float, ...]
    """Mean of the exact gradient over the core, relative to that over the picture; by band."""
    whole_loss: float
    """Of the picture at the octave's start."""
    octave: int
    dream: Dream
    image: LazyRaster
    """The whole octave at its start."""
    result: ChunkedRaster
    """Of the window's shape."""
    beside: LazyRaster | None = None
    """Of the whole octave: see `dreamray.engine.ascent.Octave`."""
    mask: LazyRaster | None = None
    """Of the whole octave: see `dreamray.engine.ascent.Octave`."""

    def run(self, engine: Engine[A]) -> int:
        """Dream the window and write it to `result`; return the number of steps made.

        The octave ends early where the whole loss, had it grown as the window's own has, is
        over the dream's `max_loss`.
        """
        shape = self.window.shape
        plan = tiles.plan_tiles(shape, self.dream.layer_names)
        buffer: SpillBuffer[A] = SpillBuffer(None)
        alone = Subdomain(plan, (0,), 0, engine, buffer, self._read_beside())
        alone.put(0, read(self.image, self.window))
        if self.mask is not None:
            alone.put_mask(0, read(self.mask, self.window))
        core = Region(
            self.core.rows.shift(-self.window.rows.start),
            self.core.columns.shift(-self.window.columns.start),
        )
        steps, first_loss = 0, math.nan
        for number in range(self.dream.iterations):
            rolled = roll(self.dream, self.octave, number)
            alone.begin(HaloExchange(plan, (0,), rolled), refinement(self.dream, number))
            loss = float(alone.compute(0)[0])
            if number == 0:
                first_loss = loss
            if self._is_over(loss, first_loss):
                break
            step, scales = self._size(number, alone.gradient(0)[core.slices])
            alone.move(0, step, scales, Follow(self.dream.optimizer, number))
            steps += 1
        self.result.write(Region.whole(shape), alone.image(0))
        return steps

    def _read_beside(self) -> Callable[[Region], Raster] | None:
        """Of what is beside the picture all of the window: that has one tile."""
        beside = self.beside
        return None if beside is None else lambda _: read(beside, self.window)

    def _size(self, number: int, gradient: Raster) -> tuple[float, tuple[float, ...]]:
        """The length of a step, and what the core's gradient, or each band of it, is divided by."""
        step = step_length(self.dream, number)
        if len(self.shares) == 1:
            mean = float(np.mean(np.abs(gradient), dtype=np.float64))
            return step * self.shares[0], divisors(self.dream, [mean])
        bands = np.split(gradient, len(self.shares), axis=2)
        sizes = [math.sqrt(np.mean(np.square(band), dtype=np.float64)) for band in bands]
        scales = zip(divisors(self.dream, sizes), self.shares, strict=True)
        return step, tuple(size / share if share else math.inf for size, share in scales)

    def _is_over(self, loss: float, first_loss: float) -> bool:
        if self.dream.max_loss is None:
            return False
        grown = loss / first_loss if first_loss else 1.0
        return self.whole_loss * grown > self.dream.max_loss


def shares(plan: TilePlan, measure: StepMeasure) -> list[tuple[float, ...]]:
    """Each tile's part in the whole picture's gradient, or in each band of it."""
    bands = [_means(plan, band) for band in zip(*measure.sums, strict=True)]
    if len(bands) > 1:
        bands = [[math.sqrt(mean) for mean in band] for band in bands]
    return [*zip(*bands, strict=True)]


def _means(plan: TilePlan, sums: Sequence[float]) -> list[float]:
    """Each tile's mean relative to the whole picture's, of sums over the cores."""
    whole = sum(sums) / plan.shape.pixels
    if whole == 0:
        return [1.0] * len(plan.tiles)
    return [total / tile.core.pixels / whole for tile, total in zip(plan.tiles, sums, strict=True)]


@dataclass(frozen=True)
class BlendedRaster:
    """The windows of one octave as one picture."""

    plan: TilePlan
    """Its windows overlap by at least the width of the fade on each side of a core's edge."""
    rasters: tuple[ChunkedRaster, ...]
    """The result of each tile, of its window's shape."""

    @property
    def shape(self) -> Shape:
        """See `dreamray.raster.lazy.LazyRaster`."""
        return self.plan.shape

    def points(self, rows: Indices, columns: Indices) -> Raster:
        """See `LazyRaster`. Contributions are added in the order of the plan."""
        blended = np.zeros((len(rows), len(columns), 3), np.float32)
        across = len(self.plan.core_columns)
        for number, (tile, raster) in enumerate(zip(self.plan.tiles, self.rasters, strict=True)):
            row_weights = self._fades[0][number // across]
            column_weights = self._fades[1][number % across]
            down, right = row_weights.at(rows), column_weights.at(columns)
            inside = np.ix_(here := np.flatnonzero(down), there := np.flatnonzero(right))
            if here.size and there.size:
                values = raster.points(
                    rows[here] - tile.window.rows.start, columns[there] - tile.window.columns.start
                )
                weights = down[here][:, None] * right[there][None, :]
                blended[inside] += weights[..., None] * values
        return blended

    @functools.cached_property
    def _fades(self) -> tuple[list[Fade], list[Fade]]:
        rows, columns = fades(self.plan)
        return rows, columns


@dataclass(frozen=True)
class Fade:
    """The weight of one row (or column) of tiles: 1 inside, raised cosines at its edges."""

    core: Interval
    before: int
    """Half the width of the fade at the core's start; 0 at the picture's edge."""
    after: int

    def at(self, points: Indices) -> Weights:
        """The weights at rows (or columns) of the picture, float32; those of all tiles add up to 1.

        At a common edge one tile's weight is one minus the other's, computed alike.
        """
        weights = np.ones(len(points), np.float32)
        if self.before:
            weights *= _rise(points, self.core.start, self.before)
        else:
            weights[points < self.core.start] = 0
        if self.after:
            weights *= 1 - _rise(points, self.core.stop, self.after)
        else:
            weights[points >= self.core.stop] = 0
        return weights


def fades(plan: TilePlan) -> tuple[list[Fade], list[Fade]]:
    """The fades of the rows and of the columns of tiles.

    A fade is as wide as the windows reach over the cores, and as half of the cores are long.
    """
    by_axis: list[list[Fade]] = []
    for axis, cores in enumerate((plan.core_rows, plan.core_columns)):
        windows = {tile.core[axis]: tile.window[axis] for tile in plan.tiles}
        edges = [0]
        for one, other in itertools.pairwise(cores):
            over = windows[one].stop - one.stop, other.start - windows[other].start
            edges.append(min(*over, one.length // 2, other.length // 2))
        edges.append(0)
        by_axis.append([Fade(core, edges[i], edges[i + 1]) for i, core in enumerate(cores)])
    return by_axis[0], by_axis[1]


def _rise(points: Indices, edge: int, half: int) -> Weights:
    """From 0 to 1 over `half` points on both sides of an edge."""
    along = np.clip((points - edge + 0.5) / (2 * half) + 0.5, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * along)).astype(np.float32)
