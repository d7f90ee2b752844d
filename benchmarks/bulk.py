"""A set of pictures: `dreamray bulk` against the pure ascent, and against a loop over a script.

    python benchmarks/bulk.py [--pictures 60] [--size 512] [--workers 1] [--rounds 3]

The ideal is the ascent of the same pictures, one after the other, in one process that has
everything in memory: no file is read, decoded, encoded or written, and the network is loaded
and traced. `dreamray bulk` does all of it, from the start of the command to its end. The shell
loop starts `plain_recipe.py` for each picture; it is timed on a few of them. All three take
turns, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
from PIL import Image

LOOPED = 4
"""Pictures that the shell loop is timed on in each round."""


def main() -> None:
    """Measure, and print a table."""
    parser = common.parser(__doc__)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--size", type=int, default=512, help="of each side, in pixels")
    parser.add_argument("--octaves", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="more than 1: on a local Ray")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", help="for its own use")
    given = parser.parse_args()
    if given.case:
        print(json.dumps(ideal(json.loads(given.case))))
        return
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder, "in")
        make_pictures(sources, given.pictures, given.size)
        folders = [Path(folder, str(number)) for number in range(given.rounds)]
        rounds = [one_round(given, sources, results) for results in folders]
    common.report(summary(given, rounds), given.markdown)


def one_round(given: Any, sources: Path, folder: Path) -> dict[str, Any]:
    """The three of them, once."""
    dream = ["--octaves", str(given.octaves), "--iterations", str(given.iterations)]
    case = {k: getattr(given, k) for k in ("weights", "threads", "octaves", "iterations")}
    best = common.in_fresh_process(__file__, {**case, "sources": str(sources)})
    command = [sys.executable, "-m", "dreamray", "bulk", str(sources), str(folder), *dream]
    command += ["--weights", given.weights, "--quiet"]
    if given.workers > 1:
        command += ["--workers", str(given.workers)]
    whole = timed(command)
    records = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
    assert [record["state"] for record in records] == ["done"] * given.pictures
    stages = {
        stage: sum(record["seconds"][stage] for record in records)
        for stage in ("load", "dream", "store")
    }
    script = str(Path(__file__).with_name("plain_recipe.py"))
    weights = ["--weights", given.weights] if given.weights != "auto" else []
    loop = [
        timed([sys.executable, script, str(source), str(folder / "loop.png"), *dream, *weights])
        for source in sorted(sources.iterdir())[:LOOPED]
    ]
    return {"ideal": best["seconds"], "bulk": whole, "loop": statistics.mean(loop), **stages}


def ideal(case: dict[str, Any]) -> dict[str, float]:
    """Seconds of the ascent of all pictures, held in memory; the first one is made twice."""
    from dreamray.model.device import keep_freed_memory
    from dreamray.raster.pixels import to_tensor
    from dreamray.render.renderer import Renderer
    from dreamray.settings.dream import Dream
    from dreamray.settings.execution import Execution

    keep_freed_memory()
    dream = Dream(octaves=case["octaves"], iterations=case["iterations"])
    execution = Execution(weights=case["weights"], threads=case["threads"])
    images = [
        to_tensor(np.asarray(Image.open(path))) for path in sorted(Path(case["sources"]).iterdir())
    ]
    with Renderer(dream, execution) as renderer:
        renderer.dream_array(images[0])
        begun = time.perf_counter()
        for image in images:
            renderer.dream_array(image)
        return {"seconds": time.perf_counter() - begun}


def make_pictures(folder: Path, count: int, side: int) -> None:
    """Pictures with smooth parts and grain, as JPEG."""
    folder.mkdir()
    rows, columns = np.mgrid[:side, :side] / side
    for number in range(count):
        random = np.random.default_rng(number)
        waves = [np.sin(a * rows + b * columns) for a, b in random.uniform(-20, 20, (3, 2))]
        picture = np.stack(waves, axis=-1) * 90 + 128 + random.normal(0, 8, (side, side, 3))
        image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
        image.save(folder / f"{number:04}.jpg", quality=92)


def timed(command: list[str]) -> float:
    """Seconds that a command takes, from its start to its end."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def summary(given: Any, rounds: list[dict[str, Any]]) -> str:
    """A table of medians, and where the time goes."""

    def median(name: str) -> float:
        return statistics.median(one[name] for one in rounds)

    count = given.pictures
    rows = [
        (label, f"{seconds:.1f}", f"{60 * count / seconds:.1f}", f"{share:.0%}")
        for label, seconds, share in (
            ("pure ascent", median("ideal"), 1.0),
            ("dreamray bulk", median("bulk"), ratio(rounds, "bulk", 1)),
            ("loop over a script", count * median("loop"), ratio(rounds, "loop", count)),
        )
    ]
    header = f"{count} pictures of {given.size}x{given.size}", "s", "pictures/min", "of the ideal"
    stages = ", ".join(
        f"{stage} {median(stage) / count:.3f} s" for stage in ("load", "dream", "store")
    )
    return f"{common.table(header, rows)}\n\nA picture in `dreamray bulk`: {stages}."


def ratio(rounds: list[dict[str, Any]], name: str, times: int) -> float:
    """The median share of the ideal, of the rounds one by one."""
    return statistics.median(one["ideal"] / (times * one[name]) for one in rounds)


if __name__ == "__main__":
    main()
