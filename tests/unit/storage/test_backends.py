"""What is particular to local files, S3 objects and memory: they say what is wrong in one line.

What they have in common is in `unit/storage/test_contract.py`.
"""

from __future__ import annotations

import errno
import os
import pickle
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dreamray.base.errors import DreamrayError, RequestError, StorageError
from dreamray.storage import (
    Folder,
    LocalFile,
    LocalFolder,
    MemoryFolder,
    S3Folder,
    S3Object,
    locate,
    locate_folder,
    pipes,
)
from tests.support.places import PROJECT

MakeUri = Callable[[str], str]


@pytest.fixture(params=["local", "file uri", pytest.param("s3", marks=pytest.mark.slow)])
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


class TestTexts:
    """Whatever text names a place, it is the same place; its contract is tested elsewhere."""

    def test_gives_back_what_was_written(self, uri: MakeUri) -> None:
        locate(uri("cat.png")).write(b"\x00dream\xff")
        assert locate(uri("cat.png")).read() == b"\x00dream\xff"

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

    @pytest.mark.parametrize(
        ("text", "meant"),
        [("s3:/b/k", "s3://b/k"), ("S3:b/k", "s3://b/k"), ("file:/a.png", "file:///a.png")],
    )
    def test_a_missing_slash_is_told_with_what_was_meant(self, text: str, meant: str) -> None:
        for find in (locate, locate_folder):
            with pytest.raises(RequestError, match=f"{text}: .*; write {meant}$"):
                find(text)

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
            "import resource, signal, sys; from dreamray.base.errors import StorageError;"
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

    @pytest.mark.parametrize("data", [b"", b"dream", b"x" * 200_000], ids=len)
    def test_a_pipe_is_read_to_its_end_or_its_limit(self, tmp_path: Path, data: bytes) -> None:
        os.mkfifo(tmp_path / "pipe")

        def write() -> None:
            with suppress(BrokenPipeError):
                (tmp_path / "pipe").write_bytes(data)

        for limit in (None, 3):
            writer = threading.Thread(target=write)
            writer.start()
            assert LocalFile(tmp_path / "pipe").read(limit) == data[:limit]
            writer.join()

    def test_a_pipe_whose_writer_is_gone_is_read(self) -> None:
        """As the shell gives it: `--config <(echo 'step: 0.1')`."""
        reading, writing = os.pipe()
        os.write(writing, b"step: 0.1")
        os.close(writing)
        assert LocalFile(Path(f"/dev/fd/{reading}")).read() == b"step: 0.1"
        os.close(reading)

    def test_a_pipe_into_which_nobody_writes_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pipes, "_WRITER_WITHIN", 0.05)
        monkeypatch.setattr(pipes, "_BYTE_WITHIN", 0.05)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(RequestError) as error:
            LocalFile(tmp_path / "pipe").read()
        one_line(error, "nothing came out of this pipe")
        writer = os.open(tmp_path / "pipe", os.O_RDWR)
        os.write(writer, b"dre")
        with (
            pytest.raises(RequestError) as error,
            LocalFile(tmp_path / "pipe").as_local_file(),
        ):
            pass
        one_line(error, "nothing came out of this pipe")
        os.close(writer)

    def test_what_never_ends_is_not_read_to_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        zeros = LocalFile(Path("/dev/zero"))
        assert zeros.read(5) == bytes(5)
        assert LocalFile(Path("/dev/null")).read() == b""
        monkeypatch.setattr(pipes, "MOST", 1 << 20)
        with pytest.raises(RequestError) as error:
            zeros.read()
        one_line(error, "came out of this pipe")
        with pytest.raises(RequestError) as error, zeros.as_local_file():
            pass
        one_line(error, "a device")

    def test_a_pipe_is_copied_as_it_can_be_read_once(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"dream",))
        writer.start()
        with LocalFile(tmp_path / "pipe").as_local_file() as path:
            assert path.read_bytes() == path.read_bytes() == b"dream"
        writer.join()

    def test_a_file_from_another_file_system_is_copied(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made, place = tmp_path / "made", LocalFile(tmp_path / "a.png")
        made.write_bytes(b"dream")
        rename = os.rename

        def across(source: Any, target: Any, **handles: int) -> None:
            if source == made:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            rename(source, target, **handles)

        monkeypatch.setattr(os, "rename", across)
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
        with pytest.raises(StorageError) as error, file.as_local_file():
            pass
        one_line(error, "a.png", "set TMPDIR")

    def test_rights_are_needed(self, tmp_path: Path) -> None:
        # Root may do anything: the test runs as nobody in a process of its own.
        code = (
            "import os, sys; from dreamray.base.errors import RequestError;"
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
        root = str(PROJECT)
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


class TestLocalListing:
    def test_links_to_files_are_files_and_links_to_folders_are_not_followed(
        self, tmp_path: Path
    ) -> None:
        folder = tmp_path / "pictures"
        (folder / "deep").mkdir(parents=True)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "dog.png").write_bytes(b"123")
        (folder / "deep" / "dog.png").symlink_to(tmp_path / "elsewhere" / "dog.png")
        (folder / "deep" / "loop").symlink_to(folder)
        (folder / "folder").symlink_to(tmp_path / "elsewhere")
        (found,) = LocalFolder(folder).files()
        assert (found.name, found.size) == ("deep/dog.png", 3)
        assert found.fingerprint == LocalFile(folder / "deep" / "dog.png").fingerprint()
        (folder / "deep" / "dog.png").unlink()
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        assert [found.name for found in LocalFolder(tmp_path / "link").files()] == ["dog.png"]

    def test_what_is_no_file_is_left_out(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "broken").symlink_to("missing")
        (tmp_path / "itself").symlink_to("itself")
        (tmp_path / "through").symlink_to("cat.png/deeper")
        (tmp_path / ".dreamray-0123456789abcdef.part").write_bytes(b"half")
        (tmp_path / ".dreamray-mine").write_bytes(b"x")
        (tmp_path / "cat.png").write_bytes(b"x")
        (tmp_path / "empty").mkdir()
        listed = [found.name for found in LocalFolder(tmp_path).files()]
        assert listed == [".dreamray-mine", "cat.png"]

    def test_names_that_are_no_utf_8_name_their_files(self, tmp_path: Path) -> None:
        raw = os.fsencode(tmp_path) + b"/d\xff/caf\xe9.png"
        Path(os.fsdecode(raw)).parent.mkdir()
        Path(os.fsdecode(raw)).write_bytes(b"x")
        (found,) = LocalFolder(tmp_path).files()
        assert os.fsencode(found.name) == b"d\xff/caf\xe9.png"
        assert LocalFolder(tmp_path).file(found.name).read() == b"x"

    def test_folders_are_read_when_their_turn_comes(self, tmp_path: Path) -> None:
        folder = LocalFolder(tmp_path)
        for name in ("a/1", "b/1", "c/1", "d"):
            folder.file(name).write(b"x")
        listing = folder.files()
        assert next(listing).name == "a/1"
        folder.file("b/2").write(b"x")
        folder.folder("c").remove()
        folder.file("d").remove()
        assert [found.name for found in listing] == ["b/1", "b/2"]

    def test_folders_may_lie_deep_in_each_other(self, tmp_path: Path) -> None:
        deepest = tmp_path
        for _ in range(1200):
            deepest /= "d"
            deepest.mkdir()
        (deepest / "cat.png").write_bytes(b"x")
        (found,) = LocalFolder(tmp_path).files()
        assert found.name == "d/" * 1200 + "cat.png"
        (deepest / "cat.png").unlink()
        while deepest != tmp_path:  # Python's own removal is not made for so many.
            deepest.rmdir()
            deepest = deepest.parent

    def test_where_there_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        for name, words in (("missing", "no such folder"), ("file", "is not a folder")):
            with pytest.raises(RequestError) as error:
                list(LocalFolder(tmp_path / name).files())
            one_line(error, str(tmp_path / name), words, "check the path")

    def test_a_folder_that_may_not_be_read_is_said_so(self, tmp_path: Path) -> None:
        # Root may do anything: the test runs as nobody in a process of its own.
        code = (
            "import os; from dreamray.base.errors import RequestError;"
            "from dreamray.storage import locate_folder;"
            "os.getuid() or os.setuid(65534)\n"
            "try:\n"
            "    for found in locate_folder('.').files(): print(found.name)\n"
            "except RequestError as error: print(error)\n"
        )
        LocalFolder(tmp_path).file("open/a").write(b"x")
        LocalFolder(tmp_path).file("z/locked/a").write(b"x")
        (tmp_path / "z" / "locked").chmod(0)
        tmp_path.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(PROJECT),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
        )
        (tmp_path / "z" / "locked").chmod(0o755)
        assert done.stdout.splitlines() == [
            "open/a",
            "z/locked: Permission denied; check its rights and its folder's",
        ]


