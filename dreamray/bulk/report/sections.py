"""Parts of a report's page that are the same however many pictures there are."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dreamray.bulk.report.data import PER_PAGE
from dreamray.bulk.report.figures import Distribution, Figures, Reason
from dreamray.bulk.report.markup import cells, duration, escape, plural, rate
from dreamray.bulk.report.summary import Summary, WorkerFigures

MOST_WORKERS = 1000
"""Rows of the table of workers."""

_BARS = 36
_TICKS = 7
_STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 5, 7), (1, 2, 3, 5), (1, 3), (1,))


def histogram(seconds: Distribution) -> str:
    """How long pictures took, as a figure."""
    bars = seconds.bars(_BARS)
    if not bars:
        return "<p>No picture was dreamt yet.</p>"
    highest = max(bar.count for bar in bars)
    columns = "".join(
        f'<div class="bar" title="{_range(bar.start, bar.stop)}: {plural(bar.count, "picture")}">'
        f'<i style="height:{100 * bar.count / highest:.2f}%"></i></div>'
        for bar in bars
    )
    start, stop = bars[0].start, bars[-1].stop
    median, late = seconds.quantile(0.5), seconds.quantile(0.95)
    ticks = "".join(
        f'<span style="left:{_position(tick, start, stop):.2f}%">{_tick(tick)}</span>'
        for tick in _ticks(start, stop)
    )
    marks = "".join(
        f'<b class="{name}" style="left:{_position(at, start, stop):.2f}%"></b>'
        for name, at in (("median", median), ("late", late))
    )
    told = f"Half of the pictures took {duration(median)} or less, 95 % {duration(late)} or less."
    return (
        f'<figure><div class="plot" role="img" aria-label="Histogram. {told}">'
        f'<div class="bars">{columns}</div>{marks}</div>'
        f'<div class="ticks" aria-hidden="true">{ticks}</div>'
        f'<figcaption><p><span class="key median">median {duration(median)}</span> '
        f'<span class="key late">95 % within {duration(late)}</span></p>'
        f"<p>{plural(seconds.count, 'picture')}, waiting included; the axis is logarithmic."
        "</p></figcaption></figure>"
    )


def stages(figures: Figures) -> str:
    """Rows of the table of stages."""
    whole = figures.seconds.total
    return "".join(
        f'<tr><th scope="row"><i class="swatch {stage}"></i>{stage}</th>'
        f"{cells(map(duration, (spread.quantile(0.5), spread.quantile(0.95), spread.mean)))}"
        f"<td>{_meter(spread.total / whole if whole else 0.0, stage)}</td></tr>"
        for stage, spread in figures.stages.items()
    )


def workers(summary: Summary) -> str:
    """Rows of the table of workers."""
    rows = [_worker(worker, summary.seconds) for worker in summary.workers[:MOST_WORKERS]]
    more = len(summary.workers) - MOST_WORKERS
    if more > 0:
        rows.append(f'<tr><td colspan="6">and {more:,} more</td></tr>')
    return "".join(rows)


def reasons(figures: Figures) -> str:
    """Rows of the table of reasons why pictures failed."""
    rows = [_reason(reason) for reason in figures.reasons()]
    if figures.other_reasons:
        rows.append(f"<tr><td>{figures.other_reasons:,}</td><td>other reasons</td><td></td></tr>")
    return "".join(rows)


def _worker(worker: WorkerFigures, elapsed: float) -> str:
    tried = worker.done + worker.failed
    pace = rate(60 * tried / worker.busy) if worker.busy else "none"
    figures = (f"{worker.done:,}", f"{worker.failed:,}", pace, duration(worker.busy))
    busy = worker.busy / elapsed if elapsed else 0.0
    return (
        f'<tr><th scope="row">{escape(worker.name)}</th>{cells(figures)}'
        f"<td>{_meter(busy, 'busy')}</td></tr>"
    )


def _reason(reason: Reason) -> str:
    examples = "".join(
        f'<li><a href="#failures/{place // PER_PAGE + 1}"><bdi>{escape(output)}</bdi></a></li>'
        for place, output in reason.examples
    )
    more = reason.count - len(reason.examples)
    if more:
        examples += f'<li class="quiet">and {more:,} more</li>'
    return (
        f"<tr><td>{reason.count:,}</td><td>{escape(reason.text)}</td>"
        f"<td><ul>{examples}</ul></td></tr>"
    )


def _meter(share: float, kind: str) -> str:
    percent = 100 * min(1.0, share)
    return (
        f'<span class="meter"><i class="{kind}" style="width:{percent:.1f}%"></i></span>'
        f'<span class="percent">{percent:.0f} %</span>'
    )


def _range(start: float, stop: float) -> str:
    return f"{duration(start)} to {duration(stop)}"


def _position(at: float, start: float, stop: float) -> float:
    """In percent of a logarithmic axis."""
    return 100 * math.log(at / start) / math.log(stop / start)


def _ticks(start: float, stop: float) -> list[float]:
    """Round seconds on the axis, few enough to be labelled."""
    for steps in _STEPS:
        ticks = [tick for tick in _round_seconds(steps) if start <= tick <= stop]
        if len(ticks) <= _TICKS:
            break
    return ticks if len(ticks) > 1 else [start, stop]


def _round_seconds(steps: tuple[float, ...]) -> Iterator[float]:
    for decade in range(-3, 8):
        for step in steps:
            yield step * 10.0**decade


def _tick(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"
