"""The page of a report: what is known of the run is in it, pictures are loaded by its script."""

from __future__ import annotations

import json
import math
import string
from pathlib import Path

from dreamray.bulk.report import sections
from dreamray.bulk.report.data import PER_PAGE, row_of
from dreamray.bulk.report.figures import STAGES, Figures
from dreamray.bulk.report.markup import duration, escape, escape_lines, moment, plural, rate
from dreamray.bulk.report.summary import RunState, Summary

_ASSETS = Path(__file__).parent / "assets"


def page(summary: Summary, figures: Figures) -> bytes:
    """The page, complete but for the pictures and failures themselves."""
    template = string.Template(_asset("report.html"))
    text = template.substitute(
        style=_asset("report.css"),
        script=_asset("report.js"),
        config=_config(summary, figures),
        title=escape(summary.destination),
        source=escape(summary.source),
        state=summary.state.value,
        told=_describe(summary),
        progress=_progress(summary),
        counts=_counts(summary),
        pace=_pace(summary, figures),
        failed=f"{figures.failed:,}",
        pictures=f"{figures.count:,}",
        alert=_alert(figures),
        histogram=sections.histogram(figures.seconds),
        stages=sections.stages(figures),
        workers=sections.workers(summary),
        no_failures="" if figures.failed else "hidden",
        reasons=sections.reasons(figures),
        settings=escape_lines(summary.settings),
        version=escape(summary.version),
        as_of=moment(summary.as_of),
    )
    return text.encode()


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text("utf-8")


def _config(summary: Summary, figures: Figures) -> str:
    """What the script needs to know, as JSON."""
    config = {
        "perPage": PER_PAGE,
        "rows": {"pictures": figures.count, "failures": figures.failed},
        "files": {"pictures": "records", "failures": "failures"},
        "stages": STAGES,
        "latest": [row_of(record) for record in figures.latest()],
        # A browser may hold what the data files were before.
        "asOf": summary.as_of,
    }
    return json.dumps(config).replace("<", "\\u003c")


def _describe(summary: Summary) -> str:
    at = moment(summary.as_of)
    match summary.state:
        case RunState.RUNNING:
            return f"as of {at}"
        case RunState.FINISHED:
            return f"at {at}"
    reason = f": {escape(summary.note)}" if summary.note else ""
    return f"at {at}{reason}"


def _parts(summary: Summary) -> tuple[tuple[str, str, int], ...]:
    """Of the whole set: class, word and count."""
    return (
        ("done", "dreamt", summary.done),
        ("kept", "kept", summary.kept),
        ("failed", "failed", summary.failed),
        ("left", "left", summary.left),
    )


def _progress(summary: Summary) -> str:
    parts = [part for part in _parts(summary) if part[2] and part[0] != "left"]
    text = ", ".join(f"{count:,} {word}" for _, word, count in _parts(summary))
    pieces = "".join(
        f'<i class="{name}" style="flex-grow:{count}"></i>' for name, _, count in parts
    )
    rest = f'<i style="flex-grow:{summary.left}"></i>' if summary.left else ""
    text += f" of {plural(summary.total, 'picture')}"
    return f'<div class="progress" role="img" aria-label="{text}">{pieces}{rest}</div>'


def _counts(summary: Summary) -> str:
    rows = "".join(
        f'<div><dt><i class="swatch {name}"></i>{word}</dt><dd>{count:,}</dd></div>'
        for name, word, count in _parts(summary)
    )
    return f"{rows}<div><dt>in all</dt><dd>{summary.total:,}</dd></div>"


def _pace(summary: Summary, figures: Figures) -> str:
    minutes = summary.seconds / 60
    known = {"elapsed": duration(summary.seconds)}
    if minutes:
        known["pictures / min"] = rate((summary.done + summary.failed) / minutes)
        known["megapixels / min"] = rate(figures.megapixels / minutes)
    if summary.seconds_left is not None:
        known["time left"] = f"about {duration(60 * math.ceil(summary.seconds_left / 60))}"
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in known.items())


def _alert(figures: Figures) -> str:
    first = next(figures.reasons(), None)
    if first is None:
        return ""
    return (
        f'<p class="alert"><strong>{plural(figures.failed, "picture")} failed.</strong> '
        f"The commonest reason ({first.count:,}): {escape(first.text)}. "
        '<a href="#failures">All failures</a></p>'
    )
