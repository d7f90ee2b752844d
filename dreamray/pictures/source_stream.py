"""Large encoded pictures, decoded from top to bottom without being held as a whole.

What comes out is what `pictures.decode` would give. Pillow reads the headers, without its limit
on pixels as it decodes none of them; libvips reads the pixels.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Interval, Shape
from dreamray.pictures import guard, parts
from dreamray.pictures.carried import Carried, of_pillow
from dreamray.pictures.decoding import png_channels, tiff_carried
from dreamray.pictures.exif import Turn
from dreamray.pictures.guard import KindError
from dreamray.pictures.heif_source import heif_shape
from dreamray.pictures.jpeg_source import check_scans, check_sort
from dreamray.pictures.png_source import png_shape, read_png
from dreamray.pictures.tiff_source import (
    COMPRESSION,
    JPEG,
    OLD_JPEG,
    PLANES,
    STRIP_BYTES,
    STRIP_ROWS,
    TILE_WIDTH,
    Channels,
    check_tiff,
    has_sound_orientation,
    has_tiled_planes,
    tiff_channels,
    tiff_shape,
    tiles_checked,
)
from dreamray.raster.pixels import Pixels

STREAMED = ("JPEG", "PNG", "TIFF", "WEBP")
"""The formats that can be streamed, by Pillow's names."""

_MAX_STRIP = 256 << 20
_FETCHED_ROWS = 64


def read_shape(file: BinaryIO, kind: str, name: str) -> Shape:
    """Height and width as a file stores them; only its header is read.

    `kind` is the format's name in `SOURCE_FORMATS`, `name` what messages call the picture. Raises
    PictureError for a damaged header.
    """
    with guard.decoding(name):
        match kind:
            case "TIFF":
                return tiff_shape(parts.tiff_directory(file))
            case "PNG":
                return png_shape(file)
            case "HEIC" | "AVIF":
                return heif_shape(file, kind)
        width, height = _header(file, kind).size
        return Shape(height, width)


@dataclass(frozen=True)
class Stream:
    """A picture that is being decoded: as it is stored, perhaps lying on its side."""

    shape: Shape
    dtype: np.dtype[Any]
    """Of the samples: uint8 or uint16; CMYK comes out as uint8 in any case."""
    channels: Channels
    icc_profile: Any
    turn: Turn
    exif: bytes | None
    """What is kept of the EXIF data."""
    remarks: tuple[str, ...]
    """What is to be told, without the picture's name."""
    _name: str
    _image: Any
    _checked: Callable[[], AbstractContextManager[Any]]
    """What pixels are decoded within."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of samples."""
        return int(self.shape.width * self._image.bands * self.dtype.itemsize)

    def strips(self, rows: Iterable[Interval]) -> Iterator[tuple[Pixels, Pixels | None]]:
        """Colour [rows, width, 1, 3 or 4] and alpha [rows, width] or None, from top to bottom.

        `rows` are intervals that follow on one another. Raises PictureError for damage.
        """
        import pyvips

        width, bands = self.shape.width, self._image.bands
        region = pyvips.Region.new(self._image)
        for start, stop in rows:
            samples = np.empty((stop - start, width, bands), self.dtype)
            # libvips keeps several copies of what is fetched at a time.
            for top in range(start, stop, _FETCHED_ROWS):
                height = min(_FETCHED_ROWS, stop - top)
                with guard.damage_told(self._name), self._checked():
                    data = region.fetch(0, top, width, height)
                lines = np.frombuffer(data, self.dtype).reshape(height, width, bands)
                samples[top - start : top - start + height] = lines
            yield self.channels.split(samples)


def open_stream(file: BinaryIO, pixels: BinaryIO, kind: str, name: str) -> Stream:
    """Open a picture of one of the formats in `STREAMED`; see `read_shape`.

    `file` and `pixels` are the same file, opened twice: libvips moves the place that it reads from.

    Raises PictureError for a damaged one, as far as that can be seen before its pixels, and for
    one that cannot be decoded from top to bottom and is too large to be held.
    """
    with guard.decoding(name):
        opened = {"TIFF": _tiff, "PNG": _png}.get(kind, _other)
        image, channels, carried = opened(file, pixels, kind, name)
        settled = carried.settle()
        stream = Stream(
            shape=Shape(image.height, image.width),
            dtype=_dtype(image),
            channels=channels,
            icc_profile=settled.icc_profile,
            turn=settled.exif.turn,
            exif=settled.exif.kept,
            remarks=settled.remarks,
            _name=name,
            _image=image,
            _checked=tiles_checked if kind == "TIFF" else lambda: parts.LIBVIPS,
        )
    return stream


