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


class _Card(PlainEngine):
    """Says that it is one, and computes something else there than on a processor."""

    def __init__(self, trial: Trial, error: float) -> None:
        super().__init__("mixed0")
        self._error = error if trial.card else 0.0

    def about(self) -> Any:
        return {**super().about(), "device": "GPU stand-in"}

    def gradient(
        self, window: Raster, owned: npt.NDArray[np.int32], per_cell: Raster
    ) -> tuple[float, Raster]:
        loss, gradient = super().gradient(window, owned, per_cell)
        gradient[:, ::2] *= np.float32(1 + self._error)
        return loss, gradient


def card(trial: Trial, precision: str) -> Any:
    return _Card(trial, 1e-4)


def other_card(trial: Trial, precision: str) -> Any:
    return _Card(trial, 1e-2)


class _TellsCards(PlainEngine):
    def about(self) -> Any:
        return {**super().about(), "cards": os.environ.get("CUDA_VISIBLE_DEVICES")}


def tells_cards(trial: Trial, precision: str) -> Any:
    """Which cards its process may see."""
    return _TellsCards("mixed0")


def missing(trial: Trial, precision: str) -> Any:
    raise RuntimeError("no such library")


class _Numberless(PlainEngine):
    """Its gradient has what is no number."""

    def gradient(
        self, window: Raster, owned: npt.NDArray[np.int32], per_cell: Raster
    ) -> tuple[float, Raster]:
        loss, gradient = super().gradient(window, owned, per_cell)
        return loss, gradient * np.float32("nan")


def numberless(trial: Trial, precision: str) -> Any:
    return _Numberless("mixed0")
