"""dreamray: Deep Dreams of pictures of any size.

The names below are loaded when they are first used: TensorFlow takes seconds to import, and
asking for the settings of a dream does not need it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dreamray.version import __version__

if TYPE_CHECKING:
    from dreamray.render.api import dream
    from dreamray.render.files import render_picture
    from dreamray.settings.dream import Dream

__all__ = ["Dream", "__version__", "dream", "render_picture"]

_HOMES = {
    "Dream": "dreamray.settings.dream",
    "dream": "dreamray.render.renderer",
    "render_picture": "dreamray.render.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
