"""Writing pictures that are held in memory: the formats of results, and their limits.

The same pixels give the same bytes on every run of one installation.
"""

from __future__ import annotations

import enum
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dreamray.base.errors import PictureError, RequestError
from dreamray.base.version import __version__
from dreamray.pictures import parts
from dreamray.pictures.metadata import KEYWORD, metadata_text, read_metadata, user_comment
from dreamray.raster.pixels import Pixels

if TYPE_CHECKING:
    from dreamray.pictures import Picture

__all__ = [
    "Extras",
    "Format",
    "check_output",
    "encode",
    "output_format",
    "read_metadata",
]

_SOFTWARE = f"dreamray {__version__}"
_MAX_JPEG_EXIF = 65_533

# Level 4 is where the compressor starts to look for better matches: 11 % smaller than level 3
# on dreams, and higher levels gain nothing more.
PNG_LEVEL = 4

JPEG_OPTIONS = {"quality": 95, "subsampling": "4:4:4"}


class Format(enum.StrEnum):
    """A format that results are written in."""

    PNG = "png"
    """Lossless; keeps 16 bit colour and alpha."""
    JPEG = "jpeg"
    """Quality 95, colour at full resolution; transparent parts become white."""
    WEBP = "webp"
    """Quality 95 (lossy: WebP is asked for where size counts), lossless alpha."""
    TIFF = "tiff"
    """Lossless (deflate); keeps 16 bit colour and alpha."""
    DEEP_ZOOM = "dzi"
    """A pyramid of small JPEG or PNG files that a browser shows; no single picture."""

    @property
    def suffix(self) -> str:
        """The usual file name suffix, such as ".jpg"."""
        return {"jpeg": ".jpg", "tiff": ".tif"}.get(self, f".{self}")

    @property
    def deep(self) -> bool:
        """Whether 16 bits a channel are kept."""
        return self in (Format.PNG, Format.TIFF)


PICTURE_SUFFIXES = {
    ".png": Format.PNG,
    ".jpg": Format.JPEG,
    ".jpeg": Format.JPEG,
    ".webp": Format.WEBP,
    ".tif": Format.TIFF,
    ".tiff": Format.TIFF,
}
"""Of the formats that are one file."""

OUTPUT_SUFFIXES = PICTURE_SUFFIXES | {".dzi": Format.DEEP_ZOOM}

# Pixels a side. The formats of JPEG and PNG themselves allow more, but libjpeg writes no more
# than this, and libpng refuses to read more.
_MAX_SIDE = {Format.JPEG: 65_500, Format.WEBP: 16_383, Format.PNG: 1_000_000}


def output_format(name: str, suffixes: Mapping[str, Format] = OUTPUT_SUFFIXES) -> Format:
    """The format that a file name or URI asks for by its suffix, in capitals or not.

    Raises `RequestError`, naming the suffixes that work.
    """
    suffix = PurePosixPath(name).suffix
    try:
        return suffixes[suffix.lower()]
    except KeyError:
        problem = f"ends in {suffix}, which" if suffix else "has no suffix, so it"
        raise RequestError(
            f"{name} {problem} names no format that results are written in: "
            f"use one of {', '.join(suffixes)}"
        ) from None


def check_output(format: Format, width: int, height: int) -> None:
    """Raise `PictureError` where a format cannot hold a picture of this size in pixels."""
    limit = _MAX_SIDE.get(format)
    if limit is not None and max(width, height) > limit:
        larger = (
            "TIFF or Deep Zoom" if max(width, height) > _MAX_SIDE[Format.PNG] else "PNG or TIFF"
        )
        raise PictureError(
            f"a picture of {width} x {height} pixels is too large for {format.name}, "
            f"which ends at {limit:,} pixels a side: write {larger}"
        )


@dataclass(frozen=True)
class Extras:
    """What a source has besides pixels, for its dream to carry on."""

    icc_profile: bytes | None = None
    """The RGB colour profile of the pixels; None stands for sRGB."""
    exif: bytes | None = None
    """An EXIF block without orientation."""


