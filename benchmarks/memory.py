"""How much memory a dream takes, against what `dreamray.plan.memory_model` predicts.

    python benchmarks/memory.py [--fit] [--weights FILE]
    python benchmarks/memory.py --memory 2GiB --size 3000x2000 --octaves 2

The first measures the peak of two real steps for sets of layers, precisions and sizes of the
window, and prints it beside the prediction; then octaves that are much larger than their
windows, and whole renders. `--fit` finds constants for the prediction: the least that, with a
margin, are over every measurement.

The second renders a picture under a budget, and says whether it was kept to.

Each measurement is a process of its own, and its peak the VmHWM that Linux counts. It does not
depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np
from PIL import Image
from scipy.optimize import linprog

from dreamray.base.geometry import Shape
from dreamray.base.messages import show_size
from dreamray.model.device import keep_freed_memory
from dreamray.plan import memory_model
from dreamray.settings.execution import parse_size

LAYERS = {
    "mixed0": ("mixed0",),
    "mixed2": ("mixed2",),
    "mixed3": ("mixed3",),
    "mixed2-5": common.DEFAULT,
    "mixed6": ("mixed6",),
    "mixed8": ("mixed8",),
    "mixed10": ("mixed10",),
}
CONSTANTS = (
    "PROCESS",
    "PARAMETER",
    "KEPT",
    "WINDOW_PIXEL",
    "OCTAVE_PIXEL",
    "PICTURE_PIXEL",
    "WINDOW_SHAPE",
)
"""Those of `dreamray.plan.memory_model` that are fitted: the prediction is linear in them."""

ENOUGH = 1e6
"""A value of a constant with which the prediction's whole bytes are exact enough."""

NOTHING = Shape(0, 0)

Case = dict[str, Any]
Measured = dict[str, Any]
"""A case with its `peak`, its largest `window` in pixels, and how many `shapes` windows had.

Of the octave's tiles `held` bytes were in memory; all of them where that is None.
"""


def grid(given: argparse.Namespace) -> Iterator[Case]:
    """Steps in one window, for every combination of what was asked for."""
    for name in given.layers:
        for precision in given.precisions:
            for megapixels in given.megapixels:
                side = round(math.sqrt(megapixels * common.MEGAPIXEL) / 32) * 32
                yield _case(given, name, precision, [side, side])


def large_octaves(given: argparse.Namespace) -> Iterator[Case]:
    """Steps in small windows of a large octave, on disk or not, and whole renders with them."""
    for side in (2048, 4096):
        yield _case(given, "mixed0", "float32", [side, side], core=512)
    yield _case(given, "mixed0", "float32", [4096, 4096], core=512, held=64 << 20)
    for side in (2048, 3072):
        yield _case(given, "mixed0", "float32", [side, side], core=512, octaves=2)


def _case(
    given: argparse.Namespace, name: str, precision: str, shape: list[int], **more: int
) -> Case:
    return {
        "name": name,
        "layers": LAYERS[name],
        "precision": precision,
        "shape": shape,
        "weights": given.weights,
        "threads": given.threads,
        **more,
    }


def measure(case: Case) -> Measured:
    """Be the process of a case."""
    keep_freed_memory()
    weights = common.load_reaching(case["weights"], case["layers"])
    common.tensorflow(case["threads"])
    from dreamray.engine.ascent import Octave
    from dreamray.engine.interfaces import Engine
    from dreamray.engine.tile_executor import LocalTileExecutor
    from dreamray.engine.worker import Worker
    from dreamray.model.arithmetic import TensorFlowArrays
    from dreamray.model.objective import TileObjective
    from dreamray.plan.tiles import plan_tiles
    from dreamray.raster.lazy import ArrayRaster
    from dreamray.settings.dream import Dream

    shape = Shape(*case["shape"])
    dream = Dream(layers=dict.fromkeys(case["layers"], 1.0), iterations=2, max_loss=None)
    plan = plan_tiles(shape, dream.layer_names, case.get("core"))
    objective = TileObjective(dream.terms, weights, case["precision"])
    executor = LocalTileExecutor(Worker(Engine(objective, TensorFlowArrays())))
    held = case.get("held")
    for _ in executor.dream(Octave(plan, ArrayRaster(common.picture(*shape)), dream, held=held)):
        pass
    return {
        **case,
        "window": plan.largest_window.pixels,
        "held": held,
        "shapes": len({tile.window.shape for tile in plan.tiles}),
        "peak": common.peak_memory(),
    }


