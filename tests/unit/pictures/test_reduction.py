"""A reduced picture is Pillow's, whole or in blocks; transparent colours leave no fringe."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dreamray.base.geometry import Region, Shape
from dreamray.pictures import reduction
from dreamray.pictures import taking as ingesting
from dreamray.pictures.ingest import ingest
from dreamray.pictures.reduction import reduce_array
from dreamray.raster.chunked import ChunkedRaster
from dreamray.storage import MemoryFolder


def noise(height, width, channels, dtype=np.uint8):
    random = np.random.default_rng(height * width)
    return random.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def png(samples, **options):
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "PNG", **options)
    return file.getvalue()


def whole(raster: ChunkedRaster):
    return raster.points(*(np.arange(side) for side in raster.shape))


def by_pillow(plane, shape):
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize(shape[::-1], Image.Resampling.LANCZOS))


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 6000))
def test_the_longer_side_is_as_asked_and_none_is_enlarged(height, width, longest):
    shape = Shape(height, width)
    small = shape.within(longest)
    assert max(small) == min(max(shape), longest)
    assert min(small) >= 1
    assert all(abs(s - a * max(small) / max(shape)) <= 1 for s, a in zip(small, shape, strict=True))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 90), st.integers(1, 150), st.booleans())
def test_a_reduced_picture_is_pillows(height, width, longest, deep):
    samples = noise(height, width, 3, np.uint16 if deep else np.uint8)
    shape = Shape(height, width).within(longest)
    if min(s // t for s, t in zip((height, width), shape, strict=True)) >= 8:
        return  # Means of squares come first there.
    reduced = reduce_array(samples, shape)
    most = np.iinfo(samples.dtype).max
    for channel in range(3):
        expected = np.clip(by_pillow(samples[..., channel], shape), 0, most)
        assert np.abs(reduced[..., channel] - expected).max() <= 0.51 + most * 1e-6


def test_a_hundredth_is_close_to_the_filter_alone():
    rows = np.linspace(0, 6, 2000)[:, None]
    wave = 127 + 100 * np.sin(rows + np.linspace(0, 9, 1500))
    samples = np.repeat(wave[..., None], 3, axis=2).astype(np.float32)
    reduced = reduce_array(samples, Shape(20, 15))
    assert np.abs(reduced[..., 0] - by_pillow(wave, (20, 15))).max() < 0.5


def test_colours_count_by_their_opacity():
    samples = np.zeros((40, 40, 3), np.uint8)
    samples[:, :19] = 200
    samples[:, 19:] = (255, 0, 0)  # What cannot be seen.
    alpha = np.where(np.arange(40) < 19, 255, 0).astype(np.uint8)[None].repeat(40, axis=0)
    reduced = reduce_array(samples, Shape(10, 10), alpha)
    seen = reduced[..., 3] > 0
    assert seen.any()
    assert not seen.all()
    assert set(np.unique(reduced[seen][:, :3])) == {200}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("longest", [7, 64, 100])
def test_a_streamed_picture_is_reduced_to_the_same(
    mode: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[274] = 6
    channels = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    data = png(noise(150, 230, channels).squeeze(), exif=exif.tobytes())
    place = MemoryFolder().file("a.png")
    place.write(data)

    def take():
        source = ingest(place, MemoryFolder(), warn=lambda note: None, size=longest)
        assert max(source.shape) == longest
        assert source.shape.height > source.shape.width  # Upright.
        return source

    held = take()
    monkeypatch.setattr(ingesting, "HELD_PIXELS", 1000)
    monkeypatch.setattr(ingesting, "_SIDE", 32 if longest < 64 else 64)
    monkeypatch.setattr(ingesting, "_STRIP_BYTES", 5000)
    monkeypatch.setattr(reduction, "_READ_VALUES", 3000)
    streamed = take()
    np.testing.assert_array_equal(whole(held.colour), whole(streamed.colour))
    assert (held.alpha is None) == (streamed.alpha is None) == (mode != "RGBA")
    if held.alpha is not None and streamed.alpha is not None:
        np.testing.assert_array_equal(whole(held.alpha), whole(streamed.alpha))


def test_a_small_picture_keeps_its_pixels() -> None:
    samples = noise(20, 30, 3)
    place = MemoryFolder().file("a.png")
    place.write(png(samples))
    source = ingest(place, MemoryFolder(), warn=lambda note: None, size=30)
    np.testing.assert_array_equal(whole(source.colour)[Region.whole(Shape(20, 30)).slices], samples)
