"""Download a file whose checksum is known, and know soon when there is no network."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from dreamray.base.messages import Aside, Warn
from dreamray.storage.waits import Limits, Progress, StalledError, watched, within

__all__ = ["DownloadError", "download"]

ANSWER_WITHIN_S = 8.0
"""Names looked up, connected, redirected, headers received."""

STALL_S = 20.0
"""No byte for so long: the transfer has died."""

WINDOW_S = 60.0
"""A few bytes within so many seconds are none: a trickle."""

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
    size = int(response.headers.get("Content-Length") or 0)
    try:
        with response, within(ALL_WITHIN_S):
            limits = Limits(window=WINDOW_S)
            data = watched(lambda moved: _receive(response, size, limit, warn, moved), limits)
    except StalledError:
        raise DownloadError("the network is too slow") from None
    except TimeoutError:
        raise DownloadError(f"the server sent nothing for {STALL_S:.0f} seconds") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"the transfer broke off ({_reason(error)})") from None
    if len(data) < size:
        raise DownloadError(f"the transfer broke off after {len(data)} of {size} bytes")
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != md5:
        raise DownloadError("what the server sent has a wrong checksum")
    return data


def _open(url: str) -> Any:
    """The server's response, as soon as its headers are there."""
    try:
        with within(ANSWER_WITHIN_S):
            # Not urlopen, which would keep to the proxies that it first saw.
            opener = urllib.request.build_opener()
            return watched(lambda _: opener.open(url, timeout=STALL_S), Limits())
    except StalledError:
        raise DownloadError(f"no answer within {ANSWER_WITHIN_S:.0f} seconds") from None
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"the server answered HTTP {error.code}") from None
    except Exception as error:  # Whatever it is, there is no file.
        raise DownloadError(_reason(error)) from None


def _receive(response: Any, size: int, limit: int, warn: Warn, progress: Progress) -> bytes:
    """All that the server sends of so many bytes."""
    data, report = bytearray(), time.monotonic() + _REPORT_EVERY_S
    # read1 returns what has come: a trickle is seen to be one.
    while piece := response.read1(_PIECE):
        data += piece
        progress.moved(len(piece))
        if len(data) > limit:
            raise DownloadError("the server sends more than the file")
        if time.monotonic() > report:
            report = time.monotonic() + _REPORT_EVERY_S
            whole = f" of {size >> 20}" if size else ""
            warn(Aside(f"downloading: {len(data) >> 20}{whole} MiB"))
    return bytes(data)


def _reason(error: Exception) -> str:
    """One line that says what happened."""
    reason = getattr(error, "reason", None) or error
    reason = getattr(reason, "strerror", None) or reason
    return str(reason).partition("\n")[0] or type(error).__name__