class TestLocalConditions:
    @pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
    def test_without_hard_links_one_of_many_creates_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        def refuse(*names: str, **handles: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "link", refuse)
        won: list[int] = []

        def create(who: int) -> None:
            won.extend([who] * LocalFile(tmp_path / "a").create_if_absent(b"%d" % who))

        threads = [threading.Thread(target=create, args=(who,)) for who in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert (tmp_path / "a").read_bytes() == b"%d" % won[0]
        assert names(tmp_path) == ["a"]

    def test_a_link_whose_answer_was_lost_is_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = os.link

        def again(*names: Any, **handles: Any) -> None:
            link(*names, **handles)
            link(*names, **handles)

        monkeypatch.setattr(os, "link", again)
        assert LocalFile(tmp_path / "a").create_if_absent(b"x") is True
        assert names(tmp_path) == ["a"]

    def test_a_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to("there/a")
        assert LocalFile(tmp_path / "link").create_if_absent(b"one") is True
        assert LocalFile(tmp_path / "link").compare_and_swap(b"one", b"two") is True
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "a").read_bytes() == b"two"

    def test_rights_stay(self, tmp_path: Path) -> None:
        LocalFile(tmp_path / "a").create_if_absent(b"one")
        (tmp_path / "a").chmod(0o640)
        LocalFile(tmp_path / "a").compare_and_swap(b"one", b"two")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        for call in (lambda p: p.create_if_absent(b"x"), lambda p: p.compare_and_swap(b"x", b"y")):
            with pytest.raises(RequestError) as error:
                call(LocalFile(tmp_path))
            one_line(error, "this is a folder")
