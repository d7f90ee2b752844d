"""Limits are for those who go on: a process that was stopped accuses nobody."""

from __future__ import annotations

from dreamray.base.watched_time import WatchedTime


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """The process was stopped, or its machine slept."""
    now = 100.0
    time = WatchedTime(10, lambda: now)
    now += 7
    assert time.look() == 7
    now += 8 * 3600
    assert time.look() == 17
