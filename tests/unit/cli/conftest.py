"""The command line in this process, where TensorFlow starts once, and in others without it."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from dreamray.bulk import job
from dreamray.cli import app
from dreamray.model import device
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights
from dreamray.render import renderer
from tests.support.farm_tools import PlainSpec
from tests.support.places import PROJECT
from tests.support.ray_cluster import plain_dreamray

PACE = 4
"""Of the engine in NumPy in other processes, in seconds of a million pixels."""


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


@pytest.fixture
def plain_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, with an engine in NumPy that takes no time."""
    for module in (job, renderer):
        monkeypatch.setattr(module, "EngineSpec", PlainSpec)
    return run


@contextmanager
def begun(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own with that engine; it ends with the context."""
    command = [*plain_dreamray(PACE), *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        try:
            yield process
        finally:
            process.kill()
