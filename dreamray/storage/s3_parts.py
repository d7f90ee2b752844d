"""Large objects of S3-compatible storage, in parts: several at a time, each tried again by itself.

Raises as `s3_client` does.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore import exceptions as boto

from dreamray.storage.s3_client import ask, retrier
from dreamray.storage.s3_sending import Sending, send, sends_md5
from dreamray.storage.waits import Progress, within

FROM = 64 << 20
"""Bytes from which an object goes in parts."""

PART = 16 << 20
"""Bytes of a part, at least."""

_MOST_PARTS = 10_000
_SIDE_BY_SIDE = 8
_PIECE = 64 << 10

# Storage may copy all parts before it answers.
_JOINING_SECONDS = 900.0
_ABORT_SECONDS = 5.0


def pieces(body: Any, progress: Progress, limit: int | None = None) -> Iterator[bytes]:
    """An answer's body, or its first `limit` bytes, as they come; closed in the end."""
    with contextlib.closing(body), body as raw:
        progress.cut_with(lambda: raw.shutdown())
        left = limit
        while left is None or left > 0:
            piece = body.read(_PIECE if left is None else min(_PIECE, left))
            if not piece:
                return
            progress.moved(len(piece))
            left = None if left is None else left - len(piece)
            yield piece


def store(what: str, bucket: str, key: str, data: Sending, extra: Mapping[str, Any]) -> None:
    """Store an object of many bytes, whole or not at all."""
    where = {"Bucket": bucket, "Key": key}
    checksum = {} if sends_md5() else {"ChecksumAlgorithm": "CRC32"}
    begun = ask(what, lambda s3, _: s3.create_multipart_upload(**where, **extra, **checksum))
    upload = {**where, "UploadId": begun["UploadId"]}
    sent: dict[int, dict[str, Any]] = {}

    def send_part(number: int, start: int, size: int) -> None:
        request = {**upload, "PartNumber": number}
        answer = send(what, "upload_part", request, data.part(start, size))
        sent[number] = {"PartNumber": number, "ETag": answer["ETag"]}
        if checksum and "ChecksumCRC32" in answer:
            sent[number]["ChecksumCRC32"] = answer["ChecksumCRC32"]

    try:
        side_by_side(
            lambda part=part: send_part(*part)  # type: ignore[misc]
            for part in _cut(data.size)
        )
        parts = {"Parts": [sent[number] for number in sorted(sent)]}
        limits = replace(retrier().limits, window=_JOINING_SECONDS)
        tries = 0

        def join(s3: Any, progress: Progress) -> None:
            nonlocal tries
            tries += 1
            s3.complete_multipart_upload(**upload, MultipartUpload=parts)

        try:
            ask(what, join, limits=limits)
        except boto.ClientError as error:
            if tries == 1 or error.response["Error"].get("Code") != "NoSuchUpload":
                raise  # Else an earlier attempt, whose answer was lost, has done it.
    except BaseException:
        with contextlib.suppress(Exception), within(_ABORT_SECONDS):
            ask(what, lambda s3, _: s3.abort_multipart_upload(**upload))
        raise


def fetch(what: str, bucket: str, key: str, head: Mapping[str, Any], path: Path) -> None:
    """An object of many bytes, as its head tells, into a local file.

    Raises OSError where that cannot be written.
    """
    where = {"Bucket": bucket, "Key": key}
    if head.get("ETag"):  # Not parts of two, where it is replaced meanwhile.
        where["IfMatch"] = head["ETag"]
    with path.open("wb") as file:
        file.truncate(head["ContentLength"])

    def fetch_part(start: int, size: int) -> None:
        def work(s3: Any, progress: Progress) -> None:
            wanted = f"bytes={start}-{start + size - 1}"
            answer = s3.get_object(**where, Range=wanted)
            given = answer.get("ContentLength", size)
            if given != size:  # All of it, by a storage that gives no parts: not what lies here.
                answer["Body"].close()
                raise boto.IncompleteReadError(actual_bytes=given, expected_bytes=size)
            # Opened by each: one that is left behind must not write into another file's number.
            with path.open("r+b") as file:
                file.seek(start)
                got = 0
                for piece in pieces(answer["Body"], progress, size):
                    got += len(piece)
                    file.write(piece)
            if got != size:
                raise boto.IncompleteReadError(actual_bytes=got, expected_bytes=size)

        ask(what, work)

    side_by_side(
        lambda part=part: fetch_part(part[1], part[2])  # type: ignore[misc]
        for part in _cut(head["ContentLength"])
    )


def _cut(size: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and size of each part."""
    part = max(PART, -(-size // _MOST_PARTS))
    for number, start in enumerate(range(0, size, part), 1):
        yield number, start, min(part, size - start)


def side_by_side(jobs: Iterable[Callable[[], None]], threads: int = _SIDE_BY_SIDE) -> None:
    """Do all jobs, several at a time; raises the first error as soon as it is there.

    Jobs that are still at work then are left behind.
    """
    waiting, lock = iter(jobs), threading.Lock()
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    stopped = False

    def work() -> None:
        try:
            while not stopped:
                with lock:
                    job = next(waiting, None)
                if job is None:
                    break
                job()
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    for _ in range(threads):
        threading.Thread(target=work, name="storage-parts", daemon=True).start()
    try:
        for _ in range(threads):
            error = ended.get()
            if error is not None:
                raise error
    finally:
        stopped = True
