"""Pictures that a dream names: told by their bytes, and kept to the bit where a mask is black."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dreamray import dream_set
from dreamray.base.errors import NotFoundError, RequestError
from dreamray.base.geometry import Shape
from dreamray.cli.merge import merge_settings
from dreamray.engine.events import Listener, StepDone, ignore
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.pictures import decode, read_metadata
from dreamray.raster.mask import NO_MASKS
from dreamray.render.files import RenderOptions, render_picture
from dreamray.render.named_pictures import (
    is_alike,
    look_at_masks,
    open_masks,
    settle_pictures,
)
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import MemoryFolder, locate
from tests.support.plain_engine import PlainEngine
from tests.unit.bulk.test_task_runner import PLAIN

LAYERS = ("conv2d_2",)
SETTINGS: dict[str, Any] = {
    "layers": {"conv2d_2": 1.0},
    "octaves": 2,
    "iterations": 2,
    "step": 0.05,
    "max_loss": None,
}


def draw(path: Path, height: int = 90, width: int = 120, dtype: str = "uint8", alpha: bool = False):
    """A picture of noise; returns its path."""
    shape = (height, width) if dtype == "uint16" else (height, width, 4 if alpha else 3)
    pixels = np.random.default_rng(3).integers(0, np.iinfo(dtype).max + 1, shape, dtype)
    Image.fromarray(pixels).save(path)
    return str(path)


def half(path: Path, height: int = 90, width: int = 120) -> str:
    """A mask whose upper half is black, and whose lower one white; returns its path."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 2 :] = 255
    Image.fromarray(mask).save(path)
    return str(path)


def renderer(dream: Dream, on_event: Listener = ignore, **execution: Any) -> Renderer:
    executor: Any = LocalTileExecutor(Worker(PlainEngine(*map(str, dream.terms))))
    how = Execution(threads=1, **{"tile": 48, **execution})
    return Renderer(dream, how, on_event, weights=PLAIN, executor=executor)


def render(
    source: str, output: Path, on_event: Listener = ignore, fresh: bool = False, **settings: Any
) -> Any:
    """The pixels of a rendered picture, with its opacity if it has any."""
    with renderer(Dream(**SETTINGS, **settings)) as one:
        render_picture(source, str(output), one, on_event, RenderOptions(fresh=fresh))
    picture = decode(output.read_bytes(), output.name)
    return picture.pixels


