"""How exact tiles are: the error of the tiled gradient against the untiled one.

    python benchmarks/exactness.py PICTURE --weights FILE

Prints the tables of docs/exactness.md. The picture is cut to 768x768 pixels, and for the odd
sizes to parts of that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dreamray import pictures
from dreamray.base.geometry import Raster, Shape
from dreamray.engine.halo_exchange import HaloExchange
from dreamray.engine.interfaces import Engine
from dreamray.engine.subdomain import Subdomain
from dreamray.model.architecture import LAYERS
from dreamray.model.device import start_tensorflow
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights
from dreamray.plan.tiles import exact_halo, plan_tiles
from dreamray.raster.spill import SpillBuffer
from dreamray.settings.dream import Dream

BLOCKS = [f"mixed{number}" for number in range(2, 9)]
SIZES = (Shape(768, 768), Shape(517, 403), Shape(701, 130))
CORES = (128, 256, 384)
OVERLAPS = (0, 64, 128, 192, 256, 272, None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--weights", default="auto")
    arguments = parser.parse_args()

    start_tensorflow()
    loaded = loader.load(arguments.weights)
    picture = pictures.decode(arguments.picture.read_bytes(), arguments.picture.name)
    image = pictures.to_tensor(picture.pixels[:768, :768])

    print("| layer | stride | receptive field | halo before | halo after |\n|---|---|---|---|---|")
    for name in BLOCKS:
        layer, halo = LAYERS[name], exact_halo([name], 0)
        field = layer.rows.receptive_field
        print(f"| {name} | {layer.rows.stride} | {field} | {halo.before} | {halo.after} |")

    print(f"\n| layers | {' | '.join(map(str, SIZES))} |\n|---|{'---|' * len(SIZES)}")
    for label, dream in {
        "the defaults": Dream(),
        **{name: Dream(layers={name: 1.0}) for name in BLOCKS},
    }.items():
        errors = [worst(image, shape, dream, loaded) for shape in SIZES]
        print(f"| {label} | {' | '.join(f'{error:.1e}' for error in errors)} |", flush=True)

    print("\n| overlap | error |\n|---|---|")
    measure = Measure(Dream(), loaded)
    whole = measure.gradient(image, None, None)
    for overlap in OVERLAPS:
        error = relative_error(measure.gradient(image, 384, overlap), whole)
        print(f"| {'exact' if overlap is None else overlap} | {error:.1e} |", flush=True)


class Measure:
    """Gradients of one dream."""

    def __init__(self, dream: Dream, loaded: Weights) -> None:
        from dreamray.model.arithmetic import TensorFlowArrays
        from dreamray.model.objective import TileObjective

        self._layers = dream.layer_names
        self._engine = Engine(TileObjective(dream.terms, loaded), TensorFlowArrays())

    def gradient(self, image: Raster, core: int | None, overlap: int | None) -> Raster:
        """The first gradient of an image in tiles of `core` pixels, None for untiled."""
        engine, shape = self._engine, Shape(*image.shape[:2])
        plan = plan_tiles(shape, self._layers, core, overlap)
        owned = Subdomain(
            plan,
            (0,) * len(plan.tiles),
            0,
            engine,
            SpillBuffer(None, None, engine.arrays.load, engine.arrays.store),
        )
        for number, tile in enumerate(plan.tiles):
            owned.put(number, image[tile.core.slices])
        owned.begin(HaloExchange(plan, (0,) * len(plan.tiles)))
        for number in owned.tiles:
            owned.compute(number)
        whole = np.empty_like(image)
        for number, tile in enumerate(plan.tiles):
            whole[tile.core.slices] = owned.gradient(number)
        return whole


def worst(image: Raster, shape: Shape, dream: Dream, loaded: Weights) -> float:
    """The largest error over the core sizes, on the upper left part of an image."""
    part = image[: shape.height, : shape.width]
    measure = Measure(dream, loaded)
    whole = measure.gradient(part, None, None)
    return max(relative_error(measure.gradient(part, core, None), whole) for core in CORES)


def relative_error(one: Raster, other: Raster) -> float:
    """Of the L2 norm."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


if __name__ == "__main__":
    main()
