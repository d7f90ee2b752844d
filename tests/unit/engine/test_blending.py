"""Tiles dreamt by themselves fade into one another: every pixel is there once, and calm stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamray.base.geometry import Interval, Raster, Region, Shape
from dreamray.engine.ascent import StepMeasure
from dreamray.engine.blending import BlendedRaster, Fade, TileTask, fades, shares
from dreamray.plan.tiles import TilePlan, other_windows, plan_tiles
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.settings.dream import Dream
from dreamray.storage import MemoryFolder
from tests.support.plain_engine import PlainEngine
from tests.support.tiled import Tiled

lengths = st.integers(1, 200)
shapes = st.builds(Shape, lengths, lengths)
cores = st.integers(16, 90)
overlaps = st.integers(0, 200)
plans = st.builds(
    lambda shape, layer, core, overlap: plan_tiles(shape, [layer], core, overlap),
    shapes,
    st.sampled_from(["conv2d_2", "mixed0", "mixed3", "mixed6"]),
    cores,
    overlaps,
)
"""Among them one tile wide ones, odd sizes, no overlap, and one larger than the cores."""


def noise(shape: Shape, seed: int = 0) -> Raster:
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 3)).astype(np.float32)


def raster(values: Raster) -> ChunkedRaster:
    made = ChunkedRaster(MemoryFolder(), ChunkGrid.even(Shape(*values.shape[:2]), 64), "float32")
    made.write(Region.whole(made.shape), values)
    return made


def cut(image: Raster, plan: TilePlan) -> BlendedRaster:
    """The windows of a plan, cut from one image."""
    return BlendedRaster(plan, tuple(raster(image[tile.window.slices]) for tile in plan.tiles))


class TestFades:
    @given(plans)
    @example(plan_tiles(Shape(1, 1), ["mixed0"], 32, 0))
    @example(plan_tiles(Shape(17, 200), ["mixed6"], 16, 200))
    @example(plan_tiles(Shape(193, 65), ["mixed3"], 64, 1))
    def test_add_up_to_one_at_every_pixel(self, plan: TilePlan) -> None:
        for length, along in zip(plan.shape, fades(plan), strict=True):
            weights = np.array([fade.at(np.arange(length)) for fade in along])
            np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=0, atol=1e-6)
            assert np.all(weights >= 0)
            assert np.all(weights <= 1)

    @given(plans)
    def test_end_where_the_windows_do(self, plan: TilePlan) -> None:
        for axis, along in enumerate(fades(plan)):
            windows = {tile.core[axis]: tile.window[axis] for tile in plan.tiles}
            for fade in along:
                seen = np.flatnonzero(fade.at(np.arange(plan.shape[axis])))
                window = windows[fade.core]
                assert window.start <= seen[0] <= fade.core.start
                assert fade.core.stop <= seen[-1] + 1 <= window.stop

    @given(plans)
    def test_reach_the_middle_of_the_neighbour_at_most(self, plan: TilePlan) -> None:
        """So that no more than two tiles of a row meet at a pixel."""
        for length, along in zip(plan.shape, fades(plan), strict=True):
            at_once = sum((fade.at(np.arange(length)) > 0).astype(int) for fade in along)
            assert np.max(at_once) <= 2

    def test_are_as_wide_as_the_overlap_lets_them(self) -> None:
        narrow, wide = (
            fades(plan_tiles(Shape(64, 192), ["mixed0"], 64, overlap))[1] for overlap in (8, 16)
        )
        assert [fade.after for fade in narrow] == [8, 8, 0]
        assert [fade.before for fade in wide] == [0, 16, 16]

    def test_rise_as_a_cosine_does(self) -> None:
        fade = Fade(Interval(100, 200), 10, 0)
        weights = fade.at(np.arange(85, 115))
        assert np.all(weights[:5] == 0)
        assert np.all(weights[25:] == 1)
        assert np.all(np.diff(weights[5:25]) > 0)
        np.testing.assert_allclose(weights[5:25] + weights[5:25][::-1], 1, atol=1e-6)

    def test_without_an_overlap_are_the_cores(self) -> None:
        rows, _ = fades(plan_tiles(Shape(96, 20), ["mixed0"], 32, 0))
        for fade in rows:
            seen = np.flatnonzero(fade.at(np.arange(96)))
            assert (seen[0], seen[-1] + 1) == fade.core


@pytest.mark.slow
class TestBlended:
    @given(plans)
    @settings(max_examples=40)
    def test_windows_of_one_picture_give_it_back(self, plan: TilePlan) -> None:
        image = noise(plan.shape)
        blended = cut(image, plan)
        assert blended.shape == plan.shape
        found = read(blended, Region.whole(plan.shape))
        np.testing.assert_allclose(found, image, rtol=0, atol=1e-6)

    @given(plans, st.data())
    @settings(max_examples=40)
    def test_has_the_same_bits_in_every_part(self, plan: TilePlan, data: st.DataObject) -> None:
        blended = cut(noise(plan.shape), plan)
        rows, columns = (
            np.array(sorted(data.draw(st.sets(st.integers(0, side - 1), max_size=12))), np.intp)
            for side in plan.shape
        )
        whole = read(blended, Region.whole(plan.shape))
        np.testing.assert_array_equal(blended.points(rows, columns), whole[np.ix_(rows, columns)])

    def test_lies_between_the_tiles_that_meet(self) -> None:
        plan = plan_tiles(Shape(64, 128), ["mixed0"], 64, 16)
        ends = tuple(
            raster(np.full((*tile.window.shape, 3), value, np.float32))
            for tile, value in zip(plan.tiles, (0, 1), strict=True)
        )
        row = read(BlendedRaster(plan, ends), Region.whole(plan.shape))[30, :, 0]
        assert np.all(row[:48] == 0)
        assert np.all(row[80:] == 1)
        assert np.all(np.diff(row[48:80]) > 0)


def found_shares(plan: TilePlan, sums: list[float]) -> list[float]:
    """Of a gradient in one piece, by what each tile's adds up to."""
    measure = StepMeasure((0.0,) * len(sums), tuple((one,) for one in sums), 3 * plan.shape.pixels)
    return [share for (share,) in shares(plan, measure)]


