"""The work of one picture in storage: what it is, how far it is, and the rasters in between.

It can be left at any moment and taken up again by whoever is given the same folder and the
same request: the record says what was asked for and which checkpoint is complete, and is
written after all that it speaks of.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dreamray.base.errors import DreamrayError
from dreamray.base.geometry import Shape
from dreamray.base.messages import Aside
from dreamray.base.parsing import parse_json
from dreamray.plan.tiles import TilePlan
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.storage import Folder, LocalFolder

_log = logging.getLogger(__name__)

BLOCK = 512
"""Longest side of the blocks of an octave, in pixels: 3 MiB."""

_NAME = re.compile(r"octave-\d+(-step-\d+)?")

RECORD = "job.json"
"""The file that says what was asked for, and how far it is."""


_MOST = 64 << 20
"""Bytes of it that are read: there are some for each block of a picture, and each tile."""

_WORDS = {
    "threads": "number of threads",
    "tensorflow": "TensorFlow",
    "instructions": "set of instructions",
    "compute_capability": "compute capability",
    "multiprocessors": "number of multiprocessors",
    "cudnn": "cuDNN",
    "tf32": "TF32",
    "batch": "size of batches",
}


@dataclass(frozen=True)
class Stored:
    """A raster of the store: where it lies in its folder, and how it is cut."""

    name: str
    grid: dict[str, Any]

    @classmethod
    def of(cls, name: str, grid: ChunkGrid) -> Stored:
        """A raster cut by a grid."""
        return cls(name, grid.to_json())

    def beside(self, slot: str) -> Stored:
        """Another raster that goes with it, cut as it is."""
        return Stored(f"{self.name}/{slot}", self.grid)


@dataclass(frozen=True)
class AloneTiles:
    """How far an octave of blended tiles is."""

    shares: tuple[tuple[float, ...], ...]
    """Of each tile, by band."""
    whole_loss: float
    done: tuple[int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """Where the work on a picture can be taken up again."""

    octave: int = 0
    """The octave to go on with, by its place in the plan."""
    step: int = 0
    """The step to go on with; at 0 `image` is the result of the octave before."""
    image: Stored | None = None
    """None at the very start."""
    core: int | None = None
    """The longest side of a core where memory ran out with longer ones."""
    alone: AloneTiles | None = None
    """Of the octave to go on with, where its tiles are dreamt by themselves."""


@dataclass(frozen=True)
class StepRasters:
    """Where an octave's checkpoints are, for workers that know nothing of the store."""

    folder: Folder
    octave: int
    tiles: TilePlan

    def stored(self, step: int) -> Stored:
        """The checkpoint after so many steps."""
        name = f"octave-{self.octave + 1}-step-{step}"
        return Stored.of(name, _grid(self.tiles))

    def __call__(self, step: int) -> ChunkedRaster:
        """Its raster."""
        return _raster(self.folder, self.stored(step))

    def remembered(self, step: int, slot: str) -> ChunkedRaster:
        """That of what the optimizer remembers; it goes with the checkpoint."""
        return _raster(self.folder, self.stored(step).beside(slot))


