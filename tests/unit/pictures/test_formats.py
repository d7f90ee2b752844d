"""Pictures: every kind that comes in, every format that goes out, and what must be refused."""

import io
import json
import struct
import subprocess
import sys
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin

from dreamray.base.errors import PictureError, RequestError
from dreamray.pictures import (
    DEFAULT_MAX_PIXELS,
    Format,
    Picture,
    check_output,
    decode,
    encode,
    metadata_text,
    output_format,
    parts,
    read_metadata,
)
from dreamray.raster.pixels import from_tensor, to_tensor

LOSSLESS = (Format.PNG, Format.TIFF)
ENCODED = [format for format in Format if format is not Format.DEEP_ZOOM]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
METADATA = {"step": 0.01, "layers": {"mixed4": 2.0}, "author": "Zoë 夢 🌀", "max_loss": None}

steady = settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png16(samples, *extra):
    """A 16 bit PNG of [height, width, 1 to 4], made by hand."""
    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def tiff(samples, photometric, head=b"II*\0\0\0\0\0", **tags):
    """An uncompressed TIFF of [height, width, channels]; further tags as `t338=2`."""
    height, width, channels = samples.shape
    directory = TiffImagePlugin.ImageFileDirectory_v2(head)
    directory[256], directory[257], directory[258] = (
        width,
        height,
        (samples.itemsize * 8,) * channels,
    )
    directory[259], directory[262], directory[273] = 1, photometric, (0,)
    directory[277], directory[278], directory[279] = channels, height, (samples.nbytes,)
    for tag, value in tags.items():
        directory[int(tag[1:])] = value
    out = io.BytesIO()
    directory.save(out)
    order = "<" if head[:1] == b"I" else ">"
    return out.getvalue() + samples.astype(samples.dtype.newbyteorder(order)).tobytes()


def profile(name):
    """A colour profile that libvips ships."""
    import pyvips

    return pyvips.Operation.call("profile_load", name)


def plain(pixels, alpha=None, icc=None, exif=None):
    return Picture(pixels, alpha, icc, exif, "", ())


def exif_block(**more):
    block = Image.Exif()
    block[271], block[315] = "Camera & Co", "José 夢".encode()
    block.get_ifd(34665)[36867] = "2024:02:29 12:00:00"
    block.get_ifd(34853)[2] = (47.0, 22.0, 30.5)
    for tag, value in more.items():
        block[int(tag[1:])] = value
    return block.tobytes()


