"""The command line as its users meet it: real files in and out, exit codes, one-line errors."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamray.cli import commands, interruption
from dreamray.engine.events import Event, Notice, StepDone
from dreamray.pictures import decode
from dreamray.settings.dream import Dream
from dreamray.settings.execution import VISIBLE
from tests.unit.cli.conftest import Ended, Run, begun

LITTLE = ("--layer", "mixed0=1", "--octaves", "1", "--iterations", "1", "--weights", "random")
"""A dream that takes a moment."""


def noise(height: int = 100, width: int = 120, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    Image.fromarray(noise()).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where results go."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def refused(ended: Ended, code: int, *words: str) -> None:
    """It ended with one line that holds these words, and with this exit code."""
    assert ended.code == code, ended
    assert ended.out == ""
    assert re.fullmatch(r"dreamray: [^\n]+\n", ended.err), ended.err
    for word in words:
        assert word in ended.err


# --- bad input -----------------------------------------------------------------------------------


def png_bytes(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def jpeg_bytes(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "JPEG")
    return out.getvalue()


def bomb(width: int = 100_000, height: int = 100_000) -> bytes:
    """A PNG of a few hundred bytes that says it has 10 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


BAD_PICTURES = {
    "empty.png": b"",
    "text.png": b"no picture at all\n" * 20,
    "truncated.jpg": jpeg_bytes(noise())[:2000],
    "truncated.png": png_bytes(noise())[:-500],
    "header.png": png_bytes(noise())[:20],
    "one.png": png_bytes(noise(1, 1)),
    "strip.png": png_bytes(noise(2, 30_000)),
    "bomb.png": bomb(),
    "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_fails_in_one_line_and_leaves_nothing(
    name: str, run: Run, tmp_path: Path, folder: Path
) -> None:
    (tmp_path / name).write_bytes(BAD_PICTURES[name])
    refused(run("render", tmp_path / name, folder / "out.png", *LITTLE), 1)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layer", "mixed11=1"], ["mixed11", "mixed0 to mixed10"]),
        (["--layer", "mixed4[5000]=1"], ["5000", "0 to 767"]),
        (["--layer", "mixed4"], ["NAME=WEIGHT"]),
        (["--layer", "mixed4=1", "--layer", "mixed4=2"], ["mixed4", "twice"]),
        (["--step", "0"], ["step", "above 0"]),
        (["--step", "fast"], ["step", "above 0"]),
        (["--octaves", "none"], ["octaves", "1 to 50"]),
        (["--max-loss", "nan"], ["max_loss"]),
        (["--iterations", "-1"], ["iterations", "0 to 100000"]),
        (["--tile", "8"], ["tile", "from 32"]),
        (["--memory", "lots"], ["memory", "8GiB"]),
        (["--memory", "512MiB"], ["memory", "budget"]),
        (["--threads", "0"], ["threads"]),
        (["--precision", "float16"], ["precision", "bfloat16"]),
        (["--weights", "absent.h5"], ["absent.h5"]),
        (["--config", "absent.yaml"], ["absent.yaml"]),
        (["--like", "absent.png"], ["absent.png"]),
        (["--mask", "absent.png"], ["absent.png"]),
        (["--mask", "TALL"], ["tall.png", "50x100", "120x100", "aspect"]),
        (["--mask", "TEXT"], ["the mask", "text.txt", "JPEG"]),
        (["--mask-layer", "sky"], ["NAME=PICTURE"]),
        (["--mask-layer", "mixed4=absent.png"], ["absent.png"]),
        (["--mask-layer", "mixed2=TALL", "--layer", "mixed2=1"], ["tall.png", "50x100", "aspect"]),
        (["--objective", "masked(mixed2,sky)"], ["--mask-layer sky=PICTURE"]),
        (["--objective", "mixed11 + mixed2"], ["mixed11", "mixed0 to mixed10"]),
        (["--objective", "mean(mixed4[768])"], ["768", "0 to 767"]),
        (["--objective", "2*(mixed4 + mixed5"], ["not understood", "docs/controls.md"]),
        (["--objective", "sum(mixed4)"], ["sum(mixed4)", "not allowed"]),
        (["--objective", "tv"], ["only damp"]),
        (["--objective", ""], ["''", "not understood"]),
        (["--objective", "mixed2 - mixed2"], ["cancel one another"]),
        (["--objective", "near(mixed2,2,0,1)"], ["near(mixed2, 2, 0, 1)", "from 0 to 1"]),
        (["--guide", "absent.png"], ["absent.png"]),
        (["--guide", "TEXT"], ["the guide", "text.txt", "JPEG"]),
        (["--guide", "TALL", "--layer", "mixed10=1"], ["tall.png", "too small", "mixed10"]),
        (["--guide", "TALL", "--objective", "mean(mixed2)"], ["tall.png", "no layer follows"]),
        (["--objective", "guide(mixed2)"], ["--guide PICTURE"]),
        (["--smooth", "-1"], ["smooth", "0 to 20"]),
        (["--laplacian", "99"], ["laplacian", "0 to 6"]),
        (["--optimizer", "lbfgs"], ["optimizer", "adam"]),
        (["--schedule", "foo"], ["schedule", "cosine"]),
        (["--strength", "1.5"], ["strength", "0 to 1"]),
        (["--colours", "none"], ["colours", "dream or keep"]),
        (["--octave-sizes", "800,400"], ["octave_sizes", "ascending"]),
        (["--preset", "absent"], ["absent", "there are", "recipe"]),
        (["--preset", ""], ["preset ''", "there are"]),
        (["--config", ""], ["''"]),
        (["--like", ""], ["''"]),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(
    options: list[str], words: list[str], run: Run, picture: Path, folder: Path
) -> None:
    """Before any weights are loaded, or TensorFlow is."""
    tall, text = (picture.with_name(name) for name in ("tall.png", "text.txt"))
    Image.fromarray(noise(100, 50, 1)).save(tall)
    text.write_text("words")
    options = [one.replace("TALL", str(tall)).replace("TEXT", str(text)) for one in options]
    refused(run("render", picture, folder / "out.png", "--weights", "random", *options), 2, *words)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--mask", "TALL"], ["tall.png", "50x100", "aspect"]),
        (["--mask-layer", "mixed2=TALL", "--layer", "mixed2=1"], ["tall.png", "aspect"]),
        (["--objective", "masked(mixed2,sky)"], ["--mask-layer sky=PICTURE"]),
        (["--guide", "TALL", "--objective", "mean(mixed2)"], ["no layer follows"]),
        (["--objective", "guide(mixed2)"], ["--guide PICTURE"]),
    ],
)
def test_a_plan_refuses_what_no_render_would_dream(
    options: list[str], words: list[str], run: Run, picture: Path
) -> None:
    tall = picture.with_name("tall.png")
    Image.fromarray(noise(100, 50, 1)).save(tall)
    options = [one.replace("TALL", str(tall)) for one in options]
    refused(run("plan", picture, "--weights", "random", "--no-probe", *options), 2, *words)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("absent.png", "out/a.png", ["absent.png", "no such file"]),
        ("out", "out/a.png", ["folder"]),
        ("in.png", "absent/a.png", ["absent", "create it"]),
        ("in.png", "dream", ["no suffix"]),
        ("in.png", "out/a.bmp", [".bmp", ".png"]),
        ("in.png", "out/a.gif", [".gif", ".png"]),
        ("in.png", "ftp://x/a.png", ["ftp"]),
        ("s3://x", "out/a.png", ["key"]),
        ("noise:12", "out/a.png", ["noise:12", "noise:1600x900@7"]),
        ("in.png/x.png", "out/a.png", ["not a folder"]),
    ],
)
def test_a_wrong_place_is_refused(
    source: str,
    target: str,
    words: list[str],
    run: Run,
    picture: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(picture.parent)
    refused(run("render", source, target, *LITTLE), 2, *words)
    assert not list(folder.iterdir())


def test_an_unreadable_picture_is_refused(run: Run, picture: Path, folder: Path) -> None:
    """As somebody whom the file's rights keep out, which root is not."""
    assert run("render", picture, folder / "a.png", *LITTLE).code == 0  # All is imported now.
    picture.chmod(0)
    user = os.geteuid()
    if user == 0:
        folder.chmod(0o777)
        folder.parent.chmod(0o755)
        os.seteuid(65534)
    try:
        ended = run("render", picture, folder / "b.png", *LITTLE)
    finally:
        os.seteuid(user)
    refused(ended, 2, "rights")
    assert not (folder / "b.png").exists()


def test_a_full_disk_fails_in_one_line_and_keeps_what_was_there(
    run: Run, picture: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.png").write_bytes(b"the picture of yesterday")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    ended = run("render", picture, folder / "a.png", *LITTLE, "--quiet", "--overwrite")
    refused(ended, 1, "No space left")
    assert [p.name for p in folder.iterdir()] == ["a.png"]
    assert (folder / "a.png").read_bytes() == b"the picture of yesterday"


# --- render, show, --like ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_a_result_carries_its_settings_and_like_makes_it_again(
    suffix: str, run: Run, picture: Path, folder: Path
) -> None:
    first, second = folder / f"first.{suffix}", folder / f"second.{suffix}"
    settings = (*LITTLE, "--step", "0.05", "--jitter", "3", "--seed", "9", "--max-loss", "none")
    assert run("render", picture, first, *settings, "--overlap", "64").code == 0
    assert run("render", picture, second, "--like", first, "--weights", "random").code == 0
    assert first.read_bytes() == second.read_bytes()

    shown = run("show", first).out
    dream = Dream.from_yaml(shown)
    assert (dream.step, dream.jitter, dream.seed, dream.max_loss) == (0.05, 3, 9, None)
    assert "weights: random, sha256 " in shown
    metadata = json.loads(run("show", first, "--json").out)
    assert metadata["source"]["sha256"] == decode(picture.read_bytes(), "in").sha256
    assert metadata["dream_digest"] == dream.digest()
    assert metadata["execution"]["overlap"] == 64


@pytest.mark.slow
@pytest.mark.parametrize(
    "visible",
    [
        {"precision": "bfloat16", "overlap": "32", "seams": "exact"},
        {"precision": "float32", "overlap": "16", "seams": "blend"},
    ],
)
def test_like_keeps_whatever_of_the_execution_shows(
    visible: dict[str, str], plain_run: Run, picture: Path, folder: Path
) -> None:
    assert visible.keys() == set(VISIBLE)
    first, second = folder / "first.png", folder / "second.png"
    options = (word for name, value in visible.items() for word in (f"--{name}", value))
    assert plain_run("render", picture, first, *LITTLE, *options, "--tile", "48").code == 0
    like = ("--like", first, "--weights", "random", "--tile", "48")
    assert plain_run("render", picture, second, *like).code == 0
    assert first.read_bytes() == second.read_bytes()
    made_with = json.loads(plain_run("show", first, "--json").out)["execution"]
    assert {name: str(made_with[name]) for name in VISIBLE} == visible


@pytest.mark.slow
def test_what_show_prints_is_a_config(run: Run, picture: Path, folder: Path) -> None:
    run("render", picture, folder / "a.png", *LITTLE, "--step", "0.03")
    (folder / "dream.yaml").write_text(run("show", folder / "a.png").out)
    options = ("--config", folder / "dream.yaml", "--weights", "random")
    assert run("render", picture, folder / "b.png", *options).code == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


@pytest.mark.slow
def test_options_go_over_config_and_config_over_like(run: Run, picture: Path, folder: Path) -> None:
    run("render", picture, folder / "a.png", *LITTLE, "--step", "0.03", "--seed", "7")
    (folder / "c.yaml").write_text("step: 0.04\niterations: 0\nweights: random\n")
    options = ("--like", folder / "a.png", "--config", folder / "c.yaml", "--iterations", "1")
    assert run("render", picture, folder / "b.png", *options).code == 0
    dream = Dream.from_yaml(run("show", folder / "b.png").out)
    assert (dream.seed, dream.step, dream.iterations) == (7, 0.04, 1)


@pytest.mark.slow
def test_other_weights_than_those_of_like_are_remarked(
    plain_run: Run, picture: Path, folder: Path
) -> None:
    plain_run("render", picture, folder / "a.png", *LITTLE)
    options = ("--like", folder / "a.png", "--weights", "bestiary")
    assert "other weights" in plain_run("render", picture, folder / "b.png", *options).err


@pytest.mark.slow
def test_a_size_is_that_of_the_result_everywhere(run: Run, picture: Path, folder: Path) -> None:
    import dreamray

    sized = (*LITTLE, "--size", "80")
    assert "80x67 in" in run("render", picture, folder / "a.png", *sized).out
    settings = Dream.from_yaml(run("show", folder / "a.png").out)
    assert settings.size == 80
    made = decode((folder / "a.png").read_bytes(), "a").pixels
    execution = dreamray.Execution(weights="random")
    np.testing.assert_array_equal(made, dreamray.dream(noise(), settings, execution=execution))
    like = ("--like", folder / "a.png", "--weights", "random")
    assert run("render", picture, folder / "b.png", *like).code == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert "picture 80x67," in run("plan", picture, *sized, "--no-probe").out
    assert run("render", picture, folder / "c.png", *sized, "--keep-work").code == 0
    again = run("render", picture, folder / "c.png", *LITTLE, "--size", "none")
    assert "work with another size: starting afresh" in again.err
    assert "120x100 in" in again.out


@pytest.mark.slow
def test_a_margin_is_dreamt_and_cut_off(run: Run, tmp_path: Path, folder: Path) -> None:
    import dreamray

    samples = noise(channels=4)
    picture = tmp_path / "in.png"
    Image.fromarray(samples).save(picture)
    ended = run("render", picture, folder / "a.png", *LITTLE, "--margin", "20", "--preview")
    assert ended.code == 0, ended.err
    made = decode((folder / "a.png").read_bytes(), "a")
    np.testing.assert_array_equal(made.alpha, samples[..., 3])
    with Image.open(folder / "a.preview.jpg") as preview:
        assert preview.size == (120, 100)
    assert json.loads(run("show", folder / "a.png", "--json").out)["margin"] == 20
    settings = Dream.from_yaml(run("show", folder / "a.png").out)
    execution = dreamray.Execution(weights="random")
    colour = dreamray.dream(samples[..., :3], settings, execution=execution)
    np.testing.assert_array_equal(made.pixels, colour)
    like = ("--like", folder / "a.png", "--weights", "random")
    assert run("render", picture, folder / "b.png", *like).code == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    planned = run("plan", picture, *LITTLE, "--margin", "20", "--no-probe").out
    assert "picture 120x100 with a margin of 20 pixels, 1 octave," in planned
    assert re.search(r"^1 +160x140 ", planned, re.MULTILINE)


@pytest.mark.slow
def test_what_a_photo_tells_of_people_is_left_out_on_request(
    run: Run, tmp_path: Path, folder: Path
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(noise()).save(tmp_path / "in.jpg", exif=exif)
    places = []
    for name, *options in (("a.jpg",), ("b.jpg", "--strip-metadata")):
        assert run("render", tmp_path / "in.jpg", folder / name, *LITTLE, *options).code == 0
        with Image.open(folder / name) as image:
            places.append(dict(image.getexif().get_ifd(0x8825)))
    assert places == [{1: "N"}, {}]
    like = ("--like", folder / "b.jpg", "--weights", "random")
    assert run("render", tmp_path / "in.jpg", folder / "c.jpg", *like).code == 0
    assert (folder / "b.jpg").read_bytes() == (folder / "c.jpg").read_bytes()


def test_a_picture_without_settings_is_told_apart(run: Run, picture: Path) -> None:
    refused(run("show", picture), 1, "in.png", "carries no dreamray settings")


@pytest.mark.parametrize(
    "text", ["- a\n", "step: [", "step: 0.1\nnonsense: 1\n", "!!python/name:os.system"]
)
def test_a_bad_config_is_refused(text: str, run: Run, picture: Path, folder: Path) -> None:
    (folder / "c.yaml").write_text(text)
    refused(run("render", picture, folder / "b.png", "--config", folder / "c.yaml"), 2, "c.yaml")


def test_kinds_of_pictures_keep_what_they_have(run: Run, tmp_path: Path, folder: Path) -> None:
    """Alpha, 16 bits, size and rotation come out of a render as they should."""
    Image.fromarray(noise(channels=4)).save(tmp_path / "alpha.png")
    Image.fromarray(noise(channels=1)).save(tmp_path / "grey.jpg")
    deep = (noise(channels=1).astype(np.uint16) << 8) + 77
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise()).save(tmp_path / "turned.jpg", exif=exif)
    for name in ("alpha.png", "grey.jpg", "deep.tif", "turned.jpg"):
        result = folder / f"{Path(name).stem}.png"
        assert run("render", tmp_path / name, result, *LITTLE).code == 0
    alpha = decode((folder / "alpha.png").read_bytes(), "alpha").alpha
    assert np.array_equal(alpha, noise(channels=4)[..., 3])
    assert decode((folder / "deep.png").read_bytes(), "deep").pixels.dtype == np.uint16
    assert decode((folder / "grey.png").read_bytes(), "grey").pixels.shape == (100, 120, 3)
    assert decode((folder / "turned.png").read_bytes(), "turned").pixels.shape == (120, 100, 3)


def test_an_animation_gives_its_first_frame_and_a_word(
    run: Run, tmp_path: Path, folder: Path
) -> None:
    frames = [Image.fromarray(noise()), Image.fromarray(255 - noise())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    ended = run("render", tmp_path / "a.gif", folder / "a.png", *LITTLE, "--quiet")
    assert ended.code == 0
    assert "first" in ended.err


def test_pictures_come_from_and_go_to_s3(run: Run, picture: Path, bucket: str) -> None:
    from dreamray.storage import locate

    locate(f"s3://{bucket}/in.png").write(picture.read_bytes())
    ended = run("render", f"s3://{bucket}/in.png", f"s3://{bucket}/out.png", *LITTLE)
    assert ended.code == 0, ended.err
    assert decode(locate(f"s3://{bucket}/out.png").read(), "out").pixels.shape == (100, 120, 3)


def test_progress_says_octave_step_loss_and_speed(run: Run, picture: Path, folder: Path) -> None:
    options = ("--layer", "mixed0=1", "--octaves", "2", "--iterations", "3", "--weights", "random")
    err = run("render", picture, folder / "a.png", *options).err
    assert "octave 1/2: 85x71, 1 tile, 3 steps at the most" in err
    assert re.search(r"octave 2/2: step 3/3, loss [\d.e-]+, [\d.]+ steps/s, 0:00 left", err)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_render_leaves_nothing_half_written(
    number: signal.Signals, picture: Path, folder: Path
) -> None:
    Image.fromarray(noise(200, 300)).save(picture)
    endless = (*LITTLE, "--octaves", "3", "--iterations", "100000", "--max-loss", "none")
    with begun("render", picture, folder / "a.png", *endless) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("octave 1/3")
        process.send_signal(number)
        assert process.wait(60) == 130
        assert process.stderr.read() == (
            "dreamray: interrupted; the same command goes on from what is done\n"
        )
    assert not list(folder.iterdir())


def test_an_interruption_that_gets_lost_ends_the_render_at_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python drops what is raised within some callbacks."""
    monkeypatch.setattr(interruption, "_interrupted", threading.Event())
    heard: list[Event] = []
    on_event = commands._stopping(heard.append)
    on_event(StepDone(0, 0, 1.0, True))
    with contextlib.suppress(KeyboardInterrupt):
        interruption._interrupt(signal.SIGINT, None)
    on_event(Notice("clearing up"))
    with pytest.raises(KeyboardInterrupt):
        on_event(StepDone(0, 1, 1.0, True))
    assert len(heard) == 3


@pytest.mark.slow
def test_an_interrupted_render_is_gone_on_with(plain_run: Run, picture: Path, folder: Path) -> None:
    """Also after a wrong request in between; and a source that was only touched is the same."""
    Image.fromarray(noise(120, 160)).save(picture)
    options = ("--layer", "mixed0=1", "--octaves", "2", "--weights", "random", "--max-loss", "none")
    arguments = ("render", picture, folder / "a.png", *options)
    endless = (*arguments, "--iterations", "100000", "--checkpoint-every", "5")
    with begun(*endless) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("octave 1/2")
        while not any(
            "octave-1-step-" in record.read_text() for record in folder.glob(".dreamray/*/job.json")
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
    (work,) = folder.glob(".dreamray/*/job.json")
    too_little = plain_run(*arguments, "--memory", "512MiB")
    refused(too_little, 2, "smallest tiles")
    picture.touch()
    again = plain_run(*endless, "--octaves", "none")
    refused(again, 2, "octaves")
    assert work.exists()
    with begun(*endless) as process:
        assert process.stderr is not None
        assert "going on from octave 1, step " in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
    refused(plain_run(*arguments, "--address", "127.0.0.1:9"), 2, "9")
    assert work.exists()
    fresh = plain_run("render", picture, folder / "a.png", *LITTLE)
    assert "starting afresh" in fresh.err
    assert [path.name for path in folder.iterdir()] == ["a.png"]


# --- the other commands --------------------------------------------------------------------------


def test_sweep_makes_a_sheet_of_every_value(run: Run, picture: Path, folder: Path) -> None:
    vary = ("--vary", "step=0.01,0.1", "--vary", "layer=mixed0,mixed1[3,4],conv2d_2")
    ended = run("sweep", picture, folder / "s.png", *LITTLE, *vary, "--size", "90")
    assert ended.code == 0, ended.err
    assert "4 dreams" in ended.out  # step 0.01 and mixed0 are what is set anyway
    sheet = decode((folder / "s.png").read_bytes(), "s").pixels
    assert sheet.shape == (12 + 2 * (75 + 26 + 12), 12 + 5 * (90 + 12), 3)


def test_a_dream_that_cannot_be_made_costs_a_sweep_only_itself(
    run: Run, picture: Path, folder: Path
) -> None:
    options = ("--vary", "layer=mixed0,mixed10", "--size", "90")
    ended = run("sweep", picture, folder / "s.png", *LITTLE, *options)
    assert ended.code == 1, ended.err
    assert "1 dream" in ended.out
    assert "not dreamt: mixed10: a picture of 90x75 is too small for mixed10" in ended.err
    assert "give --size" in ended.err
    sheet = decode((folder / "s.png").read_bytes(), "s").pixels
    assert sheet.shape == (12 + (75 + 26 + 12), 12 + 4 * (90 + 12), 3)
    refused(run("sweep", picture, folder / "t.png", *LITTLE, "--size", "20"), 1, "--size")
    assert not (folder / "t.png").exists()


def test_a_mask_that_does_not_fit_costs_a_sweep_only_itself(
    run: Run, picture: Path, folder: Path
) -> None:
    for name, size in (("fits", (90, 75)), ("tall", (20, 90))):
        Image.new("L", size, 255).save(folder / f"{name}.png")
    masks = f"mask={folder}/tall.png,{folder}/fits.png,none"
    options = ("--mask", folder / "fits.png", "--vary", masks, "--size", "90")
    ended = run("sweep", picture, folder / "s.png", *LITTLE, *options)
    assert ended.code == 1, ended.err
    assert "2 dreams" in ended.out  # The mask that fits is what is set anyway.
    assert "tall.png: a mask of 20x90 does not fit" in ended.err


@pytest.mark.parametrize(
    ("vary", "word"),
    [("step", "SETTING=A,B"), ("speed=1,2", "speed"), ("step=0,1", "step"), ("layer=x", "'x'")],
)
def test_a_sweep_of_what_there_is_not_is_refused(
    vary: str, word: str, run: Run, picture: Path, folder: Path
) -> None:
    refused(run("sweep", picture, folder / "s.png", "--vary", vary), 2, word)


def test_the_default_sweep_is_the_papers(run: Run) -> None:
    from dreamray.render.sweep import parse_experiments

    rows = parse_experiments([], Dream())
    assert [experiment.label for row in rows for experiment in row] == [
        "iterations 10", "iterations 100", "max_loss 5", "max_loss 20",
        "step 0.1", "step 0.001", "octave_scale 0.7", "octave_scale 5",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.slow
def test_plan_tells_tiles_memory_work_and_time(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (2000, 1500)).save(tmp_path / "big.png")
    out = run("plan", tmp_path / "big.png", "--memory", "1.5GiB").out
    assert "picture 2000x1500, 3 octaves" in out
    assert re.search(r"^3 +2000x1500 +\d+ +\d+ +250\+277 ", out, re.MULTILINE)
    assert re.search(r"^memory: .* of a budget of 1.5 GiB$", out, re.MULTILINE)
    assert re.search(r"^time: about [\d:]+ at the [\d,]+ GFLOP/s", out, re.MULTILINE)


def test_plan_tells_how_many_workers_help(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (600, 600)).save(tmp_path / "in.png")
    plan = "plan", tmp_path / "in.png", "--tile", "256", "--octaves", "1", "--no-probe"
    assert "workers: 1, 2, 3, 5, 9; others" in run(*plan).out
    assert "workers: 3 of 4 help, the busiest with 3 tiles" in run(*plan, "--workers", "1:4").out


@pytest.mark.parametrize(
    ("instructions", "words"),
    [("AVX2", "about as long as float32"), ("AVX-512 with bfloat16", "twice as fast as float32")],
)
def test_plan_and_render_tell_what_bfloat16_costs_on_this_processor(
    plain_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instructions: str, words: str
) -> None:
    from dreamray.cli import estimate
    from dreamray.model.processor import Processor
    from tests.support.plain_engine import PlainEngine

    about = {"device": "CPU", "instructions": instructions}
    monkeypatch.setattr(estimate, "this_processor", lambda: Processor("Some", instructions))
    monkeypatch.setattr(PlainEngine, "about", lambda self: about)
    picture = tmp_path / "in.png"
    Image.fromarray(noise()).save(picture)
    out = plain_run("plan", picture, "--no-probe").out
    assert re.search(f"^processor: Some; bfloat16 .*{words}", out, re.MULTILINE)
    assert "in float32\n" in out
    ended = plain_run("render", picture, tmp_path / "out.png", *LITTLE, "--precision", "bfloat16")
    assert ended.code == 0, ended.err
    assert words in ended.err
    vary = ("--vary", "layer=mixed0,mixed1", "--precision", "bfloat16")
    ended = plain_run("sweep", picture, tmp_path / "sheet.jpg", *LITTLE, *vary)
    assert ended.code == 0, ended.err
    assert ended.err.count(words) == 1


def test_layers_lists_the_blocks_and_every_layer_on_request(run: Run) -> None:
    assert re.search(r"^mixed5 +16 +543x543 +768$", run("layers").out, re.MULTILINE)
    assert len(run("layers").out.splitlines()) == 12
    assert "average_pooling2d_8" in run("layers", "--all").out


def test_every_setting_is_an_option() -> None:
    from dreamray.cli.options import DREAM, EXECUTION, FARM
    from dreamray.settings.execution import Execution

    assert {o.setting for o in DREAM} == {*Dream.model_fields, "layer", "objective"} - {"layers"}
    assert {o.setting for o in (*EXECUTION, *FARM)} == {*Execution.model_fields}


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io; sys.argv = ['dreamray', '--help']\n"
        "from dreamray.cli.app import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()\n"
        "heavy = {'tensorflow', 'numpy', 'pydantic', 'PIL', 'boto3'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout == "[]\n"


def test_a_small_tile_without_overlap_is_rendered(run: Run, picture: Path, folder: Path) -> None:
    """Though such a window alone would be too small for the network."""
    assert (
        run("render", picture, folder / "a.png", *LITTLE, "--tile", "32", "--overlap", "0").code
        == 0
    )


@pytest.mark.parametrize(
    ("redirection", "code"),
    [(">&-", 0), ("| head -n 1 >&2; exit ${PIPESTATUS[0]}", 0), ("> /dev/full", 1)],
)
def test_standard_output_may_be_closed_cut_short_or_full(redirection: str, code: int) -> None:
    command = f"{sys.executable} -m dreamray layers --all {redirection}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


def test_the_exit_code_is_right_without_a_standard_error() -> None:
    command = f"{sys.executable} -m dreamray render absent.png a.png 2>&-"
    assert subprocess.run(["bash", "-c", command], check=False, timeout=60).returncode == 2


def test_a_replaced_file_keeps_its_rights(run: Run, picture: Path, folder: Path) -> None:
    (folder / "a.png").touch(0o640)
    (folder / "a.png").chmod(0o640)
    assert run("render", picture, folder / "a.png", *LITTLE).code == 0
    assert (folder / "a.png").stat().st_mode & 0o777 == 0o640


def test_a_dream_follows_a_guide_that_its_result_tells_of(
    run: Run, picture: Path, folder: Path, tmp_path: Path
) -> None:
    """--like takes it over, whatever it is called by then, if it has the same bytes."""
    guide = tmp_path / "guide.png"
    Image.fromarray(noise(90, 100)[::-1]).save(guide)
    plain, out, again = (folder / name for name in ("plain.png", "out.png", "again.png"))
    assert run("render", picture, plain, *LITTLE).code == 0
    assert run("render", picture, out, *LITTLE, "--guide", guide).code == 0
    one, other = (np.asarray(Image.open(path)) for path in (out, plain))
    assert (one != other).mean() > 0.2
    shown = run("show", out).out
    assert "what in mixed0 is like the best match in the guide" in shown
    assert run("render", picture, again, "--like", out, "--weights", "random").code == 0
    assert again.read_bytes() == out.read_bytes()
    Image.fromarray(noise(90, 100)).save(guide)
    ended = run("render", picture, folder / "late.png", "--like", out, "--weights", "random")
    refused(ended, 2, "guide.png", "another picture")
