"""On a real Ray cluster of this machine: the bytes do not depend on who dreamt, or who died.

The workers compute with NumPy here; `ray/test_render.py` has the real network.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray

from dreamray.base.errors import DreamrayError
from dreamray.base.geometry import Raster, Region, Shape
from dreamray.engine.events import Event, Notice, StepDone, TileDone
from dreamray.engine.tile_executor import LocalTileExecutor, TileExecutor
from dreamray.engine.worker import Worker
from dreamray.farm import pool, ray_tile_executor
from dreamray.farm.patience import Patience
from dreamray.plan.planner import Planner
from dreamray.raster.lazy import ArrayRaster, read
from dreamray.render.checkpoint import CheckpointStore
from dreamray.render.octave_loop import OctaveLoop
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import LocalFolder
from tests.support.farm_tools import PlainTools
from tests.support.places import PROJECT

DREAM = Dream(layers={"mixed0": 1.0}, octaves=2, iterations=4, step=0.05, max_loss=None)
LONGER = DREAM.replace(iterations=12)
"""So long that an octave is not over when its first step has been heard of."""

EXECUTION = Execution(tile=64, threads=1)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Eight pretended processors, so that the test says how many workers find room."""
    from dreamray.farm.cluster import connect

    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAY_ADDRESS")}
    os.environ.pop("RAY_ADDRESS", None)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), before["PYTHONPATH"]]))
    with connect(Execution(address="local", workers=8, threads=1)):
        yield
    for name, value in before.items():
        if value is not None:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "GATHERING", 0.5)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are given up after seconds without a sign of life."""
    soon = Patience(beat=0.2, silent=4)
    monkeypatch.setattr(Patience, "from_environment", lambda: soon)


@pytest.fixture(scope="module")
def image() -> Raster:
    rows, columns = np.mgrid[:190, :250] / 17
    waves = np.stack([np.sin(rows * columns / 5), np.cos(rows), np.sin(columns - rows)], -1)
    return (waves * 0.7).astype(np.float32)


class Run:
    """A dream of an image by a crew, in a folder of its own."""

    def __init__(self, image: Raster, folder: Path, dream: Dream = DREAM, **execution: Any) -> None:
        self.image = image
        self.folder = folder
        self.dream = dream
        self.execution = EXECUTION.replace(**execution)
        self.planner = Planner(dream, self.execution)
        self.plan = self.planner.plan(Shape(*image.shape[:2]))
        self.heard: list[Event] = []
        self.hooks: list[Callable[[Event], None]] = []

    def on_event(self, event: Event) -> None:
        self.heard.append(event)
        for hook in self.hooks:
            hook(event)

    def here(self) -> Raster:
        """By one worker in this process."""
        return self.by(LocalTileExecutor(Worker(PlainTools().engine())))

    def on_ray(self, workers: str, tools: PlainTools | None = None, wait: int = 240) -> Raster:
        """By so many workers of the cluster, who are gone when the picture is done."""
        execution = self.execution.replace(address="local", workers=workers, wait=wait)
        stand_in: Any = tools or PlainTools()
        with ray_tile_executor(stand_in, execution, self.tiles, self.on_event) as crew:
            dreamt = self.by(crew)
        _, left = psutil.wait_procs(actors(), timeout=60)
        assert left == []
        return dreamt

    def by(self, crew: TileExecutor) -> Raster:
        dreaming = OctaveLoop(
            self.dream,
            self.planner,
            self.plan,
            crew,
            CheckpointStore(LocalFolder(self.folder), {}),
            self.on_event,
            checkpoint_every=self.execution.checkpoint_every,
        )
        dreamt = dreaming.run(ArrayRaster(self.image))
        return read(dreamt, Region.whole(dreamt.shape))

    @property
    def tiles(self) -> list[int]:
        """How many there are in each octave."""
        return [len(stage.tiles.tiles) for stage in self.plan.stages]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.heard if isinstance(event, Notice)]

    @property
    def workers(self) -> list[int]:
        """How many took part in each step."""
        return [e.workers for e in self.heard if isinstance(e, StepDone | TileDone)]


def two_free_ports() -> int:
    """The first of two, which the system gives to nobody by itself."""
    for port in range(21_000, 31_000, 2):
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_ones:
            for one in (port, port + 1):
                open_ones.enter_context(socket.create_server(("", one)))
            return port
    raise AssertionError("no ports are free")


def actors() -> list[psutil.Process]:
    """The processes of the workers that are up."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::NodeWorker"):
                found.append(process)
        except psutil.Error:
            continue
    return found


