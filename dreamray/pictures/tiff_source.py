"""What a TIFF says of itself: whether it is read, which of its channels are what, and what else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from operator import add
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Shape
from dreamray.pictures import parts
from dreamray.pictures.guard import KindError
from dreamray.raster.pixels import Pixels

# Tags.
WIDTH, HEIGHT, COMPRESSION, STRIP_ROWS, STRIP_BYTES, PLANES = 256, 257, 259, 278, 279, 284
TILE_WIDTH = 322
_NEW_SUBFILE, _SUBFILE, _BITS, _PHOTOMETRIC, _SAMPLES = 254, 255, 258, 262, 277
_TILE_OFFSETS, _TILE_BYTES, _SUB_DIRECTORIES, _EXTRA, _SAMPLE_FORMAT = 324, 325, 330, 338, 339
_DNG_VERSION = 50706
_XMP = 700

OLD_JPEG, JPEG = 6, 7
_SEPARATE = 2

# Those that the binary wheel of libvips is built without.
_COMPRESSIONS = {
    OLD_JPEG: "old-style JPEG",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34661: "JBIG",
    34892: "lossy DNG",
    34925: "LZMA",
    50000: "Zstandard",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_SPACES = {6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab", 32844: "LogL", 32845: "LogLuv"}
_RAW_SAMPLES = (32803, 34892)
"""A colour filter's, and what is made of them before development."""

_LAYOUT = (WIDTH, HEIGHT, COMPRESSION, 266, 317, TILE_WIDTH, 323, 347)
"""What planes share: sizes, compression, order of bits, predictor, tables of JPEG."""

_MOST_SUB_DIRECTORIES = 16
_MOST_PLANES = 8


class Channels(NamedTuple):
    """Which of an image's channels are what."""

    colour: int
    """How many of the first are colour: 1, 3 or 4 for grey, RGB or CMYK."""
    alpha: int | None
    """Which one is opacity."""

    def split(self, samples: Pixels) -> tuple[Pixels, Pixels | None]:
        """Colour and alpha of [height, width, channels]; CMYK reduced to 8 bits."""
        if self.colour == 4:
            samples = parts.to_depth(samples, np.uint8)
        return samples[..., : self.colour], None if self.alpha is None else samples[..., self.alpha]


def tiff_shape(tags: Any) -> Shape:
    """Height and width of a directory; ValueError where it has none."""
    height, width = tags.get(HEIGHT), tags.get(WIDTH)
    if not (isinstance(height, int) and isinstance(width, int)):
        raise ValueError("its size is missing")
    return Shape(height, width)


def check_tiff(file: bytes | BinaryIO, tags: Any, name: str) -> None:
    """Raise PictureError for a TIFF whose first directory is not the picture, or not read right."""
    _check_is_whole(file, tags, name)
    bits, numbers = max(tags.get(_BITS, (1,))), max(tags.get(_SAMPLE_FORMAT, (1,)))
    compression, photometric = tags.get(COMPRESSION, 1), tags.get(_PHOTOMETRIC)
    if compression in _COMPRESSIONS:
        raise KindError(f"has {_COMPRESSIONS[compression]} compression")
    if photometric not in (None, 0, 1, 2, 3, 5) and (photometric, compression) != (6, JPEG):
        raise KindError(f"has {_SPACES.get(photometric, 'special')} samples")
    if numbers not in (1, 4) or bits not in (1, 2, 4, 8, 16):
        sort = {2: "signed", 3: "floating point", 5: "complex", 6: "complex"}
        raise KindError(f"has {bits} bit {sort.get(numbers, 'unsigned')} samples")
    if bits < 8 and tags.get(_SAMPLES, 1) != 1 and photometric != 3:
        raise KindError(f"has {bits} bit samples in several channels")
    _check_end(file, tags)


def _check_end(file: bytes | BinaryIO, tags: Any) -> None:
    """Raise ValueError where tiles reach beyond the end."""
    size = len(file) if isinstance(file, bytes) else file.seek(0, io.SEEK_END)
    if max(map(add, tags.get(_TILE_OFFSETS, ()), tags.get(_TILE_BYTES, ())), default=0) > size:
        raise ValueError("its end is missing")