def encode(
    pixels: Pixels, like: Picture, format: Format, metadata: Mapping[str, Any] | None
) -> bytes:
    """Encode uint8 or uint16 RGB [height, width, 3] with what `like` has besides pixels.

    Its alpha (of the same height and width), profile and EXIF go along, and so does `metadata`,
    a mapping that JSON can hold, for `read_metadata` to find. JPEG and WebP are reduced to
    8 bits; JPEG shows transparent parts as white.

    Raises `PictureError` where the format cannot hold the picture or the metadata.
    """
    if format is Format.DEEP_ZOOM:
        raise ValueError("a Deep Zoom is many files")
    check_output(format, pixels.shape[1], pixels.shape[0])
    extras = Extras(like.icc_profile, like.exif)
    text = None if metadata is None else metadata_text(metadata)
    if not format.deep:
        pixels = parts.to_depth(pixels, np.uint8)
    alpha = None if like.alpha is None else parts.to_depth(like.alpha, pixels.dtype)
    samples = pixels if alpha is None else np.dstack((pixels, alpha))
    match format:
        case Format.PNG:
            return _encode_png(samples, png_chunks(extras, text))
        case Format.TIFF:
            return parts.write_tiff(samples, tags_with(extras, text), extras.icc_profile)
        case Format.JPEG:
            return save(
                on_white(samples),
                format,
                exif=jpeg_exif(extras, text),
                icc_profile=extras.icc_profile,
                **JPEG_OPTIONS,
            )
    exif = parts.write_tags(tags_with(extras, text))
    return save(samples, format, exif=exif, icc_profile=extras.icc_profile, quality=95, method=4)


def tags_with(extras: Extras, text: str | None) -> parts.Tags:
    """The source's tags, our name, and the settings as EXIF's user comment."""
    tags = parts.read_tags(extras.exif) if extras.exif else {}
    tags[parts.SOFTWARE] = _SOFTWARE
    if text is not None:
        tags.setdefault(parts.EXIF_DIRECTORY, {})[parts.USER_COMMENT] = user_comment(text)
    return tags


def png_chunks(extras: Extras, text: str | None) -> list[tuple[bytes, bytes]]:
    """The optional chunks of a PNG, type and content; the settings are a text of their own."""
    chunks = []
    if extras.icc_profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(extras.icc_profile)))
    exif = parts.write_tags(tags_with(extras, None))
    chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    chunks.append((b"tEXt", b"Software\0" + _SOFTWARE.encode()))
    if text is not None:
        chunks.append((b"tEXt", KEYWORD.encode() + b"\0" + text.encode()))
    return chunks


def jpeg_exif(extras: Extras, text: str | None) -> bytes:
    """The EXIF block of a JPEG, without the source's part where that makes it too long.

    Raises `PictureError` where the settings alone are too long.
    """
    exif = parts.write_tags(tags_with(extras, text))
    if len(exif) > _MAX_JPEG_EXIF:
        exif = parts.write_tags(tags_with(Extras(), text))
    if len(exif) > _MAX_JPEG_EXIF:
        raise PictureError("the settings of this dream are too long for a JPEG: write PNG")
    return exif


def on_white(samples: Pixels) -> Pixels:
    """uint8 [height, width, 3 or 4] as RGB, transparent parts in white."""
    if samples.shape[2] == 3:
        return samples
    opacity = samples[..., 3:].astype(np.uint16)
    mixed = samples[..., :3] * opacity + 255 * (255 - opacity)
    return ((mixed + 127) // 255).astype(np.uint8)


def save(samples: Pixels, format: Format, **options: Any) -> bytes:
    """Encode by Pillow, with its options for the format."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(samples)).save(out, format.name, **options)
    return out.getvalue()


def _encode_png(samples: Pixels, chunks: list[tuple[bytes, bytes]]) -> bytes:
    if samples.dtype == np.uint8:
        png = save(samples, Format.PNG, compress_level=PNG_LEVEL)
    else:
        png = parts.write_deep_png(samples, PNG_LEVEL)
    return parts.png_with(png, chunks)
