"""A job goes on from its last complete checkpoint, and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dreamray.base.errors import RequestError
from dreamray.base.geometry import Region, Shape
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.chunked import ChunkGrid
from dreamray.render.checkpoint import RECORD, AloneTiles, Checkpoint, CheckpointStore, Stored
from dreamray.storage import Folder, LocalFolder, MemoryFolder

REQUEST = {"source": "a1", "dream": "b2", "tiles": "c3"}
SHAPE = Shape(60, 70)
PLAN = plan_tiles(SHAPE, ["conv2d"], 32)
ALONE = AloneTiles(((0.1, 4.0), (1 / 3, 0.0), (2.0, 0.5)), 5.25, (2, 0))


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return LocalFolder(tmp_path / "work") if request.param == "local" else MemoryFolder()


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((*SHAPE, 3), np.float32)


def stored(job: CheckpointStore, name: str, seed: int = 0) -> Stored:
    """A raster with an image in it."""
    raster = job.place(name, PLAN)
    job.raster(raster).write(Region.whole(SHAPE), image(seed))
    return raster


def whole(job: CheckpointStore) -> np.ndarray:
    assert job.checkpoint.image is not None
    return job.raster(job.checkpoint.image).points(np.arange(60), np.arange(70))


def again(folder: Folder, **changes: str) -> tuple[CheckpointStore, str | None]:
    """The job of another process, and what it says."""
    job = CheckpointStore(folder, {**REQUEST, **changes})
    return job, job.resume(9)


class TestResume:
    def test_begins_where_there_is_nothing(self, folder: Folder) -> None:
        job, note = again(folder)
        assert note is None
        assert job.checkpoint == Checkpoint()

    def test_goes_on_from_the_checkpoint(self, folder: Folder) -> None:
        first = CheckpointStore(folder, REQUEST)
        reached = Checkpoint(1, 0, stored(first, "octave-1"), core=48)
        first.reach(reached)
        job, note = again(folder)
        assert job.checkpoint == reached
        np.testing.assert_array_equal(whole(job), image())
        assert note == f"going on from octave 2, as {folder} has it"

    def test_says_the_step_as_well(self, folder: Folder) -> None:
        first = CheckpointStore(folder, REQUEST)
        first.reach(Checkpoint(2, 7, stored(first, "octave-3-step-7")))
        assert again(folder)[1] == f"going on from octave 3, step 8, as {folder} has it"

    def test_keeps_every_bit_of_tiles_dreamt_alone(self, folder: Folder) -> None:
        CheckpointStore(folder, REQUEST).reach(Checkpoint(0, alone=ALONE))
        job, note = again(folder)
        assert job.checkpoint.alone == ALONE
        assert note is not None
        assert "going on from octave 1" in note

    @pytest.mark.parametrize(
        ("changes", "what"),
        [
            ({"dream": "other"}, "dream"),
            ({"source": "other", "tiles": "other"}, "source and tiles"),
            ({"device": "new"}, "device"),
        ],
    )
    def test_of_another_request_starts_afresh_and_says_why(
        self, folder: Folder, changes: dict[str, str], what: str
    ) -> None:
        first = CheckpointStore(folder, REQUEST)
        first.reach(Checkpoint(1, 0, stored(first, "octave-1")))
        job, note = again(folder, **changes)
        assert job.checkpoint == Checkpoint()
        assert note == f"{folder} holds work with another {what}: starting afresh"

    def test_of_what_was_computed_with_something_else_starts_afresh(self, folder: Folder) -> None:
        first = CheckpointStore(folder, REQUEST)
        first.environment = {"threads": 2, "device": "CPU", "tensorflow": "2.21"}
        first.reach(Checkpoint(1, 0, stored(first, "octave-1")))
        same = CheckpointStore(folder, REQUEST)
        assert "going on from octave 2" in str(same.resume(9, lambda: first.environment))
        other = CheckpointStore(folder, REQUEST)
        note = other.resume(9, lambda: {**first.environment, "threads": 4, "device": "GPU"})
        assert note == (
            f"{folder} holds work with another number of threads and device: starting afresh"
        )
        assert other.checkpoint == Checkpoint()

    def test_asks_nobody_what_to_compute_with_where_all_is_dreamt(self, folder: Folder) -> None:
        """A farm is not brought up only to write a finished picture."""
        first = CheckpointStore(folder, REQUEST)
        first.environment = {"threads": 2}
        first.reach(Checkpoint(2, 0, stored(first, "octave-2")))
        again = CheckpointStore(folder, REQUEST)
        note = again.resume(2, lambda: pytest.fail("asked"))
        assert "all octaves are dreamt" in str(note)
        assert again.environment == {"threads": 2}

    @pytest.mark.parametrize("request_", [{"source": "a1", "dream": "b2"}, {}])
    def test_a_part_that_is_no_longer_asked_for_is_another_request(
        self, folder: Folder, request_: dict[str, str]
    ) -> None:
        CheckpointStore(folder, REQUEST).reach(Checkpoint(1, core=32))
        job = CheckpointStore(folder, request_)
        assert "another" in str(job.resume(9))
        assert job.checkpoint == Checkpoint()

    @pytest.mark.parametrize(
        "record",
        [
            b"",
            b"{",
            b"\xff\xfe\x00",
            b"null",
            b"[]",
            b"7",
            b'{"checkpoint": {}}',
            json.dumps({"request": REQUEST}).encode(),
            json.dumps({"request": REQUEST, "checkpoint": None}).encode(),
            json.dumps({"request": REQUEST, "checkpoint": {"octave": "two"}}).encode(),
            json.dumps(
                {
                    "request": REQUEST,
                    "checkpoint": {
                        "octave": 1,
                        "step": 0,
                        "image": "gone",
                        "core": None,
                        "alone": None,
                    },
                }
            ).encode(),
        ],
    )
    def test_of_a_record_that_cannot_be_read_starts_afresh(
        self, folder: Folder, record: bytes
    ) -> None:
        folder.file(RECORD).write(record)
        job, note = again(folder)
        assert job.checkpoint == Checkpoint()
        assert note is not None
        assert "starting afresh" in note
        assert "\n" not in note

    def test_of_a_record_that_ends_too_soon_starts_afresh(self, folder: Folder) -> None:
        """Wherever it was cut off."""
        CheckpointStore(folder, REQUEST).reach(Checkpoint(1, alone=ALONE))
        complete = folder.file(RECORD).read()
        for length in range(0, len(complete) - 1, 7):
            folder.file(RECORD).write(complete[:length])
            job, note = again(folder)
            assert job.checkpoint == Checkpoint()
            assert "starting afresh" in str(note)

    def test_after_starting_afresh_the_new_request_is_the_one_to_go_on_with(
        self, folder: Folder
    ) -> None:
        CheckpointStore(folder, REQUEST).reach(Checkpoint(core=32))
        job, _ = again(folder, dream="other")
        job.reach(Checkpoint(core=64))
        assert again(folder)[0].checkpoint == Checkpoint()
        assert again(folder, dream="other")[0].checkpoint == Checkpoint(core=64)


class TestReach:
    def test_removes_the_raster_before(self, folder: Folder) -> None:
        job = CheckpointStore(folder, REQUEST)
        for number in 1, 2:
            job.reach(Checkpoint(number, 0, stored(job, f"octave-{number}", number)))
        assert not folder.file("octave-1/0-0.npy").exists()
        np.testing.assert_array_equal(whole(job), image(2))

    def test_removes_the_raster_that_another_process_left(self, folder: Folder) -> None:
        first = CheckpointStore(folder, REQUEST)
        first.reach(Checkpoint(1, 0, stored(first, "octave-1")))
        job, _ = again(folder)
        job.reach(Checkpoint(2, 0, stored(job, "octave-2")))
        assert not folder.file("octave-1/0-0.npy").exists()

    def test_keeps_what_the_new_checkpoint_needs(self, folder: Folder) -> None:
        job = CheckpointStore(folder, REQUEST)
        job.reach(Checkpoint(1, 0, stored(job, "octave-1")))
        job.go_on(core=64, alone=ALONE)
        job.go_on(alone=None)
        np.testing.assert_array_equal(whole(job), image())
        assert job.checkpoint == Checkpoint(1, 0, job.checkpoint.image, 64, None)
        assert again(folder)[0].checkpoint == job.checkpoint

    def test_a_record_that_cannot_be_written_leaves_the_raster_before(self, tmp_path: Path) -> None:
        """It is removed when the new record is there, and not a moment sooner."""
        folder = LocalFolder(tmp_path / "work")
        first = CheckpointStore(folder, REQUEST)
        first.reach(Checkpoint(1, 0, stored(first, "octave-1")))
        kept = (tmp_path / "work" / RECORD).read_bytes()
        (tmp_path / "work" / RECORD).unlink()
        (tmp_path / "work" / RECORD).mkdir()
        with pytest.raises(RequestError, match="this is a folder"):
            first.reach(Checkpoint(2, 0, stored(first, "octave-2")))
        (tmp_path / "work" / RECORD).rmdir()
        (tmp_path / "work" / RECORD).write_bytes(kept)
        job, _ = again(folder)
        np.testing.assert_array_equal(whole(job), image())


class TestRasters:
    def test_tiles_consist_of_whole_blocks(self, folder: Folder) -> None:
        job = CheckpointStore(folder, REQUEST)
        plan = plan_tiles(Shape(1300, 40), ["conv2d"], 700)
        canvas = job.raster(job.place("octave-1", plan))
        for tile in plan.tiles:
            canvas.write(tile.core, np.zeros((*tile.core.shape, 3), np.float32))
        assert canvas.shape == plan.shape
        assert max(interval.length for interval in canvas.grid.rows) <= 512

    def test_travel_through_json(self) -> None:
        grid = ChunkGrid.even(SHAPE, 16)
        one = Stored.of("a", grid)
        assert ChunkGrid.from_json(json.loads(json.dumps(one.grid))) == grid

    def test_windows_of_an_octave_are_removed_together(self, folder: Folder) -> None:
        job = CheckpointStore(folder, REQUEST)
        for octave in 0, 1:
            for tile in 0, 1:
                canvas = job.window_raster(octave, tile, SHAPE)
                canvas.write(Region.whole(SHAPE), image(tile))
        job.remove_windows(0)
        assert not folder.file("octave-1-alone/1/0-0.npy").exists()
        left = job.window_raster(1, 1, SHAPE).points(np.arange(60), np.arange(70))
        np.testing.assert_array_equal(left, image(1))

    def test_scratch_is_on_this_machine_or_left_to_the_system(self, tmp_path: Path) -> None:
        assert CheckpointStore(LocalFolder(tmp_path), {}).scratch == tmp_path / "scratch"
        assert CheckpointStore(MemoryFolder(), {}).scratch is None


@pytest.mark.parametrize("name", ["../precious", "octave-1/../..", "/etc", "octave-x", ""])
def test_a_record_that_names_another_folder_is_not_believed(tmp_path: Path, name: str) -> None:
    """It would be read from, and removed."""
    job = CheckpointStore(LocalFolder(tmp_path / "work"), {})
    grid = {"rows": [0, 9], "columns": [0, 9]}
    job.reach(Checkpoint(1, 0, Stored("octave-1", grid)))
    record = tmp_path / "work" / "job.json"
    record.write_text(record.read_text().replace('"octave-1"', json.dumps(name)))
    again = CheckpointStore(LocalFolder(tmp_path / "work"), {})
    assert "cannot be read: starting afresh" in str(again.resume(9))
    assert not again.begun


@pytest.mark.parametrize(
    "changed",
    [
        {"octave": -1},
        {"step": -1},
        {"image": None},
        {"core": 0},
        {"octave": 10},
        {"octave": "1"},
        {"octave": [[[]]]},
        {"image": {"name": "octave-1", "grid": {"rows": ["0"], "columns": []}}},
    ],
)
def test_a_record_of_what_cannot_be_is_not_believed(changed: dict[str, object]) -> None:
    folder = MemoryFolder()
    CheckpointStore(folder, {}).reach(
        Checkpoint(1, 0, Stored.of("octave-1", ChunkGrid.even(SHAPE, 16)))
    )
    record = json.loads(folder.file("job.json").read())
    record["checkpoint"] |= changed
    folder.file("job.json").write(json.dumps(record).encode())
    again = CheckpointStore(folder, {})
    assert "cannot be read: starting afresh" in str(again.resume(9))
    assert not again.begun


@pytest.mark.parametrize("text", [b"[" * 100_000, b"9" * 100_000, b"NaN", b"[]", b"null", b"\xff"])
def test_a_record_of_anything_is_passed_over(text: bytes) -> None:
    folder = MemoryFolder()
    folder.file("job.json").write(text)
    assert not CheckpointStore(folder, {}).begun
    CheckpointStore(folder, {}).resume(9)
