"""Storage that differs from Amazon's, or fails in its own ways: it works, or says what is true."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from dreamray.base.errors import DreamrayError, RequestError, StorageError, UnreadableError
from dreamray.storage import S3Folder, S3Object, told_to
from dreamray.storage.waits import Limits
from tests.support.s3_server import set_dummy_keys, waiting_in_no_time


class Asked(NamedTuple):
    """A request."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What is answered; of a stalled one only so much is sent."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    sent: int | None = None


def refusal(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


class Habit:
    """A storage that holds objects in memory, with a habit that comes first."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.first: Callable[[Asked], Answer | None] = lambda asked: None
        self.ended = threading.Event()

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.first(asked) or self._as_usual(asked)

    def _as_usual(self, asked: Asked) -> Answer:
        tag = ("ETag", '"a"')
        match asked.method:
            case "PUT":
                self.objects[asked.key] = asked.body
                return Answer(headers=(tag,))
            case "DELETE":
                self.objects.pop(asked.key, None)
                return Answer(204)
            case "POST":
                for key in re.findall(r"<Key>(.*?)</Key>", asked.body.decode()):
                    self.objects.pop(key, None)
                return Answer(body=b"<DeleteResult></DeleteResult>")
        if not asked.key:
            return page(sorted(k for k in self.objects if k.startswith(asked.query["prefix"])))
        if asked.key not in self.objects:
            return refusal(404, "NoSuchKey")
        return Answer(body=self.objects[asked.key], headers=(tag,))


def page(keys: list[str], *more: str) -> Answer:
    """A page of a listing, with more elements of XML."""
    text = "".join(
        f'<Contents><Key>{key}</Key><Size>1</Size><ETag>"a"</ETag></Contents>' for key in keys
    )
    return Answer(body=f"<ListBucketResult>{text}{''.join(more)}</ListBucketResult>".encode())


ON, END = "<IsTruncated>true</IsTruncated>", "<IsTruncated>false</IsTruncated>"


def token(text: str) -> str:
    return f"<NextContinuationToken>{text}</NextContinuationToken>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Habit]]:
    """A server with the habit that is put last into the list; one client for all tests."""
    from dreamray.storage import s3_client as s3

    habits: list[Habit] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            habit = habits[-1]
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            key = unquote(url.path).removeprefix("/b").removeprefix("/")
            query = {n: v[0] for n, v in parse_qs(url.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = habit.answer(Asked(self.command, key, query, headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.sent])
            if answer.sent is not None:
                self.wfile.flush()
                habit.ended.wait(20)
                self.close_connection = True

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        set_dummy_keys(patch, tmp_path_factory.mktemp("aws"))
        patch.delenv("AWS_MAX_ATTEMPTS")
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        s3.forget()
        yield habits
    s3.forget()
    server.shutdown()
    server.server_close()


@pytest.fixture
def habit(served: list[Habit], monkeypatch: pytest.MonkeyPatch) -> Iterator[Habit]:
    """The storage that the environment points to; it is waited for in no time."""
    from dreamray.storage import s3_client as s3

    for cached in (s3.retrier, s3.known):
        cached.cache_clear()
    waiting_in_no_time(monkeypatch)
    served.append(Habit())
    yield served[-1]
    served[-1].ended.set()


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the user is told."""
    lines: list[str] = []
    with told_to(lines.append):
        yield lines


def listed(prefix: str = "in") -> list[str]:
    return [found.name for found in S3Folder("b", prefix).files()]


class TestListings:
    """They are complete, or fail."""

    def test_one_that_goes_on_and_does_not_say_how_is_gone_on_with_by_its_last_key(
        self, habit: Habit
    ) -> None:
        keys = [f"in/{n}" for n in range(5)]

        def cut(asked: Asked) -> Answer:
            if asked.query.get("list-type") == "2":
                return page(keys[:2], ON)
            rest = [key for key in keys if key > asked.query["marker"]]
            return page(rest[:2], ON if len(rest) > 2 else END)

        habit.first = cut
        assert listed() == ["0", "1", "2", "3", "4"]

    def test_a_token_is_followed_whatever_else_is_said(self, habit: Habit) -> None:
        pages = {None: page(["in/a"], END, token("2")), "2": page([], ON, token("3"))}
        last = page(["in/b"])
        habit.first = lambda asked: pages.get(asked.query.get("continuation-token"), last)
        assert listed() == ["a", "b"]

    def test_a_key_that_comes_twice_in_a_row_is_one(self, habit: Habit) -> None:
        pages = {None: page(["in/a", "in/a", "in/b"], ON, token("2"))}
        last = page(["in/b", "in/c"])
        habit.first = lambda asked: pages.get(asked.query.get("continuation-token"), last)
        assert listed() == ["a", "b", "c"]

    def test_a_storage_may_have_an_order_of_its_own(self, habit: Habit) -> None:
        pages = {None: page(["in/z", "in/a"], ON, token("2"))}
        last = page(["in/k", "in/b"], END)
        habit.first = lambda asked: pages.get(asked.query.get("continuation-token"), last)
        assert listed() == ["z", "a", "k", "b"]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda asked: page([], ON), "cut short"),
            (lambda asked: page(["in/a"], ON), "round in circles"),
            (lambda asked: page([], ON, token("again")), "round in circles"),
            (lambda asked: page(["in/a"], ON, token(str(time.perf_counter()))), "in circles"),
            (lambda asked: page(["elsewhere/a"], END), "what was not asked for"),
        ],
    )
    def test_one_that_cannot_be_whole_is_an_error(
        self, habit: Habit, answer: Callable[[Asked], Answer], words: str
    ) -> None:
        habit.first = answer
        with pytest.raises(StorageError, match=words) as error:
            listed()
        assert str(error.value).startswith("s3://b/in: ")
        assert len(habit.asked) <= 3

    def test_empty_pages_have_an_end(self, habit: Habit) -> None:
        from dreamray.storage.s3_listing import ListingError, pages

        habit.first = lambda asked: page([], ON, token(str(len(habit.asked))))
        with pytest.raises(ListingError, match="nothing but empty pages"):
            list(pages("b", "in/", clock=lambda: 20.0 * len(habit.asked)))
        assert len(habit.asked) == 16


