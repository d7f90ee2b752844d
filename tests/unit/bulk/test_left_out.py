"""What others leave among pictures is no picture, and pictures that are not read do not vanish."""

from __future__ import annotations

import pytest

from dreamray.bulk.left_out import Cause, LeftOut, unread_reason, why_left_out

LITTER = (
    "._a.png",
    "b/._a.JPG",
    ".DS_Store",
    "__MACOSX/a.png",
    "b/__MACOSX/._a.png",
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg",
    "b/@eaDir/a.jpg",
    "@__thumb/s100a.jpg",
    ".thumbnails/normal/a.png",
    ".hidden/a.png",
    ".a.png",
    "#recycle/a.png",
    "@Recycle/a.png",
    "$RECYCLE.BIN/S-1-5/a.png",
    ".Trash-1000/files/a.png",
    ".Trashes/501/a.png",
    "lost+found/a.png",
    "System Volume Information/a.png",
    "Lightroom/Catalog Previews.lrdata/0/a.jpg",
    "Thumbs.db",
    "b/ehthumbs_vista.db",
    "desktop.ini",
    "z_files/9/0_1.jpg",
    "b/z_files/0/0_0.PNG",
)
UNREAD = ("a.jxl", "a.DNG", "b/a.cr2", "a.CR3", "a.nef", "a.psd", "a.svg", "a.jp2", "a.exr")
PICTURES = (
    "a_files/1/a.png",
    "a.png",
    "b/c.JPG",
    "a.jfif",
    "__macosx.png",
    "thumbs/a.png",
    "./a.png",
    "../a.png",
)
OTHERS = ("notes.txt", "b/readme", "png", "a.png.bak", "a.mov")


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (LITTER, Cause.LITTER),
        (UNREAD, Cause.UNREAD),
        (PICTURES, None),
        (OTHERS, Cause.NO_PICTURE),
    ],
)
def test_what_a_file_is_its_name_tells(names, cause):
    assert {name: why_left_out(name, ()) for name in names} == dict.fromkeys(names, cause)


@pytest.mark.parametrize("name", LITTER)
@pytest.mark.parametrize("pattern", ["*", "*.png", "*.jpg", "*/*", "*/*/*", "?*", "[!x]*"])
def test_litter_is_not_met_by_a_pattern_that_does_not_name_it(name, pattern):
    assert why_left_out(name, (pattern,)) is Cause.LITTER


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (".thumbnails/*", ".thumbnails/a.png"),
        ("._*", "b/._a.png"),
        ("*/@eaDir/*", "b/@eaDir/a.jpg"),
        ("*.dng", "a.dng"),
        ("readme", "b/readme"),
    ],
)
def test_what_a_pattern_names_is_taken(pattern, name):
    assert why_left_out(name, ("x", pattern)) is None


def test_what_a_pattern_does_not_match_is_no_picture_that_is_missed():
    assert why_left_out("a.dng", ("*.png",)) is Cause.NO_PICTURE


def test_each_cause_is_told_in_a_line_with_a_number_and_the_first_names():
    left = LeftOut()
    for name in (*UNREAD, "._a\n.png", "x"):
        cause = why_left_out(name, ())
        assert cause is not None
        left.add(name, cause)
    lines = left.lines()
    assert all(line.isprintable() for line in lines)
    litter, unread, others = lines
    assert litter.startswith(r"1 file left out (._a\n.png): hidden, or")
    assert unread.startswith("9 files left out (a.jxl, a.DNG, b/a.cr2 and 6 more): ")
    assert others == "1 file left out (x): no pictures by name"
    assert "save it as TIFF" in unread_reason("a.dng")