_Opened = tuple[Any, Channels, Carried]
"""An image of pyvips, what its channels are, and what belongs to its pixels."""


def _tiff(file: BinaryIO, pixels: BinaryIO, kind: str, name: str) -> _Opened:
    tags = parts.tiff_directory(file)
    check_tiff(file, tags, name)
    if has_tiled_planes(tags):
        raise KindError("is too large to be read in tiles of separate channels")
    if not has_sound_orientation(tags):
        raise KindError("is too large to be read with an orientation that is none")
    # libtiff's own limit on memory would refuse strips that fit; `_check_pieces` has ours.
    image = _open_vips(pixels, kind, unlimited=True)
    _check_pieces(image, tags, name)
    channels = tiff_channels(image, tags)
    return image, channels, tiff_carried(file, image, tags, channels)


def _png(file: BinaryIO, pixels: BinaryIO, kind: str, name: str) -> _Opened:
    png = read_png(file)
    image = _open_vips(pixels, kind)
    _check_order(image, kind, name)
    return image, png_channels(image, png), png.carried()


def _other(file: BinaryIO, pixels: BinaryIO, kind: str, name: str) -> _Opened:
    header = _header(file, kind)
    image = _open_vips(pixels, kind)
    _check_order(image, kind, name)
    if kind == "JPEG":
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as jpeg:
            check_scans(jpeg, name)
    return image, _channels(image, header), of_pillow(header)


def _header(file: BinaryIO, kind: str) -> Any:
    """Pillow's image of a file, without pixels, whatever their number."""
    Image.init()
    factory, _ = Image.OPEN[kind]
    file.seek(0)
    try:
        return factory(file, "")
    except SyntaxError as error:
        if kind == "JPEG":
            check_sort(file)
        raise UnidentifiedImageError(str(error)) from error


def _open_vips(pixels: BinaryIO, kind: str, **options: Any) -> Any:
    import pyvips

    loaders = {
        "JPEG": pyvips.Image.jpegload_source,
        "PNG": pyvips.Image.pngload_source,
        "TIFF": pyvips.Image.tiffload_source,
        "WEBP": pyvips.Image.webpload_source,
    }
    with parts.LIBVIPS:
        source = pyvips.Source.new_from_descriptor(pixels.fileno())
        return loaders[kind](source, access="sequential", fail_on="error", **options)


def _dtype(image: Any) -> np.dtype[Any]:
    return np.dtype({"uchar": np.uint8, "ushort": np.uint16}[image.format])


def _channels(image: Any, header: Any) -> Channels:
    """The channels of pyvips' image of a file, of which `header` is Pillow's."""
    if header.mode == "CMYK":
        return Channels(4, None)
    colour = 1 if header.mode in ("1", "L", "LA") else 3
    return Channels(colour, image.bands - 1 if header.has_transparency_data else None)


def _check_order(image: Any, kind: str, name: str) -> None:
    """Raise PictureError for pixels that are not stored from top to bottom, and too many."""
    mixed = image.get_typeof("interlaced") and image.get("interlaced")
    if mixed and image.width * image.height > guard.MAX_PIXELS:
        sort = "a progressive" if kind == "JPEG" else "an interlaced"
        raise PictureError(
            f"{name} is {sort} {kind} of more than {guard.MAX_PIXELS:,} pixels, which cannot be "
            "read in parts: save it anew from top to bottom"
        )


def _check_pieces(image: Any, tags: Any, name: str) -> None:
    """Raise PictureError for a TIFF of strips that take too much memory, or seem to."""
    compression = tags.get(COMPRESSION, 1)
    in_lines = compression not in (OLD_JPEG, JPEG) and tags.get(PLANES, 1) == 1
    if in_lines:  # Decoded line by line, but with the whole encoded strip in memory.
        largest = 0 if compression == 1 else max(tags.get(STRIP_BYTES, (0,)))
    else:
        sample_bytes = image.width * image.bands * _dtype(image).itemsize
        largest = min(tags.get(STRIP_ROWS, image.height), image.height) * sample_bytes
    # libvips refuses tiles that are too large.
    if largest > _MAX_STRIP and TILE_WIDTH not in tags:
        raise PictureError(
            f"{name} is a TIFF in strips of {largest >> 20:,} MiB, too large to be read in "
            "parts: save it anew in tiles or small strips"
        )
