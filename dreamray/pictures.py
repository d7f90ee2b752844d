"""Pictures: from encoded bytes to pixels and back, with what they carry besides pixels.

The formats are told by content, never by name, and no decoder but these six ever runs:
JPEG, PNG, WebP, TIFF, GIF and BMP. Results are written as PNG, JPEG, WebP or TIFF, and the
same input gives the same bytes on every run of one installation.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from dreamray import picture_parts as parts
from dreamray.errors import PictureError
from dreamray.picture_output import (
    Format,
    check_output,
    encode,
    metadata_text,
    output_format,
    read_metadata,
    remove_settings,
)
from dreamray.picture_parts import Pixels

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Format",
    "Picture",
    "Pixels",
    "check_output",
    "decode",
    "encode",
    "from_tensor",
    "metadata_text",
    "output_format",
    "read_metadata",
    "to_tensor",
]

DEFAULT_MAX_PIXELS = parts.MAX_PIXELS
"""Where Pillow goes no further: a higher limit opens larger TIFFs, but nothing else."""

# EXIF's orientations: steps through the rows and the columns, then whether these change places.
_TURNS: dict[object, tuple[int, int, bool]] = {
    2: (1, -1, False),
    3: (-1, -1, False),
    4: (-1, 1, False),
    5: (1, 1, True),
    6: (-1, 1, True),
    7: (-1, -1, True),
    8: (1, -1, True),
}

# Those that the binary wheel of libvips is built without.
_TIFF_COMPRESSIONS = {34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}

_CMYK_GUESSED = "is CMYK without a usable colour profile: its colours are approximate"
_PROFILE_DROPPED = "has a colour profile that does not fit its pixels, which is left out"


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
    """One-line remarks for the user."""


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
        notes = [f"{name} {remark}" for remark in stored.remarks]
        try:
            tags = parts.read_tags(stored.exif) if stored.exif else {}
        except Exception:  # the picture is worth more than its EXIF
            tags = {}
            notes.append(f"{name} has damaged EXIF data, which is left out")
        orientation = tags.pop(parts.ORIENTATION, 1)
        remove_settings(tags)
        pixels, icc_profile, remark = _to_rgb(stored.colour, stored.icc_profile)
        if remark:
            notes.append(f"{name} {remark}")
        return Picture(
            pixels=_upright(pixels, orientation),
            alpha=None if stored.alpha is None else _upright(stored.alpha, orientation),
            icc_profile=icc_profile,
            exif=parts.write_tags(tags) if tags else None,
            sha256=hashlib.sha256(data).hexdigest(),
            notes=tuple(notes),
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
            _check_size(name, *image.size, max_pixels)
            image.verify()
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        _check_size(name, *image.size, max_pixels)
        if kind == "PNG" and data[24] == 16:
            samples = parts.vips_samples(parts.open_vips(data, kind))
            channels = 1 if samples.shape[2] < 3 else 3
            colour = samples[..., :channels]
            alpha = samples[..., channels] if samples.shape[2] > channels else None
        else:
            colour, alpha = _pillow_samples(image)
        remarks = []
        frames = getattr(image, "n_frames", 1)
        # What follows in a camera's JPEG is its own previews.
        if frames > 1 and image.format != "MPO":
            remarks.append(f"is animated: only the first of its {frames} frames is dreamt")
        info = image.info
        return _Stored(colour, alpha, info.get("icc_profile"), info.get("exif"), remarks)


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
    image = parts.open_vips(data, "TIFF")
    _check_size(name, image.width, image.height, max_pixels)
    samples = parts.vips_samples(image)
    if image.interpretation == "cmyk":
        channels = 4
        samples = parts.to_depth(samples, np.uint8)
    else:
        channels = 1 if image.bands < 3 else 3
    # An extra channel of kind 0 says nothing of opacity.
    has_alpha = image.bands > channels and tags.get(338, (None,))[0] != 0
    pages = image.get("n-pages")
    return _Stored(
        colour=samples[..., :channels],
        alpha=samples[..., channels] if has_alpha else None,
        icc_profile=tags.get(parts.ICC_PROFILE),
        exif=data,
        remarks=[f"has {pages} pages: only the first is dreamt"] if pages > 1 else [],
    )


def _check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PictureError(
            f"{name} has {width} x {height} = {width * height:,} pixels, "
            f"more than the limit of {max_pixels:,}: shrink it, or raise the limit"
        )


def _to_rgb(colour: Pixels, icc_profile: Any) -> tuple[Pixels, bytes | None, str | None]:
    """Stored colour as RGB, the profile that then belongs to it, and a remark or None."""
    channels = colour.shape[2]
    space = _profile_space(icc_profile)
    if channels < 4 and space == b"RGB ":
        return np.broadcast_to(colour, (*colour.shape[:2], 3)), icc_profile, None
    if space == {1: b"GRAY", 4: b"CMYK"}.get(channels):
        converted = _to_srgb(colour[..., 0] if channels == 1 else colour, icc_profile)
        if converted is not None:
            return converted, None, None
    if channels == 4:
        image = _image_of(colour, "CMYK")
        return np.asarray(image.convert("RGB")), None, _CMYK_GUESSED
    remark = _PROFILE_DROPPED if icc_profile else None
    return np.broadcast_to(colour, (*colour.shape[:2], 3)), None, remark


def _profile_space(icc_profile: Any) -> bytes:
    """The colour space of an ICC profile, such as "RGB " or "GRAY"; empty where it is none."""
    if not isinstance(icc_profile, bytes) or icc_profile[36:40] != b"acsp":
        return b""
    return icc_profile[16:20]


def _to_srgb(samples: Pixels, icc_profile: bytes) -> Pixels | None:
    """Grey [height, width] or 8 bit CMYK [height, width, 4] through its own profile.

    Gives RGB [height, width, 3] of the same dtype, or None where the profile is not usable.
    """
    from PIL import ImageCms

    grey = samples.ndim == 2
    if samples.dtype == np.uint16:
        return _deep_grey_to_srgb(samples, icc_profile)
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if grey:
        # The shortcut for grey is 7 levels off in the shadows; without it is fast enough.
        flags |= ImageCms.Flags.NOOPTIMIZE
    try:
        result = ImageCms.profileToProfile(
            _image_of(samples, "L" if grey else "CMYK"),
            io.BytesIO(icc_profile),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=flags,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if result is None else np.asarray(result)


def _image_of(samples: Pixels, mode: str) -> Image.Image:
    """A Pillow image of uint8 samples, in the mode that is said instead of guessed."""
    return Image.frombytes(mode, samples.shape[1::-1], samples.tobytes())


def _deep_grey_to_srgb(grey: Pixels, icc_profile: bytes) -> Pixels | None:
    import pyvips

    image = pyvips.Image.new_from_array(np.ascontiguousarray(grey), interpretation="grey16").copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc_profile)
    try:
        return parts.vips_samples(
            image.icc_transform(
                "srgb", embedded=True, depth=16, intent="relative", black_point_compensation=True
            )
        )
    except pyvips.Error:
        return None


def _upright(array: npt.NDArray[Any], orientation: object) -> npt.NDArray[Any]:
    if orientation in _TURNS:
        rows, columns, swap = _TURNS[orientation]
        array = array[::rows, ::columns]
        if swap:
            array = array.swapaxes(0, 1)
    return np.ascontiguousarray(array)


def to_tensor(pixels: Pixels) -> npt.NDArray[np.float32]:
    """uint8 or uint16 of any shape to float32 from -1 to 1: `x / 127.5 - 1`."""
    tensor = pixels.astype(np.float32)
    tensor /= np.float32(np.iinfo(pixels.dtype).max / 2)
    tensor -= np.float32(1)
    return tensor


def from_tensor(x: npt.NDArray[np.float32], dtype: npt.DTypeLike = np.uint8) -> Pixels:
    """Back to uint8 or uint16: `x / 2 + 0.5`, times the largest value, clipped, truncated.

    Raises `PictureError` for values that are no number: the ascent has left every range.
    """
    largest = np.float32(np.iinfo(dtype).max)
    scaled = x.astype(np.float32)
    scaled /= np.float32(2)
    scaled += np.float32(0.5)
    scaled *= largest
    np.clip(scaled, 0, largest, out=scaled)
    if np.isnan(scaled).any():
        raise PictureError("the dream has diverged to no number at all: choose a smaller step")
    return scaled.astype(dtype)
