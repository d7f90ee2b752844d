"""Tiles partition a picture, every cell has one owner, and windows hold all that cells see."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamray.base.errors import RequestError
from dreamray.base.geometry import Interval, Region, Shape
from dreamray.model.architecture import LAYERS, feature_length
from dreamray.model.terms import BORDER, Scope
from dreamray.plan.tiles import (
    Halo,
    Tile,
    TilePlan,
    alignment,
    exact_halo,
    owned_cells,
    plan_tiles,
)

BLOCKS = [f"mixed{number}" for number in range(11)]

layer_sets = st.lists(st.sampled_from(BLOCKS) | st.sampled_from(sorted(LAYERS)), min_size=1)
blocks = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=4)
shapes = st.builds(Shape, st.integers(1, 3000), st.integers(1, 3000))
cores = st.none() | st.integers(1, 4000)


def axes(plan: TilePlan) -> list[list[tuple[Interval, Interval]]]:
    """Cores with their windows along the rows, and along the columns."""
    return [
        list(dict.fromkeys((tile.core[axis], tile.window[axis]) for tile in plan.tiles))
        for axis in (0, 1)
    ]


def pieces(plan: TilePlan) -> list[tuple[int, Shape, Interval, Interval]]:
    """Axis, the picture's shape, core, window: of each piece of each axis."""
    return [
        (axis, plan.shape, core, window)
        for axis, along in enumerate(axes(plan))
        for core, window in along
    ]


