"""Any stored colour as RGB: grey, RGB and CMYK, with or without a colour profile.

Every pixel is converted by itself, so that a picture may be converted in parts.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from dreamray.pictures import parts
from dreamray.raster.pixels import Pixels

_CMYK_GUESSED = "is CMYK without a usable colour profile: its colours are approximate"
_PROFILE_DROPPED = "has a colour profile that does not fit its pixels, which is left out"


def to_rgb(colour: Pixels, icc_profile: Any) -> tuple[Pixels, bytes | None, str | None]:
    """Stored colour as RGB, the profile that then belongs to it, and a notice or None.

    `colour` is uint8 or uint16 [height, width, 1, 3 or 4] for grey, RGB or 8 bit CMYK; the
    result [height, width, 3], perhaps a read-only view of it.
    """
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
        with parts.LIBVIPS:
            converted = image.icc_transform(
                "srgb", embedded=True, depth=16, intent="relative", black_point_compensation=True
            )
            return parts.vips_samples(converted)
    except pyvips.Error:
        return None
