"""What boto3's errors mean to the user.

Importing this imports boto3. Boto's own texts are never repeated, as they quote the endpoint's
URL, which may hold a password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from urllib3.exceptions import HTTPError

from dreamray.base.errors import (
    DreamrayError,
    NotFoundError,
    RequestError,
    StorageError,
    UnreadableError,
)
from dreamray.storage.s3_client import code_of, endpoint, retrier, status_of
from dreamray.storage.s3_listing import ListingError
from dreamray.storage.waits import StalledError


@contextmanager
def errors_told(place: str, permission: str) -> Iterator[None]:
    """Tell boto's errors about an object, in a call that needs a permission, as our own.

    RequestError where the user has to change something, of which UnreadableError is about this
    object alone; StorageError where trying again may do.
    """
    try:
        yield
    except boto.ClientError as error:
        raise _refusal(place, error, permission) from None
    except StalledError as error:
        raise StorageError(
            f"{place}: the storage at {endpoint()} makes no progress ({error}); check it and the "
            "network, then run it again"
        ) from None
    except ListingError as error:
        raise StorageError(
            f"{place}: {error}, so that some would be left out; tell whoever runs the storage at "
            f"{endpoint()}"
        ) from None
    # A ValueError: the endpoint is none.
    except (boto.BotoCoreError, Boto3Error, HTTPError, ValueError) as error:
        raise _no_answer(place, error) from None


_CREDENTIALS = "check the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE or the role)"
_REGION = "the bucket is in another region; set AWS_REGION"
_IN_THE_WAY = "an object stands where this storage needs a folder; choose another key"
_WRONG = {
    "NoSuchKey": "no such object; check the key",
    "NoSuchBucket": "no such bucket; check its name and AWS_ENDPOINT_URL_S3, or create it",
    "404": "no such object or bucket; check bucket and key",
    "InvalidBucketName": "this cannot name a bucket; check the name",
    "KeyTooLongError": "the key is too long; choose a shorter one",
    # Of versitygw and MinIO, which keep objects as files.
    "ObjectParentIsFile": _IN_THE_WAY,
    "XMinioParentIsObject": _IN_THE_WAY,
    "InvalidAccessKeyId": f"the access key is not known there; {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key is wrong; {_CREDENTIALS}",
    "InvalidToken": f"the session token is not valid; {_CREDENTIALS}",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
}
_BUSY = "the storage asks for fewer requests; run it again later or with fewer workers"
_CHANGED_ON_THE_WAY = (
    "what arrives there is not what was sent (its checksum is another); check the network and "
    "what stands between, then run it again"
)
_MISSING = {"NoSuchKey", "404"}
_FAILED = {
    # The answer to a HEAD request has no room for a code.
    "400": "the storage refuses this, as it does when the credentials have expired; renew them, "
    "then run it again",
    "ExpiredToken": "the credentials have expired; renew them, then run it again",
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "TooManyRequests": _BUSY,
    "BadDigest": _CHANGED_ON_THE_WAY,
    "XAmzContentChecksumMismatch": _CHANGED_ON_THE_WAY,
    "XAmzContentSHA256Mismatch": _CHANGED_ON_THE_WAY,
    "PreconditionFailed": "it was replaced while it was read; run it again",
}
_OWN = {
    "InvalidObjectState": "it is archived; restore it, then run it again",
    "ObjectNotInActiveTierError": "it is archived; restore it, then run it again",
    "MethodNotAllowed": "it was deleted, and only its marker is there; check the key",
}
"""What is said of one object that is to be read."""


def _refusal(place: str, error: Any, permission: str) -> DreamrayError:
    """The storage answered, and the answer was no."""
    code, status = code_of(error), status_of(error)
    reading = permission == "s3:GetObject"
    if code == "SignatureDoesNotMatch" and retrier().answered:
        return StorageError(
            f"{place}: the storage refuses this request's signature, and took that of others: it "
            "is changed on its way, as by a proxy, or the secret key was replaced; mend that, then "
            "run it again"
        )
    if code in _WRONG:
        kind = NotFoundError if code in _MISSING else RequestError
        return kind(f"{place}: {_WRONG[code]}")
    if code in _FAILED:
        return StorageError(f"{place}: {_FAILED[code]}")
    if reading and code in _OWN:
        return UnreadableError(f"{place}: {_OWN[code]}")
    if status in (401, 403) or code == "AccessDenied":
        kind = UnreadableError if reading and status == 403 else RequestError
        return kind(f"{place}: access denied; allow {permission} on the bucket, or {_CREDENTIALS}")
    if reading and 400 <= status < 500 and status not in (408, 429):
        return UnreadableError(
            f"{place}: the storage does not give it out ({code or f'HTTP {status}'}); it may be "
            "encrypted with a key of its owner's: store it without, or leave it out"
        )
    return StorageError(
        f"{place}: the storage answered {code or 'nothing'} (HTTP {status}); "
        "check AWS_ENDPOINT_URL_S3, then run it again"
    )


def _no_answer(place: str, error: Exception) -> DreamrayError:
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
        case boto.SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return RequestError(
                f"{place}: the certificate of {endpoint()} is not trusted; set AWS_CA_BUNDLE "
                "to your CA's file"
            )
        case boto.SSLError():
            return RequestError(
                f"{place}: no secure connection with {endpoint()}; check AWS_ENDPOINT_URL_S3 "
                "and the file that AWS_CA_BUNDLE names"
            )
        case boto.FlexibleChecksumError():
            return StorageError(
                f"{place}: what arrives is not what was stored (its checksum is another); check "
                "the network and the storage, then run it again"
            )
        case boto.IncompleteReadError():
            return StorageError(
                f"{place}: the answer from {endpoint()} breaks off; check the storage and the "
                "network, then run it again"
            )
        case boto.HTTPClientError() | boto.ConnectionError() | HTTPError():
            return StorageError(
                f"{place}: no answer from {endpoint()} ({type(error).__name__}); "
                "check AWS_ENDPOINT_URL_S3 and the network"
            )
    return StorageError(
        f"{place}: the storage cannot be used ({type(error).__name__}); check boto3's settings"
    )
