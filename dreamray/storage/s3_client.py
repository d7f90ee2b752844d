"""Requests of S3-compatible storage, through boto3's client.

Importing this imports boto3: `storage` does so when the first object is used. Everything raises
boto's errors, or those of urllib3 that boto lets through; `s3_errors` translates both.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore import exceptions as boto
from botocore.config import Config
from urllib3.exceptions import HTTPError

from dreamray.storage.places import ListedFile

_log = logging.getLogger(__name__)

MULTIPART_FROM = 64 << 20
"""Bytes from which an object is sent in parts, several at a time."""

_ATTEMPTS = 6
"""Times that a request is made, and a body asked for, before it counts as failed."""

# A checksum is wrong also where a server gives that of another version, just being replaced.
_BROKEN_BODY = (
    boto.IncompleteReadError,
    boto.ReadTimeoutError,
    boto.ResponseStreamingError,
    boto.FlexibleChecksumError,
)

# Requests that S3 answers with 409 as another one changes the object at the same time.
_CONFLICT_ATTEMPTS = 5

# Blocks of a picture are read and written by several threads at a time.
_CONNECTIONS = 32


@functools.cache
def client() -> Any:
    """The client of this process.

    Endpoint, region, profile, credentials and roles come from boto3's usual places; so do
    checksums, certificates (`AWS_CA_BUNDLE`), the style of addresses (`addressing_style` in a
    profile's `s3` settings; endpoints of one's own are addressed by path) and the number of
    attempts (`AWS_MAX_ATTEMPTS` or a profile's `max_attempts`; 6 where neither says).
    """
    settings = botocore.session.get_session()
    attempts = settings.get_config_variable("max_attempts")
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts or _ATTEMPTS},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=_CONNECTIONS,
    )
    # A session of its own: the default one is not safe to create clients from in threads.
    return boto3.session.Session(botocore_session=settings).client("s3", config=config)


def get(bucket: str, key: str, limit: int | None) -> bytes:
    """The object's bytes, or the first `limit` of them."""
    return _read(bucket, key, limit)[0]


def _read(bucket: str, key: str, limit: int | None) -> tuple[bytes, str]:
    """The object's bytes, or the first `limit` of them, and its ETag or nothing."""
    # Boto retries requests, but not a body that breaks off.
    for left in reversed(range(_ATTEMPTS)):
        answer = _call(lambda: client().get_object(Bucket=bucket, Key=key))
        try:
            return bytes(answer["Body"].read(limit)), answer.get("ETag", "")
        except _BROKEN_BODY as error:
            if not left:
                raise
            _log.info("s3://%s/%s broke off, asking again: %s", bucket, key, error)
        finally:
            answer["Body"].close()
    raise AssertionError("unreachable")


def _call(ask: Callable[[], Any]) -> Any:
    """What a request for an object gives; made again where its refusal breaks off.

    A refusal ("no such key") has a body. When that breaks off, urllib3's error comes through
    boto, which retries those of other requests only.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return ask()
        except HTTPError as error:
            _log.info("a refusal broke off, asking again: %s", error)
    return ask()


def put(bucket: str, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
    """Store the object, whole or not at all."""
    extra = {"ContentType": content_type, "Metadata": dict(metadata)}
    if len(data) < MULTIPART_FROM:
        client().put_object(Bucket=bucket, Key=key, Body=data, **extra)
    else:
        client().upload_fileobj(BytesIO(data), bucket, key, ExtraArgs=extra)


def get_file(bucket: str, key: str, path: Path) -> None:
    """The object's bytes into a local file. Raises OSError where that cannot be written."""
    _call(lambda: client().download_file(bucket, key, str(path)))


def put_file(
    bucket: str, key: str, path: Path, content_type: str, metadata: Mapping[str, str]
) -> None:
    """Store the contents of a local file, whole or not at all; large ones go in parts."""
    extra = {"ContentType": content_type, "Metadata": dict(metadata)}
    # Not upload_file: it hides what the storage answered behind an error of its own.
    with path.open("rb") as file:
        client().upload_fileobj(file, bucket, key, ExtraArgs=extra)


def create_if_absent(bucket: str, key: str, data: bytes, content_type: str) -> bool:
    """Store the object unless there is one; whether it was stored.

    Some servers ignore the condition of the request: a look before it keeps what is there from
    being overwritten.
    """
    if exists(bucket, key):
        return False
    what = {"Bucket": bucket, "Key": key, "Body": data, "ContentType": content_type}
    return _put_if(what, {"IfNoneMatch": "*"})


def compare_and_swap(
    bucket: str, key: str, expected: bytes, data: bytes | None, content_type: str
) -> bool:
    """Store the object, or delete it, if it has the expected bytes; whether it was done."""
    found = _contents(bucket, key)
    if found is None or found[0] != expected:
        return False
    request: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if data is not None:
        request |= {"Body": data, "ContentType": content_type}
    return _put_if(request, {"IfMatch": found[1]} if found[1] else {})


def _put_if(request: dict[str, Any], condition: dict[str, str]) -> bool:
    """Make a request that stores the object, or without a body deletes it, on a condition."""
    send = client().put_object if "Body" in request else client().delete_object
    for left in reversed(range(_CONFLICT_ATTEMPTS)):
        try:
            send(**request, **condition)
            return True
        except boto.ClientError as error:
            if code_of(error) == "NotImplemented" or status_of(error) == 501:
                if not condition:
                    raise
                # What the caller has looked at a moment ago is all the protection there is.
                condition = {}
            elif status_of(error) in (404, 412) and code_of(error) != "NoSuchBucket":
                return _was_stored(request, error)
            elif status_of(error) != 409 or not left:
                raise
    raise AssertionError("unreachable")


def _was_stored(request: dict[str, Any], error: Any) -> bool:
    """Whether the condition fails only as an earlier attempt, of a lost answer, had met it."""
    if not error.response["ResponseMetadata"].get("RetryAttempts"):
        return False
    found = _contents(request["Bucket"], request["Key"])
    return (found[0] if found else None) == request.get("Body")


def _contents(bucket: str, key: str) -> tuple[bytes, str] | None:
    """Bytes and ETag of the object; None if there is none."""
    try:
        return _read(bucket, key, None)
    except client().exceptions.NoSuchKey:
        return None


def metadata(bucket: str, key: str) -> dict[str, str]:
    """The object's metadata, as its owner gave it."""
    return dict(client().head_object(Bucket=bucket, Key=key)["Metadata"])


def list_objects(bucket: str, prefix: str) -> Iterator[ListedFile]:
    """The objects whose keys start with `prefix`, named by what follows it."""
    for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if not item["Key"].endswith("/"):
                name = item["Key"].removeprefix(prefix)
                yield ListedFile(name, item["Size"], _fingerprint(item["Size"], item))


def delete(bucket: str, key: str) -> None:
    """Delete the object, if there is one."""
    client().delete_object(Bucket=bucket, Key=key)


def delete_all(bucket: str, prefix: str) -> None:
    """Delete every object whose key starts with `prefix`."""
    # A page of the listing has 1000 keys, as many as one request may delete.
    for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if not keys:
            continue
        answer = client().delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        for error in answer.get("Errors", []):
            raise boto.ClientError({"Error": error}, "DeleteObjects")


def fingerprint(bucket: str, key: str) -> str:
    """Size and ETag of the object: another content has others."""
    head = client().head_object(Bucket=bucket, Key=key)
    return _fingerprint(head["ContentLength"], head)


def _fingerprint(size: int, answer: Mapping[str, Any]) -> str:
    """The same for an object's head and for its entry in a listing."""
    tag = answer.get("ETag", "").strip('"')
    if not tag:
        # Servers that show a folder's files as objects have no tag for what was not put through
        # them. Heads tell the time in whole seconds, listings finer ones.
        tag = answer["LastModified"].astimezone(UTC).replace(microsecond=0).isoformat()
    return f"{size}-{tag}"


def exists(bucket: str, key: str) -> bool:
    """Whether there is such an object."""
    try:
        client().head_object(Bucket=bucket, Key=key)
    except boto.ClientError as error:
        if status_of(error) == 404:
            return False
        raise
    return True


def check_bucket(bucket: str, key: str) -> None:
    """Raise if the bucket is not there or does not know the credentials.

    Whoever may write need not be allowed to list: a refusal to list is no error.
    """
    try:
        # Not head_bucket: its refusals have no body, so that credentials which are wrong or
        # expired would look like a policy that only lets one write.
        client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    except boto.ClientError as error:
        if code_of(error) != "AccessDenied":
            raise


def code_of(error: Any) -> str:
    """What a ClientError says: `NoSuchKey`; empty if it has no words."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of a ClientError, or 0."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
