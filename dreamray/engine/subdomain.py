"""Some tiles of an octave: their images, their gradients, and a step of the ascent on them.

One owner of tiles holds one subdomain. Alone it makes the whole step; with others it exchanges
strips along their borders, in three rounds:

1. `halos`: pixels of its cores that the others' windows reach into;
2. `compute`: the gradient of each of its windows, and the parts of it that lie in others' cores;
3. `collect`: those parts from the others are added up, and the sizes of the gradient told.

Then `move` goes along the gradient. Each pixel adds up the windows' contributions in the order
of the plan, whoever computed them, so that the result has the same bits for any dealing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from dreamray.base.geometry import Raster, Region
from dreamray.engine.halo_exchange import HaloExchange, Piece, Roll
from dreamray.model import architecture
from dreamray.plan import tiles
from dreamray.plan.tiles import Tile, TilePlan
from dreamray.raster.spill import SpillBuffer

Values = Any
"""A float32 array [height, width, 3] of the engine's kind: NumPy's, or on a GPU."""

Halos = dict[int, Raster]
"""Of each tile, by its number, the part that another owner needs."""

PartialGradients = dict[int, list[tuple[int, Region, Raster]]]
"""By receiving tile: the contributing tile, where in the core, and the gradient there."""


class Engine(Protocol):
    """What computes on arrays: see `dreamray.model.objective.TileObjective`."""

    @property
    def layers(self) -> Sequence[str]:
        """The layers that are looked at."""

    def gradient(self, window: Values, owned: Any, per_cell: Any) -> tuple[float, Values]:
        """Loss and gradient of a window."""

    def load(self, array: Raster) -> Values:
        """Take an array over from NumPy."""

    def store(self, values: Values) -> Raster:
        """Give an array to NumPy."""

    def join(self, parts: Sequence[Sequence[Values]]) -> Values:
        """One array of a grid of parts."""

    def zeros(self, height: int, width: int) -> Values:
        """An array of zeros."""

    def add(self, target: Values, region: Region, values: Values) -> Values:
        """The array with something added in a region; in place where it can be."""

    def absolute_sum(self, values: Values) -> float:
        """Of all elements, in float64."""

    def moved(self, image: Values, gradient: Values, step: float, mean: float) -> Values:
        """`image + step * (gradient / mean)`."""


class Subdomain:
    """The tiles of one owner. Not for several threads at a time."""

    def __init__(
        self, plan: TilePlan, owners: tuple[int, ...], me: int, engine: Engine, buffer: SpillBuffer
    ) -> None:
        """`owners` has the owner of each tile of the plan; `me` is the one that this is."""
        self._plan = plan
        self._owners = owners
        self._me = me
        self._engine = engine
        self._buffer = buffer
        self._exchange = HaloExchange(plan, owners)
        self._sums: dict[int, _OrderedSum] = {}
        self.tiles = self._exchange.tiles_of(me)

    def put(self, tile: int, image: Raster) -> None:
        """Take over the image of a core, float32 [height, width, 3]."""
        self._buffer["image", tile] = self._engine.load(image)

    def image(self, tile: int) -> Raster:
        """The image of a core as it is now."""
        return self._engine.store(self._buffer["image", tile])

    def gradient(self, tile: int) -> Raster:
        """What the last step's contributions to a core add up to; not normalised."""
        return self._engine.store(self._buffer["gradient", tile])

    def halos(self, roll: Roll = (0, 0)) -> list[Halos]:
        """Begin a step: for each of `HaloExchange.receivers` the pixels that it needs."""
        if roll != self._exchange.roll:
            self._exchange = HaloExchange(self._plan, self._owners, roll)
        return [
            {
                tile: self._engine.store(_part(self._buffer["image", tile], region))
                for tile, region in self._exchange.needed(self._me, other).items()
            }
            for other in self._exchange.receivers(self._me)
        ]

    def compute(self, incoming: Iterable[Halos] = ()) -> tuple[list[float], list[PartialGradients]]:
        """The losses of the windows, and for each of `HaloExchange.senders` what its cores get.

        `incoming` are the strips of each of `HaloExchange.senders`. Raises MemoryExhaustedError;
        the images are then as they were.
        """
        exchange = self._exchange
        foreign = {
            tile: (exchange.needed(sender, self._me)[tile], self._engine.load(pixels))
            for sender, halos in zip(exchange.senders(self._me), incoming, strict=True)
            for tile, pixels in halos.items()
        }
        self._sums = {
            tile: _OrderedSum(exchange.contributors[tile], functools.partial(self._add, tile))
            for tile in self.tiles
        }
        for tile in self.tiles:
            self._buffer.pop(("gradient", tile), None)
        outgoing: dict[int, PartialGradients] = {o: {} for o in exchange.senders(self._me)}
        losses = []
        for number in self.tiles:
            pieces = exchange.pieces[number]
            loss, gradient = self._window_gradient(number, pieces, foreign)
            losses.append(loss)
            for source, parts in _by_source(pieces).items():
                values = [(piece.inside, _part(gradient, piece.at)) for piece in parts]
                if source in self._sums:
                    self._sums[source].put(number, values)
                else:
                    kept = outgoing[self._owners[source]].setdefault(source, [])
                    kept += [(number, at, self._engine.store(part)) for at, part in values]
        return losses, [outgoing[owner] for owner in exchange.senders(self._me)]

    def collect(self, incoming: Iterable[PartialGradients] = ()) -> list[float]:
        """The sum of the absolute gradient over each core, with the others' contributions."""
        for contributions in incoming:
            for tile, parts in contributions.items():
                for number, group in itertools.groupby(parts, key=lambda part: part[0]):
                    values = [(at, self._engine.load(part)) for _, at, part in group]
                    self._sums[tile].put(number, values)
        assert all(total.complete for total in self._sums.values())
        return [self._engine.absolute_sum(self._buffer["gradient", tile]) for tile in self.tiles]

    def move(self, step: float, mean: float) -> None:
        """Move the images by `step * gradient / mean`."""
        for tile in self.tiles:
            gradient = self._buffer.pop(("gradient", tile))
            image = self._buffer["image", tile]
            self._buffer["image", tile] = self._engine.moved(image, gradient, step, mean)

    def _window_gradient(
        self,
        number: int,
        pieces: Sequence[Sequence[Piece]],
        foreign: Mapping[int, tuple[Region, Values]],
    ) -> tuple[float, Values]:
        def pixels(piece: Piece) -> Values:
            if piece.source in foreign:
                known, values = foreign[piece.source]
                return _part(values, piece.inside, known)
            return _part(self._buffer["image", piece.source], piece.inside)

        window = self._engine.join([[pixels(piece) for piece in row] for row in pieces])
        owned, per_cell = _objective(self._plan, self._plan.tiles[number], self._engine.layers)
        return self._engine.gradient(window, owned, per_cell)

    def _add(self, tile: int, values: Sequence[tuple[Region, Values]]) -> None:
        """Add to a core's gradient."""
        core = self._plan.tiles[tile].core
        key = "gradient", tile
        if key not in self._buffer:
            whole = Region.whole(core.shape)
            if self._exchange.contributors[tile] == (tile,) and values[0][0] == whole:
                # Nobody else will add to it.
                self._buffer[key] = values[0][1]
                return
            self._buffer[key] = self._engine.zeros(*core.shape)
        gradient = self._buffer[key]
        for at, part in values:
            gradient = self._engine.add(gradient, at, part)
        self._buffer[key] = gradient


