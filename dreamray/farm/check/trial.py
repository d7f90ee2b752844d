"""What one fresh process does in a check.

Its first argument is a `Trial` as JSON; it writes what came of it as one line of JSON.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.engine.ascent import Octave
from dreamray.engine.interfaces import Engine
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.timing import step_seconds
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.model.architecture import convolution_flops
from dreamray.model.device import Kernels, keep_freed_memory
from dreamray.model.layers import NUMBERS, Precision
from dreamray.model.weights.loader import load
from dreamray.plan.memory_model import OCTAVE_PIXEL, on_card, predict_peak
from dreamray.plan.planner import budget_of
from dreamray.plan.tiles import TilePlan, plan_tiles
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import MemoryFolder

_BLOCK = 512
_FAR = 100.0
"""A step so long that the picture before it is lost in rounding: what is left is the gradient."""
_MATRIX = 3072
_LONG = 60.0
"""Seconds after which PyTorch compiles for no larger size."""
EAGER, COMPILED = "PyTorch, eager", "PyTorch, compiled"
_REPEATS = 4


@dataclass(frozen=True)
class Trial:
    """What is to be done, in which precision, and how large."""

    kind: str
    """steps, exactness, gradient, products, speed, EAGER or COMPILED."""
    precisions: tuple[Precision, ...] = ("float32",)
    sides: tuple[int, ...] = (320,)
    """Of square pictures, in pixels."""
    steps: int = 20
    threads: int | None = None
    kernels: Kernels = "reproducible"
    card: bool = True
    """Whether a graphics card may be used, if there is one."""
    enough: float = 1.0
    """Seconds of a step after which no larger one is measured."""
    engine: str = "dreamray.farm.check.trial:make_engine"
    """Module and function that make an engine, from a trial and a precision."""

    def to_json(self) -> str:
        """What `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Trial:
        """What `to_json` gave."""
        values = json.loads(text)
        lists = {name: tuple(values[name]) for name in ("precisions", "sides")}
        return cls(**{**values, **lists})

    def make_engine(self, precision: Precision) -> Engine[Any]:
        """The engine that is tried."""
        module, _, name = self.engine.partition(":")
        engine: Engine[Any] = getattr(importlib.import_module(module), name)(self, precision)
        return engine


def make_engine(trial: Trial, precision: Precision) -> Engine[Any]:
    """Dreamray's own, with the weights in the package: trained ones see as far as they can."""
    weights, threads = load("bestiary"), trial.threads
    return EngineSpec(Dream(), weights, precision, threads, kernels=trial.kernels).engine()


def picture(side: int, seed: int = 0) -> Raster:
    """Noise in -1 to 1, with detail of all sizes: the same everywhere."""
    random = np.random.default_rng(seed)
    image = np.zeros((side, side, 3), np.float32)
    for cells in (4, 16, 64, side):
        fine = random.uniform(-1, 1, (cells, cells, 3)).astype(np.float32)
        index = np.arange(side) * cells // side
        image += fine[index][:, index]
    return image / np.float32(4)


def ascend(engine: Engine[Any], plan: TilePlan, image: Raster, dream: Dream) -> Raster:
    """The image after an octave's steps, as a render makes them."""
    grid = ChunkGrid.within(plan.core_rows, plan.core_columns, _BLOCK)
    result = ChunkedRaster(MemoryFolder(), grid, "float32")
    octave = Octave(plan, ArrayRaster(image), dream, result=result)
    for _ in LocalTileExecutor(Worker(engine)).dream(octave):
        pass
    return read(result, Region.whole(plan.shape))


def try_steps(trial: Trial) -> dict[str, Any]:
    """The sha256 of a picture after some steps, by precision."""
    dream = Dream(iterations=trial.steps, max_loss=None)
    found, about = {}, {}
    for precision in trial.precisions:
        engine = trial.make_engine(precision)
        about = dict(engine.arrays.about())
        side = trial.sides[0]
        plan = plan_tiles(Shape(side, side), _layers(engine))
        dreamt = ascend(engine, plan, picture(side), dream)
        found[precision] = hashlib.sha256(np.ascontiguousarray(dreamt).tobytes()).hexdigest()
    return {"sha256": found, "about": about}


def try_exactness(trial: Trial) -> dict[str, Any]:
    """The relative error of the gradient in tiles, and that of rounding, by precision.

    Kinks of the network can make a difference of two right ones large: it is the better one of
    two pictures. What rounding does is the untiled gradient's distance from that in float32.
    """
    dream = Dream(iterations=1, step=_FAR, max_loss=None)
    side = trial.sides[0]
    errors: dict[str, float] = {}
    rounding: dict[str, float] = {}
    sharp: dict[int, Raster] = {}
    for precision in trial.precisions:
        engine = trial.make_engine(precision)
        whole = plan_tiles(Shape(side, side), _layers(engine))
        tiled = plan_tiles(Shape(side, side), _layers(engine), side // 2)
        for seed in (0, 1):
            image = picture(side, seed)
            untiled = ascend(engine, whole, image, dream) - image
            sharp.setdefault(seed, untiled)
            error = distance(ascend(engine, tiled, image, dream) - image, untiled)
            far = distance(untiled, sharp[seed])
            if error <= errors.get(precision, error):
                errors[precision], rounding[precision] = error, far
    return {"errors": errors, "rounding": rounding}


def try_gradient(trial: Trial) -> dict[str, Any]:
    """The untiled gradients of two pictures in float32, flat."""
    dream = Dream(iterations=1, step=_FAR, max_loss=None)
    engine, side = trial.make_engine("float32"), trial.sides[0]
    plan = plan_tiles(Shape(side, side), _layers(engine))
    images = [picture(side, seed) for seed in (0, 1)]
    found = [ascend(engine, plan, image, dream) - image for image in images]
    return {"gradients": [one.ravel().tolist() for one in found]}


def try_products(trial: Trial) -> dict[str, Any]:
    """The relative error of sums of products as an engine in float32 leaves them to this device.

    TF32 has errors of 5e-4, float32 of 1e-6.
    """
    import tensorflow as tf

    trial.make_engine("float32")
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((1, 64, 64, 64)) for _ in range(2))
    kernel = b[0, :3, :3, :].reshape(3, 3, 64, 1) * np.ones((1, 1, 1, 64))
    found = tf.nn.conv2d(a.astype(np.float32), kernel.astype(np.float32), 1, "VALID").numpy()
    with tf.device("/CPU:0"):
        true = tf.nn.conv2d(a, kernel.astype(np.float32).astype(np.float64), 1, "VALID").numpy()
    return {"error": distance(found.astype(np.float64), true)}


def try_speed(trial: Trial) -> dict[str, Any]:
    """Seconds of a step and bytes at the peak, by size; and the rate of a matrix product."""
    keep_freed_memory()
    (precision,) = trial.precisions
    engine = trial.make_engine(precision)
    steps: list[dict[str, Any]] = []
    for count, side in enumerate(trial.sides, start=1):
        planned = _predicted(side, engine, precision, count)
        if steps and planned > budget_of(Execution()):
            break
        plan = plan_tiles(Shape(side, side), _layers(engine))
        try:
            seconds = _step_seconds(engine, plan, picture(side))
        except MemoryExhaustedError:
            if not steps:
                raise
            break
        steps.append(
            {
                "side": side,
                "seconds": seconds,
                "rate": convolution_flops(_layers(engine), side, side) / seconds,
                **_memory(planned),
            }
        )
        if seconds > trial.enough:
            break
    rate = _matrix_rate(precision)  # Behind the steps: what it takes is not theirs.
    return {"steps": steps, "rate": rate, "about": dict(engine.arrays.about())}


def try_pytorch(trial: Trial) -> dict[str, Any]:
    """Seconds of a step in PyTorch, eager or compiled, by size.

    Until one fails, as for a lack of memory or of a compiler: raises what it does if none goes.
    """
    from dreamray.farm.check.torch_step import make_step
    from dreamray.model.device import available_threads

    (precision,) = trial.precisions
    threads, compiled = trial.threads or available_threads(), trial.kind == COMPILED
    steps: list[dict[str, Any]] = []
    begun = time.monotonic()
    for side in trial.sides:
        try:
            step = make_step(side, precision, compiled, threads)
            step()
            seconds = statistics.median(_timed(step) for _ in range(_REPEATS))
        except Exception:  # Whatever a compiler raises.
            if not steps:
                raise
            break
        rate = convolution_flops(Dream().layer_names, side, side) / seconds
        steps.append({"program": trial.kind, "side": side, "seconds": seconds, "rate": rate})
        if seconds > trial.enough or time.monotonic() - begun > _LONG:
            break
    return {"steps": steps}


def _layers(engine: Engine[Any]) -> tuple[str, ...]:
    """What its objective looks at."""
    return tuple(dict.fromkeys(scope.layer for scope in engine.objective.scopes))


def _step_seconds(engine: Engine[Any], plan: TilePlan, image: Raster) -> float:
    """Of some steps."""
    dream = Dream(iterations=1 + _REPEATS, max_loss=None)
    executor = LocalTileExecutor(Worker(engine))
    return step_seconds(executor, Octave(plan, ArrayRaster(image), dream))


def _matrix_rate(precision: Precision) -> float | None:
    """Floating point operations a second of a matrix product; None without TensorFlow."""
    if "tensorflow" not in sys.modules:
        return None
    import tensorflow as tf

    random = np.random.default_rng(0)
    a, b = (
        tf.cast(random.uniform(size=(_MATRIX, _MATRIX)).astype(np.float32), NUMBERS[precision])
        for _ in range(2)
    )
    product = tf.function(lambda: tf.matmul(a, b), autograph=False)

    def multiply() -> None:
        product()[0, 0].numpy()  # A card is waited for.

    multiply()
    return float(2 * _MATRIX**3 / statistics.median(_timed(multiply) for _ in range(_REPEATS)))


def _predicted(side: int, engine: Engine[Any], precision: Precision, shapes: int) -> int:
    """Bytes that a plan counts with for a window, after so many shapes of it."""
    pixels, layers = side * side, _layers(engine)
    return predict_peak(pixels, OCTAVE_PIXEL * pixels, Shape(0, 0), layers, precision, shapes)


def _memory(planned: int) -> dict[str, int]:
    """Bytes at the peak, and what is planned: of the card, or of the process."""
    if (peak := _card_peak()) is not None:
        return {"peak": peak, "predicted": on_card(planned)}
    return {"peak": _process_peak(), "predicted": planned}


def _card_peak() -> int | None:
    if "tensorflow" not in sys.modules:
        return None
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def _process_peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def distance(one: Raster, other: Raster) -> float:
    """Relative to the second one, as L2; infinite where either has what is no number."""
    found = float(np.linalg.norm(one - other) / max(float(np.linalg.norm(other)), 1e-30))
    return found if math.isfinite(found) else math.inf


_KINDS: dict[str, Callable[[Trial], dict[str, Any]]] = {
    "steps": try_steps,
    "exactness": try_exactness,
    "gradient": try_gradient,
    "products": try_products,
    "speed": try_speed,
    EAGER: try_pytorch,
    COMPILED: try_pytorch,
}


def main() -> None:
    """Do what the first argument says, as long as somebody holds standard input."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    trial = Trial.from_json(sys.argv[1])
    print(json.dumps(_KINDS[trial.kind](trial)), flush=True)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
