"""Objects of S3-compatible storage, and the folders that the slashes in their keys make.

Endpoint, region, profile, credentials, roles and the number of attempts come from boto3's
usual places (`AWS_ENDPOINT_URL_S3`, `AWS_PROFILE`, `AWS_MAX_ATTEMPTS`, ...). boto3 is imported
when the first object is used. How long a storage is waited for is in `dreamray.storage.waits`.
"""

from __future__ import annotations

import importlib
import mimetypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from dreamray.base.messages import shown
from dreamray.storage.places import (
    Folder,
    ListedFile,
    Location,
    check_metadata,
    no_room,
    temporary_file,
)

if TYPE_CHECKING:
    from dreamray.storage import s3_errors, s3_listing, s3_objects
else:

    class _Lazy:
        """A module that is imported when something of it is first used."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(self._name), attribute)

    s3_errors, s3_listing, s3_objects = (
        _Lazy(f"dreamray.storage.s3_{part}") for part in ("errors", "listing", "objects")
    )


@dataclass(frozen=True)
class S3Object(Location):
    """An object of S3-compatible storage."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last component of the key."""
        return self.key.rpartition("/")[2]

    @property
    @override
    def folder(self) -> S3Folder:
        return S3Folder(self.bucket, self.key.rpartition("/")[0])

    @override
    def read(self, limit: int | None = None) -> bytes:
        with s3_errors.errors_told(shown(self), "s3:GetObject"):
            return s3_objects.get(self.bucket, self.key, limit)

    @contextmanager
    @override
    def as_local_file(self) -> Iterator[Path]:
        with temporary_file(self) as path:
            try:
                with s3_errors.errors_told(shown(self), "s3:GetObject"):
                    s3_objects.get_file(self.bucket, self.key, path)
            except OSError as error:
                raise no_room(self, error) from None
            yield path

    @override
    def write(self, data: bytes, metadata: Mapping[str, str] = {}) -> None:
        check_metadata(metadata)
        with s3_errors.errors_told(shown(self), "s3:PutObject"):
            s3_objects.put(self.bucket, self.key, data, self._content_type, metadata)

    @override
    def write_file(self, path: Path, metadata: Mapping[str, str] = {}) -> None:
        check_metadata(metadata)
        with s3_errors.errors_told(shown(self), "s3:PutObject"):
            s3_objects.put(self.bucket, self.key, path, self._content_type, metadata)

    @override
    def metadata(self) -> dict[str, str]:
        """The object's metadata."""
        with s3_errors.errors_told(shown(self), "s3:GetObject"):
            return s3_objects.metadata(self.bucket, self.key)

    @override
    def create_if_absent(self, data: bytes) -> bool:
        with s3_errors.errors_told(shown(self), "s3:GetObject, s3:ListBucket and s3:PutObject"):
            return s3_objects.create_if_absent(self.bucket, self.key, data, self._content_type)

    @override
    def compare_and_swap(self, expected: bytes, data: bytes | None) -> bool:
        with s3_errors.errors_told(shown(self), "s3:GetObject, s3:PutObject and s3:DeleteObject"):
            return s3_objects.compare_and_swap(
                self.bucket, self.key, expected, data, self._content_type
            )

    @override
    def remove(self) -> None:
        with s3_errors.errors_told(shown(self), "s3:DeleteObject"):
            s3_objects.delete(self.bucket, self.key)

    @override
    def exists(self) -> bool:
        with s3_errors.errors_told(shown(self), "s3:GetObject"):
            return s3_objects.exists(self.bucket, self.key)

    @override
    def fingerprint(self) -> str:
        """The size, and the storage's own ETag."""
        with s3_errors.errors_told(shown(self), "s3:GetObject"):
            return s3_objects.fingerprint(self.bucket, self.key)

    @override
    def check_writable(self) -> None:
        """The bucket answers, and knows the credentials."""
        with s3_errors.errors_told(shown(self), "s3:ListBucket"):
            s3_listing.check_bucket(self.bucket, self.key)

    @property
    def _content_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


@dataclass(frozen=True)
class S3Folder(Folder):
    """The objects of a bucket whose keys start with a prefix and a slash; all, if it is empty."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".removesuffix("/")

    @override
    def file(self, name: str) -> S3Object:
        return S3Object(self.bucket, self._inside + name)

    @override
    def folder(self, name: str) -> S3Folder:
        return S3Folder(self.bucket, self._inside + name)

    @override
    def files(self, *, clean: bool = False) -> Iterator[ListedFile]:
        """In pages of 1000."""
        with s3_errors.errors_told(shown(self), "s3:ListBucket"):
            yield from s3_listing.list_objects(self.bucket, self._inside)

    @override
    def remove(self) -> None:
        with s3_errors.errors_told(shown(self), "s3:ListBucket and s3:DeleteObject"):
            s3_listing.delete_all(self.bucket, self._inside)

    @override
    def check_writable(self) -> None:
        """The bucket answers, and knows the credentials."""
        with s3_errors.errors_told(shown(self), "s3:ListBucket"):
            s3_listing.check_bucket(self.bucket, self._inside)

    @property
    def _inside(self) -> str:
        """What the keys in this folder start with."""
        return f"{self.prefix}/" if self.prefix else ""
