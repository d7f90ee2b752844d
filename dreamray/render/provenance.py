"""What a result says of how it was made, and what its bytes depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dreamray.base.version import __version__
from dreamray.pictures.ingest import Source
from dreamray.plan.planner import PicturePlan
from dreamray.render.renderer import Renderer


def describe(renderer: Renderer, source_sha256: str, plan: PicturePlan) -> dict[str, Any]:
    """What a result's metadata say: all that is needed to make it again, and to compare.

    Nothing of who made it: the same on any number of workers.
    """
    about: Mapping[str, Any] = renderer.executor(plan).about()
    return {
        "version": __version__,
        "dream": renderer.dream.model_dump(mode="json"),
        "dream_digest": renderer.dream.digest(),
        "weights": {"name": renderer.weights.name, "sha256": renderer.weights.sha256},
        "source": {"sha256": source_sha256},
        "execution": {
            "precision": renderer.execution.precision,
            "tile": max(stage.tiles.largest_side for stage in plan.stages),
            "overlap": renderer.execution.overlap,
            "seams": renderer.execution.seams,
            **about,
        },
    }


def resume_key(renderer: Renderer, source: Source, plan: PicturePlan) -> dict[str, str]:
    """All that the bytes of the result depend on."""
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
    about = dict(renderer.executor(plan).about())
    return {
        "source": source.sha256,
        "dream": renderer.dream.digest(),
        "weights": renderer.weights.sha256,
        "tiles": hashlib.sha256(repr(tiles).encode()).hexdigest(),
        "seams": f"{renderer.execution.seams} {renderer.execution.overlap}",
        "precision": renderer.execution.precision,
        "number of threads": str(about.pop("threads")),
        "device": json.dumps(about, sort_keys=True),
        "version": __version__,
    }
