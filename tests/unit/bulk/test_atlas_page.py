"""The page of an atlas in a browser, from disk: what is looked for is gone to."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from dreamray.bulk.atlas.atlas_job import finder_of
from dreamray.bulk.atlas.layout import Layout
from dreamray.bulk.atlas.picture import AtlasPicture
from dreamray.bulk.atlas.plates import Plate
from dreamray.pictures import Format, viewer
from dreamray.pictures.export import Extras, export
from dreamray.storage import LocalFile

pytestmark = pytest.mark.slow

CELL = 64
PLATES = [Plate.parse("mixed0", "0-199"), Plate.parse("mean(mixed1)", "0-9,250-255")]
LAYOUT = Layout(PLATES, CELL)

OSD = "OpenSeadragon.getViewer(byId('picture'))"
SAID = "byId('said').textContent"
MIDDLE = (
    f"(() => {{ const at = {OSD}.viewport.viewportToImageCoordinates({OSD}.viewport.getCenter("
    "true)); return [Math.round(at.x), Math.round(at.y)]; })()"
)
"""The pixel of the picture in the middle of the window, once nothing moves any more."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the page of an atlas with two layers."""
    if not (viewer.BUNDLED / viewer.SCRIPT).is_file():
        pytest.skip("needs OpenSeadragon: it is bundled where npm can be reached")
    folder = tmp_path_factory.mktemp("atlas")
    dream = np.full((CELL, CELL, 3), 90, np.uint8)
    picture = AtlasPicture(LAYOUT, lambda output: dream)
    finder = finder_of(LAYOUT, "my atlas_channels")
    target = LocalFile(folder / "my atlas.dzi")
    export(picture, Extras(), target, Format.DEEP_ZOOM, {}, finder=finder)
    return (folder / "index.html").as_uri()


@pytest.fixture
def opened(browser: Any, page: str) -> Any:
    browser.window(1000, 800)
    browser.open(page)
    browser.until(f"{OSD}?.world.getItemCount() === 1")
    return browser


def middle_of(plate: Plate, channel: int) -> list[int]:
    left, top = next(one[1:] for one in LAYOUT.cells(plate) if one[0] == channel)
    return [left + CELL // 2, top + CELL // 2]


def look_for(browser: Any, text: str) -> None:
    browser.ask(f"byId('find').value = {text!r}; byId('finder').requestSubmit()")


def comes_to(browser: Any, plate: Plate, channel: int) -> None:
    x, y = middle_of(plate, channel)
    browser.until(f"(([x, y]) => Math.hypot(x - {x}, y - {y}) < 3)({MIDDLE})")


@pytest.mark.parametrize(
    ("text", "plate", "channel"),
    [
        ("57", 0, 57),
        (" 0 ", 0, 0),
        ("mixed0[120]", 0, 120),
        ("MIXED0 120", 0, 120),
        ("mean(mixed1)[252]", 1, 252),
        ("mean(mixed1) 3", 1, 3),
    ],
)
def test_a_number_is_gone_to_and_named(opened: Any, text: str, plate: int, channel: int) -> None:
    look_for(opened, text)
    comes_to(opened, PLATES[plate], channel)
    name = f"{PLATES[plate].name}[{channel}]"
    assert opened.ask(SAID) == name
    link = unquote(opened.ask("byId('said').firstChild.href"))
    assert link.endswith(f"/my atlas_channels/{PLATES[plate].output(channel)}")
    assert unquote(opened.ask("location.hash")) == f"#{name}"


def test_the_box_leaves_the_picture_free(opened: Any) -> None:
    assert opened.ask("byId('finder').offsetHeight") < 80


def test_a_number_alone_is_one_of_the_layer_that_was_found_last(opened: Any) -> None:
    look_for(opened, "mean(mixed1)")
    assert opened.ask(SAID) == "mean(mixed1)"
    look_for(opened, "5")
    comes_to(opened, PLATES[1], 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("200", "mixed0 has no 200 here: 0 to 199"),
        ("mean(mixed1) 20", "mean(mixed1) has no 20 here: 0 to 255"),
        ("mixed7 3", "not here; there is mixed0, mean(mixed1)"),
        ("<img src=x onerror=alert(1)>", "not here; there is mixed0, mean(mixed1)"),
    ],
)
def test_what_is_not_there_is_told(opened: Any, text: str, said: str) -> None:
    before = opened.ask(MIDDLE)
    look_for(opened, text)
    assert opened.ask(SAID) == said
    assert opened.ask(MIDDLE) == before


def test_an_address_with_a_channel_opens_there(browser: Any, page: str) -> None:
    browser.window(1000, 800)
    browser.open(f"{page}#mixed0%5B31%5D")
    browser.until(f"window.OpenSeadragon && {SAID} === 'mixed0[31]'")
    comes_to(browser, PLATES[0], 31)


def test_an_address_that_is_none_is_looked_for_as_it_stands(browser: Any, page: str) -> None:
    browser.open(f"{page}#50%")
    browser.until(f"window.OpenSeadragon && {SAID} === 'not here; there is mixed0, mean(mixed1)'")


def test_a_click_names_the_channel_and_stays_there(opened: Any) -> None:
    before = opened.ask(MIDDLE)
    x, y = middle_of(PLATES[0], 57)
    point = opened.ask(
        f"(() => {{ const at = {OSD}.viewport.imageToViewerElementCoordinates("
        f"new OpenSeadragon.Point({x}, {y})); return [at.x, at.y]; }})()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        opened.call("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], button="left",
                    clickCount=1)  # fmt: skip
    opened.until(f"{SAID} === 'mixed0[57]'")
    assert opened.ask(MIDDLE) == before


def test_letters_typed_into_the_box_are_no_commands(opened: Any) -> None:
    opened.press("/")
    assert opened.ask("document.activeElement.id") == "find"
    opened.call("Input.insertText", text="f0")
    assert opened.ask("byId('find').value") == "f0"
    assert not opened.ask("!!document.fullscreenElement")


def test_it_needs_no_network_and_nothing_fails(browser: Any, page: str) -> None:
    browser.window(1000, 800)
    browser.call("Network.enable")
    browser.open(page)
    browser.until(f"{OSD}?.world.getItemCount() === 1")
    look_for(browser, "3")
    comes_to(browser, PLATES[0], 3)
    sent = [one for one in browser.events if one["method"] == "Network.requestWillBeSent"]
    addresses = [one["params"]["request"]["url"] for one in sent]
    assert any("/my%20atlas_files/" in address for address in addresses)
    assert all(address.startswith(("file:", "data:")) for address in addresses)
    assert not [one for one in browser.events if one["method"] == "Runtime.exceptionThrown"]
