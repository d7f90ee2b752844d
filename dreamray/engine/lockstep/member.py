"""One worker's part of an octave: it leads itself, and the root decides for all.

A worker alone does the same; it has nobody to hear from.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple

import numpy as np

from dreamray.base.geometry import Raster, Region
from dreamray.engine.activity import Activity
from dreamray.engine.ascent import (
    Decision,
    Octave,
    Step,
    StepMeasure,
    Stored,
    Wish,
    decide,
    roll,
)
from dreamray.engine.halo_exchange import HaloExchange, Roll
from dreamray.engine.interfaces import A, Engine, Number
from dreamray.engine.lockstep.all_reduce import AllReduce, Found
from dreamray.engine.lockstep.mailbox import Mailbox
from dreamray.engine.lockstep.transport import Alone
from dreamray.engine.lockstep.tree import ROOT
from dreamray.engine.lockstep.wire import Frame, Key, Kind, expected_messages
from dreamray.engine.subdomain import Follow, Subdomain
from dreamray.plan import refinement
from dreamray.raster.chunked import ChunkedRaster
from dreamray.raster.lazy import LazyRaster, read
from dreamray.raster.spill import SpillBuffer


class Place(NamedTuple):
    """Which of the tiles a worker has, and by which way it reaches the others."""

    owners: tuple[int, ...]
    """The worker of each tile, by numbers from 0 without a gap."""
    me: int
    mailbox: Mailbox


def alone(octave: Octave) -> Place:
    """The place of a worker that has all tiles."""
    return Place((0,) * len(octave.plan.tiles), 0, Mailbox(Alone(), 0))


class Member(Generic[A]):
    """Dreams its share of an octave, in step with others; for one thread.

    Making one reads its tiles. Raises AbandonedError and PeerLostError whenever it waits.
    """

    def __init__(
        self,
        octave: Octave,
        place: Place,
        engine: Engine[A],
        *,
        activity: Activity | None = None,
        wish: Callable[[], Wish] = lambda: Wish.GO_ON,
    ) -> None:
        """`activity` is told what it is at; the root asks `wish` in each step."""
        self._octave = octave
        self._owners, self._me, self._mail = place
        self._all_reduce = AllReduce(self._owners, self._me, self._mail)
        self._activity = activity or Activity()
        self._wish = wish
        plan = octave.plan
        self._known = HaloExchange(plan, self._owners, me=self._me)
        self._expected: tuple[HaloExchange | None, Mapping[Key, tuple[int, ...]]] = None, {}
        """What comes in a step with that exchange."""
        buffer: SpillBuffer[A] = SpillBuffer(
            octave.held, octave.scratch, engine.arrays.load, engine.arrays.store
        )
        beside = None if octave.beside is None else functools.partial(read, octave.beside)
        self._subdomain = Subdomain(plan, self._owners, self._me, engine, buffer, beside)
        self._pixels = sum(plan.tiles[tile].core.pixels for tile in self._subdomain.tiles)
        # Others may be ready, and send what is for the first step, before it begins here.
        self._mail.begin(octave.first - 1, {})
        with self._doing("reading of its tiles"):
            for tile in self._subdomain.tiles:
                core = plan.tiles[tile].core
                self._subdomain.put(tile, read(octave.image, core))
                for slot, values in octave.remembered.items():
                    self._subdomain.put_remembered(tile, slot, read(values, core))
                if octave.mask is not None:
                    self._subdomain.put_mask(tile, read(octave.mask, core))

    @property
    def leads(self) -> bool:
        """Whether it is the root, which decides."""
        return self._me == ROOT

    def ascend(self) -> Iterator[Step | Stored]:
        """Make the octave's steps, and store it. Raises MemoryExhaustedError."""
        octave, number = self._octave, self._octave.first
        self._all_reduce.stopwatch.start()
        ends = number >= octave.dream.iterations
        exchange = self._exchange(number)
        if not ends:
            self._send_halos(number, exchange)
        while not ends:
            decision = self._agree(number, self._measure(number, exchange))
            exchange = self._go_on(number, decision)
            yield Step(number, decision.loss, decision.moves, self._all_reduce.effort)
            number, ends = number + 1, decision.ends
            if decision.stores:
                assert octave.checkpoint is not None
                with self._all_reduce.stopwatch.lap("storing"):
                    self._store(octave.checkpoint(number), self._subdomain.image)
                    for slot in refinement.slots(octave.dream):
                        remembered = functools.partial(self._subdomain.remembered, slot=slot)
                        self._store(octave.checkpoint.remembered(number, slot), remembered)
                self._all_reduce.stored(number - 1, leaves=decision.leaves)
                yield Stored(number, last=decision.leaves)
            if decision.leaves:
                return
        if number == octave.first:
            self._begin(number, exchange)
        if octave.result is not None:
            self._store(octave.result, self._subdomain.image, octave.added)
        self._all_reduce.stored(max(number - 1, octave.first), leaves=True)
        yield Stored(number, last=True, finished=True)

    def measure(self) -> StepMeasure | None:
        """What the gradient of the picture, which is not rolled, is like; None but at the root."""
        number, exchange = self._octave.first, self._rolled((0, 0))
        self._all_reduce.stopwatch.start()
        self._send_halos(number, exchange)
        found = self._measure(number, exchange)
        # Nobody goes before the root has heard of all.
        self._agree(number, found)
        self._all_reduce.stored(number, leaves=True)
        return self._whole(found) if self.leads else None

    def _exchange(self, number: int) -> HaloExchange:
        """What is exchanged in a step."""
        return self._rolled(roll(self._octave.dream, self._octave.number, number))

    def _rolled(self, rolled: Roll) -> HaloExchange:
        if rolled != self._known.roll:
            self._known = HaloExchange(self._octave.plan, self._owners, rolled, self._me)
        return self._known

    def _begin(self, number: int, exchange: HaloExchange) -> None:
        """A step begins: what was sent for it already is heard."""
        if exchange is not self._expected[0]:
            bands = refinement.bands(self._octave.dream)
            expected = expected_messages(exchange, self._all_reduce.tree, self._me, bands)
            self._expected = exchange, expected
        self._mail.begin(number, self._expected[1])
        self._subdomain.begin(exchange, refinement.refinement(self._octave.dream, number))

    def _send_halos(self, number: int, exchange: HaloExchange) -> None:
        """Send what others' windows wait for in a step."""
        with self._doing("halos"):
            for other in exchange.receivers(self._me):
                halos = self._subdomain.halos(exchange, other)
                self._mail.send(other, Kind.HALOS, _frames(halos), step=number)

    def _measure(self, number: int, exchange: HaloExchange) -> Found:
        """Loss and sum of the tiles of all below in the tree, by tile."""
        self._begin(number, exchange)
        losses = dict(self._windows(number, exchange))
        contributions = exchange.contributions(self._me)
        missing = {Key(Kind.GRADIENT, exchange.owners[one], one) for one in contributions}
        while missing:
            with self._all_reduce.stopwatch.lap("exchange"):
                key, frames = self._mail.take(missing)
            missing.remove(key)
            regions = [piece.inside for piece in contributions[key.tile]]
            with self._doing("sums"):
                self._subdomain.add(key.tile, _rasters(frames, regions))
        with self._doing("sums"):
            sums = zip(self._subdomain.tiles, self._subdomain.sums(), strict=True)
        return self._all_reduce.gather(
            {tile: (float(losses[tile]), *total) for tile, total in sums}
        )

    def _windows(self, number: int, exchange: HaloExchange) -> Iterator[tuple[int, Number]]:
        """The losses of all windows.

        Those that others wait for come as soon as their halos are there, and meanwhile, while
        halos or gradients are on their way, those that need nothing of others.
        """
        missing = {Key(Kind.HALOS, sender) for sender in exchange.senders(self._me)}
        inner = deque(tile for tile in self._subdomain.tiles if not exchange.reached(tile))
        outer = [tile for tile in self._subdomain.tiles if exchange.reached(tile)]
        while inner or outer:
            self._take_halos(self._mail.take_here(missing), missing, exchange)
            senders = {key.sender for key in missing}
            ready = next((one for one in outer if senders.isdisjoint(exchange.reached(one))), None)
            if ready is not None:
                outer.remove(ready)
            elif inner:
                ready = inner.popleft()
            else:
                with self._all_reduce.stopwatch.lap("exchange"):
                    come = self._mail.take(missing)
                self._take_halos([come], missing, exchange)
                continue
            with self._doing("step"):
                loss, outgoing = self._subdomain.compute(ready)
            for owner, parts in outgoing.items():
                self._mail.send(owner, Kind.GRADIENT, _frames(parts), step=number, tile=ready)
            yield ready, loss

    def _take_halos(
        self,
        come: Sequence[tuple[Key, Sequence[Frame]]],
        missing: set[Key],
        exchange: HaloExchange,
    ) -> None:
        with self._doing("halos"):
            for key, frames in come:
                missing.remove(key)
                regions = [*exchange.needed(key.sender, self._me).values()]
                self._subdomain.take_halos(key.sender, _rasters(frames, regions))

    def _agree(self, number: int, found: Found) -> Decision:
        def by_root() -> Decision:
            whole = self._whole(found)
            return decide(self._octave, number, whole.loss, whole.scales, self._wish())

        return self._all_reduce.agree(number, found, by_root)

    def _whole(self, found: Found) -> StepMeasure:
        tiles = [found[tile] for tile in range(len(self._owners))]
        losses, sums = (tuple(part) for part in zip(*((t[0], t[1:]) for t in tiles), strict=True))
        return StepMeasure(losses, sums, 3 * self._octave.plan.shape.pixels)

    def _go_on(self, number: int, decision: Decision) -> HaloExchange:
        """Move, and send halos as soon as what others need has moved; what comes next."""
        if decision.ends or decision.leaves:
            self._move(self._subdomain.tiles, number, decision)
            return self._known
        exchange = self._exchange(number + 1)
        receivers = exchange.receivers(self._me)
        near = {tile for other in receivers for tile in exchange.needed(self._me, other)}
        self._move(near, number, decision)
        self._send_halos(number + 1, exchange)
        self._move([tile for tile in self._subdomain.tiles if tile not in near], number, decision)
        return exchange

    def _move(self, tiles: Iterable[int], number: int, decision: Decision) -> None:
        dream = self._octave.dream
        step, follow = refinement.step_length(dream, number), Follow(dream.optimizer, number)
        with self._doing("step"):
            for tile in tiles if decision.moves else ():
                self._subdomain.move(tile, step, decision.scales, follow)

    def _store(
        self,
        raster: ChunkedRaster,
        values: Callable[[int], Raster],
        added: LazyRaster | None = None,
    ) -> None:
        """Write what the tiles have into a raster, with another one added to it."""
        with self._doing("storing of its tiles"):
            for tile in self._subdomain.tiles:
                core = self._octave.plan.tiles[tile].core
                image = values(tile)
                raster.write(core, image if added is None else image + read(added, core))

    def _doing(self, kind: str) -> contextlib.AbstractContextManager[None]:
        return self._activity.doing("", kind, self._pixels)


def _frames(rasters: Iterable[Raster]) -> list[Raster]:
    return [np.ascontiguousarray(raster, np.float32) for raster in rasters]


def _rasters(frames: Sequence[Frame], regions: Sequence[Region]) -> list[Raster]:
    return [
        np.frombuffer(frame, np.float32).reshape(*region.shape, -1)
        for frame, region in zip(frames, regions, strict=True)
    ]
