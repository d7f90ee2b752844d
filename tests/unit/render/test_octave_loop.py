"""Whoever dies or is interrupted on the way, the finished dream has the same bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import DreamrayError, MemoryExhaustedError
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.engine.ascent import Octave, Step, StepMeasure, Stored, Wish
from dreamray.engine.blending import TileTask
from dreamray.engine.events import Event, Notice, OctaveDone, OctaveStarted, StepDone, TileDone
from dreamray.engine.tile_executor import LocalTileExecutor, TileExecutor, WorkersLostError
from dreamray.engine.worker import Worker
from dreamray.plan.planner import Planner
from dreamray.raster.lazy import ArrayRaster, read, resize
from dreamray.raster.mask import Masks
from dreamray.raster.oklab import to_oklab
from dreamray.render import octave_loop as module
from dreamray.render.checkpoint import Checkpoint, CheckpointStore
from dreamray.render.octave_loop import LOSSES_IN_A_ROW, OctaveLoop
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import Folder, LocalFolder, MemoryFolder
from tests.support.crew import Crew
from tests.support.plain_engine import PlainEngine, TiredEngine

LAYERS = ("conv2d_2", "max_pooling2d")
SHAPE = Shape(83, 101)
DREAM = Dream(
    layers=dict.fromkeys(LAYERS, 1.0), octaves=2, iterations=4, step=0.05, max_loss=None, jitter=9
)


def image() -> Raster:
    return np.random.default_rng(0).uniform(-1, 1, (*SHAPE, 3)).astype(np.float32)


def engine(dream: Dream) -> PlainEngine:
    return PlainEngine(*map(str, dream.terms))


def local(engine: PlainEngine | None = None) -> LocalTileExecutor:
    return LocalTileExecutor(Worker(engine or PlainEngine(*LAYERS)))


class KeepingJob(CheckpointStore):
    """Notes where it was recorded."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder, {"dream": "this"})
        self.reached: list[Checkpoint] = []

    def reach(self, checkpoint: Checkpoint) -> None:
        super().reach(checkpoint)
        self.reached.append(checkpoint)


class Run:
    """Dreams the image in a folder: again and again, if it is interrupted."""

    def __init__(
        self,
        folder: Folder | None = None,
        every: int | None = None,
        dream: Dream = DREAM,
        mask: Raster | None = None,
        terms: Mapping[str, Raster] = {},
        **execution: Any,
    ) -> None:
        """`mask` is of steps, `terms` are masks of terms by name."""
        self.folder = folder or MemoryFolder()
        self.dream = dream
        self.every = every
        self.masks = Masks(
            None if mask is None else ArrayRaster(mask),
            {name: ArrayRaster(one) for name, one in terms.items()},
        )
        self.planner = Planner(dream, Execution(**{"tile": 48, **execution}))
        self.plan = self.planner.plan(SHAPE)
        self.heard: list[Event] = []
        self.stop: Callable[[Event], bool] = lambda event: False
        self.job = KeepingJob(self.folder)

    def by(self, crew: TileExecutor | None = None) -> bytes:
        """The bytes of the dream."""
        return self.array(crew).tobytes()

    def array(self, crew: TileExecutor | None = None, picture: Raster | None = None) -> Raster:
        self.job = KeepingJob(self.folder)
        self.job.resume(99)
        dreaming = OctaveLoop(
            self.dream,
            self.planner,
            self.plan,
            crew or LocalTileExecutor(Worker(engine(self.dream))),
            self.job,
            self.on_event,
            checkpoint_every=self.every,
            masks=self.masks,
        )
        dreamt = dreaming.run(ArrayRaster(image() if picture is None else picture))
        return read(dreamt, Region.whole(dreamt.shape))

    def on_event(self, event: Event) -> None:
        self.heard.append(event)
        if self.stop(event):
            raise KeyboardInterrupt

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.told(Notice)]


SEAMS = {"exact": {}, "blend": {"seams": "blend", "overlap": 12}}


@pytest.fixture(params=SEAMS)
def seams(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SEAMS[request.param]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, bytes]:
    return {name: Run(**execution).by() for name, execution in SEAMS.items()}


@pytest.fixture
def expected(seams: dict[str, Any], undisturbed: dict[str, bytes]) -> bytes:
    return undisturbed[seams.get("seams", "exact")]