class TestShares:
    @given(shapes, cores, st.randoms(use_true_random=False))
    def test_are_one_on_average(self, shape: Shape, core: int, random: object) -> None:
        plan = plan_tiles(shape, ["conv2d_2"], core)
        sums = [random.uniform(0, 9) for _ in plan.tiles]
        pixels = [tile.core.pixels for tile in plan.tiles]
        mean = np.average(found_shares(plan, sums), weights=pixels)
        assert mean == pytest.approx(1, abs=1e-9)

    def test_compare_means_and_not_sums(self) -> None:
        plan = plan_tiles(Shape(32, 85), ["conv2d_2"], 48)
        areas = [tile.core.pixels for tile in plan.tiles]
        assert len(set(areas)) == 2
        assert found_shares(plan, areas) == pytest.approx([1.0, 1.0])
        assert found_shares(plan, [areas[0], 0]) == pytest.approx([sum(areas) / areas[0], 0])

    def test_of_a_picture_without_a_gradient_are_alike(self) -> None:
        plan = plan_tiles(Shape(32, 80), ["conv2d_2"], 48)
        assert found_shares(plan, [0.0, 0.0]) == [1.0, 1.0]


LAYERS = ("conv2d_2", "max_pooling2d")
DREAM = Dream(layers=dict.fromkeys(LAYERS, 1.0), iterations=3, step=0.02, max_loss=None)


