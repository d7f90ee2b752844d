"""A report as a browser shows it: from disk and from a server, by mouse, keys and fingers."""

import functools
import http.server
import os
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from dreamray.bulk.report import Report, RunState, WorkerFigures, thumbnails_of
from dreamray.bulk.report.data import PER_PART
from dreamray.bulk.report.thumbnails import thumbnail
from dreamray.raster.lazy import ArrayRaster
from dreamray.storage import LocalFolder
from tests.support.reports import ATTACK, HOSTILE, done, failed, many, summary

pytestmark = pytest.mark.slow

COUNT = 10 * PER_PART
"""Pictures of a large report: far more than there are cards at a time."""

DARK, LIGHT = (
    thumbnail(ArrayRaster(np.full((300, 400, 3), value, np.float32))) for value in (-0.8, 0.8)
)


@pytest.fixture(autouse=True)
def _a_desktop(browser):
    browser.window(1000, 800)


def with_thumbnails(folder, records):
    for record in records:
        before, after = thumbnails_of(LocalFolder(folder), record.output)
        before.write(DARK)
        after.write(LIGHT)


def reported(folder, entries, **more):
    """The address of a report with these pictures."""
    Report(LocalFolder(folder)).update(summary(RunState.FINISHED, **more), entries)
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The address of a report of many pictures; the first ones have thumbnails."""
    folder = tmp_path_factory.mktemp("out")
    with_thumbnails(folder, [entry.record for entry in many(30)])
    return reported(folder, many(COUNT))


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


CARDS = "[...document.querySelectorAll('.card a')]"
NAMES = f"{CARDS}.map((card) => card.querySelector('.name').textContent)"
VIEWED = "(document.querySelector('.viewer[open] #viewed')?.textContent ?? '')"
SLIDER = "Number(document.querySelector('.edge').getAttribute('aria-valuenow'))"
LOADED = "pictures.parts.filter((part) => part.rows).length"


def problems(browser):
    """What went wrong in the page's script; that files are missing is no fault of it."""
    kinds = ("Runtime.exceptionThrown", "Page.javascriptDialogOpening")
    return [event for event in browser.events if event["method"] in kinds]


def choose(browser, value):
    browser.ask(f"order.value = '{value}'; order.dispatchEvent(new Event('change'))")


def look_for(browser, words):
    browser.ask(f"find.value = {words!r}; find.dispatchEvent(new Event('input'))")


class TestManyPictures:
    def test_few_cards_and_one_part_are_enough_to_begin_with(self, browser, large):
        browser.open(large)
        browser.until(f"{NAMES}[0] === '000000.png'")
        browser.until(f"{CARDS}[0].querySelector('img').naturalWidth === 400")
        assert browser.ask(f"{CARDS}.length") < 60
        assert browser.ask(LOADED) == 1
        # But there is room for all.
        assert browser.ask("document.documentElement.scrollHeight") > COUNT / 4 * 200

    def test_wherever_it_is_scrolled_to_there_are_cards(self, browser, large):
        browser.open(large)
        browser.until(f"{NAMES}[0] === '000000.png'")
        browser.ask("scrollTo(0, document.documentElement.scrollHeight)")
        browser.until(f"{NAMES}.at(-1) === '{COUNT - 1:06}.png'")
        assert browser.ask(f"{CARDS}.length") < 60
        assert browser.ask(LOADED) <= 3
        browser.ask("scrollTo(0, 0)")
        browser.until(f"{NAMES}[0] === '000000.png'")

    def test_those_of_one_state_are_shown_without_loading_the_others(self, browser, large):
        browser.open(large)
        browser.until(f"{NAMES}[0] === '000000.png'")
        browser.ask("scrollTo(0, 3000)")  # The list begins at its first card all the same.
        browser.ask("document.querySelector('[data-group=failed]').click()")
        browser.until(f"{NAMES}[1] === '000013.png'")
        assert browser.ask(LOADED) == 1
        assert browser.ask("gallery.view.count") == COUNT // 10
        browser.ask("scrollTo(0, document.documentElement.scrollHeight)")
        browser.until(f"{NAMES}.at(-1) === '{COUNT - 7:06}.png'")

    def test_words_and_order_find_pictures_wherever_they_are(self, browser, large):
        browser.open(large)
        look_for(browser, "FOLDER 4999.PNG")
        browser.until(f"{NAMES}.join() === '004999.png'")
        assert browser.ask("document.querySelector('.message').textContent") == "1 found"
        look_for(browser, "00499 this is no picture")
        browser.until(f"{NAMES}.join() === '004993.png'")
        look_for(browser, "")
        choose(browser, "smallest")
        browser.until(f"{NAMES}[0] === '000000.png'")
        assert "order=smallest" in browser.ask("location.hash")

    def test_the_address_keeps_what_is_shown(self, browser, large):
        browser.open(f"{large}#group=failed&find=4993&show=4993")
        browser.until(f"{VIEWED} === '004993.png'")
        browser.press("Escape")
        browser.until(f"!{VIEWED}")
        browser.until(f"{NAMES}.join() === '004993.png'")
        browser.open(f"{large}#tab=run")
        assert browser.ask("document.querySelector('[data-tab=pictures]').hidden")


