"""A layer, or channels of it; and the precision that the network computes in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief
from dreamray.model import architecture

Precision = Literal["float32", "tf32", "bfloat16"]
"""What the network computes in.

`tf32` is float32 but for the factors of products, which graphics cards then round to 10 bits; on
a processor it is float32.
"""

NUMBERS: Mapping[str, str] = {"float32": "float32", "tf32": "float32", "bfloat16": "bfloat16"}
"""The kind of number that activations and weights are held in, by precision."""

_LAYER = re.compile(r"(?P<name>\w+)(\[(?P<channels>[^\[\]()]+)\])?")
_CHANNELS = re.compile(r"[\d\s,]+")


@dataclass(frozen=True)
class LayerChoice:
    """A layer, or some channels of it, that a dream looks at."""

    name: str
    channels: tuple[int, ...] | None
    """Ascending; None for all of them."""
    mix: tuple[float, ...] | None = None
    """The part that each of the channels has in a direction, if they make one."""

    def __str__(self) -> str:
        if self.channels is None:
            return self.name
        channels = [*map(str, self.channels)]
        if self.mix is not None:
            channels = [f"{c}:{number(part)}" for c, part in zip(channels, self.mix, strict=True)]
        return f"{self.name}[{','.join(channels)}]"

    @classmethod
    def parse(cls, text: str) -> LayerChoice:
        """Read `mixed4`, `mixed4[12,40]` or `mixed4[12:1,40:-0.5]`.

        RequestError for what InceptionV3 does not have.
        """
        match = _LAYER.fullmatch(text.strip())
        listed = match and match["channels"]
        if match is None or (listed and not (_CHANNELS.fullmatch(listed) or ":" in listed)):
            raise RequestError(
                f"layer {brief(text)} is not of the form NAME or NAME[CHANNEL,CHANNEL,…], "
                "such as mixed4 or mixed4[12,40]"
            )
        layer = architecture.layer(match["name"])
        if listed is None:
            return cls(layer.name, None)
        if ":" in listed:
            parts = _read_mix(listed, text)
            choice = cls(layer.name, tuple(parts), tuple(parts.values()))
        else:
            choice = cls(layer.name, _read_channels(listed, text))
        assert choice.channels
        if choice.channels[-1] >= layer.channels:
            raise RequestError(
                f"layer {layer.name} has no channel {brief(choice.channels[-1])}; "
                f"allowed: 0 to {layer.channels - 1}"
            )
        return choice


def _read_channels(listed: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(c) for c in listed.split(",")}))
    except ValueError:
        raise RequestError(
            f"layer {brief(text)}: channels are numbers with commas between them, such as [12,40]"
        ) from None


def _read_mix(listed: str, text: str) -> dict[int, float]:
    """Channels, ascending, and the part of each in a direction."""
    try:
        pairs = [part.split(":") for part in listed.split(",")]
        parts = {int(channel): float(part) for channel, part in pairs}
        if len(parts) < len(pairs) or not all(map(math.isfinite, parts.values())):
            raise ValueError
        length = math.hypot(*parts.values())
        if not 1e-6 <= length <= 1e6:
            raise ValueError
    except ValueError:
        raise RequestError(
            f"layer {brief(text)}: a direction has channels, each once, with parts that are not "
            "all 0, such as [12:1,40:-0.5]"
        ) from None
    return dict(sorted(parts.items()))


def number(value: float) -> str:
    """The shortest text that is read back as the same number: `12` or `-0.5`."""
    return repr(float(value)).removesuffix(".0")