def _check_is_whole(file: bytes | BinaryIO, tags: Any, name: str) -> None:
    """Raise PictureError where the first directory is a small copy of what is meant."""
    shape, others = tiff_shape(tags), _sub_directories(file, tags)
    samples = {directory.get(_PHOTOMETRIC) for directory in (tags, *others)}
    if _DNG_VERSION in tags or samples.intersection(_RAW_SAMPLES) or _has_canon_mark(file):
        raise PictureError(
            f"{name} is a camera's raw file, of which only a preview could be dreamt: develop it, "
            "and save the result as TIFF, PNG or JPEG"
        )
    following = _following(file, tags) if _is_reduced(tags) else []
    if any(
        one.get(WIDTH, 0) * one.get(HEIGHT, 0) > shape.pixels and not _is_reduced(one)
        for one in (*others, *following)
    ):
        raise PictureError(
            f"{name} begins with a small copy ({shape} pixels) of the picture that is meant: "
            "save that as a file of its own"
        )


def _is_reduced(tags: Any) -> bool:
    """Whether a directory calls itself a small copy of another picture."""
    return bool(tags.get(_NEW_SUBFILE, 0) & 1 or tags.get(_SUBFILE) == 2)


def _following(file: bytes | BinaryIO, tags: Any) -> list[Any]:
    """The directories of the next pages."""
    found: list[Any] = []
    try:
        while tags.next and len(found) < _MOST_SUB_DIRECTORIES:
            tags = parts.tiff_directory(file, tags.next)
            found.append(tags)
    except Exception:  # They are not what is dreamt.
        return found
    return found


def _sub_directories(file: bytes | BinaryIO, tags: Any) -> list[Any]:
    found: list[Any] = []
    offsets = tags.get(_SUB_DIRECTORIES, ())
    for offset in offsets if isinstance(offsets, tuple) else (offsets,):
        if len(found) == _MOST_SUB_DIRECTORIES:
            break
        try:
            found.append(parts.tiff_directory(file, offset))
        except Exception:  # It is not what is dreamt.
            continue
    return found


def _has_canon_mark(file: bytes | BinaryIO) -> bool:
    if isinstance(file, bytes):
        return file[8:10] == b"CR"
    file.seek(8)
    return file.read(2) == b"CR"


def tiff_channels(image: Any, tags: Any) -> Channels:
    """The channels of a TIFF that was opened by pyvips."""
    photometric, bands = tags.get(_PHOTOMETRIC), image.bands
    if photometric == 5 or image.interpretation == "cmyk":
        colour = 4
    else:
        colour = 1 if photometric in (0, 1) or bands < 3 else 3
    # An extra channel of kind 0 says nothing of opacity.
    kinds = tags.get(_EXTRA, (None,))[: bands - colour]
    alpha = next((colour + i for i, kind in enumerate(kinds) if kind != 0), None)
    return Channels(colour, alpha if bands > colour else None)


def tiff_remarks(image: Any, tags: Any, channels: Channels) -> list[str]:
    """What is to be told of it, without its name."""
    remarks = ["calls itself a small copy of another picture"] if _is_reduced(tags) else []
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if pages > 1:
        remarks.append(f"has {pages} pages: only the first is dreamt")
    left = image.bands - channels.colour - (channels.alpha is not None)
    if left:
        beside = "colour" if channels.alpha is None else "colour and opacity"
        what = "1 channel" if left == 1 else f"{left} channels"
        remarks.append(f"has {what} beside {beside}: left out")
    return remarks


def tiff_xmp(tags: Any) -> bytes | None:
    """The XMP of a directory."""
    xmp = tags.get(_XMP)
    if isinstance(xmp, tuple):  # Bytes of another type of TIFF's.
        xmp = bytes(value & 255 for value in xmp if isinstance(value, int))
    return xmp if isinstance(xmp, bytes) else None