class TestFinish:
    """Strength and colours are of the end, and of what is shown on the way."""

    @pytest.mark.parametrize("margin", [None, 37])
    def test_does_not_change_what_is_dreamt(self, margin: int | None) -> None:
        plain = Run(dream=DREAM.replace(margin=margin))
        dreamt, source = plain.array(), image()
        faint = Run(dream=DREAM.replace(margin=margin, strength=0.3))
        np.testing.assert_allclose(faint.array(), source + 0.3 * (dreamt - source), atol=1e-6)
        kept = Run(dream=DREAM.replace(margin=margin, colours="keep")).array()
        lightness = [to_oklab(np.clip(one / 2.0 + 0.5, 0, 1))[..., 0] for one in (kept, dreamt)]
        np.testing.assert_allclose(*lightness, atol=0.01)

    def test_is_in_what_is_shown_on_the_way(self) -> None:
        run = Run(dream=DREAM.replace(strength=0.0))
        shown = []

        def look(event: Event) -> bool:
            if isinstance(event, OctaveDone):
                shown.append(read(event.result, Region.whole(event.result.shape)))
            return False

        run.stop = look
        run.by()
        for one, shape in zip(shown, [(59, 72), SHAPE], strict=True):
            np.testing.assert_array_equal(one, resize(image(), Shape(*shape)))

    def test_is_that_of_work_that_was_done_before(self) -> None:
        folder, dream = MemoryFolder(), DREAM.replace(strength=0.5, colours="keep")
        first, again = Run(folder, dream=dream), Run(folder, dream=dream)
        assert first.by() == again.by()
        assert not again.told(StepDone)


SMALL = Shape(40, 49)


