"""`dreamray check` ends with 1 where a promise is broken, and says so for people and programs."""

from __future__ import annotations

import json

import pytest

from dreamray.farm.check import machine_check
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.slow


def test_a_patched_engine_ends_it_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_check, "ENGINE", "tests.support.check_engines:seamed")
    ended = run("check", "--short", "--quiet")
    assert ended.code == 1
    assert "exact tiles, float32  BROKEN" in ended.out
    assert "please report it" in ended.out


def test_a_sound_one_ends_with_0_and_gives_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_check, "ENGINE", "tests.support.check_engines:sound")
    ended = run("check", "--short", "--json")
    assert ended.code == 0, ended.err
    (report,) = json.loads(ended.out).values()
    assert report["holds"] is True
    assert {one["promise"] for one in report["findings"]} >= {"same bits, float32"}


def test_what_is_not_allowed_is_refused(run: Run) -> None:
    assert run("check", "--threads", "none").code == 2
