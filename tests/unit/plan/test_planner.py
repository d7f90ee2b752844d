"""A plan follows from size, settings and budget alone, and keeps within the budget."""

from __future__ import annotations

import math
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamray.base.errors import PictureError, RequestError
from dreamray.base.geometry import Shape
from dreamray.base.messages import show_size
from dreamray.model.architecture import convolution_flops
from dreamray.model.cuda import Card
from dreamray.plan import memory_model, planner
from dreamray.plan.planner import PicturePlan, Planner, budget_of
from dreamray.plan.tiles import exact_halo, plan_tiles
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution, parse_size

GIB = 2**30

shapes = st.builds(Shape, st.integers(60, 6000), st.integers(60, 6000))
budgets = st.integers(2**29, 64 * GIB)


def plan(shape, budget=8 * GIB, dream=None, **execution) -> PicturePlan:
    return Planner(dream or Dream(), Execution(memory=budget, **execution)).plan(Shape(*shape))


def plan_or_none(shape, budget, **execution):
    try:
        return plan(shape, budget, **execution)
    except RequestError:
        return None


class TestPure:
    @given(shapes, budgets)
    @settings(max_examples=25)
    def test_the_same_request_has_the_same_plan(self, shape, budget):
        assert plan_or_none(shape, budget) == plan_or_none(shape, budget)

    def test_threads_and_weights_do_not_matter(self):
        assert plan((4000, 3000), threads=7, weights="random") == plan((4000, 3000))

    def test_workers_do_not_matter(self):
        """So that any number of them makes the same bytes."""
        one = plan((4000, 3000))
        for workers in 1, 7, "1:64":
            assert plan((4000, 3000), workers=workers, gpus_per_worker=1) == one
        assert plan((4000, 3000), work="here", checkpoint_every=3) == one

    def test_steps_and_seeds_do_not_matter(self):
        other = Dream(step=1, iterations=3, max_loss=None, seed=5, jitter=9)
        assert plan((4000, 3000), dream=other) == plan((4000, 3000))

    def test_the_default_budget_is_a_power_of_two(self, monkeypatch):
        """So that it does not vary with what a machine keeps to itself."""
        for installed in (4.1 * GIB, 7.9 * GIB):
            monkeypatch.setattr(
                memory_model, "_installed_memory", lambda installed=installed: int(installed)
            )
            assert memory_model.default_budget() == 2 * GIB
            assert Planner(Dream(), Execution()).plan(Shape(300, 300)).budget == (
                memory_model.default_budget()
            )

    def test_the_budget_of_several_workers_is_the_same_everywhere(self, monkeypatch):
        monkeypatch.setattr(memory_model, "_installed_memory", lambda: 2**40)
        for execution in Execution(workers=2), Execution(address="auto"):
            assert Planner(Dream(), execution).plan(Shape(300, 300)).budget == 4 * GIB

    def test_the_default_budget_has_bounds(self, monkeypatch):
        monkeypatch.setattr(memory_model, "_installed_memory", lambda: 2**40)
        assert memory_model.default_budget() == 64 * GIB
        monkeypatch.setattr(memory_model, "_installed_memory", lambda: 2**28)
        assert memory_model.default_budget() == GIB

    @pytest.mark.parametrize(
        ("card", "budget"), [(4, 1), (8, 4), (15.9, 12), (22.5, 16), (39.6, 32), (79.6, 64)]
    )
    def test_that_of_a_card_leaves_its_libraries_room(self, monkeypatch, card, budget):
        """And does not vary with what drivers keep to themselves."""
        there = Card("some", int(card * GIB), "9.0", 132, "1")
        monkeypatch.setattr(planner, "usable_card", lambda: there)
        assert budget_of(Execution()) == budget * GIB
        assert budget_of(Execution(memory="2GiB")) == 2 * GIB
        assert budget_of(Execution(workers=2)) == planner.FARM_BUDGET


