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
from dreamray.storage import LocalFile, S3Object, locate

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
        from dreamray import s3

        monkeypatch.setattr(s3, "MULTIPART_FROM", 9 << 20)
        data = os.urandom(9 << 20)
        place = S3Object(bucket, "big.tif")
        place.write(data)
        assert place.read() == data
        etag = s3.client().head_object(Bucket=bucket, Key="big.tif")["ETag"]
        assert "-" in etag, "an object sent in parts has their number in its ETag"

    def test_browsers_learn_what_it_is(self, bucket: str) -> None:
        from dreamray import s3

        S3Object(bucket, "cat.png").write(b"x")
        assert s3.client().head_object(Bucket=bucket, Key="cat.png")["ContentType"] == "image/png"

    def test_no_such_bucket(self, bucket: str) -> None:
        place = S3Object("another-bucket", "a.png")
        assert not place.exists()
        for call in (place.read, place.check_writable, lambda: place.write(b"x")):
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
        from dreamray import s3

        config = s3.client().meta.config
        assert config.connect_timeout <= 5
        assert config.read_timeout <= 60
        assert config.retries["mode"] == "standard"
