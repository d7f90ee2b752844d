"""The command on Ray: the same file from any workers, through any failure; and the real network."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.support.checkpoints import checkpoint_of
from tests.support.likeness import relative_error
from tests.support.places import PROJECT
from tests.support.ray_cluster import Cluster, plain_dreamray, program

SETTINGS = """
layers: {mixed2: 0.2, mixed3: 0.5, mixed4: 2.0}
octaves: 2
iterations: 4
tile: 128
threads: 1
"""
RANDOM = ("--weights", "random")
PACE = 10
FIRST_GRADIENT = 5e-6


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("ray"), PYTHONPATH=str(PROJECT))
    yield started
    started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scene: np.ndarray) -> Path:
    """A picture, a mask, a guide, and the settings of a dream."""
    path = tmp_path_factory.mktemp("render")
    Image.fromarray(scene[:200, :290]).save(path / "in.png")
    Image.fromarray(scene[:100, :145, 1]).save(path / "mask.png")
    Image.fromarray(scene[100:200, 100:250]).save(path / "guide.png")
    (path / "dream.yaml").write_text(SETTINGS)
    return path


class Command:
    """`dreamray render in.png OUTPUT` with some options."""

    def __init__(
        self, dreamray: list[str], folder: Path, output: str, *options: str, cluster: Cluster | None
    ) -> None:
        """`dreamray` is the command itself, or its stand-in."""
        self.output = folder / output
        arguments = [*dreamray, "render", str(folder / "in.png"), str(self.output)]
        arguments += ["--config", str(folder / "dream.yaml"), *options]
        environment = dict(os.environ) if cluster is None else cluster.environment
        if cluster is not None:
            arguments += ["--address", cluster.address]
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            arguments,
            env=environment,
            cwd=PROJECT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read_until(self, word: str) -> None:
        """Wait for a line of its progress."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            if word in line:
                return
        raise AssertionError(f"no {word!r} in {self.lines}")

    def kill(self, number: int = signal.SIGKILL) -> int:
        self._process.send_signal(number)
        return self._process.wait(60)

    def finish(self) -> str:
        """Its end, and the sha256 of what it wrote."""
        out, err = self._process.communicate(timeout=240)
        self.lines += err.splitlines(keepends=True)
        assert self._process.returncode == 0, "".join(self.lines)
        assert out.startswith(str(self.output))
        return hashlib.sha256(self.output.read_bytes()).hexdigest()


@pytest.fixture(autouse=True)
def _nothing_is_left(folder: Path) -> Iterator[None]:
    yield
    assert not (folder / ".dreamray").exists()


def treated(folder: Path) -> tuple[str, ...]:
    """Settings of what is done to gradients, and to what they move."""
    given = {
        "mask": folder / "mask.png",
        "jitter": 7,
        "smooth": 0.5,
        "laplacian": 2,
        "optimizer": "adam",
        "schedule": "cosine",
        "strength": 0.9,
        "colours": "keep",
    }
    return tuple(f"--{name}={value}" for name, value in given.items())


@pytest.mark.parametrize("workers", ["1", "3"])
def test_workers_make_the_file_that_one_process_makes(
    workers: str, folder: Path, everything: tuple[tuple[str, ...], str], cluster: Cluster
) -> None:
    """With the real network, trained weights, and all that a dream may be told."""
    options, local = everything
    options = *options, "--workers", workers
    command = Command([program("dreamray")], folder, f"{workers}.png", *options, cluster=cluster)
    assert command.finish() == local


@pytest.fixture(scope="module")
def everything(folder: Path, shared_weights: Path) -> tuple[tuple[str, ...], str]:
    """Options, and what one process makes by them."""
    terms = "masked(mixed2,half) + 2*guide(mixed1) + accent(mixed1) + mean(mixed0[3]) - 0.1*tv"
    options = (
        *treated(folder),
        f"--weights={shared_weights}",
        f"--objective={terms}",
        f"--mask-layer=half={folder / 'mask.png'}",
        f"--guide={folder / 'guide.png'}",
    )
    command = Command([program("dreamray")], folder, "local.png", *options, cluster=None)
    return options, command.finish()