class TestBudget:
    @given(shapes, budgets, st.sampled_from(["float32", "bfloat16"]))
    def test_is_kept(self, shape, budget, precision):
        planned = plan_or_none(shape, budget, precision=precision)
        if planned is not None:
            assert planned.memory <= budget == planned.budget
            assert planned.memory == max(stage.memory for stage in planned.stages)

    @given(shapes, budgets)
    def test_the_predicted_memory_has_what_earlier_octaves_leave_behind(self, shape, budget):
        planned = plan_or_none(shape, budget)
        window, different = 0, 0
        for stage in planned.stages if planned else ():
            windows = [tile.window.shape for tile in stage.tiles.tiles]
            window = max(window, *(height * width for height, width in windows), 0)
            different += len(set(windows))
            assert stage.memory == memory_model.predict_peak(
                window, stage.held, shape, stage.layers, "float32", different
            )

    @given(shapes, budgets)
    def test_no_octave_has_larger_windows_than_the_largest(self, shape, budget):
        """A process keeps the memory it once had, so they would cost the largest octave its own."""
        planned = plan_or_none(shape, budget)
        if planned is not None:
            windows = [stage.tiles.largest_window.pixels for stage in planned.stages]
            assert max(windows) == windows[-1]

    @given(shapes, budgets, budgets)
    @pytest.mark.slow
    def test_less_of_it_makes_no_larger_windows(self, shape, one, other):
        little, much = sorted([one, other])
        small, large = plan_or_none(shape, little), plan_or_none(shape, much)
        if small is not None:
            assert large is not None
            for a, b in zip(small.stages, large.stages, strict=True):
                assert a.tiles.largest_window.pixels <= b.tiles.largest_window.pixels

    @given(shapes, budgets)
    def test_one_tile_where_it_fits(self, shape, budget):
        planned = plan_or_none(shape, budget)
        if planned is not None:
            octaves = [stage.shape for stage in planned.stages]
            needed = max(
                memory_model.predict_peak(
                    math.prod(octave), stage.held, shape, Dream().layer_names, "float32", n
                )
                for n, (stage, octave) in enumerate(zip(planned.stages, octaves, strict=True), 1)
            )
            if needed <= budget:
                assert {len(stage.tiles.tiles) for stage in planned.stages} == {1}

    def test_decides_the_tiles(self):
        assert [len(stage.tiles.tiles) for stage in plan((8000, 8000)).stages] == [4, 9, 16]
        assert [len(stage.tiles.tiles) for stage in plan((900, 600)).stages] == [1, 1, 1]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("shape", "words"),
        [
            ((700, 700), "even the smallest tiles need about .* --memory or an earlier layer"),
            ((1_000_000, 1_000_000), "would be cut into .* --memory"),
        ],
    )
    def test_too_little_of_it_is_refused(self, shape, words):
        with pytest.raises(RequestError, match=words):
            plan(shape, 2**29)

    @pytest.mark.parametrize("shape", [(80_000, 100_000), (2_000, 1_000_000)])
    @pytest.mark.parametrize("execution", [{}, {"seams": "blend"}, {"precision": "bfloat16"}])
    @pytest.mark.slow
    def test_pictures_far_larger_than_it_fit(self, shape, execution):
        """What is held of their tiles goes to disk and back."""
        planned = plan(shape, 3 * GIB, **execution)
        assert planned.memory <= 3 * GIB
        assert planned.stages[-1].held < GIB < math.prod(shape)

    @given(shapes, budgets)
    def test_what_is_held_is_all_or_leaves_room(self, shape, budget):
        planned = plan_or_none(shape, budget)
        for stage in planned.stages if planned else ():
            everything = memory_model.OCTAVE_PIXEL * math.prod(stage.shape)
            assert stage.held == everything or 0 <= stage.held < min(everything, budget / 2)

    @pytest.mark.parametrize("side", [3000, 4000, 5000])
    @pytest.mark.parametrize("budget", [4 * GIB, 8 * GIB])
    def test_is_used(self, side, budget):
        """Most of it, where a picture needs tiles at all."""
        planned = plan((side, side), budget)
        if len(planned.stages[-1].tiles.tiles) > 1:
            assert planned.memory > 0.55 * budget

    def test_tiles_that_were_asked_for_may_exceed_it_with_a_remark(self):
        planned = plan((2000, 2000), GIB, tile=1024)
        assert planned.stages[-1].tiles.largest_side <= 1024
        assert planned.memory > GIB
        assert "tiles of 1024 are predicted to take" in planned.notices[-1]
        assert "budget of 1.0 GiB" in planned.notices[-1]

    def test_bfloat16_takes_less(self):
        assert plan((900, 900), precision="bfloat16").memory < plan((900, 900)).memory


def test_windows_side_by_side_keep_the_budget():
    layers = ("mixed2", "mixed5")
    pixels = memory_model.window_pixels(4 << 30, layers, "float32")
    assert memory_model.predict_peak(pixels, 0, Shape(0, 0), layers, "float32", 36) <= 4 << 30
    assert memory_model.predict_peak(pixels + 10, 0, Shape(0, 0), layers, "float32", 36) > 4 << 30
    assert memory_model.window_pixels(1 << 20, layers, "float32") == 0


