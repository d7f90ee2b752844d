"""The pages of a report: what is known of the run is in one, pictures are loaded by its script."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamray.base.messages import plural
from dreamray.base.pages import load_templates
from dreamray.bulk.report.data import PER_PART, Group, Parts, Row, part_page
from dreamray.bulk.report.figures import STAGES, Figures
from dreamray.bulk.report.histogram import Histogram
from dreamray.bulk.report.links import address, is_reachable
from dreamray.bulk.report.summary import Summary
from dreamray.bulk.report.thumbnails import thumbnail_name
from dreamray.bulk.report.units import duration, rate

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_WORKERS = 1000
"""Rows of the table of workers."""

WITHOUT_SCRIPTS = 100
"""Pictures that the page itself lists for browsers without scripts."""

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("text.js", "pictures.js", "gallery.js", "viewer.js", "report.js")
_FILTERS = {
    "address": address,
    "duration": duration,
    "plural": plural,
    "rate": rate,
    "reachable": is_reachable,
    "thousands": "{:,}".format,
    "thumbnail": thumbnail_name,
}


def page(summary: Summary, figures: Figures, parts: Parts) -> bytes:
    """The page, complete but for the pictures themselves."""
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = load_templates(_ASSETS, **_FILTERS).get_template("report.html")
    groups = [(group, sum(counts[group] for counts in parts.counts)) for group in Group]
    return template.render(
        summary=summary,
        figures=figures,
        groups=[(group, count) for group, count in groups if count],
        reasons=list(figures.reasons()),
        histogram=Histogram(figures.seconds) if figures.seconds.count else None,
        most_workers=MOST_WORKERS,
        rows=parts.first[:WITHOUT_SCRIPTS],
        lists=[part_page(number) for number in range(1, len(parts.counts) + 1)],
        per_part=PER_PART,
        config=_config(summary, parts),
        script=script,
        # Whatever a name may smuggle in, it would not be run, nor reach another host. Old browsers
        # take what comes behind 'strict-dynamic', new ones leave it out.
        policy="default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:; "
        "base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{digest}' 'strict-dynamic' 'self' file:",
    ).encode()


def list_page(destination: str, number: int, rows: Sequence[Row]) -> bytes:
    """A page for browsers without scripts that lists one part of the pictures, from 1."""
    template = load_templates(_ASSETS, **_FILTERS).get_template("list.html")
    first = (number - 1) * PER_PART + 1
    return template.render(
        destination=destination,
        first=first,
        last=first + len(rows) - 1,
        rows=rows,
        before=part_page(number - 1) if number > 1 else "",
        behind=part_page(number + 1) if len(rows) == PER_PART else "",
        policy="default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:",
    ).encode()


@functools.cache
def _script() -> Markup:
    from markupsafe import Markup

    texts = [(_ASSETS / name).read_text("utf-8") for name in _SCRIPTS]
    return Markup('"use strict";\n' + "\n".join(texts))  # It is our own.


def _config(summary: Summary, parts: Parts) -> dict[str, Any]:
    """What the script needs to know."""
    return {
        "perPart": PER_PART,
        "groups": [*Group],
        "parts": [[counts[group] for group in Group] for counts in parts.counts],
        "stages": STAGES,
        # A browser may hold what the data files were before.
        "asOf": summary.as_of,
    }
