"""How much memory a dream takes: a model fitted to measurements, and the budget it may have.

`benchmarks/memory.py` measures the peaks that the constants come from, and how well they hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dreamray import inception
from dreamray.octaves import Shape

PROCESS = 560 << 20
"""Python, TensorFlow, and the whole file of weights as NumPy arrays."""

PARAMETER = 24
"""Bytes for each parameter of the truncated network, both directions, and its graph."""

ACTIVATION = {"float32": 6.8, "bfloat16": 3.4}
"""Bytes for each activation of a window: kept for the way back, or passing through."""

WINDOW_PIXEL = 40
"""Bytes for each pixel of a window: the picture in it, its gradient, their scratch copies."""

OCTAVE_PIXEL = 60
"""Bytes for each pixel of the octave: image, gradient, and the copies made between octaves."""

PICTURE_PIXEL = 20
"""Bytes for each pixel of the picture that stay throughout: as read, and as float32."""

_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def predict_peak(
    window: int, octave: Shape, picture: Shape, layers: Iterable[str], precision: str
) -> int:
    """Bytes that a process holds at its peak in an octave.

    `window` is the number of pixels of the largest window; `picture` the size of the original.
    """
    layers = tuple(layers)
    pixel = WINDOW_PIXEL + ACTIVATION[precision] * _activations(layers)
    return int(
        PROCESS
        + PARAMETER * _parameters(layers)
        + pixel * window
        + OCTAVE_PIXEL * octave.height * octave.width
        + PICTURE_PIXEL * picture.height * picture.width
    )


def default_budget() -> int:
    """Half of this machine's memory, rounded down to a power of two, at most 64 GiB.

    Coarse on purpose: the tiles depend on it, and with them the last bits of the result, which
    should be the same from run to run, whatever else is running.
    """
    half = min(_installed() // 2, 64 << 30)
    return 1 << (max(half, 1 << 30).bit_length() - 1)


def _installed() -> int:
    """Bytes of memory of the machine, or of the container where it may have less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # There is no such file, or it says "max".
            continue
    return min(limits)


def _activations(layers: tuple[str, ...]) -> float:
    """Activations for each pixel of the picture that the truncated network stores."""
    return sum(
        layer.channels / (layer.rows.stride * layer.columns.stride)
        for layer in inception.ancestors(layers)
        if layer.op in ("relu", "max_pool", "concat")
    )


def _parameters(layers: tuple[str, ...]) -> int:
    return sum(
        layer.kernel[0]
        * layer.kernel[1]
        * inception.LAYERS[layer.inputs[0]].channels
        * layer.channels
        for layer in inception.ancestors(layers)
        if layer.op == "conv"
    )
