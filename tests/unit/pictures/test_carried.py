"""What stands in a file besides its pixels counts, wherever it stands, in memory and streamed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, TiffImagePlugin

from dreamray.base.errors import PictureError
from dreamray.pictures import Picture, decode
from dreamray.pictures import taking as module
from dreamray.pictures.ingest import ingest
from dreamray.storage import MemoryFolder

NAME = "picture"
Read = Callable[[bytes], Picture]


def streamed(data: bytes) -> Picture:
    """Through `ingest`, as a picture that is too large to be held."""
    folder = MemoryFolder()
    place = folder.file(NAME)
    place.write(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HELD_PIXELS", 0)
        source = ingest(place, folder.folder("work"), warn=lambda note: None)
    rows, columns = map(np.arange, source.shape)
    alpha = None if source.alpha is None else source.alpha.points(rows, columns)[..., 0]
    pixels = source.colour.points(rows, columns)
    return Picture(pixels, alpha, source.icc_profile, source.exif, source.sha256, source.notes)


def held(data: bytes) -> Picture:
    return decode(data, NAME)


@pytest.fixture(params=[held, streamed])
def read(request: pytest.FixtureRequest) -> Read:
    return request.param


def png(
    rows: list[bytes],
    *before: tuple[bytes, bytes],
    width: int,
    depth: int = 8,
    colour: int = 2,
    after: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """A PNG of packed rows, with chunks before and after its pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    chunks = ((b"IHDR", header), *before, pixels, *after, (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def lying(*before: tuple[bytes, bytes], depth: int = 8, **more: object) -> bytes:
    """A PNG of 3 rows and 4 columns."""
    return png([bytes(range(12 * depth // 8))] * 3, *before, width=4, depth=depth, **more)


def exif(orientation: int | None = None, **more: object) -> bytes:
    block = Image.Exif()
    block[271] = "Camera"
    if orientation:
        block[274] = orientation
    for tag, value in more.items():
        block.get_ifd(34665)[int(tag[1:])] = value
    return block.tobytes()


def xmp(orientation: int, form: str = 'tiff:Orientation="%d"') -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r {form % orientation}/></x:xmpmeta>'.encode()


def raw_profile(kind: str, content: bytes, chunk: bytes = b"zTXt") -> tuple[bytes, bytes]:
    """As ImageMagick writes it."""
    lines = "\n".join(content.hex()[at : at + 72] for at in range(0, 2 * len(content), 72))
    text = f"\n{kind}\n{len(content):8}\n{lines}\n".encode()
    body = b"\0" + zlib.compress(text) if chunk == b"zTXt" else text
    return chunk, f"Raw profile type {kind}".encode() + b"\0" + body


class TestOrientation:
    """A turn to the left or right swaps height and width."""

    @pytest.mark.parametrize("depth", [8, 16])
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ([raw_profile("exif", exif(6))], ()),
            ([raw_profile("exif", exif(6).removeprefix(b"Exif\0\0"))], ()),
            ([raw_profile("APP1", exif(6), b"tEXt")], ()),
            ([raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + xmp(6))], ()),
            ([raw_profile("xmp", xmp(6))], ()),
            ([(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))], ()),
            ([(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(6)))], ()),
            ([], ((b"eXIf", exif(6).removeprefix(b"Exif\0\0")),)),
            ([], (raw_profile("exif", exif(6)),)),
        ],
    )
    def test_of_a_png(self, read: Read, depth: int, before: list, after: tuple) -> None:
        assert read(lying(*before, depth=depth, after=after)).pixels.shape == (4, 3, 3)

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("block", [None, exif()])
    def test_by_xmp_alone(self, read: Read, kind: str, block: bytes | None) -> None:
        image, out = Image.new("RGB", (40, 30)), io.BytesIO()
        packet = {"tiffinfo": {700: xmp(8)}} if kind == "TIFF" else {"xmp": xmp(8)}
        image.save(out, kind, **packet, **({"exif": block} if block else {}))
        assert read(out.getvalue()).pixels.shape == (40, 30, 3)

    @pytest.mark.parametrize(
        "form", ["tiff:Orientation='%d'", "<tiff:Orientation>%d</tiff:Orientation>"]
    )
    def test_in_each_form_of_xmp(self, form: str) -> None:
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6, form)
        assert held(lying((b"iTXt", text))).pixels.shape == (4, 3, 3)

    def test_exif_counts_before_xmp(self, read: Read) -> None:
        texts = (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))
        upright = (b"eXIf", exif(1).removeprefix(b"Exif\0\0"))
        assert read(lying(texts, upright)).pixels.shape == (3, 4, 3)

    def test_the_exif_of_a_text_is_kept(self, read: Read) -> None:
        assert b"Camera" in (read(lying(raw_profile("exif", exif(6)))).exif or b"")


