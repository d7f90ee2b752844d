"""Weight files of Keras, written without Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_blank(path: Path) -> None:
    """A legacy weight file of Keras with the whole InceptionV3 in it, all of it zeros.

    It is small, as HDF5 stores no array that was never written.
    """
    import h5py

    from dreamray.model.architecture import keras_order, kernel_shape

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


def write_drawn(path: Path, last: str) -> None:
    """The same with random numbers, always the same ones, up to a layer such as mixed0."""
    import h5py

    from dreamray.model.architecture import ancestors, kernel_shape

    write_blank(path)
    random = np.random.default_rng(3)
    with h5py.File(path, "r+") as file:
        for layer in ancestors([last]):
            if layer.op != "conv":
                continue
            shape = kernel_shape(layer)
            scale = np.sqrt(2 / np.prod(shape[:3]))
            norm = layer.name.replace("conv2d", "batch_normalization")
            file[f"{layer.name}/{layer.name}/kernel:0"][...] = random.normal(0, scale, shape)
            file[f"{norm}/{norm}/moving_variance:0"][...] = 1
