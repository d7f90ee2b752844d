"""Bringing a source picture into a folder, as blocks of upright RGB that many processes read.

Small pictures are decoded as a whole, large ones in strips; either way nobody ever holds more
than a strip of a large one, and the pixels are those of `pictures.decode`, or what
`pictures.reduction` makes of them where a smaller picture is wanted.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamray.base.errors import ChangedError, PictureError
from dreamray.base.geometry import Interval, Region, Shape
from dreamray.base.messages import Warn, shown
from dreamray.base.parsing import parse_json
from dreamray.pictures.colour import to_rgb
from dreamray.pictures.decoding import check_held, check_size, decode
from dreamray.pictures.exif import Turn
from dreamray.pictures.formats import HEAD_BYTES, kind_of
from dreamray.pictures.reduction import Samples, as_samples, reduce_rows
from dreamray.pictures.source_stream import STREAMED, open_stream, read_shape
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid, cut_evenly
from dreamray.raster.pixels import HELD_PIXELS
from dreamray.storage import LocalFolder, MemoryFolder
from dreamray.storage.places import Folder, Location

MAX_PIXELS = 1 << 34
"""Where nobody has tried it: 131072 pixels square."""

_SIDE = 1024
"""Of the blocks, in pixels."""

_STRIP_BYTES = 128 << 20
"""Of the samples that are decoded at a time; some copies of them are made."""

_HELD_BYTES = 8 * HELD_PIXELS
"""A file that is larger than its pixels can be, as it has many pages, is not held."""

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

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        return self.colour.shape

    @property
    def dtype(self) -> str:
        """The name of the samples' type: "uint8" or "uint16"."""
        return self.colour.dtype.name


class _Taken(NamedTuple):
    """What is known of a picture whose pixels are in their folder."""

    grid: ChunkGrid
    dtype: np.dtype[Any]
    has_alpha: bool
    icc_profile: bytes | None
    exif: bytes | None
    notes: tuple[str, ...]
    sha256: str


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
        record = _take(path, shown(source.name), fingerprint, folder, max_pixels, size)
    if source.fingerprint() != fingerprint:
        raise _changed(shown(source))
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
    return _source(folder, _take(path, name, fingerprint, folder, MAX_PIXELS, size))


def _take(
    path: Path, name: str, fingerprint: str, folder: Folder, max_pixels: int, size: int | None
) -> dict[str, Any]:
    """Write a picture into a folder, and return its record.

    The file is opened once, so that all that is said of it, its digest too, is of the same bytes,
    whatever comes to stand at its path meanwhile.
    """
    with path.open("rb") as file, path.open("rb") as pixels:
        status = os.fstat(file.fileno())
        if not os.path.samestat(status, os.fstat(pixels.fileno())):
            raise _changed(name)
        kind = kind_of(file.read(HEAD_BYTES), name)
        shape = read_shape(file, kind, name)
        check_size(name, shape.width, shape.height, max_pixels)
        held = _is_held(kind, shape, status.st_size, name)
        take = _take_whole if held else _take_in_strips
        if shape.within(size) == shape:
            taken = take(file, pixels, kind, name, folder)
        else:
            with _room(folder, held=held) as room:
                whole = take(file, pixels, kind, name, room)
                smaller = whole.grid.shape.within(size)
                taken = whole._replace(grid=_reduce(whole, room, folder, smaller))
        if _version(os.fstat(file.fileno())) != _version(status):
            raise _changed(name)
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


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _changed(name: str) -> ChangedError:
    return ChangedError(f"{name} was changed while it was read: run it again")


def _is_held(kind: str, shape: Shape, size: int, name: str) -> bool:
    """Whether a picture is decoded as a whole; PictureError where it is too large for that."""
    if kind in ("HEIC", "AVIF"):  # Of the largest cameras, too: no decoder reads them in parts.
        check_held(name, shape.width, shape.height)
        return True
    held = shape.pixels <= HELD_PIXELS and size <= _HELD_BYTES
    if not held and kind not in STREAMED:
        raise PictureError(
            f"{name} is a {kind} of {shape} pixels, larger than is read of that format: "
            "save it anew as PNG or TIFF"
        )
    return held


def file_shape(path: Path, name: str) -> Shape:
    """Height and width of a picture as its header has them; nothing is decoded.

    `name` is what messages call it. Raises PictureError for what is no picture.
    """
    with path.open("rb") as file:
        return read_shape(file, kind_of(file.read(HEAD_BYTES), name), name)


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
    colour, alpha = _rasters(folder, grid, dtype)
    return Source(
        colour=colour,
        alpha=alpha if record["alpha"] else None,
        icc_profile=_to_bytes(record["icc_profile"]),
        exif=_to_bytes(record["exif"]),
        sha256=str(record["sha256"]),
        fingerprint=str(record["fingerprint"]),
        notes=tuple(map(str, record["notes"])),
        size=record.get("size"),
    )


