"""What a training says of itself while it runs."""

from __future__ import annotations

import time
import warnings

import numpy as np

from training.recipe import Recipe
from training.trainer import Progress

__all__ = ["Report"]


class Report:
    """Means over the updates since the last line."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._begin()

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._update = 0
        self._rows: list[list[list[float]]] = [[] for _ in range(self._recipe.replays)]

    def add(self, progress: Progress) -> None:
        """Take account of an update."""
        outcome, dreaming = progress.outcome, progress.dreaming
        self._update = progress.update
        row = [
            float(values[kind].mean()) if kind.any() else float("nan")
            for values in (outcome.named, outcome.excess, outcome.right)
            for kind in (~dreaming, dreaming)
        ]
        self._rows[progress.replay].append(row)

    def line(self) -> str:
        """A line for each replay; then it begins anew.

        Names and dreams apart: cross-entropy, excess of the activations, share named rightly.
        """
        count = sum(map(len, self._rows))
        speed = count * self._recipe.batch / (time.monotonic() - self._since)
        lines = [f"update {self._update} of {self._recipe.updates}, {speed:.0f} pictures/s"]
        for replay, rows in enumerate(self._rows):
            if rows:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)  # No picture of a kind at all.
                    means = np.nanmean(rows, axis=0)
                named, dreamt, over, dreamt_over, right, dreamt_right = means
                lines.append(
                    f"  replay {replay}: loss {named:.2f} | {dreamt:.2f}, excess {over:.3f} | "
                    f"{dreamt_over:.3f}, right {right:.0%} | {dreamt_right:.0%}"
                )
        self._begin()
        return "\n".join(lines)