class TestOrders:
    def test_are_by_time_and_size(self, browser, tmp_path):
        moments = [f"2026-11-22T18:3{i}:00Z" for i in range(4)]
        sizes = [(30, 20), (50, 40), (20, 10), (40, 30)]
        entries = [
            done(f"{i}.png", finished=moments[-i], width=width, height=height)
            for i, (width, height) in enumerate(sizes)
        ]
        browser.open(reported(tmp_path, entries))
        for order, names in [
            ("newest", "1 2 3 0"), ("oldest", "0 3 2 1"), ("largest", "1 3 0 2"),
            ("smallest", "2 0 3 1"),
        ]:  # fmt: skip
            choose(browser, order)
            browser.until(f"{NAMES}.join(' ') === '{names.replace(' ', '.png ')}.png'")


class TestKeys:
    def test_go_from_card_to_card_and_from_picture_to_picture(self, browser, large):
        browser.open(large)
        browser.until(f"{NAMES}[0] === '000000.png'")
        browser.ask(f"{CARDS}[0].focus()")
        focused = "document.activeElement.querySelector('.name')?.textContent"
        browser.press("ArrowRight")
        assert browser.ask(focused) == "000001.png"
        browser.press("ArrowDown")
        row = browser.ask("gallery.measure().columns")
        assert browser.ask(focused) == f"{1 + row:06}.png"
        browser.press("End")
        browser.until(f"{focused} === '{COUNT - 1:06}.png'")
        browser.press("Home")
        browser.until(f"{focused} === '000000.png'")
        browser.ask("document.activeElement.click()")
        browser.until(f"{VIEWED} === '000000.png'")
        browser.press("ArrowRight")
        browser.until(f"{VIEWED} === '000001.png'")
        browser.press("Escape")
        # The browser closes the dialog first, and tells the page afterwards.
        browser.until(f"!{VIEWED} && {focused} === '000001.png'")
        browser.until("['', '#'].includes(location.hash)")
        assert not problems(browser)

    def test_move_the_slider_while_it_has_the_focus(self, browser, large):
        browser.open(f"{large}#show=0")
        browser.until(f"{VIEWED} === '000000.png'")
        browser.ask("document.querySelector('.edge').focus()")
        for key, at in [("ArrowLeft", 48), ("PageUp", 68), ("Home", 0), ("End", 100)]:
            browser.press(key)
            assert browser.ask(SLIDER) == at
        assert browser.ask(VIEWED) == "000000.png"


class TestSlider:
    def frame(self, browser):
        box = "document.querySelector('.frame').getBoundingClientRect()"
        browser.until(f"{box}.width > 100")
        return browser.ask(f"(({{left, top, width, height}}) => [left, top, width, height])({box})")

    def test_follows_a_finger(self, browser, large):
        browser.window(390, 844, phone=True)
        browser.open(f"{large}#show=0")
        left, top, width, height = self.frame(browser)
        middle = top + height / 2
        browser.swipe((left + 0.5 * width, middle), (left + 0.2 * width, middle))
        browser.until(f"{SLIDER} === 20")
        clip = "getComputedStyle(document.querySelector('.frame .before')).clipPath"
        assert browser.ask(clip).startswith("inset(0px 80")
        browser.swipe((left + 0.2 * width, middle), (left + 0.9 * width, middle))
        browser.until(f"{SLIDER} === 90")
        assert browser.ask("document.documentElement.scrollWidth") == 390

    def test_follows_a_mouse(self, browser, large):
        browser.open(f"{large}#show=0")
        left, top, width, height = self.frame(browser)
        for kind, share in [("mousePressed", 0.3), ("mouseMoved", 0.7), ("mouseReleased", 0.7),
                            ("mouseMoved", 0.1)]:  # fmt: skip
            browser.call(
                "Input.dispatchMouseEvent", type=kind, x=left + share * width,
                y=top + height / 2, button="left", clickCount=1,
            )  # fmt: skip
        assert browser.ask(SLIDER) == 70

    def test_is_over_the_pictures_themselves_where_a_browser_can_show_them(self, browser, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "in" / "a b.jpg").write_bytes(DARK)
        (tmp_path / "out" / "a b.jpg").write_bytes(LIGHT)
        entry = replace(done("a b.jpg"), source=str(tmp_path / "in" / "a b.jpg"))
        browser.open(reported(tmp_path / "out", [entry]) + "#show=0")
        shown = "[...document.querySelectorAll('.frame img')].map((i) => decodeURI(i.src)).join()"
        root = tmp_path.as_uri()
        browser.until(f"{shown} === '{root}/out/a b.jpg,{root}/in/a b.jpg'")
        links = browser.ask("[...document.querySelectorAll('.links a')].map((a) => a.href)")
        assert links == [f"{root}/out/a%20b.jpg", f"{root}/in/a%20b.jpg"]


