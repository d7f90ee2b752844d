"""The loop of the ascent: when it steps and stops, how it rolls, and what if a step fails."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Region, Shape
from dreamray.engine.ascent import SMALLEST_MEAN, Octave, Step, Wish, decide, roll
from dreamray.engine.lockstep.wire import pack_decision, unpack_decision
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.settings.dream import Dream
from dreamray.storage import MemoryFolder
from tests.support.plain_engine import PlainEngine

SHAPE = Shape(48, 40)
PLAN = plan_tiles(SHAPE, ["conv2d"])


class Script(PlainEngine):
    """An engine that finds the losses it was told to, and a gradient of `mean` everywhere.

    A loss of None stands for memory that runs out.
    """

    def __init__(self, *losses, mean=2.0):
        super().__init__("conv2d")
        self.losses = list(losses)
        self.mean = mean
        self.moves = []

    def gradient(self, window, owned, per_cell):
        self.gradients += 1
        loss = self.losses.pop(0)
        if loss is None:
            raise MemoryExhaustedError("out")
        return loss, np.full_like(window, self.mean)

    def move(self, image, gradient, step, mean):
        self.moves.append((step, mean))
        return super().move(image, gradient, step, mean)


def told(script, octave=0, first=0, result=None, **settings):
    """The steps, as they are made."""
    image = ArrayRaster(np.zeros((*SHAPE, 3), np.float32))
    asked = Octave(PLAN, image, Dream(**settings), octave, first, result=result)
    events = LocalTileExecutor(Worker(script)).dream(asked)
    return (one for one in events if isinstance(one, Step))


def run(script, **options):
    """The image in the end, and the steps that were told."""
    grid = ChunkGrid.even(SHAPE, 64)
    result = ChunkedRaster(MemoryFolder(), grid, "float32")
    steps = [*told(script, result=result, **options)]
    return read(result, Region.whole(SHAPE)), steps


class TestSteps:
    def test_are_as_many_as_asked_for(self):
        result, steps = run(Script(1, 2, 3), iterations=3, step=0.5)
        assert steps == [Step(0, 1, True), Step(1, 2, True), Step(2, 3, True)]
        np.testing.assert_array_equal(result, np.full((*SHAPE, 3), 1.5))

    def test_may_be_none(self):
        script = Script()
        result, steps = run(script, iterations=0)
        assert steps == []
        assert script.gradients == 0
        assert not result.any()

    def test_the_size_of_a_step_and_the_mean_are_passed_on(self):
        script = Script(1, mean=0.125)
        run(script, iterations=1, step=0.25)
        assert script.moves == [(0.25, 0.125)]

    def test_a_picture_without_detail_has_a_mean_all_the_same(self):
        script = Script(0, mean=0.0)
        run(script, iterations=1)
        assert script.moves == [(0.01, SMALLEST_MEAN)]

    def test_each_is_told_when_it_was_made_and_before_the_next(self):
        script = Script(1, 2)
        for step in told(script, iterations=2):
            assert script.gradients == len(script.moves) == step.number + 1

    def test_may_begin_with_a_later_one(self):
        """As a checkpoint has it."""
        _, steps = run(Script(5, 6), first=3, iterations=5)
        assert steps == [Step(3, 5, True), Step(4, 6, True)]

    @pytest.mark.parametrize("first", [5, 6])
    def test_none_is_left_behind_the_last(self, first):
        assert run(Script(), first=first, iterations=5)[1] == []


class TestMaxLoss:
    def test_ends_the_octave_before_the_step(self):
        result, steps = run(Script(9, 10.1, 1), iterations=3, step=1)
        assert steps == [Step(0, 9, True), Step(1, 10.1, False)]
        np.testing.assert_array_equal(result, 1)

    def test_may_be_reached_but_not_exceeded(self):
        assert [step.moved for step in run(Script(10, 10), iterations=2, max_loss=10)[1]] == [
            True
        ] * 2

    def test_may_end_it_before_the_first_step(self):
        script = Script(11)
        result, steps = run(script, iterations=5)
        assert steps == [Step(0, 11, False)]
        assert script.moves == []
        assert not result.any()

    def test_none_never_ends_it(self):
        assert len(run(Script(1e9, 1e30, float("inf")), iterations=3, max_loss=None)[1]) == 3

    def test_may_be_negative(self):
        assert len(run(Script(-7, -5, -4), iterations=3, max_loss=-5)[1]) == 3
        assert len(run(Script(-4, -7), iterations=2, max_loss=-5)[1]) == 1


class TestFailure:
    def test_a_step_that_was_not_made_is_not_told(self):
        script = Script(1, None)
        steps = told(script, iterations=5, step=1)
        assert next(steps) == Step(0, 1, True)
        with pytest.raises(MemoryExhaustedError, match="out"):
            next(steps)
        assert len(script.moves) == 1


def octave(**settings):
    every = settings.pop("every", None)
    return Octave(PLAN, ArrayRaster(np.zeros((*SHAPE, 3))), Dream(**settings), every=every)


class TestDecision:
    """What follows a step, beside the move: checkpoints, and who leaves with them."""

    @pytest.mark.parametrize(
        ("every", "number", "wish", "stores", "leaves"),
        [
            (None, 1, Wish.GO_ON, False, False),
            (2, 0, Wish.GO_ON, False, False),
            (2, 1, Wish.GO_ON, True, False),
            (2, 1, Wish.LEAVE_AT_CHECKPOINT, True, True),
            (2, 0, Wish.LEAVE_AT_CHECKPOINT, False, False),
            (None, 0, Wish.LEAVE_AT_CHECKPOINT, False, False),
            (2, 0, Wish.LEAVE, True, True),
            (None, 0, Wish.LEAVE, True, True),
        ],
    )
    def test_is_a_checkpoint_when_it_is_due_or_somebody_leaves(
        self, every, number, wish, stores, leaves
    ):
        found = decide(octave(iterations=9, every=every), number, 1.0, (1.0,), wish)
        assert (found.stores, found.leaves) == (stores, leaves)
        assert found.moves
        assert not found.ends

    @pytest.mark.parametrize("wish", Wish)
    @pytest.mark.parametrize(("number", "loss"), [(3, 1.0), (1, 11.0)])
    def test_with_the_octaves_end_nothing_else_is_stored(self, wish, number, loss):
        found = decide(octave(iterations=4, every=1), number, loss, (1.0,), wish)
        assert found.ends
        assert not found.stores
        assert not found.leaves

    def test_travels_as_it_is(self):
        for number, loss, wish in (0, 0.1 + 0.2, Wish.LEAVE), (3, math.inf, Wish.GO_ON):
            for scales in (1 / 3,), (0.1, 2 / 3, 5.0):
                found = decide(octave(iterations=4, max_loss=None), number, loss, scales, wish)
                assert unpack_decision(pack_decision(found)) == found


def rolls(iterations=8, octave=0, first=0, **options):
    dream = Dream(iterations=iterations, **options)
    return [roll(dream, octave, number) for number in range(first, iterations)]


class TestJitter:
    @given(st.integers(1, 10_000), st.integers(0, 2**32 - 1), st.integers(0, 49))
    def test_is_reproducible_and_bounded(self, jitter, seed, octave):
        one = rolls(jitter=jitter, seed=seed, octave=octave)
        assert one == rolls(jitter=jitter, seed=seed, octave=octave)
        assert all(type(pixels) is int and -jitter <= pixels <= jitter for r in one for pixels in r)

    def test_reaches_both_ends(self):
        seen = {pixels for roll in rolls(200, jitter=2) for pixels in roll}
        assert seen == {-2, -1, 0, 1, 2}

    def test_differs_by_seed_octave_and_step(self):
        one = rolls(jitter=1000)
        assert len(set(one)) == len(one)
        assert one != rolls(jitter=1000, seed=1)
        assert one != rolls(jitter=1000, octave=1)

    def test_a_longer_dream_begins_like_a_shorter_one(self):
        assert rolls(8, jitter=1000)[:3] == rolls(3, jitter=1000)

    def test_a_later_beginning_goes_on_with_the_same(self):
        assert rolls(8, first=3, jitter=1000) == rolls(8, jitter=1000)[3:]

    def test_none_rolls_nothing(self):
        assert set(rolls(seed=5)) == {(0, 0)}


def test_the_loop_needs_no_tensorflow():
    """So that a driver can plan and deal out work without starting it."""
    modules = ("engine.ascent", "plan.planner", "engine.tile_executor", "render.renderer")
    imports = ", ".join(f"dreamray.{name}" for name in modules)
    code = f"import {imports}, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
