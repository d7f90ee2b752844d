"""The formats that pictures are read in, told by how a file begins, never by its name."""

from __future__ import annotations

from typing import NamedTuple

from dreamray.base.errors import PictureError


class SourceFormat(NamedTuple):
    """A format that is read."""

    title: str
    """As messages write it."""
    suffixes: tuple[str, ...]
    """Of the files that a folder is searched for."""


SOURCE_FORMATS = {
    "JPEG": SourceFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif")),
    "PNG": SourceFormat("PNG", (".png",)),
    "WEBP": SourceFormat("WebP", (".webp",)),
    "TIFF": SourceFormat("TIFF", (".tif", ".tiff")),
    "GIF": SourceFormat("GIF", (".gif",)),
    "BMP": SourceFormat("BMP", (".bmp",)),
    "HEIC": SourceFormat("HEIC", (".heic", ".heif", ".hif")),
    "AVIF": SourceFormat("AVIF", (".avif",)),
}
"""By the names that the modules here call them."""

SOURCE_SUFFIXES = tuple(suffix for format in SOURCE_FORMATS.values() for suffix in format.suffixes)

HEAD_BYTES = 64
"""How much of a file's beginning tells its format."""

_TITLES = [format.title for format in SOURCE_FORMATS.values()]
_READ = f"{', '.join(_TITLES[:-1])} and {_TITLES[-1]}"

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF8": "GIF",
    b"BM": "BMP",
}

# The brands of ISO base media files, which stand behind "ftyp".
_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
}

# What people have beside pictures, and give by mistake.
_OTHERS = {
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"II\xbc": "a JPEG XR picture",
    b"8BPS": "a Photoshop document",
    b"gimp xcf": "a GIMP document",
    b"v/1\x01": "an OpenEXR picture",
    b"#?R": "a Radiance picture",
    b"qoif": "a QOI picture",
    b"\0\0\x01\0": "an icon",
    b"DDS ": "a DDS texture",
    b"\x8aMNG": "an MNG animation",
    b"\x8bJNG": "a JNG picture",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML document",
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"SIMPLE  =": "a FITS picture",
    b"FUJIFILMCCD-RAW": "a camera's raw file",
    b"IIRO": "a camera's raw file",
    b"IIRS": "a camera's raw file",
    b"MMOR": "a camera's raw file",
    b"IIU\0": "a camera's raw file",
    b"FOVb": "a camera's raw file",
    b"\0MRM": "a camera's raw file",
    b"version https://git-lfs": "a pointer of Git LFS instead of the file itself",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "packed with gzip",
    **{b"P%d%c" % (n, c): "a Netpbm picture" for n in range(1, 8) for c in b" \t\r\n#"},
}


def kind_of(data: bytes, name: str) -> str:
    """The name in `SOURCE_FORMATS` for bytes that begin so; else `PictureError`.

    `HEAD_BYTES` of them are enough.
    """
    if not data:
        raise PictureError(f"{name} is empty: copy or download it again")
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    media = _media_kind(data[:HEAD_BYTES])
    if media in SOURCE_FORMATS:
        return media
    other = media or next((o for s, o in _OTHERS.items() if data.startswith(s)), None)
    if other:
        raise PictureError(f"{name} is {other}, and none of {_READ}: convert it to one of them")
    raise PictureError(f"{name} is none of {_READ} by its content: convert it to one of them")


def _media_kind(head: bytes) -> str | None:
    """AVIF or HEIC, or in words what another ISO base media file is; None for no such file."""
    if head[4:8] != b"ftyp":
        return None
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12]] + [head[at : at + 4] for at in range(16, min(size, len(head)), 4)]
    for brand in brands:
        for kind, known in _BRANDS.items():
            if brand in known:
                return kind
    if brands[0] == b"crx ":
        return "a camera's raw file"
    if b"mif1" in brands or b"msf1" in brands:
        return "HEIC"  # Its decoder says what it is instead.
    return "a video"
