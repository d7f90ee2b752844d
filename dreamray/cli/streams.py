"""Standard output and error: results on the one, which must arrive, and all else on the other."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from typing_extensions import override

from dreamray.base.errors import StorageError


def make_lasting() -> None:
    """From now on nothing that is said ends what is done, be it a name or a full disk."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    errors = sys.stderr
    if isinstance(errors, io.TextIOWrapper) and errors is sys.__stderr__:
        lasting = io.BufferedWriter(_Lasting(errors.fileno(), "wb", closefd=False))
        sys.stderr = io.TextIOWrapper(lasting, errors.encoding, errors.errors, line_buffering=True)


class _Lasting(io.FileIO):
    """A file whose reader may go, as in `… 2>&1 | head`, or whose disk may be full."""

    @override
    def write(self, data: Any) -> int:
        """All of it is taken; what the system does not take is gone."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written


def say(text: str) -> None:
    """A line of result on standard output, which may be closed; StorageError if it is full."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # The reader may have seen enough, as in `dreamray layers | head`.
        if not isinstance(error, BrokenPipeError):
            raise StorageError(f"standard output: {error.strerror}; send it elsewhere") from None


def tell(text: str) -> None:
    """A line about what went wrong, on standard error; if that is closed, the exit code says it."""
    if sys.stderr is not None:
        sys.stderr.write(f"dreamray: {text}\n")
