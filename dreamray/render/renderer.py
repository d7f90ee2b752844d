"""Dreams of arrays and of rasters of any size, for any executor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, Self

from dreamray import pictures
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.engine.events import Listener, Notice, ignore
from dreamray.engine.tile_executor import LocalTileExecutor, TileExecutor
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.model.processor import remark_on
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights
from dreamray.pictures import Picture
from dreamray.pictures.noise import locate_source
from dreamray.pictures.reduction import reduce_array
from dreamray.plan.planner import PicturePlan, Planner
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import ArrayRaster, LazyRaster, NormalizedRaster, read
from dreamray.raster.mask import NO_MASKS, FilteredRaster, KeptRaster, Masks
from dreamray.raster.pixels import Pixels, from_tensor
from dreamray.render.checkpoint import BLOCK, CheckpointStore
from dreamray.render.default_layers import settle_layers
from dreamray.render.guide import open_guide
from dreamray.render.named_pictures import (
    check_masks,
    look_at_masks,
    open_masks,
    settle_pictures,
)
from dreamray.render.octave_loop import OctaveLoop, finished_raster
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import Folder, LocalFolder, Location, MemoryFolder, locate
from dreamray.storage.temporary import scratch_folder


class _Loaded(NamedTuple):
    """What is known once the weights are there."""

    weights: Weights
    dream: Dream
    planner: Planner
    guide: Raster | None


class Renderer:
    """Renders pictures of any size with one dream's settings, its executor got together once.

    Close it, or use it as a context manager, where workers of a cluster are to be let go.
    """

    def __init__(
        self,
        dream: Dream,
        execution: Execution,
        on_event: Listener = ignore,
        *,
        weights: Weights | None = None,
        executor: TileExecutor | None = None,
        made_with: str | None = None,
    ) -> None:
        """Nothing is loaded yet: see `load`.

        `weights` are used in place of those that `execution` names, and `executor` in place of
        one that is got together for the execution. `made_with` is the sha256 of the weights of
        a result that is to be made again: it is said if they are others.
        """
        self.execution = execution
        self._asked = dream
        self._on_event = on_event
        self._given = weights
        self._executor = executor
        self._made_with = made_with
        self._loaded: _Loaded | None = None
        self._lender: Renderer | None = None
        self._closing = contextlib.ExitStack()
        self._remarked: set[str] = set()
        """What was said of who computes, here or by renderers of other dreams of this one's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the executor go, if it is this renderer's own."""
        self._executor = None
        self._closing.close()

    def load(self) -> None:
        """Load the weights, which may download them, and settle the dream's layers by them.

        The pictures that it names are told by their bytes from then on. The first time only.
        Raises WeightsError if the weights cannot be had, or do not reach the layers, RequestError
        for a picture that cannot be read; StorageError as `loader.load` does.
        """
        if self._loaded is not None:
            return
        # What is wrong with pictures is told before a download; an executor has seen the guide.
        asked = settle_pictures(self._asked)
        guide = open_guide(asked) if self._executor is None else None
        if asked.names_layers:
            check_masks(asked)
        weights = self._given or loader.load(self.execution.weights, warn=self._warn)
        if self._made_with not in (None, weights.sha256):
            self._warn(
                f"--like was made with other weights than {weights.name}: the dream will differ"
            )
        dream = settle_layers(asked, weights, self._warn)
        if not asked.names_layers:
            check_masks(dream)
            guide = open_guide(dream) if self._executor is None else None
        self._loaded = _Loaded(weights, dream, Planner(dream, self.execution), guide)

    def look_at_masks(self, source: Location) -> None:
        """See `look_at_masks`; before anything is loaded."""
        look_at_masks(self._asked, source)

    @property
    def reads(self) -> list[Location]:
        """What is read beside the picture itself."""
        return [locate(one.picture) for one in self._asked.named_pictures.values()]

    @property
    def weights(self) -> Weights:
        """The weights, once they are loaded."""
        return self._after_load.weights

    @property
    def dream(self) -> Dream:
        """The dream with its layers settled, once the weights are loaded."""
        return self._after_load.dream

    @property
    def planner(self) -> Planner:
        """Plans the pictures of this renderer, once the weights are loaded."""
        return self._after_load.planner

    @property
    def _after_load(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeError("call Renderer.load() first")
        return self._loaded

    def with_dream(self, dream: Dream) -> Renderer:
        """A renderer of another dream, with the same weights and, if it can be, executor.

        Raises as `load`.
        """
        self.load()
        other = Renderer(dream, self.execution, self._on_event, weights=self.weights)
        other.load()
        other._remarked = self._remarked
        if other.dream.engine_key == self.dream.engine_key:
            other._lender = self
        elif self.execution.on_ray:
            self.close()  # Its workers would keep the room that the other's need.
        return other

    def plan(self, shape: Shape) -> PicturePlan:
        """The plan of a picture; see `Planner.plan`. Raises as that and `load`."""
        self.load()
        return self.planner.plan(shape)

    def executor(self, plan: PicturePlan) -> TileExecutor:
        """Who dreams, got together when it is first asked for.

        TensorFlow or Ray are imported here, after everything that can be wrong with a request.
        """
        if self._lender is not None:
            return self._lender.executor(plan)
        if self._executor is None:
            execution = self.execution
            spec = EngineSpec(
                self.dream,
                self.weights,
                execution.precision,
                execution.threads,
                self._after_load.guide,
                execution.kernels,
                execution.compiler,
            )
            if execution.on_ray:
                from dreamray.farm import ray_tile_executor

                tiles = [len(stage.tiles.tiles) for stage in plan.stages]
                farm = ray_tile_executor(spec, execution, tiles, self._on_event)
                self._executor = self._closing.enter_context(farm)
            else:
                self._executor = LocalTileExecutor(Worker(spec.engine()))
                remark = remark_on(execution.precision, self._executor.about())
                if remark is not None and remark not in self._remarked:
                    self._remarked.add(remark)
                    self._warn(remark)
        return self._executor

    def dream_array(self, image: Raster, plan: PicturePlan | None = None) -> Raster:
        """The dream of an image, float32 [height, width, 3] in -1 to 1; may exceed that range.

        One that is larger than the dream's `size` is reduced to it first.

        Raises PictureError if the image is too small, MemoryExhaustedError if even the
        smallest tiles do not fit into memory; and as `load`.
        """
        self.load()
        shape = Shape(*image.shape[:2]).within(self.dream.size)
        if shape != image.shape[:2]:
            image = reduce_array(image, shape)
        with self._temporary_folder() as folder:
            return self._dream_in(folder, ArrayRaster(image), plan or self.plan(shape))

    def dream_pixels(self, pixels: Pixels) -> Pixels:
        """The dream of an RGB array, uint8 or uint16 [height, width, 3]; as `dream_array`.

        What a mask keeps has the very same pixels.
        """
        self.load()
        shape = Shape(*pixels.shape[:2]).within(self.dream.size)
        if shape != pixels.shape[:2]:
            pixels = reduce_array(pixels, shape)
        plan = self.plan(shape)
        with self._temporary_folder() as folder:
            source = ChunkedRaster(
                folder.folder("source"), ChunkGrid.even(shape, BLOCK), pixels.dtype
            )
            source.write(Region.whole(shape), pixels)
            dreamt = self._dream_in(folder, NormalizedRaster(source), plan)
            return from_tensor(dreamt, pixels.dtype)

    def _dream_in(self, folder: Folder, picture: LazyRaster, plan: PicturePlan) -> Raster:
        masks = self.open_masks(plan, folder)
        dreamt = self.dream_raster(picture, plan, CheckpointStore(folder, {}), masks=masks)
        return read(dreamt, Region.whole(dreamt.shape))

    def open_masks(self, plan: PicturePlan, folder: Folder) -> Masks:
        """The dream's masks of a picture, brought into its work's folder: see `open_masks`."""
        self.load()
        return open_masks(self.dream, plan.shape, folder, self._warn)

    def dream_raster(
        self,
        original: LazyRaster,
        plan: PicturePlan,
        store: CheckpointStore,
        on_event: Listener | None = None,
        *,
        masks: Masks = NO_MASKS,
    ) -> LazyRaster:
        """The dream of a raster, from the store's checkpoint on; read it while the store is there.

        `on_event` is called in place of the renderer's own listener. `masks` are what `open_masks`
        gave. Raises as `OctaveLoop.run`.
        """
        self.load()
        dreamt = self._dreamt(original, plan, store, on_event, masks)
        if masks.steps is None:
            return dreamt
        if isinstance(original, NormalizedRaster):
            original = replace(original, lasts=True)
        return KeptRaster(dreamt, original, FilteredRaster(masks.steps, plan.shape))

    def _dreamt(
        self,
        original: LazyRaster,
        plan: PicturePlan,
        store: CheckpointStore,
        on_event: Listener | None,
        masks: Masks,
    ) -> LazyRaster:
        on_event = on_event or self._on_event
        for remark in plan.notices:
            on_event(Notice(remark))
        if self.dream.iterations == 0:  # What the octaves lose they are given back.
            return original
        if store.checkpoint.octave >= len(plan.stages):
            return finished_raster(self.dream, plan, store, original)
        loop = OctaveLoop(
            self.dream,
            self.planner,
            plan,
            self.executor(plan),
            store,
            on_event,
            checkpoint_every=self.execution.checkpoint_every,
            masks=masks,
        )
        return loop.run(original)

    def _warn(self, text: str) -> None:
        self._on_event(Notice(text))

    @contextlib.contextmanager
    def _temporary_folder(self) -> Iterator[Folder]:
        """A folder for the meantime: in memory, or where workers of this machine can read it."""
        if not self.execution.on_ray:
            yield MemoryFolder()
            return
        with scratch_folder() as path:
            yield LocalFolder(path)


def read_picture(source: str, on_event: Listener = ignore) -> Picture:
    """Read and decode a picture, its notes given as `Notice` events."""
    place = locate_source(source)
    with place.as_local_file() as path:
        picture = pictures.decode(path.read_bytes(), place.name)
    for note in picture.notes:
        on_event(Notice(note))
    return picture