class TestTransparency:
    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_of_one_grey(self, read: Read, depth: int) -> None:
        """The brightest is transparent, black is not."""
        key = (1 << depth) - 1
        bits = np.repeat(np.array([0, 1], np.uint8), 8 * depth)
        rows = [np.packbits(bits).tobytes()] * 2
        data = png(rows, (b"tRNS", struct.pack(">H", key)), width=16, depth=depth, colour=0)
        picture = read(data)
        assert picture.alpha is not None
        assert picture.alpha[:, :8].min() == np.iinfo(picture.alpha.dtype).max
        assert picture.alpha[:, 8:].max() == 0
        assert picture.pixels[:, 8:].min() == np.iinfo(picture.alpha.dtype).max

    def test_of_a_packed_palette(self, read: Read) -> None:
        palette = (b"PLTE", bytes(range(12)))
        data = png([b"\x1b"], palette, (b"tRNS", b"\xff\x80"), width=4, depth=2, colour=3)
        picture = read(data)
        assert picture.alpha is not None
        assert picture.alpha.tolist() == [[255, 128, 255, 255]]
        assert picture.pixels[0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]

    def test_a_missing_palette_is_damage(self, read: Read) -> None:
        with pytest.raises(PictureError, match=r"cut short \(its palette is missing\)"):
            read(png([b"\x1b"], width=4, depth=2, colour=3))


def tiff(samples: np.ndarray, photometric: int, **tags: object) -> bytes:
    """An uncompressed TIFF of [height, width, channels]; further tags as `t338=2`."""
    height, width, channels = samples.shape
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    layout = {
        256: width, 257: height, 258: (8 * samples.itemsize,) * channels, 259: 1, 262: photometric,
        273: (0,), 277: channels, 278: height, 279: (samples.nbytes,),
    }  # fmt: skip
    for tag, value in (layout | {int(name[1:]): value for name, value in tags.items()}).items():
        directory[tag] = value
    out = io.BytesIO()
    directory.save(out)
    return out.getvalue() + samples.tobytes()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, shape, np.uint8)


