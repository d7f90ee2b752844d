"""Deep Zoom: a result as a pyramid of small files that a browser shows at any size.

For `dream.dzi` there are the description itself, with the settings of the dream in it, the
tiles in `dream_files/LEVEL/COLUMN_ROW.jpg` (`.png` where there is alpha), and a page that shows
them, `index.html` or, where that is somebody else's, `dream.html`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from dreamray.base.messages import Aside, Warn, shown
from dreamray.pictures import parts, viewer
from dreamray.pictures.deep_zoom_placement import FinishedDeepZoom, put_in_place
from dreamray.pictures.encoding import PNG_LEVEL, Extras, Format, save
from dreamray.pictures.metadata import XML_NAMESPACE, metadata_text
from dreamray.pictures.strips import FinishedRaster, in_order, levels_of, pyramid, read_strips
from dreamray.raster.pixels import Pixels
from dreamray.storage import Location

TILE = 254
"""Pixels a side of a tile; with an overlap on both sides it is 256."""

OVERLAP = 1

_VIEWER = "viewer"
_JPEG_QUALITY = 90

_NAMESPACE = "http://schemas.microsoft.com/deepzoom/2008"
_DESCRIPTION = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<Image xmlns="{_NAMESPACE}" Format="%s" Overlap="{OVERLAP}" TileSize="{TILE}">
  <Size Width="%d" Height="%d"/>
  <settings xmlns="{XML_NAMESPACE}">%s</settings>
</Image>
"""


def write(
    result: FinishedRaster,
    extras: Extras,
    target: Location,
    metadata: Mapping[str, Any] | None,
    scratch: Path,
    *,
    check: Callable[[], None],
    may_write: Callable[[], None],
    progress: Callable[[float], None],
    warn: Warn,
    finder: viewer.Finder | None = None,
) -> None:
    """Write a result as the Deep Zoom whose description is `target`, complete or not at all.

    Tiles have 8 bits and the source's colour profile. An older result of the same name is
    replaced as a whole. `scratch` is an empty folder, on the disk of a local target. `check`
    and `may_write` raise where the result must not be put in its place any more: the one is
    called once, the other before each step. `finder` is what can be looked for on the page.

    Raises RequestError or StorageError where it cannot be written.
    """
    encoding = _Encoding.of(result, extras)
    tiles = scratch / "tiles"
    _write_tiles(tiles, result, encoding, progress)
    bundled = viewer.copy_script(tiles / _VIEWER)
    files = f"{PurePosixPath(target.name).stem}_files"
    page, note = viewer.place_of(target)
    shown_page = viewer.page(
        viewer.DeepZoomImage(target.name, files, result.shape, encoding.suffix, TILE, OVERLAP),
        metadata,
        f"{files}/{_VIEWER}" if bundled else None,
        finder,
    )
    text = "" if metadata is None else metadata_text(metadata)
    size = result.shape
    description = _DESCRIPTION % (encoding.suffix, size.width, size.height, html.escape(text))
    finished = FinishedDeepZoom(tiles, description.encode(), shown_page)
    check()
    put_in_place(finished, target, page, scratch, check=may_write)
    warn(Aside(f"{shown(page)} shows it in a browser{note}"))


@dataclass(frozen=True)
class _Encoding:
    """How tiles are encoded."""

    format: Format
    options: Mapping[str, Any]

    @classmethod
    def of(cls, result: FinishedRaster, extras: Extras) -> _Encoding:
        if result.channels == 4:
            options: dict[str, Any] = {"compress_level": PNG_LEVEL}
            format = Format.PNG
        else:
            options = {"quality": _JPEG_QUALITY, "subsampling": "4:4:4"}
            format = Format.JPEG
        return cls(format, options | {"icc_profile": extras.icc_profile})

    @property
    def suffix(self) -> str:
        """Of the files' names, without its dot."""
        return self.format.suffix.removeprefix(".")

    def write(self, tile: tuple[Path, Pixels]) -> None:
        """Write one tile, uint8 [height, width, 3 or 4]."""
        path, pixels = tile
        path.write_bytes(save(pixels, self.format, **self.options))


def _write_tiles(
    folder: Path, result: FinishedRaster, encoding: _Encoding, progress: Callable[[float], None]
) -> None:
    shapes = levels_of(result.shape, smallest=1)
    folders = [folder / str(number) for number in reversed(range(len(shapes)))]
    for level in folders:
        level.mkdir(parents=True)
    strips = (parts.to_depth(s, np.uint8) for s in read_strips(result, TILE, progress))
    tiles = (
        (folders[row.level] / f"{column}_{row.number}.{encoding.suffix}", pixels)
        for row in _rows_of_tiles(pyramid(strips, shapes, TILE))
        for column, pixels in enumerate(_cut(row.pixels))
    )
    for _ in in_order(encoding.write, tiles):
        pass


class _Row(NamedTuple):
    """A row of tiles of one level of the pyramid, from the largest, 0."""

    level: int
    number: int
    pixels: Pixels


def _rows_of_tiles(strips: Iterable[tuple[int, Pixels]]) -> Iterator[_Row]:
    """Each strip with the overlaps above and below, when the strip below it has come."""
    waiting: dict[int, tuple[int, list[Pixels]]] = {}
    for level, strip in strips:
        number, pieces = waiting.get(level, (-1, []))
        if pieces:
            yield _Row(level, number, np.concatenate([*pieces, strip[:OVERLAP]]))
        waiting[level] = (number + 1, [*(piece[-OVERLAP:] for piece in pieces[-1:]), strip])
    for level, (number, pieces) in waiting.items():
        yield _Row(level, number, np.concatenate(pieces))


def _cut(row: Pixels) -> Iterator[Pixels]:
    for left in range(0, row.shape[1], TILE):
        yield row[:, max(0, left - OVERLAP) : left + TILE + OVERLAP]
