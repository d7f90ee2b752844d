"""Where the network's weights come from.

| source            | weights                                                              |
|-------------------|----------------------------------------------------------------------|
| `imagenet`        | Keras' own: from its cache, else downloaded into it; checksum checked |
| a path, `s3://…`  | a file that Keras wrote: `.h5`, `.weights.h5` or `.keras`             |
| `bestiary`        | our own, in the package: `dreamray.bestiary`                          |
| `random`, `random:7` | untrained, seeded: for tests                                       |
| `auto`            | `$DREAMRAY_WEIGHTS`, else `imagenet`, else, with a warning, `bestiary` |

Importing this needs NumPy only, loading weights neither TensorFlow nor Keras.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dreamray.download import DownloadError, download
from dreamray.errors import DreamrayError, RequestError, WeightsError
from dreamray.inception import CONVOLUTIONS
from dreamray.network_weights import Tell, Weights
from dreamray.storage import LocalFile, locate, shown

if TYPE_CHECKING:
    from dreamray.settings import Dream

__all__ = ["IMAGENET", "Published", "foreseen", "load"]


@dataclass(frozen=True)
class Published:
    """A file that somebody else offers to the world."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


IMAGENET = Published(
    "https://storage.googleapis.com/tensorflow/keras-applications/"
    "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "bcbd6486424b2319ff4ef7d526e38f63",
)
"""The weights of `keras.applications.InceptionV3(weights="imagenet", include_top=False)`."""

_LARGEST_DOWNLOAD = 200 << 20
_SHARED_CACHE = Path("/tmp/.keras")


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def load(source: str = "auto", *, tell: Tell = _print) -> Weights:
    """The weights that a source names; see the table above.

    `tell` gets what the user should know on the way, a line each: a download, a damaged file
    in the cache, and which weights `auto` has come to. Raises WeightsError if the weights
    cannot be had or are none of an InceptionV3, StorageError if the storage fails.
    """
    named = source.strip()
    if named == "auto":
        chosen = _chosen()
        if chosen == "auto":
            return _auto(tell)
        try:
            return load(chosen, tell=tell)
        except WeightsError as error:
            raise WeightsError(f"$DREAMRAY_WEIGHTS: {error}") from None
    if named == "imagenet":
        return _imagenet(tell)
    if named == "bestiary":
        return _bestiary()
    if named == "random" or named.startswith("random:"):
        return _random(named)
    return _from_file(named)


def foreseen(source: str, dream: Dream, tell: Tell) -> Dream:
    """The dream as the weights of a source will suit it, as far as is known without them.

    Nothing is downloaded, and no file but the package's own is read. `tell` gets what that
    takes for granted. Raises WeightsError if the package's own are named, and do not reach.
    """
    named = source.strip()
    if named == "auto":
        named = _chosen()
    if named == "bestiary":
        return _bestiary().suit(dream, tell)
    if named == "auto" and not dream.names_layers and not any(map(_is_there, _caches())):
        others = dream.settled(_bestiary().layers).shown_layers
        tell(
            "weights auto: taken to be ImageNet's, which are not here yet; where they cannot be "
            f"had, it is the bestiary's, with layers {others}"
        )
    return dream


def _chosen() -> str:
    """What the environment says that `auto` is."""
    return os.environ.get("DREAMRAY_WEIGHTS", "").strip() or "auto"


def _auto(tell: Tell) -> Weights:
    try:
        return _imagenet(tell)
    except WeightsError as error:
        try:
            loaded = _bestiary()
        except WeightsError as own:
            raise WeightsError(f"{error}; and {own}") from None
        tell(
            "WARNING: ImageNet's weights could not be had: dreaming with the bestiary's, which are "
            f"dreamray's own and know only drawn pictures. {error}"
        )
        return loaded


def _bestiary() -> Weights:
    from dreamray import bestiary

    return bestiary.read().weights


def _imagenet(tell: Tell) -> Weights:
    caches = _caches()
    data = next((found for cache in caches if (found := _cached(cache, tell))), None)
    if data is None:
        tell(f"downloading the weights of InceptionV3 (84 MiB) from {IMAGENET.url}")
        try:
            data = download(IMAGENET.url, IMAGENET.md5, _LARGEST_DOWNLOAD, tell)
        except DownloadError as error:
            raise WeightsError(
                f"weights imagenet: the download failed: {error}; get {IMAGENET.url} on another "
                f"machine and name it with --weights FILE, or put it at {shown(caches[0])}"
            ) from None
        _keep(caches[0], data, tell)
    return _from_bytes(data, "imagenet")


def _caches() -> list[LocalFile]:
    """Where Keras may have put the file; we put it at the first of these only.

    Keras turns to the second where it cannot write to the first. Anybody could have put a link
    there, to make us overwrite something else.
    """
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    folders = (Path(os.path.expanduser(home)), _SHARED_CACHE)  # noqa: PTH111, never raises
    return [LocalFile(folder / "models" / IMAGENET.name) for folder in folders]


def _cached(cache: LocalFile, tell: Tell) -> bytes | None:
    """The file in a cache if there is one that can be read and is the right one."""
    try:
        if not cache.exists():
            return None
        data = cache.read(_LARGEST_DOWNLOAD + 1)
    except DreamrayError as error:
        tell(f"{error}; looking elsewhere for the weights")
        return None
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != IMAGENET.md5:
        tell(f"{shown(cache)}: wrong checksum, so it is not used; looking elsewhere")
        return None
    return data


def _is_there(cache: LocalFile) -> bool:
    try:
        return cache.exists()
    except DreamrayError:
        return False


def _keep(cache: LocalFile, data: bytes, tell: Tell) -> None:
    """Put the file where Keras would, so that neither downloads it again."""
    try:
        cache.path.parent.mkdir(parents=True, exist_ok=True)
        cache.write(data)
    except (DreamrayError, OSError) as error:
        tell(f"the weights are not kept for the next time ({error}); set KERAS_HOME")


def _from_file(source: str) -> Weights:
    from dreamray import keras_files

    try:
        place = locate(source)
        data = place.read(keras_files.LARGEST + 1)
    except RequestError as error:
        raise WeightsError(
            f"weights {error} (or name one of auto, imagenet, bestiary, random)"
        ) from None
    if len(data) > keras_files.LARGEST:
        raise WeightsError(
            f"weights {shown(place)}: over {keras_files.LARGEST >> 20} MiB, which no InceptionV3 "
            "needs; name another file"
        )
    return _from_bytes(data, place.name, shown(place))


def _from_bytes(data: bytes, name: str, called: str = "") -> Weights:
    from dreamray import keras_files

    convolutions = keras_files.read(data, called or name)
    return Weights(
        name,
        hashlib.sha256(data).hexdigest(),
        tuple(c.kernel for c in convolutions),
        tuple(c.bias for c in convolutions),
        tuple(c.scale for c in convolutions),
    )


def _random(source: str) -> Weights:
    from dreamray import random_weights

    text = source.partition(":")[2] if ":" in source else "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise WeightsError(f"weights {shown(source)}: {text!r} is no seed; write random:7")
    kernels = tuple(random_weights.kernels(int(text)))
    digest = hashlib.sha256()
    for kernel in kernels:
        digest.update(kernel.astype("<f4", copy=False).tobytes())
    return Weights(
        f"random:{int(text)}" if int(text) else "random",
        digest.hexdigest(),
        kernels,
        tuple(np.zeros(convolution.channels, np.float32) for convolution in CONVOLUTIONS),
        tuple(np.ones(convolution.channels, np.float32) for convolution in CONVOLUTIONS),
    )