@pytest.mark.parametrize("served", [False, True], ids=["disk", "web"])
def test_hostile_names_are_shown_and_linked_and_do_nothing(browser, tmp_path, served):
    browser.window(1000, 3000)
    names = [name for name in HOSTILE if not served or "\udcff" not in name]
    entries = [done(name, worker=ATTACK, note=ATTACK) for name in names]
    entries += [failed(ATTACK, error=ATTACK), done("../up.png")]
    more = {"destination": ATTACK, "settings": ATTACK, "weights": ATTACK}
    reported(tmp_path, entries, **more)
    with_thumbnails(tmp_path, [entry.record for entry in entries[: len(names)]])
    with served_at(tmp_path) if served else nullcontext(tmp_path.as_uri()) as root:
        browser.open(f"{root}/index.html")
        browser.until(f"{CARDS}.length === {len(entries)}")
        for i in range(len(names)):
            browser.until(f"{CARDS}[{i}].querySelector('img').naturalWidth === 400")
        links = []
        for i in range(len(entries)):
            browser.ask(f"location.hash = '#show={i}'")
            browser.until(f"viewer.row === pictures.row({i})")
            found = "[...document.querySelectorAll('.links a')].filter((a) => /dream/.test(a.text))"
            links.append(browser.ask(f"{found}.map((a) => a.href)"))
    base = len(root) + 1
    linked = [unquote_to_bytes(link[base:]) for (link,) in links[: len(names)]]
    assert linked == [os.fsencode(name) for name in names]
    assert links[len(names) :] == [[], []]
    assert browser.ask("window.hacked") is None
    assert not problems(browser)


def test_a_script_that_is_smuggled_in_is_not_run(browser, tmp_path):
    address = reported(tmp_path, [done("a.png")])
    page = (tmp_path / "index.html").read_text()
    smuggled = "<body><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
    (tmp_path / "index.html").write_text(page.replace("<body>", smuggled))
    browser.open(address)
    browser.until(f"{NAMES}[0] === 'a.png'")
    assert browser.ask("window.hacked") is None


def test_a_data_file_that_is_not_there_is_told(browser, tmp_path):
    address = reported(tmp_path, many(3))
    (tmp_path / "dreamray-report" / "pictures-00001.js").unlink()
    browser.open(address)
    browser.until("document.body.innerText.includes('pictures-00001.js could not be loaded')")


def test_without_scripts_pictures_are_listed_with_links(browser, tmp_path):
    names = [name for name in HOSTILE if "\udcff" not in name]
    entries = [*map(done, names), failed(ATTACK, error=ATTACK), *many(PER_PART)]
    address = reported(tmp_path, entries)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(address)
        # Questions are answered all the same.
        found = "[...document.querySelectorAll('.listing li a')].map((a) => a.href)"
        links = browser.ask(found)
        root = len(tmp_path.as_uri()) + 1
        dreams = [unquote_to_bytes(link[root:]) for link in links if "/in/" not in link]
        assert dreams[: len(names)] == [os.fsencode(name) for name in names]
        lists = browser.ask("[...document.querySelectorAll('.lists a')].map((a) => a.href)")
        browser.open(lists[1])
        assert browser.ask("document.querySelectorAll('.listing li').length") == len(names) + 1
        assert browser.ask("document.querySelector('[rel=prev]').href") == lists[0]
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("hash", ["", "#tab=run", "#show=0", "#show=1"])
def test_it_fits_a_phone(browser, tmp_path, hash):
    entries = [done("n" * 200 + ".png"), failed("n" * 199 + ".png", error="e" * 300)]
    worker = WorkerFigures("w" * 100, 1, 1, 1.0)
    more = {"destination": "/" + "d" * 200, "settings": "s" * 300, "weights": "w" * 200}
    address = reported(tmp_path, entries, workers=(worker,), **more)
    browser.window(390, 844, phone=True)
    browser.open(f"{address}{hash}")
    browser.until(f"{NAMES}.length === 2 || location.hash === '#tab=run'")
    assert browser.ask("document.documentElement.scrollWidth") == 390
    assert browser.ask("document.querySelector('.viewer').scrollWidth") in (0, 390)
