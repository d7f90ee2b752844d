"""What every place where bytes lie promises: this machine's files, memory, S3 servers.

The S3 server of this machine is a real one where `DREAMRAY_S3_SERVER` says where its program is.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import ClassVar

import pytest

from dreamray.base.errors import DreamrayError, RequestError
from dreamray.storage import (
    Folder,
    ListedFile,
    LocalFile,
    Location,
    MemoryFolder,
    locate,
    locate_folder,
)
from tests.support.processes import FRESH

ODD_NAMES = (
    "two words.png",
    " spaces around ",
    "été à la mer.png",
    "日本.jpg",
    "a#b",
    "a?b",
    "a%b",
    "a%20b",
    "a+b",
    "a&b=<c>",
    'it\'s "quoted"',
    "back\\slash",
    "..hidden",
    "-dash",
    "*",
    "line\nbreak",
)


@pytest.fixture(
    params=[
        "local",
        "memory",
        pytest.param("moto", marks=pytest.mark.slow),
        pytest.param("server", marks=pytest.mark.slow),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder, or a bucket, of every kind."""
    match kind:
        case "local":
            return locate_folder(str(tmp_path))
        case "memory":
            return MemoryFolder()
        case "moto":
            return locate_folder(f"s3://{request.getfixturevalue('bucket')}")
    server, aws = request.getfixturevalue("s3_server"), request.getfixturevalue("aws")
    for name, value in server.environment().items():
        aws.setenv(name, value)
    # With the patience that users have: for a moment it may give an object that is being replaced
    # with the checksum of what replaces it.
    aws.delenv("AWS_MAX_ATTEMPTS")
    return locate_folder(f"s3://{server.make_bucket(f'contract-{random.getrandbits(64):x}').name}")


@pytest.fixture
def folder(root: Folder) -> Folder:
    """A folder that does not exist yet."""
    return root.folder("work/one")


@pytest.fixture
def place(folder: Folder) -> Location:
    """A file that does not exist yet, in a folder that does not either."""
    return folder.file("deep/cat.png")


def one_line(error: pytest.ExceptionInfo[DreamrayError], *words: str) -> None:
    """The message is one line with these words, and drags no other error along."""
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    assert error.value.__suppress_context__ or error.value.__context__ is None


def named(folder: Folder) -> list[str]:
    return [found.name for found in folder.files()]


def odd_names(kind: str) -> list[str]:
    # Moto's routes know no line breaks.
    return [name for name in ODD_NAMES if kind != "moto" or "\n" not in name]


class TestLocation:
    def test_gives_back_what_was_written(self, place: Location) -> None:
        place.write(b"\x00dream\xff")
        assert place.read() == b"\x00dream\xff"

    def test_reads_what_is_wanted_of_it(self, place: Location) -> None:
        place.write(b"0123456789")
        assert place.read(4) == b"0123"
        assert place.read(0) == b""
        assert place.read(100) == b"0123456789"

    def test_keeps_an_empty_file(self, place: Location) -> None:
        place.write(b"")
        assert place.read() == b""
        assert place.read(5) == b""
        assert place.exists()

    def test_replaces_what_was_there(self, place: Location) -> None:
        place.write(b"a long first version")
        place.write(b"short")
        assert place.read() == b"short"

    def test_exists_once_written(self, place: Location) -> None:
        assert not place.exists()
        place.write(b"x")
        assert place.exists()

    def test_check_changes_nothing(self, place: Location) -> None:
        place.check_writable()
        assert not place.exists()
        place.write(b"x")
        place.check_writable()
        assert place.read() == b"x"

    def test_opened_is_a_local_file(self, place: Location) -> None:
        place.write(b"dream")
        with place.as_local_file() as path:
            assert path.read_bytes() == b"dream"
        assert place.read() == b"dream"
        assert path.exists() == isinstance(place, LocalFile), "a temporary copy goes"

    def test_errors_inside_opened_are_left_alone(self, place: Location) -> None:
        place.write(b"dream")
        with pytest.raises(FileNotFoundError, match="mine"), place.as_local_file():
            raise FileNotFoundError("mine")

    def test_a_file_can_be_put_there(self, place: Location, tmp_path: Path) -> None:
        place.write(b"a long first version")
        (tmp_path / "made").write_bytes(b"dream")
        place.write_file(tmp_path / "made")
        assert place.read() == b"dream"

    def test_remove_takes_only_it(self, place: Location) -> None:
        place.write(b"x")
        place.folder.file("dog.png").write(b"y")
        place.remove()
        assert not place.exists()
        assert place.folder.file("dog.png").read() == b"y"
        place.remove()

    def test_the_fingerprint_changes_with_the_contents(self, place: Location) -> None:
        place.write(b"one")
        first = place.fingerprint()
        assert place.fingerprint() == first
        place.write(b"three")
        assert place.fingerprint() != first

    def test_what_is_missing_is_said_so(self, place: Location) -> None:
        def open_it() -> None:
            with place.as_local_file():
                raise AssertionError("there is nothing to open")

        for call in (place.read, place.fingerprint, open_it):
            with pytest.raises(RequestError) as error:
                call()
            one_line(error, "cat.png", "check")

    def test_it_lies_in_its_folder(self, place: Location, folder: Folder) -> None:
        assert place.folder == folder.folder("deep")
        assert place.folder.file("cat.png") == place
        assert hash(place.folder.file("cat.png")) == hash(place)

    def test_its_text_and_its_pickle_name_the_same_place(
        self, place: Location, folder: Folder, kind: str
    ) -> None:
        if kind == "memory":
            pytest.skip("what is in memory stays in its process")
        assert locate(str(place)) == place
        assert pickle.loads(pickle.dumps(place)) == place
        assert locate_folder(str(folder)) == folder
        assert pickle.loads(pickle.dumps(folder)) == folder

    def test_any_name_will_do(self, folder: Folder, kind: str) -> None:
        folder.file("another").write(b"")
        for name in odd_names(kind):
            place = folder.file(name)
            assert place.create_if_absent(b"x") is True
            assert place.name == name
            assert place.read() == b"x"
            assert place.create_if_absent(b"y") is False
            assert place.compare_and_swap(b"x", b"y") is True
            place.write(b"z")
            assert sorted(named(folder)) == sorted(["another", name])
            place.remove()
            assert not place.exists()


