"""The pictures of a run: each is counted once, whatever happens, and none takes memory."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dreamray.base.errors import StorageError
from dreamray.base.version import __version__
from dreamray.bulk.record import Record, Seconds, State
from dreamray.bulk.task_store import Counts, TaskRow, TaskStore


@pytest.fixture
def ledger() -> Iterator[TaskStore]:
    with TaskStore() as opened:
        yield opened


def asked(output: str, fingerprint: str = "f1", request: str = "r1") -> TaskRow:
    return TaskRow(output, f"/in/{output}", fingerprint, request, "")


def record(output: str, state: State = State.DONE, **more: str) -> Record:
    known = {"fingerprint": "f1", "request": "r1", "written": "w1"} | more
    return Record(output, f"/in/{output}", state, **known)


def todo(ledger: TaskStore) -> list[str]:
    return [one.output for one in ledger.todo()]


def records(ledger: TaskStore) -> list[Record]:
    with ledger.reader() as reader:
        return list(reader.records())


class TestAsking:
    def test_everything_asked_for_is_to_be_done_in_order(self, ledger):
        outputs = ["b.png", "a.png", "c/ä.png"]
        ledger.ask(map(asked, outputs))
        assert [*ledger.todo()] == list(map(asked, outputs))
        assert [*ledger.clashes()] == []
        assert ledger.counts == Counts(total=3, kept=0, done=0, failed=0)

    def test_pictures_of_one_output_are_told_and_can_be_told_apart(self, ledger):
        same = [TaskRow("x.png", f"/in/{name}", "", "", "") for name in ("1.gif", "2.gif", "3.gif")]
        ledger.ask([asked("a.png"), *same])
        ((output, claimants),) = ledger.clashes()
        assert (output, [one.source for one in claimants]) == ("x.png", [s.source for s in same])
        ledger.drop(claimants[0].number)
        ledger.rename(claimants[1].number, "y.png")
        assert [*ledger.clashes()] == []
        assert todo(ledger) == ["a.png", "y.png", "x.png"]
        assert ledger.counts.total == 3

    def test_outputs_that_differ_in_capitals_are_two(self, ledger):
        ledger.ask(map(asked, ["a.png", "A.png"]))
        assert [*ledger.clashes()] == []


class TestSettling:
    def settled(self, ledger: TaskStore, *, overwrite: bool = False) -> list[str]:
        ledger.settle(overwrite=overwrite)
        return todo(ledger)

    def test_what_is_finished_and_the_same_is_kept(self, ledger):
        ledger.ask([asked("a.png"), asked("b.png")])
        ledger.remember([record("a.png")])
        ledger.find([("a.png", "w1")])
        assert self.settled(ledger) == ["b.png"]
        assert ledger.counts == Counts(total=2, kept=1, done=0, failed=0)

    @pytest.mark.parametrize(
        "earlier",
        [
            record("a.png", State.FAILED),
            record("a.png", fingerprint="f0"),
            record("a.png", fingerprint=""),
            record("a.png", request="r0"),
            record("a.png", written="w0"),
            record("a.png", written=""),
        ],
    )
    def test_what_has_changed_or_failed_is_made_anew(self, ledger, earlier):
        ledger.ask([asked("a.png")])
        ledger.remember([earlier])
        ledger.find([("a.png", "w1")])
        assert self.settled(ledger) == ["a.png"]
        (one,) = ledger.todo()
        assert one.earlier == earlier
        assert one.there

    def test_what_is_gone_is_made_anew(self, ledger):
        ledger.ask([asked("a.png")])
        ledger.remember([record("a.png")])
        assert self.settled(ledger) == ["a.png"]
        assert not next(ledger.todo()).there

    def test_what_nobody_recorded_is_made_and_known_to_be_there(self, ledger):
        ledger.ask([asked("a.png")])
        ledger.find([("a.png", "w1")])
        assert self.settled(ledger) == ["a.png"]
        (one,) = ledger.todo()
        assert one.earlier is None
        assert one.there

    def test_sources_whose_listing_tells_no_fingerprint_are_looked_at_again(self, ledger):
        ledger.ask([asked("a.png", fingerprint="")])
        ledger.remember([record("a.png", fingerprint="")])
        ledger.find([("a.png", "w1")])
        assert self.settled(ledger) == ["a.png"]

    def test_nothing_is_kept_that_is_to_be_overwritten(self, ledger):
        ledger.ask([asked("a.png")])
        ledger.remember([record("a.png")])
        ledger.find([("a.png", "w1")])
        assert self.settled(ledger, overwrite=True) == ["a.png"]

    def test_the_later_of_two_records_holds(self, ledger):
        ledger.ask([asked("a.png"), asked("b.png")])
        ledger.remember([record("a.png"), record("b.png", State.FAILED)])
        ledger.remember([record("a.png", State.FAILED), record("b.png")])
        ledger.find([("a.png", "w1"), ("b.png", "w1")])
        assert self.settled(ledger) == ["a.png"]

    def test_what_failed_for_good_is_not_tried_again_until_something_changes(self, ledger):
        names = ["same", "other file", "other settings", "other release", "not for good", "list"]
        more = {"fingerprint": "f0"}, {"request": "r0"}, {"release": "0.0.1"}, {"release": ""}, {}
        ledger.ask([*map(asked, names[:-1]), asked("list", fingerprint="")])
        for name, changed in zip(names, ({}, *more), strict=True):
            ledger.remember([record(name, State.FAILED, **{"release": __version__} | changed)])
        assert ledger.settle(overwrite=True) == 0
        assert ledger.settle(overwrite=False) == 1
        assert todo(ledger) == names[1:]
        assert ledger.counts == Counts(total=6, kept=0, done=0, failed=1)
        assert [one.output for one in ledger.failures(9)] == ["same"]

    def test_what_was_refused_is_never_kept(self, ledger):
        ledger.refuse(record("../a.png", State.FAILED))
        ledger.remember([record("../a.png")])
        ledger.find([("../a.png", "w1")])
        assert self.settled(ledger) == []
        assert ledger.counts == Counts(total=1, kept=0, done=0, failed=1)


class TestGoingOn:
    COUNT = 2500
    """More than are read at a time."""

    def test_notes_that_come_in_leave_the_rest_in_order(self, ledger):
        outputs = [f"{number}.png" for number in range(self.COUNT)]
        ledger.ask(map(asked, outputs))
        seen, waiting = [], []
        for one in ledger.todo():
            seen.append(one.output)
            waiting.append(seen[-1])
            if len(waiting) > 7:  # Those in flight come to their end in another order.
                ledger.note(record(waiting.pop(3 if len(seen) % 2 else 0)))
            assert ledger.counts.left == self.COUNT - ledger.counts.done
        assert seen == outputs
        assert ledger.counts.left == len(waiting) == 7

    def test_what_is_kept_is_passed_over(self, ledger):
        outputs = [f"{number:04}.png" for number in range(self.COUNT)]
        ledger.ask(map(asked, outputs))
        ledger.remember(map(record, outputs[::3]))
        ledger.find((output, "w1") for output in outputs[::3])
        ledger.settle(overwrite=False)
        assert todo(ledger) == [one for one in outputs if one not in set(outputs[::3])]

    def test_an_end_is_counted_once(self, ledger):
        ledger.ask([asked("a.png"), asked("b.png"), asked("c.png")])
        ledger.note(record("a.png"))
        ledger.note(record("a.png", State.FAILED))
        ledger.note(record("b.png"), kept=True)
        ledger.note(record("unknown.png"))
        assert ledger.counts == Counts(total=3, kept=1, done=1, failed=0)
        assert ledger.counts.left == 1

    def test_a_refused_name_is_counted_once_and_known_the_second_time(self, ledger):
        for known in (False, True):
            failed = record("../a.png", State.FAILED, finished=f"at {known}")
            assert ledger.refuse(failed) is known
        assert ledger.counts == Counts(total=1, kept=0, done=0, failed=1)


class TestReading:
    def test_records_come_in_the_order_of_the_bytes_of_their_outputs(self, ledger):
        outputs = ["b.png", "a/z.png", "a.png", "ä.png", "Z.png", "\U0001f600.png", "\uffee.png"]
        ledger.ask(map(asked, outputs))
        for output in outputs:
            ledger.note(record(output))
        assert [one.output for one in records(ledger)] == sorted(outputs, key=str.encode)

    def test_a_record_comes_back_as_it_was(self, ledger):
        whole = Record(
            output="a\nb/ä.png",
            source="s3://b/\u2028",
            state=State.FAILED,
            fingerprint="1-2",
            sha256="ab",
            request="r",
            width=3,
            height=4,
            seconds=Seconds(0.5, 0.25, 1.0, 2.0),
            worker="host/1",
            attempts=3,
            finished="2026-11-22T18:40:02Z",
            error="it failed",
            note="note",
        )
        ledger.refuse(whole)
        assert records(ledger) == [whole]
        assert "\n" not in whole.to_json()
        assert Record.from_json(whole.to_json()) == whole

    def test_what_others_asked_for_stays_while_it_is_there(self, ledger):
        ledger.ask([asked("a.png")])
        ledger.remember(map(record, ["a.png", "there.png", "gone.png"]))
        ledger.find([("there.png", "w1")])
        assert [one.output for one in records(ledger)] == ["a.png", "there.png"]

    def test_another_thread_reads_while_notes_come_in(self, ledger):
        ledger.ask(asked(f"{number:04}.png") for number in range(500))
        for number in range(250):
            ledger.note(record(f"{number:04}.png"))
        seen: list[list[str]] = []
        begun, noted = threading.Event(), threading.Event()

        def read() -> None:
            with ledger.reader() as reader:
                going = reader.records()
                first = next(going).output
                begun.set()
                noted.wait(30)
                seen.append([first, *(one.output for one in going)])

        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(30)
        for number in range(250, 500):
            ledger.note(record(f"{number:04}.png"))
        noted.set()
        thread.join()
        assert seen == [[f"{number:04}.png" for number in range(250)]]
        assert len(records(ledger)) == 500

    def test_what_is_left_out_is_recorded_but_is_no_picture(self, ledger):
        ledger.refuse(record("a.dng", State.SKIPPED))
        assert [one.output for one in records(ledger)] == ["a.dng"]
        assert todo(ledger) == []
        assert ledger.counts.total == 0

    def test_counts_are_told_in_words(self):
        assert str(Counts(9, 0, 9, 0)) == "9 of 9 pictures dreamt"
        assert str(Counts(9, 2, 3, 1)) == "3 of 9 pictures dreamt, 2 kept, 1 failed, 3 left"


def test_a_full_disk_is_told_in_one_line_and_nothing_stays_on_it(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fill() -> None:
        with TaskStore() as ledger:
            ledger._database.execute("PRAGMA max_page_count = 20")
            ledger.ask(asked(f"{number}.png") for number in range(10_000))

    with pytest.raises(StorageError, match="TMPDIR") as caught:
        fill()
    assert str(tmp_path) in str(caught.value)
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_other_errors_go_through_it_as_they_are():
    def fail() -> None:
        with TaskStore():
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()


def test_it_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with TaskStore() as ledger:
        ledger.ask([asked("a.png")])
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures(ledger):
    count = 60_000

    def outputs() -> Iterator[str]:
        return (f"folder-{number % 100}/picture-{number:08}.png" for number in range(count))

    ledger.ask(map(asked, ["warm.png"]))
    tracemalloc.start()
    try:
        ledger.ask(map(asked, outputs()))
        ledger.remember(map(record, islice(outputs(), 0, None, 100)))
        ledger.find((output, "w1") for output in outputs())
        ledger.settle(overwrite=False)
        assert ledger.counts.kept == count / 100
        assert sum(1 for _ in islice(ledger.todo(), 5_000)) == 5_000
        with ledger.reader() as reader:
            assert sum(1 for _ in reader.records()) == count / 100
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


class Books(RuleBasedStateMachine):
    """The ledger against a dictionary, through a run of any course."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = TaskStore().__enter__()
        self.states: dict[str, str] = {}
        self.drawn: list[str] = []

    def teardown(self) -> None:
        self.ledger.__exit__()

    @initialize(
        wanted=st.lists(st.integers(0, 30), max_size=30),
        earlier=st.dictionaries(st.integers(0, 40), st.sampled_from([State.DONE, State.FAILED])),
        there=st.sets(st.integers(0, 40)),
        overwrite=st.booleans(),
    )
    def plan(self, wanted, earlier, there, overwrite):
        self.ledger.ask(asked(f"{n}.png") for n in dict.fromkeys(wanted))
        self.ledger.remember(record(f"{n}.png", state) for n, state in earlier.items())
        self.ledger.find((f"{n}.png", "w1") for n in there)
        self.ledger.settle(overwrite=overwrite)
        for n in wanted:
            keeps = earlier.get(n) is State.DONE and n in there and not overwrite
            self.states[f"{n}.png"] = "kept" if keeps else "todo"
        self.wanted = [output for output, state in self.states.items() if state == "todo"]
        self.left = self.ledger.todo()

    @rule()
    def draw(self):
        one = next(self.left, None)
        if one is not None:
            assert one.output not in self.drawn
            self.drawn.append(one.output)
        else:
            assert self.drawn == self.wanted

    @precondition(lambda self: self.drawn)
    @rule(data=st.data(), state=st.sampled_from([State.DONE, State.FAILED]), kept=st.booleans())
    def note(self, data, state, kept):
        output = data.draw(st.sampled_from(self.drawn))
        self.ledger.note(record(output, state), kept=kept)
        if self.states[output] == "todo":
            self.states[output] = "kept" if kept else state.value

    @rule(number=st.integers(50, 55))
    def refuse(self, number):
        self.ledger.refuse(record(f"../{number}.png", State.FAILED))
        self.states[f"../{number}.png"] = "failed"

    @invariant()
    def counts_add_up(self):
        values = list(self.states.values())
        counts = self.ledger.counts
        assert counts == (len(values), *map(values.count, ("kept", "done", "failed")))
        assert counts.left == values.count("todo")


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=25, stateful_step_count=20)
