"""What each of an artist's settings costs: a step's time beside a plain one's, and memory.

    python benchmarks/controls.py [--side 512] [--rounds 15] [--weights FILE]
    python benchmarks/controls.py --memory [--sides 768 1280] [--precisions float32 bfloat16]

The first takes turns: a step of each setting in each round, all in this process, so that whatever
else the machine does disturbs all alike. The second measures the peak of two real steps in one
window, in a process of its own for each setting, beside what the model predicts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import common
import numpy as np

from dreamray.base.geometry import Raster, Shape
from dreamray.engine.ascent import Octave, Step
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.model.device import keep_freed_memory
from dreamray.model.weights.arrays import Weights
from dreamray.plan import memory_model
from dreamray.plan.planner import Planner
from dreamray.raster.lazy import ArrayRaster
from dreamray.settings.dream import DEFAULT_LAYERS, Dream
from dreamray.settings.execution import Execution

Case = dict[str, Any]


def of_kind(kind: str) -> dict[str, float]:
    """The default layers, with something else made of each."""
    return {kind.format(name): weight for name, weight in DEFAULT_LAYERS.items()}


CASES: dict[str, Case] = {
    "as it is": {},
    "`--mask`": {"mask": "mask.png"},
    "`mean` of each layer": {"layers": of_kind("mean({})")},
    "`cosine` of each layer": {"layers": of_kind("cosine({}[3:1,40:-0.5])")},
    "`near` of each layer": {"layers": of_kind("near({},0.5,0.5,0.2)")},
    "`--guide`": {"guide": "guide.jpg"},
    "`accent` of each layer": {"layers": of_kind("accent({})")},
    "`unlike` beside the layers": {"layers": {**DEFAULT_LAYERS, **of_kind("unlike({})")}},
    "`tv` beside the layers": {"layers": {**DEFAULT_LAYERS, "tv": -0.1}},
    "`--smooth 0.5`": {"smooth": 0.5},
    "`--laplacian 4`": {"laplacian": 4},
    "`--optimizer momentum`": {"optimizer": "momentum"},
    "`--optimizer adam`": {"optimizer": "adam"},
}
"""Settings by what is said of them."""

MORE: dict[str, Case] = {
    "mixed0": {"layers": "mixed0"},
    "mixed0, smooth 0.5": {"layers": "mixed0", "smooth": 0.5},
    "mixed0, smooth 5": {"layers": "mixed0", "smooth": 5.0},
    "mixed0, laplacian 1": {"layers": "mixed0", "laplacian": 1},
    "mixed0, laplacian 4": {"layers": "mixed0", "laplacian": 4},
    "mixed0, both": {"layers": "mixed0", "laplacian": 4, "smooth": 0.5},
    "mixed0, adam": {"layers": "mixed0", "optimizer": "adam"},
    "mixed0, guide": {"layers": "mixed0", "guide": "guide.jpg"},
    "mixed0, accent": {"layers": "accent(mixed0)"},
    "mixed0, unlike": {"layers": "mixed0 + unlike(mixed0)"},
    "mixed0, mask": {"layers": "mixed0", "mask": "mask.png"},
    "mixed0, near": {"layers": "near(mixed0,0.5,0.5,0.2)"},
    "mixed0, cosine": {"layers": "cosine(mixed0[3:1,40:-0.5])"},
    "mixed0, tv": {"layers": "mixed0 - 0.1*tv"},
    "mixed5, guide": {"layers": "mixed5", "guide": "guide.jpg"},
    "mixed8, accent": {"layers": "accent(mixed8)"},
}
"""Whose memory is measured besides: where the network takes less of it."""


def steps(
    settings: Case, side: int, weights: Weights, precision: Any, threads: int, count: int
) -> tuple[Iterator[Step], int]:
    """The steps of one octave of a single window, and the bytes that are predicted for them."""
    dream = Dream(octaves=1, iterations=count, max_loss=None, **settings)
    guide = common.picture(320, 320) if dream.guide else None
    engine = EngineSpec(dream, weights, precision, threads, guide).engine()
    shape = Shape(side, side)
    (stage,) = Planner(dream, Execution(tile=side, precision=precision)).plan(shape).stages
    image = ArrayRaster(common.picture(side, side))
    grey = common.picture(side, side)[..., :1] / 2 + np.float32(0.5)
    channels = [image.image] * dream.compares + [grey] * len(dream.parts)
    octave = Octave(
        stage.tiles,
        image,
        dream,
        beside=_raster(channels),
        mask=ArrayRaster(grey) if dream.mask else None,
    )
    # Of a picture that is read and written there is nothing.
    picture = int(memory_model.MARGIN * memory_model.PICTURE_PIXEL * shape.pixels)
    told = LocalTileExecutor(Worker(engine)).dream(octave)
    return (one for one in told if isinstance(one, Step)), stage.memory - picture


def _raster(channels: list[Raster]) -> ArrayRaster | None:
    return ArrayRaster(np.concatenate(channels, axis=2)) if channels else None


def measure_times(given: argparse.Namespace) -> str:
    """A step of each setting in turn."""
    weights = common.load_reaching(given.weights, common.DEFAULT)
    rounds = given.rounds + 2
    running = {
        name: steps(CASES[name], given.side, weights, "float32", given.threads, rounds)[0]
        for name in CASES
    }
    seconds: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, one in running.items():
            begun = time.perf_counter()
            next(one)
            seconds[name].append(time.perf_counter() - begun)
    # The first two trace, and fill caches.
    plain = seconds["as it is"][2:]
    rows = []
    for name, found in seconds.items():
        ratio = statistics.median(one / by for one, by in zip(found[2:], plain, strict=True))
        rows.append((name, f"{statistics.median(found[2:]):.3f}", f"{ratio - 1:+.0%}"))
    return common.table(("", "s a step", "more"), rows)


def measure_peak(case: Case) -> dict[str, Any]:
    """Be the process of a case."""
    keep_freed_memory()
    settings = {**CASES, **MORE}[case["name"]]
    weights = common.load_reaching(case["weights"], Dream(**settings).layer_names)
    made = case["side"], weights, case["precision"], case["threads"], 2
    running, predicted = steps(settings, *made)
    for _ in running:
        pass
    return {"peak": common.peak_memory(), "predicted": predicted}


def measure_memory(given: argparse.Namespace) -> str:
    """The peak of each setting, beside what is predicted."""
    shared = {name: getattr(given, name) for name in ("weights", "threads")}
    rows = []
    for name in given.only or [*CASES, *MORE]:
        for side in given.sides:
            for precision in given.precisions:
                case = {"name": name, "side": side, "precision": precision, **shared}
                found = common.in_fresh_process(__file__, case)
                if "failed" in found:
                    print(f"{name}: {found['failed']}", flush=True)
                    continue
                peak, predicted = (found[key] / 2**20 for key in ("peak", "predicted"))
                row = f"{peak:.0f}", f"{predicted:.0f}", f"{predicted / peak - 1:+.0%}"
                rows.append((name, f"{side}", precision, *row))
                print(*rows[-1], flush=True)
    header = ("", "side", "precision", "peak, MiB", "predicted, MiB", "error")
    return common.table(header, rows)


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--side", type=int, default=512, help="of the window (default 512)")
    parser.add_argument("--rounds", type=int, default=15, help="steps of each (default 15)")
    parser.add_argument("--memory", action="store_true", help="measure peaks instead")
    parser.add_argument("--sides", type=int, nargs="+", default=[768, 1280], help="for --memory")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--only", nargs="+", choices=[*CASES, *MORE], help="for --memory")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure_peak(given.case)))
        return
    common.report((measure_memory if given.memory else measure_times)(given), given.markdown)


if __name__ == "__main__":
    main()