class TestFolder:
    def test_writing_makes_the_folders_on_the_way(self, folder: Folder) -> None:
        folder.file("octave-1/0-3.npy").write(b"x")
        assert folder.folder("octave-1").file("0-3.npy").read() == b"x"

    def test_remove_takes_everything_in_it_and_nothing_else(self, folder: Folder) -> None:
        for name in ("a", "b/c", "b/d/e", "d/e"):
            folder.file(name).write(b"x")
        folder.folder("b").remove()
        assert named(folder) == ["a", "d/e"]

    def test_a_folder_whose_name_starts_alike_is_another(self, folder: Folder) -> None:
        folder.folder("octave-1").file("a").write(b"x")
        folder.folder("octave-10").file("a").write(b"x")
        assert named(folder.folder("octave-1")) == ["a"]
        folder.folder("octave-1").remove()
        assert named(folder) == ["octave-10/a"]

    def test_nothing_to_remove_is_no_error(self, folder: Folder) -> None:
        folder.remove()
        folder.file("a").write(b"x")
        folder.remove()
        folder.remove()
        assert not folder.file("a").exists()

    def test_it_can_be_used_again_after_it_was_removed(self, folder: Folder) -> None:
        folder.file("a").write(b"x")
        folder.remove()
        folder.file("a").write(b"y")
        assert folder.file("a").read() == b"y"

    def test_check_leaves_nothing_behind(self, folder: Folder, root: Folder) -> None:
        folder.check_writable()
        folder.file("deep/a").check_writable()
        assert named(root) == []
        folder.file("a").write(b"x")
        folder.check_writable()
        folder.file("a").check_writable()
        assert folder.file("a").read() == b"x"

    def test_equal_ones_are_the_same_key(self, folder: Folder) -> None:
        assert folder.folder("a").folder("b") == folder.folder("a/b")
        assert len({folder.folder("a"), folder.folder("a"), folder.folder("b")}) == 2


