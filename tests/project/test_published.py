"""What leaves the repository: the READMEs that PyPI and the chart show, and the chart itself."""

from __future__ import annotations

import base64
import re
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from dreamray.base.version import __version__
from dreamray.settings.named_presets import PAGE, every_preset
from tests.support import chart

PROJECT = Path(__file__).parents[2]
URLS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["urls"]
CHART: dict[str, Any] = yaml.safe_load((chart.FOLDER / "Chart.yaml").read_text())
ANNOTATIONS = {name.removeprefix("artifacthub.io/"): t for name, t in CHART["annotations"].items()}

each_readme = pytest.mark.parametrize("readme", ["README.md", "helm/dreamray/README.md"])


def tokens(found: list[Token]) -> Iterator[Token]:
    for token in found:
        yield token
        yield from tokens(token.children or [])


def parsed(readme: str) -> list[Token]:
    text = (PROJECT / readme).read_text(encoding="utf-8")
    return list(tokens(MarkdownIt().enable("table").parse(text)))


def targets(found: list[Token]) -> list[str]:
    """Where links lead to, and where pictures are."""
    given = [token.attrGet("href") or token.attrGet("src") for token in found]
    return [str(target) for target in given if target]


def file_of(url: str) -> Path | None:
    """The file of ours that an address shows; None if it is somebody else's."""
    home = re.escape(URLS["Homepage"].removeprefix("https://github.com/"))
    shown = (
        rf"https://(?:github\.com/{home}/(?:blob|tree)|raw\.githubusercontent\.com/{home})/main/"
    )
    path = re.fullmatch(rf"{shown}([^#]+)(?:#.*)?", url)
    return PROJECT / path[1] if path else None


@each_readme
def test_links_and_pictures_work_outside_of_the_repository(readme: str) -> None:
    found = parsed(readme)
    relative = [target for target in targets(found) if not re.match("https://|#", target)]
    assert not relative, f"{readme}: {relative} lead nowhere on PyPI or in a package"
    ours = [file for target in targets(found) if (file := file_of(target))]
    assert ours
    assert [file for file in ours if not file.exists()] == []
    # One that is defined nowhere would be shown as it is written.
    undefined = [t.content for t in found if t.type == "text" and re.search(r"\[.+\]", t.content)]
    assert not undefined, readme


@each_readme
def test_pictures_are_not_pages_about_pictures(readme: str) -> None:
    pictures = targets([token for token in parsed(readme) if token.type == "image"])
    assert all("raw.githubusercontent.com" in address for address in pictures)


def test_a_page_shows_each_preset() -> None:
    page = file_of(PAGE)
    assert page
    told = re.findall(r"^\| `([a-z]+)` \| (.*) \|$", page.read_text(encoding="utf-8"), re.M)
    assert told == [(preset.name, preset.about) for preset in every_preset()]


def test_the_home_of_the_project_is_one() -> None:
    home = URLS["Homepage"]
    assert CHART["home"] == URLS["Source"] == CHART["sources"][0] == home
    linked = [link["url"] for link in yaml.safe_load(ANNOTATIONS["links"])]
    for url in (URLS["Changelog"], URLS["Documentation"], *linked):
        file = file_of(url)
        assert file
        assert file.exists()
    assert URLS["Changelog"] in linked


def test_the_chart_says_what_it_is() -> None:
    assert {"maintainers", "keywords", "kubeVersion", "description", "type"} <= set(CHART)
    licence = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["license"]
    assert ANNOTATIONS["license"] == licence
    icon = base64.b64encode((PROJECT / "docs" / "icon.svg").read_bytes()).decode()
    assert CHART["icon"] == f"data:image/svg+xml;base64,{icon}"


def test_the_changelog_has_the_version_and_the_chart_the_same_changes() -> None:
    newest = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    assert newest.partition("\n")[0] == __version__, "say in CHANGELOG.md what is new"
    listed = re.findall(r"^- (\w+): (.*)$", newest.partition("\n### Chart\n")[2], re.M)
    changes = yaml.safe_load(ANNOTATIONS["changes"])
    assert listed == [(change["kind"], change["description"]) for change in changes]
    kinds = {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert {kind for kind, _ in listed} <= kinds


def test_the_chart_is_packaged(tmp_path: Path) -> None:
    linted = chart.helm("lint", "--strict", str(chart.FOLDER))
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "[" not in linted.stdout  # No remarks either.
    made = chart.helm("package", str(chart.FOLDER), "--destination", str(tmp_path))
    assert made.returncode == 0, made.stderr
    with tarfile.open(tmp_path / f"dreamray-{__version__}.tgz") as package:
        names = package.getnames()
    assert {"dreamray/Chart.yaml", "dreamray/README.md", "dreamray/files/dashboard.json"} <= {
        *names
    }
    assert not [name for name in names if name.endswith(".py")]
