"""The report of a bulk run: what it tells, its files, hostile names, and a browser's view of it."""

import functools
import http.server
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import time
import tracemalloc
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from dreamray.base.errors import StorageError
from dreamray.bulk.record import Record, Seconds, State
from dreamray.bulk.report import (
    Report,
    RunState,
    Summary,
    WorkerFigures,
    thumbnail,
    thumbnail_name,
)
from dreamray.bulk.report.data import PER_PAGE
from dreamray.bulk.report.figures import MOST_REASONS, Distribution, Figures, reason_of
from dreamray.bulk.report.formats import duration
from dreamray.storage import LocalFolder, MemoryFolder

STARTED = "2026-11-22T18:00:00Z"
BEFORE, AFTER = "2026-11-21T10:00:00Z", "2026-11-22T18:30:00Z"
ATTACK = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'&amp;</script><!--"
HOSTILE = [
    "quotes \"double\" 'single' `back`.png",
    "<img src=x onerror=window.hacked=1>.png",
    "a folder #1/100%/what? a+b & c.png",
    "%41%2e%2e.png",
    "javascript:window.hacked=1.png",
    "new\nline\ttab\r.png",
    "turned \u202egnp.exe",
    "夢/été/\U0001f43b.png",
    "not UTF-8 \udcff\udc80.png",
    "back\\slash.png",
    "${x} $title {{y}}.png",
    "n" * 250 + ".png",
]


def done(output, **more):
    values = {"width": 400, "height": 300, "seconds": Seconds(0.1, 0.2, 1.5, 0.2)}
    values |= {"worker": "host/1", "finished": AFTER}
    return Record(output, f"/in/{output}", State.DONE, **values | more)


def failed(output, error="{source}: this is no picture; look at it", **more):
    source = f"/in/{output}"
    return Record(output, source, State.FAILED, error=error.format(source=source), **more)


def many(count, **more):
    for i in range(count):
        name = f"folder/{i:06}.png"
        yield failed(name, **more) if i % 10 == 3 else done(name, **more)


def summary(state=RunState.RUNNING, **more):
    counts = {"total": 100, "done": 60, "kept": 10, "failed": 5}
    values = counts | {"destination": "/out", "source": "/in", "settings": "dream:\n  octaves: 3\n"}
    values |= {"seconds": 120.0, "started": STARTED, "as_of": AFTER}
    return Summary(state=state, **values | more)


def rows_in(path):
    """What a data file hands to the page."""
    call = re.fullmatch(r'dreamrayPage\("(\w+)", (\d+), (\[.*\])\);\n', path.read_text(), re.S)
    assert path.name == f"{call[1]}-{int(call[2]):05}.js"
    return json.loads(call[3])


