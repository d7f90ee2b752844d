"""A shelf gives back what was put on it, and keeps to the memory it was given."""

from __future__ import annotations

import errno
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dreamray.base.errors import StorageError
from dreamray.base.geometry import Raster
from dreamray.raster.spill import SpillBuffer

SIZE = 4 * 5 * 7 * 3
"""Bytes of one array."""


def array(value: float) -> Raster:
    return np.full((5, 7, 3), value, np.float32)


class Device:
    """Arrays that are not NumPy's, and counted while they are in memory."""

    alive = 0

    def __init__(self, values: Raster) -> None:
        self.values = np.array(values)
        self.shape = values.shape
        Device.alive += 1

    def __del__(self) -> None:
        Device.alive -= 1

    @staticmethod
    def store(values: Device) -> Raster:
        return values.values


def shelf(tmp_path: Path, capacity: int | None) -> SpillBuffer:
    return SpillBuffer(capacity, tmp_path / "scratch", Device, Device.store)


def files(tmp_path: Path) -> int:
    return len(list((tmp_path / "scratch").rglob("*.npy")))


class TestCapacity:
    @pytest.mark.parametrize("room", [1, 2, 5])
    def test_no_more_is_in_memory(self, tmp_path: Path, room: int) -> None:
        kept = shelf(tmp_path, room * SIZE)
        assert Device.alive == 0
        for key in range(10):
            kept[key] = Device(array(key))
            assert Device.alive <= room
        for key in [3, 9, 0, 3, 7]:
            assert np.all(kept[key].values == key)
            assert Device.alive <= room
        assert files(tmp_path) >= 10 - room

    @pytest.mark.parametrize("capacity", [0, SIZE - 1])
    def test_the_one_used_last_stays_whatever_its_size(self, tmp_path: Path, capacity: int) -> None:
        kept = shelf(tmp_path, capacity)
        for key in range(3):
            kept[key] = Device(array(key))
        assert Device.alive == 1
        last = kept[1]
        assert kept[1] is last

    def test_those_used_longest_ago_go_first(self, tmp_path: Path) -> None:
        kept = shelf(tmp_path, 2 * SIZE)
        kept["a"], kept["b"] = Device(array(1)), Device(array(2))
        first = kept["a"]
        kept["c"] = Device(array(3))
        assert kept["a"] is first

    def test_without_one_nothing_is_written(self, tmp_path: Path) -> None:
        kept = shelf(tmp_path, None)
        for key in range(10):
            kept[key] = Device(array(key))
        assert Device.alive == 10
        assert not (tmp_path / "scratch").exists()

    def test_what_has_not_changed_is_not_written_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saved, save = [], np.save
        monkeypatch.setattr(
            np, "save", lambda path, values: (saved.append(path), save(path, values))
        )
        kept = shelf(tmp_path, SIZE)
        kept["a"], kept["b"] = Device(array(1)), Device(array(2))
        for _ in range(3):
            assert np.all(kept["a"].values == 1)
            assert np.all(kept["b"].values == 2)
        assert len(saved) == 2


class TestChange:
    def test_in_place_is_kept_once_assigned(self, tmp_path: Path) -> None:
        kept = shelf(tmp_path, SIZE)
        kept["a"], kept["b"] = Device(array(1)), Device(array(2))
        changed = kept["a"]
        changed.values += 10
        kept["a"] = changed
        assert np.all(kept["b"].values == 2)
        assert np.all(kept["a"].values == 11)

    def test_of_size_counts(self, tmp_path: Path) -> None:
        kept = shelf(tmp_path, 2 * SIZE)
        kept["a"], kept["b"] = Device(array(1)), Device(array(2))
        kept["a"] = Device(np.zeros((10, 7, 3), np.float32))
        assert Device.alive == 1

    def test_the_bits_survive_the_disk(self, tmp_path: Path) -> None:
        values = np.float32([[[np.nan, -0.0, np.inf], [1e-45, -3.4e38, 1 / 3]]])
        kept = SpillBuffer(0, tmp_path)
        kept["a"] = values
        kept["b"] = array(0)
        assert kept["a"].tobytes() == values.tobytes()


