"""Pictures that nobody took: coloured noise of any size, told by its size and a seed.

    dreamray render noise:1600x900@7 out.png

A dream needs something to begin with, in each of its octaves: so the noise is a sum of clouds of
every size, one octave apart and each as strong as the others, as in most pictures (whose spectrum
falls as one over the frequency). Its colours are correlated as those of photos are, by the matrix
that Lucid has (Olah, Mordvintsev, Schubert, "Feature Visualization", Distill 2017,
doi:10.23915/distill.00007; there for all that is ascended, here where it begins).

Whole numbers are hashed, and all else is sums, products and quotients, one value at a time: the
bytes are the same on every machine.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from dreamray.base.errors import RequestError
from dreamray.base.geometry import Shape
from dreamray.base.messages import brief, shown
from dreamray.pictures.ingest import MAX_PIXELS
from dreamray.raster.pixels import Pixels
from dreamray.storage import Folder, Location, MemoryFolder, locate
from dreamray.storage.places import temporary_file

SCHEME = "noise:"

_TEXT = re.compile(r"noise:(?P<width>\d{1,7})x(?P<height>\d{1,7})(@(?P<seed>\d{1,10}))?")
_MOST_SIDE = 1 << 20

_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Red, green and blue of three independent values: Lucid's `color_correlation_svd_sqrt`."""

_LONGEST_COLUMN = 0.4619
"""Of that matrix, by which Lucid divides it."""

_FINEST = 4
"""Pixels from cloud to cloud in the finest layer: finer grain would stay in the dream."""

_CONTRAST = 1.5
_SPREAD = 0.277
"""The standard deviation of a layer: of even numbers from -1 to 1, smoothed by a B-spline."""

_ROWS = 64
"""Of a strip of the file."""


@dataclass(frozen=True)
class NoisePicture(Location):
    """A file that is made whenever it is read: an uncompressed TIFF, RGB in 8 bit."""

    shape: Shape
    seed: int

    def __str__(self) -> str:
        return f"{SCHEME}{self.shape}@{self.seed}"

    @property
    @override
    def name(self) -> str:
        return f"noise-{self.shape}-{self.seed}.png"

    @property
    @override
    def folder(self) -> Folder:
        return MemoryFolder(SCHEME)  # Nothing else is there.

    @override
    def read(self, limit: int | None = None) -> bytes:
        with self.as_local_file() as path, path.open("rb") as file:
            return file.read(-1 if limit is None else limit)

    @override
    def as_local_file(self) -> AbstractContextManager[Path]:
        return self._written()

    @contextmanager
    def _written(self) -> Iterator[Path]:
        with temporary_file(self) as path:
            with path.open("wb") as file:
                _write_tiff(file, self.shape, self.seed)
            yield path

    @override
    def write(self, data: bytes, metadata: Mapping[str, str] = {}) -> NoReturn:
        raise RequestError(f"{self}: noise is not written to; name another output")

    @override
    def write_file(self, path: Path, metadata: Mapping[str, str] = {}) -> NoReturn:
        self.write(b"")

    @override
    def create_if_absent(self, data: bytes) -> NoReturn:
        self.write(b"")

    @override
    def compare_and_swap(self, expected: bytes, data: bytes | None) -> NoReturn:
        self.write(b"")

    @override
    def remove(self) -> NoReturn:
        self.write(b"")

    @override
    def check_writable(self) -> NoReturn:
        self.write(b"")

    @override
    def exists(self) -> bool:
        return True

    @override
    def fingerprint(self) -> str:
        return hashlib.sha256(f"1 {self}".encode()).hexdigest()


def locate_source(text: str) -> Location:
    """What a source names: noise as `noise:WIDTHxHEIGHT@SEED`, or what `locate` finds.

    Raises RequestError if the text can name neither.
    """
    if not text.startswith(SCHEME):
        return locate(text)
    match = _TEXT.fullmatch(text)
    shape = Shape(int(match["height"]), int(match["width"])) if match else Shape(0, 0)
    seed = int(match["seed"] or 0) if match else 0
    # It is made before it is looked at: what no picture may have would fill a disk.
    fits = 1 <= min(shape) <= max(shape) <= _MOST_SIDE and shape.pixels <= MAX_PIXELS
    if not (fits and seed < 1 << 32):
        raise RequestError(
            f"{shown(brief(text))}: this is no noise; write {SCHEME}WIDTHxHEIGHT@SEED, such as "
            f"{SCHEME}1600x900@7, with sides from 1 to {_MOST_SIDE}, up to {MAX_PIXELS} pixels in "
            "all, and a seed below 4294967296"
        )
    return NoisePicture(shape, seed)


