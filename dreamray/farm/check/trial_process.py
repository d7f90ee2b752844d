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
        """Start it."""
        self._trial = trial
        hidden = {} if trial.card else {"CUDA_VISIBLE_DEVICES": ""}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dreamray.farm.check.trial"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **hidden},
            text=True,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # It has ended: `result` says why.
            self._process.stdin.write(trial.to_json())
            self._process.stdin.close()
        self._process.stdin = None  # `communicate` would flush it.

    def result(self) -> dict[str, Any]:
        """What came of it. Raises TrialFailedError."""
        try:
            out, err = self._process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise TrialFailedError(
                f"the process that tries {self._trial.kind} did not end in {LIMIT:.0f} s"
            ) from None
        finally:
            self.close()
        try:
            found: dict[str, Any] = json.loads(out.splitlines()[-1])
        except (IndexError, ValueError):
            lines = err.strip().splitlines() or [f"exit code {self._process.returncode}"]
            raise TrialFailedError(
                f"the process that tries {self._trial.kind} failed: {shown(lines[-1])[:200]}"
            ) from None
        return found

    def close(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def make(trial: Trial) -> dict[str, Any]:
    """Make a trial in a process of its own. Raises TrialFailedError."""
    return TrialProcess(trial).result()


def make_at_once(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Make several at the same time. Raises TrialFailedError."""
    with contextlib.ExitStack() as closing:
        running = [closing.enter_context(contextlib.closing(TrialProcess(one))) for one in trials]
        return [one.result() for one in running]
