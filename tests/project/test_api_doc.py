"""docs/api.md has the public names, with the signatures that they have, and its examples run."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

import dreamray
from dreamray.base import errors
from dreamray.bulk import bulk_events
from dreamray.engine import events
from dreamray.model import device
from dreamray.model.weights import loader
from tests.support.places import PROJECT

TEXT = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")

SIGNATURES = [
    ast.parse(f"{text.strip()}: ...").body[0]
    for text in re.findall(r"^```py\n(.*?)```$", TEXT, re.M | re.S)
]
"""Each as a function without a body, classes too."""

EXAMPLES = re.findall(r"^```python\n(.*?)```$", TEXT, re.M | re.S)

CALLABLE = {name for name in dreamray.__all__ if name not in ("__version__", "DreamrayError")}

EMPTY = inspect.Parameter.empty


def written(parameter: ast.arg, default: ast.expr | None, home: ModuleType) -> tuple[Any, ...]:
    """Name, annotation and default of a parameter as the page has it."""
    annotation = parameter.annotation and ast.unparse(parameter.annotation)
    value = EMPTY if default is None else eval(ast.unparse(default), vars(home))
    return parameter.arg, annotation, value


def parameters(stub: ast.FunctionDef, home: ModuleType) -> dict[str, list[tuple[Any, ...]]]:
    """All parameters of a stub, those by position and those by keyword."""
    given = stub.args
    assert [given.posonlyargs, given.vararg, given.kwarg] == [[], None, None]
    without = [None] * (len(given.args) - len(given.defaults))
    return {
        "position": [
            written(*pair, home)
            for pair in zip(given.args, [*without, *given.defaults], strict=True)
        ],
        "keyword": [
            written(*pair, home) for pair in zip(given.kwonlyargs, given.kw_defaults, strict=True)
        ],
    }


def real_parameters(called: Any, *, annotated: bool) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {"position": [], "keyword": []}
    for name, parameter in inspect.signature(called).parameters.items():
        kind = "keyword" if parameter.kind is parameter.KEYWORD_ONLY else "position"
        if name == "self":
            continue
        annotation = ast.unparse(ast.parse(parameter.annotation)) if annotated else None
        found[kind].append((name, annotation, parameter.default))
    return found


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the tables' rows in a section, without backticks."""
    section = re.split(r"^## ", TEXT.partition(f"\n## {heading}\n")[2], flags=re.M)[0]
    for line in re.findall(r"^\| (`.*) \|$", section, re.M):
        yield [cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)]


def test_every_public_name_is_on_the_page() -> None:
    documented = {stub.name for stub in SIGNATURES if isinstance(stub, ast.FunctionDef)}
    assert documented == CALLABLE
    assert [name for name in dreamray.__all__ if f"`{name}`" not in TEXT] == []


@pytest.mark.parametrize("stub", SIGNATURES, ids=lambda stub: stub.name)
def test_signatures_are_those_of_the_package(stub: ast.FunctionDef) -> None:
    called = getattr(dreamray, stub.name)
    home = importlib.import_module(called.__module__)
    annotated = not hasattr(called, "model_fields")
    assert parameters(stub, home) == real_parameters(called, annotated=annotated)
    returned = inspect.signature(called).return_annotation
    assert stub.returns is not None
    assert ast.unparse(stub.returns) == str(returned)


@pytest.mark.parametrize("settings", [dreamray.Dream, dreamray.Execution])
def test_settings_are_listed_with_what_is_allowed(settings: Any) -> None:
    listed = dict(rows(f"{settings.__name__} settings"))
    assert listed == {name: field.description for name, field in settings.model_fields.items()}


@pytest.mark.parametrize("options", [dreamray.RenderOptions, dreamray.BulkOptions])
def test_options_are_listed(options: Any) -> None:
    listed = [name for name, _ in rows(options.__name__)]
    assert listed == [field.name for field in dataclasses.fields(options)]


def test_methods_of_the_renderer_are_as_listed() -> None:
    listed = [row[0].replace("\\|", "|") for row in rows("Renderer") if "(" in row[0]]
    assert listed
    for text in listed:
        (stub,) = ast.parse(f"def {text}: ...").body
        assert isinstance(stub, ast.FunctionDef)
        method = getattr(dreamray.Renderer, stub.name)
        home = importlib.import_module(method.__module__)
        assert parameters(stub, home) == real_parameters(method, annotated=True)
        assert stub.returns is not None
        assert ast.unparse(stub.returns) == inspect.signature(method).return_annotation


def test_events_are_listed_with_their_fields() -> None:
    listed = {row[0]: row[1].split(", ") for row in rows("Events")}
    every = {*get_args(events.Event), *get_args(bulk_events.BulkEvent)}
    assert listed == {
        event.__name__: [field.name for field in dataclasses.fields(event)] for event in every
    }


def test_errors_are_listed_with_bases_and_exit_codes() -> None:
    listed = {name: (bases, int(code)) for name, bases, code, _ in rows("Errors")}
    every = [e for e in vars(errors).values() if inspect.isclass(e) and issubclass(e, Exception)]
    assert listed == {
        error.__name__: (", ".join(base.__name__ for base in error.__bases__), error.exit_code)
        for error in every
    }


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_the_examples_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load = functools.cache(loader.load)  # Making the weights takes seconds.
    monkeypatch.setattr(loader, "load", lambda source, warn: load(source))
    monkeypatch.chdir(tmp_path)
    session: dict[str, Any] = {"__name__": "session"}
    # A process keeps the threads that it has computed with, here in whatever tests came before.
    had = f"threads={device.used_threads()}"
    for number, example in enumerate((text.replace("threads=1", had) for text in EXAMPLES), 1):
        exec(compile(example, f"docs/api.md, example {number}", "exec"), session)
    shown = capsys.readouterr().out
    foretold = re.findall(r"^ *print\(.*\)  # (.*)$", "\n".join(EXAMPLES), re.M)
    assert foretold
    for line in foretold:
        assert f"{line}\n" in shown, shown