class TestTiff:
    @pytest.mark.parametrize("number", [0, 9])
    @pytest.mark.parametrize("big", [False, True])
    def test_an_orientation_that_is_none_turns_nothing(self, number: int, big: bool) -> None:
        samples, out = noise(5, 6, 3), io.BytesIO()
        Image.fromarray(samples).save(out, "TIFF", big_tiff=big, tiffinfo={274: number})
        np.testing.assert_array_equal(held(out.getvalue()).pixels, samples)
        with pytest.raises(PictureError, match="an orientation that is none, which dreamray does"):
            streamed(out.getvalue())

    @pytest.mark.parametrize(
        ("channels", "photometric", "extra", "alpha", "left"),
        [
            (5, 2, (0, 2), 4, "1 channel beside colour and opacity"),
            (3, 1, (0, 2), 2, "1 channel beside colour and opacity"),
            (3, 1, (2, 0), 1, "1 channel beside colour and opacity"),
            (8, 2, (0,) * 5, None, "5 channels beside colour:"),
            (4, 2, (2,), 3, None),
        ],
    )
    def test_channels_are_what_the_file_says(
        self, read: Read, channels: int, photometric: int, extra: tuple, alpha: int, left: str
    ) -> None:
        samples = noise(5, 6, channels)
        picture = read(tiff(samples, photometric, t338=extra))
        colours = samples[..., :3] if photometric == 2 else np.repeat(samples[..., :1], 3, axis=2)
        np.testing.assert_array_equal(picture.pixels, colours)
        if alpha is None:
            assert picture.alpha is None
        else:
            np.testing.assert_array_equal(picture.alpha, samples[..., alpha])
        assert [left in note for note in picture.notes] == ([True] if left else [])

    @pytest.mark.parametrize(
        ("tags", "words"),
        [
            ({"t50706": bytes([1, 4, 0, 0])}, "raw file"),
            ({"t262": 32803}, "raw file"),
            ({"t259": 6, "t262": 6}, "has old-style JPEG compression, which dreamray does not"),
            ({"t259": 34712}, "has JPEG 2000 compression, which dreamray does not read"),
            (
                {"t258": (4, 4, 4)},
                "4 bit samples in several channels, which dreamray does not read",
            ),
        ],
    )
    def test_what_is_not_read_is_named(self, read: Read, tags: dict, words: str) -> None:
        with pytest.raises(PictureError, match=words):
            read(tiff(noise(5, 6, 3), 2, **tags))

    @pytest.mark.parametrize(("kind", "refused"), [(0, True), (1, False)])
    def test_a_small_copy_of_what_lies_below_is_not_the_picture(
        self, read: Read, kind: int, refused: bool
    ) -> None:
        """But of a larger copy that is itself one, such as a preview, it is no part."""
        small, whole = tiff(noise(5, 6, 3), 2, t330=0), tiff(noise(50, 60, 3), 2, t254=kind)
        at = small.index(struct.pack("<HHI", 330, 4, 1)) + 8
        offset = -(-len(small) // 16) * 16
        data = small[:at] + struct.pack("<I", offset + 8) + small[at + 4 :].ljust(offset - at - 4)
        if refused:
            with pytest.raises(PictureError, match=r"begins with a small copy .6x5 pixels"):
                read(data + whole)
        else:
            assert read(data + whole).pixels.shape == (5, 6, 3)

    def test_a_small_copy_before_its_picture_is_not_the_picture(self, read: Read) -> None:
        out, pages = io.BytesIO(), [Image.new("RGB", (6, 5)), Image.new("RGB", (60, 50))]
        pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], tiffinfo={254: 1})
        data = out.getvalue()
        assert "2 pages" in "".join(read(unmarked(data, after=2)).notes)
        with pytest.raises(PictureError, match="begins with a small copy"):
            read(unmarked(data, after=1))

    def test_a_small_copy_of_nothing_is_the_picture(self, read: Read) -> None:
        (note,) = read(tiff(noise(5, 6, 3), 2, t254=1)).notes
        assert "calls itself a small copy" in note

    @pytest.mark.parametrize("big", [False, True])
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("planes", [1, 2])
    def test_of_any_order_and_width_in_tiles(self, order: str, big: bool, planes: int) -> None:
        """Also tiles of each channel by itself, which libvips does not read."""
        samples = noise(32, 48, 3)
        np.testing.assert_array_equal(held(tiled(samples, order, big, planes)).pixels, samples)

    @pytest.mark.parametrize("cut", [1, 2000])
    @pytest.mark.parametrize("big", [False, True])
    def test_a_tile_beyond_the_end_is_missing_and_not_black(
        self, read: Read, big: bool, cut: int
    ) -> None:
        with pytest.raises(PictureError, match=r"cut short \(its end is missing"):
            read(tiled(noise(32, 48, 3), "<", big, 1)[:-cut])

    def test_a_tile_that_cannot_be_decoded_is_damage_and_not_black(self, read: Read) -> None:
        image = pyvips.Image.new_from_array(noise(64, 64, 3))
        data = image.tiffsave_buffer(tile=True, tile_width=32, tile_height=32, compression="lzw")
        assert read(data).pixels.shape == (64, 64, 3)
        at = 2 * len(data) // 3
        with pytest.raises(PictureError, match="damaged or cut short"):
            read(data[:at] + b"\xff" * 200 + data[at + 200 :])


def unmarked(data: bytes, after: int) -> bytes:
    """Without the mark of small copies in all directories but the first ones."""
    mark = struct.pack("<HHII", 254, 4, 1, 1)
    kept = mark.join(data.split(mark)[: after + 1])
    return kept + data[len(kept) :].replace(mark, struct.pack("<HHII", 254, 4, 1, 0))


