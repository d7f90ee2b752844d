"""The pictures that a dream names beside its source: told by their bytes, and brought in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from dreamray.base.errors import PictureError, RequestError
from dreamray.base.geometry import Shape
from dreamray.base.messages import Warn, shown
from dreamray.pictures import ingest
from dreamray.raster.lazy import LazyRaster
from dreamray.raster.mask import GreyRaster
from dreamray.settings.dream import Dream
from dreamray.settings.named_picture import NamedPicture
from dreamray.storage import Folder, MemoryFolder, locate


def settle_pictures(dream: Dream) -> Dream:
    """The dream with the digests of the pictures that it names, whose bytes count from now on.

    Those that it has already are taken for right: see `open_mask`. Raises as `Location.read`.
    """
    settled: dict[str, Any] = {}
    for setting, named in dream.named_pictures.items():
        if named.sha256 is None:
            with locate(named.picture).as_local_file() as path, path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            settled[setting] = {"picture": named.picture, "sha256": sha256}
    return dream.replace(**settled) if settled else dream


def read_pictures(dream: Dream) -> dict[str, bytes]:
    """The bytes of the pictures that a settled dream names, by their digests.

    For workers who may not reach their places. Raises as `open_mask`.
    """
    return {
        named.content: read_picture(setting, named)
        for setting, named in dream.named_pictures.items()
    }


def read_picture(setting: str, named: NamedPicture) -> bytes:
    """The bytes of a picture that a setting of a settled dream names. Raises as `open_mask`."""
    data = locate(named.picture).read()
    _check_digest(setting, named, hashlib.sha256(data).hexdigest())
    return data


def open_mask(
    dream: Dream,
    picture: Shape,
    folder: Folder,
    warn: Warn,
    held: Mapping[str, bytes] = {},
) -> LazyRaster | None:
    """The mask of a settled dream, brought into a folder of a picture's work; None without one.

    It is read from `held`, by its digest, or else from its place; not again where the folder has
    it. Raises RequestError where it is no picture, or of another aspect than the one that is
    dreamt, or has changed since it was told by its digest; else as `ingest`.
    """
    if (named := dream.mask) is None:
        return None
    folder = folder.folder("mask")
    source = ingest.open_source(folder)
    if source is None or source.sha256 != named.sha256:
        folder.remove()
        place = locate(named.picture)
        if data := held.get(named.content):
            place = MemoryFolder().file(place.name)
            place.write(data)
        try:
            source = ingest.ingest(place, folder, warn=warn)
        except PictureError as error:
            raise RequestError(f"the mask: {error}") from None
        _check_digest("mask", named, source.sha256)
    if not is_alike(source.shape, picture):
        raise RequestError(
            f"{shown(named)}: a mask of {source.shape} does not fit a picture of {picture}, as it "
            "is of another aspect; cut it, or stretch it, to what the picture shows"
        )
    return GreyRaster(source.colour, source.alpha)


def is_alike(one: Shape, other: Shape) -> bool:
    """Whether both can be one picture at two sizes, whose sides were rounded by up to a pixel."""
    small, large = sorted((one, other), key=lambda shape: shape.pixels)
    return all(
        (a - 1) * large[1 - axis] <= (small[1 - axis] + 1) * large[axis]
        for axis, a in enumerate(small)
    )


def _check_digest(setting: str, named: NamedPicture, sha256: str) -> None:
    if sha256 != named.sha256:
        raise RequestError(
            f"{shown(named)}: this is another picture than these settings were made with; to take "
            f"it as it is now, give --{setting} {shown(named)}"
        )
