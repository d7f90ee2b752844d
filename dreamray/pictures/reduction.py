"""Pictures made smaller: Lanczos' filter over bands of rows, for pictures of any size.

A picture that is held and one that lies in blocks go the same way, band by band, so that the
result has the same values however the source was read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from dreamray.base.geometry import Interval, Shape

Samples = npt.NDArray[Any]
"""[height, width, channels], of uint8, uint16 or float32."""

_BAND = 64
"""Rows of the result that are made at a time: always the same, as their values depend on it."""

_GAP = 4
"""Reduced by means of squares as far as this many times the size, and by the filter from there."""

_READ_VALUES = 1 << 22
"""Pixels of the source that are taken into numbers at a time."""

_SUPPORT = 3
"""Of Lanczos' filter: pixels of the result on either side."""


def reduce_rows(
    rows: Callable[[Interval], tuple[Samples, Samples | None]], source: Shape, target: Shape
) -> Iterator[tuple[Interval, npt.NDArray[np.float32], npt.NDArray[np.float32] | None]]:
    """A picture of another shape, no larger, in bands from top to bottom.

    `rows` gives rows of the source: colour [rows, width, 3], and opacity [rows, width, 1] or
    None. Yields which rows of the result each band is, with its colour and opacity, float32, not
    yet rounded, which may go a little beyond the source's range. Colours count by their opacity:
    what cannot be seen leaves no fringe.
    """
    square = max(1, min(s // (t * _GAP) for s, t in zip(source, target, strict=True)))
    pre = Shape(*(-(-side // square) for side in source))
    down, across = (s / square / t for s, t in zip(source, target, strict=True))
    for start in range(0, target.height, _BAND):
        band = Interval(start, min(start + _BAND, target.height))
        reach = (_SUPPORT + 1) * max(1.0, down)
        needed = Interval(
            max(0, int(band.start * down - reach)),
            min(pre.height, int(band.stop * down + reach) + 1),
        )
        planes = _squares(rows, needed, square, source)
        top, bottom = (at * down - needed.start for at in band)
        right = min(target.width * across, pre.width)  # Rounding must not lead out of it.
        box = (0.0, top, right, min(bottom, needed.length))
        size = (target.width, band.length)
        resized = [
            np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS, box))
            for plane in planes
        ]
        yield band, *_apart(np.stack(resized, axis=-1))


def reduce_array(samples: Samples, target: Shape, alpha: Samples | None = None) -> Samples:
    """A picture that is held, uint8, uint16 or float32 [height, width, 3], at another shape.

    Returned with `alpha`, [height, width], as a fourth channel where there is one.
    """
    source = Shape(*samples.shape[:2])

    def rows(wanted: Interval) -> tuple[Samples, Samples | None]:
        part = slice(*wanted)
        return samples[part], None if alpha is None else alpha[part, :, None]

    bands = [
        as_samples(colour if opacity is None else np.dstack((colour, opacity)), samples.dtype)
        for _, colour, opacity in reduce_rows(rows, source, target)
    ]
    return np.concatenate(bands)


def as_samples(values: npt.NDArray[np.float32], dtype: npt.DTypeLike) -> Samples:
    """Rounded and clipped to whole numbers, where the dtype has none but these."""
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    return np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype)


def _squares(
    rows: Callable[[Interval], tuple[Samples, Samples | None]],
    needed: Interval,
    square: int,
    source: Shape,
) -> list[npt.NDArray[np.float32]]:
    """The means of squares of pixels: three planes, or colour by opacity, colour and opacity."""
    lines = max(1, _READ_VALUES // (square * source.width))
    cuts = [*range(needed.start, needed.stop, lines), needed.stop]
    parts = []
    for first, last in itertools.pairwise(cuts):
        colour, opacity = rows(Interval(first * square, min(last * square, source.height)))
        if opacity is None:
            values = colour.astype(np.float32)
        else:
            colour, opacity = colour.astype(np.float32), opacity.astype(np.float32)
            values = np.concatenate((colour * opacity, colour, opacity), axis=-1)
        parts.append(_means(values, square))
    return [np.ascontiguousarray(plane) for plane in np.moveaxis(np.concatenate(parts), -1, 0)]


def _means(values: npt.NDArray[np.float32], square: int) -> npt.NDArray[np.float32]:
    if square == 1:
        return values
    sums: npt.NDArray[Any] = values.astype(np.float64)
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], square)
        counts = np.diff([*starts, values.shape[axis]])
        counts = counts.reshape([-1 if at == axis else 1 for at in range(3)])
        sums = np.add.reduceat(sums, starts, axis=axis) / counts
    return sums.astype(np.float32)


def _apart(
    values: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Colour and opacity of three planes, or of colour by opacity, colour and opacity."""
    if values.shape[-1] == 3:
        return values, None
    weighted, plain, opacity = values[..., :3], values[..., 3:6], values[..., 6:]
    seen = opacity >= 0.5  # Else it is rounded to nothing.
    return np.where(seen, weighted / np.where(seen, opacity, 1), plain), opacity
