"""Workers of this process on a clock of its own, whose messages get lost, and who die.

Each worker is a thread, but one of them runs at a time, until it waits. Then the next one goes on
whose message or whose time has come, and where there is none the clock goes to when there is. So
a schedule of faults always plays the same, and minutes of waiting take no time.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dreamray.engine.lockstep.wire import Frame

DELAY = 1e-4
"""Seconds that a message takes."""


@dataclass(frozen=True)
class Fault:
    """What becomes of a message."""

    kind: str = "none"
    """`none`, `drop`, `delay`, `twice`, `flip` (a bit), `cut` or `lengthen` (its last frame)."""
    seconds: float = 0.0
    """Later than it would come; so others may overtake it. A second one comes so much later."""
    where: int = 0
    """The byte that is damaged, from the start."""


class Killed(BaseException):
    """The worker is no more."""


@dataclass
class World:
    """A clock, and who waits for it."""

    faults: Sequence[Fault] = ()
    """Of the messages in the order in which they are sent; those that follow are spared."""
    deaths: Mapping[int, int] = field(default_factory=dict)
    """At which of its waits a worker dies."""
    now: float = 0.0
    sent: int = 0

    def __post_init__(self) -> None:
        self._coming: list[tuple[float, int, int, list[bytes]]] = []
        self._order = itertools.count()
        self._back = threading.Semaphore(0)
        self._running: Link | None = None

    def clock(self) -> float:
        return self.now

    def run(
        self, *workers: Callable[[Link], Any], ended: Callable[[int], None] = lambda me: None
    ) -> list[Any]:
        """What each worker returned, or raised; `ended` is told of each that ends with an error."""
        links = [Link(self, me, self.deaths.get(me)) for me in range(len(workers))]
        for link, work in zip(links, workers, strict=True):
            link.start(work)
        while running := [link for link in links if not link.over]:
            self._deliver(links)
            able = [link for link in running if link.hears or link.wakes <= self.now]
            if not able:
                times = [link.wakes for link in running] + [one[0] for one in self._coming[:1]]
                self.now = max(self.now, min(times))
                continue
            for link in able:
                self._running = link
                link.go.release()
                self._back.acquire()
                if link.over and isinstance(link.outcome, BaseException):
                    ended(link.me)
        return [link.outcome for link in links]

    def spend(self, seconds: float) -> None:
        """Whoever calls it works for so long, and hears nothing meanwhile."""
        assert self._running is not None
        self._running.work(seconds)

    def post(self, to: int, frames: Sequence[Frame]) -> None:
        """A message sets out."""
        copied = [np.frombuffer(frame, np.uint8).tobytes() for frame in frames]
        fault = self.faults[self.sent] if self.sent < len(self.faults) else Fault()
        self.sent += 1
        late = fault.seconds if fault.kind == "delay" else 0.0
        if fault.kind != "drop":
            self._put(to, _damaged(copied, fault), self.now + DELAY + late)
        if fault.kind == "twice":
            self._put(to, copied, self.now + DELAY + fault.seconds)

    def _put(self, to: int, frames: list[bytes], at: float) -> None:
        heapq.heappush(self._coming, (at, next(self._order), to, frames))

    def _deliver(self, links: Sequence[Link]) -> None:
        while self._coming and self._coming[0][0] <= self.now:
            _, _, to, frames = heapq.heappop(self._coming)
            links[to].inbox.append(frames)


class Link:
    """A worker's transport: see `dreamray.engine.lockstep.transport.Transport`."""

    def __init__(self, world: World, me: int, dies: int | None) -> None:
        self.me = me
        self.inbox: deque[list[bytes]] = deque()
        self.wakes = 0.0
        self.go = threading.Semaphore(0)
        self.over = False
        self._works = False
        self.outcome: Any = None
        self.cut: dict[int, float] = {}
        """Those who cannot be reached, with since when."""
        self._world = world
        self._dies = dies

    @property
    def hears(self) -> bool:
        """Whether something has come that it waits for."""
        return bool(self.inbox) and not self._works

    def work(self, seconds: float) -> None:
        """Hear nothing for so long."""
        self._works = True
        self._wait(seconds)
        self._works = False

    def start(self, work: Callable[[Link], Any]) -> None:
        def live() -> None:
            self.go.acquire()
            try:
                self.outcome = work(self)
            except BaseException as error:
                self.outcome = error
            self.over = True
            self._world._back.release()

        threading.Thread(target=live, daemon=True).start()

    def send(self, to: int, frames: Sequence[Frame]) -> None:
        self._world.post(to, frames)

    def receive(self, seconds: float) -> list[bytes] | None:
        if self._dies is not None:
            self._dies -= 1
            if self._dies < 0:
                raise Killed
        if not self.inbox and seconds > 0:
            self._wait(seconds)
        return self.inbox.popleft() if self.inbox else None

    def _wait(self, seconds: float) -> None:
        self.wakes = self._world.now + seconds
        self._world._back.release()
        self.go.acquire()

    def unreachable(self) -> Mapping[int, float]:
        return {peer: self._world.now - since for peer, since in self.cut.items()}


def _damaged(frames: list[bytes], fault: Fault) -> list[bytes]:
    if fault.kind == "flip":
        at = fault.where % sum(map(len, frames))
        for number, frame in enumerate(frames):
            if at < len(frame):
                changed = bytes([frame[at] ^ 1 << fault.where % 8])
                return [
                    *frames[:number],
                    frame[:at] + changed + frame[at + 1 :],
                    *frames[number + 1 :],
                ]
            at -= len(frame)
    if fault.kind == "cut":
        return [*frames[:-1], frames[-1][:-4]]
    if fault.kind == "lengthen":
        return [*frames[:-1], frames[-1] + bytes(4)]
    return frames
