"""The weights in the package: their file, where they are fallen back to, and their own layers."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dreamray
from dreamray.base.errors import WeightsError
from dreamray.bulk.job import BulkOptions, dream_set
from dreamray.cli import app
from dreamray.engine.events import Notice, StepDone
from dreamray.model import device
from dreamray.model.architecture import CONVOLUTIONS, ancestors
from dreamray.model.weights import bundled, imagenet
from dreamray.model.weights.arrays import Weights
from dreamray.model.weights.bundled import About, Bestiary, decode, encode
from dreamray.model.weights.imagenet import Published
from dreamray.model.weights.loader import load
from dreamray.pictures.metadata import read_metadata
from dreamray.raster.pixels import to_tensor
from dreamray.render import api
from dreamray.render.default_layers import foresee_layers, settle_layers
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import DEFAULT_LAYERS, Dream
from dreamray.settings.execution import Execution
from tests.support.places import PROJECT
from training.dreams import Dreamt, dreamt

LAKE = PROJECT / "examples" / "lake.png"
SMALL = About("bestiary", 7, "mixed0", {"mixed0": 2.0}, "Apache-2.0", "Drawn.", {"updates": 3})
"""Of a file that is quick to make and to read."""

Arrays = dict[str, np.ndarray]


def silent(text: str) -> None:
    raise AssertionError(f"nothing should have been said, but it was: {text}")


@pytest.fixture(scope="module")
def shipped() -> Bestiary:
    return bundled.read()


@pytest.fixture(scope="module")
def random_weights(untrained: Weights) -> Weights:
    """With biases and scales that are something."""
    random = np.random.default_rng(1)
    biases, scales = (
        tuple(random.normal(mean, 0.3, layer.channels).astype("f4") for layer in CONVOLUTIONS)
        for mean in (0, 2)
    )
    return replace(untrained, biases=biases, scales=scales)


@pytest.fixture(scope="module")
def small(random_weights: Weights) -> bytes:
    return encode(random_weights, SMALL)


def members(data: bytes) -> Arrays:
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def packed(arrays: Arrays, *, sign: bool = True, **said: Any) -> bytes:
    """A file of arrays, what it says of itself changed, its checksum mended if it is signed."""
    rest = {name: array for name, array in arrays.items() if name != "about"}
    about = {**json.loads(arrays["about"].tobytes()), **said}
    if sign:
        about["sha256"] = bundled._digest(rest)
    out = BytesIO()
    np.savez(out, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **rest)
    return out.getvalue()


def refused(data: bytes, *words: str) -> None:
    """In one line with these words, which says what to do."""
    with pytest.raises(WeightsError) as error:
        decode(data)
    text = str(error.value)
    assert text.isprintable()
    assert text.startswith("weights bestiary: ")
    assert text.endswith("; reinstall dreamray")
    for word in words:
        assert word in text


class TestFile:
    """Encoded and decoded."""

    def test_is_within_half_a_step_of_each_channel(
        self, small: bytes, random_weights: Weights
    ) -> None:
        """And the largest number of a channel has 127 of them; biases and scales are the same."""
        found, arrays = decode(small).weights, members(small)
        inside = {layer.name for layer in ancestors([SMALL.deepest])}
        reached = [n for n, layer in enumerate(CONVOLUTIONS) if layer.name in inside]
        assert len(reached) == 12
        for number in reached:
            before, after = random_weights.kernels[number], found.kernels[number]
            name = CONVOLUTIONS[number].name
            steps, quantum = arrays[f"{name}.kernel"], arrays[f"{name}.quantum"]
            assert steps.dtype == np.int8
            assert (np.abs(steps.astype(int)).max(axis=(0, 1, 2)) == 127).all()
            assert (np.abs(after - before) <= 0.5001 * quantum).all()
            assert np.abs(after - before).max() > 0.3 * quantum.min()
            np.testing.assert_array_equal(found.biases[number], random_weights.biases[number])
            np.testing.assert_array_equal(found.scales[number], random_weights.scales[number])

    def test_behind_its_deepest_layer_are_zeros(self, small: bytes) -> None:
        found = decode(small).weights
        inside = {layer.name for layer in ancestors([SMALL.deepest])}
        for layer, kernel, bias in zip(CONVOLUTIONS, found.kernels, found.biases, strict=True):
            assert kernel.any() == (layer.name in inside) == bias.any()
        found.check_reaches(["mixed0"])
        with pytest.raises(WeightsError, match="to mixed1; dream up to mixed0"):
            found.check_reaches(["mixed1"])

    def test_says_what_it_is(self, small: bytes) -> None:
        found = decode(small)
        assert found.about == SMALL
        assert (found.weights.name, found.weights.layers) == ("bestiary-7", {"mixed0": 2.0})
        assert found.weights.sha256 == hashlib.sha256(small).hexdigest()

    def test_has_the_same_bytes_each_time(self, small: bytes, random_weights: Weights) -> None:
        assert encode(random_weights, SMALL) == small
        with zipfile.ZipFile(BytesIO(small)) as archive:
            assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}

    def test_of_a_channel_of_zeros(self, random_weights: Weights) -> None:
        kernels = [kernel.copy() for kernel in random_weights.kernels]
        kernels[0][..., 3] = 0
        found = decode(encode(replace(random_weights, kernels=tuple(kernels)), SMALL)).weights
        assert not found.kernels[0][..., 3].any()
        assert found.kernels[0][..., 4].any()

    def test_of_weights_that_end_before_is_not_written(self, small: bytes) -> None:
        with pytest.raises(WeightsError, match="on the way to mixed1"):
            encode(decode(small).weights, replace(SMALL, deepest="mixed1"))

    def test_its_arrays_cannot_be_changed(self, small: bytes) -> None:
        with pytest.raises(ValueError, match="read-only"):
            decode(small).weights.kernels[0][...] = 1


class TestDamage:
    @pytest.mark.slow
    def test_of_any_byte_is_seen_or_does_no_harm(self, small: bytes) -> None:
        """A moment in a member's head does none."""
        whole, random, seen = decode(small), np.random.default_rng(2), 0
        near_the_end = random.integers(len(small) - 4000, len(small), 60)
        for place in [*random.integers(0, len(small), 60), *near_the_end]:
            data = bytearray(small)
            data[place] ^= random.integers(1, 256)
            try:
                found = decode(bytes(data))
            except WeightsError:
                refused(bytes(data))
                seen += 1
                continue
            assert found.about == whole.about
            for before, after in zip(whole.weights.kernels, found.weights.kernels, strict=True):
                np.testing.assert_array_equal(before, after)
        assert seen > 60

    @pytest.mark.parametrize("left", [0, 3, 1000, -100, -1])
    def test_a_file_that_is_cut_off(self, small: bytes, left: int) -> None:
        refused(small[:left], "damaged")

    def test_something_else(self) -> None:
        refused(b"meow", "damaged")
        refused(pickle.dumps("meow"), "damaged")
        out = BytesIO()
        np.savez(out, about=np.array([{"format": 1}], object))
        refused(out.getvalue(), "damaged")
        out = BytesIO()
        np.savez(out, kernels=np.zeros(3))
        refused(out.getvalue(), "does not say what it is")

    def test_an_untouched_copy_is_read(self, small: bytes) -> None:
        """So that what is refused below is refused for the change."""
        assert decode(packed(members(small))).about == SMALL

    @pytest.mark.parametrize("number", [2, 0, "1", None])
    def test_another_format(self, small: bytes, number: object) -> None:
        refused(packed(members(small), format=number), f"format {number!r}")

    @pytest.mark.parametrize(
        ("said", "word"),
        [
            ({"version": "1"}, "say of itself"),
            ({"version": True}, "say of itself"),
            ({"version": 0}, "version is 0"),
            ({"name": None}, "say of itself"),
            ({"more": 1}, "say of itself"),
            ({"layers": {}}, "layers"),
            ({"layers": {"mixed0": "loud"}}, "layers"),
            ({"layers": {"mixed99": 1}}, "mixed99"),
            ({"layers": {"mixed1": 1}}, "mixed1"),
            ({"deepest": "mixed99"}, "mixed99"),
            ({"deepest": "mixed1"}, "not those of the convolutions"),
        ],
    )
    def test_what_it_should_not_say(self, small: bytes, said: dict[str, Any], word: str) -> None:
        refused(packed(members(small), **said), word)

    def test_another_checksum(self, small: bytes) -> None:
        arrays = members(small)
        arrays["conv2d_4.kernel"][0, 0, 0, 0] ^= 1
        refused(packed(arrays, sign=False), "another checksum")

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            (lambda arrays: arrays.update({"conv2d.kernel": arrays["conv2d.kernel"][:2]}), "shape"),
            (lambda arrays: arrays.update({"conv2d.bias": arrays["conv2d.bias"].T[:3]}), "shape"),
            (
                lambda arrays: arrays.update({"conv2d.bias": arrays["conv2d.bias"].astype("f8")}),
                "float64",
            ),
            (lambda arrays: arrays["conv2d_3.scale"].__setitem__(0, np.nan), "not all finite"),
            (lambda arrays: arrays["conv2d.quantum"].__setitem__(1, np.inf), "not all finite"),
            (lambda arrays: arrays.pop("conv2d_9.scale"), "not those of the convolutions"),
            (lambda arrays: arrays.update(more=np.zeros(1)), "not those of the convolutions"),
        ],
    )
    def test_other_arrays(
        self, small: bytes, change: Callable[[Arrays], object], word: str
    ) -> None:
        """Also where the checksum says that they are as they were written."""
        arrays = members(small)
        change(arrays)
        refused(packed(arrays), "InceptionV3" if word == "shape" else word)

    def test_a_file_that_is_gone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundled, "FILE", tmp_path / "gone.npz")
        with pytest.raises(WeightsError, match=r"gone\.npz cannot be read .*; reinstall dreamray$"):
            load("bestiary", warn=silent)


