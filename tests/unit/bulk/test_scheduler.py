"""A run over a set: what it makes, tries again, gives up and records, however it ends."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamray.base.errors import DreamrayError, RequestError, StorageError
from dreamray.base.messages import plural
from dreamray.base.version import __version__
from dreamray.bulk import bulk_planner, job, reporting, retry_queue
from dreamray.bulk import scheduler as run_module
from dreamray.bulk import task_store as ledger_module
from dreamray.bulk.bulk_events import BulkEvent, BulkProgress, PictureDone
from dreamray.bulk.feeding import Feeding
from dreamray.bulk.job import BulkOptions, dream_set
from dreamray.bulk.manifest import Manifest
from dreamray.bulk.record import Record, State
from dreamray.bulk.request import BulkRequest, Limit, parse_limit
from dreamray.bulk.retry_queue import ATTEMPTS, DEATHS
from dreamray.bulk.scheduler import IN_A_ROW, BulkScheduler
from dreamray.bulk.task import Outcome, Task
from dreamray.bulk.task_executor import FinishedTask, ThreadTaskExecutor
from dreamray.bulk.task_store import Counts, TaskStore
from dreamray.engine.events import Notice
from dreamray.model.architecture import CONVOLUTIONS
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights
from dreamray.pictures.encoding import Format
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import LocalFolder, locate_folder

ONES = tuple(np.ones((1, 1, 1, 1), np.float32) for _ in CONVOLUTIONS)
PLAIN = Weights("plain", "5" * 64, ONES, ONES, ONES)


class Loss(enum.Enum):
    """Why a worker is lost, with what it has in hand."""

    DIED = enum.auto()
    """Perhaps of a picture."""
    REPLACED = enum.auto()
    """It failed again and again, for reasons of its own."""


Answer = Callable[[Task, int], Outcome | Loss]
"""What becomes of a task that is tried for the nth time, or of its worker."""


class Killed(BaseException):
    """In place of SIGKILL."""


class Death:
    """Once it has come, nothing is written any more, as after SIGKILL."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._has_come = False
        for name in ("add", "complete"):
            patch.setattr(Manifest, name, self._until_then(getattr(Manifest, name)))

    def comes(self) -> NoReturn:
        self._has_come = True
        raise Killed

    def is_over(self) -> None:
        """The next run begins."""
        self._has_come = False

    def _until_then(self, write: Callable[..., None]) -> Callable[..., None]:
        def written(manifest: Manifest, records: Iterable[Record], *then: Any) -> None:
            if self._has_come:
                raise Killed
            write(manifest, records, *then)

        return written


def good(task: Task, number: int = 1) -> Outcome:
    """The picture is written, as the bytes of its source."""
    task.target.write(b"dream of " + task.source.read())
    return Outcome(
        Record(
            task.output,
            str(task.source),
            State.DONE,
            fingerprint=task.source.fingerprint(),
            request=task.request,
            written=task.target.fingerprint(),
            worker="w",
        ),
        work=7,
    )


def bad(task: Task, number: int = 1, *, again: bool = False, own: bool = True) -> Outcome:
    error = f"{task.source}: it failed"
    record = Record(task.output, str(task.source), State.FAILED, request=task.request, error=error)
    return Outcome(record, again=again, own=own)


def out_of_order(task: Task, number: int = 1) -> Outcome:
    """A failure that is not the picture's own."""
    return bad(task, again=True, own=False)


class Script:
    """Hands that answer as they are told to, the last task first."""

    workers = 2

    def __init__(self, answer: Answer, room: int = 4) -> None:
        self._answer = answer
        self._room = room
        self._tasks: list[Task] = []
        self._numbers: Counter[str] = Counter()
        self.submitted: list[Task] = []
        self.asked: list[tuple[str, str, bool]] = []
        """Output, worker to avoid, and whether alone, of each task."""
        self.expected: list[int] = []
        self.heard: list[BulkEvent] = []

    def submit(self, task: Task, *, avoid: str = "", alone: bool = False) -> bool:
        if len(self._tasks) >= self._room:
            return False
        self._tasks.append(task)
        self.submitted.append(task)
        self.asked.append((task.output, avoid, alone))
        return True

    def finished(self, timeout: float) -> list[FinishedTask]:
        return list(self._ended())

    def _ended(self) -> Iterator[FinishedTask]:
        for _ in range(min(2, len(self._tasks))):
            task = self._tasks.pop()
            self._numbers[task.output] += 1
            number = self._numbers[task.output]
            answer, worker = self._answer(task, number), f"worker {number}"
            if isinstance(answer, Loss):
                yield FinishedTask(task, None, worker, suspect=answer is Loss.DIED)
            else:
                yield FinishedTask(task, answer, worker)

    def expect(self, tasks: int) -> None:
        self.expected.append(tasks)

    def on_event(self, event: BulkEvent) -> None:
        self.heard.append(event)

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    def close(self) -> None:
        pass

    @property
    def tried(self) -> list[str]:
        return [task.output for task in self.submitted]


class Crowded(Script):
    """Hands that have a worker for a suspect only when they have nothing else to do."""

    def submit(self, task: Task, *, avoid: str = "", alone: bool = False) -> bool:
        if alone and self._tasks:
            return False
        return super().submit(task, avoid=avoid, alone=alone)


