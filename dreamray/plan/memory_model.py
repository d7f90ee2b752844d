"""How much memory a dream takes: a model fitted to measurements, and the budget it may have.

`benchmarks/memory.py` measures the peaks that the constants come from, and how well they hold.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from dreamray.base.geometry import Shape
from dreamray.model import architecture
from dreamray.model.device import WORKSPACE
from dreamray.raster.pixels import HELD_PIXELS

PROCESS = 700 << 20
"""Python, TensorFlow, and the whole file of weights as NumPy arrays."""

PARAMETER = 3.5
"""Numbers held for each parameter of the truncated network: both directions, and copies."""

KEPT = 1.2
"""Numbers held for each activation that the way back needs: itself, and what passes through."""

WINDOW_PIXEL = 56
"""Bytes for each pixel of a window, whatever the precision: picture, gradient, scratch."""

SUB_PIXEL = 64
"""Bytes for each pixel of a window in bfloat16: gradients of strided convolutions to sub-pixels."""

OCTAVE_PIXEL = 24
"""Bytes for each pixel of an octave's tiles that are held: image and gradient."""

GUIDE_SIDE = 320
"""Longer side in pixels that a guide is reduced to: what layers see is of a size of its own."""
MASK_PIXEL = 4
"""Bytes for each of these pixels where a dream has a mask."""

GAPS = 1.5
"""Bytes of the heap for each byte of tiles held: they come and go, and leave gaps behind."""

PICTURE_PIXEL = 14
"""Bytes for each pixel of a picture that is decoded and encoded as a whole."""

WINDOW_SHAPE = 1 << 18
"""Bytes for each convolution and each shape of window: compiled for it, and then kept."""

MARGIN = 1.1
"""For what the model does not know: fragmentation, and growth over many steps."""

LIBRARIES = 2 << 30
"""Bytes of a graphics card for CUDA, cuDNN and cuBLAS, and for gaps between arrays: a guess."""

_MOST_SHAPES = 36
"""TensorFlow then drops the oldest of what it compiled."""

_BYTES = {"float32": 4, "tf32": 4, "bfloat16": 2}
"""Of a number, by precision."""

_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def predict_peak(
    window: int,
    held: int,
    picture: Shape,
    layers: Iterable[str],
    precision: str,
    shapes: int = 1,
    treatment: int = 0,
    beside: float = 0,
    channels: int = 0,
) -> int:
    """Bytes that a process holds at its peak in an octave.

    `window` is the number of pixels of the largest window; `held` the bytes of the octave's
    tiles that are in memory at a time; `picture` the size of the original; `shapes` how many
    different shapes of window the process has seen by the octave's end; `treatment` the bytes for
    each pixel of a window in which its gradient is treated, when the network has let go of its own;
    `beside` those in which terms are computed, when the way back has not begun: see `beside_pixel`;
    `channels` how many windows have beside the picture's.
    """
    layers = tuple(layers)
    number = _BYTES[precision]
    network = _network_pixel(layers, precision, beside, channels)
    convolutions = [one for one in architecture.ancestors(layers) if one.op == "conv"]
    return int(
        MARGIN
        * (
            PROCESS
            + PARAMETER * number * _parameters(convolutions)
            + WINDOW_SHAPE * len(convolutions) * min(shapes, _MOST_SHAPES)
            + (WINDOW_PIXEL + max(treatment, network)) * window
            + GAPS * held
            + PICTURE_PIXEL * min(picture.pixels, HELD_PIXELS)
        )
    )


def on_card(peak: int) -> int:
    """What of a predicted peak is a graphics card's: all but the process, and workspace."""
    return int(peak - MARGIN * PROCESS + WORKSPACE)


def octave_pixel(bands: int = 1, slots: int = 0, *, compares: bool = False, masks: int = 0) -> int:
    """Bytes for each pixel of an octave's tiles that are held.

    The gradient has so many bands, the optimizer remembers so many numbers of each, and the source
    is there where it is compared with, and so are masks.
    """
    return OCTAVE_PIXEL + 12 * (bands - 1 + slots + compares) + MASK_PIXEL * masks


def treatment_pixel(bands: int = 1, *, smooths: bool = False) -> int:
    """Bytes for each pixel of a window while its gradient is smoothed, and told apart in bands."""
    return max(60 if smooths else 0, 36 * bands if bands > 1 else 0)


def beside_pixel(followed: Iterable[str], compared: Iterable[str]) -> float:
    """Bytes for each pixel of a window that terms take, beside what the network has found.

    For layers that follow a guide the best of its cells for each, and, of one layer at a time, how
    well it matches them all; for those that are compared with the source what that one shows, and
    the angles between.
    """
    taken, matches = 0.0, 0.0
    for name in followed:
        layer = architecture.layer(name)
        cells = math.prod(architecture.feature_shape(name, GUIDE_SIDE, GUIDE_SIDE))
        taken += layer.channels / (layer.rows.stride * layer.columns.stride)
        matches = max(matches, cells / (layer.rows.stride * layer.columns.stride))
    for name in compared:
        layer = architecture.layer(name)
        taken += 3 * layer.channels / (layer.rows.stride * layer.columns.stride)
    return 4 * (taken + matches)


def window_pixels(
    budget: int,
    layers: Iterable[str],
    precision: str,
    beside: float = 0,
    channels: int = 0,
) -> int:
    """Pixels of windows that may be computed at a time within a budget, beside all else."""
    layers = tuple(layers)
    bare = predict_peak(0, 0, Shape(0, 0), layers, precision, _MOST_SHAPES)
    pixel = WINDOW_PIXEL + _network_pixel(layers, precision, beside, channels)
    return max(0, int((budget - bare) / MARGIN / pixel))


def _network_pixel(layers: tuple[str, ...], precision: str, beside: float, channels: int) -> float:
    """Bytes for each pixel of a window of the network, its terms, and what these take."""
    found = _BYTES[precision] * _kept_activations(layers)
    # Read, joined to the picture, and taken apart again.
    given = 12 * (1 + channels) if channels else 0
    given += SUB_PIXEL if precision == "bfloat16" else 0
    return given + max(KEPT * found, found + beside)


def default_budget() -> int:
    """Half of this machine's memory, rounded down to a power of two, at most 64 GiB.

    Coarse on purpose: the tiles depend on it, and with them the last bits of the result, which
    should be the same from run to run, whatever else is running.
    """
    half = min(_installed_memory() // 2, 64 << 30)
    return 1 << (max(half, 1 << 30).bit_length() - 1)


def card_budget(memory: int) -> int:
    """What a graphics card with so many bytes has for a dream.

    All but what its libraries hold, and what one convolution may take for the meantime; rounded
    down to a power of two or one and a half of it, coarse for the same reason.
    """
    rest = max(memory - LIBRARIES - WORKSPACE, 1 << 30)
    power = 1 << (rest.bit_length() - 1)
    return power + power // 2 if rest >= power + power // 2 else power


def _installed_memory() -> int:
    """Bytes of memory of the machine, or of the container where it may have less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # There is no such file, or it says "max".
            continue
    return min(limits)


def _kept_activations(layers: tuple[str, ...]) -> float:
    """Activations for each pixel that the way back needs: ReLUs, pools, the chosen layers."""
    kept = [one for one in architecture.ancestors(layers) if one.op in ("relu", "max_pool")]
    chosen = [architecture.layer(name) for name in layers]
    return sum(one.channels / (one.rows.stride * one.columns.stride) for one in kept + chosen)


def _parameters(convolutions: Iterable[architecture.Layer]) -> int:
    return sum(math.prod(architecture.kernel_shape(one)) for one in convolutions)
