"""What happens while a picture is dreamt, for progress bars and logs to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dreamray.base.geometry import Shape
from dreamray.raster.lazy import LazyRaster


@dataclass(frozen=True)
class OctaveStarted:
    """An octave begins."""

    number: int
    """From 0, in the order in which octaves are dreamt."""
    count: int
    shape: Shape
    tiles: int
    tile: int
    """Largest side of a tile, in pixels."""
    iterations: int
    work: int
    """Floating point operations of one step."""
    work_after: int
    """Floating point operations of all steps of the octaves to come."""


@dataclass(frozen=True)
class StepDone:
    """A step was made, or the loss ended the octave before it."""

    octave: int
    number: int
    """From 0 in each octave."""
    loss: float
    moved: bool
    """False where the loss was over `max_loss` and the octave ended instead."""
    workers: int = 1
    """Workers that made it together."""
    waiting: float = 0.0
    """The share of their time that they waited for one another, from 0 to 1."""


@dataclass(frozen=True)
class TileDone:
    """A tile was dreamt by itself, where seams are blended."""

    octave: int
    done: int
    """Tiles of the octave that are done by now."""
    tiles: int
    steps: int
    """Steps that it took."""
    workers: int = 1


@dataclass(frozen=True)
class OctaveDone:
    """An octave is finished and stored."""

    number: int
    result: LazyRaster
    """The picture so far, of about the octave's shape, or less where that has a margin."""


@dataclass(frozen=True)
class Transfer:
    """The picture is read or written, which may take a while."""

    what: str
    """`reading` or `writing`."""
    share: float
    """Of it, from 0 to 1."""


@dataclass(frozen=True)
class Notice:
    """Something that the user should know, in one line."""

    text: str


Event = OctaveStarted | StepDone | TileDone | OctaveDone | Transfer | Notice
Listener = Callable[[Event], None]


def ignore(event: object) -> None:
    """The listener that does nothing."""
