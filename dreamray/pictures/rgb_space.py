"""What red, green and blue mean, where it is said in another way than by an ICC profile.

PNG has gAMA, cHRM and cICP, HEIF and AVIF the same code points (ITU-T H.273) in `nclx`, EXIF the
mark of Adobe RGB. All of them become an ICC profile, which every format of results can hold:
the pixels stay as they are, and so does their meaning. What comes to sRGB needs none.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
"""CIE 1931 chromaticity, x and y."""

_Matrix = npt.NDArray[np.float64]
"""[3, 3], or vectors [3]."""


class Primaries(NamedTuple):
    """The chromaticities of white and of the three primaries."""

    white: Point
    red: Point
    green: Point
    blue: Point

    def is_near(self, other: Primaries) -> bool:
        """Whether both are the same but for rounding, as in a camera's or PNG's own figures."""
        return all(
            abs(a - b) < _NEAR
            for one, two in zip(self, other, strict=True)
            for a, b in zip(one, two, strict=True)
        )

    def to_d50(self) -> _Matrix:
        """Linear RGB to XYZ, white adapted to D50 (Bradford), as ICC profiles have it.

        Raises ValueError for primaries that span no colours.
        """
        white = _xyz(self.white)
        columns = np.stack([_xyz(point) for point in self[1:]], axis=1)
        shares = (_inverse(columns) * white).sum(axis=1)
        if shares.min() <= 0:
            raise ValueError("primaries that have no white among them")
        return _product(_adaptation(white), columns * shares)


_NEAR = 0.002
_D65 = (0.3127, 0.3290)
_D50_XYZ = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)

BT_709 = Primaries(_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE = Primaries(_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))

_PRIMARIES = {
    1: BT_709,
    4: Primaries((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Primaries(_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Primaries(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Primaries(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: Primaries(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Primaries((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Primaries(_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Primaries(_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""By the code points of H.273, table 2."""

SRGB_CURVE = 0.0
"""Stands for sRGB's own curve among exponents."""

_EXPONENTS = {
    # Screens show video by sRGB's curve, whichever of these was meant for the camera.
    **dict.fromkeys((1, 6, 13, 14, 15), SRGB_CURVE),
    4: 2.2,
    5: 2.8,
    8: 1.0,
}
"""By the code points of H.273, table 3: what is raised to it is light."""

_PQ, _HLG = 16, 18
_HDR = {_PQ: "PQ", _HLG: "HLG"}
_UNSPECIFIED = 2
_CURVE_STEPS = 4096


@dataclass(frozen=True)
class RgbSpace:
    """A space of red, green and blue."""

    primaries: Primaries
    exponent: float = SRGB_CURVE
    """What stored values from 0 to 1 are raised to to be light; or `SRGB_CURVE`."""
    code_points: tuple[int, int, int, int] | None = None
    """Primaries, transfer, matrix and full range of H.273, where they say more than the rest."""

    @property
    def hdr(self) -> str | None:
        """The name of a curve of high dynamic range (ITU-R BT.2100): "PQ" or "HLG", else None."""
        return None if self.code_points is None else _HDR[self.code_points[1]]

    @property
    def is_srgb(self) -> bool:
        """Whether it is what pixels without a profile are taken for."""
        near = self.exponent == SRGB_CURVE or abs(self.exponent - 2.2) < 0.02
        return self.hdr is None and near and self.primaries.is_near(BT_709)

    def icc_profile(self) -> bytes:
        """An ICC profile (version 4.4) of three primaries and a curve that means the same.

        Its bytes depend on the space alone. Raises ValueError for impossible primaries.
        """
        return _profile(self)


def of_code_points(primaries: int, transfer: int, full_range: bool = True) -> RgbSpace | None:
    """The space of H.273's numbers; None where they leave it open or are unknown here."""
    points = _PRIMARIES.get(primaries)
    if points is None or primaries == _UNSPECIFIED:
        return None
    if transfer in _HDR:
        return RgbSpace(points, code_points=(primaries, transfer, 0, int(full_range)))
    exponent = _EXPONENTS.get(transfer)
    return None if exponent is None else RgbSpace(points, exponent)


