"""The gradient of a picture is the same in tiles as in one piece, and so are its bytes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import numpy as np
import pytest
import tensorflow as tf

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Shape
from dreamray.engine.ascent import SMALLEST_MEAN
from dreamray.engine.events import Notice, StepDone
from dreamray.engine.halo_exchange import assign_tiles
from dreamray.engine.interfaces import Engine
from dreamray.engine.subdomain import Subdomain
from dreamray.model import arithmetic
from dreamray.model.arithmetic import TensorFlowArrays
from dreamray.model.objective import TileObjective, TracedSteps
from dreamray.plan.octaves import smallest_side
from dreamray.plan.tiles import alignment, exact_halo, plan_tiles
from dreamray.raster.pixels import from_tensor, to_tensor
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from tests.support.likeness import psnr, relative_error
from tests.support.reference import Reference
from tests.support.tiled import Tiled

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("traced_once")]

DEFAULTS = Dream().layers
EXACT = 5e-6
"""Relative error (L2) of float32 rounding."""


class Gradient:
    """Losses and gradients of images, with a network that is built once for all tests."""

    _engines: ClassVar[dict[Any, Any]] = {}

    def __init__(self, weights, layers):
        self.names = Dream(layers=layers).layer_names
        key = id(weights), tuple(layers.items())
        if key not in self._engines:
            objective = TileObjective(Dream(layers=layers).terms, weights, "float32")
            self._engines[key] = Engine(objective, TensorFlowArrays()), weights
        self.engine, _ = self._engines[key]

    def __call__(self, image, core=None, overlap=None, roll=(0, 0), workers=1):
        tiled = self.tiled(image, core, overlap, workers)
        return tiled.compute(roll).loss, tiled.gradient

    def tiled(self, image, core=None, overlap=None, workers=1, held=None):
        plan = self.plan(image, core, overlap)
        tiled = Tiled(plan, self.engine, assign_tiles(plan, workers), held=held)
        tiled.put(image)
        return tiled

    def plan(self, image, core=None, overlap=None):
        return plan_tiles(Shape(*image.shape[:2]), self.names, core, overlap)

    def error(self, image, core):
        """Of the tiles against the whole; their losses agree."""
        loss, whole = self(image)
        tiled_loss, tiled = self(image, core)
        assert len(self.plan(image, core).tiles) > 1
        assert tiled_loss == pytest.approx(loss, rel=1e-6)
        return relative_error(tiled, whole)


@pytest.fixture(scope="module")
def image(scene):
    return to_tensor(scene[:170, :230])


@pytest.fixture(scope="module")
def photo(bear):
    return to_tensor(bear)


def strip(image, height, width):
    """Part of an image, mirrored as often as need be."""
    repeats = (-(-height // image.shape[0]), -(-width // image.shape[1]))
    tiled = np.pad(
        image,
        [(0, (r - 1) * side) for r, side in zip(repeats, image.shape, strict=False)] + [(0, 0)],
        mode="symmetric",
    )
    return np.ascontiguousarray(tiled[:height, :width])


# Between mixed5 and mixed7, two blocks of one kind, mixed6 would show nothing else.
MIXES = {"defaults": DEFAULTS, **{f"mixed{n}": {f"mixed{n}": 1.0} for n in (2, 3, 4, 5, 7, 8)}}


@pytest.fixture(scope="module", params=MIXES.values(), ids=MIXES)
def trained_gradient(request, trained, tensorflow):
    return Gradient(trained, request.param)


# With mixed8 such windows take as long as all of the others'.
@pytest.fixture(scope="module", params=[*MIXES.values()][:-1], ids=[*MIXES][:-1])
def shallower_gradient(request, trained, tensorflow):
    return Gradient(trained, request.param)


class TestExactTiles:
    """With trained weights: random ones would hide a halo that is too small."""

    def test_of_an_odd_size(self, trained_gradient, photo):
        """Smaller cores where the halos are small enough to cut the windows."""
        core = {"mixed2": 96, "mixed3": 96, "mixed4": 128, "mixed5": 128}
        image = strip(photo, 253, 331)
        assert trained_gradient.error(image, core.get(trained_gradient.names[-1], 200)) < EXACT

    @pytest.mark.parametrize("wide", [True, False], ids=["row", "column"])
    def test_of_one_row_or_column_of_windows_far_smaller_than_the_picture(
        self, shallower_gradient, photo, wide
    ):
        """Windows are cut where their halos end, on both sides.

        Of lengths on which rounding decides no ReLU: one that it decides is 1e-4 of a gradient.
        """
        gradient = shallower_gradient
        core = max(128, exact_halo(gradient.names, 0).before)
        side, length = smallest_side(gradient.names) + 5, 3 * core + 99
        image = strip(photo, side, length) if wide else strip(photo, length, side)
        plan = gradient.plan(image, core)
        assert len(plan.tiles) == 4
        assert plan.largest_window.pixels < side * length
        assert gradient.error(image, core) < EXACT

    def test_of_tiles_far_smaller_than_their_halos(self, trained_gradient, photo):
        side, align = smallest_side(trained_gradient.names), alignment(trained_gradient.names)
        image = strip(photo, side + 3, side + align + 1)
        assert trained_gradient.error(image, 2 * align) < EXACT

    def test_a_picture_smaller_than_a_tile_is_one(self, trained_gradient, photo):
        side = smallest_side(trained_gradient.names)
        image = strip(photo, side + 1, side + 12)
        (loss, whole), (tiled_loss, tiled) = trained_gradient(image), trained_gradient(image, 512)
        assert loss == tiled_loss
        np.testing.assert_array_equal(tiled, whole)


class TestExactTilesOfRandomWeights:
    @pytest.mark.parametrize("name", ["mixed2", "mixed4", "mixed10"])
    def test_of_a_block(self, random_twin, image, name):
        side = smallest_side((name,))
        gradient = Gradient(random_twin.weights, {name: 1.0})
        assert gradient.error(strip(image, side + 7, 331), 160) < EXACT

    def test_of_the_defaults_and_of_channels(self, random_twin, image):
        gradient = Gradient(random_twin.weights, {**DEFAULTS, "mixed4[12,40]": -3.0, "conv2d_7": 1})
        assert gradient.error(image, 96) < EXACT


class TestOverlap:
    def test_the_error_falls_as_it_grows(self, trained, photo):
        gradient, image = Gradient(trained, DEFAULTS), strip(photo, 110, 640)
        whole = gradient(image)[1]
        errors = []
        for overlap in 0, 64, 128, 192, None:
            assert gradient.plan(image, 112, overlap).exact == (overlap is None)
            errors.append(relative_error(gradient(image, 112, overlap)[1], whole))
        assert errors == sorted(errors, reverse=True)
        assert errors[0] > 0.5
        assert errors[-2] > 100 * EXACT
        assert errors[-1] < EXACT

    def test_more_than_exact_is_exact(self, random_twin, image):
        gradient = Gradient(random_twin.weights, {"mixed2": 1.0})
        np.testing.assert_array_equal(gradient(image, 96, 500)[1], gradient(image, 96)[1])


class TestObjective:
    def by_hand(self, model, image, name, channels=slice(None)):
        a = Reference(model, {name: 1.0}).activations(image)[name][:, :, channels]
        return np.sum(a[2:-2, 2:-2].astype(np.float64) ** 2) / a.size

    def test_of_channels(self, random_twin, image):
        loss, _ = Gradient(random_twin.weights, {"mixed4[12,40]": 1.5})(image)
        by_hand = self.by_hand(random_twin.model, image, "mixed4", [12, 40])
        assert loss == pytest.approx(1.5 * by_hand, rel=1e-5)

    def test_of_all_channels_is_that_of_the_layer(self, untrained, image):
        every = ",".join(map(str, range(256)))
        loss, gradient = Gradient(untrained, {"mixed0": 1.0})(image)
        listed_loss, listed = Gradient(untrained, {f"mixed0[{every}]": 1.0})(image)
        assert listed_loss == loss
        np.testing.assert_array_equal(listed, gradient)

    def test_channels_add_to_their_layer(self, random_twin, image):
        of = random_twin.weights
        loss, gradient = Gradient(of, {"mixed1": 2.0, "mixed1[3]": 1.0, "mixed1[3,9]": -4.0})(image)
        parts = [
            Gradient(of, {name: weight})(image)
            for name, weight in (("mixed1", 2.0), ("mixed1[3]", 1.0), ("mixed1[3,9]", -4.0))
        ]
        assert loss == pytest.approx(sum(part[0] for part in parts), rel=1e-5)
        assert relative_error(gradient, sum(part[1] for part in parts)) < EXACT

    def test_layers_add_up(self, random_twin, image):
        loss, _ = Gradient(random_twin.weights, DEFAULTS)(image)
        parts = [w * self.by_hand(random_twin.model, image, n) for n, w in DEFAULTS.items()]
        assert loss == pytest.approx(sum(parts), rel=1e-5)

    def test_negative_weights_turn_it_round(self, untrained, image):
        loss, gradient = Gradient(untrained, {"mixed2": 2.0})(image)
        turned_loss, turned = Gradient(untrained, {"mixed2": -2.0})(image)
        assert turned_loss == -loss
        np.testing.assert_array_equal(turned, -gradient)

    def test_of_the_picture_itself(self, untrained, image):
        loss, gradient = Gradient(untrained, {"input_layer": 1.0})(image, 64)
        expected = np.zeros_like(image)
        expected[2:-2, 2:-2] = 2 * image[2:-2, 2:-2] / image.size
        assert loss == pytest.approx(np.sum(image[2:-2, 2:-2] ** 2) / image.size, rel=1e-6)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5)

    def test_a_layer_without_a_cell_inside_its_border_adds_nothing(self, untrained, image):
        tiny = image[:60, :60]
        assert (
            Gradient(untrained, {"mixed2": 1.0, "mixed3": 1.0})(tiny)[0]
            == (Gradient(untrained, {"mixed2": 1.0})(tiny)[0])
        )


class TestMove:
    def moved(self, gradient, image, step, core=None):
        tiled = gradient.tiled(image, core)
        tiled.move(step, max(tiled.compute().mean, SMALLEST_MEAN))
        return tiled.image

    @pytest.mark.parametrize("core", [None, 96])
    def test_is_along_the_gradient_by_its_mean(self, untrained, image, core):
        gradient = Gradient(untrained, {"mixed1": 1.0})
        g = gradient(image, core)[1].astype(np.float64)
        expected = image + 0.5 * g / np.abs(g).mean()
        np.testing.assert_allclose(self.moved(gradient, image, 0.5, core), expected, atol=1e-5)

    def test_a_picture_without_detail_stays_as_it_is(self, untrained):
        grey = np.zeros((100, 100, 3), np.float32)
        moved = self.moved(Gradient(untrained, {"mixed0": 1.0}), grey, 0.01)
        np.testing.assert_array_equal(moved, grey)

    @pytest.mark.parametrize("core", [None, 96])
    def test_the_mean_is_that_of_the_gradient(self, untrained, image, core):
        tiled = Gradient(untrained, {"mixed1": 1.0}).tiled(image, core)
        mean = tiled.compute().mean
        assert mean == pytest.approx(np.abs(tiled.gradient).mean(dtype=np.float64), rel=1e-9)


class TestSeveralWorkers:
    """The geometry is tested in test_subdomain.py; here are the network and its arrays."""

    @staticmethod
    def stepped(tiled, rolls=((0, 0), (40, -13))):
        found = []
        for roll in rolls:
            measured = tiled.compute(roll)
            found += [measured, tiled.gradient.tobytes()]
            tiled.move(0.05, measured.mean)
        return [*found, tiled.image.tobytes()]

    def test_make_the_same_bytes_as_one(self, untrained, image):
        gradient = Gradient(untrained, {"mixed1": 1.0})
        alone = self.stepped(gradient.tiled(image, 96))
        for workers in 2, 5:
            assert self.stepped(gradient.tiled(image, 96, workers=workers)) == alone

    def test_with_little_memory_make_the_same_bytes(self, untrained, image):
        gradient = Gradient(untrained, {"mixed1": 1.0})
        alone = self.stepped(gradient.tiled(image, 96))
        assert self.stepped(gradient.tiled(image, 96, workers=2, held=250_000)) == alone


class TestRoll:
    @pytest.mark.parametrize("roll", [(5, -7), (0, 33), (-400, 1000)])
    def test_is_that_of_the_rolled_picture_rolled_back(self, untrained, image, roll):
        gradient = Gradient(untrained, {"mixed1": 1.0})
        loss, rolled = gradient(image, 96, roll=roll)
        direct_loss, direct = gradient(np.roll(image, roll, (0, 1)), 96)
        assert loss == direct_loss
        np.testing.assert_array_equal(np.roll(rolled, roll, (0, 1)), direct)

    def test_leaves_the_picture_where_it_was(self, untrained, image):
        tiled = Gradient(untrained, {"mixed0": 1.0}).tiled(image)
        tiled.compute((31, 8))
        np.testing.assert_array_equal(tiled.image, image)

    def test_every_step_of_every_octave_has_its_own(self, monkeypatch, untrained, image):
        rolls, begin = [], Subdomain.begin

        def note(self, exchange, *refinement):
            rolls.append(exchange.roll)
            begin(self, exchange, *refinement)

        monkeypatch.setattr(Subdomain, "begin", note)
        dream = Dream(layers={"mixed0": 1.0}, octaves=2, iterations=2, jitter=500)
        Renderer(dream, Execution(), weights=untrained).dream_array(image)
        assert len(rolls) == len(set(rolls)) == 4


def test_one_trace_serves_all_steps_and_sizes(untrained, image):
    gradient = Gradient(untrained, {"mixed0": 1.0, "mixed2[7]": 1.0})
    before = [
        f.experimental_get_tracing_count() for f in (arithmetic._absolute_sum, arithmetic._move)
    ]
    for core in None, 64, 96:
        for part in image, image[:130, :97]:
            tiled = gradient.tiled(part, core)
            for step in 0.01, 0.5:
                tiled.move(step, tiled.compute(roll=(core or 0, 3)).mean)
    assert gradient.engine.objective.steps.window.experimental_get_tracing_count() == 1
    after = [
        f.experimental_get_tracing_count() for f in (arithmetic._absolute_sum, arithmetic._move)
    ]
    assert all(now <= max(1, known) for now, known in zip(after, before, strict=True))


def dreamer(weights, layers=None, heard=None, **execution):
    dream = Dream(layers=layers or {"mixed0": 1.0}, octaves=2, iterations=3)
    on_event = (lambda event: None) if heard is None else heard.append
    return Renderer(dream, Execution(**execution), on_event, weights=weights)


SAME_BYTES = """
import sys
import numpy as np
from dreamray.settings.execution import Execution
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.model.weights.loader import load

