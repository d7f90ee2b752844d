"""Places where bytes lie: files of this machine and objects of S3-compatible storage.

    locate("~/cat.jpg").read()
    locate("s3://bucket/dreams/cat.png").write(data)

A finished write is complete; one that fails or is interrupted leaves what was there before.
Locations are small, hashable and can be pickled: they travel to other processes as they are.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import re
import secrets
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from dreamray.errors import DreamrayError, RequestError, StorageError

__all__ = ["LocalFile", "Location", "S3Object", "locate", "shown"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")


def locate(text: str) -> Location:
    """The file or object that a path, a `file://` or an `s3://bucket/key` URI names.

    Raises RequestError if the text can name neither.
    """
    scheme = _SCHEME.match(text)
    kind = scheme.group(1).lower() if scheme else "path"
    if not text or "\0" in text:
        raise RequestError(f"{text!r} is no path; name a file, or write s3://bucket/key")
    if text.endswith("/"):
        raise RequestError(f"{shown(text)}: this names a folder; add the name of a file")
    match kind:
        case "s3":
            return _s3_object(text)
        case "file":
            return LocalFile(_path_of(text))
        case "path":
            try:
                return LocalFile(Path(text).expanduser())
            except RuntimeError:
                raise RequestError(
                    f"{shown(text)}: no such user's home folder; check the path"
                ) from None
    raise RequestError(f"{shown(text)}: {kind}:// is not supported; use a local path or s3://")


def shown(place: object) -> str:
    """A path or URI as it stands in a message: on one line, whatever its characters are."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(place))


def _path_of(uri: str) -> Path:
    authority, slash, path = uri[len("file://") :].partition("/")
    path = unquote(path)
    if authority not in ("", "localhost") or not slash or "\0" in path:
        raise RequestError(f"{shown(uri)}: no file of this machine; write file:///folder/name")
    return Path("/", path)


def _s3_object(uri: str) -> S3Object:
    bucket, _, key = uri[len("s3://") :].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise RequestError(f"{shown(uri)}: {bucket!r} is no bucket's name; write s3://bucket/key")
    if not key:
        raise RequestError(f"{shown(uri)}: the key is missing; write s3://bucket/key")
    try:
        too_long = len(key.encode()) > 1024
    except UnicodeEncodeError:
        raise RequestError(f"{shown(uri)}: the key is not UTF-8; choose another one") from None
    if too_long:
        raise RequestError(f"{shown(uri)}: the key is over 1024 bytes; choose a shorter one")
    return S3Object(bucket, key)


class Location(ABC):
    """One file or object, which need not exist yet; `str()` gives its path or URI."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The last component: `cat.png`."""

    @property
    def suffix(self) -> str:
        """The last suffix in lower case, with its dot: `.png`; empty if there is none."""
        return PurePosixPath(self.name).suffix.lower()

    @abstractmethod
    def read(self, limit: int | None = None) -> bytes:
        """All bytes, or the first `limit` of them.

        Raises RequestError if there is nothing to read or it may not be read, StorageError if
        the storage fails.
        """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Put `data` here, all of it or nothing, replacing what was there.

        Raises RequestError if nothing can be written here, StorageError if the storage fails.
        """

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a file or object here; a folder is neither. Raises as `read`."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise what `write` would raise, as far as can be known before it.

        Call it before hours of work. It neither creates nor changes what is here.
        """


