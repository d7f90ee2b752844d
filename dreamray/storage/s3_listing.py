"""Listings of S3-compatible storage: complete, or an error. And what is done to all that is listed.

Raises as `s3_client` does, and ListingError.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore import exceptions as boto

from dreamray.storage import s3_objects
from dreamray.storage.places import ListedFile
from dreamray.storage.s3_client import ask, code_of, status_of
from dreamray.storage.s3_parts import side_by_side

_EMPTY_SECONDS = 300.0
"""How long pages may come one after the other that have nothing on them."""

_ABOUT_THE_BUCKET = {
    "AccessDenied",
    "NoSuchBucket",
    "InvalidAccessKeyId",
    "ExpiredToken",
    "InvalidToken",
    "RequestTimeTooSkewed",
}


class ListingError(Exception):
    """The storage's listing cannot be the whole one; the text says why."""


def list_objects(bucket: str, prefix: str) -> Iterator[ListedFile]:
    """The objects whose keys start with `prefix`, named by what follows it."""
    for page in pages(bucket, prefix):
        for item in page:
            if not item["Key"].endswith("/"):
                name = item["Key"].removeprefix(prefix)
                fingerprint = s3_objects.fingerprint_of(item["Size"], item)
                yield ListedFile(name, item["Size"], fingerprint)


def pages(
    bucket: str, prefix: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[list[dict[str, Any]]]:
    """What the storage says of the objects whose keys start with `prefix`, up to 1000 at a time.

    In the storage's order, which need not be that of the keys; none twice in a row.
    """
    what = f"s3://{bucket}/{prefix}"
    asked: dict[str, str] = {"Bucket": bucket, "Prefix": prefix}
    operation, tokens, firsts, last = "list_objects_v2", set[str](), set[str](), ""
    full_at = clock()
    while True:
        answer = ask(what, _listing(operation, asked))
        items: list[dict[str, Any]] = answer.get("Contents", [])
        for item in items:
            if not item["Key"].startswith(prefix):
                raise ListingError("it lists what was not asked for")
        if items:
            if items[0]["Key"] in firsts:
                raise ListingError("its listing goes round in circles")
            firsts.add(items[0]["Key"])
            yield [
                item
                for before, item in zip([last, *(i["Key"] for i in items)], items, strict=False)
                if item["Key"] != before
            ]
            full_at = clock()  # Not before: whoever takes them may take long.
            last = items[-1]["Key"]
        elif clock() - full_at > _EMPTY_SECONDS:
            raise ListingError("its listing has nothing but empty pages")
        operation, on = _next(operation, answer, last)
        if not on:
            return
        token = next(iter(on.values()))
        if token in tokens:
            raise ListingError("its listing goes round in circles")
        tokens.add(token)
        asked = {"Bucket": bucket, "Prefix": prefix, **on}


def _listing(operation: str, asked: dict[str, str]) -> Callable[[Any, Any], Any]:
    return lambda s3, _: getattr(s3, operation)(**asked)


def _next(operation: str, answer: Any, last: str) -> tuple[str, dict[str, str]]:
    """How the listing goes on; with nothing to ask for, it is at its end."""
    if token := answer.get("NextContinuationToken"):
        return operation, {"ContinuationToken": token}
    if not answer.get("IsTruncated"):
        return operation, {}
    # It goes on, and does not say how: by the last key, as the first version of listings does it.
    marker = answer.get("NextMarker") or last
    if not marker:
        raise ListingError("its listing is cut short, and does not say how it goes on")
    return "list_objects", {"Marker": marker}


def check_bucket(bucket: str, key: str) -> None:
    """Raise if the bucket is not there or does not know the credentials.

    Whoever may write need not be allowed to list: a refusal to list is no error.
    """
    try:
        # Not head_bucket: its refusals have no body, so that credentials which are wrong or
        # expired would look like a policy that only lets one write.
        ask(
            f"s3://{bucket}/{key}",
            lambda s3, _: s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1),
        )
    except boto.ClientError as error:
        if code_of(error) != "AccessDenied":
            raise


def delete_all(bucket: str, prefix: str) -> None:
    """Delete every object whose key starts with `prefix`."""
    together = True
    for page in pages(bucket, prefix):
        keys = [item["Key"] for item in page]
        if together:
            together, keys = _delete_together(bucket, prefix, keys)
        side_by_side([lambda key=key: s3_objects.delete(bucket, key) for key in keys])  # type: ignore[misc]


def _delete_together(bucket: str, prefix: str, keys: list[str]) -> tuple[bool, list[str]]:
    """Delete them with one request; whether the storage knows that, and what is still there."""
    objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    try:
        answer = ask(
            f"s3://{bucket}/{prefix}",
            lambda s3, _: s3.delete_objects(Bucket=bucket, Delete=objects),
        )
    except boto.ClientError as error:
        # Some do not know it, or want a Content-MD5 that boto3 does not send.
        if code_of(error) in _ABOUT_THE_BUCKET or status_of(error) in (401, 429, 500, 503):
            raise
        return False, keys
    return True, [error["Key"] for error in answer.get("Errors", []) if error.get("Key")]