def measure_render(case: Case) -> Measured:
    """Be the process of a case that renders a file as the command does."""
    keep_freed_memory()
    from dreamray.render.files import render_picture
    from dreamray.render.renderer import Renderer
    from dreamray.settings.dream import Dream
    from dreamray.settings.execution import Execution

    dream = Dream(
        layers=dict.fromkeys(case["layers"], 1.0),
        octaves=case["octaves"],
        iterations=1,
        max_loss=None,
    )
    execution = Execution(
        weights=case["weights"],
        precision=case["precision"],
        threads=case["threads"],
        tile=case.get("core", "auto"),
        memory=case.get("memory", "auto"),
    )
    renderer = Renderer(
        dream, execution, weights=common.load_reaching(case["weights"], dream.layer_names)
    )
    plan = renderer.plan(Shape(*case["shape"]))
    render_picture(case["picture"], str(Path(case["picture"]).with_name("dreamt.png")), renderer)
    return {
        **case,
        "window": max(stage.tiles.largest_window.pixels for stage in plan.stages),
        "held": _held([(stage.held, stage.shape) for stage in plan.stages]),
        "shapes": len({tile.window.shape for stage in plan.stages for tile in stage.tiles.tiles}),
        "tiles": [len(stage.tiles.tiles) for stage in plan.stages],
        "predicted": plan.memory,
        "peak": common.peak_memory(),
    }


def _held(stages: list[tuple[int, Shape]]) -> int | None:
    """The most bytes of any octave that are held; None if all of each are."""
    if all(held == memory_model.OCTAVE_PIXEL * math.prod(shape) for held, shape in stages):
        return None
    return max(held for held, _ in stages)


