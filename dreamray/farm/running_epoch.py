"""An octave that workers make by themselves, as the driver sees it.

It hears of each step from one of them, looks after all every second, and tells the one that
leads that it is there, and whether somebody has to leave or wants to join. Nothing is decided
while it does not. When one is lost, the others abandon the epoch.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import ray
from ray.exceptions import RayError

from dreamray.base.messages import Warn
from dreamray.engine.ascent import Step, StepMeasure, Stored, Wish
from dreamray.farm.supervisor import LOOK_EVERY, Supervisor, some_lost
from dreamray.farm.worker_handle import WorkerHandle, answered


@dataclass
class RunningEpoch:
    """From when tiles are dealt until all have ended."""

    number: int
    dealing: Any
    """The ref of the `Dealing`."""
    workers: list[WorkerHandle]
    """The first one leads."""
    supervisor: Supervisor
    warn: Warn
    told: Wish = Wish.GO_ON
    """What the one that leads was told to do."""

    def dream(self, wish: Callable[[], Wish]) -> Generator[Step | Stored, None, None]:
        """Have them dream the octave; what happens, as it happens. `wish` is asked every second.

        Raises what `Supervisor.answers` does; all have ended then.
        """
        leader, *others = self.workers
        self._go_on()
        stream = leader.actor.lead.remote(self.dealing)
        follow = [one.actor.follow.remote(self.dealing, me) for me, one in enumerate(others, 1)]
        calls = [stream.completed(), *follow]
        with self._abandoned_on_error():
            last = yield from self._hear(stream, calls, wish)
            # That the others have stored their tiles, too, their calls tell.
            self._settle(calls)
        if last is not None:
            yield last

    def measure(self) -> StepMeasure:
        """Have them compute one gradient. Raises as `dream`."""
        self._go_on()
        calls = [one.actor.measure.remote(self.dealing, me) for me, one in enumerate(self.workers)]
        with self._abandoned_on_error():
            found: StepMeasure = self._settle(calls)[0]
        return found

    def _hear(
        self, stream: Any, calls: list[Any], wish: Callable[[], Wish]
    ) -> Generator[Step | Stored, None, Stored | None]:
        """What the leader tells but for the last, which is returned."""
        looked = time.monotonic()
        while True:
            if ray.wait([stream], timeout=LOOK_EVERY)[0]:
                try:
                    event: Step | Stored = ray.get(next(stream))
                except StopIteration:
                    return None
                except RayError:
                    self._fail(calls)
                if isinstance(event, Stored) and event.last:
                    return event
                yield event
            if time.monotonic() - looked > LOOK_EVERY:
                looked = time.monotonic()
                if (asked := wish()) > self.told:
                    self.told = asked
                    if asked == Wish.LEAVE:
                        self.warn("a node is about to leave: going on without it")
                self._look_after(calls)

    def _settle(self, calls: list[Any]) -> list[Any]:
        """What the calls give, when all have ended."""
        pending = calls
        while pending:
            _, pending = ray.wait(pending, num_returns=len(pending), timeout=LOOK_EVERY)
            self._look_after(calls)
        return list(ray.get(calls))

    def _look_after(self, calls: list[Any]) -> None:
        """Let all go on, and see that they do."""
        self._go_on()
        if self.supervisor.end_lost(self.workers) or any(map(_failed, answered(calls))):
            self._fail(calls)

    def _go_on(self) -> None:
        self.workers[0].actor.go_on.remote(self.number, self.told)

    def _fail(self, calls: list[Any]) -> NoReturn:
        """Somebody does not go on: all end, and what it was is raised."""
        self._abandon()
        self.supervisor.answers(calls, self.workers)
        raise some_lost(0, len(self.workers))

    @contextlib.contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        """Whatever ends it before its end, an interruption too, ends it for all."""
        try:
            yield
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Let all end as soon as they wait for something; those that are gone do not hear it."""
        for worker in self.workers:
            worker.actor.abandon.remote(self.number)


def _failed(ref: Any) -> bool:
    """Whether an answered call has ended with an error."""
    try:
        ray.get(ref)
    except RayError:
        return True
    return False
