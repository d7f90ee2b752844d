"""What messages advise can be followed: the options that they name exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import typer.main

import dreamray
from dreamray.cli.app import app

PACKAGE = Path(dreamray.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")

OTHERS = {
    "--head": "ray start",
    "--node-ip-address": "ray start",
    "--no-wait": "ray job submit",
    "--metadata-json": "ray job submit",
    "--submission-id": "ray job submit",
}
"""Options of other programs that are named or called."""

PROGRAMS = {PACKAGE / "farm/submit.py", PACKAGE / "farm/rayjob.py"}
"""Those with options of their own."""


def texts(path: Path) -> Iterator[str]:
    """The strings of a module, without its docstrings."""
    tree = ast.parse(path.read_text())
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield node.value


def known() -> set[str]:
    commands = typer.main.get_command(app)
    every = [commands, *commands.commands.values()]  # type: ignore[attr-defined]
    return {o for command in every for p in command.params for o in (*p.opts, *p.secondary_opts)}


def test_every_option_that_is_named_exists():
    there = known() | OTHERS.keys()
    modules = [path for path in PACKAGE.rglob("*.py") if path not in PROGRAMS]
    missing = {
        str(path): options
        for path in modules
        for options in [{o for text in texts(path) for o in OPTION.findall(text)} - there]
        if options
    }
    assert not missing
    assert "--overwrite" in there
