"""The settings of one dream: validated, written to and read from YAML, identified by a digest."""

from __future__ import annotations

import hashlib
import json
import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from dreamray import inception
from dreamray.errors import RequestError

DEFAULT_LAYERS = {"mixed2": 0.2, "mixed3": 0.5, "mixed4": 2.0, "mixed5": 1.5}
"""Of a dream that names none, with weights that have none of their own: see `Dream.settled`."""

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxlong, _BRIEF.maxother = 1, 60, 60, 60

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
                f"layer {_shown(text)} is not of the form NAME or NAME[CHANNEL,CHANNEL,…], "
                "such as mixed4 or mixed4[12,40]"
            )
        layer = inception.layer(match["name"])
        if match["channels"] is None:
            return cls(layer.name, None)
        try:
            channels = tuple(sorted({int(c) for c in match["channels"].split(",")}))
        except ValueError:
            raise RequestError(
                f"layer {_shown(text)}: channels are numbers with commas between them, "
                "such as [12,40]"
            ) from None
        if channels[-1] >= layer.channels:
            raise RequestError(
                f"layer {layer.name} has no channel {_shown(channels[-1])}; "
                f"allowed: 0 to {layer.channels - 1}"
            )
        return cls(layer.name, channels)


def parse_layer_option(text: str) -> tuple[str, float]:
    """Read `NAME=WEIGHT` as the command line takes it; RequestError if it is not of that form."""
    name, equals, weight = text.rpartition("=")
    try:
        if not equals:
            raise ValueError
        return name.strip(), float(weight)
    except ValueError:
        raise RequestError(
            f"--layer {_shown(text)} is not of the form NAME=WEIGHT, such as mixed4=2 "
            "or mixed4[12,40]=1.5"
        ) from None


def _shown(value: object) -> str:
    """A value in a message: on one line, and not a long one, whoever wrote it."""
    return _BRIEF.repr(value)


