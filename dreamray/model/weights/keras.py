"""Keras' weight files of an InceptionV3, read without Keras.

Three layouts, told apart by what is in the file, not by its name:

- legacy HDF5 (`.h5`): the layers in the order of `keras.Model.layers`, which is all that
  counts, as in Keras' own `load_weights`; also inside a whole model that was saved as HDF5;
- Keras 3 HDF5 (`.weights.h5`): groups numbered by class in the same order;
- Keras 3 archive (`.keras`): a zip file with the former as its member `model.weights.h5`.

A file is data from elsewhere: nothing in it is run, unpickled or configured from, and nothing
is read before its declared size has been compared with the architecture's. Building the Keras
model instead would take seconds, and run what a `.keras` file says.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamray.base.errors import WeightsError
from dreamray.base.messages import plural
from dreamray.model.architecture import CONVOLUTIONS, Layer, keras_order, kernel_shape
from dreamray.model.weights.arrays import Weights

__all__ = ["LARGEST", "Folded", "load", "read"]

LARGEST = 1 << 30
"""Bytes: the network, its optimiser's state and its top layer need at most 400 MB."""

EPSILON = 1e-3
"""Keras' batch norm adds it to the variance."""

_MOST_NAMES = 4096
_LONGEST_NAME = 4096
_LARGEST_CHUNK = 64 << 20
# Deflate, shuffle, Fletcher-32, LZF: all that h5py writes unasked. Others are plug-ins: code.
_FILTERS = {1, 2, 3, 32000}
_MEMBER = "model.weights.h5"
_ANOTHER = "name a weight file of keras.applications.InceptionV3"
_SAVE_ANEW = "load it with Keras and save it with model.save_weights('NAME.weights.h5')"

Array = NDArray[np.float32]


class Folded(NamedTuple):
    """A convolution with the batch norm behind it folded in: float32 arrays.

    With `raw` for what the convolution alone gives, the batch norm gives
    `raw * scale + (bias of the folded convolution)`.
    """

    kernel: Array
    """[rows, columns, in, out]"""
    bias: Array
    """[out]"""
    scale: Array
    """[out]"""


@dataclass(frozen=True)
class _Parts:
    """The datasets of one convolution and its batch norm, not read yet."""

    kernel: Any
    vectors: Sequence[Any]
    """beta, mean, variance; or gamma before them."""


class _UnfitError(Exception):
    """Why a file cannot be used, and what to do about it."""

    def __init__(self, reason: str, step: str = _SAVE_ANEW) -> None:
        super().__init__(f"{reason}; {step}")


def read(data: bytes, name: str) -> list[Folded]:
    """The convolutions in a weight file's bytes, in the order of `inception.CONVOLUTIONS`.

    Raises WeightsError, with the file's name in it, if they are not an InceptionV3's.
    """
    try:
        return _fold_all(_hdf5_of(data))
    except _UnfitError as error:
        raise WeightsError(f"weights {name}: {error}") from None


def load(data: bytes, name: str, called: str = "") -> Weights:
    """The weights of a file's bytes, named `name`; messages call the file `called`. See `read`."""
    convolutions = read(data, called or name)
    return Weights(
        name,
        hashlib.sha256(data).hexdigest(),
        tuple(c.kernel for c in convolutions),
        tuple(c.bias for c in convolutions),
        tuple(c.scale for c in convolutions),
    )


