"""Downloads are whole and right, or fail soon, with the reason."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dreamray.model.weights import download as module
from dreamray.model.weights.download import DownloadError, download

DATA = bytes(range(256)) * 1000
MD5 = hashlib.md5(DATA).hexdigest()

Respond = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Respond], str]]:
    """Starts a server with a way to respond; gives its URL."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(respond: Respond) -> str:
        class Handler(BaseHTTPRequestHandler):
            do_GET = respond  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/weights.h5"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sends(data: bytes, declared: int | None = None) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) if declared is None else declared))
        handler.end_headers()
        handler.wfile.write(data)

    return respond


def fetch(url: str, warn: Callable[[str], None] = print) -> bytes:
    return download(url, MD5, 1 << 20, warn)


def test_the_whole_file(serve: Callable[[Respond], str]) -> None:
    assert fetch(serve(sends(DATA))) == DATA


def test_redirects_are_followed(serve: Callable[[Respond], str]) -> None:
    there = serve(sends(DATA))

    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", there)
        handler.end_headers()

    assert fetch(serve(redirect)) == DATA


def test_a_proxy_is_used(serve: Callable[[Respond], str], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(sends(DATA)).rpartition("/")[0]
    monkeypatch.setenv("http_proxy", proxy)
    assert fetch("http://weights.invalid/weights.h5") == DATA


def test_something_else_is_not_taken_for_it(serve: Callable[[Respond], str]) -> None:
    with pytest.raises(DownloadError, match="wrong checksum"):
        fetch(serve(sends(b"<html>Please log in</html>")))


def test_an_error_of_the_server(serve: Callable[[Respond], str]) -> None:
    with pytest.raises(DownloadError, match="HTTP 404"):
        fetch(serve(lambda handler: handler.send_error(404)))


def test_a_transfer_that_breaks_off(serve: Callable[[Respond], str]) -> None:
    with pytest.raises(DownloadError, match="broke off"):
        fetch(serve(sends(DATA[:1000], len(DATA))))


def test_more_than_the_file(serve: Callable[[Respond], str]) -> None:
    with pytest.raises(DownloadError, match="more than the file"):
        download(serve(sends(DATA)), MD5, 1000, print)


def test_a_transfer_that_stalls(
    serve: Callable[[Respond], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.2)
    over = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        sends(DATA[:1000], len(DATA))(handler)
        over.wait(5)

    with pytest.raises(DownloadError, match="sent nothing"):
        fetch(serve(respond))
    over.set()


@pytest.mark.parametrize("limit", ["ALL_WITHIN_S", "WINDOW_S"])
def test_a_transfer_that_trickles(
    serve: Callable[[Respond], str], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(module, limit, 0.2)
    monkeypatch.setattr(module, "_REPORT_EVERY_S", 0.05)
    over = threading.Event()
    told: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        sends(b"", len(DATA))(handler)
        while not over.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    with pytest.raises(DownloadError, match="too slow"):
        fetch(serve(respond), told.append)
    over.set()
    assert told
    assert told[0] == "downloading: 0 of 0 MiB"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.2)


def test_a_server_that_never_answers(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(DownloadError, match="no answer"),
    ):
        fetch(f"http://127.0.0.1:{server.getsockname()[1]}/")


def test_a_look_up_that_hangs(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*args: object, **options: object) -> None:
        over.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(DownloadError, match="no answer"):
        fetch("http://weights.invalid/")
    over.set()


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadError, match="not known"):
        fetch("http://weights.invalid/")


def test_without_a_network_it_is_known_within_ten_seconds() -> None:
    assert module.ANSWER_WITHIN_S <= 9
