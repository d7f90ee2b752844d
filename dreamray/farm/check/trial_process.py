"""A fresh process that makes one trial, seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from dreamray.base.errors import DreamrayError
from dreamray.base.messages import shown
from dreamray.farm.check.trial import Trial

LIMIT = 1800.0
"""Seconds that a trial may take."""


class TrialFailedError(DreamrayError):
    """A trial's process ended without a result, or did not end."""


class TrialProcess:
    """One trial on its way. Close it."""

    def __init__(self, trial: Trial) -> None:
        """Start it. Raises TrialFailedError."""
        self._trial = trial
        hidden = {} if trial.card else {"CUDA_VISIBLE_DEVICES": ""}
        try:
            self._process = subprocess.Popen(
                python("from dreamray.farm.check.trial import main; main()", trial.to_json()),
                stdin=subprocess.PIPE,  # It ends where this process does, however that ends.
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **hidden},
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise TrialFailedError(
                f"no process to try {trial.kind} could be started: {error.strerror}"
            ) from None
        self._lifeline, self._process.stdin = self._process.stdin, None

    def result(self, limit: float = LIMIT) -> dict[str, Any]:
        """What came of it within so many seconds. Raises TrialFailedError."""
        try:
            out, err = self._process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise TrialFailedError(
                f"the process that tries {self._trial.kind} did not end in {limit:.0f} s"
            ) from None
        finally:
            self.close()
        try:
            found: dict[str, Any] = json.loads(out.splitlines()[-1])
        except (IndexError, ValueError):
            lines = err.strip().splitlines()
            why = f"exit code {self._process.returncode}"
            if self._process.returncode < 0:
                why = f"ended by signal {-self._process.returncode}, as where memory is out"
            elif lines:
                why = shown(lines[-1])[:200]
            raise TrialFailedError(
                f"the process that tries {self._trial.kind} failed: {why}"
            ) from None
        return found

    def close(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        if self._lifeline is not None:
            self._lifeline.close()


def python(code: str, *arguments: str) -> list[str]:
    """The command of a process that finds modules where this one does, and nowhere else.

    Not in the current folder, which may have a `random.py`; and where Ray has put them.
    """
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}", *arguments]


def make(trial: Trial, limit: float = LIMIT) -> dict[str, Any]:
    """Make a trial in a process of its own, in so many seconds. Raises TrialFailedError."""
    return TrialProcess(trial).result(limit)


def make_at_once(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Make several at the same time. Raises TrialFailedError."""
    with contextlib.ExitStack() as closing:
        running = [closing.enter_context(contextlib.closing(TrialProcess(one))) for one in trials]
        return [one.result() for one in running]
