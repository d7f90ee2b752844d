"""HEIC and AVIF: upright once, with alpha, depth and colour, and the main picture alone."""

from __future__ import annotations

import io
import struct

import numpy as np
import pillow_heif
import pytest
import pyvips
from PIL import Image, ImageCms

from dreamray.base.errors import PictureError
from dreamray.pictures import decode
from dreamray.pictures.formats import HEAD_BYTES, kind_of

NAME = "picture"
LYING = np.zeros((32, 48, 3), np.uint8)
LYING[:, :24, 0] = 255
"""Its left half is red."""


def heic(*images: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    file = pillow_heif.from_pillow(images[0])
    for image in images[1:]:
        file.add_from_pillow(image)
    file.save(out, quality=-1, **options)
    return out.getvalue()


def turned(kind: str) -> bytes:
    """To be turned by a quarter clockwise, as its container and its EXIF say."""
    image, out = Image.fromarray(LYING), io.BytesIO()
    exif = image.getexif()
    exif[274], exif[271] = 6, "Camera"
    if kind == "AVIF":
        image.save(out, "AVIF", exif=exif.tobytes(), quality=100)
        return out.getvalue()
    pillow_heif.register_heif_opener()
    try:
        image.save(out, "HEIF", exif=exif.tobytes(), quality=-1)
    finally:
        Image.OPEN.pop("HEIF")
        Image.SAVE.pop("HEIF")
    return out.getvalue()


def with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_a_turn_is_made_once(kind: str) -> None:
    data = turned(kind)
    assert kind_of(data[:HEAD_BYTES], NAME) == kind
    picture = decode(data, NAME)
    assert picture.pixels.shape == (48, 32, 3)
    assert picture.pixels[:20, :, 0].min() > 200 > 50 > picture.pixels[28:, :, 0].max()
    assert b"Camera" in (picture.exif or b"")


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_alpha_is_kept_apart(kind: str) -> None:
    samples, out = np.dstack([LYING, np.full((32, 48), 77, np.uint8)]), io.BytesIO()
    image = Image.fromarray(samples)
    if kind == "AVIF":
        image.save(out, "AVIF", quality=100)
    picture = decode(heic(image) if kind == "HEIC" else out.getvalue(), NAME)
    assert picture.alpha is not None
    assert abs(picture.alpha.astype(int) - 77).max() <= 1


def deep(kind: str, value: int) -> bytes:
    """A 10 bit picture of one value of 16."""
    samples = np.full((32, 48, 3), value, np.uint16)
    if kind == "AVIF":
        image = pyvips.Image.new_from_array(samples, interpretation="rgb16")
        return image.heifsave_buffer(compression="av1", bitdepth=10, lossless=True)
    out = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (48, 32), samples.tobytes()).save(out, quality=-1)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
@pytest.mark.parametrize("value", [0, 32768, 65535])
def test_more_than_8_bits_become_16_from_black_to_white(kind: str, value: int) -> None:
    picture = decode(deep(kind, value), NAME)
    assert picture.pixels.dtype == np.uint16
    assert abs(picture.pixels.astype(int) - value).max() <= 64


def test_grey_becomes_three_equal_channels() -> None:
    picture = decode(heic(Image.fromarray(LYING).convert("L")), NAME)
    assert picture.pixels.shape == (32, 48, 3)
    assert np.ptp(picture.pixels, axis=2).max() == 0


def test_of_several_the_main_one_is_taken_with_a_note() -> None:
    picture = decode(heic(Image.fromarray(LYING), Image.new("RGB", (64, 64))), NAME)
    assert picture.pixels.shape == LYING.shape
    assert picture.notes == (f"{NAME} has 2 pictures: only the main one is dreamt",)


def test_of_an_animation_the_first_frame_is_taken_with_a_note() -> None:
    out, frames = io.BytesIO(), [Image.new("RGB", (32, 32), name) for name in ("red", "lime")]
    frames[0].save(out, "AVIF", save_all=True, append_images=frames[1:])
    picture = decode(out.getvalue(), NAME)
    assert picture.pixels[..., 0].min() > 200 > 50 > picture.pixels[..., 1].max()
    assert picture.notes == (f"{NAME} is animated: only its first frame is dreamt",)


def test_a_profile_is_kept_and_counts_before_code_points() -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(LYING)
    image.info["icc_profile"] = icc
    assert decode(heic(image), NAME).icc_profile == icc


def test_code_points_become_a_profile() -> None:
    plain = heic(Image.fromarray(LYING))
    assert decode(with_code_points(plain, 1, 13), NAME).icc_profile is None
    assert decode(with_code_points(plain, 12, 13), NAME).icc_profile is not None
    (note,) = decode(with_code_points(plain, 9, 18), NAME).notes
    assert "BT.2100 HLG" in note


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_one_cut_short_is_refused(share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = heic(noise)
    with pytest.raises(PictureError, match="damaged or cut short") as error:
        decode(data[: int(share * len(data))], NAME)
    assert "\n" not in str(error.value)


def test_an_avif_cut_short_is_refused_as_that() -> None:
    data = turned("AVIF")
    with pytest.raises(PictureError, match="its end is missing"):
        decode(data[:-9], NAME)


def test_one_cut_short_behind_its_main_picture_is_refused() -> None:
    """As a picture of many tiles, of which decoders leave those black that are not there."""
    data = heic(Image.fromarray(LYING), Image.new("RGB", (64, 64), "red"))
    assert decode(data + b"what others put behind it", NAME).pixels.shape == LYING.shape
    with pytest.raises(PictureError, match="its end is missing"):
        decode(data[:-1], NAME)


def test_the_limit_counts_before_decoding() -> None:
    for data in (heic(Image.fromarray(LYING)), turned("AVIF")):
        with pytest.raises(PictureError, match="= 1,536 pixels"):
            decode(data, NAME, max_pixels=1535)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw file"),
        (b"\0\0\0\x18ftypisom\0\0\0\1mp42isom", "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"P6\n3 3\n255\n", "Netpbm"),
        (b"IIRO\x08\0\0\0", "raw file"),
    ],
)
def test_what_else_a_file_is_is_named(head: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=f"{words}.*and none of JPEG, PNG") as error:
        kind_of(head.ljust(HEAD_BYTES, b"\0"), NAME)
    assert "\n" not in str(error.value)