class TestBlack:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    @pytest.mark.parametrize(
        "settings", [{}, {"margin": 20}, {"colours": "keep", "strength": 0.5}, {"iterations": 0}]
    )
    def test_is_the_sources_to_the_bit(
        self, tmp_path: Path, dtype: str, suffix: str, settings: dict[str, Any]
    ) -> None:
        source, mask = draw(tmp_path / "in.png", dtype=dtype), half(tmp_path / "mask.png")
        before = decode(Path(source).read_bytes(), "in.png").pixels
        with renderer(Dream(**{**SETTINGS, **settings}, mask=mask)) as one:
            render_picture(source, str(tmp_path / f"out{suffix}"), one)
        after = decode((tmp_path / f"out{suffix}").read_bytes(), "out").pixels
        assert after.dtype == before.dtype == dtype
        np.testing.assert_array_equal(after[:45], before[:45])
        assert settings.get("iterations") == 0 or (after[45:] != before[45:]).mean() > 0.5

    def test_is_so_beside_alpha_and_with_a_mask_of_another_size(self, tmp_path: Path) -> None:
        source = draw(tmp_path / "in.png", alpha=True)
        mask = half(tmp_path / "mask.png", 180, 240)
        render(source, tmp_path / "out.png", mask=mask)
        before, after = (np.asarray(Image.open(tmp_path / name)) for name in ("in.png", "out.png"))
        np.testing.assert_array_equal(after[:44], before[:44])
        np.testing.assert_array_equal(after[..., 3], before[..., 3])

    def test_of_a_reduced_picture_is_what_it_was_reduced_to(self, tmp_path: Path) -> None:
        source, mask = draw(tmp_path / "in.png", 180, 240), half(tmp_path / "mask.png")
        plain = render(source, tmp_path / "plain.png", mask=mask, size=120, strength=0)
        dreamt = render(source, tmp_path / "out.png", mask=mask, size=120)
        np.testing.assert_array_equal(dreamt[:45], plain[:45])
        assert dreamt.shape == (90, 120, 3)

    def test_is_so_of_an_array(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(3).integers(0, 256, (90, 120, 3), np.uint8)
        with renderer(Dream(**SETTINGS, mask=half(tmp_path / "mask.png"))) as one:
            dreamt = one.dream_pixels(pixels)
        np.testing.assert_array_equal(dreamt[:45], pixels[:45])
        assert (dreamt[45:] != pixels[45:]).mean() > 0.5


class TestContent:
    def test_counts_and_not_the_place(self, tmp_path: Path) -> None:
        one, other = half(tmp_path / "one.png"), half(tmp_path / "other.png")
        settled = [settle_pictures(Dream(mask=place)) for place in (one, other)]
        assert settled[0] == settled[1]
        assert settled[0].digest() == settled[1].digest() != Dream().digest()
        sha256 = hashlib.sha256(Path(one).read_bytes()).hexdigest()
        assert settled[0].model_dump()["mask"] == {"picture": one, "sha256": sha256}
        assert Dream.from_yaml(settled[0].to_yaml()) == settled[0]

    def test_is_in_the_result_and_taken_over_from_it(self, tmp_path: Path) -> None:
        source, mask = draw(tmp_path / "in.png"), half(tmp_path / "mask.png")
        expected = render(source, tmp_path / "out.png", mask=mask)
        metadata = read_metadata((tmp_path / "out.png").read_bytes(), "out.png")
        assert metadata["dream"]["mask"]["picture"] == mask
        again = merge_settings({"like": str(tmp_path / "out.png")}).dream
        assert again.digest() == metadata["dream_digest"]
        with renderer(again) as one:
            render_picture(source, str(tmp_path / "again.png"), one)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "again.png")), expected)

    def test_that_has_changed_since_is_refused(self, tmp_path: Path) -> None:
        source, mask = draw(tmp_path / "in.png"), half(tmp_path / "mask.png")
        settled = settle_pictures(Dream(**SETTINGS, mask=mask))
        half(tmp_path / "mask.png", 180, 240)
        with renderer(settled) as one, pytest.raises(RequestError) as caught:
            render_picture(source, str(tmp_path / "out.png"), one)
        assert f"--mask {mask}" in str(caught.value)
        assert str(caught.value).isprintable()

    def test_work_with_another_is_begun_afresh(self, tmp_path: Path) -> None:
        source, output = draw(tmp_path / "in.png"), tmp_path / "out.png"

        def stop(event: Any) -> None:
            if isinstance(event, StepDone) and event.octave == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            render(source, output, stop, mask=half(tmp_path / "mask.png"))
        other = half(tmp_path / "other.png", 60, 80)
        found = render(source, output, mask=other)
        np.testing.assert_array_equal(found, render(source, tmp_path / "new.png", mask=other))

    def test_work_is_gone_on_with_though_the_mask_is_gone(self, tmp_path: Path) -> None:
        source, output = draw(tmp_path / "in.png"), tmp_path / "out.png"
        mask = half(tmp_path / "mask.png")
        expected = render(source, tmp_path / "expected.png", mask=mask)
        settled = settle_pictures(Dream(**SETTINGS, mask=mask))
        steps: list[StepDone] = []

        def stop(event: Any) -> None:
            if isinstance(event, StepDone):
                steps.append(event)
                if event.octave == 1 and len(steps) == 3:
                    raise KeyboardInterrupt

        with renderer(settled) as one, pytest.raises(KeyboardInterrupt):
            render_picture(source, str(output), one, stop)
        Path(mask).unlink()
        with renderer(settled) as one:
            render_picture(source, str(output), one, stop)
        np.testing.assert_array_equal(np.asarray(Image.open(output)), expected)
        assert len(steps) == 5


class TestRefused:
    def test_another_aspect(self, tmp_path: Path) -> None:
        source = draw(tmp_path / "in.png")
        mask = half(tmp_path / "mask.png", 120, 90)
        with pytest.raises(RequestError) as caught:
            render(source, tmp_path / "out.png", mask=mask)
        assert "a mask of 90x120 does not fit a picture of 120x90" in str(caught.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "mask.png"]

    def test_none_that_is_there(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="nothing\\.png"):
            render(draw(tmp_path / "in.png"), tmp_path / "out.png", mask="nothing.png")

    def test_no_picture(self, tmp_path: Path) -> None:
        (tmp_path / "mask.png").write_text("words")
        mask = str(tmp_path / "mask.png")
        with pytest.raises(RequestError, match=r"the mask: mask\.png is none of JPEG"):
            render(draw(tmp_path / "in.png"), tmp_path / "out.png", mask=mask)

    def test_as_an_output(self, tmp_path: Path) -> None:
        source, mask = draw(tmp_path / "in.png"), half(tmp_path / "mask.png")
        with (
            renderer(Dream(**SETTINGS, mask=mask)) as one,
            pytest.raises(RequestError, match="only original"),
        ):
            render_picture(source, mask, one, options=RenderOptions(overwrite=True))

    @pytest.mark.parametrize("mask", [3, [], {"picture": ""}, {"sha256": "0" * 64}, True, ""])
    def test_no_name(self, mask: Any) -> None:
        with pytest.raises(RequestError, match=r"mask: .* is not allowed; allowed: the path"):
            Dream(mask=mask)


