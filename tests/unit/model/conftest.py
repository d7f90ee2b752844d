"""Weights for tests of the model alone."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def blank_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A legacy weight file of Keras with the whole InceptionV3 in it, all of it zeros.

    It is small, as HDF5 stores no array that was never written.
    """
    import h5py

    from dreamray.model.architecture import keras_order, kernel_shape

    path = tmp_path_factory.mktemp("weights") / "blank.h5"
    with h5py.File(path, "w") as file:
        names = []
        for layer in keras_order():
            channels = layer.channels
            kernel = kernel_shape(layer)
            norm = layer.name.replace("conv2d", "batch_normalization")
            for name, arrays in (
                (layer.name, {"kernel": kernel}),
                (norm, dict.fromkeys(("beta", "moving_mean", "moving_variance"), (channels,))),
                (layer.name.replace("conv2d", "activation"), {}),
            ):
                names.append(name.encode())
                group = file.create_group(name)
                group.attrs["weight_names"] = [f"{name}/{a}:0".encode() for a in arrays]
                for array, shape in arrays.items():
                    group.create_dataset(f"{name}/{array}:0", shape, "float32")
        file.attrs["layer_names"] = names
    return path
