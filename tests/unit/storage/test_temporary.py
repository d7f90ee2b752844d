"""What killed processes leave is removed, what living ones have is not."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import pytest

from dreamray.storage import locate, locate_folder
from dreamray.storage.temporary import scratch_folder

KINDS = ("part", "scratch")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def begin(kind: str, folder: Path) -> int:
    """A process that is in the midst of something: its number."""
    ready, done = os.pipe()
    process = os.fork()
    if process == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda descriptor: (os.write(done, b"x"), signal.pause()))
            if kind == "part":
                locate(f"{folder}/a.png").write(b"half")
            else:
                with scratch_folder(folder) as scratch:
                    (scratch / "tiles").mkdir()
                    (scratch / "tiles" / "0.jpg").write_bytes(b"half")
                    os.fsync(0)
        os._exit(1)
    assert os.read(ready, 1) == b"x"
    return process


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(
    kind: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.part").write_bytes(b"x")
    process = begin(kind, tmp_path)
    before = names(tmp_path)
    assert len(before) == 2
    locate_folder(str(tmp_path)).remove_leftovers()
    assert names(tmp_path) == before
    kill(process)
    locate_folder(str(tmp_path)).remove_leftovers()
    assert names(tmp_path) == ["mine.part"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_listing_has_none_of_it_and_removes_it_when_it_is_to(kind: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.png").write_bytes(b"x")
    process = begin(kind, tmp_path / "deep")
    folder = locate_folder(str(tmp_path))
    assert [found.name for found in folder.files(clean=True)] == ["deep/a.png"]
    assert len(names(tmp_path / "deep")) == 2
    kill(process)
    assert [found.name for found in folder.files()] == ["deep/a.png"]
    assert len(names(tmp_path / "deep")) == 2
    assert [found.name for found in folder.files(clean=True)] == ["deep/a.png"]
    assert names(tmp_path / "deep") == ["a.png"]


def test_a_new_scratch_folder_takes_the_place_of_dead_ones(tmp_path: Path) -> None:
    kill(begin("scratch", tmp_path))
    with scratch_folder(tmp_path) as scratch:
        assert names(tmp_path) == [scratch.name]
        assert names(scratch) == []
        (scratch / "x").write_bytes(b"x")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", [".dreamray-notes", ".dreamray", "dreamray-report", "x.part"])
def test_what_others_call_so_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    locate_folder(str(tmp_path)).remove_leftovers()
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("before", ["open", "lock"])
def test_one_that_another_removes_before_it_is_locked_is_made_anew(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has seen it in the moment in which it looks like a dead one's."""
    module, name = {"open": (os, "open"), "lock": (fcntl, "flock")}[before]
    really, removed = getattr(module, name), []

    def meanwhile(*arguments: object, **options: object) -> object:
        fresh = [path for path in tmp_path.iterdir() if path.suffix == ".scratch"]
        if fresh and not removed:
            removed.append(fresh[0])
            fresh[0].rmdir()
        return really(*arguments, **options)

    monkeypatch.setattr(module, name, meanwhile)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert folder not in removed
    assert removed
