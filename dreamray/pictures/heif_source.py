"""HEIC and AVIF: decoded by pillow-heif and libvips, each of which has the codec of one.

Both turn the picture as its file says (`irot`, `imir`), so what EXIF and XMP say of that is over.
Colour that is told by code points alone (`colr` of kind `nclx`) is read here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from dreamray.base.geometry import Shape
from dreamray.pictures import parts, rgb_space
from dreamray.pictures.carried import Carried
from dreamray.pictures.guard import KindError
from dreamray.pictures.rgb_space import RgbSpace
from dreamray.raster.pixels import Pixels

_MAX_META = 16 << 20
_PARTS = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid", b"idat", b"jumb")
_MAX_FILE = 512 << 20
"""Its decoders hold it as a whole."""

_MOST_BOXES = 10_000


class HeifSamples(NamedTuple):
    """A picture as its decoder gives it, upright."""

    colour: Pixels
    """uint8, or uint16 for more than 8 bits, [height, width, 1 or 3]."""
    alpha: Pixels | None
    carried: Carried


def heif_shape(file: BinaryIO, kind: str) -> Shape:
    """Height and width, upright; no pixels are decoded.

    Raises ValueError for a file that is cut short, KindError for one that is too large.
    """
    if file.seek(0, io.SEEK_END) > _MAX_FILE:
        raise KindError(f"is a {kind} of more than {_MAX_FILE >> 20} MiB")
    file.seek(0)
    data = file.read()
    _check_end(data)
    if kind == "AVIF":
        image = parts.open_vips(data, "AVIF")
        return Shape(image.height, image.width)
    width, height = _open_heic(data).size
    return Shape(height, width)


def read_heif(data: bytes, kind: str) -> HeifSamples:
    """Decode the primary image of a file that `heif_shape` has found whole."""
    if kind == "AVIF":
        image = parts.open_vips(data, "AVIF")
        samples, bits = parts.vips_samples(image), _field(image, "heif-bitdepth", 8)
        others = _field(image, "n-pages", 1) - 1
        exif, xmp, icc = (
            _field(image, name, None) for name in ("exif-data", "xmp-data", "icc-profile-data")
        )
    else:
        file = _open_heic(data)
        others, file = len(file) - 1, file[file.primary_index]
        samples, bits = np.asarray(file), file.info.get("bit_depth", 8)
        exif, xmp, icc = (file.info.get(name) for name in ("exif", "xmp", "icc_profile"))
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.dtype == np.uint16:
        samples = _to_full_range(samples, bits)
    remarks: tuple[str, ...] = ()
    if any(box == b"moov" for box, _ in _boxes(data)):
        remarks = ("is animated: only its first frame is dreamt",)
    elif others > 0:
        remarks = (f"has {others + 1} pictures: only the main one is dreamt",)
    carried = Carried(exif or None, xmp or None, icc or None, _space(data), remarks, upright=True)
    colour = 1 if samples.shape[2] < 3 else 3
    alpha = samples[..., colour] if samples.shape[2] > colour else None
    return HeifSamples(samples[..., :colour], alpha, carried)


def _open_heic(data: bytes) -> Any:
    import pillow_heif

    return pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)


def _field(image: Any, name: str, default: Any) -> Any:
    return image.get(name) if image.get_typeof(name) else default


def _to_full_range(samples: Pixels, bits: int) -> Pixels:
    """Samples of so many bits, at the upper end of 16, so that white is 65535."""
    if not 8 < bits < 16:
        return samples
    largest = (1 << bits) - 1
    values = (samples >> np.uint16(16 - bits)).astype(np.uint32)
    return ((values * 65535 + largest // 2) // largest).astype(np.uint16)


def _space(data: bytes) -> RgbSpace | None:
    """By the code points of the first item that has any; others are of the same picture."""
    meta = next((body for kind, body in _boxes(data) if kind == b"meta"), b"")[:_MAX_META]
    for kind, properties in _boxes(meta[4:]):
        if kind == b"iprp":
            for name, container in _boxes(properties):
                for entry, body in _boxes(container) if name == b"ipco" else ():
                    if entry == b"colr" and body[:4] == b"nclx" and len(body) >= 11:
                        primaries, transfer = struct.unpack_from(">HH", body, 4)
                        full_range = bool(body[10] & 0x80)
                        return rgb_space.of_code_points(primaries, transfer, full_range)
    return None


def _check_end(data: bytes) -> None:
    """Raise ValueError where a part reaches beyond the end: decoders leave its tiles black."""
    for kind, _, stop in _spans(data):
        if kind not in _PARTS:  # What others have put behind it.
            return
        if stop > len(data):
            raise ValueError("its end is missing")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box, up to the first that is cut short."""
    for kind, start, stop in _spans(data):
        if stop > len(data):
            return
        yield kind, data[start:stop]


def _spans(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each box, where its content begins, and where it ends, be that beyond the data."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= len(data):
            (size,), start = struct.unpack_from(">Q", data, start), at + 16
        at = max(at + size, start) if size else len(data)
        yield kind, start, at
