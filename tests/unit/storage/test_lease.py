"""Of all runs into one destination one holds the lease; of a dead one it can be had."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from dreamray.base.errors import DreamrayError, RequestError, StorageError
from dreamray.storage import Folder, MemoryFolder, locate_folder
from dreamray.storage.lease import NAME, Lease, hold_lease
from dreamray.storage.lease_holder import Holder
from tests.support.processes import FRESH

# Far apart, so that a busy machine does not make the living look dead.
QUICK = {"every": 0.1, "dead_after": 3.0}
# Where that is waited for. A tenth of it or so is what a request may take.
BRISK = {"every": 0.1, "dead_after": 1.2}
ELSEWHERE = replace(Holder.me(), host="elsewhere", boot="another", owner="dead")


@pytest.fixture(params=["local", "memory", pytest.param("moto", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    match request.param:
        case "local":
            return locate_folder(f"{tmp_path}/dest")
        case "moto":
            return locate_folder(f"s3://{request.getfixturevalue('bucket')}/dest")
    return MemoryFolder()


@pytest.fixture
def shared(folder: Folder) -> Folder:
    """One that other processes see too."""
    if isinstance(folder, MemoryFolder):
        pytest.skip("what is in memory stays in its process")
    return folder


def silent(text: str) -> None:
    pass


def stored(folder: Folder) -> dict[str, Any]:
    return dict(json.loads(folder.file(NAME).read()))


@contextmanager
def another(folder: Folder, every: float = 0.1, dead_after: float = 3.0) -> Iterator[Other]:
    """A process that holds the lease of the folder."""
    ours, theirs = FRESH.Pipe()
    task = (theirs, dict(os.environ), str(folder), every, dead_after)
    process = FRESH.Process(target=_hold, args=task)
    process.start()
    theirs.close()
    other = Other(process, ours)
    try:
        assert other.hears() == "held"
        yield other
    finally:
        process.kill()
        process.join()


class Other:
    """A process that holds a lease, checks it when asked to, and ends when told to."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process, self._pipe = process, pipe

    def gets(self, sent: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, sent)

    def hears(self) -> str:
        assert self._pipe.poll(30)
        return str(self._pipe.recv())

    def asked(self, what: str) -> str:
        self._pipe.send(what)
        return self.hears()


def _hold(
    pipe: Connection, environment: dict[str, str], folder: str, every: float, dead_after: float
) -> None:
    os.environ.update(environment)
    try:
        with hold_lease(locate_folder(folder), silent, every=every, dead_after=dead_after) as lease:
            pipe.send("held")
            while pipe.recv() == "check":
                try:
                    lease.check()
                    pipe.send("mine")
                except DreamrayError as error:
                    pipe.send(str(error))
        pipe.send("released")
    except RequestError as error:
        pipe.send(str(error))


