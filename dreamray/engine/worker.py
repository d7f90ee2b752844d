"""One process that dreams: a network, loaded once, and the tiles that it works on.

In the process of a laptop's render it is a plain object; on a cluster each actor of
`dreamray.farm` is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple

from dreamray.engine.blending import TileTask
from dreamray.engine.halo_exchange import Roll
from dreamray.engine.interfaces import A, Engine
from dreamray.engine.subdomain import Halos, PartialGradients, Subdomain
from dreamray.model.layers import Precision
from dreamray.model.weights.arrays import Weights
from dreamray.plan.tiles import TilePlan
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import LazyRaster, read
from dreamray.raster.spill import SpillBuffer
from dreamray.settings.dream import Dream


class Move(NamedTuple):
    """How far to go along the gradient that was computed last."""

    step: float
    mean: float
    """The mean absolute gradient of the whole picture."""


@dataclass(frozen=True)
class EngineSpec:
    """What a worker computes with."""

    dream: Dream
    weights: Weights
    precision: Precision
    threads: int | None

    def engine(self) -> Engine[Any]:
        """The network. TensorFlow is imported here, and its threads are set."""
        from dreamray.model.device import start_tensorflow

        self.weights.check_reaches(self.dream.layer_names)
        start_tensorflow(self.threads)
        from dreamray.model.arithmetic import TensorFlowArrays
        from dreamray.model.objective import TileObjective

        objective = TileObjective(self.dream.choices, self.weights, self.precision)
        return Engine(objective, TensorFlowArrays())


class Worker(Generic[A]):
    """Dreams its share of an octave's tiles, in step with others, or single tiles alone."""

    def __init__(self, engine: Engine[A]) -> None:
        self._engine = engine
        self._subdomain: Subdomain[A] | None = None
        self._plan: TilePlan | None = None

    def about(self) -> Mapping[str, Any]:
        """See `ArrayBackend.about`."""
        return self._engine.arrays.about()

    def begin(
        self,
        plan: TilePlan,
        owners: tuple[int, ...],
        me: int,
        image: LazyRaster,
        held: int | None = None,
        scratch: Path | None = None,
    ) -> None:
        """Take over the tiles that `me` owns, of which `held` bytes may be in memory.

        The rest waits in `scratch`, a folder of this machine.
        """
        self.end()
        buffer: SpillBuffer[A] = SpillBuffer(
            held, scratch, self._engine.arrays.load, self._engine.arrays.store
        )
        self._plan = plan
        self._subdomain = Subdomain(plan, owners, me, self._engine, buffer)
        for tile in self._subdomain.tiles:
            self._subdomain.put(tile, read(image, plan.tiles[tile].core))

    def end(self) -> None:
        """Let go of the tiles."""
        self._subdomain = None

    def halos(self, move: Move | None, roll: Roll) -> list[Halos]:
        """Make the move of the step before, if any; see `Subdomain.halos`."""
        subdomain = self._after(move)
        return subdomain.halos(roll)

    def compute(self, *incoming: Halos) -> list[Any]:
        """The list of losses, then the gradients for others: see `Subdomain.compute`."""
        losses, outgoing = self._after(None).compute(incoming)
        return [losses, *outgoing]

    def collect(self, *incoming: PartialGradients) -> list[float]:
        """See `Subdomain.collect`."""
        return self._after(None).collect(incoming)

    def store(
        self, move: Move | None, raster: ChunkedRaster, added: LazyRaster | None = None
    ) -> None:
        """Write the images of the tiles into a raster, with another one added to them."""
        subdomain = self._after(move)
        assert self._plan is not None
        for tile in subdomain.tiles:
            core = self._plan.tiles[tile].core
            image = subdomain.image(tile)
            raster.write(core, image if added is None else image + read(added, core))

    def dream_tile(self, task: TileTask) -> int:
        """Dream one tile by itself, and store it; return the number of steps."""
        return task.run(self._engine)

    def _after(self, move: Move | None) -> Subdomain[A]:
        assert self._subdomain is not None, "no octave was begun"
        if move is not None:
            self._subdomain.move(*move)
        return self._subdomain
