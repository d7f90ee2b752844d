"""Whose colours a dream has in the end, and how strong it is over its source."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.geometry import Region, Shape
from dreamray.raster.finish import MixedRaster
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.raster.oklab import from_oklab, to_oklab, with_colours_of

SHAPE = Shape(300, 21)


def noise(seed: int) -> ArrayRaster:
    """As far beyond the range as dreams go."""
    random = np.random.default_rng(seed)
    return ArrayRaster(random.uniform(-1.5, 1.5, (*SHAPE, 3)).astype(np.float32))


def whole(raster: MixedRaster) -> npt.NDArray[np.float32]:
    return read(raster, Region.whole(SHAPE))


class TestOklab:
    @pytest.mark.parametrize(
        ("rgb", "lab"),
        [
            ([1, 1, 1], [1, 0, 0]),
            ([0, 0, 0], [0, 0, 0]),
            ([1, 0, 0], [0.6279554, 0.2248631, 0.1258463]),
            ([0, 1, 0], [0.8664396, -0.2338874, 0.1794985]),
            ([0, 0, 1], [0.4520137, -0.0324570, -0.3115281]),
        ],
    )
    def test_is_what_is_published(self, rgb: list[float], lab: list[float]) -> None:
        np.testing.assert_allclose(to_oklab(np.array([rgb], float)), [lab], atol=2e-6)

    def test_comes_back(self) -> None:
        rgb = np.stack(np.meshgrid(*[np.linspace(0, 1, 18)] * 3), axis=-1)
        np.testing.assert_allclose(from_oklab(to_oklab(rgb)), rgb, atol=2e-5)

    def test_what_cannot_be_shown_is_paler_with_its_lightness_and_hue(self) -> None:
        rgb = with_colours_of(np.array([[0.9, 0.9, 0.9]]), np.array([[0.0, 0.0, 1.0]]))
        (lab,), (blue,) = to_oklab(rgb), to_oklab(np.array([[0.0, 0.0, 1.0]]))
        assert lab[0] == pytest.approx(to_oklab(np.array([[0.9] * 3]))[0, 0], abs=2e-3)
        assert lab[1] / lab[2] == pytest.approx(blue[1] / blue[2], abs=0.02)
        assert 0.03 < np.hypot(*lab[1:]) < np.hypot(*blue[1:])
        assert rgb.max() == pytest.approx(1, abs=2e-3)


class TestStrength:
    def test_is_between_source_and_dream(self) -> None:
        mixed = whole(MixedRaster(noise(1), noise(2), 0.25))
        expected = 0.25 * noise(1).image + 0.75 * noise(2).image
        np.testing.assert_allclose(mixed, expected, atol=1e-6)

    def test_none_is_the_source(self) -> None:
        np.testing.assert_array_equal(whole(MixedRaster(noise(1), noise(2), 0)), noise(2).image)


class TestColours:
    def test_are_the_sources_and_the_lightness_the_dreams(self) -> None:
        dreamt, source = (ArrayRaster(noise(seed).image / 5) for seed in (1, 2))
        mixed = to_oklab(whole(MixedRaster(dreamt, source, keeps_colours=True)) / 2.0 + 0.5)
        np.testing.assert_allclose(
            mixed[..., 0], to_oklab(dreamt.image / 2.0 + 0.5)[..., 0], atol=1e-5
        )
        inside = np.abs(mixed[..., 1:] - to_oklab(source.image / 2.0 + 0.5)[..., 1:]).max(-1) < 1e-5
        assert inside.mean() > 0.95

    def test_of_a_dream_that_changed_nothing_is_the_source(self) -> None:
        source = ArrayRaster(np.clip(noise(1).image, -1, 1))
        mixed = whole(MixedRaster(source, source, keeps_colours=True))
        np.testing.assert_allclose(mixed, source.image, atol=1e-4)

    def test_no_number_stays_none(self) -> None:
        """So that a dream that has diverged is told."""
        broken = ArrayRaster(np.full((*SHAPE, 3), np.nan, np.float32))
        assert np.isnan(whole(MixedRaster(broken, noise(1), 0.5, keeps_colours=True))).all()


@given(st.floats(0, 1), st.booleans(), st.integers(0, 299), st.integers(0, 20))
def test_a_point_has_the_same_bits_in_whichever_part_it_is_read(
    strength: float, keeps: bool, row: int, column: int
) -> None:
    raster = MixedRaster(noise(1), noise(2), strength, keeps)
    part = raster.points(np.arange(row, SHAPE.height), np.arange(column, SHAPE.width))
    np.testing.assert_array_equal(part, whole(raster)[row:, column:])
