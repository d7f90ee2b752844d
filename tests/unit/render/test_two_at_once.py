"""Two renders at once on one output: one makes it, the other is told who does; nothing mixes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from dreamray.base.errors import RequestError
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.pictures import export as exporting
from dreamray.pictures import viewer
from dreamray.render.files import render_picture
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from tests.support.killing import contents
from tests.support.plain_engine import PlainEngine
from tests.support.processes import FRESH
from tests.unit.bulk.test_task_runner import PLAIN
from tests.unit.render.test_kills import draw

STEPS = (0.01, 0.5)
REFUSED = 2
PAIRS = 10 if os.environ.get("DREAMRAY_THOROUGH") else 2
"""Of the same and of other settings, in turn."""


class SlowEngine(PlainEngine):
    """Long enough at work for the other one to come."""

    def gradient(self, window: Any, owned: Any, per_cell: Any) -> Any:
        time.sleep(0.5)
        return super().gradient(window, owned, per_cell)


def render(
    place: tuple[str, str],
    step: float,
    engine: type[PlainEngine],
    said: Path,
    environment: Mapping[str, str],
) -> None:
    """In a process of its own; what it is refused for goes into a file."""
    os.environ.update(environment)
    exporting.HELD_PIXELS = 0
    viewer.BUNDLED = said.with_name("nothing")
    dream = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=2, step=step)
    executor: Any = LocalTileExecutor(Worker(engine("mixed0")))
    try:
        with Renderer(dream, Execution(threads=1), weights=PLAIN, executor=executor) as renderer:
            render_picture(*place, renderer)
    except RequestError as error:
        said.write_text(str(error))
        os._exit(REFUSED)
    os._exit(0)


def end(process: ForkServerProcess) -> int | None:
    process.join()
    return process.exitcode


@pytest.mark.parametrize("kind", ["dzi", "tif", "png"])
@pytest.mark.parametrize("where", ["local", pytest.param("s3", marks=pytest.mark.slow)])
def test_one_is_refused_and_the_result_is_the_others(
    kind: str, where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source, environment = draw(tmp_path / "in.png", 500, 1), {}
    if where == "s3":
        server = request.getfixturevalue("s3_server")
        environment = server.environment()
        bucket = f"two-{kind}-{os.getpid()}"
        root, uri = server.make_bucket(bucket), f"s3://{bucket}"
    else:
        root, uri = tmp_path, str(tmp_path)

    def place(name: str) -> tuple[Path, str]:
        (root / name).mkdir(exist_ok=True)
        return root / name, f"{uri}/{name}/dream.{kind}"

    def begin(output: str, step: float, engine: type[PlainEngine], said: Path) -> ForkServerProcess:
        arguments = (source, output), step, engine, said, environment
        process = FRESH.Process(target=render, args=arguments)
        process.start()
        return process

    right = []
    for step in STEPS:
        folder, output = place(f"right-{step}")
        assert end(begin(output, step, PlainEngine, tmp_path / "said")) == 0
        right.append(contents(folder))
    assert right[0] != right[1]

    folder, output = place("out")
    for number in range(PAIRS):
        said = tmp_path / f"said-{number}"
        steps = STEPS if number % 2 else (STEPS[0], STEPS[0])
        processes = [begin(output, step, SlowEngine, said) for step in steps]
        codes = [end(process) for process in processes]
        assert sorted(codes) == [0, REFUSED], (number, codes)
        winner = processes[codes.index(0)]
        assert f"{output}: another run (host " in said.read_text()
        assert f", process {winner.pid}, since 2" in said.read_text()
        assert contents(folder) == right[STEPS.index(steps[codes.index(0)])], number