class TestStages:
    def test_are_the_octaves(self):
        planned = plan((600, 900))
        assert [stage.shape for stage in planned.stages] == [(306, 459), (428, 642), (600, 900)]
        assert planned.shape == (600, 900)
        assert planned.notices == ()

    def test_tiles_are_those_asked_for(self):
        for stage in plan((600, 900), tile=256, overlap=64).stages:
            assert stage.tiles == plan_tiles(stage.shape, Dream().layer_names, 256, 64)

    def test_work_counts_halos(self):
        whole, tiled = plan((600, 900)).stages[-1], plan((600, 900), tile=128).stages[-1]
        assert whole.flops == convolution_flops(Dream().layer_names, 600, 900)
        assert tiled.flops > 2 * whole.flops

    def test_skipped_octaves_are_told(self):
        planned = plan((299, 450), dream=Dream(octave_scale=5))
        assert [stage.shape for stage in planned.stages] == [(59, 90), (299, 450)]
        assert planned.skipped == ((11, 18),)
        (remark,) = planned.notices
        assert remark.startswith("octave of 18x11 skipped")
        assert "59 pixels a side" in remark

    def test_an_approximate_overlap_is_told(self):
        (remark,) = plan((900, 900), tile=256, overlap=100).notices
        assert "overlap of 100 pixels is approximate" in remark
        assert "exact takes 277" in remark

    @pytest.mark.parametrize("execution", [{"overlap": 277, "tile": 256}, {"overlap": 100}])
    def test_an_overlap_that_is_exact_is_not(self, execution):
        assert plan((600, 600), **execution).notices == ()

    def test_blended_seams_are_told(self):
        (remark,) = plan((900, 900), tile=256, seams="blend").notices
        assert remark.startswith("seams are blended over 128 pixels")
        (remark,) = plan((900, 900), tile=256, seams="blend", overlap=40).notices
        assert remark.startswith("seams are blended over 40 pixels")

    def test_a_single_tile_has_no_seams_to_blend(self):
        assert plan((600, 600), seams="blend").notices == ()

    def test_a_picture_too_small_is_refused(self):
        with pytest.raises(PictureError, match="too small"):
            plan((40, 40))


@pytest.mark.slow
class TestSmaller:
    """What follows when memory runs out all the same."""

    @given(shapes, st.integers(32, 3000), st.none() | st.integers(0, 300))
    @settings(max_examples=12)
    def test_cores_are_halved_until_there_is_none(self, shape, core, overlap):
        given = "exact" if overlap is None else overlap
        planner = Planner(Dream(), Execution(memory=GIB, overlap=given))
        before = plan_tiles(shape, Dream().layer_names, core, overlap)
        rounds = 0
        while (core := planner.smaller_core(before)) is not None:
            after = planner.cut(shape, core)
            assert before.largest_side / 2 <= after.largest_side < before.largest_side / 2 + 16
            assert after.shape == shape
            before, rounds = after, rounds + 1
        assert rounds <= 12
        assert before.largest_side <= 16

    def test_stays_exact(self):
        planner = Planner(Dream(), Execution(memory=8 * GIB))
        first = planner.plan(Shape(900, 900)).stages[-1].tiles
        core = planner.smaller_core(first)
        assert core is not None
        after = planner.cut(first.shape, core)
        assert len(after.tiles) == 4
        assert after.exact
        assert after.rows == exact_halo(Dream().layer_names, 0)


