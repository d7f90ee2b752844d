"""One picture file: into a chunked raster, through its dream, and out into the finished file.

Nobody holds the whole picture on the way. Whatever happens, running the same again goes on
from the last checkpoint.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from dreamray.base.errors import DreamrayError
from dreamray.base.geometry import Shape
from dreamray.base.messages import Aside, Warn
from dreamray.base.version import __version__
from dreamray.engine.events import Event, Listener, Notice, OctaveDone, Transfer, ignore
from dreamray.pictures import ingest
from dreamray.pictures.deep_zoom_placement import check_place
from dreamray.pictures.encoding import Format, check_output, output_format
from dreamray.pictures.export import export
from dreamray.pictures.ingest import Source
from dreamray.pictures.noise import locate_source
from dreamray.pictures.outputs import OBJECT_MARK, check_not_read, check_output_place, is_dream
from dreamray.pictures.preview import preview_of, write_preview
from dreamray.raster.lazy import NormalizedRaster
from dreamray.render.checkpoint import CheckpointStore
from dreamray.render.provenance import describe, extras_of, resume_key
from dreamray.render.renderer import Renderer
from dreamray.render.result import DreamtPixels
from dreamray.render.workspace import Work, hold_work, is_worth_keeping, work_folder
from dreamray.storage import Folder, Location, locate


@dataclass(frozen=True)
class RenderResult:
    """A picture that was rendered."""

    output: str
    shape: Shape
    metadata: dict[str, Any]


@dataclass(frozen=True)
class RenderOptions:
    """What is done with what lies beside the result."""

    fresh: bool = False
    """Throw earlier work away, and begin anew."""
    work: bool = False
    """Leave the work where it is when all is done."""
    preview: bool = False
    """Write a small picture after each octave."""
    overwrite: bool = False
    """Replace what is in the result's place also where dreamray has not made it."""


def render_picture(
    source: str,
    output: str,
    renderer: Renderer,
    on_event: Listener = ignore,
    options: RenderOptions = RenderOptions(),
) -> RenderResult:
    """Read a picture, dream of it, and write the result, complete or not at all.

    `source` and `output` are paths or s3:// URIs; the output's suffix gives its format.
    Everything that can be known to be wrong is raised before the dream starts: RequestError,
    WeightsError, PictureError or StorageError.
    """
    target = locate(output)
    format = output_format(target.name)
    place = locate_source(source)
    fingerprint = place.fingerprint()
    _, folder = work_folder(target, renderer.execution.work)
    outputs = _Outputs(target, format, (place, *renderer.reads), folder, options)
    outputs.check()
    target.check_writable()
    folder.check_writable()

    def warn(text: str) -> None:
        on_event(Notice(text))

    with hold_work(target, renderer.execution.work, warn, overwrite=options.overwrite) as work:
        renderer.look_at_masks(place)
        renderer.load()
        if options.fresh:
            work.discard()
        earlier = work.is_begun
        size = renderer.dream.size
        original, store = _open_source(place, fingerprint, work, warn, size), None
        try:
            check_output(format, original.shape.width, original.shape.height)
            plan = renderer.plan(original.shape)
            if plan.advice:
                warn(Aside(plan.advice))
            masks = renderer.open_masks(plan, folder)
            key = resume_key(renderer, original, plan)
            store = CheckpointStore(folder, key, check=work.check)
            note = store.resume(len(plan.stages), lambda: renderer.executor(plan).about())
            if note:
                warn(note)
            handle = _with_previews(on_event, outputs) if options.preview else on_event
            picture = NormalizedRaster(original.colour)
            dreamt = renderer.dream_raster(picture, plan, store, handle, masks=masks)
            metadata = describe(renderer, original.sha256, plan, store.environment, place)
            export(
                DreamtPixels(dreamt, original),
                extras_of(original, renderer.execution),
                target,
                format,
                metadata,
                object_metadata={OBJECT_MARK: __version__},
                check=outputs.check_result,
                may_write=work.check,
                progress=lambda share: on_event(Transfer("writing", share)),
                warn=warn,
            )
        except BaseException:
            # What an earlier run left is kept, whatever this one came to.
            if not earlier and not is_worth_keeping(store, original):
                work.discard_soon()
            raise
        if not options.work:
            try:
                work.discard()
            except DreamrayError as error:  # The picture is there.
                warn(f"{folder}: this work is done, and stays: {error}")
    return RenderResult(str(target), original.shape, metadata)


def _open_source(
    place: Location, fingerprint: str, work: Work, warn: Warn, size: int | None
) -> Source:
    """The source as a chunked raster: as it is there, or brought in."""
    known = ingest.open_source(work.folder)
    if known is not None:
        untouched = (known.place, known.fingerprint) == (ingest.place_of(place), fingerprint)
        same = untouched or _has_same_content(place, known)
        if same and known.size == size:
            return known
        other = "size" if same else "source"
        warn(f"{work.folder} holds work with another {other}: starting afresh")
    work.discard()
    try:
        return ingest.ingest(place, work.folder, warn=warn, size=size)
    except BaseException:
        work.discard_soon()
        raise


def _has_same_content(place: Location, known: Source) -> bool:
    """Whether a source that was touched or moved has the content it had."""
    with place.as_local_file() as path, path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == known.sha256


@dataclass(frozen=True)
class _Outputs:
    """All that a render writes."""

    target: Location
    format: Format
    sources: tuple[Location, ...]
    work: Folder
    options: RenderOptions

    def check(self) -> None:
        """Raise RequestError where what is not dreamray's would be lost."""
        check_not_read(self.work, self.sources)
        self.check_result()
        if self.options.preview:
            self.check_preview()

    def check_result(self) -> None:
        """The same for the result alone: something may have come there meanwhile."""
        check = self._check_deep_zoom if self.format is Format.DEEP_ZOOM else self._check_picture
        check(self.target)

    def check_preview(self) -> None:
        """The same for the preview."""
        self._check_picture(preview_of(self.target))

    def _check_picture(self, place: Location) -> None:
        check_output_place(
            place, is_dream, overwrite=self.options.overwrite, sources=self.sources, hint=_HINT
        )

    def _check_deep_zoom(self, place: Location) -> None:
        check_place(place, overwrite=self.options.overwrite, sources=self.sources)


_HINT = (
    "for several pictures give a folder as the last one (`dreamray render a.jpg b.jpg folder/`), "
)


def _with_previews(on_event: Listener, outputs: _Outputs) -> Listener:
    def handle(event: Event) -> None:
        on_event(event)
        if isinstance(event, OctaveDone):
            try:
                outputs.check_preview()
                place = write_preview(event.result, outputs.target)
            except DreamrayError as error:  # The picture itself is worth going on with.
                on_event(Notice(f"no preview: {error}"))
            else:
                on_event(Notice(Aside(f"preview of octave {event.number + 1}: {place}")))

    return handle
