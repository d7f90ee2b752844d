"""What a picture's EXIF and XMP say: how it is to be turned, its colours, and what is kept."""

from __future__ import annotations

import re
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from dreamray.pictures import parts
from dreamray.pictures.metadata import remove_settings
from dreamray.pictures.rgb_space import ADOBE, BT_709, SRGB_CURVE, Primaries, RgbSpace


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
    space: RgbSpace | None = None
    """What the colours are by these data."""


def read_exif(
    source: bytes | BinaryIO | None, xmp: bytes | None = None, *, upright: bool = False
) -> Exif:
    """Read an EXIF block, or a TIFF file as a whole; damage costs only the EXIF data.

    The orientation of `xmp` counts where the EXIF data have none. `upright` passes over both, for
    decoders that turn the picture themselves.
    """
    try:
        tags = parts.read_tags(source) if source else {}
    except Exception:  # the picture is worth more than its EXIF
        turn = Turn() if upright else _TURNS.get(_xmp_orientation(xmp), Turn())
        return Exif(turn, None, "has damaged EXIF data, which is left out")
    orientation = tags.pop(parts.ORIENTATION, None)
    if orientation is None:
        orientation = _xmp_orientation(xmp)
    turn = Turn() if upright else _TURNS.get(orientation, Turn())
    remove_settings(tags)
    space = _space_of(source) if source else None
    return Exif(turn, parts.write_tags(tags) if tags else None, None, space)


_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])\s*["'<]""")


def _xmp_orientation(xmp: bytes | None) -> int | None:
    # Without zeros, UTF-16 reads as plain text.
    found = _XMP_ORIENTATION.search(xmp.replace(b"\0", b"")) if xmp else None
    return int(found[1]) if found else None


_WHITE, _PRIMARIES, _COLOUR_SPACE, _INTEROPERABILITY, _GAMMA = 318, 319, 40961, 40965, 42240
_SRGB_SPACE, _ADOBE_SPACE, _ADOBE_INDEX = 1, 2, "R03"
_ADOBE_EXPONENT = 563 / 256


def _space_of(source: bytes | BinaryIO) -> RgbSpace | None:
    """What EXIF says of colours: sRGB, Adobe RGB by its mark, or chromaticities and gamma."""
    try:
        main = parts.tiff_directory(source)
        exif = _below(source, main, parts.EXIF_DIRECTORY)
        if exif.get(_COLOUR_SPACE) == _SRGB_SPACE:
            return None
        index = str(_below(source, exif, _INTEROPERABILITY).get(1, "")).rstrip("\0 ")
        if index == _ADOBE_INDEX or exif.get(_COLOUR_SPACE) == _ADOBE_SPACE:
            return RgbSpace(ADOBE, _ADOBE_EXPONENT)
        exponent = float(exif.get(_GAMMA, SRGB_CURVE))
        primaries = BT_709
        if _WHITE in main and _PRIMARIES in main:
            figures = [float(figure) for figure in (*main[_WHITE], *main[_PRIMARIES])]
            primaries = Primaries(*zip(figures[0::2], figures[1::2], strict=True))
        if exponent and not 0.1 <= exponent <= 10:
            return None
        space = RgbSpace(primaries, exponent)
        space.icc_profile()
    except Exception:  # Hostile entries can fail in any way; the colours are then nobody's.
        return None
    return space


def _below(source: bytes | BinaryIO, directory: Any, tag: int) -> Any:
    offset = directory.get(tag)
    return parts.tiff_directory(source, offset, tag) if isinstance(offset, int) else {}
