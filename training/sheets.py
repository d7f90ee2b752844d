"""Contact sheets: rows of pictures with a name before each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.bestiary import FAMILIES, SIDE, picture

__all__ = ["bestiary_sheet", "sheet"]

Pixels = NDArray[np.uint8]

_GAP = 2
_LINE = 14
_PAPER = (20, 20, 22)
_INK = (235, 235, 235)


def bestiary_sheet(
    families: Iterable[str] = (), each: int = 4, columns: int = 4, side: int = SIDE
) -> Image.Image:
    """The first `each` pictures of each family (all of them if none is named) and their names.

    `columns` families stand side by side; a picture is `side` pixels wide.
    """
    cells = []
    for name in families or FAMILIES:
        pictures = [Image.fromarray(picture(name, seed)) for seed in range(each)]
        small = [np.asarray(image.resize((side, side), Image.Resampling.BOX)) for image in pictures]
        cells.append((name, small))
    return sheet(cells, columns)


def sheet(cells: Sequence[tuple[str, Sequence[Pixels]]], columns: int = 1) -> Image.Image:
    """Cells in so many columns at most: in each a caption, and below it pictures side by side.

    The pictures, uint8 [height, width, 3], are all of one size, as many in each cell. A cell is
    as wide as they, or as the longest caption.
    """
    columns = min(columns, len(cells))
    height, width = cells[0][1][0].shape[:2]
    font = ImageFont.load_default()
    caption_width = max(math.ceil(font.getlength(caption)) for caption, _ in cells)
    across = max(len(cells[0][1]) * (width + _GAP), caption_width) + 2 * _GAP
    down = height + _LINE + _GAP
    rows = -(-len(cells) // columns)
    paper = Image.new("RGB", (columns * across, rows * down), _PAPER)
    pen = ImageDraw.Draw(paper)
    for number, (caption, pictures) in enumerate(cells):
        column, row = number % columns, number // columns
        pen.text((column * across + _GAP, row * down + 1), caption, _INK, font)
        for place, pixels in enumerate(pictures):
            left = column * across + place * (width + _GAP)
            paper.paste(Image.fromarray(pixels), (left, row * down + _LINE))
    return paper
