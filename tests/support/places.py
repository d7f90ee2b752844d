"""Where the project lies, and what is found beside its checkout."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parents[2]
"""On PYTHONPATH, processes that tests start find `dreamray`, `training` and `tests.support`."""

SHARED = PROJECT.parent / "shared"
"""Trained weights, photos and definitions, which are no part of the project."""

TRAINED = SHARED / "weights" / "inception_v3_2015_mixed8.h5"
