"""Validated settings that do not change, and their errors in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief
from dreamray.base.parsing import ParseError, parse_yaml


def none_as_word(value: object) -> object:
    """`none` as None, anything else as it is; for validators."""
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
        values: Iterable[object] = [value]
        if isinstance(value, Mapping):
            values = value.values()
        elif isinstance(value, list | tuple):
            values = value
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


def read_yaml_mapping(text: str | bytes, name: str) -> dict[str, Any]:
    """The mapping that a YAML text holds, empty for an empty text; RequestError names `name`."""
    try:
        settings = parse_yaml(text)
    except ParseError as error:
        raise RequestError(f"{name} is not YAML of settings: {error}") from None
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
        return f"{brief(field)}: no such setting; there are {', '.join(kind.model_fields)}"
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, RequestError):
        return str(cause)
    value = brief(problem["input"])
    if len(problem["loc"]) > 1 and field == "layers":
        return f"layers: the weight of {brief(problem['loc'][1])} is {value}; allowed: a number"
    allowed = kind.model_fields[field].description
    return f"{field}: {value} is not allowed; allowed: {allowed}"