def of_png(gamma: bytes | None, chromaticities: bytes | None) -> RgbSpace | None:
    """The space of PNG's chunks gAMA and cHRM, of which one may be missing.

    Raises ValueError for chunks that cannot be meant.
    """
    if gamma is None and chromaticities is None:
        return None
    exponent, primaries = SRGB_CURVE, BT_709
    if gamma is not None:
        (stored,) = _numbers(">I", gamma)
        if not 0.1 <= stored / 1e5 <= 10:
            raise ValueError("gAMA")
        exponent = 1e5 / stored
    if chromaticities is not None:
        figures = [figure / 1e5 for figure in _numbers(">8i", chromaticities)]
        primaries = Primaries(*zip(figures[0::2], figures[1::2], strict=True))
    space = RgbSpace(primaries, exponent)
    space.icc_profile()
    return space


def _numbers(form: str, data: bytes) -> Sequence[int]:
    if len(data) != struct.calcsize(form):
        raise ValueError("length")
    return struct.unpack(form, data)


def _profile(space: RgbSpace) -> bytes:
    matrix = space.primaries.to_d50()
    curve = _curve(space)
    name = "BT.2100 " + space.hdr if space.hdr else "RGB of the source"
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz_tag(_D50_XYZ),
        b"chad": b"sf32\0\0\0\0"
        + b"".join(map(_fixed, _adaptation(_xyz(space.primaries.white)).flat)),
        b"rXYZ": _xyz_tag(matrix[:, 0]),
        b"gXYZ": _xyz_tag(matrix[:, 1]),
        b"bXYZ": _xyz_tag(matrix[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    if space.code_points is not None:
        tags[b"cicp"] = b"cicp\0\0\0\0" + bytes(space.code_points)
    return _joined(tags)


def _joined(tags: dict[bytes, bytes]) -> bytes:
    """The header of a display profile, the table of its tags, and these; equal ones once."""
    at = 128 + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        if data not in places:
            places[data] = at + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", tag, places[data], len(data))
    head = struct.pack(">I4xI", at + len(body), 0x04400000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + b"".join(map(_fixed, _D50_XYZ))
    return head.ljust(128, b"\0") + table + body


def _curve(space: RgbSpace) -> bytes:
    if space.hdr:
        light = {"PQ": _pq, "HLG": _hlg}[space.hdr]
        steps = (light(i / (_CURVE_STEPS - 1)) for i in range(_CURVE_STEPS))
        table = struct.pack(f">{_CURVE_STEPS}H", *(round(65535 * step) for step in steps))
        return b"curv\0\0\0\0" + struct.pack(">I", _CURVE_STEPS) + table
    if space.exponent == SRGB_CURVE:
        figures = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        return b"para\0\0\0\0\0\3\0\0" + b"".join(map(_fixed, figures))
    return b"para\0\0\0\0\0\0\0\0" + _fixed(space.exponent)


def _pq(value: float) -> float:
    """Light from 0 to 1 (10,000 cd/m2) of a value: SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
    root = value ** (1 / m2)
    return float((max(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg(value: float) -> float:
    """Light of the scene from 0 to 1 of a value: ARIB STD-B67."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return value * value / 3 if value <= 0.5 else (math.exp((value - c) / a) + b) / 12


def _fixed(value: float) -> bytes:
    return struct.pack(">i", max(-(1 << 31), min((1 << 31) - 1, round(value * 65536))))


def _xyz_tag(colour: _Matrix) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, colour))


def _text(text: str) -> bytes:
    packed = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(packed), 28) + packed


def _xyz(point: Point) -> _Matrix:
    """Of luminance 1. Raises ValueError for a point that has none."""
    x, y = point
    if not (0 <= x <= 1 and 0 < y <= 1):
        raise ValueError("a chromaticity that is none")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation(white: _Matrix) -> _Matrix:
    """From this white to D50: Bradford's, as ICC.1 gives it."""
    here, there = ((_BRADFORD * one).sum(axis=1) for one in (white, _D50_XYZ))
    if here.min() <= 0:
        raise ValueError("a white that is none")
    return _product(_inverse(_BRADFORD), _BRADFORD * (there / here)[:, None])


def _product(one: _Matrix, other: _Matrix) -> _Matrix:
    """Not `@`: what adds up in another order on another machine may round otherwise."""
    product: _Matrix = (one[:, :, None] * other).sum(axis=1)
    return product


def _inverse(matrix: _Matrix) -> _Matrix:
    """By cofactors. Raises ValueError for rows, or columns, that lie in a plane."""
    a, b, c = matrix
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    determinant = (a * cofactors[:, 0]).sum()
    if abs(determinant) < 1e-9:
        raise ValueError("primaries on one line")
    inverse: _Matrix = cofactors / determinant
    return inverse