class World:
    """A folder of sources, a destination, and runs from one to the other."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "in"
        self.destination = folder / "out"
        self.source.mkdir()
        self.dream = Dream(layers={"mixed0": 1.0})
        self.execution = Execution(weights="plain")
        self.hands = Script(good)
        self.events: list[BulkEvent] = []

    def fill(self, *names: str) -> World:
        for name in names:
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return self

    def run(
        self, answer: Answer = good, source: object = None, room: int = 4, **options: Any
    ) -> Counts:
        self.hands = Script(answer, room)
        self.events = []
        return dream_set(
            str(source or self.source),
            str(self.destination),
            self.dream,
            execution=self.execution,
            options=BulkOptions(**{"report": False} | options),
            on_event=self.events.append,
        )

    def wanted(self, **more: Any) -> BulkRequest:
        folder = locate_folder(str(self.destination))
        return BulkRequest(str(self.source), folder, self.dream, self.execution, "5" * 64, **more)

    @property
    def tried(self) -> list[str]:
        return self.hands.tried

    @property
    def manifest(self) -> dict[str, Record]:
        """What it says of each output, which is no more than one thing."""
        text = (self.destination / "manifest.jsonl").read_text()
        found = list(map(Record.from_json, text.splitlines()))
        assert [one.output for one in found] == sorted({one.output for one in found})
        return {one.output: one for one in found}

    @property
    def files(self) -> set[str]:
        if not self.destination.exists():
            return set()
        return {found.name for found in LocalFolder(self.destination).files()}

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(loader, "load", lambda source, warn: PLAIN)
    monkeypatch.setattr(job, "_task_executor", lambda *_: contextlib.nullcontext(world.hands))
    monkeypatch.setattr(retry_queue, "PAUSES", (0.0, 0.0))
    return world


class TestOneRun:
    def test_makes_each_picture_once_and_leaves_nothing_else(self, world):
        names = [f"{number % 3}/{number}.png" for number in range(20)]
        counts = world.fill(*names).run()
        assert counts == Counts(total=20, kept=0, done=20, failed=0)
        assert sorted(world.tried) == sorted(names)
        assert world.files == {*names, "manifest.jsonl"}
        assert not (world.destination / ".dreamray").exists()
        assert {one.state for one in world.manifest.values()} == {State.DONE}
        for name in names:
            assert (world.destination / name).read_bytes() == b"dream of " + name.encode()

    def test_of_nothing_is_refused_and_writes_nothing(self, world):
        with pytest.raises(RequestError, match="there are no pictures"):
            world.run()
        assert world.files == set()

    def test_of_a_source_that_is_used_up_is_all_right(self, world):
        world.fill("a.png").run()
        (world.source / "a.png").unlink()
        assert world.run() == Counts(0, 0, 0, 0)

    def test_tells_each_end_once_and_counts_that_add_up(self, world):
        world.fill(*(f"{number}.png" for number in range(9))).run(
            lambda task, number: bad(task) if task.output == "4.png" else good(task)
        )
        ends = [event for event in world.events if isinstance(event, PictureDone)]
        assert sorted(end.record.output for end in ends) == sorted(world.tried)
        progress = [event for event in world.events if isinstance(event, BulkProgress)]
        assert all(0 <= event.in_flight <= event.left for event in progress)
        first, last = progress[0], progress[-1]
        assert (first.total, first.left, first.workers) == (9, 9, 2)
        assert (last.done, last.failed, last.left, last.in_flight) == (8, 1, 0, 0)
        told = [event for event in world.hands.heard if isinstance(event, PictureDone)]
        assert told == ends

    def test_says_how_many_tasks_are_to_come(self, world):
        world.fill(*(f"{number}.png" for number in range(9))).run()
        expected = world.hands.expected
        assert expected == sorted(expected, reverse=True)
        assert expected[0] == 5
        assert expected[-1] == 0

    def test_a_name_that_leads_out_costs_itself_only(self, world, tmp_path):
        world.fill("a.png", "b.png")
        rows = [
            {"source": "a.png", "output": "../../x.png"},
            {"source": "a.png", "output": "../../x.png"},
            {"source": "b.png"},
        ]
        listed = world.source / "l.jsonl"
        listed.write_text("\n".join(map(json.dumps, rows)))
        before = {path for path in tmp_path.rglob("*") if world.destination not in path.parents}
        assert world.run(source=listed) == Counts(total=2, kept=0, done=1, failed=1)
        after = {path for path in tmp_path.rglob("*") if world.destination not in path.parents}
        assert after - before <= {world.destination}
        assert world.files == {"b.png", "manifest.jsonl"}
        assert "leads out" in world.manifest["../../x.png"].error

    def test_a_source_whose_name_is_not_utf_8_costs_itself_only(self, world):
        world.fill("a.png")
        (world.source / os.fsdecode(b"caf\xe9.png")).touch()
        assert world.run() == Counts(total=2, kept=0, done=1, failed=1)
        assert world.tried == ["a.png"]

    def test_pictures_in_a_folder_whose_name_is_not_utf_8_fail_and_say_so(self, world):
        world.source = world.source / os.fsdecode(b"caf\xe9")
        assert world.fill("a.png").run() == Counts(total=1, kept=0, done=0, failed=1)
        assert world.tried == []
        assert "its name is not UTF-8: rename it" in world.manifest["a.png"].error
        assert world.manifest["a.png"].error.isprintable()

    @pytest.mark.parametrize("line", ['{"source": "\\ud800.png", "output": "x.png"}'])
    def test_a_source_that_cannot_be_in_a_list_costs_itself_only(self, world, line):
        world.fill("a.png")
        listed = world.source / "l.jsonl"
        listed.write_text(f'{{"source": "a.png"}}\n{line}\n')
        assert world.run(source=listed) == Counts(total=2, kept=0, done=1, failed=1)
        assert world.tried == ["a.png"]
        assert "not UTF-8" in world.manifest["x.png"].error

    @pytest.mark.parametrize("name", [b"caf\xe9.txt", b"caf\xe9.png", b"caf\xe9/a.png"])
    def test_other_files_in_the_destination_may_have_any_name(self, world, name):
        other = world.destination / os.fsdecode(name)
        other.parent.mkdir(parents=True)
        other.write_bytes(b"mine")
        assert world.fill("a.png").run().done == 1
        assert world.run() == Counts(total=1, kept=1, done=0, failed=0)
        assert set(world.manifest) == {"a.png"}
        assert other.read_bytes() == b"mine"

    def test_tasks_name_places_that_do_not_depend_on_where_a_worker_is(self, world, monkeypatch):
        monkeypatch.chdir(world.fill("a.png").source.parent)
        world.destination = Path("out")
        world.run(source="in")
        (task,) = world.hands.submitted
        assert task.target.path.is_absolute()
        assert task.source.path.is_absolute()

    @pytest.mark.parametrize("name", ["~a.png", "~/a.png"])
    def test_sources_here_may_begin_with_a_tilde(self, world, monkeypatch, name):
        monkeypatch.chdir(world.fill(name).source)
        world.run(source=".")
        (task,) = world.hands.submitted
        assert task.source.read() == name.encode()

    def test_all_results_have_the_format(self, world):
        world.fill("a.png", "b/c.jpg", "d.gif").run(format=Format.WEBP)
        assert world.files == {"a.webp", "b/c.webp", "d.webp", "manifest.jsonl"}


class TestOneName:
    """Of several pictures, which costs the others nothing."""

    @pytest.mark.parametrize("extra", [(), ("logo.gif.png",)])
    def test_is_of_whom_it_is_and_the_others_get_longer_ones(self, world, extra):
        world.fill("logo.gif", "logo.png", "b.gif", "b.bmp", "c.png", *extra)
        for _ in range(2):
            counts = world.run()
            assert counts.failed == len(extra)
            assert counts.total == 5 + len(extra)
            results = {name: (world.destination / name).read_bytes() for name in world.files}
            del results["manifest.jsonl"]
            owner = extra[0] if extra else "logo.gif"
            assert results == {
                "logo.png": b"dream of logo.png",
                "logo.gif.png": f"dream of {owner}".encode(),
                "b.gif.png": b"dream of b.gif",
                "b.bmp.png": b"dream of b.bmp",
                "c.png": b"dream of c.png",
            }
            assert any("becomes b.bmp.png" in notice for notice in world.notices)
        assert world.tried == []
        failed = [one.error for one in world.manifest.values() if one.state is State.FAILED]
        assert len(failed) == len(extra)
        assert all("logo.gif.png would become logo.gif.png, too" in error for error in failed)

    def test_that_a_list_gives_to_two_fails_both(self, world):
        listed = world.fill("a.png", "b.png", "c.png").source / "l.csv"
        listed.write_text("source,output\na.png,x.png\nb.png,x.png\nc.png,\nc.png,\n")
        counts = world.run(source=listed)
        assert counts == Counts(total=3, kept=0, done=1, failed=2)
        assert world.files == {"c.png", "manifest.jsonl"}

    def test_with_other_settings_of_one_source_fails(self, world):
        listed = world.fill("a.png", "c.png").source / "l.csv"
        listed.write_text("source,step\na.png,0.1\na.png,0.2\nc.png,\n")
        assert world.run(source=listed) == Counts(total=2, kept=0, done=1, failed=1)
        assert any("another line of the list" in notice for notice in world.notices)


class TestLeftOut:
    def test_what_is_not_read_is_named_and_recorded_and_no_failure(self, world):
        world.fill("a.png", "._a.png", "raw/b.DNG", "c.psd", "notes.txt")
        assert world.run() == Counts(total=1, kept=0, done=1, failed=0)
        skipped = {k: one for k, one in world.manifest.items() if one.state is State.SKIPPED}
        assert skipped.keys() == {"raw/b.DNG", "c.psd"}
        assert all("not read" in one.note for one in skipped.values())
        assert [notice.partition(":")[0] for notice in world.notices] == [
            "1 file left out (._a.png)",
            "2 files left out (c.psd, raw/b.DNG)",
            "1 file left out (notes.txt)",
        ]
        (world.source / "c.psd").unlink()
        world.fill("d.png").run()
        assert world.manifest.keys() == {"a.png", "d.png", "raw/b.DNG"}

    def test_a_source_of_nothing_else_is_told_why_it_is_refused(self, world):
        with pytest.raises(RequestError, match="no pictures of a format that is read"):
            world.fill("a.dng").run()


class TestRefusedBeforehand:
    def refused(self, world: World, **options: Any) -> str:
        with pytest.raises(RequestError) as caught:
            world.run(**options)
        assert world.hands.submitted == []
        assert world.files == set()
        assert not (world.destination / ".dreamray").exists()
        return str(caught.value)

    def test_settings_that_are_not_allowed(self, world):
        listed = world.fill("a.png").source / "l.csv"
        listed.write_text("source,step\na.png,-1\n")
        message = self.refused(world, source=listed)
        assert "l.csv, line 2: step" in message

    def test_a_source_that_is_not_there(self, world):
        assert "absent" in self.refused(world, source=world.source / "absent")

    def test_a_destination_that_the_sources_are_in(self, world):
        world.fill("a.png")
        world.destination = world.source
        with pytest.raises(RequestError, match="the sources lie in it"):
            world.run()
        assert world.files == {"a.png"}

    def test_a_destination_that_cannot_be_listed(self, world, monkeypatch):
        world.fill("a.png", "b.png").run()
        files = LocalFolder.files

        def denied(self, **options):
            if self.path == world.destination:
                raise RequestError(f"{self}: permission denied; check its rights")
            return files(self, **options)

        monkeypatch.setattr(LocalFolder, "files", denied)
        with pytest.raises(RequestError, match="check its rights"):
            world.run()
        assert world.tried == []

    def test_a_list_with_a_picture_that_its_own_result_would_replace(self, world):
        world.fill("a.png")
        listed = world.source / "l.txt"
        listed.write_text("a.png\n")
        world.destination = world.source
        with pytest.raises(RequestError, match="the sources lie in it"):
            world.run(source=listed, overwrite=True)
        assert world.tried == []
        assert (world.source / "a.png").read_bytes() == b"a.png"


class TestSecondRun:
    @pytest.fixture
    def done(self, world: World) -> World:
        world.fill("a.png", "b/c.jpg", "d.tif").run()
        return world

    def test_makes_nothing_and_writes_nothing(self, done):
        before = (done.destination / "manifest.jsonl").stat()
        assert done.run() == Counts(total=3, kept=3, done=0, failed=0)
        assert done.tried == []
        after = (done.destination / "manifest.jsonl").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_makes_what_is_new(self, done):
        assert done.fill("e.png").run() == Counts(total=4, kept=3, done=1, failed=0)
        assert done.tried == ["e.png"]
        assert set(done.manifest) == {"a.png", "b/c.jpg", "d.tif", "e.png"}

    def test_makes_what_has_changed(self, done):
        (done.source / "a.png").write_bytes(b"another")
        before = done.manifest["a.png"]
        done.run()
        assert done.tried == ["a.png"]
        (task,) = done.hands.submitted
        assert task.there
        assert task.earlier == before
        assert (done.destination / "a.png").read_bytes() == b"dream of another"

    def test_makes_what_is_missing(self, done):
        (done.destination / "b/c.jpg").unlink()
        done.run()
        assert done.tried == ["b/c.jpg"]
        assert not done.hands.submitted[0].there

    def test_looks_at_what_others_have_written(self, done):
        (done.destination / "d.tif").write_bytes(b"something else")
        done.run()
        assert done.tried == ["d.tif"]

    def test_tries_what_has_failed(self, world):
        world.fill("a.png", "b.png")
        assert world.run(lambda t, n: bad(t) if t.output == "a.png" else good(t)).failed == 1
        assert world.run() == Counts(total=2, kept=1, done=1, failed=0)
        assert world.tried == ["a.png"]
        assert world.manifest["a.png"].state is State.DONE
        assert world.manifest["a.png"].error == ""

    @pytest.mark.parametrize(
        ("dream", "execution"),
        [({"step": 0.02}, {}), ({"layers": {"mixed1": 1}}, {}), ({}, {"precision": "bfloat16"})],
    )
    def test_makes_all_with_other_settings(self, done, dream, execution):
        done.dream = done.dream.replace(**dream)
        done.execution = done.execution.replace(**execution)
        assert done.run().done == 3

    def test_makes_all_with_other_weights(self, done, monkeypatch):
        other = replace(PLAIN, sha256="6" * 64)
        monkeypatch.setattr(loader, "load", lambda source, warn: other)
        assert done.run().done == 3

    @pytest.mark.parametrize("execution", [{"threads": 1}, {"tile": 512}, {"memory": "8GiB"}])
    def test_makes_nothing_where_only_the_execution_differs(self, done, execution):
        done.execution = done.execution.replace(**execution)
        assert done.run().kept == 3

    @pytest.mark.parametrize("tiles", [{"tile": 512}, {"memory": "8GiB"}])
    @pytest.mark.parametrize("seams", [{"seams": "blend"}, {"overlap": 64}])
    def test_makes_all_with_other_tiles_where_they_can_be_seen(self, world, seams, tiles):
        world.execution = world.execution.replace(**seams)
        world.fill("a.png", "b.png").run()
        assert world.run().kept == 2
        world.execution = world.execution.replace(threads=1)
        assert world.run().kept == 2
        world.execution = world.execution.replace(**tiles)
        assert world.run() == Counts(total=2, kept=0, done=2, failed=0)

    def test_makes_those_whose_own_settings_changed(self, world):
        listed = world.fill("a.png", "b.png").source / "l.csv"
        listed.write_text("source,step\na.png,\nb.png,0.01\n")
        world.run(source=listed)
        first = {task.output: task for task in world.hands.submitted}
        assert first["a.png"].request == first["b.png"].request
        listed.write_text("source,step\na.png,\nb.png,0.5\n")
        world.run(source=listed)
        second = {task.output: task for task in world.hands.submitted}
        assert second["a.png"].request == first["a.png"].request
        assert second["b.png"].request != first["b.png"].request
        assert second["b.png"].dream.step == 0.5

    def test_makes_all_if_they_are_to_be_overwritten(self, done):
        assert done.run(overwrite=True) == Counts(total=3, kept=0, done=3, failed=0)
        assert all(task.overwrite for task in done.hands.submitted)

    def test_leaves_alone_what_is_asked_for_no_more(self, done):
        (done.source / "a.png").unlink()
        done.fill("e.png").run()
        assert done.tried == ["e.png"]
        assert "a.png" in done.files
        assert set(done.manifest) == {"a.png", "b/c.jpg", "d.tif", "e.png"}

    def test_of_another_source_into_the_same_destination_adds_to_it(self, done, tmp_path):
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "z.png").write_bytes(b"z")
        assert done.run(source=tmp_path / "more").done == 1
        assert set(done.manifest) == {"a.png", "b/c.jpg", "d.tif", "z.png"}
        assert done.run().kept == 3

    def test_of_a_list_asks_the_workers_as_the_list_tells_no_fingerprints(self, world):
        listed = world.fill("a.png").source / "l.txt"
        listed.write_text("a.png\n")
        world.run(lambda task, number: out_of_order(task) if number == 1 else good(task), listed)
        before = world.manifest
        assert before["a.png"].attempts == 2

        def kept(task: Task, number: int) -> Outcome:
            assert task.earlier == before["a.png"]
            return Outcome(task.earlier, kept=True)

        assert world.run(kept, listed) == Counts(total=1, kept=1, done=0, failed=0)

    def test_leaves_the_record_of_what_is_kept_as_it_was(self, world):
        listed = world.fill("a.png").source / "l.txt"
        listed.write_text("a.png\n")
        world.run(lambda task, number: out_of_order(task) if number == 1 else good(task), listed)
        before = world.manifest
        world.run(lambda task, number: Outcome(task.earlier, kept=True), listed)
        assert world.manifest == before

    def test_writes_nothing_of_what_is_refused_or_left_out_as_before(self, world, monkeypatch):
        world.fill("a.png", "a.dng", "index.html/b.png")
        for time in ("2026-11-22T18:00:00Z", "2026-11-23T18:00:00Z"):
            monkeypatch.setattr(bulk_planner, "utc_now", lambda time=time: time)
            assert world.run().failed == 1
            assert any("index.html/b.png" in notice for notice in world.notices)
            assert any("a.dng" in notice for notice in world.notices)
        assert {one.finished for one in world.manifest.values()} == {"", "2026-11-22T18:00:00Z"}

    def test_does_not_try_again_what_failed_for_good_and_says_so(self, world):
        def answer(task: Task, number: int) -> Outcome:
            if task.output != "b.png":
                return good(task)
            outcome = bad(task)
            record = replace(
                outcome.record, fingerprint=task.source.fingerprint(), release=__version__
            )
            return replace(outcome, record=record)

        assert world.fill("a.png", "b.png").run(answer).failed == 1
        before = (world.destination / "manifest.jsonl").stat().st_mtime_ns
        assert world.run(answer) == Counts(total=2, kept=1, done=0, failed=1)
        assert world.tried == []
        assert (world.destination / "manifest.jsonl").stat().st_mtime_ns == before
        assert any("b.png: it failed" in notice for notice in world.notices)
        assert any("1 picture that failed for good" in notice for notice in world.notices)
        with pytest.raises(DreamrayError, match="1 picture failed"):
            world.run(answer, max_failures=Limit(0))
        assert world.run(answer, overwrite=True).done == 1
        (world.source / "b.png").write_bytes(b"changed")
        world.run(good)
        assert world.tried == ["b.png"]


class TestTryingAgain:
    def test_what_may_help_is_tried_again_elsewhere(self, world):
        world.fill("a.png", "b.png")
        counts = world.run(
            lambda task, number: out_of_order(task) if number < ATTEMPTS else good(task)
        )
        assert counts == Counts(total=2, kept=0, done=2, failed=0)
        assert [one for one in world.hands.asked if one[0] == "a.png"] == [
            ("a.png", "", False),
            ("a.png", "worker 1", False),
            ("a.png", "worker 2", False),
        ]
        assert {one.attempts for one in world.manifest.values()} == {ATTEMPTS}

    def test_it_ends_after_so_many_attempts(self, world):
        assert world.fill("a.png").run(out_of_order).failed == 1
        assert world.tried == ["a.png"] * ATTEMPTS
        assert world.manifest["a.png"].attempts == ATTEMPTS

    def test_what_cannot_help_is_not_tried_again(self, world):
        assert world.fill("a.png", "b.png").run(bad).failed == 2
        assert sorted(world.tried) == ["a.png", "b.png"]
        assert {one.attempts for one in world.manifest.values()} == {1}

    def test_what_was_lost_is_tried_alone_and_that_is_no_attempt(self, world):
        world.fill("a.png").run(lambda task, number: Loss.DIED if number == 1 else good(task))
        assert world.hands.asked == [("a.png", "", False), ("a.png", "worker 1", True)]
        assert world.manifest["a.png"].attempts == 1

    def test_what_ends_each_worker_fails_and_the_others_are_made(self, world):
        world.fill("a.png", "b.png", "c.png")
        counts = world.run(
            lambda task, number: Loss.DIED if task.output == "b.png" or number == 1 else good(task)
        )
        assert counts == Counts(total=3, kept=0, done=2, failed=1)
        assert world.tried.count("b.png") == 1 + DEATHS
        error = world.manifest["b.png"].error
        assert "in/b.png: the worker's process ended, or did not go on, each time" in error
        assert "--memory" in error

    def test_suspects_do_not_hold_up_others(self, world):
        names = [f"{number}.png" for number in range(9)]

        def answer(task: Task, number: int) -> Outcome | Loss:
            return Loss.DIED if task.output == "3.png" and number == 1 else good(task)

        world.hands = Crowded(answer)
        with TaskStore() as ledger:
            run = BulkScheduler(
                world.fill(*names).wanted(), ledger, lambda: None, world.events.append
            )
            run.plan()
            run.make(world.hands)
            assert ledger.counts == Counts(total=9, kept=0, done=9, failed=0)
        assert world.tried == [*names, "3.png"]
        assert world.hands.asked[-1] == ("3.png", "worker 1", True)

    def test_a_worker_that_is_replaced_makes_no_suspects(self, world):
        world.fill("a.png", "b.png")
        counts = world.run(
            lambda task, number: Loss.REPLACED if number <= 2 * DEATHS else good(task)
        )
        assert counts == Counts(total=2, kept=0, done=2, failed=0)
        assert world.tried.count("a.png") == 2 * DEATHS + 1
        assert not any(alone for _, _, alone in world.hands.asked)
        assert [avoid for name, avoid, _ in world.hands.asked if name == "a.png"][1] == "worker 1"
        assert {one.attempts for one in world.manifest.values()} == {1}

    def test_a_suspect_whose_worker_is_replaced_stays_one(self, world):
        losses = [Loss.DIED, *[Loss.REPLACED] * DEATHS]
        world.fill("a.png").run(
            lambda task, number: losses[number - 1] if number <= len(losses) else good(task)
        )
        assert [alone for _, _, alone in world.hands.asked] == [False, *[True] * (DEATHS + 1)]
        assert world.manifest["a.png"].state is State.DONE

    def test_nothing_spins_until_the_next_attempt(self, world, monkeypatch):
        monkeypatch.setattr(retry_queue, "PAUSES", (0.3, 0.3))
        world.hands = ThreadTaskExecutor(Answering(out_of_order))
        with TaskStore() as ledger, contextlib.closing(world.hands) as hands:
            run = BulkScheduler(
                world.fill("a.png").wanted(), ledger, lambda: None, world.events.append
            )
            run.plan()
            run.make(hands)
            assert ledger.counts.failed == 1
        assert sum(isinstance(event, BulkProgress) for event in world.events) < 50


class Answering:
    """In place of `SetTools`, for threads that answer as they are told to."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.studios = self.stops = 0

    def feeding(self) -> Feeding:
        return Feeding(2)

    def runner(self) -> Answering:
        self.studios += 1
        return self

    def make(self, task: Task) -> Outcome | Loss:
        return self._answer(task, 1)

    def stop(self) -> None:
        self.stops += 1


