"""Bytes on their way to S3-compatible storage, always with a checksum that it compares.

Boto3's own is CRC32 in headers of Amazon's. Storage that does not know those gets `Content-MD5`,
which is as old as S3. Which one it is, is found out by the first write that is refused.
"""

from __future__ import annotations

import base64
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from botocore import exceptions as boto
from typing_extensions import override

from dreamray.storage.notices import tell
from dreamray.storage.s3_client import ask, client, code_of, endpoint, known, status_of
from dreamray.storage.waits import Progress

_PIECE = 16 << 10
"""Bytes that are sent at a time: each piece has a limit of its own."""

_AT_ONCE = 128 << 10
"""Bytes up to which it is not worth asking the storage first whether it wants them."""

# What storage has been seen to answer that does not know the headers of boto3's checksums, or how
# a body is cut up to carry one behind it.
_UNKNOWING = {
    "SignatureDoesNotMatch",
    "XAmzContentSHA256Mismatch",
    "InvalidArgument",
    "InvalidRequest",
    "InvalidHeader",
    "NotImplemented",
    "BadRequest",
    "MissingContentLength",
    "MalformedTrailerError",
    "UnsupportedOperation",
    "400",
    "",
}


class Sending(ABC):
    """What is to be sent, as often as it takes."""

    size: int

    @abstractmethod
    def open(self) -> AbstractContextManager[BinaryIO]:
        """It as a file, from its start."""

    @abstractmethod
    def part(self, start: int, size: int) -> Sending:
        """Some of it."""

    def body(self, file: BinaryIO, progress: Progress) -> Any:
        """What boto is given."""
        if self.size <= _AT_ONCE:
            return file.read(self.size)
        return _Body(file, self.size, progress)

    def md5(self) -> str:
        """Its digest, as `Content-MD5` has it."""
        digest = hashlib.md5(usedforsecurity=False)
        with self.open() as file:
            body = _Body(file, self.size, Progress())
            while piece := body.read(_PIECE):
                digest.update(piece)
        return base64.b64encode(digest.digest()).decode()


class Bytes(Sending):
    """Bytes in memory."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self.size = len(self._data)

    @override
    def open(self) -> AbstractContextManager[BinaryIO]:
        return nullcontext(BytesIO(self._data))

    @override
    def part(self, start: int, size: int) -> Bytes:
        return Bytes(self._data[start : start + size])


@dataclass
class FileBytes(Sending):
    """Those of a local file, or some of them."""

    path: Path
    start: int = 0
    size: int = -1

    def __post_init__(self) -> None:
        if self.size < 0:
            self.size = self.path.stat().st_size

    @override
    def open(self) -> AbstractContextManager[BinaryIO]:
        file = self.path.open("rb")
        file.seek(self.start)
        return file

    @override
    def part(self, start: int, size: int) -> FileBytes:
        return FileBytes(self.path, self.start + start, min(size, self.size - start))


class _Body:
    """Some of a file from where it stands, piece by piece; it counts what is read."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress) -> None:
        self._file, self._size, self._progress = file, size, progress
        self._start = file.tell()
        self._at = 0

    def __len__(self) -> int:
        return self._size

    def read(self, size: int | None = None) -> bytes:
        left = self._size - self._at
        if size is None or size < 0:
            piece = self._file.read(left)
        else:
            piece = self._file.read(min(size, left, _PIECE))
        self._at += len(piece)
        self._progress.moved(len(piece))
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, self._size)[whence]
        self._at = min(max(base + offset, 0), self._size)
        self._file.seek(self._start + self._at)
        return self._at

    def tell(self) -> int:
        return self._at


def send(
    what: str,
    operation: str,
    request: Mapping[str, Any],
    data: Sending,
    count: Callable[[], None] = lambda: None,
) -> Any:
    """Make a request with a body and a checksum; the answer. `count` is called for each attempt.

    `operation` is the name of the client's method.
    """
    if sends_md5():
        return _send(what, operation, request, data, count, plain=True)
    try:
        return _send(what, operation, request, data, count, plain=False)
    except boto.ClientError as error:
        if not _may_not_know(error):
            raise
        refusal = error
    try:
        answer = _send(what, operation, request, data, count, plain=True)
    except boto.ClientError:
        raise refusal from None
    first, known().md5 = not known().md5, True
    if first:
        tell(
            f"the storage at {endpoint()} does not know boto3's checksums (it answers "
            f"{code_of(refusal) or status_of(refusal)}): it gets Content-MD5 instead"
        )
    return answer


def sends_md5() -> bool:
    """Whether `Content-MD5` is sent: asked for by the environment, or found out."""
    asked: Any = client().meta.config.request_checksum_calculation
    return known().md5 or asked == "when_required"


def _send(
    what: str,
    operation: str,
    request: Mapping[str, Any],
    data: Sending,
    count: Callable[[], None],
    *,
    plain: bool,
) -> Any:
    extra = {"ContentMD5": data.md5()} if plain else {}

    def work(s3: Any, progress: Progress) -> Any:
        count()
        with data.open() as file:
            body = data.body(file, progress)
            return getattr(s3, operation)(**request, **extra, Body=body)

    return ask(what, work, plain=plain)


def _may_not_know(error: Any) -> bool:
    return code_of(error) in _UNKNOWING or status_of(error) in (411, 501)
