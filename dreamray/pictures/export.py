"""Writing a finished raster of any size: a file, or a Deep Zoom.

    export(result, Extras(icc_profile, exif), target, Format.TIFF, metadata)

A result of up to `pixels.HELD_PIXELS` is held and goes through `pictures.encode`, and so is WebP,
which ends at 268 million. A larger one is streamed into a temporary file, strip by strip, and
put in its place when it is complete.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dreamray.base.errors import StorageError
from dreamray.base.messages import Warn, shown
from dreamray.pictures import Picture, deep_zoom, jpeg_stream, png_stream, tiff_stream
from dreamray.pictures.encoding import (
    Extras,
    Format,
    check_output,
    encode,
    jpeg_exif,
    png_chunks,
    tags_with,
)
from dreamray.pictures.guard import one_line
from dreamray.pictures.metadata import metadata_text
from dreamray.pictures.strips import FinishedRaster, read_strips
from dreamray.pictures.viewer import Finder
from dreamray.raster.pixels import HELD_PIXELS
from dreamray.storage import LocalFile, Location
from dreamray.storage.temporary import scratch_folder

__all__ = ["Extras", "FinishedRaster", "export"]


def export(
    result: FinishedRaster,
    extras: Extras,
    target: Location,
    format: Format,
    metadata: Mapping[str, Any] | None,
    *,
    object_metadata: Mapping[str, str] = {},
    check: Callable[[], None] = lambda: None,
    may_write: Callable[[], None] = lambda: None,
    progress: Callable[[float], None] = lambda share: None,
    warn: Warn = lambda remark: None,
    finder: Finder | None = None,
) -> None:
    """Write a result with what its source had besides pixels, complete or not at all.

    The bytes depend on the arguments alone, not on the machine's number of processors. 16 bit
    and alpha are kept in PNG and TIFF; a TIFF above `HELD_PIXELS` is a tiled, pyramidal BigTIFF.
    `object_metadata` goes with the file where its storage keeps any, but not with a Deep Zoom.
    `check` is called before anything is put in its place, and raises where that must not be;
    `may_write` too, and again before each of many files.
    `progress` is told the share of the result that has been read, `warn` notices for the user.
    `finder` is what can be looked for on the page of a Deep Zoom.

    That a large one cannot be written is known before any of it is read.

    Raises `PictureError` where the format cannot hold the picture or the metadata,
    RequestError or StorageError where it cannot be written.
    """
    check_output(format, result.shape.width, result.shape.height)
    text = None if metadata is None else metadata_text(metadata)
    small = result.shape.pixels <= HELD_PIXELS
    if format is Format.WEBP or (small and format is not Format.DEEP_ZOOM):
        data = _encode_held(result, extras, format, metadata, progress)
        check()
        may_write()
        target.write(data, object_metadata)
        return
    target.check_writable()
    if format is Format.DEEP_ZOOM:
        with _scratch(target) as folder:
            deep_zoom.write(
                result,
                extras,
                target,
                metadata,
                folder,
                check=check,
                may_write=may_write,
                progress=progress,
                warn=warn,
                finder=finder,
            )
    else:
        with _scratch(target) as folder:
            file = folder / "result"
            _stream(file, result, extras, format, text, progress)
            check()
            may_write()
            target.write_file(file, object_metadata)


def _encode_held(
    result: FinishedRaster,
    extras: Extras,
    format: Format,
    metadata: Mapping[str, Any] | None,
    progress: Callable[[float], None],
) -> bytes:
    samples = result.rows(0, result.shape.height)
    progress(1.0)
    alpha = samples[..., 3] if result.channels == 4 else None
    like = Picture(samples[..., :3], alpha, extras.icc_profile, extras.exif, "", ())
    return encode(like.pixels, like, format, metadata)


def _stream(
    path: Path,
    result: FinishedRaster,
    extras: Extras,
    format: Format,
    text: str | None,
    progress: Callable[[float], None],
) -> None:
    with path.open("wb") as file:
        match format:
            case Format.PNG:
                strips = read_strips(result, png_stream.strip_height(result), progress)
                png_stream.write_png(file, result, strips, png_chunks(extras, text))
            case Format.JPEG:
                exif = jpeg_exif(extras, text)
                strips = read_strips(result, jpeg_stream.STRIP_HEIGHT, progress)
                jpeg_stream.write_jpeg(file, result.shape, strips, exif, extras.icc_profile)
            case Format.TIFF:
                tags = tags_with(extras, text)
                strips = read_strips(result, tiff_stream.TILE, progress)
                tiff_stream.write_tiff(file, result, strips, tags, extras.icc_profile)
            case _:
                raise ValueError(f"{format} is no format that is streamed")


@contextmanager
def _scratch(target: Location) -> Iterator[Path]:
    """A temporary folder, from which a file can be moved to a local target."""
    beside = (target.root or target.path.parent) if isinstance(target, LocalFile) else None
    place = shown(beside or tempfile.gettempdir())
    try:
        if beside:
            beside.mkdir(parents=True, exist_ok=True)
        with scratch_folder(beside) as folder:
            yield folder
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else one_line(error)
        raise StorageError(
            f"{place}: the result cannot be prepared there: {reason}; "
            "free some space, then run it again"
        ) from error
