"""How a dream is run: what does not change the dream, but its cost and its rounding."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from dreamray.model.device import Compiler, Kernels
from dreamray.model.layers import Precision
from dreamray.settings.schema import Settings

VISIBLE = ("precision", "overlap", "seams")
"""The fields of an `Execution` that show in a picture.

A result's metadata, its digest, `--like` and the key of its unfinished work all take them from
here. Where `Execution.shows_tiles`, the tiles do as well; they depend on the picture's size and
on the memory, so that another picture's would not do.
"""

VISIBLE_IF_USED = {"metadata": "keep"}
"""Fields that do so only where they are not as here: older results keep their digests."""

_WORKERS = re.compile(r"(?P<least>\d{1,6})(:(?P<most>\d{1,6}))?")
_PORTS = re.compile(r"(?P<first>\d{1,5})(-(?P<last>\d{1,5}))?")
_SIZE = re.compile(r"(?P<number>\d{1,15}(\.\d{1,15})?)\s*(?P<unit>[KMGT]?)(i?B)?", re.IGNORECASE)


def parse_size(text: object) -> object:
    """Bytes of `8GiB`, `8G`, `512M` (all in powers of 1024); anything else as it is."""
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return text
    return int(float(match["number"]) * 1024 ** " KMGT".index(match["unit"].upper() or " "))


class Workers(NamedTuple):
    """How many workers to go on with at the least, and to ask for at the most."""

    least: int
    most: int

    def at_most(self, count: int) -> Workers:
        """No more than there is work for."""
        return Workers(min(self.least, count), min(self.most, count))

    def __str__(self) -> str:
        return str(self.most) if self.least == self.most else f"{self.least}:{self.most}"


class Ports(NamedTuple):
    """TCP ports of a machine, both ends among them."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def parse_ports(value: object) -> object:
    """`20000-20063`, or `20000`; anything else as it is. Raises ValueError for none."""
    match = _PORTS.fullmatch(_joined(value, "-"))
    if match is None:
        return value
    ports = Ports(int(match["first"]), int(match["last"] or match["first"]))
    if not 1024 <= ports.first <= ports.last <= 65535:
        raise ValueError
    return ports


def _joined(value: object, between: str) -> str:
    """The text for a pair, which is how JSON has it."""
    parts = value if isinstance(value, list | tuple) else [value]
    return between.join(str(part).strip() for part in parts)


def _parse_workers(value: object) -> object:
    """`4` or `1:16`."""
    match = _WORKERS.fullmatch(_joined(value, ":"))
    if match is None:
        return value
    least = int(match["least"])
    workers = Workers(least, int(match["most"] or least))
    if not 1 <= workers.least <= workers.most <= 10_000:
        raise ValueError
    return workers


class Execution(Settings):
    """How a dream is run, here or on a cluster."""

    weights: str = Field(
        default="auto",
        min_length=1,
        description="auto, imagenet, bestiary, random, or the path or s3:// URI of a Keras "
        "weights file",
    )
    precision: Precision = Field(default="float32", description="float32, tf32 or bfloat16")
    kernels: Kernels = Field(default="reproducible", description="reproducible or fast")
    """Whether a graphics card's algorithms are those that always give the same bits."""
    compiler: Compiler = Field(default="none", description="none or xla")
    tile: Annotated[int, Field(ge=32, le=2**20)] | Literal["auto"] = Field(
        default="auto", description="a whole number of pixels from 32, or auto"
    )
    overlap: Annotated[int, Field(ge=0, le=2**20)] | Literal["exact"] = Field(
        default="exact", description="a whole number of pixels from 0, or exact"
    )
    seams: Literal["exact", "blend"] = Field(default="exact", description="exact or blend")
    metadata: Literal["keep", "strip"] = Field(default="keep", description="keep or strip")
    """Whether the source's EXIF goes along, or nothing but its colour profile."""
    memory: Annotated[
        Annotated[int, Field(ge=2**29, le=2**60)] | Literal["auto"], BeforeValidator(parse_size)
    ] = Field(default="auto", description="a size of at least 512MiB such as 8GiB, or auto")
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="a whole number from 1 to 1024"
    )
    workers: Annotated[Workers | None, BeforeValidator(_parse_workers)] = Field(
        default=None, description="a number of workers from 1 to 10000, or MIN:MAX"
    )
    same_kind: Literal["auto", "always", "never"] = Field(
        default="auto", description="auto, always or never"
    )
    """Whether all workers of a cluster are to be of one kind; `auto` is so for exact tiles."""
    gpus_per_worker: Annotated[float, Field(ge=0, le=64)] | Literal["auto"] = Field(
        default="auto", description="a number from 0 to 64, or auto"
    )
    exchange_ports: Annotated[Ports | None, BeforeValidator(parse_ports)] = Field(
        default=None, description="ports from 1024 to 65535, as FIRST-LAST"
    )
    """On which workers hear from one another; any that are free if nothing is said."""
    address: str | None = Field(
        default=None, min_length=1, description="a Ray cluster's address, auto, or local"
    )
    wait: int = Field(default=600, ge=1, le=7 * 86400, description="a number of seconds from 1")
    work: str | None = Field(
        default=None, min_length=1, description="a folder, or the s3:// URI of one"
    )
    checkpoint_every: int | None = Field(
        default=None, ge=1, le=100_000, description="a number of steps from 1"
    )

    @property
    def visible(self) -> dict[str, Any]:
        """What of the execution shows in a result, as JSON and YAML have it."""
        values = self.model_dump(mode="json")
        used = [name for name, unused in VISIBLE_IF_USED.items() if values[name] != unused]
        return {name: values[name] for name in (*VISIBLE, *used)}

    @property
    def shows_tiles(self) -> bool:
        """Whether the tiles, too, show in a picture: they are approximate, or blended."""
        return self.overlap != "exact" or self.seams != "exact"

    def keeps_kind(self, *, exact: bool) -> bool:
        """Whether all workers are to be of one kind; `exact`: they make one picture in step."""
        return exact if self.same_kind == "auto" else self.same_kind == "always"

    @property
    def on_ray(self) -> bool:
        """Whether Ray's workers dream, and not this process."""
        several = self.workers is not None and self.workers.most > 1
        return several or self.address is not None