class TestFiles:
    def test_go_when_their_array_does(self, tmp_path: Path) -> None:
        kept = shelf(tmp_path, 0)
        for key in range(4):
            kept[key] = Device(array(key))
        assert files(tmp_path) == 3
        del kept[0]
        assert kept.pop(1).values[0, 0, 0] == 1
        kept[2] = Device(array(5))
        assert files(tmp_path) == 1
        assert kept.pop(0, None) is None

    def test_go_with_the_shelf(self, tmp_path: Path) -> None:
        kept = shelf(tmp_path, 0)
        kept["a"], kept["b"] = Device(array(1)), Device(array(2))
        assert files(tmp_path) == 1
        del kept
        assert [*(tmp_path / "scratch").iterdir()] == []

    def test_two_shelves_share_a_folder(self, tmp_path: Path) -> None:
        one, other = shelf(tmp_path, 0), shelf(tmp_path, 0)
        for number in range(3):
            one[number], other[number] = Device(array(number)), Device(array(-number))
        assert [one[n].values[0, 0, 0] for n in range(3)] == [0, 1, 2]
        assert [other[n].values[0, 0, 0] for n in range(3)] == [0, -1, -2]

    def test_lie_in_the_temporary_folder_if_no_other_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        killed = tmp_path / f"dreamray-{'0' * 16}.scratch"
        killed.mkdir()
        kept = SpillBuffer(0)
        kept["a"], kept["b"] = array(1), array(2)
        assert len(list(tmp_path.rglob("*.npy"))) == 1
        assert not killed.exists()
        del kept
        assert [*tmp_path.iterdir()] == []


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


class TestFullDisk:
    def test_is_told_in_one_line(self, tmp_path: Path) -> None:
        kept = SpillBuffer(0, tmp_path)
        kept["a"] = np.zeros((300, 300, 3), np.float32)
        with files_no_larger_than(100_000), pytest.raises(StorageError) as caught:
            kept["b"] = array(1)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path}: ")
        assert "--work" in message
        assert "\n" not in message

    def test_loses_nothing(self, tmp_path: Path) -> None:
        """When there is room again, it goes on."""
        kept = SpillBuffer(0, tmp_path)
        values = np.random.default_rng(1).random((300, 300, 3), np.float32)
        kept["a"] = values
        with files_no_larger_than(100_000), pytest.raises(StorageError):
            kept["b"] = array(1)
        np.testing.assert_array_equal(kept["a"], values)
        kept["b"] = array(2)
        np.testing.assert_array_equal(kept["a"], values)
        np.testing.assert_array_equal(kept["b"], array(2))

    def test_a_folder_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        kept = SpillBuffer(0, tmp_path / "file" / "scratch")
        kept["a"] = array(1)
        with pytest.raises(StorageError, match="Not a directory"):
            kept["b"] = array(2)

    def test_a_system_that_says_so_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*arguments: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(np, "save", full)
        kept = SpillBuffer(0, tmp_path)
        kept["a"] = array(1)
        with pytest.raises(StorageError, match="No space left on device while tiles"):
            kept["b"] = array(2)


class Machine(RuleBasedStateMachine):
    """Against a dictionary."""

    keys = st.integers(0, 5)

    def __init__(self) -> None:
        super().__init__()
        self.capacity = 2 * SIZE
        self.shelf = SpillBuffer(self.capacity, None, Device, Device.store)
        self.plain: dict[int, Raster] = {}
        self.before = Device.alive

    @rule(key=keys, value=st.integers(0, 99), rows=st.integers(1, 12))
    def put(self, key: int, value: int, rows: int) -> None:
        self.plain[key] = np.full((rows, 7, 3), value, np.float32)
        self.shelf[key] = Device(self.plain[key])

    @rule(key=keys)
    def get(self, key: int) -> None:
        assert (key in self.shelf) == (key in self.plain)
        if key in self.plain:
            np.testing.assert_array_equal(self.shelf[key].values, self.plain[key])

    @rule(key=keys)
    def change(self, key: int) -> None:
        if key in self.plain:
            self.plain[key] += 1
            values = self.shelf[key]
            values.values += 1
            self.shelf[key] = values

    @rule(key=keys)
    def remove(self, key: int) -> None:
        if key in self.plain:
            del self.plain[key]
            del self.shelf[key]

    @invariant()
    def has_the_same_names(self) -> None:
        assert sorted(self.shelf) == sorted(self.plain)
        assert len(self.shelf) == len(self.plain)

    @invariant()
    def keeps_to_its_room(self) -> None:
        held = [*self.shelf._held.values()]
        assert len(held) <= 1 or sum(one.values.nbytes for one in held) <= self.capacity


TestAnySequence = Machine.TestCase
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=25)
