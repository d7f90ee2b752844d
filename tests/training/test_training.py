"""The training of the bestiary weights: its pictures, its updates, its checkpoints, its balance."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.support.places import PROJECT

pytest.importorskip("cv2", reason="the extra 'training' is not installed")

import keras
import psutil
from PIL import Image

from dreamray.model.architecture import CONVOLUTIONS
from dreamray.model.weights.loader import load
from dreamray.settings.dream import Dream
from training.astray import Astray
from training.balance import Response, level, liked, response, scaled
from training.bestiary import FAMILIES, SIDE, picture
from training.bestiary.registry import family
from training.checkpoints import restore
from training.dreams import Dreamt, dreamt
from training.finish import LIKING, finished
from training.gallery import SHARD, Batch, Gallery, _drawn
from training.model import convolutions, folded, forget_names, network, start_from
from training.recipe import Origin, Recipe
from training.report import Report
from training.select import dream_sheet, shown
from training.sheets import bestiary_sheet, sheet
from training.trainer import Progress, Trainer
from training.update import Outcome, Weighing, losses, repeatable
from training.views import views

ROOT = PROJECT

TINY = Recipe(updates=6, batch=3, pixels=80, smallest_crop=80, replays=3, warm_up=1)


@pytest.fixture(scope="module")
def shallow() -> keras.Model:
    """A network of five families up to mixed3; its weights are whatever the last test left."""
    return network(5, last="mixed3")


@pytest.fixture(scope="module")
def deeper() -> keras.Model:
    """A network of seven families up to mixed4; its weights are whatever the last test left."""
    return network(7, last="mixed4")


load_weights = functools.cache(load)
"""Random weights take a second or two."""


class TestPictures:
    def test_every_family_draws_many_pictures(self) -> None:
        """None fails, none is empty, and no two pictures of a family are the same."""
        for name in FAMILIES:
            pictures = [picture(name, seed) for seed in range(2)]
            assert all(p.shape == (SIDE, SIDE, 3) and p.dtype == np.uint8 for p in pictures), name
            assert all(p.std() > 1 for p in pictures), name
            assert len({p.tobytes() for p in pictures}) == len(pictures), name

    def test_the_same_seed_gives_the_same_bytes_in_another_process(self) -> None:
        """Whatever was drawn before, and however Python hashes."""
        names = [*FAMILIES][::7]
        for name in reversed(names):
            picture(name, 1)
        here = hashlib.sha256(b"".join(picture(name, 1).tobytes() for name in names))
        code = (
            "import hashlib; from training.bestiary import picture;"
            f"data = b''.join(picture(name, 1).tobytes() for name in {names!r});"
            "print(hashlib.sha256(data).hexdigest())"
        )
        there = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": "5", "PATH": "", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here.hexdigest()

    def test_a_name_is_taken_once(self) -> None:
        """A second family of a name is refused when its module is imported."""
        with pytest.raises(ValueError, match="two families called owl"):

            @family("heads")
            def owl(pen: object) -> None: ...

    def test_families_are_many_and_grouped(self) -> None:
        """At least the motifs that a stranger is to recognise are there."""
        wanted = {"human_eye", "owl", "daisy", "nautilus", "feather", "fish", "butterfly", "pagoda"}
        assert wanted <= {*FAMILIES}
        assert len(FAMILIES) > 80

    def test_labels_do_not_depend_on_where_a_family_is_written_down(self) -> None:
        """The order is that of groups and names, whichever module was imported first."""
        placed = [(kind.group, name) for name, kind in FAMILIES.items()]
        assert placed == sorted(placed)
        modules = [kind.draw.__module__ for kind in FAMILIES.values()]
        assert modules != sorted(modules)


def die(names: list[str], shard: int) -> None:
    os._exit(1)


class TestGallery:
    @pytest.fixture
    def gallery(self, tmp_path: Path) -> Gallery:
        """Two shards that hold their pictures' numbers instead of drawings."""
        (tmp_path / "families.json").write_text(json.dumps([*"abcdefg"]))
        for shard in range(2):
            numbers = np.arange(SHARD) + shard * SHARD
            pictures = np.zeros((SHARD, 1, 1, 3), np.uint8)
            pictures[:, 0, 0, 0], pictures[:, 0, 0, 1] = numbers // 256, numbers % 256
            np.save(tmp_path / f"shard-{shard:05}.npy", pictures)
        return Gallery(tmp_path)

    def test_a_walk_shows_each_picture_once_with_its_label(self, gallery: Gallery) -> None:
        """The first walk holds every picture once; the next one is in another order."""
        size = 500
        batches = [gallery.batch(number, size, 1) for number in range(2 * SHARD * 2 // size)]
        numbers = [
            int(pixel[0, 0, 0]) * 256 + int(pixel[0, 0, 1]) for b in batches for pixel in b.pictures
        ]
        labels = [int(label) for b in batches for label in b.labels]
        assert labels == [number % 7 for number in numbers]
        first, second = numbers[: 2 * SHARD], numbers[2 * SHARD :]
        assert sorted(first) == sorted(second) == [*range(2 * SHARD)]
        assert first != second

    def test_batches_depend_on_seed_and_number_alone(self, gallery: Gallery) -> None:
        """Asked again, in any order, a batch is the same."""
        again = Gallery(gallery.folder)
        assert np.array_equal(again.batch(3, 8, 5).labels, gallery.batch(3, 8, 5).labels)
        assert not np.array_equal(gallery.batch(3, 8, 6).labels, gallery.batch(3, 8, 5).labels)

    def test_other_families_are_refused(self, gallery: Gallery) -> None:
        """A folder's labels mean what they meant when it was drawn."""
        with pytest.raises(ValueError, match="other families"):
            next(gallery.draw(3, 1))

    def test_an_empty_folder_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="draw some first"):
            Gallery(tmp_path).batch(0, 4, 0)

    @pytest.mark.parametrize("content", ["", "[", "{}", "[]", "[1]", "\udcff"])
    def test_damaged_names_are_told(self, gallery: Gallery, content: str) -> None:
        """No label means anything then; drawing leaves them as they are."""
        listed = gallery.folder / "families.json"
        listed.write_bytes(content.encode(errors="surrogateescape"))
        for ask in (lambda: gallery.batch(0, 4, 0), lambda: next(gallery.draw(3, 1))):
            with pytest.raises(ValueError, match=r"families\.json is damaged.*another folder"):
                ask()
        assert listed.read_bytes() == content.encode(errors="surrogateescape")

    def test_pictures_without_names_are_refused(self, gallery: Gallery) -> None:
        """They may be of other families than those of today."""
        (gallery.folder / "families.json").unlink()
        for ask in (lambda: gallery.batch(0, 4, 0), lambda: next(gallery.draw(3, 1))):
            with pytest.raises(ValueError, match=r"families\.json is missing.*another folder"):
                ask()
        assert not (gallery.folder / "families.json").exists()

    @pytest.mark.parametrize("spoil", [lambda d: b"", lambda d: b"PK" + d, lambda d: d[:-9]])
    def test_a_damaged_shard_is_told(self, gallery: Gallery, spoil: Any) -> None:
        shard = gallery.folder / "shard-00001.npy"
        shard.write_bytes(spoil(shard.read_bytes()))
        with pytest.raises(ValueError, match=r"shard-00001\.npy cannot be read.*draw again"):
            gallery.batch(0, 4, 0)

    def test_other_arrays_are_no_pictures(self, gallery: Gallery) -> None:
        np.save(gallery.folder / "shard-00001.npy", np.zeros((4, 4), np.float32))
        with pytest.raises(ValueError, match="an array float32"):
            gallery.batch(0, 4, 0)

    @pytest.mark.parametrize(
        ("shard", "shape"),
        [
            (0, (SHARD - 1, 1, 1, 3)),
            (1, (SHARD, 2, 1, 3)),
            (1, (0, 1, 1, 3)),
            (1, (SHARD + 1, 1, 1, 3)),
        ],
    )
    def test_shards_are_full_and_of_one_size(
        self, gallery: Gallery, shard: int, shape: tuple[int, ...]
    ) -> None:
        """Else a picture would get another's label; the last one may have fewer pictures."""
        np.save(gallery.folder / "shard-00001.npy", np.zeros((SHARD - 1, 1, 1, 3), np.uint8))
        assert gallery.total == 2 * SHARD - 1
        np.save(gallery.folder / f"shard-{shard:05}.npy", np.zeros(shape, np.uint8))
        with pytest.raises(ValueError, match=r"no shape for it beside the others.*draw again"):
            gallery.batch(0, 4, 0)

    def test_shards_hold_the_pictures_of_their_numbers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each is written when it is drawn, before anybody asks for it."""
        monkeypatch.setattr("training.gallery.SHARD", 3)
        names = [*FAMILIES]
        wanted = [np.stack([picture(names[n], n) for n in range(a, a + 3)]) for a in (0, 3)]
        np.testing.assert_array_equal(_drawn(names, 1), wanted[1])
        drawing = Gallery(tmp_path).draw(2, 2)
        assert next(drawing) == 0
        until = time.monotonic() + 30
        while not (tmp_path / "shard-00001.npy").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        assert [*drawing] == [1]
        for number, pictures in enumerate(wanted):
            np.testing.assert_array_equal(np.load(tmp_path / f"shard-{number:05}.npy"), pictures)
        assert len([*tmp_path.iterdir()]) == 3

    def test_nobody_goes_on_drawing_when_the_command_is_killed(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "training", "draw", tmp_path / "p", "--processes=2"]
        with subprocess.Popen(command, cwd=ROOT) as drawing:
            until = time.monotonic() + 30
            while len(workers := psutil.Process(drawing.pid).children()) < 2:
                assert time.monotonic() < until
                time.sleep(0.05)
            drawing.kill()
        _, alive = psutil.wait_procs(workers, timeout=10)
        for worker in alive:
            worker.kill()
        assert not alive

    def test_a_drawing_process_that_is_killed_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("training.gallery._drawn", die)
        with pytest.raises(OSError, match="fewer --processes"):
            next(Gallery(tmp_path).draw(2, 1))

    def test_what_was_drawn_stays(self, gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
        """Drawn again, neither the names nor the pictures are written anew."""
        monkeypatch.setattr("training.gallery.FAMILIES", dict.fromkeys("abcdefg"))
        before = {path: path.stat().st_mtime_ns for path in gallery.folder.iterdir()}
        assert not [*gallery.draw(2, 1)]
        assert {path: path.stat().st_mtime_ns for path in gallery.folder.iterdir()} == before


class TestRecipe:
    def test_the_rate_rises_and_falls_to_zero_and_stays_there(self) -> None:
        recipe = Recipe(updates=100, warm_up=10, rate=1.0)
        rates = [recipe.rate_at(update) for update in range(140)]
        assert rates[:10] == sorted(rates[:10])
        assert rates[10:] == sorted(rates[10:], reverse=True)
        assert max(rates) > 0.95
        assert rates[100:] == [0.0] * 40

    @pytest.mark.parametrize(("still", "first"), [(0.0, 10), (0.2, 8), (1.0, 0)])
    def test_norms_are_held_for_a_share_at_the_end(self, still: float, first: int) -> None:
        recipe = Recipe(updates=10, still=still)
        assert [recipe.is_still(u) for u in range(10)] == [u >= first for u in range(10)]


class TestAstray:
    def test_names_stay_within_their_radius_and_dreams_step_evenly(self) -> None:
        """The one kind never leaves its ball; the other's step has the size that was drawn."""
        recipe = replace(TINY, batch=40)
        random = np.random.default_rng(3)
        astray = Astray.start(recipe, random)
        for _ in range(4):
            before = astray.change
            gradient = random.standard_normal(before.shape).astype(np.float32) ** 3
            astray = astray.moved(gradient)
            lengths = np.sqrt(np.square(astray.change).sum((1, 2, 3)))
            named = ~astray.dreaming
            assert named.any()
            assert astray.dreaming.any()
            assert (lengths[named] <= astray.radius[named] * 1.001 + 1e-6).all()
            steps = np.abs(astray.change - before).mean((1, 2, 3))[astray.dreaming]
            np.testing.assert_allclose(steps, astray.step[astray.dreaming], rtol=1e-3)

    def test_dreams_teach_at_their_end_only(self) -> None:
        """On the way, their names count nothing; at the end, their excess counts more."""
        recipe = replace(TINY, batch=40)
        astray = Astray.start(recipe, np.random.default_rng(3))
        way, end = (astray.weighing(recipe, replay) for replay in (0, recipe.replays - 1))
        assert (way.name == ~astray.dreaming).all()
        assert ((way.dream > 0) == astray.dreaming).all()
        assert (end.name == 1).all()
        assert (end.dream == 0).all()
        assert (end.excess[astray.dreaming] == np.float32(recipe.dream_penalty)).all()


class Trained(NamedTuple):
    """What two processes found, the one killed and the other not."""

    folder: Path
    """`killed.npz`, `resumed.npz` from it, and `whole.npz` of a training that was not stopped"""
    said: str
    """by the command that was killed, to standard error"""
    losses: list[float]
    """of updates on the same pictures, nothing led astray"""
    went_on: str
    """what the command says to a training that is done"""


NAMES = [*FAMILIES][::20][:5]
"""of families of several groups"""
RECIPE = replace(TINY, updates=15, batch=2, pixels=75, smallest_crop=75, warm_up=60, still=0.0)
OPTIONS = ("--updates=15", "--batch=2", "--pixels=75", "--still=0", "--last=mixed3")
"""The same for the command."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Building the network and its update takes nearly all of the time: once in each process."""
    folder = tmp_path_factory.mktemp("trained")
    names = NAMES
    pictures = np.stack([picture(names[number % 5], number) for number in range(10)])
    np.save(folder / "shard-00000.npy", pictures)
    (folder / "families.json").write_text(json.dumps(names))
    train = [sys.executable, "-m", "training", "train", folder, folder / "killed.npz"]
    with (
        subprocess.Popen(
            [sys.executable, Path(__file__), "training", folder],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other,
        subprocess.Popen(
            [*train, *OPTIONS, "--save-seconds=0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as one,
    ):
        assert one.stdout is not None
        assert one.stderr is not None
        assert "update 3 of 15" in one.stdout.readline()
        one.kill()
        said = one.stderr.read()
        found, _ = other.communicate("killed\n")
    assert other.returncode == 0
    losses, *went_on = found.splitlines()
    return Trained(folder, said, json.loads(losses), "\n".join(went_on))


class TestTrainer:
    @staticmethod
    def batch(number: int) -> Batch:
        random = np.random.default_rng(number)
        names = random.integers(0, 5, TINY.batch)
        pictures = np.stack([picture([*FAMILIES][name], number) for name in names])
        return Batch(pictures, names.astype(np.int32))

    def test_three_steps_resume_exactly(self, trained: Trained) -> None:
        """Killed after three updates or a few more, a training ends with the same bits."""
        with (
            np.load(trained.folder / "killed.npz") as half,
            np.load(trained.folder / "resumed.npz") as one,
            np.load(trained.folder / "whole.npz") as other,
        ):
            assert 3 <= half["done"] < one["done"] == 15
            assert {*half} == {*one} == {*other} >= {"recipe", "origin"}
            for name in one:
                np.testing.assert_array_equal(one[name], other[name], name)
                assert name in ("recipe", "origin") or np.isfinite(one[name]).all(), name
            assert any((half[name] != one[name]).any() for name in one if "model" in name)

    def test_the_command_goes_on(self, trained: Trained) -> None:
        assert trained.went_on.startswith("going on after 15 updates\n")
        assert trained.went_on.endswith("15 updates are made")

    def test_tensorflow_does_not_greet(self, trained: Trained) -> None:
        assert trained.said == ""

    def test_updates_change_the_weights_and_lower_the_loss(self, trained: Trained) -> None:
        """The same pictures again and again, nothing led astray: their loss falls."""
        assert np.mean(trained.losses[-3:]) < 0.8 * np.mean(trained.losses[:3])

    def test_a_batch_that_dreams_as_a_whole_does_no_harm(self) -> None:
        """No name counts on its way; its loss is a number all the same."""
        none, some = np.zeros(2, np.float32), np.ones(2, np.float32)
        outputs = {"logits_mixed3": np.eye(2, dtype="f4"), "mixed3": np.ones((2, 1, 1, 1), "f4")}
        found = losses(outputs, np.arange(2), Weighing(none, none, some), TINY)
        assert np.isfinite(found.total)

    @pytest.mark.parametrize("updates", [1, 6, 7])
    def test_no_more_updates_than_wanted(
        self, updates: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The last batch is cut short; a longer training begins it anew."""
        nothing = Outcome(np.zeros((3, 80, 80, 3), np.float32), *np.zeros((3, 3), np.float32))
        monkeypatch.setattr("training.trainer.updating", lambda *_: lambda *_: nothing)
        trainer = Trainer(keras.Sequential([keras.Input((2,))]), replace(TINY, updates=updates))
        assert [progress.update for progress in trainer.run(self.batch)] == [*range(1, updates + 1)]
        trainer.recipe = replace(trainer.recipe, updates=updates + 4)
        assert [progress.replay for progress in trainer.run(self.batch)] == [0, 1, 2, 0]
        assert trainer.done == updates + 4

    @pytest.mark.parametrize(("part", "value"), [("named", np.nan), ("excess", np.inf)])
    def test_a_loss_that_is_no_number_ends_it(
        self, part: str, value: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nothing = Outcome(np.zeros((3, 80, 80, 3), np.float32), *np.zeros((3, 3), np.float32))
        spoilt = nothing._replace(**{part: np.array([0, value, 0], np.float32)})
        outcomes = iter([nothing, nothing, nothing, spoilt])
        monkeypatch.setattr("training.trainer.updating", lambda *_: lambda *_: next(outcomes))
        steps = Trainer(keras.Sequential([keras.Input((2,))]), TINY).run(self.batch)
        assert [next(steps).update for _ in range(3)] == [1, 2, 3]
        with pytest.raises(ValueError, match=r"no number any more after 3 updates.*smaller --rate"):
            next(steps)

    def test_spoilt_weights_are_not_saved(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The last update's loss was one of the weights before it."""
        monkeypatch.setattr("training.trainer.updating", lambda *_: None)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
        trainer, path = Trainer(model, TINY), tmp_path / "run.npz"
        trainer.save(path)
        before = path.read_bytes()
        model.variables[0].assign(np.full((2, 2), np.nan))
        with pytest.raises(ValueError, match="smaller --rate"):
            trainer.save(path)
        assert path.read_bytes() == before

    def test_more_updates_than_wanted_are_not_taken_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("training.trainer.updating", lambda *_: None)
        trainer = Trainer(keras.Sequential([keras.Input((2,))]), TINY)
        trainer.done = 6
        trainer.save(tmp_path / "run.npz")
        trainer.recipe = replace(TINY, updates=5)
        with pytest.raises(ValueError, match=r"6 updates are made, more than the 5 .*--updates"):
            trainer.resume(tmp_path / "run.npz")

    def test_means_leave_out_what_was_not_there(self) -> None:
        """A batch without a dreaming picture says nothing of dreams."""
        values = np.array([1, 3], np.float32)
        outcome, report = Outcome(values, values, values, values), Report(replace(TINY, replays=1))
        report.add(Progress(1, 0, np.array([False, False]), outcome))
        report.add(Progress(2, 0, np.array([False, True]), outcome))
        assert "loss 1.50 | 3.00" in report.line()
        report.add(Progress(3, 0, np.array([False, False]), outcome))
        assert "loss 2.00 | nan" in report.line()

    @pytest.mark.parametrize("backend", ["jax", "torch"])
    def test_other_backends_find_the_same(self, backend: str) -> None:
        """From the same weights, two updates find the same but for rounding."""
        pytest.importorskip(backend)
        found = {}
        for name in (backend, "tensorflow"):
            run = subprocess.run(
                [sys.executable, Path(__file__), "outcomes"],
                env={**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                check=True,
                text=True,
            )
            found[name] = np.asarray(json.loads(run.stdout.splitlines()[-1]))
        np.testing.assert_allclose(found[backend], found["tensorflow"], rtol=2e-2)


class TestModel:
    def test_folded_weights_dream_as_the_model_sees(self, shallow: keras.Model) -> None:
        """A model that was given weights gives them back, whatever its batch norms hold."""
        weights, model = load_weights("random:1"), shallow
        start_from(model, weights)
        back = folded(model, "back")
        count = len(convolutions(model))
        assert 0 < count < len(CONVOLUTIONS)
        for one, other in zip(weights.kernels[:count], back.kernels[:count], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        assert not any(kernel.any() for kernel in back.kernels[count:])

    def test_channels_stand_for_families_in_turn(self, deeper: keras.Model) -> None:
        """A head of such a block hears the channels of its family alone, all of them alike."""
        model = deeper
        shown = np.stack([picture("owl", seed) for seed in range(2)])[:, :80, :80] / 127.5 - 1
        outputs = {name: np.asarray(out) for name, out in model(shown.astype("f4")).items()}
        activations = outputs["mixed4"]
        pooled = 0.75 * activations.mean((1, 2)) + 0.25 * activations.max((1, 2))
        for number in range(7):
            own = pooled[:, number : 768 // 7 * 7 : 7]
            np.testing.assert_allclose(
                outputs["logits_mixed4"][:, number], 2 * own.sum(1), rtol=1e-3
            )
        assert not any("logits_mixed4" in weight.path for weight in model.weights)
        assert any("logits_mixed3" in weight.path for weight in model.weights)

    def test_names_are_forgotten_where_channels_have_them_and_nowhere_else(
        self, deeper: keras.Model
    ) -> None:
        """Each channel of the last block answers a little, and about the same to everything."""
        model = deeper
        start_from(model, load_weights("random:1"))
        shown = np.stack([picture("owl", seed) for seed in range(2)])[:, :80, :80] / 127.5 - 1
        before = model(shown.astype("f4"))
        forget_names(model)
        after = model(shown.astype("f4"))
        np.testing.assert_array_equal(before["mixed3"], after["mixed3"])
        was, now = (np.median(np.std(o["mixed4"], axis=(0, 1, 2))) for o in (before, after))
        assert 0 < now < 0.3 * was
        assert (np.mean(after["mixed4"], axis=(0, 1, 2)) > 0.1).mean() > 0.9

    @pytest.mark.parametrize("last", ["mixed2", "mixed6", ""])
    def test_a_network_ends_where_it_has_a_head(self, last: str) -> None:
        with pytest.raises(ValueError, match="may end at mixed3, mixed4, mixed5"):
            network(5, last)

    def test_each_family_needs_a_channel(self) -> None:
        """Where channels stand for families; mixed3 has a head that learns."""
        with pytest.raises(
            ValueError, match="769 families are more than the 768 channels of mixed4"
        ):
            network(769, "mixed4")

    def test_views_are_what_the_network_takes(self) -> None:
        """Their size, type and range; the same dice, the same views."""
        pictures = np.stack([picture("owl", seed) for seed in range(TINY.batch)])
        shown = views(pictures, TINY, np.random.default_rng(1))
        assert shown.shape == (TINY.batch, TINY.pixels, TINY.pixels, 3)
        assert shown.dtype == np.float32
        assert np.abs(shown).max() <= 2.5
        again = views(pictures, TINY, np.random.default_rng(1))
        np.testing.assert_array_equal(shown, again)


class TestBalance:
    def test_scaling_leaves_deeper_layers_as_they_were(self) -> None:
        """Factors below a layer change nothing in it: the dream of that layer is the same."""
        weights = load_weights("random:1")
        random = np.random.default_rng(2)
        below = {
            c.name: random.uniform(0.5, 2, c.channels).astype(np.float32) for c in CONVOLUTIONS[:12]
        }
        crop = np.asarray(picture("owl", 5))
        dream = Dream(layers={"mixed2": 1.0}, octaves=1, iterations=3)
        plain = dreamt(crop, weights, dream)
        other = dreamt(crop, scaled(weights, below), dream)
        np.testing.assert_allclose(plain.losses, other.losses, rtol=1e-3)
        assert np.abs(plain.pixels.astype(int) - other.pixels).max() <= 2
        own = {c.name: np.full(c.channels, 2, np.float32) for c in CONVOLUTIONS[:40]}
        doubled = dreamt(crop, scaled(weights, own), dream)
        np.testing.assert_allclose(doubled.losses[0][0], 4 * plain.losses[0][0], rtol=1e-3)

    def test_levelled_channels_speak_equally(self, shallow: keras.Model) -> None:
        """After levelling, each channel's root mean square over the pictures is 1."""
        model = shallow
        start_from(model, load_weights("random:1"))
        pictures = np.stack([picture(name, 0) for name in [*FAMILIES][:6]]) / 127.5 - 1
        labels = np.arange(6, dtype=np.int32) % 3
        shown = pictures[:, :96, :96].astype(np.float32)
        levelled = scaled(folded(model, "x"), level(response(model, shown, labels, 3)))
        start_from(model, levelled)
        again = response(model, shown, labels, 3)
        for name in again.strength:
            heard = again.level(name)
            assert np.median(heard) == pytest.approx(1, abs=0.02), name
            assert heard.max() < 1.05, name

    def test_families_that_no_picture_shows_have_their_place(self, shallow: keras.Model) -> None:
        """As many rows as families, whichever the last label is."""
        shown = np.zeros((1, 75, 75, 3), np.float32)
        answers = response(shallow, shown, np.array([1], np.int32), 4)
        assert {len(rows) for rows in answers.strength.values()} == {4}
        assert not any(rows[[0, 2, 3]].any() for rows in answers.strength.values())

    def test_liked_families_make_their_channels_dearer(self) -> None:
        """A channel of a liked family gains, of another one loses, of all or none stays."""
        answers = Response({"conv2d": np.array([[3.0, 0.0, 1.0, 0.0], [0.0, 3.0, 1.0, 0.0]])})
        factors = liked(answers, [3.0, 1.0])["conv2d"]
        assert factors[0] > 1.1
        assert factors[1] < 0.9
        assert factors[2:] == pytest.approx(1)


class TestFinish:
    def test_every_group_counts_for_something(self) -> None:
        assert {kind.group for kind in FAMILIES.values()} <= {*LIKING}

    def test_families_that_are_no_more_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "families.json").write_text('["owl", "dodo", "moa"]')
        with pytest.raises(ValueError, match=r"no more: dodo, moa; .*train anew"):
            finished(tmp_path / "run.npz", Gallery(tmp_path), last="mixed3")

    def test_a_group_without_a_liking_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "families.json").write_text('["owl"]')
        with pytest.raises(ValueError, match="the group heads counts for; add it to LIKING"):
            finished(tmp_path / "r", Gallery(tmp_path), last="mixed3", liking={"eyes": 1})

    def test_a_checkpoint_becomes_weights_that_are_levelled_and_liked(
        self, trained: Trained, shallow: keras.Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("training.finish._PICTURES", 20)
        path, gallery = trained.folder / "whole.npz", Gallery(trained.folder)
        found = finished(path, gallery, last="mixed3")

        restore(path, {"model": shallow.variables})
        batch = gallery.batch(0, 20, seed=1)
        middle = batch.pictures[:, 8:120, 8:120].astype(np.float32) / 127.5 - 1
        answers = response(shallow, middle, batch.labels, 5)
        dear = liked(answers, [LIKING[FAMILIES[name].group] for name in gallery.families])
        factors = {name: even * dear[name] for name, even in level(answers).items()}
        plain = folded(shallow, "plain")
        wanted = scaled(plain, factors)
        for kind in ("kernels", "biases", "scales"):
            for one, other in zip(getattr(found, kind), getattr(wanted, kind), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
        count = len(convolutions(shallow))
        for one, other in zip(found.kernels[:count], plain.kernels[:count], strict=True):
            assert np.abs(one - other).max() > 0.1 * np.abs(other).max()

    def test_numbers_that_are_none_are_told(
        self, trained: Trained, shallow: keras.Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("training.finish.network", lambda *_: shallow)
        monkeypatch.setattr("training.finish._PICTURES", 5)
        path, gallery = trained.folder / "whole.npz", Gallery(trained.folder)
        with pytest.raises(ValueError, match=r"whole\.npz: .* no numbers .*--liking"):
            finished(path, gallery, last="mixed3", power=1e6)

    def test_other_families_than_the_checkpoints_are_named(
        self,
        trained: Trained,
        shallow: keras.Model,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("training.finish.network", lambda *_: shallow)
        names = json.loads((trained.folder / "families.json").read_text())
        (tmp_path / "families.json").write_text(json.dumps([*names[:4], "owl"]))
        np.save(tmp_path / "shard-00000.npy", np.zeros((10, 128, 128, 3), np.uint8))
        with pytest.raises(ValueError, match=f"families: number 4, {names[4]}, became owl"):
            finished(trained.folder / "whole.npz", Gallery(tmp_path), last="mixed3")


class TestSheets:
    def test_a_sheet_of_families_shows_their_pictures(self) -> None:
        """It is no wider than they need."""
        drawn = np.asarray(bestiary_sheet(["owl", "daisy"], each=2, columns=4))
        assert drawn.shape == (SIDE + 16, 2 * (2 * (SIDE + 2) + 4), 3)
        for number, name in enumerate(["owl", "daisy"]):
            for seed in range(2):
                left = number * (2 * (SIDE + 2) + 4) + seed * (SIDE + 2)
                cell = drawn[14 : 14 + SIDE, left : left + SIDE]
                np.testing.assert_array_equal(cell, picture(name, seed))

    def test_cells_stand_in_rows(self) -> None:
        cells = [(str(n), [np.full((10, 20, 3), 50 * n, np.uint8)]) for n in range(3)]
        drawn = np.asarray(sheet(cells, columns=2))
        assert drawn.shape == (2 * 26, 2 * 26, 3)
        assert (drawn[26 + 14 : 26 + 24, :20] == 100).all()

    def test_a_long_caption_is_not_cut(self) -> None:
        """The paper ends behind it."""
        cells = [("W" * 40, [np.zeros((10, 20, 3), np.uint8)])]
        ink = np.asarray(sheet(cells)).max(axis=2) > 128
        assert ink.any(axis=0)[200:].any()
        assert not ink[:, -1].any()

    def test_dreams_stand_below_their_picture(self) -> None:
        """In a sheet of the size of two pictures with their captions."""
        pixels = shown(ROOT / "examples" / "lake.png", 150)
        assert pixels.shape == (100, 150, 3)
        dream = Dream(layers={"mixed2": 1.0}, octaves=1, iterations=3, max_loss=None)
        rows = {seed: (load_weights(seed), dream) for seed in ("random:1", "random:2")}
        drawn = np.asarray(dream_sheet([pixels], rows))
        assert len(drawn) == 3 * 116
        cells = [drawn[top + 14 : top + 114, :150].astype(int) for top in (0, 116, 232)]
        np.testing.assert_array_equal(cells[0], pixels)
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(cells[one] - cells[other]).mean() > 1

    def test_a_picture_is_shown_upright(self, tmp_path: Path) -> None:
        """As its camera says that it was held."""
        image = Image.new("RGB", (60, 40))
        image.paste((255, 0, 0), (0, 0, 30, 40))
        exif = Image.Exif()
        exif[0x0112] = 3  # turned by half
        image.save(tmp_path / "photo.png", exif=exif)
        pixels = shown(tmp_path / "photo.png", 60)
        assert not pixels[:, :25].any()
        assert (pixels[:, 35:, 0] == 255).all()

    def test_growth_from_nothing_has_no_bound(self) -> None:
        grown = Dreamt(np.zeros((1, 1, 3), np.uint8), ((0.0, 2.0), (0.0, 0.0), (2.0, 3.0))).growths
        assert grown[0] == np.inf
        assert np.isnan(grown[1])
        assert grown[2] == 1.5


def print_outcomes() -> None:
    """For another process, with another backend: what two updates found, as JSON."""
    model = network(5, last="mixed3")
    start_from(model, load_weights("random:4"))
    for layer in model.layers:
        if layer.name.startswith("logits"):
            layer.kernel.assign(np.random.default_rng(1).normal(0, 0.1, layer.kernel.shape))
    recipe = replace(TINY, updates=2, replays=2, still=1.0)
    steps = Trainer(model, recipe).run(TestTrainer.batch)
    outcomes = [progress.outcome for progress in steps]
    print(json.dumps([float(np.abs(part).mean()) for o in outcomes for part in o[:3]]))


def train(folder: Path) -> None:
    """For another process: what `Trained` tells, but for the command that is killed."""
    from training.__main__ import main

    repeatable(0)
    recipe, gallery = RECIPE, Gallery(folder)
    origin = Origin(tuple(NAMES), pictures=10)
    trainer = Trainer(network(5, last="mixed3"), recipe, origin)

    def named(batches: Callable[[int], Batch]) -> list[float]:
        return [float(progress.outcome.named.mean()) for progress in trainer.run(batches)]

    def drawn(number: int) -> Batch:
        return gallery.batch(number, recipe.batch, 0)

    assert len(named(drawn)) == 15
    trainer.save(folder / "whole.npz")
    input()
    trainer.resume(folder / "killed.npz")
    assert 0 < len(named(drawn)) < 15
    trainer.save(folder / "resumed.npz")
    trainer.recipe = replace(
        recipe, updates=27, replays=1, dream_share=0.0, name_radius=0.0, warm_up=1, rate=3e-3
    )
    print(json.dumps(named(lambda _: drawn(0))))
    main(["train", str(folder), str(folder / "resumed.npz"), *OPTIONS])


if __name__ == "__main__":
    if sys.argv[1] == "outcomes":
        print_outcomes()
    else:
        train(Path(sys.argv[2]))
