"""How a dream is run: what does not change the dream, but its cost and its rounding."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from dreamray.settings import Settings

_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[KMGT]?)(i?B)?", re.IGNORECASE)


def parse_size(text: object) -> object:
    """Bytes of `8GiB`, `8G`, `512M` (all in powers of 1024); anything else as it is."""
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return text
    return int(float(match["number"]) * 1024 ** " KMGT".index(match["unit"].upper() or " "))


def show_size(size: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB" if size < 1e6 else "over 1000 TiB"


class Execution(Settings):
    """How a dream is run on one machine."""

    weights: str = Field(
        default="auto",
        min_length=1,
        description="auto, imagenet, random, or the path or s3:// URI of a Keras weights file",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="float32 or bfloat16"
    )
    tile: Annotated[int, Field(ge=32, le=2**20)] | Literal["auto"] = Field(
        default="auto", description="a whole number of pixels from 32, or auto"
    )
    overlap: Annotated[int, Field(ge=0, le=2**20)] | Literal["exact"] = Field(
        default="exact", description="a whole number of pixels from 0, or exact"
    )
    memory: Annotated[
        Annotated[int, Field(ge=2**29)] | Literal["auto"], BeforeValidator(parse_size)
    ] = Field(default="auto", description="a size of at least 512MiB such as 8GiB, or auto")
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="a whole number from 1 to 1024"
    )
