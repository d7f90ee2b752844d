"""A picture's gradient through one or several subdomains, driven by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from random import Random
from typing import Any, SupportsFloat

import numpy as np

from dreamray.base.geometry import Raster
from dreamray.engine.ascent import StepMeasure, divisors
from dreamray.engine.halo_exchange import HaloExchange, Roll
from dreamray.engine.interfaces import Engine
from dreamray.engine.subdomain import Follow, Subdomain
from dreamray.plan.refinement import PLAIN, Refinement
from dreamray.plan.tiles import TilePlan
from dreamray.raster.spill import SpillBuffer
from dreamray.settings.dream import Dream


class Tiled:
    """The tiles of a picture, dealt to owners that exchange their strips here."""

    def __init__(
        self,
        plan: TilePlan,
        engine: Engine[Any],
        owners: tuple[int, ...] | None = None,
        *,
        held: int | None = None,
        order: int | None = None,
        refinement: Refinement = PLAIN,
        beside: Raster | None = None,
    ) -> None:
        """One owner has all tiles if `owners` is left out; `held` bytes are in memory for each.

        `order` seeds who is first in each round, and whose contributions come in first.
        """
        self.plan = plan
        self.owners = owners or (0,) * len(plan.tiles)
        self._refinement = refinement
        self._random = None if order is None else Random(order)
        self._subdomains = {
            me: Subdomain(
                plan,
                self.owners,
                me,
                engine,
                SpillBuffer(held, None, engine.arrays.load, engine.arrays.store),
                None if beside is None else lambda region: beside[region.slices],
            )
            for me in sorted(set(self.owners))
        }

    def put(self, image: Raster) -> None:
        """Take an image over."""
        for one in self._subdomains.values():
            for tile in one.tiles:
                one.put(tile, image[self.plan.tiles[tile].core.slices])

    def put_mask(self, mask: Raster) -> None:
        """Take a mask over."""
        for one in self._subdomains.values():
            for tile in one.tiles:
                one.put_mask(tile, mask[self.plan.tiles[tile].core.slices])

    def compute(self, roll: Roll = (0, 0)) -> StepMeasure:
        """Compute the gradient of the rolled image."""
        exchange = HaloExchange(self.plan, self.owners, roll)
        for me in self._turns(self._subdomains):
            self._subdomains[me].begin(exchange, self._refinement)
        for me in self._turns(self._subdomains):
            for other in self._turns(exchange.receivers(me)):
                halos = self._subdomains[me].halos(exchange, other)
                self._subdomains[other].take_halos(me, halos)
        losses: dict[int, SupportsFloat] = {}
        for me, one in self._subdomains.items():
            for tile in self._turns(one.tiles):
                losses[tile], outgoing = one.compute(tile)
                for other in self._turns(outgoing):
                    assert me not in outgoing
                    self._subdomains[other].add(tile, outgoing[other])
        sums: dict[int, tuple[float, ...]] = {}
        for one in self._subdomains.values():
            sums |= zip(one.tiles, one.sums(), strict=True)
        numbers = range(len(self.plan.tiles))
        return StepMeasure(
            tuple(float(losses[tile]) for tile in numbers),
            tuple(sums[tile] for tile in numbers),
            3 * math.prod(self.plan.shape),
        )

    def move(
        self, step: float, mean: float, optimizer: str = "normalized", number: int = 0
    ) -> None:
        """Move the image along the gradient."""
        for one in self._subdomains.values():
            for tile in one.tiles:
                one.move(tile, step, (mean,), Follow(optimizer, number))

    def move_by(self, step: float, scales: tuple[float, ...]) -> None:
        """The same along the bands of the gradient."""
        for one in self._subdomains.values():
            for tile in one.tiles:
                one.move(tile, step, divisors(Dream(), scales))

    @property
    def image(self) -> Raster:
        """The image as it is now."""
        return self._whole("image")

    @property
    def gradient(self) -> Raster:
        """What was computed last, before it is moved along."""
        return self._whole("gradient")

    def _whole(self, what: str) -> Raster:
        channels = 3 * (1 + self._refinement.levels) if what == "gradient" else 3
        whole = np.full((*self.plan.shape, channels), np.nan, np.float32)
        for one in self._subdomains.values():
            for tile in one.tiles:
                whole[self.plan.tiles[tile].core.slices] = getattr(one, what)(tile)
        return whole

    def _turns(self, numbers: Iterable[int]) -> list[int]:
        turns = list(numbers)
        if self._random is not None:
            self._random.shuffle(turns)
        return turns
