"""The page of a report: what is known of the run is in it, pictures are loaded by its script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamray.base.messages import plural
from dreamray.base.pages import load_templates
from dreamray.bulk.report.data import PER_PAGE, row_of
from dreamray.bulk.report.figures import STAGES, Figures
from dreamray.bulk.report.formats import duration, rate
from dreamray.bulk.report.histogram import Histogram
from dreamray.bulk.report.summary import Summary

MOST_WORKERS = 1000
"""Rows of the table of workers."""

_ASSETS = Path(__file__).parent / "assets"
_FILTERS = {"duration": duration, "plural": plural, "rate": rate, "thousands": "{:,}".format}


def page(summary: Summary, figures: Figures) -> bytes:
    """The page, complete but for the pictures and failures themselves."""
    template = load_templates(_ASSETS, **_FILTERS).get_template("report.html")
    return template.render(
        summary=summary,
        figures=figures,
        reasons=list(figures.reasons()),
        histogram=Histogram(figures.seconds) if figures.seconds.count else None,
        most_workers=MOST_WORKERS,
        per_page=PER_PAGE,
        config=_config(summary, figures),
    ).encode()


def _config(summary: Summary, figures: Figures) -> dict[str, Any]:
    """What the script needs to know."""
    return {
        "perPage": PER_PAGE,
        "rows": {"pictures": figures.count, "failures": figures.failed},
        "files": {"pictures": "records", "failures": "failures"},
        "stages": STAGES,
        "latest": [row_of(record) for record in figures.latest()],
        # A browser may hold what the data files were before.
        "asOf": summary.as_of,
    }
