"""The picture that a dream follows: which layers do, what is wrong with it, told by its bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamray.base.errors import DreamrayError, NotFoundError, RequestError
from dreamray.plan import memory_model
from dreamray.plan.memory_model import GUIDE_SIDE
from dreamray.render.guide import open_guide
from dreamray.render.named_pictures import read_pictures, settle_pictures
from dreamray.settings.dream import Dream

LAYERS = {"mixed4": 1.0, "mean(mixed5)": 2.0}


def draw(path: Path, height: int = 100, width: int = 120, seed: int = 0) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def settled(layers: object = LAYERS, guide: str | None = None) -> Dream:
    return settle_pictures(Dream(layers=layers, guide=guide))


class TestWhoFollows:
    def test_layers_as_such(self, tmp_path: Path) -> None:
        dream = Dream(layers=LAYERS, guide=draw(tmp_path / "g.png"))
        assert [*map(str, dream.terms)] == ["guide(mixed4)", "mean(mixed5)"]
        assert dream.layers == LAYERS
        assert Dream(layers=LAYERS).engine_key != dream.engine_key

    def test_none_but_those_that_say_so(self, tmp_path: Path) -> None:
        dream = Dream(layers="mixed4 + guide(mixed3[2])", guide=draw(tmp_path / "g.png"))
        assert [*map(str, dream.terms)] == ["guide(mixed3[2])", "mixed4"]


def test_its_bytes_count_and_not_its_name(tmp_path: Path) -> None:
    one, same = draw(tmp_path / "a.png"), draw(tmp_path / "b.png")
    other = draw(tmp_path / "c.png", seed=1)
    digests = [settled(guide=place).digest() for place in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert settled(guide=one).engine_key == settled(guide=same).engine_key


def test_is_reduced_and_read_from_what_is_held(tmp_path: Path) -> None:
    dream = settled(guide=draw(tmp_path / "g.png", 400, 800))
    guide = open_guide(dream)
    assert guide is not None
    assert guide.shape == (160, GUIDE_SIDE, 3)
    assert guide.dtype == np.float32
    held = read_pictures(dream)
    (tmp_path / "g.png").unlink()
    again = open_guide(dream, held)
    assert again is not None
    np.testing.assert_array_equal(again, guide)


def test_what_is_wrong_with_it_is_told_in_one_line(tmp_path: Path) -> None:
    def refused(kind: type[DreamrayError], *words: str, dream: Dream) -> None:
        with pytest.raises(kind) as error:
            open_guide(dream)
        text = str(error.value)
        assert text.isprintable()
        assert all(word in text for word in words), text

    good, small = draw(tmp_path / "good.png"), draw(tmp_path / "small.png", 40, 300)
    refused(RequestError, "small.png", "300x40", "mixed4", "43 pixels", dream=settled(guide=small))
    assert open_guide(settled("conv2d_1", guide=small)) is not None
    refused(RequestError, "guide(mixed4)", "--guide", dream=settled("guide(mixed4)"))
    refused(RequestError, "no layer follows", dream=settled("mean(mixed4)", guide=good))
    dream = settled(guide=good)
    draw(tmp_path / "good.png", seed=9)
    refused(RequestError, "good.png", "another picture", "--guide", dream=dream)
    (tmp_path / "text.png").write_text("no picture")
    refused(RequestError, "the guide", "text.png", dream=settled(guide=str(tmp_path / "text.png")))
    with pytest.raises(NotFoundError, match=r"none\.png"):
        settled(guide=str(tmp_path / "none.png"))


def test_the_memory_model_knows_of_it() -> None:
    """How well each cell matches each of the guide's is held for a moment."""
    plain = memory_model.beside_pixel([], [])
    assert plain == 0
    assert memory_model.beside_pixel(["mixed2"], []) > memory_model.beside_pixel(["mixed4"], []) > 0
    assert memory_model.beside_pixel([], ["mixed4"]) > 0
