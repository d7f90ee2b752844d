"""A studio makes the files that `render` makes, several at a time, and stands any picture.

It dreams with NumPy here, but for one test with the real network.
"""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from dreamray.base.errors import (
    ChangedError,
    PictureError,
    RequestError,
    StorageError,
    UnreadableError,
)
from dreamray.base.geometry import Raster
from dreamray.base.version import __version__
from dreamray.bulk import job, task_runner
from dreamray.bulk.digests import DIGEST_KEY, request_digest
from dreamray.bulk.job import BulkOptions, dream_set
from dreamray.bulk.record import Record, State
from dreamray.bulk.report import thumbnails_of
from dreamray.bulk.scheduler import IN_A_ROW, Outcome
from dreamray.bulk.task import Task
from dreamray.bulk.task_runner import AHEAD, PixelSemaphore, TaskRunner, TaskRunnerSpec
from dreamray.engine.batching import StoppedError
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import EngineSpec, Worker
from dreamray.model.architecture import CONVOLUTIONS
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights
from dreamray.pictures import decode, read_metadata
from dreamray.render.files import render_picture
from dreamray.render.named_pictures import read_pictures, settle_pictures
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from dreamray.storage import LocalFile, LocalFolder, locate
from tests.support.plain_engine import PlainEngine

ONES = tuple(np.ones((1, 1, 1, 1), np.float32) for _ in CONVOLUTIONS)
PLAIN = Weights("plain", "5" * 64, ONES, ONES, ONES)
LAYER = "conv2d_2"
DREAM = Dream(layers={LAYER: 1.0}, octaves=2, iterations=2, step=0.05)
EXECUTION = Execution(weights="plain", threads=1, memory="4GiB")
WAIT = 60.0
"""Seconds after which a thread is taken for stuck."""


@dataclass
class Watch:
    """How many gradients were computed, and a gate that they have to pass."""

    gradients: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.gate.set()


class WatchedEngine(PlainEngine):
    """Computes batches too, one window after the other."""

    def __init__(self, watch: Watch, *layers: str) -> None:
        self._plain = PlainEngine(*layers)
        self.scopes = self._plain.scopes
        self._watch = watch

    def gradient(self, window: Raster, owned: Any, per_cell: Any) -> tuple[float, Raster]:
        self._watch.gradients += 1
        self._watch.entered.release()
        assert self._watch.gate.wait(WAIT)
        return self._plain.gradient(window, owned, per_cell)

    def gradients(self, windows: Sequence[Raster], owned: Any, per_cell: Any) -> list[Any]:
        return [self.gradient(window, owned, per_cell) for window in windows]

    def padded_gradients(
        self, windows: Mapping[int, Raster], size: int, owned: Any, per_cell: Any
    ) -> dict[int, tuple[float, Raster]]:
        """Bits that depend on place and size, as those of a real array may."""
        found = {place: self.gradient(one, owned, per_cell) for place, one in windows.items()}
        tilt = np.linspace(1, 2, next(iter(windows.values())).shape[1], dtype=np.float32)[:, None]
        return {
            place: (loss, gradient * tilt ** np.float32(1 + place + 10 * size))
            for place, (loss, gradient) in found.items()
        }


@dataclass(frozen=True)
class PlainTools:
    """In place of `dreamray.engine.worker.EngineSpec`."""

    dream: Dream
    weights: Weights = PLAIN
    precision: str = "float32"
    threads: int | None = 1
    guide: Any = None
    kernels: str = "reproducible"
    compiler: str = "none"
    watch: Watch = field(default_factory=Watch)

    def engine(self) -> Any:
        return WatchedEngine(self.watch, *map(str, self.dream.terms))


