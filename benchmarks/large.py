"""A picture larger than memory, from the file to the file: peak memory and time.

    python benchmarks/large.py --size 16384x16384 --outputs .tif,.dzi -- \\
        --iterations 1 --octaves 2 --precision bfloat16 --memory 5GiB
    python benchmarks/large.py --size 40000x30000 --source .png --outputs .tif -- --iterations 0

Draws a sky with clouds and grain, renders it with the command, and watches all processes
that take part: their proportional memory (Pss) together, four times a second. Files of the
page cache are not counted: the kernel drops them when memory is short. What follows `--` goes
to `dreamray render`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyvips

from dreamray.base.messages import duration, show_size


def draw(path: Path, width: int, height: int) -> None:
    """A sky: bands of colour, clouds, grain; streamed to the file."""
    rows = pyvips.Image.xyz(width, height)[1] / height
    clouds = pyvips.Image.perlin(width, height, cell_size=1024)
    clouds += pyvips.Image.perlin(width, height, cell_size=256) * 0.5
    grain = pyvips.Image.gaussnoise(width, height, sigma=3)
    bands = [90 + 80 * rows, 130 + 70 * rows, 190 + 30 * rows]
    sky = pyvips.Image.bandjoin(bands[0], bands[1:]) + clouds * 45 + grain
    options = {".tif": {"tile": True, "bigtiff": True, "compression": "deflate"}}
    sky.cast("uchar").copy(interpretation="srgb").write_to_file(
        str(path), **options.get(path.suffix, {})
    )


def watch(command: list[str]) -> tuple[float, int]:
    """Seconds that a command takes, and bytes of all its processes together at their peak."""
    begun, peak = time.monotonic(), 0
    process = subprocess.Popen(command)
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            family = [parent, *parent.children(recursive=True)]
            peak = max(peak, sum(proportional(one.pid) for one in family))
        except (psutil.Error, OSError):
            continue  # One has ended meanwhile.
        time.sleep(0.25)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return time.monotonic() - begun, peak


def proportional(pid: int) -> int:
    """Bytes of a process, those that it shares divided by those that share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Draw, render, and tell."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--size", default="16384x16384", help="WIDTHxHEIGHT")
    made.add_argument("--source", default=".tif", help="format of the source")
    made.add_argument("--outputs", default=".tif", help="formats of the results, with commas")
    made.add_argument("--folder", type=Path, help="keep source and results there")
    made.add_argument("options", nargs="*", help="of dreamray render")
    given = made.parse_args()
    width, height = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory() as passing:
        folder = given.folder or Path(passing)
        folder.mkdir(exist_ok=True)
        source = folder / f"source-{given.size}{given.source}"
        if not source.exists():
            draw(source, width, height)
        print(f"{source.name}: {show_size(source.stat().st_size)}", flush=True)
        dreamray = str(Path(sys.executable).with_name("dreamray"))
        for suffix in given.outputs.split(","):
            result = folder / f"dream-{given.size}{suffix}"
            command = [dreamray, "render", str(source), str(result), *given.options]
            seconds, peak = watch(command)
            print(f"{result.name}: {duration(seconds)}, peak {show_size(peak)}", flush=True)


if __name__ == "__main__":
    main()
