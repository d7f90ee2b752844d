"""Engines for `dreamray check` that keep its promises, or break one of them on purpose."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from dreamray.base.geometry import Raster
from dreamray.farm.check.trial import Trial
from tests.support.plain_engine import PlainEngine


def sound(trial: Trial, precision: str) -> Any:
    return PlainEngine("mixed0")


class _Drifting(PlainEngine):
    """Other bits in each process."""

    def gradient(
        self, window: Raster, owned: npt.NDArray[np.int32], per_cell: Raster
    ) -> tuple[float, Raster]:
        loss, gradient = super().gradient(window, owned, per_cell)
        gradient[0, 0] += np.float32(os.getpid() / 1e9)
        return loss, gradient


def drifting(trial: Trial, precision: str) -> Any:
    return _Drifting("mixed0")


class _Seamed(PlainEngine):
    """Blind near the edges of its windows."""

    def gradient(
        self, window: Raster, owned: npt.NDArray[np.int32], per_cell: Raster
    ) -> tuple[float, Raster]:
        loss, gradient = super().gradient(window, owned, per_cell)
        gradient[-40:] = 0
        return loss, gradient


def seamed(trial: Trial, precision: str) -> Any:
    return _Seamed("mixed0")


def missing(trial: Trial, precision: str) -> Any:
    raise RuntimeError("no such library")