class TestDeletes:
    """Several at once where the storage can do that."""

    @pytest.mark.parametrize(
        "answer",
        [
            refusal(400, "MissingContentMD5"),
            refusal(400, "InvalidRequest"),
            refusal(501, "NotImplemented"),
            refusal(403, "SignatureDoesNotMatch"),
            refusal(405, "MethodNotAllowed"),
            Answer(
                body=b"<DeleteResult><Error><Key>in/1</Key><Code>InternalError</Code></Error>"
                b"<Error><Key>in/2</Key><Code>InternalError</Code></Error></DeleteResult>"
            ),
        ],
    )
    def test_else_one_by_one(self, habit: Habit, answer: Answer) -> None:
        habit.objects = {f"in/{n}": b"x" for n in (1, 2)} | {"other": b"x"}
        habit.first = lambda asked: answer if asked.method == "POST" else None
        S3Folder("b", "in").remove()
        assert habit.objects == {"other": b"x"}

    def test_nothing_outside_is_removed_whatever_is_listed(self, habit: Habit) -> None:
        habit.objects = {"precious": b"x"}
        habit.first = lambda asked: page(["precious"]) if asked.query.get("list-type") else None
        with pytest.raises(StorageError, match="what was not asked for"):
            S3Folder("b", "in").remove()
        assert habit.objects == {"precious": b"x"}