class TestShipped:
    """The file in the package."""

    def test_is_small(self) -> None:
        assert bundled.FILE.stat().st_size <= bundled.LARGEST <= 6_000_000

    def test_says_where_it_is_from(self, shipped: Bestiary) -> None:
        about = shipped.about
        assert (about.name, about.licence) == ("bestiary", "Apache-2.0")
        assert "pictures" in about.provenance
        assert about.version >= 1
        shipped.weights.check_reaches(["mixed5", about.deepest])
        shipped.weights.check_reaches(Dream(layers=about.layers).layer_names)

    def test_encoded_anew_has_the_same_kernels(self, shipped: Bestiary) -> None:
        again = decode(encode(shipped.weights, shipped.about))
        assert again.about == shipped.about
        for part in ("kernels", "biases", "scales"):
            pairs = zip(getattr(shipped.weights, part), getattr(again.weights, part), strict=True)
            assert all(np.array_equal(before, after) for before, after in pairs), part

    def test_is_in_what_is_installed(self) -> None:
        """What setuptools is told to take along has it."""
        import tomllib

        home = bundled.FILE.parents[1]
        taken = tomllib.loads((home.parents[2] / "pyproject.toml").read_text())
        patterns = taken["tool"]["setuptools"]["package-data"]["dreamray.model.weights"]
        found = [path for pattern in patterns for path in home.glob(pattern)]
        assert bundled.FILE in found

    def test_is_loaded_by_its_name(self, shipped: Bestiary) -> None:
        loaded = load(" bestiary ", warn=silent)
        assert loaded.name == f"bestiary-{shipped.about.version}"
        assert loaded.sha256 == hashlib.sha256(bundled.FILE.read_bytes()).hexdigest()
        assert loaded.layers == shipped.about.layers

    def test_travels_to_other_processes(self, shipped: Bestiary) -> None:
        shipped.weights.check_reaches(["mixed0"])
        again = pickle.loads(pickle.dumps(shipped.weights))
        assert (again.name, again.layers) == (shipped.weights.name, shipped.weights.layers)
        np.testing.assert_array_equal(again.kernels[3], shipped.weights.kernels[3])

    def test_a_deeper_layer_is_refused_with_who_reaches_it(self) -> None:
        with pytest.raises(WeightsError) as error:
            load("bestiary", warn=silent).check_reaches(["mixed3", "mixed10"])
        text = str(error.value)
        assert text.isprintable()
        for word in ("bestiary-", "mixed10", "dream up to mixed", "--weights imagenet", "Keras"):
            assert word in text


