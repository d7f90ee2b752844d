"""Where the network's weights come from.

| source            | weights                                                              |
|-------------------|----------------------------------------------------------------------|
| `imagenet`        | Keras' own, from its cache, else downloaded into it: see `imagenet`   |
| a path, `s3://…`  | a file that Keras wrote, `.h5`, `.weights.h5` or `.keras`: see `keras` |
| `bestiary`        | our own, in the package: see `bundled`                                |
| `random`, `random:7` | untrained, seeded, for tests: see `random`                         |
| `auto`            | `$DREAMRAY_WEIGHTS`, else `imagenet`, else, with a warning, `bestiary` |

Importing this needs NumPy only, loading weights neither TensorFlow nor Keras.
"""

from __future__ import annotations

import os
import sys

from dreamray.base.errors import RequestError, WeightsError
from dreamray.base.messages import Warn, shown
from dreamray.model.weights import bundled, imagenet
from dreamray.model.weights.arrays import Weights
from dreamray.storage import locate

__all__ = ["chosen", "load"]


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def load(source: str = "auto", *, warn: Warn = _print) -> Weights:
    """The weights that a source names; see the table above.

    `warn` gets what the user should know on the way, a line each: a download, a damaged file
    in the cache, and which weights `auto` has come to. Raises WeightsError if the weights
    cannot be had or are none of an InceptionV3, StorageError if the storage fails.
    """
    named = chosen(source)
    try:
        return _load(named, warn)
    except WeightsError as error:
        if named != source.strip():
            raise WeightsError(f"$DREAMRAY_WEIGHTS: {error}") from None
        raise


def chosen(source: str) -> str:
    """The source, where it is `auto` as the environment has it."""
    named = source.strip()
    return named if named != "auto" else os.environ.get("DREAMRAY_WEIGHTS", "").strip() or "auto"


def _load(named: str, warn: Warn) -> Weights:
    if named == "auto":
        return _auto(warn)
    if named == "imagenet":
        return imagenet.load(warn)
    if named == "bestiary":
        return bundled.read().weights
    if named == "random" or named.startswith("random:"):
        return _random(named)
    return _from_file(named)


def _auto(warn: Warn) -> Weights:
    try:
        return imagenet.load(warn, patient=False)
    except WeightsError as error:
        try:
            loaded = bundled.read().weights
        except WeightsError as own:
            raise WeightsError(f"{error}; and {own}") from None
        warn(
            f"WARNING: ImageNet's weights could not be had ({_reason(error)}): dreaming with the "
            "bestiary's; --weights imagenet tells more"
        )
        return loaded


def _reason(error: WeightsError) -> str:
    return error.reason if isinstance(error, imagenet.NotDownloadedError) else str(error)


def _from_file(source: str) -> Weights:
    from dreamray.model.weights import keras

    try:
        place = locate(source)
        data = place.read(keras.LARGEST + 1)
    except RequestError as error:
        raise WeightsError(
            f"weights {error} (or name one of auto, imagenet, bestiary, random)"
        ) from None
    if len(data) > keras.LARGEST:
        raise WeightsError(
            f"weights {shown(place)}: over {keras.LARGEST >> 20} MiB, which no InceptionV3 "
            "needs; name another file"
        )
    return keras.load(data, place.name, shown(place))


def _random(source: str) -> Weights:
    from dreamray.model.weights import random

    text = source.partition(":")[2] if ":" in source else "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise WeightsError(f"weights {shown(source)}: {text!r} is no seed; write random:7")
    return random.load(int(text))
