"""What a short render waits for: the whole command against a plain script of the recipe.

    python benchmarks/start.py [PICTURE] [--rounds 5] [--weights FILE]

Both are commands of their own, from start to end, at their defaults, which are the same dream.
They take turns, so that whatever else the machine does disturbs both; times are medians of the
wall clock. `--help` shows what the command line itself costs. The split times the parts of a
render one after another, in a process of its own each round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import common
from contestants import keras_weights
from PIL import Image

HERE = Path(__file__).parent
LAKE = HERE.parent / "examples" / "lake.png"
PARTS = (
    "Python, NumPy",
    "import dreamray",
    "load weights",
    "import TensorFlow",
    "build network",
    "read picture",
    "first step",
    "other steps",
    "octaves",
    "encode",
)


def run(command: Sequence[str]) -> float:
    """Seconds of a command."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed: {done.stderr.strip()[-2000:]}")
    return seconds


def commands(given: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """What takes turns."""
    weights = keras_weights(given.weights) or "random"
    plain = [sys.executable, str(HERE / "plain_recipe.py"), given.picture]
    dreamray = [sys.executable, "-m", "dreamray"]
    render = [*dreamray, "render", given.picture]
    options = ["--weights", given.weights, "--threads", str(given.threads)]
    return {
        "plain script of the recipe": [*plain, str(folder / "plain.png"), "--weights", weights],
        "dreamray render": [*render, str(folder / "dreamt.png"), *options],
        "dreamray render --precision bfloat16": [
            *render,
            str(folder / "fast.png"),
            *options,
            "--precision",
            "bfloat16",
        ],
        "dreamray --help": [*dreamray, "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }


def measure_split(given: argparse.Namespace) -> dict[str, float]:
    """Seconds of each part of one render, measured in a fresh process."""
    case = {
        "picture": given.picture,
        "weights": given.weights,
        "threads": given.threads,
        "started": time.time(),
    }
    split = common.in_fresh_process(__file__, case)
    if "failed" in split:
        raise SystemExit(f"the split failed: {split['failed']}")
    return split


def split(case: dict[str, object]) -> dict[str, float]:
    """Render as the command does, and time each part."""
    clock = _Clock(float(str(case["started"])))
    clock.lap("Python, NumPy")
    from dreamray.base.geometry import Shape
    from dreamray.cli.app import app  # noqa: F401
    from dreamray.engine.events import Event, OctaveDone, OctaveStarted, StepDone
    from dreamray.model.device import keep_freed_memory, start_tensorflow
    from dreamray.render.files import render_picture
    from dreamray.render.renderer import Renderer
    from dreamray.settings.dream import Dream
    from dreamray.settings.execution import Execution

    keep_freed_memory()

    def on_event(event: Event) -> None:
        if isinstance(event, OctaveStarted):
            clock.lap("octaves" if event.number else "read picture")
        elif isinstance(event, StepDone):
            first = (event.octave, event.number) == (0, 0)
            clock.lap("first step" if first else "other steps")
        elif isinstance(event, OctaveDone):
            clock.lap("octaves")

    picture, threads = str(case["picture"]), int(str(case["threads"]))
    execution = Execution(weights=str(case["weights"]), threads=threads)
    renderer = Renderer(Dream(), execution)
    clock.lap("import dreamray")
    renderer.load()
    clock.lap("load weights")
    start_tensorflow(threads)
    clock.lap("import TensorFlow")
    with Image.open(picture) as opened:
        plan = renderer.plan(Shape(opened.height, opened.width))
    renderer.executor(plan)
    clock.lap("build network")
    with tempfile.TemporaryDirectory() as folder:
        render_picture(picture, str(Path(folder) / "dreamt.png"), renderer, on_event)
        clock.lap("encode")
    return clock.laps


class _Clock:
    """Adds the time since the last lap to the lap of that name."""

    def __init__(self, started: float) -> None:
        self.laps: dict[str, float] = {}
        self._last = started

    def lap(self, name: str) -> None:
        now = time.time()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now


def tables(times: dict[str, list[float]], splits: list[dict[str, float]]) -> str:
    """Both tables."""
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    whole = [(name, f"{seconds:.2f}") for name, seconds in medians.items()]
    parts = [
        (name, f"{statistics.median(split.get(name, 0.0) for split in splits):.2f}")
        for name in PARTS
    ]
    return "\n\n".join(
        (
            common.table(("", "seconds"), whole),
            "Parts of `dreamray render`:",
            common.table(("", "seconds"), parts),
        )
    )


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("picture", nargs="?", default=str(LAKE), help="default: examples/lake.png")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(split(given.case)))
        return
    splits = []
    with tempfile.TemporaryDirectory() as folder:
        contestants = commands(given, Path(folder))
        for command in contestants.values():
            run(command)  # So that files and compiled modules are in the system's cache.
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(given.rounds):
            for name, command in contestants.items():
                times[name].append(run(command))
            splits.append(measure_split(given))
    title = f"# {Path(given.picture).name}, medians of {given.rounds}, {given.threads} threads"
    common.report(f"{title}\n\n{tables(times, splits)}", given.markdown)


if __name__ == "__main__":
    main()