def data_files(folder, name):
    return sorted((folder / "dreamray-report").glob(f"{name}-*.js"))


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
        records = list(many(2 * PER_PAGE + 1))
        Report(LocalFolder(tmp_path)).update(summary(), iter(records))
        pages = [rows_in(path) for path in data_files(tmp_path, "records")]
        assert [len(page) for page in pages] == [PER_PAGE, PER_PAGE, 1]
        rows = [row for page in pages for row in page]
        assert [row["output"] for row in rows] == [record.output for record in records]
        assert rows[0] == {
            "output": "folder/000000.png",
            "size": [400, 300],
            "seconds": [0.1, 0.2, 1.5, 0.2],
            "worker": "host/1",
            "finished": AFTER,
        }

    def test_failures_are_in_files_of_their_own_too(self, tmp_path):
        Report(LocalFolder(tmp_path)).update(summary(), many(50))
        (path,) = data_files(tmp_path, "failures")
        rows = rows_in(path)
        assert [row["output"] for row in rows] == [f"folder/{i:06}.png" for i in range(3, 50, 10)]
        assert rows[0]["failed"] == "this is no picture; look at it"
        assert rows[0]["source"] == "/in/folder/000003.png"

    def test_without_any_picture_there_is_a_page(self, tmp_path):
        Report(LocalFolder(tmp_path)).update(summary(total=0, done=0, kept=0, failed=0), [])
        assert [path.name for path in tmp_path.rglob("*")] == ["index.html"]

    def test_files_that_did_not_change_are_not_written_again(self, tmp_path):
        report = Report(LocalFolder(tmp_path))
        records = list(many(3 * PER_PAGE))
        report.update(summary(), records)
        before = {path: path.stat().st_ino for path in data_files(tmp_path, "*")}
        records[PER_PAGE] = replace(records[PER_PAGE], attempts=2)
        report.update(summary(), records)
        changed = {path.name for path, inode in before.items() if path.stat().st_ino != inode}
        assert changed == {"records-00002.js"}

    def test_a_file_that_could_not_be_written_is_written_the_next_time(self, tmp_path, monkeypatch):
        report = Report(LocalFolder(tmp_path))
        report.update(summary(), many(10))
        path = tmp_path / "dreamray-report" / "records-00001.js"
        first = path.read_bytes()

        with monkeypatch.context() as patch:
            # The storage may have written it all the same.
            def fails(self, data):
                self.path.write_bytes(data)
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
        Report(LocalFolder(tmp_path)).update(summary(), many(4 * PER_PAGE))
        report = Report(LocalFolder(tmp_path))
        report.update(summary(), many(3))
        assert len(data_files(tmp_path, "records")) == 4
        report.update(summary(RunState.STOPPED), many(3))
        assert [path.name for path in data_files(tmp_path, "*")] == ["records-00001.js"]

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_number_of_pictures(self, tmp_path):
        report = Report(LocalFolder(tmp_path))
        report.update(summary(), many(1))  # The templates are loaded once.
        counts = (10 * PER_PAGE, 30 * PER_PAGE)
        peaks = []
        for count in counts:
            tracemalloc.start()
            report.update(summary(), many(count))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert len(data_files(tmp_path, "records")) == 30
        # A single row has over 200 bytes.
        assert (peaks[1] - peaks[0]) / (counts[1] - counts[0]) < 10


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
            note=ATTACK,
            version=ATTACK,
            workers=(WorkerFigures(ATTACK, 1, 1, 9.0),),
        )
        assert Parts(hostile).tags == Parts(calm).tags
        assert not [name for name, _ in Parts(hostile).attributes if name.startswith("on")]
        assert Parts(hostile).text.count(ATTACK) >= 5

    def test_nothing_is_loaded_from_elsewhere(self):
        links = [v for n, v in Parts(self.page()).attributes if n in ("src", "href", "action")]
        assert all(link.startswith(("#", "data:")) for link in links)

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
            figures.add(done(f"{i}.png"))
            figures.add(failed(f"{i}.png", error=f"{{source}}: {i}00 x 7 pixels are too many"))
        figures.add(failed("odd name.png", error="cannot read odd name.png; try again"))
        common, rare = figures.reasons()
        assert (common.text, common.count) == ("… x … pixels are too many", 5)
        assert common.examples == [(0, "0.png"), (1, "1.png"), (2, "2.png")]
        assert (rare.text, rare.examples) == ("cannot read …; try again", [(5, "odd name.png")])

    def test_a_reason_keeps_its_numbers_where_they_are_the_same(self):
        assert reason_of(failed("a.png", error="{source}: 3 attempts")) == "3 attempts"

    def test_reasons_without_end_are_counted_without_being_held(self):
        figures = Figures(STARTED)
        for i in range(MOST_REASONS + 50):
            word = "".join(chr(97 + int(digit)) for digit in str(i))
            figures.add(failed("picture.png", error=f"broken {word}"))
        assert len(list(figures.reasons())) == MOST_REASONS
        assert figures.other_reasons == 50

    def test_the_latest_dreams_are_known(self):
        figures = Figures(STARTED)
        for i in (3, 9, 1, 7, 5, 8):
            figures.add(done(f"{i}.png", finished=f"2026-11-22T18:0{i}:00Z"))
        assert [record.output for record in figures.latest()] == [f"{i}.png" for i in (9, 8, 7, 5)]


