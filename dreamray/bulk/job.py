"""Sets of pictures of any size: a folder, an s3:// prefix or a list becomes a set of dreams.

    dream_set("photos", "s3://bucket/dreams", Dream(octaves=2))

`dreamray.bulk` lists the modules that this one brings together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dreamray.base.errors import DreamrayError, RequestError
from dreamray.base.messages import Warn
from dreamray.bulk.bulk_events import BulkEvent, BulkListener
from dreamray.bulk.entry import EntryList
from dreamray.bulk.existing import check_ours
from dreamray.bulk.reporting import Reporting
from dreamray.bulk.request import BulkRequest, Limit
from dreamray.bulk.scheduler import BulkScheduler
from dreamray.bulk.sources import is_list
from dreamray.bulk.task_executor import TaskExecutor, ThreadTaskExecutor
from dreamray.bulk.task_runner import TaskRunnerSpec
from dreamray.bulk.task_store import Counts, TaskStore
from dreamray.engine.events import Notice, ignore
from dreamray.engine.worker import EngineSpec
from dreamray.model.cuda import usable_card
from dreamray.model.processor import remark_on, this_processor
from dreamray.model.weights import loader
from dreamray.pictures.encoding import Format
from dreamray.render.default_layers import settle_layers
from dreamray.render.guide import open_guide
from dreamray.render.named_pictures import (
    check_masks,
    look_at_held_masks,
    read_pictures,
    settle_pictures,
)
from dreamray.render.workspace import WORK
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import Folder, LocalFolder, locate_folder
from dreamray.storage.lease import hold_lease

__all__ = ["BulkOptions", "dream_set"]


@dataclass(frozen=True)
class BulkOptions:
    """What can be said of a set, beside the dream and its execution."""

    include: tuple[str, ...] = ()
    """Patterns of names; without any, what ends like a picture."""
    format: Format | None = None
    """Of all results; None for that of each source."""
    overwrite: bool = False
    """Make all anew, whatever is there."""
    max_failures: Limit | None = None
    """Stop when more pictures than this have failed."""
    batch: int = 1
    """Pictures of one shape that are dreamt at a time, at the most."""
    padded: bool = False
    """Compute them as one array, always of `batch` pictures; bits then depend on `batch`."""
    report: bool = True
    """Write `index.html` and thumbnails."""


def dream_set(
    source: str,
    destination: str,
    dream: Dream | None = None,
    *,
    execution: Execution | None = None,
    options: BulkOptions = BulkOptions(),
    on_event: BulkListener = ignore,
) -> Counts:
    """Dream of every picture of a source, and put the results into a destination.

    What an earlier run has finished is left as it is, if neither source nor settings nor
    weights have changed. Pictures that fail cost only themselves; they are in the counts, in
    the manifest and in the report.

    Raises RequestError and StorageError for what is wrong with all of it, before anything is
    written; DreamrayError where going on is hopeless. Whatever is raised, what is done is
    recorded, and running it again goes on.
    """
    # Workers may be in another folder.
    source = _make_absolute(source)
    return dream_entries(
        source, destination, dream, execution=execution, options=options, on_event=on_event
    )


def dream_entries(
    source: str | EntryList,
    destination: str,
    dream: Dream | None = None,
    *,
    execution: Execution | None = None,
    options: BulkOptions = BulkOptions(),
    on_event: BulkListener = ignore,
) -> Counts:
    """`dream_set` of what a program asks for, too."""
    folder = locate_folder(_make_absolute(destination))
    check_ours(folder, source, report=options.report, overwrite=options.overwrite)
    folder.check_writable()

    def warn(text: str) -> None:
        on_event(Notice(text))

    execution = execution or Execution()
    asked = settle_pictures(dream or Dream())
    named = read_pictures(asked)
    open_guide(asked, named)  # What is wrong with it is so for all.
    look_at_held_masks(asked, named)
    listed = is_list(source)  # Those of a list may have masks and layers of their own.
    if asked.names_layers and not listed:
        check_masks(asked)
    loaded = loader.load(execution.weights, warn=warn)
    dream = settle_layers(asked, loaded, warn)
    if not asked.names_layers:  # Now it has some, that have not been looked at.
        if not listed:
            check_masks(dream)
        open_guide(dream, named)
    if not execution.on_ray and usable_card() is None:  # On a cluster, its workers tell.
        about = {"instructions": this_processor().instructions}
        if remark := remark_on(execution.precision, about):
            warn(remark)
    wanted = BulkRequest(
        source=source,
        destination=folder,
        dream=dream,
        execution=execution,
        weights_sha256=loaded.sha256,
        include=options.include,
        format=options.format,
        overwrite=options.overwrite,
        max_failures=options.max_failures,
        thumbnails=options.report,
        weights_name=loaded.name,
    )
    base = EngineSpec(
        dream,
        loaded,
        execution.precision,
        execution.threads,
        kernels=execution.kernels,
        compiler=execution.compiler,
    )
    spec = TaskRunnerSpec(base, execution, options.batch, named, options.padded)
    work = folder.folder(WORK)
    with (
        _remove_if_empty(work, folder),
        hold_lease(work, warn, place=folder) as lease,
        TaskStore() as store,
        contextlib.ExitStack() as closing,
    ):
        reporting = Reporting(wanted, store, lease.check) if options.report else None
        if reporting is not None:
            closing.callback(reporting.close)

        def handle(event: BulkEvent) -> None:
            on_event(event)
            if reporting is not None:
                reporting.on_event(event)

        run = BulkScheduler(wanted, store, lease.check, handle)
        run.plan()
        try:
            run.check_failures()
            if store.counts.left:
                with _task_executor(spec, store.counts.left, warn) as executor:
                    run.make(executor)
        except BaseException as error:
            problem = str(error) if isinstance(error, DreamrayError) else "interrupted"
            with contextlib.suppress(DreamrayError):  # The first error says more.
                _finish(run, reporting, problem)
            raise
        _finish(run, reporting)
        return store.counts


def _make_absolute(place: str) -> str:
    """A path from the root; a URI as it is."""
    if "://" in place or not place:
        return place
    folder = locate_folder(place)
    try:
        return str(Path(str(folder)).absolute()) + "/" * place.endswith("/")
    except FileNotFoundError:
        raise RequestError(f"{place}: the current folder is gone; change to another one") from None


def _finish(run: BulkScheduler, reporting: Reporting | None, problem: str = "") -> None:
    """Record what was done, first what must not be lost."""
    run.keep()
    if run.changed:
        run.complete(lambda: None if reporting is None else reporting.finish(problem))


@contextlib.contextmanager
def _task_executor(spec: TaskRunnerSpec, pictures: int, warn: Warn) -> Iterator[TaskExecutor]:
    if spec.execution.on_ray:
        from dreamray.bulk.executors import ray_task_executor

        with ray_task_executor(spec, spec.execution, pictures, warn) as executor:
            yield executor
    else:
        with contextlib.closing(ThreadTaskExecutor(spec)) as here:
            yield here


@contextlib.contextmanager
def _remove_if_empty(work: Folder, destination: Folder) -> Iterator[None]:
    made = isinstance(destination, LocalFolder) and not destination.exists()
    try:
        yield
    finally:
        work.remove_if_empty()
        if made:
            destination.remove_if_empty()
