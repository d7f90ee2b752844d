"""The loop of the ascent: when it steps and stops, how it rolls, and what if memory runs out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.ascent import Step, ascend
from dreamray.errors import MemoryExhaustedError
from dreamray.octaves import Shape
from dreamray.settings import Dream
from dreamray.tiles import plan_tiles

LAYERS = ("mixed0",)


def plan(core=None):
    return plan_tiles(Shape(64, 64), LAYERS, core)


class Script:
    """A gradient that gives the losses it was told to, and notes what is asked of it.

    A loss of None stands for memory that runs out.
    """

    def __init__(self, *losses):
        self.losses = list(losses)
        self.calls = []
        self.image = None

    def put(self, image):
        self.image = image.copy()
        self.calls.append("put")

    def clear(self):
        self.calls.append("clear")

    def compute(self, plan, roll):
        self.calls.append(("compute", len(plan.tiles), roll))
        loss = self.losses.pop(0)
        if loss is None:
            raise MemoryExhaustedError("out")
        return loss

    def move(self, plan, step):
        self.calls.append(("move", len(plan.tiles), step))
        self.image = self.image + step

    def count(self, name):
        return sum(call[0] == name for call in self.calls)


def run(script, image=None, tiles=None, **options):
    """The result and the steps that were told."""
    smaller = options.pop("smaller", None)
    octave = options.pop("octave", 0)
    steps = []
    image = np.zeros((64, 64, 3), np.float32) if image is None else image
    result = ascend(
        image,
        tiles or plan(),
        Dream(**options),
        script,
        octave=octave,
        on_step=steps.append,
        smaller=smaller,
    )
    return result, steps


class TestSteps:
    def test_are_as_many_as_asked_for(self):
        result, steps = run(Script(1, 2, 3), iterations=3, step=0.5)
        assert steps == [Step(0, 1, True), Step(1, 2, True), Step(2, 3, True)]
        np.testing.assert_array_equal(result, np.full((64, 64, 3), 1.5))

    def test_may_be_none(self):
        script = Script()
        result, steps = run(script, iterations=0)
        assert steps == []
        assert script.calls == ["put", "clear"]
        assert not result.any()

    def test_the_image_given_is_left_as_it_is(self):
        image = np.ones((64, 64, 3), np.float32)
        run(Script(1, 1), image, iterations=2)
        np.testing.assert_array_equal(image, 1)

    def test_the_size_of_a_step_is_passed_on(self):
        script = Script(1)
        run(script, iterations=1, step=0.25)
        assert ("move", 1, 0.25) in script.calls


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


class TestMemory:
    @staticmethod
    def halve(plan_):
        return plan(plan_.largest_side // 2)

    def test_a_step_is_made_again_with_smaller_tiles(self):
        script = Script(1, None, None, 2, 3)
        _, steps = run(script, iterations=3, smaller=self.halve)
        assert [step.loss for step in steps] == [1, 2, 3]
        tiles = [call[1] for call in script.calls if call[0] == "compute"]
        assert tiles == [1, 1, 4, 16, 16]
        assert script.count("move") == 3

    def test_the_same_roll_is_used_again(self):
        script = Script(None, 1)
        run(script, iterations=1, jitter=30, smaller=self.halve)
        first, again = (call[2] for call in script.calls if call[0] == "compute")
        assert first == again != (0, 0)

    @pytest.mark.parametrize("smaller", [None, "raises"])
    def test_without_smaller_tiles_the_error_goes_on(self, smaller):
        def give_up(plan):
            raise MemoryExhaustedError("even the smallest")

        script = Script(1, None)
        with pytest.raises(MemoryExhaustedError, match="smallest" if smaller else "out"):
            run(script, iterations=5, smaller=give_up if smaller else None)
        assert script.calls[-1] == "clear"

    def test_is_given_back_whatever_happens(self):
        def on_step(step):
            raise KeyboardInterrupt

        script = Script(1)
        with pytest.raises(KeyboardInterrupt):
            ascend(np.zeros((64, 64, 3), np.float32), plan(), Dream(), script, on_step=on_step)
        assert script.calls[-1] == "clear"


def rolls(iterations=8, octave=0, **options):
    script = Script(*[1] * iterations)
    run(script, iterations=iterations, octave=octave, **options)
    return [call[2] for call in script.calls if call[0] == "compute"]


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

    def test_none_rolls_nothing(self):
        assert set(rolls(seed=5)) == {(0, 0)}


def test_the_loop_needs_no_tensorflow():
    """So that a driver can plan and deal out work without starting it."""
    code = "import dreamray.ascent, dreamray.planning, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
