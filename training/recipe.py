"""What a training is made of: all that decides its result."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Origin", "Recipe"]


@dataclass(frozen=True)
class Origin:
    """What a training begins with, beside the numbers of its recipe."""

    families: tuple[str, ...]
    """that the pictures show, in the order of the labels"""
    pictures: int
    """how many there are"""
    start: str | None = None
    """name and SHA-256 of the weights it began with; None: of none"""
    forget: bool = False
    """if their channels were made to forget their families"""


@dataclass(frozen=True)
class Recipe:
    """One training, reproducible on one machine by these numbers and the pictures."""

    seed: int = 0
    updates: int = 8000
    """of the weights, in all; no more than these are made"""
    batch: int = 48
    """pictures an update looks at"""
    pixels: int = 112
    """width and height at which the network sees a picture"""
    smallest_crop: int = 88
    """pixels a side of the smallest part of a picture that is shown"""
    replays: int = 3
    """updates on the same pictures, each led further astray by the one before; 1: none is"""
    name_radius: float = 5.0
    """L2 length, at 128 x 128 pixels in -1 to 1, that pictures are led from their names at most"""
    dream_share: float = 0.5
    """of the pictures: led towards what the network sees in them, as a dream leads them"""
    dream_step: float = 0.35
    """mean change of a value, in -1 to 1, by one step of a dream, at most"""
    threshold: float = 2.5
    """activations above this are penalised; their deviation over the pictures is about 1"""
    penalty: float = 0.05
    """weight of the penalty"""
    dream_penalty: float = 1.0
    """its weight for pictures on the way of a dream"""
    smoothing: float = 0.1
    """of the labels"""
    rate: float = 1e-3
    """learning rate at its highest"""
    warm_up: int = 60
    """updates until it is there; it falls to zero with a cosine after that"""
    decay: float = 0.05
    """of the weights (AdamW)"""
    clip: float = 2.0
    """largest norm of an update's gradient"""
    still: float = 0.2
    """share of the updates, at the end, with the batch norms' statistics held as in a dream"""

    def rate_at(self, update: int) -> float:
        """The learning rate of an update, counted from 0."""
        warm = min(1.0, (update + 1) / self.warm_up)
        progress = min(1.0, update / self.updates)
        return self.rate * warm * 0.5 * (1 + math.cos(math.pi * progress))

    def is_still(self, update: int) -> bool:
        """If the batch norms' statistics are held in that update."""
        return update >= self.updates * (1 - self.still)
