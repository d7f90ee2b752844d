"""What a report tells of a run as a whole."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dreamray.base.version import __version__


class RunState(enum.StrEnum):
    """How far a run is."""

    RUNNING = "running"
    FINISHED = "finished"
    """Every picture was tried."""
    STOPPED = "stopped"
    """Before its end: `Summary.note` says why."""


@dataclass(frozen=True)
class WorkerFigures:
    """What one worker did in this run."""

    name: str
    """As `Record.worker`: `host/pid`."""
    done: int
    failed: int
    busy: float
    """Seconds in which it had a picture to work on."""


@dataclass(frozen=True)
class Summary:
    """The run at one moment."""

    destination: str
    source: str
    state: RunState
    total: int
    """Pictures of the set, as far as they are known."""
    done: int
    """Dreamt in this run."""
    kept: int
    """Finished in an earlier run."""
    failed: int
    seconds: float
    """Since this run began."""
    started: str
    """When this run began, in UTC: `2026-11-22T18:40:02Z`."""
    as_of: str
    """The moment, in UTC."""
    settings: str
    """YAML."""
    weights: str
    """The name of those that it dreams with."""
    weights_sha256: str
    workers: tuple[WorkerFigures, ...] = ()
    note: str = ""
    """One line; why the run was stopped."""
    version: str = __version__

    @property
    def left(self) -> int:
        """Pictures that were not tried yet."""
        return max(0, self.total - self.done - self.kept - self.failed)

    @property
    def seconds_left(self) -> float | None:
        """An estimate, by the pace so far; None if there is none, or nothing left to do."""
        tried = self.done + self.failed
        if self.state is not RunState.RUNNING or not self.left or not tried:
            return None
        return self.left * self.seconds / tried
