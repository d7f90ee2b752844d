"""Writing a report into the destination of a run."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from dreamray.base.errors import NotFoundError
from dreamray.bulk.naming import REPORT_FOLDER, REPORT_PAGE
from dreamray.bulk.report.data import (
    PART_HEAD,
    Parts,
    ReportEntry,
    Row,
    remove_numbered,
    row_of,
)
from dreamray.bulk.report.figures import Figures
from dreamray.bulk.report.page import list_page, page
from dreamray.bulk.report.summary import RunState, Summary
from dreamray.bulk.report.thumbnails import MARK
from dreamray.storage import Folder

_EARLIER = b'<meta name="dreamray" content="report">'
"""Stands in the pages of releases up to 0.1, whose files have other names."""

PAGE_MARK = b'<meta name="dreamray"'

_HEAD = 1 << 16
"""Bytes of a page that are looked at."""


def is_of_report(head: bytes) -> bool:
    """Whether a file that begins so is one of those that a report has in its folder."""
    return head.startswith(PART_HEAD) or PAGE_MARK in head or MARK in head


class Report:
    """The report in one folder; make one for each run."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._index = folder.file(REPORT_PAGE)
        self._data = folder.folder(REPORT_FOLDER)
        self._parts = Parts(self._data, self._list_page)
        self._looked = False
        self._destination = ""

    def update(self, summary: Summary, entries: Iterable[ReportEntry]) -> None:
        """Bring the report up to date with all pictures tried so far.

        They are shown in the order that they come in, and not held. Files that did not change
        since the last update are not written; so an order in which new ones come last is
        cheapest. The update of a run that ended removes what earlier runs left over. Raises as
        `Location.write`.
        """
        figures = Figures(summary.started)
        self._destination = summary.destination
        self._parts.start()
        for entry in entries:
            figures.add(entry.record)
            self._parts.add(row_of(entry, self._folder))
        self._parts.finish()
        self._replace_earlier()
        self._index.write(page(summary, figures, self._parts))
        if summary.state is not RunState.RUNNING:
            self._parts.remove_others()

    def _list_page(self, number: int, rows: Sequence[Row]) -> bytes:
        return list_page(self._destination, number, rows)

    def _replace_earlier(self) -> None:
        """Remove the files of a report of an earlier release, while its page is still there.

        Whatever interrupts that, the next run finds the page, and so does it again.
        """
        if self._looked:
            return
        try:
            earlier = _EARLIER in self._index.read(_HEAD)
        except NotFoundError:
            earlier = False
        if earlier:
            self._data.folder("thumbs").remove()
            for name in ("records", "failures"):
                remove_numbered(self._data, 1, functools.partial("{}-{:05}.js".format, name))
        self._looked = True
