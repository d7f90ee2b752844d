"""Templates of HTML pages, in which whatever text they are given stays text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dreamray.base.messages import shown

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def load_templates(folder: Path, **filters: Callable[..., object]) -> Environment:
    """The Jinja2 templates in a folder, with filters of these names.

    What they print is escaped, and on one line with its control characters spelled out, as by
    `shown`. A name that is not defined is an error. `verbatim("x.css")` is the text of a file in
    the folder as it is.
    """
    # Only programs that make pages wait for it.
    import jinja2
    from markupsafe import Markup

    def show(value: object) -> object:
        return value if isinstance(value, Markup) else shown(value)

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=show,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= filters
    templates.globals["verbatim"] = lambda name: Markup((folder / name).read_text("utf-8"))
    return templates