class TestThreads:
    def task(self, world: World, name: str) -> Task:
        (task,) = [one for one in world.hands.submitted if one.output == name]
        return task

    def test_have_so_many_tasks_in_hand_and_tell_the_end_of_each_once(self, world):
        world.fill(*(f"{number}.png" for number in range(3))).run()
        gate = threading.Event()

        def answer(task: Task, number: int) -> Outcome:
            assert gate.wait(60)
            return good(task)

        with contextlib.closing(ThreadTaskExecutor(Answering(answer))) as hands:
            took = [hands.submit(self.task(world, f"{number}.png")) for number in range(3)]
            assert took == [True, True, False]
            assert hands.in_flight == 2
            assert hands.finished(0) == []
            gate.set()
            ended: list[FinishedTask] = []
            while hands.in_flight:
                ended += hands.finished(60)
            assert sorted(one.task.output for one in ended) == ["0.png", "1.png"]
            assert hands.finished(0) == []
            assert hands.submit(self.task(world, "2.png"), avoid="1", alone=True)

    def test_load_nothing_before_the_first_task_and_stop_at_the_end(self, world):
        world.fill("a.png").run()
        answering = Answering(good)
        ThreadTaskExecutor(answering).close()
        assert (answering.studios, answering.stops) == (0, 0)
        with contextlib.closing(ThreadTaskExecutor(answering)) as hands:
            hands.submit(self.task(world, "a.png"))
        assert (answering.studios, answering.stops) == (1, 1)


