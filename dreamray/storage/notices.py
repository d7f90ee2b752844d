"""What the storage has to say to the user while it works: one line at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dreamray.base.messages import Warn

_log = logging.getLogger(__name__)
_listeners: list[Warn] = []


def tell(text: str) -> None:
    """Tell whoever listens last, from whatever thread; where nobody does, it is logged."""
    if _listeners:
        _listeners[-1](text)
    else:
        _log.warning(text)


@contextmanager
def told_to(warn: Warn) -> Iterator[None]:
    """Have it told to `warn` in all threads of this process meanwhile."""
    _listeners.append(warn)
    try:
        yield
    finally:
        _listeners.remove(warn)