def unlimited(weights: Weights) -> Dreamt:
    """The lake at 360x240, which has all three octaves, at the defaults, the loss without limit."""
    with Image.open(LAKE) as lake:
        small = np.asarray(lake.convert("RGB").resize((360, 240)))
    layers = {"layers": weights.layers} if weights.layers else {}
    return dreamt(small, weights, Dream(**layers, max_loss=None))


@pytest.fixture(scope="module")
def ascent(shipped: Bestiary) -> Dreamt:
    return unlimited(shipped.weights)


@pytest.mark.slow
def test_the_ascent_ends_by_itself(ascent: Dreamt) -> None:
    """With no limit to the loss, no octave's runs away, and the picture keeps its tones."""
    assert len(ascent.growths) == 3
    assert all(1.5 < growth < 20 for growth in ascent.growths)
    assert all(max(octave) < 15 for octave in ascent.losses)
    assert ascent.saturated < 0.05


@pytest.mark.slow
def test_the_ascent_goes_as_with_imagenet(ascent: Dreamt, trained: Weights) -> None:
    """It grows by x8.2, x2.9, x2.4, ImageNet's by x17, x7.0, x6.0; saturated: 2.6 and 1.3 %.

    In docs/weights.md are those of whole pictures, which take minutes.
    """
    theirs = unlimited(trained)
    for growth, their_growth in zip(ascent.growths, theirs.growths, strict=True):
        assert their_growth / 3 < growth < their_growth
    assert ascent.saturated <= theirs.saturated + 0.02


