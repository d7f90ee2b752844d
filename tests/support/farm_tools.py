"""What workers of a cluster in the tests compute with: they import this by its name."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from typing import Any

from dreamray.base.errors import MemoryExhaustedError
from dreamray.bulk.feeding import Feeding
from dreamray.bulk.record import Record, State
from dreamray.bulk.task import Outcome, Task
from dreamray.engine.activity import Activity
from dreamray.engine.worker import EngineSpec
from tests.support.plain_engine import PlainEngine


@dataclass(frozen=True)
class PlainTools:
    """In place of an `EngineSpec`: an engine in NumPy, as slow and as weak as wanted."""

    layers: tuple[str, ...] = ("mixed0",)
    delay: float = 0.0
    """Seconds of each gradient, beside those of its pixels."""
    pace: float = 0.0
    """Seconds of a million pixels."""
    most_pixels: int = 10**9
    """Windows of more run out of memory."""
    threads: int | None = None
    broken: bool = False
    """Whether it cannot be made."""

    def engine(self) -> Any:
        """The engine."""
        if self.broken:
            raise RuntimeError("no such library")
        return _Engine(self)


@dataclass(frozen=True)
class PlainSpec(EngineSpec):
    """An `EngineSpec` of the engine in NumPy, as slow as a network: see `PlainTools.pace`."""

    pace: float = 0.0

    def engine(self) -> Any:
        return PlainTools(self.dream.layer_names, pace=self.pace).engine()


@dataclass(frozen=True)
class SetTools:
    """In place of `dreamray.bulk.task_runner.TaskRunnerSpec`: pictures that are made in no time.

    What a picture's name says happens: `deadly` ends the process, `broken` fails again and again,
    `slow` takes a second.
    """

    threads: int | None = None
    in_hand: int = 3

    def feeding(self) -> Feeding:
        return Feeding(self.in_hand)

    def runner(self, activity: Activity) -> SetTools:
        return self

    def with_threads(self, threads: int) -> SetTools:
        return replace(self, threads=threads)

    def about(self) -> dict[str, str]:
        return {"device": "none"}

    def make(self, task: Task) -> Outcome:
        if "deadly" in task.output:
            os.kill(os.getpid(), signal.SIGKILL)
        if "slow" in task.output:
            time.sleep(1)
        broken = "broken" in task.output
        record = Record(
            task.output,
            str(task.source),
            State.FAILED if broken else State.DONE,
            worker=str(os.getpid()),
            error="it is broken" if broken else "",
        )
        return Outcome(record, again=broken, own=not broken)


class _Engine(PlainEngine):
    def __init__(self, tools: PlainTools) -> None:
        super().__init__(*tools.layers)
        self._tools = tools

    def gradient(self, window: Any, owned: Any, per_cell: Any) -> Any:
        pixels = window.shape[0] * window.shape[1]
        time.sleep(self._tools.delay + self._tools.pace * pixels / 1e6)
        if pixels > self._tools.most_pixels:
            raise MemoryExhaustedError("memory ran out")
        return super().gradient(window, owned, per_cell)
