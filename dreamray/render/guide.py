"""The picture that a dream follows: small, and held by every worker."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from dreamray import pictures
from dreamray.base.errors import PictureError, RequestError
from dreamray.base.geometry import Raster, Shape
from dreamray.base.messages import shown
from dreamray.model import architecture
from dreamray.model.terms import GUIDE
from dreamray.pictures.reduction import reduce_array
from dreamray.plan.memory_model import GUIDE_SIDE
from dreamray.raster.pixels import to_tensor
from dreamray.render.named_pictures import read_picture
from dreamray.settings.dream import Dream


def check_followed(dream: Dream) -> None:
    """Raise RequestError where layers follow a guide and there is none, or the other way round."""
    followed = [term for term in dream.terms if term.kind == GUIDE]
    if dream.guide is None and followed:
        raise RequestError(f"{followed[0]}: there is no guide to follow; give --guide PICTURE")
    if dream.guide is not None and not followed:
        raise RequestError(
            f"guide {shown(dream.guide)}: no layer follows it; name one as such, or as in "
            "guide(mixed4)"
        )


def open_guide(dream: Dream, held: Mapping[str, bytes] = {}) -> Raster | None:
    """The guide of a dream with digests, float32 [height, width, 3]; None without one.

    It is read from `held`, by its digest, or else from its place. Raises RequestError as
    `check_followed`, for one that has changed, or that a layer which follows it sees nothing in,
    once the layers are known, and for what is no picture; else as `Location.read`.
    """
    check_followed(dream)
    if (named := dream.guide) is None:
        return None
    data = held.get(named.content) or read_picture("guide", named)
    try:
        pixels = pictures.decode(data, shown(named)).pixels
    except PictureError as error:
        raise RequestError(f"the guide: {error}") from None
    whole = Shape(*pixels.shape[:2])
    shape = whole.within(GUIDE_SIDE)
    if shape != whole:
        pixels = reduce_array(pixels, shape)
    followed = [t for t in dream.terms if t.kind == GUIDE] if dream.names_layers else []
    for name in dict.fromkeys(term.of.name for term in followed):
        if 0 in architecture.feature_shape(name, *shape):
            least = next(
                n for n in itertools.count(1) if all(architecture.feature_shape(name, n, n))
            )
            raise RequestError(
                f"{shown(named)}: a guide of {whole} is too small for {name}, which needs {least} "
                f"pixels a side{_reduced(whole, shape)}; give a larger one, or an earlier layer"
            )
    return np.ascontiguousarray(to_tensor(pixels))


def _reduced(whole: Shape, shape: Shape) -> str:
    return "" if shape == whole else f", of the {shape} that it is reduced to"