@pytest.mark.slow
@pytest.mark.parametrize("source", ["untrained", "trained"])
def test_a_dream_with_int8_looks_the_same(
    source: str, request: pytest.FixtureRequest, traced_once: None
) -> None:
    """On 200x150 of the lake, mixed3 and mixed4, one octave of 10 steps.

    The ascent amplifies whatever is a little different, so that pixels cannot be compared. What
    holds: int8 changes the dream less than grain of one grey level in the picture does
    (measured, as shares of what the dream changed: random weights 0.57 against 0.82, trained
    ones 0.87 against 1.04); the first step goes the same way (cosine 0.97, 0.96); and the
    network in float32 sees as much in either dream at the end (loss 34.8 against 37.9, 1.50
    against 1.49; it began with 0.27 and 0.22).
    """
    exact: Weights = request.getfixturevalue(source)
    layers = {"mixed3": 1.0, "mixed4": 1.0}
    rounded = decode(encode(exact, About("a", 1, "mixed4", layers, "", ""))).weights
    with Image.open(LAKE) as lake:
        image = to_tensor(np.asarray(lake.convert("RGB"))[150:300, 100:300])
    grain = np.random.default_rng(0).choice([-1, 0, 1], image.shape) / 127.5
    grainy = np.clip(image + grain, -1, 1).astype(np.float32)

    def dreamt(
        weights: Weights, steps: int, image: np.ndarray = image
    ) -> tuple[np.ndarray, list[float]]:
        losses: list[float] = []
        dream = Dream(layers=layers, octaves=1, iterations=steps, max_loss=None)

        def on_event(event: object) -> None:
            if isinstance(event, StepDone):
                losses.append(event.loss)

        with Renderer(dream, Execution(), on_event, weights=weights) as dreamer:
            return dreamer.dream_array(image), losses

    one, other = (dreamt(weights, 1)[0] - image for weights in (exact, rounded))
    cosine = np.vdot(one, other) / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosine > 0.93

    (own, losses), (int8, _), (grained, _) = (
        dreamt(exact, 10), dreamt(rounded, 10), dreamt(exact, 10, grainy)
    )  # fmt: skip
    change = np.abs(own - image).mean()
    assert change > 0.02
    assert 0 < np.abs(int8 - own).mean() < np.abs(grained - own).mean()

    seen, in_own = (dreamt(exact, 1, dream)[1][0] for dream in (int8, own))
    assert in_own > 4 * losses[0]
    assert 0.75 < seen / in_own < 1.33


