"""Masks at any size: black stays black, white white, and nothing between is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamray.base.geometry import Interval, Raster, Region, Shape
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import ArrayRaster, NormalizedRaster, ResizedRaster, read
from dreamray.raster.mask import FilteredRaster, GreyRaster, KeptRaster, SquareRaster
from dreamray.raster.pixels import from_tensor
from dreamray.storage import MemoryFolder

sides = st.integers(1, 60)
shapes = st.builds(Shape, sides, sides)


def whole(raster: Any) -> Raster:
    return read(raster, Region.whole(raster.shape))


def stored(pixels: Any) -> ChunkedRaster:
    height, width, channels = pixels.shape
    grid = ChunkGrid.even(Shape(height, width), 16)
    raster = ChunkedRaster(MemoryFolder(), grid, pixels.dtype, channels)
    raster.write(Region.whole(grid.shape), pixels)
    return raster


def blot(shape: Shape, seed: int = 0) -> Raster:
    """A mask with some of everything."""
    noise = np.random.default_rng(seed).uniform(-1, 2, (*shape, 1))
    return np.clip(noise, 0, 1).astype(np.float32)


class TestGrey:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_is_what_it_was_of_a_grey_picture(self, dtype: Any) -> None:
        most = np.iinfo(dtype).max
        ramp = np.linspace(0, most, 300).astype(dtype).reshape(20, 15, 1)
        grey = whole(GreyRaster(stored(ramp.repeat(3, axis=2)), None))
        np.testing.assert_array_equal(grey, (ramp / most).astype(np.float32))

    def test_of_colours_is_their_luminance(self) -> None:
        colours = np.eye(3, dtype=np.uint8)[None] * 255
        grey = whole(GreyRaster(stored(colours), None))
        np.testing.assert_allclose(grey.ravel(), [0.2126, 0.7152, 0.0722], atol=1e-6)

    def test_is_black_where_the_picture_is_transparent(self) -> None:
        white = np.full((1, 3, 3), 255, np.uint8)
        alpha = np.array([[[0], [51], [255]]], np.uint8)
        grey = whole(GreyRaster(stored(white), stored(alpha)))
        np.testing.assert_allclose(grey.ravel(), [0, 0.2, 1], atol=1e-6)


class TestFiltered:
    @given(shapes, shapes, st.sampled_from([0.0, 1.0]))
    def test_of_one_value_is_that_to_the_bit(self, one: Shape, other: Shape, value: float) -> None:
        mask = ArrayRaster(np.full((*one, 1), value, np.float32))
        assert (whole(FilteredRaster(mask, other)) == value).all()

    @given(shapes, shapes)
    def test_enlarged_is_as_pictures_are(self, one: Shape, more: Shape) -> None:
        mask, larger = blot(one), Shape(one.height + more.height, one.width + more.width)
        expected = whole(ResizedRaster(ArrayRaster(mask.repeat(3, axis=2)), larger))
        found = whole(FilteredRaster(ArrayRaster(mask), larger))
        np.testing.assert_allclose(found, expected[..., :1], atol=1e-6)

    def test_made_smaller_counts_every_pixel(self) -> None:
        """A line of one pixel is not lost, wherever it lies."""
        for column in range(90):
            mask = np.zeros((1, 90, 1), np.float32)
            mask[0, column] = 1
            small = whole(FilteredRaster(ArrayRaster(mask), Shape(1, 10)))
            assert 0.04 < small.sum() < 0.25

    def test_next_to_black_is_black(self) -> None:
        mask = np.zeros((64, 64, 1), np.float32)
        mask[:, 32:] = 1
        small = whole(FilteredRaster(ArrayRaster(mask), Shape(16, 16)))[0, :, 0]
        assert not small[:7].any()
        assert (small[9:] == 1).all()
        assert (np.diff(small) >= 0).all()

    @given(shapes, shapes, st.data())
    @settings(max_examples=50)
    def test_a_point_has_the_same_bits_in_whichever_part_it_is_read(
        self, one: Shape, other: Shape, data: st.DataObject
    ) -> None:
        raster = FilteredRaster(ArrayRaster(blot(one)), other)
        rows, columns = (
            np.array(sorted(data.draw(st.sets(st.integers(0, side - 1), min_size=1))))
            for side in other
        )
        np.testing.assert_array_equal(
            raster.points(rows, columns), whole(raster)[np.ix_(rows, columns)]
        )

    def test_is_read_in_strips(self, monkeypatch: pytest.MonkeyPatch) -> None:
        raster = FilteredRaster(ArrayRaster(blot(Shape(90, 80))), Shape(31, 17))
        at_once = whole(raster)
        monkeypatch.setattr("dreamray.raster.mask._READ_PIXELS", 1)
        np.testing.assert_array_equal(whole(raster), at_once)

    def test_of_nothing_is_nothing(self) -> None:
        raster = FilteredRaster(ArrayRaster(blot(Shape(9, 9))), Shape(5, 5))
        assert read(raster, Region(Interval(2, 2), Interval(0, 5))).shape == (0, 5, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_kept_has_every_value_that_it_had(dtype: Any) -> None:
    """Though a dream's values are truncated, and few come back as they were."""
    pixels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 32, 1).repeat(3, axis=2)
    source = NormalizedRaster(stored(pixels), lasts=True)
    nowhere = ArrayRaster(np.zeros((*source.shape, 1), np.float32))
    dreamt = ArrayRaster(np.full(pixels.shape, np.nan, np.float32))
    kept = whole(KeptRaster(dreamt, source, nowhere))
    np.testing.assert_array_equal(from_tensor(kept, dtype), pixels)


class TestSquare:
    @given(shapes, st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.5), st.integers(0, 30))
    def test_covers_what_lies_in_the_picture(
        self, picture: Shape, x: float, y: float, radius: float, margin: int
    ) -> None:
        """To the fraction of a pixel, at each octave's shape; so also where it is less than one."""
        canvas = picture.widened(margin)
        for octave in (canvas, Shape(*(max(1, side // 3) for side in canvas))):
            square = whole(SquareRaster.near(octave, x, y, radius, picture, margin))
            assert square.min() >= 0
            assert square.max() <= 1
            half = radius * max(picture)
            sides = (
                max(0, min(margin + at * side + half, long) - max(margin + at * side - half, 0))
                for at, side, long in zip((y, x), picture, canvas, strict=True)
            )
            share = square.mean(dtype=np.float64)
            assert share == pytest.approx(np.prod([*sides]) / canvas.pixels, rel=1e-5, abs=1e-9)
