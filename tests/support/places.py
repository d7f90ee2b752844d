"""Where the project lies, and what is found beside its checkout."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).parents[2]
"""On PYTHONPATH, processes that tests start find `dreamray`, `training` and `tests.support`."""

SHARED = Path(os.environ.get("DREAMRAY_SHARED", PROJECT.parent / "shared"))
"""Trained weights, photos and definitions; a checkout elsewhere names it in DREAMRAY_SHARED."""

TRAINED = SHARED / "weights" / "inception_v3_2015_mixed8.h5"
