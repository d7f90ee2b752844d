"""What a result says of how it was made, and what its bytes depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from dreamray.base.version import __version__
from dreamray.pictures.encoding import Extras
from dreamray.pictures.ingest import Source
from dreamray.pictures.noise import NoisePicture
from dreamray.plan.planner import PicturePlan
from dreamray.render.renderer import Renderer
from dreamray.settings.execution import VISIBLE, Execution
from dreamray.storage import Location


def describe(
    renderer: Renderer,
    source_sha256: str,
    plan: PicturePlan,
    environment: Mapping[str, Any],
    source: Location,
) -> dict[str, Any]:
    """What a result's metadata say: all that is needed to make it again, and to compare.

    `environment` is what it was computed with: see `TileExecutor.about`. Nothing of who made
    it: the same on any number of workers. Of the source's place nothing, but that it is noise.
    """
    noise = {"noise": str(source)} if isinstance(source, NoisePicture) else {}
    return {
        "version": __version__,
        "dream": renderer.dream.model_dump(mode="json"),
        "dream_digest": renderer.dream.digest(),
        "weights": {"name": renderer.weights.name, "sha256": renderer.weights.sha256},
        "source": {"sha256": source_sha256, **noise},
        **({"margin": plan.margin} if plan.margin else {}),
        "execution": {
            "tile": max(stage.tiles.largest_side for stage in plan.stages),
            **renderer.execution.visible,
            **environment,
        },
    }


def extras_of(source: Source, execution: Execution) -> Extras:
    """What of a source goes along with its dream, besides pixels."""
    return Extras(source.icc_profile, source.exif if execution.metadata == "keep" else None)


def resume_key(renderer: Renderer, source: Source, plan: PicturePlan) -> dict[str, str]:
    """All that the bytes of the result depend on, but for what it is computed with."""
    tiles = [
        (
            stage.shape,
            stage.tiles.rows,
            stage.tiles.columns,
            stage.tiles.core_rows,
            stage.tiles.core_columns,
        )
        for stage in plan.stages
    ]
    return {
        "source": source.sha256,
        "dream": renderer.dream.digest(),
        "weights": renderer.weights.sha256,
        "tiles": hashlib.sha256(repr(tiles).encode()).hexdigest(),
        **{name: str(getattr(renderer.execution, name)) for name in VISIBLE},
        "version": __version__,
    }
