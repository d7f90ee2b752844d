"""The trained weights as the file that the package carries: see `bundled`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamray.model.weights import bundled
from dreamray.model.weights.arrays import Weights
from dreamray.model.weights.bundled import About
from training.model import LAST
from training.outputs import whole

__all__ = ["NAME", "export"]

NAME = "bestiary"

_LICENCE = "Apache-2.0"
_PROVENANCE = (
    "Trained from nothing but pictures that programs of dreamray's drew: training/bestiary, and "
    "its prototype for the weights that the training started from. No photograph and no picture "
    "of anybody else's went into it."
)


def export(
    weights: Weights,
    path: Path,
    *,
    version: int,
    default_layers: Mapping[str, float],
    facts: Mapping[str, Any],
) -> Weights:
    """Write weights, their balance folded in, to a file; up to `LAST`, what is behind is left out.

    `version` counts up with each training that is shipped, `default_layers` are what a dream
    amplifies if nobody names any, and `facts`, of what JSON has, tell of the training.

    Returns the weights as the file gives them: the numbers of a kernel are off by 1/254 of the
    largest of their channel at most. Raises WeightsError, and writes nothing, if they do not reach
    `LAST`, or cannot be used; ValueError if the file would be too large for the package.
    """
    about = About(
        NAME, version, LAST, dict(default_layers), _LICENCE, _PROVENANCE, training=dict(facts)
    )
    data = bundled.encode(weights, about)
    if len(data) > bundled.LARGEST:
        raise ValueError(
            f"{path}: {len(data)} bytes would be more than the {bundled.LARGEST} of the package; "
            "end the network earlier"
        )
    written = bundled.decode(data).weights
    with whole(path) as part:
        part.write_bytes(data)
    return written