class Bench:
    """A studio, a folder of sources, one of its results, and one of those of `render`."""

    def __init__(
        self,
        folder: Path,
        dream: Dream = DREAM,
        execution: Execution = EXECUTION,
        batch: int = 1,
        *,
        padded: bool = False,
    ) -> None:
        self.folder = folder
        self.dream = dream
        self.execution = execution
        self.watch = Watch()
        tools: Any = PlainTools(dream, watch=self.watch)
        self.runner = TaskRunner(tools, execution, batch, padded=padded)
        for name in ("in", "out", "rendered"):
            (folder / name).mkdir()

    def put(self, name: str, data: bytes) -> str:
        (self.folder / "in" / name).write_bytes(data)
        return name

    def task(self, name: str, output: str, dream: Dream | None = None, **more: Any) -> Task:
        return Task(
            output=output,
            source=locate(str(self.folder / "in" / name)),
            target=LocalFolder(self.folder / "out").file(output),
            dream=dream or self.dream,
            request=request_digest(dream or self.dream, PLAIN.sha256, self.execution),
            **more,
        )

    def make(self, name: str, output: str, dream: Dream | None = None, **more: Any) -> Outcome:
        return self.runner.make(self.task(name, output, dream, **more))

    def made(self, output: str) -> bytes:
        return (self.folder / "out" / output).read_bytes()

    @property
    def files(self) -> list[str]:
        return [found.name for found in LocalFolder(self.folder / "out").files()]

    def rendered(self, name: str, output: str, dream: Dream | None = None) -> bytes:
        """What `render` makes of it."""
        dream = dream or self.dream
        crew = LocalTileExecutor(Worker(PlainEngine(*map(str, dream.terms))))
        target = self.folder / "rendered" / output
        with Renderer(dream, self.execution, weights=PLAIN, executor=crew) as dreamer:
            render_picture(str(self.folder / "in" / name), str(target), dreamer)
        return target.read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def noise(height: int = 60, width: int = 70, channels: int = 3, seed: int = 5) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def saved(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None, **more: Any) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, kind, **more)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png(width: int, height: int, rows: bytes, bits: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def deep(channels: int, colour: int) -> bytes:
    samples = np.random.default_rng(1).integers(0, 65536, (60, 70, channels), np.uint16)
    rows = [b"\0" + row.astype(">u2").tobytes() for row in samples]
    return png(70, 60, b"".join(rows), bits=16, colour=colour)


def turned() -> bytes:
    exif = Image.Exif()
    exif[274], exif[271] = 6, "a camera"
    return saved(noise(), "JPEG", exif=exif)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def private() -> bytes:
    """A camera's picture that tells whose it is, when and where it was made."""
    exif = Image.Exif()
    exif[274], exif[271], exif[315] = 6, "a camera", "A. Nobody"
    exif.get_ifd(34665)[36867] = "2026:01:02 03:04:05"
    exif.get_ifd(34853).update({1: "N", 2: (47.0, 22.0, 1.0), 3: "E", 4: (8.0, 32.0, 1.0)})
    return saved(noise(), "JPEG", exif=exif, icc_profile=PROFILE)


PICTURES = {
    "colour.png": saved(noise()),
    "grey.png": saved(noise(channels=1)),
    "alpha.png": saved(noise(channels=4)),
    "grey-alpha.png": saved(noise(channels=4), mode="LA"),
    "palette.gif": saved(noise(), "GIF"),
    "deep.png": deep(3, 2),
    "deep-grey.png": deep(1, 0),
    "deep-alpha.png": deep(4, 6),
    "turned.jpg": turned(),
    "cmyk.jpg": saved(noise(), "JPEG", mode="CMYK"),
    "colour.webp": saved(noise(), "WEBP", lossless=True),
    "colour.tif": saved(noise(), "TIFF"),
    "colour.bmp": saved(noise(), "BMP"),
}


class TestSameBytesAsRender:
    @pytest.mark.parametrize("name", PICTURES)
    def test_of_each_kind_of_picture(self, bench, name):
        bench.put(name, PICTURES[name])
        outcome = bench.make(name, "a.png")
        assert outcome.record.state is State.DONE, outcome
        assert bench.made("a.png") == bench.rendered(name, "a.png")
        assert bench.files == ["a.png"]

    @pytest.mark.parametrize("output", ["a.tif", "a.jpg", "a.JPEG", "a.webp"])
    @pytest.mark.parametrize("name", ["deep-alpha.png", "turned.jpg"])
    def test_in_each_format(self, bench, name, output):
        bench.put(name, PICTURES[name])
        assert bench.make(name, output).record.state is State.DONE
        assert bench.made(output) == bench.rendered(name, output)

    def test_what_a_picture_has_besides_colours_is_carried_on(self, bench):
        for name in ("deep-alpha.png", "turned.jpg"):
            bench.make(bench.put(name, PICTURES[name]), f"{name}.png")
        deep_alpha = decode(bench.made("deep-alpha.png.png"), "it")
        source = decode(PICTURES["deep-alpha.png"], "it")
        assert deep_alpha.pixels.dtype == np.uint16
        np.testing.assert_array_equal(deep_alpha.alpha, source.alpha)
        with Image.open(io.BytesIO(bench.made("turned.jpg.png"))) as image:
            assert image.size == (60, 70)
            assert image.getexif()[271] == "a camera"
            assert 274 not in image.getexif()

    @pytest.mark.parametrize("output", ["a.png", "a.jpg", "a.webp", "a.tif"])
    def test_what_it_tells_of_people_is_left_out_on_request(self, tmp_path, output):
        bench = Bench(tmp_path, execution=EXECUTION.replace(metadata="strip"))
        bench.put("private.jpg", private())
        outcome = bench.make("private.jpg", output)
        made = bench.made(output)
        assert made == bench.rendered("private.jpg", output)
        for word in (b"a camera", b"A. Nobody", b"2026:01:02"):
            assert word in private()
            assert word not in made
        with Image.open(io.BytesIO(made)) as image:
            assert image.size == (60, 70)  # Upright.
            assert not image.getexif().get_ifd(34853)
            assert image.info["icc_profile"] == PROFILE
        assert read_metadata(made, output)["execution"]["metadata"] == "strip"
        assert bench.make("private.jpg", output, there=True).record.state is State.DONE
        assert bench.make("private.jpg", output, there=True, earlier=outcome.record).kept
        bench.execution = EXECUTION  # What was stripped is made anew, and the other way round.
        bench.runner = TaskRunner(PlainTools(DREAM, watch=bench.watch), EXECUTION, 1)
        assert not bench.make("private.jpg", output, there=True, earlier=outcome.record).kept
        assert b"a camera" in bench.made(output)

    @pytest.mark.parametrize("seams", ["exact", "blend"])
    def test_of_a_picture_larger_than_a_window(self, tmp_path, seams):
        bench = Bench(tmp_path, execution=EXECUTION.replace(tile=64, seams=seams))
        bench.put("large.png", saved(noise(150, 190)))
        assert bench.make("large.png", "a.png").record.state is State.DONE
        assert bench.watch.gradients > 2 * 2 * DREAM.iterations
        assert bench.made("a.png") == bench.rendered("large.png", "a.png")

    def test_with_settings_of_its_own(self, bench):
        bench.put("a.png", PICTURES["colour.png"])
        dreams = {
            "a.png": DREAM,
            "b.png": DREAM.replace(step=0.1),
            "c.png": DREAM.replace(layers={"max_pooling2d": 1.0}),
            "d.png": DREAM.replace(layers={"mixed0": 1.0}),
            "e.png": DREAM.replace(octaves=1, jitter=5, seed=3),
            "f.png": DREAM.replace(size=64),
        }
        for output, dream in dreams.items():
            assert bench.make("a.png", output, dream).record.state is State.DONE
        assert len({bench.made(output) for output in dreams}) == len(dreams)
        for output, dream in dreams.items():
            assert bench.made(output) == bench.rendered("a.png", output, dream)

    @pytest.mark.parametrize("batch", [1, 3])
    def test_whatever_else_is_made_meanwhile(self, tmp_path, batch):
        bench = Bench(tmp_path, batch=batch)
        shapes = [(60, 70), (60, 70), (60, 70), (80, 64), (60, 70), (80, 64)]
        names = [
            bench.put(f"{number}.png", saved(noise(*shape, seed=number)))
            for number, shape in enumerate(shapes)
        ]
        with ThreadPoolExecutor(batch + AHEAD) as pool:
            outcomes = list(pool.map(lambda name: bench.make(name, name), names))
        assert {outcome.record.state for outcome in outcomes} == {State.DONE}
        for name in names:
            assert bench.made(name) == bench.rendered(name, name)

    def test_of_a_padded_batch_depend_on_its_size_and_on_no_companion(self, tmp_path):
        """Nor on how many there are; and the size is told."""

        def made(folder: str, count: int, size: int) -> list[bytes]:
            (tmp_path / folder).mkdir()
            bench = Bench(tmp_path / folder, batch=size, padded=True)
            names = [
                bench.put(f"{number}.png", saved(noise(60, 70, seed=number)))
                for number in range(count)
            ]
            with ThreadPoolExecutor(2 * size) as pool:
                outcomes = list(pool.map(lambda name: bench.make(name, name), names))
            assert {outcome.record.state for outcome in outcomes} == {State.DONE}
            metadata = read_metadata(io.BytesIO(bench.made(names[0])), names[0])
            assert metadata["execution"]["batch"] == size
            return [bench.made(name) for name in names]

        many, few, other = made("many", 6, 4), made("few", 2, 4), made("other", 2, 2)
        assert many[:2] == few
        pixels = [[decode(one, "a").pixels for one in some] for some in (few, other)]
        assert (np.array(pixels[0]) != np.array(pixels[1])).any()

    @pytest.mark.slow
    @pytest.mark.parametrize("guided", [False, True])
    def test_with_the_real_network(self, tensorflow, untrained, tmp_path, guided):
        """Also where a process cannot reach the guide that the dream follows."""
        guide = tmp_path / "guide.png"
        guide.write_bytes(saved(noise(70, 60)))
        dream = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=2)
        if guided:
            dream = settle_pictures(dream.replace(guide=str(guide)))
        execution = Execution(weights="random", memory="4GiB")
        bench = Bench(tmp_path, dream, execution)
        bench.put("a.png", saved(noise(80, 90, 4)))
        with Renderer(dream, execution, weights=untrained) as dreamer:
            render_picture(str(tmp_path / "in/a.png"), str(tmp_path / "rendered/a.png"), dreamer)
        tools, named = EngineSpec(dream, untrained, "float32", None), read_pictures(dream)
        guide.unlink()
        real = TaskRunnerSpec(tools, execution, 1, named).runner()
        assert real.make(bench.task("a.png", "a.png")).record.state is State.DONE
        assert bench.made("a.png") == (tmp_path / "rendered/a.png").read_bytes()


