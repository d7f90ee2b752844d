"""The map of the code: docs/architecture.md and the packages' docstrings name what is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.places import PROJECT

PACKAGE = PROJECT / "dreamray"
PAGE = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_page_names_places_that_are_there() -> None:
    named = set(re.findall(r"`((?:[a-z0-9_]+/)+[a-z0-9_*{},]*(?:\.[a-z]+)?)`", PAGE))
    assert len(named) > 80
    for place in named:
        for one in spelled_out(place):
            inside = one.removeprefix("dreamray/")
            assert any(PACKAGE.glob(inside)), f"architecture.md names {one}"


def spelled_out(place: str) -> list[str]:
    """A place as patterns of `Path.glob`, which knows no {a,b}."""
    before, _, rest = place.partition("{")
    if not rest:
        return [place]
    choices, _, after = rest.partition("}")
    return [before + choice + after for choice in choices.split(",")]


@pytest.mark.parametrize(
    "package", ["bulk", "bulk/atlas", "engine/lockstep", "farm/check", "pictures"]
)
def test_a_package_that_lists_modules_names_all_of_them(package: str) -> None:
    folder = PACKAGE / package
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    rows = re.findall(r"^(?:\| (`.*?) \||- (`.*?):)", said, re.MULTILINE)
    listed = set(re.findall(r"`(\w+)`", " ".join(map("".join, rows))))
    there = {path.stem for path in folder.glob("[!_]*.py")}
    there |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert listed == there