class TestGivingUp:
    NAMES = tuple(f"{number:02}.png" for number in range(20))

    @pytest.mark.parametrize(("limit", "failed"), [("3", 4), ("0", 1), ("15%", 4), ("0%", 1)])
    def test_after_more_failures_than_allowed(self, world, limit, failed):
        world.fill(*self.NAMES)
        with pytest.raises(DreamrayError) as caught:
            world.run(bad, room=1, max_failures=parse_limit(limit))
        assert f"{plural(failed, 'picture')} failed, more than --max-failures {limit}" in str(
            caught.value
        )
        assert "it failed" in str(caught.value)
        assert len(world.tried) == failed
        assert len(world.manifest) == failed

    @pytest.mark.parametrize("limit", ["20", "100%"])
    def test_not_at_the_limit_itself(self, world, limit):
        world.fill(*self.NAMES)
        assert world.run(bad, max_failures=parse_limit(limit)).failed == 20

    def test_never_unless_it_is_said(self, world):
        assert world.fill(*self.NAMES).run(bad).failed == 20

    def test_it_goes_on_where_it_gave_up(self, world):
        world.fill(*self.NAMES)
        with pytest.raises(DreamrayError):
            world.run(bad, max_failures=Limit(2))
        assert world.run(max_failures=Limit(2)) == Counts(total=20, kept=0, done=20, failed=0)

    @pytest.mark.parametrize("good_ones", [0, 1])
    def test_names_that_are_refused_count_before_anything_is_handed_out(self, world, good_ones):
        world.fill("a.png")
        listed = world.source / "l.jsonl"
        rows = [{"source": "a.png", "output": f"../{number}.png"} for number in range(3)]
        rows += [{"source": "a.png"}] * good_ones
        listed.write_text("\n".join(map(json.dumps, rows)))
        with pytest.raises(DreamrayError, match="--max-failures 2"):
            world.run(source=listed, max_failures=Limit(2))
        assert world.tried == []

    def test_when_many_in_a_row_fail_for_no_reason_of_their_own(self, world):
        world.fill(*(f"{number:03}.png" for number in range(2 * IN_A_ROW)))
        with pytest.raises(StorageError) as caught:
            world.run(out_of_order)
        assert "in a row failed for no reason of their own" in str(caught.value)
        assert "it failed; run it again" in str(caught.value)
        assert len(world.manifest) >= IN_A_ROW
        assert world.run().done == 2 * IN_A_ROW

    def test_not_where_some_go_well_or_are_bad_themselves(self, world):
        world.fill(*(f"{number:03}.png" for number in range(3 * IN_A_ROW)))

        def answer(task: Task, number: int) -> Outcome:
            return (good, bad, out_of_order, out_of_order)[int(task.output[:3]) % 4](task)

        counts = world.run(answer, room=1)
        assert counts.left == 0
        assert counts.failed > IN_A_ROW

    def test_few_failures_are_told_the_others_counted(self, world):
        world.fill(*self.NAMES).run(bad)
        failures = [text for text in world.notices if text.startswith("failed: ")]
        assert len(failures) == 10
        assert len([text for text in world.notices if "more failures" in text]) == 1