weights = load("bestiary")  # Read in no time.
for core in 96, 160:
    dream = Dream(layers={"mixed1": 1.0}, octaves=1, iterations=2)
    renderer = Renderer(dream, Execution(tile=core), weights=weights)
    np.save(f"{sys.argv[2]}/{core}.npy", renderer.dream_array(np.load(sys.argv[1])))
"""


def test_two_processes_make_the_same_bytes(image, tmp_path):
    """Neither is this one: other tests may have set its TensorFlow to something else."""
    np.save(tmp_path / "in.npy", image)
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    run = [sys.executable, "-c", SAME_BYTES, str(tmp_path / "in.npy")]
    processes = [subprocess.Popen([*run, str(folder)]) for folder in folders]
    assert [process.wait(300) for process in processes] == [0, 0]
    made = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders]
    assert made[0] == made[1]
    assert made[0]["96.npy"] != made[0]["160.npy"]


class TestMemory:
    """Memory that runs out is simulated."""

    @staticmethod
    def exhaust(monkeypatch, times, error=None):
        """Let the compiled step run out of memory so many times, in its second window each."""
        step, calls = TracedSteps.window, []

        def fail(self, *arguments):
            calls.append(arguments)
            if len(calls) > 1 and len(calls) <= 1 + times:
                raise error or tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
            return step.__get__(self, TracedSteps)(*arguments)

        monkeypatch.setattr(TracedSteps, "window", fail)

    @pytest.mark.parametrize(("error", "jitter"), [(None, 0), (MemoryError(), 20)])
    def test_it_goes_on_with_smaller_tiles_and_says_so(
        self, monkeypatch, untrained, scene, jitter, error
    ):
        image, heard = to_tensor(scene), []
        dream = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=3, jitter=jitter)
        expected = Renderer(dream, Execution(tile=160), weights=untrained).dream_array(image)
        tired = Renderer(dream, Execution(tile=160), heard.append, weights=untrained)
        self.exhaust(monkeypatch, 1, error)
        finished = tired.dream_array(image)
        (remark,) = [event.text for event in heard if isinstance(event, Notice)]
        assert remark.startswith("memory ran out on a window of ")
        assert "going on with tiles of 80 pixels" in remark
        assert [event.number for event in heard if isinstance(event, StepDone)] == [0, 1, 2]
        assert psnr(from_tensor(finished), from_tensor(expected)) > 60

    def test_it_fails_where_even_the_smallest_do_not_fit(self, monkeypatch, untrained, image):
        heard = []
        tired = dreamer(untrained, heard=heard, tile=64)
        self.exhaust(monkeypatch, 10_000)
        with pytest.raises(MemoryExhaustedError, match="even on the smallest tiles"):
            tired.dream_array(image)
        assert [event.text.split()[-2] for event in heard if isinstance(event, Notice)] == (
            ["32", "16", "8"]
        )

    def test_other_errors_are_not_taken_for_it(self, monkeypatch, untrained, image):
        tired = dreamer(untrained)
        error = tf.errors.InternalError(None, None, "broken")
        self.exhaust(monkeypatch, 1, error)
        with pytest.raises(tf.errors.InternalError):
            tired.dream_array(image)