@dataclass(frozen=True)
class LocalFile(Location):
    """A file of this machine, or of a file system mounted on it."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The last component."""
        return self.path.name

    def read(self, limit: int | None = None) -> bytes:
        """See `Location.read`."""
        with self._reading(), self.path.open("rb") as file:
            return file.read(-1 if limit is None else limit)

    def write(self, data: bytes) -> None:
        """See `Location.write`: a temporary file beside it, synced to disk, then renamed."""
        with self._writing() as target:
            # A short name of its own: the target's may already be as long as names can be.
            part = target.with_name(f".dreamray-{secrets.token_hex(8)}.part")
            try:
                # Mode 0o666 leaves the rights to the umask, as for any other new file.
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                with os.fdopen(descriptor, "wb") as file:
                    with suppress(FileNotFoundError):  # What is replaced keeps its rights.
                        os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    def exists(self) -> bool:
        """See `Location.exists`."""
        with self._reading():
            try:
                return not stat.S_ISDIR(self.path.stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                return False

    def check_writable(self) -> None:
        """See `Location.check_writable`: tries it with an empty temporary file."""
        with self._writing() as target:
            probe = target.with_name(f".dreamray-{secrets.token_hex(8)}.part")
            try:
                # Asking for the rights would not do: root has them all, a read-only mount none.
                os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            finally:
                probe.unlink(missing_ok=True)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise RequestError(f"{shown(self)}: no such file; check the path") from None
        except IsADirectoryError:
            raise RequestError(f"{shown(self)}: this is a folder; name a file in it") from None
        except OSError as error:
            raise self._told(error, "reading") from None

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        """Gives the file to replace, behind any symbolic link, after a look at what is there."""
        try:
            target = Path(os.path.realpath(self.path))
            try:
                mode = target.stat().st_mode
            except FileNotFoundError:
                mode = stat.S_IFREG
            if stat.S_ISDIR(mode):
                raise RequestError(f"{shown(self)}: this is a folder; add the name of a file")
            # Renaming over /dev/null or a pipe would destroy it.
            if not stat.S_ISREG(mode):
                raise RequestError(f"{shown(self)}: this is no regular file; choose another name")
            yield target
        except FileNotFoundError:
            folder = shown(self.path.parent)
            raise RequestError(f"{shown(self)}: no folder {folder}; create it first") from None
        except OSError as error:
            raise self._told(error, "writing") from None

    def _told(self, error: OSError, doing: str) -> DreamrayError:
        reason = os.strerror(error.errno) if error.errno else str(error)
        match error.errno:
            case errno.ENOTDIR:
                return RequestError(
                    f"{shown(self)}: {shown(self.path.parent)} is not a folder; check the path"
                )
            case errno.EACCES | errno.EPERM | errno.EROFS:
                return RequestError(f"{shown(self)}: {reason}; check its rights and its folder's")
            case errno.ENAMETOOLONG | errno.ELOOP | errno.EINVAL:
                return RequestError(f"{shown(self)}: {reason}; check the path")
            case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
                return StorageError(f"{shown(self)}: {reason}; free some space, then run it again")
        return StorageError(
            f"{shown(self)}: {doing} failed: {reason}; check the disk, then run it again"
        )


@dataclass(frozen=True)
class S3Object(Location):
    """An object of S3-compatible storage.

    Endpoint, region, profile, credentials, roles and the number of attempts come from boto3's
    usual places (`AWS_ENDPOINT_URL_S3`, `AWS_PROFILE`, `AWS_MAX_ATTEMPTS`, ...).
    """

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last component of the key."""
        return self.key.rpartition("/")[2]

    def read(self, limit: int | None = None) -> bytes:
        """See `Location.read`."""
        from dreamray import s3

        with s3.errors_told(shown(self), "s3:GetObject"):
            return s3.get(self.bucket, self.key, limit)

    def write(self, data: bytes) -> None:
        """See `Location.write`."""
        from dreamray import s3

        kind = mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        with s3.errors_told(shown(self), "s3:PutObject"):
            s3.put(self.bucket, self.key, data, kind)

    def exists(self) -> bool:
        """See `Location.exists`."""
        from dreamray import s3

        with s3.errors_told(shown(self), "s3:GetObject"):
            return s3.exists(self.bucket, self.key)

    def check_writable(self) -> None:
        """See `Location.check_writable`: the bucket answers, and knows the credentials."""
        from dreamray import s3

        with s3.errors_told(shown(self), "s3:ListBucket"):
            s3.check_bucket(self.bucket, self.key)
