"""Local files and S3 objects keep the same contract, and say what is wrong in one line."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dreamray.errors import DreamrayError, RequestError, StorageError
from dreamray.storage import (
    Folder,
    LocalFile,
    LocalFolder,
    Location,
    MemoryFolder,
    S3Folder,
    S3Object,
    locate,
    locate_folder,
)

MakeUri = Callable[[str], str]


@pytest.fixture(params=["local", "file uri", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> MakeUri:
    """Makes the text that names a file in a fresh folder or bucket."""
    if request.param == "s3":
        name = request.getfixturevalue("bucket")
        return lambda path: f"s3://{name}/{path}"
    scheme = "file://" if request.param == "file uri" else ""
    return lambda path: f"{scheme}{tmp_path}/{path}"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one_line(error: pytest.ExceptionInfo[DreamrayError], *words: str) -> None:
    """The message is one line with these words, and drags no other error along."""
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    assert error.value.__suppress_context__ or error.value.__context__ is None


class TestBoth:
    def test_gives_back_what_was_written(self, uri: MakeUri) -> None:
        place = locate(uri("cat.png"))
        place.write(b"\x00dream\xff")
        assert place.read() == b"\x00dream\xff"

    def test_reads_what_is_wanted_of_it(self, uri: MakeUri) -> None:
        place = locate(uri("cat.png"))
        place.write(b"0123456789")
        assert place.read(4) == b"0123"
        assert place.read(0) == b""
        assert place.read(100) == b"0123456789"

    def test_keeps_an_empty_file(self, uri: MakeUri) -> None:
        place = locate(uri("nothing"))
        place.write(b"")
        assert place.read() == b""
        assert place.read(5) == b""
        assert place.exists()

    def test_replaces_what_was_there(self, uri: MakeUri) -> None:
        place = locate(uri("cat.png"))
        place.write(b"a long first version")
        place.write(b"short")
        assert place.read() == b"short"

    def test_exists_once_written(self, uri: MakeUri) -> None:
        place = locate(uri("cat.png"))
        assert not place.exists()
        place.write(b"x")
        assert place.exists()

    def test_check_changes_nothing(self, uri: MakeUri) -> None:
        place = locate(uri("cat.png"))
        place.check_writable()
        assert not place.exists()
        place.write(b"x")
        place.check_writable()
        assert place.read() == b"x"

    def test_a_missing_one_cannot_be_read(self, uri: MakeUri) -> None:
        with pytest.raises(RequestError) as error:
            locate(uri("missing.png")).read()
        one_line(error, "missing.png", "check")

    @pytest.mark.parametrize("name", ["été à la mer.png", "a%20b.png", "a+b#c?d.png", "..hidden"])
    def test_any_name_will_do(self, uri: MakeUri, name: str) -> None:
        text = uri(name.replace("%", "%25") if uri("").startswith("file") else name)
        place = locate(text)
        place.write(b"x")
        assert place.name == name
        assert place.read() == b"x"

    def test_name_and_suffix(self, uri: MakeUri) -> None:
        place = locate(uri("net.weights.H5"))
        assert (place.name, place.suffix) == ("net.weights.H5", ".h5")
        assert locate(uri("README")).suffix == ""

    def test_text_and_pickle_name_the_same_place(self, uri: MakeUri) -> None:
        place = locate(uri("cat.png"))
        assert locate(str(place)) == place
        assert pickle.loads(pickle.dumps(place)) == place


@pytest.fixture(params=["local", "s3", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """A folder that does not exist yet, of every kind."""
    match request.param:
        case "s3":
            return locate_folder(f"s3://{request.getfixturevalue('bucket')}/work/one")
        case "local":
            return locate_folder(f"{tmp_path}/work/one")
    return MemoryFolder().folder("work/one")


class TestEveryLocation:
    """What holds of a location wherever it lies."""

    @pytest.fixture
    def place(self, folder: Folder) -> Location:
        return folder.file("deep/cat.png")

    def test_gives_back_what_was_written(self, place: Location) -> None:
        assert not place.exists()
        place.write(b"0123456789")
        assert place.exists()
        assert place.read() == b"0123456789"
        assert place.read(4) == b"0123"

    def test_opened_is_a_local_file(self, place: Location) -> None:
        place.write(b"dream")
        with place.opened() as path:
            assert path.read_bytes() == b"dream"
        assert place.read() == b"dream"
        assert path.exists() == isinstance(place, LocalFile), "a temporary copy goes"

    def test_errors_inside_opened_are_left_alone(self, place: Location) -> None:
        place.write(b"dream")
        with pytest.raises(FileNotFoundError, match="mine"), place.opened():
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
        place.write(b"two")
        assert place.fingerprint() != first

    def test_what_is_missing_is_said_so(self, place: Location) -> None:
        def opened() -> None:
            with place.opened():
                raise AssertionError("there is nothing to open")

        for call in (place.read, place.fingerprint, opened):
            with pytest.raises(RequestError) as error:
                call()
            one_line(error, "cat.png", "check")

    def test_it_lies_in_its_folder(self, place: Location, folder: Folder) -> None:
        assert place.folder == folder.folder("deep")
        assert place.folder.file("cat.png") == place
        assert hash(place.folder.file("cat.png")) == hash(place)


class TestFolder:
    def test_writing_makes_the_folders_on_the_way(self, folder: Folder) -> None:
        folder.file("octave-1/0-3.npy").write(b"x")
        assert folder.folder("octave-1").file("0-3.npy").read() == b"x"

    def test_remove_takes_everything_in_it_and_nothing_else(self, folder: Folder) -> None:
        for name in ("a", "b/c", "b/d/e", "d/e"):
            folder.file(name).write(b"x")
        folder.folder("b").remove()
        left = [name for name in ("a", "b/c", "b/d/e", "d/e") if folder.file(name).exists()]
        assert left == ["a", "d/e"]

    def test_a_folder_whose_name_starts_alike_stays(self, folder: Folder) -> None:
        folder.folder("octave-1").file("a").write(b"x")
        folder.folder("octave-10").file("a").write(b"x")
        folder.folder("octave-1").remove()
        assert not folder.file("octave-1/a").exists()
        assert folder.file("octave-10/a").exists()

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

    def test_check_leaves_nothing_behind(self, folder: Folder, tmp_path: Path) -> None:
        folder.check_writable()
        folder.file("deep/a").check_writable()
        assert not list(tmp_path.rglob("*work*"))
        folder.file("a").write(b"x")
        folder.check_writable()
        folder.file("a").check_writable()
        assert folder.file("a").read() == b"x"

    def test_equal_ones_are_the_same_key(self, folder: Folder) -> None:
        assert folder.folder("a").folder("b") == folder.folder("a/b")
        assert len({folder.folder("a"), folder.folder("a"), folder.folder("b")}) == 2


class TestLocateFolder:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("/work", LocalFolder(Path("/work"))),
            ("work/one/", LocalFolder(Path("work/one"))),
            ("/", LocalFolder(Path("/"))),
            ("file:///a%20b/", LocalFolder(Path("/a b"))),
            ("s3://bucket", S3Folder("bucket", "")),
            ("s3://bucket/", S3Folder("bucket", "")),
            ("s3://bucket/a/b", S3Folder("bucket", "a/b")),
            ("s3://bucket/a/b/", S3Folder("bucket", "a/b")),
        ],
    )
    def test_names_a_folder(self, text: str, expected: Folder) -> None:
        folder = locate_folder(text)
        assert folder == expected
        assert locate_folder(str(folder)) == folder
        assert pickle.loads(pickle.dumps(folder)) == folder

    def test_the_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/cat")
        assert locate_folder("~/work") == LocalFolder(Path("/home/cat/work"))

    @pytest.mark.parametrize("text", ["", "a\0b", "gs://bucket", "s3://", "s3:///a", "file://x"])
    def test_what_names_none_is_a_wrong_request(self, text: str) -> None:
        with pytest.raises(RequestError) as error:
            locate_folder(text)
        one_line(error)

    def test_files_of_a_whole_bucket(self) -> None:
        assert locate_folder("s3://bucket").file("a/b") == S3Object("bucket", "a/b")
        assert S3Object("bucket", "a").folder == locate_folder("s3://bucket")


class TestMemory:
    def test_each_is_another(self) -> None:
        one, other = MemoryFolder(), MemoryFolder()
        one.file("a").write(b"x")
        assert not other.file("a").exists()
        assert one != other

    def test_it_stays_in_its_process(self) -> None:
        folder = MemoryFolder()
        for thing in (folder, folder.file("a"), folder.folder("b")):
            with pytest.raises(TypeError, match="stays in its process"):
                pickle.dumps(thing)


class TestLocate:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a\0b",
            "folder/",
            "http://host/cat.png",
            "gs://bucket/key",
            "file://elsewhere/cat.png",
            "file://cat.png",
            "file:///a%00b",
            "s3://",
            "s3://bucket",
            "s3:///key",
            "s3://bucket/",
            "s3://bucket/folder/",
            "s3://buc ket/key",
            "s3://user:secret@host/key",
            "s3://bucket/" + "k" * 1025,
            "s3://bucket/\udcff",
            "~no-such-user-here/cat.png",
        ],
    )
    def test_what_names_nothing_is_a_wrong_request(self, text: str) -> None:
        with pytest.raises(RequestError) as error:
            locate(text)
        one_line(error)

    def test_the_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/cat")
        assert locate("~/a.png") == LocalFile(Path("/home/cat/a.png"))

    def test_schemes_are_of_any_case(self) -> None:
        assert locate("S3://Bucket/Key") == S3Object("Bucket", "Key")
        assert locate("FILE:///a%20b") == LocalFile(Path("/a b"))
        assert locate("file://localhost/a") == LocalFile(Path("/a"))

    def test_a_local_name_with_a_colon_is_a_path(self) -> None:
        assert locate("./s3://x").name == "x"
        assert locate("12:30.png") == LocalFile(Path("12:30.png"))

    def test_a_key_is_kept_as_it_is(self) -> None:
        assert locate("s3://b/a//../%41") == S3Object("b", "a//../%41")

    def test_boto_is_imported_when_it_is_used(self) -> None:
        code = (
            "import sys; from dreamray.storage import locate; locate('s3://b/k');"
            "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestLocal:
    def test_leaves_no_temporary_file(self, tmp_path: Path) -> None:
        locate(f"{tmp_path}/a.png").write(b"x")
        locate(f"{tmp_path}/a.png").check_writable()
        assert names(tmp_path) == ["a.png"]

    @pytest.mark.parametrize("mask", [0o022, 0o077])
    def test_the_umask_rules(self, tmp_path: Path, mask: int) -> None:
        before = os.umask(mask)
        try:
            locate(f"{tmp_path}/a.png").write(b"x")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask

    def test_writes_through_a_symbolic_link(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to("there/a.png")
        locate(f"{tmp_path}/link").write(b"x")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "a.png").read_bytes() == b"x"

    @pytest.mark.parametrize(
        ("code", "kind", "word"),
        [
            (errno.ENOSPC, StorageError, "free some space"),
            (errno.EDQUOT, StorageError, "free some space"),
            (errno.EIO, StorageError, "check the disk"),
        ],
    )
    def test_a_failing_disk_keeps_the_old_file(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        code: int,
        kind: type[DreamrayError],
        word: str,
    ) -> None:
        place = locate(f"{tmp_path}/a.png")
        place.write(b"old")

        def fail(descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(kind) as error:
            place.write(b"new")
        one_line(error, "a.png", word)
        assert error.type is kind
        assert names(tmp_path) == ["a.png"]
        assert place.read() == b"old"

    def test_a_full_disk(self, tmp_path: Path) -> None:
        # A limit on the size of files is what any user can set; it must not kill the process.
        code = (
            "import resource, signal, sys; from dreamray.errors import StorageError;"
            "from dreamray.storage import locate;"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));\n"
            "try: locate(sys.argv[1]).write(bytes(2000))\n"
            "except StorageError as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, f"{tmp_path}/a.png"], capture_output=True, text=True
        )
        assert "free some space" in done.stdout
        assert names(tmp_path) == []

    def test_an_interrupted_write_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(descriptor: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            locate(f"{tmp_path}/a.png").write(b"x")
        assert names(tmp_path) == []

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        place = LocalFile(tmp_path)
        assert not place.exists()
        for call in (place.read, place.check_writable, lambda: place.write(b"x")):
            with pytest.raises(RequestError) as error:
                call()
            one_line(error, "this is a folder")

    def test_the_folder_must_be_there(self, tmp_path: Path) -> None:
        place = locate(f"{tmp_path}/missing/a.png")
        assert not place.exists()
        for call in (place.check_writable, lambda: place.write(b"x")):
            with pytest.raises(RequestError) as error:
                call()
            one_line(error, "no folder", "create it first")

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        place = locate(f"{tmp_path}/file/a.png")
        assert not place.exists()
        for call in (place.read, place.check_writable, lambda: place.write(b"x")):
            with pytest.raises(RequestError) as error:
                call()
            one_line(error, "is not a folder")

    def test_a_name_can_be_too_long(self, tmp_path: Path) -> None:
        locate(f"{tmp_path}/{'a' * 255}").write(b"x")
        place = locate(f"{tmp_path}/{'a' * 256}")
        for call in (place.read, place.check_writable, lambda: place.write(b"x")):
            with pytest.raises(RequestError) as error:
                call()
            one_line(error, "too long")

    def test_devices_and_pipes_are_not_replaced(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/null")):
            with pytest.raises(RequestError) as error:
                LocalFile(path).write(b"x")
            one_line(error, "no regular file")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_a_message_is_one_line_whatever_the_name(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError) as error:
            locate(f"{tmp_path}/two\nlines\x1b[31m\udcff").read()
        one_line(error, r"two\nlines\x1b[31m\udcff")

    def test_a_pipe_is_copied_as_it_can_be_read_once(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"dream",))
        writer.start()
        with LocalFile(tmp_path / "pipe").opened() as path:
            assert path.read_bytes() == path.read_bytes() == b"dream"
        writer.join()

    def test_a_file_from_another_file_system_is_copied(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, place = tmp_path / "made", LocalFile(tmp_path / "a.png")
        made.write_bytes(b"dream")
        replace = Path.replace

        def across(self: Path, target: Path) -> Path:
            if self == made:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", across)
        place.write_file(made)
        assert place.read() == b"dream"
        assert names(tmp_path) == ["a.png", "made"]

    @pytest.mark.parametrize(("before", "after"), [(None, 0o640), (0o604, 0o604)])
    def test_a_moved_file_has_the_rights_of_a_written_one(
        self, tmp_path: Path, before: int | None, after: int
    ) -> None:
        made, place = tmp_path / "made", LocalFile(tmp_path / "a.png")
        made.write_bytes(b"dream")
        made.chmod(0o600)
        mask = os.umask(0o027)
        try:
            if before is not None:
                place.write(b"old")
                place.path.chmod(before)
            place.write_file(made)
        finally:
            os.umask(mask)
        assert stat.S_IMODE(place.path.stat().st_mode) == after
        assert names(tmp_path) == ["a.png"]

    def test_a_failed_move_keeps_both(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "made").write_bytes(b"new")
        (tmp_path / "folder").mkdir()
        with pytest.raises(RequestError, match="this is a folder"):
            LocalFile(tmp_path / "folder").write_file(tmp_path / "made")
        with pytest.raises(RequestError, match="create it first"):
            LocalFile(tmp_path / "missing" / "a.png").write_file(tmp_path / "made")
        assert (tmp_path / "made").read_bytes() == b"new"
        assert names(tmp_path) == ["folder", "made"]

    def test_a_folder_is_not_removed_as_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="this is a folder"):
            LocalFile(tmp_path).remove()
        assert tmp_path.is_dir()

    def test_removing_a_folder_follows_no_link_out_of_it(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_bytes(b"x")
        work = tmp_path / "work"
        (work / "deep").mkdir(parents=True)
        (work / "deep" / "link").symlink_to(outside)
        LocalFolder(work).remove()
        assert names(tmp_path) == ["outside"]
        (tmp_path / "link").symlink_to(outside)
        LocalFolder(tmp_path / "link").remove()
        assert names(tmp_path) == ["outside"]
        assert names(outside) == ["precious"]

    def test_several_may_remove_a_folder_at_a_time(self, tmp_path: Path) -> None:
        for n in range(300):
            LocalFolder(tmp_path / "work").file(f"{n % 7}/{n}").write(b"")
        failures: list[DreamrayError] = []

        def remove() -> None:
            try:
                LocalFolder(tmp_path / "work").remove()
            except DreamrayError as error:
                failures.append(error)

        threads = [threading.Thread(target=remove) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert names(tmp_path) == []

    def test_a_file_on_the_way_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        for way in ("file", "file/deeper"):
            folder = LocalFolder(tmp_path / way)
            for call in (folder.check_writable, lambda f=folder: f.file("a").write(b"x")):
                with pytest.raises(RequestError) as error:
                    call()
                one_line(error, str(folder), "is not a folder")

    def test_no_room_for_a_temporary_copy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = MemoryFolder().file("a.png")
        file.write(b"x")
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        with pytest.raises(StorageError) as error, file.opened():
            pass
        one_line(error, "a.png", "set TMPDIR")

    def test_rights_are_needed(self, tmp_path: Path) -> None:
        # Root may do anything: the test runs as nobody in a process of its own.
        code = (
            "import os, sys; from dreamray.errors import RequestError;"
            "from dreamray.storage import locate;"
            "os.getuid() or os.setuid(65534)\n"
            "for call in (lambda: locate('secret').read(), locate('new').check_writable,\n"
            "             lambda: locate('new').write(b'x')):\n"
            "    try: call()\n"
            "    except RequestError as error: print(error)\n"
        )
        folder = tmp_path / "locked"
        folder.mkdir()
        (folder / "secret").write_bytes(b"x")
        (folder / "secret").chmod(0)
        folder.chmod(0o555)
        root = str(Path(__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
        folder.chmod(0o755)
        assert done.stdout.splitlines() == [
            f"{name}: Permission denied; check its rights and its folder's"
            for name in ("secret", "new", "new")
        ]


@pytest.fixture
def answer(aws: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    """Sets what a server that the environment points to answers to every request."""
    reply: list[tuple[int, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # answers boto's "Expect: 100-continue"

        def do_GET(self) -> None:
            status, body = reply[-1]
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_PUT = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    aws.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")

    def set_answer(status: int, code: str) -> None:
        reply.append((status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()))

    yield set_answer
    server.shutdown()
    server.server_close()


class TestS3:
    def test_much_data_goes_in_parts(self, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from dreamray.storage import s3_client as s3

        monkeypatch.setattr(s3, "MULTIPART_FROM", 9 << 20)
        data = os.urandom(9 << 20)
        place = S3Object(bucket, "big.tif")
        place.write(data)
        assert place.read() == data
        etag = s3.client().head_object(Bucket=bucket, Key="big.tif")["ETag"]
        assert "-" in etag, "an object sent in parts has their number in its ETag"

    def test_browsers_learn_what_it_is(self, bucket: str) -> None:
        from dreamray.storage import s3_client as s3

        S3Object(bucket, "cat.png").write(b"x")
        assert s3.client().head_object(Bucket=bucket, Key="cat.png")["ContentType"] == "image/png"

    def test_a_large_file_goes_in_parts(self, bucket: str, tmp_path: Path) -> None:
        from dreamray.storage import s3_client as s3

        data = os.urandom(9 << 20)
        (tmp_path / "big.tif").write_bytes(data)
        place = S3Object(bucket, "big.tif")
        place.write_file(tmp_path / "big.tif")
        head = s3.client().head_object(Bucket=bucket, Key="big.tif")
        assert "-" in head["ETag"], "an object sent in parts has their number in its ETag"
        assert head["ContentType"] == "image/tiff"
        with place.opened() as path:
            assert path.read_bytes() == data

    def test_a_folder_of_many_is_removed(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Page by page: the server here is asked for pages of 3."""
        from dreamray.storage import s3_client as s3

        folder = S3Folder(bucket, "many")
        for n in range(8):
            folder.file(str(n)).write(b"x")
        client = s3.client()
        real = client.get_paginator

        class Small:
            def paginate(self, **options: object) -> object:
                return real("list_objects_v2").paginate(**options, PaginationConfig={"PageSize": 3})

        monkeypatch.setattr(client, "get_paginator", lambda name: Small())
        folder.remove()
        assert client.list_objects_v2(Bucket=bucket).get("KeyCount") == 0

    def test_what_cannot_be_removed_is_said(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The storage answers "200 OK" with the refusals inside."""
        from dreamray.storage import s3_client as s3

        S3Folder(bucket, "many").file("a").write(b"x")
        errors = [{"Key": "many/a", "Code": "AccessDenied", "Message": "no"}]
        monkeypatch.setattr(s3.client(), "delete_objects", lambda **_: {"Errors": errors})
        with pytest.raises(DreamrayError) as error:
            S3Folder(bucket, "many").remove()
        one_line(error, "s3://dreams/many", "access denied", "s3:DeleteObject")

    def test_no_room_for_a_copy(self, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from dreamray.storage import s3_client as s3

        def full(*where: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        S3Object(bucket, "a.png").write(b"x")
        monkeypatch.setattr(s3, "get_file", full)
        with pytest.raises(StorageError) as error, S3Object(bucket, "a.png").opened():
            pass
        one_line(error, "s3://dreams/a.png", "No space left", "TMPDIR")

    def test_no_such_bucket(self, bucket: str) -> None:
        place = S3Object("another-bucket", "a.png")
        assert not place.exists()
        folder = S3Folder("another-bucket", "a.png")
        calls = (place.read, place.check_writable, lambda: place.write(b"x"))
        for call in (*calls, folder.remove, folder.check_writable):
            with pytest.raises(RequestError) as error:
                call()
            one_line(error, "s3://another-bucket/a.png", "no such bucket", "create it")

    @pytest.mark.parametrize(
        ("status", "code", "kind", "words"),
        [
            (403, "AccessDenied", RequestError, ["access denied", "s3:PutObject"]),
            (403, "InvalidAccessKeyId", RequestError, ["not known", "AWS_PROFILE"]),
            (403, "SignatureDoesNotMatch", RequestError, ["secret key is wrong"]),
            (400, "ExpiredToken", StorageError, ["expired", "renew"]),
            (503, "SlowDown", StorageError, ["fewer workers"]),
            (500, "InternalError", StorageError, ["InternalError", "HTTP 500"]),
            (403, "RequestTimeTooSkewed", RequestError, ["clock"]),
        ],
    )
    def test_refusals(
        self,
        answer: Callable[[int, str], None],
        status: int,
        code: str,
        kind: type[DreamrayError],
        words: list[str],
    ) -> None:
        answer(status, code)
        with pytest.raises(kind) as error:
            S3Object("b", "a.png").write(b"x")
        assert error.type is kind
        one_line(error, "s3://b/a.png", *words)
        assert "dummy" not in str(error.value)

    def test_whoever_may_only_write_may_write(self, answer: Callable[[int, str], None]) -> None:
        answer(403, "AccessDenied")
        S3Object("b", "a.png").check_writable()

    @pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch"])
    def test_wrong_credentials_are_found_first(
        self, answer: Callable[[int, str], None], code: str
    ) -> None:
        answer(403, code)
        with pytest.raises(RequestError, match="check the credentials"):
            S3Object("b", "a.png").check_writable()

    def test_exists_needs_rights(self, answer: Callable[[int, str], None]) -> None:
        answer(403, "")
        with pytest.raises(RequestError, match="access denied"):
            S3Object("b", "a.png").exists()

    def test_nobody_answers(self, aws: pytest.MonkeyPatch) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        aws.setenv("AWS_ENDPOINT_URL_S3", f"http://user:password@127.0.0.1:{port}")
        for call in (S3Object("b", "k").check_writable, S3Object("b", "k").read):
            with pytest.raises(StorageError) as error:
                call()
            one_line(error, "s3://b/k", f"127.0.0.1:{port}", "check AWS_ENDPOINT_URL_S3")
            assert "password" not in str(error.value)

    def test_an_endpoint_that_is_none(self, aws: pytest.MonkeyPatch) -> None:
        aws.setenv("AWS_ENDPOINT_URL_S3", "minio:9000")
        with pytest.raises(RequestError) as error:
            S3Object("b", "k").read()
        one_line(error, "AWS_ENDPOINT_URL_S3")

    def test_no_credentials(self, aws: pytest.MonkeyPatch) -> None:
        aws.delenv("AWS_ACCESS_KEY_ID")
        aws.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(RequestError) as error:
            S3Object("b", "k").check_writable()
        one_line(error, "no credentials", "AWS_ACCESS_KEY_ID")

    def test_half_of_the_credentials(self, aws: pytest.MonkeyPatch) -> None:
        aws.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(RequestError, match="check the credentials"):
            S3Object("b", "k").check_writable()

    def test_no_such_profile(self, aws: pytest.MonkeyPatch) -> None:
        aws.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(RequestError, match="AWS_PROFILE"):
            S3Object("b", "k").read()

    def test_a_body_that_breaks_off_is_asked_for_again(self, aws: pytest.MonkeyPatch) -> None:
        asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "10")
                self.end_headers()
                self.wfile.write(b"0123456789"[: 4 if len(asked) < 3 else 10])

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        aws.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        try:
            assert S3Object("b", "k").read() == b"0123456789"
            assert len(asked) == 3
        finally:
            server.shutdown()
            server.server_close()

    def test_a_dead_storage_is_given_up_soon(self, aws: pytest.MonkeyPatch) -> None:
        from dreamray.storage import s3_client as s3

        config = s3.client().meta.config
        assert config.connect_timeout <= 5
        assert config.read_timeout <= 60
        assert config.retries["mode"] == "standard"
