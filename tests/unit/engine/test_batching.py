"""Threads that share an engine get what they would get alone, and none waits for ever."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.engine.batching import SharedObjective, StoppedError
from dreamray.engine.events import Event, StepDone
from dreamray.engine.interfaces import Engine
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.model.terms import Scope, parse_sum, parts_of
from dreamray.plan.planner import Planner
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.render.checkpoint import CheckpointStore
from dreamray.render.octave_loop import OctaveLoop
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import MemoryFolder
from tests.support.plain_engine import PlainEngine

LAYER = "conv2d_2"
OWNED = np.array([[[0, 3], [0, 3]]], np.int32)
PER_CELL = np.ones(1, np.float32)
PATIENCE = 120.0
"""Seconds after which threads are taken for stuck."""


class BatchingEngine(PlainEngine):
    """Notes the shape and size of everything that it computes."""

    def __init__(self, *, holds: int | None = None) -> None:
        """`holds`: windows that fit into memory."""
        self.scopes = (Scope(LAYER),)
        self.computed: list[tuple[tuple[int, ...], int]] = []
        self.holds = holds
        self.failure: Exception | None = None
        self._plain = PlainEngine(LAYER)
        self._busy = threading.Lock()

    def gradient(self, window: Raster, owned: Any, per_cell: Any) -> tuple[float, Raster]:
        with self._alone():
            self.computed.append((window.shape[:2], 1))
            return self._plain.gradient(window, owned, per_cell)

    def gradients(
        self, windows: Sequence[Raster], owned: Any, per_cell: Any
    ) -> list[tuple[float, Raster]]:
        with self._alone():
            self.computed.append((windows[0].shape[:2], len(windows)))
            if self.holds is not None and len(windows) > self.holds:
                raise MemoryExhaustedError("memory ran out")
            if self.failure is not None:
                raise self.failure
            return [self._plain.gradient(window, owned, per_cell) for window in windows]

    def padded_gradients(
        self, windows: Mapping[int, Raster], size: int, owned: Any, per_cell: Any
    ) -> dict[int, tuple[float, Raster]]:
        """Bits that depend on place and size, as those of a real array may."""
        with self._alone():
            shape = next(iter(windows.values())).shape[:2]
            self.computed.append((shape, size))
            if self.holds is not None and size > self.holds:
                raise MemoryExhaustedError("memory ran out")
            if self.failure is not None:
                raise self.failure
            assert all(0 <= place < size for place in windows)
            return {
                place: placed(self._plain.gradient(one, owned, per_cell), place, size)
                for place, one in windows.items()
            }

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        assert self._busy.acquire(blocking=False), "two threads compute at a time"
        try:
            yield
        finally:
            self._busy.release()


def placed(found: tuple[float, Raster], place: int, size: int) -> tuple[float, Raster]:
    return found[0] + place + 10 * size, found[1] * np.float32(1 + place / 8 + size)


def window(seed: int, height: int = 20, width: int = 24, channels: int = 3) -> Raster:
    noise = np.random.default_rng(seed).uniform(-1, 1, (height, width, channels))
    return noise.astype(np.float32)


def in_threads(*work: Callable[[], Any]) -> list[Any]:
    """What each returns, or raises; all of them end."""
    outcomes: list[Any] = [None] * len(work)

    def run(place: int) -> None:
        try:
            outcomes[place] = work[place]()
        except Exception as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=[n], daemon=True) for n in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread is stuck"
    return outcomes


def bits(found: tuple[float, Raster]) -> tuple[float, bytes]:
    return found[0], found[1].tobytes()


def expected(image: Raster) -> tuple[float, bytes]:
    return bits(PlainEngine(LAYER).gradient(image, OWNED, PER_CELL))


def climb(
    engine: SharedObjective[Any],
    images: Sequence[Raster],
    together: threading.Barrier,
) -> list[tuple[float, bytes]]:
    """The gradients of images one after the other, begun when all take part."""
    with engine.taking_part():
        together.wait(PATIENCE)
        return [bits(engine.gradient(image, OWNED, PER_CELL)) for image in images]


def share(engine: SharedObjective[Any], images: Sequence[Sequence[Raster]]) -> list[Any]:
    """Each thread climbs with its images."""
    together = threading.Barrier(len(images))
    return in_threads(*(lambda own=own: climb(engine, own, together) for own in images))


def steps(pictures: int, count: int, *shape: int) -> list[list[Raster]]:
    return [[window(100 * p + s, *shape) for s in range(count)] for p in range(pictures)]


class TestBatches:
    def test_four_pictures_of_one_shape_go_together_in_every_step(self) -> None:
        plain = BatchingEngine()
        images = steps(4, 5)
        found = share(SharedObjective(plain, 4), images)
        assert found == [[expected(image) for image in own] for own in images]
        assert [size for _, size in plain.computed] == [4] * 5

    def test_are_not_larger_than_the_most(self) -> None:
        plain = BatchingEngine()
        images = steps(5, 4)
        found = share(SharedObjective(plain, 2), images)
        assert found == [[expected(image) for image in own] for own in images]
        sizes = [size for _, size in plain.computed]
        assert max(sizes) == 2
        assert sum(sizes) == 20
        assert len(sizes) == 10

    def test_are_of_one_shape(self) -> None:
        plain = BatchingEngine()
        images = steps(3, 4) + steps(2, 4, 31, 21)
        found = share(SharedObjective(plain, 8), images)
        assert found == [[expected(image) for image in own] for own in images]
        assert sorted(plain.computed) == [((20, 24), 3)] * 4 + [((31, 21), 2)] * 4

    def test_are_of_one_objective(self) -> None:
        plain = BatchingEngine()
        engine = SharedObjective(plain, 8)
        together = threading.Barrier(2)

        def climb_other(owned: Any, per_cell: Any) -> Any:
            with engine.taking_part():
                together.wait(PATIENCE)
                return bits(engine.gradient(window(0), owned, per_cell))

        for other in (OWNED + 1, PER_CELL), (OWNED, 2 * PER_CELL):
            first, second = in_threads(
                lambda: climb_other(OWNED, PER_CELL), lambda other=other: climb_other(*other)
            )
            assert first == expected(window(0)) != second
        assert {size for _, size in plain.computed} == {1}

    def test_a_single_picture_waits_for_nobody(self) -> None:
        plain = BatchingEngine()
        engine = SharedObjective(plain, 4)
        assert bits(engine.gradient(window(1), OWNED, PER_CELL)) == expected(window(1))
        with engine.taking_part(), engine.taking_part():
            assert bits(engine.gradient(window(2), OWNED, PER_CELL)) == expected(window(2))
        assert [size for _, size in plain.computed] == [1, 1]

    def test_what_waited_longest_goes_first(self) -> None:
        """Of two shapes in turn, though three pictures have one and one has the other."""
        plain = BatchingEngine()
        share(SharedObjective(plain, 8), steps(3, 3) + steps(1, 3, 31, 21))
        shapes = [shape for shape, _ in plain.computed]
        assert all(one != other for one, other in itertools.pairwise(shapes))


class TestThreads:
    def test_that_raise_or_leave_hold_nobody_up(self) -> None:
        plain = BatchingEngine()
        engine = SharedObjective(plain, 4)
        images = steps(4, 6)
        together = threading.Barrier(4)

        def leave(place: int, after: int) -> Any:
            climb(engine, images[place][:after], together)
            raise ValueError(place)

        found = in_threads(
            lambda: climb(engine, images[0], together),
            lambda: climb(engine, images[1], together),
            lambda: leave(2, 3),
            lambda: leave(3, 0),
        )
        assert found[:2] == [[expected(image) for image in own] for own in images[:2]]
        assert [error.args for error in found[2:]] == [(2,), (3,)]
        sizes = [size for _, size in plain.computed]
        assert sorted(sizes, reverse=True) == sizes
        assert sum(sizes) == 15

    def test_an_error_of_a_batch_is_raised_in_all_of_it(self) -> None:
        plain = BatchingEngine()
        plain.failure = ValueError("broken")
        engine = SharedObjective(plain, 4)
        assert share(engine, steps(3, 1)) == [plain.failure] * 3
        plain.failure = None
        assert [len(found) for found in share(engine, steps(3, 1))] == [1] * 3

    def test_an_error_of_one_window_is_its_own(self) -> None:
        class Picky(BatchingEngine):
            def gradient(self, window: Raster, owned: Any, per_cell: Any) -> tuple[float, Raster]:
                if window[0, 0, 0] == 5:
                    raise MemoryExhaustedError("memory ran out")
                return super().gradient(window, owned, per_cell)

        images = steps(3, 1)
        images[1][0][0, 0, 0] = 5
        first, second, third = share(SharedObjective(Picky(holds=1), 4), images)
        assert first == [expected(images[0][0])]
        assert isinstance(second, MemoryExhaustedError)
        assert third == [expected(images[2][0])]

    def test_interrupted_while_it_computes_leaves_the_rest_to_others(self) -> None:
        class Interrupted(BatchingEngine):
            times = 0

            def gradients(
                self, windows: Any, owned: Any, per_cell: Any
            ) -> list[tuple[float, Raster]]:
                found = super().gradients(windows, owned, per_cell)
                self.times += 1
                if self.times == 1:
                    raise KeyboardInterrupt
                return found

        engine = SharedObjective(Interrupted(), 4)
        images = steps(3, 2)
        together = threading.Barrier(3)

        def climb_on(own: list[Raster]) -> Any:
            try:
                return climb(engine, own, together)
            except KeyboardInterrupt:
                return "interrupted"

        found = in_threads(*(lambda own=own: climb_on(own) for own in images))
        assert found.count("interrupted") == 1
        for own, outcome in zip(images, found, strict=True):
            assert outcome in ("interrupted", [expected(image) for image in own])

    script = st.lists(st.sampled_from(["small", "large", "store", "leave", "raise"]), max_size=6)

    @settings(max_examples=60)
    @given(scripts=st.lists(script, min_size=1, max_size=5), most=st.integers(1, 4))
    def test_of_any_schedule_end_with_their_own_results(
        self, scripts: list[list[str]], most: int
    ) -> None:
        engine = SharedObjective(BatchingEngine(), most)

        def follow(place: int) -> Iterator[bool]:
            taking_part = engine.taking_part()
            taking_part.__enter__()
            try:
                for number, word in enumerate(scripts[place]):
                    if word == "raise":
                        raise ValueError(place)
                    if word == "leave":
                        taking_part.__exit__(None, None, None)
                        taking_part = engine.taking_part()
                        taking_part.__enter__()
                    elif word == "store":
                        yield True
                    else:
                        image = window(10 * place + number, 20 if word == "small" else 31)
                        yield bits(engine.gradient(image, OWNED, PER_CELL)) == expected(image)
            finally:
                taking_part.__exit__(None, None, None)

        found = in_threads(*(lambda n=n: list(follow(n)) for n in range(len(scripts))))
        for place, words in enumerate(scripts):
            if "raise" in words:
                assert found[place].args == (place,)
            else:
                assert found[place] == [True] * sum(word != "leave" for word in words)


class TestPadded:
    """Windows of one array, at places of their own."""

    def share(
        self, plain: BatchingEngine, most: int, images: Sequence[Sequence[Raster]], **more: Any
    ) -> list[Any]:
        engine = SharedObjective(plain, most, padded=True, **more)
        together = threading.Barrier(len(images))

        def climb_at(place: int) -> list[tuple[float, bytes]]:
            mine = engine.at(place)
            with engine.taking_part():
                together.wait(PATIENCE)
                return [bits(mine.gradient(image, OWNED, PER_CELL)) for image in images[place]]

        return in_threads(*(lambda n=n: climb_at(n) for n in range(len(images))))

    def expected(self, image: Raster, place: int, size: int) -> tuple[float, bytes]:
        return bits(placed(PlainEngine(LAYER).gradient(image, OWNED, PER_CELL), place, size))

    @pytest.mark.parametrize("pictures", [1, 2, 4, 7])
    def test_arrays_have_one_size_and_each_picture_the_bits_of_its_place(
        self, pictures: int
    ) -> None:
        """Whoever else takes part, and though two may want one place."""
        plain, images = BatchingEngine(), steps(pictures, 3)
        found = self.share(plain, 4, images)
        assert {size for _, size in plain.computed} == {4}
        for number, own in enumerate(images):
            assert found[number] == [self.expected(image, number % 4, 4) for image in own]

    def test_pictures_at_different_places_go_together(self) -> None:
        plain = BatchingEngine()
        self.share(plain, 4, steps(4, 3))
        assert len(plain.computed) == 3

    def test_shapes_are_not_mixed(self) -> None:
        plain, images = BatchingEngine(), steps(2, 2) + steps(2, 2, 31, 21)
        found = self.share(plain, 4, images)
        for number, own in enumerate(images):
            assert found[number] == [self.expected(image, number, 4) for image in own]

    def test_what_fails_in_the_middle_fails_for_those_in_the_array_alone(self) -> None:
        plain = BatchingEngine()
        plain.failure = ValueError("broken")
        found = self.share(plain, 2, steps(2, 2))
        assert [str(error) for error in found] == ["broken"] * 2
        plain.failure = None
        assert self.share(plain, 2, steps(1, 1)) == [[self.expected(window(0), 0, 2)]]

    def test_arrays_that_do_not_fit_are_computed_window_by_window(self) -> None:
        """By the plan, or where memory runs out: the same for all from then on."""
        for plain, most_pixels in (
            (BatchingEngine(), 3 * 20 * 24),
            (BatchingEngine(holds=2), 10**9),
        ):
            images = steps(4, 2)
            found = self.share(plain, 4, images, most_pixels=most_pixels)
            assert found == [[expected(image) for image in own] for own in images]

    def test_a_shape_that_memory_is_out_for_changes_no_smaller_one(self) -> None:
        """A picture's bits would depend on which others are in its set."""

        class Small(BatchingEngine):
            def padded_gradients(self, windows: Any, *more: Any) -> Any:
                if next(iter(windows.values())).shape[0] > 20:
                    raise MemoryExhaustedError("memory ran out")
                return super().padded_gradients(windows, *more)

        large, small = steps(2, 4, 31, 21)[0], steps(2, 4)[1]
        found = self.share(Small(), 4, [large, small])
        assert found[0] == [expected(image) for image in large]
        assert found[1] == [self.expected(image, 1, 4) for image in small]


