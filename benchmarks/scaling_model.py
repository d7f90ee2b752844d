"""How long a step takes on a cluster of GPUs, by a model; `scaling.py --predict` prints it.

A worker's step, as `dreamray.engine.lockstep.member` makes it: halos are copied off the card and
sent; windows that need nothing of others are computed meanwhile; then those that do; partial
gradients go out as they are computed; what comes is copied onto the card; sums go up the tree, and
the decision comes down. All wait for the slowest.

Nothing of this was measured on a GPU or on a network: what cards do and how links are delayed are
leads, from public figures. Measured, on processors, are the encryption of what is sent
(`exchange.py`) and the coordination (`lockstep.py`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dreamray.base.geometry import Shape
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles, helping
from dreamray.engine.lockstep.tree import Tree
from dreamray.engine.lockstep.wire import PIXEL_BYTES
from dreamray.farm.zeromq import IO_THREADS
from dreamray.model.architecture import convolution_flops
from dreamray.plan.planner import Planner
from dreamray.plan.tiles import TilePlan, plan_tiles
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution

LAUNCH = 0.003
"""Seconds of a window beyond its arithmetic: some 320 kernels to launch. A lead."""

SHARE = 0.35
"""Of a card's peak rate for dense bfloat16 that the step reaches on windows of megapixels. A lead:
what the public results of timm's benchmarks have for InceptionV3 on cards of consumers."""

LATENCY = 50e-6
"""Seconds of a small message between hosts. A lead."""

ENCRYPTED = 0.66e9
"""Bytes a second that one I/O thread encrypts, with their check sum: measured by `exchange.py`."""

COORDINATION = 0.0045
"""Seconds of a worker's own thread in a step, with eight neighbours: measured by `lockstep.py`, on
a machine with much else to do."""

COPIED = 0.5
"""Of a card's bus that copies reach. A lead."""


@dataclass(frozen=True)
class Card:
    """A kind of GPU, by its data sheet."""

    flops: float
    """A second, in dense bfloat16."""
    bus: float
    """Bytes a second, each way."""
    source: str

    def seconds(self, work: float) -> float:
        """For a window of so much work."""
        return work / (SHARE * self.flops) + LAUNCH


CARDS = {
    "L4": Card(121e12, 32e9, "NVIDIA's data sheet of the L4: 242 with sparsity; PCIe 4.0"),
    "A100": Card(312e12, 32e9, "NVIDIA's data sheet of the A100 80GB; PCIe 4.0"),
    "H100": Card(
        989e12, 64e9, "NVIDIA's data sheet of the H100 SXM: 1,979 with sparsity; PCIe 5.0"
    ),
    "H200": Card(
        989e12, 64e9, "NVIDIA's data sheet of the H200 SXM: 1,979 with sparsity; PCIe 5.0"
    ),
}


@dataclass(frozen=True)
class Traffic:
    """Bytes of one worker in a step."""

    halos_out: int
    halos_in: int
    gradients_out: int
    gradients_in: int

    @property
    def out(self) -> int:
        """All that it sends."""
        return self.halos_out + self.gradients_out


@dataclass(frozen=True)
class Predicted:
    """One step."""

    seconds: float
    alone: float
    """Of one card with all tiles."""
    workers: int
    limit: str
    """What the slowest worker's time beyond its windows mostly goes into."""

    @property
    def efficiency(self) -> float:
        """From 0 to 1."""
        return self.alone / self.workers / self.seconds


def traffic(exchange: HaloExchange) -> dict[int, int]:
    """Bytes that each owner sends in a step: pixels of its cores, and gradients for others'."""
    return {owner: one.out for owner, one in traffic_by_kind(exchange).items()}


def traffic_by_kind(exchange: HaloExchange) -> dict[int, Traffic]:
    """What each owner sends and gets in a step."""
    owners = sorted(set(exchange.owners))
    halos_out, halos_in, out, into = (dict.fromkeys(owners, 0) for _ in range(4))
    for owner in owners:
        for other in exchange.receivers(owner):
            regions = exchange.needed(owner, other).values()
            size = PIXEL_BYTES * sum(region.pixels for region in regions)
            halos_out[owner] += size
            halos_in[other] += size
        for window, pieces in exchange.contributions(owner).items():
            size = PIXEL_BYTES * sum(piece.inside.pixels for piece in pieces)
            into[owner] += size
            out[exchange.owners[window]] += size
    return {one: Traffic(halos_out[one], halos_in[one], out[one], into[one]) for one in owners}


@dataclass(frozen=True)
class Link:
    """What a worker is connected by."""

    gbits: float
    """A second, each way."""
    encrypted: float = ENCRYPTED
    """Bytes a second of one I/O thread."""

    def rate(self, neighbours: int) -> float:
        """Bytes a second to so many, each way: a connection lives on one I/O thread."""
        return min(self.gbits / 8 * 1e9, min(IO_THREADS, neighbours) * self.encrypted)

    def limit(self, neighbours: int) -> str:
        """What it is that limits it."""
        return "link" if self.rate(neighbours) == self.gbits / 8 * 1e9 else "encryption"


