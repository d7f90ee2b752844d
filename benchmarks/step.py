"""Time and memory of one ascent step: this engine, Keras, and what the machine could do.

    python benchmarks/step.py [--sizes 384 512 1024] [--rounds 15] [--weights random]

Each contestant is a process of its own, as it would be for a user: it builds its network, warms
up, and then makes one step whenever it is its turn. The turns go round, so that whatever else
the machine does disturbs all alike. The times are medians. The rate is that of the
convolutions that the recipe needs, whatever a contestant computes; `of matmul` compares it with
a product of large matrices of the same precision, measured in the same rounds.

Memory is what each process holds at its peak, per pixel from the smallest size to the largest.
Where PyTorch and torchvision are installed, their network takes part (`peers_gpu.py`), and on a
GPU so do the variants that XLA compiles.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common

from dreamray import inception

BASE = "Keras, tf.function"
Turn = Callable[[], None]


@dataclass(frozen=True)
class Variant:
    """A contestant."""

    name: str
    kind: str
    """What runs it: a key of `KINDS`."""
    precision: str = "float32"
    slow: bool = False
    """Takes a third of the turns only."""


MATMULS = (
    Variant("matmul float32", "matmul"),
    Variant("matmul bfloat16", "matmul", "bfloat16"),
)
KERAS = (Variant(BASE, "keras_function"), Variant("Keras, eager", "keras_eager", slow=True))
XLA = (Variant("Keras, tf.function, XLA", "keras_xla"),)
DREAMRAY = (
    Variant("dreamray float32", "dreamray"),
    Variant("dreamray bfloat16", "dreamray", "bfloat16"),
)
TORCH = (
    Variant("PyTorch, eager", "torch_eager"),
    Variant("PyTorch, eager, bfloat16", "torch_eager", "bfloat16"),
    Variant("PyTorch, compiled", "torch_compiled"),
    Variant("PyTorch, compiled, bfloat16", "torch_compiled", "bfloat16"),
)


def run_keras(case: dict[str, Any], turn: Turn) -> None:
    """The plain recipe's step, as it is written, in a tf.function, or compiled by XLA."""
    tf = common.tensorflow(case["threads"])
    import plain_recipe

    extractor = plain_recipe.feature_extractor(keras_weights(case["weights"]))

    def step(image: Any) -> Any:
        return plain_recipe.ascend_once(extractor, image)

    if case["kind"] != "keras_eager":
        step = tf.function(step, jit_compile=True if case["kind"] == "keras_xla" else None)
    image = tf.constant(common.picture(case["side"], case["side"])[None])
    while True:
        loss, image = step(image)
        float(loss)  # The recipe compares it with the largest loss it allows.
        turn()


def keras_weights(source: str) -> str | None:
    """What Keras calls those weights; None, its own random ones, where it cannot load them."""
    source = os.environ.get("DREAMRAY_WEIGHTS", source) if source == "auto" else source
    if source == "auto":
        return "imagenet" if common.load(source).name == "imagenet" else None
    return None if source.startswith("random") else source


def run_dreamray(case: dict[str, Any], turn: Turn) -> None:
    """The steps of an octave in one tile."""
    from dreamray.device import keep_freed_memory

    keep_freed_memory()
    common.tensorflow(case["threads"])
    from dreamray.ascent import ascend
    from dreamray.gradient import PictureGradient
    from dreamray.octaves import Shape
    from dreamray.settings import Dream
    from dreamray.tiles import plan_tiles

    dream = Dream(iterations=100_000, max_loss=None)
    weights = common.load_reaching(case["weights"], dream.layer_names)
    gradient = PictureGradient(dream.choices, weights, case["precision"])
    shape = Shape(case["side"], case["side"])
    ascend(
        common.picture(*shape),
        plan_tiles(shape, dream.layer_names),
        dream,
        gradient,
        on_step=lambda step: turn(),
    )


def run_torch(case: dict[str, Any], turn: Turn) -> None:
    """The same network in PyTorch."""
    import peers_gpu

    compiled = case["kind"] == "torch_compiled"
    step = peers_gpu.make_step(case["side"], case["precision"], compiled, case["threads"])
    while True:
        step()
        turn()


def run_matmul(case: dict[str, Any], turn: Turn) -> None:
    """A product of two square matrices."""
    tf = common.tensorflow(case["threads"])
    side = case["side"]
    a, b = (
        tf.cast(tf.random.stateless_uniform((side, side), (seed, 0)), case["precision"])
        for seed in (0, 1)
    )
    product = tf.function(lambda: tf.matmul(a, b))
    while True:
        product()[0, 0].numpy()  # Waits for a GPU.
        turn()


KINDS: dict[str, Callable[[dict[str, Any], Turn], None]] = {
    "keras_function": run_keras,
    "keras_eager": run_keras,
    "keras_xla": run_keras,
    "dreamray": run_dreamray,
    "torch_eager": run_torch,
    "torch_compiled": run_torch,
    "matmul": run_matmul,
}


def take_turns(case: dict[str, Any]) -> None:
    """Run a contestant: a step for each line on standard input, its seconds as the answer."""
    for _ in range(case["warmup"]):
        next_turn = Turns(case["warmup"])
    KINDS[case["kind"]](case, next_turn)


class Turns:
    """Called after each step: answers with its time, and waits for the next turn."""

    def __init__(self, warmup: int) -> None:
        self._left = warmup
        self._started = time.perf_counter()

    def __call__(self) -> None:
        seconds = time.perf_counter() - self._started
        self._left -= 1
        if self._left <= 0:
            print(json.dumps({"seconds": seconds, "peak": common.peak_memory()}), flush=True)
            if not sys.stdin.readline():
                sys.stdout.flush()
                os._exit(0)  # TensorFlow's own end takes a second, and there is nothing to save.
        self._started = time.perf_counter()


class Contestant:
    """A contestant's process."""

    def __init__(self, variant: Variant, side: int, given: Any) -> None:
        self.variant = variant
        self.times: list[float] = []
        self.peak = 0
        case = {
            "kind": variant.kind,
            "precision": variant.precision,
            "side": side,
            "weights": given.weights,
            "threads": given.threads,
            "warmup": given.warmup,
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--case", json.dumps(case)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if given.verbose else subprocess.DEVNULL,
            text=True,
        )
        self._answer()  # The last step of the warm-up.

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.variant.name} failed; --verbose shows why")
        answer = json.loads(line)
        self.peak = answer["peak"]
        return float(answer["seconds"])

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


@dataclass(frozen=True)
class Result:
    """What a contestant took for a step."""

    seconds: float
    peak: int
