"""One picture of a set as work for a process, and what became of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Shape
from dreamray.base.messages import shown
from dreamray.base.version import __version__
from dreamray.bulk.record import Record, Seconds, State
from dreamray.bulk.report import Thumbnails
from dreamray.engine.activity import Activity
from dreamray.engine.events import Event, Notice
from dreamray.pictures.ingest import Source
from dreamray.settings.dream import Dream
from dreamray.storage import Location

WAIT = "wait"
"""The stage of a picture in which others are worked at."""

NETWORK = "network"
"""That in which it waits for the network, which the first picture of a process loads."""


@dataclass(frozen=True)
class Task:
    """One picture to be made. It carries all that it takes."""

    output: str
    """Relative to the destination."""
    source: Location
    target: Location
    dream: Dream
    request: str
    """See `dreamray.bulk.digests.request_digest`."""
    earlier: Record | None = None
    """What an earlier run knew of it."""
    there: bool = False
    """Whether the listing of the destination has the target."""
    overwrite: bool = False
    """Make it anew, whatever is there."""
    thumbnails: Thumbnails | None = None
    """Where the report wants them."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    record: Record
    kept: bool = False
    """Nothing had to be done: an earlier run has finished it."""
    again: bool = False
    """Whether it may succeed at another time."""
    own: bool = True
    """Whether a failure's reason lies in the picture, and not in storage, rights or machine."""
    work: int = 0
    """Pixels times steps."""


class OutcomeBuilder:
    """What is known of a picture while it is made."""

    def __init__(self, task: Task, worker: str, activity: Activity) -> None:
        """`activity` is told what is done for the picture."""
        self._task = task
        self._activity = activity
        self._worker = worker
        self._seconds = dict.fromkeys(("load", "wait", "dream", "store"), 0.0)
        self._stage, self._since = "load", time.perf_counter()
        self._remarks: list[str] = []
        self._release = ""
        self.fingerprint = self.sha256 = ""
        self.shape = Shape(0, 0)
        self.work = 0
        activity.begin(task.output, self._stage)

    def on_event(self, event: Event) -> None:
        """Keep what the user should know."""
        if isinstance(event, Notice):
            self.remark(event.text)

    def remark(self, text: str) -> None:
        """Keep one line of it."""
        self._remarks.append(text)

    def loaded(self, original: Source) -> None:
        """It is decoded."""
        self.sha256, self.shape = original.sha256, original.shape
        self._remarks += original.notes

    @property
    def stage(self) -> str:
        """Where it is: see `Seconds`."""
        return self._stage

    def enter(self, stage: str) -> None:
        """From now on its time goes into another stage: see `Seconds`."""
        now = time.perf_counter()
        self._seconds[WAIT if self._stage == NETWORK else self._stage] += now - self._since
        self._stage, self._since = stage, now
        if stage == WAIT:
            self._activity.end(self._task.output)
        else:
            self._activity.begin(self._task.output, stage, self.shape.pixels)

    def done(self, written: str) -> Outcome:
        """Its result is stored, with this fingerprint."""
        return Outcome(self._record(State.DONE, written=written), work=self.work)

    def found(self, written: str) -> Outcome:
        """Its result was there already, though no record of it."""
        return Outcome(self._record(State.DONE, written=written), kept=True)

    def kept(self) -> Outcome:
        """It is as an earlier run has left it."""
        assert self._task.earlier is not None
        return Outcome(self._task.earlier, kept=True)

    def failed_before(self) -> Outcome:
        """It cannot be made, as an earlier run has found."""
        assert self._task.earlier is not None
        return Outcome(self._task.earlier)

    @contextlib.contextmanager
    def for_good(self) -> Iterator[None]:
        """What is found to be wrong within lies in the file and the settings, and stays so."""
        try:
            yield
        except PictureError as error:
            cause = error.__cause__
            of_machine = isinstance(cause, MemoryError) or getattr(cause, "errno", None) is not None
            self._release = "" if of_machine else __version__
            raise

    def failed(self, error: str, *, again: bool = False, own: bool = True) -> Outcome:
        """It cannot be made, for the time being or at all: see `Outcome`."""
        source = self._task.source
        if source.name not in error:
            error = f"{shown(source)}: {error}"
        record = self._record(State.FAILED, error=" ".join(error.split()))
        return Outcome(record, again=again, own=own)

    def _record(self, state: State, written: str = "", error: str = "") -> Record:
        self.enter(self._stage)
        return Record(
            output=self._task.output,
            source=shown(self._task.source),
            state=state,
            fingerprint=self.fingerprint,
            sha256=self.sha256,
            request=self._task.request,
            written=written,
            width=self.shape.width,
            height=self.shape.height,
            seconds=Seconds(**self._seconds),
            worker=self._worker,
            finished=utc_now(),
            error=error,
            release=self._release,
            note="; ".join(self._remarks),
        )


def utc_now() -> str:
    """The time as it stands in records: `2026-11-22T18:40:02Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
