"""Make the pictures of docs/controls.md and docs/presets.md: dreams side by side, as JPEG.

    python examples/sheets.py [SHEET …] [--to docs] [--imagenet FILE] [--keep FOLDER]

Without names it makes all of them, in half an hour of two cores. Over each dream are the options
that made it. `flowers.png` is drawn first, by the programs of `training`, which need the extra of
that name. The weights are the bestiary's, and on sheets whose names say so ImageNet's: Keras' own,
or those in FILE. Dreams that lie in FOLDER already are not dreamt again.
"""

import argparse
import contextlib
import hashlib
import io
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dreamray.base.geometry import Shape
from dreamray.cli.merge import merge_settings
from dreamray.render.renderer import Renderer, read_picture
from dreamray.render.sweep import paste
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.settings.named_presets import every_preset

HERE = Path(__file__).resolve().parent
IMAGENET = "imagenet"
MOST_BYTES = 300_000
PICTURE = re.compile(r"[\w-]+\.png|noise:\S+")
FLOWERS = (
    (("sunflower", 8), ("daisy", 3), ("dahlia", 2)),
    (("daisy", 1), ("rose", 2), ("sunflower", 11)),
)
"""Families of the bestiary and which of their pictures, in rows."""


@dataclass(frozen=True)
class Sheet:
    """Dreams of one source; each cell is the options of one, or a picture to show as it is."""

    cells: tuple[str, ...]
    source: str = "lake.png"
    columns: int = 3
    dreamt: int = 300
    """Longer side of the dreams, in pixels."""
    shown: int = 300
    """Of the cells."""


ACCENT = "--objective 'accent(mixed3) + accent(mixed4)'"
UNLIKE = "--objective 'unlike(mixed4) + 0.05*mixed4'"

SHEETS = {
    "mask": Sheet(("sky.png", "", "--mask sky.png")),
    "guide": Sheet(("flowers.png", "", "--objective mixed5 --guide flowers.png")),
    "strength": Sheet(("--strength 0.3", "--strength 0.6", "--strength 1")),
    "colours": Sheet(("lake.png", "", "--colours keep")),
    "accent": Sheet(("", ACCENT, UNLIKE)),
    "steps": Sheet(("", "--smooth 2", "--laplacian 4", "--optimizer adam"), columns=2),
}


def every_sheet() -> Iterator[tuple[str, Sheet]]:
    """All of them, by the names of their files."""
    yield from SHEETS.items()
    noise = "noise:300x200@7"
    yield "noise", Sheet((noise, "", "--preset bouquet"), noise)
    presets = tuple(f"--preset {preset.name}" for preset in every_preset())
    for weights in ("bestiary", IMAGENET):
        for source in ("lake.png", noise):
            name = f"presets-{weights}{'-noise' * (source == noise)}"
            yield name, Sheet((source, *presets), source, columns=4, dreamt=360)


def draw(name: str) -> None:
    """Bring one of the pictures that are named into the current folder."""
    if (HERE / name).exists():
        Path(name).write_bytes((HERE / name).read_bytes())
    elif name == "flowers.png":
        sys.path.append(str(HERE.parent))
        from training.bestiary import picture

        rows = [np.concatenate([picture(*one) for one in row], axis=1) for row in FLOWERS]
        Image.fromarray(np.concatenate(rows)).save(name)
    # Noise is drawn where it is read.


def make(sheet: Sheet, renderer: Renderer, kept: Path) -> Image.Image:
    """Dream what is on a sheet, with the weights of `renderer`, but for what is `kept` already."""
    source = Image.fromarray(read_picture(sheet.source).pixels)
    source.thumbnail((sheet.dreamt, sheet.dreamt), Image.Resampling.LANCZOS)
    shown = Shape(source.height, source.width).within(sheet.shown)
    cells = []
    for cell in sheet.cells:
        if PICTURE.match(cell):
            image = Image.fromarray(read_picture(cell).pixels)
        else:
            image = dreamt(source, dream_of(cell), renderer, kept)
        fitted = ImageOps.pad(image, (shown.width, shown.height), Image.Resampling.LANCZOS)
        label = re.sub("--(preset|objective) |'", "", cell) or "plain"
        cells.append((label, np.asarray(fitted)))
        print(f"  {label}", flush=True)
    rows = [cells[i : i + sheet.columns] for i in range(0, len(cells), sheet.columns)]
    return Image.fromarray(paste(rows, shown))


def dream_of(cell: str) -> Dream:
    """The dream that options such as `--smooth 2` ask for."""
    words = shlex.split(cell)
    names = [word.removeprefix("--").replace("-", "_") for word in words[::2]]
    return merge_settings(dict(zip(names, words[1::2], strict=True))).dream


def dreamt(source: Image.Image, dream: Dream, renderer: Renderer, kept: Path) -> Image.Image:
    """One dream, from the folder of those that are kept if it is there, else into it."""
    pixels = np.asarray(source)
    with renderer.with_dream(dream) as one:
        key = f"{one.dream.digest()} {one.weights.sha256}".encode() + pixels.tobytes()
        file = kept / f"{hashlib.sha256(key).hexdigest()[:24]}.png"
        if not file.exists():
            Image.fromarray(one.dream_pixels(pixels)).save(file)
    return Image.open(file)


def save(image: Image.Image, path: Path) -> None:
    """Write a JPEG of at most `MOST_BYTES`, as good as that allows."""
    for quality in range(92, 50, -3):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() <= MOST_BYTES:
            break
    path.write_bytes(file.getvalue())


def main() -> None:
    """Make the sheets that are named, or all."""
    sheets = dict(every_sheet())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="SHEET", help=", ".join(sheets))
    parser.add_argument("--to", type=Path, default=HERE.parent / "docs")
    parser.add_argument("--imagenet", metavar="FILE", default=IMAGENET)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    if unknown := {*args.names} - {*sheets}:
        parser.error(f"no sheet is called {' or '.join(sorted(unknown))}")
    to, imagenet, keep = args.to.resolve(), args.imagenet, args.keep and args.keep.resolve()
    if Path(imagenet).exists():
        imagenet = str(Path(imagenet).resolve())
    renderers: dict[str, Renderer] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        kept = keep or Path(folder)
        for name in args.names or sheets:
            print(name, flush=True)
            sheet = sheets[name]
            for picture in {*PICTURE.findall(" ".join((sheet.source, *sheet.cells)))}:
                if not Path(picture).exists():
                    draw(picture)
            weights = imagenet if IMAGENET in name else "bestiary"
            if weights not in renderers:
                renderers[weights] = Renderer(Dream(), Execution(weights=weights))
            save(make(sheet, renderers[weights], kept), to / f"{name}.jpg")


if __name__ == "__main__":
    main()
