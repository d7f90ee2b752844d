"""Time and memory of one ascent step: this engine, Keras, and what the machine could do.

    python benchmarks/step.py [--sizes 384 512 1024] [--rounds 15] [--weights random]

Each contestant is a process of its own, as it is for a user. It builds its network, warms up,
and makes one step whenever it is its turn; the turns go round, so that whatever else the
machine does disturbs all alike. Times are medians. The rate counts the convolutions that the
recipe needs, whatever a contestant computes; `of matmul` is its share of the rate of a product
of large matrices in the same precision, which is measured in the same rounds.

Memory is what a process holds at its peak, per pixel from the smallest to the largest size.
PyTorch takes part where it is installed; on a GPU, XLA's variants do as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import common
from contestants import Case, Contestant, ContestantError

from dreamray.model import architecture

BASE = "Keras, tf.function"
FEWER = 3
"""A slow contestant sits out all but every third round."""


@dataclass(frozen=True)
class Variant:
    """A contestant."""

    name: str
    kind: str
    precision: str = "float32"
    slow: bool = False


MATMULS = (
    Variant("matmul float32", "matmul"),
    Variant("matmul bfloat16", "matmul", "bfloat16"),
)
KERAS = (Variant("Keras, eager", "keras", slow=True), Variant(BASE, "keras function"))
XLA = (Variant("Keras, tf.function, XLA", "keras xla"),)
TORCH = (
    Variant("PyTorch, eager", "torch"),
    Variant("PyTorch, eager, bfloat16", "torch", "bfloat16"),
    Variant("PyTorch, compiled", "torch compiled"),
    Variant("PyTorch, compiled, bfloat16", "torch compiled", "bfloat16"),
)
DREAMRAY = (
    Variant("dreamray, float32", "dreamray"),
    Variant("dreamray, bfloat16", "dreamray", "bfloat16"),
)


@dataclass(frozen=True)
class Result:
    """A contestant's median seconds for a step, and the bytes its process held at its peak."""

    seconds: float
    peak: int


Results = dict[str, Result]


def measure(side: int, variants: Sequence[Variant], given: argparse.Namespace) -> Results:
    """Let all contestants take turns on a square picture."""
    running = [
        (variant, contestant)
        for variant in variants
        if (contestant := start(variant, side, given)) is not None
    ]
    for number in range(given.rounds):
        for variant, contestant in running:
            if not variant.slow or number % FEWER == 0:
                contestant.step()
    for _, contestant in running:
        contestant.end()
    return {c.name: Result(statistics.median(c.times), c.peak) for _, c in running}


def start(variant: Variant, side: int, given: argparse.Namespace) -> Contestant | None:
    """Start a contestant; None, and a line that says so, if it cannot take part."""
    case: Case = {
        "kind": variant.kind,
        "precision": variant.precision,
        "side": given.matmul if variant.kind == "matmul" else side,
        "weights": given.weights,
        "threads": given.threads,
        "warmup": given.warmup,
    }
    try:
        return Contestant(variant.name, case, verbose=given.verbose)
    except ContestantError as error:
        print(error, flush=True)
        return None


def time_table(side: int, results: Results, variants: Sequence[Variant], matmul: int) -> str:
    """Milliseconds, ratio and rates of one size."""
    flops = architecture.convolution_flops(common.DEFAULT, side, side)
    rates = {
        variant.precision: 2 * matmul**3 / results[variant.name].seconds
        for variant in MATMULS
        if variant.name in results
    }
    base = results.get(BASE)
    rows = []
    for variant in variants:
        if variant in MATMULS or variant.name not in results:
            continue
        seconds = results[variant.name].seconds
        rate = flops / seconds
        rows.append(
            (
                variant.name,
                f"{seconds * 1e3:.1f}",
                f"{seconds / base.seconds:.2f}" if base else "",
                f"{rate / 1e9:.0f}",
                f"{rate / rates[variant.precision]:.0%}" if variant.precision in rates else "",
            )
        )
    rate_line = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in rates.items())
    return (
        f"## {side}x{side}\n\n"
        f"{flops / 1e9:.1f} GFLOP a step. Matrix product of {matmul}, GFLOP/s: {rate_line}.\n\n"
        + common.table(("", "ms", "to Keras", "GFLOP/s", "of matmul"), rows)
    )


def memory_table(by_side: dict[int, Results], variants: Sequence[Variant]) -> str:
    """Bytes for each pixel, from the peaks at the smallest and the largest size."""
    small, large = min(by_side), max(by_side)
    rows = []
    for variant in variants:
        peaks = [by_side[side].get(variant.name) for side in (small, large)]
        if variant in MATMULS or None in peaks:
            continue
        first, last = (peak.peak for peak in peaks if peak)
        growth = (last - first) / (large**2 - small**2)
        megabytes = [f"{peak / 1e6:.0f}" for peak in (first, last)]
        rows.append((variant.name, *megabytes, f"{growth:.0f}"))
    header = ("", f"MB at {small}", f"MB at {large}", "bytes a pixel")
    return "## Memory at the peak\n\n" + common.table(header, rows)


def contenders(given: argparse.Namespace) -> tuple[Variant, ...]:
    """Who takes part on this machine."""
    gpu = bool(common.tensorflow(given.threads).config.list_physical_devices("GPU"))
    installed = all(importlib.util.find_spec(name) for name in ("torch", "torchvision"))
    return (
        *MATMULS,
        *KERAS,
        *(XLA if gpu or given.xla else ()),
        *(TORCH if installed else ()),
        *DREAMRAY,
    )


def main() -> None:
    """Measure all sizes and print the tables."""
    parser = common.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[384, 512, 1024])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--warmup", type=int, default=3, help="steps before the first round")
    parser.add_argument("--matmul", type=int, default=3072, help="side of the matrices")
    parser.add_argument("--xla", action="store_true", help="XLA's variants without a GPU too")
    parser.add_argument("--verbose", action="store_true", help="show what contestants complain of")
    given = parser.parse_args()
    variants = contenders(given)
    by_side: dict[int, Results] = {}
    parts = [f"# One ascent step, medians of {given.rounds}, {given.threads} threads"]
    for side in sorted(given.sizes):
        by_side[side] = measure(side, variants, given)
        parts.append(time_table(side, by_side[side], variants, given.matmul))
    if len(by_side) > 1:
        parts.append(memory_table(by_side, variants))
    common.report("\n\n".join(parts), given.markdown)


if __name__ == "__main__":
    main()
