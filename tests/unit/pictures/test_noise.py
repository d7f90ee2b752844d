"""Noise to begin a dream with: a source that is made up, the same bytes wherever it is read."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import RequestError
from dreamray.base.geometry import Region, Shape
from dreamray.pictures import decode, ingest, taking
from dreamray.pictures.noise import NoisePicture, locate_source, noise_rows
from dreamray.storage import LocalFile, MemoryFolder
from dreamray.storage.identity import is_same

shapes = st.builds(Shape, st.integers(1, 150), st.integers(1, 150))


def whole(shape: Shape, seed: int) -> Any:
    return noise_rows(shape, seed, 0, shape.height)


class TestNoise:
    def test_has_these_bytes_for_ever(self) -> None:
        """Else a dream of it could not be made again."""
        digest = hashlib.sha256(whole(Shape(90, 160), 7).tobytes()).hexdigest()
        assert digest == "bf8c710b2a36d69dcbe17fd6b6d6f5f0e535225d48ccd9fc66081127a321d2be"

    @given(shapes, st.integers(0, 2**32 - 1), st.data())
    def test_is_the_same_in_whichever_part(
        self, shape: Shape, seed: int, data: st.DataObject
    ) -> None:
        start = data.draw(st.integers(0, shape.height - 1))
        stop = data.draw(st.integers(start + 1, shape.height))
        np.testing.assert_array_equal(
            noise_rows(shape, seed, start, stop), whole(shape, seed)[start:stop]
        )

    def test_differs_by_seed(self) -> None:
        one, other = (whole(Shape(200, 300), seed).astype(float) for seed in (1, 2))
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.3

    def test_is_of_every_size_and_of_correlated_colours(self) -> None:
        pixels = np.stack([whole(Shape(256, 256), seed) for seed in range(8)]).astype(float)
        assert 20 < pixels.std() < 60
        assert 100 < pixels.mean() < 155
        red, green, blue = np.moveaxis(pixels, -1, 0).reshape(3, -1)
        assert np.corrcoef(red, green)[0, 1] > np.corrcoef(red, blue)[0, 1] > 0.5
        grey = pixels.mean(-1)
        for block in 8, 16, 32, 64:
            means = grey.reshape(8, 256 // block, block, 256 // block, block).mean((2, 4))
            steps = np.diff(means, axis=1).std()
            assert 6 < steps < 40


class TestSource:
    def test_is_read_as_a_file_is(self) -> None:
        place = locate_source("noise:130x70@3")
        with place.as_local_file() as path:
            pixels = decode(path.read_bytes(), place.name).pixels
            assert ingest.file_shape(path, place.name) == (70, 130)
        assert not path.exists()
        np.testing.assert_array_equal(pixels, whole(Shape(70, 130), 3))
        assert place.read(4) == b"II+\0"

    def test_is_brought_in_strip_by_strip(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(taking, "HELD_PIXELS", 0)
        shape = Shape(200, 75)
        source = ingest.ingest(NoisePicture(shape, 5), MemoryFolder(), warn=print)
        region = Region.whole(shape)
        found = source.colour.points(np.arange(*region.rows), np.arange(*region.columns))
        np.testing.assert_array_equal(found, whole(shape, 5))

    def test_is_told_by_size_and_seed(self) -> None:
        one = locate_source("noise:160x90")
        assert one == locate_source("noise:160x90@0") == locate_source(str(one))
        assert pickle.loads(pickle.dumps(one)) == one
        assert is_same(one, locate_source("noise:160x90@0"))
        others = [locate_source(f"noise:{text}") for text in ("160x90@1", "160x91", "90x160")]
        assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 4
        assert one.name == "noise-160x90-0.png"

    def test_files_may_be_called_so(self) -> None:
        assert locate_source("./noise:1x1") == LocalFile(Path("noise:1x1"))
        assert locate_source("a.png") == LocalFile(Path("a.png"))

    @pytest.mark.parametrize(
        "text",
        [
            *("", "x", "1600", "1600x", "0x5", "5x0", "1600x900@", "1600x900@-1", "9x9@4294967296"),
            *("1048577x9", "1.5x9", "9x9@1 ", "9x9\n", "9" * 400 + "x9", "131072x131073"),
        ],
    )
    def test_anything_else_is_refused_in_a_line(self, text: str) -> None:
        with pytest.raises(RequestError, match="noise:1600x900@7") as caught:
            locate_source(f"noise:{text}")
        assert str(caught.value).isprintable()

    def test_is_not_written_to(self) -> None:
        place = NoisePicture(Shape(9, 9), 1)
        for write in place.check_writable, place.remove, lambda: place.write(b""):
            with pytest.raises(RequestError, match="noise:9x9@1"):
                write()