class TestChecksums:
    """What is sent has one that the storage compares; it is never sent without."""

    @pytest.mark.parametrize(
        "answer",
        [
            refusal(403, "SignatureDoesNotMatch"),
            refusal(400, "InvalidArgument"),
            refusal(400, "XAmzContentSHA256Mismatch"),
            refusal(501, "NotImplemented"),
            refusal(411, "MissingContentLength"),
        ],
    )
    @pytest.mark.parametrize("size", [5, 300_000])
    def test_a_storage_that_does_not_know_botos_gets_md5(
        self, habit: Habit, told: list[str], tmp_path: Path, answer: Answer, size: int
    ) -> None:
        habit.first = lambda asked: answer if "x-amz-checksum-crc32" in asked.headers else None
        data = b"dream" * (size // 5)
        S3Object("b", "a").write(data)
        (tmp_path / "c").write_bytes(data)
        S3Object("b", "c").write_file(tmp_path / "c")
        assert habit.objects == {"a": data, "c": data}
        digest = base64.b64encode(hashlib.md5(data).digest()).decode()
        assert [asked.headers.get("content-md5") for asked in habit.asked[-2:]] == [digest] * 2
        (line,) = told
        assert "does not know boto3's checksums" in line
        assert "Content-MD5 instead" in line

    def test_who_turns_botos_off_sends_md5(
        self, habit: Habit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dreamray.storage import s3_client as s3

        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        s3.client.cache_clear()
        S3Object("b", "a").write(b"dream")
        s3.client.cache_clear()
        (asked,) = habit.asked
        assert "content-md5" in asked.headers
        assert "x-amz-checksum-crc32" not in asked.headers

    @pytest.mark.parametrize(
        "code", ["BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"]
    )
    def test_what_was_changed_on_its_way_is_sent_again(self, habit: Habit, code: str) -> None:
        habit.first = lambda asked: refusal(400, code) if len(habit.asked) < 4 else None
        S3Object("b", "a").write(b"dream")
        assert habit.objects == {"a": b"dream"}
        assert all("x-amz-checksum-crc32" in asked.headers for asked in habit.asked)

    def test_and_in_the_end_that_is_said_and_nothing_else(self, habit: Habit) -> None:
        habit.first = lambda asked: refusal(400, "BadDigest")
        with pytest.raises(StorageError, match="is not what was sent") as error:
            S3Object("b", "a").write(b"dream")
        assert "AWS_" not in str(error.value)

    def test_a_wrong_secret_key_is_a_wrong_secret_key(self, habit: Habit, told: list[str]) -> None:
        habit.first = lambda asked: refusal(403, "SignatureDoesNotMatch")
        with pytest.raises(RequestError, match="secret key is wrong"):
            S3Object("b", "a").write(b"dream")
        assert told == []

    def test_it_is_not_wrong_where_it_has_just_worked(self, habit: Habit) -> None:
        habit.objects["a"] = b"x"
        S3Object("b", "a").read()
        habit.first = lambda asked: refusal(403, "SignatureDoesNotMatch")
        with pytest.raises(StorageError, match="took that of others") as error:
            S3Object("b", "a").write(b"dream")
        assert "secret key is wrong" not in str(error.value)


class TestUnreadable:
    """What is the object's own fault is told apart from the storage's and the credentials'."""

    @pytest.mark.parametrize(
        ("status", "code", "words"),
        [
            (403, "InvalidObjectState", "archived; restore it"),
            (403, "AccessDenied", "allow s3:GetObject"),
            (400, "InvalidRequest", "encrypted with a key of its owner's"),
            (400, "KMS.DisabledException", "KMS.DisabledException"),
            (405, "MethodNotAllowed", "deleted"),
        ],
    )
    def test_of_the_object_alone(self, habit: Habit, status: int, code: str, words: str) -> None:
        habit.first = lambda asked: refusal(status, code) if asked.method == "GET" else None
        habit.objects["a"] = b"x"
        for call in (S3Object("b", "a").read, S3Object("b", "a").as_local_file().__enter__):
            with pytest.raises(UnreadableError, match=words):
                call()

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (403, "InvalidAccessKeyId"),
            (403, "SignatureDoesNotMatch"),
            (400, "ExpiredToken"),
            (400, "InvalidToken"),
            (403, "RequestTimeTooSkewed"),
            (404, "NoSuchBucket"),
            (500, "InternalError"),
        ],
    )
    def test_of_all(self, habit: Habit, status: int, code: str) -> None:
        """Also where it is the answer to a HEAD, which has no words."""
        habit.first = lambda asked: refusal(status, code)
        for call in (S3Object("b", "a").read, S3Object("b", "a").fingerprint):
            with pytest.raises(DreamrayError) as error:
                call()
            assert not isinstance(error.value, UnreadableError)

    def test_a_head_that_is_refused_has_its_reason_told(self, habit: Habit) -> None:
        habit.first = lambda asked: (
            refusal(400, "InvalidRequest") if asked.method in ("HEAD", "GET") else None
        )
        with pytest.raises(UnreadableError, match="InvalidRequest"):
            S3Object("b", "a").fingerprint()


