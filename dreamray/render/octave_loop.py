"""The octaves of one picture, dreamt by an executor, each checkpoint kept in storage.

Nothing here holds a picture: the executor's workers read and write the parts they own, and what
passes through this process are scalars.
"""

from __future__ import annotations

import dataclasses
import time

from dreamray.base.errors import DreamrayError, MemoryExhaustedError
from dreamray.base.geometry import Shape
from dreamray.engine.ascent import Octave, Step
from dreamray.engine.blending import BlendedRaster, TileTask, shares
from dreamray.engine.events import Listener, Notice, OctaveDone, OctaveStarted, StepDone, TileDone
from dreamray.engine.tile_executor import TileExecutor, WorkersLostError
from dreamray.model.terms import Near, Part
from dreamray.plan.planner import PicturePlan, Planner, Stage
from dreamray.plan.refinement import slots
from dreamray.plan.tiles import TilePlan
from dreamray.raster.finish import MixedRaster
from dreamray.raster.lazy import (
    DetailResidual,
    LazyRaster,
    ResizedRaster,
    StackedRaster,
    SumRaster,
    with_margin,
    without_margin,
)
from dreamray.raster.mask import NO_MASKS, FilteredRaster, KeptRaster, Masks, SquareRaster
from dreamray.render.checkpoint import AloneTiles, Checkpoint, CheckpointStore, StepRasters
from dreamray.settings.dream import Dream

RECORD_EVERY = 5.0
"""Seconds between records of tiles that were dreamt by themselves."""

LOSSES_IN_A_ROW = 5
"""How often workers may get lost without a checkpoint in between, before it is given up."""


