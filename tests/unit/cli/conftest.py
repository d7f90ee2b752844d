"""The command line in this process: TensorFlow starts once, and weights are made once."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from dreamray.cli import app
from dreamray.model import device
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@functools.cache
def load_once(source: str) -> Weights:
    return LOAD(source)


LOAD = loader.load


@pytest.fixture(scope="module", autouse=True)
def _one_process() -> Iterator[None]:
    """The weights are made once; the allocator stays as it is for the other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "load", lambda source, warn: load_once(source))
        patch.setattr(device, "keep_freed_memory", lambda: None)
        yield


@pytest.fixture
def run(
    traced_once: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the command line in this process."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["dreamray", *map(str, arguments)])
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                app.main()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
        captured = capsys.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return run