class TestWaits:
    """Every one has an end, and is told."""

    @pytest.fixture(autouse=True)
    def _soon(self, habit: Habit, monkeypatch: pytest.MonkeyPatch) -> None:
        from dreamray.storage import s3_client as s3

        s3.client()  # That takes longer.
        monkeypatch.setattr(s3.retrier(), "limits", Limits(window=0.3, least=100))

    def test_an_answer_that_stalls(self, habit: Habit, told: list[str]) -> None:
        half = Answer(body=b"dream" * 1000, headers=(("ETag", '"a"'),), sent=2000)
        habit.objects["a"] = half.body
        habit.first = lambda asked: half if asked.method == "GET" else None
        taken = S3Object("b", "a")
        for call in (taken.read, taken.as_local_file().__enter__):
            with pytest.raises(StorageError, match="makes no progress") as error:
                call()
            assert "\n" not in str(error.value)
        assert "s3://b/a: no progress" in told[0]

    def test_one_that_stalls_once(self, habit: Habit) -> None:
        whole = habit.objects["a"] = b"dream" * 1000
        habit.first = lambda asked: Answer(body=whole, sent=9) if len(habit.asked) < 2 else None
        assert S3Object("b", "a").read() == whole

    @pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "list"])
    def test_no_answer_at_all(self, habit: Habit, method: str) -> None:
        place = S3Object("b", "in/a")
        habit.first = lambda asked: (habit.ended.wait(20), None)[1]
        call = {
            "HEAD": place.exists,
            "PUT": lambda: place.write(b"x" * 500_000),
            "DELETE": place.remove,
            "list": listed,
        }[method]
        begun = time.monotonic()
        with pytest.raises(StorageError, match="makes no progress"):
            call()
        assert time.monotonic() - begun < 5

    def test_503_for_a_while(self, habit: Habit, monkeypatch: pytest.MonkeyPatch) -> None:
        from dreamray.storage import s3_client as s3

        clock = s3.retrier().clock
        until = clock() + 90
        habit.first = lambda asked: refusal(503, "SlowDown") if clock() < until else None
        S3Object("b", "a").write(b"dream")
        assert habit.objects == {"a": b"dream"}


def test_parts_that_fail_are_sent_and_fetched_again(
    habit: Habit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dreamray.storage import s3_parts

    monkeypatch.setattr(s3_parts, "FROM", 1000)
    monkeypatch.setattr(s3_parts, "PART", 400)
    whole, parts, failed = bytes(range(250)) * 4, dict[str, bytes](), set[str]()

    def first(asked: Asked) -> Answer | None:
        what = asked.headers.get("range") or asked.query.get("partNumber")
        if what and what not in failed:
            failed.add(what)
            return refusal(500, "InternalError")
        if "uploads" in asked.query:
            return Answer(body=b"<X><UploadId>u</UploadId></X>")
        if asked.method == "PUT":
            parts[asked.query["partNumber"]] = asked.body
            return Answer(headers=(("ETag", f'"{asked.query["partNumber"]}"'),))
        if asked.method == "POST":
            numbers = re.findall(r"<PartNumber>(\d+)<", asked.body.decode())
            habit.objects[asked.key] = b"".join(parts[number] for number in numbers)
            return Answer(body=b"<X><ETag>a</ETag></X>")
        if asked.headers.get("range"):
            start, end = re.findall(r"\d+", asked.headers["range"])
            return Answer(206, whole[int(start) : int(end) + 1])
        return None

    habit.first = first
    S3Object("b", "a").write(whole)
    assert habit.objects["a"] == whole
    assert len(parts) == 3
    with S3Object("b", "a").as_local_file() as path:
        assert path.read_bytes() == whole
    assert len(failed) == 6
    (tmp_path / "a").write_bytes(whole)
    S3Object("b", "c").write_file(tmp_path / "a")
    assert habit.objects["c"] == whole


def test_a_storage_that_gives_all_where_a_part_is_asked_for_is_an_error(
    habit: Habit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamray.storage import s3_parts

    monkeypatch.setattr(s3_parts, "FROM", 1000)
    monkeypatch.setattr(s3_parts, "PART", 400)
    whole = bytes(range(250)) * 4
    habit.first = lambda asked: Answer(200, whole) if asked.method in ("GET", "HEAD") else None
    with pytest.raises(StorageError, match="breaks off"), S3Object("b", "a").as_local_file():
        pass
