"""The process of a worker on a cluster."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import ray

from dreamray.base.errors import RequestError
from dreamray.engine.activity import Activity, Pulse, WatchedObjective
from dreamray.engine.ascent import Step, StepMeasure, Stored, Wish
from dreamray.engine.blending import TileTask
from dreamray.engine.interfaces import Engine
from dreamray.engine.lockstep.mailbox import AbandonedError, Mailbox
from dreamray.engine.lockstep.member import Member, Place
from dreamray.engine.lockstep.transport import Alone, Transport
from dreamray.engine.lockstep.tree import ROOT
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.farm.answers import put
from dreamray.farm.dealing import Dealing
from dreamray.farm.kinds import KIND
from dreamray.farm.resources import WorkerResources
from dreamray.farm.zeromq import VARIABLE, Endpoint, Exchange, RunKeys, ports_of_machine
from dreamray.settings.execution import Ports

PULSE = "pulse"
"""The concurrency group of Ray's in which a worker tells that it lives, whatever else it does."""


CONTROL = "control"
"""The one in which it is told what concerns the octave that it is making."""


class Word(NamedTuple):
    """What the driver has said last."""

    epoch: int
    wish: Wish
    heard: float
    """By `time.monotonic`."""


class ProcessPlace(NamedTuple):
    """Where the process of a worker is."""

    node: str
    """Ray's own name of it."""
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}"


class WatchedActor:
    """What the pool needs of a worker to see whether it goes on."""

    def __init__(self) -> None:
        self.activity = Activity()

    def place(self) -> ProcessPlace:
        """Answered as soon as the process is there."""
        node = str(ray.get_runtime_context().get_node_id())
        return ProcessPlace(node, socket.gethostname(), os.getpid())

    @ray.method(concurrency_group=PULSE)
    def pulse(self, every: float) -> Iterator[Pulse]:
        """A sign of life every so many seconds, for as long as it lives."""
        while True:
            yield self.activity.pulse()
            time.sleep(every)


class NodeWorker(WatchedActor):
    """A worker of single pictures: it makes octaves by itself, with others of its kind."""

    def __init__(self, spec: EngineSpec) -> None:
        """Nothing is loaded yet: see `handshake`."""
        super().__init__()
        prepare(spec.threads)
        self._spec = spec
        self._exchange: Exchange | None = None
        self._abandoned = 0
        """The last epoch that was."""
        self._word = Word(0, Wish.GO_ON, 0.0)

    def handshake(self) -> Mapping[str, Any]:
        """What it computes with; answered when that is loaded."""
        engine = self._spec.engine()
        watched = WatchedObjective(engine.objective, self.activity, "")
        self._worker: Worker[Any] = Worker(Engine(watched, engine.arrays), self.activity)
        del self._spec  # And with it the weights.
        return self._worker.about()

    def listen(self, keys: RunKeys, ports: Ports | None) -> Endpoint | str:
        """Where the others reach it from now on, or why they cannot."""
        if self._exchange is None:
            named = "--exchange-ports" if ports else VARIABLE
            try:
                self._exchange = Exchange(keys, _node(), ports or ports_of_machine(), named)
            except RequestError as error:
                return str(error)
        return self._exchange.endpoint

    def lead(self, dealing: Dealing) -> Iterator[Step | Stored]:
        """Make an octave as the root of all, and tell what happens: see `Member.ascend`."""
        with self._joined(dealing, ROOT) as member:
            yield from member.ascend()

    def follow(self, dealing: Dealing, me: int) -> None:
        """Make an octave in step with the root."""
        with self._joined(dealing, me) as member:
            for _ in member.ascend():
                pass

    def measure(self, dealing: Dealing, me: int) -> StepMeasure | None:
        """See `Member.measure`."""
        with self._joined(dealing, me) as member:
            return member.measure()

    @ray.method(concurrency_group=CONTROL)
    def abandon(self, epoch: int) -> None:
        """Have this epoch end, and those before it, as soon as it waits for something."""
        self._abandoned = max(epoch, self._abandoned)

    @ray.method(concurrency_group=CONTROL)
    def go_on(self, epoch: int, wish: Wish) -> None:
        """Let the root of an epoch decide so when it can; the driver is there, and its lease held.

        It decides nothing without such a word every few seconds: see `Dealing.silence`.
        """
        self._word = Word(epoch, wish, time.monotonic())

    def dream_tile(self, task: TileTask) -> int:
        """See `Worker.dream_tile`."""
        with self.activity.doing("", "tile", task.window.pixels):
            return self._worker.dream_tile(task)

    @contextlib.contextmanager
    def _joined(self, dealing: Dealing, me: int) -> Iterator[Member[Any]]:
        octave, epoch = dealing.octave, dealing.epoch.number
        if self._abandoned >= epoch:
            raise AbandonedError("the epoch was abandoned")
        if octave.scratch is not None and not octave.scratch.parent.is_dir():
            raise RequestError(
                f"the work folder {octave.scratch.parent} is not on node "
                f"{_node()}: give --work a folder that all nodes share, "
                "or an s3:// URI"
            )
        with contextlib.ExitStack() as closing:
            transport: Transport = Alone()
            if dealing.endpoints:
                assert self._exchange is not None
                link = self._exchange.connect(dealing.endpoints)
                transport = closing.enter_context(contextlib.closing(link))
            mailbox = Mailbox(
                transport,
                me,
                dealing.epoch,
                dealing.limits,
                abandoned=lambda: self._abandoned >= epoch,
            )
            place = Place(dealing.owners, me, mailbox)
            yield self._worker.join(octave, place, lambda: self._wish(dealing))

    def _wish(self, dealing: Dealing) -> Wish:
        """What the driver wishes, waited for while nothing is heard of it."""
        epoch, begun = dealing.epoch.number, time.monotonic()
        while (now := time.monotonic()) - begun < dealing.limits.message:
            if self._abandoned >= epoch:
                break
            word = self._word
            if word.epoch == epoch and now - word.heard < dealing.silence:
                return word.wish
            time.sleep(dealing.limits.look)
        raise AbandonedError("the epoch was abandoned")


def worker_maker(spec: EngineSpec, resources: WorkerResources) -> Callable[[str | None], Any]:
    """Makes workers of single pictures; they share one copy of the weights on each node."""
    return actor_maker(NodeWorker, spec, resources, groups=(PULSE, CONTROL))


def actor_maker(
    kind: type,
    spec: Any,
    resources: WorkerResources,
    groups: Sequence[str] = (PULSE,),
    **more: Any,
) -> Callable[[str | None], Any]:
    """Makes actors of a `WatchedActor` that takes `spec`, with `more` of Ray's options.

    `groups` are those of concurrent calls, beside its work. Each is on a node with that label of
    its kind, or on any.
    """
    make: Any = ray.remote(  # type: ignore[call-overload]
        num_cpus=resources.cpus,
        num_gpus=resources.gpus,
        max_restarts=0,  # A new process would not have the tiles: the pool asks for another one.
        max_task_retries=0,
        concurrency_groups=dict.fromkeys(groups, 1),
        **more,
    )
    remote, shared = make(kind), put(spec)

    def ask(label: str | None) -> Any:
        placed = remote if label is None else remote.options(label_selector={KIND: label})
        return placed.remote(shared)

    return ask


def prepare(threads: int | None) -> None:
    """Undo what Ray sets for processes that do not dream, before TensorFlow is imported."""
    from dreamray.model.device import keep_freed_memory

    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray would let it see all of the node's.
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Ray sets it to 1.
    keep_freed_memory()


def _node() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
