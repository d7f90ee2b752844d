"""Below a folder that somebody named no link is followed, also none that is put there meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dreamray.base.errors import RequestError
from dreamray.storage import Folder, locate, locate_folder
from dreamray.storage import local as module

CHANGES: dict[str, Callable[[Folder, Path], object]] = {
    "write": lambda folder, made: folder.file("a/x").write(b"new"),
    "write_file": lambda folder, made: folder.file("a/x").write_file(made),
    "create": lambda folder, made: folder.file("a/x").create_if_absent(b"new"),
    "swap": lambda folder, made: folder.file("a/x").compare_and_swap(b"precious", b"new"),
    "swap away": lambda folder, made: folder.file("a/x").compare_and_swap(b"precious", None),
    "remove": lambda folder, made: folder.file("a/x").remove(),
    "remove folder": lambda folder, made: folder.folder("a/x").remove(),
    "remove below": lambda folder, made: folder.folder("a").folder("x").remove(),
    "check": lambda folder, made: folder.file("a/x").check_writable(),
    "check folder": lambda folder, made: folder.folder("a/x").check_writable(),
}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Somebody's folder, which must stay as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "x").write_bytes(b"precious")
    yield folder
    assert [path.name for path in folder.iterdir()] == ["x"]
    assert (folder / "x").read_bytes() == b"precious"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "made"
    path.write_bytes(b"new")
    return path


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_is_a_link_is_refused(
    change: str, tmp_path: Path, outside: Path, made: Path
) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "a").symlink_to(outside)
    with pytest.raises(RequestError, match=r"named/a.*symbolic link.*remove it$"):
        CHANGES[change](locate_folder(f"{tmp_path}/named"), made)


@pytest.mark.parametrize("change", ["write", "write_file", "create", "swap", "swap away", "check"])
def test_a_file_that_is_a_link_is_refused(
    change: str, tmp_path: Path, outside: Path, made: Path
) -> None:
    (tmp_path / "named" / "a").mkdir(parents=True)
    (tmp_path / "named" / "a" / "x").symlink_to(outside / "x")
    with pytest.raises(RequestError, match="symbolic link"):
        CHANGES[change](locate_folder(f"{tmp_path}/named"), made)
    assert (tmp_path / "named" / "a" / "x").is_symlink()


@pytest.mark.parametrize("change", ["write", "write_file", "create", "swap"])
def test_a_link_that_is_put_there_after_the_look_is_not_followed(
    change: str, tmp_path: Path, outside: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "named" / "a"
    inside.mkdir(parents=True)
    if change == "swap":
        (inside / "x").write_bytes(b"precious")
    real = module.new_part

    @contextmanager
    def planted(folder: int) -> Iterator[tuple[str, int]]:
        inside.rename(tmp_path / "moved")
        inside.symlink_to(outside)
        with real(folder) as part:
            yield part

    monkeypatch.setattr(module, "new_part", planted)
    CHANGES[change](locate_folder(f"{tmp_path}/named"), made)
    assert (tmp_path / "moved" / "x").read_bytes() == b"new"


def test_a_link_to_a_file_that_is_put_there_after_the_look_is_replaced_and_not_followed(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.new_part

    @contextmanager
    def planted(folder: int) -> Iterator[tuple[str, int]]:
        (tmp_path / "named" / "x").symlink_to(outside / "x")
        with real(folder) as part:
            yield part

    monkeypatch.setattr(module, "new_part", planted)
    locate_folder(f"{tmp_path}/named").file("x").write(b"new")
    assert not (tmp_path / "named" / "x").is_symlink()
    assert (tmp_path / "named" / "x").read_bytes() == b"new"


def test_the_named_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "named").symlink_to("disk")
    folder = locate_folder(f"{tmp_path}/named")
    folder.folder("a").file("b/x").write(b"new")
    assert (tmp_path / "disk" / "a" / "b" / "x").read_bytes() == b"new"
    folder.folder("a").remove()
    assert list((tmp_path / "disk").iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/tmp/x"])
def test_no_name_leads_out_of_the_named_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(b"precious")
    (tmp_path / "named" / "a").mkdir(parents=True)
    place = locate_folder(f"{tmp_path}/named").file(name)
    for change in (lambda: place.write(b"new"), place.remove, place.check_writable):
        with pytest.raises(RequestError, match="leads out of the folder"):
            change()
    assert (tmp_path / "x").read_bytes() == b"precious"
    assert not Path("/tmp/x").exists()


def test_a_file_that_somebody_named_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "x").symlink_to("disk/x")
    locate(f"{tmp_path}/x").write(b"new")
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "disk" / "x").read_bytes() == b"new"


def test_what_lies_behind_a_folder_that_is_not_there_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the system `missing/../x` is nowhere; by its letters it is the precious `x`."""
    monkeypatch.chdir(tmp_path)
    Path("x").write_bytes(b"precious")
    Path("link").symlink_to("missing/../x")
    for name in ("missing/../x", "link"):
        with pytest.raises(RequestError, match=r"no folder \S*missing\S*; create it first$"):
            locate(name).check_writable()
        with pytest.raises(RequestError, match="create it first"):
            locate(name).write(b"new")
    assert Path("x").read_bytes() == b"precious"
