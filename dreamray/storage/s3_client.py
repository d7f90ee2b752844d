"""Boto3's S3 client, and what its errors mean to the user.

Importing this imports boto3: `storage` does so when the first object is used. Boto's own
texts are never repeated, as they quote the endpoint's URL, which may hold a password.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from botocore.config import Config

from dreamray.errors import DreamrayError, RequestError, StorageError

MULTIPART_FROM = 64 << 20
"""Bytes from which an object is sent in parts, several at a time."""

_BODY_ATTEMPTS = 3

# Blocks of a picture are read and written by several threads at a time.
_CONNECTIONS = 32


@functools.cache
def client() -> Any:
    """The client of this process.

    Endpoint, region, profile, credentials and roles come from boto3's usual places; so does
    the number of attempts (`AWS_MAX_ATTEMPTS`).
    """
    config = Config(
        retries={"mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=_CONNECTIONS,
    )
    # A session of its own: the default one is not safe to create clients from in threads.
    return boto3.session.Session().client("s3", config=config)


def get(bucket: str, key: str, limit: int | None) -> bytes:
    """The object's bytes, or the first `limit` of them."""
    # Boto retries requests, but not a body that breaks off.
    for left in reversed(range(_BODY_ATTEMPTS)):
        body = client().get_object(Bucket=bucket, Key=key)["Body"]
        try:
            return bytes(body.read(limit))
        except (boto.IncompleteReadError, boto.ReadTimeoutError, boto.ResponseStreamingError):
            if not left:
                raise
        finally:
            body.close()
    raise AssertionError("unreachable")


def put(bucket: str, key: str, data: bytes, content_type: str) -> None:
    """Store the object, whole or not at all."""
    if len(data) < MULTIPART_FROM:
        client().put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)
    else:
        extra = {"ContentType": content_type}
        client().upload_fileobj(BytesIO(data), bucket, key, ExtraArgs=extra)


def get_file(bucket: str, key: str, path: Path) -> None:
    """The object's bytes into a local file. Raises OSError where that cannot be written."""
    client().download_file(bucket, key, str(path))


def put_file(bucket: str, key: str, path: Path, content_type: str) -> None:
    """Store the contents of a local file, whole or not at all; large ones go in parts."""
    client().upload_file(str(path), bucket, key, ExtraArgs={"ContentType": content_type})


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
    # Servers that show a folder's files as objects have no tag for what was not put through them.
    tag = head.get("ETag") or head["LastModified"].isoformat()
    return f"{head['ContentLength']}-{tag.strip(chr(34))}"


def exists(bucket: str, key: str) -> bool:
    """Whether there is such an object."""
    try:
        client().head_object(Bucket=bucket, Key=key)
    except boto.ClientError as error:
        if _status(error) == 404:
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
        if _code(error) != "AccessDenied":
            raise


@contextmanager
def errors_told(place: str, permission: str) -> Iterator[None]:
    """Tell boto's errors about an object, in a call that needs a permission, as our own.

    RequestError where the user has to change something, StorageError where trying again may do.
    """
    try:
        yield
    except boto.ClientError as error:
        raise _refused(place, error, permission) from None
    # A ValueError: the endpoint is none.
    except (boto.BotoCoreError, Boto3Error, ValueError) as error:
        raise _unanswered(place, error) from None


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


_CREDENTIALS = "check the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE or the role)"
_REGION = "the bucket is in another region; set AWS_REGION"
_WRONG = {
    "NoSuchKey": "no such object; check the key",
    "NoSuchBucket": "no such bucket; check its name and AWS_ENDPOINT_URL_S3, or create it",
    "404": "no such object or bucket; check bucket and key",
    "InvalidBucketName": "this cannot name a bucket; check the name",
    "KeyTooLongError": "the key is too long; choose a shorter one",
    "InvalidAccessKeyId": f"the access key is not known there; {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key is wrong; {_CREDENTIALS}",
    "InvalidToken": f"the session token is not valid; {_CREDENTIALS}",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
}
_FAILED = {
    "ExpiredToken": "the credentials have expired; renew them, then run it again",
    "SlowDown": "the storage asks for fewer requests; run it again later or with fewer workers",
    "XAmzContentSHA256Mismatch": "the storage does not know boto3's checksums; set "
    "AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
}


def _refused(place: str, error: Any, permission: str) -> DreamrayError:
    """The storage answered, and the answer was no."""
    code, status = _code(error), _status(error)
    if code in _WRONG:
        return RequestError(f"{place}: {_WRONG[code]}")
    if code in _FAILED:
        return StorageError(f"{place}: {_FAILED[code]}")
    if status in (401, 403) or code == "AccessDenied":
        return RequestError(
            f"{place}: access denied; allow {permission} on the bucket, or {_CREDENTIALS}"
        )
    return StorageError(
        f"{place}: the storage answered {code or 'nothing'} (HTTP {status}); "
        "check AWS_ENDPOINT_URL_S3, then run it again"
    )


def _unanswered(place: str, error: Exception) -> DreamrayError:
    """The storage was not asked, or did not answer."""
    match error:
        case boto.NoCredentialsError():
            return RequestError(
                f"{place}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "AWS_PROFILE or a role"
            )
        case boto.ProfileNotFound():
            return RequestError(f"{place}: no such profile; check AWS_PROFILE")
        case boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            return RequestError(f"{place}: the credentials cannot be used; {_CREDENTIALS}")
        case boto.SSOError() | boto.TokenRetrievalError():
            return RequestError(f"{place}: the login has expired; run `aws sso login` again")
        case boto.ParamValidationError() | boto.NoRegionError() | ValueError():
            return RequestError(
                f"{place}: boto3 cannot make this request; check the name, AWS_REGION and "
                "AWS_ENDPOINT_URL_S3"
            )
        case boto.HTTPClientError() | boto.ConnectionError():
            return StorageError(
                f"{place}: no answer from {_endpoint()} ({type(error).__name__}); "
                "check AWS_ENDPOINT_URL_S3 and the network"
            )
    return StorageError(
        f"{place}: the storage cannot be used ({type(error).__name__}); check boto3's settings"
    )


def _endpoint() -> str:
    """The host and port that requests go to, without any user and password."""
    parts = urlsplit(client().meta.endpoint_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