class TestCancel:
    def test_ends_those_that_wait_and_all_later_calls(self) -> None:
        engine = SharedObjective(BatchingEngine(), 4)
        inside, go = threading.Barrier(4), threading.Event()

        def idle() -> None:
            with engine.taking_part():
                inside.wait(PATIENCE)
                go.wait(PATIENCE)

        def stop() -> None:
            inside.wait(PATIENCE)
            engine.cancel()
            go.set()

        def wait() -> Any:
            return climb(engine, [window(0)], inside)

        found = in_threads(wait, wait, idle, stop)
        assert [type(error) for error in found[:2]] == [StoppedError] * 2
        with pytest.raises(StoppedError, match="stopped"):
            engine.gradient(window(0), OWNED, PER_CELL)
        with pytest.raises(StoppedError), engine.taking_part():
            pass


class TestMemory:
    def test_a_batch_that_does_not_fit_is_computed_one_by_one_then_in_halves(self) -> None:
        plain = BatchingEngine(holds=2)
        images = steps(4, 3)
        found = share(SharedObjective(plain, 4), images)
        assert found == [[expected(image) for image in own] for own in images]
        sizes = [size for _, size in plain.computed if size <= 2]
        assert sizes[:4] == [1, 1, 1, 1]
        assert sizes[4:] == [2, 2, 2, 2]

    def test_batches_have_no_more_pixels_than_there_is_room_for(self) -> None:
        plain = BatchingEngine()
        share(SharedObjective(plain, 4, 2 * 20 * 24), steps(4, 2))
        assert [size for _, size in plain.computed] == [2, 2, 2, 2]
        plain.computed = []
        share(SharedObjective(plain, 4, 5), steps(2, 1))
        assert [size for _, size in plain.computed] == [1, 1]

    def test_smaller_windows_go_on_in_larger_batches(self) -> None:
        plain = BatchingEngine(holds=2)
        engine = SharedObjective(plain, 4)
        share(engine, steps(4, 1, 40, 48))
        plain.holds, plain.computed = None, []
        share(engine, steps(4, 2, 20, 48))
        assert [size for _, size in plain.computed] == [4, 4]
        plain.computed = []
        share(engine, steps(4, 1, 80, 48))
        assert [size for _, size in plain.computed] == [1] * 4


