"""How fast a machine's steps are, and how much memory they take."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dreamray.base.messages import show_size
from dreamray.farm.check.findings import Finding, StepTime
from dreamray.farm.check.trial import COMPILED, EAGER, Trial
from dreamray.farm.check.trial_process import TrialFailedError, make
from dreamray.model.layers import Precision

SIDES = (256, 512, 1024, 2048, 4096)
"""Until a step takes long, or memory is out."""

_SLACK = 1.1
"""Memory at the peak, to what is planned: of one step it differs by 8 % from run to run."""

_PATIENCE = 240.0
"""Seconds for PyTorch in a precision: its compiler takes minutes for some on a processor."""

_EVEN = 1.1
"""A ratio of times that may be chance."""


def measure_steps(trial: Trial, precision: Precision) -> tuple[list[StepTime], float | None]:
    """Steps by size, and the rate of a product of large matrices. Raises TrialFailedError."""
    found = make(replace(trial, kind="speed", precisions=(precision,)))
    rate = found["rate"]
    steps = [
        StepTime(
            "dreamray", precision, of_matmul=None if rate is None else one["rate"] / rate, **one
        )
        for one in found["steps"]
    ]
    return steps, rate


def measure_pytorch(
    trial: Trial, precisions: Sequence[Precision], warn: list[str]
) -> Iterator[StepTime]:
    """The same in PyTorch, where it and torchvision are installed; else `warn` says so."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "torchvision")):
        warn.append("PyTorch and torchvision are not installed: steps are compared with nobody's")
        return
    for precision, kind in itertools.product(precisions, (EAGER, COMPILED)):
        try:
            found = make(replace(trial, kind=kind, precisions=(precision,)), _PATIENCE)
        except TrialFailedError as error:
            warn.append(f"{kind}, in {precision}: {error}")
            continue
        yield from (StepTime(precision=precision, **one) for one in found["steps"])


def compare_memory(steps: Sequence[StepTime]) -> Finding:
    """Whether windows took no more memory than the plan counts with, but for chance."""
    known = [(one.peak / one.predicted, one) for one in steps if one.peak and one.predicted]
    if not known:
        return Finding("memory as planned", None, "no step was measured")
    share, worst = max(known, key=lambda pair: pair[0])
    assert worst.peak is not None
    assert worst.predicted is not None
    return Finding(
        "memory as planned",
        share <= _SLACK,
        f"at the most {share:.0%} of it, allowed {_SLACK:.0%}: {show_size(worst.peak)} of "
        f"{show_size(worst.predicted)} for {worst.side}x{worst.side} in {worst.precision}",
    )


def compare_precisions(steps: Sequence[StepTime]) -> Iterator[str]:
    """What other precisions cost beside float32 here, by the largest window that both had."""
    by_precision: dict[str, dict[int, float]] = {}
    for one in steps:
        if one.program == "dreamray":
            by_precision.setdefault(one.precision, {})[one.side] = one.seconds
    sharp = by_precision.pop("float32", {})
    for precision, seconds in by_precision.items():
        if both := sharp.keys() & seconds.keys():
            side = max(both)
            ratio = sharp[side] / seconds[side]
            yield f"{precision} {_compare(ratio)} float32 here, at {side}x{side}"


def _compare(ratio: float) -> str:
    if 1 / _EVEN < ratio < _EVEN:
        return "takes about as long as"
    return (
        f"is {ratio:.1f} times as fast as"
        if ratio > 1
        else f"takes {1 / ratio:.1f} times as long as"
    )
