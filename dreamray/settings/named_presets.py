"""Dreams with a name: files of settings in the package, and in a folder of the user's own.

A preset is a file `NAME.yaml` as `--config` takes it, with settings of a dream alone. Its first
line, a comment, says what it is like. What it leaves open stays so: without layers, those that suit
the weights are taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief, shown
from dreamray.base.parsing import MOST_SETTINGS, read_bounded
from dreamray.settings.dream import Dream
from dreamray.settings.schema import read_yaml_mapping
from dreamray.storage import LocalFolder, Location
from dreamray.storage.local_errors import translate

FOLDER = "DREAMRAY_PRESETS"
"""The environment variable with the user's own folder, whose presets go before the package's."""

PAGE = "https://github.com/dreamray/dreamray/blob/main/docs/presets.md"
"""Shows what the package's are like."""

_OURS = Path(__file__).parent / "presets"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SUFFIX = ".yaml"


@dataclass(frozen=True)
class Preset:
    """A dream with a name."""

    name: str
    text: str
    """As it is in its file."""
    settings: dict[str, Any]
    """Those that it names."""

    @property
    def about(self) -> str:
        """What it is like, in one line; empty if its file does not say."""
        first = self.text.partition("\n")[0]
        return shown(first.removeprefix("#").strip()) if first.startswith("#") else ""

    @property
    def dream(self) -> Dream:
        """With the defaults for what it leaves open."""
        return Dream(**self.settings)


def preset(name: str) -> Dream:
    """The dream of a preset, the package's or a user's own.

    What it leaves open stays so: without layers, those that suit the weights are taken. Raises
    RequestError for a name that there is not, and for a file that is not right.
    """
    return read_preset(name).dream


def read_preset(name: str) -> Preset:
    """The preset of a name. Raises RequestError for one that is not there, or not right."""
    for folder in _folders():
        file = folder.file(name + _SUFFIX)
        if _NAME.fullmatch(name) and file.exists():
            return _read(name, file)
    raise RequestError(
        f"preset {brief(name)}: there is none of this name; there are {', '.join(preset_names())}"
    )


def every_preset() -> Iterator[Preset]:
    """All of them, by their names. Raises as `read_preset`."""
    return map(read_preset, preset_names())


def _folders() -> list[LocalFolder]:
    own = os.environ.get(FOLDER)
    return [*([LocalFolder(Path(own).expanduser())] if own else []), LocalFolder(_OURS)]


def preset_names() -> list[str]:
    """Names of all, sorted. Raises RequestError where the user's own folder is not there."""
    found = set[str]()
    for folder in _folders():
        if not folder.exists():
            raise RequestError(
                f"{FOLDER}={shown(folder)}: there is no such folder; create it, or unset {FOLDER}"
            )
        try:
            files = [path for path in folder.path.iterdir() if path.suffix == _SUFFIX]
        except OSError as error:
            raise translate(folder, folder.path, error, "reading") from None
        found.update(path.stem for path in files if _NAME.fullmatch(path.stem) and path.is_file())
    return sorted(found)


def _read(name: str, file: Location) -> Preset:
    what = f"preset {name} ({shown(file)})"
    try:
        text = read_bounded(file, MOST_SETTINGS, "a preset").decode()
    except UnicodeDecodeError:
        raise RequestError(f"{what}: this is no text in UTF-8; save it as UTF-8") from None
    settings = read_yaml_mapping(text, what)
    Dream.from_mapping(settings, what)
    return Preset(name, text, settings)