def tiled(samples: np.ndarray, order: str, big: bool, planes: int) -> bytes:
    """A TIFF of 8 bit RGB in tiles of 16 pixels; planes 2 for each channel by itself."""
    height, width, channels = samples.shape
    split = [samples[..., [c]] for c in range(channels)] if planes == 2 else [samples]
    tiles = [
        plane[y : y + 16, x : x + 16].tobytes()
        for plane in split for y in range(0, height, 16) for x in range(0, width, 16)
    ]  # fmt: skip
    long, count = ("Q", 16) if big else ("I", 4)
    entries = [(256, 3, [width]), (257, 3, [height]), (258, 3, [8] * channels), (259, 3, [1]),
               (262, 3, [2]), (277, 3, [channels]), (284, 3, [planes]), (322, 3, [16]),
               (323, 3, [16]), (324, count, []), (325, count, list(map(len, tiles)))]  # fmt: skip
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0, 16) if big else (42, 8))
    )
    inline = 8 if big else 4
    body = len(head) + (8 if big else 2) + len(entries) * (20 if big else 12) + inline
    at = body + 4096
    offsets = [at + sum(map(len, tiles[:i])) for i in range(len(tiles))]
    out, extra = struct.pack(order + ("Q" if big else "H"), len(entries)), b""
    for tag, form, values in entries:
        packed = struct.pack(order + ("H" if form == 3 else long) * len(values or offsets),
                             *(values or offsets))  # fmt: skip
        out += struct.pack(order + "HH" + long, tag, form, len(values or offsets))
        if len(packed) > inline:
            out += struct.pack(order + long, body + len(extra))
            extra += packed
        else:
            out += packed.ljust(inline, b"\0")
    return head + out + bytes(inline) + extra.ljust(4096, b"\0") + b"".join(tiles)


def gamma(exponent: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(1e5 / exponent))


def chromaticities(*points: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(1e5 * point) for point in points))


SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def in_srgb(icc_profile: bytes | None, colour: tuple[int, int, int]) -> tuple[int, ...]:
    """A colour of a profile as Little CMS sees it."""
    assert icc_profile is not None
    seen = ImageCms.profileToProfile(
        Image.new("RGB", (1, 1), colour),
        io.BytesIO(icc_profile),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    return seen.getpixel((0, 0))


def curve(light: float) -> float:
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


class TestColour:
    @pytest.mark.parametrize(
        "chunks",
        [
            [gamma(2.2), chromaticities(*SRGB)],
            [gamma(2.2)],
            [chromaticities(*SRGB)],
            [gamma(1.0), (b"sRGB", b"\0")],
            [(b"cICP", bytes([1, 13, 0, 1]))],
            [(b"cICP", bytes([2, 2, 0, 1]))],
        ],
    )
    def test_srgb_in_other_words_needs_no_profile(self, read: Read, chunks: list) -> None:
        assert read(lying(*chunks)).icc_profile is None

    def test_a_gamma_becomes_a_profile_and_leaves_pixels_alone(self, read: Read) -> None:
        linear, plain = read(lying(gamma(1.0))), read(lying())
        np.testing.assert_array_equal(linear.pixels, plain.pixels)
        assert in_srgb(linear.icc_profile, (128,) * 3) == pytest.approx(
            [curve(128 / 255)] * 3, abs=1
        )
        assert linear.notes == ()

    @pytest.mark.parametrize(
        "chunks", [[gamma(2.2), chromaticities(*P3)], [(b"cICP", bytes([12, 13, 0, 1]))]]
    )
    def test_primaries_become_a_profile(self, read: Read, chunks: list) -> None:
        """As the profile of Display P3 that libvips ships."""
        import pyvips

        icc_profile = read(lying(*chunks)).icc_profile
        known = pyvips.Operation.call("profile_load", "p3")
        for colour in ((200, 120, 120), (110, 160, 110), (255, 255, 255)):
            assert in_srgb(icc_profile, colour) == pytest.approx(in_srgb(known, colour), abs=3)

    @pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
    def test_high_dynamic_range_is_said_and_told_in_the_profile(
        self, read: Read, transfer: int, name: str
    ) -> None:
        picture = read(lying((b"cICP", bytes([9, transfer, 0, 1]))))
        assert bytes([9, transfer, 0, 1]) in (picture.icc_profile or b"")
        (note,) = picture.notes
        assert f"BT.2100 {name}" in note

    def test_code_points_count_before_a_profile_and_a_profile_before_gamma(self) -> None:
        packed = b"x\0\0" + zlib.compress(
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        )
        icc = (b"iCCP", packed)
        assert b"cicp" in (held(lying((b"cICP", bytes([9, 16, 0, 1])), icc)).icc_profile or b"")
        assert held(lying(gamma(1.0), icc)).icc_profile == zlib.decompress(packed[3:])

    @pytest.mark.parametrize(
        "chunk", [(b"gAMA", bytes(4)), (b"gAMA", b"1"), chromaticities(*([0.3] * 8))]
    )
    def test_impossible_figures_are_left_out_with_a_word(
        self, read: Read, chunk: tuple[bytes, bytes]
    ) -> None:
        picture = read(lying(chunk))
        assert picture.icc_profile is None
        assert "impossible" in "".join(picture.notes)

    def test_adobe_rgb_by_its_mark_in_exif(self, read: Read) -> None:
        out = io.BytesIO()
        block = Image.Exif()
        block.get_ifd(34665)[40961] = 65535
        block.get_ifd(34665)[40965] = {1: "R03"}
        Image.new("RGB", (8, 8)).save(out, "JPEG", exif=block)
        # The same red, but of a white with more green: 1.398 times the light in sRGB.
        red = curve(1.398 * (200 / 255) ** 2.2)
        seen = in_srgb(read(out.getvalue()).icc_profile, (200, 0, 0))
        assert seen == pytest.approx((red, 0, 0), abs=2)

    def test_what_the_format_says_counts_before_exif(self, read: Read) -> None:
        adobe = exif(t40961=2).removeprefix(b"Exif\0\0")
        assert read(lying((b"eXIf", adobe))).icc_profile is not None
        assert read(lying((b"eXIf", adobe), (b"sRGB", b"\0"))).icc_profile is None

    @pytest.mark.parametrize("space", [1, 65535])
    def test_other_words_of_exif_are_srgb(self, read: Read, space: int) -> None:
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif(t40961=space))
        assert read(out.getvalue()).icc_profile is None


