"""Whatever a source is called, its result stays in the destination, under a name of its own."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dreamray.base.errors import PictureError
from dreamray.bulk.entry import Entry
from dreamray.bulk.naming import RESERVED, output_name
from dreamray.pictures.encoding import PICTURE_SUFFIXES, Format, output_format
from dreamray.storage import MemoryFolder, locate_folder

FORMATS = [None, Format.PNG, Format.JPEG, Format.WEBP, Format.TIFF]
SUFFIXES = [*PICTURE_SUFFIXES, ".gif", ".BMP", ".Jpeg", "", ".", ".png.gz", ".x"]
PARTS = st.sampled_from(
    ["", ".", "..", "~", "a", "b.c", " ", "\\", "\0", "\n", "ä", "\udcff", "C:", *RESERVED]
)
NAMES = st.tuples(
    st.lists(PARTS | st.text(max_size=4), min_size=1, max_size=4).map("/".join),
    st.sampled_from(SUFFIXES),
).map("".join)


def entry(name: str, output: str | None = None) -> Entry:
    return Entry(MemoryFolder().file("x"), name, output=output)


def named(name: str, format: Format | None = None) -> str:
    return output_name(entry(name), format)


def refusal(name: str) -> str:
    """What is said of a name in a list; empty if it is accepted."""
    try:
        output_name(entry("a.png", name or "/"), None)
    except PictureError as error:
        return str(error)
    return ""


@given(NAMES)
def test_any_refusal_is_one_line(name):
    assert refusal(name).isprintable()


class TestAcceptedNames:
    @given(NAMES, st.sampled_from(FORMATS), st.booleans())
    @example("../../x.png", None, True)
    @example("a/../../../x.png", None, False)
    @example("/etc/x.png", None, True)
    def test_stay_inside_the_destination(self, name, format, is_given):
        try:
            output = output_name(entry(name, name if is_given else None), format)
        except PictureError:
            return
        folder = locate_folder("/dest")
        path = Path(str(folder.file(output)))
        assert path.is_relative_to("/dest")
        assert os.path.normpath(path) == str(path)
        assert str(path.relative_to("/dest")) == output
        assert output.partition("/")[0] not in RESERVED
        assert output.encode()

    @given(NAMES, st.sampled_from(FORMATS))
    def test_are_fixed_points(self, name, format):
        try:
            output = named(name, format)
        except PictureError:
            assume(False)
        assert named(output, format) == output
        assert output_name(entry("other.png", output), format) == output

    @given(NAMES, st.sampled_from(FORMATS))
    def test_end_as_the_format_does(self, name, format):
        try:
            output = named(name, format)
        except PictureError:
            assume(False)
        assert output_format(PurePosixPath(output).name) in ([format] if format else Format)

    @given(NAMES, st.sampled_from(FORMATS))
    @example("2026.11.22/cat", None)
    @example("v1.2/cat", Format.JPEG)
    @example("a.png/cat", None)
    def test_keep_the_folders_of_the_source(self, name, format):
        try:
            output = named(name, format)
        except PictureError:
            assume(False)
        assert output.rpartition("/")[0] == name.rpartition("/")[0]
        assert output.rpartition("/")[2].startswith(name.rpartition("/")[2].rpartition(".")[0])


@pytest.mark.parametrize(
    ("name", "format", "output"),
    [
        ("a.png", None, "a.png"),
        ("b/a.JPG", None, "b/a.JPG"),
        ("a.jpeg", None, "a.jpeg"),
        ("a.gif", None, "a.png"),
        ("a.BMP", None, "a.png"),
        ("a", None, "a.png"),
        ("a.", None, "a.png"),
        ("a.tar.gz", None, "a.tar.png"),
        (".a", None, None),
        (".a.gif", None, ".a.png"),
        ("a.png", Format.JPEG, "a.jpg"),
        ("a.jpeg", Format.JPEG, "a.jpeg"),
        ("a.JPG", Format.JPEG, "a.JPG"),
        ("a.tiff", Format.TIFF, "a.tiff"),
        ("a.gif", Format.TIFF, "a.tif"),
        ("a", Format.WEBP, "a.webp"),
        ("a.b", Format.WEBP, "a.webp"),
    ],
)
def test_results_are_named_after_their_sources(name, format, output):
    if output is None:
        with pytest.raises(PictureError):
            named(name, format)
    else:
        assert named(name, format) == output


def test_the_name_in_a_list_goes_over_the_format():
    assert output_name(entry("a.gif", "x/y.webp"), Format.JPEG) == "x/y.webp"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("../../x.png", "leads out"),
        ("/x.png", "leads out"),
        ("a//x.png", "leads out"),
        ("a/./x.png", "leads out"),
        ("a/", "leads out"),
        ("a\0.png", "leads out"),
        ("\udcff.png", "not UTF-8"),
        ("x.gif", "does not end in .png"),
        ("x.dzi", "does not end in .png"),
        ("x", "does not end in .png"),
        (".png", "does not end in .png"),
        ("a/.png", "does not end in .png"),
        *((f"{name}/x.png", f"kept for the run itself ({name})") for name in RESERVED),
    ],
)
def test_a_wrong_name_is_refused_in_one_line(output, words):
    with pytest.raises(PictureError) as caught:
        output_name(entry("a.png", output), None)
    message = str(caught.value)
    assert words in message
    assert message.isprintable()
    assert "rename the source, or give it an `output`" in message


def test_what_is_kept_for_the_run_is_so_at_the_top_only():
    assert named(f"a/{RESERVED[-1]}/x.png") == f"a/{RESERVED[-1]}/x.png"
    assert named("index.html.png") == "index.html.png"
