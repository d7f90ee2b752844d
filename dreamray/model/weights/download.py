"""Download a file whose checksum is known, and know soon when there is no network."""

from __future__ import annotations

import hashlib
import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from dreamray.base.messages import Aside, Warn

__all__ = ["DownloadError", "download"]

ANSWER_WITHIN_S = 8.0
"""Names looked up, connected, redirected, headers received."""

STALL_S = 20.0
"""No byte for so long: the transfer has died."""

WINDOW_S, LEAST = 60.0, 64 << 10
"""Fewer bytes within so many seconds are none: a trickle."""

ALL_WITHIN_S = 3600.0

_PIECE = 1 << 20
_REPORT_EVERY_S = 10.0


class DownloadError(Exception):
    """Why there is no file: a phrase to put into a message."""


def download(
    url: str, md5: str, limit: int, warn: Warn, begun: Callable[[], None] = lambda: None
) -> bytes:
    """The file of at most `limit` bytes at a URL, as its MD5 says that it is.

    `begun` is called once the server has answered.

    Proxies are those of the environment. Raises DownloadError: within about 8 seconds if there
    is no network, even where the look-up of names hangs.
    """
    response = _open(url)
    begun()
    give_up = time.monotonic() + ALL_WITHIN_S
    report = time.monotonic() + _REPORT_EVERY_S
    marked, had = time.monotonic(), 0
    data = bytearray()
    try:
        with response:
            size = int(response.headers.get("Content-Length") or 0)
            # read1 returns what has come: a trickle cannot hold it beyond the time limit.
            while piece := response.read1(_PIECE):
                data += piece
                if len(data) > limit:
                    raise DownloadError("the server sends more than the file")
                now = time.monotonic()
                if len(data) - had >= LEAST:
                    marked, had = now, len(data)
                if now > give_up or now > marked + WINDOW_S:
                    raise DownloadError("the network is too slow")
                if now > report:
                    report = now + _REPORT_EVERY_S
                    whole = f" of {size >> 20}" if size else ""
                    warn(Aside(f"downloading: {len(data) >> 20}{whole} MiB"))
    except TimeoutError:
        raise DownloadError(f"the server sent nothing for {STALL_S:.0f} seconds") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"the transfer broke off ({_reason(error)})") from None
    if len(data) < size:
        raise DownloadError(f"the transfer broke off after {len(data)} of {size} bytes")
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
        raise DownloadError("what the server sent has a wrong checksum")
    return bytes(data)


def _open(url: str) -> Any:
    """The server's response, as soon as its headers are there.

    In a thread of its own: nothing else can limit the time that a look-up of a name takes.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    abandoned = threading.Event()

    def connect() -> None:
        try:
            # Not urlopen, which would keep to the proxies that it first saw.
            response = urllib.request.build_opener().open(url, timeout=STALL_S)
        except Exception as error:  # whatever it is, the other thread has to know
            answers.put(error)
            return
        answers.put(response)
        if abandoned.is_set():
            response.close()

    threading.Thread(target=connect, name="download", daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_WITHIN_S)
    except queue.Empty:
        abandoned.set()
        raise DownloadError(f"no answer within {ANSWER_WITHIN_S:.0f} seconds") from None
    if isinstance(answer, urllib.error.HTTPError):
        answer.close()
        raise DownloadError(f"the server answered HTTP {answer.code}")
    if isinstance(answer, Exception):
        raise DownloadError(_reason(answer))
    return answer


def _reason(error: Exception) -> str:
    """One line that says what happened."""
    reason = getattr(error, "reason", None) or error
    reason = getattr(reason, "strerror", None) or reason
    return str(reason).partition("\n")[0] or type(error).__name__
