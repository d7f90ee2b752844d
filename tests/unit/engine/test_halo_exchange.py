"""Owners of tiles know which pixels they need of whom, and tiles are dealt out fairly."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamray.base.geometry import Interval, Region, Shape
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles, helping
from dreamray.plan.tiles import TilePlan, plan_tiles

layers = st.sampled_from(["conv2d_2", "max_pooling2d", "mixed0", "mixed2"])
lengths = st.integers(1, 150)
plans = st.builds(
    lambda layer, height, width, core, overlap: plan_tiles(
        Shape(height, width), [layer], core, overlap
    ),
    layers,
    lengths,
    lengths,
    st.integers(16, 80),
    st.none() | st.integers(0, 40),
)
"""Among them one tile wide ones, odd sizes, and tiles far smaller than their halos."""
rolls = st.just((0, 0)) | st.tuples(st.integers(-400, 400), st.integers(-400, 400))


def numbered(shape: Shape) -> np.ndarray:
    """A picture in which every pixel is another one."""
    return np.arange(shape.height * shape.width).reshape(shape)


def pieces_of(plan: TilePlan, roll: tuple[int, int]) -> list[Any]:
    """Of each window, in the plan's order."""
    return [*HaloExchange(plan, (0,) * len(plan.tiles), roll).pieces.values()]


class TestPieces:
    @given(plans, rolls)
    @example(plan_tiles(Shape(100, 90), ["mixed0"], 32), (100, -90))
    @example(plan_tiles(Shape(7, 150), ["mixed0"], 32), (0, 1))
    def test_make_up_each_window_of_the_rolled_picture(
        self, plan: TilePlan, roll: tuple[int, int]
    ) -> None:
        picture = numbered(plan.shape)
        rolled = np.roll(picture, roll, (0, 1))
        windows = pieces_of(plan, roll)
        for tile, rows in zip(plan.tiles, windows, strict=True):
            window = np.full(tile.window.shape, -1)
            filled = np.zeros(tile.window.shape, int)
            for piece in itertools.chain.from_iterable(rows):
                core = picture[plan.tiles[piece.source].core.slices]
                window[piece.at.slices] = core[piece.inside.slices]
                filled[piece.at.slices] += 1
            assert np.all(filled == 1)
            np.testing.assert_array_equal(window, rolled[tile.window.slices])

    @given(plans, rolls)
    def test_come_row_by_row_as_they_are_joined(
        self, plan: TilePlan, roll: tuple[int, int]
    ) -> None:
        for rows in pieces_of(plan, roll):
            for row in rows:
                assert len({piece.at.rows for piece in row}) == 1
                assert [piece.at.columns.start for piece in row] == [
                    0,
                    *(piece.at.columns.stop for piece in row[:-1]),
                ]
            assert [row[0].at.rows.start for row in rows] == [
                0,
                *(row[0].at.rows.stop for row in rows[:-1]),
            ]

    def test_of_a_single_tile_are_the_picture(self) -> None:
        plan = plan_tiles(Shape(50, 60), ["mixed0"])
        (((piece,),),) = pieces_of(plan, (0, 0))
        assert piece == (0, Region.whole(plan.shape), Region.whole(plan.shape))


