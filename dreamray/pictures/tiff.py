"""TIFF: a whole one of a held picture, and what a streamed one shares with it.

libvips packs the pixels, as its zlib-ng takes little more than half of zlib's time and 5 % less
room. It does not write the file: it would drop the EXIF directory, round the shapes and the
colours of a pyramid down, and pack one tile at a time.
"""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import TiffImagePlugin as Tiff

from dreamray.base.geometry import Shape
from dreamray.pictures import parts
from dreamray.raster.pixels import Pixels

_STRIP_BYTES = 1 << 20
_MAX_ROWS = 32_768
"""libvips packs no more rows at once."""


def write_tiff(samples: Pixels, tags: parts.Tags, icc_profile: bytes | None) -> bytes:
    """A little-endian TIFF, deflated with horizontal differences, in strips of about 1 MiB.

    `samples` is uint8 or uint16 [height, width, 3 or 4]; a fourth channel is alpha, not
    multiplied into the colour.
    """
    height, width, channels = samples.shape
    row_bytes = width * channels * samples.dtype.itemsize
    rows = min(height, max(1, _STRIP_BYTES // row_bytes), _MAX_ROWS)
    strips = [pack(samples[top : top + rows]) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    directory = Tiff.ImageFileDirectory_v2()
    parts.put_tags(directory, tags)
    layout = layout_tags(Shape(height, width), samples.dtype, channels) | {
        # Relative to the end of the directory: saving it adds where that is.
        Tiff.STRIPOFFSETS: tuple(itertools.accumulate(sizes[:-1], initial=0)),
        Tiff.ROWSPERSTRIP: rows,
        Tiff.STRIPBYTECOUNTS: tuple(sizes),
    }
    if icc_profile:
        layout[Tiff.ICCPROFILE] = icc_profile
    parts.put_tags(directory, layout)
    out = io.BytesIO()
    directory.save(out)
    out.writelines(strips)
    return out.getvalue()


def layout_tags(shape: Shape, dtype: npt.DTypeLike, channels: int) -> dict[int, Any]:
    """The tags that describe pixels of `pack`, but for where they are."""
    layout: dict[int, Any] = {
        Tiff.IMAGEWIDTH: shape.width,
        Tiff.IMAGELENGTH: shape.height,
        Tiff.BITSPERSAMPLE: (np.dtype(dtype).itemsize * 8,) * channels,
        Tiff.COMPRESSION: 8,
        Tiff.PHOTOMETRIC_INTERPRETATION: 2,
        Tiff.SAMPLESPERPIXEL: channels,
        Tiff.PLANAR_CONFIGURATION: 1,
        Tiff.PREDICTOR: 2,
    }
    if channels == 4:
        layout[Tiff.EXTRASAMPLES] = 2
    return layout


def pack(piece: Pixels) -> bytes:
    """The content of a strip or tile: deflated horizontal differences, little-endian."""
    tiff = parts.vips_image(piece).tiffsave_buffer(
        compression="deflate", predictor="horizontal", tile_height=len(piece), keep="none"
    )
    directory = parts.tiff_directory(tiff)
    (start,), (size,) = directory[Tiff.STRIPOFFSETS], directory[Tiff.STRIPBYTECOUNTS]
    packed: bytes = tiff[start : start + size]
    return packed
