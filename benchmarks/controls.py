"""What each of an artist's settings costs: a step's time, and memory against the prediction.

    python benchmarks/controls.py [--side 1024] [--rounds 5] [--weights FILE]

One octave of a single window, in a process of its own for each setting.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import common

from dreamray.base.geometry import Shape
from dreamray.engine.ascent import Octave, Step
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.model.device import keep_freed_memory
from dreamray.plan.planner import Planner
from dreamray.raster.lazy import ArrayRaster
from dreamray.settings.dream import DEFAULT_LAYERS, Dream
from dreamray.settings.execution import Execution


def of_kind(kind: str) -> dict[str, float]:
    """The default layers, with something else made of each."""
    return {f"{kind}({name})": weight for name, weight in DEFAULT_LAYERS.items()}


CASES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "mean": {"layers": of_kind("mean")},
    "guide": {"layers": of_kind("guide")},
    "accent": {"layers": of_kind("accent")},
    "tv": {"layers": {**DEFAULT_LAYERS, "tv": -0.1}},
    "smooth 0.5": {"smooth": 0.5},
    "laplacian 4": {"laplacian": 4},
    "momentum": {"optimizer": "momentum"},
    "adam": {"optimizer": "adam"},
}
"""By what is said of them."""


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Be the process of a case: the median of its steps' seconds, and its peak."""
    keep_freed_memory()
    side, steps = case["side"], case["rounds"] + 1
    dream = Dream(octaves=1, iterations=steps, max_loss=None, **CASES[case["name"]])
    weights = common.load_reaching(case["weights"], dream.layer_names)
    guide = common.picture(320, 320)
    engine = EngineSpec(dream, weights, "float32", case["threads"], guide).engine()
    executor = LocalTileExecutor(Worker(engine))
    (stage,) = Planner(dream, Execution(tile=side)).plan(Shape(side, side)).stages
    image = ArrayRaster(common.picture(side, side))
    seconds, begun = [], time.perf_counter()
    source = image if dream.compares else None
    for told in executor.dream(Octave(stage.tiles, image, dream, source=source)):
        if isinstance(told, Step):
            seconds.append(time.perf_counter() - begun)
            begun = time.perf_counter()
    return {
        "seconds": statistics.median(seconds[1:]),
        "peak": common.peak_memory(),
        "predicted": stage.memory,
    }


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--side", type=int, default=1024, help="of the window (default 1024)")
    parser.add_argument("--rounds", type=int, default=5, help="steps (default 5)")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(given.case)))
        return
    shared = {name: getattr(given, name) for name in ("side", "rounds", "weights", "threads")}
    rows, plain = [], 0.0
    for name in CASES:
        found = common.in_fresh_process(__file__, {"name": name, **shared})
        if "failed" in found:
            print(f"{name}: {found['failed']}", flush=True)
            continue
        plain = plain or found["seconds"]
        peak, predicted = (f"{found[key] / 2**20:.0f}" for key in ("peak", "predicted"))
        change = f"{found['seconds'] / plain - 1:+.0%}"
        rows.append((name, f"{found['seconds']:.2f}", change, peak, predicted))
    header = ("", "s a step", "more", "peak, MiB", "predicted, MiB")
    common.report(common.table(header, rows), given.markdown)


if __name__ == "__main__":
    main()
