"""Some tiles of an octave: their images, their gradients, and a step of the ascent on them.

One owner of tiles holds one subdomain. A step begins with its roll. Then the gradient of each
window is computed, once the halos are there that others have of it (`take_halos`); parts of it
that lie in others' cores are for them, and theirs are added here (`add`). When all are there
the size of the gradient is known, and `move` goes along it. Each pixel adds up the windows'
gradients in the order of the plan, whoever computed them and whenever they come, so that the
result has the same bits for any dealing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple

import numpy as np

from dreamray.base.geometry import Raster, Region
from dreamray.engine.halo_exchange import HaloExchange, Piece
from dreamray.engine.interfaces import A, CellRanges, Engine, Number, PerCell
from dreamray.engine.optimizer import direction
from dreamray.model.terms import Scope
from dreamray.plan import tiles
from dreamray.plan.refinement import PLAIN, SLOTS, Refinement
from dreamray.plan.tiles import Tile, TilePlan
from dreamray.raster.spill import SpillBuffer


class Follow(NamedTuple):
    """How a step follows the gradient."""

    optimizer: str = "normalized"
    number: int = 0
    """Of the step, from 0 in each octave."""


DIRECTLY = Follow()


class Subdomain(Generic[A]):
    """The tiles of one owner. Not for several threads at a time."""

    def __init__(
        self,
        plan: TilePlan,
        owners: tuple[int, ...],
        me: int,
        engine: Engine[A],
        buffer: SpillBuffer[A],
        beside: Callable[[Region], Raster] | None = None,
    ) -> None:
        """`owners` has the owner of each tile of the plan; `me` is the one that this is.

        `beside` gives parts of what the objective takes beside the picture (see `Octave.beside`);
        each is read once.
        """
        self._plan = plan
        self._owners = owners
        self._me = me
        self._objective, self._arrays = engine.objective, engine.arrays
        self._buffer = buffer
        self._beside = beside
        self._sums: dict[int, _OrderedSum[A]] = {}
        self._foreign: dict[int, tuple[Region, A]] = {}
        self._cells: dict[int, tuple[CellRanges, PerCell]] = {}
        self._pairs = [i for i, scope in enumerate(self._objective.scopes) if scope.pairs]
        self._exchange = HaloExchange(plan, owners, me=me)
        self._refinement = PLAIN
        self.tiles = self._exchange.tiles_of(me)

    def put(self, tile: int, image: Raster) -> None:
        """Take over the image of a core, float32 [height, width, 3]."""
        self._buffer["image", tile] = self._arrays.load(image)

    def put_mask(self, tile: int, mask: Raster) -> None:
        """Let a core move by no more than a mask of it, float32 [height, width, 1], says."""
        if mask.min() < 1:
            self._buffer["mask", tile] = self._arrays.load(mask)

    def image(self, tile: int) -> Raster:
        """The image of a core as it is now."""
        return self._arrays.store(self._buffer["image", tile])

    def gradient(self, tile: int) -> Raster:
        """What the last step's contributions to a core add up to; not normalised."""
        return self._arrays.store(self._buffer["gradient", tile])

    def put_remembered(self, tile: int, slot: str, values: Raster) -> None:
        """Take over what the optimizer has remembered of a core, float32 [height, width, 3]."""
        self._buffer[slot, tile] = self._arrays.load(values)

    def remembered(self, tile: int, slot: str) -> Raster:
        """What the optimizer remembers of a core."""
        return self._arrays.store(self._buffer[slot, tile])

    def begin(self, exchange: HaloExchange, refinement: Refinement = PLAIN) -> None:
        """Begin a step with this exchange; what an earlier one has left is let go.

        `refinement` is what is done to the gradients of its windows.
        """
        self._exchange = exchange
        self._refinement = refinement
        self._foreign = {}
        for key in [key for key in self._buffer if not _stays(key)]:
            del self._buffer[key]
        self._sums = {
            tile: _OrderedSum(
                self._exchange.contributors[tile],
                functools.partial(self._add, tile),
                functools.partial(_Shelf, self._buffer, tile),
            )
            for tile in self.tiles
        }

    def halos(self, exchange: HaloExchange, other: int) -> list[Raster]:
        """Of each core that another owner needs something of in a step to come, that part."""
        needed = exchange.needed(self._me, other)
        return [
            self._arrays.store(_part(self._buffer["image", tile], region))
            for tile, region in needed.items()
        ]

    def take_halos(self, sender: int, halos: Iterable[Raster]) -> None:
        """The `halos` of another owner for this one."""
        needed = self._exchange.needed(sender, self._me)
        for (tile, region), pixels in zip(needed.items(), halos, strict=True):
            self._foreign[tile] = region, self._arrays.load(pixels)

    def compute(self, tile: int) -> tuple[Number, dict[int, list[Raster]]]:
        """The loss of a tile's window, and for each owner that it reaches the gradient there.

        Raises MemoryExhaustedError; the images are then as they were.
        """
        pieces = self._exchange.pieces[tile]
        loss, gradient = self._window_gradient(tile, pieces)
        outgoing: dict[int, list[Raster]] = {}
        for source, group in _by_source(itertools.chain.from_iterable(pieces)).items():
            if source in self._sums:
                parts = [(piece.inside, _part(gradient, piece.at)) for piece in group]
                self._sums[source].put(tile, parts)
        for piece in itertools.chain.from_iterable(pieces):
            if piece.source not in self._sums:
                part = self._arrays.store(_part(gradient, piece.at))
                outgoing.setdefault(self._owners[piece.source], []).append(part)
        return loss, outgoing

    def add(self, window: int, parts: Iterable[Raster]) -> None:
        """Another owner's contributions: what `compute` gave for this one."""
        pieces = self._exchange.contributions(self._me)[window]
        values = dict(zip(pieces, parts, strict=True))
        for source, group in _by_source(pieces).items():
            loaded = [(piece.inside, self._arrays.load(values[piece])) for piece in group]
            self._sums[source].put(window, loaded)

    def sums(self) -> list[tuple[float, ...]]:
        """The sum of the absolute gradient over each core, when all contributions are there.

        Where it is told apart in bands, the sum of the squares of each.
        """
        assert all(total.complete for total in self._sums.values())
        self._foreign = {}
        gradients = [self._buffer["gradient", tile] for tile in self.tiles]
        # A card is waited for when it has all to do.
        if self._refinement.levels:
            bands = [self._arrays.square_sums(gradient) for gradient in gradients]
            return [tuple(np.asarray(one).tolist()) for one in bands]
        sums = [self._arrays.absolute_sum(gradient) for gradient in gradients]
        return [(float(one),) for one in sums]

    def move(
        self, tile: int, step: float, scales: Sequence[float], follow: Follow = DIRECTLY
    ) -> None:
        """Move a core's image by `step * gradient / scale`, or as an optimizer has it.

        By no more of it than its mask lets through.
        """
        gradient = self._buffer.pop(("gradient", tile))
        image = self._buffer["image", tile]
        if len(scales) > 1:
            gradient, scales = self._arrays.balance(gradient, scales), [1.0]
        if slots := SLOTS[follow.optimizer]:
            states = {slot: self._buffer[slot, tile] for slot in slots if follow.number}
            gradient = gradient / scales[0]
            gradient = direction(follow.optimizer, gradient, states, follow.number)
            scales = [1.0]
            for slot in slots:
                self._buffer[slot, tile] = states[slot]
        moved = self._arrays.move(image, gradient, step, scales[0])
        if ("mask", tile) in self._buffer:
            moved = self._arrays.fade(image, moved, self._buffer["mask", tile])
        self._buffer["image", tile] = moved

    def _window_gradient(self, number: int, pieces: Sequence[Sequence[Piece]]) -> tuple[Number, A]:
        def pixels(piece: Piece) -> A:
            if piece.source in self._foreign:
                known, values = self._foreign[piece.source]
                return _part(values, piece.inside, known)
            return _part(self._buffer["image", piece.source], piece.inside)

        def beside(piece: Piece) -> A:
            key = "beside", piece.source
            if key not in self._buffer:
                core = self._plan.tiles[piece.source].core
                assert self._beside is not None
                self._buffer[key] = self._arrays.load(self._beside(core))
            return _part(self._buffer[key], piece.inside)

        window = self._arrays.join([[pixels(piece) for piece in row] for row in pieces])
        if self._beside is not None:
            more = self._arrays.join([[beside(piece) for piece in row] for row in pieces])
            window = self._arrays.pair(window, more)
        loss, gradient = self._objective.gradient(window, *self._owned_cells(number))
        if self._refinement.kernels is not None:
            gradient = self._arrays.smooth(gradient, self._refinement.kernels)
        if self._refinement.levels:
            gradient = self._arrays.bands(gradient, self._refinement.levels)
        return loss, gradient

    def _owned_cells(self, number: int) -> tuple[CellRanges, PerCell]:
        """The cells of a tile's window that count in a step with this roll, and how much."""
        tile = self._plan.tiles[number]
        if number not in self._cells:
            self._cells[number] = _owned_cells(self._plan, tile, self._objective.scopes)
        owned, counts = self._cells[number]
        for axis, roll in enumerate(self._exchange.roll if self._pairs else ()):
            last = tiles.last_place(axis, roll, tile.window[axis], self._plan.shape)
            owned[self._pairs, axis, 2] = max(-1, last)
        return owned.copy(), counts

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
            self._buffer[key] = self._arrays.zeros(*core.shape, values[0][1].shape[2])
        gradient = self._buffer[key]
        for at, part in values:
            gradient = self._arrays.add(gradient, at, part)
        self._buffer[key] = gradient


