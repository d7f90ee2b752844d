"""What dealing a picture out to many workers costs, and what that means for a cluster.

    python benchmarks/scaling.py [--workers 1,2,4,8,16,32] [--tile 64] [--layers mixed0]
    python benchmarks/scaling.py --predict --step-seconds 0.05 --link 10 --sizes 8192,16384,65536

The first runs the real lockstep on a real Ray cluster of this machine, with the dream replaced
by a sleep of fixed length: what a step takes beyond the sleep is coordination. It prints that
per worker, the driver's own processor time, and the bytes that travel from worker to worker;
then it fits the model.

The second predicts a cluster from the model: how long a step of a picture takes on so many
GPUs that need so long for a tile and are connected by a link of so many Gbit/s.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dreamray.base.geometry import Raster, Region, Shape
from dreamray.base.messages import show_size
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles
from dreamray.engine.worker import EngineSpec
from dreamray.plan.tiles import TilePlan, plan_tiles
from dreamray.raster.lazy import ArrayRaster
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution

PIXEL_BYTES = 12


class Sleeper:
    """An engine that sleeps for the time of a gradient: see `dreamray.engine.interfaces.Engine`."""

    def __init__(self, seconds: float, layers: tuple[str, ...]) -> None:
        self._seconds = seconds
        self.layers = layers

    def gradient(self, window: Raster, owned: Any, per_cell: Any) -> tuple[float, Raster]:
        """Nothing, after a while."""
        time.sleep(self._seconds)
        return 0.0, np.ones_like(window)

    def load(self, array: Raster) -> Raster:
        """The array itself."""
        return array

    def store(self, values: Raster) -> Raster:
        """The array itself."""
        return values

    @property
    def objective(self) -> Any:
        """Itself."""
        return self

    @property
    def arrays(self) -> Any:
        """Itself."""
        return self

    def about(self) -> Mapping[str, Any]:
        """In place of what it computes with."""
        return {"device": "none"}

    def join(self, parts: Sequence[Sequence[Raster]]) -> Raster:
        """One array of a grid of parts."""
        return np.concatenate([np.concatenate(row, axis=1) for row in parts])

    def zeros(self, height: int, width: int) -> Raster:
        """Zeros."""
        return np.zeros((height, width, 3), np.float32)

    def add(self, target: Raster, region: Region, values: Raster) -> Raster:
        """In place."""
        target[region.slices] += values
        return target

    def absolute_sum(self, values: Raster) -> float:
        """In float64."""
        return float(np.abs(values).sum(dtype=np.float64))

    def move(self, image: Raster, gradient: Raster, step: float, mean: float) -> Raster:
        """As the dream does."""
        return image + np.float32(step / mean) * gradient


@dataclass(frozen=True)
class SleepingTools:
    """What a worker that sleeps computes with: in place of `dreamray.engine.worker.EngineSpec`."""

    seconds: float
    layers: tuple[str, ...]
    threads: int = 1

    def engine(self) -> Sleeper:
        """The sleeper."""
        return Sleeper(self.seconds, self.layers)


@dataclass(frozen=True)
class Measured:
    """What a number of workers took for a step."""

    workers: int
    tiles: int
    seconds: float
    """A step, median."""
    slept: float
    """Of it, in the worker with the most tiles."""
    driver: float
    """Processor time of the driver's process, with Ray's threads in it, mean of a step."""
    thread: float
    """Of it that of the thread that leads the step."""
    sent: int
    """Bytes that all workers together send to others."""

    @property
    def coordination(self) -> float:
        """Seconds of a step, beyond the sleep, for each worker."""
        return (self.seconds - self.slept) / self.workers


def measure(workers: int, given: argparse.Namespace) -> Measured:
    """Make steps with so many workers."""
    plan = make_plan(workers * given.tiles_each, given.tile, given.layers)
    steps = given.steps
    image = ArrayRaster(np.zeros((*plan.shape, 3), np.float32))
    execution = Execution(workers=str(workers), threads=1, address="local", wait=600)
    with sleeping(SleepingTools(given.sleep, given.layers), execution, len(plan.tiles)) as executor:
        executor.begin(plan, image, None, None)
        seconds = []
        executor.compute((0, 0))
        processor, thread = time.process_time(), time.thread_time()
        for _ in range(steps):
            executor.move(0.01, 1.0)
            begun = time.perf_counter()
            executor.compute((0, 0))
            seconds.append(time.perf_counter() - begun)
        processor, thread = time.process_time() - processor, time.thread_time() - thread
    owners = assign_tiles(plan, workers)
    most = max(owners.count(owner) for owner in set(owners))
    return Measured(
        workers,
        len(plan.tiles),
        statistics.median(seconds),
        most * given.sleep,
        processor / steps,
        thread / steps,
        sum(traffic(HaloExchange(plan, owners)).values()),
    )


def sleeping(tools: SleepingTools, execution: Execution, tiles: int) -> Any:
    """A tile executor whose workers sleep."""
    from dreamray.farm import ray_tile_executor

    stand_in: Any = tools
    as_tools: EngineSpec = stand_in
    return ray_tile_executor(as_tools, execution, tiles, print)


def make_plan(tiles: int, core: int, layers: tuple[str, ...]) -> TilePlan:
    """About as many rows of tiles as columns."""
    rows = max(n for n in range(1, math.isqrt(tiles) + 1) if tiles % n == 0)
    shape = Shape(rows * core, tiles // rows * core)
    plan = plan_tiles(shape, layers, core)
    assert len(plan.tiles) == tiles
    return plan


def traffic(exchange: HaloExchange) -> dict[int, int]:
    """Bytes that each owner sends in a step: pixels of its cores, and gradients for others'."""
    sent = dict.fromkeys(exchange.owners, 0)
    for owner in sent:
        for other in exchange.receivers(owner):
            regions = exchange.needed(owner, other).values()
            sent[owner] += PIXEL_BYTES * sum(region.pixels for region in regions)
    for number, rows in enumerate(exchange.pieces):
        owner = exchange.owners[number]
        for row in rows:
            for piece in row:
                if exchange.owners[piece.source] != owner:
                    sent[owner] += PIXEL_BYTES * piece.inside.pixels
    return sent


