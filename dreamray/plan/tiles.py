"""Tiles as pure geometry: cores that partition a picture, windows around them, ownership.

Domain decomposition with owner-computes. The picture is partitioned into cores. A window is
a core with a halo, cut off at the picture's edge. Each cell of a feature map belongs to one
core: with stride `j`, cell `k` belongs to the core that contains pixel `j * k`. A window that
covers the receptive field of all cells of its core computes them, and the gradient of their
loss, exactly as the untiled network does; summed over the windows, the gradients are the
gradient of the whole loss.

Rows and columns are planned apart, by the same one-dimensional functions, and combined.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dreamray.base.errors import RequestError
from dreamray.base.geometry import Interval, Region, Shape
from dreamray.model import architecture
from dreamray.model.terms import Scope
from dreamray.plan.refinement import WITHIN, Reach

MOST_TILES = 1 << 18
"""Of an octave: each is a value in memory, and a few messages a step."""

_AlongAxes = Sequence[Sequence[Interval]]
"""Intervals along the rows, and along the columns."""


class _Seen(NamedTuple):
    """What windows have to show."""

    layers: tuple[str, ...]
    reach: Reach

    def along(self, axis: int) -> tuple[tuple[str, ...], int, Reach]:
        """As `exact_halo` takes it."""
        return self.layers, axis, self.reach


@dataclass(frozen=True)
class Tile:
    """A core, which this tile owns, and the window that its gradient is computed on."""

    core: Region
    window: Region


@dataclass(frozen=True)
class Halo:
    """Pixels that a window needs before and after its core on one axis."""

    before: int
    after: int


@dataclass(frozen=True)
class WindowSizes:
    """How large windows are, and how different: what decides the memory of a plan."""

    largest: Shape
    """The most rows and the most columns of any window."""
    different: int


@dataclass(frozen=True)
class TilePlan:
    """The tiles of one octave, row by row; sums over tiles are made in this order."""

    shape: Shape
    rows: Halo
    columns: Halo
    exact: bool
    """Whether the halo covers the receptive field of every layer."""
    tiles: tuple[Tile, ...]

    @functools.cached_property
    def core_rows(self) -> tuple[Interval, ...]:
        """The cores' rows, from top to bottom."""
        return tuple(dict.fromkeys(tile.core.rows for tile in self.tiles))

    @functools.cached_property
    def core_columns(self) -> tuple[Interval, ...]:
        """The cores' columns, from left to right."""
        return tuple(dict.fromkeys(tile.core.columns for tile in self.tiles))

    @property
    def largest_window(self) -> Region:
        """The window with the most pixels, which decides the memory."""
        return max((tile.window for tile in self.tiles), key=lambda window: window.pixels)

    @property
    def largest_side(self) -> int:
        """The longest side of a core, in pixels."""
        return max(max(tile.core.shape) for tile in self.tiles)

    @property
    def overhead(self) -> float:
        """Pixels computed for each pixel of the picture; 1 for a single tile."""
        return sum(t.window.pixels for t in self.tiles) / self.shape.pixels


def alignment(layers: Iterable[str], reach: Reach = WITHIN) -> int:
    """What window origins are multiples of: the stride of the deepest layer, or a coarser grid.

    Every stride of the network is a power of two, and so are grids: the largest is a multiple of
    the others.
    """
    axes = [axis for name in layers for axis in _axes(name)]
    return max(reach.grid, *(axis.stride for axis in axes))


def exact_halo(layers: Iterable[str], axis: int, reach: Reach = WITHIN) -> Halo:
    """The halo that covers the receptive field of all layers along `axis` (0 rows, 1 columns).

    And beyond that as far as the gradient is spread.

    Cores start at multiples of the alignment, so the last cell that a core owns lies at least
    one stride before the core's end.
    """
    fields = [_axes(name)[axis] for name in layers]
    return Halo(
        before=max(0, *(-field.first for field in fields)) + reach.spread,
        after=max(0, *(field.last + 1 - field.stride for field in fields)) + reach.spread,
    )


def plan_tiles(
    shape: Shape,
    layers: Iterable[str],
    core: int | None = None,
    overlap: int | None = None,
    reach: Reach = WITHIN,
) -> TilePlan:
    """Cut a picture into equal tiles.

    `core` is the largest side of a core in pixels (rounded down to the alignment, but never
    below it), None for one tile; `overlap` a halo in pixels that is smaller than the exact
    one, None for the exact one; `reach` what is done to gradients. Raises RequestError for more
    than `MOST_TILES` tiles.
    """
    seen = _Seen(tuple(layers), reach)
    return _with_windows(shape, seen, _core_axes(shape, seen, core), overlap)


def other_windows(
    plan: TilePlan, layers: Iterable[str], overlap: int | None, reach: Reach = WITHIN
) -> TilePlan:
    """The same cores with the windows that another overlap gives them; see `plan_tiles`."""
    seen = _Seen(tuple(layers), reach)
    return _with_windows(plan.shape, seen, [plan.core_rows, plan.core_columns], overlap)


@functools.lru_cache(maxsize=4096)
def window_sizes(
    shape: Shape,
    layers: Iterable[str],
    core: int | None = None,
    overlap: int | None = None,
    reach: Reach = WITHIN,
) -> WindowSizes:
    """The sizes of the windows that `plan_tiles` makes of the same, without making the tiles."""
    seen = _Seen(tuple(layers), reach)
    halos = _limit([exact_halo(*seen.along(axis)) for axis in (0, 1)], overlap)
    windows = _window_axes(shape, seen, _core_axes(shape, seen, core), halos)
    rows, columns = ({window.length for window in along} for along in windows)
    return WindowSizes(Shape(max(rows), max(columns)), len(rows) * len(columns))


