"""The training's commands and files: what is amiss is said at once, in a line; nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.places import PROJECT

pytest.importorskip("cv2", reason="the extra 'training' is not installed")

import keras
from PIL import Image

from dreamray.model.weights import bundled
from training import __main__ as commands
from training import checkpoints, outputs
from training.model import HEADS
from training.recipe import Origin, Recipe
from training.update import Outcome

ROOT = PROJECT
RECIPE = Recipe(updates=6)
ORIGIN = Origin(("owl", "fish"), 40, "bestiary-2, SHA-256 12ab", forget=True)


class TestOutputs:
    def test_a_file_is_whole_or_as_it_was(self, tmp_path: Path) -> None:
        """What was begun goes, whatever has stopped it."""
        path = tmp_path / "run.npz"
        with outputs.whole(path) as part:
            part.write_text("old")
        for error in (ZeroDivisionError, KeyboardInterrupt):
            with pytest.raises(error), outputs.whole(path) as part:  # noqa: PT012
                part.write_text("half")
                raise error
        assert path.read_text() == "old"
        assert [*tmp_path.iterdir()] == [path]

    def test_nobodys_file_is_hit_on_the_way(self, tmp_path: Path) -> None:
        """Not one that is named as what is begun may be, nor a link: the file behind it is."""
        other, path, link = (tmp_path / name for name in ("run.part.npz", "run.npz", "link.npz"))
        other.write_text("mine")
        link.symlink_to(path)
        with outputs.whole(link) as part:
            assert part.suffix == ".npz"
            part.write_text("new")
        assert link.is_symlink()
        assert path.read_text() == "new"
        assert other.read_text() == "mine"
        assert len([*tmp_path.iterdir()]) == 3

    def test_what_is_no_file_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe.npz"
        os.mkfifo(path)
        with pytest.raises(OSError, match="no file; name another"):
            outputs.check(path)
        with pytest.raises(OSError, match="no file; name another"), outputs.whole(path):
            pass
        assert path.is_fifo()

    def test_no_folder_is_advised_where_none_is_at_fault(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=r"cannot be written \(broken data stream\)$"):  # noqa: SIM117
            with outputs.whole(tmp_path / "sheet.png"):
                raise OSError("broken data stream")

    def test_a_full_disk_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "run.npz"
        with (
            pytest.raises(OSError, match=r"run\.npz: cannot be written \(No space.*make room"),
            outputs.whole(path),
            Path("/dev/full").open("w", buffering=1) as full,
        ):
            full.write("\n")

    @pytest.mark.parametrize("place", ["none/run.npz", "file/run.npz", ""])
    def test_a_place_that_cannot_be_written_is_told(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="name a"):
            outputs.check(tmp_path / place)
        assert [one.name for one in tmp_path.iterdir()] == ["file"]

    @pytest.mark.parametrize("name", ["sheet", "sheet.npz", "sheet.psd", "sheet.h5"])
    def test_a_picture_needs_a_suffix_that_can_be_written(self, tmp_path: Path, name: str) -> None:
        outputs.check_picture(tmp_path / "sheet.PNG")
        with pytest.raises(ValueError, match=r"name a \.png"):
            outputs.check_picture(tmp_path / name)


class TestCheckpoints:
    @staticmethod
    def variables(*shapes: tuple[int, ...]) -> dict[str, list[Any]]:
        return {"model": [keras.Variable(np.full(shape, 7, np.float32)) for shape in shapes]}

    @pytest.fixture
    def saved(self, tmp_path: Path) -> Path:
        path = tmp_path / "run.npz"
        checkpoints.save(path, self.variables((2, 3), (4,)), 5, RECIPE)
        return path

    def refused(self, path: Path, match: str, *shapes: tuple[int, ...]) -> None:
        """A checkpoint is, and the variables stay as they are."""
        variables = self.variables(*(shapes or ((2, 3), (4,))))
        for variable in variables["model"]:
            variable.assign(variable * 0)
        with pytest.raises(ValueError, match=match) as caught:
            checkpoints.restore(path, variables, RECIPE)
        assert str(caught.value).startswith(f"{path}: ")
        assert not any(np.any(variable) for variable in variables["model"])

    def test_what_was_saved_is_restored(self, saved: Path) -> None:
        variables = self.variables((2, 3), (4,))
        for variable in variables["model"]:
            variable.assign(variable * 0)
        assert checkpoints.restore(saved, variables, RECIPE) == 5
        assert all(np.all(np.asarray(variable) == 7) for variable in variables["model"])

    def test_variables_of_other_kinds_may_be_left(self, tmp_path: Path) -> None:
        path, both = (
            tmp_path / "run.npz",
            self.variables((2, 3)) | {"optimizer": self.variables((4,))["model"]},
        )
        checkpoints.save(path, both, 5, RECIPE)
        assert checkpoints.restore(path, self.variables((2, 3))) == 5

    @pytest.mark.parametrize(
        ("shapes", "said"),
        [
            ([(2, 3), (5,)], r"model_1 is \(4,\) in it, and \(5,\) here"),
            ([(2, 3), (4,), (1,)], r"model_2 is missing in it, and \(1,\) here"),
            ([(2, 3)], r"model_1 is \(4,\) in it, and missing here"),
        ],
    )
    def test_another_networks_checkpoint_is_refused(
        self, saved: Path, shapes: list[tuple[int, ...]], said: str
    ) -> None:
        self.refused(saved, f"a checkpoint of another network .{said}.*--last", *shapes)

    @pytest.mark.parametrize(
        "spoil", [lambda d: b"", lambda d: b"junk", lambda d: d[:-40], lambda d: d[:90] + b"!" * 99]
    )
    def test_a_damaged_file_is_refused(self, saved: Path, spoil: Any) -> None:
        saved.write_bytes(spoil(saved.read_bytes()))
        self.refused(saved, "cannot be read as a checkpoint .*; name another")

    @pytest.mark.parametrize(
        "changed",
        [{"done": "x"}, {"done": -1}, {"done": [1, 2]}, {"recipe": "{"}, {"recipe": "[]"}],
    )
    def test_a_file_that_says_nonsense_is_refused(
        self, saved: Path, changed: dict[str, Any]
    ) -> None:
        with np.load(saved) as file:
            arrays = {**file, **changed}
        np.savez(saved, **arrays)
        self.refused(saved, "cannot be read as a checkpoint")

    def test_words_are_no_variables(self, saved: Path) -> None:
        with np.load(saved) as file:
            arrays = {**file, "model_1": np.array([*"abcd"])}
        np.savez(saved, **arrays)
        self.refused(saved, "model_1 is no numbers in it")

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        np.save(tmp_path / "one.npy", np.zeros(3))
        np.savez(tmp_path / "some.npz", a=np.zeros(3))
        for name in ("one.npy", "some.npz", ""):
            self.refused(tmp_path / name, "cannot be read as a checkpoint")
        with pytest.raises(FileNotFoundError, match="no such checkpoint; name one"):
            checkpoints.restore(tmp_path / "none.npz", {})

    @pytest.mark.parametrize(
        "change", [{"seed": 1}, {"decay": 0.1}, {"replays": 1}, {"batch": 4, "pixels": 80}]
    )
    def test_another_recipe_is_refused_and_what_differs_is_named(
        self, saved: Path, change: dict[str, Any]
    ) -> None:
        """Whoever goes on by mistake with the defaults is to know."""
        checkpoints.save(saved, self.variables((2, 3), (4,)), 5, replace(RECIPE, **change))
        now = asdict(RECIPE)
        said = ", ".join(f"{k} {change[k]} became {now[k]}" for k in now if k in change)
        self.refused(saved, rf"another recipe \({said}\); go on .* another file")

    @pytest.mark.parametrize("change", [{"updates": 9}, {"rate": 1e-4}])
    def test_a_training_may_be_made_longer_or_calmer(
        self, saved: Path, change: dict[str, Any]
    ) -> None:
        other = replace(RECIPE, **change)
        assert checkpoints.restore(saved, self.variables((2, 3), (4,)), other) == 5

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"start": None}, "start bestiary-2, SHA-256 12ab became None"),
            ({"forget": False}, "forget True became False"),
            ({"pictures": 80}, "pictures 40 became 80"),
            ({"families": ("owl", "moa")}, "families: number 1, fish, became moa"),
            ({"families": ("owl", "fish", "moa")}, "2 families became 3"),
        ],
    )
    def test_another_origin_is_refused_and_what_differs_is_named(
        self, saved: Path, change: dict[str, Any], said: str
    ) -> None:
        variables = self.variables((2, 3), (4,))
        checkpoints.save(saved, variables, 5, RECIPE, ORIGIN)
        assert checkpoints.restore(saved, variables, RECIPE, ORIGIN) == 5
        assert checkpoints.restore(saved, variables, families=["owl", "fish"]) == 5
        with pytest.raises(ValueError, match=rf"something else \({said}\); go on"):
            checkpoints.restore(saved, variables, RECIPE, replace(ORIGIN, **change))

    def test_a_file_that_tells_neither_recipe_nor_origin_is_read(self, saved: Path) -> None:
        """Earlier ones did not."""
        with np.load(saved) as file:
            arrays = {name: file[name] for name in file if name != "recipe"}
        np.savez(saved, **arrays)
        assert checkpoints.restore(saved, self.variables((2, 3), (4,)), RECIPE, ORIGIN) == 5


LOOK = ["look", "pictures", "run.npz", "sheet.png", "lake.png"]
EXPORT = ["export", "pictures", "run.npz", "out.npz", "--version=2"]
TRAIN = ["train", "pictures", "run.npz"]
MANY = 769


class TestCommands:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """With pictures, of no more families than there are, a checkpoint that is none, a photo."""
        monkeypatch.chdir(tmp_path)
        # It would stay so for all tests after these.
        monkeypatch.setattr("training.update.repeatable", lambda seed: None)
        for name, families in (("pictures", ["owl"]), ("many", ["owl"] * MANY), ("old", ["dodo"])):
            Path(name).mkdir()
            Path(name, "families.json").write_text(json.dumps(families))
            np.save(Path(name, "shard-00000.npy"), np.zeros((10, 128, 128, 3), np.uint8))
        Path("empty").mkdir()
        Path("run.npz").write_text("junk")
        Path("lake.png").symlink_to(ROOT / "examples" / "lake.png")
        return tmp_path

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["paint"], "paint"),
            (["train"], "folder"),
            (["sheet", "out.png", "unicorn"], "unicorn"),
            (["sheet", "out.npz"], "name a .png"),
            (["sheet", "none/out.png"], "cannot be written"),
            (["draw", "run.npz"], "name another"),
            (["draw", "old"], "other families; name another"),
            (["train", "empty", "run.npz"], "draw some first"),
            (["train", "none", "run.npz"], "draw some first"),
            (["train", "pictures", "none/run.npz"], "cannot be written"),
            (["train", "pictures", "empty"], "it is a folder"),
            (["train", "many", "new.npz"], "769 families"),
            ([*TRAIN, "--forget", "--still=1"], "without --start"),
            ([*TRAIN, "--forget", "--start=random"], "needs --still 1"),
            ([*TRAIN, "--last=mixed2"], "mixed3"),
            ([*TRAIN, "--rate=nan"], "--rate"),
            ([*TRAIN, "--rate=inf"], "--rate"),
            ([*TRAIN, "--start=none.h5"], "none.h5"),
            ([*LOOK, "--width=40"], "pixels a side"),
            ([*LOOK, "--layer=mixed3"], "NAME=WEIGHT"),
            ([*LOOK, "--layer=mixed3=1,2"], "NAME=WEIGHT"),
            ([*LOOK, "--layer=mixed3=1,,mixed4=1"], "NAME=WEIGHT"),
            ([*LOOK, "--layer=mixed4[1,2=1"], "NAME=WEIGHT"),
            ([*LOOK, "--layer=mixed3=0"], "mixed3 has weight 0"),
            ([*LOOK, "--layer=mixed4=1", "--last=mixed3"], "mixed4 lies behind mixed3"),
            ([*LOOK, "--beside=none.h5"], "none.h5"),
            ([*LOOK, "run.npz"], "run.npz is damaged"),
            ([*LOOK, "none.png"], "none.png: no such file"),
            (["look", "pictures", "run.npz", "out.txt", "lake.png"], "name a .png"),
            ([*LOOK, "--also=none.npz"], "none.npz"),
            (["look", "pictures", "none.npz", "out.png", "lake.png"], "none.npz"),
            (["look", "empty", "run.npz", "out.png", "lake.png"], "draw some first"),
            ([*EXPORT, "--layer=mixed6=1"], "mixed6 lies behind mixed5"),
            ([*EXPORT, "--fact=updates"], "'updates' is not of the form KEY=VALUE"),
            ([*EXPORT, "--fact==3"], "KEY=VALUE"),
            (["export", "pictures", "run.npz", "none/o.npz", "--version=2"], "cannot be written"),
            (["export", "old", "run.npz", "out.npz", "--version=2"], "no more: dodo"),
        ],
    )
    def test_what_cannot_be_done_is_said_in_one_line(
        self, folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Before any work, and nothing is written."""
        before = sorted(folder.rglob("*"))
        with pytest.raises(SystemExit) as caught:
            commands.main(arguments)
        assert caught.value.code not in (0, None)
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("training: ")
        assert err.count("\n") == 1
        assert said in err
        assert sorted(folder.rglob("*")) == before

    @pytest.mark.parametrize(
        ("arguments", "option", "below"),
        [
            *((["sheet", "out.png"], name, 0) for name in ("each", "columns", "side")),
            *((["draw", "new"], name, 0) for name in ("shards", "processes")),
            *((TRAIN, name, 0) for name in ("updates", "batch", "replays")),
            (TRAIN, "pixels", 74),
            (TRAIN, "keep", -1),
            *((TRAIN, name, -1) for name in ("seed", "rate", "dream-step", "save-seconds")),
            *((TRAIN, name, -0.1) for name in ("dream-penalty", "still")),
            (TRAIN, "still", 1.1),
            (LOOK, "width", 0),
            (LOOK, "liking", -1),
            (EXPORT[:-1], "version", 0),
        ],
    )
    def test_numbers_have_bounds(
        self, arguments: list[str], option: str, below: float, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            commands.main([*arguments, f"--{option}={below}"])
        err = capsys.readouterr().err
        assert f"--{option}" in err
        assert err.count("\n") == 1

    def test_in_a_process_of_its_own_too(self) -> None:
        run = subprocess.run(
            [sys.executable, "-m", "training", *EXPORT[:3], "none/out.npz", "--version=2"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 1
        assert run.stderr.startswith("training: none/out.npz: cannot be written")
        assert run.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("error", "code", "said"),
        [
            (KeyboardInterrupt(), 130, ["training: interrupted\n"]),
            (
                ImportError("No module named 'jax'"),
                1,
                ["'jax': ", "pip install -e '.[training]'"],
            ),
            (MemoryError(), 1, ["memory has run out"]),
            (ZeroDivisionError("division by zero"), 1, ["division by zero"]),
        ],
    )
    def test_other_ends_take_one_line_too(
        self,
        error: BaseException,
        code: int,
        said: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def fail(path: Path) -> None:
            raise error

        monkeypatch.setattr(outputs, "check", fail)
        with pytest.raises(SystemExit) as caught:
            commands.main(TRAIN)
        assert caught.value.code == code
        err = capsys.readouterr().err
        assert err.startswith("training: ")
        assert all(part in err for part in said)
        assert err.count("\n") == 1

    def test_copies_stay_on_the_way(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each after the updates that its name tells; what is done is not undone."""
        nothing = Outcome(np.zeros((2, 80, 80, 3), np.float32), *np.zeros((3, 2), np.float32))
        monkeypatch.setattr("training.trainer.updating", lambda *_: lambda *_: nothing)
        monkeypatch.setattr(
            "training.model.network", lambda *_: keras.Sequential([keras.Input((2,))])
        )
        train = ["train", "pictures", "new.npz", "--batch=2", "--pixels=80", "--replays=2"]
        commands.main([*train, "--updates=9", "--keep=3"])
        kept = {path.name: int(np.load(path)["done"]) for path in Path().glob("new*.npz")}
        assert kept == {"new.npz": 9, "new-00004.npz": 4, "new-00006.npz": 6}
        before = Path("new.npz").read_bytes()
        for changed, said in (
            ("--updates=8", "9 updates are made"),
            ("--start=random:1", "start None became random:1, SHA-256"),
        ):
            monkeypatch.setattr("training.model.start_from", lambda *_: None)
            with pytest.raises(SystemExit):
                commands.main([*train, "--updates=9", changed])
            assert said in capsys.readouterr().err
        assert Path("new.npz").read_bytes() == before

    def test_help_is_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            commands.main([])
        out, err = capsys.readouterr()
        assert "export" in out + err
        assert "training:" not in out + err

    def test_networks_end_where_they_may(self) -> None:
        assert [*commands.Block] == [*HEADS]

    @pytest.mark.parametrize(
        ("last", "rows"),
        [
            ("mixed3", ["mixed3=1"]),
            ("mixed4", ["mixed3=1", "mixed4=1"]),
            ("mixed5", ["mixed3=0.9,mixed4=0.3,mixed5=1.5", "mixed3=1", "mixed4=1", "mixed5=1"]),
        ],
    )
    def test_a_sheet_has_the_rows_that_the_network_reaches(
        self, last: str, rows: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And those of other weights; written when all is done."""
        shown = []

        def sheet(pictures: Any, candidates: Any) -> Any:
            shown.extend(candidates)
            return Image.new("RGB", (1, 1))

        monkeypatch.setattr("training.finish.finished", lambda *_, **__: None)
        monkeypatch.setattr("training.select.dream_sheet", sheet)
        commands.main([*LOOK, f"--last={last}", "--beside=bestiary", "--width=200"])
        assert shown == [*rows, "bestiary"]
        assert Path("sheet.png").is_file()
        shown.clear()
        Path("run-00300.npz").touch()
        commands.main([*LOOK, f"--last={last}", "--also=run-00300.npz", "--width=200"])
        assert shown == [f"{path}: {row}" for path in ("run.npz", "run-00300.npz") for row in rows]

    def test_weights_are_written_with_layers_and_facts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shipped = bundled.read().weights
        monkeypatch.setattr("training.finish.finished", lambda *_, **__: shipped)
        commands.main([*EXPORT, "--layer=mixed4[1,2]=1,conv2d_5=2", "--fact=a=b=c"])
        about = bundled.decode(Path("out.npz").read_bytes()).about
        assert about.layers == {"conv2d_5": 2.0, "mixed4[1,2]": 1.0}
        assert about.training == {"a": "b=c"}

    def test_a_start_that_does_not_reach_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Its zeros would never learn."""
        weights = bundled.read().weights
        blank = tuple(kernel * (n < 40) for n, kernel in enumerate(weights.kernels))
        monkeypatch.setattr(
            "dreamray.model.weights.loader.load", lambda source: replace(weights, kernels=blank)
        )
        with pytest.raises(SystemExit):
            commands.main([*TRAIN, "--start=half.h5"])
        assert "nothing but zeros on the way to mixed5" in capsys.readouterr().err
