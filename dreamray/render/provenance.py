"""What a result says of how it was made, and what its bytes depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dreamray.pictures.ingest import Source
from dreamray.plan.planner import PicturePlan
from dreamray.render.renderer import Renderer
from dreamray.version import __version__


def describe(dreamer: Renderer, source_sha256: str, plan: PicturePlan) -> dict[str, Any]:
    """What a result's metadata say: all that is needed to make it again, and to compare.

    Nothing of who made it: the same on any number of workers.
    """
    about: Mapping[str, Any] = dreamer.crew(plan).about()
    return {
        "version": __version__,
        "dream": dreamer.dream.model_dump(mode="json"),
        "dream_digest": dreamer.dream.digest(),
        "weights": {"name": dreamer.weights.name, "sha256": dreamer.weights.sha256},
        "source": {"sha256": source_sha256},
        "execution": {
            "precision": dreamer.execution.precision,
            "tile": max(stage.tiles.largest_side for stage in plan.stages),
            "overlap": dreamer.execution.overlap,
            "seams": dreamer.execution.seams,
            **about,
        },
    }


def resume_key(dreamer: Renderer, source: Source, plan: PicturePlan) -> dict[str, str]:
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
    about = dict(dreamer.crew(plan).about())
    return {
        "source": source.sha256,
        "dream": dreamer.dream.digest(),
        "weights": dreamer.weights.sha256,
        "tiles": hashlib.sha256(repr(tiles).encode()).hexdigest(),
        "seams": f"{dreamer.execution.seams} {dreamer.execution.overlap}",
        "precision": dreamer.execution.precision,
        "number of threads": str(about.pop("threads")),
        "device": json.dumps(about, sort_keys=True),
        "version": __version__,
    }