class TestListing:
    def test_what_is_listed_can_be_read_with_the_same_fingerprint(
        self, folder: Folder, root: Folder, kind: str
    ) -> None:
        wanted = {
            f"{way}{name}": name.encode() * n
            for way in ("", "b/", "b/deep er/#/")
            for n, name in enumerate(odd_names(kind))
        }
        for name, data in wanted.items():
            folder.file(name).write(data)
        root.file("work/other").write(b"x")
        listed = list(folder.files())
        assert sorted(found.name for found in listed) == sorted(wanted)
        for found in listed:
            place = folder.file(found.name)
            assert found == ListedFile(found.name, len(wanted[found.name]), place.fingerprint())
            assert place.read() == wanted[found.name]

    def test_it_is_in_the_order_of_the_names_bytes(self, folder: Folder, kind: str) -> None:
        names = ["B", "a-c/x", "a/b/c", "a/b.d", "a0", "é", "日本", "\U0001f408", "\uff5e"]
        for name in names:
            folder.file(name).write(b"x")
        listed = named(folder)
        assert sorted(listed) == sorted(names)
        assert named(folder) == listed
        if kind != "server":  # Which order an S3 server has is up to it.
            assert listed == sorted(names, key=str.encode)

    def test_what_was_removed_or_replaced_is_seen(self, folder: Folder) -> None:
        for name in ("a", "b", "c/d"):
            folder.file(name).write(b"old")
        folder.file("a").remove()
        folder.file("b").write(b"newer")
        b, d = folder.files()
        assert (b.name, b.size, d.name, d.size) == ("b", 5, "c/d", 3)

    def test_a_whole_bucket_or_disk_can_be_listed(self, root: Folder) -> None:
        root.file("a").write(b"x")
        root.file("b/c").write(b"x")
        assert named(root) == ["a", "b/c"]

    def test_where_nothing_is(self, folder: Folder, kind: str) -> None:
        if kind != "local":
            assert named(folder) == []
            return
        with pytest.raises(RequestError) as error:
            named(folder)
        one_line(error, str(folder), "no such folder; check the path")


