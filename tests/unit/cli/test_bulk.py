"""`dreamray bulk` as its users meet it: folders in and out, interruptions, refusals."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.unit.cli.conftest import Run, begun

SETTINGS = ("--layer", "mixed0=1", "--octaves", "1", "--iterations", "1", "--weights", "random")
A_WHILE = (*SETTINGS, "--iterations", "10", "--max-loss", "none")
ENDLESS = (*SETTINGS, "--iterations", "100000", "--max-loss", "none")
MANY = 12
"""Pictures, of which each takes most of a second with `A_WHILE`."""


def save(path: Path, seed: int, height: int = 120, width: int = 140) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good pictures and a bad one."""
    folder = tmp_path_factory.mktemp("sources")
    for number, name in enumerate(["1.png", "2.jpg", "a/3.png", "a/b/4 ü#.webp", "a/5.gif"]):
        save(folder / name, number)
    (folder / "a" / "bad.png").write_bytes(b"no picture")
    return folder


RESULTS = {"1.png", "2.jpg", "a/3.png", "a/b/4 ü#.webp", "a/5.png"}


COMMANDS = """
import contextlib, json, sys
from dreamray.cli.app import main
for command in json.loads(sys.argv[1]):
    sys.argv = ["dreamray", *command]
    with contextlib.suppress(SystemExit):
        main()
"""


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if word in line:
            return
    raise AssertionError(f"no {word!r} in {lines}")


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return {record["output"]: record for record in map(json.loads, lines)}


def results(folder: Path) -> dict[str, str]:
    """The sha256 of each file, by its name, without what belongs to the run."""
    names = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if not name.startswith(("manifest.jsonl", "index.html", "dreamray-report/"))
    }


