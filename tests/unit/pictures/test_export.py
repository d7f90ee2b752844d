"""Export: what is streamed is the same picture as what is held, complete or not there at all."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from dreamray.base.errors import PictureError, RequestError, StorageError
from dreamray.base.geometry import Shape
from dreamray.pictures import Picture, decode, jpeg_stream, parts, png_stream, strips, tiff_stream
from dreamray.pictures import export as exporting
from dreamray.pictures.encoding import Format, check_output, encode, on_white, read_metadata
from dreamray.pictures.export import Extras, export
from dreamray.storage import LocalFile, MemoryFolder, locate

STREAMED = (Format.PNG, Format.JPEG, Format.TIFF)
LOSSLESS = (Format.PNG, Format.TIFF)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
METADATA = {"step": 0.01, "layers": {"mixed4": 2.0}, "author": "Zoë 夢"}


class Rows:
    """A raster that keeps count of what is asked for."""

    def __init__(self, samples):
        self.samples = samples
        self.shape = Shape(*samples.shape[:2])
        self.dtype = samples.dtype
        self.channels = samples.shape[2]
        self.asked = []

    def rows(self, start, stop):
        self.asked.append((start, stop))
        return self.samples[start:stop]


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth(height, width, channels=3, dtype=np.uint8):
    y, x, c = np.ogrid[:height, :width, :channels]
    values = (np.sin(y / 17 + c) + np.cos(x / 23 + 2 * c)) / 4 + 0.5
    return (values * np.iinfo(dtype).max).astype(dtype)


def exif():
    block = Image.Exif()
    block[271], block[315] = "Camera", "Zoë".encode()
    block.get_ifd(34665)[36867] = "2024:02:29 12:00:00"
    block.get_ifd(34853)[2] = (47.0, 22.0, 30.5)
    return decode(_saved(Image.new("RGB", (1, 1)), "JPEG", exif=block.tobytes()), "x").exif


def _saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def streaming(monkeypatch):
    """Nothing is held, and rows are asked for in small pieces."""
    monkeypatch.setattr(exporting, "HELD_PIXELS", 0)
    monkeypatch.setattr(strips, "READ_BYTES", 100_000)
    monkeypatch.setattr(png_stream, "_STRIP_BYTES", 10_000)


def streamed(samples, format, extras=None, metadata=None):
    """What export writes for these samples, as bytes."""
    target = MemoryFolder().file("result")
    export(Rows(samples), extras or Extras(), target, format, metadata)
    return target.read()


def held(samples, format, extras=None, metadata=None):
    extras = extras or Extras()
    alpha = samples[..., 3] if samples.shape[2] == 4 else None
    like = Picture(samples[..., :3], alpha, extras.icc_profile, extras.exif, "", ())
    return encode(like.pixels, like, format, metadata)


@pytest.mark.parametrize("format", STREAMED)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_streamed_pixels_are_those_of_the_held_picture(streaming, format, channels, dtype):
    samples = noise(1100, 530, channels, dtype=dtype)
    result, expected = (decode(write(samples, format), "x") for write in (streamed, held))
    np.testing.assert_array_equal(result.pixels, expected.pixels)
    assert result.pixels.dtype == expected.pixels.dtype
    assert (result.alpha is None) == (expected.alpha is None)
    if result.alpha is not None:
        np.testing.assert_array_equal(result.alpha, expected.alpha)


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 700), (700, 1), (2, 17), (512, 512), (513, 1025)]
)
@pytest.mark.parametrize("strip", [1, 5_000])
def test_any_size_and_any_strips_keep_every_sample(
    streaming, monkeypatch, format, height, width, strip
):
    monkeypatch.setattr(png_stream, "_STRIP_BYTES", strip)
    samples = noise(height, width, 3)
    np.testing.assert_array_equal(decode(streamed(samples, format), "x").pixels, samples)


@pytest.mark.parametrize("height", [1, 7, 64, 127, 128, 129, 1000])
def test_a_streamed_jpeg_decodes_as_if_encoded_at_once(streaming, height):
    samples = smooth(height, 90)
    first, at_once = (write(samples, Format.JPEG) for write in (streamed, held))
    decoded = [np.asarray(Image.open(io.BytesIO(data))) for data in (first, at_once)]
    np.testing.assert_array_equal(*decoded)


@pytest.mark.parametrize("format", STREAMED)
@pytest.mark.parametrize("channels", [3, 4])
def test_libvips_reads_the_same_without_complaint(streaming, tmp_path, format, channels):
    import pyvips

    samples = smooth(600, 700, channels, np.uint16)
    path = tmp_path / "x"
    export(Rows(samples), Extras(SRGB, exif()), LocalFile(path), format, METADATA)
    image = pyvips.Image.new_from_file(str(path), fail_on="warning")
    if format is Format.JPEG:
        expected = on_white(parts.to_depth(samples, np.uint8))
        assert abs(image.numpy().astype(int) - expected).max() <= 6
    else:
        np.testing.assert_array_equal(image.numpy(), samples)
    assert image.get("icc-profile-data") == SRGB


@pytest.mark.parametrize("format", STREAMED)
def test_profile_exif_and_settings_are_kept_as_in_small_results(streaming, format):
    samples, extras = smooth(600, 50), Extras(SRGB, exif())
    data, expected = (write(samples, format, extras, METADATA) for write in (streamed, held))
    assert data != expected
    assert read_metadata(data, "x") == read_metadata(expected, "x") == METADATA
    first, second = decode(data, "x"), decode(expected, "x")
    assert first.icc_profile == second.icc_profile == SRGB
    assert parts.read_tags(first.exif) == parts.read_tags(second.exif)
    assert parts.EXIF_DIRECTORY in parts.read_tags(first.exif)
    assert parts.GPS_DIRECTORY in parts.read_tags(first.exif)


@pytest.mark.parametrize("format", [f for f in Format if f is not Format.DEEP_ZOOM])
def test_small_results_are_encoded_as_ever(format):
    samples = smooth(30, 40, 4)
    extras = Extras(SRGB, exif())
    assert streamed(samples, format, extras, METADATA) == held(samples, format, extras, METADATA)


@pytest.mark.parametrize("format", STREAMED)
def test_rows_are_asked_for_once_from_top_to_bottom(streaming, format):
    result, shares = Rows(smooth(1500, 60)), []
    export(result, Extras(), MemoryFolder().file("x"), format, None, progress=shares.append)
    starts, stops = zip(*result.asked, strict=True)
    assert len(starts) > 1
    assert (starts[0], stops[-1], starts[1:]) == (0, 1500, stops[:-1])
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_threads_or_runs(tmp_path):
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]);"
        "import zlib; from test_export import *; strips.THREADS = int(sys.argv[2]);"
        "exporting.HELD_PIXELS = 0;"
        "data = [streamed(smooth(1030, 700, 4), f, None, METADATA) for f in STREAMED];"
        "sys.stdout.write(str([zlib.crc32(d) for d in data]))"
    )
    here = str(Path(__file__).parent)
    runs = [
        subprocess.run(
            [sys.executable, "-c", program, here, threads],
            env=os.environ | {"VIPS_CONCURRENCY": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    ]
    assert runs[0] == runs[1]
    assert len(json.loads(runs[0])) == len(STREAMED)


def test_a_large_tiff_is_a_pyramid_of_means(streaming, tmp_path):
    import pyvips

    samples = smooth(1100, 1301)
    path = tmp_path / "x.tif"
    export(Rows(samples), Extras(), LocalFile(path), Format.TIFF, None)
    assert path.read_bytes()[:4] == b"II\x2b\0"
    pages = [pyvips.Image.new_from_file(str(path), page=page) for page in range(3)]
    assert [(p.width, p.height) for p in pages] == [(1301, 1100), (651, 550), (326, 275)]
    assert pages[0].get("n-pages") == 3
    exact = samples.astype(float)
    exact = (exact[0::2, 0:1300:2] + exact[1::2, 0:1300:2]
             + exact[0::2, 1:1300:2] + exact[1::2, 1:1300:2]) / 4  # fmt: skip
    assert abs(pages[1].numpy()[:, :650] - exact).max() <= 0.5


def test_what_cannot_be_seen_leaves_no_fringe_in_a_pyramid():
    pixel = np.array([[[200, 100, 50, 255], [0, 0, 0, 0]]], np.uint8)
    assert strips.halve(pixel).tolist() == [[[200, 100, 50, 128]]]
    assert strips.halve(pixel[:, 1:]).tolist() == [[[0, 0, 0, 0]]]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(height=st.integers(1, 90), half=st.integers(1, 12))
def test_a_pyramid_has_every_row_of_every_level(height, half):
    samples, strip = noise(height, 5, 3), 2 * half
    shapes = strips.levels_of(Shape(height, 5), 1)
    pieces = [samples[top : top + strip] for top in range(0, height, strip)]
    found = [[] for _ in shapes]
    for level, rows in strips.pyramid(pieces, shapes, strip):
        found[level].append(rows)
    expected = samples
    for rows, shape in zip(found, shapes, strict=True):
        assert {len(piece) for piece in rows[:-1]} <= {strip}
        np.testing.assert_array_equal(np.concatenate(rows), expected)
        assert Shape(*expected.shape[:2]) == shape
        expected = strips.halve(expected)


@pytest.mark.parametrize("format", [*STREAMED, Format.DEEP_ZOOM])
@pytest.mark.parametrize("error", [KeyboardInterrupt, PictureError])
def test_nothing_remains_of_an_export_that_fails(streaming, tmp_path, format, error):
    class Broken(Rows):
        def rows(self, start, stop):
            if start:
                raise error
            return super().rows(start, stop)

    target = tmp_path / f"x{format.suffix}"
    target.write_bytes(b"older")
    threads = threading.active_count()
    with pytest.raises(error):
        export(Broken(smooth(1500, 60)), Extras(), LocalFile(target), format, METADATA)
    assert [p.name for p in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == b"older"
    assert threading.active_count() == threads


def test_the_temporary_file_lies_beside_the_result_and_goes_away(streaming, tmp_path):
    seen = []

    class Watching(Rows):
        def rows(self, start, stop):
            seen.extend(path.name for path in tmp_path.iterdir())
            return super().rows(start, stop)

    target = tmp_path / "x.png"
    export(Watching(smooth(100, 60)), Extras(), LocalFile(target), Format.PNG, None)
    assert len(seen) == 1
    assert seen[0].startswith(".dreamray-")
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_full_disk_is_told_in_one_line(streaming, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(png_stream, "write_png", full)
    with pytest.raises(StorageError, match="No space left on device; free some space") as caught:
        export(Rows(smooth(9, 9)), Extras(), LocalFile(tmp_path / "x.png"), Format.PNG, None)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_known_before_a_row_of_a_large_result_is_read(
    streaming, tmp_path
):
    result = Rows(np.zeros((1, 70_000, 3), np.uint8))
    with pytest.raises(PictureError, match="JPEG"):
        export(result, Extras(), LocalFile(tmp_path / "x.jpg"), Format.JPEG, None)
    with pytest.raises(RequestError, match="no folder"):
        export(result, Extras(), LocalFile(tmp_path / "a" / "x.png"), Format.PNG, None)
    assert result.asked == []


def test_a_large_result_goes_to_s3(streaming, bucket):
    samples, target = smooth(600, 50), locate(f"s3://{bucket}/a/x.tif")
    export(Rows(samples), Extras(), target, Format.TIFF, METADATA)
    with target.as_local_file() as path, path.open("rb") as file:
        assert read_metadata(file, "x") == METADATA
        np.testing.assert_array_equal(decode(path.read_bytes(), "x").pixels, samples)


@pytest.mark.parametrize(
    ("format", "side", "other"),
    [
        (Format.JPEG, 65_500, "PNG or TIFF"),
        (Format.WEBP, 16_383, "PNG or TIFF"),
        (Format.PNG, 1_000_000, "TIFF or Deep Zoom"),
    ],
)
def test_a_side_too_long_names_a_format_that_works(format, side, other):
    check_output(format, side, side)
    with pytest.raises(PictureError, match=f"{format.name}.*write {other}"):
        check_output(format, side + 1, 1)


def test_tiff_and_deep_zoom_have_no_end():
    check_output(Format.TIFF, 2_000_000, 2_000_000)
    check_output(Format.DEEP_ZOOM, 2_000_000, 2_000_000)


@pytest.mark.parametrize("format", STREAMED)
def test_settings_are_found_without_reading_the_pixels(streaming, format):
    class Counted(io.BytesIO):
        count = 0

        def read(self, size=-1):
            data = super().read(size)
            self.count += len(data)
            return data

    data = streamed(noise(2000, 700, 3), format, Extras(SRGB, exif()), METADATA)
    file = Counted(data)
    assert read_metadata(file, "x") == METADATA
    assert file.count < len(data) // 20


def test_pieces_for_threads_are_bounded_and_in_order():
    taken, done = [], []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    for result in strips.in_order(lambda n: n * n, items(), threads=3):
        done.append(result)
        assert len(taken) - len(done) <= 2 * 3
    assert done == [n * n for n in range(100)]


def test_an_error_in_a_thread_ends_the_work():
    with pytest.raises(ZeroDivisionError):
        list(strips.in_order(lambda n: 1 / n, [1, 0, 1], threads=2))


def test_strips_of_a_jpeg_begin_anew_with_the_markers():
    assert jpeg_stream.STRIP_HEIGHT % 64 == 0
    assert tiff_stream.TILE % 16 == 0