class TestNotes:
    NOTES: ClassVar = {"source-fingerprint": "12-ab", "request": "it's (so): a=b, c"}

    def kept(self, kind: str) -> dict[str, str]:
        return self.NOTES if kind in ("moto", "server") else {}

    def test_they_stay_with_what_was_written(
        self, place: Location, kind: str, tmp_path: Path
    ) -> None:
        place.write(b"x", self.NOTES)
        assert place.metadata() == self.kept(kind)
        assert place.read() == b"x"
        place.write(b"y")
        if kind != "server":  # Versitygw keeps the notes of what it replaces.
            assert place.metadata() == {}
        (tmp_path / "made").write_bytes(b"z")
        place.write_file(tmp_path / "made", self.NOTES)
        assert place.metadata() == self.kept(kind)
        assert place.read() == b"z"

    @pytest.mark.parametrize(
        "metadata",
        [
            {"Upper": "x"},
            {"a_b": "x"},
            {"": "x"},
            {"a": ""},
            {"a": " x"},
            {"a": "é"},
            {"a": "b\nc"},
            {"a": "x" * 2001},
        ],
    )
    def test_what_s3_would_change_is_refused_everywhere(
        self, place: Location, metadata: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(b"z")
        for call in (place.write, place.write_file):
            with pytest.raises(ValueError, match="note"):
                call(b"x" if call == place.write else tmp_path / "made", metadata)
        assert not place.exists()


class TestConditions:
    def test_create_puts_what_is_not_there_yet(self, place: Location) -> None:
        assert place.create_if_absent(b"first") is True
        assert place.create_if_absent(b"second") is False
        assert place.create_if_absent(b"first") is False
        assert place.read() == b"first"
        place.remove()
        assert place.create_if_absent(b"second") is True
        assert place.read() == b"second"

    def test_exchange_replaces_what_is_expected(self, place: Location) -> None:
        place.write(b"one")
        assert place.compare_and_swap(b"one", b"two!") is True
        assert place.compare_and_swap(b"one", b"three") is False
        assert place.compare_and_swap(b"two", b"three") is False
        assert place.compare_and_swap(b"two!!", b"three") is False
        assert place.read() == b"two!"

    def test_exchange_for_nothing_removes(self, place: Location, folder: Folder) -> None:
        place.write(b"one")
        assert place.compare_and_swap(b"two", None) is False
        assert place.exists()
        assert place.compare_and_swap(b"one", None) is True
        assert not place.exists()
        assert named(folder) == []

    def test_nothing_is_not_exchanged(self, place: Location, folder: Folder) -> None:
        assert place.compare_and_swap(b"one", b"two") is False
        assert place.compare_and_swap(b"", b"two") is False
        assert place.compare_and_swap(b"one", None) is False
        assert not place.exists()

    def test_nothing_else_is_left_behind(self, place: Location, folder: Folder) -> None:
        place.create_if_absent(b"one")
        place.create_if_absent(b"two")
        place.compare_and_swap(b"one", b"three")
        place.compare_and_swap(b"four", b"five")
        assert named(folder) == ["deep/cat.png"]
        if isinstance(place, LocalFile):
            assert [path.name for path in place.path.parent.iterdir()] == ["cat.png"]

    def test_of_many_processes_one_creates_and_one_exchanges(self, root: Folder, kind: str) -> None:
        if kind == "moto":
            pytest.skip("it looks and stores in two steps, and lets two through under load")
        rounds = range(4)
        for n in rounds:
            root.file(f"exchanged/{n}").write(b"before")
        results = together(root, 8, _race, rounds)
        raced = [f"{what}/{n}" for n in rounds for what in ("created", "exchanged")]
        for at, name in enumerate(raced):
            winners = [who for who, won in enumerate(results) if won[at]]
            assert len(winners) == 1
            assert root.file(name).read() == b"%d" % winners[0]

    def test_no_exchange_is_lost(self, root: Folder, kind: str) -> None:
        if kind in ("moto", "server"):
            pytest.skip("takes long where each look is a request")
        root.file("count").write(b"0")
        together(root, 8, _count, range(20))
        assert root.file("count").read() == b"160"


def _race(root: Folder, who: int, rounds: range) -> list[bool]:
    mine = b"%d" % who
    won = []
    for n in rounds:
        won.append(root.file(f"created/{n}").create_if_absent(mine))
        won.append(root.file(f"exchanged/{n}").compare_and_swap(b"before", mine))
    return won


def _count(root: Folder, who: int, rounds: range) -> list[bool]:
    """Adds one for each round, however often that takes."""
    file = root.file("count")
    for _ in rounds:
        while not file.compare_and_swap(before := file.read(), b"%d" % (int(before) + 1)):
            pass
    return []


Work = Callable[[Folder, int, range], list[bool]]


def together(root: Folder, number: int, work: Work, rounds: range) -> list[list[bool]]:
    """The results of work that several processes, for what is in memory threads, do at a time."""
    if isinstance(root, MemoryFolder):
        with ThreadPoolExecutor(number) as threads:
            return list(threads.map(lambda who: work(root, who, rounds), range(number)))
    ready, pipes, processes = FRESH.Barrier(number), [], []
    for who in range(number):
        ours, theirs = FRESH.Pipe()
        task = (theirs, ready, dict(os.environ), work, str(root), who, rounds)
        processes.append(FRESH.Process(target=_do, args=task))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    results = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return results


def _do(
    pipe: Connection,
    ready: Barrier,
    environment: dict[str, str],
    work: Work,
    root: str,
    who: int,
    rounds: range,
) -> None:
    os.environ.update(environment)
    ready.wait()
    pipe.send(work(locate_folder(root), who, rounds))


SIZE = 6 << 20


@pytest.mark.parametrize("call", ["write", "write_file", "create_if_absent"])
def test_a_process_that_is_killed_leaves_all_or_nothing(
    root: Folder, kind: str, call: str, tmp_path: Path
) -> None:
    if kind == "memory":
        pytest.skip("what is in memory dies with its process")
    if kind == "moto":
        pytest.skip("it is read while it makes the last change, as no storage may be")
    moments = random.Random(call)
    for _ in range(4):
        ours, theirs = FRESH.Pipe()
        task = (theirs, dict(os.environ), call, str(root), tmp_path / "made")
        process = FRESH.Process(target=_write_on, args=task)
        process.start()
        theirs.close()
        ours.recv()
        # Some time of a write: what must hold, holds for any.
        time.sleep(moments.uniform(0, 0.06))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        listed = [found for found in root.files() if found.name.startswith("killed/")]
        assert listed, "what was whole stays"
        for found in listed:
            data = root.file(found.name).read()
            assert (len(data), found.size) == (SIZE, SIZE)
            assert data == data[:1] * SIZE


def _write_on(
    pipe: Connection, environment: dict[str, str], call: str, root: str, made: Path
) -> None:
    """Writes one version after the other until it is killed."""
    os.environ.update(environment)
    folder = locate_folder(root).folder("killed")
    made = made.with_name(f"{os.getpid()}")
    version = 0
    folder.file("a").write(bytes(SIZE))
    while True:
        version += 1
        data = bytes([version % 256]) * SIZE
        if version == 1:
            pipe.send("started")
        match call:
            case "write":
                folder.file("a").write(data)
            case "create_if_absent":
                folder.file(f"{os.getpid()}-{version}").create_if_absent(data)
            case "write_file":
                made.write_bytes(data)
                folder.file("a").write_file(made)