def predict_step(
    plan: TilePlan, layers: tuple[str, ...], count: int, card: Card, link: Link
) -> Predicted:
    """A step of a picture on so many cards."""

    @functools.cache
    def seconds(shape: Shape) -> float:
        return card.seconds(convolution_flops(layers, *shape))

    windows = [seconds(tile.window.shape) for tile in plan.tiles]
    owners = assign_tiles(plan, count)
    exchange = HaloExchange(plan, owners)
    tree = Tree(count)
    depth, member = 0, count - 1
    while (parent := tree.parent(member)) is not None:
        depth, member = depth + 1, parent
    slowest, limit = 0.0, ""
    for owner, sent in traffic_by_kind(exchange).items():
        mine = exchange.tiles_of(owner)
        outer = [windows[tile] for tile in mine if exchange.reached(tile)]
        inner = sum(windows[tile] for tile in mine) - sum(outer)
        bus = COPIED * card.bus
        copies = (sent.out + sent.halos_in + sent.gradients_in) / bus
        neighbours = len(exchange.receivers(owner))
        rate = link.rate(neighbours) if neighbours else math.inf
        halos = LATENCY + max(sent.halos_out, sent.halos_in) / rate
        gradients = LATENCY + max(sent.gradients_out, sent.gradients_in) / rate
        behind = max(0.0, halos - inner)
        # All but the last window's part is on its way while others are computed.
        last = gradients / len(outer) if outer else 0.0
        over = max(0.0, gradients - sum(outer)) + last if outer else 0.0
        reduction = 2 * depth * LATENCY
        coordination = COORDINATION if count > 1 else 0.0
        took = inner + sum(outer) + copies + behind + over + reduction + coordination
        if took > slowest:
            slowest = took
            parts = {
                link.limit(neighbours): behind + over,
                "copies": copies,
                "latency": reduction + coordination,
            }
            limit = max(parts, key=lambda part: parts[part])
    return Predicted(slowest, sum(windows), count, limit)


def predict(
    cards: Sequence[str],
    links: Sequence[Link],
    sizes: Sequence[int],
    gpus: Sequence[int],
    tile: int,
    layers: tuple[str, ...],
) -> Iterator[str]:
    """A table, line by line: efficiency, seconds, and what most keeps it from being whole."""
    yield f"tiles of {tile}; by a model, with leads: see scaling_model.py"
    yield ""
    yield "| picture | GPUs |" + "".join(
        f" {card}, {link.gbits} Gbit/s |" for card in cards for link in links
    )
    yield "|" + (2 + len(cards) * len(links)) * "---|"
    for side in sizes:
        plan = plan_tiles(Shape(side, side), layers, tile)
        for asked in gpus:
            count = helping(len(plan.tiles), asked)
            cells = []
            for card in cards:
                for link in links:
                    found = predict_step(plan, layers, count, CARDS[card], link)
                    share = f"{found.efficiency:.0%}, {1000 * found.seconds:.0f} ms"
                    cells.append(f" {share}, {found.limit} |" if count > 1 else f" {share} |")
            yield f"| {side}² | {count} |" + "".join(cells)


def predict_picture(
    shape: Shape, cards: Sequence[str], links: Sequence[Link], gpus: Sequence[int], tile: int
) -> Iterator[str]:
    """A table, line by line: seconds of all steps of a picture, with as many octaves as it has."""
    dream = Dream(octaves="auto")
    execution = Execution(tile=tile, memory=str(20 << 30))
    stages = Planner(dream, execution).plan(shape).stages
    tiles = [len(stage.tiles.tiles) for stage in stages]
    yield f"{shape}, {len(stages)} octaves of {', '.join(map(str, tiles))} tiles, 20 steps each"
    yield ""
    yield "| GPUs | tiles of the busiest, last octave |" + "".join(
        f" {card}, {link.gbits} Gbit/s: steps | GPU-seconds |" for card in cards for link in links
    )
    yield "|" + (2 + 2 * len(cards) * len(links)) * "---|"
    for asked in gpus:
        most = max(helping(count, asked) for count in tiles)
        cells = []
        for card in cards:
            for link in links:
                steps = (
                    predict_step(
                        stage.tiles,
                        dream.layer_names,
                        helping(len(stage.tiles.tiles), asked),
                        CARDS[card],
                        link,
                    ).seconds
                    for stage in stages
                )
                seconds = dream.iterations * sum(steps)
                cells.append(f" {seconds:.0f} s | {most * seconds:.0f} |")
        yield f"| {most} | {-(-tiles[-1] // most)} |" + "".join(cells)
