"""Finding out what a set asks for, what its destination has, and so what is to be done."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from dreamray.base.errors import NotFoundError, PictureError, RequestError
from dreamray.base.messages import shown
from dreamray.bulk.bulk_events import BulkListener, PicturesListed
from dreamray.bulk.digests import request_digest
from dreamray.bulk.entry import Entry
from dreamray.bulk.naming import RESERVED, is_text, output_name
from dreamray.bulk.record import Record, State
from dreamray.bulk.report import thumbnail_name
from dreamray.bulk.request import BulkRequest
from dreamray.bulk.sources import entries
from dreamray.bulk.task import Task, utc_now
from dreamray.bulk.task_store import TaskRow, TaskStore
from dreamray.engine.events import Notice
from dreamray.settings.dream import Dream
from dreamray.storage import locate

LISTED_EVERY = 2.0
"""Seconds between events of the listing."""


class BulkPlanner:
    """The tasks of a set, by way of its task store."""

    def __init__(self, wanted: BulkRequest, store: TaskStore, on_event: BulkListener) -> None:
        self._wanted = wanted
        self._store = store
        self._on_event = on_event
        self._dream = functools.lru_cache(maxsize=64)(self._parse)
        self._left_out = 0

    def find(self, earlier: Iterable[Record]) -> list[Record]:
        """List sources and destination; `earlier` is what the manifest has.

        Returns the pictures that have failed by now, as no result can have their name. Raises
        RequestError for two sources with one result, for settings that are not allowed, and as
        `entries` does.
        """
        wanted, refused = self._wanted, list[Record]()
        self._store.remember(earlier)
        found = entries(wanted.source, wanted.include, wanted.destination, self._leave_out)
        if clashes := self._store.ask(self._asked(found, refused)):
            output, one, other = clashes[0]
            more = f", and {len(clashes) - 1} more such names" if len(clashes) > 1 else ""
            raise RequestError(
                f"{shown(one)} and {shown(other)} would both become {shown(output)}{more}; rename "
                "one, or name the results in a list"
            )
        for record in refused:
            self._store.refuse(record)
        if self._left_out:
            files = "1 file is" if self._left_out == 1 else f"{self._left_out} files are"
            self._on_event(Notice(f"{files} left out, as no pictures by name"))
        if not self._store.counts.total:
            self._tell_empty()
        self._store.find(self._results())
        self._store.settle(overwrite=wanted.overwrite)
        return refused

    def _tell_empty(self) -> None:
        """A prefix that is used up is all right; one that never had any may be mistyped."""
        place = shown(self._wanted.source)
        if not self._store.knows_any:
            raise RequestError(f"{place}: there are no pictures; check the name and --include")
        self._on_event(Notice(f"{place} has no pictures"))

    def tasks(self) -> Iterator[Task]:
        """What is to be made, in the order of the listing."""
        return map(self._task, self._store.todo())

    def _asked(self, found: Iterator[Entry], refused: list[Record]) -> Iterator[TaskRow]:
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
                name = shown(entry.output or entry.name)
                refused.append(
                    Record(name, shown(source), State.FAILED, finished=utc_now(), error=str(error))
                )
                continue
            settings = json.dumps(entry.settings, sort_keys=True) if entry.settings else ""
            try:
                _, request = self._dream(settings)
            except RequestError as error:
                raise RequestError(f"{entry.line}: {error}") from None
            yield TaskRow(output, source, entry.fingerprint, request, settings)

    def _results(self) -> Iterator[tuple[str, str]]:
        """What the destination has, but for what belongs to runs themselves."""
        try:
            for found in self._wanted.destination.files():
                if found.name.partition("/")[0] not in RESERVED and is_text(found.name):
                    yield found.name, found.fingerprint
        except NotFoundError:  # The first result makes it.
            return

    def _parse(self, settings: str) -> tuple[Dream, str]:
        """A picture's dream, and the digest of its request."""
        own: dict[str, Any] = json.loads(settings) if settings else {}
        wanted = self._wanted
        dream = wanted.dream.replace(**own)
        return dream, request_digest(dream, wanted.weights_sha256, wanted.execution)

    def _task(self, row: TaskRow) -> Task:
        wanted = self._wanted
        dream, _ = self._dream(row.settings)
        thumbnail = wanted.destination.file(thumbnail_name(row.output))
        return Task(
            output=row.output,
            source=locate(row.source),
            target=wanted.destination.file(row.output),
            dream=dream,
            request=row.request,
            earlier=row.earlier,
            there=row.there,
            overwrite=wanted.overwrite,
            thumbnail=thumbnail if wanted.thumbnails else None,
        )

    def _leave_out(self) -> None:
        self._left_out += 1
