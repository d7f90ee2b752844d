"""The report of a bulk run: what it tells, its files, hostile names."""

import io
import itertools
import json
import re
import tracemalloc
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dreamray.base.errors import StorageError
from dreamray.base.geometry import Shape
from dreamray.bulk.record import Record, Seconds, State
from dreamray.bulk.report import Report, RunState, WorkerFigures, thumbnails_of
from dreamray.bulk.report.data import PER_PART
from dreamray.bulk.report.figures import MOST_REASONS, Distribution, Figures, reason_of
from dreamray.bulk.report.links import address, link_to
from dreamray.bulk.report.thumbnails import thumbnail, thumbnail_shape
from dreamray.bulk.report.units import duration
from dreamray.raster.lazy import ArrayRaster
from dreamray.raster.pixels import to_tensor
from dreamray.storage import LocalFolder, MemoryFolder, S3Folder
from tests.support.reports import AFTER, ATTACK, BEFORE, STARTED, done, entry, failed, many, summary


def rows_in(path):
    """What a data file hands to the page."""
    call = re.fullmatch(r"dreamrayPart\((\d+), (\[.*\])\);\n", path.read_text(), re.S)
    assert path.name == f"pictures-{int(call[1]):05}.js"
    return json.loads(call[2])


def data_files(folder):
    return sorted((folder / "dreamray-report").glob("pictures-*.js"))


