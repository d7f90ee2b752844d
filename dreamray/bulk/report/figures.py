"""Figures over all pictures of a run, gathered record by record in bounded memory."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dreamray.base.messages import shown
from dreamray.bulk.record import Record, State

STAGES = ("load", "dream", "store")
"""Of a picture's own time, in their order."""

MOST_REASONS = 100
"""Different reasons that are told apart."""
EXAMPLES = 3
"""Pictures named for each reason."""

LONGEST_ERROR = 1000
"""What is longer is cut off."""

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


class Distribution:
    """How long something took, for any number of pictures: quantiles are right within 3 %."""

    # Bins of equal ratio, from a millisecond on; 1/16 of an octave is 4.4 % wide.
    _SHORTEST = 1e-3
    _PER_OCTAVE = 16

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self._bins: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one picture; below a millisecond counts as a millisecond."""
        self.count += 1
        self.total += seconds
        octaves = math.log2(max(seconds, self._SHORTEST) / self._SHORTEST)
        self._bins[int(octaves * self._PER_OCTAVE)] += 1

    @property
    def mean(self) -> float:
        """In seconds; 0 without any."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The seconds within which this share of the pictures was done; 0 without any."""
        wanted = share * self.count
        for number in sorted(self._bins):
            wanted -= self._bins[number]
            if wanted <= 0:
                return self._edge(number + 0.5)
        return 0.0

    def bars(self, most: int) -> list[HistogramBar]:
        """At most so many neighbouring bars of equal ratio, none left out between them."""
        if not self._bins:
            return []
        first, last = min(self._bins), max(self._bins)
        wide = 1
        while last // wide - first // wide >= most:
            wide *= 2
        counts: Counter[int] = Counter()
        for number, count in self._bins.items():
            counts[number // wide] += count
        return [
            HistogramBar(self._edge(wide * number), self._edge(wide * (number + 1)), counts[number])
            for number in range(first // wide, last // wide + 1)
        ]

    def _edge(self, number: float) -> float:
        return float(self._SHORTEST * 2 ** (number / self._PER_OCTAVE))


@dataclass(frozen=True)
class HistogramBar:
    """One bar of a histogram: how many took from `start` to `stop` seconds."""

    start: float
    stop: float
    count: int


@dataclass
class Reason:
    """Why pictures failed."""

    text: str
    """With `…` in place of numbers that differ between them."""
    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)
    """The first ones: where among all pictures, from 0, and the output."""


class Figures:
    """Feed it with `add`, then read it."""

    def __init__(self, started: str) -> None:
        self._started = started
        self.count = 0
        self.failed = 0
        self.skipped = 0
        """Pictures that were left out, as their format is not read."""
        self.megapixels = 0.0
        """Dreamt since this run began."""
        self.seconds = Distribution()
        """Of pictures that were dreamt, each one's own: without waiting for its turn."""
        self.waits = Distribution()
        """How long they waited for their turn."""
        self.stages: Mapping[str, Distribution] = {stage: Distribution() for stage in STAGES}
        self._reasons: dict[str, Reason] = {}
        self.other_reasons = 0
        """Failures for reasons beyond the first `MOST_REASONS`."""

    def add(self, record: Record) -> None:
        """Count one picture."""
        self.count += 1
        if record.state is State.FAILED:
            self._count_reason(record)
            self.failed += 1
            return
        if record.state is State.SKIPPED:
            self.skipped += 1
            return
        if record.finished >= self._started:
            self.megapixels += record.width * record.height / 1e6
        if record.seconds.own > 0:
            self.seconds.add(record.seconds.own)
            self.waits.add(record.seconds.wait)
            for stage, spread in self.stages.items():
                spread.add(getattr(record.seconds, stage))

    def reasons(self) -> Iterator[Reason]:
        """The commonest first."""
        yield from sorted(self._reasons.values(), key=lambda reason: -reason.count)

    def _count_reason(self, record: Record) -> None:
        text = reason_of(record)
        masked = _NUMBER.sub("…", text)
        if masked not in self._reasons and len(self._reasons) >= MOST_REASONS:
            self.other_reasons += 1
            return
        reason = self._reasons.setdefault(masked, Reason(text))
        if reason.text != text:
            reason.text = masked
        reason.count += 1
        if len(reason.examples) < EXAMPLES:
            reason.examples.append((self.count - 1, record.output))


def error_of(record: Record) -> str:
    """Why a picture failed, without the picture's name before it."""
    text = record.error[:LONGEST_ERROR] or "no reason given"
    for place in (record.source, shown(record.source), record.output, shown(record.output)):
        text = text.removeprefix(f"{place}: ")
    return text


def reason_of(record: Record) -> str:
    """The error of a record without the names of the picture, so that others may share it."""
    text = error_of(record)
    places = (record.source, record.output)
    names = {name for place in places for name in (place, place.rpartition("/")[2]) if name}
    spelled = names | {shown(name) for name in names}
    for name in sorted(spelled, key=len, reverse=True):
        text = text.removeprefix(f"{name}: ")
        # A shorter one may as well be a part of some word.
        if len(name) > 3:
            text = text.replace(name, "…")
    return text
