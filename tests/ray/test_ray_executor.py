"""A set in the hands of Ray's workers: what is lost, what comes back, and who is let go."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dreamray.bulk import retry_queue
from dreamray.bulk.bulk_events import BulkEvent, BulkProgress, PictureDone
from dreamray.bulk.executors import ray_task_executor
from dreamray.bulk.record import Record, State
from dreamray.bulk.request import BulkRequest
from dreamray.bulk.scheduler import BulkScheduler
from dreamray.bulk.task_store import TaskStore
from dreamray.farm.cluster import connect
from dreamray.farm.patience import Patience
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import LocalFolder
from tests.support.farm_tools import SetTools
from tests.support.places import PROJECT


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One Ray for all runs here: it takes longest to start."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("RAY_ADDRESS", raising=False)
        patched.setenv("PYTHONPATH", str(PROJECT))  # For `farm_tools`.
        with connect(Execution(workers="2", threads=1)):
            yield


class Set:
    """Pictures by name, made by two workers."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retry_queue, "PAUSES", (0.1, 0.1))
        self._folder = folder
        self.events: list[BulkEvent] = []
        self.told: list[str] = []

    def run(self, *names: str, also: Callable[[BulkEvent], None] = lambda event: None) -> None:
        listing = self._folder / "list.txt"
        listing.write_text("".join(f"{name}.png\n" for name in names))
        wanted = BulkRequest(
            str(listing),
            LocalFolder(self._folder / "out"),
            Dream(),
            Execution(workers="2", threads=1),
            "0" * 64,
        )

        def on_event(event: BulkEvent) -> None:
            self.events.append(event)
            also(event)

        tools = SetTools()
        with (
            TaskStore() as ledger,
            ray_task_executor(tools, wanted.execution, len(names), self.told.append) as hands,  # type: ignore[arg-type]
        ):
            run = BulkScheduler(wanted, ledger, lambda: None, on_event)
            run.plan()
            run.make(hands)

    @property
    def records(self) -> dict[str, Record]:
        ended = [event.record for event in self.events if isinstance(event, PictureDone)]
        assert len({record.output for record in ended}) == len(ended), "told twice"
        return {record.output.removesuffix(".png"): record for record in ended}


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    return Set(tmp_path, monkeypatch)


def test_each_picture_is_made_once_by_one_of_them(pictures: Set) -> None:
    names = [f"slow-{n}" for n in range(4)] + [str(n) for n in range(40)]
    pictures.run(*names)
    assert pictures.records.keys() == {*names}
    assert {record.state for record in pictures.records.values()} == {State.DONE}
    assert len({record.worker for record in pictures.records.values()}) == 2


def test_a_picture_that_kills_its_workers_fails_alone(pictures: Set) -> None:
    names = ["deadly", *(f"slow-{n}" for n in range(6)), *(str(n) for n in range(20))]
    pictures.run(*names)
    deadly = pictures.records.pop("deadly")
    assert deadly.state is State.FAILED
    assert "memory" in deadly.error
    others = [record for name, record in pictures.records.items() if name != "deadly"]
    assert len(others) == 26
    assert {(record.state, record.attempts) for record in others} == {(State.DONE, 1)}


def test_a_worker_that_is_killed_costs_no_attempt(pictures: Set) -> None:
    killed: list[int] = []

    def kill(event: BulkEvent) -> None:
        if isinstance(event, PictureDone) and not killed:
            killed.append(int(event.record.worker))
            os.kill(killed[0], signal.SIGKILL)

    names = [f"slow-{n}" for n in range(10)]
    pictures.run(*names, also=kill)
    assert pictures.records.keys() == {*names}
    assert {(r.state, r.attempts) for r in pictures.records.values()} == {(State.DONE, 1)}


def test_a_worker_that_is_stopped_costs_no_attempt(
    pictures: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended after seconds without a sign of life, and its pictures are made by another."""
    soon = Patience(beat=0.2, silent=4)
    monkeypatch.setattr(Patience, "from_environment", lambda: soon)
    stopped: list[int] = []

    def stop(event: BulkEvent) -> None:
        if isinstance(event, PictureDone) and not stopped:
            stopped.append(int(event.record.worker))
            os.kill(stopped[0], signal.SIGSTOP)

    names = [f"slow-{n}" for n in range(10)]
    pictures.run(*names, also=stop)
    assert pictures.records.keys() == {*names}
    assert {(r.state, r.attempts) for r in pictures.records.values()} == {(State.DONE, 1)}
    assert any(f"/{stopped[0]}) gave no sign of life" in text for text in pictures.told)


def test_what_fails_is_tried_three_times_and_its_worker_replaced(pictures: Set) -> None:
    names = ["broken-1", "broken-2", *(f"slow-{n}" for n in range(6))]
    pictures.run(*names)
    for name, record in pictures.records.items():
        state, attempts = (State.FAILED, 3) if "broken" in name else (State.DONE, 1)
        assert (record.state, record.attempts) == (state, attempts)


def test_who_is_not_needed_any_more_is_let_go(pictures: Set) -> None:
    """One picture takes longer than all others: its worker stays alone."""
    sizes: list[int] = []

    def note(event: BulkEvent) -> None:
        if isinstance(event, BulkProgress):
            sizes.append(event.workers)

    pictures.run("1", "2", "3", "slow-1", "4", "5", also=note)
    assert max(sizes) <= 2
    assert sizes[-1] <= 1
