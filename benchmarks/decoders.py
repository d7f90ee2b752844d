"""Do dreamray, Pillow and libvips see the same in a folder of pictures?

Of each file that begins like a picture: decoded as a whole, in strips, by Pillow and by libvips,
upright, in RGB of 8 bits. What differs is listed with what was said of it; a traceback, a process
that dies, and one that takes more than a minute are faults.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from dreamray.base.errors import DreamrayError, PictureError
from dreamray.pictures import Picture, decode, ingest, taking
from dreamray.pictures.formats import HEAD_BYTES, kind_of
from dreamray.pictures.parts import to_depth
from dreamray.storage import MemoryFolder

LIMIT_S = 60
MOST_PIXELS = 30_000_000
CLOSE = 2
"""Levels that a channel may differ by: decoders of lossy formats round in their own ways."""


@dataclass(frozen=True)
class Seen:
    """What one decoder made of a file."""

    colour: npt.NDArray[np.uint8] | None
    alpha: npt.NDArray[np.uint8] | None = None
    said: str = ""

    def against(self, other: Seen) -> str:
        """In a word or two, how another saw it."""
        if self.colour is None or other.colour is None:
            both = self.colour is None and other.colour is None
            return "same" if both else "refused" if other.colour is None else "read"
        if self.colour.shape != other.colour.shape:
            return "other shape"
        if (self.alpha is None) != (other.alpha is None):
            opaque = all(one is None or one.min() == 255 for one in (self.alpha, other.alpha))
            return "opaque alpha" if opaque else "other alpha"
        if self.alpha is not None and other.alpha is not None:
            if _largest(self.alpha, other.alpha) > CLOSE:
                return "other alpha"
            visible = (self.alpha > 0)[..., None]
            return _colours(self.colour * visible, other.colour * visible)
        return _colours(self.colour, other.colour)


def _colours(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> str:
    worst = _largest(one, other)
    if worst <= CLOSE:
        return "same"
    return "colours, slightly" if worst <= 16 else "colours"


def _largest(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> int:
    rows = zip(one, other, strict=True)  # Not all at once: pictures of the suites are large, too.
    return max((int(np.abs(a.astype(np.int16) - b).max(initial=0)) for a, b in rows), default=0)


def by_dreamray(data: bytes) -> Seen:
    """As a picture that is held."""
    return _as_seen(decode(data, "it"))


def in_strips(data: bytes) -> Seen:
    """As a picture that is too large to be held."""
    folder = MemoryFolder()
    place = folder.file("it")
    place.write(data)
    taking.HELD_PIXELS = 0
    source = ingest.ingest(place, folder.folder("work"), warn=lambda note: None)
    rows, columns = map(np.arange, source.shape)
    alpha = None if source.alpha is None else source.alpha.points(rows, columns)[..., 0]
    colour = source.colour.points(rows, columns)
    return _as_seen(Picture(colour, alpha, None, None, "", source.notes))


def _as_seen(picture: Picture) -> Seen:
    alpha = None if picture.alpha is None else _shallow(picture.alpha)
    profile = "; with a profile" if picture.icc_profile else ""
    return Seen(_shallow(picture.pixels), alpha, "; ".join(picture.notes) + profile)


def _shallow(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return to_depth(samples, np.uint8).astype(np.uint8)


def by_pillow(data: bytes) -> Seen:
    """As its users read a picture."""
    image: Image.Image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        grey = _shallow(np.asarray(image).astype(np.uint16))
        return Seen(np.dstack([grey] * 3))
    if not image.has_transparency_data:
        return Seen(np.asarray(image.convert("RGB")))
    samples = np.asarray(image.convert("RGBA"))
    return Seen(samples[..., :3], samples[..., 3])


def by_vips(data: bytes) -> Seen:
    """As its users read a picture."""
    import pyvips

    image = pyvips.Image.new_from_buffer(data, "", fail_on="error").autorot()
    deep = image.format == "ushort"
    samples = image.numpy().reshape(image.height, image.width, image.bands)
    if image.interpretation not in ("srgb", "rgb", "b-w", "rgb16", "grey16", "multiband"):
        shown = image.colourspace("srgb")
        samples, deep = shown.numpy().reshape(shown.height, shown.width, shown.bands), False
    samples = _shallow(samples) if deep else samples.astype(np.uint8)
    colour = 1 if samples.shape[2] < 3 else 3
    alpha = samples[..., colour] if samples.shape[2] > colour else None
    return Seen(np.broadcast_to(samples[..., :colour], (*samples.shape[:2], 3)), alpha)


READERS = {"strips": in_strips, "Pillow": by_pillow, "libvips": by_vips}


def look(path: Path) -> tuple[str, dict[str, str], str]:
    """Kind, how each of `READERS` saw the file beside dreamray, and what was said."""
    data = path.read_bytes()
    with contextlib.suppress(DreamrayError):
        shape = ingest.file_shape(path, "it")
        if shape.pixels > MOST_PIXELS:
            return (
                kind_of(data[:HEAD_BYTES], "it"),
                {"dreamray": "too large to compare"},
                str(shape),
            )
    ours, *others = (_seen(reader, data) for reader in (by_dreamray, *READERS.values()))
    kind = kind_of(data[:HEAD_BYTES], "it")
    said = [ours.said, *(f"{name}: {o.said}" for name, o in zip(READERS, others, strict=True)
                         if o.colour is None and ours.colour is not None)]  # fmt: skip
    seen = {name: ours.against(other) for name, other in zip(READERS, others, strict=True)}
    return (
        kind,
        {"dreamray": "refused" if ours.colour is None else "read", **seen},
        " | ".join(said),
    )


def _seen(reader: Any, data: bytes) -> Seen:
    try:
        seen: Seen = reader(data)
        return seen
    except DreamrayError as error:
        return Seen(None, said=str(error) + (" NOT ONE LINE" if "\n" in str(error) else ""))
    except Exception as error:
        ours = " TRACEBACK" if reader in (by_dreamray, in_strips) else ""
        return Seen(
            None, said=f"{type(error).__name__}: {' '.join(str(error).split())[:100]}{ours}"
        )


def serve(pipe: Connection) -> None:
    """Answer for one path after the other."""
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff complains there.
    while True:
        path = pipe.recv()
        pipe.send(look(path))


def looked_at(paths: list[Path]) -> Iterator[tuple[Path, str, dict[str, str], str]]:
    """Each path with what `look` says of it; processes that die or hang are replaced."""
    process: Any = None
    for path in paths:
        if process is None:
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
            process.start()
        ours.send(path)
        try:
            if not ours.poll(LIMIT_S):
                raise TimeoutError
            yield path, *ours.recv()
        except (TimeoutError, EOFError, ConnectionError) as error:
            process.kill()
            process = None
            yield path, "?", {"dreamray": f"FAULT {type(error).__name__}"}, ""


def pictures(folder: Path) -> Iterator[Path]:
    """Files that begin like a picture."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            try:
                with path.open("rb") as file:
                    kind_of(file.read(HEAD_BYTES), "it")
            except PictureError:
                continue
            yield path


def main() -> None:
    """Look at a folder, and print a table of kinds and a list of differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--differences", type=Path, help="where they go instead of the terminal")
    given = parser.parse_args()
    counts: Counter[tuple[str, ...]] = Counter()
    found: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, kind, seen, said in looked_at(list(pictures(given.folder))):
        key = (kind, *seen.values())
        counts[key] += 1
        if set(key[1:]) - {"read", "same", "opaque alpha"} or any(w in said for w in FAULTS):
            found[key].append(f"    {path.relative_to(given.folder)}: {said}")
    out = given.differences.open("w") if given.differences else sys.stdout
    print("| kind | dreamray | strips | Pillow | libvips | files |\n|---|---|---|---|---|---|")
    for key, count in sorted(counts.items()):
        print("|", " | ".join((*key, *[""] * (5 - len(key)))), "|", count, "|")
    for key, lines in sorted(found.items()):
        print(*key, sep=", ", file=out)
        print(*lines, sep="\n", file=out)


FAULTS = ("TRACEBACK", "NOT ONE LINE")

if __name__ == "__main__":
    main()
