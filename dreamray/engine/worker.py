"""One process that dreams: a network, loaded once, and the tiles that it works on.

In the process of a laptop's render it is a plain object; on a cluster each actor of
`dreamray.farm` is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from dreamray.base.geometry import Raster
from dreamray.engine.activity import Activity
from dreamray.engine.ascent import Octave, Wish
from dreamray.engine.blending import TileTask
from dreamray.engine.interfaces import A, Engine
from dreamray.engine.lockstep.member import Member, Place
from dreamray.model.device import Compiler, Kernels
from dreamray.model.layers import Precision
from dreamray.model.weights.arrays import Weights
from dreamray.settings.dream import Dream


@dataclass(frozen=True)
class EngineSpec:
    """What a worker computes with."""

    dream: Dream
    weights: Weights
    precision: Precision
    threads: int | None
    guide: Raster | None = None
    """The picture that the dream follows, float32 [height, width, 3], if it does one."""
    kernels: Kernels = "reproducible"
    compiler: Compiler = "none"

    def engine(self) -> Engine[Any]:
        """The network. TensorFlow is imported here, and its threads are set."""
        from dreamray.model.device import start_tensorflow

        self.weights.check_reaches(self.dream.layer_names)
        start_tensorflow(self.threads, self.kernels)
        from dreamray.model.arithmetic import TensorFlowArrays
        from dreamray.model.objective import TileObjective

        compiled = self.compiler == "xla"
        objective = TileObjective(
            self.dream.terms, self.weights, self.precision, self.guide, compiled=compiled
        )
        said = {"compiler": self.compiler} if compiled else {}
        return Engine(objective, TensorFlowArrays(said, tf32=self.precision == "tf32"))


class Worker(Generic[A]):
    """Dreams its share of octaves, in step with others, or single tiles alone."""

    def __init__(self, engine: Engine[A], activity: Activity | None = None) -> None:
        """`activity` is told what it is at."""
        self._engine = engine
        self._activity = activity

    def about(self) -> Mapping[str, Any]:
        """See `ArrayBackend.about`."""
        return self._engine.arrays.about()

    def join(
        self, octave: Octave, place: Place, wish: Callable[[], Wish] = lambda: Wish.GO_ON
    ) -> Member[A]:
        """Take over its tiles of an octave, to dream them in step with others."""
        return Member(octave, place, self._engine, activity=self._activity, wish=wish)

    def dream_tile(self, task: TileTask) -> int:
        """Dream one tile by itself, and store it; return the number of steps."""
        return task.run(self._engine)