class TestHolding:
    def test_it_lies_in_the_folder_while_it_is_held(self, folder: Folder) -> None:
        said: list[str] = []
        with hold_lease(folder, said.append) as lease:
            assert stored(folder)["pid"] == os.getpid()
            assert stored(folder)["renewals"] == 1, "that it can be renewed is tried at once"
            lease.check()
        assert not folder.file(NAME).exists()
        assert said == []

    def test_it_goes_when_the_run_fails(self, folder: Folder) -> None:
        with pytest.raises(ZeroDivisionError), hold_lease(folder, silent):
            raise ZeroDivisionError
        assert not folder.file(NAME).exists()

    def test_it_is_renewed(self, folder: Folder) -> None:
        with hold_lease(folder, silent, every=0.02, dead_after=3.0) as lease:
            while stored(folder)["renewals"] < 3:
                time.sleep(0.01)
            lease.check()

    def test_it_can_be_held_again(self, folder: Folder) -> None:
        for _ in range(2):
            with hold_lease(folder, silent) as lease:
                lease.check()

    def test_a_second_run_is_refused(self, folder: Folder) -> None:
        said: list[str] = []
        with hold_lease(folder, silent, **QUICK) as lease:
            with (
                pytest.raises(RequestError) as error,
                hold_lease(folder, said.append, every=0.1, dead_after=60.0),
            ):
                raise AssertionError("two runs")
            lease.check()
        text = str(error.value)
        assert text.startswith(f"{folder}: another run (host ")
        assert f"process {os.getpid()}, since 2" in text
        assert text.endswith("let it finish or stop it, or choose another destination")
        assert said == []

    def test_one_of_another_machine_is_watched(self, folder: Folder) -> None:
        said: list[str] = []

        def renew(text: str) -> None:
            said.append(text)
            folder.file(NAME).write(replace(ELSEWHERE, renewals=1).to_json())

        folder.file(NAME).write(ELSEWHERE.to_json())
        with (
            pytest.raises(RequestError, match=f"^{folder}: another run .host elsewhere, process"),
            hold_lease(folder, renew, every=0.1, dead_after=60.0),
        ):
            raise AssertionError("two runs")
        assert len(said) == 1
        assert "waiting up to 60 s" in said[0]

    def test_a_run_of_another_process_is_refused_too(self, shared: Folder) -> None:
        with another(shared) as other:
            with (
                pytest.raises(RequestError, match=f"process {other.process.pid}, "),
                hold_lease(shared, silent, every=0.1, dead_after=60.0),
            ):
                raise AssertionError("two runs")
            assert other.asked("check") == "mine"
            assert other.asked("end") == "released"
        with hold_lease(shared, silent):
            pass

    def test_who_waits_gets_it_when_it_is_released(self, folder: Folder) -> None:
        """Without a renewal it cannot tell whether the holder lives."""
        released: list[str] = []

        def release(text: str) -> None:
            folder.file(NAME).remove()
            released.append(text)

        folder.file(NAME).write(ELSEWHERE.to_json())
        with hold_lease(folder, release, every=0.1, dead_after=300.0) as lease:
            lease.check()
            assert len(released) == 1


class TestTheDead:
    def test_of_a_killed_process_it_is_had_at_once(self, shared: Folder) -> None:
        said: list[str] = []
        with another(shared) as other:
            other.gets(signal.SIGKILL)
            other.process.join()
            with hold_lease(shared, said.append, every=10.0, dead_after=3600.0) as lease:
                lease.check()
                assert stored(shared)["pid"] == os.getpid()
        assert said == []

    def test_of_a_process_nobody_asked_after_it_is_had_at_once(self, tmp_path: Path) -> None:
        """It ended, but its parent has not asked how: its number is still taken."""
        ended = os.posix_spawn("/bin/true", ["true"], {})
        try:
            os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
            assert replace(Holder.me(), pid=ended).has_ended()
        finally:
            os.waitpid(ended, 0)

    def test_a_number_that_was_given_to_another_process_is_not_the_holder(self) -> None:
        me = Holder.me()
        me.begin()
        assert replace(me, started="1").has_ended()
        assert not me.has_ended()
        assert me.is_at_work()
        me.end()
        assert me.has_ended(), "it could not remove its lease, but does not hold it"

    @pytest.mark.parametrize("field", ["host", "boot", "pids"])
    def test_a_process_of_another_place_may_live(self, field: str) -> None:
        """Containers of one machine do not see each other's processes."""
        gone = replace(Holder.me(), started="1", **{field: "another"})
        assert not gone.has_ended()
        assert not gone.is_at_work()

    def test_of_another_machine_it_is_had_when_it_is_not_renewed(self, folder: Folder) -> None:
        said: list[str] = []
        folder.file(NAME).write(ELSEWHERE.to_json())
        with hold_lease(folder, said.append, every=0.05, dead_after=0.2) as lease:
            lease.check()
            assert stored(folder)["host"] == Holder.me().host
        assert len(said) == 1
        assert "host elsewhere" in said[0]

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{",
            b"[]",
            b'{"owner": 1}',
            b"\xff",
            b"[" * 50_000,
            replace(ELSEWHERE, pid="1", renewals=[]).to_json(),  # type: ignore[arg-type]
        ],
    )
    def test_what_is_no_lease_is_watched_as_one(self, tmp_path: Path, text: bytes) -> None:
        said: list[str] = []
        folder = locate_folder(str(tmp_path))
        folder.file(NAME).write(text)
        with hold_lease(folder, said.append, every=0.05, dead_after=0.1):
            assert stored(folder)["pid"] == os.getpid()
        assert "another version of dreamray" in said[0]

    def test_one_of_several_newcomers_gets_it(self, folder: Folder) -> None:
        folder.file(NAME).write(ELSEWHERE.to_json())
        refused: list[str] = []
        got: list[Lease] = []
        finish = threading.Event()

        def come() -> None:
            try:
                with hold_lease(folder, silent, every=0.1, dead_after=1.5) as lease:
                    got.append(lease)
                    finish.wait(30)
            except RequestError as error:
                refused.append(str(error))
                finish.set()

        newcomers = [threading.Thread(target=come) for _ in range(2)]
        for newcomer in newcomers:
            newcomer.start()
        for newcomer in newcomers:
            newcomer.join()
        assert (len(got), len(refused)) == (1, 1)

    def test_a_suspended_process_loses_it_and_notices(self, shared: Folder) -> None:
        with another(shared, **BRISK) as other:
            other.gets(signal.SIGSTOP)
            time.sleep(0.1)  # A renewal may be on its way.
            with hold_lease(shared, silent, **BRISK) as mine:
                other.gets(signal.SIGCONT)
                text = other.asked("check")
                assert text.startswith(f"{shared}: another run (host ")
                assert f"process {os.getpid()}, " in text
                assert "took over" in text
                assert other.asked("check") == text
                assert other.asked("end") == "released"
                mine.check()
                assert stored(shared)["pid"] == os.getpid(), "it removes only its own"

    def test_a_suspended_process_keeps_it_if_nobody_came(self, shared: Folder) -> None:
        with another(shared, **BRISK) as other:
            other.gets(signal.SIGSTOP)
            time.sleep(1.3)
            other.gets(signal.SIGCONT)
            assert other.asked("check") == "mine"


