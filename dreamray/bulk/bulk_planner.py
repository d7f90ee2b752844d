"""Finding out what a set asks for, what its destination has, and so what is to be done."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from dreamray.base.errors import NotFoundError, PictureError, RequestError, UnreadableError
from dreamray.base.messages import plural, shown
from dreamray.bulk.bulk_events import BulkListener, PictureDone, PicturesListed
from dreamray.bulk.clashes import decide
from dreamray.bulk.digests import request_digest
from dreamray.bulk.entry import Entry
from dreamray.bulk.left_out import Cause, LeftOut, unread_reason
from dreamray.bulk.naming import RESERVED, claim_of, is_text, output_name
from dreamray.bulk.record import Record, State
from dreamray.bulk.report import thumbnails_of
from dreamray.bulk.request import BulkRequest
from dreamray.bulk.sources import entries
from dreamray.bulk.task import Task, utc_now
from dreamray.bulk.task_store import TaskRow, TaskStore
from dreamray.engine.events import Notice
from dreamray.pictures.noise import locate_source
from dreamray.render.guide import check_followed
from dreamray.render.named_pictures import check_masks, settle_pictures
from dreamray.settings.dream import Dream
from dreamray.storage import ListedFile, Location

_NAMED = 3
"""Results with another name that are told."""

LISTED_EVERY = 2.0
"""Seconds between events of the listing."""


class BulkPlanner:
    """The tasks of a set, by way of its task store."""

    def __init__(self, wanted: BulkRequest, store: TaskStore, on_event: BulkListener) -> None:
        self._wanted = wanted
        self._store = store
        self._on_event = on_event
        self._dream = functools.lru_cache(maxsize=64)(self._parse)
        self._left_out = LeftOut()
        self._changed = False

    def find(self, earlier: Iterable[Record]) -> bool:
        """List sources and destination; `earlier` is what the manifest has.

        Pictures that cannot have a result's name, or would have that of another one, have failed
        then. Returns whether anything is recorded now that the manifest did not have. Raises
        RequestError for settings that are not allowed, and as `entries` does.
        """
        wanted = self._wanted
        self._store.remember(earlier)
        found = entries(wanted.source, wanted.include, wanted.destination, self._leave_out)
        self._store.ask(self._asked(found))
        self._settle_clashes()
        for line in self._left_out.lines():
            self._on_event(Notice(line))
        if not self._store.counts.total:
            self._tell_empty()
        self._store.find(self._results())
        if again := self._store.settle(overwrite=wanted.overwrite):
            self._on_event(
                Notice(
                    f"{plural(again, 'picture')} that failed for good not tried again: change the "
                    "file or the settings, or give --overwrite"
                )
            )
        return self._changed

    def _tell_empty(self) -> None:
        """A prefix that is used up is all right; one that never had any may be mistyped."""
        place = shown(self._wanted.source)
        if not self._store.knows_any:
            read = " of a format that is read" if Cause.UNREAD in self._left_out.counts else ""
            check = "the name and --include" if self._wanted.include else "the name"
            raise RequestError(f"{place}: there are no pictures{read}; check {check}")
        self._on_event(Notice(f"{place} has no pictures"))

    def tasks(self) -> Iterator[Task]:
        """What is to be made, in the order of the listing."""
        return map(self._task, self._store.todo())

    def _asked(self, found: Iterator[Entry]) -> Iterator[TaskRow]:
        told = time.monotonic()
        for number, entry in enumerate(found, 1):
            if time.monotonic() - told > LISTED_EVERY:
                told = time.monotonic()
                self._on_event(PicturesListed(number))
            source = str(entry.source)
            try:
                output = output_name(entry, self._wanted.format)
                if not is_text(source):
                    raise PictureError(f"{shown(source)}: its name is not UTF-8: rename it")
            except PictureError as error:
                self._fail(shown(entry.output or entry.name), source, str(error))
                continue
            settings = json.dumps(entry.settings, sort_keys=True) if entry.settings else ""
            try:
                dream, request = self._dream(settings)
            except (NotFoundError, UnreadableError) as error:  # Of a picture that it names.
                self._fail(shown(output), source, str(error))
                continue
            except RequestError as error:
                raise RequestError(f"{entry.line}: {error}") from None
            named = {setting.partition(".")[0] for setting in dream.named_pictures}
            if own := named & entry.settings.keys():
                known = dream.model_dump(mode="json", include=own)
                settings = json.dumps({**entry.settings, **known}, sort_keys=True)
            yield TaskRow(
                output,
                source,
                entry.fingerprint,
                request,
                settings,
                entry.name,
                claim_of(entry, output),
            )

    def _settle_clashes(self) -> None:
        """Give each picture a result's name of its own, or record why it has none."""
        renamed = list[str]()
        # Twice: a longer name may be another picture's, too.
        for _ in range(2):
            for output, claimants in self._store.clashes():
                decision = decide(output, claimants)
                for one in (*decision.dropped, *decision.failed):
                    self._store.drop(one.number)
                for one, longer in decision.renamed:
                    self._store.rename(one.number, longer)
                    renamed.append(f"{shown(one.name)} becomes {shown(longer)}")
                for one in decision.failed:
                    others = [other.source for other in claimants if other != one]
                    other = next((o for o in others if o != one.source), "another line of the list")
                    reason = f"{shown(other)} would become {shown(output)}, too"
                    error = (
                        f"{shown(one.source)}: {reason}; rename one, or name the results in a list"
                    )
                    self._fail(shown(one.source), one.source, error)
        if renamed:
            count = plural(len(renamed), "result")
            more = ", …" if len(renamed) > _NAMED else ""
            named = ", ".join(renamed[:_NAMED])
            self._on_event(Notice(f"{count} named longer, as another has its name: {named}{more}"))

    def _fail(self, output: str, source: str, error: str) -> None:
        self._refuse(Record(output, shown(source), State.FAILED, finished=utc_now(), error=error))

    def _refuse(self, record: Record) -> None:
        known = self._store.refuse(record)
        self._changed |= not known
        if record.state is State.FAILED and not known:
            self._on_event(PictureDone(record, kept=False, work=0))

    def _results(self) -> Iterator[tuple[str, str]]:
        """What the destination has, but for what belongs to runs themselves."""
        try:
            for found in self._wanted.destination.files(clean=True):
                if found.name.partition("/")[0] not in RESERVED and is_text(found.name):
                    yield found.name, found.fingerprint
        except NotFoundError:  # The first result makes it.
            return

    def _parse(self, settings: str) -> tuple[Dream, str]:
        """A picture's dream, and the digest of its request."""
        own: dict[str, Any] = json.loads(settings) if settings else {}
        wanted = self._wanted
        dream = settle_pictures(wanted.dream.replace(**own))
        check_masks(dream)
        check_followed(dream)
        return dream, request_digest(dream, wanted.weights_sha256, wanted.execution)

    def _task(self, row: TaskRow) -> Task:
        wanted = self._wanted
        dream, _ = self._dream(row.settings)
        thumbnails = thumbnails_of(wanted.destination, row.output)
        return Task(
            output=row.output,
            source=locate_source(row.source),
            target=wanted.destination.file(row.output),
            dream=dream,
            request=row.request,
            earlier=row.earlier,
            there=row.there,
            overwrite=wanted.overwrite,
            thumbnails=thumbnails if wanted.thumbnails else None,
        )

    def _leave_out(self, found: ListedFile, place: Location, cause: Cause) -> None:
        self._left_out.add(found.name, cause)
        if cause is Cause.UNREAD:
            name = shown(found.name)
            self._refuse(
                Record(
                    name,
                    shown(place),
                    State.SKIPPED,
                    fingerprint=found.fingerprint,
                    finished=utc_now(),
                    note=unread_reason(place.name),
                )
            )
