"""Encoded bytes to pixels, with what they carry besides.

The formats are told by content, never by name, and no decoder but those of
`formats.SOURCE_FORMATS` ever runs.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from dreamray.base.errors import DreamrayError, PictureError
from dreamray.pictures import guard, parts
from dreamray.pictures.carried import Carried, of_pillow
from dreamray.pictures.colour import to_rgb
from dreamray.pictures.formats import kind_of
from dreamray.pictures.heif_source import heif_shape, read_heif
from dreamray.pictures.jpeg_source import check_scans, check_sort
from dreamray.pictures.png_source import Png, bare, read_png
from dreamray.pictures.tiff_source import (
    Channels,
    check_tiff,
    open_tiff,
    tiff_channels,
    tiff_remarks,
    tiff_shape,
    tiff_xmp,
    tiles_checked,
)
from dreamray.raster.pixels import Pixels

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Picture",
    "decode",
]

DEFAULT_MAX_PIXELS = guard.MAX_PIXELS
"""Where Pillow goes no further: a higher limit opens larger PNGs and TIFFs, but nothing else."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright."""

    pixels: Pixels
    """uint8 or uint16 [height, width, 3], RGB; perhaps read-only."""
    alpha: Pixels | None
    """Opacity, same dtype, [height, width]; None for a picture without."""
    icc_profile: bytes | None
    """The RGB colour profile of `pixels`; None stands for sRGB."""
    exif: bytes | None
    """The source's EXIF block: camera, date, author ...; without orientation and thumbnail."""
    sha256: str
    """Of the encoded source, in hexadecimal."""
    notes: tuple[str, ...]
    """One-line notices for the user."""


def decode(data: bytes, name: str, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Decode the first image of an encoded picture, upright and in RGB.

    16 bit grey and colour stay 16 bit (uint16), 10 and 12 bits become that; everything else
    becomes uint8. Grey and CMYK pixels go through their embedded profile to sRGB; colours that the
    file tells in another way (cICP, gAMA, cHRM, nclx, EXIF) get a profile. `name` is what messages
    call the picture.

    Raises `PictureError`, in one line, for bytes that are no whole picture of the formats in
    `SOURCE_FORMATS`, or a part of one, and for one of more than `max_pixels` pixels, before any of
    them is decoded.
    """
    kind = kind_of(data, name)
    with guard.decoding(name):
        stored = _open(data, kind, name, max_pixels)
        settled = stored.carried.settle()
        pixels, icc_profile, remark = to_rgb(stored.colour, settled.icc_profile)
        turn = settled.exif.turn
        return Picture(
            pixels=turn.upright(pixels),
            alpha=None if stored.alpha is None else turn.upright(stored.alpha),
            icc_profile=icc_profile,
            exif=settled.exif.kept,
            sha256=hashlib.sha256(data).hexdigest(),
            notes=tuple(f"{name} {remark}" for remark in (*settled.remarks, remark) if remark),
        )


class _Stored(NamedTuple):
    """An image as the file has it: in its own colour space, and perhaps lying on its side."""

    colour: Pixels
    """[height, width, 1, 3 or 4] for grey, RGB or CMYK."""
    alpha: Pixels | None
    carried: Carried


def _open(data: bytes, kind: str, name: str, max_pixels: int) -> _Stored:
    match kind:
        case "TIFF":
            return _open_tiff(data, name, max_pixels)
        case "PNG":
            return _open_png(data, name, max_pixels)
        case "HEIC" | "AVIF":
            height, width = heif_shape(io.BytesIO(data), kind)
            check_size(name, width, height, max_pixels)
            return _Stored(*read_heif(data, kind))
    with open_pillow(io.BytesIO(data), kind) as image:
        check_size(name, *image.size, max_pixels)
        if kind == "JPEG":
            check_scans(data, name)
        carried = of_pillow(image)
        try:
            return _Stored(*_pillow_samples(image), carried)
        except (DreamrayError, MemoryError):
            raise
        except Exception as error:
            return _Stored(*_other_samples(data, kind, name, max_pixels, error), carried)


def open_pillow(file: BinaryIO, kind: str) -> Image.Image:
    """Pillow's image of a file, of which only the header is read, and the warning of its size.

    Raises KindError for a sort of JPEG that Pillow cannot even name.
    """
    try:
        return Image.open(file, formats=[kind])
    except UnidentifiedImageError:
        if kind == "JPEG":
            check_sort(file)
        raise


def _pillow_samples(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    image.load()
    clear = image.convert("RGBA") if image.has_transparency_data else None
    alpha = None if clear is None else np.asarray(clear)[..., 3]
    if image.mode == "CMYK":
        return np.asarray(image), alpha
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L"))[..., None], alpha
    return np.asarray((clear or image).convert("RGB")), alpha


def _other_samples(
    data: bytes, kind: str, name: str, max_pixels: int, first: Exception
) -> tuple[Pixels, Pixels | None]:
    """By libvips, for what Pillow has refused; else the first error, if that says more."""
    if kind == "JPEG":
        check_sort(io.BytesIO(data))
    if kind == "BMP":
        raise first
    try:
        image = parts.open_vips(data, kind)
        check_size(name, image.width, image.height, max_pixels)
        samples = parts.vips_samples(image)
    except DreamrayError:
        raise
    except Exception:
        raise first from None
    colour = 4 if image.interpretation == "cmyk" else 1 if image.bands < 3 else 3
    return Channels(colour, colour if image.bands > colour else None).split(samples)


def _open_png(data: bytes, name: str, max_pixels: int) -> _Stored:
    png = read_png(io.BytesIO(data))
    check_size(name, png.shape.width, png.shape.height, max_pixels)
    image = parts.open_vips(bare(data), "PNG")
    samples = parts.vips_samples(image)
    return _Stored(*png_channels(image, png).split(samples), png.carried())


def png_channels(image: Any, png: Png) -> Channels:
    """The channels of a PNG that was opened by pyvips."""
    # Grey comes with equal channels of red, green and blue where one value is transparent.
    return Channels(1 if png.is_grey else 3, image.bands - 1 if image.bands in (2, 4) else None)


def _open_tiff(data: bytes, name: str, max_pixels: int) -> _Stored:
    tags = parts.tiff_directory(data)
    height, width = tiff_shape(tags)
    check_size(name, width, height, max_pixels)
    check_tiff(data, tags, name)
    image = open_tiff(data, tags)
    check_size(name, image.width, image.height, max_pixels)
    channels = tiff_channels(image, tags)
    with tiles_checked():
        samples = parts.vips_samples(image)
    colour, alpha = channels.split(samples)
    return _Stored(colour, alpha, tiff_carried(data, image, tags, channels))


def tiff_carried(source: Any, image: Any, tags: Any, channels: Channels) -> Carried:
    """What belongs to the pixels of a TIFF, given as bytes or as a file."""
    return Carried(
        exif=source,
        xmp=tiff_xmp(tags),
        icc_profile=tags.get(parts.ICC_PROFILE),
        remarks=tuple(tiff_remarks(image, tags, channels)),
    )


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Raise PictureError for a picture of more than `max_pixels`."""
    if width * height > max_pixels:
        raise PictureError(
            f"{name} has {width} x {height} = {width * height:,} pixels, "
            f"more than the limit of {max_pixels:,}: shrink it"
        )
