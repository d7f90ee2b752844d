"""What a file carries besides its pixels, whichever format it has."""

from __future__ import annotations

from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from dreamray.pictures.exif import Exif, read_exif
from dreamray.pictures.rgb_space import RgbSpace


class Carried(NamedTuple):
    """What belongs to the pixels of a picture."""

    exif: bytes | BinaryIO | None = None
    """An EXIF block, or a TIFF file as a whole."""
    xmp: bytes | None = None
    icc_profile: Any = None
    space: RgbSpace | None = None
    """What the file says of its colours in another way."""
    remarks: tuple[str, ...] = ()
    """What is to be told, without the picture's name."""
    upright: bool = False
    """Whether the decoder has turned the picture already."""

    def settle(self) -> Settled:
        """What is done with all this; of several words on colour a profile counts first."""
        exif = read_exif(self.exif, self.xmp, upright=self.upright)
        profile, remarks = self.icc_profile, [*self.remarks]
        if exif.remark:
            remarks.append(exif.remark)
        space = self.space or exif.space
        if profile is None and space is not None and not space.is_srgb:
            profile = space.icc_profile()
            if space.hdr:
                remarks.append(
                    f"has colours of high dynamic range (BT.2100 {space.hdr}), which its dream "
                    "keeps and tells in its colour profile"
                )
        return Settled(exif, profile, tuple(remarks))


class Settled(NamedTuple):
    """What is done with a picture for what it carries."""

    exif: Exif
    icc_profile: Any
    remarks: tuple[str, ...]


def animation_remarks(frames: int) -> tuple[str, ...]:
    """What is to be told of so many frames."""
    if frames < 2:
        return ()
    return (f"is animated: only the first of its {frames} frames is dreamt",)


def of_pillow(image: Image.Image) -> Carried:
    """What Pillow has found in a file."""
    info, xmp = image.info, image.info.get("xmp")
    # What follows in a camera's JPEG is its own previews.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    return Carried(
        exif=info.get("exif"),
        xmp=xmp if isinstance(xmp, bytes) else None,
        icc_profile=info.get("icc_profile"),
        remarks=animation_remarks(frames),
    )
