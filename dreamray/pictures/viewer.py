"""The page that shows a Deep Zoom in a browser, with OpenSeadragon.

The page holds the picture's measures itself, so that it works from a disk, where a browser may
not read the description. OpenSeadragon is beside it if it was bundled when the package was
built; otherwise the page loads the very same file, by its checksum, from a public network.
"""

from __future__ import annotations

import functools
import html
import json
import shutil
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from dreamray.base.geometry import Shape
from dreamray.base.messages import shown
from dreamray.base.version import __version__
from dreamray.storage import Location

ASSETS = Path(__file__).parent / "assets"
BUNDLED = ASSETS / "openseadragon"
"""Filled when the package is built, where npm can be reached: see setup.py."""

INDEX = "index.html"
SCRIPT = "openseadragon.min.js"

_CDN = "https://cdn.jsdelivr.net/npm/openseadragon@"
_LONGEST_VALUE = 200


@dataclass(frozen=True)
class DeepZoomImage:
    """What the page needs to know of a Deep Zoom."""

    name: str
    """Of the description: `dream.dzi`."""
    files: str
    """Of the folder with the tiles, beside the page: `dream_files`."""
    shape: Shape
    suffix: str
    """Of the tiles, without its dot."""
    tile: int
    overlap: int


def place_of(description: Location) -> tuple[Location, str]:
    """Where the page of this Deep Zoom goes, and what to tell of it.

    It is index.html, or else a page of the picture's name, whichever is not somebody else's.
    """
    stem = PurePosixPath(description.name).stem
    names = (INDEX, f"{stem}.html", f"{description.name}.html")
    pages = [description.folder.file(name) for name in names]
    mark = _mark(description.name).encode()
    free = (page for page in pages if not page.exists() or mark in page.read(1 << 12))
    page = next(free, pages[-1])
    return page, "" if page is pages[0] else f" (there is an {INDEX} of something else)"


def copy_script(folder: Path) -> bool:
    """Copy OpenSeadragon with its licence into a new folder; false if it is not bundled."""
    if not (BUNDLED / SCRIPT).is_file():
        return False
    shutil.copytree(BUNDLED, folder)
    return True


def page(picture: DeepZoomImage, metadata: Mapping[str, Any] | None, scripts: str | None) -> bytes:
    """The page, with the settings of a dream in a panel.

    `scripts` is the folder, beside the page, that has OpenSeadragon; None loads it from afar.
    """
    source = {
        "Image": {
            "xmlns": "http://schemas.microsoft.com/deepzoom/2008",
            "Url": f"{_url(picture.files)}/",
            "Format": picture.suffix,
            "Overlap": str(picture.overlap),
            "TileSize": str(picture.tile),
            "Size": {"Width": str(picture.shape.width), "Height": str(picture.shape.height)},
        }
    }
    template = string.Template((ASSETS / "viewer.html").read_text("utf-8"))
    text = template.substitute(
        mark=_mark(picture.name),
        title=_escape(PurePosixPath(picture.name).stem),
        size=f"{picture.shape} pixels",
        settings="\n".join(_rows(metadata or {})),
        version=__version__,
        source=json.dumps(source).replace("<", "\\u003c"),
        script=_script(scripts),
    )
    return text.encode()


def _mark(name: str) -> str:
    """How a page says whose it is."""
    return f'<meta name="dreamray" content="{_escape(name)}">'


def _escape(value: object) -> str:
    return html.escape(shown(value))


def _url(path: str) -> str:
    return quote(path, errors="surrogateescape")


def _script(folder: str | None) -> str:
    if folder is not None:
        return f'<script src="{_url(folder)}/{SCRIPT}"></script>'
    pinned = _read_pinned()
    address = f"{_CDN}{pinned['version']}/{pinned['script']}"
    integrity = pinned["script_integrity"]
    return f'<script src="{address}" integrity="{integrity}" crossorigin="anonymous"></script>'


@functools.cache
def _read_pinned() -> dict[str, str]:
    pinned: dict[str, str] = json.loads((ASSETS / "openseadragon.json").read_text())
    return pinned


def _rows(metadata: Mapping[str, Any]) -> list[str]:
    """The settings as pairs of a definition list; they may be anyone's."""
    dream = metadata.get("dream")
    weights = metadata.get("weights")
    settings = dict(dream) if isinstance(dream, dict) else {}
    if isinstance(weights, dict):
        settings["weights"] = weights.get("name")
    return [
        f"<dt>{_escape(name).replace('_', ' ')}</dt><dd>{_escape(_value(value))}</dd>"
        for name, value in settings.items()
    ]


def _value(value: object) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {part}" for name, part in value.items())
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
