"""From what was asked for on the command line to a dream and the way to run it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dreamray.base.errors import PictureError, RequestError
from dreamray.base.messages import shown
from dreamray.base.parsing import MOST_SETTINGS, read_bounded
from dreamray.cli.options import CliOptions
from dreamray.pictures import read_metadata
from dreamray.settings.dream import Dream, parse_layers, put_over
from dreamray.settings.execution import VISIBLE, VISIBLE_IF_USED, Execution
from dreamray.settings.named_presets import read_preset
from dreamray.settings.schema import read_yaml_mapping
from dreamray.storage import locate

if TYPE_CHECKING:
    from dreamray.engine.events import Listener
    from dreamray.render.renderer import Renderer


@dataclass(frozen=True)
class MergedSettings:
    """A dream, how to run it, and the weights that an earlier result was made with."""

    dream: Dream
    execution: Execution
    like_weights: str | None = None
    """Sha256 of the weights of the picture given as --like."""

    def of_size(self, size: int) -> MergedSettings:
        """The same for results of that size, if none is set."""
        return self if self.dream.size else replace(self, dream=self.dream.replace(size=size))

    def renderer(self, on_event: Listener) -> Renderer:
        """One for this dream; it says so if its weights are not those of --like."""
        from dreamray.render.renderer import Renderer  # `dreamray show` needs none.

        return Renderer(self.dream, self.execution, on_event, made_with=self.like_weights)


def merge_settings(given: CliOptions, defaults: Mapping[str, Any] = {}) -> MergedSettings:
    """Merge the settings: of --like, over them of --preset, then of --config, then the options.

    `defaults` are a dream's, where none of these says anything; a result of --like says all. Raises
    RequestError for what is not allowed, PictureError for a --like without settings.
    """
    given = dict(given)
    dream: dict[str, Any] = dict(defaults)
    execution: dict[str, Any] = {}
    like_weights = None
    if (like := given.pop("like", None)) is not None:
        metadata = _read_settings(like)
        made_with = _section(metadata, "execution")
        dream = {**_section(metadata, "dream")}  # It has no settings that it does not use.
        visible = (*VISIBLE, *VISIBLE_IF_USED)
        execution.update({k: made_with[k] for k in visible if k in made_with})
        Dream.from_mapping(dream, f"settings in {shown(like)}")
        Execution.from_mapping(execution, f"settings in {shown(like)}")
        sha256 = _section(metadata, "weights").get("sha256")
        like_weights = sha256 if isinstance(sha256, str) else None
    if (preset := given.pop("preset", None)) is not None:
        dream = put_over(dream, read_preset(preset).settings)
    if (config := given.pop("config", None)) is not None:
        dream = _put_over(_read_config(config), dream, execution)
        Dream.from_mapping(dream, shown(config))
        Execution.from_mapping(execution, shown(config))
    layers, objective = given.pop("layer", None), given.pop("objective", None)
    if layers and objective is not None:
        raise RequestError("--layer and --objective say the same thing; give one of them")
    if layers or objective is not None:
        dream["layers"] = parse_layers(layers) if objective is None else objective
    dream = _put_over(given, dream, execution)
    # Set where a program was submitted to a cluster as a job: it is to run there.
    if address := os.environ.get("RAY_ADDRESS"):
        execution.setdefault("address", address)
    return MergedSettings(Dream(**dream), Execution(**execution), like_weights)


def _put_over(
    settings: Mapping[str, Any], dream: dict[str, Any], execution: dict[str, Any]
) -> dict[str, Any]:
    """The dream with some settings over it; those of the execution are put over that."""
    execution.update({k: v for k, v in settings.items() if k in Execution.model_fields})
    return put_over(dream, {k: v for k, v in settings.items() if k not in Execution.model_fields})


def _read_config(config: str) -> dict[str, Any]:
    text = read_bounded(locate(config), MOST_SETTINGS, "a file of settings")
    return read_yaml_mapping(text, shown(config))


def _read_settings(picture: str) -> dict[str, Any]:
    place = locate(picture)
    with place.as_local_file() as path, path.open("rb") as file:
        return read_metadata(file, shown(place.name))


def _section(metadata: dict[str, Any], key: str) -> dict[str, Any]:
    """A part of a picture's metadata, which may be anyone's; PictureError if it is not there."""
    part = metadata.get(key)
    if not isinstance(part, dict):
        raise PictureError(
            f"the settings in the picture have no {key}: another program changed them, or a "
            "later dreamray wrote them"
        )
    return part


def describe_picture(picture: str, *, as_json: bool) -> str:
    """What a finished picture carries: as JSON, or as YAML with the rest as comments."""
    metadata = _read_settings(picture)
    if as_json:
        return json.dumps(metadata, indent=2, sort_keys=True)
    place = shown(locate(picture).name)
    dream = Dream.from_mapping(_section(metadata, "dream"), f"settings in {place}")
    weights, source = _section(metadata, "weights"), _section(metadata, "source")
    execution = _section(metadata, "execution")
    comments = [
        f"{place}, made by dreamray {metadata.get('version')}",
        f"weights: {weights.get('name')}, sha256 {weights.get('sha256')}",
        " ".join(["source:", *_noise_of(source), f"sha256 {source.get('sha256')}"]),
        *(f"{name}: {value}" for name, value in execution.items()),
        *(f"amplifies {weight:g} times {term.describe()}" for term, weight in dream.terms.items()),
    ]
    lines = [f"# {shown(comment)}" for comment in comments]
    return "\n".join([*lines, dream.to_yaml().rstrip()])


def _noise_of(source: dict[str, Any]) -> list[str]:
    noise = source.get("noise")
    return [f"{noise},"] if isinstance(noise, str) else []
