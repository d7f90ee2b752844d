"""What dreamray promises of an engine, and how it is tried."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dreamray.farm.check.findings import Finding
from dreamray.farm.check.trial import Trial, distance
from dreamray.farm.check.trial_process import make, make_at_once
from dreamray.model.layers import Precision

EXACT = 5e-6
"""Relative error of the gradient in tiles, in float32: what the tests hold as well."""

ALIKE = 1e-3
"""Relative error of a card's gradient beside the processor's: rounding, and a kink or two."""

SHARP = 1e-5
"""Relative error of products in float32; those of TF32 are fifty times as large."""


def is_card(device: str) -> bool:
    """Whether that is a graphics card, by what a worker says of itself."""
    return device.startswith("GPU")


def precisions_on(device: str) -> tuple[Precision, ...]:
    """Those that differ on a device, `float32` first."""
    return ("float32", "tf32", "bfloat16") if is_card(device) else ("float32", "bfloat16")


def try_determinism(
    trial: Trial, first: dict[str, Any], precisions: Sequence[Precision]
) -> Iterator[Finding]:
    """Whether processes have the same bits, one after the other and at once.

    `first` is what one process found already, of the same trial in float32 alone.
    """
    trial = replace(trial, kind="steps", precisions=tuple(precisions))
    found = [make(trial)["sha256"], *(one["sha256"] for one in make_at_once([trial, trial]))]
    for precision in precisions:
        hashes = [one[precision] for one in found]
        if precision in first["sha256"]:
            hashes.append(first["sha256"][precision])
        side = trial.sides[0]
        what = f"{trial.steps} steps of {side}x{side}"
        different = len(set(hashes))
        told = f"in {len(hashes)} processes, two of them at once: sha256 {hashes[0][:16]}…"
        if different > 1:
            told = f"in {len(hashes)} processes: {different} different results"
        yield Finding(f"same bits, {precision}", different == 1, f"{what} {told}")


def try_exactness(trial: Trial, precisions: Sequence[Precision]) -> Iterator[Finding]:
    """Whether the gradient in tiles is that of the untiled picture.

    In float32 to rounding; where numbers are shorter, tiles may change no more than their rounding
    does.
    """
    found = make(replace(trial, kind="exactness", precisions=tuple(precisions)))
    for precision in precisions:
        error = found["errors"][precision]
        allowed = EXACT if precision == "float32" else max(EXACT, found["rounding"][precision])
        yield Finding(
            f"exact tiles, {precision}",
            error <= allowed and math.isfinite(error),
            f"relative error of the gradient {error:.1e}, allowed {allowed:.1e}",
        )


def try_gradient(trial: Trial) -> Finding:
    """Whether a graphics card computes what the processor beside it does.

    Rounding can decide a kink of the network otherwise: it is the better one of two pictures.
    """
    trial = replace(trial, kind="gradient")
    here, there = (make(replace(trial, card=card))["gradients"] for card in (True, False))
    error = min(
        distance(np.array(one), np.array(other)) for one, other in zip(here, there, strict=True)
    )
    return Finding(
        "the processor's gradient",
        error <= ALIKE,
        f"relative error of the card's in float32 {error:.1e}, allowed {ALIKE:.1e}",
    )


def try_products(trial: Trial) -> Finding:
    """Whether float32 is float32."""
    error = make(replace(trial, kind="products"))["error"]
    return Finding(
        "float32 is float32",
        error <= SHARP,
        f"relative error of a convolution {error:.1e}, allowed {SHARP:.1e}",
    )