class CheckpointStore:
    """One picture's work in a folder."""

    def __init__(
        self,
        folder: Folder,
        request: Mapping[str, str],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`request` is all that the bytes of the result depend on, by kind.

        `check` raises once this run must not write here any more.
        """
        self.folder = folder
        self._check = check
        self._request = dict(request)
        self.environment: Mapping[str, Any] = {}
        """What the dream is computed with: device, threads and so on."""
        self.checkpoint = Checkpoint()

    def resume(
        self, octaves: int, environment: Callable[[], Mapping[str, Any]] = dict
    ) -> str | None:
        """Take up what lies in the folder, if it is the same request, of so many octaves.

        `environment` is asked what the dream will be computed with, which may take as long as
        the workers of a cluster take to come up; not where all octaves are dreamt already.

        Returns a line for the user: how far it is, or why it starts afresh; None where there
        is nothing yet.
        """
        note = self._take_up(octaves)
        if self.checkpoint.octave >= octaves:
            return note
        made_with, self.environment = self.environment, environment()
        if self.begun and (changed := _changes(made_with, self.environment)):
            self.checkpoint = Checkpoint()
            return self._start_afresh(changed)
        return note

    def _take_up(self, octaves: int) -> str | None:
        unreadable = f"{self.folder} holds work that cannot be read: starting afresh"
        try:
            record = self._read()
        except (ValueError, KeyError, TypeError):
            return unreadable
        if record is None:
            return None
        if changed := _changes(record["request"], self._request):
            return self._start_afresh(changed)
        try:
            self.environment = dict(record["environment"])
            self.checkpoint = _parse_checkpoint(record["checkpoint"], octaves)
        except (KeyError, TypeError, ValueError):
            return unreadable
        if not self.begun:
            return None
        if self.checkpoint.octave >= octaves:
            return Aside(f"all octaves are dreamt, as {self.folder} has them: writing the result")
        at = f"octave {self.checkpoint.octave + 1}"
        if self.checkpoint.step:
            at += f", step {self.checkpoint.step + 1}"
        return Aside(f"going on from {at}, as {self.folder} has it")

    @property
    def begun(self) -> bool:
        """Whether there is anything to go on from."""
        return self.checkpoint != Checkpoint()

    def reach(self, checkpoint: Checkpoint) -> None:
        """Record a checkpoint whose rasters are stored; those before it are removed."""
        self._check()
        before, self.checkpoint = self.checkpoint, checkpoint
        record = {
            "request": self._request,
            "environment": dict(self.environment),
            "checkpoint": asdict(checkpoint),
        }
        self.folder.file(RECORD).write(json.dumps(record, indent=1).encode())
        if before.image is not None and before.image != checkpoint.image:
            self._tidy(before.image.name)

    def go_on(self, **changes: Any) -> None:
        """Record the present checkpoint with some changes."""
        self.reach(replace(self.checkpoint, **changes))

    def raster(self, stored: Stored) -> ChunkedRaster:
        """A raster of float32."""
        return _raster(self.folder, stored)

    def place(self, name: str, plan: TilePlan) -> Stored:
        """A raster to be written tile by tile."""
        return Stored.of(name, _grid(plan))

    def window_raster(self, octave: int, tile: int, shape: Shape) -> ChunkedRaster:
        """The raster of a tile that is dreamt by itself."""
        folder = self.folder.folder(f"octave-{octave + 1}-alone").folder(str(tile))
        return ChunkedRaster(folder, ChunkGrid.even(shape, BLOCK), "float32")

    @property
    def scratch(self) -> Path | None:
        """A folder with room for what does not fit into memory, if the store is on this machine."""
        return self.folder.path / "scratch" if isinstance(self.folder, LocalFolder) else None

    def remove_scratch(self) -> None:
        """Remove what a process that was killed left there."""
        self.folder.folder("scratch").remove()

    def remove_windows(self, octave: int) -> None:
        """Remove the rasters of an octave's tiles that were dreamt by themselves."""
        self._tidy(f"octave-{octave + 1}-alone")

    def _tidy(self, name: str) -> None:
        """Remove what nobody needs any more; what stays goes with all the work, in the end."""
        try:
            self.folder.folder(name).remove()
        except DreamrayError as error:
            _log.info("%s stays: %s", name, error)

    def _start_afresh(self, changed: Sequence[str]) -> str:
        return f"{self.folder} holds work with another {' and '.join(changed)}: starting afresh"

    def _read(self) -> Any:
        """The record, None if there is none; ValueError, KeyError or TypeError for rubbish."""
        place = self.folder.file(RECORD)
        if not place.exists():
            return None
        record = parse_json(place.read(_MOST))
        if not isinstance(record["request"], dict):
            raise TypeError("request")
        return record


def _grid(plan: TilePlan) -> ChunkGrid:
    """Blocks of which each is one tile's, as they are written whole."""
    return ChunkGrid.within(plan.core_rows, plan.core_columns, BLOCK)


def _raster(folder: Folder, stored: Stored) -> ChunkedRaster:
    for part in stored.name.split("/"):
        folder = folder.folder(part)
    return ChunkedRaster(folder, ChunkGrid.from_json(stored.grid), "float32")


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, for people."""
    return [
        _WORDS.get(kind, kind) for kind in {**before, **now} if before.get(kind) != now.get(kind)
    ]


def _parse_checkpoint(record: Mapping[str, Any], octaves: int) -> Checkpoint:
    """Raises ValueError for one that no store of so many octaves is ever at."""
    image, alone, core = record["image"], record["alone"], record["core"]
    octave, step = record["octave"], record["step"]
    if any(type(one) is not int for one in (octave, step, core or 1)):
        raise ValueError("no whole numbers")
    is_there = 0 <= octave <= octaves and step >= 0 and (core is None or core > 0)
    if not is_there or (image is None and octave + step > 0):
        raise ValueError(f"octave {octave}, step {step}, core {core}")
    return Checkpoint(
        octave,
        step,
        None if image is None else _parse_stored(image),
        core,
        None if alone is None else _parse_alone(alone),
    )


def _parse_stored(record: Mapping[str, Any]) -> Stored:
    """Raises ValueError for a name that a store gives nothing: it may lie outside of the folder."""
    if not _NAME.fullmatch(record["name"]):
        raise ValueError(record["name"])
    return Stored.of(record["name"], ChunkGrid.from_json(record["grid"]))


def _parse_alone(record: Mapping[str, Any]) -> AloneTiles:
    shares = tuple(tuple(map(float, of_tile)) for of_tile in record["shares"])
    return AloneTiles(shares, float(record["whole_loss"]), tuple(record["done"]))
