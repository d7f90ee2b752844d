"""A set on Ray and a real S3 server: the right bytes of each, whatever dies on the way."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.fakes.flaky_proxy import FlakyProxy
from tests.support.ray_cluster import Cluster, program
from tests.support.s3_server import S3Server

GOOD, BAD = 48, 8
SETTINGS = ("--layer", "mixed0=1", "--octaves", "2", "--iterations", "2", "--threads", "1")
SETTINGS += ("--weights", "random", "--precision", "float32")

RENDER_ALL = """
import sys
from pathlib import Path
from dreamray.settings.execution import Execution
from dreamray.render.renderer import Renderer
from dreamray.render.files import render_picture
from dreamray.settings.dream import Dream

sources, results = map(Path, sys.argv[1:])
execution = Execution(weights="random", threads=1)
with Renderer(Dream(layers={"mixed0": 1}, octaves=2, iterations=2), execution) as renderer:
    for line in sys.stdin:
        name, output = line.split()
        (results / output).parent.mkdir(parents=True, exist_ok=True)
        render_picture(str(sources / name), str(results / output), renderer)
"""


@pytest.fixture(scope="module")
def sources(s3_server: S3Server) -> dict[str, str]:
    """A bucket full of pictures: the name of each good one's result by its own."""
    bucket, results = s3_server.make_bucket("farm-in"), {}
    random = np.random.default_rng(4)
    for number in range(GOOD):
        name, output, data = good_picture(number, random)
        (bucket / name).parent.mkdir(parents=True, exist_ok=True)
        (bucket / name).write_bytes(data)
        results[name] = output
    for number in range(BAD):
        path = bucket / f"album-{number % 3}" / f"bad-{number}.png"
        path.write_bytes(bad_picture(number, random))
    (bucket / "notes.md").write_text("no picture")
    return results


def good_picture(number: int, random: np.random.Generator) -> tuple[str, str, bytes]:
    """Of some size, kind and format: its name, that of its result, and its bytes."""
    height, width = random.integers(100, 180, 2)
    pixels = random.integers(0, 256, (height, width, 4), np.uint8)
    kinds = {
        "png": ("RGB", "L", "RGBA", "P", "1"),
        "jpg": ("RGB", "L", "CMYK"),
        "gif": ("P",),
        "bmp": ("RGB",),
        "webp": ("RGB", "RGBA"),
        "tif": ("RGB", "CMYK"),
    }
    suffix = list(kinds)[number % len(kinds)]
    mode = kinds[suffix][number // len(kinds) % len(kinds[suffix])]
    image = Image.fromarray(pixels, "CMYK" if mode == "CMYK" else "RGBA")
    file = io.BytesIO()
    image.convert(mode).save(file, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
    stem = f"album-{number % 3}/photo-{number:03}"
    kept = suffix not in ("gif", "bmp")
    return f"{stem}.{suffix}", f"{stem}.{suffix if kept else 'png'}", file.getvalue()


def bad_picture(number: int, random: np.random.Generator) -> bytes:
    """Empty, of another kind, cut short, or too small."""
    file = io.BytesIO()
    side = 4 if number % 4 == 3 else 120
    Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(file, "png")
    return (b"", b"no picture at all", file.getvalue()[:9000], file.getvalue())[number % 4]


@pytest.fixture(scope="module")
def rendered(
    sources: dict[str, str], s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The sha256 of each result, by its name, as `render` makes it."""
    folder = tmp_path_factory.mktemp("rendered")
    names = "".join(f"{name} {output}\n" for name, output in sources.items())
    command = [sys.executable, "-c", RENDER_ALL, str(s3_server.buckets / "farm-in"), str(folder)]
    subprocess.run(command, input=names, text=True, check=True)
    return {output: sha256(folder / output) for output in sources.values()}


@pytest.fixture(scope="module")
def proxy(s3_server: S3Server) -> Iterator[FlakyProxy]:
    """Spoils one request in twelve."""
    with FlakyProxy(f"{s3_server.address}:{s3_server.port}", 0.08, seed=7) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server, proxy: FlakyProxy
) -> Iterator[Cluster]:
    through = {**s3_server.environment(), "AWS_ENDPOINT_URL_S3": f"http://{proxy.address}"}
    started = Cluster(tmp_path_factory.mktemp("ray"), 2, **through)
    yield started
    started.close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def started(cluster: Cluster) -> subprocess.Popen[str]:
    command = [program("dreamray"), "bulk", "s3://farm-in", "s3://farm-out/dreams", *SETTINGS]
    command += ["--address", cluster.address, "--workers", "2"]
    return subprocess.Popen(
        command,
        env=cluster.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def pictures_in(folder: Path) -> dict[str, Path]:
    """The results by name; what belongs to the run is left out."""
    kept = ("dreamray-report/", ".dreamray/", "manifest.jsonl", "index.html")
    names = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {name: path for name, path in names.items() if not name.startswith(kept)}


def wait_for(folder: Path, count: int, run: subprocess.Popen[str]) -> None:
    while len(pictures_in(folder)) < count:
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)


def test_a_set_survives_its_driver_its_workers_and_its_storage(
    sources: dict[str, str],
    rendered: dict[str, str],
    s3_server: S3Server,
    cluster: Cluster,
    proxy: FlakyProxy,
) -> None:
    results = s3_server.make_bucket("farm-out") / "dreams"
    run = started(cluster)
    wait_for(results, GOOD // 3, run)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    run = started(cluster)
    wait_for(results, 2 * GOOD // 3, run)
    workers = [p for p in psutil.process_iter(["cmdline"]) if is_studio(p)]
    workers[0].kill()
    out, err = run.communicate(timeout=240)
    assert run.returncode == 1, err
    assert f"{BAD} failed" in out
    written = {name: path.stat().st_mtime_ns for name, path in pictures_in(results).items()}

    run = started(cluster)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 1, err
    assert f"0 of {GOOD + BAD} pictures dreamt, {GOOD} kept, {BAD} failed" in out
    found = pictures_in(results)
    assert {name: sha256(path) for name, path in found.items()} == rendered
    assert {name: path.stat().st_mtime_ns for name, path in found.items()} == written
    lines = (results / "manifest.jsonl").read_text().splitlines()
    records = {record["output"]: record for record in map(json.loads, lines)}
    assert len(records) == len(lines) == GOOD + BAD
    failed = {name for name, record in records.items() if record["state"] == "failed"}
    assert failed == {f"album-{n % 3}/bad-{n}.png" for n in range(BAD)}
    assert all(records[name]["error"] for name in failed)
    assert not any((results / ".dreamray").rglob("*.json*"))
    print(proxy.done)
    assert proxy.done["requests"] > 200
    assert sum(proxy.done.values()) - proxy.done["requests"] > 10


def is_studio(process: psutil.Process) -> bool:
    return "ray::NodeTaskRunner" in " ".join(process.info["cmdline"] or ())
