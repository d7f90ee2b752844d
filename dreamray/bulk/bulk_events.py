"""What happens while a set is made, for progress bars, logs and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dreamray.bulk.record import Record
from dreamray.engine.events import Notice


@dataclass(frozen=True)
class PicturesListed:
    """Pictures were found."""

    pictures: int
    """So far."""


@dataclass(frozen=True)
class PictureDone:
    """A picture has come to its end, well or not."""

    record: Record
    kept: bool
    """Whether an earlier run has made it, and nothing had to be done."""
    work: int
    """Pixels times steps that it took."""


@dataclass(frozen=True)
class BulkProgress:
    """How far the set is."""

    total: int
    kept: int
    """Finished by an earlier run."""
    done: int
    failed: int
    in_flight: int
    """Given to some worker, and not finished."""
    workers: int

    @property
    def left(self) -> int:
        """Pictures that have not come to their end."""
        return self.total - self.kept - self.done - self.failed


BulkEvent = PicturesListed | PictureDone | BulkProgress | Notice
BulkListener = Callable[[BulkEvent], None]