class TestInterrupted:
    def after(self, count: int, error: BaseException) -> Answer:
        """Goes well so many times, then this is raised."""
        left = [count]

        def answer(task: Task, number: int) -> Outcome:
            if not left[0]:
                raise error
            left[0] -= 1
            return good(task)

        return answer

    @pytest.mark.parametrize(
        "error", [KeyboardInterrupt(), StorageError("the bucket is gone"), RuntimeError("surprise")]
    )
    def test_what_was_done_is_recorded_and_the_error_goes_on(self, world, error):
        names = [f"{number}.png" for number in range(9)]
        world.fill(*names)
        with pytest.raises(type(error)):
            world.run(self.after(4, error))
        assert len(world.manifest) == 4
        assert not (world.destination / ".dreamray").exists()
        assert world.run() == Counts(total=9, kept=4, done=5, failed=0)
        assert world.files == {*names, "manifest.jsonl"}

    def test_records_are_kept_though_one_part_could_not_be_written(self, world, monkeypatch):
        monkeypatch.setattr(run_module, "KEEP_RECORDS", 2)
        add, failures = Manifest.add, [StorageError("slow down")]

        def fails_once(self, records):
            if failures:
                raise failures.pop()
            add(self, records)

        monkeypatch.setattr(Manifest, "add", fails_once)
        assert world.fill(*(f"{number}.png" for number in range(9))).run().done == 9
        assert failures == []
        assert [text for text in world.notices if "slow down" in text] == [
            "slow down; trying again"
        ]
        assert len(world.manifest) == 9
        assert world.run().kept == 9

    def test_a_storage_that_takes_no_parts_any_more_ends_the_run_at_the_latest_at_its_end(
        self, world, monkeypatch
    ):
        monkeypatch.setattr(run_module, "KEEP_RECORDS", 2)

        def fails(self, records):
            raise StorageError("slow down")

        names = [f"{number}.png" for number in range(9)]
        with monkeypatch.context() as patch:
            patch.setattr(Manifest, "add", fails)
            with pytest.raises(StorageError, match="slow down"):
                world.fill(*names).run()
        assert world.files == set(names)
        assert world.run() == Counts(total=9, kept=0, done=9, failed=0)

    def test_records_that_could_not_be_kept_are_kept_the_next_time(self, world, monkeypatch):
        add, failures = Manifest.add, [StorageError("slow down")]

        def fails_once(self, records):
            if failures:
                raise failures.pop()
            add(self, records)

        monkeypatch.setattr(Manifest, "add", fails_once)
        with TaskStore() as ledger:
            run = BulkScheduler(
                world.fill("a.png").wanted(), ledger, lambda: None, world.events.append
            )
            run.plan()
            run.make(Script(good))
            with pytest.raises(StorageError):
                run.keep()
            run.keep()
        found = Manifest(LocalFolder(world.destination)).read(print)
        assert [record.output for record in found] == ["a.png"]

    def test_a_full_disk_is_told_in_one_line(self, world, monkeypatch):
        opened = ledger_module._open

        def small(path: Path) -> sqlite3.Connection:
            database = opened(path)
            database.execute("PRAGMA max_page_count = 20")
            return database

        monkeypatch.setattr(ledger_module, "_open", small)
        listed = world.source / "l.jsonl"
        rows = ({"source": "a.png", "output": f"{number}.png"} for number in range(3000))
        listed.write_text("\n".join(map(json.dumps, rows)))
        with pytest.raises(StorageError, match="TMPDIR") as caught:
            world.run(source=listed)
        assert str(caught.value).isprintable()
        assert world.tried == []
        assert world.files == set()

    def test_a_killed_run_leaves_its_parts_and_the_next_one_goes_on(self, world, monkeypatch):
        monkeypatch.setattr(run_module, "KEEP_RECORDS", 3)
        death = Death(monkeypatch)
        world.fill(*(f"{number}.png" for number in range(9)))
        with TaskStore() as ledger:
            run = BulkScheduler(world.wanted(), ledger, lambda: None, world.events.append)
            run.plan()
            with pytest.raises(Killed):
                run.make(
                    Script(lambda task, _: death.comes() if task.output == "8.png" else good(task))
                )
        death.is_over()
        assert not (world.destination / "manifest.jsonl").exists()
        kept = sum(1 for _ in Manifest(LocalFolder(world.destination)).read(print))
        assert 3 <= kept < 8
        assert world.run() == Counts(total=9, kept=kept, done=9 - kept, failed=0)
        assert not (world.destination / ".dreamray").exists()
        assert len(world.manifest) == 9

    def test_parts_alone_make_the_manifest_complete(self, world):
        Manifest(LocalFolder(world.destination)).add([Record("x.png", "/x.png", State.FAILED)])
        (world.destination / "x.png").write_bytes(b"")
        assert world.fill().run() == Counts(0, 0, 0, 0)
        assert set(world.manifest) == {"x.png"}
        assert not (world.destination / ".dreamray").exists()