class Parts(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.tags[-1:] not in (["script"], ["style"]):
            self.text += data


class TestFiles:
    def test_every_picture_is_in_one_data_file_in_order(self, tmp_path):
        entries = list(many(2 * PER_PART + 1))
        Report(LocalFolder(tmp_path)).update(summary(), iter(entries))
        parts = [rows_in(path) for path in data_files(tmp_path)]
        assert [len(part) for part in parts] == [PER_PART, PER_PART, 1]
        rows = [row for part in parts for row in part]
        assert [row["output"] for row in rows] == [entry.record.output for entry in entries]
        for key in ("link", "waited"):
            assert rows[0].pop(key)
        assert rows[0] == {
            "output": "folder/000000.png",
            "size": [400, 300],
            "seconds": [0.1, 1.5, 0.2],
            "worker": "host/1",
            "finished": AFTER,
        }

    def test_what_failed_and_what_was_kept_is_told_and_counted(self, tmp_path):
        entries = [done("a.png"), done("b.png", kept=True), failed("c.png"), done("d.png")]
        entries += [entry(Record("e.jxl", "/in/e.jxl", State.SKIPPED, note="not read"))]
        Report(LocalFolder(tmp_path)).update(summary(), entries)
        (path,) = data_files(tmp_path)
        rows = rows_in(path)
        assert [row.get("group") for row in rows] == [None, "kept", "failed", None, "left out"]
        assert rows[2]["error"] == "this is no picture; look at it"
        config = json.loads(
            re.search(r'id="config">(.*?)</script>', (tmp_path / "index.html").read_text())[1]
        )
        assert config["groups"] == ["dreamt", "kept", "failed", "left out"]
        assert config["parts"] == [[2, 1, 1, 1]]

    def test_without_any_picture_there_is_a_page(self, tmp_path):
        Report(LocalFolder(tmp_path)).update(summary(total=0, done=0, kept=0, failed=0), [])
        assert [path.name for path in tmp_path.rglob("*")] == ["index.html"]

    def test_files_that_did_not_change_are_not_written_again(self, tmp_path):
        report = Report(LocalFolder(tmp_path))
        entries = list(many(3 * PER_PART))
        report.update(summary(), entries)
        folder = tmp_path / "dreamray-report"
        before = {path: path.stat().st_ino for path in folder.iterdir()}
        changed = replace(entries[PER_PART].record, attempts=2)
        entries[PER_PART] = entry(changed)
        report.update(summary(), entries)
        written = {path.name for path, inode in before.items() if path.stat().st_ino != inode}
        assert written == {"pictures-00002.js", "pictures-00002.html"}

    def test_a_file_that_could_not_be_written_is_written_the_next_time(self, tmp_path, monkeypatch):
        report = Report(LocalFolder(tmp_path))
        report.update(summary(), many(10))
        path = tmp_path / "dreamray-report" / "pictures-00001.js"
        first = path.read_bytes()

        with monkeypatch.context() as patch:
            # The storage may have written it all the same.
            def fails(self, data):
                path.write_bytes(data)
                raise StorageError("no answer")

            patch.setattr("dreamray.storage.LocalFile.write", fails)
            with pytest.raises(StorageError):
                report.update(summary(), many(9))
        assert path.read_bytes() != first
        report.update(summary(), many(10))
        assert path.read_bytes() == first

    def test_the_page_is_as_before_if_the_records_cannot_be_read(self, tmp_path):
        def broken():
            yield done("a.png")
            raise StorageError("the manifest is gone")

        report = Report(LocalFolder(tmp_path))
        report.update(summary(), many(3))
        before = (tmp_path / "index.html").read_bytes()
        with pytest.raises(StorageError):
            report.update(summary(), broken())
        assert (tmp_path / "index.html").read_bytes() == before

    def test_files_of_a_larger_earlier_run_go_when_the_run_ends(self, tmp_path):
        Report(LocalFolder(tmp_path)).update(summary(), many(4 * PER_PART))
        report = Report(LocalFolder(tmp_path))
        report.update(summary(), many(3))
        assert len(data_files(tmp_path)) == 4
        report.update(summary(RunState.STOPPED), many(3))
        left = sorted(path.name for path in (tmp_path / "dreamray-report").iterdir())
        assert left == ["pictures-00001.html", "pictures-00001.js"]

    def test_a_report_of_an_earlier_release_is_replaced_and_leaves_nothing(self, tmp_path):
        folder = tmp_path / "dreamray-report"
        (folder / "thumbs" / "folder").mkdir(parents=True)
        names = ("records-00001.js", "records-00002.js", "failures-00001.js", "thumbs/folder/a.jpg")
        for name in names:
            (folder / name).write_bytes(b"old")
        page = tmp_path / "index.html"
        page.write_text('<meta name="dreamray" content="report">')
        Report(LocalFolder(tmp_path)).update(summary(), many(1))
        assert "report" not in re.search(r'name="dreamray" content="(.*?)"', page.read_text())[1]
        left = sorted(path.name for path in folder.iterdir())
        assert left == ["pictures-00001.html", "pictures-00001.js"]

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_number_of_pictures(self, tmp_path):
        report = Report(LocalFolder(tmp_path))
        report.update(summary(), many(PER_PART))  # The templates are loaded once.
        few, many_more = (
            min(self.peak(report, count) for _ in range(3))
            for count in (2 * PER_PART, 6 * PER_PART)
        )
        # A single row has over 200 bytes.
        assert (many_more - few) / (4 * PER_PART) < 10

    @staticmethod
    def peak(report, count):
        """Bytes; a run may meet the moment at which Python's own table of strings grows."""
        tracemalloc.start()
        report.update(summary(), many(count))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak


class TestPage:
    def page(self, records=(), **more):
        folder = MemoryFolder()
        Report(folder).update(summary(**more), records)
        return folder.file("index.html").read().decode()

    def test_nothing_that_others_wrote_becomes_markup(self):
        calm = self.page([done("a.png"), failed("b.png")], workers=(WorkerFigures("w", 1, 1, 9.0),))
        hostile = self.page(
            [done(ATTACK), failed(ATTACK, error=ATTACK, worker=ATTACK)],
            destination=ATTACK,
            source=ATTACK,
            settings=ATTACK,
            weights=ATTACK,
            note=ATTACK,
            version=ATTACK,
            workers=(WorkerFigures(ATTACK, 1, 1, 9.0),),
        )
        assert Parts(hostile).tags == Parts(calm).tags
        assert not [name for name, _ in Parts(hostile).attributes if name.startswith("on")]
        assert Parts(hostile).text.count(ATTACK) >= 5

    def test_nothing_is_loaded_from_elsewhere(self):
        links = [v for n, v in Parts(self.page()).attributes if n in ("src", "href", "action")]
        assert all(link.startswith(("#", "data:", "./")) for link in links)

    def test_counts_state_pace_workers_and_settings_are_told(self):
        records = [done("a.png", width=4000, height=3000), done("b.png", finished=BEFORE)]
        worker = WorkerFigures("host/1", done=30, failed=2, busy=60.0)
        text = " ".join(Parts(self.page(records, workers=(worker,))).text.split())
        for part in (
            "running as of 2026-11-22 18:30 UTC",
            "dreamt60kept10failed5left25in all100",
            "elapsed2 minpictures / min32.5megapixels / min6.0time leftabout 1 min",
            "host/130232.01 min50 %",
            "dream: octaves: 3",
            f"weights imagenet, sha256 {'ab' * 32}",
        ):
            assert part in text

    def test_a_run_that_was_stopped_says_why(self):
        text = " ".join(
            Parts(self.page(state=RunState.STOPPED, note="the disk is full")).text.split()
        )
        assert "stopped at 2026-11-22 18:30 UTC: the disk is full" in text
        assert "time left" not in text

    @pytest.mark.parametrize("seconds", [[1.0], [1e-4, 1e6], [5.0, 5.01], [0.5, 60, 7200]])
    def test_any_times_make_a_histogram(self, seconds):
        page = self.page([done(f"{s}.png", seconds=Seconds(dream=s)) for s in seconds])
        places = [float(place) for place in re.findall(r"style=\"left:(.*?)%", page)]
        assert len(places) >= 4
        assert all(-0.01 <= place <= 100.01 for place in places)

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.001, "0 s"), (0.5, "0.50 s"), (9.999, "10.0 s"), (99.96, "1 min 40 s"), (120, "2 min"),
         (7500, "2 h 5 min"), (200_000, "2 d 7 h")],
    )  # fmt: skip
    def test_durations_are_told_in_two_units(self, seconds, text):
        assert duration(seconds) == text