class Octave:
    """An image, and its tiles to be dreamt by themselves."""

    def __init__(self, image: Raster, core: int = 64, overlap: int = 16) -> None:
        self.image = image
        self.engine = PlainEngine(*LAYERS)
        exact = plan_tiles(Shape(*image.shape[:2]), LAYERS, core)
        whole = Tiled(exact, self.engine)
        whole.put(image)
        found = whole.compute()
        self.loss, self.shares = found.loss, [share for (share,) in shares(exact, found)]
        self.plan = other_windows(exact, LAYERS, overlap)

    def task(self, number: int, share: float | None = None, dream: Dream = DREAM) -> TileTask:
        tile = self.plan.tiles[number]
        return TileTask(
            number,
            tile.core,
            tile.window,
            (self.shares[number] if share is None else share,),
            self.loss,
            0,
            dream,
            ArrayRaster(self.image),
            ChunkedRaster(MemoryFolder(), ChunkGrid.even(tile.window.shape, 64), "float32"),
        )

    def change(self, task: TileTask) -> float:
        """How far the core of a tile moved, on average."""
        assert task.run(self.engine) == DREAM.iterations
        moved = read(task.result, Region.whole(task.window.shape))
        core = Region(
            task.core.rows.shift(-task.window.rows.start),
            task.core.columns.shift(-task.window.columns.start),
        )
        return float(np.abs(moved[core.slices] - self.image[task.core.slices]).mean())


@pytest.fixture
def sky() -> Octave:
    """A sky on the left, all but flat, beside detail."""
    image = noise(Shape(128, 128))
    image[:, :64] *= 0.01
    return Octave(image)


class TestTileTask:
    def test_a_flat_sky_stays_calm_beside_detail(self, sky: Octave) -> None:
        calm, loud = sky.change(sky.task(0)), sky.change(sky.task(1))
        assert calm < 0.35 * loud
        assert calm == pytest.approx(3 * DREAM.step * sky.shares[0], rel=0.3)

    def test_without_its_share_the_sky_would_be_as_loud(self, sky: Octave) -> None:
        """So it is the share that keeps it calm."""
        assert sky.change(sky.task(0, share=1.0)) > 0.7 * sky.change(sky.task(1, share=1.0))

    def test_is_the_exact_dream_for_a_single_tile(self) -> None:
        image = noise(Shape(70, 80))
        one = Octave(image, core=96)
        task = one.task(0)
        assert task.shares == pytest.approx([1])
        task.run(one.engine)
        exact = Tiled(plan_tiles(Shape(70, 80), LAYERS), one.engine)
        exact.put(image)
        for _ in range(DREAM.iterations):
            exact.move(DREAM.step, exact.compute().mean)
        dreamt = read(task.result, Region.whole(task.window.shape))
        np.testing.assert_allclose(dreamt, exact.image, atol=1e-5)

    def test_makes_the_same_bytes_again(self, sky: Octave) -> None:
        results = []
        for _ in range(2):
            task = sky.task(3)
            task.run(sky.engine)
            results.append(read(task.result, Region.whole(task.window.shape)).tobytes())
        assert results[0] == results[1]

    def test_ends_early_where_the_whole_loss_grew_too_large(self, sky: Octave) -> None:
        over, never = (DREAM.replace(max_loss=sky.loss * f) for f in (0.99, 1e6))
        task = sky.task(1, dream=over)
        assert task.run(sky.engine) == 0
        unmoved = read(task.result, Region.whole(task.window.shape))
        np.testing.assert_array_equal(unmoved, sky.image[task.window.slices])
        assert sky.task(1, dream=never).run(sky.engine) == DREAM.iterations
        soon = DREAM.replace(max_loss=sky.loss * 1.001, iterations=50, step=0.1)
        assert 1 <= sky.task(1, dream=soon).run(sky.engine) < 50

    def test_without_steps_is_the_picture(self, sky: Octave) -> None:
        task = sky.task(2, dream=DREAM.replace(iterations=0))
        assert task.run(sky.engine) == 0
        window = read(task.result, Region.whole(task.window.shape))
        np.testing.assert_array_equal(window, sky.image[task.window.slices])

    def test_a_blank_picture_stays_blank(self) -> None:
        blank = Octave(np.zeros((128, 128, 3), np.float32))
        assert blank.loss == 0
        assert blank.change(blank.task(0)) == 0
