"""Some tiles of an octave: their images, their gradients, and a step of the ascent on them.

One owner of tiles holds one subdomain. Alone it makes the whole step; with others it exchanges
halos along their borders, in three rounds:

1. `halos`: pixels of its cores that the others' windows reach into;
2. `compute`: the gradient of each of its windows, and the parts of it that lie in others' cores;
3. `collect`: those parts from the others are added up, and the sizes of the gradient told.

Then `move` goes along the gradient. Each pixel adds up the windows' gradients in the order
of the plan, whoever computed them, so that the result has the same bits for any dealing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic

import numpy as np

from dreamray.base.geometry import Raster, Region
from dreamray.engine.halo_exchange import HaloExchange, Piece, Roll
from dreamray.engine.interfaces import A, CellRanges, Engine, PerCell
from dreamray.model import architecture
from dreamray.plan import tiles
from dreamray.plan.tiles import Tile, TilePlan
from dreamray.raster.spill import SpillBuffer

Halos = dict[int, Raster]
"""Of each tile, by its number, the part that another owner needs."""

PartialGradients = dict[int, list[tuple[int, Region, Raster]]]
"""By receiving tile: the contributing tile, where in the core, and the gradient there."""


class Subdomain(Generic[A]):
    """The tiles of one owner. Not for several threads at a time."""

    def __init__(
        self,
        plan: TilePlan,
        owners: tuple[int, ...],
        me: int,
        engine: Engine[A],
        buffer: SpillBuffer[A],
    ) -> None:
        """`owners` has the owner of each tile of the plan; `me` is the one that this is."""
        self._plan = plan
        self._owners = owners
        self._me = me
        self._objective, self._arrays = engine.objective, engine.arrays
        self._buffer = buffer
        self._exchange = HaloExchange(plan, owners)
        self._sums: dict[int, _OrderedSum[A]] = {}
        self.tiles = self._exchange.tiles_of(me)

    def put(self, tile: int, image: Raster) -> None:
        """Take over the image of a core, float32 [height, width, 3]."""
        self._buffer["image", tile] = self._arrays.load(image)

    def image(self, tile: int) -> Raster:
        """The image of a core as it is now."""
        return self._arrays.store(self._buffer["image", tile])

    def gradient(self, tile: int) -> Raster:
        """What the last step's contributions to a core add up to; not normalised."""
        return self._arrays.store(self._buffer["gradient", tile])

    def halos(self, roll: Roll = (0, 0)) -> list[Halos]:
        """Begin a step: for each of `HaloExchange.receivers` the pixels that it needs."""
        if roll != self._exchange.roll:
            self._exchange = HaloExchange(self._plan, self._owners, roll)
        return [
            {
                tile: self._arrays.store(_part(self._buffer["image", tile], region))
                for tile, region in self._exchange.needed(self._me, other).items()
            }
            for other in self._exchange.receivers(self._me)
        ]

    def compute(self, incoming: Iterable[Halos] = ()) -> tuple[list[float], list[PartialGradients]]:
        """The losses of the windows, and for each of `HaloExchange.senders` what its cores get.

        `incoming` are the halos of each of `HaloExchange.senders`. Raises MemoryExhaustedError;
        the images are then as they were.
        """
        exchange = self._exchange
        foreign = {
            tile: (exchange.needed(sender, self._me)[tile], self._arrays.load(pixels))
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
                    kept += [(number, at, self._arrays.store(part)) for at, part in values]
        return losses, [outgoing[owner] for owner in exchange.senders(self._me)]

    def collect(self, incoming: Iterable[PartialGradients] = ()) -> list[float]:
        """The sum of the absolute gradient over each core, with the others' contributions."""
        for contributions in incoming:
            for tile, parts in contributions.items():
                for number, group in itertools.groupby(parts, key=lambda part: part[0]):
                    values = [(at, self._arrays.load(part)) for _, at, part in group]
                    self._sums[tile].put(number, values)
        assert all(total.complete for total in self._sums.values())
        return [self._arrays.absolute_sum(self._buffer["gradient", tile]) for tile in self.tiles]

    def move(self, step: float, mean: float) -> None:
        """Move the images by `step * gradient / mean`."""
        for tile in self.tiles:
            gradient = self._buffer.pop(("gradient", tile))
            image = self._buffer["image", tile]
            self._buffer["image", tile] = self._arrays.move(image, gradient, step, mean)

    def _window_gradient(
        self,
        number: int,
        pieces: Sequence[Sequence[Piece]],
        foreign: Mapping[int, tuple[Region, A]],
    ) -> tuple[float, A]:
        def pixels(piece: Piece) -> A:
            if piece.source in foreign:
                known, values = foreign[piece.source]
                return _part(values, piece.inside, known)
            return _part(self._buffer["image", piece.source], piece.inside)

        window = self._arrays.join([[pixels(piece) for piece in row] for row in pieces])
        owned, per_cell = _owned_cells(self._plan, self._plan.tiles[number], self._objective.layers)
        return self._objective.gradient(window, owned, per_cell)

    def _add(self, tile: int, values: _Parts[A]) -> None:
        """Add to a core's gradient."""
        core = self._plan.tiles[tile].core
        key = "gradient", tile
        if key not in self._buffer:
            whole = Region.whole(core.shape)
            if self._exchange.contributors[tile] == (tile,) and values[0][0] == whole:
                # Nobody else will add to it.
                self._buffer[key] = values[0][1]
                return
            self._buffer[key] = self._arrays.zeros(*core.shape)
        gradient = self._buffer[key]
        for at, part in values:
            gradient = self._arrays.add(gradient, at, part)
        self._buffer[key] = gradient


_Parts = Sequence[tuple[Region, A]]
"""Where in a core, and the gradient there."""


class _OrderedSum(Generic[A]):
    """Adds up what comes from a known sequence of contributors, in that order.

    What comes too early is kept until its turn.
    """

    def __init__(self, contributors: Sequence[int], add: Callable[[_Parts[A]], None]) -> None:
        self._left = list(reversed(contributors))
        self._early: dict[int, _Parts[A]] = {}
        self._add = add

    @property
    def complete(self) -> bool:
        return not self._left

    def put(self, contributor: int, values: _Parts[A]) -> None:
        self._early[contributor] = values
        while self._left and self._left[-1] in self._early:
            self._add(self._early.pop(self._left.pop()))


def _part(values: A, region: Region, of: Region | None = None) -> A:
    """A region of an array, which itself begins at the corner of `of`."""
    if of is not None:
        region = Region(region.rows.shift(-of.rows.start), region.columns.shift(-of.columns.start))
    if region.shape == tuple(values.shape[:2]):
        return values
    part: A = values[region.slices]
    return part


def _by_source(pieces: Sequence[Sequence[Piece]]) -> dict[int, list[Piece]]:
    found: dict[int, list[Piece]] = {}
    for piece in itertools.chain.from_iterable(pieces):
        found.setdefault(piece.source, []).append(piece)
    return found


def _owned_cells(plan: TilePlan, tile: Tile, layers: Sequence[str]) -> tuple[CellRanges, PerCell]:
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
