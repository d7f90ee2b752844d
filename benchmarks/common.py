"""What the benchmarks share: measurements in fresh processes, medians, tables, pictures."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dreamray.base.errors import WeightsError
from dreamray.model.device import available_threads, start_tensorflow
from dreamray.model.weights.arrays import Weights
from dreamray.model.weights.loader import load
from dreamray.settings.dream import DEFAULT_LAYERS

DEFAULT = tuple(DEFAULT_LAYERS)
"""The layers of the default dream."""

MEGAPIXEL = 1_000_000


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that every benchmark has."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--weights",
        default="auto",
        help="auto, imagenet, bestiary, random, or a weights file (default auto)",
    )
    made.add_argument(
        "--threads", type=int, default=available_threads(), help="default: one a processor"
    )
    made.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the result there as well"
    )
    return made


def picture(height: int, width: int) -> npt.NDArray[np.float32]:
    """A picture with detail everywhere: noise in -1 to 1, the same every time."""
    noise = np.random.default_rng(0).random((height, width, 3), np.float32)
    noise *= 2
    noise -= 1
    return noise


def load_reaching(source: str, layers: Sequence[str]) -> Weights:
    """The weights of that source; random ones where they end before the layers."""
    loaded = load(source)
    try:
        loaded.check_reaches(layers)
    except WeightsError:
        return load("random")
    return loaded


def tensorflow(threads: int) -> Any:
    """TensorFlow with that many threads."""
    start_tensorflow(threads)
    import tensorflow as tf

    return tf


def peak_memory() -> int:
    """Bytes of memory that this process held at its peak so far."""
    return _status("VmHWM")


def held_memory() -> int:
    """Bytes of memory that this process holds."""
    return _status("VmRSS")


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) << 10
    raise SystemExit(f"this system does not tell {field}: measure memory on Linux")


def in_fresh_process(script: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """What `script --case` prints for a case; the peak of a process can only be measured once."""
    command = [sys.executable, script, "--case", json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip() or "killed").splitlines()[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, its columns aligned: the first to the left, the others to the right."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def show(line: Sequence[str]) -> str:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        return f"| {' | '.join(cells)} |"

    rule = [f"{'-' * widths[0]}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join([show(lines[0]), show(rule), *(show(line) for line in lines[1:])])


def report(text: str, path: Path | None) -> None:
    """Print a result, and write it to a file as well if one is given."""
    print(text, flush=True)
    if path is not None:
        path.write_text(text + "\n")