class TestRecord:
    def test_tells_what_was_made_of_what(self, bench):
        bench.put("a.gif", PICTURES["palette.gif"])
        outcome = bench.make("a.gif", "b/a.png")
        record, task = outcome.record, bench.task("a.gif", "b/a.png")
        assert (record.output, record.source) == ("b/a.png", str(task.source))
        assert (record.width, record.height) == (70, 60)
        assert record.fingerprint == task.source.fingerprint()
        assert record.written == task.target.fingerprint()
        assert record.request == task.request
        assert len(record.sha256) == 64
        host, _, process = record.worker.rpartition("/")
        assert host
        assert process.isdigit()
        assert record.seconds.own > 0
        assert outcome.work > 0
        assert not outcome.kept
        assert not outcome.again

    def test_notes_what_the_user_should_know(self, bench):
        frames = [Image.fromarray(noise(seed=seed)) for seed in (1, 2)]
        out = io.BytesIO()
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
        record = bench.make(bench.put("a.gif", out.getvalue()), "a.png").record
        assert "only the first of its 2 frames" in record.note

    def test_thumbnails_are_made_where_they_are_wanted(self, bench):
        thumbnails = thumbnails_of(LocalFolder(bench.folder / "out"), "a.png")
        bench.put("a.png", PICTURES["deep-alpha.png"])
        assert bench.make("a.png", "a.png", thumbnails=thumbnails).record.state is State.DONE
        small = [np.asarray(Image.open(io.BytesIO(file.read()))) for file in thumbnails]
        assert [pixels.shape for pixels in small] == [(60, 70, 3)] * 2
        assert (small[0] != small[1]).any()

    def test_thumbnails_that_cannot_be_written_cost_nothing_else(self, bench):
        (bench.folder / "out" / "dreamray-report").write_bytes(b"")
        thumbnails = thumbnails_of(LocalFolder(bench.folder / "out"), "a.png")
        bench.put("a.png", PICTURES["colour.png"])
        record = bench.make("a.png", "a.png", thumbnails=thumbnails).record
        assert bench.files == ["a.png", "dreamray-report"]
        assert record.state is State.DONE
        assert "no thumbnails: " in record.note

    def test_channels_of_a_layer_share_its_network(self, tmp_path):
        made = []

        class Sharing(WatchedEngine):
            def aimed_at(self, terms):
                same = [term.of.name for term in terms] == [one.layer for one in self.scopes]
                return self if same else None

        class Counting(PlainTools):
            def engine(self):
                made.append(self.dream.layer_names)
                return Sharing(self.watch, *self.dream.layer_names)

        bench = Bench(tmp_path)
        bench.runner = TaskRunner(Counting(DREAM), EXECUTION, 1)
        bench.put("a.png", PICTURES["colour.png"])
        wanted = ["mixed0[1]", "mixed0[2]", "mixed1[0]", "mixed1[1]", "mixed1[2]"]
        for number, layers in enumerate(wanted):
            dream = DREAM.replace(layers=layers)
            bench.make("a.png", f"{number}.png", dream)
            name = f"{number}.png"
            assert bench.made(name) == bench.rendered("a.png", name, dream)
        assert made == [("mixed0",), ("mixed1",)]

    def test_its_own_time_is_without_the_loading_of_the_network(self, tmp_path, monkeypatch):
        now = [0.0]

        class Slow(PlainTools):
            def engine(self):
                now[0] += 1000
                return super().engine()

        monkeypatch.setattr("time.perf_counter", lambda: now[0])
        bench = Bench(tmp_path)
        bench.runner = TaskRunner(Slow(DREAM), EXECUTION, 1)
        seconds = bench.make(bench.put("a.png", PICTURES["colour.png"]), "a.png").record.seconds
        assert (seconds.own, seconds.wait) == (0, 1000)