class TestFigures:
    def test_quantiles_are_right_within_3_percent(self):
        values = np.random.default_rng(5).lognormal(1, 1.5, 5000)
        spread = Distribution()
        for value in values:
            spread.add(value)
        for share in (0.01, 0.5, 0.95, 1.0):
            exact = np.quantile(values, share, method="inverted_cdf")
            assert spread.quantile(share) == pytest.approx(exact, rel=0.03)
        assert spread.mean == pytest.approx(values.mean())

    def test_bars_are_few_and_have_everything(self):
        spread = Distribution()
        for value in np.random.default_rng(5).lognormal(1, 1.5, 5000):
            spread.add(value)
        bars = spread.bars(20)
        assert 10 <= len(bars) <= 20
        assert sum(bar.count for bar in bars) == 5000
        assert all(a.stop == pytest.approx(b.start) for a, b in itertools.pairwise(bars))

    def test_failures_for_one_reason_are_counted_together(self):
        figures = Figures(STARTED)
        for i in range(5):
            figures.add(done(f"{i}.png").record)
            figures.add(
                failed(f"{i}.png", error=f"{{source}}: {i}00 x 7 pixels are too many").record
            )
        figures.add(failed("odd name.png", error="cannot read odd name.png; try again").record)
        common, rare = figures.reasons()
        assert (common.text, common.count) == ("… x … pixels are too many", 5)
        assert common.examples == [(1, "0.png"), (3, "1.png"), (5, "2.png")]
        assert (rare.text, rare.examples) == ("cannot read …; try again", [(10, "odd name.png")])

    def test_a_reason_keeps_its_numbers_where_they_are_the_same(self):
        assert reason_of(failed("a.png", error="{source}: 3 attempts").record) == "3 attempts"

    def test_reasons_without_end_are_counted_without_being_held(self):
        figures = Figures(STARTED)
        for i in range(MOST_REASONS + 50):
            word = "".join(chr(97 + int(digit)) for digit in str(i))
            figures.add(failed("picture.png", error=f"broken {word}").record)
        assert len(list(figures.reasons())) == MOST_REASONS
        assert figures.other_reasons == 50

    def test_waiting_is_no_time_of_a_picture(self):
        figures = Figures(STARTED)
        figures.add(done("a.png", seconds=Seconds(load=1, wait=1000, dream=2, store=1)).record)
        assert figures.seconds.mean == 4
        assert figures.waits.mean == 1000


