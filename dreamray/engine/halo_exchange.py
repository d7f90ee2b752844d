"""Who needs which pixels of whom: the geometry of tiles that are spread over several owners.

Pure, and the same on every owner: each works out alone what it sends and what it gets. Pieces are
worked out along rows and along columns, and put together for the windows that somebody asks for.

Owners are numbered from 0. An image is rolled before a step by so many rows and columns; tiles
stay where they are in the unrolled picture, and windows are read through the roll.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dreamray.base.geometry import Interval, Region
from dreamray.plan.tiles import TilePlan

Roll = tuple[int, int]
"""Rows and columns that the picture is rolled by, as `numpy.roll` does."""


class Piece(NamedTuple):
    """A part of a window that lies in one core."""

    source: int
    """The tile whose core it is, by its place in the plan."""
    inside: Region
    """Where it lies in that core."""
    at: Region
    """Where it lies in the window."""


class _Stretch(NamedTuple):
    """A `Piece` along one axis."""

    core: int
    inside: Interval
    at: Interval


def _stretches(
    windows: Sequence[Interval], cores: Sequence[Interval], length: int, roll: int
) -> list[list[_Stretch]]:
    """What each window along an axis consists of."""
    starts = [core.start for core in cores]

    def of(window: Interval) -> Iterator[_Stretch]:
        at = window.start
        while at < window.stop:
            unrolled = (at - roll) % length
            number = bisect.bisect(starts, unrolled) - 1
            core = cores[number]
            stop = min(window.stop, at + core.stop - unrolled)
            inside = Interval(unrolled - core.start, unrolled - core.start + stop - at)
            yield _Stretch(number, inside, Interval(at, stop).shift(-window.start))
            at = stop

    return [[*of(window)] for window in windows]


def _reaching(stretches: Sequence[Sequence[_Stretch]]) -> list[list[int]]:
    """For each core along an axis the windows that reach into it, ascending."""
    found: list[list[int]] = [[] for _ in stretches]
    for number, along in enumerate(stretches):
        for core in {one.core for one in along}:
            found[core].append(number)
    return found


@dataclass(frozen=True)
class HaloExchange:
    """What the owners of a plan's tiles send each other in a step with a given roll."""

    plan: TilePlan
    owners: tuple[int, ...]
    """The owner of each tile."""
    roll: Roll = (0, 0)
    me: int | None = None
    """The owner for whom it is, who learns nothing of what others exchange among themselves; None
    for all. With each roll it is worked out anew, so none should work out what others do."""

    @functools.cached_property
    def pieces(self) -> Mapping[int, tuple[tuple[Piece, ...], ...]]:
        """What windows consist of, row by row, by tile: of my tiles, and those that reach them."""
        tiles = range(len(self.plan.tiles))
        if self.me is None:
            return {tile: self._window(tile) for tile in tiles}
        mine = self.contributors
        return {tile: self._window(tile) for tile in sorted({*mine}.union(*mine.values()))}

    @functools.cached_property
    def contributors(self) -> Mapping[int, tuple[int, ...]]:
        """For each of my tiles those whose windows reach into its core, in the plan's order."""
        rows, columns = map(_reaching, self._along)
        across = len(columns)
        tiles = range(len(self.owners)) if self.me is None else self.tiles_of(self.me)
        return {
            tile: tuple(
                row * across + column
                for row in rows[tile // across]
                for column in columns[tile % across]
            )
            for tile in tiles
        }

    @functools.cached_property
    def _along(self) -> tuple[list[list[_Stretch]], list[list[_Stretch]]]:
        """What windows consist of along the rows, and along the columns."""
        plan, across = self.plan, len(self.plan.core_columns)
        rows = [tile.window.rows for tile in plan.tiles[::across]]
        columns = [tile.window.columns for tile in plan.tiles[:across]]
        return (
            _stretches(rows, plan.core_rows, plan.shape.height, self.roll[0]),
            _stretches(columns, plan.core_columns, plan.shape.width, self.roll[1]),
        )

    def _window(self, tile: int) -> tuple[tuple[Piece, ...], ...]:
        rows, columns = self._along
        across = len(columns)
        return tuple(
            tuple(
                Piece(
                    row.core * across + column.core,
                    Region(row.inside, column.inside),
                    Region(row.at, column.at),
                )
                for column in columns[tile % across]
            )
            for row in rows[tile // across]
        )

    @functools.cached_property
    def _borders(self) -> dict[tuple[int, int], dict[int, Region]]:
        """By owner and needing owner: of each of the first one's cores the part needed."""
        borders: dict[tuple[int, int], dict[int, Region]] = {}
        for number, rows in self.pieces.items():
            needing = self.owners[number]
            for piece in itertools.chain.from_iterable(rows):
                owner = self.owners[piece.source]
                if owner != needing:
                    parts = borders.setdefault((owner, needing), {})
                    known = parts.get(piece.source, piece.inside)
                    parts[piece.source] = _around(known, piece.inside)
        return borders

    @functools.cached_property
    def _foreign(self) -> dict[int, dict[int, tuple[Piece, ...]]]:
        """By owner and window of somebody else: its parts in the owner's cores, row by row."""
        found: dict[int, dict[int, list[Piece]]] = {}
        for number, rows in self.pieces.items():
            for piece in itertools.chain.from_iterable(rows):
                owner = self.owners[piece.source]
                if owner != self.owners[number]:
                    found.setdefault(owner, {}).setdefault(number, []).append(piece)
        return {
            owner: {window: tuple(pieces) for window, pieces in windows.items()}
            for owner, windows in found.items()
        }

    def tiles_of(self, owner: int) -> tuple[int, ...]:
        """The tiles of an owner, in the plan's order."""
        return tuple(number for number, one in enumerate(self.owners) if one == owner)

    def needed(self, owner: int, other: int) -> dict[int, Region]:
        """The parts of an owner's cores that another one's windows reach into, by tile."""
        assert self.me in (None, owner, other)
        return self._borders.get((owner, other), {})

    def contributions(self, owner: int) -> dict[int, tuple[Piece, ...]]:
        """The windows of others that reach into an owner's cores, by tile, with their parts there.

        Each has the pixels of these parts from the owner, and adds to its gradient there.
        """
        assert self.me in (None, owner)
        return self._foreign.get(owner, {})

    def reached(self, window: int) -> tuple[int, ...]:
        """The other owners whose cores a window reaches into, ascending."""
        assert self.me in (None, self.owners[window])
        owners = {self.owners[piece.source] for row in self.pieces[window] for piece in row}
        return tuple(sorted(owners - {self.owners[window]}))

    def receivers(self, owner: int) -> tuple[int, ...]:
        """Those that need pixels of this owner, ascending."""
        assert self.me in (None, owner)
        return tuple(sorted(other for one, other in self._borders if one == owner))

    def senders(self, owner: int) -> tuple[int, ...]:
        """Those whose pixels this owner needs, ascending."""
        assert self.me in (None, owner)
        return tuple(sorted(one for one, other in self._borders if other == owner))


def _around(one: Region, other: Region) -> Region:
    """The smallest region that holds two."""
    return Region(
        *(
            Interval(min(a.start, b.start), max(a.stop, b.stop))
            for a, b in zip(one, other, strict=True)
        )
    )


def assign_tiles(plan: TilePlan, count: int) -> tuple[int, ...]:
    """An owner for each tile: `count` of them, or one a tile where there are fewer tiles.

    Each gets a rectangle of tiles, or nearly one, so that borders are short: the grid is halved
    across its longer side, and each half again, with owners in proportion.
    """
    owners = [0] * len(plan.tiles)
    across = len(plan.core_columns)

    def split(numbers: list[int], first: int, share: int) -> None:
        if share == 1:
            for number in numbers:
                owners[number] = first
            return
        rows, columns = ({f(number) for number in numbers} for f in (row, column))
        ordered = sorted(numbers, key=row if len(rows) >= len(columns) else column)
        half = share // 2
        cut = min(max(len(ordered) * half // share, half), len(ordered) - (share - half))
        split(ordered[:cut], first, half)
        split(ordered[cut:], first + half, share - half)

    def row(number: int) -> int:
        return number // across

    def column(number: int) -> int:
        return number % across

    split(list(range(len(owners))), 0, min(count, len(owners)))
    return tuple(owners)


def helping(tiles: int, count: int) -> int:
    """How many of `count` owners help with so many tiles: with fewer, the busiest would have more.

    All wait for the busiest in each step. Nine tiles take three owners as long as four, of whom one
    has three as well: the fourth would only have more exchanged. `assign_tiles` gives nobody
    more tiles than has to be.
    """
    most = -(-tiles // count)
    return -(-tiles // most)


def helping_most(tiles: Sequence[int], count: int) -> int:
    """How many of `count` owners help in some octave, of octaves with so many tiles."""
    return max(helping(one, count) for one in tiles)