class TestSameBytes:
    @pytest.mark.parametrize(
        ("workers", "seams", "jitter"),
        [("1", "exact", 0), ("2", "exact", 0), ("3", "exact", 50), ("2", "blend", 50)],
    )
    def test_for_any_number_of_workers(self, image, tmp_path, workers, seams, jitter):
        dream = DREAM.replace(jitter=jitter)
        run = Run(image, tmp_path / "ray", dream, seams=seams)
        dreamt = run.on_ray(workers)
        assert set(run.workers) == {int(workers)}
        alone = Run(image, tmp_path / "alone", dream, seams=seams).here()
        np.testing.assert_array_equal(dreamt, alone)

    @pytest.mark.parametrize("seams", ["exact", "blend"])
    def test_when_a_worker_is_killed(self, image, tmp_path, seams):
        """With SIGKILL, in the second octave; its tiles are dealt out to the others."""
        alone = Run(image, tmp_path / "alone", LONGER, seams=seams).here()
        run = Run(image, tmp_path / "ray", LONGER, seams=seams)
        killed = []

        def kill(event):
            if isinstance(event, StepDone | TileDone) and event.octave == 1 and not killed:
                killed.append(actors()[0])
                killed[0].kill()

        run.hooks.append(kill)
        dreamt = run.on_ray("3", PlainTools(delay=0.05))
        np.testing.assert_array_equal(dreamt, alone)
        assert killed
        if seams == "exact":
            assert "1 of 3 workers got lost; going on from the last checkpoint" in run.notices

    @pytest.mark.parametrize("seams", ["exact", "blend"])
    def test_when_a_worker_is_stopped(self, image, tmp_path, impatient, seams):
        """With SIGSTOP: it is ended after a while, and its tiles go to others."""
        alone = Run(image, tmp_path / "alone", LONGER, seams=seams).here()
        run = Run(image, tmp_path / "ray", LONGER, seams=seams)
        stopped = []

        def stop(event):
            if isinstance(event, StepDone | TileDone) and event.octave == 1 and not stopped:
                stopped.append(actors()[0])
                stopped[0].suspend()

        run.hooks.append(stop)
        dreamt = run.on_ray("2", PlainTools(delay=0.05))
        np.testing.assert_array_equal(dreamt, alone)
        (told,) = [text for text in run.notices if "no sign of life" in text]
        assert re.match(rf"worker \d \(.*/{stopped[0].pid}\) gave no sign of life for \d+ s", told)
        assert psutil.wait_procs(stopped, timeout=20)[1] == []

    def test_when_all_workers_are_killed(self, image, tmp_path):
        alone = Run(image, tmp_path / "alone").here()
        run = Run(image, tmp_path / "ray")
        killed = []

        def kill(event):
            if isinstance(event, StepDone) and event.number == 1 and not killed:
                killed.extend(actors())
                for process in killed:
                    process.kill()

        run.hooks.append(kill)
        np.testing.assert_array_equal(run.on_ray("2"), alone)
        assert len(killed) == 2

    def test_when_more_workers_come_up(self, image, tmp_path):
        """They are used from the next checkpoint on."""
        run = Run(image, tmp_path / "ray", checkpoint_every=1)
        blocker = ray.remote(num_cpus=7)(Blocker).remote()
        ray.get(blocker.ping.remote())

        def release(event):
            if isinstance(event, StepDone) and (event.octave, event.number) == (0, 0):
                ray.kill(blocker)

        run.hooks.append(release)
        dreamt = run.on_ray("1:2", PlainTools(delay=0.2))
        assert run.workers[0] == 1
        assert run.workers[-1] == 2
        going_on = "1 of 2 workers are ready: going on with these, others join at the next"
        assert any(going_on in notice for notice in run.notices)
        np.testing.assert_array_equal(dreamt, Run(image, tmp_path / "alone").here())

    def test_when_memory_runs_out_on_smaller_tiles(self, image, tmp_path):
        windows = [tile.window.pixels for tile in Run(image, tmp_path).plan.stages[1].tiles.tiles]
        run = Run(image, tmp_path / "ray")
        dreamt = run.on_ray("2", PlainTools(most_pixels=max(windows) - 1))
        (remark,) = [text for text in run.notices if "memory" in text]
        assert "going on with tiles of 32 pixels" in remark
        smaller = Run(image, tmp_path / "alone", tile=32).here()
        np.testing.assert_allclose(dreamt, smaller, atol=0.2)

    def test_when_one_can_listen_on_no_port(self, image, tmp_path):
        """The others go on without it."""
        port = two_free_ports()
        run = Run(image, tmp_path / "ray", exchange_ports=f"{port}-{port + 1}")
        dreamt = run.on_ray("3")
        assert set(run.workers) == {2}
        (told,) = [text for text in run.notices if "cannot take part" in text]
        assert f"--exchange-ports {port}-{port + 1}: none is free" in told
        np.testing.assert_array_equal(dreamt, Run(image, tmp_path / "alone").here())


