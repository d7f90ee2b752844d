"""Tiles give the same bits whoever owns them, and the gradient of the picture in one piece."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Raster, Shape
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles
from dreamray.engine.subdomain import Subdomain
from dreamray.plan.tiles import TilePlan, plan_tiles
from dreamray.raster.spill import SpillBuffer
from tests.support.plain_engine import PlainEngine, TiredEngine
from tests.support.tiled import Tiled

LAYERS = ("conv2d_2", "max_pooling2d")

layer_sets = st.sampled_from([("conv2d_2",), ("conv2d_1", "max_pooling2d"), ("mixed0",)])
lengths = st.integers(60, 100)
shapes = st.builds(Shape, lengths, lengths)
cores = st.integers(20, 70)
rolls = st.just((0, 0)) | st.tuples(st.integers(-300, 300), st.integers(-300, 300))


def noise(shape: Shape, seed: int = 0) -> Raster:
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 3)).astype(np.float32)


def ascend(tiled: Tiled, rolls: list[tuple[int, int]]) -> list[bytes]:
    """A step for each roll: the bytes of all that is found out and changed on the way."""
    found = []
    for roll in rolls:
        measured = tiled.compute(roll)
        found += [repr(measured).encode(), tiled.gradient.tobytes()]
        tiled.move(0.05, measured.mean)
        found.append(tiled.image.tobytes())
    return found


def begun(plan: TilePlan, layers: tuple[str, ...], *arguments: object, **options: object) -> Tiled:
    tiled = Tiled(plan, PlainEngine(*layers), *arguments, **options)
    tiled.put(noise(plan.shape))
    return tiled


class TestDealing:
    """With a plain engine; test_tile_executor.py does the same with the network."""

    @given(
        layer_sets,
        shapes,
        cores,
        st.none() | st.integers(0, 20),
        st.integers(2, 5),
        st.lists(rolls, min_size=1, max_size=3),
        st.integers(0, 99),
    )
    @settings(max_examples=25)
    @pytest.mark.slow
    def test_makes_no_difference_to_a_single_bit(
        self,
        layers: tuple[str, ...],
        shape: Shape,
        core: int,
        overlap: int | None,
        count: int,
        rolls: list[tuple[int, int]],
        order: int,
    ) -> None:
        """Nor does the order in which owners get to work, and in which contributions come in."""
        plan = plan_tiles(shape, layers, core, overlap)
        alone = ascend(begun(plan, layers), rolls)
        random = Random(order)
        scattered = tuple(random.randrange(count) for _ in plan.tiles)
        for owners in assign_tiles(plan, count), scattered:
            assert ascend(begun(plan, layers, owners, order=order), rolls) == alone

    @given(st.integers(0, 20_000))
    @settings(max_examples=8)
    def test_nor_does_what_is_in_memory(self, held: int) -> None:
        plan = plan_tiles(Shape(90, 70), LAYERS, 32)
        alone = ascend(begun(plan, LAYERS), [(0, 0), (5, -40)])
        few = begun(plan, LAYERS, assign_tiles(plan, 2), held=held)
        assert ascend(few, [(0, 0), (5, -40)]) == alone

    @given(shapes, st.integers(1, 3), st.integers(1, 5))
    @settings(max_examples=10)
    def test_may_change_between_steps(self, shape: Shape, one: int, other: int) -> None:
        plan = plan_tiles(shape, LAYERS, 32)
        alone = ascend(begun(plan, LAYERS), [(0, 0), (9, 9)])
        first = begun(plan, LAYERS, assign_tiles(plan, one))
        found = ascend(first, [(0, 0)])
        second = Tiled(plan, PlainEngine(*LAYERS), assign_tiles(plan, other))
        second.put(first.image)
        assert found + ascend(second, [(9, 9)]) == alone


class TestExactness:
    @given(layer_sets, shapes, cores, rolls, st.integers(1, 4))
    @settings(max_examples=25)
    def test_exact_tiles_give_the_gradient_of_the_picture(
        self, layers: tuple[str, ...], shape: Shape, core: int, roll: tuple[int, int], count: int
    ) -> None:
        plan = plan_tiles(shape, layers, core)
        assert plan.exact
        tiled = begun(plan, layers, assign_tiles(plan, count))
        whole = Tiled(plan_tiles(shape, layers), PlainEngine(*layers))
        whole.put(np.roll(noise(shape), roll, (0, 1)))
        found, expected = tiled.compute(roll), whole.compute()
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        assert found.mean == pytest.approx(expected.mean, rel=1e-6)
        rolled = np.roll(tiled.gradient, roll, (0, 1))
        np.testing.assert_allclose(rolled, whole.gradient, rtol=0, atol=1e-6 * np.abs(rolled).max())

    @pytest.mark.parametrize("layer", ["conv2d_2", "max_pooling2d", "mixed0"])
    def test_a_halo_too_small_by_the_stride_shows(self, layer: str) -> None:
        """So the engine tells a wrong window from a right one."""
        shape = Shape(120, 130)
        exact = plan_tiles(shape, [layer], 40)
        less = plan_tiles(shape, [layer], 40, max(0, exact.rows.after - 16))
        assert not less.exact
        whole, tiled = (begun(plan, (layer,)) for plan in (plan_tiles(shape, [layer]), less))
        mean = whole.compute().mean
        tiled.compute()
        assert np.abs(tiled.gradient - whole.gradient).mean() > 1e-3 * mean

    def test_the_gradient_is_that_of_the_loss(self) -> None:
        """By differences of the loss, along the gradient."""
        plan = plan_tiles(Shape(61, 75), LAYERS, 32)
        tiled = begun(plan, LAYERS)
        measured, gradient = tiled.compute(), tiled.gradient.astype(np.float64)
        losses = []
        for step in -1e-3, 1e-3:
            tiled.put((noise(plan.shape) + step * gradient / measured.mean).astype(np.float32))
            losses.append(tiled.compute().loss)
        slope = (losses[1] - losses[0]) / 2e-3 * measured.mean
        assert slope == pytest.approx(np.sum(gradient**2), rel=1e-2)


class TestMask:
    """A step is made by as much as a mask says, whoever has the tiles."""

    PLAN = plan_tiles(Shape(70, 90), LAYERS, 32)

    def ascended(self, mask: Raster | None, count: int = 1, held: int | None = None) -> Raster:
        tiled = begun(self.PLAN, LAYERS, assign_tiles(self.PLAN, count), held=held)
        if mask is not None:
            tiled.put_mask(mask)
        ascend(tiled, [(0, 0), (5, -40), (3, 3)])
        return tiled.image

    @pytest.mark.parametrize("held", [None, 9_000])
    @pytest.mark.parametrize("count", [1, 3])
    def test_of_every_grey(self, count: int, held: int | None) -> None:
        random = np.random.default_rng(1)
        mask = np.clip(random.uniform(-1, 2, (*self.PLAN.shape, 1)), 0, 1).astype(np.float32)
        found = self.ascended(mask, count, held)
        np.testing.assert_array_equal(found, self.ascended(mask))
        black = (mask == 0)[..., 0]
        np.testing.assert_array_equal(found[black], noise(self.PLAN.shape)[black])
        moved = np.abs(found - noise(self.PLAN.shape))
        assert 0 < moved[~black & (mask < 0.5)[..., 0]].mean() < moved[(mask == 1)[..., 0]].mean()

    def test_of_white_alone_is_none(self) -> None:
        white = np.ones((*self.PLAN.shape, 1), np.float32)
        np.testing.assert_array_equal(self.ascended(white), self.ascended(None))

    def test_first_step_is_that_share_of_the_whole(self) -> None:
        grey = np.full((*self.PLAN.shape, 1), 0.25, np.float32)
        plain, masked = begun(self.PLAN, LAYERS), begun(self.PLAN, LAYERS)
        masked.put_mask(grey)
        for one in plain, masked:
            one.move(0.05, one.compute().mean)
        before = noise(self.PLAN.shape)
        np.testing.assert_allclose(masked.image - before, 0.25 * (plain.image - before), atol=1e-6)


class TestMove:
    @pytest.mark.parametrize("count", [1, 3])
    def test_is_along_the_gradient_by_its_mean(self, count: int) -> None:
        plan = plan_tiles(Shape(70, 90), LAYERS, 32)
        tiled = begun(plan, LAYERS, assign_tiles(plan, count))
        measured, gradient = tiled.compute(), tiled.gradient
        assert measured.mean == pytest.approx(np.abs(gradient).mean(dtype=np.float64))
        tiled.move(0.5, measured.mean)
        expected = noise(plan.shape) + 0.5 * gradient.astype(np.float64) / measured.mean
        np.testing.assert_allclose(tiled.image, expected, atol=1e-5)

    def test_a_roll_leaves_the_picture_where_it_was(self) -> None:
        plan = plan_tiles(Shape(70, 90), LAYERS, 32)
        tiled = begun(plan, LAYERS, assign_tiles(plan, 2))
        tiled.compute((31, 8))
        np.testing.assert_array_equal(tiled.image, noise(plan.shape))

    def test_what_was_put_in_is_left_as_it_is(self) -> None:
        plan = plan_tiles(Shape(70, 90), LAYERS)
        tiled, image = Tiled(plan, PlainEngine(*LAYERS)), noise(plan.shape)
        tiled.put(image)
        ascend(tiled, [(0, 0), (3, 3)])
        np.testing.assert_array_equal(image, noise(plan.shape))


class TestMemory:
    @pytest.mark.parametrize("roll", [(0, 0), (7, -9)])
    def test_that_runs_out_costs_no_more_than_the_step(self, roll: tuple[int, int]) -> None:
        plan = plan_tiles(Shape(90, 100), LAYERS, 32)
        expected = ascend(begun(plan, LAYERS), [roll, roll])
        tired = Tiled(plan, TiredEngine(*LAYERS, at=[1, 2 + len(plan.tiles) + 1]))
        tired.put(noise(plan.shape))
        found = []
        for _ in range(2):
            before = tired.image
            with pytest.raises(MemoryExhaustedError):
                tired.compute(roll)
            np.testing.assert_array_equal(tired.image, before)
            found += ascend(tired, [roll])
        assert found == expected

    def test_gradients_are_let_go_with_the_move(self) -> None:
        plan = plan_tiles(Shape(90, 100), LAYERS, 32)
        shelf = SpillBuffer()
        owned = Subdomain(plan, (0,) * len(plan.tiles), 0, PlainEngine(*LAYERS), shelf)
        for tile in owned.tiles:
            owned.put(tile, noise(plan.tiles[tile].core.shape))
        owned.begin(HaloExchange(plan, (0,) * len(plan.tiles)))
        for tile in reversed(owned.tiles):
            owned.compute(tile)
        owned.sums()
        for tile in owned.tiles:
            owned.move(tile, 0.1, (1.0,))
        assert set(shelf) == {("image", tile) for tile in owned.tiles}
