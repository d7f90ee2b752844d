"""One picture file: whose work is gone on with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dreamray.cli.merge import describe_picture
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.pictures import decode, read_metadata
from dreamray.render.files import RenderOptions, render_picture
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from tests.support.plain_engine import PlainEngine
from tests.unit.bulk.test_task_runner import PLAIN
from tests.unit.render.test_kills import draw


def render(source: str, output: Path) -> bytes:
    dream = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=1)
    executor: Any = LocalTileExecutor(Worker(PlainEngine("mixed0")))
    with Renderer(dream, Execution(threads=1), weights=PLAIN, executor=executor) as renderer:
        render_picture(source, str(output), renderer, options=RenderOptions(work=True))
    return output.read_bytes()


def test_another_source_of_the_same_size_and_time_is_not_taken_for_the_one_before(
    tmp_path: Path,
) -> None:
    sources = [draw(tmp_path / f"{seed}.bmp", 100, seed) for seed in (1, 2)]
    for source in sources:
        os.utime(source, ns=(10**18, 10**18))
    right = [render(source, tmp_path / f"right-{n}.png") for n, source in enumerate(sources)]
    assert right[0] != right[1]
    assert [render(source, tmp_path / "out.png") for source in sources] == right


def test_a_source_that_was_moved_is_gone_on_with(tmp_path: Path) -> None:
    source = Path(draw(tmp_path / "a.bmp", 100, 1))
    first = render(str(source), tmp_path / "out.png")
    copy = tmp_path / "b.bmp"
    copy.write_bytes(source.read_bytes())
    notes: list[str] = []
    dream = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=1)
    executor: Any = LocalTileExecutor(Worker(PlainEngine("mixed0")))
    with Renderer(dream, Execution(threads=1), weights=PLAIN, executor=executor) as renderer:
        render_picture(
            str(copy),
            str(tmp_path / "out.png"),
            renderer,
            lambda event: notes.append(getattr(event, "text", "")),
        )
    assert (tmp_path / "out.png").read_bytes() == first
    assert any("all octaves are dreamt" in note for note in notes)


def test_noise_is_a_source_as_files_are(tmp_path: Path) -> None:
    found = [render("noise:120x90@7", tmp_path / name) for name in ("a.png", "b.png", "a.png")]
    assert found[0] == found[1] == found[2]
    assert render("noise:120x90@8", tmp_path / "c.png") != found[0]
    assert decode(found[0], "a.png").pixels.shape == (90, 120, 3)
    sources = [
        read_metadata(data, "a.png")["source"]
        for data in (found[0], render("noise:120x90@7", tmp_path / "d.tif"))
    ]
    assert sources[0] == sources[1]
    assert sources[0]["noise"] == "noise:120x90@7"
    shown = describe_picture(str(tmp_path / "a.png"), as_json=False)
    assert f"# source: noise:120x90@7, sha256 {sources[0]['sha256']}\n" in shown
