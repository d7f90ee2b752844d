"""Settings of --like, --config and options come together, whatever the files hold."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamray.base.errors import DreamrayError
from dreamray.base.parsing import MOST_SETTINGS
from dreamray.cli.merge import describe_picture, merge_settings
from dreamray.cli.options import DREAM, EXECUTION, FARM
from dreamray.pictures import Format, Picture, encode
from dreamray.settings.dream import Dream
from dreamray.settings.execution import VISIBLE, Execution
from dreamray.storage import pipes

PIXELS = np.zeros((9, 9, 3), np.uint8)

OTHER_DREAM: dict[str, Any] = {
    "layers": {"mixed4[1,2]": -0.5, "mixed7": 2.0},
    "step": 0.5,
    "octaves": "auto",
    "octave_scale": 0.7,
    "iterations": 0,
    "max_loss": None,
    "jitter": 3,
    "seed": 4,
    "size": 700,
    "margin": 5,
    "strength": 0.5,
    "colours": "keep",
    "octave_sizes": [300, 500],
    "guide": {"picture": "flowers.png", "sha256": "1" * 64},
    "smooth": 0.5,
    "laplacian": 4,
    "optimizer": "adam",
    "schedule": "cosine",
    "mask": {"picture": "sky.png", "sha256": "0" * 64},
    "mask_layers": {"sky": {"picture": "sea.png", "sha256": "2" * 64}},
}
OTHER_EXECUTION = {"precision": "bfloat16", "overlap": 16, "seams": "blend"}


def result(path: Path, dream: dict[str, Any], execution: dict[str, Any]) -> Path:
    """A picture with settings."""
    metadata = {"dream": dream, "execution": execution, "weights": {"sha256": "ab"}, "source": {}}
    picture = Picture(PIXELS, None, None, None, "", ())
    path.write_bytes(encode(PIXELS, picture, Format.PNG, metadata))
    return path


def refused(**given: object) -> str:
    """In one line and at once."""
    begun = time.process_time()
    with pytest.raises(DreamrayError) as caught:
        merge_settings(given)
    assert time.process_time() - begun < 2
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_like_takes_over_every_setting_of_the_dream_and_what_shows_of_the_execution(tmp_path):
    assert OTHER_DREAM.keys() == Dream.model_fields.keys()
    assert OTHER_EXECUTION.keys() == {*VISIBLE}
    for name, value in (OTHER_DREAM | OTHER_EXECUTION).items():
        assert getattr(Dream() if name in OTHER_DREAM else Execution(), name) != value
    like = result(tmp_path / "a.png", OTHER_DREAM, OTHER_EXECUTION | {"tile": 48, "threads": 3})
    merged = merge_settings({"like": str(like)})
    assert merged.dream == Dream(**OTHER_DREAM)
    assert merged.execution == Execution(**OTHER_EXECUTION)
    assert merged.like_weights == "ab"


def test_every_option_goes_over_config_and_config_over_like(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    like = result(tmp_path / "a.png", OTHER_DREAM, OTHER_EXECUTION)
    config = tmp_path / "c.yaml"
    config.write_text("seed: 5\njitter: 6\nprecision: float32\noverlap: 7\n")
    given = {"like": str(like), "config": str(config), "jitter": "8", "overlap": "9"}
    merged = merge_settings(given)
    assert merged.dream == Dream(**OTHER_DREAM | {"seed": 5, "jitter": 8})
    assert merged.execution == Execution(precision="float32", overlap=9, seams="blend")
    known = {*Dream.model_fields, *Execution.model_fields, "layer", "objective"}
    assert {option.setting for option in (*DREAM, *EXECUTION, *FARM)} <= known


def test_a_result_says_all_and_defaults_are_for_what_others_leave_open(tmp_path):
    defaults = {"laplacian": 4, "step": 0.02}
    like = result(tmp_path / "a.png", Dream(jitter=3).model_dump(mode="json"), {})
    assert merge_settings({"like": str(like)}, defaults).dream == Dream(jitter=3)
    assert merge_settings({"jitter": "3"}, defaults).dream == Dream(jitter=3, **defaults)


def test_octaves_by_number_go_over_those_by_sizes(tmp_path):
    like = result(tmp_path / "a.png", OTHER_DREAM, {})
    for preset in {"like": str(like)}, {"preset": "monument"}:
        assert merge_settings(preset).dream.octave_sizes
        assert merge_settings({**preset, "octave_sizes": "90"}).dream.octave_sizes == (90,)
        counted = merge_settings({**preset, "octaves": "4"}).dream
        assert (counted.octaves, counted.octave_sizes) == (4, None)


def test_masks_of_a_result_may_be_left_out(tmp_path):
    like = result(tmp_path / "a.png", OTHER_DREAM, {})
    left = merge_settings({"like": str(like), "mask_layers": ["none"], "mask": "none"}).dream
    assert (left.mask, left.mask_layers) == (None, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memory: " + "9" * 400, "number of 400 characters"),
        ("memory: 0b" + "1" * 5000, "number of 5,002 characters"),
        ("seed: 59" + ":59" * 3000, "number of"),
        ("max_loss: .inf", "max_loss"),
        ("step: 1e999", "step"),
        ("step: .nan", "step"),
        ("a: &a [1]\nstep: *a", "step"),
        ("layers: {mixed4: 1e7}", "mixed4"),
        ("layers: {mixed4: [1]}", "mixed4"),
        ("step: 1\nstep: 2", "'step' is there twice"),
        ("[" * 5000, "nested"),
        ("#" * (MOST_SETTINGS + 1), "more than a file of settings takes"),
        ("- step", "must hold settings"),
        ("1: 2", "must hold settings"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(tmp_path, text, words):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    message = refused(config=str(path))
    assert "c.yaml" in message
    assert words in message


def test_options_that_cannot_be_meant_are_refused():
    for name in ("memory", "seed", "octaves", "tile", "workers", "step", "wait", "max_loss"):
        for value in ("9" * 400, "9" * 5000, "1e999", "nan", "0b1", "\0", "\udcff", "٣" * 400):
            assert name in refused(**{name: value})
    assert "octave_scale" in refused(octave_scale="0")


def test_what_never_ends_or_never_begins_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pipes, "_WRITER_WITHIN", 0.01)
    os.mkfifo(tmp_path / "pipe")
    for name in ("like", "config"):
        assert "over 256" in refused(config="/dev/zero")
        assert "a device" in refused(like="/dev/zero")
        assert "nothing came" in refused(**{name: str(tmp_path / "pipe")})
        assert "folder" in refused(**{name: str(tmp_path)})


KEYS = st.sampled_from([*Dream.model_fields, *Execution.model_fields, "x"]) | st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
CONFIGS = (
    st.binary()
    | st.text().map(str.encode)
    | st.dictionaries(KEYS, VALUES, max_size=4).map(repr).map(lambda text: text.encode())
)


@settings(max_examples=150, deadline=None)
@given(CONFIGS, st.dictionaries(KEYS, VALUES, max_size=4))
@example(b"step: 0.1", {"dream": {}})
def test_any_files_give_settings_or_one_line(tmp_path_factory, text, metadata):
    folder = tmp_path_factory.mktemp("any")
    (folder / "c.yaml").write_bytes(text)
    (folder / "c.png").write_bytes(text)
    picture = folder / "a.png"
    try:
        result(picture, metadata, metadata)
    except ValueError:  # NaN is never written.
        picture.write_bytes(text)
    said = []
    for call in (
        lambda: merge_settings({"config": str(folder / "c.yaml")}),
        lambda: merge_settings({"like": str(folder / "c.png")}),
        lambda: merge_settings({"like": str(picture)}),
        lambda: describe_picture(str(picture), as_json=False).splitlines()[0],
    ):
        try:
            call()
        except DreamrayError as error:
            said.append(str(error))
    assert all(line.isprintable() for line in said)
