"""What is there already: whether it is ours, and whether a picture need not be made again."""

from __future__ import annotations

import contextlib
from pathlib import Path

from dreamray.base.errors import NotFoundError, PictureError, RequestError
from dreamray.base.messages import shown
from dreamray.base.version import __version__
from dreamray.bulk.digests import DIGEST_KEY, digest_of
from dreamray.bulk.entry import EntryList
from dreamray.bulk.naming import MANIFEST, REPORT_FOLDER, REPORT_PAGE
from dreamray.bulk.record import Record, State
from dreamray.bulk.report import PAGE_MARK, is_of_report
from dreamray.bulk.task import Task
from dreamray.pictures import decode
from dreamray.pictures.metadata import read_metadata
from dreamray.pictures.outputs import check_output_place, is_dream
from dreamray.render.workspace import WORK
from dreamray.storage import Folder, LocalFile, LocalFolder, Location, locate
from dreamray.storage.identity import is_folder, is_inside, is_same, way_to

_HEAD = 1 << 16
"""Bytes of a file that are looked at."""

_DECODED_BYTES = 64 << 20
"""Results of more are not decoded to see whether they are whole."""


def is_unchanged(task: Task, fingerprint: str) -> bool:
    """Whether an earlier run has made it, and neither source nor result has changed since."""
    earlier = task.earlier
    if task.overwrite or not task.there or earlier is None or earlier.state is not State.DONE:
        return False
    same = earlier.request == task.request and earlier.fingerprint == fingerprint
    try:
        return same and earlier.written == task.target.fingerprint()
    except NotFoundError:  # It was removed since.
        return False


def fails_again(task: Task, fingerprint: str) -> bool:
    """Whether this release has found that it fails for good, and nothing has changed since."""
    earlier = task.earlier
    if task.overwrite or earlier is None or earlier.state is not State.FAILED:
        return False
    known = (earlier.release, earlier.request, earlier.fingerprint)
    return known == (__version__, task.request, fingerprint)


def check_places(task: Task) -> None:
    """Raise PictureError for a source that never ends, and a result that would lie elsewhere."""
    source, target = task.source, task.target
    if isinstance(source, LocalFile) and source.path.exists() and not source.path.is_file():
        raise PictureError(f"{shown(source)}: this is no regular file: copy it into one")
    if isinstance(target, LocalFile):
        destination = LocalFolder(Path(str(target.path).removesuffix(task.output)))
        if way_to(target, destination) != task.output:
            raise PictureError(
                f"{shown(target)}: a symbolic link leads elsewhere from there: remove it"
            )
        if is_same(source, target) or is_inside(source, destination):
            raise PictureError(
                f"{shown(source)}: it lies in the destination, where results would take its "
                "place: move it, or name another destination"
            )


def check_free(task: Task) -> None:
    """Raise PictureError where what dreamray has not made came into the result's place."""
    named = [locate(one.picture) for one in task.dream.named_pictures.values()]
    sources = [task.source, *named]
    try:
        check_output_place(task.target, is_dream, overwrite=task.overwrite, sources=sources)
    except NotFoundError:
        raise
    except RequestError as error:
        raise PictureError(str(error)) from None


def is_right(task: Task, digest: str) -> bool:
    """Whether what is in the result's place is whole, and has this digest.

    Raises PictureError if dreamray has not made it, or from another source.
    """
    try:
        found = _target_digest(task)
        if found == digest:
            return _is_whole(task)
    except NotFoundError:  # It was removed since.
        return False
    earlier = task.earlier
    done = earlier is not None and earlier.state is State.DONE
    if earlier is not None and done and earlier.source != shown(task.source):
        raise PictureError(
            f"{shown(task.target)}: there is the dream of another source, {shown(earlier.source)}: "
            "name another destination, or give --overwrite"
        )
    return False


def _target_digest(task: Task) -> str | None:
    if digest := task.target.metadata().get(DIGEST_KEY):
        return digest
    try:
        with task.target.as_local_file() as path, path.open("rb") as file:
            return digest_of(read_metadata(file, task.target.name))
    except PictureError:
        raise PictureError(
            f"{shown(task.target)}: there is a file that dreamray has not made; move it away, or "
            "give --overwrite"
        ) from None


def _is_whole(task: Task) -> bool:
    """Whether the result was not cut off or changed since; its digest stands in its head."""
    earlier, size = task.earlier, task.target.fingerprint().partition("-")[0]
    if earlier is not None and earlier.written:
        return earlier.written.partition("-")[0] == size
    try:
        with task.target.as_local_file() as path:
            if path.stat().st_size <= _DECODED_BYTES:
                decode(path.read_bytes(), task.target.name)
    except PictureError:
        return False
    return True


def check_ours(
    destination: Folder, source: str | EntryList, *, report: bool, overwrite: bool = False
) -> None:
    """Raise RequestError where a run's own files would be written over somebody else's, or a link.

    That is a manifest whose first line is no record and, with a `report`, a page that is none,
    but with `overwrite`; and whatever was said a source that is one of them.
    """
    is_file = isinstance(source, str) and not is_folder(source)
    sources = [locate(str(source))] if is_file else []
    check_output_place(
        destination.file(MANIFEST), _is_manifest, overwrite=overwrite, sources=sources
    )
    if report:
        check_output_place(
            destination.file(REPORT_PAGE), _is_report, overwrite=overwrite, sources=sources
        )
    if isinstance(destination, LocalFolder):
        _check_no_links(destination, report=report)
    if report and not overwrite:
        _check_report_folder(destination)


def _check_report_folder(destination: Folder) -> None:
    """Where there is neither manifest nor page nor work, it is ours if its first file says so."""
    folder = destination.folder(REPORT_FOLDER)
    runs = (destination.file(MANIFEST), destination.file(REPORT_PAGE))
    if any(file.exists() for file in runs) or not destination.folder(WORK).is_empty():
        return
    with contextlib.suppress(NotFoundError):
        first = next((folder.file(found.name) for found in folder.files()), None)
        if first is not None and not is_of_report(_head(first)):
            raise RequestError(
                f"{shown(first)}: dreamray has not made it, and the report belongs there; move it "
                "away, name another destination, or give --overwrite or --no-report"
            )


def _check_no_links(destination: LocalFolder, *, report: bool) -> None:
    """What is no link now is none to wait for; if it becomes one, it is not followed anyway."""
    work, pages = destination.folder(WORK), destination.folder(REPORT_FOLDER)
    destination.file(MANIFEST).check_writable()
    for folder in (work, work.folder("manifest")):
        folder.check_writable()
    if report:
        destination.file(REPORT_PAGE).check_writable()
        pages.check_writable()


def _is_manifest(file: Location) -> bool:
    first = _head(file).partition(b"\n")[0]
    return not first.strip() or _is_record(first)


def _is_report(file: Location) -> bool:
    return PAGE_MARK in _head(file)


def _head(file: Location) -> bytes:
    try:
        return file.read(_HEAD)
    except NotFoundError:
        return b""


def _is_record(line: bytes) -> bool:
    try:
        Record.from_json(line.decode())
    except ValueError:
        return False
    return True