_KEPT = {"image", "mask", "beside", *itertools.chain.from_iterable(SLOTS.values())}

_Parts = Sequence[tuple[Region, A]]
"""Where in a core, and the gradient there."""


class _OrderedSum(Generic[A]):
    """Adds up what comes from a known sequence of contributors, in that order.

    What comes too early is kept until its turn, and may be so on disk.
    """

    def __init__(
        self,
        contributors: Sequence[int],
        add: Callable[[_Parts[A]], None],
        shelf: Callable[[int], _Shelf[A]],
    ) -> None:
        self._left = list(reversed(contributors))
        self._early: dict[int, _Shelf[A]] = {}
        self._add = add
        self._shelf = shelf

    @property
    def complete(self) -> bool:
        return not self._left

    def put(self, contributor: int, values: _Parts[A]) -> None:
        if contributor != self._left[-1]:
            self._early[contributor] = self._shelf(contributor)
            self._early[contributor].keep(values)
            return
        self._left.pop()
        self._add(values)
        while self._left and self._left[-1] in self._early:
            self._add(self._early.pop(self._left.pop()).take())


class _Shelf(Generic[A]):
    """What one contributor adds to a core, until it is its turn."""

    def __init__(self, buffer: SpillBuffer[A], tile: int, contributor: int) -> None:
        self._buffer = buffer
        self._key = "early", tile, contributor
        self._regions: list[Region] = []

    def keep(self, values: _Parts[A]) -> None:
        for number, (region, part) in enumerate(values):
            self._regions.append(region)
            self._buffer[*self._key, number] = part

    def take(self) -> _Parts[A]:
        return [
            (region, self._buffer.pop((*self._key, number)))
            for number, region in enumerate(self._regions)
        ]


