"""The folder where the work on one result is kept until it is done, by one render at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from dreamray.base.errors import DreamrayError, RequestError
from dreamray.base.messages import Warn, shown
from dreamray.pictures import ingest
from dreamray.pictures.ingest import Source
from dreamray.raster.pixels import HELD_PIXELS
from dreamray.render.checkpoint import RECORD, CheckpointStore
from dreamray.storage import Folder, LocalFile, LocalFolder, Location, locate_folder, within
from dreamray.storage.lease import Lease, hold_lease

WORK = ".dreamray"
"""The folder beside the output where work is kept, if nothing else is said."""

_NAME_BYTES = 200
"""Of a result's name in that of its work's folder."""

_SOON = 4.0
"""Seconds that tidying up after a failure may take."""


def work_folder(target: Location, work: str | None) -> tuple[Folder, Folder]:
    """Where work is kept, and the folder in it for one result."""
    real = _behind_links(target)
    base = locate_folder(work) if work else real.folder.folder(WORK)
    name, encoded = target.name, target.name.encode(errors="surrogateescape")
    if len(encoded) > _NAME_BYTES:  # With what is added it may be too long for a folder's.
        name = encoded[:_NAME_BYTES].decode(errors="ignore")
    return base, base.folder(f"{name}-{_digest(str(real))[:8]}")


def _behind_links(target: Location) -> Location:
    """What is written: an output that somebody names may be a link."""
    if isinstance(target, LocalFile):
        return LocalFile(Path(os.path.realpath(target.path)))
    return target


class Work:
    """The work on one result, which nobody else does meanwhile: `hold_work` gives it."""

    def __init__(self, folder: Folder, leases: list[Lease]) -> None:
        self.folder = folder
        self._leases = leases

    def check(self) -> None:
        """Raise DreamrayError if another run may do it now: see `Lease.check`."""
        for lease in self._leases:
            lease.check()

    def discard(self) -> None:
        """Remove it; its records first, so that no half of it is gone on with.

        What another run has taken over is left to that.
        """
        if all(lease.is_held for lease in self._leases):
            self.folder.file(RECORD).remove()
            self.folder.file(ingest.RECORD).remove()
            self.folder.remove()

    def discard_soon(self) -> None:
        """`discard` after a failure: that says more than another one, and is not kept waiting."""
        with suppress(DreamrayError), within(_SOON):
            self.discard()

    @property
    def is_begun(self) -> bool:
        """Whether there are checkpoints."""
        return self.folder.file(RECORD).exists()


def is_worth_keeping(store: CheckpointStore | None, source: Source) -> bool:
    """Whether going on from this work saves more than a moment."""
    large = source.shape.pixels > HELD_PIXELS
    return large or (store is not None and store.begun)


@contextmanager
def hold_work(target: Location, work: str | None, warn: Warn, *, overwrite: bool) -> Iterator[Work]:
    """The work on a result, while no other render may write that, or work in that folder.

    The lease lies beside the output, whatever it is called and wherever work is kept; another one
    where work is kept, if that is elsewhere. What killed processes have left beside the output is
    removed. Raises RequestError if another run holds one, or if the folder for the work has
    something in it that is not dreamray's, but with `overwrite`; else as `hold_lease`.
    """
    base, folder = work_folder(target, work)
    real = _behind_links(target)
    held = {real.folder.folder(WORK): real.name}
    if work:
        held[base] = str(folder)
    with ExitStack() as closing:
        for place in held:
            closing.callback(_remove_if_empty, place)
        leases = [
            closing.enter_context(
                hold_lease(
                    place,
                    warn,
                    name=f"lease-{_digest(name)[:16]}.json",
                    place=target,
                    other="output",
                )
            )
            for place, name in held.items()
        ]
        for place in (real.folder, *held):
            place.remove_leftovers()
        done = Work(folder, leases)
        if not (done.is_begun or folder.file(ingest.RECORD).exists()) and not folder.is_empty():
            if not overwrite and not any(lease.taken_over for lease in leases):
                raise RequestError(
                    f"{shown(folder)}: there is something that dreamray has not made, where the "
                    "work belongs; move it away, name another --work, or give --overwrite"
                )
            done.discard()
        yield done


def _remove_if_empty(place: Folder) -> None:
    if isinstance(place, LocalFolder) and place.path.name == WORK:
        place.remove_if_empty()


def _digest(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()
