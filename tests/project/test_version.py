"""The version is one, wherever it is stated, and `.ci/version.py` sets it everywhere."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dreamray.base.version import __version__

PROJECT = Path(__file__).parents[2]
IMAGE = re.compile(r"\bdreamray(?:-gpu)?:v?\d+\.\d+\.\d+")


def load_program() -> Any:
    """`.ci/version.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("version", PROJECT / ".ci" / "version.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


program = load_program()


def text_files() -> list[Path]:
    """What a version might be stated in, beside the source."""
    folders = [PROJECT / name for name in (".ci", "cluster", "docs", "examples", "helm")]
    names = [*PROJECT.iterdir(), *(path for folder in folders for path in folder.rglob("*"))]
    kinds = {"", ".md", ".py", ".toml", ".yaml", ".tpl", ".txt", ".json", ".example"}
    return [path for path in names if path.is_file() and path.suffix in kinds]


def test_all_that_states_the_version_has_the_packages() -> None:
    stated = list(program.statements())
    assert stated[0].version == __version__
    wrong = [f"{place} has {place.version}" for place in stated if place.version != __version__]
    known = {(place.path, place.line) for place in stated}
    for path in text_files():
        name = str(path.relative_to(PROJECT))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if (found := IMAGE.search(line)) and (name, number) not in known:
                wrong.append(f"{name}:{number} has {found[0]}, and .ci/version.py does not know")
    assert not wrong, f"{program.SOURCE} has {__version__}:\n" + "\n".join(wrong)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in [*program.PLACES, ".ci/version.py", "Makefile"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def make(project: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-s", f"PYTHON={sys.executable}", "version", *words]
    known = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        command, cwd=project, env={**known, **env}, text=True, capture_output=True, timeout=60
    )


def test_it_is_set_in_all_places_with_one_command(project: Path) -> None:
    assert make(project, VERSION="7.7.7").stdout == f"{__version__}\n"  # Of some other program.
    done = make(project, "VERSION=8.9.10")
    assert done.returncode == 0, done.stderr
    places = list(program.statements(project))
    assert {place.version for place in places} == {"8.9.10"}
    for place in places:
        assert f"{place}: {__version__} -> 8.9.10\n" in done.stdout
    assert make(project).stdout == "8.9.10\n"


def test_what_cannot_be_set_is_told_and_nothing_is_changed(project: Path) -> None:
    done = make(project, "VERSION=v2")
    assert done.returncode != 0
    assert "'v2' is no version; write three numbers" in done.stderr
    (project / "cluster" / "Dockerfile").write_text("FROM scratch\n")
    done = make(project, "VERSION=8.9.10")
    assert "cluster/Dockerfile: 0 lines match" in done.stderr
    assert make(project).stdout == f"{__version__}\n"
