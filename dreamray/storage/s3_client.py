"""The client of S3-compatible storage, and how its answers are waited for.

Importing this imports boto3: `storage` does so when the first object is used. Everything raises
boto's errors, those of urllib3 that boto lets through, or StalledError; `s3_errors` translates
them. Boto makes each request once: all that is made again is made again by `ask`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import exceptions as boto
from botocore.config import Config
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from dreamray.storage.waits import (
    Limits,
    Progress,
    Retrier,
    StalledError,
    Trouble,
    Verdict,
)

T = TypeVar("T")

# Blocks of a picture are read and written by several threads at a time.
_CONNECTIONS = 32

_CONNECT_SECONDS = 10

_BUSY = {
    "SlowDown",
    "ServiceUnavailable",
    "TooManyRequests",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "ReducePriority",
}
_BROKEN = {
    "InternalError",
    "InternalServerError",
    "RequestTimeout",
    "IncompleteBody",
    # What arrived there is not what was sent.
    "BadDigest",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}


@functools.cache
def client() -> Any:
    """The client of this process.

    Endpoint, region, profile, credentials and roles come from boto3's usual places; so do
    checksums, certificates (`AWS_CA_BUNDLE`) and the style of addresses (`addressing_style` in
    a profile's `s3` settings; endpoints of one's own are addressed by path).
    """
    return _client()


@functools.cache
def plain_client() -> Any:
    """One that sends no checksums that are boto3's own."""
    return _client(request_checksum_calculation="when_required")


def _client(**settings: Any) -> Any:
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        # Also the limit on each piece of a body that is sent on a new connection.
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=Limits.window,
        max_pool_connections=_CONNECTIONS,
        **settings,
    )
    # A session of its own: the default one is not safe to create clients from in threads.
    session = boto3.session.Session(botocore_session=botocore.session.get_session())
    return session.client("s3", config=config)


@functools.cache
def retrier() -> Retrier:
    """That with the storage of this process.

    `AWS_MAX_ATTEMPTS`, or a profile's `max_attempts`, is the number of attempts where it is
    given.
    """
    attempts = botocore.session.get_session().get_config_variable("max_attempts")
    return Retrier(Limits(attempts=attempts or Limits.attempts), judge, endpoint)


def ask(
    what: str,
    work: Callable[[Any, Progress], T],
    *,
    plain: bool = False,
    limits: Limits | None = None,
) -> T:
    """What `work` gives with the client, in the end: see `Retrier.ask`."""
    make = plain_client if plain else client
    return retrier().ask(what, lambda progress: work(make(), progress), limits)


@dataclass
class Known:
    """What was found out of a storage that differs from Amazon's."""

    md5: bool = False
    """It knows `Content-MD5`, and not boto3's own checksums."""


@functools.cache
def known() -> Known:
    """That of the storage of this process."""
    return Known()


def forget() -> None:
    """Look at the environment anew, and at the storage: for tests."""
    for cached in (client, plain_client, retrier, known):
        cached.cache_clear()


def endpoint() -> str:
    """The host and port that requests go to, without any user and password."""
    parts = urlsplit(client().meta.endpoint_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def judge(error: Exception) -> Verdict | None:
    """Whether a call may be made again after this error, and how."""
    match error:
        case StalledError():
            return Verdict(Trouble.STALLED, why=str(error))
        case boto.ReadTimeoutError():
            return Verdict(Trouble.STALLED, why=f"nothing came for {Limits.window:.0f} s")
        case boto.ConnectTimeoutError():
            return Verdict(Trouble.STALLED, why=f"no connection within {_CONNECT_SECONDS} s")
        case boto.ClientError():
            code, status = code_of(error), status_of(error)
            if code in _BUSY or status in (429, 503):
                return Verdict(Trouble.BUSY, _wished_wait(error))
            broken = code in _BROKEN or (status >= 500 and status != 501)
            return Verdict(Trouble.BROKEN) if broken else None
        case boto.SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return None
        case (
            boto.ConnectionError()
            | boto.HTTPClientError()
            | boto.IncompleteReadError()
            # A checksum is wrong also where a server gives that of another version, just being
            # replaced.
            | boto.FlexibleChecksumError()
            | ResponseParserError()
            | HTTPError()
        ):
            return Verdict(Trouble.BROKEN)
    return None


def _wished_wait(error: Any) -> float:
    """Seconds that the storage asks to wait, up to a minute; 0 if it does not say."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return min(max(float(headers.get("retry-after", 0)), 0.0), 60.0)
    except ValueError:  # A date, by a clock of its own.
        return 0.0


def code_of(error: Any) -> str:
    """What a ClientError says: `NoSuchKey`; empty if it has no words."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of a ClientError, or 0."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
