"""Keras' own weights: from its cache, else downloaded into it."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

from dreamray.base.errors import DreamrayError, WeightsError
from dreamray.base.messages import Aside, Warn, duration, shown
from dreamray.model.weights import keras
from dreamray.model.weights.arrays import Weights
from dreamray.model.weights.download import DownloadError, download
from dreamray.storage import LocalFile


@dataclass(frozen=True)
class Published:
    """A file that somebody else offers to the world."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]

    @property
    def host(self) -> str:
        """Who offers it."""
        return self.url.split("/")[2]


IMAGENET = Published(
    "https://storage.googleapis.com/tensorflow/keras-applications/"
    "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "bcbd6486424b2319ff4ef7d526e38f63",
)
"""The weights of `keras.applications.InceptionV3(weights="imagenet", include_top=False)`."""


_LARGEST_DOWNLOAD = 200 << 20


_SHARED_CACHE = Path("/tmp/.keras")


_TRY_AGAIN_S = 3600.0


class NotDownloadedError(WeightsError):
    """They are not there, and cannot be downloaded."""

    def __init__(self, text: str, reason: str = "") -> None:
        """`reason` is the middle of the text, for use in another one."""
        super().__init__(text)
        self.reason = reason


def load(warn: Warn, *, patient: bool = True) -> Weights:
    """The weights of ImageNet; `warn` gets a line for each thing that goes otherwise than well.

    Who is not patient does not try again for an hour after a download has failed.

    Raises NotDownloadedError where they are not there and cannot be downloaded.
    """
    caches = _caches()
    data = next((found for cache in caches if (found := _read_cache(cache, warn))), None)

    def tell() -> None:
        warn(Aside(f"downloading the weights of InceptionV3 (84 MiB) from {IMAGENET.host}"))

    if data is None:
        failed = caches[0].path.with_suffix(".failed")
        if not patient and (ago := _seconds_since(failed)) < _TRY_AGAIN_S:
            raise _not_downloaded(f"tried {duration(ago)} ago", caches[0])
        try:
            data = download(IMAGENET.url, IMAGENET.md5, _LARGEST_DOWNLOAD, warn, tell)
        except DownloadError as error:
            if not patient:
                _touch(failed)
            raise _not_downloaded(str(error), caches[0]) from None
        with contextlib.suppress(OSError):
            failed.unlink()
        _keep(caches[0], data, warn)
    return keras.load(data, "imagenet")


def _not_downloaded(reason: str, cache: LocalFile) -> NotDownloadedError:
    return NotDownloadedError(
        f"weights imagenet: the download failed: {reason}; get {IMAGENET.url} on another "
        f"machine and name it with --weights FILE, or put it at {shown(cache)}",
        reason,
    )


def _seconds_since(mark: Path) -> float:
    """How long ago a file was touched; infinity for one that is not there, or of the future."""
    try:
        ago = time.time() - mark.stat().st_mtime
    except OSError:
        return math.inf
    return ago if ago >= 0 else math.inf


def _touch(mark: Path) -> None:
    with contextlib.suppress(OSError):  # Then it is tried anew the next time.
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        mark.touch(exist_ok=False)  # Not through a link that somebody has put there.


def is_cached() -> bool:
    """Whether a cache has the file, right or not."""
    return any(map(_is_there, _caches()))


def _caches() -> list[LocalFile]:
    """Where Keras may have put the file; we put it at the first of these only.

    Keras turns to the second where it cannot write to the first. Anybody could have put a link
    there, to make us overwrite something else.
    """
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    folders = (Path(os.path.expanduser(home)), _SHARED_CACHE)  # noqa: PTH111, never raises
    return [LocalFile(folder / "models" / IMAGENET.name) for folder in folders]


def _read_cache(cache: LocalFile, warn: Warn) -> bytes | None:
    """The file in a cache if there is one that can be read and is the right one."""
    try:
        if not cache.exists():
            return None
        data = cache.read(_LARGEST_DOWNLOAD + 1)
    except DreamrayError as error:
        warn(f"{error}; looking elsewhere for the weights")
        return None
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != IMAGENET.md5:
        warn(f"{shown(cache)}: wrong checksum, so it is not used; looking elsewhere")
        return None
    return data


def _is_there(cache: LocalFile) -> bool:
    try:
        return cache.exists()
    except DreamrayError:
        return False


def _keep(cache: LocalFile, data: bytes, warn: Warn) -> None:
    """Put the file where Keras would, so that neither downloads it again."""
    try:
        cache.path.parent.mkdir(parents=True, exist_ok=True)
        cache.write(data)
    except (DreamrayError, OSError) as error:
        warn(f"the weights are not kept for the next time ({error}); set KERAS_HOME")
