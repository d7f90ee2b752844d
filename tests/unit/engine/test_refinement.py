"""What is done to gradients is the same in tiles, and what optimizers remember is kept."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamray.base.geometry import Raster, Region, Shape
from dreamray.engine.events import Event, StepDone
from dreamray.engine.halo_exchange import assign_tiles
from dreamray.engine.tile_executor import LocalTileExecutor, TileExecutor
from dreamray.engine.worker import Worker
from dreamray.plan import refinement
from dreamray.plan.planner import Planner
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.render.checkpoint import CheckpointStore
from dreamray.render.octave_loop import OctaveLoop
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import Folder, LocalFolder, MemoryFolder
from tests.support.crew import Crew
from tests.support.likeness import relative_error
from tests.support.plain_engine import PlainEngine
from tests.support.tiled import Tiled

SHAPE = Shape(83, 101)
LAYERS = ("conv2d_2", "max_pooling2d")
DREAM = Dream(
    layers=dict.fromkeys(LAYERS, 1.0), octaves=2, iterations=4, step=0.05, max_loss=None, jitter=9
)
TREATED: dict[str, dict[str, Any]] = {
    "smooth": {"smooth": 0.5},
    "laplacian": {"laplacian": 3},
    "both": {"smooth": 1.5, "laplacian": 2},
}

shapes = st.builds(Shape, st.integers(20, 130), st.integers(20, 130))


def noise(shape: Shape, seed: int = 0) -> Raster:
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 3)).astype(np.float32)


def gradient(
    shape: Shape,
    dream: Dream,
    number: int,
    core: int | None = None,
    roll: int = 0,
    owners: int = 1,
    source: Raster | None = None,
) -> Raster:
    plan = plan_tiles(shape, LAYERS, core, None, refinement.reach(dream))
    treated = refinement.refinement(dream, number)
    dealt = assign_tiles(plan, owners)
    tiled = Tiled(plan, PlainEngine(*LAYERS), dealt, refinement=treated, order=3, beside=source)
    tiled.put(noise(shape))
    tiled.compute((roll, -2 * roll))
    return tiled.gradient


@given(
    shapes,
    st.integers(16, 64),
    st.sampled_from([*TREATED]),
    st.integers(0, 3),
    st.integers(0, 30),
    st.integers(1, 3),
)
@settings(max_examples=12)
def test_tiles_add_up_to_the_treated_gradient(
    shape: Shape, core: int, name: str, number: int, roll: int, owners: int
) -> None:
    dream = DREAM.replace(**TREATED[name])
    for source in (None, noise(shape, 1)):
        whole = gradient(shape, dream, number, roll=roll, source=source)
        found = gradient(shape, dream, number, core, roll, owners, source)
        assert relative_error(found, whole) < 2e-6


@pytest.mark.parametrize("name", TREATED)
def test_windows_that_reach_less_far_do_not(name: str) -> None:
    """So it is the wider halo, and the grid, that make them."""
    dream, shape = DREAM.replace(**TREATED[name]), Shape(130, 120)
    whole = gradient(shape, dream, 0)
    narrow = plan_tiles(shape, LAYERS, 32)
    tiled = Tiled(narrow, PlainEngine(*LAYERS), refinement=refinement.refinement(dream, 0))
    tiled.put(noise(shape))
    tiled.compute()
    assert relative_error(tiled.gradient, whole) > 1e-3


def test_smoothing_narrows_to_what_is_set() -> None:
    dream = Dream(smooth=0.7, iterations=20)
    widths = [refinement.sigmas(dream, number) for number in range(20)]
    assert widths[-1] == pytest.approx((0.35, 0.7, 1.4))
    assert widths[0] == pytest.approx([share * (0.7 + 2 * 0.95) for share in (0.5, 1, 2)])
    assert all(one > other for one, other in itertools.pairwise(widths))
    kernels = refinement.refinement(dream, 0).kernels
    assert kernels is not None
    np.testing.assert_allclose(kernels.sum(axis=1), 1, atol=1e-6)
    assert kernels.shape[1] == 2 * math.ceil(3 * widths[0][2]) + 1


def test_steps_become_shorter() -> None:
    lengths = {
        schedule: [
            refinement.step_length(Dream(step=2, iterations=4, schedule=schedule), number)
            for number in range(4)
        ]
        for schedule in ("constant", "linear", "cosine")
    }
    assert lengths["constant"] == [2, 2, 2, 2]
    assert lengths["linear"] == [2, 1.5, 1, 0.5]
    assert lengths["cosine"] == pytest.approx([2, 1 + math.sqrt(0.5), 1, 1 - math.sqrt(0.5)])


class StoppedHereError(Exception):
    """Instead of Ctrl-C."""


def dreamt(
    dream: Dream,
    executor: TileExecutor | None = None,
    *,
    folder: Folder | None = None,
    every: int | None = None,
    until: tuple[int, int] | None = None,
    **execution: Any,
) -> bytes:
    """`until` is an octave and a step behind which it is interrupted."""

    def on_event(event: Event) -> None:
        if isinstance(event, StepDone) and (event.octave, event.number) == until:
            raise StoppedHereError

    store = CheckpointStore(folder or MemoryFolder(), {})
    store.resume(99)
    planner = Planner(dream, Execution(**{"tile": 48, **execution}))
    loop = OctaveLoop(
        dream,
        planner,
        planner.plan(SHAPE),
        executor or LocalTileExecutor(Worker(PlainEngine(*LAYERS))),
        store,
        on_event,
        checkpoint_every=every,
    )
    found = loop.run(ArrayRaster(noise(SHAPE)))
    return read(found, Region.whole(found.shape)).tobytes()


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_what_is_remembered_goes_with_its_checkpoint(name: str, tmp_path: Path) -> None:
    dream = DREAM.replace(optimizer=name)
    with pytest.raises(StoppedHereError):
        dreamt(dream, folder=LocalFolder(tmp_path), every=1, until=(0, 2))
    (last,) = tmp_path.glob("*step*")
    assert {place.name for place in last.iterdir() if place.is_dir()} == {*refinement.slots(dream)}


@pytest.mark.parametrize("treated", [{"laplacian": 2, "optimizer": "adam"}, {"smooth": 1.0}])
def test_blended_tiles_are_treated_alike(treated: dict[str, Any]) -> None:
    """Each by itself, with its share of each band; a single tile is the exact dream."""
    dream = DREAM.replace(**treated)
    blend = {"seams": "blend", "overlap": 12}
    blended = dreamt(dream, **blend)
    assert blended == dreamt(dream, Crew(lambda: PlainEngine(*LAYERS), 2), **blend)
    near = np.frombuffer(blended, np.float32) - np.frombuffer(dreamt(dream), np.float32)
    far = np.frombuffer(blended, np.float32) - np.frombuffer(dreamt(DREAM), np.float32)
    assert np.abs(near).mean() < np.abs(far).mean()
    assert dreamt(dream, tile=400, **blend) == dreamt(dream, tile=400)


class TestOptimizers:
    """Against their formulas, in float64."""

    def steps(self, name: str, count: int = 4, **treated: Any) -> tuple[list[Any], list[Any]]:
        """The images on the way, and the normalised gradients."""
        dream = DREAM.replace(optimizer=name, octaves=1, jitter=0, **treated)
        shape = Shape(60, 70)
        plan = plan_tiles(shape, LAYERS, 32, None, refinement.reach(dream))
        tiled = Tiled(plan, PlainEngine(*LAYERS))
        tiled.put(noise(shape))
        images, gradients = [tiled.image], []
        for number in range(count):
            measured = tiled.compute()
            gradients.append(tiled.gradient.astype(np.float64) / measured.mean)
            tiled.move(dream.step, measured.mean, name, number)
            images.append(tiled.image)
        return images, gradients

    def test_momentum(self) -> None:
        images, gradients = self.steps("momentum")
        mean = np.zeros_like(gradients[0])
        for number, (one, two) in enumerate(itertools.pairwise(images)):
            mean = 0.9 * mean + 0.1 * gradients[number]
            expected = 0.05 * mean / (1 - 0.9 ** (number + 1))
            np.testing.assert_allclose(two - one, expected, atol=1e-6)

    def test_adam(self) -> None:
        images, gradients = self.steps("adam")
        first = second = np.zeros_like(gradients[0])
        for number, (one, two) in enumerate(itertools.pairwise(images)):
            first = 0.9 * first + 0.1 * gradients[number]
            second = 0.999 * second + 0.001 * gradients[number] ** 2
            mean, square = first / (1 - 0.9 ** (number + 1)), second / (1 - 0.999 ** (number + 1))
            np.testing.assert_allclose(two - one, 0.05 * mean / (np.sqrt(square) + 1e-8), atol=2e-5)

    def test_bands_are_of_one_size(self) -> None:
        dream, shape = DREAM.replace(laplacian=3), Shape(96, 120)
        treated = refinement.refinement(dream, 0)
        plan = plan_tiles(shape, LAYERS, 32, None, refinement.reach(dream))
        tiled = Tiled(plan, PlainEngine(*LAYERS), refinement=treated)
        tiled.put(noise(shape))
        measured, bands = tiled.compute(), np.split(tiled.gradient, 4, axis=2)
        sizes = [math.sqrt(np.mean(band.astype(np.float64) ** 2)) for band in bands]
        assert measured.scales == pytest.approx(sizes, rel=1e-6)
        before = tiled.image
        tiled.move_by(0.5, measured.scales)
        expected = 0.5 * sum(band / size for band, size in zip(bands, sizes, strict=True)) / 2
        np.testing.assert_allclose(tiled.image - before, expected, atol=1e-5)
