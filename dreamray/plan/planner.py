"""The plan of one picture: its octaves, their tiles, the memory and the work they take.

Pure: it depends on the picture's size, the settings and the memory budget alone, and so do
the bytes of the result.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections import Counter
from dataclasses import dataclass, replace

from dreamray.base.errors import RequestError
from dreamray.base.geometry import Shape
from dreamray.base.messages import plural, show_size
from dreamray.model import architecture
from dreamray.model.cuda import usable_card
from dreamray.model.terms import GUIDE
from dreamray.plan import memory_model, tiles
from dreamray.plan.octaves import advise, plan_octaves
from dreamray.plan.refinement import bands, reach, slots
from dreamray.plan.tiles import TilePlan
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution

FARM_BUDGET = 4 << 30
"""Bytes for each of several workers: the same everywhere, for the same bytes on any cluster."""

BLEND_OVERLAP = 128
"""Pixels around the tiles where seams are blended."""


@dataclass(frozen=True)
class Stage:
    """One octave with its tiles."""

    tiles: TilePlan
    layers: tuple[str, ...]
    memory: int
    """Bytes that a worker is predicted to hold at its peak in this octave."""
    held: int
    """Bytes of the tiles' images and gradients that it holds at a time; the rest is on disk."""

    @property
    def shape(self) -> Shape:
        """Height and width of the octave."""
        return self.tiles.shape

    @functools.cached_property
    def flops(self) -> int:
        """Floating point operations of one step, halos included."""
        # Windows come in few shapes.
        return sum(
            count * architecture.convolution_flops(self.layers, *shape)
            for shape, count in Counter(tile.window.shape for tile in self.tiles.tiles).items()
        )


