"""Bringing a source picture into a folder, as blocks of upright RGB that many processes read.

Small pictures are decoded as a whole, large ones in strips; either way nobody ever holds more
than a strip of a large one, and the pixels are those of `pictures.decode`, or what
`pictures.reduction` makes of them where a smaller picture is wanted.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Shape
from dreamray.base.messages import Warn, shown
from dreamray.base.parsing import parse_json
from dreamray.pictures.formats import HEAD_BYTES, kind_of
from dreamray.pictures.source_stream import STREAMED, open_stream, read_shape
from dreamray.pictures.taking import changed, rasters_in, take
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.storage.identity import identity
from dreamray.storage.places import Folder, Location

MAX_PIXELS = 1 << 34
"""Where nobody has tried it: 131072 pixels square."""

RECORD = "source.json"

_MOST_RECORD = 256 << 20
"""Bytes of it that are read: mostly the colour profile and the EXIF block."""


@dataclass(frozen=True)
class Source:
    """A picture that was brought in, upright: what `pictures.Picture` is, larger than memory."""

    colour: ChunkedRaster
    """uint8 or uint16, RGB."""
    alpha: ChunkedRaster | None
    """Opacity, same shape and dtype, one channel; None for a picture without."""
    icc_profile: bytes | None
    """The RGB colour profile of the pixels; None stands for sRGB."""
    exif: bytes | None
    """The source's EXIF block, without orientation and thumbnail."""
    sha256: str
    """Of the encoded source, in hexadecimal."""
    fingerprint: str
    """Of the location it was read from: see `Location.fingerprint`."""
    notes: tuple[str, ...]
    """One-line notices for the user."""
    size: int | None = None
    """The longer side that it was to have at the most; None for any."""
    place: str = ""
    """Which file or object it was read from: see `place_of`."""

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        return self.colour.shape

    @property
    def dtype(self) -> str:
        """The name of the samples' type: "uint8" or "uint16"."""
        return self.colour.dtype.name


def ingest(
    source: Location,
    folder: Folder,
    *,
    warn: Warn,
    max_pixels: int = MAX_PIXELS,
    size: int | None = None,
) -> Source:
    """Read a picture once, from its beginning to its end, and write it into a folder as blocks.

    One whose longer side has more than `size` pixels is reduced to that.
    Notes for the user go to `warn`, one line each. What makes it complete is written last: an
    interrupted one is none. Raises PictureError for what `pictures.decode` refuses, for more
    than `max_pixels` pixels before any of them is decoded, and for what is too large for its
    format to be read in parts; else as `Location.read` and `Location.write`.
    """
    fingerprint = source.fingerprint()
    folder.file(RECORD).remove()
    with source.as_local_file() as path:
        record = _taken(path, shown(source.name), fingerprint, folder, max_pixels, size)
    if source.fingerprint() != fingerprint:
        raise changed(shown(source))
    record["place"] = place_of(source)
    folder.file(RECORD).write(json.dumps(record).encode())
    for note in record["notes"]:
        warn(note)
    return _source(folder, record)


def ingest_file(
    path: Path, name: str, fingerprint: str, folder: Folder, size: int | None = None
) -> Source:
    """Read a local file that is a picture as `ingest` does, but leave no record of it.

    `name` is what messages call it, `fingerprint` that of the location it was copied from.
    Raises as `ingest`.
    """
    return _source(folder, _taken(path, name, fingerprint, folder, MAX_PIXELS, size))


def _taken(
    path: Path, name: str, fingerprint: str, folder: Folder, max_pixels: int, size: int | None
) -> dict[str, Any]:
    """Write a picture into a folder, and return its record."""
    taken = take(path, name, folder, max_pixels, size)
    return {
        "grid": taken.grid.to_json(),
        "dtype": taken.dtype.name,
        "alpha": taken.has_alpha,
        "icc_profile": _to_text(taken.icc_profile),
        "exif": _to_text(taken.exif),
        "sha256": taken.sha256,
        "fingerprint": fingerprint,
        "notes": taken.notes,
        "size": size,
    }


def place_of(source: Location) -> str:
    """Which file or object a location is, by whatever name: two files can have one fingerprint."""
    return str(identity(source))


def file_shape(path: Path, name: str) -> Shape:
    """Height and width of a picture as its header has them; nothing is decoded.

    `name` is what messages call it. Raises PictureError for what is no picture.
    """
    with path.open("rb") as file:
        return read_shape(file, kind_of(file.read(HEAD_BYTES), name), name)


def upright_shape(path: Path, name: str) -> Shape | None:
    """Height and width of a picture as it is shown; nothing is decoded.

    None where that is not told before the pixels. Raises PictureError for what is no picture.
    """
    with path.open("rb") as file, path.open("rb") as pixels:
        kind = kind_of(file.read(HEAD_BYTES), name)
        read_shape(file, kind, name)
        if kind not in STREAMED:
            return None
        try:
            stream = open_stream(file, pixels, kind, name)
        except PictureError:
            return None
        height, width = stream.shape
        return Shape(width, height) if stream.turn.swap else stream.shape


def open_source(folder: Folder) -> Source | None:
    """What an earlier `ingest` into a folder has completed; None if there is no such thing.

    Raises as `Location.read` does where the storage fails.
    """
    file = folder.file(RECORD)
    if not file.exists():
        return None
    text = file.read(_MOST_RECORD)
    try:
        return _source(folder, parse_json(text))
    except (ValueError, KeyError, TypeError):
        return None


def _source(folder: Folder, record: dict[str, Any]) -> Source:
    grid = ChunkGrid.from_json(record["grid"])
    dtype = {"uint8": np.uint8, "uint16": np.uint16}[record["dtype"]]
    colour, alpha = rasters_in(folder, grid, dtype)
    return Source(
        colour=colour,
        alpha=alpha if record["alpha"] else None,
        icc_profile=_to_bytes(record["icc_profile"]),
        exif=_to_bytes(record["exif"]),
        sha256=str(record["sha256"]),
        fingerprint=str(record["fingerprint"]),
        notes=tuple(map(str, record["notes"])),
        size=record.get("size"),
        place=str(record.get("place", "")),
    )


def _to_text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _to_bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
