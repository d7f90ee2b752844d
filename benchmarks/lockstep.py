"""What keeping in step costs workers themselves, without Ray.

    python benchmarks/lockstep.py [--workers 1,2,8,32] [--tile 64] [--layers mixed0] [--steps 20]

Each worker is a process, and they reach one another by ZeroMQ on this machine, as on a cluster;
dreams are replaced by a sleep. Processor time is that of the whole process, with the threads that
send and encrypt, and that of the thread that makes the steps. What one worker takes, who exchanges
with nobody, is the arithmetic. All share this machine's processors: the model says how long
a step then takes, `sleep + workers * processor time / processors`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scaling import Sleeper, make_plan, names, numbers

from dreamray.engine.ascent import Octave, Step
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles
from dreamray.engine.lockstep.mailbox import Epoch, Limits, Mailbox
from dreamray.engine.lockstep.member import Place
from dreamray.engine.worker import Worker
from dreamray.farm.zeromq import Exchange, RunKeys
from dreamray.model.device import available_threads
from dreamray.plan.tiles import TilePlan
from dreamray.raster.lazy import ArrayRaster
from dreamray.settings.dream import Dream

HOST = "127.0.0.1"
LIMIT = 300.0
"""Seconds for all of it."""


class Cost(NamedTuple):
    """Of one worker, each a mean of a step but for the first."""

    step: float
    """Seconds from step to step, median."""
    processor: float
    thread: float
    neighbours: int


def live(
    pipe: Connection, me: int, plan: TilePlan, keys: RunKeys, given: argparse.Namespace
) -> None:
    """Be one of the workers."""
    owners = assign_tiles(plan, len(plan.tiles))
    dream = Dream(
        layers=dict.fromkeys(given.layers, 1.0), iterations=given.steps + 2, max_loss=None
    )
    image = ArrayRaster(np.zeros((*plan.shape, 3), np.float32))
    with closing(Exchange(keys, HOST, None)) as exchange:
        pipe.send(exchange.endpoint)
        with closing(exchange.connect(pipe.recv())) as link:
            box = Mailbox(link, me, Epoch(b"a run to measure", 1), Limits())
            worker = Worker(Sleeper(given.sleep, given.layers))
            ends, spent = [], []
            for told in worker.join(Octave(plan, image, dream), Place(owners, me, box)).ascend():
                if isinstance(told, Step):
                    used = resource.getrusage(resource.RUSAGE_SELF)
                    ends.append(time.perf_counter())
                    spent.append((used.ru_utime + used.ru_stime, time.thread_time()))
            pipe.send(
                Cost(
                    float(np.median(np.diff(ends[1:]))),
                    *((np.array(spent[-1]) - spent[1]) / given.steps),
                    len(HaloExchange(plan, owners).receivers(me)),
                )
            )
            pipe.recv()


def measure(workers: int, given: argparse.Namespace) -> list[Cost]:
    """What it costs each of so many workers, with a tile each."""
    plan, keys = make_plan(workers, given.tile, given.layers), RunKeys.new()
    pipes, processes = [], []
    for me in range(workers):
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=live, args=(there, me, plan, keys, given), daemon=True
        )
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    ends = [heard(pipe) for pipe in pipes]
    for pipe in pipes:
        pipe.send(ends)
    costs = [heard(pipe) for pipe in pipes]
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join(LIMIT)
    return costs


def heard(pipe: Connection) -> Cost:
    """What a worker tells."""
    assert pipe.poll(LIMIT), "a worker does not go on"
    told: Cost = pipe.recv()
    return told


def main() -> None:
    """Measure."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--workers", type=numbers, default=[1, 2, 8, 32])
    made.add_argument("--layers", type=names, default=("mixed0",), help="with commas")
    made.add_argument("--tile", type=int, default=64, help="side of a core in pixels")
    made.add_argument("--sleep", type=float, default=0.2, help="seconds of a tile's gradient")
    made.add_argument("--steps", type=int, default=20)
    made.add_argument("--markdown", type=Path, metavar="FILE")
    given = made.parse_args()
    processors = available_threads()
    lines = [
        f"tiles of {given.tile}, one a worker, a sleep of {given.sleep:g} s; {given.steps} steps, "
        f"{processors} processors for all, load {os.getloadavg()[0]:.1f} before",
        "",
        "| workers | neighbours, mean and most | step | by the model | processor time a worker "
        "| its thread |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for workers in given.workers:
        costs = measure(workers, given)
        step, processor, thread, neighbours = np.mean(costs, axis=0)
        model = given.sleep + max(processor, workers * processor / processors)
        lines.append(
            f"| {workers} | {neighbours:.1f}, {max(cost.neighbours for cost in costs)} "
            f"| {1000 * step:.1f} ms | {1000 * model:.1f} ms "
            f"| {1000 * processor:.2f} ms | {1000 * thread:.2f} ms |"
        )
        print(lines[-1], flush=True)
    if given.markdown:
        given.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
