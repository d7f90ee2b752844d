"""The pictures that a dream names beside its source: told by their bytes, and brought in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from dreamray.base.errors import PictureError, RequestError
from dreamray.base.geometry import Shape
from dreamray.base.messages import Warn, shown
from dreamray.pictures import ingest
from dreamray.raster.lazy import LazyRaster
from dreamray.raster.mask import GreyRaster, Masks
from dreamray.settings.dream import Dream
from dreamray.settings.named_picture import NamedPicture
from dreamray.storage import Folder, LocalFile, Location, MemoryFolder, locate


def settle_pictures(dream: Dream) -> Dream:
    """The dream with the digests of the pictures that it names, whose bytes count from now on.

    Those that it has already are taken for right: see `open_masks`. Raises as `Location.read`.
    """
    settled: dict[str, NamedPicture] = {}
    for setting, named in dream.named_pictures.items():
        if named.sha256 is None:
            with locate(named.picture).as_local_file() as path, path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            settled[setting] = NamedPicture(picture=named.picture, sha256=sha256)
    return dream.with_pictures(settled) if settled else dream


def read_pictures(dream: Dream) -> dict[str, bytes]:
    """The bytes of the pictures that a settled dream names, by their digests.

    For workers who may not reach their places. Raises as `open_masks`.
    """
    return {
        named.content: read_picture(setting, named)
        for setting, named in dream.named_pictures.items()
    }


def read_picture(setting: str, named: NamedPicture) -> bytes:
    """The bytes of a picture that a setting of a settled dream names. Raises as `open_masks`."""
    data = locate(named.picture).read()
    _check_digest(setting, named, hashlib.sha256(data).hexdigest())
    return data


def check_masks(dream: Dream) -> None:
    """Raise RequestError where a term has no mask, or a mask no term."""
    wanted = [part for part in dream.parts if isinstance(part, str)]
    for name in wanted:
        if name not in dream.mask_layers:
            raise RequestError(
                f"masked(…,{name}): there is no mask of that name; give --mask-layer {name}=PICTURE"
            )
    for name in dream.mask_layers:
        if name not in wanted:
            raise RequestError(
                f"mask {name}: no term counts by it; write masked(mixed4,{name}), or call it as "
                "a layer is called"
            )


def open_masks(
    dream: Dream,
    picture: Shape,
    folder: Folder,
    warn: Warn,
    held: Mapping[str, bytes] = {},
) -> Masks:
    """The masks of a settled dream, brought into a folder of a picture's work.

    They are read from `held`, by their digests, or else from their places; not again where the
    folder has them. Raises RequestError where one is no picture, or of another aspect than the one
    that is dreamt, or has changed since it was told by its digest; else as `ingest`.
    """
    found = {
        setting: _open_mask(setting, named, picture, folder.folder(_folder_of(setting)), warn, held)
        for setting, named in dream.named_masks.items()
    }
    return Masks(
        found.get("mask"), {name: found[f"mask_layers.{name}"] for name in dream.mask_layers}
    )


def look_at_masks(dream: Dream, source: Location) -> None:
    """Raise RequestError for a mask of another aspect than the source, as far as headers tell.

    So what is there on this machine is refused before anything is loaded; the rest by `open_masks`.
    PictureError for a source that is none.
    """
    masks = dream.named_masks
    if not masks or not isinstance(source, LocalFile):
        return
    picture = _header_shape(source) if _can_be_looked_at(source) else None
    for named in masks.values():
        place = locate(named.picture)
        if isinstance(place, LocalFile) and _can_be_looked_at(place):
            mask = _mask_shape(place)
            if mask and picture:
                check_aspect(named, mask, picture)


def look_at_held_masks(dream: Dream, held: Mapping[str, bytes]) -> None:
    """Raise RequestError for a mask that is no picture, as far as its header tells.

    Of a settled dream: `held` has the bytes by their digests, as `read_pictures` gives them.
    """
    for named in dream.named_masks.values():
        _mask_shape(_place_of(named, held))


def _can_be_looked_at(place: LocalFile) -> bool:
    """It may have been brought in already, and be gone; a pipe can be read but once."""
    return place.exists() and not place.path.is_fifo()


def _header_shape(place: Location) -> Shape | None:
    """What a picture's header tells, if it tells that."""
    with place.as_local_file() as path:
        return ingest.upright_shape(path, shown(place.name))


def _mask_shape(place: Location) -> Shape | None:
    try:
        return _header_shape(place)
    except PictureError as error:
        raise RequestError(f"the mask: {error}") from None


def _place_of(named: NamedPicture, held: Mapping[str, bytes]) -> Location:
    """Where its bytes are: in `held`, or where it was named."""
    place = locate(named.picture)
    if data := held.get(named.content):
        place = MemoryFolder().file(place.name)
        place.write(data)
    return place


def _folder_of(setting: str) -> str:
    """Names that differ in nothing but case are one folder to some file systems."""
    _, _, name = setting.partition(".")
    return f"mask-{name.encode().hex()}" if name else "mask"


def _open_mask(
    setting: str,
    named: NamedPicture,
    picture: Shape,
    folder: Folder,
    warn: Warn,
    held: Mapping[str, bytes],
) -> LazyRaster:
    source = ingest.open_source(folder)
    if source is None or source.sha256 != named.sha256:
        folder.remove()
        try:
            source = ingest.ingest(_place_of(named, held), folder, warn=warn)
        except PictureError as error:
            raise RequestError(f"the mask: {error}") from None
        _check_digest(setting, named, source.sha256)
    check_aspect(named, source.shape, picture)
    return GreyRaster(source.colour, source.alpha)


def check_aspect(named: NamedPicture, mask: Shape, picture: Shape) -> None:
    """Raise RequestError for a mask of another aspect than the picture."""
    if not is_alike(mask, picture):
        raise RequestError(
            f"{shown(named)}: a mask of {mask} does not fit a picture of {picture}, as it "
            "is of another aspect; cut it, or stretch it, to what the picture shows"
        )


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
            f"it as it is now, give {_option(setting)}{shown(named)}"
        )


def _option(setting: str) -> str:
    """What gives a picture on the command line, but for its place."""
    _, _, name = setting.partition(".")
    return f"--mask-layer {name}=" if name else f"--{setting} "
