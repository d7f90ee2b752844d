"""Tiled, pyramidal BigTIFF of any size, strip by strip.

The levels of the pyramid follow one another as pages, the whole picture first. Tiles lie in the
file in the order in which they become complete, the directories behind them.

Libvips alone takes less work, but more memory, drops the EXIF directory, and rounds the sizes and
colours of levels down. See docs/performance.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import TiffImagePlugin as Tiff

from dreamray.base.geometry import Shape
from dreamray.pictures import parts
from dreamray.pictures.strips import FinishedRaster, in_order, levels_of, pyramid
from dreamray.raster.pixels import Pixels

TILE = 512
"""Pixels a side of a tile, at most, and rows of a strip."""

_UNIT = 16
"""The sides of tiles are multiples of it."""

_HEADER = b"II\x2b\0\x08\0\0\0"  # Little-endian BigTIFF; the first directory's offset follows.
_ENTRY_BYTES, _COUNT_BYTES, _ALIGN = 20, 8, 16
_DEFLATE_LEVEL = 6
_SUBFILE_TYPE, _REDUCED = 254, 1
_BYTE_COUNTS_OF_TILES = 325
_LONG8 = 16


def write_tiff(
    file: BinaryIO,
    result: FinishedRaster,
    strips: Iterable[Pixels],
    tags: parts.Tags,
    icc_profile: bytes | None,
) -> None:
    """Write strips of `TILE` rows of a result as a TIFF with these tags.

    Deflated with horizontal differences; a fourth channel is alpha, not multiplied into the
    colour.
    """
    shapes = levels_of(result.shape, TILE)
    file.write(_HEADER + bytes(8))
    # Before the pixels, as their place has only 32 bits.
    tags = {tag: _write_apart(file, tag, value) for tag, value in tags.items()}
    offsets: list[list[int]] = [[] for _ in shapes]
    sizes: list[list[int]] = [[] for _ in shapes]
    tiles = _tiles(pyramid(strips, shapes, TILE), [_tile_of(shape) for shape in shapes])
    for level, packed in in_order(_pack, tiles):
        offsets[level].append(file.tell())
        sizes[level].append(len(packed))
        file.write(packed)
    link = len(_HEADER)
    for level, shape in enumerate(shapes):
        directory = _directory()
        parts.put_tags(directory, _layout(shape, result, offsets[level], sizes[level]))
        if level == 0:
            parts.put_tags(directory, tags)
            if icc_profile:
                directory[Tiff.ICCPROFILE] = icc_profile
        else:
            directory[_SUBFILE_TYPE] = _REDUCED
        link = _append(file, directory, link)


def _tile_of(level: Shape) -> Shape:
    """The shape of the tiles of a level; readers distrust tiles much larger than the picture."""
    height, width = (min(TILE, -(-side // _UNIT) * _UNIT) for side in level)
    return Shape(height, width)


def _tiles(
    strips: Iterable[tuple[int, Pixels]], tiles: list[Shape]
) -> Iterator[tuple[int, Shape, Pixels]]:
    for level, strip in strips:
        for left in range(0, strip.shape[1], TILE):
            yield level, tiles[level], strip[:, left : left + TILE]


def _pack(job: tuple[int, Shape, Pixels]) -> tuple[int, bytes]:
    """A tile compressed; one at the edge is filled up with the edge."""
    level, shape, tile = job
    height, width = tile.shape[:2]
    tile = np.pad(tile, ((0, shape.height - height), (0, shape.width - width), (0, 0)), mode="edge")
    return level, zlib.compress(parts.differences(tile).tobytes(), _DEFLATE_LEVEL)


def _layout(
    shape: Shape, result: FinishedRaster, offsets: list[int], sizes: list[int]
) -> dict[int, Any]:
    tile = _tile_of(shape)
    layout: dict[int, Any] = {
        Tiff.IMAGEWIDTH: shape.width,
        Tiff.IMAGELENGTH: shape.height,
        Tiff.BITSPERSAMPLE: (result.dtype.itemsize * 8,) * result.channels,
        Tiff.COMPRESSION: 8,
        Tiff.PHOTOMETRIC_INTERPRETATION: 2,
        Tiff.SAMPLESPERPIXEL: result.channels,
        Tiff.PLANAR_CONFIGURATION: 1,
        Tiff.PREDICTOR: 2,
        Tiff.TILEWIDTH: tile.width,
        Tiff.TILELENGTH: tile.height,
        Tiff.TILEOFFSETS: tuple(offsets),
        _BYTE_COUNTS_OF_TILES: tuple(sizes),
    }
    if result.channels == 4:
        layout[Tiff.EXTRASAMPLES] = 2
    return layout


def _directory(group: int | None = None) -> Any:
    directory = Tiff.ImageFileDirectory_v2(_HEADER + bytes(8), group=group)
    if group is None:
        directory.tagtype[Tiff.TILEOFFSETS] = _LONG8
    return directory


def _write_apart(file: BinaryIO, tag: int, value: Any) -> Any:
    """The offset of a directory of its own, written for a value that is one; else the value."""
    if not isinstance(value, dict):
        return value
    directory = _directory(tag)
    parts.put_tags(directory, value)
    offset = _align(file)
    file.write(directory.tobytes(offset))
    return offset


def _append(file: BinaryIO, directory: Any, link: int) -> int:
    """Write a directory and its offset to `link`; gives where the next one's offset goes."""
    offset = _align(file)
    file.write(directory.tobytes(offset))
    file.seek(link)
    file.write(offset.to_bytes(8, "little"))
    file.seek(0, 2)
    return offset + _COUNT_BYTES + _ENTRY_BYTES * len(directory)


def _align(file: BinaryIO) -> int:
    file.write(bytes(-file.tell() % _ALIGN))
    return file.tell()
