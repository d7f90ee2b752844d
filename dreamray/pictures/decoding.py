"""Encoded bytes to pixels, with what they carry besides, and pixels to the network's numbers.

The formats are told by content, never by name, and no decoder but these six ever runs:
JPEG, PNG, WebP, TIFF, GIF and BMP.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dreamray.base.errors import PictureError
from dreamray.pictures import parts
from dreamray.pictures.colour import to_rgb
from dreamray.pictures.exif import read_exif
from dreamray.raster.pixels import Pixels

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Picture",
    "decode",
]

DEFAULT_MAX_PIXELS = parts.MAX_PIXELS
"""Where Pillow goes no further: a higher limit opens larger TIFFs, but nothing else."""

# Those that the binary wheel of libvips is built without.
_TIFF_COMPRESSIONS = {34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}


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

    16 bit grey and colour stay 16 bit (uint16); everything else becomes uint8. Grey and CMYK
    pixels go through their embedded profile to sRGB. `name` is what messages call the picture.

    Raises `PictureError`, in one line, for bytes that are no whole picture of the six formats,
    and for one of more than `max_pixels` pixels, before any of them is decoded.
    """
    kind = parts.kind_of(data, name)
    with parts.pillow(name):
        stored = _open(data, kind, name, max_pixels)
        exif = read_exif(stored.exif)
        pixels, icc_profile, remark = to_rgb(stored.colour, stored.icc_profile)
        remarks = (*stored.remarks, exif.remark, remark)
        return Picture(
            pixels=exif.turn.upright(pixels),
            alpha=None if stored.alpha is None else exif.turn.upright(stored.alpha),
            icc_profile=icc_profile,
            exif=exif.kept,
            sha256=hashlib.sha256(data).hexdigest(),
            notes=tuple(f"{name} {remark}" for remark in remarks if remark),
        )


class _Stored(NamedTuple):
    """An image as the file has it: in its own colour space, and perhaps lying on its side."""

    colour: Pixels
    """[height, width, 1, 3 or 4] for grey, RGB or CMYK."""
    alpha: Pixels | None
    icc_profile: Any
    exif: bytes | None
    remarks: list[str]
    """What is to be told, without the picture's name."""


def _open(data: bytes, kind: str, name: str, max_pixels: int) -> _Stored:
    if kind == "TIFF":
        return _open_tiff(data, name, max_pixels)
    if kind == "PNG":
        # Checksums are verified here, because decoders are lenient with some of them.
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            check_size(name, *image.size, max_pixels)
            image.verify()
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        check_size(name, *image.size, max_pixels)
        if kind == "PNG" and data[24] == 16:
            samples = parts.vips_samples(parts.open_vips(data, kind))
            channels = 1 if samples.shape[2] < 3 else 3
            colour = samples[..., :channels]
            alpha = samples[..., channels] if samples.shape[2] > channels else None
        else:
            colour, alpha = _pillow_samples(image)
        info, remarks = image.info, animation_remarks(image)
        return _Stored(colour, alpha, info.get("icc_profile"), info.get("exif"), remarks)


def animation_remarks(image: Image.Image) -> list[str]:
    """What is to be told of Pillow's image, without its name."""
    frames = getattr(image, "n_frames", 1)
    # What follows in a camera's JPEG is its own previews.
    if frames > 1 and image.format != "MPO":
        return [f"is animated: only the first of its {frames} frames is dreamt"]
    return []


def _pillow_samples(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    image.load()
    clear = image.convert("RGBA") if image.has_transparency_data else None
    alpha = None if clear is None else np.asarray(clear)[..., 3]
    if image.mode == "CMYK":
        return np.asarray(image), alpha
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L"))[..., None], alpha
    return np.asarray((clear or image).convert("RGB")), alpha


def _open_tiff(data: bytes, name: str, max_pixels: int) -> _Stored:
    tags = parts.tiff_directory(data)
    check_tiff(tags, name)
    image = parts.open_vips(data, "TIFF")
    check_size(name, image.width, image.height, max_pixels)
    colour, alpha = tiff_channels(image, tags).split(parts.vips_samples(image))
    icc_profile = tags.get(parts.ICC_PROFILE)
    return _Stored(colour, alpha, icc_profile, data, tiff_remarks(image))


class Channels(NamedTuple):
    """Which of an image's channels are what."""

    colour: int
    """How many of the first are colour: 1, 3 or 4 for grey, RGB or CMYK."""
    alpha: int | None
    """Which one is opacity."""

    def split(self, samples: Pixels) -> tuple[Pixels, Pixels | None]:
        """Colour and alpha of [height, width, channels]; CMYK reduced to 8 bits."""
        if self.colour == 4:
            samples = parts.to_depth(samples, np.uint8)
        return samples[..., : self.colour], None if self.alpha is None else samples[..., self.alpha]


def check_tiff(tags: Any, name: str) -> None:
    """Raise PictureError for a TIFF that is not read right, by its first directory."""
    bits, numbers = max(tags.get(258, (1,))), max(tags.get(339, (1,)))
    compression, photometric = tags.get(259, 1), tags.get(262)
    problem = None
    if photometric not in (None, 0, 1, 2, 3, 5) and (photometric, compression) != (6, 7):
        space = {6: "YCbCr", 8: "Lab"}.get(photometric, "special")
        problem = f"{space} samples"
    elif numbers not in (1, 4) or bits not in (1, 2, 4, 8, 16):
        sort = {2: "signed", 3: "floating point"}.get(numbers, "unsigned")
        problem = f"{bits} bit {sort} samples"
    elif compression in _TIFF_COMPRESSIONS:
        problem = f"{_TIFF_COMPRESSIONS[compression]} compression"
    if problem:
        raise PictureError(
            f"{name} has {problem}, which dreamray does not read: "
            "save it anew in RGB with 8 or 16 bits a channel, deflated or not compressed"
        )


def tiff_channels(image: Any, tags: Any) -> Channels:
    """The channels of a TIFF that was opened by pyvips."""
    colour = 4 if image.interpretation == "cmyk" else 1 if image.bands < 3 else 3
    # An extra channel of kind 0 says nothing of opacity.
    has_alpha = image.bands > colour and tags.get(338, (None,))[0] != 0
    return Channels(colour, colour if has_alpha else None)


def tiff_remarks(image: Any) -> list[str]:
    """What is to be told of it, without its name."""
    pages = image.get("n-pages")
    return [f"has {pages} pages: only the first is dreamt"] if pages > 1 else []


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Raise PictureError for a picture of more than `max_pixels`."""
    if width * height > max_pixels:
        raise PictureError(
            f"{name} has {width} x {height} = {width * height:,} pixels, "
            f"more than the limit of {max_pixels:,}: shrink it, or raise the limit"
        )
