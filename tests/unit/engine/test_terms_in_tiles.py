"""With trained weights, tiles give the untiled gradient whatever is amplified, and however."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dreamray.base.geometry import Region, Shape
from dreamray.engine.interfaces import Engine
from dreamray.model.terms import Near
from dreamray.plan import refinement
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.lazy import read
from dreamray.raster.mask import SquareRaster
from dreamray.raster.pixels import to_tensor
from dreamray.settings.dream import Dream
from tests.support.likeness import relative_error
from tests.support.tiled import Tiled

pytestmark = pytest.mark.slow

EXACT = 5e-6
"""Relative error (L2) of float32 rounding."""

CASES: dict[str, dict[str, Any]] = {
    "terms": {
        "layers": "mixed3 + 3*mean(mixed4[3,12]) + direction(mixed4[5:1,40:-0.5]) - 10*tv - l2"
        " + cosine(mixed3[12:1,40:-0.5])",
    },
    "guide": {"layers": "guide(mixed3) + 2*guide(mixed4[3,12,40,99])"},
    "source": {"layers": "accent(mixed4) + 5*unlike(mixed3) + 0.1*mixed2"},
    "parts": {
        "layers": "near(mixed4,0.6,0.3,0.1) + 3*masked(mean(mixed3),blot) - near(tv,0.2,0.9,0.3)",
        "mask_layers": {"blot": "blot.png"},
    },
    "treated": {"layers": "mixed3", "smooth": 1.0, "laplacian": 4},
}


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_that_of_the_whole(
    trained: Any, tensorflow: Any, bear: np.ndarray, name: str
) -> None:
    from dreamray.model.arithmetic import TensorFlowArrays
    from dreamray.model.objective import TileObjective

    dream, image = Dream(**CASES[name]), to_tensor(bear[:250, 80:380])
    shape = Shape(*image.shape[:2])
    guide = np.ascontiguousarray(image[60:200, 100:240, ::-1])
    objective = TileObjective(dream.terms, trained, guide=guide)
    beside = [image[::-1]] if name == "source" else []
    for part in dream.parts:
        if isinstance(part, Near):
            beside.append(read(SquareRaster.near(shape, *part, shape), Region.whole(shape)))
        else:
            beside.append(np.random.default_rng(2).uniform(0, 1, (*shape, 1)).astype(np.float32))
    found = []
    for core in (None, 130):
        plan = plan_tiles(shape, dream.layer_names, core, None, refinement.reach(dream))
        tiled = Tiled(
            plan,
            Engine(objective, TensorFlowArrays()),
            refinement=refinement.refinement(dream, 0),
            beside=np.concatenate(beside, axis=2) if beside else None,
        )
        tiled.put(image)
        found.append((tiled.compute((5, -9)).loss, tiled.gradient))
    assert len(plan.tiles) == 6
    # Of terms that nearly cancel out the rounding of each is left.
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-6, abs=5e-7)
    assert relative_error(found[1][1], found[0][1]) < EXACT
