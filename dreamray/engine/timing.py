"""How long a step takes, for estimates and checks."""

from __future__ import annotations

import statistics
import time

from dreamray.engine.ascent import Octave, Step
from dreamray.engine.tile_executor import TileExecutor


def step_seconds(executor: TileExecutor, octave: Octave) -> float:
    """Median seconds of an octave's steps, after a first one that prepares them.

    Raises MemoryExhaustedError.
    """
    seconds, begun = [], time.perf_counter()
    for told in executor.dream(octave):
        if isinstance(told, Step):
            seconds.append(time.perf_counter() - begun)
            begun = time.perf_counter()
    return statistics.median(seconds[1:])