class TestLease:
    def logged(self, world: World, monkeypatch: pytest.MonkeyPatch, lost_at: int = 99) -> list[str]:
        """What is done in a run of nine pictures whose lease is lost at a check."""
        log: list[str] = []
        monkeypatch.setattr(run_module, "KEEP_RECORDS", 2)
        for name in ("add", "complete"):
            doing = getattr(Manifest, name)

            def done(self, records, *then, name=name, doing=doing):
                log.append(name)
                doing(self, records, *then)

            monkeypatch.setattr(Manifest, name, done)

        def check() -> None:
            log.append("check")
            if log.count("check") >= lost_at:  # What is lost stays so.
                raise DreamrayError("another run took over")

        world.fill(*(f"{number}.png" for number in range(9)))
        with TaskStore() as ledger:
            run = BulkScheduler(world.wanted(), ledger, check, world.events.append)
            run.plan()
            run.make(Script(good))
            run.complete()
        return log

    def test_is_checked_before_each_write(self, world, monkeypatch):
        log = self.logged(world, monkeypatch)
        assert log.count("add") >= 4
        assert log[-2:] == ["check", "complete"]
        for number, what in enumerate(log):
            if what != "check":
                assert log[number - 1] == "check"

    def test_that_is_lost_ends_the_run_without_another_write(self, world, monkeypatch):
        with pytest.raises(DreamrayError, match="took over"):
            self.logged(world, monkeypatch, lost_at=2)
        assert not (world.destination / ".dreamray/manifest").exists()
        assert not (world.destination / "manifest.jsonl").exists()