def wait_for(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len(list(folder.glob("*.png"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def made(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set, and beside it `1.png` as `render` makes it, of one process."""
    folder = tmp_path_factory.mktemp("made") / "dreams"
    commands = [
        ["bulk", str(sources), str(folder), *SETTINGS],
        ["render", str(sources / "1.png"), str(folder.parent / "1.png"), *SETTINGS],
    ]
    run = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=240, check=True)
    assert "5 of 6 pictures dreamt, 1 failed" in ended.stdout
    assert "bad.png is none of JPEG" in ended.stderr
    return folder


@pytest.mark.slow
class TestFolders:
    def test_results_are_those_of_render(self, made: Path) -> None:
        """Of another process: in this one TensorFlow may compute as other tests have set it to."""
        found = results(made)
        assert found.keys() == RESULTS
        rendered = (made.parent / "1.png").read_bytes()
        assert found["1.png"] == hashlib.sha256(rendered).hexdigest()

    def test_all_are_accounted_for(self, made: Path) -> None:
        records = manifest(made)
        assert records.keys() == RESULTS | {"a/bad.png"}
        states = {name: record["state"] for name, record in records.items()}
        assert states.pop("a/bad.png") == "failed"
        assert set(states.values()) == {"done"}
        for name in RESULTS:
            for side in ("before", "after"):
                assert (made / "dreamray-report" / side / f"{name}.jpg").is_file()
        assert "5" in (made / "index.html").read_text()

    def test_run_again_nothing_is_made_twice(self, sources: Path, made: Path, run: Run) -> None:
        before = {name: (made / name).stat().st_mtime_ns for name in RESULTS}
        ended = run("bulk", sources, made, *SETTINGS)
        assert "0 of 6 pictures dreamt, 5 kept, 1 failed" in ended.out
        assert {name: (made / name).stat().st_mtime_ns for name in RESULTS} == before

    def test_without_failures_it_ends_well_and_then_writes_nothing(
        self, sources: Path, tmp_path: Path, run: Run
    ) -> None:
        options = ("--include", "a/3.png", "--format", "jpeg", "--no-report", *SETTINGS)
        first = run("bulk", sources, tmp_path / "out", *options)
        assert first.code == 0, first
        names = sorted(str(p.relative_to(tmp_path / "out")) for p in tmp_path.rglob("*.*"))
        assert names == ["a/3.jpg", "manifest.jsonl"]
        before = (tmp_path / "out" / "manifest.jsonl").stat().st_mtime_ns
        again = run("bulk", sources, tmp_path / "out", *options)
        assert again.code == 0
        assert "0 of 1 picture dreamt, 1 kept" in again.out
        assert (tmp_path / "out" / "manifest.jsonl").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(MANY):
        save(folder / f"{number:02}.png", number)
    return folder


@pytest.mark.slow
class TestInterruptions:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_leave_what_is_done_and_nothing_half_done(
        self, number: signal.Signals, many: Path, tmp_path: Path, plain_run: Run
    ) -> None:
        out = tmp_path / "out"
        with begun("bulk", many, out, *A_WHILE) as process:
            wait_for(out, 3, process)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 130, err
        assert err.splitlines()[-1] == (
            "dreamray: interrupted; the same command goes on from what is done"
        )
        done = results(out)
        assert 3 <= len(done) < MANY
        assert manifest(out).keys() <= done.keys()  # One may be stored at the last moment.
        assert "stopped" in (out / "index.html").read_text()
        again = plain_run("bulk", many, out, *A_WHILE)
        assert again.code == 0, again
        assert f"{MANY - len(done)} of {MANY} pictures dreamt, {len(done)} kept" in again.out
        assert done.items() <= results(out).items()

    def test_a_killed_run_is_gone_on_with_at_once(
        self, many: Path, tmp_path: Path, plain_run: Run
    ) -> None:
        out = tmp_path / "out"
        with begun("bulk", many, out, *A_WHILE) as process:
            wait_for(out, 3, process)
            process.kill()
        assert (out / ".dreamray" / "lease.json").exists()
        for half_written in out.rglob("*.part"):
            half_written.unlink()
        made = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
        again = plain_run("bulk", many, out, *A_WHILE)
        assert again.code == 0, again
        assert {path: path.stat().st_mtime_ns for path in made} == made
        names = {f"{number:02}.png" for number in range(MANY)}
        assert results(out).keys() == manifest(out).keys() == names

    def test_a_second_run_at_the_same_time_is_refused(self, tmp_path: Path, plain_run: Run) -> None:
        save(tmp_path / "in" / "1.png", 1)
        arguments = ("bulk", tmp_path / "in", tmp_path / "out", *ENDLESS)
        with begun(*arguments) as first:
            read_until(first, "0 of 1 done")
            second = plain_run(*arguments)
            assert second.code == 2, second
            assert str(first.pid) in second.err
            assert first.poll() is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("nowhere", "out"), ("nowhere", "no such folder")),
            (("in/1.png", "out"), ("one picture", "dreamray render")),
            (("in", "."), ("the sources lie in it",)),
            (("in", "out", "--format", "gif"), ("--format", "png, jpeg, webp, tiff")),
            (("in", "out", "--max-failures", "-1"), ("--max-failures", "5%")),
            (("in", "out", "--max-failures", "120%"), ("--max-failures", "5%")),
            (("bad.csv", "out"), ("bad.csv", "line 2", "stepp")),
            (("far.txt", "out", "--step", "x"), ("step",)),
        ],
    )
    def test_before_anything_is_written(
        self,
        options: tuple[str, ...],
        words: tuple[str, ...],
        tmp_path: Path,
        run: Run,
        monkeypatch: Any,
    ) -> None:
        save(tmp_path / "in" / "1.png", 1)
        (tmp_path / "bad.csv").write_text("source,stepp\na.png,1\n")
        (tmp_path / "far.txt").write_text("a.png\n")
        monkeypatch.chdir(tmp_path)
        ended = run("bulk", *options, "--weights", "random")
        assert ended.code == 2, ended
        last = ended.err.splitlines()[-1]
        assert last.startswith("dreamray: ")
        for word in words:
            assert word in last
        assert not list((tmp_path / "out").rglob("*"))

    def test_too_many_failures_stop_the_run(self, tmp_path: Path, run: Run) -> None:
        for number in range(30):
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "in" / f"{number:02}.png").write_bytes(b"")
        ended = run("bulk", tmp_path / "in", tmp_path / "out", *SETTINGS, "--max-failures", 3)
        assert ended.code == 1
        assert "more than --max-failures 3" in ended.err.splitlines()[-1]
        assert len(manifest(tmp_path / "out")) < 30
