"""The house as `ls` shows it: few rooms, no name twice, and light doors.

What may import what is held by import-linter, in `make lint`.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import dreamray

ROOT = Path(dreamray.__file__).parent


def test_the_root_has_a_floor_for_each_entry() -> None:
    entries = {path.name for path in ROOT.iterdir()} - {"py.typed"}
    assert len([name for name in entries if not name.startswith("__")]) <= 12
    assert all((ROOT / name / "__init__.py").is_file() for name in entries if "__" not in name)


def test_on_windows_one_line_says_that_it_does_not_run_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "__init__.py"))
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "Windows" in told
    assert told.count("\n") == 1


def test_every_program_that_measures_is_in_the_readme() -> None:
    folder = ROOT.parent / "benchmarks"
    told = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in folder.glob("*.py") if f"`{path.name}`" not in told] == []


def test_no_module_has_the_name_of_another() -> None:
    names = [path.stem for path in ROOT.rglob("*.py") if "__" not in path.stem]
    names += [path.parent.name for path in ROOT.rglob("__init__.py")]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize(
    ("imported", "heavy"),
    [
        ("dreamray", {"numpy", "pydantic", "tensorflow", "ray"}),
        ("dreamray.cli.app", {"numpy", "pydantic", "tensorflow", "ray"}),
        ("dreamray.pictures", {"dreamray.model", "dreamray.settings", "pydantic", "tensorflow"}),
        ("dreamray.render.files", {"tensorflow", "ray", "boto3"}),
    ],
)
def test_what_is_imported_first_is_light(imported: str, heavy: set[str]) -> None:
    code = f"import sys, {imported}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_public_names_are_listed_and_there() -> None:
    assert set(dir(dreamray)) == set(dreamray.__all__)
    assert all(getattr(dreamray, name) is not None for name in dreamray.__all__)