@contextmanager
def tiles_checked() -> Iterator[None]:
    """Raise pyvips.Error for a tile that cannot be decoded within the context.

    libvips leaves it black, says nothing, and goes on with nothing but the message in its list of
    errors.
    """
    import pyvips

    with parts.LIBVIPS:
        pyvips.vips_lib.vips_error_clear()
        yield
        said: bytes = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer())
        if b"tiff2vips" in said:
            raise pyvips.Error("")


def has_tiled_planes(tags: Any) -> bool:
    """Whether each channel has tiles of its own, which libvips does not read."""
    return bool(tags.get(PLANES, 1) == _SEPARATE and TILE_WIDTH in tags)


def open_tiff(data: bytes, tags: Any) -> Any:
    """A TIFF as an image of pyvips; `tags` is its first directory."""
    if not has_tiled_planes(tags) or tags.get(_SAMPLES, 1) == 1:
        return parts.open_vips(_turned_soundly(data, tags), "TIFF")
    count, photometric = tags[_SAMPLES], tags[_PHOTOMETRIC]
    if photometric not in (0, 1, 2, 5) or count > _MOST_PLANES:
        raise KindError("has tiles of separate channels that are not RGB")
    offsets, sizes = tags[_TILE_OFFSETS], tags[_TILE_BYTES]
    if len(offsets) != len(sizes) or len(offsets) % count:
        raise ValueError("tiles are missing")
    tiles = len(offsets) // count
    planes = [
        parts.open_vips(
            _one_plane(data, tags, plane, slice(plane * tiles, (plane + 1) * tiles)), "TIFF"
        )
        for plane in range(count)
    ]
    return planes[0].bandjoin(planes[1:])


def has_sound_orientation(tags: Any) -> bool:
    """Whether a directory's orientation is none, or one of EXIF's."""
    orientation = tags.get(parts.ORIENTATION, 1)
    return not isinstance(orientation, int) or 1 <= orientation <= 8


def _turned_soundly(data: bytes, tags: Any) -> bytes:
    """The same file with an orientation of 1 in place of one that is none.

    libtiff says of such a number that it is an error, after which libvips decodes nothing.
    """
    if has_sound_orientation(tags):
        return data
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    big = 43 in data[2:4]
    at = int.from_bytes(data[8:16] if big else data[4:8], order)
    head, size = (8, 20) if big else (2, 12)
    count = int.from_bytes(data[at : at + head], order)
    out = bytearray(data)
    for start in range(at + head, min(at + head + count * size, len(data)), size):
        if int.from_bytes(data[start : start + 2], order) == parts.ORIENTATION:
            value = b"".join(number.to_bytes(2, order) for number in (parts.ORIENTATION, 3))
            value += (1).to_bytes(8 if big else 4, order) + (1).to_bytes(2, order)
            out[start : start + size] = value.ljust(size, b"\0")
    return bytes(out)


def _one_plane(data: bytes, tags: Any, plane: int, tiles: slice) -> bytes:
    """The same file with a directory behind it of which one channel is the whole picture."""
    directory = parts.empty_directory(data[:16])
    for tag in _LAYOUT:
        if tag in tags:
            directory.tagtype[tag] = tags.tagtype[tag]
            directory[tag] = tags[tag]
    directory[_SAMPLES], directory[PLANES] = 1, 1
    directory[_BITS] = tags[_BITS][plane : plane + 1]
    directory[_PHOTOMETRIC] = tags[_PHOTOMETRIC] if plane == 0 and tags[_PHOTOMETRIC] == 0 else 1
    for tag in (_TILE_OFFSETS, _TILE_BYTES):
        directory.tagtype[tag] = tags.tagtype[tag]
        directory[tag] = tags[tag][tiles]
    big, order = 43 in data[2:4], "little" if data[:2] == b"II" else "big"
    at = -(-len(data) // 16) * 16
    out = io.BytesIO(data)
    out.seek(8 if big else 4)
    out.write(at.to_bytes(8 if big else 4, order))  # type: ignore[arg-type]
    out.seek(at)
    out.write(directory.tobytes(at))
    return out.getvalue()