class TestLinks:
    @pytest.mark.parametrize(
        ("destination", "source", "link"),
        [
            (LocalFolder(Path("/data/dreams")), "/data/photos/a b.jpg", "../photos/a b.jpg"),
            (LocalFolder(Path("/data/dreams")), "/data/dreams/x/a.jpg", "x/a.jpg"),
            (LocalFolder(Path("/data/dreams")), "s3://bucket/a.jpg", None),
            (LocalFolder(Path("/data/dreams")), "a.jpg", None),
            (S3Folder("bucket", "dreams/1"), "s3://bucket/photos/a.jpg", "../../photos/a.jpg"),
            (S3Folder("bucket", ""), "s3://bucket/photos/a.jpg", "photos/a.jpg"),
            (S3Folder("bucket", "dreams"), "s3://other/photos/a.jpg", None),
            (S3Folder("bucket", "dreams"), "s3://bucket/../a.jpg", None),
            (S3Folder("bucket", "dreams"), "s3://bucket/a//b.jpg", None),
            (S3Folder("bucket", "a//b"), "s3://bucket/a.jpg", None),
            (S3Folder("bucket", "dreams"), "/data/photos/a.jpg", None),
            (MemoryFolder(), "/data/photos/a.jpg", None),
        ],
    )
    def test_lead_to_sources_that_a_browser_comes_to(self, destination, source, link):
        assert link_to(destination, source) == link

    def test_are_no_schemes_and_keep_every_byte(self):
        assert address("javascript:a/b #?%.png") == "./javascript%3Aa/b%20%23%3F%25.png"
        assert address("\udcff\u5922") == "./%FF%E5%A4%A2"


class TestThumbnails:
    def made(self, pixels):
        image = Image.open(io.BytesIO(thumbnail(ArrayRaster(to_tensor(pixels)))))
        return np.asarray(image).astype(int)

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [((3000, 4000), (360, 480)), ((2000, 3000), (360, 540)), ((3000, 2000), (720, 480)),
         ((1000, 1000), (480, 480)), ((300, 100), (300, 100)), ((1, 5000), (1, 1440)),
         ((500, 50_000), (14, 1440)), ((5000, 1), (1440, 1)), ((1, 1), (1, 1))],
    )  # fmt: skip
    def test_cover_480_x_360_pixels_where_there_are_as_many(self, shape, expected):
        assert thumbnail_shape(Shape(*shape)) == expected

    def test_any_shape_is_made(self):
        for shape in (1, 5000), (5000, 1), (1, 1), (700, 900):
            made = self.made(np.full((*shape, 3), 90, np.uint8))
            assert made.shape[:2] == thumbnail_shape(Shape(*shape))
            assert abs(made - 90).max() < 3

    def test_large_pictures_are_reduced_without_jagged_edges(self, scene):
        large = scene.repeat(12, axis=0).repeat(12, axis=1)
        made = self.made(large)
        exact = Image.fromarray(large).resize(made.shape[1::-1], Image.Resampling.LANCZOS)
        assert abs(made - np.asarray(exact).astype(int)).mean() < 6

    def test_are_in_the_colours_of_the_picture(self):
        view = ArrayRaster(np.zeros((40, 50, 3), np.float32))
        for profile, kept in ((b"p" * 3000, b"p" * 3000), (b"p" * 5000, None)):
            image = Image.open(io.BytesIO(thumbnail(view, profile)))
            assert image.info.get("icc_profile") == kept

    @pytest.mark.parametrize("name", ["cat.png", "a folder/cat.png", "夢.jpg", "a\nb.png"])
    def test_their_names_are_those_of_the_outputs(self, name):
        before, after = thumbnails_of(LocalFolder(Path("/out")), name)
        assert str(before) == f"/out/dreamray-report/before/{name}.jpg"
        assert str(after) == f"/out/dreamray-report/after/{name}.jpg"

    @pytest.mark.parametrize(
        "name", ["../cat.png", "a//cat.png", "/cat.png", "./cat.png", "n" * 252, "a/" * 500 + "b"]
    )
    def test_names_that_lead_elsewhere_or_are_too_long_become_others(self, name):
        place = str(thumbnails_of(LocalFolder(Path("/out")), name).after)
        assert re.fullmatch(r"/out/dreamray-report/after/[0-9a-f]{64}\.jpg", place)
        assert place != str(thumbnails_of(LocalFolder(Path("/out")), f"{name}x").after)