class _OrderedSum:
    """Adds up what comes from a known sequence of contributors, in that order.

    What comes too early is kept until its turn.
    """

    def __init__(self, contributors: Sequence[int], add: Any) -> None:
        self._left = list(reversed(contributors))
        self._early: dict[int, Any] = {}
        self._add = add

    @property
    def complete(self) -> bool:
        return not self._left

    def put(self, contributor: int, values: Any) -> None:
        self._early[contributor] = values
        while self._left and self._left[-1] in self._early:
            self._add(self._early.pop(self._left.pop()))


def _part(values: Values, region: Region, of: Region | None = None) -> Values:
    """A region of an array, which itself begins at the corner of `of`."""
    if of is not None:
        region = Region(region.rows.shift(-of.rows.start), region.columns.shift(-of.columns.start))
    if region.shape == tuple(values.shape[:2]):
        return values
    rows, columns = region.slices
    return values[rows, columns]


def _by_source(pieces: Sequence[Sequence[Piece]]) -> dict[int, list[Piece]]:
    found: dict[int, list[Piece]] = {}
    for piece in itertools.chain.from_iterable(pieces):
        found.setdefault(piece.source, []).append(piece)
    return found


def _objective(plan: TilePlan, tile: Tile, layers: Sequence[str]) -> tuple[Any, Any]:
    """The cells that a tile's core owns, int32 [layers, 2, 2], and one over all cells of each."""
    shape = plan.shape
    owned = [
        [
            tiles.owned_cells(name, axis, tile.core[axis], tile.window[axis], shape[axis])
            for axis in (0, 1)
        ]
        for name in layers
    ]
    cells = [np.prod(architecture.feature_shape(name, *shape)) for name in layers]
    return np.array(owned, np.int32), (1 / np.array(cells)).astype(np.float32)