def test_without_a_word_of_the_driver_nothing_is_decided(image, tmp_path, monkeypatch):
    """Its lease may be another's then: workers do not go on to write where that one does."""
    monkeypatch.setattr(Patience, "from_environment", lambda: Patience(driver=2.5))
    dream = DREAM.replace(octaves=1, iterations=200)
    run = Run(image, tmp_path, dream, checkpoint_every=1)

    def stored() -> set[str]:
        return {path.name for path in tmp_path.iterdir()}

    def say_nothing(event):
        if isinstance(event, StepDone):
            before: set[str] = set()
            while stored() != before:
                before = stored()
                time.sleep(3)
            raise _SeenError

    run.hooks.append(say_nothing)
    with pytest.raises(_SeenError):
        run.on_ray("2", PlainTools(delay=0.03))
    assert "octave-1-step-1" in stored()
    assert "octave-1" not in stored()


class _SeenError(Exception):
    pass


class Blocker:
    """Takes room on the cluster."""

    def ping(self) -> None:
        pass


class TestWorkers:
    def test_none_in_time_says_what_is_lacking(self, image, tmp_path):
        run = Run(image, tmp_path, threads=9)
        with pytest.raises(DreamrayError) as caught:
            run.on_ray("2", wait=1)
        message = str(caught.value)
        assert "no worker came up in 1 seconds: each takes 9 CPUs" in message
        assert "the cluster has 8 CPUs and 0 GPUs free on 1 node" in message

    def test_that_fail_as_they_start_are_told(self, image, tmp_path):
        run = Run(image, tmp_path)
        with pytest.raises(DreamrayError, match=r"workers fail as they start.*no such library"):
            run.on_ray("2", PlainTools(broken=True))

    def test_are_no_more_than_tiles(self, image, tmp_path):
        run = Run(image, tmp_path, tile=128)
        run.on_ray("7")
        assert max(run.workers) == max(run.tiles) == 4
        assert "4 workers of 7: with 4 tiles more would not be faster" in run.notices[0]


def test_no_references_pile_up(image, tmp_path):
    """The driver lets go of what it was told of each step."""
    from ray._private.worker import global_worker

    counts = []

    def count(event):
        if isinstance(event, StepDone):
            counts.append(len(global_worker.core_worker.get_all_reference_counts()))

    run = Run(image, tmp_path, DREAM.replace(octaves=1, iterations=12))
    run.hooks.append(count)
    run.on_ray("3")
    # Ray lets go of some a moment later. With one kept of each step it would be eight more.
    assert min(counts[-3:]) - min(counts[1:4]) < 4