@pytest.fixture
def suited(random_weights: Weights, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Weights that have layers of their own, in the package's place; and no network or cache."""
    made = replace(random_weights, name="bestiary-9", layers={"mixed0": 2.0, "mixed1[3]": 0.5})
    about = replace(SMALL, version=9, deepest="mixed5", layers=dict(made.layers or {}))
    monkeypatch.setattr(bundled, "read", lambda: Bestiary(about, made))
    return made


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No network, and no weights on this machine; gives the cache's folder."""
    monkeypatch.delenv("DREAMRAY_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(imagenet, "_SHARED_CACHE", tmp_path / "shared")
    monkeypatch.setattr(imagenet, "IMAGENET", Published("http://127.0.0.1:9/weights.h5", "0" * 32))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    return tmp_path / "keras" / "models"


class TestAuto:
    def test_ends_here_with_a_warning(
        self, offline: Path, suited: Weights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Which says why, with what it goes on, and how to get the others."""
        told: list[str] = []
        assert load("auto", warn=told.append) is suited
        assert told[-1].startswith("WARNING: ImageNet's weights could not be had")
        for word in ("bestiary", "(Connection refused)", "--weights imagenet"):
            assert word in told[-1]
        assert told[-1].isprintable()
        assert len(f"note: {told[-1]}") <= 2 * 80

    def test_the_environment_names_it(
        self, suited: Weights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DREAMRAY_WEIGHTS", "bestiary")
        assert load("auto", warn=silent) is suited

    def test_a_damaged_package_is_said(
        self, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bundled, "FILE", tmp_path / "gone.npz")
        with pytest.raises(WeightsError, match="reinstall dreamray"):
            load("auto", warn=lambda text: None)


class TestSettled:
    """The layers of a dream that names none."""

    def test_are_those_of_the_weights_and_it_is_said(self, suited: Weights) -> None:
        told: list[str] = []
        assert settle_layers(Dream(step=0.1), suited, told.append) == Dream(
            layers=suited.layers, step=0.1
        )
        assert "mixed0=2 mixed1[3]=0.5" in told[0]

    def test_are_the_classic_ones_without(self, untrained: Weights) -> None:
        settled = settle_layers(Dream(step=0.1), untrained, silent)
        assert settled == Dream(step=0.1)
        assert settled.layers == DEFAULT_LAYERS

    @pytest.mark.parametrize("layers", [{"mixed2": 1.0}, DEFAULT_LAYERS])
    def test_named_ones_stay(self, suited: Weights, layers: dict[str, float]) -> None:
        """The default ones, too."""
        assert settle_layers(Dream(layers=layers), suited, silent).layers == layers

    def test_are_settled_once(self, suited: Weights, untrained: Weights) -> None:
        """The classic ones do not become others with other weights."""
        settled = settle_layers(Dream(), untrained, silent)
        assert settle_layers(settled, suited, silent).layers == DEFAULT_LAYERS

    def test_what_nobody_named_stays_so(self) -> None:
        dream = pickle.loads(pickle.dumps(copy.deepcopy(Dream(seed=3).replace(step=0.1))))
        assert not dream.names_layers
        assert dream.settled({"mixed1": 1.0}).layers == {"mixed1": 1.0}
        assert Dream.from_yaml(dream.to_yaml()).names_layers
        assert not Dream.from_yaml("step: 0.1").names_layers

    def test_whether_they_are_named_tells_no_dreams_apart(self) -> None:
        named = Dream(layers=DEFAULT_LAYERS)
        assert named == Dream()
        assert named.digest() == Dream().digest()

    def test_those_that_are_not_reached_are_refused(self, suited: Weights) -> None:
        short = replace(suited, kernels=tuple(k * (n < 20) for n, k in enumerate(suited.kernels)))
        with pytest.raises(WeightsError, match="on the way to mixed7"):
            settle_layers(Dream(layers={"mixed7": 1.0}), short, silent)


class TestForeseen:
    """For a plan, which downloads nothing."""

    def test_for_the_bestiary(self, suited: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[str] = []
        assert foresee_layers("bestiary", Dream(), told.append).layers == suited.layers
        monkeypatch.setenv("DREAMRAY_WEIGHTS", "bestiary")
        assert foresee_layers("auto", Dream(), told.append).layers == suited.layers

    def test_for_auto_it_says_what_it_assumes(
        self, offline: Path, suited: Weights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imagenet, "download", lambda *_: pytest.fail("downloaded"))
        told: list[str] = []
        assert foresee_layers("auto", Dream(), told.append).layers == DEFAULT_LAYERS
        assert "ImageNet's" in told[0]
        assert "mixed0=2 mixed1[3]=0.5" in told[0]
        assert foresee_layers("auto", Dream(layers={"mixed2": 1}), silent).layers == {"mixed2": 1}
        offline.mkdir(parents=True)
        (offline / "weights.h5").touch()
        assert foresee_layers("auto", Dream(), silent).layers == DEFAULT_LAYERS

    @pytest.mark.parametrize("source", ["imagenet", "absent.h5", "random"])
    def test_for_others_they_are_the_classic_ones(self, offline: Path, source: str) -> None:
        assert foresee_layers(source, Dream(), silent) == Dream()

    def test_a_deeper_layer_is_refused(self) -> None:
        with pytest.raises(WeightsError, match="on the way to mixed10"):
            foresee_layers("bestiary", Dream(layers={"mixed10": 1.0}), silent)


Run = Callable[..., tuple[int, str, str]]


@pytest.mark.slow
class TestCommands:
    """On the command line and in Python, with layers of the weights' own that are quick."""

    @pytest.fixture(autouse=True)
    def _quick(self, offline: Path, suited: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device, "keep_freed_memory", lambda: None)

    @pytest.fixture
    def picture(self, tmp_path: Path) -> Path:
        path = tmp_path / "in.png"
        noise = np.random.default_rng(5).integers(0, 256, (100, 120, 3), np.uint8)
        Image.fromarray(noise).save(path)
        return path

    @pytest.fixture
    def run(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
        """Runs it in this process; gives the exit code and what was said."""
        monkeypatch.setattr(app.interruption, "watch", lambda: None)

        def run(*arguments: object) -> tuple[int, str, str]:
            capsys.readouterr()
            monkeypatch.setattr(sys, "argv", ["dreamray", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                app.main()
            return int(ended.value.code or 0), *capsys.readouterr()

        return run

    QUICK = ("--octaves", "1", "--iterations", "1", "--max-loss", "none")
    DREAM = Dream(octaves=1, iterations=1, max_loss=None)

    def test_render_stores_what_it_came_to_and_like_makes_it_again(
        self, run: Run, picture: Path, suited: Weights
    ) -> None:
        """And what `show` prints does, though other weights would not have suited these layers."""
        first, second, third = (picture.with_name(f"{n}.png") for n in "abc")
        code, _, err = run("render", picture, first, "--weights", "bestiary", *self.QUICK)
        assert code == 0, err
        assert "mixed0=2 mixed1[3]=0.5" in err
        metadata = json.loads(run("show", first, "--json")[1])
        expected = self.DREAM.replace(layers=suited.layers)
        assert Dream(**metadata["dream"]) == expected
        assert metadata["dream_digest"] == expected.digest()
        assert metadata["weights"] == {"name": "bestiary-9", "sha256": suited.sha256}
        code, _, err = run("render", picture, second, "--like", first, "--weights", "bestiary")
        assert (code, "they suit" in err) == (0, False)
        assert second.read_bytes() == first.read_bytes()
        config = picture.with_name("a.yaml")
        config.write_text(run("show", first)[1])
        assert run("render", picture, third, "--config", config, "--weights", "bestiary")[0] == 0
        assert third.read_bytes() == first.read_bytes()

    def test_layers_of_like_stay_with_these_weights(
        self, run: Run, picture: Path, suited: Weights
    ) -> None:
        first, second = (picture.with_name(f"{n}.png") for n in "ab")
        named = ("--layer", "mixed1=1", "--weights", "bestiary", *self.QUICK)
        assert run("render", picture, first, *named)[0] == 0
        assert run("render", picture, second, "--like", first, "--weights", "bestiary")[0] == 0
        with second.open("rb") as file:
            assert read_metadata(file, "b")["dream"]["layers"] == {"mixed1": 1.0}

    def test_a_render_that_is_gone_on_with_is_the_same(
        self, picture: Path, suited: Weights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The settled dream is what the work is known by."""
        from dreamray.render.files import RenderOptions, render_picture

        dream, execution = self.DREAM, Execution(weights="bestiary")
        target, heard = str(picture.with_name("out.png")), []
        for keeping in (RenderOptions(work=True), RenderOptions()):
            with Renderer(dream, execution, heard.append) as dreamer:
                render_picture(str(picture), target, dreamer, heard.append, keeping)
        remarks = [event.text for event in heard if isinstance(event, Notice)]
        assert any("all octaves are dreamt" in text for text in remarks), remarks
        assert not any("afresh" in text for text in remarks)

    def test_a_layer_that_is_not_reached_is_refused_before_any_work(
        self, run: Run, picture: Path, suited: Weights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        short = replace(suited, kernels=tuple(k * (n < 50) for n, k in enumerate(suited.kernels)))
        monkeypatch.setattr(bundled, "read", lambda: Bestiary(SMALL, short))
        from dreamray.pictures import ingest

        monkeypatch.setattr(ingest, "ingest", lambda *_, **__: pytest.fail("worked"))
        before = {*picture.parent.iterdir()}
        options = ("--weights", "bestiary", "--layer", "mixed7=1")
        for command, *more in (["render", "out.png"], ["plan", "--no-probe"], ["sweep", "out.png"]):
            places = [picture.with_name(name) if "." in name else name for name in more]
            code, out, err = run(command, picture, *places, *options)
            assert (code, out) == (2, "")
            assert re.fullmatch(r"dreamray: weights bestiary-9: [^\n]+\n", err)
            assert "mixed7; dream up to mixed" in err
            assert "--weights imagenet, or a Keras file" in err
        assert {*picture.parent.iterdir()} == before

    def test_plan_tells_the_layers(self, run: Run, picture: Path) -> None:
        out = run("plan", picture, "--weights", "bestiary", "--no-probe")[1]
        assert re.search(r"^layers mixed0=2 mixed1\[3\]=0\.5, in float32$", out, re.MULTILINE)
        out = run("plan", picture, "--no-probe")[1]
        assert re.search(r"^layers mixed2=0\.2 .*mixed5=1\.5, in float32$", out, re.MULTILINE)
        assert re.search(r"^note: weights auto: .*mixed0=2 mixed1\[3\]=0\.5$", out, re.MULTILINE)

    def test_sweep_varies_the_dream_with_these_layers(
        self, run: Run, picture: Path, suited: Weights
    ) -> None:
        sheet = picture.with_name("sheet.png")
        vary = ("--vary", "step=0.01,0.1", "--vary", "layer=mixed0", "--size", "90")
        code, out, err = run("sweep", picture, sheet, "--weights", "bestiary", *self.QUICK, *vary)
        assert code == 0, err
        assert "3 dreams" in out  # step 0.01 is what is set anyway
        assert err.count("they suit") == 1
        with sheet.open("rb") as file:
            assert read_metadata(file, "sheet")["dream"]["layers"] == suited.layers

    def test_a_set_is_dreamt_with_them_and_known_again(
        self, picture: Path, suited: Weights
    ) -> None:
        """A list may still name others for one picture."""
        listed, out = picture.with_name("list.jsonl"), picture.with_name("out")
        lines = [
            {"source": str(picture), "output": "a.png"},
            {"source": str(picture), "output": "b.png", "layers": {"mixed0": 1}},
        ]
        listed.write_text("\n".join(map(json.dumps, lines)))
        dream, execution = self.DREAM, Execution(weights="bestiary")

        def made(dream: Dream) -> tuple[int, int]:
            options = BulkOptions(report=False)
            counts = dream_set(str(listed), str(out), dream, execution=execution, options=options)
            return counts.done, counts.kept

        assert made(dream) == (2, 0)
        found = {}
        for name in "ab":
            with (out / f"{name}.png").open("rb") as file:
                found[name] = read_metadata(file, name)["dream"]["layers"]
        assert found == {"a": suited.layers, "b": {"mixed0": 1.0}}
        assert made(dream) == (0, 2)
        assert made(dream.replace(layers=suited.layers)) == (0, 2)

    def test_in_python(self, picture: Path, suited: Weights) -> None:
        pixels = np.asarray(Image.open(picture))
        dream = self.DREAM
        ours = dreamray.dream(pixels, dream, execution=Execution(weights="bestiary"))
        named = dreamray.dream(
            pixels, dream.replace(layers=suited.layers), execution=Execution(weights="bestiary")
        )
        other = dreamray.dream(
            pixels, dream.replace(layers={"mixed0": 1}), execution=Execution(weights="bestiary")
        )
        np.testing.assert_array_equal(ours, named)
        assert (ours != other).mean() > 0.01
        assert (ours != pixels).mean() > 0.3


@pytest.mark.slow
def test_without_a_network_a_first_dream_comes_from_the_package(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file itself, nothing made for tests: one step, which the dream's layers make."""
    pixels = np.random.default_rng(3).integers(0, 256, (160, 160, 3), np.uint8)
    heard: list[object] = []
    dream = Dream(octaves=1, iterations=1, max_loss=None)
    dreamt = api.dream(pixels, dream, on_event=heard.append)
    remarks = [event.text for event in heard if isinstance(event, Notice)]
    assert any(text.startswith("WARNING: ImageNet's") for text in remarks)
    assert (dreamt != pixels).mean() > 0.3
    layers = bundled.read().about.layers
    again = api.dream(pixels, dream.replace(layers=layers), execution=Execution(weights="bestiary"))
    np.testing.assert_array_equal(dreamt, again)


@pytest.mark.slow
class TestExport:
    """`training.export`."""

    @pytest.fixture
    def export(self) -> Callable[..., Weights]:
        from training.export import export

        return export

    def test_writes_what_the_package_reads(
        self, export: Callable[..., Weights], shipped: Bestiary, tmp_path: Path
    ) -> None:
        path = tmp_path / "new.npz"
        facts = {"updates": 8000, "families": ["owl", "eye"]}
        written = export(
            shipped.weights, path, version=4, default_layers={"mixed4[1,2]": 1}, facts=facts
        )
        found = decode(path.read_bytes())
        assert (found.weights.name, written.name) == ("bestiary-4", "bestiary-4")
        assert (found.about.deepest, found.about.training) == ("mixed5", facts)
        assert found.weights.layers == {"mixed4[1,2]": 1.0}
        np.testing.assert_array_equal(found.weights.kernels[9], shipped.weights.kernels[9])
        assert [one.name for one in tmp_path.iterdir()] == ["new.npz"]

    def test_leaves_what_is_there_if_it_cannot(
        self,
        export: Callable[..., Weights],
        shipped: Bestiary,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = tmp_path / "new.npz"
        path.write_bytes(b"the old one")
        spoilt = [kernel.copy() for kernel in shipped.weights.kernels]
        spoilt[3][0, 0, 0, 0] = np.nan
        given: dict[str, Any] = {"version": 2, "default_layers": {"mixed3": 1.0}, "facts": {}}
        with pytest.raises(WeightsError, match="not all finite"):
            export(replace(shipped.weights, kernels=tuple(spoilt)), path, **given)
        with pytest.raises(WeightsError, match="mixed7"):
            export(shipped.weights, path, **{**given, "default_layers": {"mixed7": 1.0}})
        monkeypatch.setattr(bundled, "LARGEST", 1000)
        with pytest.raises(ValueError, match="of the package"):
            export(shipped.weights, path, **given)
        assert path.read_bytes() == b"the old one"
