"""The loop of the ascent: when it steps and stops, how it rolls, and what if a step fails."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import MemoryExhaustedError
from dreamray.engine.ascent import SMALLEST_MEAN, Step, ascend
from dreamray.settings.dream import Dream


class Found(NamedTuple):
    loss: float
    mean: float = 2.0


class Script:
    """A climber that finds the losses it was told to, and notes what is asked of it.

    A loss of None stands for memory that runs out.
    """

    def __init__(self, *losses, mean=2.0):
        self.losses = list(losses)
        self.mean = mean
        self.calls = []
        self.image = np.zeros((8, 8, 3), np.float32)

    def compute(self, roll):
        self.calls.append(("compute", roll))
        loss = self.losses.pop(0)
        if loss is None:
            raise MemoryExhaustedError("out")
        return Found(loss, self.mean)

    def move(self, step, mean):
        self.calls.append(("move", step, mean))
        self.image = self.image + step

    def count(self, name):
        return sum(call[0] == name for call in self.calls)


def run(script, octave=0, first=0, **settings):
    """The image in the end, and the steps that were told."""
    steps = [*ascend(script, Dream(**settings), octave=octave, first=first)]
    return script.image, steps


class TestSteps:
    def test_are_as_many_as_asked_for(self):
        result, steps = run(Script(1, 2, 3), iterations=3, step=0.5)
        assert steps == [Step(0, 1, True), Step(1, 2, True), Step(2, 3, True)]
        np.testing.assert_array_equal(result, np.full((8, 8, 3), 1.5))

    def test_may_be_none(self):
        script = Script()
        result, steps = run(script, iterations=0)
        assert steps == []
        assert script.calls == []
        assert not result.any()

    def test_the_size_of_a_step_and_the_mean_are_passed_on(self):
        script = Script(1, mean=0.125)
        run(script, iterations=1, step=0.25)
        assert ("move", 0.25, 0.125) in script.calls

    def test_a_picture_without_detail_has_a_mean_all_the_same(self):
        script = Script(0, mean=0.0)
        run(script, iterations=1)
        assert script.calls[-1] == ("move", 0.01, SMALLEST_MEAN)

    def test_each_is_told_when_it_was_made_and_before_the_next(self):
        script = Script(1, 2)
        for step in ascend(script, Dream(iterations=2)):
            assert script.count("compute") == script.count("move") == step.number + 1

    def test_may_begin_with_a_later_one(self):
        """As a checkpoint has it."""
        script = Script(5, 6)
        _, steps = run(script, first=3, iterations=5)
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
        assert script.count("move") == 0
        assert not result.any()

    def test_none_never_ends_it(self):
        assert len(run(Script(1e9, 1e30, float("inf")), iterations=3, max_loss=None)[1]) == 3

    def test_may_be_negative(self):
        assert len(run(Script(-7, -5, -4), iterations=3, max_loss=-5)[1]) == 3
        assert len(run(Script(-4, -7), iterations=2, max_loss=-5)[1]) == 1


class TestFailure:
    def test_a_step_that_was_not_made_is_not_told(self):
        script = Script(1, None)
        steps = ascend(script, Dream(iterations=5, step=1))
        assert next(steps) == Step(0, 1, True)
        with pytest.raises(MemoryExhaustedError, match="out"):
            next(steps)
        np.testing.assert_array_equal(script.image, 1)
        assert script.count("move") == 1

    def test_the_same_roll_is_used_again(self):
        script = Script(1, None, 2, 3)
        steps = ascend(script, Dream(iterations=3, jitter=30), octave=2)
        next(steps)
        with pytest.raises(MemoryExhaustedError):
            next(steps)
        again = ascend(script, Dream(iterations=3, jitter=30), octave=2, first=1)
        assert [step.loss for step in again] == [2, 3]
        used = [call[1] for call in script.calls if call[0] == "compute"]
        assert used[1] == used[2] != (0, 0)
        assert used[:1] + used[2:] == rolls(3, octave=2, jitter=30)


def rolls(iterations=8, octave=0, **options):
    script = Script(*[1] * iterations)
    run(script, iterations=iterations, octave=octave, **options)
    return [call[1] for call in script.calls if call[0] == "compute"]


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
        script = Script(*[1] * 5)
        run(script, first=3, iterations=8, jitter=1000)
        later = [call[1] for call in script.calls if call[0] == "compute"]
        assert later == rolls(8, jitter=1000)[3:]

    def test_none_rolls_nothing(self):
        assert set(rolls(seed=5)) == {(0, 0)}


def test_the_loop_needs_no_tensorflow():
    """So that a driver can plan and deal out work without starting it."""
    modules = ("engine.ascent", "plan.planner", "engine.tile_executor", "render.renderer")
    imports = ", ".join(f"dreamray.{name}" for name in modules)
    code = f"import {imports}, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