def owned_cells(
    scope: Scope, axis: int, core: Interval, window: Interval, picture: Shape
) -> Interval:
    """The cells of a scope that a core owns, as indices into its window's feature map.

    The border of two cells is left out at the picture's edge only. Cells that the window is too
    small to have are left out too, which happens with less than the exact halo only.
    """
    stride = _axes(scope.layer)[axis].stride
    cells = _cells(scope.layer, axis, picture[axis])
    inside = Interval(scope.border, max(scope.border, cells - scope.border))
    owned = Interval(-(-core.start // stride), -(-core.stop // stride)).clip(inside)
    in_window = _cells(scope.layer, axis, window.length)
    return owned.shift(-(window.start // stride)).clip(Interval(0, in_window))


def per_cell(scope: Scope, picture: Shape) -> float:
    """What each of a scope's cells counts: one over all cells of the picture's feature map."""
    return 1 / math.prod(architecture.feature_shape(scope.layer, *picture))


def last_place(axis: int, roll: int, window: Interval, picture: Shape) -> int:
    """Where the picture's last row, or column, lies in a window of the rolled picture.

    Behind it the rolled picture goes on with the first one. Less than 0, or beyond the window,
    where that does not show it.
    """
    return (roll - 1) % picture[axis] - window.start


def _limit(halos: list[Halo], overlap: int | None) -> list[Halo]:
    if overlap is None:
        return halos
    return [Halo(min(overlap, halo.before), min(overlap, halo.after)) for halo in halos]


def _with_windows(shape: Shape, seen: _Seen, cores: _AlongAxes, overlap: int | None) -> TilePlan:
    exact = [exact_halo(*seen.along(axis)) for axis in (0, 1)]
    halos = _limit(exact, overlap)
    windows = _window_axes(shape, seen, cores, halos)
    rows, columns = (zip(*along, strict=True) for along in zip(cores, windows, strict=True))
    tiles = tuple(
        Tile(Region(core_rows, core_columns), Region(window_rows, window_columns))
        for (core_rows, window_rows), (core_columns, window_columns) in itertools.product(
            rows, columns
        )
    )
    is_exact = len(tiles) == 1 or halos == exact
    return TilePlan(shape, halos[0], halos[1], is_exact, tiles)


def _core_axes(shape: Shape, seen: _Seen, core: int | None) -> _AlongAxes:
    align = alignment(*seen)
    side = max(shape) if core is None else core
    count = math.prod(-(-length // max(align, side)) for length in shape)
    if count > MOST_TILES:
        raise RequestError(
            f"tiles of {side} pixels: an octave of {shape} would be cut into {count:,} of them, "
            f"over {MOST_TILES:,}; give a larger --tile or --memory"
        )
    return [_cores(length, side, align) for length in shape]


def _window_axes(shape: Shape, seen: _Seen, cores: _AlongAxes, halos: list[Halo]) -> _AlongAxes:
    align = alignment(*seen)
    axes = []
    for axis, (length, along, halo) in enumerate(zip(shape, cores, halos, strict=True)):
        least = _least_window(seen.layers, axis)
        axes.append(_even([_window(c, halo, length, align, least) for c in along], length))
    return axes


def _axes(name: str) -> tuple[architecture.Axis, architecture.Axis]:
    layer = architecture.layer(name)
    return layer.rows, layer.columns


def _cells(name: str, axis: int, length: int) -> int:
    """Cells of a layer's feature map along one axis over `length` pixels."""
    return architecture.feature_length(name, length, axis)


def _cores(length: int, core: int, align: int) -> list[Interval]:
    """Partition `length` pixels into the fewest cores of at most `core`, as equal as can be."""
    units = -(-length // align)
    count = 1 if length <= core else -(-units // max(1, core // align))
    bounds = [units * i // count * align for i in range(count)] + [length]
    return [Interval(start, stop) for start, stop in itertools.pairwise(bounds)]


@functools.lru_cache(maxsize=1024)
def _least_window(layers: tuple[str, ...], axis: int) -> int:
    """Pixels that a window needs for every layer to have a cell."""
    least = 1
    while not all(_cells(name, axis, least) for name in layers):
        least += 1
    return least


def _window(core: Interval, halo: Halo, length: int, align: int, least: int) -> Interval:
    """A core with its halo, which may be small, but of no fewer pixels than the network takes."""
    missing = max(0, least - (core.length + halo.before))
    start = max(0, core.start - halo.before - missing) // align * align
    # Rounded up as well, so that windows come in few different sizes.
    stop = -(-(core.stop + halo.after) // align) * align
    return Interval(start, min(max(stop, start + least), length))


def _even(windows: list[Interval], length: int) -> list[Interval]:
    """The windows enlarged to few different lengths: at the start, at the end, and between.

    Each size of window costs memory and a moment, for what the library prepares for it.
    """
    first = max((w.stop for w in windows if w.start == 0), default=0)
    last = min((w.start for w in windows if w.stop == length), default=length)
    between = max((w.length for w in windows if w.start > 0 and w.stop < length), default=0)
    return [
        Interval(
            0 if w.start == 0 else last if w.stop == length else w.stop - between,
            length if w.stop == length else first if w.start == 0 else w.stop,
        )
        for w in windows
    ]
