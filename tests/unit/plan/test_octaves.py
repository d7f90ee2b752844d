"""Octaves have the recipe's sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Shape
from dreamray.plan.octaves import (
    AUTO_SMALLEST,
    advise,
    count_margin,
    count_octaves,
    is_visible,
    plan_octaves,
    smallest_side,
)
from dreamray.settings.dream import Dream


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


class TestSizes:
    """Octaves by a list of longer sides, with the picture's own behind them."""

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ((600, 900), [(266, 400), (533, 800), (600, 900)]),
            ((900, 600), [(400, 266), (800, 533), (900, 600)]),
            ((600, 800), [(300, 400), (600, 800)]),
            ((300, 450), [(266, 400), (300, 450)]),
            ((200, 300), [(200, 300)]),
        ],
    )
    def test_are_the_octaves(self, shape, expected):
        assert list(planned(shape, octave_sizes=[400, 800], octaves=7).shapes) == expected

    @given(st.integers(100, 5000), st.integers(90, 5000))
    def test_have_exactly_the_longer_side_asked_for(self, longest, size):
        first = planned((longest, longest), octave_sizes=[size]).shapes[0]
        assert max(first) == min(size, longest)

    def test_that_are_too_small_for_the_network_are_skipped(self):
        plan = planned((600, 900), octave_sizes=[20, 400])
        assert plan.skipped == ((13, 20),)

    def test_grow_with_a_margin(self):
        plan = planned((600, 900), octave_sizes=[450], margin=100)
        assert plan.shapes == ((400, 550), (800, 1100))


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


class TestMargin:
    @given(st.integers(100, 3000), st.integers(0, 2000), st.integers(1, 4))
    def test_is_scaled_with_the_octaves(self, side, margin, octaves):
        plan = planned((side, side), margin=margin, octaves=octaves, layers={"mixed0": 1})
        assert plan.margin == margin
        assert plan.shapes[-1] == (side + 2 * margin, side + 2 * margin)
        for number, shape in enumerate(reversed(plan.shapes)):
            assert shape.height == int((side + 2 * margin) / 1.4**number)

    @given(st.integers(1, 200_000), st.integers(1, 2000))
    def test_adds_no_octaves(self, side, margin):
        one, other = (Dream(octaves="auto", margin=m) for m in (None, margin))
        assert count_octaves(Shape(side, side), one) == count_octaves(Shape(side, side), other)

    @given(
        st.integers(1, 10_000),
        st.integers(1, 10_000),
        st.integers(1, 50) | st.just("auto"),
        st.floats(0.1, 10),
    )
    def test_that_is_automatic_is_bounded(self, height, width, octaves, scale):
        shape = Shape(height, width)
        margin = count_margin(shape, Dream(margin="auto", octaves=octaves, octave_scale=scale))
        assert 1 <= margin <= min(max(shape), 2000)

    def test_that_is_automatic_covers_the_frame_of_the_smallest_octave(self):
        assert planned((400, 600), margin="auto").margin == 95
        assert planned((400, 600), margin="auto", octaves=1).margin == 48
        assert planned((400, 600), margin="auto", octaves=1, layers={"mixed1": 1}).margin == 24
        # Octaves that are skipped have none.
        assert planned((400, 600), margin="auto", octave_scale=5).margin == 240

    def test_makes_room_for_the_network(self):
        assert planned((10, 20), margin=100).shapes[-1] == (210, 220)
        with pytest.raises(PictureError, match=r"20x10 is too small for mixed2.*at least 39 pix"):
            planned((10, 20), margin=10)


class TestAdvice:
    def test_tells_how_small_motifs_will_be_and_what_makes_them_larger(self):
        assert advise(Shape(3024, 4032), Dream()) == (
            "at 4032x3024 with 3 octaves the largest motifs are about 355 pixels, 1/11 of the "
            "longer side: --octaves 7 or --size 900 makes them larger"
        )

    @given(st.integers(60, 20_000), st.integers(60, 20_000), st.integers(1, 8))
    def test_is_good(self, height, width, octaves):
        """Who follows it hears nothing more."""
        shape, dream = Shape(height, width), Dream(octaves=octaves)
        text = advise(shape, dream)
        if text is None:
            return
        more, size = (
            int(text.partition(f"--{name} ")[2].split()[0]) for name in ("octaves", "size")
        )
        assert more > octaves
        assert max(shape) > size
        assert advise(shape, dream.replace(octaves=more)) is None
        assert advise(shape.within(size), dream) is None
        assert plan_octaves(shape.within(size), dream)

    @pytest.mark.parametrize("settings", [{"octaves": "auto"}, {"octave_scale": 0.7}])
    def test_is_for_few_octaves_only(self, settings):
        assert advise(Shape(9000, 9000), Dream(**settings)) is None
