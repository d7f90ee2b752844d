"""Ingest: large pictures come in as small ones do, bit for bit, and broken ones not at all.

The threshold above which pictures are streamed is lowered to nothing, so that every small
picture here goes the way of the large ones, and is compared with `pictures.decode`.
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dreamray.base.errors import ChangedError, PictureError, RequestError
from dreamray.pictures import Picture, decode
from dreamray.pictures import source_stream as picture_stream
from dreamray.pictures import taking as module
from dreamray.pictures.ingest import MAX_PIXELS, Source, ingest, open_source
from dreamray.storage import Folder, LocalFile, LocalFolder, Location, MemoryFolder, S3Folder

NAME = "picture"


def ignore(note: str) -> None:
    pass


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is large, and its blocks are small."""
    monkeypatch.setattr(module, "HELD_PIXELS", 0)
    monkeypatch.setattr(module, "_SIDE", 16)


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    random = np.random.default_rng(5)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> bytes:
    block = Image.Exif()
    block[271], block[274] = "Camera & Co", orientation
    return block.tobytes()


def profile(name: str) -> bytes:
    """A colour profile that libvips ships."""
    import pyvips

    return pyvips.Operation.call("profile_load", name)


def deep_png(samples: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    """A 16 bit PNG of [height, width, 1 to 4]."""
    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, [0, 4, 2, 6][channels - 1], 0, 0, 0)
    chunks = ((b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def vips_tiff(samples: np.ndarray, **options: object) -> bytes:
    """A TIFF of [height, width, 1 to 4] of either depth."""
    import pyvips

    grey, deep = samples.shape[2] < 3, samples.dtype == np.uint16
    space = {(0, 0): "srgb", (0, 1): "rgb16", (1, 0): "b-w", (1, 1): "grey16"}[grey, deep]
    image = pyvips.Image.new_from_array(samples, interpretation=space)
    return image.tiffsave_buffer(**options)


def put(data: bytes) -> Location:
    place = MemoryFolder().file(NAME)
    place.write(data)
    return place


def everything(source: Source) -> Picture:
    """What was brought in, as `decode` would give it."""
    rows, columns = map(np.arange, source.shape)
    alpha = None if source.alpha is None else source.alpha.points(rows, columns)[..., 0]
    return Picture(
        source.colour.points(rows, columns),
        alpha,
        source.icc_profile,
        source.exif,
        source.sha256,
        source.notes,
    )


def same(one: Picture, other: Picture) -> None:
    for a, b in ((one.pixels, other.pixels), (one.alpha, other.alpha)):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    for name in ("icc_profile", "exif", "sha256", "notes"):
        assert getattr(one, name) == getattr(other, name), name


def check(data: bytes) -> Source:
    """Bring a picture in, compare it with `decode`, give it back."""
    source = ingest(put(data), MemoryFolder(), warn=ignore)
    same(everything(source), decode(data, NAME))
    return source


LOSSLESS_WEBP = {"lossless": True, "exact": True}


@pytest.mark.usefixtures("streaming")
class TestStreamed:
    """A streamed picture is the decoded one."""

    @pytest.mark.parametrize(
        ("kind", "mode"),
        [
            (kind, mode)
            for kind, modes in {
                "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
                "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"),
                "JPEG": ("L", "RGB", "CMYK"),
                "WEBP": ("RGB", "RGBA"),
            }.items()
            for mode in modes
        ],
    )
    def test_every_mode(self, kind: str, mode: str) -> None:
        """Also CMYK from JPEG is the same to the bit: one piece of code converts it."""
        image = Image.fromarray(noise(50, 70, 4)).convert(mode)
        check(saved(image, kind, **(LOSSLESS_WEBP if kind == "WEBP" else {})))

    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_16_bits(self, channels: int) -> None:
        samples = noise(50, 70, channels, dtype=np.uint16)
        for data in (deep_png(samples), vips_tiff(samples), vips_tiff(samples, bigtiff=True)):
            source = check(data)
            assert source.dtype == "uint16"
            assert (source.alpha is None) == (channels in (1, 3))

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
    def test_every_orientation(self, kind: str, orientation: int) -> None:
        image = Image.fromarray(noise(37, 70, 3 if kind == "JPEG" else 4))
        options = LOSSLESS_WEBP if kind == "WEBP" else {}
        source = check(saved(image, kind, exif=exif(orientation), **options))
        assert source.shape == ((37, 70) if orientation < 5 else (70, 37))
        assert source.exif is not None

    @settings(max_examples=25)
    @given(
        size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
        orientation=st.integers(1, 8),
        strip_bytes=st.integers(1, 3000),
    )
    @pytest.mark.slow
    def test_any_size_in_any_strips(
        self, size: tuple[int, int], orientation: int, strip_bytes: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_STRIP_BYTES", strip_bytes)
            check(saved(Image.fromarray(noise(*size, 4)), "PNG", exif=exif(orientation)))

    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    @pytest.mark.parametrize("progressive", [False, True])
    def test_jpeg(self, subsampling: int, progressive: bool) -> None:
        image = Image.fromarray(noise(9, 11, 3)).resize((133, 77), Image.Resampling.BICUBIC)
        options = {"subsampling": subsampling, "progressive": progressive}
        check(saved(image, "JPEG", quality=85, **options))

    @pytest.mark.parametrize("alpha", [False, True])
    def test_lossy_webp(self, alpha: bool) -> None:
        image = Image.fromarray(noise(9, 11, 4)).resize((133, 77), Image.Resampling.BICUBIC)
        check(saved(image if alpha else image.convert("RGB"), "WEBP", quality=80))

    def test_interlaced_png(self) -> None:
        import pyvips

        image = pyvips.Image.new_from_array(noise(50, 70, 3), interpretation="srgb")
        check(image.pngsave_buffer(interlace=True))

    @pytest.mark.parametrize(
        "options",
        [
            {"bigtiff": True},
            {"compression": "deflate", "predictor": "horizontal"},
            {"compression": "lzw", "tile": True, "tile_width": 16, "tile_height": 16},
            {"compression": "jpeg"},
            {"tile": True, "pyramid": True, "tile_width": 16, "tile_height": 16, "bigtiff": True},
            {"pyramid": True, "subifd": True, "tile_width": 16, "tile_height": 16, "tile": True},
        ],
    )
    def test_tiff(self, options: dict[str, object]) -> None:
        source = check(vips_tiff(noise(50, 70, 3), **options))
        pages = "pyramid" in options and "subifd" not in options
        assert any("only the first" in note for note in source.notes) == pages

    @pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 8, 9))])
    @pytest.mark.parametrize("icc", [None, "sgrey"])
    def test_a_transparent_colour(
        self, mode: str, key: int | tuple[int, ...], icc: str | None
    ) -> None:
        image = Image.new(mode, (30, 20), 99 if mode == "L" else (99, 98, 97))
        image.putpixel((1, 0), key)
        options = {"icc_profile": profile(icc)} if icc else {}
        assert check(saved(image, "PNG", transparency=key, **options)).alpha is not None

    @pytest.mark.parametrize("transparency", [2, bytes([0, 85, 170, 255])])
    def test_a_transparent_palette(self, transparency: int | bytes) -> None:
        image = Image.fromarray(noise(20, 20, 3)).quantize(7)
        assert check(saved(image, "PNG", transparency=transparency)).alpha is not None

    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_transparent_colour_in_16_bits(self, channels: int) -> None:
        samples = noise(30, 20, channels, dtype=np.uint16)
        check(deep_png(samples, (b"tRNS", samples[1, 1].astype(">u2").tobytes())))

    @pytest.mark.parametrize("icc", ["p3", "sgrey", "cmyk"])
    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    @pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
    def test_profiles(self, kind: str, mode: str, icc: str) -> None:
        image = Image.fromarray(noise(50, 70, 3)).convert(mode)
        check(saved(image, kind, icc_profile=profile(icc), exif=exif()))

    def test_16_bit_grey_goes_through_its_profile(self) -> None:
        packed = b"grey\0\0" + zlib.compress(profile("sgrey"))
        source = check(deep_png(noise(50, 70, 1, dtype=np.uint16), (b"iCCP", packed)))
        assert source.icc_profile is None
        assert source.dtype == "uint16"

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
    def test_the_first_frame_with_a_note(self, kind: str) -> None:
        frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "lime", "blue")]
        options = LOSSLESS_WEBP if kind == "WEBP" else {}
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        (note,) = check(data).notes
        assert "3 " in note

    def test_damaged_exif_costs_only_itself(self) -> None:
        data = saved(Image.fromarray(noise(8, 8, 3)), "PNG", exif=b"Exif\0\0hello")
        assert any("damaged EXIF" in note for note in check(data).notes)

    def test_no_strip_is_larger_than_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a very wide picture the strips, and so the blocks, are flat."""
        monkeypatch.setattr(module, "_STRIP_BYTES", 4 * 700 * 3)
        source = check(saved(Image.fromarray(noise(50, 700, 3)), "PNG"))
        assert max(rows.length for rows in source.colour.grid.rows) == 4
        assert max(columns.length for columns in source.colour.grid.columns) <= 16 * 16 / 4


KINDS = {
    "JPEG": saved(Image.fromarray(noise(40, 30, 3)), "JPEG"),
    "PNG": saved(Image.fromarray(noise(40, 30, 3)), "PNG"),
    "PNG 16 bit": deep_png(noise(40, 30, 3, dtype=np.uint16)),
    "WEBP": saved(Image.fromarray(noise(40, 30, 3)), "WEBP"),
    "TIFF": saved(Image.fromarray(noise(40, 30, 3)), "TIFF"),
    "TIFF deflated": saved(Image.fromarray(noise(40, 30, 3)), "TIFF", compression="tiff_deflate"),
    "TIFF tiled": vips_tiff(noise(40, 30, 3), tile=True, compression="deflate"),
}


def refusal(data: bytes, **options: int) -> str:
    """The message of the refusal: one line, and nothing that could be taken for a source."""
    folder = MemoryFolder()
    with pytest.raises(PictureError) as error:
        ingest(put(data), folder, warn=ignore, **options)
    assert open_source(folder) is None
    message = str(error.value)
    assert message.startswith(NAME)
    assert "\n" not in message
    assert ": " in message
    return message


@pytest.mark.usefixtures("streaming")
class TestRefused:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 0.9, 0.99])
    def test_cut_short(self, kind: str, share: float, capfd: pytest.CaptureFixture[str]) -> None:
        refusal(KINDS[kind][: int(len(KINDS[kind]) * share)])
        assert capfd.readouterr() == ("", "")

    @settings(max_examples=60)
    @given(
        kind=st.sampled_from(sorted(KINDS)),
        places=st.lists(
            st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=8
        ),
        in_header=st.booleans(),
    )
    def test_whatever_is_wrong_inside(
        self, kind: str, places: list[tuple[float, int]], in_header: bool
    ) -> None:
        """It comes in, or is refused in one line, in which case nothing is complete."""
        data = bytearray(KINDS[kind])
        for place, change in places:
            data[int(place * (len(data) if not in_header else 200))] ^= change
        folder, complaint = MemoryFolder(), None
        try:
            ingest(put(bytes(data)), folder, warn=ignore, max_pixels=1_000_000)
        except PictureError as error:
            complaint = str(error)
        assert (complaint is None) == (open_source(folder) is not None)
        assert "\n" not in (complaint or "")

    @pytest.mark.parametrize("kind", ["PNG", "PNG 16 bit"])
    def test_a_wrong_checksum(self, kind: str) -> None:
        data = bytearray(KINDS[kind])
        data[-20] ^= 1
        assert "wrong checksum in IDAT" in refusal(bytes(data))

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_limit_counts_before_decoding(self, kind: str) -> None:
        assert "30 x 40 = 1,200 pixels, more than the limit of 1,199" in refusal(
            KINDS[kind], max_pixels=1199
        )
        ingest(put(KINDS[kind]), MemoryFolder(), warn=ignore, max_pixels=1200)

    @pytest.mark.parametrize("kind", ["GIF", "BMP"])
    def test_formats_that_are_not_read_in_parts(self, kind: str) -> None:
        message = refusal(saved(Image.fromarray(noise(40, 30, 3)), kind))
        assert f"is a {kind} of 30x40 pixels" in message
        assert "save it anew as PNG or TIFF" in message

    def test_rare_tiffs_are_named(self) -> None:
        assert "Lab samples" in refusal(saved(Image.new("LAB", (30, 20)), "TIFF"))

    @pytest.mark.parametrize(
        ("options", "refused"),
        [
            ({"compression": "lzw"}, True),
            ({"compression": "jpeg"}, True),
            ({"compression": "none"}, False),
            ({"compression": "lzw", "tile": True}, False),
            ({"compression": "jpeg", "tile": True}, False),
        ],
    )
    def test_tiffs_in_large_strips(
        self, options: dict[str, object], refused: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Unless they are stored in lines or tiles, the memory for a strip is limited."""
        strips, whole = ({"tile_height": height, **options} for height in (16, 160))
        if options.get("tile"):
            strips = whole = {"tile_height": 16, "tile_width": 16, **options}
        monkeypatch.setattr(picture_stream, "_MAX_STRIP", 20_000)
        check(vips_tiff(noise(160, 70, 3), **strips))
        if refused:
            assert "too large to be read in parts" in refusal(vips_tiff(noise(160, 70, 3), **whole))
        else:
            check(vips_tiff(noise(160, 70, 3), **whole))

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_what_is_too_large_to_be_held_and_not_in_order(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import pyvips

        monkeypatch.setattr(picture_stream.guard, "MAX_PIXELS", 1199)
        image = pyvips.Image.new_from_array(noise(40, 30, 3), interpretation="srgb")
        save = image.jpegsave_buffer if kind == "JPEG" else image.pngsave_buffer
        assert "save it anew from top to bottom" in refusal(save(interlace=True))
        check(save(interlace=False))


class TestBombs:
    @staticmethod
    def huge_png(side: int) -> bytes:
        """A PNG that claims to be huge, and has hardly any pixels."""
        header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        data = KINDS["PNG"]
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]

    def test_beyond_the_limit_nothing_is_decoded(self) -> None:
        message = refusal(self.huge_png(140_000))
        assert f"more than the limit of {MAX_PIXELS:,}" in message

    def test_within_the_limit_a_strip_is_all_the_memory(self) -> None:
        """1.6 gigapixels that are claimed, in a process that may have 2 GiB."""
        code = (
            "import resource, sys; from dreamray.base.errors import PictureError;"
            "from dreamray.pictures.ingest import ingest; from dreamray.storage import *\n"
            "resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))\n"
            "place = MemoryFolder().file('bomb'); place.write(sys.stdin.buffer.read())\n"
            "try: ingest(place, MemoryFolder(), warn=print)\n"
            "except PictureError as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], input=self.huge_png(40_000), capture_output=True
        )
        assert b"bomb is damaged or cut short" in done.stdout
        assert done.stderr == b""

    def test_pillow_is_left_as_it_was(self) -> None:
        before = Image.MAX_IMAGE_PIXELS
        refusal(self.huge_png(60_000))
        assert before == Image.MAX_IMAGE_PIXELS


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "s3":
        return S3Folder(request.getfixturevalue("bucket"), "work")
    return LocalFolder(tmp_path / "work")


