"""The training of the bestiary weights: its pictures, its updates, its checkpoints, its balance."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the extra 'training' is not installed")

import keras

from dreamray.inception import CONVOLUTIONS
from dreamray.settings import Dream
from dreamray.weights import Weights
from dreamray.weights import load as load_weights
from training.astray import Astray
from training.balance import Response, level, liked, response, scaled
from training.bestiary import FAMILIES, SIDE, picture
from training.bestiary.registry import family
from training.dreams import dreamt
from training.gallery import SHARD, Gallery
from training.model import convolutions, folded, forget_names, network, start_from
from training.recipe import Recipe
from training.trainer import Trainer
from training.views import views

ROOT = Path(__file__).resolve().parent.parent

TINY = Recipe(updates=6, batch=3, pixels=80, smallest_crop=80, replays=3, warm_up=1)


def digest_of(names: list[str], seeds: range) -> str:
    digest = hashlib.sha256()
    for name in names:
        for seed in seeds:
            digest.update(picture(name, seed).tobytes())
    return digest.hexdigest()


class TestPictures:
    def test_every_family_draws_many_pictures(self) -> None:
        """None fails, none is empty, and no two pictures of a family are the same."""
        for name in FAMILIES:
            pictures = [picture(name, seed) for seed in range(4)]
            assert all(p.shape == (SIDE, SIDE, 3) and p.dtype == np.uint8 for p in pictures), name
            assert all(p.std() > 1 for p in pictures), name
            assert len({p.tobytes() for p in pictures}) == len(pictures), name

    def test_the_same_seed_gives_the_same_bytes_in_another_process(self) -> None:
        """Whatever was drawn before, and however Python hashes."""
        names = [*FAMILIES][::7]
        here = digest_of([*reversed(names)], range(2)), digest_of(names, range(2))
        code = (
            "import sys; sys.path.insert(0, 'tests'); from test_training import digest_of;"
            f"print(digest_of({names!r}, range(2)))"
        )
        there = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": "5", "PATH": "", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here[1] != here[0]

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


class TestTrainer:
    @staticmethod
    def trainer(recipe: Recipe = TINY) -> Trainer:
        keras.utils.set_random_seed(1)
        return Trainer(network(5, last="mixed3"), recipe)

    @staticmethod
    def batch(number: int) -> Any:
        from training.gallery import Batch

        random = np.random.default_rng(number)
        names = random.integers(0, 5, TINY.batch)
        pictures = np.stack([picture([*FAMILIES][name], number) for name in names])
        return Batch(pictures, names.astype(np.int32))

    def test_three_steps_resume_exactly(self, tmp_path: Path) -> None:
        """Killed after three updates or a few more and run again, it ends with the same bits."""
        names = [*FAMILIES][:5]
        pictures = np.stack([picture(names[number % 5], number) for number in range(10)])
        np.save(tmp_path / "shard-00000.npy", pictures)
        (tmp_path / "families.json").write_text(json.dumps(names))

        def command(checkpoint: Path) -> list[str]:
            options = ["--updates=30", "--batch=2", "--pixels=80", "--last=mixed3"]
            options.append("--save-seconds=0")
            return [
                sys.executable,
                "-m",
                "training",
                "train",
                str(tmp_path),
                str(checkpoint),
                *options,
            ]

        whole, resumed = tmp_path / "whole.npz", tmp_path / "resumed.npz"
        with subprocess.Popen(
            command(resumed), cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert "update 3 of 30" in next(iter(process.stdout))
            process.kill()
        with np.load(resumed) as half:
            done = int(half["done"])
            assert 3 <= done < 30
        again = subprocess.run(
            command(resumed), cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert f"going on after {done} updates" in again.stdout
        subprocess.run(command(whole), cwd=ROOT, capture_output=True, check=True)
        with np.load(whole) as one, np.load(resumed) as other:
            assert one["done"] == 30
            assert {*one} == {*other}
            for name in one:
                np.testing.assert_array_equal(one[name], other[name], name)

    def test_updates_change_the_weights_and_lower_the_loss(self) -> None:
        """The same pictures again and again, nothing led astray: their loss falls."""
        recipe = replace(TINY, updates=12, replays=1, dream_share=0.0, rate=3e-3)
        losses = [
            float(progress.outcome.named.mean())
            for progress in self.trainer(recipe).run(lambda _: self.batch(0))
        ]
        assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])

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

    def test_another_networks_checkpoint_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "checkpoint.npz"
        self.trainer().save(path)
        other = Trainer(network(6, last="mixed3"), TINY)
        with pytest.raises(ValueError, match="no checkpoint of this training"):
            other.resume(path)


class TestModel:
    def test_folded_weights_dream_as_the_model_sees(self) -> None:
        """A model that was given weights gives them back, whatever its batch norms hold."""
        weights = load_weights("random:3")
        model = network(2, last="mixed3")
        start_from(model, weights)
        back = folded(model, "back")
        count = len(convolutions(model))
        assert 0 < count < len(CONVOLUTIONS)
        for one, other in zip(weights.kernels[:count], back.kernels[:count], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        assert not any(kernel.any() for kernel in back.kernels[count:])

    def test_channels_stand_for_families_in_turn(self) -> None:
        """A head of such a block hears the channels of its family alone, all of them alike."""
        model = network(7, last="mixed4")
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

    def test_names_are_forgotten_where_channels_have_them_and_nowhere_else(self) -> None:
        """Each channel of the last block answers a little, and about the same to everything."""
        model = network(7, last="mixed4")
        start_from(model, load_weights("random:3"))
        shown = np.stack([picture("owl", seed) for seed in range(2)])[:, :80, :80] / 127.5 - 1
        before = model(shown.astype("f4"))
        forget_names(model)
        after = model(shown.astype("f4"))
        np.testing.assert_array_equal(before["mixed3"], after["mixed3"])
        was, now = (np.median(np.std(o["mixed4"], axis=(0, 1, 2))) for o in (before, after))
        assert 0 < now < 0.3 * was
        assert (np.mean(after["mixed4"], axis=(0, 1, 2)) > 0.1).mean() > 0.9

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
    @staticmethod
    def some(weights: Weights) -> dict[str, Any]:
        random = np.random.default_rng(2)
        names = [c.name for c in CONVOLUTIONS[:40]]
        return {
            c.name: random.uniform(0.3, 3, c.channels).astype(np.float32)
            for c in CONVOLUTIONS
            if c.name in names
        }

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

    def test_levelled_channels_speak_equally(self) -> None:
        """After levelling, each channel's root mean square over the pictures is 1."""
        model = network(3, last="mixed3")
        start_from(model, load_weights("random:5"))
        pictures = np.stack([picture(name, 0) for name in [*FAMILIES][:6]]) / 127.5 - 1
        labels = np.arange(6, dtype=np.int32) % 3
        shown = pictures[:, :96, :96].astype(np.float32)
        levelled = scaled(folded(model, "x"), level(response(model, shown, labels)))
        start_from(model, levelled)
        again = response(model, shown, labels)
        for name in again.strength:
            heard = again.level(name)
            assert np.median(heard) == pytest.approx(1, abs=0.02), name
            assert heard.max() < 1.05, name

    def test_liked_families_make_their_channels_dearer(self) -> None:
        """A channel of a liked family gains, of another one loses, of all or none stays."""
        answers = Response({"conv2d": np.array([[3.0, 0.0, 1.0, 0.0], [0.0, 3.0, 1.0, 0.0]])})
        factors = liked(answers, [3.0, 1.0])["conv2d"]
        assert factors[0] > 1.1
        assert factors[1] < 0.9
        assert factors[2:] == pytest.approx(1)


class TestCommands:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["train", "none", "run.npz"], "draw some first"),
            (["train", "none", "run.npz", "--forget"], "without --start"),
            (["export", "none", "run.npz", "out.npz", "--version=2"], "draw some first"),
            (["export", "none", "r.npz", "o.npz", "--version=2", "--layer=mixed3"], "NAME=WEIGHT"),
            (["sheet", "out.png", "unicorn"], "unicorn"),
        ],
    )
    def test_what_cannot_be_done_is_said_without_a_traceback(
        self, tmp_path: Path, arguments: list[str], said: str
    ) -> None:
        run = subprocess.run(
            [sys.executable, "-m", "training", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERMINAL_WIDTH": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode != 0
        assert said in run.stderr
        assert "Traceback" not in run.stderr
        assert not [*tmp_path.iterdir()]


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


if __name__ == "__main__" and sys.argv[1:] == ["outcomes"]:
    print_outcomes()
