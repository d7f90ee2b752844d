"""Deep Zoom: tiles, description and page; complete or not there; safe against names."""

import base64
import hashlib
import html.parser
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageCms

from dreamray.base.errors import DreamrayError, PictureError, RequestError, StorageError
from dreamray.base.geometry import Shape
from dreamray.base.messages import shown
from dreamray.pictures import deep_zoom_placement, viewer
from dreamray.pictures.deep_zoom_placement import FinishedDeepZoom, put_in_place
from dreamray.pictures.encoding import PICTURE_SUFFIXES, Format, output_format, read_metadata
from dreamray.pictures.export import Extras, export
from dreamray.storage import LocalFile, MemoryFolder, locate
from tests.support.places import PROJECT

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
METADATA = {"dream": {"layers": {"mixed4": 2.0}, "max_loss": None}, "weights": {"name": "imagenet"}}
HOSTILE = "</script><script>alert(1)</script>&\"'<!--"


class Rows:
    def __init__(self, samples):
        self.samples = samples
        self.shape = Shape(*samples.shape[:2])
        self.dtype = samples.dtype
        self.channels = samples.shape[2]

    def rows(self, start, stop):
        return self.samples[start:stop]


def picture(height, width, channels=3, dtype=np.uint8):
    y, x, c = np.ogrid[:height, :width, :channels]
    values = (np.sin(y / 37 + c) + np.cos(x / 43 + 2 * c)) / 4 + 0.5
    return (values * np.iinfo(dtype).max).astype(dtype)


def zoomed(target, samples, metadata=METADATA, extras=None):
    """Write a Deep Zoom; gives the remarks."""
    remarks = []
    export(Rows(samples), extras or Extras(), target, Format.DEEP_ZOOM, metadata,
           warn=remarks.append)  # fmt: skip
    return remarks


@pytest.fixture
def bundled(tmp_path_factory, monkeypatch):
    """A script that is bundled."""
    folder = tmp_path_factory.mktemp("bundle") / "openseadragon"
    folder.mkdir()
    (folder / viewer.SCRIPT).write_text("/* OpenSeadragon */")
    (folder / "LICENSE.txt").write_text("BSD")
    monkeypatch.setattr(viewer, "BUNDLED", folder)


@pytest.fixture
def unbundled(tmp_path, monkeypatch):
    monkeypatch.setattr(viewer, "BUNDLED", tmp_path / "nothing")


