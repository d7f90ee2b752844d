"""Killed at whatever change of the file system, a render is gone on with, and leaves nothing.

In between a Deep Zoom is never there without its tiles, and a file is the old one or the new one.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from dreamray.bulk import job
from dreamray.bulk.job import dream_set
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.model.weights import loader
from dreamray.pictures import export as exporting
from dreamray.pictures import viewer
from dreamray.render.files import render_picture
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from tests.support.killing import contents, run_until
from tests.support.plain_engine import PlainEngine
from tests.unit.bulk.test_task_runner import PLAIN, PlainTools

Change = Callable[..., object]


EVERY = 1 if os.environ.get("DREAMRAY_THOROUGH") else 29
"""Every how many changes a process is killed: all of them take many minutes."""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the killed have their temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def begin(temporary: Path) -> None:
    """In each process: pictures are held on disk, and Deep Zooms have no viewer."""
    exporting.HELD_PIXELS = 0
    viewer.BUNDLED = temporary / "nothing"
    tempfile.tempdir = str(temporary)


def draw(path: Path, width: int, seed: int) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (75, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def render(temporary: Path, source: str, output: Path) -> None:
    begin(temporary)
    dream = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=1)
    executor: Any = LocalTileExecutor(Worker(PlainEngine("mixed0")))
    with Renderer(dream, Execution(threads=1), weights=PLAIN, executor=executor) as renderer:
        render_picture(source, str(output), renderer)


def make(temporary: Path, source: Path, out: Path) -> None:
    """The dreams of a set."""
    begin(temporary)
    changed: Any = (loader, job)
    changed[0].load = lambda source, warn: PLAIN
    changed[1].EngineSpec = lambda dream, *_, **more: PlainTools(dream)
    dream = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=1)
    dream_set(str(source), str(out), dream, execution=Execution(threads=1))


def done(change: Change, *arguments: object) -> None:
    assert run_until(10**9, change, *arguments)


def killed(change: Change, *arguments: object) -> Iterator[int]:
    """The number of changes after which the process was killed, again and again."""
    number = 0
    while not run_until(number, change, *arguments):
        yield number
        number += EVERY
    assert number > EVERY, "it changed hardly anything"


def check_deep_zoom(folder: Path, sizes: set[str]) -> None:
    """What is there of it has all of its tiles, of its own size."""
    for name in ("dream.dzi", "index.html"):
        if not (folder / name).exists():
            continue
        text = (folder / name).read_text()
        if name == "dream.dzi":
            width = ElementTree.fromstring(text)[0].attrib["Width"]
        else:
            width = re.findall(r'"Width": ?"(\d+)"', text)[0]
        assert width in sizes
        files = folder / "dream_files"
        top = max(int(path.name) for path in files.iterdir() if path.is_dir())
        tiles = [Image.open(path).size for path in (files / str(top)).iterdir()]
        assert len(tiles) == -(-int(width) // 254)
        assert sum(size[0] for size in tiles) - 2 * (len(tiles) - 1) == int(width)


@pytest.mark.parametrize("kind", ["dzi", "tif", "png"])
def test_a_render_over_an_older_one(kind: str, tmp_path: Path, temporary: Path) -> None:
    old, new = draw(tmp_path / "old.png", 300, 1), draw(tmp_path / "new.png", 600, 2)
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    done(render, temporary, new, wanted / f"dream.{kind}")
    right = contents(wanted)
    before: bytes | None = None

    out = tmp_path / "out"
    out.mkdir()
    output = out / f"dream.{kind}"
    for number in killed(render, temporary, new, output):
        if kind == "dzi":
            check_deep_zoom(out, {"300", "600"})
        elif before is not None:
            assert output.read_bytes() in (before, right[output.name])
        done(render, temporary, new, output)
        assert contents(out) == right, number
        assert list(temporary.iterdir()) == [], number
        done(render, temporary, old, output)
        before = output.read_bytes()
    assert contents(out) == right


def test_a_set_and_its_finish(tmp_path: Path, temporary: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(2):
        draw(source / f"{number}.tif", 90, number)

    def results(out: Path) -> dict[str, bytes]:
        return {name: data for name, data in contents(out).items() if name.endswith(".tif")}

    done(make, temporary, source, tmp_path / "wanted")
    right, names = results(tmp_path / "wanted"), set(contents(tmp_path / "wanted"))
    for number in killed(make, temporary, source, tmp_path / "out"):
        found = results(tmp_path / "out")
        assert found == {name: right[name] for name in found}, number
        done(make, temporary, source, tmp_path / "out")
        assert results(tmp_path / "out") == right, number
        assert set(contents(tmp_path / "out")) == names, number
        assert list(temporary.iterdir()) == [], number
        for path in sorted((tmp_path / "out").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
