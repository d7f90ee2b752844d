"""Which way a step goes, from the gradient and from what is remembered of earlier steps.

Momentum and Adam are those of Kingma and Ba, "Adam: A Method for Stochastic Optimization"
(arXiv:1412.6980): running means, corrected for their start at 0. What is averaged is the normalised
gradient, so that a step is about as long with any of them.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from dreamray.engine.interfaces import A
from dreamray.plan.refinement import MOMENTUM, SECOND_MOMENT, SLOTS, SMALLEST_ROOT


def direction(name: str, gradient: A, states: MutableMapping[str, A], number: int) -> A:
    """Which way to go along a normalised gradient; float32 like it.

    `states` has what the optimizer remembers, and is brought up to date; `number` counts the
    octave's steps from 0.
    """
    slots = SLOTS[name]
    if not slots:
        return gradient
    first: A = _average(states, slots[0], gradient, MOMENTUM, number)
    if len(slots) == 1:
        return first
    second = _average(states, slots[1], gradient * gradient, SECOND_MOMENT, number)
    found: A = first / (second**0.5 + SMALLEST_ROOT)
    return found


def _average(
    states: MutableMapping[str, A], slot: str, value: Any, decay: float, number: int
) -> Any:
    """The running mean, corrected; none is there before the first step."""
    mean = value * (1 - decay)
    if number > 0:
        mean = states[slot] * decay + mean
    states[slot] = mean
    return mean / (1 - decay ** (number + 1))
