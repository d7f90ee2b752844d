"""What do results cost to write, by dreamray and by libvips alone, and are they the same?

Each format and each kind of samples, written from rows as a render gives them: by
`dreamray.pictures.export`, by libvips from a raw scratch file, and by libvips from a PNG
without compression that streams through a pipe. Seconds and processor seconds are medians of
turns taken; the peak is that of a fresh process. `--held` has dreamray write them as it writes
small results, else as large ones.

`same` names what is equal to dreamray's: samples of the picture (px) and of all reduced levels
(levels), colour profile (icc), EXIF tags (exif), settings that `dreamray show` finds (settings).
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import statistics
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from common import in_fresh_process, parser, peak_memory, report, table
from PIL import Image, ImageCms

from dreamray.base.errors import PictureError
from dreamray.base.geometry import Shape
from dreamray.pictures import decode, parts
from dreamray.pictures import export as exporting
from dreamray.pictures.encoding import Format
from dreamray.pictures.export import Extras, export
from dreamray.pictures.metadata import metadata_text, read_metadata
from dreamray.pictures.strips import FinishedRaster, read_strips
from dreamray.raster.pixels import Pixels
from dreamray.storage import LocalFile

WRITERS = ("dreamray", "libvips, scratch", "libvips, stream")
FORMATS = (Format.PNG, Format.JPEG, Format.TIFF, Format.DEEP_ZOOM)
KINDS = {"RGB": (3, np.uint8), "RGBA": (4, np.uint8), "RGB 16": (3, np.uint16)}
SETTINGS = {"dream": {"layers": {"mixed4": 2.0}}}

_BLOCK, _STRIP = 512, 128
_SAVE = {
    Format.PNG: {"compression": 4, "filter": "paeth"},
    Format.JPEG: {"Q": 95, "subsample_mode": "off", "background": 255},
    Format.TIFF: {
        "tile": True, "tile_width": 512, "tile_height": 512, "pyramid": True, "bigtiff": True,
        "compression": "deflate", "predictor": "horizontal", "region_shrink": "mean",
    },
    Format.DEEP_ZOOM: {
        "tile_size": 254, "overlap": 1, "depth": "onepixel", "region_shrink": "mean",
    },
}  # fmt: skip


class Dreamlike:
    """A raster of smooth waves with a little noise; a block of rows that comes again and again."""

    def __init__(self, shape: Shape, kind: str) -> None:
        self.shape = shape
        self.channels, sample = KINDS[kind]
        self.dtype: Any = np.dtype(sample)
        y, x, c = np.ogrid[:_BLOCK, : shape.width, : self.channels]
        noise = np.random.default_rng(0).standard_normal
        self._block = np.empty((_BLOCK, shape.width, self.channels), sample)
        for row in range(_BLOCK):
            wave = np.sin(y[row] / 17 + c[0]) + np.cos(x[0] / 23 + 2 * c[0])
            values = wave / 4 + 0.5 + 0.012 * noise(wave.shape, np.float32)
            self._block[row] = np.clip(values, 0, 1) * np.iinfo(sample).max

    def rows(self, start: int, stop: int) -> Pixels:
        """See `FinishedRaster`."""
        return self._block[np.arange(start, stop) % _BLOCK]


@functools.cache
def _extras() -> Extras:
    block = Image.Exif()
    block[271] = "Camera"
    block.get_ifd(34665)[36867] = "2024:02:29 12:00:00"
    block.get_ifd(34853)[2] = (47.0, 22.0, 30.5)
    out = io.BytesIO()
    Image.new("RGB", (1, 1)).save(out, "JPEG", exif=block.tobytes())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + bytes(12) + profile[36:]  # The date would differ.
    return Extras(profile, decode(out.getvalue(), "x").exif)


def write(writer: str, result: FinishedRaster, path: Path, format: Format) -> None:
    """Write a result to a path by one of `WRITERS`."""
    if writer == "dreamray":
        export(result, _extras(), LocalFile(path), format, SETTINGS)
        return
    deep = format.deep
    strips: Iterable[Pixels] = read_strips(result, _STRIP, lambda share: None)
    if not deep:
        strips = (parts.to_depth(strip, np.uint8) for strip in strips)
    sample_bytes = result.dtype.itemsize if deep else 1
    save = functools.partial(_save, path=path, format=format)
    feed = _from_scratch if writer == "libvips, scratch" else _from_stream
    feed(strips, result, sample_bytes, path, save)


def _save(image: Any, path: Path, format: Format) -> None:
    image = image.copy()
    extras = _extras()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", extras.icc_profile)
    image.set_type(pyvips.GValue.blob_type, "exif-data", extras.exif)
    image.set_type(pyvips.GValue.gstr_type, "image-description", metadata_text(SETTINGS))
    options: dict[str, Any] = dict(_SAVE[format])
    if format is Format.DEEP_ZOOM:
        png = image.bands == 4
        options["suffix"] = (
            ".png[compression=4,filter=all]" if png else ".jpg[Q=90,subsample_mode=off]"
        )
        image.dzsave(str(path.with_suffix("")), keep="icc", **options)
        return
    saves = {Format.PNG: image.pngsave, Format.JPEG: image.jpegsave, Format.TIFF: image.tiffsave}
    saves[format](str(path), **options)


def _from_scratch(
    strips: Iterable[Pixels],
    result: FinishedRaster,
    sample_bytes: int,
    path: Path,
    save: Callable[[Any], None],
) -> None:
    scratch = path.with_suffix(".raw")
    with scratch.open("wb") as file:
        for strip in strips:
            file.write(np.ascontiguousarray(strip).data)
    height, width = result.shape
    layout = {"format": "ushort", "interpretation": "rgb16"} if sample_bytes == 2 else {
        "format": "uchar", "interpretation": "srgb"
    }  # fmt: skip
    save(pyvips.Image.rawload(str(scratch), width, height, result.channels, **layout))
    scratch.unlink()


def _from_stream(
    strips: Iterable[Pixels],
    result: FinishedRaster,
    sample_bytes: int,
    path: Path,
    save: Callable[[Any], None],
) -> None:
    source, sink = os.pipe()

    def feed() -> None:
        with os.fdopen(sink, "wb") as file:
            file.writelines(_stored(strips, result, sample_bytes))

    thread = threading.Thread(target=feed)
    thread.start()
    load = pyvips.Image.pngload_source
    save(load(pyvips.Source.new_from_descriptor(source), access="sequential", unlimited=True))
    thread.join()


def _stored(strips: Iterable[Pixels], result: FinishedRaster, sample_bytes: int) -> Iterator[bytes]:
    """A PNG that is not compressed."""
    height, width = result.shape
    colour = {3: 2, 4: 6}[result.channels]
    layout = struct.pack(">IIBBBBB", width, height, 8 * sample_bytes, colour, 0, 0, 0)
    yield b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", layout)
    packer = zlib.compressobj(0)
    for strip in strips:
        big_endian = np.ascontiguousarray(strip, strip.dtype.newbyteorder(">"))
        rows = np.pad(big_endian.view(np.uint8).reshape(len(strip), -1), ((0, 0), (1, 0)))
        yield _chunk(b"IDAT", packer.compress(rows.tobytes()))
    yield _chunk(b"IDAT", packer.flush()) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", check)


def _found(path: Path, format: Format) -> dict[str, Any]:
    """Bytes, and what `same` compares."""
    if format is Format.DEEP_ZOOM:
        tiles = path.with_name(f"{path.stem}_files")
        files = [p for p in sorted(tiles.rglob("*_*")) if p.suffix in (".jpg", ".png")]
        largest = max((p.parent.name for p in files), key=int)
        top = [p for p in files if p.parent.name == largest]
        pages = [str(p) for p in files if p.parent.name != largest]
        first = str(top[0])
        pixels = _digest(map(str, top))
        size = sum(p.stat().st_size for p in files)
    else:
        first, size = str(path), path.stat().st_size
        pixels = _digest([first])
        count = pyvips.Image.new_from_file(first).get("n-pages") if format is Format.TIFF else 1
        pages = [f"{first}[page={page}]" for page in range(1, count)]
    image = pyvips.Image.new_from_file(first)
    icc = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""
    try:
        settings = read_metadata(path.open("rb"), "x")
    except (PictureError, OSError):
        settings = None
    return {
        "size": size,
        "px": pixels,
        "levels": _digest(pages),
        "icc": hashlib.sha256(icc).hexdigest(),
        "exif": _exif(path, format),
        "settings": settings,
    }


def _exif(path: Path, format: Format) -> str:
    if format is Format.DEEP_ZOOM:
        return ""
    Image.MAX_IMAGE_PIXELS = None
    if format is Format.TIFF:
        with path.open("rb") as file:
            tags = parts.read_tags(file)
    else:
        with Image.open(path) as picture:
            tags = parts.read_tags(picture.info["exif"])
    kept = {tag: tags.get(tag) for tag in (271, parts.GPS_DIRECTORY)}
    return repr((kept, tags.get(parts.EXIF_DIRECTORY, {}).get(36867)))


def _digest(files: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for file in files:
        image = pyvips.Image.new_from_file(file, access="sequential")
        digest.update(repr((image.width, image.height, image.bands, image.format)).encode())
        region = pyvips.Region.new(image)
        for top in range(0, image.height, _STRIP):
            digest.update(region.fetch(0, top, image.width, min(_STRIP, image.height - top)))
    return digest.hexdigest()


def _run_case(case: dict[str, Any]) -> None:
    format = Format(case["format"])
    result = Dreamlike(Shape(*case["shape"]), case["kind"])
    if not case["held"]:
        exporting.HELD_PIXELS = 0
    with tempfile.TemporaryDirectory(dir=case["folder"]) as folder:
        path = Path(folder) / f"x{format.suffix}"
        cpu, start = time.process_time(), time.perf_counter()
        write(case["writer"], result, path, format)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        peak = peak_memory()
        found = _found(path, format) if case["look"] else {}
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, **found}))


def main() -> None:
    """Compare, or write once."""
    arguments = parser(__doc__)
    arguments.add_argument("--size", action="append", help="WIDTHxHEIGHT (default 5000x5000)")
    arguments.add_argument("--format", action="append", choices=[f.value for f in FORMATS])
    arguments.add_argument("--kind", action="append", choices=list(KINDS))
    arguments.add_argument("--held", action="store_true", help="as small results")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", help="where results are written, and removed")
    arguments.add_argument("--case", help="for the benchmark itself")
    chosen = arguments.parse_args()
    if chosen.case:
        _run_case(json.loads(chosen.case))
        return
    rows = []
    for size in chosen.size or ["5000x5000"]:
        width, height = map(int, size.split("x"))
        for format in chosen.format or FORMATS:
            for kind in chosen.kind or KINDS:
                case = {"format": format, "kind": kind, "shape": (height, width),
                        "folder": chosen.folder, "held": chosen.held}  # fmt: skip
                rows += _compare(case, chosen.rounds, f"{format} {kind} {size}")
                print(*rows[-len(WRITERS) :], sep="\n", flush=True)
    header = ["", "writer", "s", "CPU s", "peak MiB", "file MB", "same"]
    report(table(header, rows), chosen.markdown)


def _compare(case: dict[str, Any], rounds: int, name: str) -> list[list[str]]:
    turns: dict[str, list[dict[str, Any]]] = {writer: [] for writer in WRITERS}
    for turn in range(rounds):
        for writer in WRITERS:
            done = in_fresh_process(__file__, case | {"writer": writer, "look": turn == 0})
            if "failed" in done:
                raise SystemExit(f"{name}, {writer}: {done['failed']}")
            turns[writer].append(done)
    ours = turns["dreamray"][0]
    rows = []
    for writer, done in turns.items():
        seconds, cpu, peak = (
            statistics.median(turn[key] for turn in done) for key in ("seconds", "cpu", "peak")
        )
        aspects = ("px", "levels", "icc", "exif", "settings")
        same = " ".join(a for a in aspects if done[0][a] == ours[a])
        figures = [f"{seconds:.1f}", f"{cpu:.1f}", f"{peak / 2**20:.0f}"]
        rows.append([name, writer, *figures, f"{done[0]['size'] / 1e6:.1f}", same])
    return rows


if __name__ == "__main__":
    main()
