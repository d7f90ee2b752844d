"""The page that shows a Deep Zoom in a browser, with OpenSeadragon.

The page holds the picture's measures itself, so that it works from a disk, where a browser may
not read the description. OpenSeadragon is beside it if it was bundled when the package was
built; otherwise the page loads the very same file, by its checksum, from a public network.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

from dreamray.base.geometry import Shape
from dreamray.base.messages import shown
from dreamray.base.pages import load_templates
from dreamray.base.version import __version__
from dreamray.storage import Location

ASSETS = Path(__file__).parent / "assets"
BUNDLED = ASSETS / "openseadragon"
"""Filled when the package is built, where npm can be reached: see setup.py."""

INDEX = "index.html"
SCRIPT = "openseadragon.min.js"

_CDN = "https://cdn.jsdelivr.net/npm/openseadragon@"
_LONGEST_VALUE = 200

# How a page says whose it is.
_MARK = re.compile(rb'<meta name="dreamray" content="([^"]*)">')


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


class Findable(NamedTuple):
    """Numbered squares of a picture, under one name."""

    name: str
    """Such as `mixed4`."""
    files: str
    """The URL of the folder, from the page on, in which each has a file, as `0012.png`."""
    squares: tuple[tuple[int, int, int], ...]
    """Of each its number, and its left and top pixel."""


class Finder(NamedTuple):
    """What a page goes to when somebody looks for it."""

    side: int
    """Pixels of each square."""
    named: tuple[Findable, ...]


def place_of(description: Location) -> tuple[Location, str]:
    """Where the page of this Deep Zoom goes, and what to tell of it.

    It is index.html, or else a page of the picture's name, whichever is not somebody else's.
    """
    stem = PurePosixPath(description.name).stem
    names = (INDEX, f"{stem}.html", f"{description.name}.html")
    pages = [description.folder.file(name) for name in names]
    name = shown(description.name)
    free = (page for page in pages if not page.exists() or _owner(page) == name)
    page = next(free, pages[-1])
    return page, "" if page is pages[0] else f" (there is an {INDEX} of something else)"


def is_page_of(description: Location, page: Location) -> bool:
    """Whether a page that is there is the one of this Deep Zoom."""
    return _owner(page) == shown(description.name)


def copy_script(folder: Path) -> bool:
    """Copy OpenSeadragon with its licence into a new folder; false if it is not bundled."""
    if not (BUNDLED / SCRIPT).is_file():
        return False
    shutil.copytree(BUNDLED, folder)
    return True


def page(
    picture: DeepZoomImage,
    metadata: Mapping[str, Any] | None,
    scripts: str | None,
    finder: Finder | None = None,
) -> bytes:
    """The page, with the settings of a dream in a panel, and a search box for what can be found.

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
    template = load_templates(ASSETS).get_template("viewer.html")
    address, integrity = _script(scripts)
    return template.render(
        picture=picture,
        title=PurePosixPath(picture.name).stem,
        settings=_settings(metadata or {}),
        version=__version__,
        source=source,
        finder=finder and {"side": finder.side, "named": [one._asdict() for one in finder.named]},
        address=address,
        integrity=integrity,
    ).encode()


def _owner(page: Location) -> str | None:
    """The description that a page belongs to, as it is shown; None if it is somebody else's."""
    mark = _MARK.search(page.read(1 << 12))
    return html.unescape(mark[1].decode(errors="replace")) if mark else None


def _url(path: str) -> str:
    return quote(path, errors="surrogateescape")


def _script(folder: str | None) -> tuple[str, str | None]:
    """The address of OpenSeadragon, and its checksum if it comes from afar."""
    if folder is not None:
        return f"{_url(folder)}/{SCRIPT}", None
    pinned = json.loads((ASSETS / "openseadragon.json").read_text())
    return f"{_CDN}{pinned['version']}/{pinned['script']}", pinned["script_integrity"]


def _settings(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What the panel tells of a dream; it may be anyone's."""
    dream = metadata.get("dream")
    weights = metadata.get("weights")
    settings = dict(dream) if isinstance(dream, dict) else {}
    if isinstance(weights, dict):
        settings["weights"] = weights.get("name")
    return {name: _value(value) for name, value in settings.items()}


def _value(value: object) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {part}" for name, part in value.items())
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
