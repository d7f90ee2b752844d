"""One picture file: into a canvas, through its dream, and out into the finished file.

Nobody holds the whole picture on the way. Whatever happens, running the same again goes on
from the last checkpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamray import pictures
from dreamray.errors import DreamrayError
from dreamray.events import Event, Listener, OctaveDone, Remark, Transfer, ignore
from dreamray.geometry import Interval, Region, Shape
from dreamray.job import RECORD, Job
from dreamray.pictures import ingest
from dreamray.pictures.encoding import Extras, check_output, output_format
from dreamray.pictures.export import export
from dreamray.pictures.ingest import Source
from dreamray.pictures.preview import write_preview
from dreamray.pixels import HELD_PIXELS, from_tensor
from dreamray.planning import PicturePlan
from dreamray.render import Dreamer, describe
from dreamray.storage import Folder, LocalFile, LocalFolder, Location, locate, locate_folder
from dreamray.version import __version__
from dreamray.views import Tensors, View, read

WORK = ".dreamray"
"""The folder beside the output where work is kept, if nothing else is said."""


@dataclass(frozen=True)
class Rendered:
    """A picture that was rendered."""

    output: str
    shape: Shape
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Keeping:
    """What is done with what lies beside the result."""

    fresh: bool = False
    """Throw earlier work away, and begin anew."""
    work: bool = False
    """Leave the work where it is when all is done."""
    preview: bool = False
    """Write a small picture after each octave."""


def render_picture(
    source: str,
    output: str,
    dreamer: Dreamer,
    listen: Listener = ignore,
    keeping: Keeping = Keeping(),
) -> Rendered:
    """Read a picture, dream of it, and write the result, complete or not at all.

    `source` and `output` are paths or s3:// URIs; the output's suffix gives its format.
    Everything that can be known to be wrong is raised before the dream starts: RequestError,
    WeightsError, PictureError or StorageError.
    """
    target = locate(output)
    format = output_format(target.name)
    target.check_writable()
    place = locate(source)
    fingerprint = place.fingerprint()
    base, folder = work_folder(target, dreamer.execution.work)
    folder.check_writable()
    dreamer.prepare()
    if keeping.fresh:
        _discard(folder, base)
    earlier = folder.file(RECORD).exists()
    original, job = _original(place, fingerprint, base, folder, listen), None
    try:
        check_output(format, original.shape.width, original.shape.height)
        plan = dreamer.plan(original.shape)
        job = Job(folder, _request(dreamer, original, plan))
        if note := job.resume(len(plan.stages)):
            listen(Remark(note))
        hear = _with_previews(listen, target) if keeping.preview else listen
        dreamt = dreamer.run_view(Tensors(original.colour), plan, job, hear)
        metadata = describe(dreamer, original.sha256, plan)
        export(
            Result(dreamt, original),
            Extras(original.icc_profile, original.exif),
            target,
            format,
            metadata,
            progress=lambda share: listen(Transfer("writing", share)),
            tell=lambda remark: listen(Remark(remark)),
        )
    except BaseException:
        # What an earlier run left is kept, whatever this one came to.
        if not earlier and not _worth_keeping(job, original):
            _discard(folder, base)
        raise
    if not keeping.work:
        _discard(folder, base)
    return Rendered(str(target), original.shape, metadata)


@dataclass(frozen=True)
class Result:
    """The finished pixels of a dream: see `dreamray.pictures.strips.Finished`."""

    dreamt: View
    source: Source

    @property
    def shape(self) -> Shape:
        """Height and width."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the source's."""
        return np.dtype(self.source.dtype)

    @property
    def channels(self) -> int:
        """3, or 4 with alpha."""
        return 3 if self.source.alpha is None else 4

    def rows(self, start: int, stop: int) -> pictures.Pixels:
        """uint8 or uint16 [stop - start, width, channels]."""
        rows, columns = Interval(start, stop), Interval(0, self.shape.width)
        colour = from_tensor(read(self.dreamt, Region(rows, columns)), self.dtype)
        if self.source.alpha is None:
            return colour
        alpha = self.source.alpha.points(np.arange(*rows), np.arange(*columns))
        return np.concatenate([colour, alpha], axis=-1)


def work_folder(target: Location, work: str | None) -> tuple[Folder, Folder]:
    """Where work is kept, and the folder in it for one result."""
    base = locate_folder(work) if work else target.folder.folder(WORK)
    whole = os.path.realpath(target.path) if isinstance(target, LocalFile) else str(target)
    digest = hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]
    return base, base.folder(f"{target.name}-{digest}")


def _original(
    place: Location, fingerprint: str, base: Folder, folder: Folder, listen: Listener
) -> Source:
    """The source as a canvas: as it is there, or brought in."""
    known = ingest.opened_source(folder)
    if known is not None and (known.fingerprint == fingerprint or _same(place, known)):
        return known
    if known is not None:
        listen(Remark(f"{folder} holds work with another source: starting afresh"))
    _discard(folder, base)
    try:
        return ingest.ingest(place, folder, tell=lambda note: listen(Remark(note)))
    except BaseException:
        _discard(folder, base)
        raise


def _same(place: Location, known: Source) -> bool:
    """Whether a source that was touched or moved has the content it had."""
    with place.opened() as path, path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == known.sha256


def _request(dreamer: Dreamer, source: Source, plan: PicturePlan) -> dict[str, str]:
    """All that the bytes of the result depend on."""
    tiles = [
        (
            stage.shape,
            stage.tiles.rows,
            stage.tiles.columns,
            stage.tiles.core_rows,
            stage.tiles.core_columns,
        )
        for stage in plan.stages
    ]
    about = dict(dreamer.crew(plan).about())
    return {
        "source": source.sha256,
        "dream": dreamer.dream.digest(),
        "weights": dreamer.weights.sha256,
        "tiles": hashlib.sha256(repr(tiles).encode()).hexdigest(),
        "seams": f"{dreamer.execution.seams} {dreamer.execution.overlap}",
        "precision": dreamer.execution.precision,
        "number of threads": str(about.pop("threads")),
        "device": json.dumps(about, sort_keys=True),
        "version": __version__,
    }


def _with_previews(listen: Listener, target: Location) -> Listener:
    def hear(event: Event) -> None:
        listen(event)
        if isinstance(event, OctaveDone):
            try:
                place = write_preview(event.result, target)
            except DreamrayError as error:  # The picture itself is worth going on with.
                listen(Remark(f"no preview: {error}"))
            else:
                listen(Remark(f"preview of octave {event.number + 1}: {place}"))

    return hear


def _worth_keeping(job: Job | None, source: Source) -> bool:
    """Whether going on from this work saves more than a moment."""
    large = source.shape.pixels > HELD_PIXELS
    return large or (job is not None and job.begun)


def _discard(folder: Folder, base: Folder) -> None:
    """Remove the work on one result; its records first, so that no half of it is gone on with."""
    folder.file(RECORD).remove()
    folder.file(ingest.RECORD).remove()
    folder.remove()
    if isinstance(base, LocalFolder) and base.path.name == WORK:
        with contextlib.suppress(OSError):  # Other work is in it.
            base.path.rmdir()
