"""One worker of a cluster, as the driver knows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError

from dreamray.farm.actors import ProcessPlace
from dreamray.farm.patience import Slowest, WorkerWatch
from dreamray.farm.zeromq import Endpoint

_PULSES = 4
"""Signs of life that wait to be heard, at the most."""


@dataclass(eq=False)
class WorkerHandle:
    """One worker, from when it is asked for until it is lost."""

    number: int
    actor: Any
    """Its handle: every call gives refs."""
    placing: Any
    """The ref of where it is, answered when its process is there."""
    introduction: Any
    """The ref of what it computes with, answered when it is ready."""
    pulses: Any
    """Refs of its signs of life, one after the other."""
    watch: WorkerWatch = field(default_factory=WorkerWatch)
    place: ProcessPlace | None = None
    about: Mapping[str, Any] | None = None
    """None while it is not ready."""
    endpoint: Endpoint | None = None
    """Where others reach it; None until it was asked to listen."""

    @property
    def node(self) -> str:
        """Ray's own name of its node; empty while it has none."""
        return self.place.node if self.place else ""

    def find_place(self, now: float) -> None:
        """Take note of where it is. Raises RayError if it died before it could tell."""
        if self.place is None:
            self.place = ray.get(self.placing)
            self.watch.note_place(now)

    def hear(self, now: float, slowest: Slowest) -> Slowest:
        """Take all signs of life that have come, and what they tell of slow work."""
        with contextlib.suppress(RayError, StopIteration):  # Lost: its other answers tell.
            while answered([self.pulses]):
                slowest = self.watch.hear(ray.get(next(self.pulses)), now, slowest)
        return slowest

    def __str__(self) -> str:
        return f"worker {self.number} ({self.place})" if self.place else f"worker {self.number}"


def ask_for_worker(number: int, make: Callable[[], Any], beat: float) -> WorkerHandle:
    """Ask Ray for one more `dreamray.farm.actors.WatchedActor`, which gives signs of life."""
    actor = make()
    # A driver that is busy with something else finds a few of them, and not one of each beat.
    pulse = actor.pulse.options(_generator_backpressure_num_objects=_PULSES)
    return WorkerHandle(
        number, actor, actor.place.remote(), actor.handshake.remote(), pulse.remote(beat)
    )


def answered(refs: list[Any]) -> list[Any]:
    """Those of which the answer is there."""
    return ray.wait(refs, num_returns=len(refs), timeout=0)[0] if refs else []
