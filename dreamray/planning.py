"""The plan of one picture: its octaves, their tiles, the memory and the work they take.

Pure: it depends on the picture's size, the settings and the memory budget alone, and so do
the bytes of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from dreamray import inception, memory, tiles
from dreamray.errors import RequestError
from dreamray.execution import Execution, show_size
from dreamray.octaves import Shape, plan_octaves
from dreamray.settings import Dream
from dreamray.tiles import TilePlan


@dataclass(frozen=True)
class Stage:
    """One octave with its tiles."""

    tiles: TilePlan
    layers: tuple[str, ...]
    memory: int
    """Bytes that the process is predicted to hold at its peak in this octave."""

    @property
    def shape(self) -> Shape:
        """Height and width of the octave."""
        return self.tiles.shape

    @cached_property
    def flops(self) -> int:
        """Floating point operations of one step, halos included."""
        return sum(
            inception.convolution_flops(self.layers, *tile.window.shape)
            for tile in self.tiles.tiles
        )


@dataclass(frozen=True)
class PicturePlan:
    """All octaves of one picture, in the order in which they are dreamt."""

    shape: Shape
    stages: tuple[Stage, ...]
    skipped: tuple[Shape, ...]
    """Octaves too small for the network."""
    budget: int
    """Bytes that the process may hold."""
    remarks: tuple[str, ...]
    """What the user should know before it starts, a line each."""

    @property
    def memory(self) -> int:
        """Bytes that the process is predicted to hold at its peak."""
        return max(stage.memory for stage in self.stages)


class Planner:
    """Plans pictures for one dream and one way of running it."""

    def __init__(self, dream: Dream, execution: Execution) -> None:
        self._dream = dream
        self._execution = execution
        self._layers = dream.layer_names
        self._overlap = None if execution.overlap == "exact" else execution.overlap
        self._budget = memory.default_budget() if execution.memory == "auto" else execution.memory

    def plan(self, shape: Shape) -> PicturePlan:
        """The octaves and tiles of a picture.

        Raises PictureError if it is too small for the layers, RequestError if the smallest
        tiles do not fit into the memory budget.
        """
        octaves = plan_octaves(shape, self._dream)
        stages = tuple(self._stage(octave, shape) for octave in octaves.shapes)
        remarks = []
        if octaves.skipped:
            skipped = ", ".join(map(str, octaves.skipped))
            remarks.append(
                f"{_octaves(len(octaves.skipped))} of {skipped} skipped, too small for "
                f"{', '.join(self._layers)}: the least is {octaves.smallest_side} pixels a side"
            )
        if not all(stage.tiles.exact for stage in stages):
            halo = tiles.exact_halo(self._layers, 0)
            exact = max(halo.before, halo.after)
            remarks.append(
                f"an overlap of {self._overlap} pixels is approximate: seams may show; "
                f"exact takes {exact}"
            )
        plan = PicturePlan(shape, stages, octaves.skipped, self._budget, tuple(remarks))
        if self._execution.tile != "auto" and plan.memory > self._budget:
            over = (
                f"tiles of {self._execution.tile} are predicted to take {show_size(plan.memory)}, "
                f"over the memory budget of {show_size(self._budget)}"
            )
            return replace(plan, remarks=(*remarks, over))
        return plan

    def smaller(self, plan: TilePlan) -> TilePlan | None:
        """The next plan with smaller tiles for the same octave; None if there is none."""
        align = tiles.alignment(self._layers)
        core = min(plan.core, max(plan.shape)) // 2
        if core < align:
            return None
        return tiles.plan_tiles(plan.shape, self._layers, core, self._overlap)

    def _stage(self, octave: Shape, picture: Shape) -> Stage:
        if self._execution.tile != "auto":
            return self._with_core(octave, picture, self._execution.tile)
        align = tiles.alignment(self._layers)
        count = 1
        while True:
            core = -(-max(octave) // count)
            stage = self._with_core(octave, picture, core)
            if stage.memory <= self._budget:
                return stage
            if core <= align:
                raise RequestError(
                    f"memory: even the smallest tiles need about {show_size(stage.memory)}, over "
                    f"the budget of {show_size(self._budget)}; give a larger --memory, "
                    "an earlier layer or --precision bfloat16"
                )
            count += 1

    def _with_core(self, octave: Shape, picture: Shape, core: int) -> Stage:
        plan = tiles.plan_tiles(octave, self._layers, core, self._overlap)
        peak = memory.predict_peak(
            window=plan.largest_window.pixels,
            octave=octave,
            picture=picture,
            layers=self._layers,
            precision=self._execution.precision,
        )
        return Stage(plan, self._layers, peak)


def _octaves(count: int) -> str:
    return "octave" if count == 1 else f"{count} octaves"
