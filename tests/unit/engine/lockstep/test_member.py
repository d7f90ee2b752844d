"""Workers that make an octave by themselves: the bytes of one, whatever becomes of messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamray.base.errors import MemoryExhaustedError
from dreamray.base.geometry import Region, Shape
from dreamray.engine.ascent import Octave, Step
from dreamray.engine.lockstep.mailbox import Limits
from dreamray.engine.lockstep.wire import Head, Kind, unpack
from dreamray.engine.tile_executor import LocalTileExecutor, TileExecutor, WorkersLostError
from dreamray.engine.worker import Worker
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.settings.dream import Dream
from dreamray.storage import MemoryFolder
from tests.support.crew import LIMITS, Crew
from tests.support.in_process import Fault, World
from tests.support.plain_engine import PlainEngine, SlowEngine, TiredEngine

LAYER = "conv2d_2"
PLAN = plan_tiles(Shape(62, 75), [LAYER], 32)
GRID = ChunkGrid.within(PLAN.core_rows, PLAN.core_columns, 512)
DREAM = Dream(layers={LAYER: 1.0}, iterations=3, step=0.05, max_loss=None, jitter=5)
IMAGE = np.random.default_rng(0).uniform(-1, 1, (*PLAN.shape, 3)).astype(np.float32)


def engine() -> PlainEngine:
    return PlainEngine(LAYER)


def bytes_by(executor: TileExecutor, **options: Any) -> bytes:
    """Of an octave, which is begun again from its checkpoint for as long as workers get lost."""
    folder = MemoryFolder()

    def checkpoint(step: int) -> ChunkedRaster:
        return ChunkedRaster(folder.folder(f"step {step}"), GRID, "float32")

    result = ChunkedRaster(folder.folder("result"), GRID, "float32")
    octave = Octave(
        PLAN, ArrayRaster(IMAGE), DREAM, every=1, checkpoint=checkpoint, result=result, **options
    )
    first = 0
    for _ in range(9):
        image = checkpoint(first) if first else octave.image
        try:
            for told in executor.dream(Octave(**{**vars(octave), "first": first, "image": image})):
                if not isinstance(told, Step) and told.finished:
                    return read(result, Region.whole(PLAN.shape)).tobytes()
                if not isinstance(told, Step):
                    first = told.step
        except WorkersLostError:
            continue
    raise AssertionError("it comes to no end")


@pytest.fixture(scope="module")
def alone() -> bytes:
    return bytes_by(LocalTileExecutor(Worker(engine())))


def worlds(*first: World) -> Iterator[World]:
    return itertools.chain(first, (World() for _ in itertools.count()))


def faulty(kind: str, share: float, seconds: float = 0.3) -> World:
    """One in which this share of the messages has a fault."""
    random = Random(1)
    faults = [
        Fault(kind, seconds, 7 * number) if random.random() < share else Fault()
        for number in range(400)
    ]
    return World(faults)


faults = st.builds(
    Fault,
    st.sampled_from(["none"] * 4 + ["drop", "delay", "twice", "flip", "cut", "lengthen"]),
    st.sampled_from([0.0, 1e-4, 0.01, 0.3, 3.0]),
    st.integers(0, 5000),
)
schedules = st.builds(
    World,
    st.lists(faults, max_size=120),
    st.dictionaries(st.integers(0, 3), st.integers(0, 60), max_size=2),
)
"""What becomes of messages, and who dies when."""


@pytest.mark.slow
@given(st.integers(2, 4), st.lists(schedules, min_size=1, max_size=2))
@settings(max_examples=200, deadline=None)
def test_no_schedule_of_faults_changes_a_byte(
    alone: bytes, count: int, disturbed: list[World]
) -> None:
    """Messages are lost, late, doubled, damaged, overtake each other; and workers die."""
    assert bytes_by(Crew(engine, count, worlds(*disturbed))) == alone


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_any_number_of_workers_gives_the_same_bytes(alone: bytes, count: int) -> None:
    crew = Crew(engine, count)
    assert bytes_by(crew) == alone
    assert crew.begun == 1
    assert not crew.dropped


@pytest.mark.parametrize(
    ("kind", "why"),
    [("flip", "damaged"), ("cut", "damaged"), ("lengthen", "damaged"), ("twice", "repeated")],
)
def test_what_is_wrong_with_messages_is_counted(alone: bytes, kind: str, why: str) -> None:
    """And the octave goes on without an end: what is missing is asked for again."""
    crew = Crew(engine, 3, worlds(faulty(kind, 0.2, seconds=0.0)))
    assert bytes_by(crew) == alone
    assert crew.begun == 1
    assert crew.dropped[why] > 3


def test_lost_messages_are_asked_for_again(alone: bytes) -> None:
    crew = Crew(engine, 3, worlds(faulty("drop", 0.25)))
    assert bytes_by(crew) == alone
    assert crew.begun == 1


def test_whoever_only_takes_long_is_not_sent_for_what_it_lacks(alone: bytes) -> None:
    """It is asked, but sends each message once, and hears nothing twice."""

    class Noted(World):
        def post(self, to: int, frames: Sequence[Any]) -> None:
            found = unpack(frames)
            assert found is not None
            sent.append((to, found[0]))
            super().post(to, frames)

    sent: list[tuple[int, Head]] = []
    world = Noted()
    slow = SlowEngine(LAYER, takes=[3, 3, 20], spend=world.spend)
    engines = iter([engine(), slow, engine()])
    crew = Crew(lambda: next(engines), 3, worlds(world), limits=Limits(again=5.0))
    assert bytes_by(crew) == alone
    assert crew.begun == 1
    assert not crew.dropped
    asked = [one for one in sent if one[1].key.kind == Kind.AGAIN]
    assert asked
    assert len(set(sent) - set(asked)) == len(sent) - len(asked)


@pytest.mark.parametrize("who", range(3))
@pytest.mark.parametrize("when", [0, 9, 25])
def test_a_dead_worker_ends_the_epoch_and_the_others_hear_of_it_soon(
    alone: bytes, who: int, when: int
) -> None:
    world = World(deaths={who: when})
    crew = Crew(engine, 3, worlds(world))
    assert bytes_by(crew) == alone
    assert crew.begun == 2
    assert world.now < 1


def test_a_worker_without_memory_ends_the_epoch_with_its_error() -> None:
    engines = iter([engine(), TiredEngine(LAYER, at=[2]), engine()])
    with pytest.raises(MemoryExhaustedError):
        bytes_by(Crew(lambda: next(engines), 3))


def test_no_wait_is_without_a_limit(alone: bytes) -> None:
    """Where nothing ever comes from one of them, the others give it up."""
    silent = World([Fault("drop")] * 10**5)
    crew = Crew(engine, 3, worlds(silent))
    assert bytes_by(crew) == alone
    assert crew.begun == 2
    assert silent.now == pytest.approx(LIMITS.message, rel=0.1)


def test_who_cannot_be_reached_is_given_up_sooner(alone: bytes) -> None:
    class Cut(World):
        def run(self, *workers: Any, **options: Any) -> list[Any]:
            def live(link: Any) -> Any:
                link.cut = {1: 0.0} if link.me != 1 else {0: 0.0, 2: 0.0}
                return workers[link.me](link)

            return super().run(*[live] * len(workers), **options)

    world = Cut([Fault("drop")] * 10**5)
    assert bytes_by(Crew(engine, 3, worlds(world))) == alone
    assert world.now < LIMITS.unreachable + 1


class LateEngine(PlainEngine):
    """Its numbers are there when they are asked for, as on a graphics card."""

    def __init__(self) -> None:
        super().__init__(LAYER)
        self.noted: list[str] = []

    def gradient(self, *window: Any) -> Any:
        self.noted.append("gradient")
        loss, gradient = super().gradient(*window)
        return Late(loss, self.noted), gradient

    def absolute_sum(self, values: Any) -> Any:
        return Late(super().absolute_sum(values), self.noted)


@dataclass(frozen=True)
class Late:
    value: float
    noted: list[str]

    def __float__(self) -> float:
        self.noted.append("waits")
        return self.value


def test_a_device_is_waited_for_when_it_has_all_of_a_step_to_do(alone: bytes) -> None:
    late, tiles = LateEngine(), len(PLAN.tiles)
    assert bytes_by(LocalTileExecutor(Worker(late))) == alone
    assert late.noted == (["gradient"] * tiles + ["waits"] * 2 * tiles) * DREAM.iterations


def test_neither_reading_nor_storing_is_computing() -> None:
    """Each of two workers takes a second for each of its windows, and 100 for the rest."""

    class Slow(ArrayRaster):
        def points(self, *where: Any) -> Any:
            world.spend(100)
            return super().points(*where)

    class SlowStore(ChunkedRaster):
        def write(self, *what: Any) -> None:
            world.spend(100)
            super().write(*what)

    world = World()
    slow = lambda: SlowEngine(LAYER, takes=[1], spend=world.spend)  # noqa: E731
    crew = Crew(slow, 2, worlds(world), limits=Limits())
    octave = Octave(
        PLAN,
        Slow(IMAGE),
        DREAM,
        every=1,
        checkpoint=lambda step: SlowStore(MemoryFolder(), GRID, "float32"),
    )
    steps = [told for told in crew.dream(octave) if isinstance(told, Step)]
    assert len(steps) == DREAM.iterations
    assert [step.effort.computing for step in steps] == pytest.approx([len(PLAN.tiles)] * 3)
    assert world.now > 300


def test_effort_is_that_of_all(alone: bytes) -> None:
    """Bytes that were sent, and time that was waited, by the world's clock."""
    crew = Crew(engine, 2, worlds(faulty("delay", 1, seconds=0.05)))
    octave = Octave(PLAN, ArrayRaster(IMAGE), DREAM)
    steps = [told for told in crew.dream(octave) if isinstance(told, Step)]
    assert all(step.effort.sent > 12 * 60 for step in steps)
    assert all(step.effort.exchange >= 0.1 for step in steps)
    assert all(step.effort.reduction >= 0.05 for step in steps[1:])
    assert all(0.5 < step.effort.waiting <= 1 for step in steps)
