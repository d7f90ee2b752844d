"""Locks that nobody lets go are waited for no longer than is said."""

from __future__ import annotations

import fcntl
import threading
import time
from pathlib import Path

import pytest

from dreamray.base.errors import StorageError
from dreamray.storage import exclusive, locate


def test_a_lock_of_another_program_is_waited_for_with_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "LOCK_SECONDS", 0.1)
    file = locate(f"{tmp_path}/lease.json")
    file.write(b"one")
    with file.path.open("rb") as held:  # type: ignore[attr-defined]
        fcntl.flock(held, fcntl.LOCK_EX)
        begun = time.monotonic()
        with pytest.raises(StorageError, match=r"lease\.json: another program has had it locked"):
            file.compare_and_swap(b"one", b"two")
        assert time.monotonic() - begun < 5
    assert file.compare_and_swap(b"one", b"two")


def test_a_lock_that_is_let_go_is_had(tmp_path: Path) -> None:
    file = locate(f"{tmp_path}/lease.json")
    file.write(b"one")
    with file.path.open("rb") as held:  # type: ignore[attr-defined]
        fcntl.flock(held, fcntl.LOCK_EX)
        swapped: list[bool] = []
        thread = threading.Thread(
            target=lambda: swapped.append(file.compare_and_swap(b"one", b"two"))
        )
        thread.start()
        assert thread.is_alive()
    thread.join()
    assert swapped == [True]