def owned_in_picture(
    scope: Scope, axis: int, shape: Shape, core: Interval, window: Interval
) -> range:
    """The cells that a core owns, as indices into the picture's feature map."""
    owned = owned_cells(scope, axis, core, window, shape)
    layer = LAYERS[scope.layer]
    return range(*owned.shift(window.start // (layer.rows, layer.columns)[axis].stride))


class TestCores:
    @given(shapes, layer_sets, cores)
    def test_tiles_are_all_pairs_of_rows_and_columns(self, shape, layers, core):
        plan = plan_tiles(shape, layers, core)
        rows, columns = axes(plan)
        assert plan.tiles == tuple(
            Tile(Region(r, c), Region(wr, wc))
            for (r, wr), (c, wc) in itertools.product(rows, columns)
        )

    @given(shapes, layer_sets, cores)
    def test_partition_each_axis(self, shape, layers, core):
        for length, along in zip(shape, axes(plan_tiles(shape, layers, core)), strict=True):
            bounds = [core for core, _ in along]
            assert (bounds[0].start, bounds[-1].stop) == (0, length)
            assert all(a.stop == b.start for a, b in itertools.pairwise(bounds))
            assert all(core.length > 0 for core in bounds)

    @given(shapes, layer_sets, cores)
    def test_partition_the_area(self, shape, layers, core):
        assert sum(t.core.pixels for t in plan_tiles(shape, layers, core).tiles) == (
            shape.height * shape.width
        )

    @given(shapes, layer_sets, st.integers(1, 4000))
    @pytest.mark.slow
    def test_are_no_larger_than_asked(self, shape, layers, core):
        plan = plan_tiles(shape, layers, core)
        assert max(max(tile.core.shape) for tile in plan.tiles) <= max(core, alignment(layers))

    @given(shapes, layer_sets, st.integers(1, 4000))
    def test_are_as_few_as_can_be(self, shape, layers, core):
        align = alignment(layers)
        usable = max(core // align, 1) * align
        for length, along in zip(shape, axes(plan_tiles(shape, layers, core)), strict=True):
            assert len(along) == 1 if length <= core else len(along) == -(-length // usable)

    @given(shapes, layer_sets, cores)
    def test_are_equal_but_for_one_unit_and_the_rest_at_the_end(self, shape, layers, core):
        align = alignment(layers)
        for along in axes(plan_tiles(shape, layers, core)):
            units = [-(-core.length // align) for core, _ in along]
            assert max(units) - min(units) <= 1
            assert all(core.length % align == 0 for core, _ in along[:-1])

    @given(shapes, layer_sets, st.none() | st.integers(0, 400))
    def test_one_if_the_picture_fits(self, shape, layers, overlap):
        whole = Region(Interval(0, shape.height), Interval(0, shape.width))
        for core in (None, max(shape), max(shape) + 1):
            plan = plan_tiles(shape, layers, core, overlap)
            assert plan.tiles == (Tile(whole, whole),)
            assert plan.exact
            assert plan.overhead == 1


class TestWindows:
    @given(shapes, layer_sets, cores, st.none() | st.integers(0, 1500))
    def test_contain_their_cores_and_lie_in_the_picture(self, shape, layers, core, overlap):
        for axis, _, core_, window in pieces(plan_tiles(shape, layers, core, overlap)):
            assert 0 <= window.start <= core_.start < core_.stop <= window.stop <= shape[axis]

    @given(shapes, layer_sets, cores, st.none() | st.integers(0, 1500))
    def test_start_on_the_stride_grid_of_every_layer(self, shape, layers, core, overlap):
        for axis, _, core_, window in pieces(plan_tiles(shape, layers, core, overlap)):
            for name in layers:
                stride = (LAYERS[name].rows, LAYERS[name].columns)[axis].stride
                assert window.start % stride == core_.start % stride == 0

    @given(shapes, layer_sets, cores, st.none() | st.integers(0, 1500))
    def test_come_in_few_sizes(self, shape, layers, core, overlap):
        """So that the libraries beneath need not adapt to ever new sizes."""
        plan = plan_tiles(shape, layers, core, overlap)
        for axis, along in enumerate(axes(plan)):
            halo = (plan.rows, plan.columns)[axis]
            inner = {
                window.length
                for core_, window in along
                if core_.start >= halo.before and core_.stop + halo.after <= plan.shape[axis]
            }
            assert len(inner) <= 3

    @given(shapes, layer_sets, st.integers(1, 1000))
    def test_the_largest_has_the_most_pixels(self, shape, layers, core):
        plan = plan_tiles(shape, layers, core)
        assert plan.largest_window.pixels == max(tile.window.pixels for tile in plan.tiles)
        assert plan.overhead >= 1

    @given(shapes, layer_sets, st.integers(1, 1000), st.integers(0, 2000))
    def test_a_plan_says_whether_its_halo_is_exact(self, shape, layers, core, overlap):
        plan = plan_tiles(shape, layers, core, overlap)
        exact = [exact_halo(layers, axis) for axis in (0, 1)]
        enough = all(overlap >= max(halo.before, halo.after) for halo in exact)
        assert plan.exact == (enough or len(plan.tiles) == 1)
        for halo, needed in zip((plan.rows, plan.columns), exact, strict=True):
            assert halo.before == min(overlap, needed.before)
            assert halo.after == min(overlap, needed.after)


class TestOwnership:
    @given(shapes, layer_sets, cores)
    @example(Shape(75, 1400), BLOCKS, 16)
    def test_each_cell_inside_the_border_has_one_owner(self, shape, layers, core):
        plan = plan_tiles(shape, layers, core)
        for name in layers:
            for axis, along in enumerate(axes(plan)):
                owned = itertools.chain.from_iterable(
                    owned_in_picture(Scope(name), axis, shape, *piece) for piece in along
                )
                cells = feature_length(name, shape[axis], axis)
                assert list(owned) == list(range(BORDER, cells - BORDER))

    @given(shapes, layer_sets, cores)
    def test_windows_hold_what_owned_cells_see(self, shape, layers, core):
        """The receptive field, as far as it lies in the picture."""
        for axis, _, core_, window in pieces(plan_tiles(shape, layers, core)):
            for name in layers:
                field = (LAYERS[name].rows, LAYERS[name].columns)[axis]
                owned = owned_in_picture(Scope(name), axis, shape, core_, window)
                for cell in owned[:1], owned[-1:]:
                    for k in cell:
                        assert max(0, field.stride * k + field.first) >= window.start
                        assert min(shape[axis], field.stride * k + field.last + 1) <= window.stop

    @given(shapes, layer_sets, cores, st.none() | st.integers(0, 300))
    def test_windows_have_the_owned_cells(self, shape, layers, core, overlap):
        for axis, _, core_, window in pieces(plan_tiles(shape, layers, core, overlap)):
            for name in layers:
                owned = owned_cells(Scope(name), axis, core_, window, shape)
                assert 0 <= owned.start <= owned.stop <= feature_length(name, window.length, axis)

    @given(shapes, layer_sets, cores, st.integers(0, 300))
    @pytest.mark.slow
    def test_nothing_has_two_owners_with_less_overlap(self, shape, layers, core, overlap):
        plan = plan_tiles(shape, layers, core, overlap)
        for name in layers:
            for axis, along in enumerate(axes(plan)):
                owned = [
                    cell
                    for piece in along
                    for cell in owned_in_picture(Scope(name), axis, shape, *piece)
                ]
                assert len(owned) == len(set(owned))

    @given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from(BLOCKS))
    @settings(max_examples=50)
    def test_the_last_core_owns_the_rest(self, length, core, name):
        ((_, last_window),) = axes(plan_tiles(Shape(length, 1), [name], core))[0][-1:]
        cells = feature_length(name, length, 0)
        core_ = axes(plan_tiles(Shape(length, 1), [name], core))[0][-1][0]
        if cells > 2 * BORDER and core_.start <= LAYERS[name].rows.stride * (cells - BORDER - 1):
            owned = owned_in_picture(Scope(name), 0, Shape(length, 1), core_, last_window)
            assert owned.stop == cells - BORDER


class TestHalo:
    def test_of_mixed5(self):
        """Not centred: cell k sees the pixels 16k-250 to 16k+292."""
        for axis in (0, 1):
            assert exact_halo(["mixed5"], axis) == Halo(250, 277)

    @pytest.mark.parametrize("name", BLOCKS)
    def test_covers_the_receptive_field_but_for_the_stride(self, name):
        halo = exact_halo([name], 0)
        assert halo.before + halo.after == LAYERS[name].rows.receptive_field - alignment([name])

    @given(blocks, st.sampled_from([0, 1]))
    def test_of_several_layers_is_the_largest(self, layers, axis):
        halos = [exact_halo([name], axis) for name in layers]
        assert exact_halo(layers, axis).before == max(halo.before for halo in halos)
        assert exact_halo(layers, axis).after == max(halo.after for halo in halos)

    def test_of_a_lopsided_layer_differs_by_axis(self):
        """1x7 convolutions see more columns than rows."""
        assert exact_halo(["conv2d_32"], 1).before > exact_halo(["conv2d_32"], 0).before

    def test_alignment_is_the_deepest_stride(self):
        assert alignment(["mixed2", "mixed8", "mixed5"]) == 32
        assert alignment(["conv2d"]) == 2

    def test_unknown_layers_are_refused(self):
        with pytest.raises(RequestError, match="mixed11"):
            plan_tiles(Shape(300, 300), ["mixed11"])


class TestInterval:
    bounds = st.builds(
        lambda start, length: Interval(start, start + length),
        st.integers(-50, 50),
        st.integers(0, 50),
    )

    @given(bounds, bounds)
    def test_clip_is_the_intersection(self, one, other):
        clipped = one.clip(other)
        assert set(range(*clipped)) == set(range(*one)) & set(range(*other))
        assert other.start <= clipped.start <= clipped.stop <= other.stop

    @given(bounds, st.integers(-50, 50))
    def test_shift_keeps_the_length(self, interval, offset):
        assert interval.shift(offset).length == interval.length
        assert interval.shift(offset).start == interval.start + offset

    def test_region(self):
        region = Region(Interval(2, 5), Interval(10, 20))
        assert region.shape == Shape(3, 10)
        assert region.pixels == 30
        assert region.slices == (slice(2, 5), slice(10, 20))
