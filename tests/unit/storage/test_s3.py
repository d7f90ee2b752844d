"""What is particular to S3 objects: what is asked of a storage, and what its answers come to."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dreamray.base.errors import (
    DreamrayError,
    NotFoundError,
    RequestError,
    StorageError,
)
from dreamray.storage import S3Folder, S3Object
from tests.support.s3_server import S3Server


def one_line(error: pytest.ExceptionInfo[DreamrayError], *words: str) -> None:
    """The message is one line with these words, and drags no other error along."""
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    assert error.value.__suppress_context__ or error.value.__context__ is None


class QuietHandler(BaseHTTPRequestHandler):
    """Does not tell of each request."""

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], certificate: Path | None = None
) -> Iterator[ThreadingHTTPServer]:
    """A server of this machine, with TLS if it has a certificate."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def self_signed(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "storage")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_format = serialization.PrivateFormat.PKCS8
    path = folder / "storage.pem"
    path.write_bytes(
        key.private_bytes(pem, key_format, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return path


@pytest.fixture
def answer(aws: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    """Sets what a server that the environment points to answers to every request."""
    reply: list[tuple[int, bytes]] = []

    class Handler(QuietHandler):
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    aws.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")

    def set_answer(status: int, code: str) -> None:
        reply.append((status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()))

    yield set_answer
    server.shutdown()
    server.server_close()


@contextmanager
def in_pages_of(number: int) -> Iterator[list[object]]:
    """Has the client ask for so small pages; gives a list that grows with each one."""
    from dreamray.storage import s3_client as s3

    asked: list[object] = []

    def limit(params: dict[str, object], **_: object) -> None:
        asked.append(params.setdefault("MaxKeys", number))

    event = "before-parameter-build.s3.ListObjectsV2"
    s3.client().meta.events.register(event, limit)
    yield asked
    s3.client().meta.events.unregister(event, limit)


def in_parts(patch: pytest.MonkeyPatch) -> None:
    """Have objects of more than 8 MiB go in parts, of 5 MiB, the least that S3 takes."""
    from dreamray.storage import s3_parts

    patch.setattr(s3_parts, "FROM", 8 << 20)
    patch.setattr(s3_parts, "PART", 5 << 20)


class TestS3:
    def test_much_data_goes_in_parts(self, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from dreamray.storage import s3_client as s3

        in_parts(monkeypatch)
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

    def test_a_large_file_goes_in_parts(
        self, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dreamray.storage import s3_client as s3

        in_parts(monkeypatch)
        data = os.urandom(9 << 20)
        (tmp_path / "big.tif").write_bytes(data)
        place = S3Object(bucket, "big.tif")
        place.write_file(tmp_path / "big.tif")
        head = s3.client().head_object(Bucket=bucket, Key="big.tif")
        assert "-" in head["ETag"], "an object sent in parts has their number in its ETag"
        assert head["ContentType"] == "image/tiff"
        with place.as_local_file() as path:
            assert path.read_bytes() == data

    def test_a_folder_of_many_is_listed_and_removed(self, bucket: str) -> None:
        """Page by page: the server here is asked for pages of 3."""
        from dreamray.storage import s3_client as s3

        folder = S3Folder(bucket, "many")
        for n in range(8):
            folder.file(str(n)).write(b"x")
        with in_pages_of(3) as asked:
            assert [found.name for found in folder.files()] == list("01234567")
            assert len(asked) == 3
            folder.remove()
        assert s3.client().list_objects_v2(Bucket=bucket).get("KeyCount") == 0

    def test_pages_are_asked_for_when_their_turn_comes(self, bucket: str) -> None:
        for n in range(8):
            S3Object(bucket, str(n)).write(b"x")
        with in_pages_of(3) as asked:
            listing = S3Folder(bucket, "").files()
            assert [next(listing).name for _ in range(3)] == ["0", "1", "2"]
            assert len(asked) == 1
            S3Object(bucket, "5").remove()
            assert [found.name for found in listing] == ["3", "4", "6", "7"]

    def test_odd_keys_are_listed_as_they_are_but_not_the_marks_of_folders(
        self, bucket: str
    ) -> None:
        from dreamray.storage import s3_client as s3

        keys = ["../../x", "//a", "a//b", "a/./b", "/etc/passwd"]
        for key in (*keys, "", "a/", "deep/er/"):
            s3.client().put_object(Bucket=bucket, Key=f"in/{key}", Body=b"x")
        listed = [found.name for found in S3Folder(bucket, "in").files()]
        assert sorted(listed) == sorted(keys)
        for name in listed:
            assert S3Folder(bucket, "in").file(name).read() == b"x"

    def test_what_has_no_tag_has_one_fingerprint(self, s3_server: S3Server) -> None:
        """A server that shows a folder knows nothing of what was not put through it."""
        bucket = s3_server.make_bucket("put-beside")
        with pytest.MonkeyPatch.context() as environment:
            for name, value in s3_server.environment().items():
                environment.setenv(name, value)
            (bucket / "cat.png").write_bytes(b"dream")
            (found,) = S3Folder("put-beside", "").files()
            assert found.fingerprint == S3Object("put-beside", "cat.png").fingerprint()

    @pytest.mark.parametrize(
        ("head", "entry"),
        [
            ({"ETag": '"ab-2"'}, {"ETag": '"ab-2"', "LastModified": "not looked at"}),
            (
                {"LastModified": datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)},
                {"LastModified": datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC), "ETag": '""'},
            ),
            (
                {"LastModified": datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)},
                {
                    "LastModified": datetime(
                        2026, 2, 3, 5, 5, 6, tzinfo=timezone(timedelta(hours=1))
                    )
                },
            ),
        ],
    )
    def test_head_and_listing_give_one_fingerprint(
        self,
        aws: pytest.MonkeyPatch,
        monkeypatch: pytest.MonkeyPatch,
        head: dict[str, object],
        entry: dict[str, object],
    ) -> None:
        from dreamray.storage import s3_client as s3

        client = s3.client()
        page = {"Contents": [{"Key": "a", "Size": 5, **entry}]}
        monkeypatch.setattr(client, "head_object", lambda **_: {"ContentLength": 5, **head})
        monkeypatch.setattr(client, "list_objects_v2", lambda **_: page)
        (found,) = S3Folder("b", "").files()
        assert found.fingerprint == S3Object("b", "a").fingerprint()

    def test_what_cannot_be_removed_is_said(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The storage answers "200 OK" with the refusals inside."""
        from dreamray.storage import s3_client as s3

        S3Folder(bucket, "many").file("a").write(b"x")
        errors = [{"Key": "many/a", "Code": "AccessDenied", "Message": "no"}]

        def refuse(**_: object) -> None:
            answer: Any = {"Error": errors[0], "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "DeleteObject")

        with monkeypatch.context() as patch:
            patch.setattr(s3.client(), "delete_objects", lambda **_: {"Errors": errors})
            patch.setattr(s3.client(), "delete_object", refuse)
            with pytest.raises(DreamrayError) as error:
                S3Folder(bucket, "many").remove()
        one_line(error, "s3://dreams/many", "access denied", "s3:DeleteObject")

    def test_no_room_for_a_copy(self, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from dreamray.storage import s3_objects as s3

        def full(*where: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        S3Object(bucket, "a.png").write(b"x")
        monkeypatch.setattr(s3, "get_file", full)
        with pytest.raises(StorageError) as error, S3Object(bucket, "a.png").as_local_file():
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
            (409, "ObjectParentIsFile", RequestError, ["an object stands", "another key"]),
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

    def test_a_refusal_without_words_may_be_expired_credentials(
        self, answer: Callable[[int, str], None]
    ) -> None:
        """The answer to a HEAD request has no body that could say so."""
        answer(400, "ExpiredToken")
        for call in (S3Object("b", "a.png").exists, S3Object("b", "a.png").fingerprint):
            with pytest.raises(StorageError) as error:
                call()
            one_line(error, "s3://b/a.png", "expired; renew them")

    def test_a_server_that_is_no_storage(self, aws: pytest.MonkeyPatch) -> None:
        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"It works!")

        with serving(Handler) as server:
            aws.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
            with pytest.raises(StorageError) as error:
                S3Object("b", "k").check_writable()
            one_line(error, "s3://b/k", "check AWS_ENDPOINT_URL_S3")

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

    @pytest.mark.parametrize("way", ["read", "as_local_file"])
    def test_a_body_that_breaks_off_is_asked_for_again(
        self, aws: pytest.MonkeyPatch, patient: list[float], way: str
    ) -> None:
        asked = []

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "10")
                self.send_header("ETag", '"a"')
                self.end_headers()
                if self.command == "GET":
                    asked.append(self.path)
                    self.wfile.write(b"0123456789"[: 4 if len(asked) < 5 else 10])

            do_HEAD = do_GET  # noqa: N815

        with serving(Handler) as server:
            aws.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
            if way == "read":
                assert S3Object("b", "k").read() == b"0123456789"
            else:
                with S3Object("b", "k").as_local_file() as path:
                    assert path.read_bytes() == b"0123456789"
            assert len(asked) == 5

    @pytest.mark.parametrize("way", ["read", "as_local_file"])
    @pytest.mark.parametrize("broken", [5, 99])
    def test_a_refusal_that_breaks_off_is_asked_for_again(
        self, aws: pytest.MonkeyPatch, patient: list[float], way: str, broken: int
    ) -> None:
        """Until it is whole, or told as no answer."""
        asked = []

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                body = b"<Error><Code>NoSuchKey</Code></Error>"
                self.send_response(404)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n" % len(body))
                self.wfile.write(body[:9] if len(asked) <= broken else body + b"\r\n0\r\n\r\n")

            def do_HEAD(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "10")
                self.send_header("ETag", '"a"')
                self.end_headers()

        with serving(Handler) as server:
            aws.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
            taken = S3Object("b", "k")
            call = taken.read if way == "read" else taken.as_local_file().__enter__
            with pytest.raises(StorageError if broken > 6 else NotFoundError) as error:
                call()
            one_line(error, "s3://b/k", "no answer" if broken > 6 else "no such object")
            # Where the storage has answered before, as to a HEAD, for a minute.
            assert len(asked) == 6 or (broken > 6 and way != "read" and len(asked) < 30)

    def test_what_does_not_match_its_checksum_is_not_taken(self, aws: pytest.MonkeyPatch) -> None:
        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.send_header("x-amz-checksum-crc32", "AAAAAA==")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(b"dream")

            do_HEAD = do_GET  # noqa: N815

        with serving(Handler) as server:
            aws.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
            for call in (S3Object("b", "k").read, S3Object("b", "k").as_local_file().__enter__):
                with pytest.raises(StorageError) as error:
                    call()
                one_line(error, "s3://b/k", "its checksum is another")

    @pytest.mark.parametrize("size", [5, 9 << 20])
    def test_what_is_sent_has_a_checksum(
        self, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        from dreamray.storage import s3_client as s3

        in_parts(monkeypatch)

        sent: list[str] = []

        def look(request: AWSPreparedRequest, **_: object) -> None:
            sent.extend(name for name in request.headers if name.startswith("x-amz-checksum-"))

        (tmp_path / "made").write_bytes(bytes(size))
        s3.client().meta.events.register("before-send.s3", look)
        S3Object(bucket, "a").write_file(tmp_path / "made")
        s3.client().meta.events.unregister("before-send.s3", look)
        # Of parts, the request that joins them has it, too.
        assert sent.count("x-amz-checksum-crc32") == (2 if size > 5 else 1)

    @pytest.mark.parametrize(
        ("variables", "config", "attempts"),
        [
            ({}, "", 6),
            ({"AWS_MAX_ATTEMPTS": "2"}, "", 2),
            ({}, "[default]\nmax_attempts = 9\n", 9),
            ({"AWS_PROFILE": "farm"}, "[profile farm]\nmax_attempts = 3\n", 3),
        ],
    )
    def test_requests_are_made_as_often_as_was_asked_for(
        self,
        aws: pytest.MonkeyPatch,
        tmp_path: Path,
        variables: dict[str, str],
        config: str,
        attempts: int,
    ) -> None:
        from dreamray.storage import s3_client as s3

        aws.delenv("AWS_MAX_ATTEMPTS")
        (tmp_path / "no-config").write_text(config)
        for name, value in variables.items():
            aws.setenv(name, value)
        assert s3.retrier().limits.attempts == attempts
        assert s3.client().meta.config.retries["total_max_attempts"] == 1

    @pytest.mark.parametrize(
        ("endpoint", "config", "url"),
        [
            ("http://10.0.0.5:9000", "", "http://10.0.0.5:9000/dreams/a"),
            ("http://localhost:9000", "", "http://localhost:9000/dreams/a"),
            ("https://minio.example", "", "https://minio.example/dreams/a"),
            (
                "https://s3.example",
                "[default]\ns3 =\n  addressing_style = virtual\n",
                "https://dreams.s3.example/a",
            ),
            ("", "", "https://dreams.s3.amazonaws.com/a"),
            (
                "",
                "[default]\ns3 =\n  addressing_style = path\n",
                "https://s3.amazonaws.com/dreams/a",
            ),
        ],
    )
    def test_a_bucket_is_addressed_as_its_endpoint_needs_it(
        self, aws: pytest.MonkeyPatch, tmp_path: Path, endpoint: str, config: str, url: str
    ) -> None:
        from dreamray.storage import s3_client as s3

        (tmp_path / "no-config").write_text(config)
        if endpoint:
            aws.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        what = {"Bucket": "dreams", "Key": "a"}
        signed = s3.client().generate_presigned_url("get_object", Params=what)
        assert signed.partition("?")[0] == url

    def test_a_certificate_must_be_known(self, aws: pytest.MonkeyPatch, tmp_path: Path) -> None:
        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"dream")

        from dreamray.storage import s3_client as s3

        certificate = self_signed(tmp_path)
        with serving(Handler, certificate) as server:
            host = f"127.0.0.1:{server.server_port}"
            aws.setenv("AWS_ENDPOINT_URL_S3", f"https://user:password@{host}")
            aws.delenv("AWS_CA_BUNDLE", raising=False)
            with pytest.raises(RequestError) as error:
                S3Object("b", "k").read()
            one_line(
                error, f"s3://b/k: the certificate of {host} is not trusted; set AWS_CA_BUNDLE"
            )
            assert "password" not in str(error.value)
            for bundle, words in ((certificate, ""), (tmp_path / "missing", "AWS_CA_BUNDLE names")):
                s3.forget()
                aws.setenv("AWS_CA_BUNDLE", str(bundle))
                if not words:
                    assert S3Object("b", "k").read() == b"dream"
                    continue
                with pytest.raises(RequestError) as error:
                    S3Object("b", "k").read()
                one_line(error, f"no secure connection with {host}", words)

    @pytest.mark.parametrize(
        ("code", "kind", "words"),
        [("AccessDenied", RequestError, "s3:PutObject"), ("SlowDown", StorageError, "fewer")],
    )
    def test_a_refused_file_is_told_as_refused_bytes_are(
        self,
        answer: Callable[[int, str], None],
        tmp_path: Path,
        code: str,
        kind: type[DreamrayError],
        words: str,
    ) -> None:
        answer(403 if kind is RequestError else 503, code)
        (tmp_path / "made").write_bytes(b"x")
        with pytest.raises(kind) as error:
            S3Object("b", "a.png").write_file(tmp_path / "made")
        one_line(error, "s3://b/a.png", words)

    def test_a_server_that_knows_no_conditions_is_asked_without(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is there is looked at before, all the same."""
        from dreamray.storage import s3_client as s3

        def without_conditions(send: Any) -> Any:
            def unknowing(**request: Any) -> Any:
                if {"IfMatch", "IfNoneMatch"} & request.keys():
                    raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")
                return send(**request)

            return unknowing

        client = s3.client()
        monkeypatch.setattr(client, "put_object", without_conditions(client.put_object))
        monkeypatch.setattr(client, "delete_object", without_conditions(client.delete_object))
        place = S3Object(bucket, "a")
        assert [place.create_if_absent(b"one"), place.create_if_absent(b"two")] == [True, False]
        assert [place.compare_and_swap(b"two", b"x"), place.compare_and_swap(b"one", b"two")] == [
            False,
            True,
        ]
        assert place.read() == b"two"
        assert [place.compare_and_swap(b"one", None), place.compare_and_swap(b"two", None)] == [
            False,
            True,
        ]
        assert not place.exists()

    def test_a_conflict_with_another_request_is_tried_again(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dreamray.storage import s3_client as s3

        send, asked = s3.client().put_object, []

        def busy(**request: Any) -> Any:
            asked.append(request)
            if len(asked) % 3:
                answer = {
                    "Error": {"Code": "ConditionalRequestConflict"},
                    "ResponseMetadata": {"HTTPStatusCode": 409},
                }
                raise ClientError(answer, "PutObject")
            return send(**request)

        monkeypatch.setattr(s3.client(), "put_object", busy)
        assert S3Object(bucket, "a").create_if_absent(b"one") is True
        assert S3Object(bucket, "a").compare_and_swap(b"one", b"two") is True
        assert len(asked) == 6