class TestThumbnails:
    def made(self, before, after=None):
        data = thumbnail(before, before if after is None else after)
        return np.asarray(Image.open(io.BytesIO(data))).astype(int)

    def test_before_is_left_and_after_right(self):
        before, after = np.zeros((2, 600, 800, 3), np.uint8)
        before[..., 0] = 200
        after[..., 2] = 200
        both = self.made(before, after)
        assert both.shape == (120, 320, 3)
        assert abs(both[:, :150] - (200, 0, 0)).max() < 12
        assert abs(both[:, 170:] - (0, 0, 200)).max() < 12

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [((300, 100), (120, 40)), ((100, 1000), (16, 160)), ((1, 5000), (1, 160)),
         ((5000, 1), (120, 1)), ((30, 40), (30, 40)), ((1, 1), (1, 1))],
    )  # fmt: skip
    def test_any_shape_is_fitted_and_none_is_enlarged(self, shape, expected):
        height, width = expected
        assert self.made(np.full((*shape, 3), 90, np.uint8)).shape == (height, 2 * width, 3)

    def test_16_bits_look_as_8(self, scene):
        np.testing.assert_array_equal(
            self.made(scene), self.made(scene.astype(np.uint16) * 257, scene)
        )

    def test_large_pictures_are_reduced_without_jagged_edges(self, scene):
        exact = Image.fromarray(scene).resize((160, 112), Image.Resampling.LANCZOS)
        large = scene.repeat(12, axis=0).repeat(12, axis=1)
        assert abs(self.made(large)[:, :160] - np.asarray(exact).astype(int)).mean() < 6

    def test_they_are_small(self, scene):
        assert len(thumbnail(scene, scene[::-1])) < 12_000

    @pytest.mark.parametrize("name", ["cat.png", "a folder/cat.png", "夢.jpg", "a\nb.png"])
    def test_their_names_are_those_of_the_outputs(self, name):
        assert thumbnail_name(name) == f"dreamray-report/thumbs/{name}.jpg"

    @pytest.mark.parametrize(
        "name", ["../cat.png", "a//cat.png", "/cat.png", "./cat.png", "n" * 252, "a/" * 500 + "b"]
    )
    def test_names_that_lead_elsewhere_or_are_too_long_become_others(self, name):
        place = thumbnail_name(name)
        assert re.fullmatch(r"dreamray-report/thumbs/[0-9a-f]{64}\.jpg", place)
        assert place != thumbnail_name(f"{name}x")


class Browser:
    """A headless Chromium that is driven through pipes by its developer tools' protocol."""

    def __init__(self, program, profile):
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        # It reads from descriptor 3 and writes to descriptor 4.
        moved = f'exec 3<&{to_read} 4>&{from_write}; exec "$0" "$@"'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe",
                   f"--user-data-dir={profile}"]  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", moved, program, *options],
            pass_fds=(to_read, from_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self._to, self._from = os.fdopen(to_write, "wb", 0), os.fdopen(from_read, "rb", 0)
        self._unread = b""
        self._calls = 0
        self._session = {}
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params, **self._session}
        self._to.write(json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._calls:
            self.events.append(answer)
        return answer["result"]

    def _message(self):
        while b"\0" not in self._unread:
            chunk = self._from.read(1 << 16)
            assert chunk, "the browser ended"
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def ask(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression):
        deadline = time.monotonic() + 30
        while not self.ask(expression):
            assert time.monotonic() < deadline, expression
            time.sleep(0.02)

    def open(self, address):
        self.call("Page.navigate", url="about:blank")
        self.events.clear()
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def complaints(self):
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded",
                 "Page.javascriptDialogOpening")  # fmt: skip
        return [event["params"] for event in self.events if event["method"] in kinds]

    def close(self):
        self._to.close()
        self._process.terminate()
        self._process.wait()
        self._from.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("needs Chromium")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A report with three pages of pictures."""
    folder = tmp_path_factory.mktemp("out")
    report = Report(LocalFolder(folder))
    report.update(summary(RunState.FINISHED), many(3 * PER_PAGE - 10))
    image = thumbnail(*np.full((2, 300, 400, 3), 90, np.uint8))
    for record in many(3 * PER_PAGE - 10):
        path = folder / thumbnail_name(record.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
    return folder


CARDS = "document.querySelectorAll('[data-tab=pictures] .gallery li')"
FIRST = f"({CARDS}[0]?.querySelector('.name').textContent ?? '')"
VISIBLE = "[...document.querySelectorAll('[data-tab]')].find((s) => !s.hidden).dataset.tab"


@contextmanager
def served_at(folder):
    """The address of a web server for a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