def noise_rows(shape: Shape, seed: int, start: int, stop: int) -> Pixels:
    """Rows of the noise, uint8 [stop - start, width, 3], the same in whichever part."""
    total = np.zeros((stop - start, shape.width, 3), np.float32)
    layers = max(1, (max(shape) // _FINEST).bit_length())
    for layer in range(layers):
        total += _clouds(shape, seed, layer, start, stop)
    total *= np.float32(_CONTRAST / (_SPREAD * layers**0.5 * _LONGEST_COLUMN))
    one, two, three = np.moveaxis(total, -1, 0)
    colours = np.array(_COLOURS, np.float32)
    light = np.stack([a * one + b * two + c * three for a, b, c in colours], axis=-1)
    light /= 1 + np.abs(light)
    return (light * 127.5 + 128).astype(np.uint8)


def _clouds(shape: Shape, seed: int, layer: int, start: int, stop: int) -> npt.NDArray[np.float32]:
    """One layer: random numbers at every so many pixels, smoothed between."""
    apart = _FINEST << layer
    down, across = _spline(start, stop, apart), _spline(0, shape.width, apart)
    top, bottom = start // apart, (stop - 1) // apart + 4
    right = (shape.width - 1) // apart + 4
    lattice = _numbers(seed, layer, (top, bottom), (0, right))
    rows = np.zeros((stop - start, right, 3), np.float32)
    for tap, weights in enumerate(down):
        rows += weights[:, None, None] * lattice[np.arange(start, stop) // apart - top + tap]
    smooth = np.zeros((stop - start, shape.width, 3), np.float32)
    for tap, weights in enumerate(across):
        smooth += weights[None, :, None] * rows[:, np.arange(shape.width) // apart + tap]
    return smooth


def _spline(start: int, stop: int, apart: int) -> list[npt.NDArray[np.float32]]:
    """How much each of the four numbers around a point counts: the uniform cubic B-spline."""
    t = (np.arange(start, stop) % apart + 0.5) / apart
    s = 1 - t
    taps = [
        s * s * s / 6,
        (3 * t * t * t - 6 * t * t + 4) / 6,
        (3 * s * s * s - 6 * s * s + 4) / 6,
        t * t * t / 6,
    ]
    return [tap.astype(np.float32) for tap in taps]


def _numbers(
    seed: int, layer: int, rows: tuple[int, int], columns: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Even random numbers from -1 to 1 at the points of a lattice, [rows, columns, 3]."""
    keys = np.ix_(np.arange(*rows), np.arange(*columns), np.arange(3))
    down, across, channel = (key.astype(np.uint64) for key in keys)
    hashed = functools.reduce(
        lambda so_far, key: _mix(so_far ^ key),
        (np.array([layer], np.uint64), down, across, channel),
        _mix(np.array([seed], np.uint64)),
    )
    return ((hashed >> np.uint64(11)) / (1 << 52) - 1).astype(np.float32)


def _mix(key: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014)."""
    key = key + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _write_tiff(file: BinaryIO, shape: Shape, seed: int) -> None:
    """In strips, as BigTIFF: its bytes depend on no compressor."""
    starts = [*range(0, shape.height, _ROWS), shape.height]
    sizes = [3 * shape.width * (b - a) for a, b in itertools.pairwise(starts)]
    count = len(sizes)
    tables = 16 + 8 + 20 * 10 + 8 + 8  # Behind header, directory and bits of a sample.
    pixels = tables + 16 * count
    offsets = [pixels, *itertools.accumulate(sizes, initial=pixels)][1:-1]
    inline = count == 1
    short, long8 = 3, 16
    entries = [
        (256, long8, 1, shape.width),
        (257, long8, 1, shape.height),
        (258, short, 3, 8 | 8 << 16 | 8 << 32),
        (259, short, 1, 1),
        (262, short, 1, 2),
        (273, long8, count, offsets[0] if inline else tables),
        (277, short, 1, 3),
        (278, long8, 1, _ROWS),
        (279, long8, count, sizes[0] if inline else tables + 8 * count),
        (284, short, 1, 1),
    ]
    file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + struct.pack("<Q", len(entries)))
    file.write(b"".join(struct.pack("<HHQQ", *entry) for entry in entries) + bytes(8))
    file.write(bytes(tables - file.tell()))
    file.write(struct.pack(f"<{2 * count}Q", *offsets, *sizes))
    for start, stop in itertools.pairwise(starts):
        file.write(noise_rows(shape, seed, start, stop).tobytes())
