"""What workers of a cluster in the tests compute with: they import this by its name."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from plain_engine import PlainEngine

from dreamray.errors import MemoryExhaustedError


@dataclass(frozen=True)
class PlainTools:
    """In place of `dreamray.worker.Tools`: an engine in NumPy, as slow and as weak as wanted."""

    layers: tuple[str, ...] = ("mixed0",)
    delay: float = 0.0
    """Seconds of each gradient."""
    most_pixels: int = 10**9
    """Windows of more run out of memory."""
    threads: int | None = None
    broken: bool = False
    """Whether it cannot be made."""

    def engine(self) -> Any:
        """The engine."""
        if self.broken:
            raise RuntimeError("no such library")
        return _Engine(self)


class _Engine(PlainEngine):
    def __init__(self, tools: PlainTools) -> None:
        super().__init__(*tools.layers)
        self._tools = tools

    def gradient(self, window: Any, owned: Any, per_cell: Any) -> Any:
        time.sleep(self._tools.delay)
        if window.shape[0] * window.shape[1] > self._tools.most_pixels:
            raise MemoryExhaustedError("memory ran out")
        return super().gradient(window, owned, per_cell)