def same(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.flags.c_contiguous
    np.testing.assert_array_equal(actual, expected)


# What comes in


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "JPEG", "WEBP"])
def test_decodes_colour_as_the_format_stores_it(kind):
    pixels = noise(13, 17, 3)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(pixels), kind, **options)
    picture = decode(data, "x")
    same(picture.pixels, pixels if kind != "JPEG" else np.asarray(Image.open(io.BytesIO(data))))
    assert picture.alpha is picture.icc_profile is picture.exif is None
    assert picture.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_bilevel_become_three_equal_channels(kind, mode):
    image = Image.fromarray(noise(9, 11)).convert(mode)
    expected = np.asarray(image.convert("L"))
    same(decode(saved(image, kind), "x").pixels, np.dstack([expected] * 3))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_palette_colours_are_looked_up(kind):
    image = Image.fromarray(noise(20, 20, 3)).quantize(7)
    same(decode(saved(image, kind), "x").pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_alpha(kind):
    image = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    picture = decode(saved(image, kind, transparency=2), "x")
    same(picture.alpha, np.array([[255, 255], [0, 255]], np.uint8))
    same(picture.pixels[0, 1], np.array([40, 50, 60], np.uint8))


def test_graded_palette_transparency_becomes_alpha():
    image = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2), "P")
    image.putpalette(list(range(12)))
    picture = decode(saved(image, "PNG", transparency=bytes([0, 85, 170, 255])), "x")
    same(picture.alpha, np.array([[0, 85], [170, 255]], np.uint8))


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 8, 9))])
def test_a_transparent_colour_becomes_alpha(mode, key):
    image = Image.new(mode, (3, 2), 99 if mode == "L" else (99, 98, 97))
    image.putpixel((1, 0), key)
    picture = decode(saved(image, "PNG", transparency=key), "x")
    same(picture.alpha, np.array([[255, 0, 255], [255, 255, 255]], np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_kept_apart_and_leaves_colour_alone(kind):
    samples = noise(8, 5, 4)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = decode(saved(Image.fromarray(samples), kind, **options), "x")
    same(picture.pixels, samples[..., :3])
    same(picture.alpha, samples[..., 3])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_with_alpha(kind):
    samples = noise(8, 5, 2)
    picture = decode(saved(Image.fromarray(samples, "LA"), kind), "x")
    same(picture.pixels, np.dstack([samples[..., 0]] * 3))
    same(picture.alpha, samples[..., 1])


def test_palette_with_alpha_in_tiff():
    image = Image.fromarray(noise(6, 6, 3)).quantize(5).convert("PA")
    image.putalpha(Image.fromarray(noise(6, 6)))
    picture = decode(saved(image, "TIFF"), "x")
    same(picture.pixels, np.asarray(image.convert("RGB")))
    same(picture.alpha, np.asarray(image.getchannel("A")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", [1, 2])
def test_premultiplied_alpha_is_divided_out(dtype, photometric):
    top = np.iinfo(dtype).max
    half = np.array([[[top // 4] * (1 if photometric == 1 else 3) + [top // 2]]], dtype)
    picture = decode(tiff(half, photometric, t338=1), "x")
    assert abs(picture.pixels.astype(int) - top // 2).max() <= 2
    same(picture.alpha, np.array([[top // 2]], dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_unspecified_extra_channel_is_no_alpha(dtype):
    samples = noise(3, 4, 4, dtype=dtype)
    picture = decode(tiff(samples, 2, t338=0), "x")
    same(picture.pixels, samples[..., :3])
    assert picture.alpha is None


def test_grey_that_starts_at_white_is_inverted():
    grey = noise(3, 4, 1, dtype=np.uint16)
    same(decode(tiff(grey, 0), "x").pixels, np.repeat(65535 - grey, 3, axis=2))


@pytest.mark.parametrize("head", [b"II*\0\0\0\0\0", b"MM\0*\0\0\0\0"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_tiff_stays_16_bit(channels, head):
    samples = noise(7, 5, channels, dtype=np.uint16)
    tags = {"t338": 2} if channels in (2, 4) else {}
    check_deep(decode(tiff(samples, 1 if channels < 3 else 2, head, **tags), "x"), samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_stays_16_bit(channels):
    samples = noise(7, 5, channels, dtype=np.uint16)
    check_deep(decode(png16(samples), "x"), samples)


def check_deep(picture, samples):
    grey = samples.shape[2] < 3
    same(picture.pixels, np.repeat(samples[..., :1], 3, axis=2) if grey else samples[..., :3])
    if samples.shape[2] in (2, 4):
        same(picture.alpha, samples[..., -1])
    else:
        assert picture.alpha is None
    assert picture.icc_profile is None
    assert picture.notes == ()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_in_16_bits(channels):
    samples = noise(3, 2, channels, dtype=np.uint16)
    key = samples[1, 1].astype(">u2").tobytes()
    alpha = np.full((3, 2), 65535, np.uint16)
    alpha[1, 1] = 0
    same(decode(png16(samples, (b"tRNS", key)), "x").alpha, alpha)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_orientation_turns_pixels_and_alpha(kind, orientation):
    image = Image.fromarray(noise(5, 8, 4))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = saved(image, kind, exif=exif_block(t274=orientation), **options)
    upright = Image.open(io.BytesIO(saved(image, "PNG", exif=exif_block(t274=orientation))))
    expected = np.asarray(ImageOps.exif_transpose(upright))
    picture = decode(data, "x")
    same(picture.pixels, np.ascontiguousarray(expected[..., :3]))
    same(picture.alpha, np.ascontiguousarray(expected[..., 3]))
    assert parts.ORIENTATION not in parts.read_tags(picture.exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_16_bit_pictures_alike(orientation):
    samples = noise(5, 8, 4, dtype=np.uint16)
    shallow = Image.fromarray((samples >> 8).astype(np.uint8))
    expected = decode(saved(shallow, "PNG", exif=exif_block(t274=orientation)), "x")
    exif = exif_block(t274=orientation).removeprefix(b"Exif\0\0")
    for data in (tiff(samples, 2, t338=2, t274=orientation), png16(samples, (b"eXIf", exif))):
        picture = decode(data, "x")
        same((picture.pixels >> 8).astype(np.uint8), expected.pixels)
        same((picture.alpha >> 8).astype(np.uint8), expected.alpha)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation):
    pixels = noise(5, 8, 3)
    data = saved(Image.fromarray(pixels), "PNG", exif=exif_block(t274=orientation))
    same(decode(data, "x").pixels, pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_is_kept_without_its_thumbnail(kind):
    image = Image.fromarray(noise(8, 8, 3))
    tags = parts.read_tags(decode(saved(image, kind, exif=exif_block()), "x").exif)
    assert tags[271] == "Camera & Co"
    if kind != "TIFF":  # Pillow itself writes question marks there
        assert tags[315].encode("latin-1").decode() == "José 夢"
    assert tags[34665][36867] == "2024:02:29 12:00:00"
    assert [float(part) for part in tags[34853][2]] == [47.0, 22.0, 30.5]
    assert not set(tags) & {256, 257, 273, 279}


def test_an_embedded_thumbnail_goes():
    block = bytearray(exif_block().removeprefix(b"Exif\0\0"))
    (entries,) = struct.unpack_from(">H", block, 8)
    struct.pack_into(">I", block, 10 + entries * 12, len(block))
    block += struct.pack(">HHHIII", 1, 513, 4, 1, 0, 0) + b"THUMBNAIL"
    exif = Image.Exif()
    exif.load(bytes(block))
    assert exif.get_ifd(ExifTags.IFD.IFD1)
    data = saved(Image.fromarray(noise(8, 8, 3)), "JPEG", exif=b"Exif\0\0" + block)
    assert b"THUMBNAIL" in data
    assert b"THUMBNAIL" not in decode(data, "x").exif


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0hello"])
def test_damaged_exif_costs_only_itself(exif):
    pixels = noise(8, 8, 3)
    picture = decode(saved(Image.fromarray(pixels), "PNG", exif=exif), "x")
    same(picture.pixels, pixels)
    assert picture.exif is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_rgb_profile_is_kept(kind):
    image = Image.fromarray(noise(8, 8, 3))
    icc = profile("p3")
    assert decode(saved(image, kind, icc_profile=icc), "x").icc_profile == icc


def test_a_16_bit_rgb_profile_is_kept():
    icc, samples = profile("p3"), noise(4, 4, 3, dtype=np.uint16)
    packed = (b"iCCP", b"p3\0\0" + zlib.compress(icc))
    assert decode(png16(samples, packed), "x").icc_profile == icc
    assert decode(tiff(samples, 2, t34675=icc), "x").icc_profile == icc


def test_grey_goes_through_its_profile_to_srgb():
    icc = grey_profile(gamma=1.8)
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    light = (ramp / 255) ** 1.8
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    deep = ramp[..., None].astype(np.uint16) * 257
    for data in (
        saved(Image.fromarray(ramp), "PNG", icc_profile=icc),
        saved(Image.fromarray(np.dstack([ramp, ramp]), "LA"), "PNG", icc_profile=icc),
        tiff(deep, 1, t34675=icc),
        png16(deep, (b"iCCP", b"grey\0\0" + zlib.compress(icc))),
    ):
        picture = decode(data, "x")
        assert picture.icc_profile is None
        assert picture.notes == ()
        shares = picture.pixels / np.iinfo(picture.pixels.dtype).max
        assert abs(shares - expected[..., None]).max() < 0.006


def grey_profile(gamma):
    """The least grey profile that a reader accepts (version 2)."""
    white = struct.pack(">iii", 63190, 65536, 54061)  # D50
    point = b"XYZ \0\0\0\0" + white
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 14)
    body = table + point + curve
    header = struct.pack(">I4sI", 128 + len(body), b"test", 0x02400000) + b"mntrGRAYXYZ "
    header = header.ljust(36, b"\0") + b"acsp"
    header = header.ljust(68, b"\0") + white
    return header.ljust(128, b"\0") + body


def test_cmyk_goes_through_its_profile_to_srgb():
    image = Image.fromarray(noise(6, 6, 4), "CMYK")
    tagged = decode(saved(image, "TIFF", icc_profile=profile("cmyk")), "x.tif")
    bare = decode(saved(image, "TIFF"), "x.tif")
    assert tagged.pixels.shape == bare.pixels.shape == (6, 6, 3)
    assert (tagged.pixels != bare.pixels).any()
    assert tagged.icc_profile is bare.icc_profile is None
    assert tagged.notes == ()
    assert bare.notes == (
        "x.tif is CMYK without a usable colour profile: its colours are approximate",
    )


def test_cmyk_jpeg_without_ink_is_white():
    picture = decode(saved(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"), "x")
    assert picture.pixels.min() >= 254


def test_16_bit_cmyk_is_read_in_8_bits():
    picture = decode(tiff(np.zeros((2, 2, 4), np.uint16), 5), "x")
    same(picture.pixels, np.full((2, 2, 3), 255, np.uint8))


@pytest.mark.parametrize("icc", [b"nonsense", profile("cmyk"), profile("sgrey")])
def test_a_profile_of_another_space_is_left_out_and_said_so(icc):
    for data in (
        saved(Image.fromarray(noise(4, 4, 3)), "PNG", icc_profile=icc),
        tiff(noise(4, 4, 3, dtype=np.uint16), 2, t34675=icc),
    ):
        picture = decode(data, "x.png")
        assert picture.icc_profile is None
        assert len(picture.notes) == 1
        assert "profile" in picture.notes[0]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_taken_with_a_note(kind):
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    picture = decode(data, "clip")
    same(picture.pixels, np.asarray(frames[0]))
    assert picture.notes == ("clip is animated: only the first of its 3 frames is dreamt",)


def test_the_first_page_of_a_tiff_is_taken_with_a_note():
    pages = [Image.new("RGB", (6, 4), colour) for colour in ("red", "lime")]
    picture = decode(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]), "scan")
    same(picture.pixels, np.asarray(pages[0]))
    assert picture.notes == ("scan has 2 pages: only the first is dreamt",)


def test_bigtiff_is_read():
    import pyvips

    for dtype, space in ((np.uint8, "srgb"), (np.uint16, "rgb16")):
        pixels = noise(70, 50, 3, dtype=dtype)
        image = pyvips.Image.new_from_array(pixels, interpretation=space)
        for options in ({}, {"tile": True, "compression": "deflate"}):
            same(decode(image.tiffsave_buffer(bigtiff=True, **options), "x").pixels, pixels)


def test_the_digest_is_of_the_source_bytes():
    data = saved(Image.new("RGB", (1, 1)), "PNG")
    same_pixels = saved(Image.new("RGB", (1, 1)), "BMP")
    assert decode(data, "x").sha256 != decode(same_pixels, "x").sha256
    assert len(decode(data, "x").sha256) == 64


# What is refused


def refusal(data, name="bad.png", **options):
    """The message of the refusal: one line that starts with the name and says what to do."""
    with pytest.raises(PictureError) as caught:
        decode(data, name, **options)
    message = str(caught.value)
    assert message.startswith(name)
    assert "\n" not in message
    assert ": " in message
    assert "<" not in message  # no representation of an object
    return message


def test_no_picture_at_all_is_refused():
    assert "is empty" in refusal(b"")
    for data in (b"%PDF-1.7", b"%!PS-Adobe-3.0 EPSF", b"just some text", b"RIFF\0\0\0\0WAVE", b"B"):
        assert "none of JPEG, PNG" in refusal(data)


def test_the_content_decides_and_not_the_name():
    pixels = noise(3, 3, 3)
    same(decode(saved(Image.fromarray(pixels), "BMP"), "really.png").pixels, pixels)


def samples_of_every_kind():
    image = Image.fromarray(noise(40, 30, 3))
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"):
        yield kind, saved(image, kind)
    yield "TIFF deflated", saved(image, "TIFF", compression="tiff_adobe_deflate")
    yield "PNG 16 bit", png16(noise(40, 30, 3, dtype=np.uint16))
    yield "TIFF 16 bit", tiff(noise(40, 30, 3, dtype=np.uint16), 2)


EVERY_KIND = dict(samples_of_every_kind())


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_picture_cut_short_is_refused(kind, capfd):
    data = EVERY_KIND[kind]
    assert decode(data, "whole").pixels.shape == (40, 30, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for share in (0.01, 0.1, 0.5, 0.9, 0.99):
            refusal(data[: max(9, int(len(data) * share))])
    assert capfd.readouterr() == ("", "")


@steady
@given(
    kind=st.sampled_from(sorted(EVERY_KIND)),
    places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=8),
    in_header=st.booleans(),
)
def test_a_corrupt_picture_is_decoded_whole_or_refused(kind, places, in_header):
    data = bytearray(EVERY_KIND[kind])
    for place, change in places:
        data[int(place * (len(data) if not in_header else 200))] ^= change
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            complaint = None
            shape = decode(bytes(data), "bad", max_pixels=1_000_000).pixels.shape
        except PictureError as error:
            complaint = str(error)
    if complaint is None:
        assert len(shape) == 3
    else:
        assert complaint.startswith("bad ")
        assert "\n" not in complaint


@pytest.mark.parametrize("kind", ["PNG", "PNG 16 bit"])
def test_a_png_with_a_wrong_checksum_is_refused(kind):
    data = bytearray(EVERY_KIND[kind])
    data[-20] ^= 1
    assert "copy or download it again" in refusal(bytes(data))


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_limit_counts_before_decoding(kind):
    data = EVERY_KIND[kind]
    assert decode(data, "x", max_pixels=1200).pixels.shape == (40, 30, 3)
    assert "30 x 40 = 1,200 pixels" in refusal(data, max_pixels=1199)


def bomb(side):
    """A PNG that claims to be huge."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = png16(noise(1, 1, 3, dtype=np.uint16))
    body = b"IHDR" + header
    return data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


def test_decompression_bombs_are_refused(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "more than the limit of 178,956,970" in refusal(bomb(60_000))
        # Between Pillow's warning and its error: our own limit, without a warning.
        assert "more than the limit of 1,000" in refusal(bomb(10_000), max_pixels=1_000)
    assert capfd.readouterr().err == ""


def test_pillow_and_the_warning_filters_are_left_as_they_were():
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    decode(EVERY_KIND["TIFF"], "x")
    refusal(bomb(60_000))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before
    assert 2 * Image.MAX_IMAGE_PIXELS == DEFAULT_MAX_PIXELS


def test_threads_do_not_leave_a_changed_warning_filter():
    before = list(warnings.filters)

    def work():
        for data in EVERY_KIND.values():
            decode(data, "x")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    ("dtype", "sample_format", "says"),
    [
        (np.float32, 3, "32 bit floating point"),
        (np.uint32, 1, "32 bit unsigned"),
        (np.int32, 2, "32 bit signed"),
        (np.int16, 2, "16 bit signed"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_that_are_not_8_or_16_bit_are_refused_by_name(dtype, sample_format, says, channels):
    samples = np.zeros((2, 2, channels), dtype)
    data = tiff(samples, 1 if channels == 1 else 2, t339=(sample_format,) * channels)
    message = refusal(data)
    assert says in message
    assert "save it anew" in message


@pytest.mark.parametrize(
    ("mode", "options", "says"),
    [
        ("LAB", {}, "Lab samples"),
        ("YCbCr", {}, "YCbCr samples"),
        ("RGB", {"compression": "zstd"}, "Zstandard compression"),
        ("RGB", {"compression": "lzma"}, "LZMA compression"),
    ],
)
def test_a_rare_tiff_is_refused_by_name(mode, options, says):
    assert says in refusal(saved(Image.new(mode, (2, 2)), "TIFF", **options))


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "jpeg", "tiff_adobe_deflate"])
def test_common_tiff_compressions_are_read(compression):
    data = saved(Image.fromarray(noise(20, 20, 3)), "TIFF", compression=compression)
    same(decode(data, "x").pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_fax_compressions_are_read(compression):
    data = saved(Image.fromarray(noise(20, 20)).convert("1"), "TIFF", compression=compression)
    same(decode(data, "x").pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


# What goes out


@steady
@given(
    size=sizes,
    dtype=st.sampled_from([np.uint8, np.uint16]),
    with_alpha=st.booleans(),
    format=st.sampled_from(LOSSLESS),
    seed=st.integers(0, 9),
)
@example(size=(600, 700), dtype=np.uint16, with_alpha=True, format=Format.TIFF, seed=0)
@example(size=(70_000, 1), dtype=np.uint8, with_alpha=False, format=Format.TIFF, seed=0)
def test_png_and_tiff_give_back_every_sample(size, dtype, with_alpha, format, seed):
    samples = noise(*size, 4, dtype=dtype, seed=seed)
    alpha = np.ascontiguousarray(samples[..., 3]) if with_alpha else None
    pixels = np.ascontiguousarray(samples[..., :3])
    icc = profile("p3")
    like = plain(pixels, alpha, icc, exif_block())
    picture = decode(encode(pixels, like, format, METADATA), "x")
    same(picture.pixels, pixels)
    if alpha is None:
        assert picture.alpha is None
    else:
        same(picture.alpha, alpha)
    assert picture.icc_profile == icc
    assert picture.notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format", LOSSLESS)
def test_other_readers_see_the_same_samples(format, dtype):
    import pyvips

    samples = noise(33, 47, 4, dtype=dtype)
    like = plain(samples[..., :3], samples[..., 3], SRGB, exif_block())
    data = encode(like.pixels, like, format, METADATA)
    same(np.ascontiguousarray(pyvips.Image.new_from_buffer(data, "").numpy()), samples)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.mode == "RGBA"
        assert image.info["icc_profile"] == SRGB


@pytest.mark.parametrize("format", [Format.JPEG, Format.WEBP])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_jpeg_and_webp_are_close_and_8_bit(format, dtype):
    ramp = np.linspace(0, np.iinfo(dtype).max, 64).astype(dtype)
    pixels = np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], (64, 64, 3)))
    picture = decode(encode(pixels, plain(pixels), format, None), "x")
    assert picture.pixels.dtype == np.uint8
    expected = pixels / (np.iinfo(dtype).max / 255)
    assert abs(picture.pixels - expected).max() < 4


def test_jpeg_keeps_colour_at_full_resolution():
    pixels = noise(16, 16, 3)
    with Image.open(io.BytesIO(encode(pixels, plain(pixels), Format.JPEG, None))) as image:
        assert {layer[1:3] for layer in image.layer} == {(1, 1)}


def test_webp_keeps_alpha_exactly_and_jpeg_shows_it_as_white():
    pixels, alpha = np.zeros((16, 16, 3), np.uint8), noise(16, 16)
    like = plain(pixels, alpha)
    same(decode(encode(pixels, like, Format.WEBP, None), "x").alpha, alpha)
    clear = plain(pixels, np.zeros((16, 16), np.uint8))
    picture = decode(encode(pixels, clear, Format.JPEG, None), "x")
    assert picture.alpha is None
    assert picture.pixels.min() >= 254


@given(values=st.lists(st.integers(0, 65535), min_size=1, max_size=50))
@steady
def test_16_bits_are_reduced_to_the_nearest_of_8(values):
    deep = np.array(values, np.uint16)[None, :, None].repeat(3, axis=2)
    like = plain(np.zeros(deep.shape, np.uint8), deep[..., 0])
    alpha = decode(encode(like.pixels, like, Format.PNG, None), "x").alpha
    same(alpha, np.round(deep[..., 0] / 257).astype(np.uint8))


def test_8_bit_alpha_goes_along_with_16_bit_pixels():
    pixels, alpha = noise(4, 4, 3, dtype=np.uint16), noise(4, 4)
    picture = decode(encode(pixels, plain(pixels, alpha), Format.PNG, None), "x")
    same(picture.alpha, alpha.astype(np.uint16) * 257)


@pytest.mark.parametrize("format", ENCODED)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_exif_and_profile_of_the_source_go_along(format, dtype):
    pixels = noise(8, 8, 3, dtype=dtype)
    source = decode(saved(Image.fromarray(noise(8, 8, 3)), "JPEG", exif=exif_block()), "x")
    like = plain(pixels, None, SRGB, source.exif)
    result = decode(encode(pixels, like, format, METADATA), "x")
    tags = parts.read_tags(result.exif)
    software = tags.pop(parts.SOFTWARE)
    assert software.startswith("dreamray ")
    assert tags == parts.read_tags(source.exif)
    assert result.icc_profile == SRGB


@pytest.mark.parametrize("format", ENCODED)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_same_input_gives_the_same_bytes_in_every_process(format, dtype):
    program = (
        "import sys, numpy as np;"
        "from dreamray.pictures import *;"
        f"p = np.arange(40 * 30 * 3, dtype=np.{dtype.__name__}).reshape(40, 30, 3);"
        "like = Picture(p, p[..., 0].copy(), None, None, '', ());"
        f"sys.stdout.buffer.write(encode(p, like, Format('{format}'), {{'b': 1, 'a': 2}}))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0]


def test_a_format_is_chosen_by_suffix_in_any_case():
    chosen = {
        "a.png": Format.PNG,
        "a.JPG": Format.JPEG,
        "dir.d/a.jpeg": Format.JPEG,
        "s3://bucket/key.WebP": Format.WEBP,
        "a.tif": Format.TIFF,
        "a.b.TIFF": Format.TIFF,
    }
    assert {name: output_format(name) for name in chosen} == chosen
    assert [output_format(f"x{format.suffix}") for format in Format] == list(Format)


@pytest.mark.parametrize("name", ["a.gif", "a.bmp", "a", "a.txt", "png", ".png/a"])
def test_another_suffix_is_refused_with_those_that_work(name):
    with pytest.raises(RequestError, match=r"\.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff"):
        output_format(name)


@pytest.mark.parametrize(
    ("format", "side"), [(Format.JPEG, 65_500), (Format.WEBP, 16_383), (Format.PNG, 1_000_000)]
)
def test_the_longest_side_is_known_beforehand(format, side):
    check_output(format, side, 1)
    check_output(format, 1, side)
    for width, height in ((side + 1, 1), (1, side + 1)):
        with pytest.raises(PictureError, match=f"{format.name}.*write"):
            check_output(format, width, height)


@pytest.mark.parametrize(("format", "side"), [(Format.JPEG, 65_500), (Format.WEBP, 16_383)])
def test_the_longest_side_can_really_be_written(format, side):
    pixels = np.zeros((1, side, 3), np.uint8)
    assert decode(encode(pixels, plain(pixels), format, None), "x").pixels.shape == pixels.shape


# The settings in a finished picture


@pytest.mark.parametrize("format", ENCODED)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_settings_come_back_as_they_were(format, dtype):
    pixels = noise(4, 4, 3, dtype=dtype)
    data = encode(pixels, plain(pixels, exif=exif_block()), format, METADATA)
    assert read_metadata(data, "x") == METADATA


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@steady
@given(
    metadata=st.dictionaries(st.text(), json_values, max_size=4),
    format=st.sampled_from(ENCODED),
)
def test_any_json_round_trips(metadata, format):
    pixels = np.zeros((1, 1, 3), np.uint8)
    assert read_metadata(encode(pixels, plain(pixels), format, metadata), "x") == metadata


def test_settings_are_plain_ascii_for_other_programs():
    text = metadata_text(METADATA)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == {"dreamray": METADATA}


def test_a_dream_of_a_dream_does_not_inherit_settings():
    pixels = noise(4, 4, 3)
    for format in (Format.JPEG, Format.WEBP, Format.TIFF):
        first = decode(encode(pixels, plain(pixels), format, METADATA), "x")
        again = encode(pixels, first, format, None)
        assert b"mixed4" not in again
        with pytest.raises(PictureError, match="carries no dreamray settings"):
            read_metadata(again, "x")


def test_a_tiff_written_in_a_stream_may_carry_them_as_description():
    data = tiff(noise(2, 2, 3), 2, t270=metadata_text(METADATA))
    assert read_metadata(data, "x") == METADATA
    assert decode(data, "x").exif is None


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_picture_without_settings_says_so(kind):
    with pytest.raises(PictureError) as caught:
        read_metadata(EVERY_KIND[kind], "x.png")
    assert str(caught.value) == (
        "x.png carries no dreamray settings: "
        "it was not made by dreamray, or another program removed them"
    )


def with_text(*chunk):
    pixels = np.zeros((1, 1, 3), np.uint8)
    return parts.png_with(encode(pixels, plain(pixels), Format.PNG, None), [chunk])


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"dreamray\0\0" + zlib.compress(b'{"dreamray":{"a":1}}')),
        (b"iTXt", b"dreamray\0\0\0en\0\0" + b'{"dreamray":{"a":1}}'),
        (b"iTXt", b"dreamray\0\1\0\0\0" + zlib.compress(b'{"dreamray":{"a":1}}')),
    ],
)
def test_settings_are_found_when_another_program_repacked_them(chunk):
    assert read_metadata(with_text(*chunk), "x") == {"a": 1}
    late = with_text(b"tEXt", b"Comment\0-")
    at = late.index(b"IEND") - 4
    content = chunk[0] + chunk[1]
    moved = struct.pack(">I", len(chunk[1])) + content + struct.pack(">I", zlib.crc32(content))
    assert read_metadata(late[:at] + moved + late[at:], "x") == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[" * 100_000,
        b'{"dreamray":[1]}',
        b'{"dreamray":' + b"9" * 10_000 + b"}",
        b'{"other":{}}',
        b'{"dreamray":{"a":"' + b"x" * (1 << 20) + b'"}}',
    ],
    ids=["empty", "text", "nested", "list", "number", "other", "long"],
)
def test_hostile_settings_are_refused_in_one_line(body):
    with pytest.raises(PictureError, match="cannot be read") as caught:
        read_metadata(with_text(b"tEXt", b"dreamray\0" + body), "x")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_settings_that_unpack_to_too_much_are_refused():
    packed = zlib.compress(b" " * (1 << 26), 9)
    with pytest.raises(PictureError, match="longer than 1 MiB"):
        read_metadata(with_text(b"zTXt", b"dreamray\0\0" + packed), "x")


def test_reading_settings_refuses_what_is_no_picture():
    for data in (b"", b"text", EVERY_KIND["JPEG"][:15], EVERY_KIND["WEBP"][:20]):
        with pytest.raises(PictureError):
            read_metadata(data, "x")


def test_settings_too_long_for_a_format_are_refused():
    pixels = np.zeros((1, 1, 3), np.uint8)
    long = {"note": "x" * 70_000}
    assert read_metadata(encode(pixels, plain(pixels), Format.WEBP, long), "x") == long
    with pytest.raises(PictureError, match="too long for a JPEG: write PNG"):
        encode(pixels, plain(pixels), Format.JPEG, long)
    with pytest.raises(PictureError, match="more than the 1,048,576"):
        encode(pixels, plain(pixels), Format.PNG, {"note": "x" * (1 << 20)})


def test_a_jpeg_gives_up_long_source_exif_before_settings():
    pixels = np.zeros((1, 1, 3), np.uint8)
    like = plain(pixels, exif=exif_block(t270="x" * 65_000))
    data = encode(pixels, like, Format.JPEG, {"note": "y" * 5_000})
    assert read_metadata(data, "x") == {"note": "y" * 5_000}
    kept = decode(encode(pixels, like, Format.PNG, None), "x").exif
    assert parts.read_tags(kept)[270] == "x" * 65_000


# Tensors


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tensor_spans_minus_one_to_one(dtype):
    top = np.iinfo(dtype).max
    tensor = to_tensor(np.array([0, top], dtype))
    assert tensor.dtype == np.float32
    assert tensor.tolist() == [-1, 1]


def test_tensors_follow_the_recipe_to_the_bit():
    pixels = np.arange(256, dtype=np.uint8)
    one = np.float32(1)
    np.testing.assert_array_equal(to_tensor(pixels), np.float32(pixels) / np.float32(127.5) - one)
    x = np.linspace(-1.5, 1.5, 10_001, dtype=np.float32)
    scaled = (x / np.float32(2) + np.float32(0.5)) * np.float32(255)
    same(from_tensor(x), np.clip(scaled, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_there_and_back_loses_at_most_one_to_truncation(dtype):
    pixels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    back = from_tensor(to_tensor(pixels), dtype)
    assert back.dtype == dtype
    assert abs(pixels.astype(int) - back).max() <= 1


def test_a_tensor_is_not_changed_by_reading_it():
    x = np.array([0.5, -3.0, 3.0], np.float32)
    assert from_tensor(x).tolist() == [191, 0, 255]
    assert x.tolist() == [0.5, -3.0, 3.0]


def test_a_diverged_dream_is_refused():
    assert from_tensor(np.array([np.inf, -np.inf], np.float32)).tolist() == [255, 0]
    with pytest.raises(PictureError, match="smaller step"):
        from_tensor(np.array([np.nan], np.float32))


def test_importing_is_light():
    heavy = "{'pyvips', 'PIL.ImageCms', 'PIL.TiffImagePlugin', 'tensorflow'}"
    program = f"import sys, dreamray.pictures; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"
