"""A small picture of how far a large one is."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from dreamray.base.geometry import Region
from dreamray.base.version import __version__
from dreamray.pictures.encoding import Extras, jpeg_exif
from dreamray.pictures.metadata import metadata_text
from dreamray.raster.lazy import LazyRaster, ResizedRaster, read
from dreamray.raster.pixels import from_tensor
from dreamray.storage import Location

LONGEST = 2048
"""Longer side of a preview, in pixels."""


def preview_of(target: Location) -> Location:
    """Where the previews of a result are written: `dream.tif` has `dream.preview.jpg`."""
    stem = target.name.removesuffix(target.suffix) if target.suffix else target.name
    return target.folder.file(f"{stem}.preview.jpg")


def write_preview(view: LazyRaster, target: Location) -> Location:
    """Write a JPEG of a raster beside a result; return its place. Raises as `Location.write`.

    It says whose it is, so that the next one may take its place.
    """
    shape = view.shape.within(LONGEST)
    # Twice as fine first, as resampling alone would leave most pixels out.
    fine = ResizedRaster(view, view.shape.within(2 * LONGEST))
    pixels = from_tensor(read(fine, Region.whole(fine.shape)), np.uint8)
    image = Image.fromarray(pixels).resize((shape.width, shape.height), Image.Resampling.BOX)
    file = io.BytesIO()
    exif = jpeg_exif(Extras(), metadata_text({"version": __version__, "preview": True}))
    image.save(file, "JPEG", quality=88, exif=exif)
    place = preview_of(target)
    place.write(file.getvalue())
    return place