def measured(cases: Iterable[Case]) -> list[Measured]:
    """Measure each case in a process of its own; those that fail are said and left out."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            if "octaves" in case:
                case["picture"] = str(Path(folder) / "picture.png")
                paint(Path(case["picture"]), Shape(*case["shape"]))
            result = common.in_fresh_process(__file__, case)
            if "failed" in result:
                print(f"{label(case)}: {result['failed']}", flush=True)
            else:
                results.append(result)
    return results


def paint(path: Path, shape: Shape) -> None:
    """Save a picture of any size: a small one enlarged."""
    pixels = ((common.picture(64, 64) + 1) * 127).astype(np.uint8)
    Image.fromarray(pixels).resize((shape.width, shape.height)).save(path, compress_level=1)


def label(case: Case) -> str:
    """A case in a few words."""
    words = [case["name"], case["precision"], str(Shape(*case["shape"]))]
    if "core" in case:
        words.append(f"tiles of {case['core']}")
    if case.get("held") is not None:
        words.append(f"{show_size(case['held'])} of them held")
    if "octaves" in case:
        words.append(f"render, {case['octaves']} octaves")
    return ", ".join(words)


def predict(result: Measured) -> int:
    """What `dreamray.plan.memory_model` says of a case."""
    shape = Shape(*result["shape"])
    held = result["held"]
    return memory_model.predict_peak(
        window=result["window"],
        held=int(memory_model.OCTAVE_PIXEL * math.prod(shape)) if held is None else held,
        picture=shape if "octaves" in result else NOTHING,
        layers=result["layers"],
        precision=result["precision"],
        shapes=result["shapes"],
    )


def comparison(results: list[Measured]) -> str:
    """Measured and predicted side by side."""
    rows = []
    for result in results:
        predicted = predict(result)
        rows.append(
            (
                label(result),
                f"{result['window'] / common.MEGAPIXEL:.2f}",
                f"{result['peak'] / 2**20:.0f}",
                f"{predicted / 2**20:.0f}",
                f"{predicted / result['peak'] - 1:+.0%}",
            )
        )
    return common.table(("", "window, MP", "measured, MiB", "predicted, MiB", "error"), rows)


def fit(results: list[Measured]) -> None:
    """Set the constants of `memory_model` to the least that are over every measurement.

    The prediction is linear in its constants, so each one's share of a case is the prediction
    with that one alone, less what it says with all of them at 0. Of all constants that put
    every prediction over its measurement, by the prediction's own margin, those with the least
    sum of relative errors are taken.
    """
    peaks = np.array([result["peak"] for result in results], float)
    given = _predictions(results, dict.fromkeys(CONSTANTS, 0.0))
    shares = np.stack(
        [
            _predictions(results, {name: ENOUGH * (name == one) for name in CONSTANTS}) - given
            for one in CONSTANTS
        ],
        axis=1,
    )
    shares /= ENOUGH
    relative = shares / peaks[:, None]
    scale = relative.max(axis=0)
    scale[scale == 0] = 1.0
    relative /= scale
    lower = memory_model.MARGIN - given / peaks
    solved = linprog(relative.sum(axis=0), A_ub=-relative, b_ub=-lower)
    if not solved.success:
        raise SystemExit(f"no fit: {solved.message}")
    _predictions(results, dict(zip(CONSTANTS, (solved.x / scale).tolist(), strict=True)))


def _predictions(results: list[Measured], values: dict[str, float]) -> np.ndarray:
    """What `memory_model` says of the cases with these constants, which it then has."""
    for name, value in values.items():
        setattr(memory_model, name, value)
    return np.array([predict(result) for result in results], float)


def constants() -> str:
    """The constants as they are now."""
    return "\n".join(f"{name} = {_show(getattr(memory_model, name))}" for name in CONSTANTS)


def _show(value: float) -> str:
    return f"{value / 2**20:.0f} << 20" if value > 1 << 20 else f"{value:.1f}"


def keep_to_budget(given: argparse.Namespace) -> None:
    """Render a picture under a budget, and print whether it was kept to."""
    width, height = (int(side) for side in given.size.split("x"))
    rows = []
    for name in given.layers:
        for precision in given.precisions:
            case = _case(given, name, precision, [height, width], octaves=given.octaves)
            case["memory"] = parse_size(given.memory)
            for result in measured([case]):
                tiles = "+".join(map(str, result["tiles"]))
                sizes = [show_size(result[key]) for key in ("predicted", "peak")]
                verdict = "kept" if result["peak"] <= result["memory"] else "EXCEEDED"
                rows.append((label(case), tiles, given.memory, *sizes, verdict))
    header = ("", "tiles", "budget", "predicted", "measured", "")
    common.report(common.table(header, rows), given.markdown)


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--layers", nargs="+", choices=LAYERS)
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--megapixels", type=float, nargs="*", default=[0.3, 1, 2, 4])
    parser.add_argument("--fit", action="store_true", help="find better constants")
    parser.add_argument("--save", type=Path, help="keep the measurements, as lines of JSON")
    parser.add_argument("--load", type=Path, help="take measurements kept earlier")
    parser.add_argument("--memory", help="render under this budget instead")
    parser.add_argument("--size", default="3000x2000", help="of the picture to render")
    parser.add_argument("--octaves", type=int, default=1)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        do = measure_render if "octaves" in given.case else measure
        print(json.dumps(do(given.case)))
        return
    if given.memory:
        given.layers = given.layers or ["mixed2-5"]
        keep_to_budget(given)
        return
    given.layers = given.layers or [*LAYERS]
    if given.load:
        results = [json.loads(line) for line in given.load.read_text().splitlines()]
    else:
        results = measured([*grid(given), *large_octaves(given)])
    if given.save:
        given.save.write_text("".join(json.dumps(result) + "\n" for result in results))
    if given.fit:
        fit(results)
    common.report(f"```\n{constants()}\n```\n\n{comparison(results)}", given.markdown)


if __name__ == "__main__":
    main()
