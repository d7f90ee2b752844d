"""Which dreams an atlas is made of: one for each channel, all else being equal. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dreamray.base.errors import PictureError, RequestError
from dreamray.base.geometry import Shape
from dreamray.base.messages import brief
from dreamray.bulk.entry import Entry, EntryList
from dreamray.model import architecture
from dreamray.model.layers import LayerChoice
from dreamray.model.terms import Term
from dreamray.pictures.noise import NoisePicture
from dreamray.plan.planner import Planner
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution

SETTINGS: dict[str, Any] = {
    "size": 144,
    "octaves": 2,
    "iterations": 24,
    "step": 0.02,
    "max_loss": None,
    "jitter": 8,
    "laplacian": 4,
    "margin": 32,
}
"""Of an atlas's dreams, where nothing else is said: with its margin enough for every layer."""

SIDES = range(32, 1024 + 1)
"""Pixels of a dream: room for its label; the picture of all is held in rows of them."""

_MOST_CHANNELS = 1 << 16
"""More than any layer has."""

_CELLS = re.compile(r"[\d\s,-]+")
_COSINE = re.compile(r"\s*cosine\((.+)\)\s*")


@dataclass(frozen=True)
class Plate:
    """A layer whose channels are dreamt, each by itself."""

    term: Term
    """What is made of a channel, as if of the whole layer."""
    channels: tuple[int, ...]
    """Ascending."""

    @property
    def name(self) -> str:
        """As it is written: `mixed4` or `mean(mixed4)`."""
        return str(self.term)

    @property
    def folder(self) -> str:
        """Where its dreams lie: `mixed4` or `mean-mixed4`."""
        return re.sub(r"[^\w.]+", "-", self.name).strip("-")

    def output(self, channel: int) -> str:
        """The name of a channel's dream: `mixed4/0012.png`."""
        return f"{self.folder}/{channel:04}.png"

    def aim(self, channel: int) -> Term:
        """What the dream of a channel amplifies."""
        mix = (1.0,) if self.term.kind == "cosine" else None
        return replace(self.term, of=LayerChoice(self.term.of.name, (channel,), mix))

    @classmethod
    def parse(cls, text: str, channels: str | None) -> Plate:
        """Read `mixed4`, `mixed4[12,40]` or `mean(mixed4)`; `channels` as `0-63,70`.

        Raises RequestError.
        """
        if "=" in text:
            raise RequestError(
                f"--layer {brief(text)}: an atlas takes layers without weights, such as mixed4"
            )
        if cosine := _COSINE.fullmatch(text):  # Of no channel in particular it is no term.
            term = Term("cosine", LayerChoice.parse(cosine[1]))
        else:
            term = Term.parse(text)
        if term.damps or term.of.mix is not None:
            raise RequestError(
                f"--layer {brief(text)} has no channels of its own; allowed: a layer, some "
                "channels of it as in mixed4[12,40], or a mean(), cosine() or near() of these"
            )
        if channels is not None and term.of.channels is not None:
            raise RequestError(
                f"--layer {term.of} and --channels both name channels; give one of them"
            )
        found, count = term.of.channels, architecture.layer(term.of.name).channels
        if channels is not None:
            found = tuple(sorted(_read_channels(channels)))
        if found is None:
            found = tuple(range(count))
        if found[-1] >= count:
            raise RequestError(
                f"layer {term.of.name} has no channel {brief(found[-1])}; allowed: 0 to {count - 1}"
            )
        return cls(replace(term, of=LayerChoice(term.of.name, None)), found)


@dataclass(frozen=True)
class Atlas:
    """The channels of some layers, each dreamt by itself from noise."""

    plates: tuple[Plate, ...]
    dream: Dream
    """Of all of them, but for its layers: these are those that are looked at."""
    size: int
    """Pixels a side of each dream."""
    own_noise: bool = False
    """Whether each channel begins with noise of its own, and not all with the same."""

    @classmethod
    def of(
        cls,
        layers: Sequence[str],
        dream: Dream,
        *,
        channels: str | None = None,
        own_noise: bool = False,
    ) -> Atlas:
        """Of what `--layer` and `--channels` say; `dream.size` is that of each. RequestError."""
        if not layers:
            raise RequestError(
                "--layer: name the layers whose channels are to be dreamt, such as --layer mixed4"
            )
        plates = [Plate.parse(text, channels) for text in layers]
        names = [plate.folder for plate in plates]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise RequestError(f"--layer {twice} is given twice; give it once")
        size = dream.size or SETTINGS["size"]
        if size not in SIDES:
            raise RequestError(
                f"--size {size}: a channel's dream has {SIDES[0]} to {SIDES[-1]} pixels a side"
            )
        whole = {plate.term.of.name: 1.0 for plate in plates}
        return cls(tuple(plates), dream.replace(layers=whole, size=None), size, own_noise)

    def check(self, execution: Execution) -> None:
        """Raise RequestError for what would be wrong with all dreams of a layer."""
        for plate in self.plates:
            planner = Planner(self.of_channel(plate, plate.channels[0]), execution)
            try:
                planner.plan(Shape(self.size, self.size))
            except PictureError as error:
                raise RequestError(f"--size {self.size}: {error}") from None

    def of_channel(self, plate: Plate, channel: int) -> Dream:
        """The dream of one channel. Raises RequestError."""
        return self.dream.replace(layers=_layers(plate, channel))

    def noise(self, channel: int) -> NoisePicture:
        """What its dream begins with."""
        seed = self.dream.seed + (channel if self.own_noise else 0)
        return NoisePicture(Shape(self.size, self.size), seed % (1 << 32))

    def entries(self) -> EntryList:
        """The set of its dreams."""
        return EntryList("noise", tuple(self._entries()))

    def _entries(self) -> Iterable[Entry]:
        for plate in self.plates:
            for channel in plate.channels:
                source, output = self.noise(channel), plate.output(channel)
                yield Entry(
                    source,
                    output,
                    source.fingerprint(),
                    output,
                    f"channel {channel} of {plate.name}",
                    {"layers": _layers(plate, channel)},
                )


def _layers(plate: Plate, channel: int) -> dict[str, float]:
    return {str(plate.aim(channel)): 1.0}


def _read_channels(text: str) -> set[int]:
    """The numbers of `0-63,70`."""
    found = set[int]()
    try:
        if not _CELLS.fullmatch(text):
            raise ValueError
        for part in text.split(","):
            first, dash, last = part.partition("-")
            start, stop = int(first), int(last) if dash else int(first)
            if start > stop or stop >= _MOST_CHANNELS:
                raise ValueError
            found.update(range(start, stop + 1))
    except ValueError:
        raise RequestError(
            f"--channels {brief(text)} is not allowed; allowed: numbers and ranges with commas "
            "between them, such as 0-63,70"
        ) from None
    return found