class TestPlaces:
    @pytest.mark.parametrize("large", [False, True])
    def test_from_anywhere_to_anywhere(
        self, folder: Folder, large: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if large:
            monkeypatch.setattr(module, "HELD_PIXELS", 0)
        data = saved(Image.fromarray(noise(50, 70, 4)), "PNG", exif=exif(6))
        place = folder.file(NAME)
        place.write(data)
        source = ingest(place, folder.folder("source"), warn=ignore)
        same(everything(source), decode(data, NAME))
        assert source.fingerprint == place.fingerprint()
        again = open_source(folder.folder("source"))
        assert again is not None
        same(everything(again), everything(source))
        assert (again.fingerprint, again.shape) == (source.fingerprint, source.shape)

    def test_notes_are_told(self) -> None:
        notes: list[str] = []
        data = saved(Image.fromarray(noise(8, 8, 4), "CMYK"), "TIFF")
        source = ingest(put(data), MemoryFolder(), warn=notes.append)
        assert tuple(notes) == source.notes != ()

    def test_a_name_that_is_no_text(self, tmp_path: Path, streaming: None) -> None:
        """File names are bytes; libvips wants UTF-8, and is given an open file instead."""
        place = LocalFile(tmp_path / "caf\udce9[1].png")
        place.write(KINDS["PNG"])
        source = ingest(place, MemoryFolder(), warn=ignore)
        np.testing.assert_array_equal(everything(source).pixels, noise(40, 30, 3))

    def test_what_is_not_there(self) -> None:
        with pytest.raises(RequestError, match="no such file"):
            ingest(MemoryFolder().file("a.png"), MemoryFolder(), warn=ignore)

    def test_a_small_picture_in_a_large_file_is_streamed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_HELD_BYTES", 100)
        monkeypatch.setattr(module, "_take_whole", None)
        check(KINDS["TIFF"])


class TestComplete:
    def test_nothing_was_brought_in_yet(self) -> None:
        assert open_source(MemoryFolder()) is None

    @pytest.mark.parametrize(
        "change",
        [
            {"grid": {"rows": [0], "columns": [0]}},
            {"dtype": "float32"},
            {"dtype": ["uint8"]},
            {"icc_profile": "no base64"},
            {"notes": 3},
            {"exif": 3},
        ],
    )
    def test_an_unreadable_record_is_none(self, change: dict[str, object]) -> None:
        folder = MemoryFolder()
        ingest(put(KINDS["PNG"]), folder, warn=ignore)
        file = folder.file("source.json")
        record = json.loads(file.read())
        file.write(json.dumps({**record, **change}).encode())
        assert open_source(folder) is None
        for text in (b"", b"[]", b"3", b"{", file.read()[:-9], b"\xff"):
            file.write(text)
            assert open_source(folder) is None

    def test_a_failed_one_does_not_leave_the_one_before(self) -> None:
        """Its blocks may have been overwritten."""
        folder = MemoryFolder()
        ingest(put(KINDS["PNG"]), folder, warn=ignore)
        with pytest.raises(PictureError):
            ingest(put(KINDS["PNG"][:-50]), folder, warn=ignore)
        assert open_source(folder) is None

    def test_a_picture_that_changes_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        place, folder = put(KINDS["PNG"]), MemoryFolder()
        take = module._take_whole

        def slowly(*arguments: object) -> object:
            place.write(KINDS["JPEG"])
            return take(*arguments)

        monkeypatch.setattr(module, "_take_whole", slowly)
        with pytest.raises(ChangedError, match="changed while it was read: run it again"):
            ingest(place, folder, warn=ignore)
        assert open_source(folder) is None
