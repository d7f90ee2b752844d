"""Places where bytes lie: files and folders of this machine, of S3-compatible storage, of memory.

    locate("~/cat.jpg").read()
    locate("s3://bucket/dreams/cat.png").write(data)
    locate_folder("s3://bucket/work").file("octave-1/0-3.npy").write(data)

A finished write is complete; one that fails or is interrupted leaves what was there before.
Locations and folders are small, hashable and, but for those in memory, can be pickled: they
travel to other processes as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from dreamray.base.errors import RequestError
from dreamray.base.messages import shown
from dreamray.storage.in_memory import MemoryFile, MemoryFolder
from dreamray.storage.local import LocalFile, LocalFolder
from dreamray.storage.notices import told_to
from dreamray.storage.places import Folder, ListedFile, Location
from dreamray.storage.s3 import S3Folder, S3Object
from dreamray.storage.waits import within

__all__ = [
    "Folder",
    "ListedFile",
    "LocalFile",
    "LocalFolder",
    "Location",
    "MemoryFile",
    "MemoryFolder",
    "S3Folder",
    "S3Object",
    "locate",
    "locate_folder",
    "told_to",
    "within",
]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_ONE_SLASH = re.compile(r"(s3|gs|https?|file):/?(?!/)", re.IGNORECASE)
"""What is meant as a URI, and would name a file in a folder `s3:`."""
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")


def locate(text: str) -> Location:
    """The file or object that a path, a `file://` or an `s3://bucket/key` URI names.

    Raises RequestError if the text can name neither.
    """
    if text.endswith("/"):
        raise RequestError(f"{shown(text)}: this names a folder; add the name of a file")
    match _scheme(text):
        case "s3":
            bucket, key = _bucket_and_key(text)
            if not key:
                raise RequestError(f"{shown(text)}: the key is missing; write s3://bucket/key")
            return S3Object(bucket, key)
        case "file":
            return LocalFile(_path_of(text))
    return LocalFile(_expand(text))


def locate_folder(text: str) -> Folder:
    """The folder that a path, a `file://` or an `s3://bucket` or `s3://bucket/prefix` URI names.

    A slash at the end changes nothing. Raises RequestError if the text can name none.
    """
    match _scheme(text):
        case "s3":
            bucket, key = _bucket_and_key(text)
            return S3Folder(bucket, key.removesuffix("/"))
        case "file":
            return LocalFolder(_path_of(text))
    return LocalFolder(_expand(text))


def _scheme(text: str) -> str:
    """The kind of place that a text names: "s3", "file" or "path"."""
    if not text or "\0" in text:
        raise RequestError(f"{text!r} is no path; name a file, or write s3://bucket/key")
    if slip := _ONE_SLASH.match(text):
        scheme = slip[1].lower()
        whole = f"{scheme}://{'/' * (scheme == 'file')}{text[slip.end() :]}"
        raise RequestError(f"{shown(text)}: a slash is missing; write {shown(whole)}")
    named = _SCHEME.match(text)
    kind = named[1].lower() if named else "path"
    if kind not in ("s3", "file", "path"):
        raise RequestError(f"{shown(text)}: {kind}:// is not supported; use a local path or s3://")
    return kind


def _expand(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise RequestError(f"{shown(path)}: no such user's home folder; check the path") from None


def _path_of(uri: str) -> Path:
    authority, slash, path = uri[len("file://") :].partition("/")
    path = unquote(path)
    if authority not in ("", "localhost") or not slash or "\0" in path:
        raise RequestError(f"{shown(uri)}: no file of this machine; write file:///folder/name")
    return Path("/", path)


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri[len("s3://") :].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise RequestError(f"{shown(uri)}: {bucket!r} is no bucket's name; write s3://bucket/key")
    try:
        too_long = len(key.encode()) > 1024
    except UnicodeEncodeError:
        raise RequestError(f"{shown(uri)}: the key is not UTF-8; choose another one") from None
    if too_long:
        raise RequestError(f"{shown(uri)}: the key is over 1024 bytes; choose a shorter one")
    return bucket, key