def predict(given: argparse.Namespace) -> None:
    """Seconds of a step on a cluster, by the model."""
    print(
        f"a tile of {given.tile} takes {given.step_seconds:g} s, links of {given.link:g} Gbit/s, "
        f"{1000 * given.coordination:g} ms a worker and step\n"
    )
    print("| picture | GPUs | tiles each | step | of it exchange | efficiency |")
    print("|---|---|---|---|---|---|")
    for side in given.sizes:
        plan = plan_tiles(Shape(side, side), given.layers, given.tile)
        for gpus in given.gpus:
            if gpus > len(plan.tiles):
                continue
            owners = assign_tiles(plan, gpus)
            each = max(owners.count(owner) for owner in set(owners))
            sent = max(traffic(HaloExchange(plan, owners)).values())
            compute = each * given.step_seconds
            exchange = sent / (given.link / 8 * 1e9) + gpus * given.coordination
            alone = len(plan.tiles) * given.step_seconds / gpus
            print(
                f"| {side}² | {gpus} | {each} | {compute + exchange:.2f} s | {exchange:.2f} s | "
                f"{alone / (compute + exchange):.0%} |"
            )


def main() -> None:
    """Measure or predict."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--workers", type=numbers, default=[1, 2, 4, 8, 16, 32])
    made.add_argument("--layers", type=names, default=Dream().layer_names, help="with commas")
    made.add_argument("--tile", type=int, default=256, help="side of a core in pixels")
    made.add_argument("--tiles-each", type=int, default=1, help="tiles of a worker")
    made.add_argument("--sleep", type=float, default=0.2, help="seconds of a tile's gradient")
    made.add_argument("--steps", type=int, default=20)
    made.add_argument("--markdown", type=Path, metavar="FILE")
    made.add_argument("--predict", action="store_true")
    made.add_argument("--step-seconds", type=float, default=0.05, help="of a tile on a GPU")
    made.add_argument("--link", type=float, default=10.0, help="Gbit/s")
    made.add_argument("--coordination", type=float, default=0.004, help="s a worker and step")
    made.add_argument("--sizes", type=numbers, default=[8192, 16384, 32768, 65536])
    made.add_argument("--gpus", type=numbers, default=[1, 2, 4, 8, 16, 32, 64])
    given = made.parse_args()
    if given.predict:
        predict(given)
        return
    # The workers find the sleeper by its name.
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    lines = [
        f"tiles of {given.tile}, {given.tiles_each} a worker, a sleep of {given.sleep:g} s each; "
        f"{given.steps} steps, {os.cpu_count()} processors for all of it",
        "",
        "| workers | step | beyond sleep | a worker | driver, a worker | its thread | sent |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for workers in given.workers:
        one = measure(workers, given)
        lines.append(
            f"| {one.workers} | {1000 * one.seconds:.1f} ms "
            f"| {1000 * (one.seconds - one.slept):.1f} ms | {1000 * one.coordination:.2f} ms "
            f"| {1000 * one.driver / one.workers:.2f} ms "
            f"| {1000 * one.thread / one.workers:.2f} ms | {show_size(one.sent)} |"
        )
        print(lines[-1], flush=True)
    if given.markdown:
        given.markdown.write_text("\n".join(lines) + "\n")


def names(text: str) -> tuple[str, ...]:
    """`mixed2,mixed3`."""
    return tuple(text.split(","))


def numbers(text: str) -> list[int]:
    """`1,2,4`."""
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    import scaling  # So that workers can import what they are sent.

    scaling.main()