class TestExchange:
    @given(plans, rolls, st.integers(1, 5), st.randoms(use_true_random=False))
    def test_an_owner_is_sent_all_that_it_needs_and_lacks(
        self, plan: TilePlan, roll: tuple[int, int], count: int, random: object
    ) -> None:
        """Every piece of every window is its owner's own or in a strip of a sender."""
        owners = tuple(random.randrange(count) for _ in plan.tiles)
        exchange = HaloExchange(plan, owners, roll)
        for number, rows in exchange.pieces.items():
            for piece in itertools.chain.from_iterable(rows):
                me, other = owners[number], owners[piece.source]
                if other != me:
                    assert other in exchange.senders(me)
                    assert me in exchange.receivers(other)
                    known = exchange.needed(other, me)[piece.source]
                    assert known.rows.clip(piece.inside.rows) == piece.inside.rows
                    assert known.columns.clip(piece.inside.columns) == piece.inside.columns

    @given(plans, rolls, st.integers(1, 5))
    def test_strips_are_of_the_senders_own_cores(
        self, plan: TilePlan, roll: tuple[int, int], count: int
    ) -> None:
        exchange = HaloExchange(plan, assign_tiles(plan, count), roll)
        for me in range(count):
            assert me not in exchange.senders(me)
            assert exchange.needed(me, me) == {}
            assert list(exchange.receivers(me)) == sorted(set(exchange.receivers(me)))
            assert list(exchange.senders(me)) == sorted(set(exchange.senders(me)))
            for other in exchange.receivers(me):
                needed = exchange.needed(me, other)
                assert needed
                assert set(needed) <= set(exchange.tiles_of(me))
                for tile, region in needed.items():
                    whole = Region.whole(plan.tiles[tile].core.shape)
                    assert region.rows.clip(whole.rows) == region.rows
                    assert region.columns.clip(whole.columns) == region.columns

    def test_strips_are_no_wider_than_the_halo(self) -> None:
        plan = plan_tiles(Shape(64, 128), ["max_pooling2d"], 64)
        exchange = HaloExchange(plan, (0, 1))
        # The layer sees 2 pixels before its core and 9 behind it; windows are cut at fours.
        assert exchange.needed(0, 1) == {0: Region(Interval(0, 64), Interval(60, 64))}
        assert exchange.needed(1, 0) == {1: Region(Interval(0, 64), Interval(0, 12))}

    @given(plans, rolls)
    @pytest.mark.slow
    def test_contributors_are_those_whose_windows_reach_in(
        self, plan: TilePlan, roll: tuple[int, int]
    ) -> None:
        rolled = np.roll(numbered(plan.shape), roll, (0, 1))
        windows = [set(rolled[tile.window.slices].flat) for tile in plan.tiles]
        contributors = HaloExchange(plan, assign_tiles(plan, 1), roll).contributors
        assert [*contributors] == [*range(len(plan.tiles))]
        for tile, found in contributors.items():
            core = set(numbered(plan.shape)[plan.tiles[tile].core.slices].flat)
            assert found == tuple(n for n, window in enumerate(windows) if window & core)

    @given(plans, rolls, st.integers(1, 5), st.randoms(use_true_random=False))
    @settings(max_examples=25)
    def test_an_owner_alone_works_out_what_all_do(
        self, plan: TilePlan, roll: tuple[int, int], count: int, random: Any
    ) -> None:
        """In the same order, as strips are told apart by it; and no window that is not its own
        or reaches into its cores.
        """
        owners = tuple(random.randrange(count) for _ in plan.tiles)
        whole = HaloExchange(plan, owners, roll)
        for me in set(owners):
            mine = HaloExchange(plan, owners, roll, me)
            tiles = mine.tiles_of(me)
            assert mine.contributors == {tile: whole.contributors[tile] for tile in tiles}
            windows = {*tiles, *whole.contributions(me)}
            assert mine.pieces == {w: p for w, p in whole.pieces.items() if w in windows}
            assert [*mine.contributions(me).items()] == [*whole.contributions(me).items()]
            assert [mine.reached(tile) for tile in tiles] == [whole.reached(t) for t in tiles]
            assert mine.senders(me) == whole.senders(me)
            assert mine.receivers(me) == whole.receivers(me)
            for other in set(owners):
                for pair in (me, other), (other, me):
                    assert [*mine.needed(*pair).items()] == [*whole.needed(*pair).items()]

    def test_one_owner_exchanges_nothing(self) -> None:
        exchange = HaloExchange(plan_tiles(Shape(100, 100), ["mixed0"], 32), (0,) * 16)
        assert exchange.senders(0) == exchange.receivers(0) == ()
        assert exchange.tiles_of(0) == tuple(range(16))


def grid(rows: int, columns: int) -> TilePlan:
    """A plan of so many tiles of 16 pixels."""
    return plan_tiles(Shape(16 * rows, 16 * columns), ["conv2d"], 16)


grids = st.builds(grid, st.integers(1, 9), st.integers(1, 9))


def border(plan: TilePlan, owners: tuple[int, ...]) -> int:
    """How many edges between two tiles lie between two owners."""
    by_place = np.reshape(owners, (len(plan.core_rows), len(plan.core_columns)))
    return int(np.sum(by_place[1:] != by_place[:-1]) + np.sum(by_place[:, 1:] != by_place[:, :-1]))


class TestDeal:
    @given(grids, st.integers(1, 100))
    def test_every_owner_has_the_same_share_or_one_tile_more(
        self, plan: TilePlan, count: int
    ) -> None:
        shares = Counter(assign_tiles(plan, count))
        assert sorted(shares) == list(range(min(count, len(plan.tiles))))
        assert max(shares.values()) - min(shares.values()) <= 1

    def test_is_the_same_every_time(self) -> None:
        assert assign_tiles(grid(7, 5), 6) == assign_tiles(grid(7, 5), 6)

    @pytest.mark.parametrize(
        ("rows", "columns", "count"),
        [(8, 8, 4), (6, 6, 4), (8, 8, 8), (9, 9, 3), (4, 16, 4), (10, 10, 5), (12, 12, 9)],
    )
    def test_has_no_longer_borders_than_dealing_row_by_row(
        self, rows: int, columns: int, count: int
    ) -> None:
        plan = grid(rows, columns)
        row_wise = tuple(n * count // len(plan.tiles) for n in range(len(plan.tiles)))
        assert border(plan, assign_tiles(plan, count)) <= border(plan, row_wise)

    @given(grids, st.integers(1, 100))
    def test_no_more_owners_help_than_leave_the_busiest_less(
        self, plan: TilePlan, count: int
    ) -> None:
        def busiest(owners: int) -> int:
            return max(Counter(assign_tiles(plan, owners)).values())

        fewest = helping(len(plan.tiles), count)
        assert busiest(fewest) == busiest(count)
        assert fewest == 1 or busiest(fewest - 1) > busiest(count)

    def test_halves_the_longer_side(self) -> None:
        assert assign_tiles(grid(1, 4), 2) == (0, 0, 1, 1)
        assert assign_tiles(grid(2, 4), 2) == (0, 0, 1, 1) * 2
        assert assign_tiles(grid(4, 2), 2) == (0,) * 4 + (1,) * 4
        assert assign_tiles(grid(2, 2), 4) == (0, 1, 2, 3)
