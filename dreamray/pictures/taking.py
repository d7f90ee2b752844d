"""The pixels of one file, upright and in RGB, into a folder as blocks.

Decoded as a whole or in strips, and perhaps made smaller on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamray.base.errors import ChangedError, PictureError
from dreamray.base.geometry import Interval, Region, Shape
from dreamray.pictures.colour import to_rgb
from dreamray.pictures.decoding import DEFAULT_MAX_PIXELS, check_size, decode
from dreamray.pictures.exif import Turn
from dreamray.pictures.formats import HEAD_BYTES, kind_of
from dreamray.pictures.reduction import Samples, as_samples, reduce_rows
from dreamray.pictures.source_stream import STREAMED, open_stream, read_shape
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid, cut_evenly
from dreamray.raster.pixels import HELD_PIXELS
from dreamray.storage import LocalFolder, MemoryFolder
from dreamray.storage.places import Folder
from dreamray.storage.temporary import scratch_folder

_SIDE = 1024
"""Of the blocks, in pixels."""

_STRIP_BYTES = 128 << 20
"""Of the samples that are decoded at a time; some copies of them are made."""

_HELD_BYTES = 8 * HELD_PIXELS
"""A file that is larger than its pixels can be, as it has many pages, is not held."""


class Taken(NamedTuple):
    """What is known of a picture whose pixels are in their folder."""

    grid: ChunkGrid
    dtype: np.dtype[Any]
    has_alpha: bool
    icc_profile: bytes | None
    exif: bytes | None
    notes: tuple[str, ...]
    sha256: str


def take(path: Path, name: str, folder: Folder, max_pixels: int, size: int | None) -> Taken:
    """Write the picture in a local file into a folder; see `pictures.ingest`.

    The file is opened once, so that all that is said of it, its digest too, is of the same bytes,
    whatever comes to stand at its path meanwhile. Raises PictureError, and ChangedError where it
    was written to.
    """
    with path.open("rb") as file, path.open("rb") as pixels:
        status = os.fstat(file.fileno())
        if not os.path.samestat(status, os.fstat(pixels.fileno())):
            raise changed(name)
        kind = kind_of(file.read(HEAD_BYTES), name)
        shape = read_shape(file, kind, name)
        check_size(name, shape.width, shape.height, max_pixels)
        held = _is_held(kind, shape, status.st_size, name)
        read = _take_whole if held else _take_in_strips
        if shape.within(size) == shape:
            taken = read(file, pixels, kind, name, folder)
        else:
            with _room(folder, held=held) as room:
                whole = read(file, pixels, kind, name, room)
                smaller = whole.grid.shape.within(size)
                taken = whole._replace(grid=_reduce(whole, room, folder, smaller))
        if _version(os.fstat(file.fileno())) != _version(status):
            raise changed(name)
    return taken


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _is_held(kind: str, shape: Shape, size: int, name: str) -> bool:
    """Whether a picture is decoded as a whole; PictureError where it is too large for that."""
    if kind in ("HEIC", "AVIF"):  # Of the largest cameras, too: no decoder reads them in parts.
        check_size(name, shape.width, shape.height, DEFAULT_MAX_PIXELS)
        return True
    held = shape.pixels <= HELD_PIXELS and size <= _HELD_BYTES
    if not held and kind not in STREAMED:
        raise PictureError(
            f"{name} is a {kind} of {shape} pixels, larger than is read of that format: "
            "save it anew as PNG or TIFF"
        )
    return held


def changed(name: str) -> ChangedError:
    """The error of a picture that was replaced while it was read."""
    return ChangedError(f"{name} was changed while it was read: run it again")


def rasters_in(folder: Folder, grid: ChunkGrid, dtype: Any) -> tuple[ChunkedRaster, ChunkedRaster]:
    """Colour and opacity in a folder."""
    return (
        ChunkedRaster(folder.folder("colour"), grid, dtype),
        ChunkedRaster(folder.folder("alpha"), grid, dtype, channels=1),
    )


def _take_whole(
    file: BufferedReader, pixels: BufferedReader, kind: str, name: str, folder: Folder
) -> Taken:
    file.seek(0)
    picture = decode(file.read(), name)
    shape = Shape(*picture.pixels.shape[:2])
    grid = ChunkGrid.even(shape, _SIDE)
    dtype = picture.pixels.dtype
    colour, alpha = rasters_in(folder, grid, dtype)
    colour.write(Region.whole(shape), picture.pixels)
    if picture.alpha is not None:
        alpha.write(Region.whole(shape), picture.alpha[..., None])
    has_alpha = picture.alpha is not None
    return Taken(
        grid, dtype, has_alpha, picture.icc_profile, picture.exif, picture.notes, picture.sha256
    )


def _take_in_strips(
    file: BufferedReader, pixels: BufferedReader, kind: str, name: str, folder: Folder
) -> Taken:
    stream = open_stream(file, pixels, kind, name)
    turn, (height, width) = stream.turn, stream.shape
    lines = max(1, min(_SIDE, _STRIP_BYTES // stream.row_bytes))
    down = tuple(cut_evenly(Interval(0, height), lines))
    # Blocks of a wide picture are flat, but no smaller.
    across = tuple(cut_evenly(Interval(0, width), _SIDE * _SIDE // lines))
    grid = ChunkGrid(across, down) if turn.swap else ChunkGrid(down, across)
    dtype = np.dtype(np.uint8) if stream.channels.colour == 4 else stream.dtype
    colour, alpha = rasters_in(folder, grid, dtype)
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
    return Taken(grid, dtype, has_alpha, icc_profile, stream.exif, notes, sha256)


@contextlib.contextmanager
def _room(folder: Folder, *, held: bool) -> Iterator[Folder]:
    """A folder for a picture that is to be made smaller: in memory, or on this machine."""
    if held:
        yield MemoryFolder()
    elif isinstance(folder, LocalFolder):  # Where there is to be room for pictures.
        yield folder.folder("whole")
        folder.folder("whole").remove()
    else:
        with scratch_folder() as path:
            yield LocalFolder(path)


def _reduce(taken: Taken, room: Folder, folder: Folder, target: Shape) -> ChunkGrid:
    """Write what lies in `room` into a folder, in a smaller shape; return its grid."""
    whole_colour, whole_alpha = rasters_in(room, taken.grid, taken.dtype)
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
    colour, alpha = rasters_in(folder, grid, taken.dtype)
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
