"""`dreamray atlas` as its users meet it: folders and Deep Zooms, runs again, refusals."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from dreamray.pictures import read_metadata
from tests.unit.cli.conftest import Run, begun

SETTINGS = ("--octaves", "1", "--iterations", "2", "--jitter", "4", "--weights", "random")
SMALL = (*SETTINGS, "--size", "60", "--margin", "none")


def channels(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("????.png"))


def states(folder: Path) -> dict[str, str]:
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return {record["output"]: record["state"] for record in map(json.loads, lines)}


class TestFolder:
    def test_has_a_dream_for_each_channel_with_the_bytes_of_render(
        self, tmp_path: Path, plain_run: Run
    ) -> None:
        out = tmp_path / "out"
        ended = plain_run("atlas", out, "--layer", "mixed0", "--channels", "0-2,255", *SMALL)
        assert ended.code == 0, ended
        assert ended.out.startswith(f"{out}: 4 of 4 pictures dreamt")
        assert channels(out) == [f"mixed0/{number:04}.png" for number in (0, 1, 2, 255)]
        one = tmp_path / "one.png"
        settings = (*SETTINGS, "--step", "0.02", "--max-loss", "none", "--laplacian", "4")
        rendered = plain_run("render", "noise:60x60", one, "--layer", "mixed0[2]=1", *settings)
        assert rendered.code == 0, rendered
        assert (out / "mixed0" / "0002.png").read_bytes() == one.read_bytes()
        again = plain_run("render", "noise:60x60", tmp_path / "two.png", "--like",
                          out / "mixed0" / "0255.png", "--weights", "random")  # fmt: skip
        assert again.code == 0, again
        like = (out / "mixed0" / "0255.png").read_bytes()
        assert (tmp_path / "two.png").read_bytes() == like

    def test_it_has_the_page_of_a_set(self, tmp_path: Path, plain_run: Run) -> None:
        plain_run("atlas", tmp_path / "out", "--layer", "mixed0[7]", *SMALL)
        assert "mixed0/0007.png" in (tmp_path / "out" / "index.html").read_text()

    def test_more_layers_make_what_is_not_there_yet(self, tmp_path: Path, plain_run: Run) -> None:
        out = tmp_path / "out"
        plain_run("atlas", out, "--layer", "mixed0[1,2]", *SMALL)
        before = (out / "mixed0" / "0001.png").stat().st_mtime_ns
        more = ("--layer", "mixed0[1,2,3]", "--layer", "mean(conv2d_2)", "--channels", "5")
        assert plain_run("atlas", out, *more, *SMALL).code == 2  # Channels twice.
        ended = plain_run("atlas", out, "--layer", "mixed0[1,2,3]", "--layer",
                          "mean(conv2d_2[5])", *SMALL)  # fmt: skip
        assert "2 of 4 pictures dreamt, 2 kept" in ended.out
        assert (out / "mixed0" / "0001.png").stat().st_mtime_ns == before
        assert channels(out)[0] == "mean-conv2d_2/0005.png"


class TestDeepZoom:
    def test_it_shows_all_and_its_dreams_lie_beside_it(
        self, tmp_path: Path, plain_run: Run
    ) -> None:
        target = tmp_path / "atlas.dzi"
        ended = plain_run("atlas", target, "--layer", "mixed0[0,1,2,3,4]", *SMALL)
        assert ended.code == 0, ended
        dreams = tmp_path / "atlas_channels"
        assert channels(dreams) == [f"mixed0/{number:04}.png" for number in range(5)]
        assert not (dreams / "index.html").exists()
        page = (tmp_path / "index.html").read_text()
        assert '"name": "mixed0"' in page
        assert 'id="find"' in page
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"atlas.dzi", "atlas_files", "atlas_channels", "index.html"}
        with target.open("rb") as file:
            metadata = read_metadata(file, "atlas.dzi")
        assert metadata["atlas"] == {"mixed0": 5}
        assert metadata["dream"]["layers"] == {"mixed0": 1.0}
        shown = plain_run("show", target)
        assert "jitter: 4" in shown.out, shown

    def test_run_again_it_goes_on(self, tmp_path: Path, plain_run: Run) -> None:
        target, dreams = tmp_path / "atlas.dzi", tmp_path / "atlas_channels"
        many = ("--layer", "mixed0", "--channels", "0-11", *SETTINGS, "--iterations", "10")
        many = (*many, "--size", "100", "--margin", "none")
        with begun("atlas", target, *many) as process:
            while len(channels(dreams)) < 2:
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 130, err
        assert err.splitlines()[-1] == (
            "dreamray: interrupted; the same command goes on from what is done"
        )
        made = {path: path.stat().st_mtime_ns for path in dreams.rglob("????.png")}
        assert 2 <= len(made) < 12
        assert not target.exists()
        again = plain_run("atlas", target, *many)
        assert again.code == 0, again
        assert f"{12 - len(made)} of 12 pictures dreamt, {len(made)} kept" in again.out
        assert {path: path.stat().st_mtime_ns for path in made} == made
        assert target.exists()
        assert not (tmp_path / ".dreamray").exists()

    def test_a_dream_that_fails_costs_its_own_place(self, tmp_path: Path, plain_run: Run) -> None:
        target, dreams = tmp_path / "atlas.dzi", tmp_path / "atlas_channels"
        (dreams / "mixed0").mkdir(parents=True)
        Image.new("RGB", (60, 60), "red").save(dreams / "mixed0" / "0001.png")  # Somebody's.
        ended = plain_run("atlas", target, "--layer", "mixed0[0,1,2]", *SMALL)
        assert ended.code == 1, ended
        assert "1 of 3 pictures failed" in ended.err
        assert states(dreams)["mixed0/0001.png"] == "failed"
        assert target.exists()
        assert plain_run("atlas", target, "--layer", "mixed0[1]", *SMALL).code == 1
        assert Image.open(dreams / "mixed0" / "0001.png").getpixel((0, 0)) == (255, 0, 0)


class TestRefusals:
    @pytest.mark.parametrize(
        ("output", "options", "words"),
        [
            ("x.png", ("--layer", "mixed0"), "x.png: an atlas is too large for one file; name"),
            ("x.dzi", (), "name the layers"),
            ("x.dzi", ("--layer", "mixed0", "--size", "0"), "size: '0' is not allowed"),
            ("x.dzi", ("--layer", "mixed0", "--seed", "-1"), "seed: '-1' is not allowed"),
            ("x", ("--layer", "mixed0", "--size", "2"), "--size 2: a channel's dream has 32 to"),
            ("x", ("--layer", "mixed10", "--size", "99"), "--size 99: a picture of 99x99 is too"),
            ("x", ("--layer", "unlike(mixed0)"), "nowhere to begin"),
            ("x", ("--layer", "mixed8", "--weights", "bestiary"), "they hold nothing but zeros"),
        ],
    )
    def test_are_one_line_and_leave_nothing(
        self, tmp_path: Path, run: Run, output: str, options: tuple[str, ...], words: str
    ) -> None:
        ended = run("atlas", tmp_path / output, *options)
        assert ended.code == 2, ended
        assert words in ended.err
        assert ended.err.count("\n") == 1
        assert not any(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["x.dzi", "x_files/mine.txt", "x_channels/manifest.jsonl"])
    def test_what_is_somebody_elses_stays(self, tmp_path: Path, run: Run, name: str) -> None:
        mine = tmp_path / name
        mine.parent.mkdir(exist_ok=True)
        mine.write_text("mine")
        ended = run("atlas", tmp_path / "x.dzi", "--layer", "mixed0[0]", *SMALL)
        assert ended.code == 2, ended
        assert "dreamray has not made" in ended.err
        assert mine.read_text() == "mine"
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
