"""Octaves have the recipe's sizes, and resampling is SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.ndimage import zoom

from dreamray.errors import PictureError
from dreamray.octaves import (
    AUTO_SMALLEST,
    Shape,
    count_octaves,
    is_visible,
    lost_detail,
    plan_octaves,
    resize,
    smallest_side,
)
from dreamray.settings import Dream

sides = st.integers(1, 40)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).uniform(-1.2, 1.2, (height, width, 3)).astype(np.float32)


LAST_BIT = 2**-23
"""The last bit of numbers between 1 and 2."""


def zoomed(image, shape):
    factors = (shape[0] / image.shape[0], shape[1] / image.shape[1], 1)
    return zoom(image, factors, order=1, mode="nearest")


class TestResize:
    @given(sides, sides, sides, sides)
    @example(1, 1, 1, 1)
    @example(1, 1, 40, 40)
    @example(40, 40, 1, 1)
    @example(2, 1, 1, 2)
    @example(70, 3, 200, 4)
    @example(300, 200, 131, 90)
    def test_is_scipy_zoom(self, height, width, new_height, new_width):
        image = noise(height, width)
        resized = resize(image, Shape(new_height, new_width))
        assert resized.dtype == np.float32
        expected = zoomed(image, (new_height, new_width))
        np.testing.assert_allclose(resized, expected, rtol=0, atol=LAST_BIT)

    @pytest.mark.parametrize("shape", [(152, 229), (213, 321), (427, 642), (610, 918)])
    def test_is_scipy_zoom_in_nearly_every_bit(self, shape):
        """The ascent amplifies any difference, so float32 rounding on the way would show."""
        image = noise(299, 450)
        assert np.mean(resize(image, Shape(*shape)) != zoomed(image, shape)) < 1e-4

    @given(sides, sides)
    def test_to_its_own_shape_is_the_image_itself(self, height, width):
        image = noise(height, width)
        assert resize(image, Shape(height, width)) is image

    @given(st.integers(2, 40), st.integers(2, 40), st.integers(2, 90), st.integers(2, 90))
    def test_keeps_the_corners(self, height, width, new_height, new_width):
        image = noise(height, width)
        corners = np.ix_([0, -1], [0, -1])
        resized = resize(image, Shape(new_height, new_width))
        np.testing.assert_array_equal(resized[corners], image[corners])

    def test_leaves_the_image_as_it_is(self):
        image = noise(9, 7)
        resize(image, Shape(30, 5))
        np.testing.assert_array_equal(image, noise(9, 7))


class TestLostDetail:
    shapes = st.builds(Shape, sides, sides)

    @given(shapes, shapes, shapes)
    def test_is_what_the_smaller_picture_lacks(self, size, previous, shape):
        image = noise(*size)
        lacking = zoomed(image, shape) - zoomed(zoomed(image, previous), shape)
        np.testing.assert_allclose(
            lost_detail(image, previous, shape), lacking, rtol=0, atol=3 * LAST_BIT
        )

    def test_nothing_is_lost_at_the_first_octave(self):
        assert not lost_detail(noise(20, 30), Shape(10, 15), Shape(10, 15)).any()


def planned(shape, **settings):
    return plan_octaves(Shape(*shape), Dream(**settings))


class TestShapes:
    def test_of_the_recipe(self):
        assert planned((600, 900)).shapes == ((306, 459), (428, 642), (600, 900))

    @given(st.integers(600, 5000), st.integers(600, 5000), st.integers(1, 4), st.floats(1, 1.6))
    def test_are_divided_by_powers_of_the_scale(self, height, width, octaves, scale):
        shapes = planned((height, width), octaves=octaves, octave_scale=scale).shapes
        expected = [(int(height / scale**i), int(width / scale**i)) for i in range(octaves)]
        assert list(shapes) == expected[::-1]
        assert shapes[-1] == (height, width)

    def test_grow_first_with_a_scale_below_one(self):
        shapes = planned((299, 450), octave_scale=0.7).shapes
        assert shapes == ((610, 918), (427, 642), (299, 450))

    def test_show_the_width_first(self):
        assert str(Shape(2, 3)) == "3x2"


class TestTooSmall:
    def test_octaves_are_skipped(self):
        plan = planned((299, 450), octave_scale=5)
        assert plan.shapes == ((59, 90), (299, 450))
        assert plan.skipped == ((11, 18),)
        assert plan.smallest_side == 59

    def test_none_is_skipped_by_default(self):
        assert planned((299, 450)).skipped == ()

    def test_the_picture_itself_may_be_skipped(self):
        plan = planned((100, 100), layers={"mixed5": 1}, octave_scale=0.7)
        assert plan.shapes == ((204, 204), (142, 142))
        assert plan.skipped == ((100, 100),)

    def test_a_picture_that_no_octave_fits_is_refused(self):
        with pytest.raises(PictureError, match=r"20x10 is too small for mixed2.*at least 59 pix"):
            planned((10, 20))

    @pytest.mark.parametrize("names", [("mixed0",), ("mixed5",), ("mixed2", "mixed8"), ("conv2d",)])
    def test_the_smallest_side_is_just_enough(self, names):
        side = smallest_side(names)
        assert is_visible(names, Shape(side, side))
        assert not is_visible(names, Shape(side - 1, side))
        assert not is_visible(names, Shape(side, side - 1))

    def test_one_layer_with_a_cell_inside_its_border_is_enough(self):
        """The others just have to exist, and add nothing."""
        assert smallest_side(("mixed2", "mixed5")) == smallest_side(("mixed2",))
        assert smallest_side(("conv2d", "mixed10")) == 75


class TestAuto:
    def auto(self, side, **settings):
        return count_octaves(Shape(side // 2, side), Dream(octaves="auto", **settings))

    def test_is_the_default_on_900_pixels(self):
        assert self.auto(900) == Dream().octaves

    @given(st.integers(200, 200_000), st.floats(1.05, 3))
    def test_the_smallest_octave_is_about_the_same_on_any_picture(self, side, scale):
        count = self.auto(side, octave_scale=scale)
        smallest = side / scale ** (count - 1)
        if 1 < count < 50:
            assert AUTO_SMALLEST / scale**0.51 <= smallest <= AUTO_SMALLEST * scale**0.51

    def test_there_is_at_least_one(self):
        assert self.auto(100) == 1

    @pytest.mark.parametrize("scale", [0.7, 1.0])
    def test_there_is_one_where_octaves_do_not_shrink(self, scale):
        assert self.auto(5000, octave_scale=scale) == 1

    def test_a_number_is_that_number(self):
        assert count_octaves(Shape(10, 10), Dream(octaves=7)) == 7