class TestMasksOfTerms:
    """As `--mask` is, for each of several."""

    def dream(self, tmp_path: Path, **settings: Any) -> Dream:
        masks = {"sky": half(tmp_path / "sky.png"), "conv2d_1": half(tmp_path / "c.png", 180, 240)}
        layers = "masked(conv2d_2,sky) + 0.5*conv2d_1 + 0.1*conv2d_3"
        return Dream(**{**SETTINGS, "layers": layers, "mask_layers": masks, **settings})

    def test_are_those_of_a_layer_or_of_whoever_names_them(self, tmp_path: Path) -> None:
        terms = ["masked(conv2d_1,conv2d_1)", "masked(conv2d_2,sky)", "conv2d_3"]
        assert [*map(str, self.dream(tmp_path).terms)] == terms
        with_guide = self.dream(tmp_path, guide="guide.png")
        assert str(next(iter(with_guide.terms))) == "masked(guide(conv2d_1),conv2d_1)"

    def test_let_terms_count_where_they_are_white(self, tmp_path: Path) -> None:
        source = draw(tmp_path / "in.png")
        before = np.asarray(Image.open(source)).astype(int)
        dream = self.dream(tmp_path, layers="masked(conv2d_2,sky) + conv2d_1")
        with renderer(dream) as one:
            render_picture(source, str(tmp_path / "out.png"), one)
        after = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
        # The detail that octaves lose comes back but for rounding.
        assert np.abs(after - before)[:30].max() <= 1
        assert (np.abs(after - before)[50:] > 2).mean() > 0.5

    def test_count_by_their_bytes(self, tmp_path: Path) -> None:
        dream = settle_pictures(self.dream(tmp_path))
        sha256 = hashlib.sha256((tmp_path / "sky.png").read_bytes()).hexdigest()
        assert dream.mask_layers["sky"].sha256 == sha256
        assert Dream.from_yaml(dream.to_yaml()) == dream
        renamed = half(tmp_path / "other.png")
        same = dream.replace(mask_layers={**dream.mask_layers, "sky": renamed})
        assert settle_pictures(same).digest() == dream.digest()
        other = dream.replace(
            mask_layers={**dream.mask_layers, "sky": half(tmp_path / "o.png", 60, 80)}
        )
        assert settle_pictures(other).digest() != dream.digest()
        assert other.engine_key == dream.engine_key

    def test_are_in_the_result_and_taken_over_from_it(self, tmp_path: Path) -> None:
        source, place = draw(tmp_path / "in.png"), tmp_path / "out.png"
        with renderer(self.dream(tmp_path)) as one:
            render_picture(source, str(place), one)
        again = merge_settings({"like": str(place)}).dream
        assert again.digest() == read_metadata(place.read_bytes(), "out.png")["dream_digest"]
        with renderer(again) as one:
            render_picture(source, str(tmp_path / "again.png"), one)
        assert (tmp_path / "again.png").read_bytes() == place.read_bytes()
        half(tmp_path / "sky.png", 60, 80)
        with renderer(again) as one, pytest.raises(RequestError, match="--mask-layer sky="):
            render_picture(source, str(tmp_path / "more.png"), one)

    def test_come_from_the_command_line(self) -> None:
        given = {"mask_layers": ["sky=a=b.png", "mixed4=s3://masks/m.png"], "objective": "mixed4"}
        found = merge_settings(given).dream.mask_layers
        named = {name: one.picture for name, one in found.items()}
        assert named == {"sky": "a=b.png", "mixed4": "s3://masks/m.png"}

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"layers": "masked(conv2d_2,sea)"}, "--mask-layer sea=PICTURE"),
            ({"layers": "conv2d_1 + conv2d_2"}, "mask sky: no term"),
            ({"mask_layers": {}}, "--mask-layer sky=PICTURE"),
        ],
    )
    def test_without_a_term_and_terms_without_one_are_refused(
        self, tmp_path: Path, settings: dict[str, Any], words: str
    ) -> None:
        with renderer(self.dream(tmp_path, **settings)) as one, pytest.raises(RequestError) as told:
            one.load()
        assert words in str(told.value)
        assert str(told.value).isprintable()

    @pytest.mark.parametrize(
        "mask", ["sky", ["sky"], ["a=b", "a=c"], ["=b"], ["a="], {"3": "b"}, 3]
    )
    def test_are_a_name_and_a_picture_each(self, mask: Any) -> None:
        with pytest.raises(RequestError) as told:
            Dream(mask_layers=mask)
        assert "mask" in str(told.value)
        assert str(told.value).isprintable()

    def test_of_another_aspect_are_refused_before_anything_is_loaded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dreamray.model.weights.loader.load", pytest.fail)
        lying = tmp_path / "lying.jpg"  # It is shown upright, as its EXIF data say.
        turned = Image.Exif()
        turned[274] = 6
        Image.new("RGB", (120, 90)).save(lying, exif=turned)
        source, tall = draw(tmp_path / "in.png"), half(tmp_path / "m.png", 120, 90)
        for settings in ({"mask": tall}, {"mask_layers": {"conv2d_2": tall}}):
            one = Renderer(Dream(**SETTINGS, **settings), Execution())
            with pytest.raises(RequestError, match="a mask of 90x120 does not fit"):
                render_picture(source, str(tmp_path / "out.png"), one)
        look_at_masks(Dream(mask=tall), locate(str(lying)))

    def test_that_are_no_pictures_end_a_set_before_anything_is_loaded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dreamray.model.weights.loader.load", pytest.fail)
        (tmp_path / "in").mkdir()
        draw(tmp_path / "in" / "a.png")
        (tmp_path / "mask.png").write_text("no picture")
        dream = Dream(**SETTINGS, mask=str(tmp_path / "mask.png"))
        with pytest.raises(RequestError, match=r"the mask: .*mask\.png is none of JPEG"):
            dream_set(str(tmp_path / "in"), str(tmp_path / "out"), dream)
        assert not (tmp_path / "out").exists()


