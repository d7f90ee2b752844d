"""Checkpoints: files of the variables that a training goes on from, or that are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["restore", "save"]

Variables = Mapping[str, Sequence[Any]]
"""Keras' variables, by the name of what they are of"""


def save(path: Path, variables: Variables, done: int) -> None:
    """Write the variables after `done` updates; the file is whole or as it was before."""
    arrays = {key: np.asarray(variable) for key, variable in _named(variables)}
    part = path.with_suffix(".part.npz")
    np.savez(part, allow_pickle=False, done=done, **arrays)
    part.replace(path)


def restore(path: Path, variables: Variables) -> int:
    """Set the variables to what the file holds; returns after how many updates that was.

    The file may hold more. Raises ValueError if a variable is not in it or has another shape
    there, FileNotFoundError if there is no file.
    """
    with np.load(path) as saved:
        for key, variable in _named(variables):
            if key not in saved or saved[key].shape != tuple(variable.shape):
                raise ValueError(f"{path}: no checkpoint of this training: {key} differs")
            variable.assign(saved[key])
        return int(saved["done"])


def _named(variables: Variables) -> Iterator[tuple[str, Any]]:
    for kind, listed in variables.items():
        for number, variable in enumerate(listed):
            yield f"{kind}_{number}", variable