class TestNobodysBusiness:
    """What has nothing to do with the pixels keeps no picture from being read."""

    @pytest.mark.parametrize("depth", [8, 16])
    def test_a_text_of_megabytes(self, read: Read, depth: int) -> None:
        text = zlib.compress(b"a lake, " * 300_000)
        plain = read(lying(depth=depth))
        busy = read(lying((b"zTXt", b"workflow\0\0" + text), depth=depth))
        np.testing.assert_array_equal(busy.pixels, plain.pixels)

    def test_a_thousand_texts(self, read: Read) -> None:
        assert read(lying(*[(b"tEXt", b"a\0b")] * 1500)).pixels.shape == (3, 4, 3)

    def test_a_wrong_checksum_of_a_text(self, read: Read) -> None:
        data = lying((b"tEXt", b"Comment\0hello"))
        assert read(data.replace(b"hello", b"jello")).pixels.shape == (3, 4, 3)

    @pytest.mark.parametrize("depth", [8, 16])
    def test_a_window_that_is_said_to_be_smaller_than_it_is(self, depth: int) -> None:
        """Libpng takes a writer by its word there, others do not."""
        rows = [noise(1, 96 * depth // 8).tobytes() + bytes(900)] * 3
        data = png(rows, width=len(rows[0]) * 8 // depth // 3, depth=depth)
        plain, at = held(data), data.index(b"IDAT") + 4
        size = struct.unpack(">I", data[at - 8 : at - 4])[0]
        narrow = b"IDAT\x08\x1d" + data[at + 2 : at + size]
        claimed = (
            data[: at - 4] + narrow + struct.pack(">I", zlib.crc32(narrow)) + data[at + size + 4 :]
        )
        np.testing.assert_array_equal(held(claimed).pixels, plain.pixels)

    def test_the_form_for_apps_is_named(self, read: Read) -> None:
        data = lying()
        apple = (
            data[:8]
            + struct.pack(">I", 4)
            + b"CgBI"
            + bytes(4)
            + struct.pack(">I", zlib.crc32(b"CgBI" + bytes(4)))
            + data[8:]
        )
        with pytest.raises(PictureError, match="Apple's tools"):
            read(apple)
