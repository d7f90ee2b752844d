"""Updates on PyTorch."""

from __future__ import annotations

import keras
import numpy as np
import torch
from numpy.typing import NDArray

from training.recipe import Recipe
from training.update import Outcome, Update, Weighing, losses

__all__ = ["repeatable", "updating"]

Array = NDArray[np.float32]


def repeatable() -> None:
    """Choose operations that give the same bits each time."""
    torch.use_deterministic_algorithms(True)


def updating(model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> Update:
    """See `training.update.updating`."""
    variables = model.trainable_variables
    values = [variable.value for variable in variables]

    def update(
        pictures: Array, labels: NDArray[np.int32], weighing: Weighing, rate: float, still: bool
    ) -> Outcome:
        optimizer.learning_rate = rate
        device = values[0].device
        shown = torch.tensor(pictures, device=device, requires_grad=True)
        outputs = model(shown, training=not still)
        names = torch.tensor(labels, device=device)
        weights = Weighing(*(torch.tensor(part, device=device) for part in weighing))
        found = losses(outputs, names, weights, recipe)
        *slopes, gradient = torch.autograd.grad(found.total, [*values, shown], allow_unused=True)
        with torch.no_grad():
            optimizer.apply(slopes, variables)
        parts = gradient, found.named, found.excess, found.right
        return Outcome(*(part.detach().cpu().numpy() for part in parts))

    return update
