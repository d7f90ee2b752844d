"""Writing pictures: the formats of results, their limits, and the settings kept in them."""

from __future__ import annotations

import enum
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dreamray import picture_parts as parts
from dreamray.errors import PictureError, RequestError
from dreamray.picture_parts import Pixels
from dreamray.version import __version__

if TYPE_CHECKING:
    from dreamray.pictures import Picture

_KEYWORD = "dreamray"
_SOFTWARE = f"dreamray {__version__}"
_MAX_METADATA = 1 << 20
_MAX_JPEG_EXIF = 65_533
_USER_COMMENT_ASCII = b"ASCII\0\0\0"

# Level 4 is where the compressor starts to look for better matches: 11 % smaller than level 3
# on dreams, and higher levels gain nothing more.
_PNG_LEVEL = 4


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

    @property
    def suffix(self) -> str:
        """The usual file name suffix, such as ".jpg"."""
        return {"jpeg": ".jpg", "tiff": ".tif"}.get(self, f".{self}")

    @property
    def deep(self) -> bool:
        """Whether 16 bits a channel are kept."""
        return self in (Format.PNG, Format.TIFF)


_OUTPUT_SUFFIXES = {
    ".png": Format.PNG,
    ".jpg": Format.JPEG,
    ".jpeg": Format.JPEG,
    ".webp": Format.WEBP,
    ".tif": Format.TIFF,
    ".tiff": Format.TIFF,
}

# Pixels a side. The formats of JPEG and PNG themselves allow more, but libjpeg writes no more
# than this, and libpng refuses to read more.
_MAX_SIDE = {Format.JPEG: 65_500, Format.WEBP: 16_383, Format.PNG: 1_000_000}

# Of 4 GiB, less some room for tags and for pixels that do not compress at all.
_MAX_TIFF_BYTES = (1 << 32) - (1 << 25)


def output_format(name: str) -> Format:
    """The format that a file name or URI asks for by its suffix, in capitals or not.

    Raises `RequestError`, naming the suffixes that work.
    """
    suffix = PurePosixPath(name).suffix
    try:
        return _OUTPUT_SUFFIXES[suffix.lower()]
    except KeyError:
        problem = f"ends in {suffix}, which" if suffix else "has no suffix, so it"
        raise RequestError(
            f"{name} {problem} names no format that results are written in: "
            f"use one of {', '.join(_OUTPUT_SUFFIXES)}"
        ) from None


def check_output(format: Format, width: int, height: int) -> None:
    """Raise `PictureError` where a format cannot hold a picture of this size in pixels.

    For TIFF this is the classic one, and the largest samples (16 bit with alpha) are assumed.
    """
    limit = _MAX_SIDE.get(format)
    if limit is not None and max(width, height) > limit:
        larger = "TIFF" if format is Format.PNG else "PNG or TIFF"
        raise PictureError(
            f"a picture of {width} x {height} pixels is too large for {format.name}, "
            f"which ends at {limit:,} pixels a side: write {larger}"
        )
    if format is Format.TIFF and width * height * 8 > _MAX_TIFF_BYTES:
        raise PictureError(
            f"a picture of {width} x {height} pixels may not fit into the 4 GiB of a classic TIFF: "
            "write PNG"
        )


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """What is embedded for these settings: one line of JSON in plain ASCII.

    Raises `PictureError` for more than 1 MiB, `TypeError` and `ValueError` for what is not JSON.
    """
    text = json.dumps({_KEYWORD: metadata}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    if len(text) > _MAX_METADATA:
        raise PictureError(
            f"the settings of this dream take {len(text):,} bytes, more than the "
            f"{_MAX_METADATA:,} that go into a picture: shorten them"
        )
    return text


def encode(
    pixels: Pixels, like: Picture, format: Format, metadata: Mapping[str, Any] | None
) -> bytes:
    """Encode uint8 or uint16 RGB [height, width, 3] with what `like` has besides pixels.

    Its alpha (of the same height and width), profile and EXIF go along, and so does `metadata`,
    a mapping that JSON can hold, for `read_metadata` to find. JPEG and WebP are reduced to
    8 bits; JPEG shows transparent parts as white.

    Raises `PictureError` where the format cannot hold the picture or the metadata.
    """
    check_output(format, pixels.shape[1], pixels.shape[0])
    text = None if metadata is None else metadata_text(metadata)
    if not format.deep:
        pixels = parts.to_depth(pixels, np.uint8)
    alpha = None if like.alpha is None else parts.to_depth(like.alpha, pixels.dtype)
    if format is Format.JPEG and alpha is not None:
        pixels, alpha = _on_white(pixels, alpha), None
    samples = pixels if alpha is None else np.dstack((pixels, alpha))
    tags = parts.read_tags(like.exif) if like.exif else {}
    tags[parts.SOFTWARE] = _SOFTWARE
    if format is Format.PNG:
        return _encode_png(samples, like.icc_profile, tags, text)
    if text is not None:
        comment = _USER_COMMENT_ASCII + text.encode()
        tags.setdefault(parts.EXIF_DIRECTORY, {})[parts.USER_COMMENT] = comment
    if format is Format.TIFF:
        return parts.write_tiff(samples, tags, like.icc_profile)
    exif = parts.write_tags(tags)
    options: dict[str, Any] = {"quality": 95, "method": 4}
    if format is Format.JPEG:
        options = {"quality": 95, "subsampling": "4:4:4"}
        exif = _fit_into_jpeg(exif, tags)
    return _save(samples, format, exif=exif, icc_profile=like.icc_profile, **options)


def _save(samples: Pixels, format: Format, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(samples)).save(out, format.name, **options)
    return out.getvalue()


def _encode_png(
    samples: Pixels, icc_profile: bytes | None, tags: parts.Tags, text: str | None
) -> bytes:
    chunks = []
    if icc_profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile)))
    chunks.append((b"eXIf", parts.write_tags(tags).removeprefix(b"Exif\0\0")))
    chunks.append((b"tEXt", b"Software\0" + _SOFTWARE.encode()))
    if text is not None:
        chunks.append((b"tEXt", _KEYWORD.encode() + b"\0" + text.encode()))
    if samples.dtype == np.uint8:
        png = _save(samples, Format.PNG, compress_level=_PNG_LEVEL)
    else:
        png = parts.write_deep_png(samples, _PNG_LEVEL)
    return parts.png_with(png, chunks)