SHAPE = Shape(120, 131)
LAYERS = {"mixed2": 1.0, "mixed3": 0.5}
SQUARES = "mixed2 + 0.5*mixed3"
OTHER_TERMS = (
    "mean(mixed3) + cosine(mixed2[3:1,5:-0.5]) + near(mixed3[7],0.5,0.5,0.2) - 0.1*tv - 0.2*l2",
    "guide(mixed2) + accent(mixed3) + near(mixed2,0.4,0.6,0.1)",
)


@pytest.fixture(params=["untrained", "trained"])
def weights(request: pytest.FixtureRequest, tensorflow: Any) -> Any:
    """Of some contents, bits differ in bfloat16 only with one of them."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def network(precision: Any, weights: Any) -> Any:
    from dreamray.model.objective import TileObjective

    return TileObjective(Dream(layers=LAYERS).terms, weights, precision)


def dream(objective: Any, place: int, max_loss: float | None) -> tuple[bytes, list[float]]:
    """A whole dream of a picture, and the losses on its way."""
    from dreamray.model.arithmetic import TensorFlowArrays

    settings = Dream(layers=LAYERS, octaves=2, iterations=3, step=0.05, max_loss=max_loss)
    planner = Planner(settings, Execution())
    losses: list[float] = []

    def handle(event: Event) -> None:
        if isinstance(event, StepDone):
            losses.append(event.loss)

    job = CheckpointStore(MemoryFolder(), {"dream": "this"})
    crew = LocalTileExecutor(Worker(Engine(objective, TensorFlowArrays())))
    dreaming = OctaveLoop(settings, planner, planner.plan(SHAPE), crew, job, handle)
    dreamt = dreaming.run(ArrayRaster(window(place, *SHAPE)))
    return read(dreamt, Region.whole(SHAPE)).tobytes(), losses


@pytest.mark.slow
class TestNetwork:
    @pytest.mark.parametrize(
        ("weights", "terms"),
        [("untrained", SQUARES), *(("trained", terms) for terms in (SQUARES, *OTHER_TERMS))],
        indirect=["weights"],
    )
    def test_a_place_in_an_array_has_its_bits_whatever_is_at_the_others(
        self, weights: Any, precision: Any, terms: str
    ) -> None:
        """And they are those of the window alone, to rounding."""
        import tensorflow as tf

        from dreamray.model.objective import TileObjective

        chosen = parse_sum(terms)
        network = TileObjective(chosen, weights, precision, window(9, 100, 110))
        scopes = len(network.scopes)
        channels = 3 + 3 * any(term.compares for term in chosen) + len(parts_of(chosen))
        owned = np.broadcast_to(np.int32([[2, 7, -1], [2, 9, -1]]), (scopes, 2, 3))
        per_cell = np.full(scopes, 1 / 100, np.float32)
        mine = tf.constant(window(0, 121, 150, channels))
        others = [tf.constant(window(seed, 121, 150, channels)) for seed in (1, 2)]
        loss, gradient = network.gradient(mine, owned, per_cell)
        for place in (0, 2):
            free = [other for other in range(3) if other != place]
            companions = [{}, {free[0]: others[0]}, dict(zip(free, others[::-1], strict=True))]
            found = [
                network.padded_gradients({place: mine, **more}, 3, owned, per_cell)[place]
                for more in companions
            ]
            assert len({(one, array.numpy().tobytes()) for one, array in found}) == 1
            assert found[0][0] == pytest.approx(float(loss), rel=1e-5)
            error = np.linalg.norm(found[0][1] - gradient) / np.linalg.norm(gradient)
            assert error < 1e-3  # A kink here or there may be decided otherwise.

    def test_a_batch_has_the_bits_of_its_windows_alone(self, network: Any) -> None:
        """As one array of four dimensions they had not."""
        import tensorflow as tf

        layers = len(network.scopes)
        owned = np.broadcast_to(np.int32([[2, 7, -1], [2, 9, -1]]), (layers, 2, 3))
        per_cell = np.full(layers, 1 / 100, np.float32)
        for height, width, size in (128, 128, 4), (121, 187, 2), (121, 187, 3):
            windows = [tf.constant(window(seed, height, width)) for seed in range(size)]
            together = network.gradients(windows, owned, per_cell)
            for one, (loss, gradient) in zip(windows, together, strict=True):
                alone = network.gradient(one, owned, per_cell)
                assert loss == float(alone[0])
                np.testing.assert_array_equal(gradient, alone[1])
        assert network.steps.batch.experimental_get_tracing_count() == 1

    def test_dreams_in_threads_are_those_dreamt_alone(self, network: Any) -> None:
        """Each picture leaves its octaves at another step."""
        stops = [None, *(0.999 * dream(network, place, None)[1][2 - place] for place in (1, 2))]
        alone = [dream(network, place, stop) for place, stop in enumerate(stops)]
        assert len({len(losses) for _, losses in alone}) == 3
        engine, together = SharedObjective(network, 4), threading.Barrier(3)

        def join_in(place: int) -> tuple[bytes, list[float]]:
            with engine.taking_part():
                together.wait(PATIENCE)
                return dream(engine, place, stops[place])

        assert in_threads(*(lambda n=n: join_in(n) for n in range(3))) == alone
