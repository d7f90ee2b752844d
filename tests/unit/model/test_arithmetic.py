"""Arithmetic on TensorFlow's arrays."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.plain_engine import PlainEngine

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]


def test_a_share_of_a_step_is_exact_at_both_ends() -> None:
    """So that a mask's black stays, and its white is as without it."""
    from dreamray.model.arithmetic import TensorFlowArrays

    arrays, random = TensorFlowArrays(), np.random.default_rng(0)
    before, after = (random.uniform(-1, 1, (40, 50, 3)).astype(np.float32) for _ in range(2))
    share = np.clip(random.uniform(-1, 2, (40, 50, 1)), 0, 1).astype(np.float32)
    faded = arrays.store(arrays.fade(*map(arrays.load, (before, after, share))))
    for end, expected in (0, before), (1, after):
        here = (share == end)[..., 0]
        np.testing.assert_array_equal(faded[here], expected[here])
    np.testing.assert_array_equal(faded, PlainEngine("mixed0").fade(before, after, share))
