"""A checkpoint is chosen by its dreams of a few pictures, beside those of other weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dreamray.model.weights.arrays import Weights
from dreamray.pictures import guard
from dreamray.settings.dream import Dream
from dreamray.storage import LocalFile
from training.dreams import dreamt
from training.sheets import sheet

__all__ = ["dream_sheet", "shown"]

Pixels = NDArray[np.uint8]


def shown(path: Path, width: int) -> Pixels:
    """A picture, uint8 [height, width, 3], of that width and three by two: cut in its middle.

    Raises RequestError if it is not there, PictureError if it cannot be read.
    """
    data = LocalFile(path).read()
    size = width, max(1, width * 2 // 3)
    with guard.decoding(str(path)), Image.open(BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
        return np.asarray(ImageOps.fit(upright.convert("RGB"), size))


def dream_sheet(
    pictures: Sequence[Pixels], candidates: Mapping[str, tuple[Weights, Dream]]
) -> Image.Image:
    """Each candidate's dreams of the pictures, with how its losses grew and what is saturated.

    The pictures, uint8 [height, width, 3], are of one size.
    """
    cells: list[tuple[str, Sequence[Pixels]]] = [("the pictures", pictures)]
    for name, (weights, dream) in candidates.items():
        dreams = [dreamt(picture, weights, dream) for picture in pictures]
        told = "   |   ".join(
            " ".join(f"x{growth:.1f}" for growth in result.growths)
            + f", {result.saturated:.1%} saturated"
            for result in dreams
        )
        cells.append((f"{name}:  {told}", [result.pixels for result in dreams]))
    return sheet(cells)
