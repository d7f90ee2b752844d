"""Time for each picture where several of one shape are computed at a time.

    python benchmarks/batching.py [--sizes 128 256 384 512] [--batches 2 4 8] [--rounds 9]

`dreamray bulk` dreams several pictures in one process; the gradients of those that have one
shape are computed together (`dreamray.engine.batching`): side by side, or with `--padded` as one
array. All ways and sizes of batch take turns on the same pictures, so that whatever else the
machine does disturbs all alike. Times are medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import common

from dreamray.settings.dream import Dream

ALONE, BESIDE, ARRAY = "alone", "side by side", "one array"


def measure(
    cases: Sequence[tuple[str, int]], rounds: int, compute: Callable[[str, int], object]
) -> dict[tuple[str, int], float]:
    """Median seconds for each picture, by way and size of batch; the first round warms up."""
    times: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    for number in range(rounds + 1):
        for way, size in cases:
            started = time.perf_counter()
            compute(way, size)
            if number > 0:
                times[way, size].append((time.perf_counter() - started) / size)
    return {case: statistics.median(own) for case, own in times.items()}


def gradients(objective: Any, side: int, most: int) -> Callable[[str, int], object]:
    """What computes the gradients of so many square pictures, and waits for them."""
    import numpy as np

    from dreamray.model import architecture
    from dreamray.model.arithmetic import TensorFlowArrays

    arrays = TensorFlowArrays()
    maps = np.array([architecture.feature_shape(one.layer, side, side) for one in objective.scopes])
    ranges = np.full_like(maps, 2), maps - 2, np.full_like(maps, -1)
    owned = np.stack(ranges, axis=2).astype(np.int32)
    per_cell = (1 / maps.prod(axis=1)).astype(np.float32)
    noise = common.picture(most * side, side).reshape(most, side, side, 3)
    windows = [arrays.load(one) for one in noise]

    def compute(way: str, size: int) -> object:
        if way == ALONE:
            return arrays.store(objective.gradient(windows[0], owned, per_cell)[1])
        if way == ARRAY:
            placed = dict(enumerate(windows[:size]))
            found = [*objective.padded_gradients(placed, size, owned, per_cell).values()]
        else:
            found = objective.gradients(windows[:size], owned, per_cell)
        return [arrays.store(gradient) for _, gradient in found]

    return compute


def main() -> None:
    """Measure all sizes and print the table."""
    parser = common.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 384, 512])
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
    given = parser.parse_args()
    common.tensorflow(given.threads)
    from dreamray.model.objective import TileObjective

    dream = Dream()
    weights = common.load_reaching(given.weights, dream.layer_names)
    objective = TileObjective(dream.terms, weights, given.precision)
    batches = sorted({*given.batches} - {1})
    cases = [(ALONE, 1), *((way, size) for way in (BESIDE, ARRAY) for size in batches)]
    rows = []
    for side in given.sizes:
        seconds = measure(cases, given.rounds, gradients(objective, side, max(batches)))
        alone = seconds[ALONE, 1]
        row = [f"{side}x{side}", f"{alone * 1e3:.1f}"]
        row += [f"{seconds[case] * 1e3:.1f} ({seconds[case] / alone:.2f})" for case in cases[1:]]
        rows.append(row)
    header = ["", "ms alone", *(f"{size} {way}" for way, size in cases[1:])]
    title = f"# Milliseconds a picture, {given.precision}, {given.threads} threads"
    note = f"Medians of {given.rounds} rounds; in brackets the ratio to a picture alone."
    common.report(f"{title}\n\n{note}\n\n{common.table(header, rows)}", given.markdown)


if __name__ == "__main__":
    main()
