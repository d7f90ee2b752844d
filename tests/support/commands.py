"""Programs that are run, read and waited for, none of them without a limit."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Found = TypeVar("Found")

POD_SECONDS = 240
"""How long a pod may take to come up, while others start on the same two processors."""


class NotInTimeError(AssertionError):
    """What was waited for did not come in time."""


def until(what: str, seconds: float, look: Callable[[], Found | None]) -> Found:
    """The first thing that `look` finds, which is asked every two seconds.

    Not more often: a start of kubectl takes a third of a second of a processor.

    Raises NotInTimeError, with `what`, when it finds nothing for so many seconds.
    """
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise NotInTimeError(f"{what} did not come in {seconds:.0f} s")
        time.sleep(2)
    return found


def run(
    *command: str,
    stdin: str | None = None,
    timeout: float = 120,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program; if `check`, its failure is that of the test, with what it said."""
    done = subprocess.run(
        command, input=stdin, text=True, capture_output=True, timeout=timeout, env=env
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done


class Lines:
    """What a process says, line by line; `said` is all that was read of it so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.said = ""
        self._process = process

    def read_until(self, text: str, seconds: float = POD_SECONDS) -> None:
        """Read as far as a line with the text in it; raises NotInTimeError if none comes."""
        assert self._process.stdout is not None
        limit = threading.Timer(seconds, self._process.kill)
        limit.start()
        try:
            for line in self._process.stdout:
                self.said += line
                if text in line:
                    return
        finally:
            limit.cancel()
        raise NotInTimeError(f"no {text!r} in {seconds:.0f} s, but:\n{self.said}")

    def finish(self, seconds: float = 2 * POD_SECONDS) -> int:
        """Read the rest; gives the exit code."""
        said, _ = self._process.communicate(timeout=seconds)
        self.said += said
        return self._process.returncode