class TestInABrowser:
    def test_the_gallery_shows_a_page_of_lazy_pictures(self, browser, finished):
        browser.open(f"{(finished / 'index.html').as_uri()}#pictures")
        browser.until(f"{CARDS}.length === {PER_PAGE}")
        images = f"[...{CARDS}].flatMap((card) => [...card.querySelectorAll('img')])"
        assert browser.ask(f"{images}.length") == PER_PAGE * 9 // 10
        assert browser.ask(f"{images}.every((i) => i.loading === 'lazy' && i.width && i.alt)")
        browser.until(f"{images}[0].naturalWidth === 320")
        assert browser.ask(f"{images}.at(-1).naturalWidth") == 0
        assert browser.complaints() == []

    def test_pages_are_turned_by_links_number_and_keys(self, browser, finished):
        browser.open(f"{(finished / 'index.html').as_uri()}#pictures")
        browser.until(f"{FIRST} === '000000.png'")
        link = (
            "document.querySelector('[data-tab=pictures] .pager [aria-label=\"{} page\"]').click()"
        )
        browser.ask(link.format("next"))
        browser.until(f"{FIRST} === '000500.png'")
        assert browser.ask("location.hash") == "#pictures/2"
        browser.press("ArrowRight")
        browser.until(f"{FIRST} === '001000.png'")
        assert browser.ask(f"{CARDS}.length") == PER_PAGE - 10
        browser.press("ArrowRight")
        browser.press("ArrowLeft")
        browser.until(f"{FIRST} === '000500.png'")
        browser.ask(link.format("last"))
        browser.until(f"{FIRST} === '001000.png'")
        browser.ask(link.format("first"))
        browser.until(f"{FIRST} === '000000.png'")
        number = "document.querySelector('[data-tab=pictures] .pager input')"
        browser.ask(f"{number}.value = 2; {number}.dispatchEvent(new Event('change'))")
        browser.until(f"{FIRST} === '000500.png'")
        browser.call("Page.reload")
        browser.until(f"{FIRST} === '000500.png'")
        assert browser.complaints() == []

    def test_the_address_keeps_the_tab(self, browser, finished):
        for tab in ("overview", "failures", "pictures"):
            browser.open(f"{(finished / 'index.html').as_uri()}#{tab}")
            assert browser.ask(VISIBLE) == tab
        browser.open((finished / "index.html").as_uri())
        assert browser.ask(VISIBLE) == "overview"
        browser.ask("document.querySelector('.alert a').click()")
        browser.until(f"{VISIBLE} === 'failures'")
        browser.until("document.querySelectorAll('.failures tbody tr').length === 149")
        assert browser.complaints() == []

    @pytest.mark.parametrize("served", [False, True], ids=["disk", "web"])
    def test_hostile_names_are_shown_and_linked_and_do_nothing(self, browser, tmp_path, served):
        report = Report(LocalFolder(tmp_path))
        names = [name for name in HOSTILE if not served or "\udcff" not in name]
        records = [done(name, worker=ATTACK) for name in names]
        records += [failed(ATTACK, error=ATTACK), done("../up.png")]
        report.update(summary(destination=ATTACK, settings=ATTACK), records)
        image = thumbnail(*np.full((2, 300, 400, 3), 90, np.uint8))
        for name in names:
            LocalFolder(tmp_path).file(thumbnail_name(name)).write(image)
        with served_at(tmp_path) if served else nullcontext(tmp_path.as_uri()) as root:
            browser.open(f"{root}/index.html#pictures")
            browser.until(f"{CARDS}.length === {len(records)}")
            # Those out of sight are not loaded yet.
            browser.ask("document.querySelectorAll('img').forEach((i) => { i.loading = 'eager'; })")
            for i in range(len(names)):
                browser.until(f"{CARDS}[{i}].querySelector('img').naturalWidth === 320")
            links = browser.ask(f"[...{CARDS}].map((c) => c.querySelector('.name a')?.href ?? '')")
        base = len(root) + 1
        linked = [unquote_to_bytes(link[base:]) for link in links[: len(names)]]
        assert linked == [os.fsencode(name) for name in names]
        assert links[len(names) :] == ["", ""]
        assert browser.ask("window.hacked") is None
        missing = [
            c for c in browser.complaints() if "up.png" not in c.get("entry", {}).get("url", "")
        ]
        assert [c for c in missing if "thumbs" not in str(c)] == []

    def test_a_data_file_that_is_not_there_is_told(self, browser, tmp_path):
        Report(LocalFolder(tmp_path)).update(summary(), many(3))
        (tmp_path / "dreamray-report" / "records-00001.js").unlink()
        browser.open(f"{(tmp_path / 'index.html').as_uri()}#pictures")
        browser.until("document.body.innerText.includes('records-00001.js could not be loaded')")

    @pytest.mark.parametrize("tab", ["overview", "failures", "pictures"])
    def test_it_fits_a_phone(self, browser, tmp_path, tab):
        records = [done("n" * 200 + ".png"), failed("n" * 199 + ".png", error="e" * 300)]
        worker = WorkerFigures("w" * 100, 1, 1, 1.0)
        run = summary(destination="/" + "d" * 200, settings="s" * 300, workers=(worker,))
        Report(LocalFolder(tmp_path)).update(run, records)
        size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        browser.call("Emulation.setDeviceMetricsOverride", **size)
        browser.open(f"{(tmp_path / 'index.html').as_uri()}#{tab}")
        browser.until("![...document.querySelectorAll('.message')].some((m) => m.textContent)")
        assert browser.ask("document.documentElement.scrollWidth") == 390
        browser.call("Emulation.clearDeviceMetricsOverride")
