"""A checkpoint is chosen by what it dreams, not by its accuracy: dreams, their losses, a sheet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dreamray import pictures
from dreamray.engine.events import Event, StepDone
from dreamray.model.weights.arrays import Weights
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution

__all__ = ["Dreamt", "dreamt"]


@dataclass(frozen=True, eq=False)
class Dreamt:
    """A dream, and how its ascent went."""

    pixels: NDArray[np.uint8]
    """[height, width, 3]"""
    losses: tuple[tuple[float, ...], ...]
    """of each octave: the loss of every step"""

    @property
    def growths(self) -> tuple[float, ...]:
        """How many times its first loss each octave ends at; inf or nan if that was 0."""
        with np.errstate(all="ignore"):
            return tuple(float(np.divide(octave[-1], octave[0])) for octave in self.losses)

    @property
    def saturated(self) -> float:
        """Share of values that are all dark or all bright."""
        return float(np.mean((self.pixels == 0) | (self.pixels == 255)))


def dreamt(pixels: NDArray[np.uint8], weights: Weights, dream: Dream) -> Dreamt:
    """Dream of a picture, uint8 [height, width, 3], with dreamray's own engine."""
    losses: dict[int, list[float]] = {}

    def on_event(event: Event) -> None:
        if isinstance(event, StepDone):
            losses.setdefault(event.octave, []).append(event.loss)

    with Renderer(dream, Execution(), on_event, weights=weights) as dreamer:
        result = dreamer.dream_array(pictures.to_tensor(pixels))
    image = pictures.from_tensor(result, pixels.dtype)
    return Dreamt(image.astype(np.uint8), tuple(tuple(losses[octave]) for octave in sorted(losses)))
