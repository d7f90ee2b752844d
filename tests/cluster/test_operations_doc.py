"""docs/operations.md tells what there is: values, commands, metrics, messages and links.

Commands also where other pages tell them.
"""

from __future__ import annotations

import functools
import re
import shlex
from typing import Any

import click
import pytest
import typer.main
import yaml

from dreamray.cli import app
from tests.support import chart
from tests.support.cluster_pictures import dream
from tests.support.monitoring import alerts, metric_names, panels, watched
from tests.support.places import PROJECT

DOCUMENT = PROJECT / "docs" / "operations.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
PAGES = [f"docs/{name}.md" for name in ("operations", "farm", "bulk")]
VALUES: dict[str, Any] = yaml.safe_load((chart.FOLDER / "values.yaml").read_text())

FENCED = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"^    .*$", re.M)

FILES = {"html", "json", "jsonl", "md", "pem", "py", "yaml"}
"""What the name of a file ends with, and that of a value does not."""


def spans(text: str = TEXT) -> list[str]:
    """What stands between backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", INDENTED.sub("", FENCED.sub("", text)))


def fragments() -> list[str]:
    """Values that the document shows: in blocks, and in lines as `workerDefaults: {…}`."""
    return [*FENCED.findall(TEXT), *(s for s in spans() if re.match(r"\w+: [{\[]", s))]


def commands(program: str, page: str = "docs/operations.md") -> list[list[str]]:
    """Command lines of the program in a page's blocks and lines, in words."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    block = "\n".join(INDENTED.findall(FENCED.sub("", text)))
    lines = [*re.sub(r"\\\n *", "", block).splitlines(), *spans(text)]
    found = [re.search(rf"(?:^ *|-- ){program} .*", line) for line in lines]
    texts = [match[0].strip().removeprefix("-- ") for match in found if match]
    return [shlex.split(text.split("|")[0]) for text in texts]


def commands_of_pages(program: str) -> list[list[str]]:
    """Those of all pages that tell how to run a set or a farm."""
    return [command for page in PAGES for command in commands(program, page)]


def symptoms() -> list[str]:
    """Messages in the first column of the table of troubles."""
    rows = re.findall(r"^\| (.*?) \|", TEXT.partition("## Troubleshooting")[2], re.M)
    return [span for row in rows for span in spans(row) if " " in span]


@functools.cache
def messages() -> str:
    """The text of program and chart, with strings that go over several lines as one."""
    folders = [(PROJECT / "dreamray", "*.py"), (chart.FOLDER, "*.py"), (chart.FOLDER, "*.tpl")]
    files = [path for folder, names in folders for path in sorted(folder.rglob(names))]
    return re.sub(r'"\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in files))


def has_value(path: str) -> bool:
    """Whether values.yaml has a value, named with dots."""
    values: Any = VALUES
    for name in path.split("."):
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


@pytest.mark.parametrize("fragment", fragments())
def test_the_chart_takes_the_values_shown(fragment: str) -> None:
    """Helm renders each block of values by itself."""
    values = yaml.safe_load(fragment)
    assert set(values) <= set(VALUES)
    assert chart.render(values).of("RayCluster")


def test_the_settings_shown_are_options_of_dreamray() -> None:
    """The runs of the schedules shown are understood by its own parser."""
    known = typer.main.get_command(app.app).commands  # type: ignore[attr-defined]
    rendered = [chart.render(yaml.safe_load(text)) for text in fragments()]
    runs = [job.split() for made in rendered for job in entrypoints(made)]
    assert runs
    for _, command, *arguments in runs:
        known[command].make_context(command, arguments)


def entrypoints(made: chart.Manifests) -> list[str]:
    """Commands of the runs, of either kind."""
    args = [pod.container["args"] for pod in made.pods() if "CronJob" in pod.where]
    submitted = [" ".join(words[words.index("--") + 1 :]) for words in args if "--" in words]
    own = [job["spec"]["entrypoint"].replace("'", "") for job in made.of("RayJob")]
    return [*submitted, *own]


def test_the_blocks_of_values_are_found() -> None:
    """None of them escapes the test above by how it is written."""
    assert len(fragments()) >= 8
    assert TEXT.count("```") == 2 * len(FENCED.findall(TEXT))


def test_values_named_are_those_of_the_chart() -> None:
    """What is named with dots is in values.yaml, or a file."""
    named = [s for s in spans() if re.fullmatch(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)+", s)]
    values = {name for name in named if name.rpartition(".")[2] not in FILES}
    assert len(values) > 20
    assert {name for name in values if not has_value(name)} == set()


def test_metrics_and_alerts_named_are_those_of_the_chart() -> None:
    """Each alert of the chart is explained, and no metric is made up."""
    asked = [*panels(), *alerts()]
    known = set().union(*(metric_names(query.expression) for query in asked))
    named = set(re.findall(r"`(ray_\w+)`", TEXT))
    assert named
    assert named <= known
    groups = watched().one("PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"] for group in groups for rule in group["rules"]}
    assert set(re.findall(r"`(Dreamray\w+)`", TEXT)) == rules


@pytest.mark.parametrize("message", symptoms())
def test_messages_are_those_of_the_program(message: str) -> None:
    """What a symptom quotes is really printed."""
    if message != "ray status":
        assert message in messages()


def test_troubles_are_many() -> None:
    """The table is found, with the messages in it."""
    assert len(symptoms()) > 15


@pytest.mark.parametrize("command", commands_of_pages("dreamray"), ids=" ".join)
def test_dreamray_takes_its_options(command: list[str]) -> None:
    """Its own parser does."""
    known = typer.main.get_command(app.app).commands  # type: ignore[attr-defined]
    if len(command) > 2:
        known[command[1]].make_context(command[1], command[2:])
    assert command[1] in known


@pytest.mark.parametrize("command", commands_of_pages("ray"), ids=" ".join)
def test_ray_takes_its_options(command: list[str]) -> None:
    """The subcommand is there, and has each option before the job's own command."""
    from ray.scripts.scripts import cli as ray

    words = [*command[1:], "--"]
    words = words[: words.index("--")]
    found: click.Command = ray
    while isinstance(found, click.Group):
        found = found.commands[words.pop(0)]
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("command", commands("helm"), ids=" ".join)
def test_helm_takes_its_options(command: list[str]) -> None:
    """Its help has them."""
    known = set(re.findall(r"--[\w-]+", chart.helm(command[1], "--help").stdout))
    assert {word for word in command if word.startswith("--")} <= known


def test_the_first_dream_of_the_small_kubernetes_has_the_memory_that_it_needs() -> None:
    """With the weights that the farm has there."""
    page = "cluster/kubernetes/README.md"
    (render,) = [words for words in commands("dreamray", page) if words[1] == "render"]
    _, _, source, _, *options = render
    assert source == "s3://pictures/lake.png"
    options = [option for option in options if not option.startswith("--workers")]
    dream("plan", PROJECT / "examples" / "lake.png", "--no-probe", *options)


def test_commands_are_found() -> None:
    """None of the tests above is empty."""
    assert {name: len(commands(name)) > 2 for name in ("dreamray", "ray", "helm")} == {
        "dreamray": True,
        "ray": True,
        "helm": True,
    }


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)\s]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    """To a file of the project, and to a heading in it."""
    path, _, heading = link.partition("#")
    file = (DOCUMENT.parent / path).resolve() if path else DOCUMENT
    assert file.exists()
    if heading:
        titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert heading in anchors