@pytest.fixture(scope="module")
def local(folder: Path) -> str:
    """What the command with an engine in NumPy makes in its own process."""
    options = *RANDOM, *treated(folder)
    return Command(plain_dreamray(), folder, "plain.png", *options, cluster=None).finish()


class TestFailures:
    """The command whole, with an engine in NumPy: the files are the same whatever happens."""

    def start(self, folder: Path, output: str, every: int, cluster: Cluster) -> Command:
        options = "--workers", "2", "--checkpoint-every", str(every), *treated(folder), *RANDOM
        return Command(plain_dreamray(PACE), folder, output, *options, cluster=cluster)

    def test_a_worker_is_killed_and_then_the_driver(self, folder, cluster, local):
        """Each with SIGKILL: a worker in the first octave, the driver in the second."""
        command = self.start(folder, "killed.png", 2, cluster)
        command.read_until("octave 1/2: ")
        next(_workers()).kill()
        command.read_until("workers got lost; going on from the last checkpoint")
        command.read_until("octave 2/2: ")
        command.kill()
        again = self.start(folder, "killed.png", 2, cluster)
        again.read_until("going on from octave 2")
        assert again.finish() == local

    def test_it_is_interrupted(self, folder, cluster, local):
        """It says so with its exit code; nothing of the result is there before it is complete."""
        command = self.start(folder, "interrupted.png", 1, cluster)
        command.read_until("octave 2/2: ")
        assert command.kill(signal.SIGTERM) == 130
        assert not command.output.exists()
        assert checkpoint_of(folder / ".dreamray", "interrupted.png")["octave"] == 1
        again = self.start(folder, "interrupted.png", 1, cluster)
        again.read_until("going on from octave 2")
        assert again.finish() == local


def _workers() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if "".join(process.cmdline()[:1]).startswith("ray::NodeWorker"):
                yield process
        except psutil.Error:
            continue


GRADIENT = """
import sys
import numpy as np
from dreamray.plan import tiles
from dreamray.settings.execution import Execution
from dreamray.farm import ray_tile_executor
from dreamray.engine.ascent import Octave
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.base.geometry import Shape
from dreamray.raster.pixels import to_tensor
from dreamray.settings.dream import Dream
from dreamray.storage import LocalFolder
from dreamray.raster.lazy import ArrayRaster
from dreamray.model.weights.loader import load
from dreamray.engine.worker import EngineSpec
from pathlib import Path
from PIL import Image

picture, weights, address, out = sys.argv[1:]
image = to_tensor(np.asarray(Image.open(picture)))
shape = Shape(*image.shape[:2])
dream = Dream()
spec = EngineSpec(dream, load(weights), "float32", 1)
for name, core, workers in ("tiled", 96, "3"), ("whole", None, "1"):
    plan = tiles.plan_tiles(shape, dream.layer_names, core)
    execution = Execution(address=address, workers=workers, threads=1)
    grid = ChunkGrid.within(plan.core_rows, plan.core_columns, 4096)
    raster = ChunkedRaster(LocalFolder(Path(out, name)), grid, "float32")
    far = dream.replace(iterations=1, step=100, max_loss=None)  # The image is little beside it.
    with ray_tile_executor(spec, execution, [len(plan.tiles)], print) as executor:
        for _ in executor.dream(Octave(plan, ArrayRaster(image), far, result=raster)):
            pass
    moved = raster.points(np.arange(shape.height), np.arange(shape.width))
    np.save(Path(out, name + ".npy"), moved - image)
"""


def test_the_first_gradient_is_that_of_the_whole(folder, shared_weights, cluster, tmp_path):
    """Tiles on three workers against one window on one, with trained weights."""
    arguments = [str(folder / "in.png"), str(shared_weights), cluster.address, str(tmp_path)]
    command = [sys.executable, "-c", GRADIENT, *arguments]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr.decode()
    tiled, whole = (np.load(tmp_path / f"{name}.npy") for name in ("tiled", "whole"))
    assert 0 < relative_error(tiled, whole) < FIRST_GRADIENT
