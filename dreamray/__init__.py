"""dreamray: Deep Dreams of pictures of any size.

The names below are loaded when they are first used: TensorFlow takes seconds to import, and
asking for the settings of a dream does not need it.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from dreamray.base.version import __version__

if sys.platform == "win32":  # There is neither flock, nor a rename that replaces open files.
    print("dreamray does not run on Windows; install it in WSL 2, which is Linux", file=sys.stderr)
    raise SystemExit(2)

if TYPE_CHECKING:
    from dreamray.base.errors import DreamrayError
    from dreamray.bulk.job import BulkOptions, dream_set
    from dreamray.model.terms import Objective
    from dreamray.render.api import dream
    from dreamray.render.files import RenderOptions, render_picture
    from dreamray.render.renderer import Renderer
    from dreamray.settings.dream import Dream
    from dreamray.settings.execution import Execution
    from dreamray.settings.named_presets import preset

__all__ = [
    "BulkOptions",
    "Dream",
    "DreamrayError",
    "Execution",
    "Objective",
    "RenderOptions",
    "Renderer",
    "__version__",
    "dream",
    "dream_set",
    "preset",
    "render_picture",
]

_HOMES = {
    "BulkOptions": "dreamray.bulk.job",
    "Dream": "dreamray.settings.dream",
    "DreamrayError": "dreamray.base.errors",
    "Execution": "dreamray.settings.execution",
    "Objective": "dreamray.model.terms",
    "RenderOptions": "dreamray.render.files",
    "Renderer": "dreamray.render.renderer",
    "dream": "dreamray.render.api",
    "dream_set": "dreamray.bulk.job",
    "preset": "dreamray.settings.named_presets",
    "render_picture": "dreamray.render.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
