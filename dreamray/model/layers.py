"""Layers, or channels of them, that a dream amplifies; and the precision it computes in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief
from dreamray.model import architecture

Precision = Literal["float32", "bfloat16"]
"""What the network computes in."""

_LAYER = re.compile(r"(?P<name>\w+)(\[(?P<channels>[\d\s,]+)\])?")


@dataclass(frozen=True)
class LayerChoice:
    """A layer, or some channels of it, that a dream amplifies."""

    name: str
    channels: tuple[int, ...] | None
    """Ascending; None for all of them."""

    def __str__(self) -> str:
        if self.channels is None:
            return self.name
        return f"{self.name}[{','.join(map(str, self.channels))}]"

    @classmethod
    def parse(cls, text: str) -> LayerChoice:
        """Read `mixed4` or `mixed4[12,40]`; RequestError for what InceptionV3 does not have."""
        match = _LAYER.fullmatch(text.strip())
        if match is None:
            raise RequestError(
                f"layer {brief(text)} is not of the form NAME or NAME[CHANNEL,CHANNEL,…], "
                "such as mixed4 or mixed4[12,40]"
            )
        layer = architecture.layer(match["name"])
        if match["channels"] is None:
            return cls(layer.name, None)
        try:
            channels = tuple(sorted({int(c) for c in match["channels"].split(",")}))
        except ValueError:
            raise RequestError(
                f"layer {brief(text)}: channels are numbers with commas between them, "
                "such as [12,40]"
            ) from None
        if channels[-1] >= layer.channels:
            raise RequestError(
                f"layer {layer.name} has no channel {brief(channels[-1])}; "
                f"allowed: 0 to {layer.channels - 1}"
            )
        return cls(layer.name, channels)


def check_layers(layers: Mapping[str, float]) -> dict[str, float]:
    """Layers with their weights in the network's order, each in its canonical spelling.

    Raises RequestError for a layer that InceptionV3 does not have or that is there twice, and
    for a weight that is 0, not finite or beyond a million.
    """
    chosen: dict[LayerChoice, float] = {}
    for text, weight in layers.items():
        choice = LayerChoice.parse(text)
        if choice in chosen:
            raise RequestError(f"layer {choice} is given twice; give it once")
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise RequestError(f"layer {choice} has weight {brief(weight)}, which is no number")
        if weight == 0 or not math.isfinite(weight) or abs(weight) > 1e6:
            raise RequestError(
                f"layer {choice} has weight {weight:g}; allowed: -1e6 to 1e6, but not 0"
            )
        chosen[choice] = weight
    order = list(architecture.LAYERS)
    ranked = sorted(chosen, key=lambda c: (order.index(c.name), c.channels or ()))
    return {str(choice): chosen[choice] for choice in ranked}
