"""A fast device is given more pictures at a time than a slow one, within bounds."""

from __future__ import annotations

import pytest

from dreamray.bulk.feeding import MOST_MORE, Feeding
from dreamray.bulk.record import Seconds


def fed(*seconds: Seconds, dreaming: int = 1) -> int:
    feeding = Feeding(dreaming + 3, dreaming)
    for one in seconds:
        feeding.note(one)
    return feeding.in_hand


def test_before_anything_is_measured_it_is_the_least() -> None:
    assert fed() == 4
    assert fed(Seconds(load=1.0, store=1.0)) == 4  # Kept, not dreamt.


@pytest.mark.parametrize(
    ("dream", "dreaming", "in_hand"),
    [
        (5.0, 1, 4),  # A processor: one is loaded while one is dreamt.
        (0.05, 1, 1 + 5),  # A card: a quarter of a second of loading and storing each.
        (0.4, 8, 8 + 5),  # Eight at a time take as long as they are slower each.
        (0.001, 1, 4 + MOST_MORE),
    ],
)
def test_as_many_are_beside_as_pass_in_the_time_of_a_dream(
    dream: float, dreaming: int, in_hand: int
) -> None:
    assert fed(Seconds(load=0.15, dream=dream, store=0.1), dreaming=dreaming) == in_hand


def test_it_follows_what_is_measured() -> None:
    slow, fast = Seconds(0.15, 0, 5.0, 0.1), Seconds(0.15, 0, 0.05, 0.1)
    assert fed(slow) == fed(slow, fast) == 4
    assert fed(slow, *[fast] * 100) == 6
