"""The weights that the package carries: trained on nothing but pictures that a program drew.

They lie in `assets/bestiary.npz`, a zip file of NumPy arrays that `numpy.load` reads, too:

| array | | |
|---|---|---|
| `about` | uint8 | JSON: see `About`; besides the format, and a checksum of the other arrays |
| `conv2d_4.kernel` | int8 [rows, columns, in, out] | in steps from -127 to 127 |
| `conv2d_4.quantum` | float32 [out] | what a step is worth, for each output channel |
| `conv2d_4.bias`, `conv2d_4.scale` | float32 [out] | see `arrays.Weights` |

and so on for each convolution on the way to the deepest layer; those behind it are zeros. That
takes a quarter of the bytes of float32, and the dreams look the same.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dreamray.base.errors import RequestError, WeightsError
from dreamray.model.architecture import CONVOLUTIONS, Layer, ancestors, kernel_shape
from dreamray.model.terms import Term, check_layers
from dreamray.model.weights.arrays import Weights, absent

__all__ = ["DAMAGES", "FILE", "FORMAT", "LARGEST", "About", "Bestiary", "decode", "encode", "read"]

FILE = Path(__file__).parent / "assets" / "bestiary.npz"
"""The weights of this package."""

FORMAT = 1

LARGEST = 6_000_000
"""Bytes of the file, at most: everybody who installs the package fetches them."""

_STEPS = 127
_ABOUT = "about"
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the same weights make the same bytes."""

DAMAGES = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    EOFError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a file of arrays, zipped, raises when it is damaged or of another kind."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class About:
    """What the file says of itself."""

    name: str
    version: int
    """From 1: trained anew, it is another."""
    deepest: str
    """The last layer that the weights reach."""
    layers: dict[str, float]
    """The layers, with their weights, that a dream amplifies if nobody names any."""
    licence: str
    """As SPDX has it."""
    provenance: str
    """A sentence: what they were trained on."""
    training: dict[str, Any] = field(default_factory=dict)
    """How they were trained, for people."""


class Bestiary(NamedTuple):
    """The content of a file."""

    about: About
    weights: Weights


class _UnfitError(Exception):
    """Why a file cannot be used."""


def read() -> Bestiary:
    """The weights of this package; WeightsError if the package is not as it was installed."""
    try:
        data = FILE.read_bytes()
    except OSError as error:
        raise _unfit(f"{FILE} cannot be read ({error.strerror})") from None
    return decode(data)


def decode(data: bytes) -> Bestiary:
    """The weights in a file's bytes, what it holds verified; WeightsError if anything is amiss."""
    try:
        arrays = _arrays(data)
        about = _about(arrays)
        wanted = _convolutions(about.deepest)
        _check_arrays(arrays, wanted)
        return Bestiary(about, _weights(arrays, wanted, about, hashlib.sha256(data).hexdigest()))
    except _UnfitError as error:
        raise _unfit(str(error)) from None


def encode(weights: Weights, about: About) -> bytes:
    """The file of some weights: the same bytes for the same weights on one machine.

    A kernel loses at most half a step of its channel, of which the largest number has 127.
    Raises WeightsError if the weights do not reach the deepest layer.
    """
    weights.check_reaches([about.deepest])
    wanted = _convolutions(about.deepest)
    arrays: dict[str, NDArray[Any]] = {}
    for number, layer in enumerate(CONVOLUTIONS):
        if layer in wanted:
            steps, quantum = _quantise(weights.kernels[number])
            arrays[f"{layer.name}.kernel"] = steps
            arrays[f"{layer.name}.quantum"] = quantum
            arrays[f"{layer.name}.bias"] = weights.biases[number].astype("<f4")
            arrays[f"{layer.name}.scale"] = weights.scales[number].astype("<f4")
    said = {"format": FORMAT, **asdict(about), "sha256": _digest(arrays)}
    text = json.dumps(said, indent=1, ensure_ascii=False).encode()
    with BytesIO() as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, array in {_ABOUT: np.frombuffer(text, np.uint8), **arrays}.items():
                _add(archive, name, array)
        return out.getvalue()


