"""What Ray is asked ends within its limit, whatever hangs."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("ray")

from dreamray.farm.answers import NoAnswerError, within
from dreamray.farm.patience import VARIABLE


def test_an_answer_and_an_error_come_back_as_they_are() -> None:
    assert within("count", lambda: 3, 60) == 3
    with pytest.raises(ZeroDivisionError):
        within("divide", lambda: 1 // 0, 60)


def test_what_does_not_answer_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0.0001")
    never = threading.Event()
    with pytest.raises(NoAnswerError, match="did not answer for 0 s when asked to list its nodes"):
        within("list its nodes", never.wait)
    never.set()