def test_a_look_at_masks_leaves_alone_what_can_be_read_but_once(tmp_path: Path) -> None:
    """A pipe; what is not there is told by whoever reads it."""
    mask, pipe = half(tmp_path / "mask.png"), tmp_path / "pipe"
    os.mkfifo(pipe)
    for dream in Dream(mask=mask), Dream(mask=str(pipe)), Dream(mask=str(tmp_path / "absent")):
        for source in pipe, tmp_path / "absent", tmp_path / "mask.png":
            look_at_masks(dream, locate(str(source)))
    with pytest.raises(RequestError, match=r"^/dev/null: this is a device"):
        look_at_masks(Dream(mask="/dev/null"), locate(mask))


def test_a_mask_may_lie_in_a_bucket(tmp_path: Path, bucket: str) -> None:
    source, mask = draw(tmp_path / "in.png"), half(tmp_path / "mask.png")
    locate(f"s3://{bucket}/mask.png").write(Path(mask).read_bytes())
    one = render(source, tmp_path / "one.png", mask=mask)
    other = render(source, tmp_path / "other.png", mask=f"s3://{bucket}/mask.png")
    np.testing.assert_array_equal(one, other)


def test_a_mask_is_brought_in_once(tmp_path: Path) -> None:
    folder, mask = MemoryFolder(), half(tmp_path / "mask.png")
    dream = settle_pictures(Dream(mask=mask))
    assert open_masks(dream, Shape(90, 120), folder, print).steps is not None
    Path(mask).unlink()
    assert open_masks(dream, Shape(45, 60), folder, print).steps is not None
    assert open_masks(Dream(), Shape(45, 60), folder, print) == NO_MASKS


sides = st.integers(2, 3000)


@given(sides, sides, st.floats(0.01, 1))
def test_sizes_of_one_picture_are_alike(height: int, width: int, scale: float) -> None:
    small = Shape(*(max(1, round(side * scale)) for side in (height, width)))
    assert is_alike(small, Shape(height, width))
    assert is_alike(Shape(height, width), small)
    truncated = Shape(*(max(1, int(side * scale)) for side in (height, width)))
    assert is_alike(Shape(height, width), truncated)


def test_other_aspects_are_not_alike() -> None:
    assert not is_alike(Shape(600, 900), Shape(600, 904))
    assert not is_alike(Shape(60, 90), Shape(900, 600))
