"""Thumbnails: a picture and its dream side by side."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from dreamray.bulk.naming import REPORT_FOLDER

WIDTH, HEIGHT = 160, 120
"""Of each half, in pixels, at most."""

# Pixels are left out first until this many remain for each one of the thumbnail: averaging
# all 40 million of a photo would take a hundred times as long, and nobody could tell.
_FINER = 6
_OPTIONS = {"quality": 70, "optimize": True}

_FOLDER = f"{REPORT_FOLDER}/thumbs"
_LONGEST_NAME = 240
_LONGEST_PATH = 900


def thumbnail(before: npt.NDArray[np.generic], after: npt.NDArray[np.generic]) -> bytes:
    """A JPEG of two pictures, [h, w, 3], uint8 or uint16: `before` left, `after` right.

    Both are of one size, within 160 x 120 pixels; small pictures are not enlarged.
    """
    height, width = before.shape[:2]
    scale = min(1.0, WIDTH / width, HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    both = Image.new("RGB", (2 * size[0], size[1]))
    both.paste(_reduce(before, size), (0, 0))
    both.paste(_reduce(after, size), (size[0], 0))
    file = io.BytesIO()
    both.save(file, "JPEG", **_OPTIONS)
    return file.getvalue()


def thumbnail_name(output: str) -> str:
    """Where the thumbnail of an output goes, relative to the destination."""
    parts = output.split("/")
    longest = max(len(part.encode(errors="surrogateescape")) for part in parts)
    whole = len(output.encode(errors="surrogateescape"))
    # These would lead out of the folder, or not be accepted by file systems and S3.
    if longest > _LONGEST_NAME or whole > _LONGEST_PATH or {"", ".", ".."} & {*parts}:
        digest = hashlib.sha256(output.encode(errors="surrogateescape")).hexdigest()
        return f"{_FOLDER}/{digest}.jpg"
    return f"{_FOLDER}/{output}.jpg"


def _reduce(pixels: npt.NDArray[np.generic], size: tuple[int, int]) -> Image.Image:
    height, width = pixels.shape[:2]
    down, across = max(1, height // (_FINER * size[1])), max(1, width // (_FINER * size[0]))
    few = pixels[::down, ::across]
    if few.dtype == np.uint16:
        few = few >> np.uint16(8)  # type: ignore[operator]
    image = Image.fromarray(np.ascontiguousarray(few, np.uint8))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
