"""A cluster of our own ends with the run, though its own way to end hangs."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import SimpleNamespace

import psutil
import pytest

ray = pytest.importorskip("ray")

from dreamray.farm import cluster, ray_compat  # noqa: E402

FAMILY = "import subprocess; print(subprocess.Popen(['sleep', '99']).pid, flush=True); input()"


def test_stopped_processes_of_our_own_ray_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import worker

    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", FAMILY], text=True, **pipes) as started:  # type: ignore[call-overload]
        child = psutil.Process(int(started.stdout.readline()))
        child.suspend()
        never = threading.Event()
        at_exit: list[bool] = []
        known = SimpleNamespace(all_processes={"raylet": [SimpleNamespace(process=started)]})
        monkeypatch.setattr(worker, "_global_node", known)
        monkeypatch.setattr(ray, "shutdown", never.wait)
        monkeypatch.setattr(cluster, "_LEAVE_WITHIN", 0.05)
        monkeypatch.setattr(cluster, "_hanging", threading.Event())
        monkeypatch.setattr(ray_compat, "skip_shutdown_at_exit", lambda: at_exit.append(False))
        cluster._leave(own=True)
        assert started.wait(10) == -9
        assert psutil.wait_procs([child], timeout=10)[1] == []
        assert at_exit == [False]
        assert cluster._hanging.is_set()
        never.set()


@pytest.mark.parametrize("code", [0, 1, 130])
def test_a_ray_that_hangs_does_not_change_how_the_process_ends(code: int) -> None:
    """Python's own way to end would run what is registered, and Ray's crashes there."""
    ending = (
        "import atexit, os; from dreamray.farm import cluster; "
        "atexit.register(os.abort); print('said'); "
        f"cluster._hanging.set(); cluster.end_if_ray_hangs({code})"
    )
    done = subprocess.run([sys.executable, "-c", ending], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, "said\n")
