"""Who needs which pixels of whom: the geometry of tiles that are spread over several owners.

Pure, and the same on every owner: each works out alone what it sends and what it gets.

Owners are numbered from 0. An image is rolled before a step by so many rows and columns; tiles
stay where they are in the unrolled picture, and windows are read through the roll.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dreamray.base.geometry import Interval, Region
from dreamray.plan.tiles import Tile, TilePlan

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


def window_pieces(plan: TilePlan, tile: Tile, roll: Roll = (0, 0)) -> list[list[Piece]]:
    """What a tile's window consists of, row by row."""
    rows = _pieces(tile.window.rows, plan.core_rows, plan.shape.height, roll[0])
    columns = _pieces(tile.window.columns, plan.core_columns, plan.shape.width, roll[1])
    across = len(plan.core_columns)
    return [
        [
            Piece(
                row.core * across + column.core,
                Region(row.inside, column.inside),
                Region(row.at, column.at),
            )
            for column in columns
        ]
        for row in rows
    ]


class _Stretch(NamedTuple):
    """A `Piece` along one axis."""

    core: int
    inside: Interval
    at: Interval


def _pieces(window: Interval, cores: Sequence[Interval], length: int, roll: int) -> list[_Stretch]:
    pieces, at = [], window.start
    while at < window.stop:
        unrolled = (at - roll) % length
        number, core = next((n, c) for n, c in enumerate(cores) if c.start <= unrolled < c.stop)
        stop = min(window.stop, at + core.stop - unrolled)
        inside = Interval(unrolled - core.start, unrolled - core.start + stop - at)
        pieces.append(_Stretch(number, inside, Interval(at, stop).shift(-window.start)))
        at = stop
    return pieces


@dataclass(frozen=True)
class HaloExchange:
    """What the owners of a plan's tiles send each other in a step with a given roll."""

    plan: TilePlan
    owners: tuple[int, ...]
    """The owner of each tile."""
    roll: Roll = (0, 0)

    @functools.cached_property
    def pieces(self) -> tuple[tuple[tuple[Piece, ...], ...], ...]:
        """For each tile what its window consists of, row by row."""
        return tuple(
            tuple(map(tuple, window_pieces(self.plan, tile, self.roll))) for tile in self.plan.tiles
        )

    @functools.cached_property
    def contributors(self) -> tuple[tuple[int, ...], ...]:
        """For each tile those whose windows reach into its core, in the plan's order."""
        reaching: list[dict[int, None]] = [{} for _ in self.plan.tiles]
        for number, rows in enumerate(self.pieces):
            for piece in itertools.chain.from_iterable(rows):
                reaching[piece.source][number] = None
        return tuple(map(tuple, reaching))

    @functools.cached_property
    def _borders(self) -> dict[tuple[int, int], dict[int, Region]]:
        """By owner and needing owner: of each of the first one's cores the part needed."""
        borders: dict[tuple[int, int], dict[int, Region]] = {}
        for number, rows in enumerate(self.pieces):
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
        for number, rows in enumerate(self.pieces):
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
        return self._borders.get((owner, other), {})

    def contributions(self, owner: int) -> dict[int, tuple[Piece, ...]]:
        """The windows of others that reach into an owner's cores, by tile, with their parts there.

        Each has the pixels of these parts from the owner, and adds to its gradient there.
        """
        return self._foreign.get(owner, {})

    def reached(self, window: int) -> tuple[int, ...]:
        """The other owners whose cores a window reaches into, ascending."""
        owners = {self.owners[piece.source] for row in self.pieces[window] for piece in row}
        return tuple(sorted(owners - {self.owners[window]}))

    def receivers(self, owner: int) -> tuple[int, ...]:
        """Those that need pixels of this owner, ascending."""
        return tuple(sorted(other for one, other in self._borders if one == owner))

    def senders(self, owner: int) -> tuple[int, ...]:
        """Those whose pixels this owner needs, ascending."""
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
