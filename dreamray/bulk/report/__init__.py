"""The report of a bulk run: a static page in the destination, with thumbnails.

    report = Report(destination)
    report.update(summary, records)  # every so often, and once at the end

writes `index.html` and, in `dreamray-report`, the data that it shows, 500 pictures a file. A
browser opens it from a disk, from S3 or from any web server. The workers add the thumbnails:

    destination.file(thumbnail_name(output)).write(thumbnail(before, after))
"""

from dreamray.bulk.report.summary import RunState, Summary, WorkerFigures
from dreamray.bulk.report.thumbnails import thumbnail, thumbnail_name
from dreamray.bulk.report.writer import Report

__all__ = [
    "Report",
    "RunState",
    "Summary",
    "WorkerFigures",
    "thumbnail",
    "thumbnail_name",
]
