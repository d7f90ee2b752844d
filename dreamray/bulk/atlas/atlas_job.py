"""A whole atlas: the set of its dreams, and the Deep Zoom of them all.

The dreams are a set like any other, beside the Deep Zoom: run again, it goes on; with other
layers it makes those that are new.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from dreamray.base.errors import DreamrayError, RequestError
from dreamray.base.messages import Aside, shown
from dreamray.bulk.atlas.layout import Layout
from dreamray.bulk.atlas.picture import AtlasPicture
from dreamray.bulk.atlas.plates import Atlas
from dreamray.bulk.bulk_events import BulkListener
from dreamray.bulk.job import BulkOptions, dream_entries
from dreamray.bulk.manifest import Manifest
from dreamray.bulk.record import State
from dreamray.bulk.task_store import Counts
from dreamray.engine.events import Notice, ignore
from dreamray.pictures import Format, decode, read_metadata
from dreamray.pictures.deep_zoom_placement import check_place
from dreamray.pictures.encoding import PICTURE_SUFFIXES
from dreamray.pictures.export import Extras, export
from dreamray.pictures.viewer import Findable, Finder
from dreamray.raster.pixels import Pixels
from dreamray.render.workspace import hold_work
from dreamray.settings.execution import Execution
from dreamray.storage import Folder, Location, locate, locate_folder


def make_atlas(
    output: str,
    atlas: Atlas,
    execution: Execution,
    options: BulkOptions,
    on_event: BulkListener = ignore,
) -> Counts:
    """Dream the channels of an atlas into a folder or, for `OUTPUT.dzi`, into one picture.

    The dreams of a Deep Zoom lie beside it, in `OUTPUT_channels`. What an earlier run has made
    with these settings is left as it is; a dream that fails costs its own place only. Raises as
    `dream_set`; RequestError for an output that is neither.
    """
    atlas.check(execution)
    target = _deep_zoom(output)
    if target is None:
        return dream_entries(
            atlas.entries(),
            output,
            atlas.dream,
            execution=execution,
            options=options,
            on_event=on_event,
        )

    def check() -> None:
        check_place(target, overwrite=options.overwrite)

    def warn(text: str) -> None:
        on_event(Notice(text))

    check()
    target.check_writable()
    dreams = dreams_of(output)
    with hold_work(target, execution.work, warn, overwrite=options.overwrite) as work:
        counts = dream_entries(
            atlas.entries(),
            dreams,
            atlas.dream,
            execution=execution,
            options=replace(options, report=False),
            on_event=on_event,
        )
        folder = locate_folder(dreams)
        layout = Layout(atlas.plates, atlas.size)
        reader = _Reader(atlas, folder)
        warn(Aside(f"putting {shown(target.name)} together"))
        export(
            AtlasPicture(layout, reader.read),
            Extras(None, None),
            target,
            Format.DEEP_ZOOM,
            reader.describe(),
            check=check,
            may_write=work.check,
            warn=warn,
            finder=finder_of(layout, PurePosixPath(dreams).name),
        )
    return counts


def dreams_of(output: str) -> str:
    """The folder of the dreams themselves: `mixed4_channels` beside `mixed4.dzi`."""
    if _deep_zoom(output) is None:
        return output
    return f"{output.removesuffix(PurePosixPath(output).suffix)}_channels"


def _deep_zoom(output: str) -> Location | None:
    """The description that an output names; None for a folder. RequestError for what is neither."""
    suffix = PurePosixPath(output).suffix.lower()
    if output.endswith("/") or not suffix:
        return None
    if suffix == Format.DEEP_ZOOM.suffix:
        return locate(output)
    if suffix in PICTURE_SUFFIXES:
        raise RequestError(
            f"{shown(output)}: an atlas is too large for one file; name a Deep Zoom, such as "
            f"{shown(PurePosixPath(output).stem)}.dzi, or a folder"
        )
    return None


class _Reader:
    """What a set has made of an atlas."""

    def __init__(self, atlas: Atlas, folder: Folder) -> None:
        self._atlas = atlas
        self._folder = folder
        states = {record.output: record.state for record in Manifest(folder).read(lambda _: None)}
        self._done = {output for output, state in states.items() if state is State.DONE}

    def read(self, output: str) -> Pixels | None:
        """A dream, uint8 [size, size, 3]; None where there is none."""
        if output not in self._done:
            return None
        place = self._folder.file(output)
        pixels = decode(place.read(), shown(place)).pixels
        size = self._atlas.size
        return pixels if pixels.shape == (size, size, 3) else None

    def describe(self) -> dict[str, Any] | None:
        """What the whole says of itself: what its dreams do, with the layers as such."""
        atlas = self._atlas
        outputs = (plate.output(channel) for plate in atlas.plates for channel in plate.channels)
        first = next((output for output in outputs if output in self._done), None)
        if first is None:
            raise DreamrayError(f"{shown(self._folder)}: none of the channels could be dreamt")
        with self._folder.file(first).as_local_file() as path, path.open("rb") as file:
            metadata = read_metadata(file, first)
        del metadata["dream_digest"]
        return {
            **metadata,
            "dream": {**metadata["dream"], "layers": atlas.dream.layers},
            "atlas": {plate.name: len(plate.channels) for plate in atlas.plates},
        }


def finder_of(layout: Layout, folder: str) -> Finder:
    """What the page finds: each channel by its number."""
    return Finder(
        layout.cell,
        tuple(
            Findable(plate.name, quote(f"{folder}/{plate.folder}/"), tuple(layout.cells(plate)))
            for plate in layout.plates
        ),
    )
