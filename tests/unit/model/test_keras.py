"""Keras' files are read as Keras reads them; what is none of them is told in one line."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dreamray.base.errors import WeightsError
from dreamray.model.architecture import CONVOLUTIONS
from dreamray.model.weights import keras
from dreamray.model.weights.keras import Folded

FORMATS = ["inception.weights.h5", "legacy.h5", "model.keras"]


@pytest.fixture(scope="module")
def keras_model() -> Any:
    """Keras' own InceptionV3 with batch norms that do something."""
    import keras

    keras.backend.clear_session()
    model = keras.applications.InceptionV3(weights=None, include_top=False)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    random.normal(0, 0.3, beta.shape),
                    random.normal(0, 0.3, mean.shape),
                    random.uniform(0.2, 3, variance.shape),
                ]
            )
    return model


@pytest.fixture(scope="module", params=FORMATS)
def saved(
    request: pytest.FixtureRequest, keras_model: Any, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The model in each layout, as Keras writes it."""
    from keras.src.legacy.saving import legacy_h5_format

    path = tmp_path_factory.mktemp("saved") / request.param
    match request.param:
        case "inception.weights.h5":
            keras_model.save_weights(path)
        case "legacy.h5":
            with h5py.File(path, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, keras_model)
        case _:
            keras_model.save(path)
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.slow
class TestAsKeras:
    def test_every_array(self, keras_model: Any, saved: bytes) -> None:
        folded = keras.read(saved, "it")
        assert len(folded) == 94
        for convolution, (kernel, bias, scale) in zip(CONVOLUTIONS, folded, strict=True):
            number = convolution.name.removeprefix("conv2d")
            raw = keras_model.get_layer(convolution.name).get_weights()[0].astype(np.float64)
            beta, mean, variance = (
                vector.astype(np.float64)
                for vector in keras_model.get_layer(f"batch_normalization{number}").get_weights()
            )
            factor = 1 / np.sqrt(variance + 1e-3)
            assert kernel.dtype == bias.dtype == scale.dtype == np.float32
            np.testing.assert_array_equal(kernel, (raw * factor).astype(np.float32))
            np.testing.assert_array_equal(bias, (beta - mean * factor).astype(np.float32))
            np.testing.assert_array_equal(scale, factor.astype(np.float32))

    @pytest.mark.parametrize("number", [0, 36, 93])
    def test_a_folded_convolution_gives_what_the_two_layers_gave(
        self, keras_model: Any, blank_weights: Path, number: int
    ) -> None:
        suffix = f"_{number}" if number else ""
        convolution = keras_model.get_layer(f"conv2d{suffix}")
        norm = keras_model.get_layer(f"batch_normalization{suffix}")

        def change(file: Any) -> None:
            for layer in (convolution, norm):
                for name, values in zip(
                    file[layer.name].attrs["weight_names"], layer.get_weights(), strict=True
                ):
                    file[layer.name][name][...] = values

        folded = keras.read(changed(blank_weights, change), "it")[number]
        x = np.random.default_rng(1).normal(size=(1, 9, 9, folded.kernel.shape[2]))
        x = x.astype(np.float32)
        with_norm = np.asarray(norm(convolution(x)))
        raw = np.asarray(convolution(x))
        np.testing.assert_allclose(raw * folded.scale + folded.bias, with_norm, atol=2e-5)
        convolution_only = convolution.__class__.from_config(convolution.get_config())
        convolution_only.build(x.shape)
        convolution_only.set_weights([folded.kernel])
        ours = np.asarray(convolution_only(x)) + folded.bias
        np.testing.assert_allclose(ours, with_norm, atol=2e-5)

    def test_the_trained_weights(self, shared_weights: Path) -> None:
        folded = keras.read(shared_weights.read_bytes(), "it")
        assert all(np.isfinite(array).all() for c in folded for array in c)
        alive = [c.name for c, f in zip(CONVOLUTIONS, folded, strict=True) if f.kernel.any()]
        assert alive[-1] == "conv2d_75"  # the last one before mixed8


def changed(blank: Path, change: Callable[[Any], None]) -> bytes:
    """The bytes of a blank weight file after a change to it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(blank, folder))
        with h5py.File(path, "r+") as file:
            change(file)
        return path.read_bytes()


def names(group: Any, attribute: str) -> list[bytes]:
    return [name if isinstance(name, bytes) else name.encode() for name in group.attrs[attribute]]


def archived(data: bytes, member: str = "model.weights.h5", **options: Any) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", **options) as archive:
        archive.writestr(member, data)
    return memory.getvalue()


def refused(data: bytes, *words: str) -> None:
    """One line that names the file, the reason and the next step."""
    with pytest.raises(WeightsError) as error:
        keras.read(data, "it.h5")
    text = str(error.value)
    assert text.startswith("weights it.h5: ")
    assert "\n" not in text
    assert "; " in text
    for word in words:
        assert word in text


