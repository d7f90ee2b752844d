"""The report of a bulk run: a gallery of its pictures and dreams, as a static page.

    report = Report(destination)
    report.update(summary, entries)  # every so often, and once at the end

writes `index.html` and, in `dreamray-report`, the data that it shows, 500 pictures a file. A
browser opens it from a disk, from S3 or from any web server. The workers add the thumbnails:

    thumbnails_of(destination, output).write(before, after, icc_profile)
"""

from dreamray.bulk.report.data import Group, ReportEntry
from dreamray.bulk.report.summary import RunState, Summary, WorkerFigures
from dreamray.bulk.report.thumbnails import Thumbnails, thumbnails_of
from dreamray.bulk.report.writer import PAGE_MARK, Report, is_of_report

__all__ = [
    "PAGE_MARK",
    "Group",
    "Report",
    "ReportEntry",
    "RunState",
    "Summary",
    "Thumbnails",
    "WorkerFigures",
    "is_of_report",
    "thumbnails_of",
]