class TestSecondTime:
    @pytest.fixture
    def done(self, bench: Bench) -> tuple[Bench, Record]:
        bench.put("a.png", PICTURES["colour.png"])
        record = bench.make("a.png", "a.png").record
        bench.watch.gradients = 0
        return bench, record

    def test_what_is_the_same_is_kept_without_being_read(self, done, monkeypatch):
        bench, record = done
        monkeypatch.setattr(task_runner, "ingest_file", None)
        outcome = bench.make("a.png", "a.png", earlier=record, there=True)
        assert outcome == Outcome(record, kept=True)

    @pytest.mark.parametrize(
        "change",
        [{"state": State.FAILED}, {"fingerprint": "x"}, {"request": "x"}, {"written": ""}, {}],
    )
    def test_where_the_manifest_knows_less_its_digest_is_enough(self, done, change):
        bench, record = done
        size = record.written.partition("-")[0]
        change = change or {"written": f"{size}-0"}
        before = bench.made("a.png")
        outcome = bench.make("a.png", "a.png", earlier=replace(record, **change), there=True)
        assert outcome.record.state is State.DONE
        assert outcome.record.written == record.written
        assert bench.watch.gradients == 0
        assert bench.made("a.png") == before
        assert outcome.kept

    @pytest.mark.parametrize("known", [True, False])
    def test_what_was_cut_off_since_is_made_anew(self, done, known):
        bench, record = done
        whole = bench.made("a.png")
        path = bench.folder / "out" / "a.png"
        path.write_bytes(whole[: len(whole) * 3 // 4])
        outcome = bench.make("a.png", "a.png", earlier=record if known else None, there=True)
        assert not outcome.kept
        assert bench.made("a.png") == whole

    def test_what_another_source_has_become_is_not_replaced(self, done):
        bench, record = done
        other = replace(record, source="/elsewhere/a.png", sha256="x")
        bench.put("a.png", PICTURES["grey.png"])
        outcome = bench.make("a.png", "a.png", earlier=other, there=True)
        assert outcome.record.state is State.FAILED
        assert "the dream of another source, /elsewhere/a.png" in outcome.record.error

    def test_what_nobody_recorded_is_taken_over_by_its_digest(self, done):
        bench, record = done
        outcome = bench.make("a.png", "a.png", there=True)
        assert bench.watch.gradients == 0
        assert outcome.kept
        known = {"seconds": record.seconds, "finished": record.finished}
        assert replace(outcome.record, **known) == record

    def test_what_render_has_made_is_taken_over(self, bench):
        bench.put("a.png", PICTURES["colour.png"])
        (bench.folder / "out" / "a.png").write_bytes(bench.rendered("a.png", "a.png"))
        assert bench.make("a.png", "a.png", there=True).record.state is State.DONE
        assert bench.watch.gradients == 0

    @pytest.mark.parametrize("what", ["dream", "source"])
    def test_what_is_of_something_else_is_made_anew(self, done, what):
        bench, record = done
        before, dream = bench.made("a.png"), DREAM
        if what == "dream":
            dream = DREAM.replace(step=0.1)
        else:
            bench.put("a.png", saved(noise(seed=6)))
        outcome = bench.make("a.png", "a.png", dream, earlier=record, there=True)
        assert outcome.record.state is State.DONE
        assert bench.made("a.png") != before
        assert bench.made("a.png") == bench.rendered("a.png", "a.png", dream)

    @pytest.mark.parametrize(
        ("seams", "kept"), [({}, True), ({"seams": "blend"}, False), ({"overlap": 16}, False)]
    )
    def test_what_has_other_tiles_is_made_anew_if_they_can_be_seen(self, tmp_path, seams, kept):
        bench = Bench(tmp_path, execution=EXECUTION.replace(tile=64, **seams))
        bench.put("a.png", saved(noise(150, 190)))
        record = bench.make("a.png", "a.png").record
        before = bench.made("a.png")
        assert bench.make("a.png", "a.png", earlier=record, there=True).kept
        bench.execution = bench.execution.replace(tile=96)
        tools: Any = PlainTools(DREAM, watch=bench.watch)
        bench.runner = TaskRunner(tools, bench.execution, 1)
        bench.watch.gradients = 0
        outcome = bench.make("a.png", "a.png", earlier=record, there=True)
        assert outcome.record.state is State.DONE
        assert outcome.kept is kept
        assert (bench.watch.gradients == 0) is kept
        assert (bench.made("a.png") == before) is kept
        if not kept:
            assert bench.made("a.png") == bench.rendered("a.png", "a.png")

    def test_with_overwrite_it_is_made_anew(self, done):
        bench, record = done
        outcome = bench.make("a.png", "a.png", earlier=record, there=True, overwrite=True)
        assert not outcome.kept
        assert bench.watch.gradients == 4

    @pytest.mark.parametrize("data", [b"", b"no picture", PICTURES["colour.png"]])
    def test_what_is_of_others_is_left_alone(self, bench, data):
        bench.put("a.png", PICTURES["colour.png"])
        (bench.folder / "out" / "a.png").write_bytes(data)
        outcome = bench.make("a.png", "a.png", there=True)
        assert outcome.record.state is State.FAILED
        assert not outcome.again
        assert "dreamray has not made" in outcome.record.error
        assert "--overwrite" in outcome.record.error
        assert bench.made("a.png") == data
        assert bench.make("a.png", "a.png", there=True, overwrite=True).record.error == ""
        assert bench.made("a.png") == bench.rendered("a.png", "a.png")

    def test_an_object_has_its_digest_as_metadata(self, bench, bucket):
        bench.put("a.png", PICTURES["colour.png"])
        task = replace(bench.task("a.png", "a.png"), target=locate(f"s3://{bucket}/a.png"))
        assert bench.runner.make(task).record.state is State.DONE
        assert len(task.target.metadata()[DIGEST_KEY]) == 64
        bench.watch.gradients = 0
        assert bench.runner.make(replace(task, there=True)).record.state is State.DONE
        assert bench.watch.gradients == 0
        task.target.write(PICTURES["colour.png"])
        assert "not made" in bench.runner.make(replace(task, there=True)).record.error

    def test_what_was_removed_since_the_listing_is_made(self, done):
        bench, record = done
        (bench.folder / "out" / "a.png").unlink()
        outcome = bench.make("a.png", "a.png", earlier=record, there=True)
        assert outcome.record.state is State.DONE
        assert not outcome.kept
        assert bench.made("a.png") == bench.rendered("a.png", "a.png")


BAD = {
    "empty.png": b"",
    "text.png": b"no picture at all\n" * 20,
    "cut.jpg": saved(noise(), "JPEG")[:900],
    "cut.png": saved(noise())[:-500],
    "header.png": saved(noise())[:20],
    "one.png": saved(noise(1, 1)),
    "strip.png": saved(noise(2, 3000)),
    "bomb.png": png(100_000, 100_000, bytes(100_000)),
    "beyond.png": png(2**31 - 1, 2**31 - 1, b""),
    "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "table.tif": b"II*\0\xff\xff\xff\xff",
    "float.tif": saved(np.zeros((60, 70), np.float32), "TIFF"),
    "two\nlines\x1b[31m.png": b"no picture",
}


class TestBadPictures:
    def failed(self, bench: Bench, outcome: Outcome, *words: str, again: bool = False) -> str:
        assert outcome.record.state is State.FAILED, outcome
        assert outcome.again is again
        error = outcome.record.error
        assert error
        assert "\n" not in error
        assert "Error:" not in error
        for word in words:
            assert word in error
        assert bench.files == []
        return error

    @pytest.mark.parametrize("name", BAD, ids=range(len(BAD)))
    def test_fail_in_one_line_and_leave_nothing(self, bench, name):
        bench.put(name, BAD[name])
        self.failed(bench, bench.make(name, "a.png"))

    @pytest.mark.parametrize("name", BAD, ids=range(len(BAD)))
    def test_fail_for_good_without_a_network_and_are_not_read_again_until_they_change(
        self, bench, name, monkeypatch
    ):
        bench.put(name, BAD[name])
        monkeypatch.setattr(PlainTools, "engine", None)
        record = bench.make(name, "a.png").record
        assert record.release == __version__
        with monkeypatch.context() as patch:
            patch.setattr(task_runner, "file_shape", None)
            assert bench.make(name, "a.png", earlier=record) == Outcome(record)
        for more in ({"overwrite": True}, {"dream": DREAM.replace(seed=1)}):
            assert (
                bench.make(name, "a.png", earlier=record, **more).record.seconds != record.seconds
            )
        bench.put(name, BAD[name] + b"changed")
        changed = bench.make(name, "a.png", earlier=record).record
        assert changed.fingerprint != record.fingerprint

    def test_that_may_not_be_read_fail_but_not_for_good(self, bench, monkeypatch):
        def fail(*_: object) -> None:
            raise PictureError("a.png is damaged") from OSError(5, "I/O error")

        bench.put("a.png", PICTURES["colour.png"])
        monkeypatch.setattr(task_runner, "file_shape", fail)
        assert bench.make("a.png", "a.png").record.release == ""

    def test_fail_in_a_line_that_does_nothing_to_a_terminal(self, bench):
        bench.put("a\x1b[31m.png", b"no picture")
        assert self.failed(bench, bench.make("a\x1b[31m.png", "a.png")).isprintable()

    def test_that_are_not_there_fail(self, bench):
        self.failed(bench, bench.make("absent.png", "a.png"), "absent.png", "no such file")

    def test_that_are_folders_fail(self, bench):
        (bench.folder / "in" / "a.png").mkdir()
        outcome = bench.make("a.png", "a.png")
        self.failed(bench, outcome, "folder")
        assert outcome.own

    @pytest.mark.parametrize("call", ["fingerprint", "as_local_file"])
    @pytest.mark.parametrize(
        ("error", "own", "again"),
        [
            (UnreadableError("s3://b/a.png: it is archived; restore it"), True, False),
            (RequestError("s3://b/a.png: the access key is not known there"), False, False),
            (StorageError("s3://b/a.png: no answer"), False, True),
        ],
    )
    def test_whose_own_rights_or_state_forbid_it_fail_for_a_reason_of_their_own(
        self, bench, monkeypatch, call, error, own, again
    ):
        """Where it is the storage's, or that of the credentials, thirty in a row end a set."""

        def refuse(self: LocalFile) -> None:
            raise error

        bench.put("a.png", PICTURES["colour.png"])
        monkeypatch.setattr(LocalFile, call, refuse)
        outcome = bench.make("a.png", "a.png")
        monkeypatch.undo()
        self.failed(bench, outcome, str(error), again=again)
        assert outcome.own is own

    def test_whose_result_may_not_be_read_are_the_destinations_fault(self, bench, monkeypatch):
        def refuse(self: LocalFile) -> None:
            raise UnreadableError("out/a.png: Permission denied; check its rights")

        bench.put("a.png", PICTURES["colour.png"])
        bench.make("a.png", "a.png")
        monkeypatch.setattr(LocalFile, "metadata", refuse)
        outcome = bench.make("a.png", "a.png", there=True)
        assert outcome.record.state is State.FAILED
        assert not outcome.own

    def test_too_large_for_the_format_fail_before_the_dream(self, bench):
        bench.put("wide.png", saved(np.zeros((40, 17_000), np.uint8)))
        self.failed(bench, bench.make("wide.png", "a.webp"), "too large for WEBP")
        assert bench.watch.gradients == 0

    def test_that_cannot_be_written_fail(self, bench):
        bench.put("a.png", PICTURES["colour.png"])
        self.failed(bench, bench.make("a.png", f"{'x' * 300}.png"), "too long")

    def test_whose_layers_the_weights_do_not_reach_fail(self, bench):
        bench.put("a.png", PICTURES["colour.png"])
        none = replace(PLAIN, kernels=tuple(np.zeros_like(kernel) for kernel in PLAIN.kernels))
        bench.runner = TaskRunner(PlainTools(DREAM, none), EXECUTION, 1)  # type: ignore[arg-type]
        self.failed(bench, bench.make("a.png", "a.png"), "nothing but zeros")

    @pytest.mark.parametrize("error", [ValueError("no\nsuch"), MemoryError(), OSError(5, "I/O")])
    def test_surprises_are_told_and_tried_again(self, bench, monkeypatch, error):
        bench.put("a.png", PICTURES["colour.png"])

        def surprise(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(task_runner, "ingest_file", surprise)
        outcome = bench.make("a.png", "a.png")
        assert outcome.again
        assert outcome.own is isinstance(error, ValueError)
        assert type(error).__name__ in outcome.record.error
        assert "in/a.png" in outcome.record.error
        assert outcome.record.error.isprintable()

    def test_that_change_while_they_are_read_are_tried_again_at_nobodys_cost(
        self, bench, monkeypatch
    ):
        bench.put("a.png", PICTURES["colour.png"])

        def changed(*_: object, **__: object) -> None:
            raise ChangedError("a.png was changed while it was read: run it again")

        monkeypatch.setattr(task_runner, "ingest_file", changed)
        outcome = bench.make("a.png", "a.png")
        assert outcome.again
        assert outcome.own

    def test_leave_room_for_the_good_ones(self, bench):
        for name, data in BAD.items():
            bench.make(bench.put(name, data), "a.png")
        bench.put("a.png", PICTURES["colour.png"])
        assert bench.make("a.png", "a.png").record.state is State.DONE


class Making:
    """A studio whose threads wait in their first gradients."""

    def __init__(self, bench: Bench, dreams: Sequence[Dream], dreaming: int) -> None:
        self.bench = bench
        bench.watch.gate.clear()
        bench.put("a.png", PICTURES["colour.png"])
        self._pool = ThreadPoolExecutor(len(dreams))
        self._futures = [
            self._pool.submit(bench.make, "a.png", f"{number}.png", dream)
            for number, dream in enumerate(dreams)
        ]
        for _ in range(dreaming):
            assert bench.watch.entered.acquire(timeout=WAIT)

    def ended(self) -> list[BaseException | Outcome]:
        self.bench.runner.stop()
        self.bench.watch.gate.set()
        ends = [future.exception(WAIT) or future.result() for future in self._futures]
        self._pool.shutdown()
        return ends


class TestStop:
    def test_ends_those_that_dream_and_those_that_wait(self, bench):
        ends = Making(bench, [DREAM] * 4, dreaming=1).ended()
        assert [type(end) for end in ends] == [StoppedError] * 4
        assert bench.files == []
        assert bench.watch.gradients == 1

    def test_ends_all_of_a_batch(self, tmp_path):
        bench = Bench(tmp_path, batch=2)
        dreams = [DREAM, DREAM.replace(layers={"max_pooling2d": 1.0})]
        ends = Making(bench, dreams, dreaming=2).ended()
        assert [type(end) for end in ends] == [StoppedError] * 2

    def test_ends_those_whose_network_is_no_longer_kept(self, tmp_path):
        bench = Bench(tmp_path, batch=3)
        dreams = [DREAM.replace(layers={name: 1.0}) for name in (LAYER, "max_pooling2d", "mixed0")]
        ends = Making(bench, dreams, dreaming=3).ended()
        assert [type(end) for end in ends] == [StoppedError] * 3

    def test_nothing_is_dreamt_any_more(self, bench):
        bench.runner.stop()
        bench.put("a.png", PICTURES["colour.png"])
        with pytest.raises(StoppedError):
            bench.make("a.png", "a.png")
        assert bench.files == []
        assert bench.watch.gradients == 0


class TestNetworks:
    def test_are_loaded_for_the_first_dream_and_kept_for_the_next(self, bench, monkeypatch):
        loaded: list[tuple[str, ...]] = []
        engine = PlainTools.engine

        def counted(self: PlainTools) -> Any:
            loaded.append(self.dream.layer_names)
            return engine(self)

        monkeypatch.setattr(PlainTools, "engine", counted)
        bench.make(bench.put("bad.png", b""), "a.png")
        assert loaded == []
        bench.put("a.png", PICTURES["colour.png"])
        other = DREAM.replace(layers={"max_pooling2d": 1.0})
        for number, dream in enumerate([DREAM, DREAM.replace(step=0.1), other, DREAM, other]):
            bench.make("a.png", f"{number}.png", dream)
        assert loaded == [(LAYER,), ("max_pooling2d",)]


class TestRoom:
    def test_those_who_come_first_go_first(self):
        room, order = PixelSemaphore(10), list[int]()
        threads = []

        def work(number: int, pixels: int) -> None:
            with room.acquire(pixels):
                order.append(number)

        with room.acquire(8):
            for number, pixels in enumerate([9, 1, 5]):
                threads.append(threading.Thread(target=work, args=(number, pixels)))
                threads[-1].start()
                while len(room._queue) <= number:
                    time.sleep(0.001)
            assert order == []
        for thread in threads:
            thread.join(WAIT)
        assert order[0] == 0
        assert sorted(order) == [0, 1, 2]

    def test_what_needs_more_than_all_gets_all(self):
        room = PixelSemaphore(10)
        with room.acquire(10**12):
            pass
        with room.acquire(10), room.acquire(0):
            pass

    def test_is_given_back_after_an_error(self):
        room = PixelSemaphore(10)
        for _ in range(3):
            with pytest.raises(ValueError, match="no"), room.acquire(10):
                raise ValueError("no")
        with room.acquire(10):
            pass


def half_black(path: Path, height: int, width: int) -> str:
    """A mask; returns its path."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 2 :] = 255
    Image.fromarray(mask).save(path)
    return str(path)


class TestMask:
    @pytest.mark.parametrize("of_terms", [False, True])
    def test_goes_with_the_dream_to_whoever_cannot_reach_it(
        self, tmp_path: Path, of_terms: bool
    ) -> None:
        pixels = decode(PICTURES["colour.png"], "colour.png").pixels
        mask = half_black(tmp_path / "mask.png", *pixels.shape[:2])
        layer = DREAM.layer_names[0]
        named = {"mask_layers": {layer: mask}} if of_terms else {"mask": mask}
        dream = settle_pictures(DREAM.replace(**named))
        bench = Bench(tmp_path, dream)
        bench.put("colour.png", PICTURES["colour.png"])
        expected = bench.rendered("colour.png", "colour.png")
        spec: Any = PlainTools(dream)
        bench.runner = TaskRunnerSpec(spec, EXECUTION, 1, read_pictures(dream)).runner()
        Path(mask).unlink()
        assert bench.make("colour.png", "colour.png").record.state is State.DONE
        assert bench.made("colour.png") == expected
        made = decode(expected, "colour.png").pixels
        black = slice(0, pixels.shape[0] // 2)
        assert of_terms or (made[black] == pixels[black]).all()

    def test_that_does_not_fit_is_a_pictures_own_failure(self, tmp_path: Path) -> None:
        mask = half_black(tmp_path / "mask.png", 30, 300)
        bench = Bench(tmp_path, settle_pictures(DREAM.replace(mask=mask)))
        bench.put("colour.png", PICTURES["colour.png"])
        outcome = bench.make("colour.png", "colour.png")
        assert "of another aspect" in outcome.record.error
        assert outcome.own
        assert not outcome.again
        assert not bench.watch.gradients


class TestWholeSet:
    @pytest.fixture
    def dreamt(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., tuple[Any, int]]:
        """Runs a set with threads of this process; gives the counts and how many gradients."""

        def dreamt(source: object, destination: object, **options: Any) -> tuple[Any, int]:
            watch = Watch()
            monkeypatch.setattr(loader, "load", lambda source, warn: PLAIN)
            monkeypatch.setattr(
                job, "EngineSpec", lambda *given, **more: PlainTools(*given, **more, watch=watch)
            )
            counts = dream_set(
                str(source),
                str(destination),
                DREAM,
                execution=EXECUTION,
                options=BulkOptions(**options),
            )
            return counts, watch.gradients

        return dreamt

    def test_of_all_kinds_has_what_render_makes_and_the_second_run_does_nothing(
        self, bench, dreamt
    ):
        source, destination = bench.folder / "in", bench.folder / "out"
        for name, data in (PICTURES | BAD).items():
            bench.put(name, data)
        good, wrong = len(PICTURES), len(BAD) - 1  # One is no picture by its name.
        outputs = {
            name: name.replace(".gif", ".png").replace(".bmp", "-b.png") for name in PICTURES
        }
        (source / "colour.bmp").rename(source / "colour-b.bmp")
        counts, gradients = dreamt(source, destination, batch=2)
        assert (counts.done, counts.failed, counts.left) == (good, wrong, 0)
        assert gradients >= 4 * good
        (source / "colour-b.bmp").rename(source / "colour.bmp")
        for name, output in outputs.items():
            assert bench.made(output) == bench.rendered(name, output)
        (source / "colour.bmp").rename(source / "colour-b.bmp")
        expected = {*outputs.values(), "manifest.jsonl", "index.html"}
        assert {name for name in bench.files if not name.startswith("dreamray-report/")} == expected
        counts, gradients = dreamt(source, destination)
        assert (counts.kept, counts.done, counts.failed, gradients) == (good, 0, wrong, 0)

    def test_without_its_manifest_is_taken_over_without_a_dream(self, bench, dreamt):
        for name in ("colour.png", "alpha.png", "turned.jpg"):
            bench.put(name, PICTURES[name])
        dreamt(bench.folder / "in", bench.folder / "out")
        before = {name: bench.made(name) for name in ("colour.png", "alpha.png", "turned.jpg")}
        (bench.folder / "out" / "manifest.jsonl").unlink()
        counts, gradients = dreamt(bench.folder / "in", bench.folder / "out")
        assert (counts.done, counts.kept, gradients) == (0, 3, 0)
        assert {name: bench.made(name) for name in before} == before
        lines = bench.made("manifest.jsonl").decode().splitlines()
        found = {record.output: record.state for record in map(Record.from_json, lines)}
        assert found == dict.fromkeys(before, State.DONE)
        counts, _ = dreamt(bench.folder / "in", bench.folder / "out")
        assert counts.kept == 3

    def test_by_a_list_with_masks_beside_it(self, bench, dreamt):
        shape = decode(PICTURES["colour.png"], "colour.png").pixels.shape[:2]
        bench.put("colour.png", PICTURES["colour.png"])
        half_black(bench.folder / "in" / "sky.png", *shape)
        lines = ["source,output,mask", "colour.png,one.png,sky.png", "colour.png,two.png,none"]
        lines += ["colour.png,three.png,absent.png"]
        bench.put("list.csv", "\n".join(lines).encode())
        counts, _ = dreamt(bench.folder / "in" / "list.csv", bench.folder / "out")
        assert (counts.done, counts.failed) == (2, 1)
        mask = str(bench.folder / "in" / "sky.png")
        assert bench.made("two.png") == bench.rendered("colour.png", "two.png")
        bench.dream = DREAM.replace(mask=mask)
        assert bench.made("one.png") == bench.rendered("colour.png", "one.png")
        records = map(Record.from_json, bench.made("manifest.jsonl").decode().splitlines())
        assert [one.error for one in records if one.output == "three.png"] == [
            f"{bench.folder}/in/absent.png: no such file; check the path"
        ]
        counts, gradients = dreamt(bench.folder / "in" / "list.csv", bench.folder / "out")
        assert (counts.kept, counts.failed, gradients) == (2, 1, 0)
        half_black(bench.folder / "in" / "sky.png", *(2 * side for side in shape))
        counts, _ = dreamt(bench.folder / "in" / "list.csv", bench.folder / "out")
        assert (counts.kept, counts.done) == (1, 1)

    def test_by_a_list_with_guides_of_its_own(self, bench, dreamt):
        """A broken one is its picture's own failure, one that nothing follows the list's."""
        bench.put("colour.png", PICTURES["colour.png"])
        bench.put("broken.png", b"no picture")
        wrong = [f"colour.png,{number}.png,,broken.png" for number in range(IN_A_ROW + 1)]
        lines = ["source,output,layer,guide", *wrong, "colour.png,one.png,,"]
        bench.put("list.csv", "\n".join(lines).encode())
        counts, _ = dreamt(bench.folder / "in" / "list.csv", bench.folder / "out")
        assert (counts.done, counts.failed) == (1, IN_A_ROW + 1)
        lines = ["source,layer,guide", f"colour.png,mean({LAYER})=1,broken.png"]
        bench.put("unheeded.csv", "\n".join(lines).encode())
        with pytest.raises(RequestError, match=r"unheeded\.csv, line 2: guide .* no layer follows"):
            dreamt(bench.folder / "in" / "unheeded.csv", bench.folder / "other")

    def test_by_a_list_of_noise(self, bench, dreamt):
        bench.put("list.txt", b"noise:70x60@1\nnoise:70x60@2\nnoise:70x60@1x\n")
        with pytest.raises(RequestError, match=r"list.txt, line 3: 'noise:70x60@1x'"):
            dreamt(bench.folder / "in" / "list.txt", bench.folder / "out")
        bench.put("list.txt", b"noise:70x60@1\nnoise:70x60@2\n")
        counts, _ = dreamt(bench.folder / "in" / "list.txt", bench.folder / "out")
        assert (counts.done, counts.failed) == (2, 0)
        rendered = bench.folder / "rendered.png"
        crew = LocalTileExecutor(Worker(PlainEngine(LAYER)))
        with Renderer(DREAM, EXECUTION, weights=PLAIN, executor=crew) as dreamer:
            render_picture("noise:70x60@2", str(rendered), dreamer)
        assert bench.made("noise-70x60-2.png") == rendered.read_bytes()
        counts, gradients = dreamt(bench.folder / "in" / "list.txt", bench.folder / "out")
        assert (counts.kept, gradients) == (2, 0)

    def test_from_bucket_to_bucket(self, bench, bucket, dreamt):
        for name in ("colour.png", "turned.jpg"):
            bench.put(name, PICTURES[name])
            locate(f"s3://{bucket}/in/b/{name}").write(PICTURES[name])
        locate(f"s3://{bucket}/in/../../x.png").write(PICTURES["colour.png"])
        counts, _ = dreamt(f"s3://{bucket}/in", f"s3://{bucket}/out", report=False)
        assert (counts.done, counts.failed) == (2, 1)
        for name in ("colour.png", "turned.jpg"):
            assert locate(f"s3://{bucket}/out/b/{name}").read() == bench.rendered(name, name)
        counts, gradients = dreamt(f"s3://{bucket}/in", f"s3://{bucket}/out", report=False)
        assert (counts.kept, counts.failed, gradients) == (2, 1, 0)
