"""Objects of S3-compatible storage: read, written, written on a condition, removed.

Raises as `s3_client` does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from botocore import exceptions as boto

from dreamray.storage import s3_parts
from dreamray.storage.s3_client import ask, code_of, status_of
from dreamray.storage.s3_sending import Bytes, FileBytes, Sending, send
from dreamray.storage.waits import Progress

# Requests that S3 answers with 409 as another one changes the object at the same time.
_CONFLICT_ATTEMPTS = 5


def get(bucket: str, key: str, limit: int | None) -> bytes:
    """The object's bytes, or the first `limit` of them."""
    return _read(bucket, key, limit)[0]


def _read(bucket: str, key: str, limit: int | None) -> tuple[bytes, str]:
    """The object's bytes, or the first `limit` of them, and its ETag or nothing."""

    def work(s3: Any, progress: Progress) -> tuple[bytes, str]:
        answer = s3.get_object(Bucket=bucket, Key=key)
        pieces = b"".join(s3_parts.pieces(answer["Body"], progress, limit))
        return pieces, answer.get("ETag", "")

    return ask(_uri(bucket, key), work)


def get_file(bucket: str, key: str, path: Path) -> None:
    """The object's bytes into a local file. Raises OSError where that cannot be written."""
    head = _head(bucket, key)
    if head["ContentLength"] >= s3_parts.FROM:
        s3_parts.fetch(_uri(bucket, key), bucket, key, head, path)
        return

    def work(s3: Any, progress: Progress) -> None:
        answer = s3.get_object(Bucket=bucket, Key=key)
        with path.open("wb") as file:
            for piece in s3_parts.pieces(answer["Body"], progress):
                file.write(piece)

    ask(_uri(bucket, key), work)


def put(
    bucket: str, key: str, data: bytes | Path, content_type: str, metadata: Mapping[str, str]
) -> None:
    """Store bytes, or those of a local file, whole or not at all; many of them go in parts."""
    sending: Sending = FileBytes(data) if isinstance(data, Path) else Bytes(data)
    extra = {"ContentType": content_type, "Metadata": dict(metadata)}
    if sending.size >= s3_parts.FROM:
        s3_parts.store(_uri(bucket, key), bucket, key, sending, extra)
    else:
        send(_uri(bucket, key), "put_object", {"Bucket": bucket, "Key": key, **extra}, sending)


def create_if_absent(bucket: str, key: str, data: bytes, content_type: str) -> bool:
    """Store the object unless there is one; whether it was stored.

    Some servers ignore the condition of the request: a look before it keeps what is there from
    being overwritten.
    """
    if exists(bucket, key):
        return False
    return _put_if(bucket, key, data, content_type, {"IfNoneMatch": "*"})


def compare_and_swap(
    bucket: str, key: str, expected: bytes, data: bytes | None, content_type: str
) -> bool:
    """Store the object, or delete it, if it has the expected bytes; whether it was done."""
    found = _contents(bucket, key)
    if found is None or found[0] != expected:
        return False
    return _put_if(bucket, key, data, content_type, {"IfMatch": found[1]} if found[1] else {})


def _put_if(
    bucket: str, key: str, data: bytes | None, content_type: str, condition: dict[str, str]
) -> bool:
    """Store the object, or without data delete it, on a condition; whether it held."""
    where = {"Bucket": bucket, "Key": key}
    tries = 0

    def count() -> None:
        nonlocal tries
        tries += 1

    def delete(s3: Any, progress: Progress) -> None:
        count()
        s3.delete_object(**where, **condition)

    for left in reversed(range(_CONFLICT_ATTEMPTS)):
        try:
            if data is None:
                ask(_uri(bucket, key), delete)
            else:
                request = {**where, "ContentType": content_type, **condition}
                send(_uri(bucket, key), "put_object", request, Bytes(data), count)
            return True
        except boto.ClientError as error:
            if code_of(error) == "NotImplemented" or status_of(error) == 501:
                if not condition:
                    raise
                # What the caller has looked at a moment ago is all the protection there is.
                condition = {}
            elif status_of(error) in (404, 412) and code_of(error) != "NoSuchBucket":
                # It may fail only as an earlier attempt, whose answer was lost, had met it.
                return tries > 1 and _content(bucket, key) == data
            elif status_of(error) != 409 or not left:
                raise
    raise AssertionError("unreachable")


def _content(bucket: str, key: str) -> bytes | None:
    found = _contents(bucket, key)
    return found[0] if found else None


def _contents(bucket: str, key: str) -> tuple[bytes, str] | None:
    """Bytes and ETag of the object; None if there is none."""
    try:
        return _read(bucket, key, None)
    except boto.ClientError as error:
        if code_of(error) == "NoSuchKey":
            return None
        raise


def metadata(bucket: str, key: str) -> dict[str, str]:
    """The object's metadata, as its owner gave it."""
    return dict(_head(bucket, key)["Metadata"])


def delete(bucket: str, key: str) -> None:
    """Delete the object, if there is one."""
    ask(_uri(bucket, key), lambda s3, _: s3.delete_object(Bucket=bucket, Key=key))


def fingerprint(bucket: str, key: str) -> str:
    """Size and ETag of the object: another content has others."""
    head = _head(bucket, key)
    return fingerprint_of(head["ContentLength"], head)


def fingerprint_of(size: int, answer: Mapping[str, Any]) -> str:
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
        _head(bucket, key)
    except boto.ClientError as error:
        if status_of(error) == 404:
            return False
        raise
    return True


def _head(bucket: str, key: str) -> Any:
    """What the storage says of the object, without its bytes."""
    try:
        return ask(_uri(bucket, key), lambda s3, _: s3.head_object(Bucket=bucket, Key=key))
    except boto.ClientError as error:
        # The answer to a HEAD has no body that could say why.
        if status_of(error) in (400, 401, 403):
            _ask_why(bucket, key)
        raise


def _ask_why(bucket: str, key: str) -> None:
    """Raise what a request for the object's first byte is refused with, if it is."""

    def work(s3: Any, progress: Progress) -> None:
        with contextlib.closing(s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"]):
            pass

    ask(_uri(bucket, key), work)


def _uri(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"
