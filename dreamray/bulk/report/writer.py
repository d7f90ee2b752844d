"""Writing a report into the destination of a run."""

from __future__ import annotations

from collections.abc import Iterable

from dreamray.bulk.naming import REPORT_FOLDER, REPORT_PAGE
from dreamray.bulk.record import Record, State
from dreamray.bulk.report.data import Pages, row_of
from dreamray.bulk.report.figures import Figures
from dreamray.bulk.report.page import page
from dreamray.bulk.report.summary import RunState, Summary
from dreamray.storage import Folder


class Report:
    """The report in one folder; make one for each run."""

    def __init__(self, folder: Folder) -> None:
        self._index = folder.file(REPORT_PAGE)
        data = folder.folder(REPORT_FOLDER)
        self._records = Pages(data, "records")
        self._failures = Pages(data, "failures")

    def update(self, summary: Summary, records: Iterable[Record]) -> None:
        """Bring the report up to date with the records of all pictures tried so far.

        They are shown in the order that they come in, and not held. Files that did not change
        since the last update are not written; so an order in which new ones come last is
        cheapest. The update of a run that ended removes what earlier runs left over. Raises as
        `Location.write`.
        """
        figures = Figures(summary.started)
        for pages in (self._records, self._failures):
            pages.start()
        for record in records:
            figures.add(record)
            row = row_of(record)
            self._records.add(row)
            if record.state is State.FAILED:
                self._failures.add(row)
        for pages in (self._records, self._failures):
            pages.finish()
        self._index.write(page(summary, figures))
        if summary.state is not RunState.RUNNING:
            for pages in (self._records, self._failures):
                pages.remove_others()
