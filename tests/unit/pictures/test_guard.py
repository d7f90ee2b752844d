"""Decoders are held in check: how long, how many at a time, and what is said of their errors."""

from __future__ import annotations

import io
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamray.base.errors import ChangedError, PictureError
from dreamray.pictures import decode, guard
from dreamray.pictures import taking as module
from dreamray.pictures.ingest import ingest, ingest_file
from dreamray.storage import LocalFile, MemoryFolder

NAME = "picture"


def saved(side: int, kind: str = "PNG", seed: int = 0, **options: object) -> bytes:
    samples = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(samples).save(out, kind, **options)
    return out.getvalue()


def scanned(side: int, times: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    jpeg = saved(side, "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * times + b"\xff\xd9"


class TestScans:
    @pytest.mark.parametrize("held", [True, False])
    def test_too_many_are_refused_before_they_are_decoded(
        self, held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not held:
            monkeypatch.setattr(module, "HELD_PIXELS", 0)
        path = tmp_path / "a.jpg"
        path.write_bytes(scanned(16, 600))
        with pytest.raises(PictureError, match=r"JPEG of 6[0-9]{2} scans"):
            ingest(LocalFile(path), MemoryFolder(), warn=print)

    def test_as_many_as_pictures_have_are_decoded(self) -> None:
        assert decode(scanned(16, 0), NAME).pixels.shape == (16, 16, 3)

    def test_a_thumbnail_within_and_pictures_behind_are_not_counted(self) -> None:
        block = Image.Exif()
        block[270] = "\xff\xda" * 700
        jpeg = saved(16, "JPEG", exif=block) + scanned(16, 600)
        assert decode(jpeg, NAME).pixels.shape == (16, 16, 3)


class TestSorts:
    """A sort of JPEG that is not read is named, whichever way it comes in."""

    @pytest.mark.parametrize(
        ("precision", "marker", "words"),
        [
            (12, 0xC1, "has 12 bit samples in a JPEG, which dreamray does not read"),
            (8, 0xC3, "has the lossless compression 3 of JPEG, which dreamray does not read"),
        ],
    )
    def test_is_named(self, precision: int, marker: int, words: str, tmp_path: Path) -> None:
        jpeg = bytearray(saved(16, "JPEG"))
        frame = jpeg.index(b"\xff\xc0")
        jpeg[frame + 1], jpeg[frame + 4] = marker, precision
        path = tmp_path / "a.jpg"
        path.write_bytes(jpeg)
        with pytest.raises(PictureError, match=words):
            decode(bytes(jpeg), NAME)
        with pytest.raises(PictureError, match=words):
            ingest(LocalFile(path), MemoryFolder(), warn=print)

    def test_without_a_picture_it_is_cut_short(self) -> None:
        jpeg = saved(16, "JPEG")
        with pytest.raises(PictureError, match="there is no picture in it"):
            decode(jpeg[:20] + b"\xff\xd9", NAME)


class TestThreads:
    def test_two_pictures_are_decoded_at_a_time(self) -> None:
        """Each waits for the other within: a lock around decoding would let none pass."""
        meet = threading.Barrier(2, timeout=10)

        def decoding() -> None:
            with guard.decoding(NAME):
                meet.wait()

        thread = threading.Thread(target=decoding)
        thread.start()
        decoding()
        thread.join()
        assert not meet.broken

    def test_warnings_are_hidden_until_the_last_has_left(self) -> None:
        before = list(warnings.filters)
        with guard.decoding(NAME):
            with guard.decoding(NAME):
                pass
            assert warnings.filters != before
        assert list(warnings.filters) == before


@pytest.mark.parametrize("held", [True, False])
class TestOneAndTheSameFile:
    """A picture that is replaced while it is read: the digest is of the bytes that were decoded."""

    def test_another_at_its_path_changes_nothing(
        self, held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, read_shape = tmp_path / "a.png", module.read_shape
        path.write_bytes(saved(16))
        (tmp_path / "b.png").write_bytes(saved(24, seed=1))
        expected = decode(path.read_bytes(), NAME)

        def replaced(*arguments: object) -> object:
            (tmp_path / "b.png").replace(path)
            return read_shape(*arguments)

        monkeypatch.setattr(module, "read_shape", replaced)
        if not held:
            monkeypatch.setattr(module, "HELD_PIXELS", 0)
        source = ingest_file(path, NAME, "", MemoryFolder())
        assert source.sha256 == expected.sha256
        pixels = source.colour.points(np.arange(16), np.arange(16))
        np.testing.assert_array_equal(pixels, expected.pixels)

    def test_other_content_in_it_is_told(
        self, held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(saved(16))
        if not held:
            monkeypatch.setattr(module, "HELD_PIXELS", 0)
        take = "_take_whole" if held else "_take_in_strips"
        taken = getattr(module, take)

        def overwritten(*arguments: object) -> object:
            result = taken(*arguments)
            path.write_bytes(saved(24, seed=1))
            return result

        monkeypatch.setattr(module, take, overwritten)
        with pytest.raises(ChangedError, match="changed while it was read"):
            ingest_file(path, NAME, "", MemoryFolder())


class TestWords:
    """Damage is said of what is damaged, and of nothing else."""

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (OSError("Unsupported BMP compression (4)"), "of a kind that is not read"),
            (ValueError("support is not configured"), "of a kind that is not read"),
            (guard.KindError("has Lab samples"), "has Lab samples, which dreamray does not read"),
            (OSError("image file is truncated"), "damaged or cut short"),
            (MemoryError(), "needs more memory"),
        ],
    )
    def test_of_a_decoder(self, error: Exception, words: str) -> None:
        with pytest.raises(PictureError, match=words) as told, guard.decoding(NAME):
            raise error
        assert "\n" not in str(told.value)

    def test_of_libvips_only_the_cause(self) -> None:
        said = "unable to call tiffload_buffer\n  tiff2vips: samples out of range\n"
        assert guard.one_line(ValueError(said)) == "tiff2vips: samples out of range"
