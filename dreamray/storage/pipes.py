"""Reading what is no regular file: pipes, such as a shell gives for `<(…)`, and devices.

They may never end, or never begin: each wait for the next byte, and all bytes together, have a
limit.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dreamray.base.errors import RequestError
from dreamray.base.messages import show_size, shown

MOST = 1 << 30
"""Bytes that are read of a pipe where nothing less is asked for."""

_WRITER_WITHIN, _BYTE_WITHIN = 5.0, 60.0
"""Seconds until somebody writes into it at all, and between two bytes."""

_PIECE = 1 << 20


def read_pieces(path: Path, most: int | None = None) -> Iterator[bytes]:
    """The bytes of a pipe or device, or the first `most` of them, as they come.

    Raises OSError as the system does, RequestError where nothing comes for too long, or too much.
    """
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        begun, left = False, MOST + 1 if most is None else most
        while left > 0:
            piece = None
            with suppress(BlockingIOError):
                piece = os.read(pipe, min(left, _PIECE))
            if piece is None:
                _wait(path, pipe, _BYTE_WITHIN)
            elif piece:
                begun, left = True, left - len(piece)
                if most is None and not left:
                    raise RequestError(
                        f"{shown(path)}: over {show_size(MOST)} came out of this pipe; write it "
                        "into a file first"
                    )
                yield piece
            elif begun or not path.is_fifo():
                return
            else:
                _wait(path, pipe, _WRITER_WITHIN)
                begun = True
    finally:
        os.close(pipe)


def _wait(path: Path, pipe: int, seconds: float) -> None:
    if not select.select([pipe], [], [], seconds)[0]:
        raise RequestError(
            f"{shown(path)}: nothing came out of this pipe for {seconds:.0f} s; see whether "
            "anything writes into it, or name a file"
        )