@dataclass(frozen=True)
class PicturePlan:
    """All octaves of one picture, in the order in which they are dreamt."""

    shape: Shape
    margin: int
    """Pixels that are mirrored around the picture, dreamt with it, and cut off."""
    stages: tuple[Stage, ...]
    skipped: tuple[Shape, ...]
    """Octaves too small for the network."""
    budget: int
    """Bytes that the process may hold."""
    notices: tuple[str, ...]
    """What the user should know before it starts, a line each."""
    advice: str | None
    """How other settings may suit a picture of this size better, in one line."""

    @property
    def canvas(self) -> Shape:
        """What is dreamt, at the picture's scale: the picture with its margin."""
        return self.shape.widened(self.margin)

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
        self._reach = reach(dream)
        self._align = tiles.alignment(self._layers, self._reach)
        self._blends = execution.seams == "blend"
        given = None if execution.overlap == "exact" else execution.overlap
        self._fade = BLEND_OVERLAP if given is None else given
        self._overlap = None if self._blends else given
        self._budget = budget_of(execution)

    def plan(self, shape: Shape) -> PicturePlan:
        """The octaves and tiles of a picture.

        Raises PictureError if it is too small for the layers, RequestError if the smallest
        tiles do not fit into the memory budget.
        """
        octaves = plan_octaves(shape, self._dream)
        stages = self._stages(octaves.shapes, shape)
        notices = []
        if octaves.skipped:
            skipped = ", ".join(map(str, octaves.skipped))
            notices.append(
                f"{_octaves(len(octaves.skipped))} of {skipped} skipped, too small for "
                f"{', '.join(self._layers)}: the least is {octaves.smallest_side} pixels a side"
            )
        larger = [size for size in self._dream.octave_sizes or () if size > max(shape)]
        if larger:
            sizes = ", ".join(map(str, larger))
            notices.append(
                f"{_octaves(len(larger))} of {sizes} pixels left out: the picture has {max(shape)}"
            )
        if self._blends and any(self.blends(stage.tiles) for stage in stages):
            notices.append(
                f"seams are blended over {plural(self._fade, 'pixel')}: tiles are dreamt apart, "
                "and differ from the exact dream"
            )
        if not all(stage.tiles.exact for stage in stages):
            halo = tiles.exact_halo(self._layers, 0, self._reach)
            exact = max(halo.before, halo.after)
            notices.append(
                f"an overlap of {plural(self._overlap or 0, 'pixel')} is approximate: seams may "
                f"show; exact takes {exact}"
            )
        plan = PicturePlan(
            shape,
            octaves.margin,
            stages,
            octaves.skipped,
            self._budget,
            tuple(notices),
            advise(shape, self._dream),
        )
        if self._execution.tile != "auto" and plan.memory > self._budget:
            over = (
                f"tiles of {self._execution.tile} are predicted to take {show_size(plan.memory)}, "
                f"over the memory budget of {show_size(self._budget)}"
            )
            return replace(plan, notices=(*notices, over))
        return plan

    def cut(self, octave: Shape, core: int) -> TilePlan:
        """The tiles of an octave with cores of at most that many pixels a side."""
        return tiles.plan_tiles(octave, self._layers, core, self._overlap, self._reach)

    def blends(self, plan: TilePlan) -> bool:
        """Whether these tiles are dreamt by themselves and blended."""
        return self._blends and len(plan.tiles) > 1

    def blend_tiles(self, plan: TilePlan) -> TilePlan:
        """The same cores with the windows that they are dreamt on by themselves."""
        return tiles.other_windows(plan, self._layers, self._fade, self._reach)

    def smaller_core(self, plan: TilePlan) -> int | None:
        """The side of cores to `cut` the same octave with next; None if there is none smaller."""
        core = self._share(plan.largest_side, 2)
        return core if core < plan.largest_side else None

    def _stages(self, octaves: tuple[Shape, ...], picture: Shape) -> tuple[Stage, ...]:
        """The octaves with their tiles, all together within the budget."""
        if self._execution.tile != "auto":
            cores = dict.fromkeys(octaves, self._execution.tile)
            return self._with_cores(cores, octaves, picture)
        allowed = self._budget
        while True:
            cores = self._cores(octaves, picture, allowed)
            over = max(self._peaks(cores, octaves, picture)) - self._budget
            if over <= 0:
                return self._with_cores(cores, octaves, picture)
            # What the octaves leave behind for one another was not counted in. In small steps:
            # smaller tiles leave less behind.
            allowed -= min(over, self._budget // 50)

    def _cores(self, octaves: tuple[Shape, ...], picture: Shape, allowed: int) -> dict[Shape, int]:
        """The largest sides of cores with which each octave fits by itself.

        The largest octave goes first, and no other gets larger windows: the process keeps what
        memory it once had, and the largest octave needs the most beside its windows.
        """
        cores: dict[Shape, int] = {}
        limit: float = math.inf
        for octave in sorted(set(octaves), key=math.prod, reverse=True):
            units = range(1, self._share(max(octave), 1) // self._align + 1)

            def too_large(unit: int, octave: Shape = octave, limit: float = limit) -> bool:
                sizes = self._sizes(octave, unit * self._align)
                window = math.prod(sizes.largest)
                return window > limit or self._peak(octave, picture, sizes) > allowed

            fitting = bisect.bisect_left(units, True, key=too_large)
            if fitting == 0:
                least = max(self._peaks(dict.fromkeys(octaves, self._align), octaves, picture))
                raise RequestError(
                    f"memory: even the smallest tiles need about {show_size(least)}, over the "
                    f"budget of {show_size(self._budget)}; give a larger --memory or an earlier "
                    "layer"
                )
            cores[octave] = units[fitting - 1] * self._align
            limit = min(limit, math.prod(self._sizes(octave, cores[octave]).largest))
        return cores

    def _with_cores(
        self, cores: dict[Shape, int], octaves: tuple[Shape, ...], picture: Shape
    ) -> tuple[Stage, ...]:
        return tuple(
            Stage(
                self.cut(octave, cores[octave]),
                self._layers,
                peak,
                self._held(octave, picture),
            )
            for octave, peak in zip(octaves, self._peaks(cores, octaves, picture), strict=True)
        )

    def _peaks(
        self, cores: dict[Shape, int], octaves: tuple[Shape, ...], picture: Shape
    ) -> list[int]:
        """Bytes at the peak of each octave, with what those before it leave behind."""
        peaks = []
        window, shapes = 0, 0
        for octave in octaves:
            sizes = self._sizes(octave, cores[octave])
            window = max(window, math.prod(sizes.largest))
            shapes += sizes.different
            peaks.append(self._predict(octave, picture, window, shapes))
        return peaks

    def _peak(self, octave: Shape, picture: Shape, sizes: tiles.WindowSizes) -> int:
        """Bytes at the peak of an octave by itself."""
        return self._predict(octave, picture, math.prod(sizes.largest), sizes.different)

    def _predict(self, octave: Shape, picture: Shape, window: int, shapes: int) -> int:
        return memory_model.predict_peak(
            window,
            self._held(octave, picture),
            picture,
            self._layers,
            self._execution.precision,
            shapes,
            memory_model.treatment_pixel(bands(self._dream), smooths=bool(self._dream.smooth)),
            *beside(self._dream),
        )

    def _held(self, octave: Shape, picture: Shape) -> int:
        """Bytes of an octave that a worker holds: all, or so much that its windows get as much."""
        pixel = memory_model.octave_pixel(
            bands(self._dream),
            len(slots(self._dream)),
            compares=self._dream.compares,
            masks=len(self._dream.parts) + (self._dream.mask is not None),
        )
        everything = pixel * octave.pixels
        bare = memory_model.predict_peak(0, 0, picture, self._layers, self._execution.precision, 0)
        half = max(0, self._budget - bare) / 2 / memory_model.MARGIN / memory_model.GAPS
        return min(everything, int(half))

    def _share(self, side: int, count: int) -> int:
        """The side of cores, as they are aligned, of which so many cover a side."""
        return -(-side // (count * self._align)) * self._align

    def _sizes(self, octave: Shape, core: int) -> tiles.WindowSizes:
        return tiles.window_sizes(octave, self._layers, core, self._overlap, self._reach)


def beside(dream: Dream) -> tuple[float, int]:
    """What a dream's terms take beside the network, and channels beside the picture's.

    See `memory_model.predict_peak`.
    """
    taken = memory_model.beside_pixel(
        [term.of.name for term in dream.terms if term.kind == GUIDE],
        [term.of.name for term in dream.terms if term.compares],
    )
    return taken, 3 * dream.compares + len(dream.parts)


def budget_of(execution: Execution) -> int:
    """Bytes of memory that each worker may hold: of the graphics card where one computes here."""
    if execution.memory != "auto":
        return execution.memory
    if execution.on_ray:
        return FARM_BUDGET
    card = usable_card()
    return memory_model.default_budget() if card is None else memory_model.card_budget(card.memory)


def _octaves(count: int) -> str:
    return "octave" if count == 1 else f"{count} octaves"
