"""A checkpoint is chosen by its dreams of a few pictures, beside those of other weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreamray.settings import Dream
from dreamray.weights import Weights
from training.dreams import dreamt
from training.sheets import sheet

__all__ = ["dream_sheet"]

Pixels = NDArray[np.uint8]


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
            " ".join(f"{octave[0]:.2g}>{octave[-1]:.2g}" for octave in result.losses)
            + f", {result.saturated:.1%} saturated"
            for result in dreams
        )
        cells.append((f"{name}:  {told}", [result.pixels for result in dreams]))
    return sheet(cells)
