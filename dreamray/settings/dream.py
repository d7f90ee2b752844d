"""The settings of one dream: validated, written to and read from YAML, identified by a digest."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief
from dreamray.model.terms import (
    GUIDE,
    MASK_NAME,
    SQUARE,
    Objective,
    Part,
    Term,
    check_layers,
    parts_of,
)
from dreamray.settings.named_picture import PICTURE, NamedPicture, Picture, PictureSetting
from dreamray.settings.schema import Settings, none_as_word, read_yaml_mapping

DEFAULT_LAYERS = {"mixed2": 0.2, "mixed3": 0.5, "mixed4": 2.0, "mixed5": 1.5}
"""Of a dream that names none, with weights that have none of their own: see `Dream.settled`."""


def parse_layer_option(text: str) -> tuple[str, float]:
    """Read `NAME=WEIGHT` as the command line takes it; RequestError if it is not of that form."""
    name, equals, weight = text.rpartition("=")
    try:
        if not equals:
            raise ValueError
        return name.strip(), float(weight)
    except ValueError:
        raise RequestError(
            f"--layer {brief(text)} is not of the form NAME=WEIGHT, such as mixed4=2 "
            "or mean(mixed4[12,40])=1.5"
        ) from None


_LATER = (
    "size",
    "margin",
    "strength",
    "colours",
    "mask",
    "mask_layers",
    "octave_sizes",
    "guide",
    "smooth",
    "laplacian",
    "optimizer",
    "schedule",
)
"""Settings that the first version had not, and that do nothing where they are at their default."""

PICTURES = frozenset({"mask", "guide"})
"""Settings that name a picture; `mask_layers` names several."""


def _sizes_of(value: object) -> object:
    """Of a text such as `400,800`, or a single number; anything else as it is."""
    value = none_as_word(value)
    if isinstance(value, str):
        return re.split(r"[,\s]+", value.strip().removeprefix("[").removesuffix("]").strip())
    return [value] if isinstance(value, int) else value


def read_mask_layers(value: object) -> object:
    """Masks by name, of `NAME=PICTURE` or of a list of such; anything else as it is.

    Raises RequestError where one is not of that form, or a name is given twice.
    """
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    value = none_as_word(value)
    given = [value] if isinstance(value, str) else value
    if given is None or not isinstance(given, list):
        return given or {}
    masks: dict[str, str] = {}
    for text in given:
        name, equals, picture = str(text).partition("=")
        if not equals or not picture or name.strip() in masks:
            raise RequestError(
                f"--mask-layer {brief(text)} is not of the form NAME=PICTURE, such as sky=sky.png, "
                "or its name is given twice"
            )
        masks[name.strip()] = picture
    return masks


def put_over(settings: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """A dream's settings with others over them.

    Octaves by their number or scale go over those by sizes, which they are given in place of.
    """
    merged = {**settings, **others}
    counted = {"octaves", "octave_scale"} & others.keys()
    if counted and "octave_sizes" in settings and "octave_sizes" not in others:
        merged["octave_sizes"] = None
    return merged


def _layers_of(value: object) -> object:
    """The layers of a sum; anything else as it is. RequestError if nothing is left of it."""
    if isinstance(value, str):
        value = Objective(value)
    if not isinstance(value, Objective):
        return value
    if not (layers := value.layers):
        raise RequestError(
            "layers: nothing is left of the sum, as its terms have weight 0 or cancel one another; "
            "leave at least one, such as mixed4[12] + 2*mixed5"
        )
    return layers


class Dream(Settings):
    """How a picture is dreamt: the same dream, weights and picture give the same result.

    Without layers of its own it has the default ones, until `settled`. They may be given as a sum,
    a text or an `Objective`: see `dreamray.model.terms`.
    """

    layers: Annotated[dict[str, float], BeforeValidator(_layers_of)] = Field(
        default=DEFAULT_LAYERS,
        min_length=1,
        description="at least one layer with its weight, a number from -1e6 to 1e6 other than 0; "
        "or a sum such as mixed4[12] + 2*mixed5",
    )
    step: float = Field(default=0.01, gt=0, le=100, description="a number above 0 and at most 100")
    octaves: int | Literal["auto"] = Field(
        default=3, description="a whole number from 1 to 50, or auto"
    )
    octave_scale: float = Field(default=1.4, ge=0.1, le=10, description="a number from 0.1 to 10")
    iterations: int = Field(
        default=20, ge=0, le=100_000, description="a whole number from 0 to 100000"
    )
    max_loss: Annotated[float | None, BeforeValidator(none_as_word)] = Field(
        default=10.0, description="a number, or none to never stop early"
    )
    jitter: int = Field(
        default=0, ge=0, le=10_000, description="a whole number of pixels from 0 to 10000"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="a whole number from 0 to 4294967295")
    size: Annotated[Annotated[int, Field(ge=1, le=2**20)] | None, BeforeValidator(none_as_word)] = (
        Field(
            default=None, description="a whole number of pixels from 1 to 1048576, or none for all"
        )
    )
    """Longer side of the result: a larger picture is reduced to it first, a smaller one stays."""
    margin: Annotated[
        Annotated[int, Field(ge=0, le=2000)] | Literal["auto"] | None, BeforeValidator(none_as_word)
    ] = Field(default=None, description="a whole number of pixels from 0 to 2000, auto, or none")
    """Pixels that are mirrored around the picture, dreamt with it, and cut off."""
    strength: float = Field(default=1.0, ge=0, le=1, description="a number from 0 to 1")
    """How much of the dream is in the result; the rest is the source."""
    colours: Literal["dream", "keep"] = Field(default="dream", description="dream or keep")
    """Whether the result has the source's colours, and the dream's lightness alone."""
    mask: PictureSetting = Field(default=None, description=PICTURE)
    """Grey: what is white is dreamt, what is black stays, what is between moves by so much less."""
    mask_layers: Annotated[
        dict[Annotated[str, Field(pattern=f"^{MASK_NAME.pattern}$")], Picture],
        BeforeValidator(read_mask_layers),
    ] = Field(
        default={},
        max_length=20,
        description="up to 20 names of Latin letters, digits and _, each with the path or s3:// "
        "URI of a picture",
    )
    """Masks for terms such as `masked(mixed4,NAME)`, or for all those of a layer of that name."""
    octave_sizes: Annotated[
        tuple[Annotated[int, Field(ge=1, le=2**20)], ...] | None, BeforeValidator(_sizes_of)
    ] = Field(
        default=None,
        max_length=50,
        description="up to 50 ascending whole numbers of pixels from 1 to 1048576, as 400,800, or "
        "none",
    )
    """Longer sides of the octaves, in place of `octaves` and `octave_scale`.

    The picture's own comes behind them; larger ones are left out.
    """

    guide: PictureSetting = Field(default=None, description=PICTURE)
    """What the dream follows: its best-matching features grow."""
    smooth: float = Field(default=0.0, ge=0, le=20, description="a number of pixels from 0 to 20")
    """Width of the Gaussians that smooth the gradient, at the last step; 0 for none."""
    laplacian: int = Field(default=0, ge=0, le=6, description="a whole number of bands from 0 to 6")
    """How often the gradient is halved, to normalise coarse and fine each by itself."""
    optimizer: Literal["normalized", "momentum", "adam"] = Field(
        default="normalized", description="normalized, momentum or adam"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="constant, linear or cosine"
    )
    """How steps become shorter within an octave."""

    @model_serializer(mode="wrap")
    def _without_the_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What came later is written only where it is used: older dreams keep their digests."""
        fields = type(self).model_fields
        unused = {name for name in _LATER if getattr(self, name) == fields[name].default}
        return {name: value for name, value in dump(self).items() if name not in unused}

    @field_validator("layers")
    @classmethod
    def _known_layers(cls, layers: dict[str, float]) -> dict[str, float]:
        return check_layers(layers)

    @field_validator("octaves")
    @classmethod
    def _countable(cls, octaves: int | str) -> int | str:
        if isinstance(octaves, int) and not 1 <= octaves <= 50:
            raise ValueError
        return octaves

    @field_validator("octave_sizes")
    @classmethod
    def _ascending(cls, sizes: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if sizes is not None and (not sizes or any(a >= b for a, b in itertools.pairwise(sizes))):
            raise ValueError
        return sizes

    @field_validator("margin")
    @classmethod
    def _none_for_nothing(cls, margin: int | str | None) -> int | str | None:
        return margin or None

    @field_validator("max_loss", "strength", "smooth")
    @classmethod
    def _one_zero(cls, max_loss: float | None) -> float | None:
        """Zero without a sign: both zeros are equal, and so are to be the digests."""
        return None if max_loss is None else max_loss + 0.0

    @property
    def terms(self) -> dict[Term, float]:
        """What is amplified, with weights, in the network's order.

        With a guide, layers as such follow it, unless the layers themselves say what does. A mask
        with a layer's name is that of all its terms that say nothing of where they count.
        """
        terms = {Term.parse(text): weight for text, weight in self.layers.items()}
        follows = self.guide is not None and not any(term.kind == GUIDE for term in terms)
        found: dict[Term, float] = {}
        for term, weight in terms.items():
            if follows and term.kind == SQUARE:
                term = replace(term, kind=GUIDE)
            if term.part is None and not term.damps and term.of.name in self.mask_layers:
                term = replace(term, part=term.of.name)
            found[term] = found.get(term, 0.0) + weight
        return found

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the picture that terms look at."""
        return parts_of(self.terms)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of the layers that are looked at, each once, in the network's order."""
        return tuple(dict.fromkeys(term.of.name for term in self.terms if not term.damps))

    @property
    def engine_key(self) -> tuple[object, ...]:
        """Equal for dreams that one engine computes."""
        return (*self.terms.items(), self.guide)

    @property
    def compares(self) -> bool:
        """Whether any of it takes what the network sees in the source."""
        return any(term.compares for term in self.terms)

    @property
    def shown_layers(self) -> str:
        """The layers for people: `mixed3=1 mixed4[2,7]=0.5`."""
        return " ".join(f"{name}={weight:g}" for name, weight in self.layers.items())

    @property
    def names_layers(self) -> bool:
        """Whether somebody chose the layers, be it those that are the default."""
        return "layers" in self.model_fields_set

    def replace(self, **settings: Any) -> Self:
        """See `Settings.replace` and `put_over`."""
        return type(self)(**put_over(self.model_dump(exclude_unset=True), settings))

    def settled(self, suitable: Mapping[str, float] | None) -> Self:
        """The dream with layers that nobody changes any more.

        They are those it names, else those that suit the weights, else the default.
        """
        if self.names_layers:
            return self
        return self.replace(layers=dict(suitable or self.layers))

    @property
    def named_pictures(self) -> dict[str, NamedPicture]:
        """The pictures that it names, by the setting that does: `mask`, or `mask_layers.sky`."""
        values = {name: getattr(self, name) for name in sorted(PICTURES)}
        values |= {f"mask_layers.{name}": one for name, one in self.mask_layers.items()}
        return {name: one for name, one in values.items() if one is not None}

    @property
    def named_masks(self) -> dict[str, NamedPicture]:
        """Those of them that are masks of a picture."""
        return {name: one for name, one in self.named_pictures.items() if name != "guide"}

    def with_pictures(self, named: Mapping[str, NamedPicture]) -> Self:
        """The dream with other pictures, by setting as in `named_pictures`."""
        settings: dict[str, Any] = {"mask_layers": {**self.mask_layers}}
        for name, one in named.items():
            setting, _, of = name.partition(".")
            (settings[setting] if of else settings).update({of or setting: one})
        if not self.mask_layers:
            del settings["mask_layers"]
        return self.replace(**settings)

    def digest(self) -> str:
        """Sha256 (hex) of the settings in canonical form: equal for equal dreams only.

        A picture that they name counts by its bytes, once these are known.
        """
        named: dict[str, Any] = {}
        for name, one in self.named_pictures.items():
            setting, _, of = name.partition(".")
            (named.setdefault(setting, {}) if of else named)[of or setting] = one.content
        canonical = json.dumps({**self.model_dump(mode="json"), **named}, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_yaml(self) -> str:
        """The settings as YAML that `from_yaml` reads back to an equal dream."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str | bytes, name: str = "YAML") -> Self:
        """Read settings; those left out keep their defaults. RequestError names `name`."""
        return cls.from_mapping(read_yaml_mapping(text, name), name)


def parse_layers(options: list[str]) -> dict[str, float]:
    """The layers that `--layer` gives, each NAME=WEIGHT; RequestError if one is given twice."""
    layers: dict[str, float] = {}
    for option in options:
        name, weight = parse_layer_option(option)
        if name in layers:
            raise RequestError(f"--layer {name} is given twice; give it once")
        layers[name] = weight
    return layers
