"""What dreamray has not made it does not replace, and never what it reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamray.pictures import read_metadata
from tests.unit.cli.conftest import Ended, Run

LITTLE = ("--layer", "conv2d=1", "--octaves", "1", "--iterations", "1", "--weights", "random")


def draw(path: Path, seed: int = 5) -> bytes:
    """A picture that somebody made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (80, 90, 3), np.uint8)).save(path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a cat."""
    draw(tmp_path / "cat.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def refused(ended: Ended, *words: str) -> None:
    assert ended.code == 2, ended
    assert ended.err.startswith("dreamray: ")
    assert ended.err.count("\n") == 1
    for word in words:
        assert word in ended.err


def put_tiles(here: Path) -> None:
    (here / "dream_files").mkdir()
    (here / "dream_files" / "notes.txt").write_text("mine")


def put_pages(here: Path) -> None:
    for name in ("index.html", "dream.html", "dream.dzi.html"):
        (here / name).write_text("mine")


# What is there, what is run, and what is told.
FOREIGN: dict[str, tuple[Callable[[Path], object], list[str], str]] = {
    "picture": (lambda here: draw(here / "dog.png"), ["render", "cat.png", "dog.png"], "dog.png: "),
    "sheet": (lambda here: draw(here / "dog.png"), ["sweep", "cat.png", "dog.png"], "dog.png: "),
    "no picture": (
        lambda here: (here / "dog.png").write_text("mine"),
        ["render", "cat.png", "dog.png"],
        "dog.png: ",
    ),
    "preview": (
        lambda here: draw(here / "dream.preview.jpg"),
        ["render", "cat.png", "dream.png", "--preview"],
        "dream.preview.jpg: ",
    ),
    "description": (
        lambda here: (here / "dream.dzi").write_text("<Image/>"),
        ["render", "cat.png", "dream.dzi"],
        "dream.dzi: ",
    ),
    "tiles": (put_tiles, ["render", "cat.png", "dream.dzi"], "dream_files: "),
    "pages": (put_pages, ["render", "cat.png", "dream.dzi"], "dream.dzi.html: "),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_dreamray_has_not_made_is_replaced_only_when_it_is_said(
    kind: str, run: Run, here: Path
) -> None:
    put, command, told = FOREIGN[kind]
    put(here)
    before = snapshot(here)
    vary = ["--vary", "step=0.02", "--size", "80"] if command[0] == "sweep" else []
    refused(run(*command, *LITTLE, *vary), told, "dreamray has not made", "--overwrite")
    assert snapshot(here) == before
    assert run(*command, *LITTLE, *vary, "--overwrite").code == 0
    assert snapshot(here) != before
    assert run(*command, *LITTLE, *vary).code == 0, "now it is dreamray's own"
    assert sorted(path.name for path in here.iterdir() if path.name.startswith(".")) == []


def test_the_hint_for_a_list_of_pictures_from_a_shell(run: Run, here: Path) -> None:
    draw(here / "dog.png")
    refused(run("render", "cat.png", "dog.png", *LITTLE), "dreamray render a.jpg b.jpg folder/")


def link(path: str, target: Path | str) -> None:
    Path(path).symlink_to(target)


SPELLINGS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "same": ("cat.png", lambda here: None),
    "absolute": ("{here}/cat.png", lambda here: None),
    "around": ("./x/../cat.png", lambda here: None),
    "uri": ("file://{here}/cat.png", lambda here: None),
    "symbolic link": ("link.png", lambda here: link("link.png", "cat.png")),
    "hard link": ("link.png", lambda here: os.link("cat.png", "link.png")),
    "linked folder": ("x/here/cat.png", lambda here: link("x/here", here)),
}


@pytest.mark.parametrize("command", ["render", "sweep"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_input_is_never_the_output(spelling: str, command: str, run: Run, here: Path) -> None:
    (here / "x").mkdir()
    output, put = SPELLINGS[spelling]
    put(here)
    before = snapshot(here)
    for options in ([], ["--overwrite"]):
        ended = run(command, "cat.png", output.format(here=here), *LITTLE, *options)
        refused(ended, "this is the input")
    assert snapshot(here) == before


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("dream.preview.jpg", ["dream.png", "--preview"]),
        ("dream_files/9/0_0.jpg", ["dream.dzi"]),
        ("work/dream.png-{digest}/cat.png", ["dream.png", "--work", "work"]),
    ],
)
def test_nor_is_it_among_what_is_replaced_beside_the_output(
    source: str, command: list[str], run: Run, here: Path
) -> None:
    from dreamray.render.workspace import work_folder
    from dreamray.storage import locate

    name = str(work_folder(locate("dream.png"), "work")[1]).rpartition("-")[2]
    source = source.format(digest=name)
    draw(here / source)
    before = snapshot(here)
    refused(run("render", source, *command, *LITTLE, "--overwrite"), "input")
    assert snapshot(here) == before


def test_on_s3_the_input_is_never_the_output_and_foreign_objects_stay(
    run: Run, here: Path, bucket: str
) -> None:
    from dreamray.storage import locate

    cat = locate(f"s3://{bucket}/cat.png")
    cat.write((here / "cat.png").read_bytes())
    dog = locate(f"s3://{bucket}/dog.png")
    dog.write(draw(here / "dog.png"))
    for options in ([], ["--overwrite"]):
        refused(run("render", cat, f"S3://{bucket}/cat.png", *LITTLE, *options), "is the input")
    refused(run("render", cat, dog, *LITTLE), "dreamray has not made")
    assert dog.read() == (here / "dog.png").read_bytes()
    for options in (["--overwrite"], []):
        assert run("render", cat, dog, *LITTLE, *options).code == 0
    assert read_metadata(dog.read(), "dog.png")["dream"]["octaves"] == 1
    assert [found.name for found in dog.folder.files()] == ["cat.png", "dog.png"]


def test_what_comes_while_it_is_dreamt_is_not_replaced(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamray.render.renderer import Renderer

    dream = Renderer.dream_raster

    def slow(self: Renderer, *args: object, **more: object) -> object:
        draw(here / "dream.png", seed=9)
        return dream(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Renderer, "dream_raster", slow)
    ended = run("render", "cat.png", "dream.png", *LITTLE)
    assert ended.code == 2
    assert "dreamray has not made" in ended.err
    assert (here / "dream.png").read_bytes() == draw(here / "again.png", seed=9)


@pytest.mark.parametrize(
    "where", ["local", "link", "other work", pytest.param("s3", marks=pytest.mark.slow)]
)
def test_a_second_render_of_an_output_is_told_who_has_it(
    where: str, run: Run, here: Path, request: pytest.FixtureRequest
) -> None:
    from dreamray.render.workspace import hold_work
    from dreamray.storage import locate

    output, name, more = "dream.png", "dream.png", list[str]()
    if where == "s3":
        output = name = f"s3://{request.getfixturevalue('bucket')}/dream.png"
    if where == "link":
        (here / "disk").mkdir()
        output, name = "disk/dream.png", "link.png"
        link("link.png", "disk/dream.png")
    if where == "other work":
        more = ["--work", "work"]
    with hold_work(locate(output), None, pytest.fail, overwrite=False):
        for settings in ([], ["--step", "0.5"], ["--fresh"], ["--overwrite"]):
            ended = run("render", "cat.png", name, *LITTLE, *settings, *more)
            refused(ended, f"{name}: another run (host ", f", process {os.getpid()}, since 2")
            assert ended.err.endswith("let it finish or stop it, or choose another output\n")
    assert run("render", "cat.png", name, *LITTLE, *more).code == 0
    assert [path.name for path in here.rglob("*") if "dreamray" in path.name] == []


def test_the_work_folder_of_another_machine_s_output_of_that_name_is_held_too(
    run: Run, here: Path
) -> None:
    """Both have a folder `/x` of their own, and share one for the work."""
    from dreamray.render.workspace import hold_work
    from dreamray.storage import locate

    with hold_work(locate("dream.png"), "work", pytest.fail, overwrite=False):
        (here / ".dreamray").rename(here / "of-the-other")
        refused(run("render", "cat.png", "dream.png", *LITTLE, "--work", "work"), "another run")
        assert not (here / ".dreamray").exists()
        (here / "of-the-other").rename(here / ".dreamray")


def test_a_result_may_have_the_longest_name_that_there_is() -> None:
    from dreamray.render.workspace import work_folder
    from dreamray.storage import locate

    for name in ("x" * 251 + ".png", "ä" * 125 + ".png"):
        _, folder = work_folder(locate(name), "work")
        assert len(str(folder).rpartition("/")[2].encode()) < 255


def test_a_work_folder_that_dreamray_has_not_made_is_left_alone(run: Run, here: Path) -> None:
    from dreamray.render.workspace import work_folder
    from dreamray.storage import locate

    _, folder = work_folder(locate("dream.png"), "work")
    notes = folder.file("notes.txt")
    notes.write(b"mine")
    command = ["render", "cat.png", "dream.png", *LITTLE, "--work", "work"]
    for options in ([], ["--fresh"]):
        refused(run(*command, *options), "dream.png-", "dreamray has not made", "--overwrite")
    assert notes.read() == b"mine"
    assert run(*command, "--overwrite").code == 0
    assert not notes.exists()
