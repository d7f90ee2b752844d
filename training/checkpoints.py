"""Checkpoints: files of the variables that a training goes on from, or that are looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dreamray.model.weights.bundled import DAMAGES
from training.outputs import whole
from training.recipe import Origin, Recipe

__all__ = ["restore", "save"]

Variables = Mapping[str, Sequence[Any]]
"""Keras' variables, by the name of what they are of"""

_DONE, _RECIPE, _ORIGIN = "done", "recipe", "origin"
_MAY_CHANGE = {"updates", "rate"}  # A training may be made longer, or calmer.


def save(
    path: Path, variables: Variables, done: int, recipe: Recipe, origin: Origin | None = None
) -> None:
    """Write the variables after `done` updates; the file is whole or as it was before."""
    arrays = {key: np.asarray(variable) for key, variable in _named(variables)}
    arrays[_DONE] = np.asarray(done)
    arrays[_RECIPE] = np.asarray(json.dumps(asdict(recipe)))
    if origin is not None:
        arrays[_ORIGIN] = np.asarray(json.dumps(asdict(origin)))
    with whole(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def restore(
    path: Path,
    variables: Variables,
    recipe: Recipe | None = None,
    origin: Origin | None = None,
    families: Sequence[str] | None = None,
) -> int:
    """Set the variables to what the file holds; returns after how many updates that was.

    The file may hold variables of more kinds. Raises ValueError, and sets nothing, if it is
    damaged or of another network, or of a training by another recipe, from another origin or of
    other families than are given (older files do not tell theirs); FileNotFoundError if there is
    no file.
    """
    saved, done, made_by, made_from = _read(path)
    if recipe is not None:
        _check_same(path, made_by, asdict(recipe), "with another recipe")
    if origin is not None:
        _check_same(path, made_from, asdict(origin), "from something else")
    if families is not None:
        _check_same(path, made_from, {"families": families}, "from something else")
    wanted = dict(_named(variables))
    _check_network(path, {k: a for k, a in saved.items() if _kind(k) in variables}, wanted)
    for key, variable in wanted.items():
        variable.assign(saved[key])
    return done


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], int, dict[str, Any], dict[str, Any]]:
    """All arrays of a file, the updates that were made, by which recipe and from which origin.

    The last two as far as it tells.
    """
    try:
        with np.load(path) as file:
            saved = dict(file)
        done = int(saved.pop(_DONE))
        made_by = json.loads(str(saved.pop(_RECIPE, "{}")))
        made_from = json.loads(str(saved.pop(_ORIGIN, "{}")))
        if done < 0 or not isinstance(made_by, dict) or not isinstance(made_from, dict):
            raise ValueError("it does not say what it is")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: there is no such checkpoint; name one that `train` has written"
        ) from None
    except DAMAGES as error:
        raise ValueError(
            f"{path}: it cannot be read as a checkpoint ({error or type(error).__name__}); name "
            "another one, or move it away and train anew"
        ) from None
    return saved, done, made_by, made_from


def _check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any], other: str) -> None:
    changed = [
        _change(name, before[name], value)
        for name, value in _as_json(now).items()
        if name in before and before[name] != value and name not in _MAY_CHANGE
    ]
    if changed:
        raise ValueError(
            f"{path}: its training began {other} ({', '.join(changed)}); go on with "
            "that, or name another file for a training with this"
        )


def _as_json(facts: Mapping[str, Any]) -> dict[str, Any]:
    """As they would be read again."""
    read: dict[str, Any] = json.loads(json.dumps(dict(facts)))
    return read


def _change(name: str, before: Any, now: Any) -> str:
    if not isinstance(before, list) or not isinstance(now, list):
        return f"{name} {before} became {now}"
    for number, (one, other) in enumerate(zip(before, now, strict=False)):
        if one != other:
            return f"{name}: number {number}, {one}, became {other}"
    return f"{len(before)} {name} became {len(now)}"


def _check_network(
    path: Path, saved: Mapping[str, NDArray[Any]], wanted: Mapping[str, Any]
) -> None:
    for key in [*wanted, *saved]:
        there = _described(saved.get(key))
        here = _described(wanted.get(key))
        if there != here:
            raise ValueError(
                f"{path}: a checkpoint of another network ({key} is {there} in it, and {here} "
                "here); give the pictures and the --last that it was trained with, or name "
                "another file"
            )


def _described(variable: Any) -> str:
    if variable is None:
        return "missing"
    numbers = np.issubdtype(np.dtype(variable.dtype), np.number)
    return str(tuple(variable.shape)) if numbers else "no numbers"


def _named(variables: Variables) -> Iterator[tuple[str, Any]]:
    for kind, listed in variables.items():
        for number, variable in enumerate(listed):
            yield f"{kind}_{number}", variable


def _kind(key: str) -> str:
    return key.rpartition("_")[0]
