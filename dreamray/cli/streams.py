"""Standard output and error: results on the one, which must arrive, and all else on the other."""

from __future__ import annotations

import io
import os
import sys

from typing_extensions import override

from dreamray.base.errors import StorageError


def make_lasting() -> None:
    """From now on nothing that is said ends what is done, be it a name or a full disk."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    errors = sys.stderr
    if isinstance(errors, io.TextIOWrapper) and errors is sys.__stderr__:
        sys.stderr = _Lasting(errors.buffer, errors.encoding, errors.errors, line_buffering=True)


class _Lasting(io.TextIOWrapper):
    """A stream whose reader may go, as in `… 2>&1 | head`, or whose disk may be full.

    It is silent from then on.
    """

    @override
    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            _silence(self.fileno())
            return len(text)

    @override
    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            _silence(self.fileno())


def _silence(number: int) -> None:
    """Let an open file lead to nowhere, and with it what is still to be written into it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def say(text: str) -> None:
    """A line of result on standard output, which may be closed; StorageError if it is full."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout.fileno())
        # The reader may have seen enough, as in `dreamray layers | head`.
        if not isinstance(error, BrokenPipeError):
            raise StorageError(f"standard output: {error.strerror}; send it elsewhere") from None


def tell(text: str) -> None:
    """A line about what went wrong, on standard error; if that is closed, the exit code says it."""
    if sys.stderr is not None:
        sys.stderr.write(f"dreamray: {text}\n")
