"""Pictures in the buckets of the cluster, and the same dreams by one process of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.places import PROJECT


def put(folder: Path, *names: str, size: tuple[int, int] = (160, 120)) -> None:
    """Write pictures into a folder of a bucket: gentle colours that differ by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        random = np.random.default_rng(list(name.encode()))
        coarse = random.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize(size).save(folder / name)


def remove(found: Path) -> None:
    """Away with what an earlier run of the tests has left in a bucket, and what S3 knows of it."""
    buckets = found.parents[1]
    known = buckets.parent / "metadata" / found.relative_to(buckets)
    for path in (found, known):
        shutil.rmtree(path, ignore_errors=True)
        if path.is_file():
            path.unlink()


def dream(*arguments: str | Path, timeout: float = 300) -> None:
    """Run `dreamray` with these arguments in a process here, with the weights of the farms."""
    command = [sys.executable, "-m", "dreamray", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "DREAMRAY_WEIGHTS": "bestiary"}
    done = subprocess.run(
        command, env=environment, text=True, capture_output=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def files(folder: Path, pattern: str) -> dict[str, bytes]:
    """What the files below a folder hold, by their paths in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob(pattern)}
