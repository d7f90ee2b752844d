"""The sheets of dreams in docs/: each is of a page, small, and of settings that there are."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from tests.support.places import PROJECT

DOCS = PROJECT / "docs"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sheets", PROJECT / "examples" / "sheets.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["sheets"] = module  # Its dataclasses look there.
    spec.loader.exec_module(module)
    return module


SHEETS = loaded()
EVERY = dict(SHEETS.every_sheet())


def test_pages_show_the_pictures_that_are_there() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    shown = {*re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)}
    assert [link for link in shown if not (DOCS / link).is_file()] == []
    assert [name for name in EVERY if (DOCS / f"{name}.jpg").exists()] == [
        name for name in EVERY if f"{name}.jpg" in shown
    ]


def test_pictures_are_small() -> None:
    sizes = {file.name: file.stat().st_size for file in DOCS.glob("*.jpg")}
    assert {name: size for name, size in sizes.items() if size > SHEETS.MOST_BYTES} == {}
    assert sum(sizes.values()) < 5_000_000


@pytest.mark.parametrize("name", EVERY)
def test_cells_are_pictures_or_settings(name: str) -> None:
    sheet = EVERY[name]
    dreams = [SHEETS.dream_of(cell) for cell in sheet.cells if not SHEETS.PICTURE.match(cell)]
    assert len({dream.digest() for dream in dreams}) == len(dreams) > 0