class TestReport:
    def test_is_written_at_the_end_of_what_changed(self, world):
        world.fill("a.png").run(report=True)
        assert "index.html" in world.files
        before = (world.destination / "index.html").stat().st_mtime_ns
        world.run(report=True)
        assert (world.destination / "index.html").stat().st_mtime_ns == before

    def test_is_as_before_when_nothing_had_to_be_done(self, world, monkeypatch):
        """As with a listing of a million pictures, which takes longer than an update is due."""
        world.fill("a.png").run(report=True)
        before = (world.destination / "index.html").read_bytes()
        updates: list[reporting.Reporting] = []
        handle = reporting.Reporting.on_event

        def heard(self, event):
            handle(self, event)
            updates.append(self)
            if self._thread is not None:
                self._thread.join()

        monkeypatch.setattr(bulk_planner, "LISTED_EVERY", -1.0)
        monkeypatch.setattr(reporting, "UPDATE_EVERY", 0.0)
        monkeypatch.setattr(reporting.Reporting, "on_event", heard)
        assert world.run(report=True).kept == 1
        assert updates
        assert (world.destination / "index.html").read_bytes() == before


FATES = st.sampled_from(
    ["good"] * 6 + ["lost", "replaced", "again", "again", "killed", "stored and killed"]
)


