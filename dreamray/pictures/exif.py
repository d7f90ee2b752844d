"""What a picture's EXIF says: how it is to be turned, and what is kept of it."""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from dreamray.pictures import parts
from dreamray.pictures.metadata import remove_settings


class Turn(NamedTuple):
    """How stored rows and columns become those of the upright picture."""

    rows: int = 1
    """Step through the stored rows: 1, or -1 for from the last to the first."""
    columns: int = 1
    swap: bool = False
    """Whether the stored rows then become columns."""

    def upright(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A stored array [rows, columns, ...] turned, C-contiguous."""
        array = array[:: self.rows, :: self.columns]
        return np.ascontiguousarray(array.swapaxes(0, 1) if self.swap else array)


_TURNS: dict[object, Turn] = {
    2: Turn(1, -1),
    3: Turn(-1, -1),
    4: Turn(-1, 1),
    5: Turn(1, 1, swap=True),
    6: Turn(-1, 1, swap=True),
    7: Turn(-1, -1, swap=True),
    8: Turn(1, -1, swap=True),
}
"""By EXIF's number of the orientation."""


class Exif(NamedTuple):
    """What is done with a picture's EXIF data."""

    turn: Turn
    kept: bytes | None
    """An EXIF block without orientation, thumbnail and settings of an earlier dream."""
    remark: str | None
    """For the user, without the picture's name."""


def read_exif(source: bytes | BinaryIO | None) -> Exif:
    """Read an EXIF block, or a TIFF file as a whole; damage costs only the EXIF data."""
    try:
        tags = parts.read_tags(source) if source else {}
    except Exception:  # the picture is worth more than its EXIF
        return Exif(Turn(), None, "has damaged EXIF data, which is left out")
    turn = _TURNS.get(tags.pop(parts.ORIENTATION, 1), Turn())
    remove_settings(tags)
    return Exif(turn, parts.write_tags(tags) if tags else None, None)
