"""One run at a time writes into a place: a lease, which its holder renews.

The lease is a small file beside what is written. Clocks of different machines are never compared:
a newcomer watches the file, and whoever has not renewed it for `dead_after` seconds of the
newcomer's own clock is dead. The holder itself gives up sooner than that.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from dreamray.base.errors import DreamrayError, RequestError, StorageError
from dreamray.base.messages import Warn, shown
from dreamray.base.parsing import read_bounded
from dreamray.storage.lease_holder import MOST_BYTES, Holder
from dreamray.storage.places import Folder, Location, NoLocksError
from dreamray.storage.waits import is_waiting

_log = logging.getLogger(__name__)

NAME = "lease.json"

_TRIES = 5
"""To take a lease that changes while it is looked at."""

_LEAST_WAIT = 2.0
"""Seconds that a renewal is waited for which should be there long since."""


class Lease:
    """The right to write into a place, which `hold_lease` takes."""

    def __init__(
        self, file: Location, place: str, holder: Holder, taken: float, trusted: float
    ) -> None:
        """`place` is written; `taken` is a time of `_clock` before that, `trusted` are seconds."""
        self._file = file
        self._place = place
        self._holder = holder
        self._renewed = taken
        self._trusted = trusted
        self._lost_to: str | None = None
        self._failure = ""
        self.taken_over = False
        """Whether a holder before this one ended without giving it up."""
        self._tried = holder.renewals
        self._lock = threading.Lock()
        self._renewing: threading.Thread | None = None
        self._renewing_since = 0.0

    def check(self) -> None:
        """Raise DreamrayError if another run may write here now. Call it before each record.

        It costs nothing as long as the lease is renewed in time. If it was not, as this process
        or its machine was suspended, or the storage failed, it is renewed here, but a storage
        that does not answer is not waited for; one that asks to wait is.
        """
        if self._is_fresh():
            return
        self.renew(self._trusted / 4)
        while not self._is_fresh() and self._lost_to is None and is_waiting():
            time.sleep(_LEAST_WAIT / 4)  # The storage asked for that, and nothing is written.
            self.renew(self._trusted / 4)
        if self._is_fresh():
            return
        if self._lost_to is not None:
            raise DreamrayError(f"{self._place}: {self._lost_to}")
        raise DreamrayError(
            f"{self._place}: the lease could not be renewed for {self._trusted:.0f} s: "
            f"{self._failure or 'the storage does not answer'}; run it again to go on"
        )

    @property
    def is_held(self) -> bool:
        """Whether no other run may write here, as far as is known without a request."""
        return self._is_fresh()

    def keep(self, every: float, stop: threading.Event) -> None:
        """Renew it every so many seconds until `stop` is set."""
        while not stop.wait(every):
            self.renew(every)

    def renew(self, within: float) -> None:
        """Renew it unless it is lost; `check` tells of failures.

        A request may hang for as long as it likes: it is made in a thread of its own, one at a
        time, and waited for so many seconds from its start.
        """
        with self._lock:
            if self._renewing is None or not self._renewing.is_alive():
                self._renewing_since = time.monotonic()
                self._renewing = threading.Thread(target=self._try, name="renewal", daemon=True)
                self._renewing.start()
            renewing = self._renewing
            left = self._renewing_since + within - time.monotonic()
        renewing.join(max(_LEAST_WAIT, left))

    def release(self, within: float) -> None:
        """Remove it, if it is held still; a storage that does not answer is not waited for."""
        self._holder.end()
        if self._renewing is not None:
            self._renewing.join(within)
            if self._renewing.is_alive():
                return
        # If that fails, whoever comes next waits until it is dead.
        removing = threading.Thread(target=self._remove, name="release", daemon=True)
        removing.start()
        removing.join(within)

    def prove(self) -> None:
        """Renew it for the first time, so that a storage which cannot is known at once.

        Raises StorageError.
        """
        self._renew()
        if reason := self._lost_to or self._failure:
            raise StorageError(f"{self._place}: no lease can be kept there: {reason}")

    def _is_fresh(self) -> bool:
        return self._lost_to is None and _clock() <= self._renewed + self._trusted

    def _remove(self) -> None:
        with suppress(DreamrayError):
            self._file.compare_and_swap(self._holder.to_json(), None)

    def _try(self) -> None:
        if self._lost_to is not None:
            return
        try:
            self._renew()
        except DreamrayError as error:
            _log.info("the lease is not renewed: %s", error)
            self._failure = str(error)

    def _renew(self) -> None:
        for _ in range(2):
            self._tried += 1  # So what is found is known to be of this attempt.
            asked, renewed = _clock(), replace(self._holder, renewals=self._tried)
            done = self._file.compare_and_swap(self._holder.to_json(), renewed.to_json())
            text = renewed.to_json() if done else _text(self._file)
            if text is None:
                self._lost_to = (
                    f"{shown(self._file.name)} was removed; run it again and leave that file alone"
                )
                return
            found = Holder.from_json(text)
            if found is None or found.owner != self._holder.owner:
                self._lost_to = f"{_run_of(found)} took over; let it finish, then run this again"
                return
            if found == renewed:
                self._holder, self._renewed, self._failure = renewed, asked, ""
                return
            # An earlier renewal was written, but its answer was lost.
            self._holder = found
        self._failure = "the storage does not put what replaces the expected (If-Match)"


@contextmanager
def hold_lease(
    folder: Folder,
    warn: Warn,
    *,
    name: str = NAME,
    place: object = None,
    other: str = "destination",
    every: float = 10.0,
    dead_after: float = 45.0,
) -> Iterator[Lease]:
    """Hold a lease, a file of this name in a folder, and renew it every so many seconds.

    `place` is what it gives the right to write, the folder if nothing else is said; `other` is
    what to name instead of it. A lease that is there already is refused if its process is seen at
    work on this machine, and taken over if it is seen to be gone. Else it is watched, which `warn`
    is told: if it was not renewed for `dead_after` seconds, it is taken over. Of all that try one
    gets it. Give the same times to all runs, and several renewals time in `dead_after`.

    Where files cannot be locked that is told, and nothing keeps two runs apart.

    Raises RequestError if another run holds it; StorageError where the storage cannot keep one;
    otherwise as `Location.create_if_absent`.
    """
    file, shown_place = folder.file(name), shown(place or folder)
    lease = _Taking(file, shown_place, other, warn, every, dead_after).take()
    stop = threading.Event()
    try:
        try:
            lease.prove()
        except NoLocksError as error:
            warn(f"{error}: nothing keeps two runs apart there, so see that there is but one")
            file.remove()
            lease = Lease(file, shown_place, Holder.me(), _clock(), trusted=math.inf)
        else:
            keeping = threading.Thread(target=lease.keep, args=(every, stop), daemon=True)
            keeping.start()
        yield lease
    finally:
        stop.set()
        lease.release(min(every, _LEAST_WAIT))


@dataclass(frozen=True)
class _Taking:
    """Somebody who wants a lease."""

    file: Location
    place: str
    other: str
    warn: Warn
    every: float
    dead_after: float
    me: Holder = field(default_factory=Holder.me)

    def take(self) -> Lease:
        """See `hold_lease`."""
        for _ in range(_TRIES):
            asked = _clock()
            if self.file.create_if_absent(self.me.to_json()):
                _log.info("%s is created", self.file)
                return self._taken(self.me, asked)
            text = _text(self.file)
            if text is None:
                continue
            found = Holder.from_json(text)
            if found is not None and found.owner == self.me.owner:
                return self._taken(found, asked)  # It was written, but the answer was lost.
            if found is not None and found.is_at_work():
                raise self._held_by(found)
            if found is None or not found.has_ended():
                self._watch(text)
            asked = _clock()
            if self.file.compare_and_swap(text, self.me.to_json()):
                _log.info("%s is taken over from %s", self.file, _run_of(found))
                lease = self._taken(self.me, asked)
                lease.taken_over = True
                return lease
            if _text(self.file) == text:
                raise StorageError(
                    f"{self.place}: the storage does not replace {shown(self.file)}, as if it "
                    "had changed (If-Match); use one that can, or remove that file"
                )
        if _text(self.file) is None:
            raise StorageError(
                f"{self.place}: the storage does not create {shown(self.file)}, as if it were "
                "there (If-None-Match); write to another place, or mend the storage"
            )
        raise StorageError(
            f"{self.place}: {shown(self.file)} changes whenever it is looked at; see that no "
            "other run is writing there, then run it again"
        )

    def _taken(self, holder: Holder, asked: float) -> Lease:
        holder.begin()
        # The holder stops half a renewal before any newcomer can take over.
        return Lease(self.file, self.place, holder, asked, self.dead_after - self.every / 2)

    def _held_by(self, holder: Holder | None) -> RequestError:
        return RequestError(
            f"{self.place}: {_run_of(holder)} is writing here; let it finish or stop it, or "
            f"choose another {self.other}"
        )

    def _watch(self, text: bytes) -> None:
        """Return once the lease is dead or gone. Raises RequestError if somebody renews it."""
        self.warn(
            f"{self.place}: {_run_of(Holder.from_json(text))} has not finished; waiting up to "
            f"{self.dead_after:.0f} s to see whether it goes on"
        )
        until = _clock() + self.dead_after
        while _clock() < until:
            time.sleep(self.every / 5)
            now = _text(self.file)
            if now is None:
                return
            if now != text:
                raise self._held_by(Holder.from_json(now))


def _run_of(holder: Holder | None) -> str:
    return "a run of another version of dreamray" if holder is None else str(holder)


def _text(file: Location) -> bytes | None:
    """What the lease says now; None if there is none."""
    try:
        return read_bounded(file, MOST_BYTES, "a lease")
    except RequestError:
        return read_bounded(file, MOST_BYTES, "a lease") if file.exists() else None


def _clock() -> float:
    """Seconds that go on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