def _none_as_word(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


class Settings(BaseModel):
    """Validated values that do not change.

    A value out of range raises RequestError, naming the field and what is allowed, which is
    the field's description.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise RequestError(_explain(error, type(self))) from None

    @field_validator("*", mode="before")
    @classmethod
    def _no_truths(cls, value: object) -> object:
        """YAML reads `yes` and `on` as true, which would be taken for the number 1."""
        values = value.values() if isinstance(value, Mapping) else [value]
        if any(isinstance(v, bool) for v in values):
            raise ValueError
        return value

    def replace(self, **settings: Any) -> Self:
        """A copy with some settings changed, validated anew; what nobody has set stays so."""
        return type(self)(**{**self.model_dump(exclude_unset=True), **settings})

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any], name: str) -> Self:
        """Settings from a mapping that `name` gave; RequestError names it."""
        try:
            return cls(**settings)
        except RequestError as error:
            raise RequestError(f"{name}: {error}") from None


class Dream(Settings):
    """How a picture is dreamt: the same dream, weights and picture give the same result.

    Without layers of its own it has the default ones, until `settled`.
    """

    layers: dict[str, float] = Field(
        default=DEFAULT_LAYERS,
        min_length=1,
        description="at least one layer with its weight, a number from -1e6 to 1e6 other than 0",
    )
    step: float = Field(default=0.01, gt=0, le=100, description="a number above 0 and at most 100")
    octaves: int | Literal["auto"] = Field(
        default=3, description="a whole number from 1 to 50, or auto"
    )
    octave_scale: float = Field(default=1.4, ge=0.1, le=10, description="a number from 0.1 to 10")
    iterations: int = Field(
        default=20, ge=0, le=100_000, description="a whole number from 0 to 100000"
    )
    max_loss: Annotated[float | None, BeforeValidator(_none_as_word)] = Field(
        default=10.0, description="a number, or none to never stop early"
    )
    jitter: int = Field(
        default=0, ge=0, le=10_000, description="a whole number of pixels from 0 to 10000"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="a whole number from 0 to 4294967295")

    @field_validator("layers")
    @classmethod
    def _known_layers(cls, layers: dict[str, float]) -> dict[str, float]:
        """Layers in the network's order, each in its canonical spelling."""
        chosen: dict[LayerChoice, float] = {}
        for text, weight in layers.items():
            choice = LayerChoice.parse(text)
            if choice in chosen:
                raise RequestError(f"layer {choice} is given twice; give it once")
            if weight == 0 or not math.isfinite(weight) or abs(weight) > 1e6:
                raise RequestError(
                    f"layer {choice} has weight {weight:g}; allowed: -1e6 to 1e6, but not 0"
                )
            chosen[choice] = weight
        order = list(inception.LAYERS)
        ranked = sorted(chosen, key=lambda c: (order.index(c.name), c.channels or ()))
        return {str(choice): chosen[choice] for choice in ranked}

    @field_validator("octaves")
    @classmethod
    def _countable(cls, octaves: int | str) -> int | str:
        if isinstance(octaves, int) and not 1 <= octaves <= 50:
            raise ValueError
        return octaves

    @field_validator("max_loss")
    @classmethod
    def _one_zero(cls, max_loss: float | None) -> float | None:
        """Zero without a sign: both zeros are equal, and so are to be the digests."""
        return None if max_loss is None else max_loss + 0.0

    @property
    def choices(self) -> dict[LayerChoice, float]:
        """The layers parsed, with their weights, in the network's order."""
        return {LayerChoice.parse(text): weight for text, weight in self.layers.items()}

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of the layers that are looked at, each once, in the network's order."""
        return tuple(dict.fromkeys(choice.name for choice in self.choices))

    @property
    def shown_layers(self) -> str:
        """The layers for people: `mixed3=1 mixed4[2,7]=0.5`."""
        return " ".join(f"{name}={weight:g}" for name, weight in self.layers.items())

    @property
    def names_layers(self) -> bool:
        """Whether somebody chose the layers, be it those that are the default."""
        return "layers" in self.model_fields_set

    def settled(self, suitable: Mapping[str, float] | None) -> Self:
        """The dream with layers that nobody changes any more.

        They are those it names, else those that suit the weights, else the default.
        """
        if self.names_layers:
            return self
        return self.replace(layers=dict(suitable or self.layers))

    def digest(self) -> str:
        """Sha256 (hex) of the settings in canonical form: equal for equal dreams only."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_yaml(self) -> str:
        """The settings as YAML that `from_yaml` reads back to an equal dream."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str | bytes, name: str = "YAML") -> Self:
        """Read settings; those left out keep their defaults. RequestError names `name`."""
        return cls.from_mapping(read_yaml_mapping(text, name), name)


_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises; of values such as `2020-13-45` or `!!bool x` anything."""


def read_yaml_mapping(text: str | bytes, name: str) -> dict[str, Any]:
    """The mapping that a YAML text holds, empty for an empty text; RequestError names `name`."""
    try:
        settings = yaml.safe_load(text)
    except _NOT_YAML as error:
        reason = " ".join(str(error).split())
        raise RequestError(f"{name} is not YAML: {reason}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise RequestError(
            f"{name} must hold settings, one a line, such as `step: 0.01`; `dreamray show` "
            "prints those of a finished picture"
        )
    return settings


def _explain(error: ValidationError, kind: type[Settings]) -> str:
    """The first problem in one line: field, value, what is allowed."""
    problem = error.errors(include_url=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else "settings"
    if problem["type"] == "extra_forbidden":
        return f"{_shown(field)}: no such setting; there are {', '.join(kind.model_fields)}"
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, RequestError):
        return str(cause)
    value = _shown(problem["input"])
    if len(problem["loc"]) > 1 and field == "layers":
        return f"layers: the weight of {_shown(problem['loc'][1])} is {value}; allowed: a number"
    allowed = kind.model_fields[field].description
    return f"{field}: {value} is not allowed; allowed: {allowed}"
