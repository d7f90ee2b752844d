"""Processes that are killed at their nth change of a file system."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.support.processes import FRESH

_CHANGES = {
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_ENDED = 7


def run_until(number: int, work: Callable[..., object], *arguments: object) -> bool:
    """Do some work in a process of its own, which SIGKILL ends before its nth change.

    Changes are files that are opened to be written, and all that is made, renamed and removed.
    Returns whether the work ended before that. `work` is a function of a module.
    """
    process = FRESH.Process(target=_work_until, args=(number, work, arguments))
    process.start()
    process.join()
    if process.exitcode == -signal.SIGKILL:
        return False
    assert process.exitcode == _ENDED, "it failed: see above"
    return True


def _work_until(number: int, work: Callable[..., object], arguments: Iterable[object]) -> None:
    try:
        sys.addaudithook(_hook(number))
        work(*arguments)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(_ENDED)


def _hook(number: int) -> Callable[[str, tuple[object, ...]], None]:
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _CHANGES or (event == "open" and _writes(arguments)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return count


def _writes(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return bool(set("wxa+").intersection(mode))
    return bool(isinstance(flags, int) and flags & _WRITING)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, and folders as what is nothing but their names."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }
