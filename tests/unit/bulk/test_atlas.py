"""What an atlas is made of, where its dreams lie in the picture, and how that is put together."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import RequestError
from dreamray.bulk.atlas.layout import Layout
from dreamray.bulk.atlas.picture import AtlasPicture
from dreamray.bulk.atlas.plates import SETTINGS, Atlas, Plate
from dreamray.model import architecture
from dreamray.raster.pixels import Pixels
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution

DREAM = Dream(**SETTINGS)


def plate(text: str, channels: str | None = None) -> Plate:
    return Plate.parse(text, channels)


class TestPlan:
    def test_there_is_a_dream_for_each_channel_in_order_and_all_else_is_equal(self) -> None:
        atlas = Atlas.of(["mixed4", "mean(mixed0)"], DREAM.replace(seed=7))
        entries = atlas.entries().entries
        assert len(entries) == 768 + 256
        assert entries[12].settings == {"layers": {"mixed4[12]": 1.0}}
        assert entries[768 + 3].settings == {"layers": {"mean(mixed0[3])": 1.0}}
        assert entries[12].output == "mixed4/0012.png"
        assert entries[768 + 3].output == "mean-mixed0/0003.png"
        assert {str(entry.source) for entry in entries} == {"noise:144x144@7"}
        assert all(entry.fingerprint == entry.source.fingerprint() for entry in entries[:3])
        assert atlas.of_channel(atlas.plates[0], 12) == DREAM.replace(
            seed=7, size=None, layers={"mixed4[12]": 1.0}
        )

    def test_each_may_have_noise_of_its_own(self) -> None:
        dream = DREAM.replace(seed=2**32 - 1, size=120)
        atlas = Atlas.of(["mixed4[0,5]"], dream, own_noise=True)
        sources = [str(entry.source) for entry in atlas.entries().entries]
        assert sources == ["noise:120x120@4294967295", "noise:120x120@4"]

    @pytest.mark.parametrize(
        ("text", "channels", "found"),
        [
            ("mixed4[40,12]", None, (12, 40)),
            ("mixed4", "3-5,9, 4", (3, 4, 5, 9)),
            ("near(mixed4[7],0.5,0.5,0.2)", None, (7,)),
            ("cosine(mixed4)", "0-1", (0, 1)),
        ],
    )
    def test_some_channels_are_enough(
        self, text: str, channels: str | None, found: tuple[int, ...]
    ) -> None:
        assert plate(text, channels).channels == found

    def test_a_cosine_is_that_with_one_channel(self) -> None:
        assert str(plate("cosine(mixed4)").aim(12)) == "cosine(mixed4[12:1])"

    @pytest.mark.parametrize(
        ("layers", "channels", "words"),
        [
            ([], None, "name the layers"),
            (["mixed99"], None, "'mixed99': InceptionV3 has no such layer"),
            (["mixed4=2"], None, "without weights"),
            (["mixed4[768]"], None, "mixed4 has no channel 768; allowed: 0 to 767"),
            (["mixed4"], "700-768", "mixed4 has no channel 768; allowed: 0 to 767"),
            (["mixed4[3]"], "4", "both name channels"),
            (["mixed4"], "5-2", "numbers and ranges"),
            (["mixed4"], "", "numbers and ranges"),
            (["mixed4"], "1,,2", "numbers and ranges"),
            (["mixed4"], "0-99999999999", "numbers and ranges"),
            (["mixed4"], "-3", "numbers and ranges"),
            (["mixed4", "mixed4[3]"], None, "mixed4 is given twice"),
            (["tv"], None, "no channels of its own"),
            (["cosine(tv)"], None, "no such layer"),
            (["direction(mixed4[1:2])"], None, "no channels of its own"),
            (["mixed4 + mixed5"], None, "no single term"),
        ],
    )
    def test_what_is_wrong_is_told_in_a_line(
        self, layers: list[str], channels: str | None, words: str
    ) -> None:
        with pytest.raises(RequestError, match=re.escape(words)) as caught:
            Atlas.of(layers, DREAM, channels=channels)
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize("size", [2, 31, 60, 1025])
    def test_sizes_that_cannot_be_are_refused_before_any_dream(self, size: int) -> None:
        with pytest.raises(RequestError, match=f"--size {size}: "):
            Atlas.of(["mixed7"], DREAM.replace(size=size, margin=None)).check(Execution())

    @pytest.mark.parametrize("name", [n for n in architecture.LAYERS if n.startswith("mixed")])
    def test_dreams_of_every_block_can_be_of_the_default_size(self, name: str) -> None:
        Atlas.of([name], DREAM).check(Execution())


plates = st.lists(st.integers(1, 60), min_size=1, max_size=3).map(
    lambda counts: [plate(f"mixed{i}", f"0-{count - 1}") for i, count in enumerate(counts)]
)


class TestLayout:
    @given(plates, st.integers(30, 300))
    def test_squares_lie_in_the_picture_and_over_no_other(
        self, plates: list[Plate], cell: int
    ) -> None:
        layout = Layout(plates, cell)
        squares = [square for one in plates for square in layout.cells(one)]
        assert len(squares) == sum(len(one.channels) for one in plates)
        places = sorted((top, left) for _, left, top in squares)
        assert len({*places}) == len(places)
        for top, left in places:
            assert 0 < left <= layout.shape.width - cell
            assert 0 < top <= layout.shape.height - cell
        for i, (top, left) in enumerate(places):
            for other_top, other_left in places[i + 1 : i + 80]:
                assert abs(other_top - top) >= cell or abs(other_left - left) >= cell

    def test_a_large_layer_is_as_wide_as_a_screen(self) -> None:
        shape = Layout([plate("mixed10")], 128).shape
        assert 1.3 < shape.width / shape.height < 1.7


def colour(output: str) -> int:
    return 60 + int(output[-8:-4])


class Dreams:
    """Dreams of one colour each, by their channel."""

    def __init__(self, cell: int, but: str = "") -> None:
        self._cell = cell
        self._but = but
        self.read: list[str] = []

    def __call__(self, output: str) -> Pixels | None:
        self.read.append(output)
        if output == self._but:
            return None
        return np.full((self._cell, self._cell, 3), colour(output), np.uint8)


class TestPicture:
    LAYOUT = Layout([plate("mixed0", "0-22"), plate("mean(mixed1)", "5-9")], 40)

    def whole(self, step: int, dreams: Dreams) -> Pixels:
        picture = AtlasPicture(self.LAYOUT, dreams)
        height = picture.shape.height
        parts = [picture.rows(top, min(top + step, height)) for top in range(0, height, step)]
        return np.concatenate(parts)

    def test_every_dream_is_where_the_page_finds_it(self) -> None:
        whole = self.whole(10_000, Dreams(40))
        assert whole.shape == (*self.LAYOUT.shape, 3)
        for one in self.LAYOUT.plates:
            for channel, left, top in self.LAYOUT.cells(one):
                found = whole[top : top + 40, left : left + 40]
                assert (found == 60 + channel).all()
                assert whole[top - self.LAYOUT.label : top, left : left + 40].max() > 200  # Label.

    @pytest.mark.parametrize("step", [1, 7, 254])
    def test_it_is_the_same_in_parts_and_each_dream_is_read_once(self, step: int) -> None:
        dreams = Dreams(40)
        np.testing.assert_array_equal(self.whole(step, dreams), self.whole(10_000, Dreams(40)))
        assert len(dreams.read) == len({*dreams.read}) == 28

    def test_what_failed_leaves_its_place_dark(self) -> None:
        whole = self.whole(300, Dreams(40, but="mixed0/0004.png"))
        (place,) = [one for one in self.LAYOUT.cells(self.LAYOUT.plates[0]) if one[0] == 4]
        _, left, top = place
        found = whole[top : top + 40, left : left + 40]
        assert found[30:].max() < 20
        assert found[:30].max() > 100  # That it was not dreamt is written there.