def _hdf5_of(data: bytes) -> bytes:
    """The HDF5 file that the data are, or that is the member of the archive they are."""
    broken = "copy or download it again"
    if data.startswith(b"\x89HDF\r\n\x1a\n"):
        return data
    if not data.startswith(b"PK"):
        raise _UnfitError(
            "neither an HDF5 file nor a .keras archive", "name a weight file of Keras"
        )
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive, archive.open(_MEMBER) as member:
            # Not more than allowed, whatever size the archive declares.
            inner = member.read(LARGEST + 1)
    except KeyError:
        raise _UnfitError(f"the archive has no {_MEMBER}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        raise _UnfitError("the archive is damaged", broken) from None
    except (RuntimeError, NotImplementedError):  # encrypted, or an unknown compression
        raise _UnfitError(f"{_MEMBER} in the archive cannot be unpacked") from None
    if len(inner) > LARGEST:
        raise _UnfitError(
            f"{_MEMBER} is over {LARGEST >> 20} MiB: no InceptionV3", "name another file"
        )
    return inner


def _fold_all(hdf5: bytes) -> list[Folded]:
    import h5py

    try:
        # From memory: what was read once is what is used, and the checksum is of just that.
        with h5py.File(BytesIO(hdf5), "r") as file:
            found = _legacy(file) or _keras3(file)
            if not found:
                raise _UnfitError("not in a layout that Keras writes for a model's weights")
            if len(found) != len(CONVOLUTIONS):
                raise _UnfitError(
                    f"it holds {plural(len(found), 'convolution')}, InceptionV3 has "
                    f"{len(CONVOLUTIONS)}",
                    _ANOTHER,
                )
            pairs = list(zip(keras_order(), found, strict=True))
            for layer, parts in pairs:
                _check_shapes(layer, parts)
            by_name = {layer.name: _fold(layer, parts) for layer, parts in pairs}
    except (
        OSError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        MemoryError,
    ) as error:
        # HDF5 errors come as any of these; their first line says what is wrong.
        reason = str(error).strip("'\"").partition("\n")[0][:120]
        raise _UnfitError(f"damaged HDF5 ({reason})", "copy or download it again") from None
    return [by_name[layer.name] for layer in CONVOLUTIONS]


def _legacy(file: Any) -> list[_Parts]:
    """Convolutions in the order of the file; empty if it has not the legacy layout."""
    group = _child(file, "model_weights") if _has(file, "model_weights") else file
    kernels, norms = [], []
    for layer_name in _names(group, "layer_names"):
        layer = _child(group, layer_name)
        arrays = [_dataset(layer, name) for name in _names(layer, "weight_names")]
        rank = arrays[0].ndim if arrays else 0
        if rank == 4 and len(arrays) == 1:
            kernels.append(arrays[0])
        elif rank == 1 and len(arrays) in (3, 4):
            norms.append(arrays)
        elif rank not in (0, 2):  # 2: the dense layer on top, of no use here
            raise _UnfitError(f"its layer {_clean(layer_name)} is none of InceptionV3's")
    if len(kernels) != len(norms):
        raise _UnfitError(
            f"it holds {plural(len(kernels), 'convolution')} and {plural(len(norms), 'batch norm')}"
        )
    # A batch norm lies one step above its convolution everywhere: both are in one order.
    return [_Parts(kernel, vectors) for kernel, vectors in zip(kernels, norms, strict=True)]


def _keras3(file: Any) -> list[_Parts]:
    """Convolutions in the order of their numbers; empty if it has not the layout of Keras 3."""
    if not _has(file, "layers"):
        return []
    layers = _child(file, "layers")
    found = []
    for number in range(len(CONVOLUTIONS) + 1):
        suffix = f"_{number}" if number else ""
        if not _has(layers, f"conv2d{suffix}"):
            break
        vectors = _child(layers, f"batch_normalization{suffix}/vars")
        vector_names = [str(i) for i in range(4) if _has(vectors, str(i))]
        found.append(
            _Parts(
                _dataset(layers, f"conv2d{suffix}/vars/0"),
                [_dataset(vectors, name) for name in vector_names],
            )
        )
    return found


def _has(group: Any, name: str) -> bool:
    return bool(group.id.links.exists(name.encode()))


def _child(group: Any, path: str) -> Any:
    """What lies at a path below a group, all of it in this very file."""
    import h5py

    for name in filter(None, path.split("/")):
        if not isinstance(group, h5py.Group) or not _has(group, name):
            raise _UnfitError(f"it has no {_clean(path)}")
        # A link to another file could read any file of this machine.
        if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise _UnfitError(f"its {_clean(path)} is a link to elsewhere")
        group = group[name]
    return group


def _dataset(group: Any, path: str) -> Any:
    """A dataset of floating-point numbers that are all in this very file."""
    import h5py

    dataset = _child(group, path)
    what = _clean(path)
    if not isinstance(dataset, h5py.Dataset):
        raise _UnfitError(f"its {what} is no array")
    if dataset.is_virtual or dataset.external:
        raise _UnfitError(f"its {what} lies in another file")
    if dataset.dtype.kind != "f" or dataset.dtype.itemsize > 8:
        raise _UnfitError(f"its {what} is of type {dataset.dtype}, not float32")
    plist = dataset.id.get_create_plist()
    if not {plist.get_filter(i)[0] for i in range(plist.get_nfilters())} <= _FILTERS:
        raise _UnfitError(f"its {what} is compressed in a way that needs a plug-in")
    # A chunk of an array that may grow can be larger than the array: it is unpacked whole.
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > _LARGEST_CHUNK:
        raise _UnfitError(f"its {what} is stored in pieces of over {_LARGEST_CHUNK >> 20} MiB")
    return dataset


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names that Keras keeps as an attribute, in pieces if it is long."""
    import h5py

    pieces = (f"{attribute}{number}" for number in itertools.count())
    keys = (
        [attribute]
        if attribute in group.attrs
        else itertools.takewhile(group.attrs.__contains__, pieces)
    )
    names: list[str] = []
    for key in keys:
        declared = group.attrs.get_id(key)
        size = math.prod(declared.shape)
        if not size:
            continue
        string = h5py.check_string_dtype(declared.dtype)
        if string is None or size > _MOST_NAMES or (string.length or 0) > _LONGEST_NAME:
            raise _UnfitError(f"its {attribute} is no list of names")
        names += [n.decode() if isinstance(n, bytes) else n for n in group.attrs[key].flat]
    return names


def _check_shapes(layer: Layer, parts: _Parts) -> None:
    expected = kernel_shape(layer)
    if parts.kernel.shape != expected:
        raise _UnfitError(
            f"its kernel of {layer.name} has shape {parts.kernel.shape}, "
            f"InceptionV3's has {expected}",
            _ANOTHER,
        )
    if len(parts.vectors) < 3 or any(v.shape != (layer.channels,) for v in parts.vectors):
        raise _UnfitError(
            f"its batch norm behind {layer.name} is none of InceptionV3's",
            _ANOTHER,
        )


def _fold(layer: Layer, parts: _Parts) -> Folded:
    *gamma, beta, mean, variance = (np.asarray(v[()], np.float64) for v in parts.vectors)
    kernel = parts.kernel[()]
    folded = np.empty(kernel.shape, np.float32)
    # What is not finite, or no variance, is found afterwards.
    with np.errstate(all="ignore"):
        scale = (gamma[0] if gamma else 1.0) / np.sqrt(variance + EPSILON)
        # In float64, but piece by piece: a large temporary array costs more than the product.
        np.multiply(kernel, scale, out=folded, dtype=np.float64, casting="same_kind")
        bias = (beta - mean * scale).astype(np.float32)
    convolution = Folded(folded, bias, scale.astype(np.float32))
    if not all(np.isfinite(array).all() for array in convolution):
        raise _UnfitError(f"its numbers for {layer.name} are not all finite", "name another file")
    return convolution


def _clean(text: str) -> str:
    """A name from inside a file, fit for a message."""
    return "".join(c for c in text if c.isprintable())[:60]