class TestBlend:
    """Tiles dreamt by themselves: exact ones for the first gradient, then those that overlap."""

    def planner(self, **execution):
        return Planner(Dream(), Execution(memory=8 * GIB, tile=256, seams="blend", **execution))

    def test_only_where_it_was_asked_for_and_there_is_a_seam(self):
        stages = self.planner().plan(Shape(900, 900)).stages
        assert all(self.planner().blends(stage.tiles) for stage in stages)
        exact = Planner(Dream(), Execution(memory=8 * GIB, tile=256))
        assert not any(exact.blends(stage.tiles) for stage in stages)
        (small,) = plan((200, 200), dream=Dream(octaves=1), seams="blend").stages
        assert not self.planner().blends(small.tiles)

    @pytest.mark.parametrize("overlap", [0, 40, 128, 5000])
    def test_windows_overlap_as_asked_and_cores_stay(self, overlap):
        planner = self.planner(overlap=overlap)
        for stage in planner.plan(Shape(900, 700)).stages:
            assert stage.tiles.exact
            windows = planner.blend_tiles(stage.tiles)
            assert [tile.core for tile in windows.tiles] == [
                tile.core for tile in stage.tiles.tiles
            ]
            assert windows.rows.before == min(overlap, stage.tiles.rows.before)

    def test_smaller_tiles_stay_exact_for_the_first_gradient(self):
        planner = self.planner()
        first = planner.plan(Shape(900, 900)).stages[-1].tiles
        core = planner.smaller_core(first)
        assert core is not None
        assert planner.cut(first.shape, core).exact


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("8GiB", 8 * GIB),
            ("8G", 8 * GIB),
            ("8 gb", 8 * GIB),
            ("1.5g", 3 * GIB // 2),
            ("512M", 2**29),
            ("1T", 2**40),
            ("600000K", 600_000 * 1024),
            ("1073741824", GIB),
            (" 1073741824B ", GIB),
        ],
    )
    def test_are_read(self, text, size):
        assert Execution(memory=text).memory == parse_size(text) == size

    @pytest.mark.parametrize(
        "value", ["", "GiB", "8 apples", "-8G", "8.G", "8PiB", "auto", 5, None]
    )
    def test_other_values_are_left_as_they_are(self, value):
        assert parse_size(value) is value

    @pytest.mark.parametrize(
        ("size", "text"),
        [
            (0, "0 B"),
            (1023, "1023 B"),
            (2048, "2 KiB"),
            (2**29, "512 MiB"),
            (3 * GIB / 2, "1.5 GiB"),
        ],
    )
    def test_are_shown(self, size, text):
        assert show_size(size) == text


SIDES = st.sampled_from([1, 74, 75, 299, 1000, 4000, 20_000, 131_072, 2**20])
DREAMS = st.fixed_dictionaries(
    {},
    optional={
        "octaves": st.sampled_from([1, 2, 10, 50, "auto"]),
        "octave_scale": st.sampled_from([0.1, 0.5, 0.99, 1, 1.0001, 2, 10]),
        "size": st.sampled_from([None, 1, 75, 400, 2**20]),
        "margin": st.sampled_from([None, "auto", 1, 10_000]),
        "layers": st.dictionaries(
            st.sampled_from(["mixed0", "mixed5", "mixed10", "conv2d_1", "average_pooling2d_8"]),
            st.just(1.0),
            min_size=1,
        ),
    },
)
EXECUTIONS = st.fixed_dictionaries(
    {},
    optional={
        "tile": st.sampled_from([32, 33, 512, 2**20, "auto"]),
        "overlap": st.sampled_from([0, 1, 2**20, "exact"]),
        "seams": st.sampled_from(["exact", "blend"]),
        "memory": st.sampled_from(["512M", "1G", "8GiB", 2**60]),
        "workers": st.sampled_from([None, 2, "1:10000"]),
    },
)


@settings(max_examples=40, deadline=None)
@given(DREAMS, EXECUTIONS, SIDES, SIDES)
@example({"octaves": 50, "octave_scale": 0.1}, {}, 400, 600)
@example({}, {"tile": 32}, 131_072, 131_072)
@example({}, {"memory": "512M"}, 2**20, 2**14)
def test_any_settings_give_a_plan_or_one_line_soon(dream, execution, height, width):
    begun = time.process_time()
    shape = Shape(height, min(width, 2**34 // height)).within(dream.get("size"))
    try:
        planned = Planner(Dream(**dream), Execution(**execution)).plan(shape)
        assert sum(stage.flops for stage in planned.stages) > 0
    except (PictureError, RequestError) as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 400
    assert time.process_time() - begun < 4  # A second or two, on a quiet machine.


@pytest.mark.parametrize(
    ("shape", "dream", "words"),
    [
        ((400, 600), {"octaves": 50, "octave_scale": 0.1}, r"2\.4e\+103 pixels.*fewer --octaves"),
        ((75, 90), {"layers": {"mixed10": 1.0}, "size": 90}, r"give --size \d+ or more"),
        ((75, 90), {"layers": {"mixed10": 1.0}}, r"enlarge it to at least \d+ pixels a side"),
    ],
)
def test_a_picture_that_has_no_octaves_is_told_what_helps(shape, dream, words):
    with pytest.raises(PictureError, match=words):
        plan(shape, dream=Dream(**dream))


def test_the_size_that_is_advised_suffices():
    dream = Dream(layers={"mixed10": 1.0}, size=90)
    with pytest.raises(PictureError) as caught:
        plan((75, 90), dream=dream)
    advised = int(re.search(r"--size (\d+)", str(caught.value))[1])
    assert plan(Shape(3333, 4000).within(advised), dream=dream.replace(size=advised)).stages