def _stays(key: object) -> bool:
    """Whether it is kept from step to step."""
    return isinstance(key, tuple) and key[0] in _KEPT


def _part(values: A, region: Region, of: Region | None = None) -> A:
    """A region of an array, which itself begins at the corner of `of`."""
    if of is not None:
        region = Region(region.rows.shift(-of.rows.start), region.columns.shift(-of.columns.start))
    if region.shape == tuple(values.shape[:2]):
        return values
    part: A = values[region.slices]
    return part


def _by_source(pieces: Iterable[Piece]) -> dict[int, list[Piece]]:
    found: dict[int, list[Piece]] = {}
    for piece in pieces:
        found.setdefault(piece.source, []).append(piece)
    return found


def _owned_cells(plan: TilePlan, tile: Tile, scopes: Sequence[Scope]) -> tuple[CellRanges, PerCell]:
    """The cells that a tile's core owns, int32 [scopes, 2, 3], and what each cell counts."""
    owned = [
        [
            (*tiles.owned_cells(scope, axis, tile.core[axis], tile.window[axis], plan.shape), -1)
            for axis in (0, 1)
        ]
        for scope in scopes
    ]
    counts = [tiles.per_cell(scope, plan.shape) for scope in scopes]
    return np.array(owned, np.int32), np.array(counts).astype(np.float32)
