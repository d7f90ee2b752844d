"""The settings of a dream inside its picture: how they are written, found and removed.

Only the parts of a file that can hold them are read, so that a result of many gigabytes
answers as soon as a small one.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO
from xml.etree import ElementTree

from dreamray.base.errors import PictureError
from dreamray.base.parsing import parse_json
from dreamray.pictures import parts
from dreamray.pictures.formats import kind_of
from dreamray.pictures.guard import decoding, one_line

KEYWORD = "dreamray"
XML_NAMESPACE = "urn:dreamray"
"""Of the element that holds the settings in a Deep Zoom description."""

_MAX_TEXT = 1 << 20
_MAX_PACKED = 16 << 20
"""Bytes that are read of any one part of a file."""

_MAX_XML = 3 << 20
"""Bytes that are read of a Deep Zoom description: its elements take many times as much."""

_MAX_PARTS = 100_000
"""Of a file, those left out of a PNG that are as long as its pixels' are."""

_PIXEL_PART = 1 << 10
"""Bytes that a part of a PNG with pixels has at the least, if it is not the last one."""

_JPEG_PIXELS, _JPEG_EXIF, _JPEG_FILL = 0xDA, 0xE1, 0xFF
_USER_COMMENT_ASCII = b"ASCII\0\0\0"


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """What is embedded for these settings: one line of JSON in plain ASCII.

    Raises `PictureError` for more than 1 MiB, `TypeError` and `ValueError` for what is not JSON.
    """
    text = json.dumps({KEYWORD: metadata}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    if len(text) > _MAX_TEXT:
        raise PictureError(
            f"the settings of this dream take {len(text):,} bytes, more than the "
            f"{_MAX_TEXT:,} that go into a picture: shorten them"
        )
    return text


def user_comment(text: str) -> bytes:
    """The EXIF user comment that holds this ASCII text."""
    return _USER_COMMENT_ASCII + text.encode()


def read_metadata(picture: bytes | BinaryIO, name: str) -> dict[str, Any]:
    """What a finished picture was given as metadata: PNG, JPEG, WebP, TIFF, or a `.dzi`.

    `picture` are its bytes, or a binary file that can seek, of which only the few parts that
    may hold settings are read: no pixels are. The contents are anyone's: validate them before
    use. Raises `PictureError` for a picture without, or with what cannot be from dreamray.
    """
    file = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    head = file.read(64)
    kind = "XML" if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else None
    kind = kind or kind_of(head, name)
    with decoding(name):
        text = _embedded_text(file, kind)
        if text is None:
            raise PictureError(
                f"{name} carries no dreamray settings: "
                "it was not made by dreamray, or another program removed them"
            )
        try:
            if len(text) > _MAX_TEXT:
                raise ValueError("longer than 1 MiB")
            metadata = parse_json(text)[KEYWORD]
            if not isinstance(metadata, dict):
                raise TypeError("not a mapping")
        except (ValueError, TypeError, KeyError) as error:
            raise PictureError(
                f"{name} carries dreamray settings that cannot be read ({one_line(error)}): "
                "another program changed them, so give the settings by hand"
            ) from error
        return metadata


def remove_settings(tags: parts.Tags) -> None:
    """A dream of a dream must not carry the settings of the first as its own."""
    if _settings_in(tags.get(parts.DESCRIPTION)):
        del tags[parts.DESCRIPTION]
    if _settings_in(tags.get(parts.EXIF_DIRECTORY, {}).get(parts.USER_COMMENT)):
        del tags[parts.EXIF_DIRECTORY][parts.USER_COMMENT]


def _embedded_text(file: BinaryIO, kind: str) -> str | None:
    if kind == "PNG":
        return _png_text(file)
    if kind == "XML":
        return _xml_text(file)
    if kind == "TIFF":
        tags = parts.read_tags(file)
    else:
        exif = {"JPEG": _jpeg_exif, "WEBP": _webp_exif}.get(kind, lambda _: None)(file)
        if not exif:
            return None
        tags = parts.read_tags(exif)
    return next(filter(None, map(_settings_in, _comments(tags))), None)


def _comments(tags: parts.Tags) -> list[object]:
    """Where settings may be; programs that write a TIFF in a stream have the second place only."""
    exif = tags.get(parts.EXIF_DIRECTORY, {})
    return [exif.get(parts.USER_COMMENT), tags.get(parts.DESCRIPTION)]


def _settings_in(comment: object) -> str | None:
    if isinstance(comment, bytes):
        comment = comment.removeprefix(_USER_COMMENT_ASCII).decode("utf-8", "replace")
    if isinstance(comment, str) and comment.lstrip().startswith(f'{{"{KEYWORD}"'):
        return comment.rstrip("\0")
    return None


def _png_text(file: BinaryIO) -> str | None:
    """The text of our keyword, wherever in the file and in any of the three ways of PNG.

    Text that unpacks to more than the limit comes back cut off one byte above the limit.
    """
    start = KEYWORD.encode() + b"\0"
    at, small = 8, 0
    while len(head := _at(file, at, 8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        at += 12 + size
        small += size < _PIXEL_PART
        if small > _MAX_PARTS:
            raise _too_many_parts()
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or file.read(len(start)) != start:
            continue
        body = file.read(min(size - len(start), _MAX_PACKED))
        packed = kind == b"zTXt"
        if packed:
            body = body[1:]
        elif kind == b"iTXt":
            packed = body[:1] == b"\1"
            body = body[2:].split(b"\0", 2)[-1]
        if packed:
            body = zlib.decompressobj().decompress(body, _MAX_TEXT + 1)
        return body[: _MAX_TEXT + 1].decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")
    return None


def _jpeg_exif(file: BinaryIO) -> bytes | None:
    at = 2
    for _ in range(_MAX_PARTS):
        marker, kind, size = struct.unpack(">BBH", _at(file, at, 4))
        if marker != 0xFF:
            raise ValueError("cut short before its pixels")
        if kind == _JPEG_PIXELS:
            return None
        if kind == _JPEG_FILL:
            at += 1
            continue
        if kind == _JPEG_EXIF:
            segment = file.read(size - 2)
            if segment.startswith(b"Exif\0\0"):
                return segment
        at += 2 + size
    raise _too_many_parts()


def _webp_exif(file: BinaryIO) -> bytes | None:
    at = 12
    for _ in range(_MAX_PARTS):
        if not (head := _at(file, at, 8)):
            return None
        kind, size = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            return file.read(min(size, _MAX_PACKED))
        at += 8 + size + size % 2
    raise _too_many_parts()


def _too_many_parts() -> ValueError:
    return ValueError(f"it has over {_MAX_PARTS:,} parts")


def _xml_text(file: BinaryIO) -> str | None:
    xml = _at(file, 0, _MAX_XML)
    # A description needs none, and entities are how small files become huge ones.
    if b"<!DOCTYPE" in xml:
        raise ValueError("it has a document type, which no Deep Zoom description has")
    return ElementTree.fromstring(xml).findtext(f"{{{XML_NAMESPACE}}}settings") or None


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