class OctaveLoop:
    """One picture's way through its octaves."""

    def __init__(
        self,
        dream: Dream,
        planner: Planner,
        plan: PicturePlan,
        executor: TileExecutor,
        store: CheckpointStore,
        on_event: Listener,
        *,
        checkpoint_every: int | None = None,
        masks: Masks = NO_MASKS,
    ) -> None:
        """The loop is for one picture alone, and so are the masks."""
        self._dream = dream
        self._planner = planner
        self._plan = plan
        self._executor = executor
        self._store = store
        self._on_event = on_event
        self._every = checkpoint_every
        self._masks = masks

    def run(self, picture: LazyRaster) -> LazyRaster:
        """The dream of a picture, from the store's checkpoint on; it lies in the store's folder.

        Raises MemoryExhaustedError if even the smallest tiles do not fit into memory, and
        DreamrayError when workers get lost again and again.
        """
        original = with_margin(picture, self._plan.margin)
        self._store.remove_scratch()
        self._store.go_on()  # The folder is there now, for all who can reach it.
        for number in range(self._store.checkpoint.octave, len(self._plan.stages)):
            self._octave(number, original)
            result = without_margin(self._result(original), self._plan.shape, self._plan.margin)
            self._on_event(OctaveDone(number, mixed(self._dream, result, picture)))
        return finished_raster(self._dream, self._plan, self._store, picture)

    def _result(self, original: LazyRaster) -> LazyRaster:
        """What the last finished octave left."""
        return _last_result(self._store, original)

    def _octave(self, number: int, original: LazyRaster) -> None:
        """Dream one octave, however often memory runs out or workers get lost on the way."""
        stage = self._plan.stages[number]
        lost = 0
        while True:
            tiles = self._tiles(stage)
            checkpoint = self._store.checkpoint
            try:
                self._tell_octave(number, stage, tiles)
                if self._planner.blends(tiles):
                    self._dream_apart(number, stage, tiles, original)
                else:
                    self._dream_in_step(number, stage, tiles, original)
                return
            except MemoryExhaustedError:
                self._use_smaller(tiles)
            except WorkersLostError as error:
                lost = 0 if self._store.checkpoint != checkpoint else lost + 1
                if lost >= LOSSES_IN_A_ROW:
                    raise DreamrayError(
                        f"workers got lost {lost} times in a row, the last time: {error}; "
                        "see to the cluster, then run it again: it goes on from here"
                    ) from None
                self._on_event(Notice(f"{error}; going on from the last checkpoint"))

    def _dream_in_step(
        self, number: int, stage: Stage, tiles: TilePlan, original: LazyRaster
    ) -> None:
        """Exact tiles: all workers make each step together."""
        finished = False
        while not finished:
            image = self._start(number, original)
            octave = self._octave_of(number, stage, tiles, image, original)
            finished = self._through(octave)

    def _through(self, octave: Octave) -> bool:
        """Dream an octave from its checkpoint on; False where others are to go on with it."""
        number, tiles = octave.number, octave.plan
        checkpoints = StepRasters(self._store.folder, number, tiles)
        finished = False
        for told in self._executor.dream(octave):
            if isinstance(told, Step):
                workers, waiting = self._executor.size, told.effort.waiting
                self._on_event(
                    StepDone(number, told.number, told.loss, told.moved, workers, waiting)
                )
            elif told.finished:
                finished = True
            else:
                self._store.go_on(step=told.step, image=checkpoints.stored(told.step))
        if finished:
            stored = self._store.place(f"octave-{number + 1}", tiles)
            self._store.reach(Checkpoint(number + 1, 0, stored, self._store.checkpoint.core))
        return finished

    def _octave_of(
        self,
        number: int,
        stage: Stage,
        tiles: TilePlan,
        image: LazyRaster,
        original: LazyRaster,
    ) -> Octave:
        """What is left to do of an octave: its steps, and to put the lost detail back."""
        detail = None
        if number > 0:  # Nothing is lost before the first one.
            previous = self._plan.stages[number - 1].shape
            detail = DetailResidual(original, previous, tiles.shape)
        return Octave(
            tiles,
            image,
            self._dream,
            number,
            self._store.checkpoint.step,
            self._every,
            stage.held,
            self._store.scratch,
            StepRasters(self._store.folder, number, tiles),
            self._store.raster(self._store.place(f"octave-{number + 1}", tiles)),
            detail,
            mask=self._steps_at(tiles.shape),
            beside=self._beside_at(tiles.shape, original),
            remembered=self._remembered(),
        )

    def _beside_at(self, octave: Shape, original: LazyRaster) -> LazyRaster | None:
        """What the dream's terms take beside the picture, at an octave's size."""
        beside = [self._part_at(octave, part) for part in self._dream.parts]
        if self._dream.compares:
            beside.insert(0, ResizedRaster(original, octave))
        return StackedRaster(tuple(beside)) if beside else None

    def _part_at(self, octave: Shape, part: Part) -> LazyRaster:
        """Where terms count: a square, or a mask."""
        if isinstance(part, Near):
            return SquareRaster.near(octave, *part, self._plan.shape, self._plan.margin)
        return self._mask_at(octave, self._masks.terms[part])

    def _remembered(self) -> dict[str, LazyRaster]:
        """What the optimizer has remembered at the checkpoint that an octave goes on from."""
        checkpoint = self._store.checkpoint
        if not checkpoint.step or checkpoint.image is None:
            return {}
        return {
            slot: self._store.raster(checkpoint.image.beside(slot)) for slot in slots(self._dream)
        }

    def _steps_at(self, octave: Shape) -> LazyRaster | None:
        steps = self._masks.steps
        return None if steps is None else self._mask_at(octave, steps)

    def _mask_at(self, octave: Shape, mask: LazyRaster) -> LazyRaster:
        if self._plan.margin:
            mask = with_margin(FilteredRaster(mask, self._plan.shape), self._plan.margin)
        return FilteredRaster(mask, octave)

    def _dream_apart(
        self, number: int, stage: Stage, tiles: TilePlan, original: LazyRaster
    ) -> None:
        """Blended tiles: each makes the octave's steps by itself."""
        image = self._start(number, original)
        alone = self._store.checkpoint.alone
        if alone is None:
            found = self._executor.measure(self._octave_of(number, stage, tiles, image, original))
            alone = AloneTiles(tuple(shares(tiles, found)), found.loss, ())
            self._store.remove_windows(number)
            self._store.go_on(alone=alone)
        windows = self._planner.blend_tiles(tiles)
        rasters = [
            self._store.window_raster(number, place, tile.window.shape)
            for place, tile in enumerate(windows.tiles)
        ]
        tasks = [
            TileTask(
                place,
                tile.core,
                tile.window,
                alone.shares[place],
                alone.whole_loss,
                number,
                self._dream,
                image,
                rasters[place],
                mask=self._steps_at(tiles.shape),
                beside=self._beside_at(tiles.shape, original),
            )
            for place, tile in enumerate(windows.tiles)
            if place not in alone.done
        ]
        done = list(alone.done)
        recorded = time.monotonic()

        def note(task: TileTask, steps: int) -> None:
            nonlocal recorded
            done.append(task.number)
            self._on_event(
                TileDone(number, len(done), len(windows.tiles), steps, self._executor.size)
            )
            if time.monotonic() - recorded > RECORD_EVERY:
                recorded = time.monotonic()
                self._store.go_on(alone=dataclasses.replace(alone, done=tuple(done)))

        self._executor.dream_tiles(tasks, note)
        self._store.go_on(alone=dataclasses.replace(alone, done=tuple(done)))
        blended = BlendedRaster(windows, tuple(rasters))
        octave = self._octave_of(number, stage, tiles, blended, original)
        self._through(dataclasses.replace(octave, first=self._dream.iterations))
        self._store.remove_windows(number)

    def _start(self, number: int, original: LazyRaster) -> LazyRaster:
        """The image that the octave goes on from."""
        checkpoint = self._store.checkpoint
        shape = self._plan.stages[number].shape
        if checkpoint.step and checkpoint.image is not None:
            return self._store.raster(checkpoint.image)
        image = ResizedRaster(self._result(original), shape)
        mask = self._steps_at(shape)
        if mask is None or number == 0:
            return image
        # Enlarging has led some of the dream into the black.
        before = ResizedRaster(original, self._plan.stages[number - 1].shape)
        return KeptRaster(image, ResizedRaster(before, shape), mask)

    def _tiles(self, stage: Stage) -> TilePlan:
        """The octave's tiles, smaller than planned where memory has run out before."""
        core = self._store.checkpoint.core
        if core is None or stage.tiles.largest_side <= core:
            return stage.tiles
        return self._planner.cut(stage.shape, core)

    def _use_smaller(self, tiles: TilePlan) -> None:
        core = self._planner.smaller_core(tiles)
        if core is None:
            raise MemoryExhaustedError(
                "memory ran out even on the smallest tiles: close other programs, choose an "
                "earlier layer, or give --precision bfloat16"
            )
        smaller = self._planner.cut(tiles.shape, core)
        self._on_event(
            Notice(
                f"memory ran out on a window of {tiles.largest_window.shape}: "
                f"going on with tiles of {smaller.largest_side} pixels"
            )
        )
        self._store.go_on(core=core, alone=None)

    def _tell_octave(self, number: int, stage: Stage, tiles: TilePlan) -> None:
        self._on_event(
            OctaveStarted(
                number,
                len(self._plan.stages),
                stage.shape,
                len(tiles.tiles),
                tiles.largest_side,
                self._dream.iterations,
                stage.flops,
                sum(s.flops for s in self._plan.stages[number + 1 :]) * self._dream.iterations,
            )
        )


def finished_raster(
    dream: Dream, plan: PicturePlan, store: CheckpointStore, picture: LazyRaster
) -> LazyRaster:
    """The dream of a picture whose octaves are all in the store.

    Where the last octave is not of the picture's shape, it is brought to it, with the detail
    that it lacks there.
    """
    original = with_margin(picture, plan.margin)
    result, last = _last_result(store, original), plan.stages[-1].shape
    if last != plan.canvas:
        resized = ResizedRaster(result, plan.canvas)
        result = SumRaster(resized, DetailResidual(original, last, plan.canvas))
    return mixed(dream, without_margin(result, plan.shape, plan.margin), picture)


def mixed(dream: Dream, dreamt: LazyRaster, picture: LazyRaster) -> LazyRaster:
    """What is dreamt, with the colours and the strength that it is to have over the picture."""
    keeps_colours = dream.colours == "keep"
    if dream.strength == 1 and not keeps_colours:
        return dreamt
    source = ResizedRaster(picture, dreamt.shape)
    return MixedRaster(dreamt, source, dream.strength, keeps_colours)


def _last_result(store: CheckpointStore, original: LazyRaster) -> LazyRaster:
    image = store.checkpoint.image
    return original if image is None else store.raster(image)
