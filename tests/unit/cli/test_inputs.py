"""Several inputs and a folder, as `cp` would have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamray.base.errors import RequestError
from dreamray.cli.inputs import Pair, pair_up
from dreamray.pictures import read_metadata
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_outputs import LITTLE, draw, snapshot


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures and a folder for their dreams."""
    for name in ("a.png", "b.jpg", "more/a.png", "more/c.gif"):
        draw(tmp_path / name)
    (tmp_path / "dreams").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paired(*sources: str, into: str) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in pair_up(list(sources), into, overwrite=False)]


@pytest.mark.parametrize("folder", ["dreams", "dreams/", "./dreams"])
def test_into_a_folder_results_have_the_names_of_their_sources(folder: str) -> None:
    assert paired("a.png", "b.jpg", "more/c.gif", into=folder) == [
        ("a.png", "dreams/a.png"),
        ("b.jpg", "dreams/b.jpg"),
        ("more/c.gif", "dreams/c.png"),
    ]
    assert paired("b.jpg", into=folder) == [("b.jpg", "dreams/b.jpg")]


def test_two_results_are_not_one_file(here: Path) -> None:
    (here / "dreams" / "a.png").symlink_to("b.jpg")
    with pytest.raises(RequestError, match=r"dreams/a.png and dreams/b.jpg are one file.*remove"):
        paired("a.png", "b.jpg", into="dreams")


def test_a_name_that_is_too_long_is_said_to_be() -> None:
    with pytest.raises(RequestError, match=r"File name too long; check the path$"):
        paired("a.png", into="x" * 300 + ".png")


def test_a_file_is_named_as_it_is() -> None:
    assert pair_up(["a.png"], "dreams/x.tif", overwrite=False) == [Pair("a.png", "dreams/x.tif")]


@pytest.mark.parametrize(
    ("sources", "output", "words"),
    [
        (["a.png", "b.jpg"], "x.png", "no folder, which 2 pictures need"),
        (["a.png", "b.jpg"], "s3://dreams/x", "end an s3:// prefix in a slash"),
        (["a.png"], "missing/", "there is no such folder; create it first"),
        (["a.png", "more"], "dreams", "`dreamray bulk` takes all of its pictures"),
        (["a.png", "more/a.png"], "dreams", "a.png and more/a.png would both become a.png"),
        (["a.png", "more/a.png"], "dreams", "rename"),
        (["a.png", "b.jpg"], ".", "this is the input"),
        (["more/c.gif", "a.png", "more/a.png"], ".", "would both become"),
    ],
)
def test_what_cannot_be_is_refused(sources: list[str], output: str, words: str) -> None:
    with pytest.raises(RequestError) as error:
        pair_up(sources, output, overwrite=True)
    assert words in str(error.value)


def test_no_result_takes_the_place_of_another_input(here: Path) -> None:
    (here / "dreams" / "a.png").symlink_to(here / "b.jpg")
    with pytest.raises(RequestError, match=r"dreams/a\.png: this is the input"):
        pair_up(["a.png", "b.jpg"], "dreams", overwrite=True)


def test_what_dreamray_has_not_made_refuses_all_of_them(run: Run, here: Path) -> None:
    draw(here / "dreams" / "b.jpg", seed=7)
    before = snapshot(here)
    ended = run("render", "a.png", "b.jpg", "dreams", *LITTLE)
    assert ended.code == 2
    assert "dreams/b.jpg: there is a file that dreamray has not made" in ended.err
    assert snapshot(here) == before


def test_one_bad_picture_does_not_stop_the_others(run: Run, here: Path) -> None:
    (here / "bad.png").write_bytes(b"no picture")
    ended = run("render", "a.png", "bad.png", "absent.png", "b.jpg", "dreams/", *LITTLE)
    assert ended.code == 1
    assert "2 of 4 pictures failed: bad.png, absent.png" in ended.err.splitlines()[-1]
    assert [line.partition(":")[0] for line in ended.out.splitlines()] == [
        "dreams/a.png",
        "dreams/b.jpg",
    ]
    assert sorted(path.name for path in (here / "dreams").iterdir()) == ["a.png", "b.jpg"]


@pytest.mark.slow
def test_into_a_prefix_of_s3(run: Run, bucket: str) -> None:
    from dreamray.storage import locate

    assert run("render", "a.png", "b.jpg", f"s3://{bucket}/x/", *LITTLE).code == 0
    for name in ("a.png", "b.jpg"):
        data = locate(f"s3://{bucket}/x/{name}").read()
        assert read_metadata(data, name)["dream"]["octaves"] == 1
    assert run("render", "a.png", f"s3://{bucket}", *LITTLE).code == 0
    assert locate(f"s3://{bucket}/a.png").exists()