@settings(max_examples=40)
@given(
    st.sets(st.integers(0, 9), min_size=1),
    st.sets(st.integers(0, 9)),
    st.lists(FATES, max_size=25),
    st.integers(1, 5),
)
@pytest.mark.slow
def test_however_often_it_is_killed_the_last_run_completes_the_set(
    tmp_path_factory, pictures, broken, fates, keeps
):
    world = World(tmp_path_factory.mktemp("world")).fill(*(f"{n}.png" for n in pictures))
    coming = fates[::-1]

    def answer(task: Task, number: int) -> Outcome | Loss:
        match coming.pop() if coming else "good":
            case "killed":
                death.comes()
            case "lost":
                return Loss.DIED
            case "replaced":
                return Loss.REPLACED
            case "again":
                return out_of_order(task)
            case "stored and killed":
                good(task)
                death.comes()
        return bad(task) if int(task.output[0]) in broken else good(task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "KEEP_RECORDS", keeps)
        patch.setattr(retry_queue, "PAUSES", (0.0, 0.0))
        death = Death(patch)
        for _ in range(len(fates) + 1):
            death.is_over()
            hands, is_last = Script(answer, room=keeps), not coming
            with contextlib.suppress(Killed), TaskStore() as ledger:
                run = BulkScheduler(world.wanted(), ledger, lambda: None, world.events.append)
                run.plan()
                run.make(hands)
                if run.changed:
                    run.complete()
            if is_last or not hands.submitted:
                break
    assert ledger.counts.left == 0
    assert ledger.counts.failed == len(broken & pictures)
    done = {f"{n}.png" for n in pictures - broken}
    states = {output: record.state for output, record in world.manifest.items()}
    assert {output for output, state in states.items() if state is State.DONE} == done
    assert set(states) == {f"{n}.png" for n in pictures}
    assert done | {"manifest.jsonl"} <= world.files <= set(states) | {"manifest.jsonl"}


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "101%", "-1%", "nan%", "inf%", "%", "5%%"])
def test_a_limit_that_cannot_be_meant_is_refused(text):
    with pytest.raises(RequestError, match="--max-failures"):
        parse_limit(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [(None, None), ("0", Limit(0)), (" 7 ", Limit(7)), ("5%", Limit(0.05, is_share=True))],
)
def test_a_limit_is_a_number_or_a_share(text, limit):
    assert parse_limit(text) == limit