def _fit_into_jpeg(exif: bytes, tags: parts.Tags) -> bytes:
    """The EXIF block, without the source's part where the whole is too long for a JPEG."""
    if len(exif) > _MAX_JPEG_EXIF:
        comment = tags.get(parts.EXIF_DIRECTORY, {}).get(parts.USER_COMMENT, b"")
        own = {parts.SOFTWARE: _SOFTWARE, parts.EXIF_DIRECTORY: {parts.USER_COMMENT: comment}}
        exif = parts.write_tags(own)
    if len(exif) > _MAX_JPEG_EXIF:
        raise PictureError("the settings of this dream are too long for a JPEG: write PNG")
    return exif


def _on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    opacity = alpha[..., None].astype(np.uint16)
    mixed = pixels * opacity + 255 * (255 - opacity)
    return ((mixed + 127) // 255).astype(np.uint8)


def read_metadata(data: bytes, name: str) -> dict[str, Any]:
    """What `encode` was given as metadata for this picture, PNG, JPEG, WebP or TIFF.

    Its pixels are not decoded. The contents are anyone's: validate them before use. Raises
    `PictureError` for a picture without, or with what cannot have come from `encode`.
    """
    kind = parts.kind_of(data, name)
    with parts.pillow(name):
        text = _embedded_text(data, kind)
        if text is None:
            raise PictureError(
                f"{name} carries no dreamray settings: "
                "it was not made by dreamray, or another program removed them"
            )
        try:
            if len(text) > _MAX_METADATA:
                raise ValueError("longer than 1 MiB")
            metadata = json.loads(text)[_KEYWORD]
            if not isinstance(metadata, dict):
                raise TypeError("not a mapping")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise PictureError(
                f"{name} carries dreamray settings that cannot be read ({parts.one_line(error)}): "
                "another program changed them, so give the settings by hand"
            ) from error
        return metadata


def _embedded_text(data: bytes, kind: str) -> str | None:
    if kind == "PNG":
        return parts.png_text(data, _KEYWORD, _MAX_METADATA)
    exif: bytes | None = data
    if kind != "TIFF":
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            exif = image.info.get("exif")
    if not exif:
        return None
    return next(filter(None, map(_settings_in, _comments(parts.read_tags(exif)))), None)


def _comments(tags: parts.Tags) -> list[object]:
    """Where settings may be; programs that write a TIFF in a stream have the second place only."""
    exif = tags.get(parts.EXIF_DIRECTORY, {})
    return [exif.get(parts.USER_COMMENT), tags.get(parts.DESCRIPTION)]


def _settings_in(comment: object) -> str | None:
    if isinstance(comment, bytes):
        comment = comment.removeprefix(_USER_COMMENT_ASCII).decode("utf-8", "replace")
    if isinstance(comment, str) and comment.lstrip().startswith(f'{{"{_KEYWORD}"'):
        return comment.rstrip("\0")
    return None


def remove_settings(tags: parts.Tags) -> None:
    """A dream of a dream must not carry the settings of the first as its own."""
    if _settings_in(tags.get(parts.DESCRIPTION)):
        del tags[parts.DESCRIPTION]
    if _settings_in(tags.get(parts.EXIF_DIRECTORY, {}).get(parts.USER_COMMENT)):
        del tags[parts.EXIF_DIRECTORY][parts.USER_COMMENT]