class TestFailures:
    """A lease without a thread that renews it, and a storage that fails when told to."""

    @pytest.fixture
    def lease(self) -> Lease:
        file, me = MemoryFolder("dest").file(NAME), Holder.me()
        file.write(me.to_json())
        return Lease(file, "dest", me, taken=-1e9, trusted=40.0)

    def test_an_old_one_is_renewed_by_the_check(self, lease: Lease) -> None:
        lease.check()
        assert stored(lease._file.folder)["renewals"] == 1
        lease.check()
        assert stored(lease._file.folder)["renewals"] == 1

    def test_a_storage_that_fails_is_told(
        self, lease: Lease, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object) -> bool:
            raise StorageError("dest/lease.json: no space left; free some")

        with monkeypatch.context() as failing:
            failing.setattr(type(lease._file), "compare_and_swap", fail)
            with pytest.raises(DreamrayError) as error:
                lease.check()
            lease.release(5.0)
        assert str(error.value) == (
            "dest: the lease could not be renewed for 40 s: "
            "dest/lease.json: no space left; free some; run it again to go on"
        )
        lease.check()

    def test_one_that_was_removed_is_lost_for_good(self, lease: Lease) -> None:
        text = lease._file.read()
        lease._file.remove()
        for _ in range(2):
            with pytest.raises(DreamrayError, match=r"dest: lease\.json was removed; run it"):
                lease.check()
            lease._file.write(text)

    def test_a_renewal_whose_answer_was_lost_is_still_its_own(
        self, lease: Lease, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = type(lease._file).compare_and_swap

        def lost(self: Any, expected: bytes, data: bytes | None) -> bool:
            exchange(self, expected, data)
            raise StorageError("dest: no answer; check the network")

        with monkeypatch.context() as failing:
            failing.setattr(type(lease._file), "compare_and_swap", lost)
            with pytest.raises(DreamrayError, match="no answer"):
                lease.check()
        lease.check()
        assert stored(lease._file.folder)["renewals"] == 3, "no bytes come twice"

    @pytest.mark.parametrize("dead", [False, True])
    def test_where_each_request_arrives_twice_it_is_taken_and_renewed(
        self, dead: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second time its condition fails: so says the answer, though the first was met."""
        folder = MemoryFolder("dest")
        file = folder.file(NAME)
        if dead:
            file.write(replace(Holder.me(), started="1").to_json())
        asked: list[Any] = []

        def twice(real: Any) -> Any:
            def ask(*args: Any) -> bool:
                asked.append(args)
                return bool(real(*args)) and bool(real(*args))

            return ask

        for call in ("create_if_absent", "compare_and_swap"):
            monkeypatch.setattr(type(file), call, twice(getattr(type(file), call)))
        with hold_lease(folder, silent, every=0.02) as lease:
            lease.check()
            while stored(folder)["renewals"] < 3:
                time.sleep(0.01)
        assert not file.exists()
        assert len(asked) < 20

    def test_a_storage_that_never_creates_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As one is that has lost an object's content, but not what it knows of it."""
        folder = MemoryFolder("dest")
        monkeypatch.setattr(type(folder.file(NAME)), "create_if_absent", lambda *args: False)
        with (
            pytest.raises(StorageError, match=r"^dest: the storage does not create dest/lease"),
            hold_lease(folder, silent, every=0.02),
        ):
            pytest.fail("was let in")

    def test_a_storage_that_never_replaces_is_told_after_one_wait(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, said = MemoryFolder("dest"), list[str]()
        folder.file(NAME).write(ELSEWHERE.to_json())
        monkeypatch.setattr(type(folder.file(NAME)), "compare_and_swap", lambda *args: False)
        with (
            pytest.raises(StorageError, match=r"^dest: the storage does not replace dest/lease"),
            hold_lease(folder, said.append, every=0.05, dead_after=0.1),
        ):
            raise AssertionError("nothing is held")
        assert len(said) == 1

    def test_a_lease_that_cannot_be_renewed_is_told_before_the_work(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = MemoryFolder("dest")
        monkeypatch.setattr(type(folder.file(NAME)), "compare_and_swap", lambda *args: False)
        with (
            pytest.raises(StorageError, match=r"^dest: no lease can be kept there: .*If-Match"),
            hold_lease(folder, silent),
        ):
            raise AssertionError("nothing is held")

    def test_a_storage_that_does_not_answer_is_not_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It hangs for as long as the test takes; what is trusted are 0.3 seconds."""
        monkeypatch.setattr("dreamray.storage.lease._LEAST_WAIT", 0.1)
        folder, hanging = MemoryFolder("dest"), threading.Event()
        with hold_lease(folder, silent, every=0.05, dead_after=0.325) as lease:
            monkeypatch.setattr(
                type(folder.file(NAME)), "compare_and_swap", lambda *args: hanging.wait(60)
            )
            begun = time.monotonic()
            said = ""
            while not said and time.monotonic() < begun + 30:
                try:
                    lease.check()
                except DreamrayError as error:
                    said = str(error)
                time.sleep(0.01)
            assert said.endswith(" 0 s: the storage does not answer; run it again to go on")
            assert time.monotonic() < begun + 10
            ending = time.monotonic()
        assert time.monotonic() < ending + 10
        hanging.set()

    def test_where_files_cannot_be_locked_it_is_said_and_gone_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(descriptor: int, how: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        said: list[str] = []
        monkeypatch.setattr("fcntl.flock", refuse)
        with hold_lease(locate_folder(str(tmp_path)), said.append) as lease:
            lease.check()
        (line,) = said
        assert line.startswith(f"{tmp_path}/{NAME}: this file system has no locks: nothing keeps")
        assert list(tmp_path.iterdir()) == []

    def test_a_storage_that_cannot_be_written_is_told_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with (
            pytest.raises(RequestError, match="is not a folder"),
            hold_lease(locate_folder(f"{tmp_path}/file"), silent),
        ):
            raise AssertionError("nothing is held")