def files_in(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def put_together(folder, level, shape, suffix):
    """A level's tiles as one picture, after a look at the overlaps."""
    whole = np.zeros((*shape, 4 if suffix == "png" else 3), np.uint8)
    for path in (folder / str(level)).iterdir():
        column, row = map(int, path.stem.split("_"))
        tile = np.asarray(Image.open(path))
        top, left = (max(0, n * 254 - 1) for n in (row, column))
        bottom, right = (
            min((n + 1) * 254 + 1, side) for n, side in zip((row, column), shape, strict=True)
        )
        assert tile.shape[:2] == (bottom - top, right - left)
        whole[top:bottom, left:right] = tile
    return whole


@pytest.mark.parametrize("shape", [(1, 1), (254, 254), (255, 508), (600, 701), (1, 1000)])
def test_tiles_of_every_level_make_up_the_picture(tmp_path, shape):
    samples = picture(*shape, 4)
    zoomed(LocalFile(tmp_path / "x.dzi"), samples)
    tiles = tmp_path / "x_files"
    levels = int(np.ceil(np.log2(max(shape)))) if max(shape) > 1 else 0
    assert {p.name for p in tiles.iterdir() if p.name.isdigit()} == set(map(str, range(levels + 1)))
    np.testing.assert_array_equal(put_together(tiles, levels, shape, "png"), samples)
    for level in range(levels):
        size = tuple(-(-side // 2 ** (levels - level)) for side in shape)
        assert put_together(tiles, level, size, "png").any()


def test_tiles_are_those_of_libvips(tmp_path):
    """Names, numbers and sizes are as another program writes them."""
    import pyvips

    samples = picture(700, 1100)
    zoomed(LocalFile(tmp_path / "ours.dzi"), samples)
    pyvips.Image.new_from_array(samples).dzsave(
        str(tmp_path / "theirs"), suffix=".jpg[Q=90]", tile_size=254, overlap=1
    )
    ours, theirs = tmp_path / "ours_files", tmp_path / "theirs_files"
    names = {n for n in files_in(ours) if not n.startswith("viewer/")}
    assert names == {n for n in files_in(theirs) if n.endswith(".jpg")}
    for name in names:
        a, b = (np.asarray(Image.open(folder / name)).astype(int) for folder in (ours, theirs))
        assert a.shape == b.shape
        if name.startswith("11/"):
            assert abs(a - b).mean() < 1


@pytest.mark.parametrize(("channels", "suffix"), [(3, "jpg"), (4, "png")])
def test_16_bits_become_8_and_the_profile_goes_along(tmp_path, channels, suffix):
    samples = picture(100, 120, channels, np.uint16)
    zoomed(LocalFile(tmp_path / "x.dzi"), samples, extras=Extras(SRGB))
    with Image.open(tmp_path / "x_files" / "7" / f"0_0.{suffix}") as tile:
        assert tile.info["icc_profile"] == SRGB
        assert abs(np.asarray(tile) - samples / 257).max() < 8


def test_the_description_tells_size_tiles_and_settings(tmp_path):
    target = tmp_path / "x.dzi"
    settings = {"note": "<&>\"']]>", "name": "夢"}
    zoomed(LocalFile(target), picture(30, 40), settings)
    root = ElementTree.parse(target).getroot()
    space = "{http://schemas.microsoft.com/deepzoom/2008}"
    assert root.tag == f"{space}Image"
    assert root.attrib == {"Format": "jpg", "Overlap": "1", "TileSize": "254"}
    assert root.find(f"{space}Size").attrib == {"Width": "40", "Height": "30"}
    assert read_metadata(target.read_bytes(), "x.dzi") == settings
    with target.open("rb") as file:
        assert read_metadata(file, "x.dzi") == settings


@pytest.mark.parametrize(
    "text",
    [
        b"<Image/>",
        b"<html></html>",
        b'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008"><Size/></Image>',
    ],
)
def test_a_description_without_settings_says_so(text):
    with pytest.raises(PictureError, match="carries no dreamray settings"):
        read_metadata(text, "x.dzi")


@pytest.mark.parametrize(
    "text",
    [
        b"<Image>",
        b"<",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Image>&b;</Image>',
        b'<Image><settings xmlns="urn:dreamray">{"a"</settings></Image>',
    ],
)
def test_a_damaged_description_is_refused_in_one_line(text):
    with pytest.raises(PictureError) as caught:
        read_metadata(text, "x.dzi")
    assert "\n" not in str(caught.value)


def test_the_suffix_is_one_of_renders_and_no_pictures():
    assert output_format("a/x.DZI") is Format.DEEP_ZOOM
    assert Format.DEEP_ZOOM.suffix == ".dzi"
    with pytest.raises(RequestError, match=r"ends in \.dzi.*use one of \.png"):
        output_format("x.dzi", PICTURE_SUFFIXES)


class Page(html.parser.HTMLParser):
    """The parts of a page that a browser would act on."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.path = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.path.append(tag)

    def handle_endtag(self, tag):
        while self.path and self.path.pop() != tag:
            pass

    def handle_data(self, data):
        if self.path:
            self.texts.setdefault(self.path[-1], []).append(data)

    def having(self, tag, **wanted):
        return [a for t, a in self.tags if t == tag and wanted.items() <= a.items()]

    @property
    def source(self):
        return json.loads(next(t for t in self.texts["script"] if t.startswith('{"Image"')))


def test_the_page_knows_the_picture_and_shows_its_settings(tmp_path, bundled):
    remarks = zoomed(LocalFile(tmp_path / "my dream.dzi"), picture(300, 400))
    assert remarks == [f"{tmp_path}/index.html shows it in a browser"]
    page = Page((tmp_path / "index.html").read_text("utf-8"))
    source = page.source["Image"]
    assert source["Size"] == {"Width": "400", "Height": "300"}
    assert (tmp_path / unquote(source["Url"]) / "9" / "0_0.jpg").is_file()
    (script,) = [a["src"] for a in page.having("script") if "src" in a]
    assert (tmp_path / unquote(script)).read_text() == "/* OpenSeadragon */"
    assert (tmp_path / unquote(script)).with_name("LICENSE.txt").is_file()
    assert page.texts["title"] == ["my dream"]
    assert page.texts["dt"] == ["layers", "max loss", "weights"]
    assert page.texts["dd"] == ["mixed4 2.0", "none", "imagenet"]


def test_without_a_bundle_the_page_loads_the_pinned_script_by_checksum(tmp_path, unbundled):
    zoomed(LocalFile(tmp_path / "x.dzi"), picture(30, 40))
    page = Page((tmp_path / "index.html").read_text("utf-8"))
    (script,) = page.having("script", crossorigin="anonymous")
    pinned = json.loads((viewer.ASSETS / "openseadragon.json").read_text())
    assert script["integrity"] == pinned["script_integrity"]
    assert re.fullmatch(
        r"https://cdn\.jsdelivr\.net/npm/openseadragon@\d+\.\d+\.\d+/build/openseadragon/"
        r"openseadragon\.min\.js",
        script["src"],
    )
    assert not (tmp_path / "x_files" / "viewer").exists()


def test_the_bundled_script_is_the_pinned_one():
    script = viewer.BUNDLED / viewer.SCRIPT
    if not script.exists():
        pytest.skip("OpenSeadragon was not bundled when the package was built")
    pinned = json.loads((viewer.ASSETS / "openseadragon.json").read_text())
    digest = base64.b64encode(hashlib.sha512(script.read_bytes()).digest()).decode()
    assert f"sha512-{digest}" == pinned["script_integrity"]
    assert "New BSD" in (viewer.BUNDLED / "LICENSE.txt").read_text() or (
        "Redistribution and use" in (viewer.BUNDLED / "LICENSE.txt").read_text()
    )


def test_hostile_names_and_settings_stay_text(tmp_path, bundled):
    name = HOSTILE.replace("/", "\N{FRACTION SLASH}") + "$mark${x}{{ title }}{% %41\n.dzi"
    settings = {"dream": {HOSTILE: {HOSTILE: HOSTILE}, "long": "x" * 10_000}, "weights": 3}
    (remark,) = zoomed(LocalFile(tmp_path / name), picture(30, 40), settings)
    assert "\n" not in remark
    text = (tmp_path / "index.html").read_text("utf-8")
    benign = MemoryFolder()
    zoomed(benign.file("x.dzi"), picture(30, 40))
    plain = Page(benign.file("index.html").read().decode())
    page = Page(text)
    ours = ("dt", "dd")
    assert [t for t, _ in page.tags if t not in ours] == [t for t, _ in plain.tags if t not in ours]
    assert len(text) < len(benign.file("index.html").read()) + 3_000
    assert "".join(page.texts["dt"]).startswith(HOSTILE)
    assert (tmp_path / unquote(page.source["Image"]["Url"])).is_dir()
    assert read_metadata((tmp_path / name).read_bytes(), "x") == settings


def test_a_rerun_replaces_the_older_result_as_a_whole(tmp_path, unbundled):
    target = LocalFile(tmp_path / "x.dzi")
    zoomed(target, picture(600, 600))
    zoomed(target, picture(100, 90, 4), {"second": 1})
    assert files_in(tmp_path) == {
        "index.html",
        "x.dzi",
        *(f"x_files/{level}/0_0.png" for level in range(8)),
    }
    assert read_metadata(target.read(), "x") == {"second": 1}


def test_an_index_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("<p>my photographs</p>")
    (remark,) = zoomed(LocalFile(tmp_path / "x.dzi"), picture(30, 40))
    assert remark == (
        f"{tmp_path}/x.html shows it in a browser (there is an index.html of something else)"
    )
    assert (tmp_path / "index.html").read_text() == "<p>my photographs</p>"
    assert Page((tmp_path / "x.html").read_text("utf-8")).source


def test_a_page_of_the_same_name_is_left_alone_too(tmp_path):
    for name in ("index.html", "x.html"):
        (tmp_path / name).write_text("mine")
    zoomed(LocalFile(tmp_path / "x.dzi"), picture(30, 40))
    assert (tmp_path / "index.html").read_text() == (tmp_path / "x.html").read_text() == "mine"
    assert Page((tmp_path / "x.dzi.html").read_text("utf-8")).source


def test_without_settings_there_are_none_to_show(tmp_path):
    zoomed(LocalFile(tmp_path / "x.dzi"), picture(30, 40), None)
    with pytest.raises(PictureError, match="carries no dreamray settings"):
        read_metadata((tmp_path / "x.dzi").read_bytes(), "x.dzi")
    assert "dt" not in Page((tmp_path / "index.html").read_text("utf-8")).texts


@pytest.mark.parametrize("name", ["it's.dzi", '"a" & <b> \u202e\n.dzi', "&amp;.dzi"])
def test_a_rerun_knows_its_page_whatever_its_name_is(tmp_path, name):
    index = tmp_path / "index.html"
    # Of an earlier version, which wrote quotes in another way.
    index.write_text(f'<meta name="dreamray" content="{html.escape(shown(name))}">')
    for _ in range(2):
        zoomed(LocalFile(tmp_path / name), picture(30, 40))
        assert list(tmp_path.glob("*.html")) == [index]
        assert Page(index.read_text("utf-8")).source


def test_two_results_in_one_folder_have_a_page_each(tmp_path):
    for name in ("a.dzi", "b.dzi", "a.dzi"):
        zoomed(LocalFile(tmp_path / name), picture(30, 40))
    pages = {p.name: Page(p.read_text("utf-8")).texts["title"] for p in tmp_path.glob("*.html")}
    assert pages == {"index.html": ["a"], "b.html": ["b"]}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_failure_at_the_end_leaves_the_older_result(tmp_path, monkeypatch, error):
    target = LocalFile(tmp_path / "x.dzi")
    zoomed(target, picture(300, 300, 4))
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}

    def fail(*args):
        raise error

    monkeypatch.setattr(LocalFile, "write", fail)
    with pytest.raises((KeyboardInterrupt, StorageError)):
        zoomed(target, picture(700, 40))
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_failure_leaves_nothing_where_nothing_was(tmp_path, monkeypatch):
    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalFile, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        zoomed(LocalFile(tmp_path / "x.dzi"), picture(300, 300))
    assert list(tmp_path.iterdir()) == []


def keys_in(bucket):
    from dreamray.storage import s3_client as s3

    found = s3.client().list_objects_v2(Bucket=bucket).get("Contents", [])
    return {item["Key"] for item in found}


def test_on_s3_the_page_and_the_tiles_have_their_kinds_and_no_stale_ones_stay(bucket, bundled):
    from dreamray.storage import s3_client as s3

    target = locate(f"s3://{bucket}/dreams/x.dzi")
    zoomed(target, picture(300, 300))
    remarks = zoomed(target, picture(200, 100, 4))
    assert remarks == [f"s3://{bucket}/dreams/index.html shows it in a browser"]
    assert keys_in(bucket) == {
        "dreams/x.dzi",
        "dreams/index.html",
        "dreams/x_files/viewer/LICENSE.txt",
        "dreams/x_files/viewer/openseadragon.min.js",
        *(f"dreams/x_files/{level}/0_0.png" for level in range(9)),
    }
    kinds = {
        key: s3.client().head_object(Bucket=bucket, Key=f"dreams/{key}")["ContentType"]
        for key in ("index.html", "x_files/3/0_0.png", "x_files/viewer/openseadragon.min.js")
    }
    assert list(kinds.values())[:2] == ["text/html", "image/png"]
    assert "javascript" in list(kinds.values())[2]
    assert read_metadata(target.read(), "x") == METADATA


def test_on_s3_an_interrupted_upload_leaves_no_result(bucket, monkeypatch, unbundled):
    target = locate(f"s3://{bucket}/x.dzi")
    zoomed(target, picture(300, 300))
    send, count = deep_zoom_placement._send, []

    def broken(*args):
        count.append(1)
        if len(count) > 5:
            raise KeyboardInterrupt
        send(*args)

    monkeypatch.setattr(deep_zoom_placement, "_send", broken)
    with pytest.raises(KeyboardInterrupt):
        zoomed(target, picture(700, 700))
    assert keys_in(bucket) == set()


# The build


def integrity(data):
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


def package(script):
    """An npm package with a script and a licence."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in (("build/openseadragon/openseadragon.min.js", script),
                           ("LICENSE.txt", b"BSD"), ("../evil", b"")):  # fmt: skip
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def built(tmp_path, downloaded, pinned):
    """Run setup.py where npm gives one package and another is pinned; None stands for no npm.

    Gives the files that were bundled, and what was said.
    """
    pytest.importorskip("setuptools")
    root = PROJECT
    assets = tmp_path / "project" / "dreamray" / "pictures" / "assets"
    assets.mkdir(parents=True)
    shutil.copy(root / "setup.py", tmp_path / "project")
    pinned_here = root / "dreamray" / "pictures" / "assets" / "openseadragon.json"
    pins = json.loads(pinned_here.read_text())
    pins["package_integrity"] = integrity(pinned)
    (assets / "openseadragon.json").write_text(json.dumps(pins))
    commands = tmp_path / "bin"
    commands.mkdir()
    if downloaded is not None:
        (tmp_path / "downloaded").write_bytes(downloaded)
        npm = commands / "npm"
        npm.write_text(
            f"#!{sys.executable}\nimport shutil, sys\n"
            f"assert sys.argv[1:3] == ['pack', 'openseadragon@{pins['version']}']\n"
            f"shutil.copy({str(tmp_path / 'downloaded')!r}, 'openseadragon.tgz')\n"
        )
        npm.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", "--build-lib", "built"],
        cwd=tmp_path / "project",
        env=os.environ | {"PATH": str(commands)},
        capture_output=True,
        check=True,
    )
    bundled = tmp_path / "project" / "built" / "dreamray" / "pictures" / "assets"
    return files_in(bundled), done.stderr.decode()


BUNDLE = {"openseadragon/openseadragon.min.js", "openseadragon/LICENSE.txt"}


def test_a_build_bundles_the_script_and_its_licence_and_nothing_else(tmp_path):
    bundled, said = built(tmp_path, package(b"js"), package(b"js"))
    assert {name for name in bundled if "/" in name} == BUNDLE
    assert "not bundled" not in said


@pytest.mark.parametrize(
    ("downloaded", "reason"),
    [
        (None, "there is no npm"),
        (b"other", "the package is not the pinned one"),
        (package(b"changed"), "the package is not the pinned one"),
    ],
    ids=["no npm", "no package", "changed"],
)
def test_a_build_without_the_pinned_package_succeeds_and_says_so(tmp_path, downloaded, reason):
    bundled, said = built(tmp_path, downloaded, package(b"js"))
    assert not {name for name in bundled if "/" in name}
    assert f"OpenSeadragon is not bundled: {reason}\n" in said


@pytest.mark.parametrize("at", [1, 2])
def test_what_another_run_has_made_meanwhile_is_not_removed(tmp_path: Path, at: int) -> None:
    tiles = tmp_path / "tiles"
    (tiles / "0").mkdir(parents=True)
    (tiles / "0" / "0_0.jpg").write_bytes(b"mine")
    folder = MemoryFolder()
    target, page = folder.file("dream.dzi"), folder.file("index.html")

    looks = itertools.count(1)

    def lost() -> None:
        if next(looks) == at:
            target.write(b"theirs")
        if target.exists():
            raise DreamrayError("another run took over")

    with pytest.raises(DreamrayError, match="took over"):
        put_in_place(FinishedDeepZoom(tiles, b"mine", b"mine"), target, page, tmp_path, check=lost)
    assert target.read() == b"theirs"
