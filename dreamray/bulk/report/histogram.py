"""How long pictures took, as a histogram with a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dreamray.bulk.report.figures import Distribution

_BARS = 36
_TICKS = 7
_STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 5, 7), (1, 2, 3, 5), (1, 3), (1,))


class Histogram:
    """What is drawn of the seconds of some pictures; there must be one."""

    def __init__(self, seconds: Distribution) -> None:
        self.bars = seconds.bars(_BARS)
        self.highest = max(bar.count for bar in self.bars)
        self._start, self._stop = self.bars[0].start, self.bars[-1].stop

    def position(self, seconds: float) -> float:
        """In percent of the axis."""
        return 100 * math.log(seconds / self._start) / math.log(self._stop / self._start)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and labels of round seconds, few enough to be read."""
        for steps in _STEPS:
            ticks = [tick for tick in _round_seconds(steps) if self._start <= tick <= self._stop]
            if len(ticks) <= _TICKS:
                break
        if len(ticks) < 2:
            ticks = [self._start, self._stop]
        return [(self.position(tick), _label(tick)) for tick in ticks]


def _round_seconds(steps: tuple[float, ...]) -> Iterator[float]:
    for decade in range(-3, 8):
        for step in steps:
            yield step * 10.0**decade


def _label(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"
