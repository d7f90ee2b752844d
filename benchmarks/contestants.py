"""Contestants of `step.py`: processes that make one step whenever it is their turn.

    python benchmarks/contestants.py CASE

builds what the case (JSON) says and makes a step for each line on standard input. The answer
is a line of JSON: the step's seconds, and the bytes that the process held at its peak so far.
The first answer comes unasked, after the warm-up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import common

Case = dict[str, Any]
"""kind, precision, side (pixels), weights, threads, warmup (steps)"""
Turn = Callable[[], None]
"""To be called after each step; returns when it is time for the next."""


class ContestantError(Exception):
    """A contestant's process ended before its time."""


class Contestant:
    """A contestant's process, as the benchmark sees it."""

    def __init__(self, name: str, case: Case, *, verbose: bool = False) -> None:
        """Start it, and wait for its warm-up."""
        self.name = name
        self.times: list[float] = []
        self.peak = 0
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(case)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if verbose else subprocess.DEVNULL,
            text=True,
        )
        self._answer()

    def step(self) -> None:
        """Let it make one step."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.times.append(self._answer())

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise ContestantError(f"{self.name} failed; --verbose shows why")
        answer = json.loads(line)
        self.peak = answer["peak"]
        return float(answer["seconds"])


class _Turns:
    """Called after each step: answers with its time, and waits for the next turn."""

    def __init__(self, warmup: int) -> None:
        self._warmup = warmup
        self._started = time.perf_counter()

    def __call__(self) -> None:
        seconds = time.perf_counter() - self._started
        self._warmup -= 1
        if self._warmup <= 0:
            print(json.dumps({"seconds": seconds, "peak": common.peak_memory()}), flush=True)
            if not sys.stdin.readline():
                os._exit(0)  # There is nothing to save, and libraries take long to end.
        self._started = time.perf_counter()


def _run_keras(case: Case, turn: Turn) -> None:
    """The plain recipe's step: as it stands, in a tf.function, or compiled by XLA."""
    tf = common.tensorflow(case["threads"])
    import plain_recipe

    extractor = plain_recipe.feature_extractor(keras_weights(case["weights"]))

    def step(image: Any) -> Any:
        return plain_recipe.ascend_once(extractor, image)

    if case["kind"] != "keras":
        step = tf.function(step, jit_compile=True if case["kind"] == "keras xla" else None)
    image = tf.constant(common.picture(case["side"], case["side"])[None])
    while True:
        loss, image = step(image)
        float(loss)  # The recipe compares it with the largest loss that it allows.
        turn()


def keras_weights(source: str) -> str | None:
    """What Keras calls those weights; None, its own random ones, where there is no file."""
    source = os.environ.get("DREAMRAY_WEIGHTS", source) if source == "auto" else source
    if source == "auto":
        return "imagenet" if common.load(source).name == "imagenet" else None
    return None if source.startswith("random") else source


def _run_dreamray(case: Case, turn: Turn) -> None:
    """The steps of an octave in one tile."""
    from dreamray.model.device import keep_freed_memory

    keep_freed_memory()
    common.tensorflow(case["threads"])
    from dreamray.base.geometry import Shape
    from dreamray.engine.ascent import Octave
    from dreamray.engine.interfaces import Engine
    from dreamray.engine.tile_executor import LocalTileExecutor
    from dreamray.engine.worker import Worker
    from dreamray.model.arithmetic import TensorFlowArrays
    from dreamray.model.objective import TileObjective
    from dreamray.plan.tiles import plan_tiles
    from dreamray.raster.lazy import ArrayRaster
    from dreamray.settings.dream import Dream

    dream = Dream(iterations=100_000, max_loss=None)
    weights = common.load_reaching(case["weights"], dream.layer_names)
    plan = plan_tiles(Shape(case["side"], case["side"]), dream.layer_names)
    objective = TileObjective(dream.terms, weights, case["precision"])
    executor = LocalTileExecutor(Worker(Engine(objective, TensorFlowArrays())))
    for _ in executor.dream(Octave(plan, ArrayRaster(common.picture(*plan.shape)), dream)):
        turn()


def _run_torch(case: Case, turn: Turn) -> None:
    """The same network in PyTorch."""
    from dreamray.farm.check.torch_step import make_step

    compiled = case["kind"] == "torch compiled"
    step = make_step(case["side"], case["precision"], compiled, case["threads"])
    while True:
        step()
        turn()


def _run_matmul(case: Case, turn: Turn) -> None:
    """A product of two square matrices."""
    tf = common.tensorflow(case["threads"])
    a, b = (
        tf.cast(tf.random.stateless_uniform([case["side"]] * 2, (seed, 0)), case["precision"])
        for seed in (0, 1)
    )
    product = tf.function(lambda: tf.matmul(a, b))
    while True:
        product()[0, 0].numpy()  # A GPU is waited for.
        turn()


_KINDS: dict[str, Callable[[Case, Turn], None]] = {
    "keras": _run_keras,
    "keras function": _run_keras,
    "keras xla": _run_keras,
    "dreamray": _run_dreamray,
    "torch": _run_torch,
    "torch compiled": _run_torch,
    "matmul": _run_matmul,
}


def main() -> None:
    """Be the contestant that the case describes."""
    case: Case = json.loads(sys.argv[1])
    _KINDS[case["kind"]](case, _Turns(case["warmup"]))


if __name__ == "__main__":
    main()
