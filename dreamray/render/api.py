"""The dream of an array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dreamray.base.errors import RequestError
from dreamray.engine.events import Listener, ignore
from dreamray.raster.pixels import Pixels
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution


def dream(
    image: npt.ArrayLike,
    dream: Dream | None = None,
    *,
    execution: Execution | None = None,
    on_event: Listener = ignore,
) -> Pixels:
    """Dream of an RGB array.

    Args:
        image: uint8 or uint16 [height, width, 3].
        dream: the settings; the defaults if left out. Without layers, those that suit the weights.
        execution: how to run it, such as `Execution(weights="imagenet")`.
        on_event: told what happens, as the events of `dreamray.engine.events`.

    Returns: the dream, of the same dtype and, unless `size` reduces it, shape.

    Raises RequestError for another shape or dtype and for wrong settings, WeightsError (which is
    one) for weights that cannot be had or do not reach the layers, PictureError for a picture
    too small for the layers.
    """
    pixels = np.asarray(image)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise RequestError(
            f"image: {pixels.dtype} {list(pixels.shape)} is not RGB; "
            "give uint8 or uint16 [height, width, 3]"
        )
    with Renderer(dream or Dream(), execution or Execution(), on_event) as renderer:
        return renderer.dream_pixels(pixels)
