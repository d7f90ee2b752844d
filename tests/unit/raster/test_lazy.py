"""Views give the same values in whatever part they are read, and resampling is SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom

from dreamray.base.geometry import Interval, Raster, Region, Shape
from dreamray.raster import lazy
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import (
    ArrayRaster,
    CroppedRaster,
    DetailResidual,
    LazyRaster,
    MirroredRaster,
    NormalizedRaster,
    ResizedRaster,
    SumRaster,
    read,
    resize,
    with_margin,
    without_margin,
)
from dreamray.raster.pixels import to_tensor
from dreamray.storage import MemoryFolder

sides = st.integers(1, 40)
shapes = st.builds(Shape, sides, sides)

LAST_BIT = 2**-23
"""The last bit of numbers between 1 and 2."""


def noise(height: int, width: int, seed: int = 0) -> Raster:
    return np.random.default_rng(seed).uniform(-1.2, 1.2, (height, width, 3)).astype(np.float32)


def zoomed(image: Raster, shape: tuple[int, int]) -> Raster:
    factors = (shape[0] / image.shape[0], shape[1] / image.shape[1], 1)
    return zoom(image, factors, order=1, mode="nearest")


def whole(view: LazyRaster) -> Raster:
    return read(view, Region.whole(view.shape))


def regions(shape: Shape) -> st.SearchStrategy[Region]:
    intervals = [
        st.tuples(st.integers(0, side), st.integers(0, side)).map(
            lambda ends: Interval(*sorted(ends))
        )
        for side in shape
    ]
    return st.builds(Region, *intervals)


def ascending(length: int) -> st.SearchStrategy[np.ndarray]:
    """Some points of an axis, in order."""
    return st.sets(st.integers(0, length - 1), max_size=30).map(
        lambda points: np.array(sorted(points), np.intp)
    )


class TestResize:
    @given(sides, sides, sides, sides)
    @example(1, 1, 1, 1)
    @example(1, 1, 40, 40)
    @example(40, 40, 1, 1)
    @example(2, 1, 1, 2)
    @example(70, 3, 200, 4)
    @example(300, 200, 131, 90)
    def test_is_scipy_zoom(self, height: int, width: int, new_height: int, new_width: int) -> None:
        image = noise(height, width)
        resized = resize(image, Shape(new_height, new_width))
        assert resized.dtype == np.float32
        expected = zoomed(image, (new_height, new_width))
        np.testing.assert_allclose(resized, expected, rtol=0, atol=LAST_BIT)

    @pytest.mark.parametrize("shape", [(152, 229), (213, 321), (427, 642), (610, 918)])
    def test_is_scipy_zoom_in_nearly_every_bit(self, shape: tuple[int, int]) -> None:
        """The ascent amplifies any difference, so float32 rounding on the way would show."""
        image = noise(299, 450)
        assert np.mean(resize(image, Shape(*shape)) != zoomed(image, shape)) < 1e-4

    @given(sides, sides)
    def test_to_its_own_shape_is_the_image_itself(self, height: int, width: int) -> None:
        image = noise(height, width)
        assert resize(image, Shape(height, width)) is image

    @given(st.integers(2, 40), st.integers(2, 40), st.integers(2, 90), st.integers(2, 90))
    def test_keeps_the_corners(
        self, height: int, width: int, new_height: int, new_width: int
    ) -> None:
        image = noise(height, width)
        corners = np.ix_([0, -1], [0, -1])
        resized = resize(image, Shape(new_height, new_width))
        np.testing.assert_array_equal(resized[corners], image[corners])

    def test_leaves_the_image_as_it_is(self) -> None:
        image = noise(9, 7)
        resize(image, Shape(30, 5))
        np.testing.assert_array_equal(image, noise(9, 7))


class Watched(ArrayRaster):
    """Notes how many values were asked for at a time."""

    def __init__(self, image: Raster) -> None:
        super().__init__(image)
        object.__setattr__(self, "asked", [])

    def points(self, rows: np.ndarray, columns: np.ndarray) -> Raster:
        self.asked.append((len(rows), len(columns)))
        return super().points(rows, columns)


class TestResized:
    @given(shapes, st.builds(Shape, st.integers(1, 150), st.integers(1, 60)), st.data())
    def test_has_the_same_bits_in_every_part(
        self, size: Shape, shape: Shape, data: st.DataObject
    ) -> None:
        view = ResizedRaster(ArrayRaster(noise(*size)), shape)
        expected = whole(view)
        region = data.draw(regions(shape))
        np.testing.assert_array_equal(read(view, region), expected[region.slices])

    @given(shapes, shapes, st.data())
    def test_has_the_same_bits_at_single_points(
        self, size: Shape, shape: Shape, data: st.DataObject
    ) -> None:
        view = ResizedRaster(ArrayRaster(noise(*size)), shape)
        rows, columns = (data.draw(ascending(side)) for side in shape)
        np.testing.assert_array_equal(
            view.points(rows, columns), whole(view)[np.ix_(rows, columns)]
        )

    @given(st.integers(1, 70), shapes)
    @settings(max_examples=30)
    def test_has_the_same_bits_however_many_rows_are_made_at_a_time(
        self, strip: int, shape: Shape
    ) -> None:
        view = ResizedRaster(ArrayRaster(noise(23, 31)), shape)
        expected = whole(view)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lazy, "_STRIP", strip)
            np.testing.assert_array_equal(whole(view), expected)

    @given(shapes, shapes, shapes, st.data())
    def test_of_another_has_the_same_bits_in_every_part(
        self, size: Shape, between: Shape, shape: Shape, data: st.DataObject
    ) -> None:
        view = ResizedRaster(ResizedRaster(ArrayRaster(noise(*size)), between), shape)
        region = data.draw(regions(shape))
        step_by_step = resize(resize(noise(*size), between), shape)
        np.testing.assert_array_equal(read(view, region), step_by_step[region.slices])

    def test_a_part_reads_no_more_than_it_needs(self) -> None:
        source = Watched(noise(1000, 2000))
        read(ResizedRaster(source, Shape(500, 700)), Region(Interval(400, 480), Interval(10, 60)))
        assert sum(rows for rows, _ in source.asked) <= 2 * 80 + 4
        assert max(columns for _, columns in source.asked) <= 2 * 50

    def test_a_preview_reads_few_points_of_a_large_picture(self) -> None:
        source = Watched(noise(1000, 2000))
        whole(ResizedRaster(source, Shape(10, 20)))
        assert sum(map(math.prod, source.asked)) <= 20 * 40


class TestLostDetail:
    @given(shapes, shapes, shapes)
    def test_is_what_the_smaller_picture_lacks(
        self, size: Shape, previous: Shape, shape: Shape
    ) -> None:
        image = noise(*size)
        lacking = zoomed(image, shape) - zoomed(zoomed(image, previous), shape)
        detail = whole(DetailResidual(ArrayRaster(image), previous, shape))
        np.testing.assert_allclose(detail, lacking, rtol=0, atol=3 * LAST_BIT)

    @given(shapes, shapes, shapes, st.data())
    def test_has_the_same_bits_in_every_part(
        self, size: Shape, previous: Shape, shape: Shape, data: st.DataObject
    ) -> None:
        view = DetailResidual(ArrayRaster(noise(*size)), previous, shape)
        region = data.draw(regions(shape))
        np.testing.assert_array_equal(read(view, region), whole(view)[region.slices])

    def test_nothing_is_lost_at_the_first_octave(self) -> None:
        assert not whole(
            DetailResidual(ArrayRaster(noise(20, 30)), Shape(10, 15), Shape(10, 15))
        ).any()

    def test_put_back_gives_the_picture(self) -> None:
        """Where nothing was dreamt, nothing changes."""
        image, small = noise(60, 80), Shape(41, 57)
        shrunk = ResizedRaster(ArrayRaster(image), small)
        again = SumRaster(
            ResizedRaster(shrunk, Shape(60, 80)),
            DetailResidual(ArrayRaster(image), small, Shape(60, 80)),
        )
        np.testing.assert_allclose(whole(again), image, rtol=0, atol=3 * LAST_BIT)


class TestSum:
    @given(shapes, st.data())
    def test_is_that_of_the_values(self, shape: Shape, data: st.DataObject) -> None:
        one, other = noise(*shape, 1), noise(*shape, 2)
        view = SumRaster(ArrayRaster(one), ArrayRaster(other))
        region = data.draw(regions(shape))
        assert view.shape == shape
        np.testing.assert_array_equal(read(view, region), (one + other)[region.slices])


class TestTensors:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_are_the_pixels_in_the_range_of_the_network(self, dtype: type[np.generic]) -> None:
        shape = Shape(53, 71)
        highest = np.iinfo(dtype).max
        random = np.random.default_rng(1)
        pixels = random.integers(0, highest, (*shape, 3), dtype, endpoint=True)
        canvas = ChunkedRaster(MemoryFolder(), ChunkGrid.even(shape, 16), dtype)
        canvas.write(Region.whole(shape), pixels)
        view = NormalizedRaster(canvas)
        assert view.shape == shape
        tensor = whole(view)
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, to_tensor(pixels))
        rows, columns = np.array([0, 15, 16, 52]), np.array([3, 70])
        np.testing.assert_array_equal(view.points(rows, columns), tensor[np.ix_(rows, columns)])


class TestCanvas:
    """A canvas of float32 is a view itself."""

    def test_is_resampled_as_the_array_is(self) -> None:
        image = noise(53, 71)
        canvas = ChunkedRaster(MemoryFolder(), ChunkGrid.even(Shape(53, 71), 16), "float32")
        canvas.write(Region.whole(Shape(53, 71)), image)
        np.testing.assert_array_equal(
            whole(ResizedRaster(canvas, Shape(90, 40))), resize(image, Shape(90, 40))
        )


class TestMargin:
    @given(shapes, st.integers(1, 130), st.data())
    def test_mirrors_the_picture_as_often_as_it_needs(self, shape, margin, data):
        image = noise(*shape)
        padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
        view = MirroredRaster(ArrayRaster(image), margin)
        assert view.shape == padded.shape[:2]
        rows, columns = (data.draw(ascending(side)) for side in view.shape)
        np.testing.assert_array_equal(view.points(rows, columns), padded[np.ix_(rows, columns)])

    @given(shapes, st.integers(0, 130))
    def test_is_cut_off_again(self, shape, margin):
        image = noise(*shape)
        back = without_margin(with_margin(ArrayRaster(image), margin), shape, margin)
        np.testing.assert_array_equal(whole(back), image)

    @given(shapes, st.integers(1, 300), shapes)
    def test_is_cut_off_at_any_scale(self, picture, margin, octave):
        """As much on either side, to half a pixel the octave's share, and never all."""
        cut = without_margin(ArrayRaster(noise(*octave)), picture, margin)
        assert isinstance(cut, CroppedRaster)
        assert min(cut.shape) >= 1
        for kept, here, side in zip(cut.region, octave, picture, strict=True):
            assert kept.start == here - kept.stop
            share = margin / (side + 2 * margin) * here
            assert abs(kept.start - share) <= 0.5 or kept.length <= 2