class TestBlank:
    def test_is_read(self, blank_weights: Path) -> None:
        folded = keras.read(blank_weights.read_bytes(), "it")
        assert isinstance(folded[0], Folded)
        assert folded[93].kernel.shape == (1, 1, 2048, 192)

    def test_in_an_archive(self, blank_weights: Path) -> None:
        data = archived(blank_weights.read_bytes(), compression=zipfile.ZIP_DEFLATED)
        assert len(keras.read(data, "it")) == 94

    def test_with_the_top_on(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            top = file.create_group("predictions")
            top.create_dataset("predictions/kernel:0", (2048, 1000), "float32")
            top.create_dataset("predictions/bias:0", (1000,), "float32")
            top.attrs["weight_names"] = [b"predictions/kernel:0", b"predictions/bias:0"]
            file.attrs["layer_names"] = [*names(file, "layer_names"), b"predictions"]

        assert len(keras.read(changed(blank_weights, change), "it")) == 94

    def test_in_a_whole_model(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            layers = names(file, "layer_names")
            del file.attrs["layer_names"]
            for layer in layers:
                file.move(layer.decode(), f"model_weights/{layer.decode()}")
            file["model_weights"].attrs["layer_names"] = layers
            file.attrs["model_config"] = "this would stop Keras"

        assert len(keras.read(changed(blank_weights, change), "it")) == 94

    def test_gamma_counts(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            norm = file["batch_normalization"]
            norm["gamma"] = np.full(32, 3.0, np.float32)
            norm["batch_normalization/moving_variance:0"][...] = 4 - 1e-3
            norm.attrs["weight_names"] = [b"gamma", *names(norm, "weight_names")]

        scale = keras.read(changed(blank_weights, change), "it")[0].scale
        np.testing.assert_allclose(scale, 1.5, rtol=1e-6)

    @pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
    def test_other_floats(self, blank_weights: Path, dtype: str) -> None:
        def change(file: Any) -> None:
            del file["conv2d/conv2d/kernel:0"]
            file["conv2d/conv2d/kernel:0"] = np.full((3, 3, 3, 32), 0.5, dtype)

        folded = keras.read(changed(blank_weights, change), "it")[0]
        assert folded.kernel.dtype == np.dtype("float32")
        np.testing.assert_allclose(folded.kernel, 0.5 * folded.scale[0], rtol=1e-6)

    def test_a_long_list_of_names_in_pieces(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            layers = names(file, "layer_names")
            del file.attrs["layer_names"]
            for number in range(3):
                file.attrs[f"layer_names{number}"] = layers[number * 100 : number * 100 + 100]

        assert len(keras.read(changed(blank_weights, change), "it")) == 94


class TestRefused:
    @pytest.mark.parametrize(
        "data", [b"", b"P", b"<html>not found</html>", b"\x80\x04pickle", b"\0" * 100]
    )
    def test_something_else(self, data: bytes) -> None:
        refused(data, "neither an HDF5 file nor a .keras archive")

    @pytest.mark.parametrize("part", [0.02, 0.5, 0.999])
    def test_truncated(self, blank_weights: Path, part: float) -> None:
        data = blank_weights.read_bytes()
        refused(data[: int(len(data) * part)], "damaged", "download it again")

    def test_another_layout(self) -> None:
        memory = io.BytesIO()
        with h5py.File(memory, "w") as file:
            file["something"] = np.zeros(3)
        refused(memory.getvalue(), "layout", "save_weights")

    def test_another_network(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            file.attrs["layer_names"] = names(file, "layer_names")[:60]

        refused(changed(blank_weights, change), "holds 20 convolutions", "InceptionV3 has 94")

    def test_another_network_of_keras_3(self) -> None:
        memory = io.BytesIO()
        with h5py.File(memory, "w") as file:
            file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 32), np.float32)
            for number in range(3):
                file[f"layers/batch_normalization/vars/{number}"] = np.zeros(32, np.float32)
        refused(memory.getvalue(), "holds 1 convolution")

    def test_another_order(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            file.attrs["layer_names"] = sorted(names(file, "layer_names"))

        refused(changed(blank_weights, change), "conv2d", "has shape")

    def test_an_alien_layer(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            file["activation"]["a"] = np.zeros((2, 2, 2))
            file["activation"].attrs["weight_names"] = [b"a"]

        refused(changed(blank_weights, change), "its layer activation")

    def test_a_missing_array(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            del file["conv2d_50/conv2d_50/kernel:0"]

        refused(changed(blank_weights, change), "it has no conv2d_50/kernel:0")

    def test_a_missing_batch_norm(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            layers = names(file, "layer_names")
            layers.remove(b"batch_normalization_9")
            file.attrs["layer_names"] = layers

        refused(changed(blank_weights, change), "94 convolutions and 93 batch norms")

    def test_a_wrong_shape(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            del file["batch_normalization/batch_normalization/beta:0"]
            file["batch_normalization/batch_normalization/beta:0"] = np.zeros(31, np.float32)

        refused(changed(blank_weights, change), "batch norm behind conv2d")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_numbers_that_are_none(self, blank_weights: Path, value: float) -> None:
        def change(file: Any) -> None:
            file["conv2d_7/conv2d_7/kernel:0"][0, 0, 0, 0] = value

        refused(changed(blank_weights, change), "conv2d_7", "not all finite")

    def test_a_negative_variance(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            file["batch_normalization/batch_normalization/moving_variance:0"][3] = -1

        refused(changed(blank_weights, change), "conv2d", "not all finite")

    def test_numbers_that_are_integers(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            del file["conv2d/conv2d/kernel:0"]
            file["conv2d/conv2d/kernel:0"] = np.zeros((3, 3, 3, 32), np.int8)

        refused(changed(blank_weights, change), "type int8")

    def test_text_where_names_should_be(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            file.attrs["layer_names"] = np.zeros(400)

        refused(changed(blank_weights, change), "no list of names")


class TestHostile:
    """Files that were made to read others, or to fill the memory."""

    KERNEL = "conv2d/conv2d/kernel:0"
    SHAPE = (3, 3, 3, 32)

    def put(self, blank: Path, make: Callable[[Any], None]) -> bytes:
        def change(file: Any) -> None:
            del file[self.KERNEL]
            make(file)

        return changed(blank, change)

    @pytest.fixture
    def other(self, tmp_path: Path) -> str:
        """A readable file with just the right array in it."""
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["a"] = np.ones(self.SHAPE, np.float32)
        return str(tmp_path / "other.h5")

    def test_links_to_other_files(self, blank_weights: Path, other: str) -> None:
        def make(file: Any) -> None:
            file[self.KERNEL] = h5py.ExternalLink(other, "a")

        refused(self.put(blank_weights, make), "link to elsewhere")

    def test_links_to_other_names(self, blank_weights: Path) -> None:
        def make(file: Any) -> None:
            file[self.KERNEL] = h5py.SoftLink(f"/{self.KERNEL}")

        refused(self.put(blank_weights, make), "link to elsewhere")

    def test_arrays_in_other_files(self, blank_weights: Path, tmp_path: Path) -> None:
        raw = tmp_path / "raw"
        raw.write_bytes(bytes(3456))

        def make(file: Any) -> None:
            where = [(str(raw), 0, 3456)]
            file.create_dataset(self.KERNEL, self.SHAPE, "float32", external=where)

        refused(self.put(blank_weights, make), "in another file")

    def test_arrays_made_of_other_files(self, blank_weights: Path, other: str) -> None:
        def make(file: Any) -> None:
            layout = h5py.VirtualLayout(self.SHAPE, "float32")
            layout[...] = h5py.VirtualSource(other, "a", self.SHAPE)
            file.create_virtual_dataset(self.KERNEL, layout)

        refused(self.put(blank_weights, make), "in another file")

    def test_an_array_of_terabytes(self, blank_weights: Path) -> None:
        def make(file: Any) -> None:
            file.create_dataset(self.KERNEL, (1 << 20, 1 << 10, 1 << 5, 1 << 5), "float32")

        refused(self.put(blank_weights, make), "has shape (1048576,")

    def test_an_array_in_huge_chunks(self, blank_weights: Path) -> None:
        def make(file: Any) -> None:
            file.create_dataset(
                self.KERNEL, self.SHAPE, "f4", chunks=(1 << 15, 3, 3, 1 << 9), maxshape=(None,) * 4
            )

        refused(self.put(blank_weights, make), "in pieces of over 64 MiB")

    def test_a_group_in_place_of_an_array(self, blank_weights: Path) -> None:
        refused(self.put(blank_weights, lambda file: file.create_group(self.KERNEL)), "no array")

    def test_an_array_in_place_of_a_group(self, blank_weights: Path) -> None:
        def change(file: Any) -> None:
            del file["conv2d"]
            file["conv2d"] = np.zeros(3)
            file["conv2d"].attrs["weight_names"] = [b"a"]

        refused(changed(blank_weights, change), "it has no a")

    def test_an_archive_without_weights(self) -> None:
        refused(archived(b"{}", "config.json"), "no model.weights.h5")

    def test_a_damaged_archive(self, blank_weights: Path) -> None:
        data = bytearray(archived(blank_weights.read_bytes()))
        refused(bytes(data[:-30]), "archive is damaged")
        data[1000] ^= 255
        refused(bytes(data), "archive is damaged")

    def test_a_zip_bomb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keras, "LARGEST", 1 << 20)
        data = archived(bytes(64 << 20), compression=zipfile.ZIP_DEFLATED)
        refused(data, "over 1 MiB")

    def test_what_an_archive_says_is_not_run(self, blank_weights: Path, tmp_path: Path) -> None:
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            archive.writestr("config.json", "this would stop Keras")
            archive.writestr("../outside", "x")
            archive.writestr("model.weights.h5", blank_weights.read_bytes())
        assert len(keras.read(memory.getvalue(), "it")) == 94


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(blank_weights: Path) -> None:
    random = np.random.default_rng(5)
    whole = blank_weights.read_bytes()
    for _ in range(12):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 8):
            data[place] = random.integers(0, 256)
        with contextlib.suppress(WeightsError):
            keras.read(bytes(data), "it")