def ragged(shape: Shape = SMALL) -> Raster:
    """A mask with black, white and grey, in large pieces and in small ones."""
    mask = np.clip(np.random.default_rng(7).uniform(-1, 2, (*shape, 1)), 0, 1)
    mask[: shape.height // 3] = 0
    mask[-shape.height // 3 :] = 1
    return mask.astype(np.float32)


class TestMask:
    @pytest.mark.parametrize("margin", [None, 37])
    @pytest.mark.parametrize("shape", [SHAPE, SMALL, Shape(166, 202)])
    def test_what_is_black_stays_and_the_rest_does_not(
        self, shape: Shape, margin: int | None, seams: dict[str, Any]
    ) -> None:
        mask = ragged(shape)
        run = Run(dream=DREAM.replace(margin=margin), mask=mask, **seams)
        dreamt = run.array()
        inner = slice(0, SHAPE.height // 3 - 3)
        np.testing.assert_allclose(dreamt[inner], image()[inner], atol=1e-6)
        white = slice(-SHAPE.height // 3 + 3, None)
        assert np.abs(dreamt[white] - image()[white]).mean() > 0.05

    def test_of_white_alone_changes_no_bit(self, seams: dict[str, Any], expected: bytes) -> None:
        assert Run(mask=np.ones((5, 6, 1), np.float32), **seams).by() == expected

    def test_of_tiles_is_that_of_the_whole(self) -> None:
        tiled, whole = Run(mask=ragged()), Run(mask=ragged(), tile=256)
        np.testing.assert_allclose(tiled.array(), whole.array(), atol=5e-6, rtol=0)

    @pytest.mark.parametrize("count", [2, 3])
    def test_of_several_workers_is_that_of_one(self, count: int, seams: dict[str, Any]) -> None:
        crew = Crew(lambda: PlainEngine(*LAYERS), count)
        assert Run(mask=ragged(), **seams).by(crew) == Run(mask=ragged(), **seams).by()

    def test_goes_on_in_the_middle(self, seams: dict[str, Any]) -> None:
        expected = Run(mask=ragged(), **seams).by()
        for stop in range(1, 8):
            folder = MemoryFolder()
            broken = Run(folder, 1, mask=ragged(), **seams)
            broken.stop = lambda event, broken=broken, stop=stop: (
                len(broken.told(StepDone) + broken.told(TileDone)) == stop
            )
            with contextlib.suppress(KeyboardInterrupt):
                broken.by()
            assert Run(folder, 1, mask=ragged(), **seams).by() == expected


OBJECTIVES = [
    "conv2d_2 + max_pooling2d",
    "accent(conv2d_2) + max_pooling2d",
    "near(conv2d_2,0.3,0.9,0.25) + 0.5*masked(max_pooling2d,sea)",
    "masked(unlike(conv2d_2),sky) + masked(max_pooling2d,sea)",
]


def any_dream() -> st.SearchStrategy[Dream]:
    return st.fixed_dictionaries(
        {"layers": st.sampled_from(OBJECTIVES)},
        optional={
            "margin": st.sampled_from([9, 37]),
            "octave_sizes": st.sampled_from([[70], [60, 80], [20, 70]]),
            "strength": st.sampled_from([0.0, 0.4]),
            "colours": st.just("keep"),
            "jitter": st.just(0),
            "smooth": st.sampled_from([0.3, 1.5]),
            "laplacian": st.sampled_from([1, 3]),
            "optimizer": st.sampled_from(["momentum", "adam"]),
            "schedule": st.sampled_from(["linear", "cosine"]),
        },
    ).map(lambda settings: DREAM.replace(**settings))


@given(any_dream(), st.booleans(), st.none() | st.just(0.03), st.booleans(), st.data())
@hypothesis.settings(max_examples=12)
def test_settings_together_have_the_same_bytes_however_they_are_dreamt(
    dream: Dream, masked: bool, max_loss: float | None, blends: bool, data: st.DataObject
) -> None:
    """By one worker or several, and by some after others were interrupted."""
    dream, folder = dream.replace(max_loss=max_loss), MemoryFolder()
    more = {**given_masks(masked), **SEAMS["blend" if blends else "exact"]}
    expected = Run(dream=dream, **more).by()
    broken, stop = Run(folder, 1, dream, **more), data.draw(st.integers(1, 8))
    broken.stop = lambda event: len(broken.told(StepDone) + broken.told(TileDone)) == stop
    with contextlib.suppress(KeyboardInterrupt):
        broken.by()
    crew = Crew(lambda: engine(dream), data.draw(st.integers(2, 3)))
    assert Run(folder, 1, dream, **more).by(crew) == expected


@given(any_dream(), st.booleans(), st.sampled_from([32, 48]))
@hypothesis.settings(max_examples=12)
def test_settings_together_are_dreamt_in_tiles_as_in_one(
    dream: Dream, masked: bool, tile: int
) -> None:
    """But for rounding, which each step makes larger: here a change of half a per cent of a step.

    Adam and colours do so most, where there is hardly a slope.
    """
    dream = dream.replace(colours="dream", iterations=min(2, dream.iterations))
    if dream.optimizer == "adam":
        dream = dream.replace(optimizer="momentum")
    tiled, whole = (Run(dream=dream, tile=side, **given_masks(masked)) for side in (tile, 512))
    assert len(tiled.plan.stages[-1].tiles.tiles) > len(whole.plan.stages[-1].tiles.tiles) == 1
    np.testing.assert_allclose(tiled.array(), whole.array(), atol=dream.step / 200, rtol=0)


def given_masks(masked: bool) -> dict[str, Any]:
    """Masks of terms, and if asked for one of steps, each of a size of its own."""
    terms = {"sky": ragged(Shape(166, 202)), "sea": 1 - ragged()}
    return {"mask": ragged() if masked else None, "terms": terms}


class TestParts:
    """Where terms count is a part of the picture, whatever becomes of that on the way."""

    def moved(self, layers: str, **settings: Any) -> tuple[Raster, np.ndarray]:
        """What was dreamt, and where it is not the picture any more."""
        run = {
            name: settings.pop(name) for name in ("terms", "seams", "overlap") if name in settings
        }
        dream = DREAM.replace(octaves=1, **{"layers": layers, "jitter": 40, **settings})
        found = Run(dream=dream, **run).array()
        return found, np.abs(found - image()).max(axis=2) > 1e-6

    @pytest.mark.parametrize(
        "settings",
        [{"jitter": 0}, {}, {"margin": 21}, {"jitter": 0, "seams": "blend", "overlap": 12}],
    )
    @pytest.mark.parametrize("place", [(0.3, 0.6), (0.0, 1.0), (0.5, 0.02)])
    def test_a_square_stays_where_it_was_put(
        self, place: tuple[float, float], settings: dict[str, Any]
    ) -> None:
        x, y = place
        _, moved = self.moved(f"near(conv2d_2,{x},{y},0.1)", **settings)
        rows, columns = (np.flatnonzero(moved.any(axis=axis)) for axis in (1, 0))
        for at, side, seen in ((y, SHAPE.height, rows), (x, SHAPE.width, columns)):
            # Where the rolled picture's edges meet, cells see beyond them.
            far = np.abs(seen + 0.5 - at * side)
            assert np.minimum(far, side - far).max() <= 10.1 + 8 + 1
            assert far.min() <= 4

    def test_a_small_part_moves_as_far_as_a_large_one(self) -> None:
        """On average over the whole picture, however little of it there is."""
        for radius in (0.5, 0.1, 1e-4):
            found, _ = self.moved(f"near(conv2d_2,0.5,0.5,{radius})", iterations=1, jitter=0)
            assert np.abs(found - image()).mean() == pytest.approx(DREAM.step, rel=1e-3)

    def test_a_mask_is_where_it_is_white(self) -> None:
        mask = np.zeros((*SHAPE, 1), np.float32)
        mask[:, 60:] = 1
        _, moved = self.moved("masked(conv2d_2,right)", terms={"right": mask})
        assert not moved[:, 8 : 60 - 8].any()
        assert moved[:, 60:].mean() > 0.9

    def test_a_term_is_the_sum_of_its_parts(self) -> None:
        """The gradient is; what is white and what is black make up all of it."""
        mask = ragged()
        parts = "masked(conv2d_2,sky) + masked(conv2d_2,sea)"
        found, _ = self.moved(parts, terms={"sky": mask, "sea": 1 - mask}, laplacian=2)
        whole, _ = self.moved("conv2d_2", laplacian=2)
        np.testing.assert_allclose(found, whole, atol=1e-5)


class TestMargin:
    MARGIN = 37
    DREAM = DREAM.replace(margin=MARGIN)

    def test_is_dreamt_with_the_picture_and_cut_off(self) -> None:
        padded = Run()
        sides = ((self.MARGIN, self.MARGIN), (self.MARGIN, self.MARGIN), (0, 0))
        wide = np.pad(image(), sides, mode="symmetric")
        padded.plan = padded.planner.plan(Shape(*wide.shape[:2]))
        inside = (slice(self.MARGIN, -self.MARGIN),) * 2
        expected = padded.array(picture=wide)[inside]
        np.testing.assert_array_equal(Run(dream=self.DREAM).array(), expected)

    def test_of_tiles_is_that_of_the_whole(self) -> None:
        tiled, whole = Run(dream=self.DREAM), Run(dream=self.DREAM, tile=256)
        assert len(tiled.plan.stages[0].tiles.tiles) > 1
        assert len(whole.plan.stages[-1].tiles.tiles) == 1
        np.testing.assert_allclose(tiled.array(), whole.array(), atol=5e-6, rtol=0)

    def test_is_not_in_what_is_shown_on_the_way(self) -> None:
        run = Run(dream=self.DREAM)
        run.by()
        shapes = [event.result.shape for event in run.told(OctaveDone)]
        assert shapes == [(60, 73), SHAPE]

    def test_larger_than_the_picture_makes_room_for_the_network(self) -> None:
        run = Run(dream=self.DREAM.replace(margin=111))
        assert run.plan.canvas == (305, 323)
        assert run.array().shape == (*SHAPE, 3)


class TestEvents:
    def test_of_exact_tiles_tell_each_step(self) -> None:
        run = Run()
        run.by()
        assert [(e.octave, e.number) for e in run.told(StepDone)] == [
            (octave, step) for octave in (0, 1) for step in range(4)
        ]
        started = run.told(OctaveStarted)
        assert [(e.number, e.count, e.shape) for e in started] == [
            (0, 2, (59, 72)),
            (1, 2, SHAPE),
        ]
        assert started[0].work_after == 4 * started[1].work
        assert started[1].work_after == 0
        assert [e.number for e in run.told(OctaveDone)] == [0, 1]
        assert run.notices == []

    def test_of_blended_tiles_tell_each_tile(self) -> None:
        run = Run(**SEAMS["blend"])
        run.by()
        counts = [len(stage.tiles.tiles) for stage in run.plan.stages]
        assert [(e.octave, e.done, e.tiles, e.steps) for e in run.told(TileDone)] == [
            (octave, done, count, 4)
            for octave, count in enumerate(counts)
            for done in range(1, count + 1)
        ]
        assert run.told(StepDone) == []

    def test_of_a_finished_octave_bring_its_picture(self) -> None:
        run, shapes = Run(), []

        def look(event: Event) -> bool:
            if isinstance(event, OctaveDone):
                picture = read(event.result, Region.whole(event.result.shape))
                assert np.isfinite(picture).all()
                shapes.append(event.result.shape)
            return False

        run.stop = look
        run.by()
        assert shapes == [(59, 72), SHAPE]

    def test_max_loss_ends_an_octave_before_the_step(self) -> None:
        run = Run(dream=DREAM.replace(max_loss=1e-6))
        run.by()
        assert [(e.octave, e.number, e.moved) for e in run.told(StepDone)] == [
            (0, 0, False),
            (1, 0, False),
        ]


class TestResult:
    def test_without_steps_is_the_picture(self, seams: dict[str, Any]) -> None:
        still = Run(dream=DREAM.replace(iterations=0), **seams).array()
        np.testing.assert_allclose(still, image(), rtol=0, atol=1e-6)

    def test_of_a_last_octave_smaller_than_the_picture_has_its_shape(self) -> None:
        dream = DREAM.replace(octaves=2, octave_scale=0.7, iterations=1)
        run = Run(dream=dream)
        assert run.array().shape == (*SHAPE, 3)

    @pytest.mark.parametrize("tile", [32, 64, "auto"])
    def test_of_exact_tiles_is_the_same_dream_whatever_their_size(self, tile: int | str) -> None:
        """But for rounding, which grows on the way."""
        few = DREAM.replace(iterations=2)
        expected = Run(dream=few, tile=200).array()
        np.testing.assert_allclose(Run(dream=few, tile=tile).array(), expected, atol=1e-3)

    def test_of_blended_tiles_has_no_seam(self) -> None:
        """What is dreamt at the tiles' edges changes no more from pixel to pixel than elsewhere."""
        run = Run(dream=DREAM.replace(octaves=1, jitter=0, step=0.02), **SEAMS["blend"])
        change = run.array() - image()
        (stage,) = run.plan.stages
        jumps = np.abs(np.diff(change, axis=1)).mean(axis=(0, 2))
        edges = [core.start - 1 for core in stage.tiles.core_columns[1:]]
        assert len(edges) >= 2
        assert jumps[edges].mean() < 1.5 * np.delete(jumps, edges).mean()

    def test_of_blended_tiles_does_not_depend_on_who_is_first(
        self, undisturbed: dict[str, bytes]
    ) -> None:
        class Backwards(LocalTileExecutor):
            def dream_tiles(
                self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]
            ) -> None:
                super().dream_tiles(tasks[::-1], done)

        crew = Backwards(Worker(PlainEngine(*LAYERS)))
        assert Run(**SEAMS["blend"]).by(crew) == undisturbed["blend"]


class TestCheckpoints:
    @pytest.mark.parametrize(
        ("every", "steps"), [(None, []), (1, [1, 2, 3]), (2, [2]), (3, [3]), (4, []), (99, [])]
    )
    def test_come_every_so_many_steps_and_after_each_octave(
        self, every: int | None, steps: list[int], undisturbed: dict[str, bytes]
    ) -> None:
        run = Run(every=every)
        assert run.by() == undisturbed["exact"]
        assert [(c.octave, c.step) for c in run.job.reached] == [
            (0, 0),
            *((0, step) for step in steps),
            (1, 0),
            *((1, step) for step in steps),
            (2, 0),
        ]

    def test_only_the_last_raster_is_kept(self, tmp_path: Path, seams: dict[str, Any]) -> None:
        Run(LocalFolder(tmp_path), 1, **seams).by()
        left = {path.parent.name for path in tmp_path.rglob("*.npy")}
        assert left == {"octave-2"}

    def test_a_finished_job_is_read_and_not_dreamt_again(
        self, seams: dict[str, Any], expected: bytes
    ) -> None:
        run = Run(**seams)
        run.by()
        engine = PlainEngine(*LAYERS)
        assert run.by(local(engine)) == expected
        assert engine.gradients == 0


@pytest.mark.slow
class TestInterruption:
    @pytest.mark.parametrize(("seams", "every"), [("exact", None), ("exact", 1), ("blend", None)])
    def test_at_any_moment_changes_no_byte(
        self,
        seams: str,
        every: int | None,
        undisturbed: dict[str, bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """At every event in turn, or every other one of the many tiles."""
        monkeypatch.setattr(module, "RECORD_EVERY", -1.0)
        whole = Run(every=every, **SEAMS[seams])
        whole.by()
        for moment in range(0, len(whole.heard), 2 if seams == "blend" else 1):
            run = Run(every=every, **SEAMS[seams])
            run.stop = lambda event, run=run, moment=moment: len(run.heard) == moment + 1
            with pytest.raises(KeyboardInterrupt):
                run.by()
            assert run.by() == undisturbed[seams]

    def test_again_and_again_gets_there_in_the_end(
        self, seams: dict[str, Any], expected: bytes
    ) -> None:
        """Each time a little more is done, and nothing twice that was recorded."""
        run = Run(every=1, **seams)
        run.stop = lambda event: isinstance(event, OctaveDone)
        for _ in run.plan.stages:
            with pytest.raises(KeyboardInterrupt):
                run.by()
        assert [e.number for e in run.told(OctaveDone)] == [0, 1]
        assert run.by() == expected

    def test_finished_tiles_are_not_dreamt_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "RECORD_EVERY", -1.0)
        run = Run(**SEAMS["blend"])
        run.stop = lambda event: isinstance(event, TileDone) and event.done == 3
        with pytest.raises(KeyboardInterrupt):
            run.by()
        # The third was told, but not recorded when the interruption came.
        run.heard.clear()
        run.stop = lambda event: isinstance(event, OctaveDone)
        with pytest.raises(KeyboardInterrupt):
            run.by()
        assert run.told(TileDone)[0].done == 3


class Losing(LocalTileExecutor):
    """Loses its workers, and all they have, at some of its calls; before or after the call.

    A call is what an executor is asked for, and each thing that it tells.
    """

    def __init__(self, at: Callable[[int], bool], *, after: bool = False) -> None:
        super().__init__(Worker(PlainEngine(*LAYERS)))
        self.at = at
        self.after = after
        self.calls = 0

    def _through(self, call: Callable[[], Any]) -> Any:
        lost = self.at(self.calls)
        self.calls += 1
        found = call() if self.after or not lost else None
        if lost:
            raise WorkersLostError("a worker was lost with its node")
        return found

    def dream(self, octave: Octave) -> Iterator[Step | Stored]:
        base = super().dream
        told = self._through(lambda: base(octave))
        while (one := self._through(lambda: next(told, None))) is not None:
            yield one

    def measure(self, octave: Octave) -> StepMeasure:
        base = super().measure
        return self._through(lambda: base(octave))

    def dream_tiles(self, tasks: Sequence[TileTask], done: Callable[[TileTask, int], None]) -> None:
        base = super().dream_tiles
        self._through(lambda: base(tasks, done))


@pytest.mark.slow
class TestLosses:
    @pytest.mark.parametrize(
        ("seams", "every", "after"),
        [("exact", None, True), ("exact", 2, False), ("blend", None, True), ("blend", None, False)],
    )
    def test_at_any_call_change_no_byte(
        self, seams: str, every: int | None, after: bool, undisturbed: dict[str, bytes]
    ) -> None:
        calm = Losing(lambda call: False)
        Run(every=every, **SEAMS[seams]).by(calm)
        for moment in range(calm.calls):
            run = Run(every=every, **SEAMS[seams])
            crew = Losing(lambda call, moment=moment: call == moment, after=after)
            assert run.by(crew) == undisturbed[seams]
            (remark,) = run.notices
            assert remark == "a worker was lost with its node; going on from the last checkpoint"

    def test_may_be_many_if_there_is_a_checkpoint_in_between(
        self, undisturbed: dict[str, bytes]
    ) -> None:
        run = Run(every=1)
        crew = Losing(lambda call: call % 5 == 4)
        assert run.by(crew) == undisturbed["exact"]
        assert len(run.notices) > LOSSES_IN_A_ROW

    def test_without_end_are_an_error_in_one_line(self, seams: dict[str, Any]) -> None:
        run = Run(**seams)
        with pytest.raises(DreamrayError) as caught:
            run.by(Losing(lambda call: True))
        message = str(caught.value)
        assert message.startswith(f"workers got lost {LOSSES_IN_A_ROW} times in a row")
        assert "a worker was lost with its node" in message
        assert "run it again" in message
        assert "\n" not in message

    def test_without_end_may_be_gone_on_from(self, seams: dict[str, Any], expected: bytes) -> None:
        run = Run(every=1, **seams)
        with pytest.raises(DreamrayError, match="in a row"):
            run.by(Losing(lambda call: call > 6))
        assert run.by() == expected


class TestChanges:
    """Of the workers, on their way: they end with a checkpoint, and others go on with it."""

    def test_store_the_image_and_change_no_byte(self, undisturbed: dict[str, bytes]) -> None:
        """Whoever has to leave does so with the next step."""
        crew = Crew(lambda: PlainEngine(*LAYERS), 2, wish=lambda asked: Wish(2 * (asked in (0, 5))))
        run = Run()
        assert run.by(crew) == undisturbed["exact"]
        assert [(c.octave, c.step) for c in run.job.reached] == [
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 2),
            (2, 0),
        ]
        assert crew.begun == 4

    def test_that_may_be_wait_for_a_checkpoint(self, undisturbed: dict[str, bytes]) -> None:
        crew = Crew(lambda: PlainEngine(*LAYERS), 2, wish=lambda asked: Wish.LEAVE_AT_CHECKPOINT)
        run = Run(every=3)
        assert run.by(crew) == undisturbed["exact"]
        assert crew.begun == 4


class TestMemory:
    @pytest.mark.parametrize("window", [0, 1, 4])
    def test_that_runs_out_makes_smaller_tiles_and_is_said_once(
        self, window: int, seams: dict[str, Any]
    ) -> None:
        run = Run(**seams)
        tired = TiredEngine(*LAYERS, at=[window])
        found = run.array(local(tired))
        (remark,) = run.notices
        assert remark.startswith("memory ran out on a window of ")
        assert "going on with tiles of " in remark
        assert [e.tile for e in run.told(OctaveStarted)][1:] < [run.told(OctaveStarted)[0].tile] * 2
        assert run.job.checkpoint.core is not None
        assert np.isfinite(found).all()

    def test_that_runs_out_in_the_middle_goes_on_from_the_checkpoint(self) -> None:
        """The dream is the same, but for rounding."""
        few = DREAM.replace(octaves=1, iterations=3)
        expected = Run(dream=few).array()
        run = Run(every=1, dream=few)
        tiles = len(run.plan.stages[0].tiles.tiles)
        found = run.array(local(TiredEngine(*LAYERS, at=[2 * tiles + 1])))
        assert [e.number for e in run.told(StepDone)] == [0, 1, 2]
        np.testing.assert_allclose(found, expected, atol=1e-3)

    def test_that_ran_out_is_remembered_when_the_job_goes_on(self) -> None:
        """So that the bytes are those that it would have had uninterrupted."""
        runs = [Run(every=1), Run(every=1)]
        whole = runs[0].by(local(TiredEngine(*LAYERS, at=[1])))
        runs[1].stop = lambda event: isinstance(event, StepDone) and event.number == 2
        with pytest.raises(KeyboardInterrupt):
            runs[1].by(local(TiredEngine(*LAYERS, at=[1])))
        runs[1].stop = lambda event: False
        assert runs[1].by() == whole

    def test_too_little_for_the_smallest_tiles_is_an_error(self, seams: dict[str, Any]) -> None:
        run = Run(**seams)
        with pytest.raises(MemoryExhaustedError, match="even on the smallest tiles") as caught:
            run.by(local(TiredEngine(*LAYERS, at=range(10**6))))
        assert "\n" not in str(caught.value)
        sizes = [e.tile for e in run.told(OctaveStarted)]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(sizes)) == len(sizes) == len(run.notices) + 1
