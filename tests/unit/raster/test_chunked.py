"""A canvas gives back what was written into it, in any part, or says what is wrong."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import RequestError, StorageError
from dreamray.base.geometry import Interval, Region, Shape
from dreamray.plan.tiles import plan_tiles
from dreamray.raster import chunked as module
from dreamray.raster.chunked import ChunkedRaster, ChunkGrid
from dreamray.storage import Folder, LocalFolder, MemoryFolder, S3Folder

SHAPE = Shape(53, 71)
GRID = ChunkGrid.even(SHAPE, 16)


def noise(shape: Shape = SHAPE, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    random = np.random.default_rng(4)
    return random.integers(0, 255, (*shape, channels)).astype(dtype)


def filled(folder: Folder, values: np.ndarray, grid: ChunkGrid = GRID) -> ChunkedRaster:
    canvas = ChunkedRaster(folder, grid, values.dtype, values.shape[2])
    canvas.write(Region.whole(grid.shape), values)
    return canvas


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow), "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    match request.param:
        case "s3":
            return S3Folder(request.getfixturevalue("bucket"), "work/one")
        case "local":
            return LocalFolder(tmp_path / "work")
    return MemoryFolder()


class TestGrid:
    @given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 64))
    def test_even_blocks_differ_by_one_pixel_at_most(
        self, height: int, width: int, side: int
    ) -> None:
        grid = ChunkGrid.even(Shape(height, width), side)
        assert grid.shape == (height, width)
        for axis, length in ((grid.rows, height), (grid.columns, width)):
            lengths = {interval.length for interval in axis}
            assert max(lengths) <= side
            assert max(lengths) - min(lengths) <= 1
            assert len(axis) == -(-length // side)

    def test_each_block_lies_within_one_core(self) -> None:
        plan = plan_tiles(Shape(700, 900), ["mixed2"], core=300)
        grid = ChunkGrid.within(plan.core_rows, plan.core_columns, 128)
        assert grid.shape == plan.shape
        for cores, blocks in (
            (plan.core_rows, grid.rows),
            (plan.core_columns, grid.columns),
        ):
            for block in blocks:
                assert block.length <= 128
                assert sum(c.start <= block.start and block.stop <= c.stop for c in cores) == 1

    def test_json_gives_it_back(self) -> None:
        grid = ChunkGrid.within([Interval(0, 5), Interval(5, 30)], [Interval(0, 9)], 7)
        assert ChunkGrid.from_json(json.loads(json.dumps(grid.to_json()))) == grid

    @pytest.mark.parametrize(
        "record",
        [
            None,
            [],
            {"rows": [0, 5]},
            {"rows": [0, 5], "columns": [0]},
            {"rows": [0, 5], "columns": [1, 5]},
            {"rows": [0, 5, 5], "columns": [0, 5]},
            {"rows": [0, 5, 4], "columns": [0, 5]},
            {"rows": [0, "5"], "columns": [0, 5]},
            {"rows": [0, 5.0], "columns": [0, 5]},
            {"rows": "05", "columns": [0, 5]},
        ],
    )
    def test_no_other_json_is_taken_for_one(self, record: object) -> None:
        with pytest.raises(ValueError, match=r"grid|partition"):
            ChunkGrid.from_json(record)


class TestPlaces:
    @pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint16", 3), ("float32", 3)])
    def test_gives_back_what_was_written(self, folder: Folder, dtype: str, channels: int) -> None:
        values = noise(channels=channels, dtype=dtype)
        canvas = filled(folder, values)
        read = canvas.points(np.arange(SHAPE.height), np.arange(SHAPE.width))
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)

    def test_parts_are_written_by_several(self, folder: Folder) -> None:
        values = noise()
        for rows in GRID.rows:
            region = Region(rows, Interval(0, SHAPE.width))
            ChunkedRaster(folder, GRID, "uint8").write(region, values[region.slices])
        read = ChunkedRaster(folder, GRID, "uint8").points(np.arange(20, 40), np.arange(71))
        np.testing.assert_array_equal(read, values[20:40])

    def test_a_missing_block_is_named(self, folder: Folder) -> None:
        filled(folder, noise())
        folder.file("1-2.npy").remove()
        canvas = ChunkedRaster(folder, GRID, "uint8")
        canvas.points(np.arange(13), np.arange(71))
        with pytest.raises(StorageError) as error:
            canvas.points(np.arange(53), np.arange(71))
        assert str(error.value) == (
            f"{folder.file('1-2.npy')}: this part of the picture is missing; "
            "start again with --fresh"
        )


indices = st.lists(st.integers(0, 52), max_size=30).map(lambda i: np.array(sorted(i), np.intp))


class TestPoints:
    @given(rows=indices, columns=indices)
    def test_any_points_are_those_of_the_array(self, rows: np.ndarray, columns: np.ndarray) -> None:
        values = noise()
        canvas = filled(MemoryFolder(), values)
        np.testing.assert_array_equal(canvas.points(rows, columns), values[np.ix_(rows, columns)])

    @pytest.mark.parametrize("bad", [[-1, 3], [50, 53]])
    def test_points_outside_are_refused(self, bad: list[int]) -> None:
        canvas = filled(MemoryFolder(), noise())
        with pytest.raises(IndexError, match="53"):
            canvas.points(np.array(bad), np.arange(3))

    def test_points_must_ascend(self) -> None:
        canvas = filled(MemoryFolder(), noise())
        with pytest.raises(ValueError, match="ascend"):
            canvas.points(np.arange(3), np.array([3, 2]))

    def test_the_result_may_be_changed(self) -> None:
        """What is read is a copy: it neither is read-only nor reaches the cache."""
        canvas = filled(MemoryFolder(), noise())
        canvas.points(np.arange(5), np.arange(5))[:] = 0
        np.testing.assert_array_equal(canvas.points(np.arange(5), np.arange(5)), noise()[:5, :5])

    def test_only_touched_blocks_are_read(self) -> None:
        folder = MemoryFolder()
        canvas = filled(folder, noise())
        for row, column in ((0, 0), (2, 2), (3, 4)):
            folder.file(f"{row}-{column}.npy").remove()
        part = canvas.points(np.arange(13, 26), np.array([0, 70]))
        np.testing.assert_array_equal(part, noise()[13:26, [0, 70]])


class TestCache:
    @pytest.fixture
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        """The blocks that were read, in turn."""
        seen: list[object] = []
        read = module._read

        def counted(file: object) -> bytes:
            seen.append(file)
            return read(file)

        monkeypatch.setattr(module, "_read", counted)
        return seen

    def test_what_was_read_is_kept(self, reads: list[object]) -> None:
        canvas = filled(MemoryFolder(), noise())
        for _ in range(3):
            canvas.points(np.arange(53), np.arange(71))
        assert len(reads) == len(set(reads)) == 20

    def test_not_more_than_its_bytes_are_kept(
        self, reads: list[object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_CACHE_BYTES", 2 * 14 * 15 * 3)
        canvas = filled(MemoryFolder(), noise())
        here = np.arange(5)
        for at in (0, 20, 30, 30, 20, 0):  # The third block pushes the first one out.
            canvas.points(here, here + at)
        assert len(reads) == 4

    def test_what_is_written_anew_is_read_anew(self) -> None:
        canvas = filled(MemoryFolder(), noise())
        everything = np.arange(53), np.arange(71)
        canvas.points(*everything)
        canvas.write(Region.whole(SHAPE), 255 - noise())
        np.testing.assert_array_equal(canvas.points(*everything), 255 - noise())

    def test_it_stays_at_home(self, tmp_path: Path) -> None:
        """A pickled canvas is small, and reads from the same folder."""
        canvas = filled(LocalFolder(tmp_path), noise())
        before = len(pickle.dumps(canvas))
        everything = np.arange(53), np.arange(71)
        canvas.points(*everything)
        parcel = pickle.dumps(canvas)
        assert len(parcel) == before
        np.testing.assert_array_equal(pickle.loads(parcel).points(*everything), noise())


class TestWrite:
    @pytest.mark.parametrize(
        "region",
        [
            Region(Interval(0, 12), Interval(0, 71)),
            Region(Interval(1, 13), Interval(0, 71)),
            Region(Interval(0, 53), Interval(14, 15)),
            Region(Interval(13, 13), Interval(0, 71)),
            Region(Interval(0, 99), Interval(0, 71)),
        ],
    )
    def test_only_whole_blocks_are_written(self, region: Region) -> None:
        with pytest.raises(ValueError, match="whole blocks"):
            ChunkedRaster(MemoryFolder(), GRID, "uint8").write(region, noise(region.shape))

    @pytest.mark.parametrize(
        "values", [noise(channels=1), noise()[:-1], noise(dtype="int8"), noise(dtype="float32")]
    )
    def test_only_what_fits_is_written(self, values: np.ndarray) -> None:
        with pytest.raises(ValueError, match="region of uint8"):
            ChunkedRaster(MemoryFolder(), GRID, "uint8").write(Region.whole(SHAPE), values)

    def test_a_killed_process_leaves_no_torn_block(self, tmp_path: Path) -> None:
        """Whenever it dies, each block is missing, or whole and as it was once written."""
        code = (
            "import sys, numpy as np; from pathlib import Path;"
            "from dreamray.raster.chunked import ChunkedRaster, ChunkGrid;"
            "from dreamray.base.geometry import Region, Shape;"
            "from dreamray.storage import LocalFolder\n"
            "shape = Shape(300, 300)\n"
            "grid = ChunkGrid.even(shape, 100)\n"
            "canvas = ChunkedRaster(LocalFolder(Path(sys.argv[1])), grid, 'float32')\n"
            "for n in range(10**6):\n"
            "    canvas.write(Region.whole(shape), np.full((*shape, 3), n, np.float32))\n"
            "    print(n, flush=True)\n"
        )
        grid = ChunkGrid.even(Shape(300, 300), 100)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout
        for _ in range(5):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        read = ChunkedRaster(LocalFolder(tmp_path), grid, "float32").points(
            np.arange(300), np.arange(300)
        )
        for block in read.reshape(3, 100, 3, 100, 3).swapaxes(1, 2).reshape(9, -1):
            assert block.min() == block.max() >= 3

    def test_the_first_error_ends_it(self) -> None:
        class Full(MemoryFolder):
            def file(self, name: str) -> Folder:
                raise StorageError(f"{name}: no space left")

        with pytest.raises(StorageError, match="no space left"):
            filled(Full(), noise())

    def test_several_threads_write_and_read(self) -> None:
        values = noise()
        canvas = ChunkedRaster(MemoryFolder(), GRID, "uint8")
        wrong = []

        def work(rows: Interval) -> None:
            region = Region(rows, Interval(0, SHAPE.width))
            for _ in range(10):
                canvas.write(region, values[region.slices])
                read = canvas.points(np.arange(*rows), np.arange(SHAPE.width))
                wrong.extend([rows] * (not np.array_equal(read, values[region.slices])))

        threads = [threading.Thread(target=work, args=(rows,)) for rows in GRID.rows]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_blocks_are_what_numpy_reads(tmp_path: Path) -> None:
    filled(LocalFolder(tmp_path), noise(dtype="float32"))
    block = np.load(tmp_path / "1-2.npy", allow_pickle=False)
    np.testing.assert_array_equal(block, noise(dtype="float32")[13:26, 28:42])


def edited(change: Callable[[bytes], bytes]) -> ChunkedRaster:
    """A canvas with one block of which the file was changed."""
    folder = MemoryFolder()
    filled(folder, noise())
    block = folder.file("0-0.npy")
    block.write(change(block.read()))
    return ChunkedRaster(folder, GRID, "uint8")


class TestDamage:
    @pytest.mark.parametrize(
        "change",
        [
            lambda data: b"",
            lambda data: data[:100],
            lambda data: data[:-1],
            lambda data: data + b"x",
            lambda data: bytes(len(data)),
            lambda data: data.replace(b"|u1", b"|i1"),
            lambda data: data.replace(b"(13, 14, 3)", b"(14, 13, 3)"),
            lambda data: data.replace(b"(13, 14, 3)", b"(9**9, 3)  "),
            lambda data: data.replace(b"\x01\x00", b"\x02\x00", 1),
            lambda data: b"PK\x03\x04" + data[4:],
        ],
    )
    def test_a_damaged_block_is_named(self, change: Callable[[bytes], bytes]) -> None:
        with pytest.raises(StorageError) as error:
            edited(change).points(np.arange(3), np.arange(3))
        assert str(error.value) == (
            "memory:/0-0.npy: this part of the picture is damaged; start again with --fresh"
        )

    def test_nothing_in_a_block_is_unpickled(self, tmp_path: Path) -> None:
        np.save(tmp_path / "0-0.npy", np.array([[[{}]]], object), allow_pickle=True)
        with pytest.raises(StorageError, match="damaged"):
            ChunkedRaster(LocalFolder(tmp_path), GRID, "uint8").points(np.arange(3), np.arange(3))

    def test_a_block_that_may_not_be_read_is_not_called_missing(self, tmp_path: Path) -> None:
        (tmp_path / "0-0.npy").symlink_to("0-0.npy")
        with pytest.raises(RequestError) as error:
            ChunkedRaster(LocalFolder(tmp_path), GRID, "uint8").points(np.arange(3), np.arange(3))
        assert "missing" not in str(error.value)
