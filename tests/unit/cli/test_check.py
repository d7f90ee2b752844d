"""`dreamray check` ends with 1 where a promise is broken, and says so for people and programs."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest

from dreamray.farm.check import machine_check
from dreamray.farm.check.machine_check import CheckOptions
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.slow


def try_engine(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have the command try another engine than dreamray's own."""
    patched = functools.partial(CheckOptions, engine=f"tests.support.check_engines:{name}")
    monkeypatch.setattr(machine_check, "CheckOptions", patched)


@pytest.mark.parametrize(
    ("engine", "promise"), [("seamed", "exact tiles, float32"), ("drifting", "same bits, float32")]
)
def test_a_patched_engine_ends_it_with_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, engine: str, promise: str
) -> None:
    try_engine(monkeypatch, engine)
    ended = run("check", "--short", "--quiet")
    assert ended.code == 1
    assert re.search(rf"{promise} +BROKEN", ended.out)
    assert "please report it" in ended.out


def test_a_sound_one_ends_with_0_and_gives_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    try_engine(monkeypatch, "sound")
    ended = run("check", "--short", "--json")
    assert ended.code == 0, ended.err
    (report,) = json.loads(ended.out).values()
    assert report["holds"] is True
    assert {one["promise"] for one in report["findings"]} >= {"same bits, float32"}


def test_what_is_not_allowed_is_refused(run: Run, tmp_path: Path) -> None:
    """Before anything is tried."""
    (tmp_path / "file").write_text("")
    for wrong in (
        ("--threads", "none"),
        ("--storage", "ftp://host/folder"),
        ("--storage", str(tmp_path / "file")),
    ):
        ended = run("check", *wrong)
        assert ended.code == 2, wrong
        assert ended.err.count("\n") == 1, ended.err
