"""What a check has found, as lines for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dreamray.base.messages import show_size
from dreamray.base.version import __version__

ISSUES = "https://github.com/dreamray/dreamray/issues"


@dataclass(frozen=True)
class Finding:
    """Whether a promise holds here."""

    promise: str
    holds: bool | None
    """None if it could not be tried."""
    told: str
    """What was seen, in one line."""
    ours: bool = True
    """Whether it is dreamray's to keep: a storage that refuses, or a full cluster, is not."""

    @property
    def verdict(self) -> str:
        """In a word or two."""
        return {True: "holds", False: "BROKEN", None: "not tried"}[self.holds]


@dataclass(frozen=True)
class StepTime:
    """A step on a square window, by dreamray or by somebody else."""

    program: str
    precision: str
    side: int
    seconds: float
    rate: float
    """Floating point operations a second that the recipe needs."""
    of_matmul: float | None = None
    """The share of the rate of a product of large matrices."""
    peak: int | None = None
    """Bytes that the process, or its part of the card, held at its peak."""
    predicted: int | None = None
    """Bytes that the plan would have counted with."""


@dataclass
class MachineReport:
    """All that was found on one machine."""

    machine: dict[str, Any] = field(default_factory=dict)
    """What a worker there says of itself."""
    findings: list[Finding] = field(default_factory=list)
    steps: list[StepTime] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    """Floating point operations a second of a product of large matrices, by precision."""
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def broken(self) -> list[Finding]:
        """The promises that do not hold."""
        return [one for one in self.findings if one.holds is False]

    def to_json(self) -> dict[str, Any]:
        """For a program, and for whoever has to mend it."""
        return {"dreamray": __version__, "holds": not self.broken, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MachineReport:
        """What `to_json` gave."""
        return cls(
            dict(values["machine"]),
            [Finding(**one) for one in values["findings"]],
            [StepTime(**one) for one in values["steps"]],
            dict(values["rates"]),
            list(values["remarks"]),
            float(values["seconds"]),
        )

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"dreamray {__version__}"
        yield from (f"{name}: {value}" for name, value in self.machine.items())
        yield ""
        width = max((len(one.promise) for one in self.findings), default=0)
        for one in self.findings:
            yield f"{one.promise:<{width}}  {one.verdict:<9}  {one.told}"
        if self.steps:
            yield ""
            yield from _step_table(self.steps)
        for precision, rate in self.rates.items():
            yield f"product of large matrices in {precision}: {rate / 1e9:,.0f} GFLOP/s"
        yield from self.remarks


def _step_table(steps: list[StepTime]) -> Iterator[str]:
    yield (
        f"{'one step':<20}{'precision':<10}{'window':>11}{'ms':>10}{'GFLOP/s':>10}"
        f"{'of matrices':>13}{'memory':>10}{'of planned':>12}"
    )
    for one in steps:
        share = f"{one.of_matmul:.0%}" if one.of_matmul is not None else "-"
        peak = show_size(one.peak) if one.peak is not None else "-"
        planned = f"{one.peak / one.predicted:.0%}" if one.peak and one.predicted else "-"
        window = f"{one.side}x{one.side}"
        yield (
            f"{one.program:<20}{one.precision:<10}{window:>11}{one.seconds * 1e3:>10.1f}"
            f"{one.rate / 1e9:>10,.0f}{share:>13}{peak:>10}{planned:>12}"
        )


def last_words(reports: Mapping[str, MachineReport]) -> str:
    """How it ended, in one line, and what to do."""
    broken = [finding for one in reports.values() for finding in one.broken]
    tried = sum(1 for r in reports.values() for one in r.findings if one.holds is not None)
    if not broken:
        return f"all {tried} promises hold"
    if not any(one.ours for one in broken):
        rest = "; ".join(one.told for one in broken)
        return (
            f"{tried - len(broken)} of {tried} promises hold, the rest could not be tried: {rest}"
        )
    return (
        f"{len(broken)} of {tried} promises do not hold: do not rely on them there, and please "
        f"report it, with what `dreamray check --json` prints, at {ISSUES}"
    )
