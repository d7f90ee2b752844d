"""Exact tiles, approximate overlaps and blended seams: error, seams, time, bytes exchanged.

    python benchmarks/seams.py --picture sky.jpg --width 900 --weights FILE [--save FOLDER]

Dreams one picture untiled, in exact tiles, with overlaps that are too small, and with blended
seams. The seams are measured on the finished picture: how much neighbouring pixels differ
across the edges of tiles, relative to pixels a little beside them. 1 is no seam. The untiled
picture tells how far from 1 chance leads. Bytes are what four workers send each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import common
import numpy as np
from PIL import Image
from scaling import traffic

from dreamray.base.geometry import Raster, Shape
from dreamray.base.messages import show_size
from dreamray.engine.halo_exchange import HaloExchange, assign_tiles
from dreamray.model.weights.arrays import Weights
from dreamray.plan.planner import PicturePlan
from dreamray.plan.tiles import TilePlan
from dreamray.raster.pixels import from_tensor, to_tensor
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution

WORKERS = 4
BESIDE = (6, 22)
"""Pixels beside an edge that it is compared with."""


@dataclass(frozen=True)
class Way:
    """One way to treat the edges of tiles."""

    name: str
    execution: dict[str, object]


def ways(tile: int) -> Iterator[Way]:
    """The untiled picture first: it is what the others are measured against."""
    yield Way("untiled", {})
    yield Way("exact", {"tile": tile})
    for overlap in 192, 128, 64, 0:
        yield Way(f"overlap {overlap}", {"tile": tile, "overlap": overlap})
    for overlap in 128, 64, 32:
        yield Way(f"blend {overlap}", {"tile": tile, "seams": "blend", "overlap": overlap})


def dream_of(image: Raster, dream: Dream, way: Way, weights: Weights) -> tuple[Raster, float]:
    """The dream, and the seconds it takes once the network is warm."""
    with Renderer(dream, Execution.model_validate(way.execution), weights=weights) as renderer:
        renderer.with_dream(dream.replace(iterations=1)).dream_array(image)
        begun = time.perf_counter()
        dreamt = renderer.dream_array(image)
        return dreamt, time.perf_counter() - begun


def edges(plan: TilePlan) -> tuple[list[int], list[int]]:
    """Rows and columns that tiles begin with, but for the picture's own edge."""
    return [c.start for c in plan.core_rows[1:]], [c.start for c in plan.core_columns[1:]]


def visibility(image: Raster, plan: TilePlan) -> float:
    """Mean difference across the tiles' edges, relative to that beside them."""
    ratios = []
    for axis, starts in enumerate(edges(plan)):
        differences = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
        for start in starts:
            beside = [
                differences[start - 1 + sign * distance]
                for distance in range(*BESIDE)
                for sign in (-1, 1)
            ]
            ratios.append(differences[start - 1] / np.mean(beside))
    return float(np.mean(ratios))


def exchanged(plan: PicturePlan, way: Way, iterations: int, renderer: Renderer) -> int:
    """Bytes that `WORKERS` send each other for the whole dream."""
    total = 0
    for stage in plan.stages:
        tiles = stage.tiles
        step = sum(traffic(HaloExchange(tiles, assign_tiles(tiles, WORKERS))).values())
        if renderer.planner.blends(tiles):
            windows = renderer.planner.blend_tiles(tiles)
            once = sum(traffic(HaloExchange(windows, assign_tiles(windows, WORKERS))).values())
            total += step + once  # One exact gradient, and the overlaps once.
        else:
            total += step * iterations
    return total


def main() -> None:
    """Measure all ways on one picture."""
    made = common.parser(__doc__)
    made.add_argument("--picture", type=Path, required=True)
    made.add_argument("--width", type=int, default=900)
    made.add_argument("--tile", type=int, default=192)
    made.add_argument("--iterations", type=int, default=10)
    made.add_argument("--save", type=Path, metavar="FOLDER", help="the dreams, to look at")
    given = made.parse_args()
    with Image.open(given.picture) as photo:
        height = round(given.width * photo.height / photo.width)
        pixels = np.asarray(photo.convert("RGB").resize((given.width, height)))
    image = to_tensor(pixels)
    dream = Dream(octaves=2, iterations=given.iterations, max_loss=None)
    weights = common.load_reaching(given.weights, dream.layer_names)
    common.tensorflow(given.threads)
    tiled = Renderer(dream, Execution(tile=given.tile), weights=weights).plan(
        Shape(*image.shape[:2])
    )
    lines = [
        f"{given.picture.name} at {given.width}x{height}, tiles of {given.tile}, 2 octaves of "
        f"{given.iterations} steps",
        "",
        "| tiles | first step, error | seam | time | four workers exchange |",
        "|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    whole_step, whole_time = None, 0.0
    for way in ways(given.tile):
        once, _ = dream_of(image, dream.replace(octaves=1, iterations=1), way, weights)
        dreamt, seconds = dream_of(image, dream, way, weights)
        step = once - image
        if whole_step is None:
            whole_step, whole_time = step, seconds
        error = np.linalg.norm(step - whole_step) / np.linalg.norm(whole_step)
        execution = Execution.model_validate(way.execution)
        renderer = Renderer(dream, execution, weights=weights)
        plan = renderer.plan(Shape(*image.shape[:2]))
        sent = show_size(exchanged(plan, way, given.iterations, renderer)) if error else "-"
        seam = visibility(dreamt, tiled.stages[-1].tiles)
        lines.append(
            f"| {way.name} | {error:.1e} | {seam:.2f} | {seconds / whole_time:.2f} | {sent} |"
        )
        print(lines[-1], flush=True)
        if given.save:
            given.save.mkdir(exist_ok=True)
            name = f"{way.name.replace(' ', '-')}.png"
            Image.fromarray(from_tensor(dreamt)).save(given.save / name)
    if given.markdown:
        given.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
