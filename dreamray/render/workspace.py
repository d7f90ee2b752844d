"""The folder where the work on one result is kept until it is done."""

from __future__ import annotations

import contextlib
import hashlib
import os

from dreamray.base.errors import DreamrayError
from dreamray.pictures import ingest
from dreamray.pictures.ingest import Source
from dreamray.raster.pixels import HELD_PIXELS
from dreamray.render.checkpoint import RECORD, CheckpointStore
from dreamray.storage import Folder, LocalFile, LocalFolder, Location, locate_folder, within

WORK = ".dreamray"
"""The folder beside the output where work is kept, if nothing else is said."""

_SOON = 4.0
"""Seconds that tidying up after a failure may take."""


def work_folder(target: Location, work: str | None) -> tuple[Folder, Folder]:
    """Where work is kept, and the folder in it for one result."""
    base = locate_folder(work) if work else target.folder.folder(WORK)
    whole = os.path.realpath(target.path) if isinstance(target, LocalFile) else str(target)
    digest = hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]
    return base, base.folder(f"{target.name}-{digest}")


def is_worth_keeping(store: CheckpointStore | None, source: Source) -> bool:
    """Whether going on from this work saves more than a moment."""
    large = source.shape.pixels > HELD_PIXELS
    return large or (store is not None and store.begun)


def discard(folder: Folder, base: Folder) -> None:
    """Remove the work on one result; its records first, so that no half of it is gone on with."""
    folder.file(RECORD).remove()
    folder.file(ingest.RECORD).remove()
    folder.remove()
    if isinstance(base, LocalFolder) and base.path.name == WORK:
        base.remove_if_empty()


def discard_soon(folder: Folder, base: Folder) -> None:
    """`discard` after a failure: that says more than another one here, and is not kept waiting."""
    with contextlib.suppress(DreamrayError), within(_SOON):
        discard(folder, base)
