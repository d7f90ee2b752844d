"""One process that makes the pictures of a set: several at a time, each in a thread of its own.

While one is dreamt others are fetched and decoded, encoded and stored, so that the dreaming
waits for neither. Each picture is brought in, dreamt and put out by the very functions that
`dreamray render` uses, and its bytes are the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from dreamray.base.errors import (
    ChangedError,
    DreamrayError,
    NotFoundError,
    PictureError,
    RequestError,
    UnreadableError,
)
from dreamray.base.geometry import Shape
from dreamray.base.messages import shown
from dreamray.bulk.digests import DIGEST_KEY, result_digest
from dreamray.bulk.existing import check_free, check_places, fails_again, is_right, is_unchanged
from dreamray.bulk.feeding import Feeding
from dreamray.bulk.task import NETWORK, WAIT, Outcome, OutcomeBuilder, Task
from dreamray.engine.activity import Activity, WatchedObjective
from dreamray.engine.batching import SharedObjective, StoppedError
from dreamray.engine.interfaces import BatchObjective, Engine
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.pictures.encoding import check_output, output_format
from dreamray.pictures.export import export
from dreamray.pictures.ingest import Source, file_shape, ingest_file
from dreamray.plan.memory_model import window_pixels
from dreamray.plan.octaves import plan_octaves
from dreamray.plan.planner import beside, budget_of
from dreamray.raster.lazy import LazyRaster, NormalizedRaster
from dreamray.raster.mask import Masks
from dreamray.raster.pixels import HELD_PIXELS
from dreamray.render.checkpoint import CheckpointStore
from dreamray.render.guide import open_guide
from dreamray.render.named_pictures import open_masks
from dreamray.render.provenance import describe, extras_of
from dreamray.render.renderer import Renderer
from dreamray.render.result import DreamtPixels
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import Folder, LocalFolder, MemoryFolder
from dreamray.storage.temporary import scratch_folder

_MOST_NETWORKS = 2
"""Kept at a time, where pictures have layers of their own."""

AHEAD = 3
"""Pictures that are loaded or stored, beside those that are dreamt."""


@dataclass(frozen=True)
class TaskRunnerSpec:
    """What the pictures of a set are made with."""

    spec: EngineSpec
    execution: Execution
    batch: int = 1
    """Pictures that are dreamt at a time, at the most."""
    named: Mapping[str, bytes] = field(default_factory=dict)
    """The pictures that the dream names, by their digests: see `read_pictures`."""
    padded: bool = False
    """Whether they are computed as one array of `batch` pictures."""

    def runner(self, activity: Activity | None = None) -> TaskRunner:
        """The means of one process, which tells what it is at."""
        return TaskRunner(
            self.spec, self.execution, self.batch, activity, self.named, padded=self.padded
        )

    def with_threads(self, threads: int) -> TaskRunnerSpec:
        """The same with so many processors."""
        return dataclasses.replace(self, spec=dataclasses.replace(self.spec, threads=threads))

    @property
    def threads(self) -> int | None:
        """Processors of each process."""
        return self.spec.threads

    def feeding(self) -> Feeding:
        """How many tasks a process has at a time."""
        dreaming = dreams_at_a_time(self.batch, padded=self.padded)
        return Feeding(dreaming + AHEAD, dreaming)


def dreams_at_a_time(batch: int, *, padded: bool) -> int:
    """Pictures that take part in dreaming: twice a padded batch, else places of it stay empty."""
    return 2 * batch if padded else batch


class PixelSemaphore:
    """Room for so many pixels that are held at a time; those who come first go first."""

    def __init__(self, pixels: int) -> None:
        self._pixels = self._free = pixels
        self._changed = threading.Condition()
        self._queue: list[object] = []

    @contextlib.contextmanager
    def acquire(self, pixels: int) -> Iterator[None]:
        """Wait until there is room; what needs more than all gets all."""
        pixels, me = min(pixels, self._pixels), object()
        with self._changed:
            self._queue.append(me)
            self._changed.wait_for(lambda: self._queue[0] is me and self._free >= pixels)
            self._queue.pop(0)
            self._free -= pixels
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


class _Network(NamedTuple):
    """A network that the threads of this process share."""

    objective: SharedObjective[Any]
    engine: Engine[Any]
    """With that objective."""
    bare: Engine[Any]
    """That for one thread, which it is around."""

    @classmethod
    def shared(cls, bare: Engine[Any], batch: int, pixels: float, padded: bool) -> _Network:
        """Around an engine for one thread; see `SharedObjective`."""
        one = cast(BatchObjective[Any], bare.objective)
        objective = SharedObjective(one, batch, pixels, padded=padded)
        return cls(objective, Engine(objective, bare.arrays), bare)

    def aimed_at(self, dream: Dream) -> Engine[Any] | None:
        """The engine of another dream, if it is of nothing but other channels."""
        objective = cast(BatchObjective[Any], self.bare.objective).aimed_at(dream.terms)
        return None if objective is None else Engine(objective, self.bare.arrays)


class TaskRunner:
    """Makes pictures, for as many threads as call `make` at a time."""

    def __init__(
        self,
        spec: EngineSpec,
        execution: Execution,
        batch: int,
        activity: Activity | None = None,
        named: Mapping[str, bytes] = {},
        *,
        padded: bool = False,
    ) -> None:
        """`batch` pictures at the most are dreamt at a time: see `SharedObjective` for `padded`.

        `named` are those of a dream's.

        The network is loaded for the first dream: a set may have nothing but broken pictures.
        """
        self._spec = spec
        self._execution = execution
        self._batch = batch
        self._padded = padded
        self._named = named
        self._activity = activity or Activity()
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._networks: dict[tuple[object, ...], _Network] = {}
        self._in_use: weakref.WeakSet[SharedObjective[Any]] = weakref.WeakSet()
        """Also those that had to go, while a picture still needs them."""
        self._loading = threading.Lock()
        self._dreaming = threading.Semaphore(dreams_at_a_time(batch, padded=padded))
        self._held_pixels = PixelSemaphore(HELD_PIXELS)
        self._stopped = False

    def about(self) -> Mapping[str, Any]:
        """The device, threads and TensorFlow that this process computes with; loads the network."""
        return self._about(self._network(self._spec.dream))

    def _about(self, network: _Network) -> Mapping[str, Any]:
        about = Worker(network.engine).about()
        return {**about, "batch": self._batch} if self._padded else about

    def stop(self) -> None:
        """Let all calls of `make` end soon, with StoppedError unless they are storing."""
        with self._loading:
            self._stopped = True
            for objective in self._in_use:
                objective.cancel()

    def make(self, task: Task) -> Outcome:
        """Make one picture; everything that can go wrong with it is told in the record.

        Raises StoppedError after `stop`.
        """
        builder = OutcomeBuilder(task, self._name, self._activity)
        try:
            return self._make(task, builder)
        except StoppedError:
            raise
        except ChangedError as error:
            return builder.failed(str(error), again=True)
        except (PictureError, NotFoundError) as error:
            return builder.failed(str(error))
        except RequestError as error:
            return builder.failed(str(error), own=False)
        except DreamrayError as error:
            return builder.failed(str(error), again=True, own=False)
        except Exception as error:  # One picture's surprise must not end the run.
            # What decodes it fails for what it is, but for a lack of memory or a disk that fails.
            own = builder.stage == "load" and not isinstance(error, OSError | MemoryError)
            return builder.failed(f"{type(error).__name__}: {error}", again=True, own=own)
        finally:
            self._activity.end(task.output)

    def _make(self, task: Task, builder: OutcomeBuilder) -> Outcome:
        check_places(task)
        with _as_its_own():
            builder.fingerprint = task.source.fingerprint()
        if is_unchanged(task, builder.fingerprint):
            return builder.kept()
        if fails_again(task, builder.fingerprint):
            return builder.failed_before()
        with contextlib.ExitStack() as held:
            with _as_its_own(), task.source.as_local_file() as path:
                name = shown(task.source.name)
                with builder.for_good():
                    builder.shape = file_shape(path, name)
                    self._check_plan(task.dream, builder.shape.within(task.dream.size))
                pixels = builder.shape.pixels
                builder.enter(WAIT)
                held.enter_context(
                    self._held_pixels.acquire(pixels * (1 + len(task.dream.named_masks)))
                )
                builder.enter("load")
                folder = held.enter_context(_work_folder(pixels))
                with builder.for_good():
                    original = ingest_file(path, name, builder.fingerprint, folder, task.dream.size)
            builder.loaded(original)
            digest = result_digest(task.request, original.sha256)
            if task.there and not task.overwrite and is_right(task, digest):
                return builder.found(task.target.fingerprint())
            format = output_format(task.target.name)
            with builder.for_good():
                check_output(format, original.shape.width, original.shape.height)
            opened = self._open_masks(task.dream, original.shape, folder, builder)
            builder.enter(WAIT)
            store = CheckpointStore(folder, {})
            dreamt, metadata = self._dream(task, original, digest, store, builder, opened)
            builder.enter("store")
            if task.thumbnails is not None:  # Before the result: it is complete with them.
                before = NormalizedRaster(original.colour)
                try:
                    task.thumbnails.write(before, dreamt, original.icc_profile)
                except DreamrayError as error:
                    builder.remark(f"no thumbnails: {error}")
            extras = extras_of(original, self._execution)
            object_metadata = {DIGEST_KEY: digest}
            export(
                DreamtPixels(dreamt, original),
                extras,
                task.target,
                format,
                metadata,
                object_metadata=object_metadata,
                check=lambda: check_free(task),
            )
            return builder.done(task.target.fingerprint())

    def _check_plan(self, dream: Dream, shape: Shape) -> None:
        """Raise PictureError for a picture that is too small, before the network is loaded."""
        self._spec.weights.check_reaches(dream.layer_names)
        plan_octaves(shape, dream)

    def _open_masks(
        self, dream: Dream, picture: Shape, folder: Folder, builder: OutcomeBuilder
    ) -> Masks:
        with _as_its_own(RequestError):
            return open_masks(dream, picture, folder, builder.remark, self._named)

    def _dream(
        self,
        task: Task,
        original: Source,
        digest: str,
        store: CheckpointStore,
        builder: OutcomeBuilder,
        masks: Masks,
    ) -> tuple[LazyRaster, dict[str, Any]]:
        """The dream, which lies in the store's folder, and what the result's metadata say."""
        with self._dreaming:
            builder.enter(NETWORK)
            network = self._network(task.dream)
            builder.enter("dream")
            placed = network.objective.at(int(digest[:8], 16))
            watched = WatchedObjective(placed, self._activity, task.output)
            renderer = Renderer(
                task.dream,
                self._execution,
                builder.on_event,
                weights=self._spec.weights,
                executor=LocalTileExecutor(Worker(Engine(watched, network.engine.arrays))),
            )
            plan = renderer.plan(original.shape)
            with network.objective.taking_part():
                picture = NormalizedRaster(original.colour)
                dreamt = renderer.dream_raster(picture, plan, store, masks=masks)
        pixels = sum(stage.shape.pixels for stage in plan.stages)
        builder.work = pixels * task.dream.iterations
        return dreamt, describe(renderer, original.sha256, plan, self._about(network), task.source)

    def _network(self, dream: Dream) -> _Network:
        """The network for a dream's layers, loaded when it is first asked for."""
        key = dream.engine_key
        with self._loading:
            if self._stopped:
                raise StoppedError("stopped")
            if key not in self._networks:
                bare = self._aimed_at(dream)
                while len(self._networks) >= _MOST_NETWORKS:
                    del self._networks[next(iter(self._networks))]
                if bare is None:
                    with _as_its_own(RequestError):
                        guide = open_guide(dream, self._named)
                    spec = dataclasses.replace(self._spec, dream=dream, guide=guide)
                    bare = spec.engine()
                pixels = window_pixels(
                    budget_of(self._execution),
                    dream.layer_names,
                    self._execution.precision,
                    *beside(dream),
                )
                self._networks[key] = _Network.shared(bare, self._batch, pixels, self._padded)
                self._in_use.add(self._networks[key].objective)
            self._networks[key] = self._networks.pop(key)  # The last one is the last to go.
            return self._networks[key]

    def _aimed_at(self, dream: Dream) -> Engine[Any] | None:
        """With the graph of an earlier dream; None where that is another one."""
        found = (network.aimed_at(dream) for network in self._networks.values())
        return next((engine for engine in found if engine is not None), None)


@contextlib.contextmanager
def _as_its_own(kind: type[DreamrayError] = UnreadableError) -> Iterator[None]:
    """Tell that a source may not be read as what it is, its own failure; or what else is of a kind.

    That of a result which may not be read is the destination's.
    """
    try:
        yield
    except kind as error:
        raise PictureError(str(error)) from None


@contextlib.contextmanager
def _work_folder(pixels: int) -> Iterator[Folder]:
    """A folder for the meantime: in memory, or on disk for what does not fit there."""
    if pixels <= HELD_PIXELS:
        yield MemoryFolder()
        return
    with scratch_folder() as path:
        yield LocalFolder(path)