def _quantise(kernel: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A kernel in steps, and what a step of each channel is worth."""
    loudest = np.abs(kernel).max(axis=(0, 1, 2)).astype(np.float64)
    quantum = (loudest / _STEPS).astype("<f4")
    steps = np.zeros(kernel.shape)
    np.divide(kernel, quantum, out=steps, where=quantum > 0, dtype=np.float64)
    return np.rint(steps).clip(-_STEPS, _STEPS).astype(np.int8), quantum


def _add(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    member = zipfile.ZipInfo(f"{name}.npy", _FIRST_DAY)
    member.create_system, member.compress_type = 3, zipfile.ZIP_DEFLATED
    with BytesIO() as out:
        np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=False)
        archive.writestr(member, out.getvalue())


def _arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """All arrays of a file by their names, in its order."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            # Each is read as a whole first, which compares its checksum.
            return {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
            }
    except DAMAGES as error:
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        raise _UnfitError(f"it is damaged ({reason})") from None


def _about(arrays: Arrays) -> About:
    """What the file says of itself, if that is as this program expects it."""
    try:
        said = json.loads(arrays[_ABOUT].tobytes())
        number, digest = said.pop("format"), said.pop("sha256")
    except (LookupError, ValueError, TypeError, AttributeError):
        raise _UnfitError("it does not say what it is") from None
    if number != FORMAT:
        raise _UnfitError(f"it is of format {number!r}, and not of {FORMAT}")
    if digest != _digest({name: array for name, array in arrays.items() if name != _ABOUT}):
        raise _UnfitError("its arrays have another checksum than it says")
    kinds = {"version": int, "layers": dict, "training": dict}
    names = [one.name for one in fields(About)]
    if [*said] != names or any(type(said[name]) is not kinds.get(name, str) for name in names):
        raise _UnfitError("it does not say of itself what it should")
    if not said["layers"]:
        raise _UnfitError("it names no layers")
    if said["version"] < 1:
        raise _UnfitError(f"its version is {said['version']}, and not from 1")
    try:
        layers = check_layers(said["layers"])
        reached = {layer.name for layer in ancestors([said["deepest"]])}
    except RequestError as error:
        raise _UnfitError(f"its layers: {error}") from None
    if not reached.issuperset(Term.parse(layer).of.name for layer in layers):
        raise _UnfitError(f"its layers {[*layers]} lie behind its last, {said['deepest']!r}")
    return About(**{**said, "layers": layers})


def _convolutions(deepest: str) -> list[Layer]:
    return [layer for layer in ancestors([deepest]) if layer.op == "conv"]


def _check_arrays(arrays: Arrays, wanted: list[Layer]) -> None:
    """See that these arrays are there and no others, of InceptionV3's shapes, and finite."""
    expected: dict[str, tuple[str, tuple[int, ...]]] = {}
    for layer in wanted:
        expected[f"{layer.name}.kernel"] = ("|i1", kernel_shape(layer))
        for vector in ("quantum", "bias", "scale"):
            expected[f"{layer.name}.{vector}"] = ("<f4", (layer.channels,))
    if arrays.keys() - {_ABOUT} != expected.keys():
        raise _UnfitError("its arrays are not those of the convolutions that it should hold")
    for name, (kind, shape) in expected.items():
        array = arrays[name]
        if (array.dtype.str, array.shape) != (kind, shape):
            raise _UnfitError(f"{name} is {array.dtype} {array.shape}, InceptionV3's has {shape}")
        if not np.isfinite(array).all():
            raise _UnfitError(f"the numbers of {name} are not all finite")


def _weights(arrays: Arrays, wanted: list[Layer], about: About, sha256: str) -> Weights:
    kernels, biases, scales = [], [], []
    for layer in CONVOLUTIONS:
        if layer in wanted:
            steps, *vectors = (
                arrays[f"{layer.name}.{part}"].astype(np.float32)
                for part in ("kernel", "quantum", "bias", "scale")
            )
            quantum, bias, scale = vectors
            kernel = steps * quantum
        else:
            kernel, bias, scale = absent(layer)
        kernels.append(kernel)
        biases.append(bias)
        scales.append(scale)
    name = f"{about.name}-{about.version}"
    return Weights(name, sha256, tuple(kernels), tuple(biases), tuple(scales), about.layers)


def _digest(arrays: Arrays) -> str:
    """Sha256 (hex) of the names, types, shapes and bytes of arrays, in their order."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _unfit(reason: str) -> WeightsError:
    return WeightsError(
        f"weights bestiary: the file in the package cannot be used: {reason}; reinstall dreamray"
    )
