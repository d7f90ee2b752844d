"""Dreams of arrays, of views and of picture files, for any crew."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from dreamray import pictures
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.engine.events import Listener, Notice, ignore
from dreamray.engine.tile_executor import LocalTileExecutor, TileExecutor
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights
from dreamray.pictures import Picture
from dreamray.plan.planner import PicturePlan, Planner
from dreamray.raster.lazy import ArrayRaster, LazyRaster, read
from dreamray.render.checkpoint import CheckpointStore
from dreamray.render.default_layers import settle_layers
from dreamray.render.octave_loop import OctaveLoop
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import Folder, LocalFolder, MemoryFolder, locate


class Renderer:
    """Dreams pictures of any size with one dream's settings, its crew got together once.

    Close it, or use it as a context manager, where workers of a cluster are to be let go.
    """

    def __init__(
        self,
        dream: Dream,
        execution: Execution,
        on_event: Listener = ignore,
        *,
        loaded: Weights | None = None,
        executor: TileExecutor | None = None,
    ) -> None:
        """`loaded` are weights to use in place of loading those that `execution` names.

        `executor` dreams in place of one that is got together for the execution.
        """
        self._asked = dream
        self.execution = execution
        self._on_event = on_event
        self._weights = loaded
        self._executor = executor
        self._lender: Renderer | None = None
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the crew go, if it is this dreamer's own."""
        self._executor = None
        self._closing.close()

    def with_dream(self, dream: Dream) -> Renderer:
        """A dreamer of another dream, with the same weights and, if it can be, the same crew."""
        other = Renderer(dream, self.execution, self._on_event, loaded=self.weights)
        if other.dream.layers == self.dream.layers:
            other._lender = self
        elif self.execution.on_ray:
            self.close()  # Its workers would keep the room that the other's need.
        return other

    def plan(self, shape: Shape) -> PicturePlan:
        """The plan of a picture; see `Planner.plan`."""
        return self.planner.plan(shape)

    @property
    def weights(self) -> Weights:
        """The weights, loaded when they are first asked for."""
        if self._weights is None:
            self._weights = loader.load(self.execution.weights, warn=self._warn)
        return self._weights

    @functools.cached_property
    def dream(self) -> Dream:
        """The dream with its layers settled, for which the weights are loaded.

        Raises WeightsError if they cannot be had, or do not reach the layers.
        """
        return settle_layers(self._asked, self.weights, self._warn)

    @functools.cached_property
    def planner(self) -> Planner:
        """Plans the pictures of this dreamer."""
        return Planner(self.dream, self.execution)

    def load(self) -> None:
        """Load the weights, and settle the layers by them, before any work; raises as `dream`."""
        _ = self.dream

    def executor(self, plan: PicturePlan) -> TileExecutor:
        """Those who dream, got together when they are first asked for.

        TensorFlow or Ray are imported here, after everything that can be wrong with a request.
        """
        if self._lender is not None:
            return self._lender.executor(plan)
        if self._executor is None:
            spec = EngineSpec(
                self.dream, self.weights, self.execution.precision, self.execution.threads
            )
            if self.execution.on_ray:
                from dreamray.farm import ray_tile_executor

                most = max(len(stage.tiles.tiles) for stage in plan.stages)
                farm = ray_tile_executor(spec, self.execution, most, self._on_event)
                self._executor = self._closing.enter_context(farm)
            else:
                self._executor = LocalTileExecutor(Worker(spec.engine()))
        return self._executor

    def run(self, image: Raster, plan: PicturePlan | None = None) -> Raster:
        """The dream of an image, float32 [height, width, 3] in -1 to 1; may exceed that range.

        Raises PictureError if the image is too small, MemoryExhaustedError if even the
        smallest tiles do not fit into memory.
        """
        shape = Shape(*image.shape[:2])
        with self._passing_folder() as folder:
            dreamt = self.dream_raster(
                ArrayRaster(image), plan or self.plan(shape), CheckpointStore(folder, {})
            )
            return read(dreamt, Region.whole(shape))

    def dream_raster(
        self,
        original: LazyRaster,
        plan: PicturePlan,
        store: CheckpointStore,
        on_event: Listener | None = None,
    ) -> LazyRaster:
        """The dream of a view, from a job's checkpoint on; it can be read while the job is there.

        `on_event` hears of it in place of the dreamer's own listener. Raises as `run`.
        """
        on_event = on_event or self._on_event
        for remark in plan.notices:
            on_event(Notice(remark))
        dreaming = OctaveLoop(
            self.dream,
            self.planner,
            plan,
            self.executor(plan),
            store,
            on_event,
            checkpoint_every=self.execution.checkpoint_every,
        )
        return dreaming.run(original)

    def _warn(self, text: str) -> None:
        self._on_event(Notice(text))

    @contextlib.contextmanager
    def _passing_folder(self) -> Iterator[Folder]:
        """A folder for the meantime: in memory, or where workers of this machine can read it."""
        if not self.execution.on_ray:
            yield MemoryFolder()
            return
        with tempfile.TemporaryDirectory(prefix="dreamray-") as path:
            yield LocalFolder(Path(path))


def read_picture(source: str, on_event: Listener = ignore) -> Picture:
    """Read and decode a picture, its notes told as remarks."""
    place = locate(source)
    picture = pictures.decode(place.read(), place.name)
    for note in picture.notes:
        on_event(Notice(note))
    return picture
