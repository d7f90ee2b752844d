"""What is looked at before anything is replaced: other people's files, links, pipes, full names."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dreamray.base.errors import PictureError, RequestError
from dreamray.bulk.existing import check_free, check_ours, check_places
from dreamray.bulk.job import dream_set
from dreamray.bulk.record import Record, State
from dreamray.bulk.report import Report, RunState, Summary, thumbnails_of
from dreamray.bulk.sources import entries
from dreamray.bulk.task import Task
from dreamray.raster.lazy import ArrayRaster
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import LocalFile, LocalFolder


def summary() -> Summary:
    return Summary("out", "in", RunState.FINISHED, 0, 0, 0, 0, 1.0, "", "", "", "", "")


class TestClaim:
    def test_nothing_is_everybodys(self, tmp_path: Path) -> None:
        check_ours(LocalFolder(tmp_path / "absent"), "in", report=True)

    def test_what_runs_have_left_is_ours(self, tmp_path: Path) -> None:
        folder = LocalFolder(tmp_path)
        Report(folder).update(summary(), [])
        line = Record("a.png", "a.png", State.DONE).to_json()
        (tmp_path / "manifest.jsonl").write_text(f"{line}\n")
        check_ours(folder, "in", report=True)
        (tmp_path / "manifest.jsonl").write_text("")
        check_ours(folder, "in", report=True)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("manifest.jsonl", '{"my": "dataset"}\n'),
            ("manifest.jsonl", '{"my": "dataset"}'),
            ("index.html", "<h1>My page</h1>"),
        ],
    )
    def test_others_files_are_not_replaced(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "in" / "a.png").write_bytes(b"")
        (tmp_path / "out" / name).write_text(text)
        execution = Execution(weights="random")
        with pytest.raises(RequestError, match=f"{name}: there is a file that dreamray has not"):
            dream_set(str(tmp_path / "in"), str(tmp_path / "out"), execution=execution)
        assert (tmp_path / "out" / name).read_text() == text

    @pytest.mark.parametrize("name", ["pictures-00001.js", "after/a.png.jpg", "notes.txt"])
    def test_a_folder_of_others_is_not_taken_for_the_reports(
        self, tmp_path: Path, name: str
    ) -> None:
        file = LocalFolder(tmp_path).file(f"dreamray-report/{name}")
        file.write(b"precious")
        with pytest.raises(RequestError, match=f"{name}: dreamray has not made it"):
            check_ours(LocalFolder(tmp_path), "in", report=True)
        check_ours(LocalFolder(tmp_path), "in", report=True, overwrite=True)
        check_ours(LocalFolder(tmp_path), "in", report=False)
        assert file.read() == b"precious"

    def test_what_an_interrupted_run_has_left_of_a_report_is_ours(self, tmp_path: Path) -> None:
        picture = ArrayRaster(np.zeros((20, 30, 3), np.float32))
        thumbnails_of(LocalFolder(tmp_path), "a.png").write(picture, picture, None)
        check_ours(LocalFolder(tmp_path), "in", report=True)
        Report(LocalFolder(tmp_path)).update(summary(), [])
        for name in ("index.html", "dreamray-report/before/a.png.jpg"):
            (tmp_path / name).unlink()
        check_ours(LocalFolder(tmp_path), "in", report=True)

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize(
        "name",
        ["manifest.jsonl", "index.html", ".dreamray", ".dreamray/manifest", "dreamray-report"],
    )
    def test_links_out_of_the_destination_are_refused(
        self, tmp_path: Path, name: str, overwrite: bool
    ) -> None:
        outside = tmp_path / "outside"
        (outside / "manifest").mkdir(parents=True)
        (outside / "manifest" / "000001.jsonl").write_bytes(b"precious")
        out = tmp_path / "out"
        (out / name).parent.mkdir(parents=True)
        (out / name).symlink_to(outside if "." not in name[1:] else outside / "absent")
        with pytest.raises(RequestError, match=f"{name}: a symbolic link leads elsewhere"):
            check_ours(LocalFolder(out), "in", report=True, overwrite=overwrite)
        assert (outside / "manifest" / "000001.jsonl").read_bytes() == b"precious"

    def test_a_list_is_not_replaced_by_the_manifest(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.jsonl").write_text('{"source": "a.png"}')
        with pytest.raises(RequestError, match="this is the input"):
            check_ours(
                LocalFolder(tmp_path), f"{tmp_path}/manifest.jsonl", report=True, overwrite=True
            )

    def test_a_page_does_not_matter_without_a_report(self, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("<h1>My page</h1>")
        check_ours(LocalFolder(tmp_path), "in", report=False)


def task(tmp_path: Path, source: str, output: str) -> Task:
    out = LocalFolder(tmp_path / "out")
    return Task(output, LocalFile(tmp_path / source), out.file(output), Dream(), "")


class TestPlaces:
    def test_of_usual_pictures_are_all_right(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "out").symlink_to(tmp_path / "real")
        (tmp_path / "a.png").write_bytes(b"")
        for output in "a.png", "b/c.png", "out/out.png", "ü #.png":
            check_places(task(tmp_path, "a.png", output))

    def test_that_never_end_are_no_sources(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.png")
        with pytest.raises(PictureError, match="no regular file"):
            check_places(task(tmp_path, "a.png", "a.png"))

    @pytest.mark.parametrize("link", ["a.png", "b"])
    def test_that_links_lead_to_are_not_written(self, tmp_path: Path, link: str) -> None:
        (tmp_path / "in" / "b").mkdir(parents=True)
        (tmp_path / "in" / "a.png").write_bytes(b"")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / link).symlink_to(tmp_path / "in" / link)
        output = "a.png" if link == "a.png" else "b/a.png"
        with pytest.raises(PictureError, match="symbolic link leads elsewhere"):
            check_places(task(tmp_path, "in/a.png", output))


@pytest.mark.parametrize("link", ["symbolic", "hard", "to another's result"])
def test_no_source_is_replaced_by_a_result(tmp_path: Path, link: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"precious")
    (tmp_path / "out" / "b.png").write_bytes(b"precious")
    source = tmp_path / "a.png"
    if link == "hard":
        source.hardlink_to(tmp_path / "out" / "a.png")
    else:
        source.symlink_to(tmp_path / "out" / ("a.png" if link == "symbolic" else "b.png"))
    with pytest.raises(PictureError, match="lies in the destination"):
        check_places(task(tmp_path, "a.png", "a.png"))


def test_what_comes_into_the_place_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"source")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"precious")
    one = task(tmp_path, "a.png", "a.png")
    with pytest.raises(PictureError, match="dreamray has not made"):
        check_free(one)
    check_free(replace(one, overwrite=True))


def test_what_runs_leave_in_their_destinations_are_no_sources(tmp_path: Path) -> None:
    for name in "a.png", "x/b.png", "dreamray-report/after/a.png.jpg", "x/.dreamray/c.png":
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    found = entries(str(tmp_path / "in"), (), LocalFolder(tmp_path / "out"), lambda: None)
    assert [entry.name for entry in found] == ["a.png", "x/b.png"]
