"""What dealing a picture out to many workers costs, and what that means for a cluster.

    python benchmarks/scaling.py [--workers 1,2,4,8,16,32] [--tile 64] [--layers mixed0]
    python benchmarks/scaling.py --predict --tile 2048 --cards L4,H100 --links 25,100

The first runs the real lockstep on a real Ray cluster of this machine, with the dream replaced
by a sleep of fixed length: what a step takes beyond the sleep is coordination. It prints the
processor time of workers and driver, and the bytes that travel from worker to worker.

The second predicts a cluster by a model: see `scaling_model.py`.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scaling_model import CARDS, ENCRYPTED, Link, predict, predict_picture, traffic

from dreamray.base.geometry import Raster, Region, Shape
from dreamray.base.messages import show_size
from dreamray.engine.ascent import Octave, Step
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles
from dreamray.engine.worker import EngineSpec
from dreamray.model.device import available_threads
from dreamray.model.terms import Scope
from dreamray.plan.tiles import TilePlan, plan_tiles
from dreamray.raster.lazy import ArrayRaster
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution


class Sleeper:
    """An engine that sleeps for the time of a gradient: see `dreamray.engine.interfaces.Engine`."""

    def __init__(self, seconds: float, layers: tuple[str, ...]) -> None:
        self._seconds = seconds
        self.scopes = [Scope(name) for name in layers]

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

    def zeros(self, height: int, width: int, channels: int) -> Raster:
        """Zeros."""
        return np.zeros((height, width, channels), np.float32)

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
    each: float
    """Processor time of a worker's process, Ray's threads and those of the exchange in it, mean."""
    driver: float
    """That of the driver's process, mean of a step."""
    waited: float
    """Seconds that a worker waited for others, mean."""
    peak: int
    """Bytes that the largest worker held at its peak."""
    sent: int
    """Bytes that all workers together send to others."""

    @property
    def predicted(self) -> float:
        """Seconds of a step by the model: processors are shared by all."""
        shared = (self.workers * self.each + self.driver) / available_threads()
        return self.slept + max(self.each, shared)


def measure(workers: int, given: argparse.Namespace) -> Measured:
    """Make steps with so many workers."""
    plan = make_plan(workers * given.tiles_each, given.tile, given.layers)
    image = ArrayRaster(np.zeros((*plan.shape, 3), np.float32))
    execution = Execution(workers=str(workers), threads=1, address="local", wait=600)
    dream = Dream(
        layers=dict.fromkeys(given.layers, 1.0), iterations=given.steps + 2, max_loss=None
    )
    ends, waited, processor = [], [], {}
    with sleeping(SleepingTools(given.sleep, given.layers), execution, len(plan.tiles)) as executor:
        for told in executor.dream(Octave(plan, image, dream)):
            if not isinstance(told, Step):
                continue
            ends.append(time.perf_counter())
            waited.append((told.effort.exchange + told.effort.reduction) / workers)
            if told.number in (1, given.steps + 1):
                pids = [os.getpid(), *(one.place.pid for one in executor.workers)]
                processor[told.number] = [processor_seconds(pid) for pid in pids]
                peak = max(map(peak_bytes, pids[1:]))
    spent = np.subtract(processor[given.steps + 1], processor[1]) / given.steps
    owners = assign_tiles(plan, workers)
    most = max(owners.count(owner) for owner in set(owners))
    return Measured(
        workers,
        len(plan.tiles),
        float(np.median(np.diff(ends[1:]))),
        most * given.sleep,
        float(np.mean(spent[1:])),
        float(spent[0]),
        statistics.mean(waited[2:]),
        peak,
        sum(traffic(HaloExchange(plan, owners)).values()),
    )


def processor_seconds(pid: int) -> float:
    """That a process has used so far, with all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: int) -> int:
    """The most memory that a process has held so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def sleeping(tools: SleepingTools, execution: Execution, tiles: int) -> Any:
    """A tile executor whose workers sleep."""
    from dreamray.farm import ray_tile_executor

    stand_in: Any = tools
    as_tools: EngineSpec = stand_in
    return ray_tile_executor(as_tools, execution, [tiles], print)


def make_plan(tiles: int, core: int, layers: tuple[str, ...]) -> TilePlan:
    """About as many rows of tiles as columns."""
    rows = max(n for n in range(1, math.isqrt(tiles) + 1) if tiles % n == 0)
    shape = Shape(rows * core, tiles // rows * core)
    plan = plan_tiles(shape, layers, core)
    assert len(plan.tiles) == tiles
    return plan


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
    made.add_argument("--cards", type=names, default=tuple(CARDS), help=", ".join(CARDS))
    made.add_argument("--links", type=numbers, default=[25, 100], help="Gbit/s")
    made.add_argument("--encrypted", type=float, default=ENCRYPTED, help="bytes/s of a thread")
    made.add_argument("--sizes", type=numbers, default=[16384, 32768, 65536])
    made.add_argument("--gpus", type=numbers, default=[4, 16, 64])
    made.add_argument("--picture", type=parse_shape, metavar="WIDTHxHEIGHT", help="of --predict")
    given = made.parse_args()
    links = [Link(gbits, given.encrypted) for gbits in given.links]
    if given.predict and given.picture:
        lines = predict_picture(given.picture, given.cards, links, given.gpus, given.tile)
    elif given.predict:
        lines = predict(given.cards, links, given.sizes, given.gpus, given.tile, given.layers)
    else:
        # The workers find the sleeper by its name.
        here = str(Path(__file__).parent)
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [here, *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        lines = measured(given)
    written = []
    for line in lines:
        print(line, flush=True)
        written.append(line)
    if given.markdown:
        given.markdown.write_text("\n".join(written) + "\n")


def measured(given: argparse.Namespace) -> Iterator[str]:
    """A table, line by line."""
    yield (
        f"tiles of {given.tile}, {given.tiles_each} a worker, a sleep of {given.sleep:g} s each; "
        f"{given.steps} steps, {available_threads()} processors for all of it"
    )
    yield ""
    yield (
        "| workers | step | by the model | beyond the sleep | processor time of a worker "
        "| of the driver, a worker | waited | worker's peak | sent |"
    )
    yield "|" + 9 * "---|"
    for workers in given.workers:
        one = measure(workers, given)
        yield (
            f"| {one.workers} | {1000 * one.seconds:.1f} ms | {1000 * one.predicted:.1f} ms "
            f"| {1000 * (one.seconds - one.slept):.1f} ms | {1000 * one.each:.2f} ms "
            f"| {1000 * one.driver / one.workers:.2f} ms | {1000 * one.waited:.1f} ms "
            f"| {show_size(one.peak)} | {show_size(one.sent)} |"
        )


def names(text: str) -> tuple[str, ...]:
    """`mixed2,mixed3`."""
    return tuple(text.split(","))


def parse_shape(text: str) -> Shape:
    """`4000x3000`."""
    width, height = text.split("x")
    return Shape(int(height), int(width))


def numbers(text: str) -> list[int]:
    """`1,2,4`."""
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    import scaling  # So that workers can import what they are sent.

    scaling.main()