def _rasters(folder: Folder, grid: ChunkGrid, dtype: Any) -> tuple[ChunkedRaster, ChunkedRaster]:
    return (
        ChunkedRaster(folder.folder("colour"), grid, dtype),
        ChunkedRaster(folder.folder("alpha"), grid, dtype, channels=1),
    )


def _take_whole(
    file: BufferedReader, pixels: BufferedReader, kind: str, name: str, folder: Folder
) -> _Taken:
    file.seek(0)
    picture = decode(file.read(), name)
    shape = Shape(*picture.pixels.shape[:2])
    grid = ChunkGrid.even(shape, _SIDE)
    dtype = picture.pixels.dtype
    colour, alpha = _rasters(folder, grid, dtype)
    colour.write(Region.whole(shape), picture.pixels)
    if picture.alpha is not None:
        alpha.write(Region.whole(shape), picture.alpha[..., None])
    has_alpha = picture.alpha is not None
    return _Taken(
        grid, dtype, has_alpha, picture.icc_profile, picture.exif, picture.notes, picture.sha256
    )


def _take_in_strips(
    file: BufferedReader, pixels: BufferedReader, kind: str, name: str, folder: Folder
) -> _Taken:
    stream = open_stream(file, pixels, kind, name)
    turn, (height, width) = stream.turn, stream.shape
    lines = max(1, min(_SIDE, _STRIP_BYTES // stream.row_bytes))
    down = tuple(cut_evenly(Interval(0, height), lines))
    # Blocks of a wide picture are flat, but no smaller.
    across = tuple(cut_evenly(Interval(0, width), _SIDE * _SIDE // lines))
    grid = ChunkGrid(across, down) if turn.swap else ChunkGrid(down, across)
    dtype = np.dtype(np.uint8) if stream.channels.colour == 4 else stream.dtype
    colour, alpha = _rasters(folder, grid, dtype)
    icc_profile = remark = None
    upright = down[:: turn.rows]
    for rows, (samples, opacity) in zip(
        upright, stream.strips(_source_rows(upright, height, turn)), strict=True
    ):
        columns = Interval(0, width)
        region = Region(columns, rows) if turn.swap else Region(rows, columns)
        rgb, icc_profile, remark = to_rgb(samples, stream.icc_profile)
        colour.write(region, turn.upright(rgb))
        if opacity is not None:
            alpha.write(region, turn.upright(opacity)[..., None])
    notes = tuple(f"{name} {remark}" for remark in (*stream.remarks, remark) if remark)
    has_alpha = stream.channels.alpha is not None
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return _Taken(grid, dtype, has_alpha, icc_profile, stream.exif, notes, sha256)


@contextlib.contextmanager
def _room(folder: Folder, *, held: bool) -> Iterator[Folder]:
    """A folder for a picture that is to be made smaller: in memory, or on this machine."""
    if held:
        yield MemoryFolder()
    elif isinstance(folder, LocalFolder):  # Where there is to be room for pictures.
        yield folder.folder("whole")
        folder.folder("whole").remove()
    else:
        with tempfile.TemporaryDirectory(prefix="dreamray-") as path:
            yield LocalFolder(Path(path))


def _reduce(taken: _Taken, room: Folder, folder: Folder, target: Shape) -> ChunkGrid:
    """Write what lies in `room` into a folder, in a smaller shape; return its grid."""
    whole_colour, whole_alpha = _rasters(room, taken.grid, taken.dtype)
    source = taken.grid.shape
    columns = np.arange(source.width)

    def rows(wanted: Interval) -> tuple[Samples, Samples | None]:
        lines = np.arange(*wanted)
        opacity = whole_alpha.points(lines, columns) if taken.has_alpha else None
        return whole_colour.points(lines, columns), opacity

    starts = range(0, target.height, _SIDE)
    grid = ChunkGrid(
        tuple(Interval(start, min(start + _SIDE, target.height)) for start in starts),
        tuple(cut_evenly(Interval(0, target.width), _SIDE)),
    )
    colour, alpha = _rasters(folder, grid, taken.dtype)
    bands: list[tuple[Samples, ...]] = []
    for band, *planes in reduce_rows(rows, source, target):
        bands.append(tuple(as_samples(p, taken.dtype) for p in planes if p is not None))
        if band.stop % _SIDE == 0 or band.stop == target.height:
            region = Region(
                Interval((band.stop - 1) // _SIDE * _SIDE, band.stop), Interval(0, target.width)
            )
            for raster, values in zip((colour, alpha), zip(*bands, strict=True), strict=False):
                raster.write(region, np.concatenate(values))
            bands.clear()
    return grid


def _source_rows(upright: Iterable[Interval], height: int, turn: Turn) -> Iterator[Interval]:
    """The stored rows that these rows of the picture come from, columns if they are swapped."""
    for rows in upright:
        yield rows if turn.rows == 1 else Interval(height - rows.stop, height - rows.start)


def _to_text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _to_bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
