"""Workers are asked, and looked after while they are at it: who does not go on is ended."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import (
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
)

from dreamray.base.errors import DreamrayError, MemoryExhaustedError
from dreamray.base.messages import Warn
from dreamray.engine.lockstep.mailbox import AbandonedError, PeerLostError
from dreamray.engine.tile_executor import WorkersLostError
from dreamray.farm.metrics import Metrics
from dreamray.farm.pool import WorkerPool
from dreamray.farm.worker_handle import WorkerHandle

LOOK_EVERY = 1.0
"""Seconds between looks at whether the workers go on."""


class Supervisor:
    """Sees to it that no answer is waited for without a limit."""

    def __init__(self, pool: WorkerPool, metrics: Metrics, warn: Warn) -> None:
        self._pool = pool
        self._metrics = metrics
        self._warn = warn

    def end_lost(self, workers: Sequence[WorkerHandle]) -> list[WorkerHandle]:
        """End those that do not go on, and all of these if all wait for what does not come.

        Gives those of `workers` that were ended; call it every `LOOK_EVERY` seconds.
        """
        stalled = self._pool.end_stalled()
        idle = [] if stalled else self._pool.end_idle(workers)
        self._metrics.lost(len(stalled) + len(idle))
        return [worker for worker in [*stalled, *idle] if worker in workers]

    def lose(self, workers: Iterable[WorkerHandle]) -> None:
        """Strike off workers that are gone."""
        for worker in workers:
            self._metrics.lost(worker in self._pool)
            self._pool.lose(worker)

    def answers(self, refs: Sequence[Any], workers: Sequence[WorkerHandle]) -> list[Any]:
        """What each of the workers answers.

        Raises WorkersLostError if one is gone or does not go on, and before that what one raised,
        MemoryExhaustedError first. All have ended then, or are struck off.
        """
        ended = self._wait(refs, workers)
        try:
            return list(ray.get(list(refs)))
        except RayError:
            pass
        lost = {worker.number: worker for worker in ended}
        accused: dict[int, list[tuple[WorkerHandle, PeerLostError]]] = {}
        errors: list[Exception] = []
        for ref, worker in zip(refs, workers, strict=True):
            try:
                ray.get(ref)
            except RayTaskError as error:
                cause = error.cause
                if isinstance(cause, PeerLostError):
                    for number in cause.peers:
                        accused.setdefault(number, []).append((worker, cause))
                elif not isinstance(cause, AbandonedError) and not _is_of_ray(error):
                    errors.append(raised_by(error))
            except RayActorError as error:
                lost[worker.number] = worker
                if is_out_of_memory(error):
                    errors.append(MemoryExhaustedError("a worker was ended for its memory"))
            except RayError:
                continue
        for peer, (by, why) in guilty(accused, workers, lost):
            self._warn(
                f"{peer}: {by} says that {why}; it is ended and replaced. Where that comes again, "
                "see that the nodes reach each other's ports (--exchange-ports)"
            )
            lost[peer.number] = peer
        self.lose(lost.values())
        if errors:
            raise min(errors, key=lambda one: not isinstance(one, MemoryExhaustedError))
        raise some_lost(len(lost), len(workers))

    def _wait(self, refs: Sequence[Any], workers: Sequence[WorkerHandle]) -> list[WorkerHandle]:
        """Until all are answered; those that did not go on meanwhile, which are ended."""
        pending, ended = list(refs), []
        self._pool.note_given(workers)
        while pending:
            _, pending = ray.wait(pending, num_returns=len(pending), timeout=LOOK_EVERY)
            if pending:
                ended += self.end_lost(workers)
        return ended


def guilty(
    accused: Mapping[int, Sequence[tuple[WorkerHandle, PeerLostError]]],
    workers: Sequence[WorkerHandle],
    lost: Container[int],
) -> Iterator[tuple[WorkerHandle, tuple[WorkerHandle, PeerLostError]]]:
    """Whom workers say they do not reach, each with one who says so.

    `accused` has the number in `workers` of each; `lost` the names of those that are gone, who
    are the reason by themselves. A worker that is cut off says so of others: where somebody whom
    nobody accuses accuses, the word of the accused does not count.
    """
    free = {
        number: [one for one in by if workers.index(one[0]) not in accused]
        for number, by in accused.items()
    }
    believed = {n: by for n, by in free.items() if by} or accused
    for number, by in believed.items():
        if workers[number].number not in lost:
            yield workers[number], by[0]


def some_lost(lost: int, workers: int) -> WorkersLostError:
    """The error that says how many."""
    return WorkersLostError(f"{lost or 'some'} of {workers} workers got lost")


def raised_by(error: RayTaskError) -> Exception:
    """What a worker raised: as it was, if it is for the user."""
    cause = error.cause
    return cause if isinstance(cause, DreamrayError) else error


def is_out_of_memory(error: Exception) -> bool:
    """Whether Ray ended a process because the node's memory was used up."""
    if isinstance(error, OutOfMemoryError):
        return True
    return any(sign in str(error) for sign in ("NODE_OUT_OF_MEMORY", "low on memory"))


def _is_of_ray(error: RayTaskError) -> bool:
    """Whether it is that something of a call was lost with another process."""
    return isinstance(error, RayActorError | ObjectLostError)
