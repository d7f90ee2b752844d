"""The workers of a cluster: asked for, used when they are ready, replaced when they are lost."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import ray
from ray.exceptions import RayError

from dreamray.base.errors import DreamrayError
from dreamray.base.messages import Warn
from dreamray.base.watched_time import WatchedTime
from dreamray.engine.lockstep.mailbox import Limits
from dreamray.farm import answers
from dreamray.farm.kinds import Kinds
from dreamray.farm.patience import Patience, Slowest
from dreamray.farm.resources import WorkerResources
from dreamray.farm.worker_handle import WorkerHandle, answered, ask_for_worker
from dreamray.settings.execution import Workers

_log = logging.getLogger(__name__)

GATHERING = 10.0
"""Seconds to wait for more workers, after enough to go on with are ready."""

TELL_AFTER = 30.0
"""Seconds after which it is said that there are not enough workers to begin."""

STARTS = 4
"""How many workers in a row may fail as they start."""

_POLL = 0.05
_DRAIN_POLL = 2.0
"""Seconds between looks: at who is ready, and at which nodes have to leave."""


class WorkerPool:
    """Between `workers.least` and `workers.most` workers, elastic."""

    def __init__(
        self,
        make: Callable[[str | None], Any],
        workers: Workers,
        resources: WorkerResources,
        *,
        wait: float,
        warn: Warn,
        patience: Patience | None = None,
        same_kind: bool = False,
        precision: str = "float32",
    ) -> None:
        """`make` asks Ray for one more `dreamray.farm.actors.WatchedActor`, on a kind of node.

        With `same_kind` all are on nodes with one label of their kind, where nodes have any: that
        of the first one that is ready. `wait` is how many seconds a cluster has to bring up the
        first workers; `warn` is told what the user should know. `patience` is that of the
        environment if it is left out.
        """
        self._make = make
        self._wanted = workers
        self._needs = resources
        self._wait = wait
        self._warn = warn
        self._patience = patience or Patience.from_environment()
        self._kinds = Kinds(pinned=same_kind, precision=precision, warn=warn)
        self._time = WatchedTime(most=2 * self._patience.beat)
        self._slowest = Slowest()
        self._listened = -math.inf
        self._numbers = itertools.count(1)
        self._workers: list[WorkerHandle] = []
        self._draining: frozenset[str] = frozenset()
        self._looked = 0.0
        self._gathered = False
        self._failed_starts = 0
        self._few_since: float | None = None
        self._told_few = False

    @property
    def about(self) -> Mapping[str, Any] | None:
        """What the first worker that was ready computes with."""
        return self._kinds.first

    def scale_up(self) -> None:
        """Ask for as many workers as there may be: those that were lost are replaced."""
        while len(self._workers) < self._wanted.most:
            make = functools.partial(self._make, self._kinds.wanted)
            worker = ask_for_worker(next(self._numbers), make, self._patience.beat)
            self._workers.append(worker)
            _log.info("worker %d is asked for", worker.number)

    def ready(self) -> list[WorkerHandle]:
        """Those that may be given work now, without those whose nodes have to leave.

        Raises DreamrayError if workers fail as they start, again and again.
        """
        starting = {m.introduction: m for m in self._workers if m.about is None}
        if starting:
            self._find_places()
            for ref in answered([*starting]):
                self._welcome(starting[ref])
        self._look_for_drains()
        self._leave_out_others()
        ready = [m for m in self._workers if m.about is not None]
        return [m for m in ready if m.node not in self._draining]

    def end_stalled(self) -> list[WorkerHandle]:
        """Hear whether the workers go on, and strike off those that do not; gives them.

        Call it every second or so while waiting for them. Raises as `ready`.
        """
        now = self._time.look()
        if now - self._listened < min(1.0, self._patience.beat / 2):
            return []
        self._listened = now
        self._look_for_drains()  # It also shows whether the cluster's head still answers.
        self._find_places()
        for worker in self._workers:
            self._slowest = worker.hear(now, self._slowest)
        stalled = []
        for worker in list(self._workers):
            overdue = worker.watch.overdue(self._patience, now, self._slowest)
            if overdue is None:
                continue
            stalled.append(worker)
            self.lose(worker)
            self._warn(f"{worker} {overdue}: it is ended and replaced")
            if worker.about is None:
                self._note_failed_start(f"{worker} {overdue}")
        return stalled

    @property
    def driver_silence(self) -> float:
        """See `Dealing.silence`."""
        return self._patience.driver

    def limits(self, share: int) -> Limits:
        """See `Patience.limits`, by what was seen so far."""
        return self._patience.limits(share, self._slowest)

    def note_given(self, workers: Collection[WorkerHandle]) -> None:
        """These were given something to do: see `end_idle`."""
        now = self._time.look()
        for worker in workers:
            worker.watch.note_given(now)

    def end_idle(self, workers: Collection[WorkerHandle]) -> list[WorkerHandle]:
        """Strike off workers that all wait for what does not come, such as a call that got lost.

        Gives them; none as long as one of them is at work. `end_stalled` sees to the others.
        """
        now = self._time.look()
        idle = min((worker.watch.idle(now) for worker in workers), default=0.0)
        if idle <= self._patience.work:
            return []
        for worker in workers:
            self.lose(worker)
            self._warn(
                f"{worker} waited for {idle:.0f} s (limit {self._patience.work:.0f} s) for what "
                "it was to be given: it is ended and replaced"
            )
        return list(workers)

    def __contains__(self, worker: object) -> bool:
        """Whether it is not lost."""
        return worker in self._workers

    @property
    def coming(self) -> int:
        """How many there may be beside those that were ready."""
        return self._wanted.most - sum(worker.about is not None for worker in self._workers)

    def wait_ready(self) -> list[WorkerHandle]:
        """Wait until there are workers to go on with; the first time for as many as there may be.

        Those whose nodes have to leave are let go. Raises DreamrayError, which says what the
        cluster lacks, if not enough come up in time.
        """
        for worker in self.leaving():
            self.lose(worker)
        first, self._gathered = not self._gathered, True
        least, most = (self._wanted.least, self._wanted.most) if first else (1, 1)
        begun, enough_since, told = time.monotonic(), None, False
        while True:
            self.end_stalled()
            self.scale_up()
            ready, now = self.ready(), time.monotonic()
            if len(ready) >= most:
                break
            if len(ready) >= least:
                enough_since = enough_since or now
                if now - enough_since > GATHERING:
                    break
            elif now - begun > TELL_AFTER and not told:
                told = True
                self._warn(
                    f"{len(ready)} of at least {least} workers are ready; "
                    f"waiting up to {self._wait:.0f} seconds for more"
                )
            if now - begun > self._wait:
                if ready:
                    break
                raise DreamrayError(self._lacking())
            time.sleep(_POLL)
        if first and len(ready) < self._wanted.most:
            self._warn(
                f"{len(ready)} of {self._wanted.most} workers are ready: going on with these, "
                "others join at the next checkpoint"
            )
        return ready

    def check_liveness(self, ready: int) -> None:
        """See that it goes on, for those who do not `wait_ready`; call it every now and then.

        That there are fewer than the least is told once. Raises DreamrayError, which says what
        the cluster lacks, if there was none at all for as long as the cluster has time.
        """
        now = time.monotonic()
        if ready >= self._wanted.least:
            self._few_since = None
            return
        if self._few_since is None:
            self._few_since = now
        if now - self._few_since > TELL_AFTER and not self._told_few:
            self._told_few = True
            going_on = "going on with these" if ready else f"waiting up to {self._wait:.0f} seconds"
            self._warn(f"{ready} of at least {self._wanted.least} workers are ready: {going_on}")
        if not ready and now - self._few_since > self._wait:
            raise DreamrayError(self._lacking())

    def leaving(self) -> list[WorkerHandle]:
        """Workers whose nodes have to leave."""
        return [worker for worker in self._workers if worker.node in self._draining]

    def scale_down(self, workers: Collection[WorkerHandle]) -> None:
        """Let all others go, those that are still to come up too, and ask for no more of them."""
        for worker in [one for one in self._workers if one not in workers]:
            self.lose(worker)
        most = min(self._wanted.most, max(1, len(workers)))
        self._wanted = Workers(min(self._wanted.least, most), most)

    def lose(self, worker: WorkerHandle) -> None:
        """Strike a worker off; whatever is left of it is ended."""
        if worker in self._workers:
            self._workers.remove(worker)
            _log.info("%s on node %s is let go", worker, worker.node or "?")
        ray.kill(worker.actor)

    def has_to_leave(self, worker: WorkerHandle) -> bool:
        """Whether a worker's node is being drained."""
        self._look_for_drains()
        return worker.node in self._draining

    def close(self) -> None:
        """End all workers."""
        for worker in list(self._workers):
            self.lose(worker)

    def _welcome(self, worker: WorkerHandle) -> None:
        try:
            worker.find_place(self._time.look())
            worker.about = ray.get(worker.introduction)
            self._failed_starts = 0
            self._slowest = worker.watch.note_ready(self._time.look(), self._slowest)
            _log.info("%s is ready on node %s", worker, worker.node)
            self._kinds.welcome(worker.node, worker.about)
        except RayError as error:
            self.lose(worker)
            self._note_failed_start(answers.last_line(error))

    def _note_failed_start(self, why: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= STARTS:
            raise DreamrayError(
                f"workers fail as they start: {why}; is the same dreamray installed on all nodes?"
            )

    def _find_places(self) -> None:
        """Note whose processes are there by now."""
        waiting = {worker.placing: worker for worker in self._workers if worker.place is None}
        for ref in answered([*waiting]):
            with contextlib.suppress(RayError):  # Its introduction tells the same.
                waiting[ref].find_place(self._time.look())

    def _leave_out_others(self) -> None:
        """Let those go that came up on nodes of another kind; others are asked for."""
        for worker in list(self._workers):
            if worker.node and self._kinds.is_other(worker.node):
                self._kinds.tell_left_out(worker.node)
                self.lose(worker)

    def _look_for_drains(self) -> None:
        now = time.monotonic()
        if now - self._looked < _DRAIN_POLL:
            return
        self._looked = now
        draining = answers.draining_nodes()
        for node in draining - self._draining:
            _log.info("node %s is about to leave", node)
        self._draining = draining

    def _lacking(self) -> str:
        free, nodes = answers.free_resources(), answers.nodes()
        return (
            f"no worker came up in {self._wait:.0f} seconds: each takes {self._needs}"
            f"{self._kinds.asked_for}, and the "
            f"cluster has {free.get('CPU', 0):g} CPUs and {free.get('GPU', 0):g} GPUs free on "
            f"{len(nodes)} node{'s' * (len(nodes) != 1)}; add nodes, end what else runs there, "
            "or give another --threads, --gpus-per-worker or a longer --wait"
        )
