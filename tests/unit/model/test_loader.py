"""Where weights come from, in which order, and what is said when they cannot be had."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from dreamray.base.errors import RequestError, WeightsError
from dreamray.model.architecture import CONVOLUTIONS, ancestors
from dreamray.model.weights import bundled, imagenet
from dreamray.model.weights.arrays import Weights
from dreamray.model.weights.imagenet import IMAGENET, Published
from dreamray.model.weights.loader import load

RANDOM_0 = "fe8ce0f913ffabe8b146264f9508e939940dbdd7b8a0ca43f4511eeffff0deb8"


def silent(text: str) -> None:
    raise AssertionError(f"nothing should have been said, but it was: {text}")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache, no network and no settings of this machine."""
    monkeypatch.delenv("DREAMRAY_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(imagenet, "_SHARED_CACHE", tmp_path / "shared")
    nobody = Published("http://127.0.0.1:9/weights.h5", "0" * 32)
    monkeypatch.setattr(imagenet, "IMAGENET", nobody)


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """Where the published file is looked for first."""
    path = tmp_path / "keras" / "models" / "weights.h5"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def published(blank_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """Says that the blank file is the published one; nobody serves it."""
    md5 = hashlib.md5(blank_weights.read_bytes()).hexdigest()
    monkeypatch.setattr(imagenet, "IMAGENET", Published("http://127.0.0.1:9/weights.h5", md5))
    return imagenet.IMAGENET


@pytest.fixture
def served(
    blank_weights: Path, published: Published, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Has it served; gives the requests so far."""
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            requests.append(path)
            return str(blank_weights)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/weights.h5"
    monkeypatch.setattr(imagenet, "IMAGENET", Published(url, published.md5))
    yield requests
    server.shutdown()
    server.server_close()


def test_the_published_file_is_the_one_keras_downloads() -> None:
    from keras.src.applications import inception_v3

    assert IMAGENET.url == inception_v3.WEIGHTS_PATH_NO_TOP
    assert IMAGENET.md5 in Path(inception_v3.__file__).read_text()


class TestFiles:
    def test_a_path(self, blank_weights: Path) -> None:
        weights = load(str(blank_weights), warn=silent)
        assert weights.name == "blank.h5"
        assert weights.sha256 == hashlib.sha256(blank_weights.read_bytes()).hexdigest()
        assert len(weights.kernels) == len(weights.biases) == len(weights.scales) == 94

    def test_an_object(self, blank_weights: Path, bucket: str) -> None:
        from dreamray.storage import S3Object

        S3Object(bucket, "nets/mine.h5").write(blank_weights.read_bytes())
        assert load(f"s3://{bucket}/nets/mine.h5", warn=silent).name == "mine.h5"

    def test_are_shown_without_their_numbers(self, blank_weights: Path) -> None:
        assert len(repr(load(str(blank_weights)))) < 300

    def test_arrays_cannot_be_changed(self, blank_weights: Path) -> None:
        weights = load(str(blank_weights), warn=silent)
        with pytest.raises(ValueError, match="read-only"):
            weights.kernels[0][...] = 1

    def test_travels_to_other_processes(self, blank_weights: Path) -> None:
        weights = load(str(blank_weights), warn=silent)
        again = pickle.loads(pickle.dumps(weights))
        assert again.sha256 == weights.sha256
        np.testing.assert_array_equal(again.scales[5], weights.scales[5])

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("missing.h5", ["missing.h5: no such file", "imagenet, bestiary, random"]),
            ("bestairy", ["bestairy: no such file", "auto"]),
            ("", ["no path"]),
            (".", ["this is a folder"]),
            ("http://host/weights.h5", ["http:// is not supported"]),
            ("s3://bucket", ["the key is missing"]),
            ("random:", ["no seed", "random:7"]),
            ("random:-1", ["no seed"]),
            ("random:x", ["no seed"]),
        ],
    )
    def test_sources_that_are_none(self, source: str, words: list[str]) -> None:
        with pytest.raises(WeightsError) as error:
            load(source, warn=silent)
        text = str(error.value)
        assert text.startswith("weights ")
        assert "\n" not in text
        for word in words:
            assert word in text

    def test_a_file_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "cat.h5").write_bytes(b"meow")
        with pytest.raises(WeightsError, match=r"cat\.h5: neither an HDF5 file"):
            load(str(tmp_path / "cat.h5"), warn=silent)

    def test_a_file_that_is_too_large(
        self, blank_weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dreamray.model.weights import keras

        monkeypatch.setattr(keras, "LARGEST", 1000)
        with pytest.raises(WeightsError, match="which no InceptionV3 needs"):
            load(str(blank_weights), warn=silent)


class TestImagenet:
    @pytest.mark.parametrize("source", ["imagenet", "auto"])
    def test_from_the_cache(
        self, blank_weights: Path, published: Published, cached: Path, source: str
    ) -> None:
        shutil.copy(blank_weights, cached)
        assert load(source, warn=silent).name == "imagenet"

    def test_from_the_cache_that_keras_falls_back_to(
        self, blank_weights: Path, published: Published, tmp_path: Path
    ) -> None:
        (tmp_path / "shared" / "models").mkdir(parents=True)
        shutil.copy(blank_weights, tmp_path / "shared" / "models" / "weights.h5")
        assert load("imagenet", warn=silent).name == "imagenet"

    @pytest.mark.parametrize("source", ["imagenet", "auto"])
    @pytest.mark.slow
    def test_downloaded_once(
        self, served: list[str], blank_weights: Path, tmp_path: Path, source: str
    ) -> None:
        told: list[str] = []
        assert load(source, warn=told.append).name == "imagenet"
        assert len(told) == 1
        assert told[0].startswith("downloading")
        cache = tmp_path / "keras" / "models" / "weights.h5"
        assert cache.read_bytes() == blank_weights.read_bytes()
        load(source, warn=silent)
        assert len(served) == 1

    def test_a_damaged_cache_is_replaced(
        self, served: list[str], blank_weights: Path, cached: Path
    ) -> None:
        cached.write_bytes(blank_weights.read_bytes()[:-1])
        told: list[str] = []
        assert load("imagenet", warn=told.append).name == "imagenet"
        assert "wrong checksum" in told[0]
        assert cached.read_bytes() == blank_weights.read_bytes()

    def test_an_unreadable_cache_is_told(self, served: list[str], cached: Path) -> None:
        cached.symlink_to(cached)
        told: list[str] = []
        assert load("imagenet", warn=told.append).name == "imagenet"
        assert "symbolic links" in told[0]

    def test_a_cache_that_cannot_be_written(self, served: list[str], tmp_path: Path) -> None:
        (tmp_path / "keras").write_bytes(b"no folder")
        told: list[str] = []
        assert load("imagenet", warn=told.append).name == "imagenet"
        assert "not kept for the next time" in told[-1]
        assert "KERAS_HOME" in told[-1]

    def test_not_to_be_had(self, cached: Path) -> None:
        with pytest.raises(WeightsError) as error:
            load("imagenet", warn=lambda text: None)
        text = str(error.value)
        assert "\n" not in text
        for word in ("download failed", "--weights FILE", str(cached), imagenet.IMAGENET.url):
            assert word in text

    def test_something_else_is_served(
        self, served: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imagenet, "IMAGENET", Published(imagenet.IMAGENET.url, "1" * 32))
        with pytest.raises(WeightsError, match="wrong checksum"):
            load("imagenet", warn=lambda text: None)
        assert not (tmp_path / "keras").exists()


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes no random weights, which takes a second, but notes their seeds."""
    from dreamray.model.weights import random

    noted: list[int] = []

    def kernels(seed: int) -> list[np.ndarray]:
        noted.append(seed)
        return [np.zeros(1, np.float32)]

    monkeypatch.setattr(random, "kernels", kernels)
    return noted


class TestAuto:
    def test_the_environment_chooses(
        self, blank_weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DREAMRAY_WEIGHTS", str(blank_weights))
        assert load(warn=silent).name == "blank.h5"
        assert load("auto", warn=silent).name == "blank.h5"

    def test_a_wrong_environment_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DREAMRAY_WEIGHTS", "missing.h5")
        with pytest.raises(WeightsError, match=r"\$DREAMRAY_WEIGHTS: weights missing\.h5"):
            load(warn=silent)

    def test_those_of_the_package_come_with_a_warning(
        self, cached: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Why, and what would bring the others, is in the same line; it is tried once an hour."""
        monkeypatch.setenv("DREAMRAY_WEIGHTS", "auto")
        told: list[str] = []
        assert load(warn=told.append).name.startswith("bestiary-")
        assert told[-1].startswith("WARNING: ImageNet's weights could not be had")
        assert "Connection refused" in told[-1]
        assert "--weights imagenet" in told[-1]
        assert len(told) == 1
        told.clear()
        load(warn=told.append)
        assert len(told) == 1
        assert "tried 0:0" in told[0]
        (mark,) = cached.parent.glob("*.failed")
        os.utime(mark, (0, time.time() - 3601))
        load(warn=told.append)
        assert "Connection refused" in told[1]
        with pytest.raises(WeightsError, match="download failed: "):
            load("imagenet", warn=told.append)

    def test_where_there_are_none_at_all_both_ways_out_are_told(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(bundled, "FILE", tmp_path / "gone.npz")
        with pytest.raises(WeightsError, match=r"download failed.*--weights FILE.*reinstall"):
            load(warn=lambda text: None)

    def test_it_is_said_on_stderr(self, capsys: pytest.CaptureFixture[str]) -> None:
        load()
        out, err = capsys.readouterr()
        assert not out
        assert "WARNING" in err


class TestRandom:
    def test_the_same_bytes_on_every_machine(self) -> None:
        weights = load("random", warn=silent)
        assert (weights.name, weights.sha256) == ("random", RANDOM_0)
        assert not any(bias.any() for bias in weights.biases)
        assert all((scale == 1).all() for scale in weights.scales)
        weights.check_reaches(["mixed10"])

    def test_seeds(self, seeds: list[int]) -> None:
        names = [load(f"random{seed}").name for seed in ("", ":0", ":7", ":07")]
        assert names == ["random", "random", "random:7", "random:7"]
        assert seeds == [0, 0, 7, 7]


class TestCheckReaches:
    @pytest.fixture
    def up_to(self) -> Callable[[str], Weights]:
        """Makes weights that are zeros behind a layer."""

        def make(name: str) -> Weights:
            alive = {layer.name for layer in ancestors([name])}
            kernels = tuple(np.full((1, 1, 1, 1), c.name in alive, "f4") for c in CONVOLUTIONS)
            return Weights("half.h5", "", kernels, (), ())

        return make

    def test_as_far_as_they_go(self, up_to: Callable[[str], Weights]) -> None:
        up_to("mixed5").check_reaches([])
        up_to("mixed5").check_reaches(["mixed5", "mixed2", "conv2d_4"])
        up_to("mixed10").check_reaches(["mixed10"])

    def test_no_further(self, up_to: Callable[[str], Weights]) -> None:
        with pytest.raises(WeightsError) as error:
            up_to("mixed5").check_reaches(["mixed2", "mixed6"])
        text = str(error.value)
        for word in ("half.h5", "to mixed6", "dream up to mixed5", "--weights"):
            assert word in text

    def test_nothing_at_all(self, blank_weights: Path) -> None:
        with pytest.raises(WeightsError, match="name other weights"):
            load(str(blank_weights)).check_reaches(["mixed0"])

    def test_a_layer_that_is_none(self, up_to: Callable[[str], Weights]) -> None:
        with pytest.raises(RequestError, match="mixed11"):
            up_to("mixed10").check_reaches(["mixed11"])

    def test_the_trained_weights(self, shared_weights: Path) -> None:
        weights = load(str(shared_weights), warn=silent)
        weights.check_reaches(["mixed8"])
        with pytest.raises(WeightsError, match="dream up to mixed8"):
            weights.check_reaches(["mixed9"])


def test_loading_is_light(blank_weights: Path) -> None:
    code = (
        "import sys; import dreamray.model.weights.loader as w;"
        "heavy = {'tensorflow', 'keras', 'boto3'};"
        "assert not ({'h5py'} | heavy) & set(sys.modules), 'import';"
        "w.load(sys.argv[1]); w.load('bestiary'); assert not heavy & set(sys.modules), 'load'"
    )
    subprocess.run([sys.executable, "-c", code, str(blank_weights)], check=True)
