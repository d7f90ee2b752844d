"""What runs on a real Ray export, scraped as the chart's PodMonitor has it done.

A head and a worker with a pretended GPU on rehearsed hosts. A set is dreamt, of which one picture
is none and during which a worker is killed; then a picture in tiles by two workers, until that has
been reported. All the while both nodes are scraped, and promtool answers what dashboard and alert
rules ask.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.support import chart, monitoring, namespaces
from tests.support.hosts import Host, Hosts, hosts_unavailable
from tests.support.monitoring import Query, Sample
from tests.support.places import PROJECT
from tests.support.ray_cluster import BARE_HEAD, BARE_NODE

pytestmark = pytest.mark.ray

GOOD, BAD = 6, 1
STEP = 15
"""Seconds that are said to lie between two scrapes, as by default in the chart."""

DREAM = ["--layer=mixed0=1", "--octaves=2", "--iterations=30", "--weights=random", "--threads=1"]
DREAM += ["--gpus-per-worker=1", "--workers=1:2"]

QUICKER = {"RAY_metrics_report_interval_ms": "3000", "REPORTER_UPDATE_INTERVAL_MS": "2000"}
"""How often Ray's processes and nodes report: by default every 10 and 5 seconds."""

FROM_KUBERNETES = {"namespace", "pod"}
"""Labels that no run and no relabeling makes: Prometheus' operator gives them to each pod."""

GAUGES = {"ray_dreamray_active_workers", "ray_dreamray_queue"}

SCRAPER = """
import json, sys, urllib.request
for line in sys.stdin:
    pages = [urllib.request.urlopen(url, timeout=10).read().decode() for url in json.loads(line)]
    print(json.dumps(pages), flush=True)
"""

LIVES_ON = """
import contextlib, sys
import ray
from dreamray.bulk.bulk_events import BulkProgress
from dreamray.settings.execution import Execution
from dreamray.bulk.executors import ray_task_executor
from tests.support.farm_tools import SetTools
ray.init(log_to_driver=False, logging_level="ERROR")
with contextlib.suppress(RuntimeError):
    with ray_task_executor(SetTools(), Execution(workers="1", threads=1), 9, print) as executor:
        executor.on_event(BulkProgress(total=9, kept=0, done=1, failed=0, in_flight=1, workers=1))
        print("at work", flush=True)
        sys.stdin.readline()
        raise RuntimeError
print("ended", flush=True)
sys.stdin.readline()
"""

Labels = frozenset[tuple[str, str]]
Scrape = Mapping[Labels, float]
"""Values of the series, whose names are among their labels as `__name__`."""


@dataclass
class Watched:
    """Pods, and what was scraped of them so far."""

    pods: Sequence[tuple[str, Mapping[str, str]]]
    """Of each the URL, and the labels that Prometheus gives to all that comes from it."""
    scraper: subprocess.Popen[str]
    scrapes: list[Scrape] = field(default_factory=list)

    def scrape(self) -> Scrape:
        """What the pods export now of what the chart asks for."""
        assert self.scraper.stdin is not None
        assert self.scraper.stdout is not None
        print(json.dumps([url for url, _ in self.pods]), file=self.scraper.stdin, flush=True)
        found: dict[Labels, float] = {}
        asked = tuple(_asked_metrics())
        for page, (_, labels) in zip(
            json.loads(self.scraper.stdout.readline()), self.pods, strict=True
        ):
            # Ray exports a few hundred others.
            lines = [line for line in page.splitlines(keepends=True) if line.startswith(asked)]
            for family in text_string_to_metric_families("".join(lines)):
                for sample in family.samples:
                    known = {key: value for key, value in sample.labels.items() if value}
                    series = {**known, **labels, "__name__": sample.name}
                    found[frozenset(series.items())] = sample.value
        self.scrapes.append(found)
        return found

    def until(self, holds: Callable[[Scrape], bool], timeout: float = 60) -> None:
        """Scrape every other second until it holds; raises TimeoutError if that never comes."""
        end = time.monotonic() + timeout
        while not holds(self.scrape()):
            if time.monotonic() > end:
                raise TimeoutError(sorted(map(sorted, self.scrapes[-1]))[:20])
            time.sleep(2)


def values(scrape: Scrape, name: str, **labels: str) -> list[float]:
    """Those of all series of the name with these labels."""
    wanted = {("__name__", name), *labels.items()}
    return [value for series, value in scrape.items() if wanted <= series]


def nobody_works(scrape: Scrape) -> bool:
    """Whether the gauges of dreamray are gone, or zero."""
    return not any(value for gauge in GAUGES for value in values(scrape, gauge))


def steps(scrape: Scrape) -> float:
    """How many steps of huge pictures were made."""
    return sum(values(scrape, "ray_dreamray_step_seconds_bucket", le="+Inf"))


def idle_gpus(scrape: Scrape) -> list[float]:
    """How many GPUs each node has that nobody uses."""
    return values(scrape, "ray_resources", Name="GPU", State="AVAILABLE")


def relabelled(rules: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that a PodMonitor makes of a pod's own."""
    known = {
        "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", name): value
        for name, value in labels.items()
    }
    assert all(rule.keys() == {"sourceLabels", "targetLabel"} for rule in rules)
    return {
        rule["targetLabel"]: ";".join(known[name] for name in rule["sourceLabels"])
        for rule in rules
    }


def target(
    manifests: chart.Manifests, host: Host, component: str
) -> tuple[str, Mapping[str, str], str]:
    """Where a pod is scraped that runs on the host, its labels, and the port as Ray is told."""
    (endpoint,) = manifests.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    cluster = manifests.one("RayCluster")
    spec = cluster["spec"]
    group = spec["headGroupSpec"] if component == "head" else spec["workerGroupSpecs"][0]
    (pod,) = [p for p in manifests.pods() if p.labels["app.kubernetes.io/component"] == component]
    ports = {port["name"]: port["containerPort"] for port in pod.container["ports"]}
    # KubeRay names the cluster on its pods.
    labels = {**pod.labels, "ray.io/cluster": cluster["metadata"]["name"]}
    made = relabelled(endpoint["relabelings"], labels)
    of_the_pod = {"namespace": chart.NAMESPACE, "pod": f"farm-{component}"}
    url = f"http://{host.address}:{ports[endpoint['port']]}/metrics"
    return url, {**of_the_pod, **made}, group["rayStartParams"]["metrics-export-port"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Hosts, Watched]]:
    """Ray on two hosts, with the ports of the chart."""
    chart.tool("promtool")
    if reason := hosts_unavailable():
        pytest.skip(reason)
    manifests = monitoring.watched()
    with Hosts(2) as hosts:
        hosts.environment.update(QUICKER, PYTHONPATH=str(PROJECT))
        head, worker = hosts
        pods = [target(manifests, head, "head"), target(manifests, worker, "worker")]
        (head_port, worker_port) = [f"--metrics-export-port={port}" for _, _, port in pods]
        head.start_head(options=[head_port, "--num-gpus=0", *BARE_HEAD])
        worker.start_worker(4, options=[worker_port, "--num-gpus=1", *BARE_NODE])
        for host in hosts:
            host.wait_for_ray()
        pipe = subprocess.PIPE
        scraper = head.popen([sys.executable, "-c", SCRAPER], stdin=pipe, stdout=pipe, text=True)
        yield hosts, Watched([(url, labels) for url, labels, _ in pods], scraper)


@dataclass(frozen=True)
class History:
    """What was scraped, and which of the scrapes were when."""

    scrapes: Sequence[Scrape]
    idle: int
    """When there was no run."""
    waiting: int
    """When pictures waited, and no worker was there yet."""
    after_set: int
    """When the set was finished, and its driver forgotten."""


def in_words(scrapes: Sequence[Scrape]) -> dict[str, str]:
    """Series of the scrapes, in promtool's words."""
    names = sorted({series for scrape in scrapes for series in scrape}, key=sorted)
    return {_shown(name): _values([scrape.get(name) for scrape in scrapes]) for name in names}


def _name(series: Labels) -> str:
    return dict(series)["__name__"]


@functools.cache
def _asked_metrics() -> set[str]:
    return set().union(*(monitoring.metric_names(query.expression) for query in everything()))


def _shown(series: Labels) -> str:
    labels = [f"{key}={json.dumps(value)}" for key, value in sorted(series) if key != "__name__"]
    return f"{_name(series)}{{{', '.join(labels)}}}"


def _values(found: Sequence[float | None]) -> str:
    """A series is stale from the first scrape without it, as Prometheus has it."""
    words, there = [], False
    for value in found:
        words.append("stale" if value is None and there else "_" if value is None else f"{value!r}")
        there = value is not None
    return " ".join(words)


def everything() -> list[Query]:
    """All that the chart asks for."""
    return [*monitoring.panels(), *monitoring.variables(), *monitoring.alerts()]


@pytest.fixture(scope="module")
def history(cluster: tuple[Hosts, Watched], tmp_path_factory: pytest.TempPathFactory) -> History:
    """A set with a bad picture and a killed worker, then some of a picture in tiles by two."""
    hosts, watched = cluster
    folder = tmp_path_factory.mktemp("watched")
    (folder / "in").mkdir()
    random = np.random.default_rng(3)
    for number in range(GOOD):
        pixels = random.integers(0, 256, (150, 150, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "in" / f"{number}.png")
    (folder / "in" / "bad.png").write_text("no picture")
    watched.until(lambda scrape: len(values(scrape, "ray_node_mem_used")) == 2)
    watched.until(lambda scrape: idle_gpus(scrape) == [1])
    idle = len(watched.scrapes) - 1

    run = start(hosts[0], "bulk", folder / "in", folder / "out", *DREAM)
    watched.until(lambda scrape: bool(values(scrape, "ray_dreamray_queue")))
    waiting = len(watched.scrapes) - 1
    watched.until(lambda _: any((folder / "out").glob("*.png")))
    hosts[1].kill(*studios(hosts[1]))
    watched.until(lambda _: run.poll() is not None, timeout=120)
    said = run.communicate()[0]
    assert f"{GOOD} of {GOOD + BAD} pictures dreamt, {BAD} failed" in said, said
    watched.until(nobody_works)
    after_set = len(watched.scrapes) - 1

    two = ["--tile=64", "--gpus-per-worker=0.5", "--workers=2"]
    endless = ["--max-loss=none", "--iterations=100000"]
    run = start(
        hosts[0], "render", folder / "in" / "0.png", folder / "0.png", *DREAM, *two, *endless
    )

    def reported(_: Scrape) -> bool:
        """Whether it has made a rate, for which steps have to be in two reports; or has ended."""
        counts = {steps(scrape) for scrape in watched.scrapes}
        return len(counts - {0}) >= 2 or run.poll() is not None

    watched.until(reported, timeout=120)
    run.terminate()
    said = run.communicate(timeout=60)[0]
    assert run.returncode == 130, said
    watched.until(nobody_works)
    return History(watched.scrapes, idle, waiting, after_set)


def start(host: Host, *command: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    words = ["dreamray", *map(str, command)]
    return host.popen(words, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def studios(host: Host) -> list[str]:
    """Names of the processes that dream sets."""
    names = [namespaces.name_of(process) or "" for process in host.processes()]
    return [name for name in names if name.startswith("ray::NodeTaskRunner")]


SELECTOR = re.compile(r"\b(ray_(?!io_)\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')


def test_all_that_is_asked_for_was_scraped(history: History) -> None:
    """Each metric with each of the values that its labels are asked to have."""
    scraped = {series for scrape in history.scrapes for series in scrape}
    checked = 0
    for query in everything():
        for name, matchers in SELECTOR.findall(query.expression):
            of_the_name = [dict(series) for series in scraped if ("__name__", name) in series]
            assert of_the_name, f"{query.title}: no {name}"
            for label, how, wanted in MATCHER.findall(matchers):
                assert how in ("=", "=~")
                for value in wanted.split("|") if how == "=~" else [wanted]:
                    pattern = value if how == "=~" else re.escape(value)
                    seen = [s for s in of_the_name if re.fullmatch(pattern, s.get(label, ""))]
                    assert seen, f"{query.title}: no {name} with {label}={value}"
                    checked += 1
    assert checked > 40


def test_labels_that_are_grouped_by_or_shown_are_there(history: History) -> None:
    """They come from runs and from the PodMonitor; but two of them from Kubernetes alone."""
    exported = {
        query.title: {
            key
            for scrape in history.scrapes
            for series in scrape
            if _name(series) in monitoring.metric_names(query.expression)
            for key, _ in series
        }
        for query in everything()
    }
    from_kubernetes: set[str] = set()
    for query in everything():
        grouped = re.findall(r"\bby \(([^)]*)\)", query.expression)
        labels = {label.strip() for found in grouped for label in found.split(",")}
        assert {*labels, *query.shows} <= exported[query.title], query.title
        from_kubernetes |= {*labels, *query.shows} & FROM_KUBERNETES
    assert from_kubernetes == FROM_KUBERNETES


def test_each_panel_shows_what_happened(history: History, tmp_path: Path) -> None:
    """Every query of the dashboard has a number at some time, and those that count are right."""
    numbers = range(len(history.scrapes))
    asked = [(q.expression, STEP * n) for q in monitoring.panels() for n in numbers]
    found = monitoring.answers(tmp_path, in_words(history.scrapes), STEP, asked)

    def course(query: Query) -> list[list[Sample]]:
        return [found[query.expression, STEP * n] for n in numbers]

    shown = {query.title: course(query) for query in monitoring.panels()}
    for title, samples in shown.items():
        assert any(0 <= s.value < 1e15 for some in samples for s in some), title
    ups = {title: [s.value for some in samples for s in some] for title, samples in shown.items()}
    assert max(ups["Waiting: pictures"]) == GOOD + BAD
    assert max(ups["Workers: workers"]) == 2
    assert set(ups["Workers and GPUs: GPUs"]) == {1}
    assert set(ups["Workers and GPUs: GPUs in use"]) - {0.5} == {0, 1}
    assert ups["Failed, last hour: failed"][-1] == BAD
    assert ups["Lost workers, last hour: lost"][-1] == 1
    assert max(ups["Lost workers: {{ray_io_cluster}}"]) == 1
    assert 0 < max(ups["Memory of the nodes: {{pod}}"]) < 1
    stages = {
        sample.labels["stage"]
        for some in shown["Seconds for a picture, median by stage: {{stage}}"]
        for sample in some
    }
    assert stages == {"load", "wait", "dream", "store"}
    assert not any(s.value for s in shown["Waiting: pictures"][-1])


def test_a_set_is_counted_in_full(history: History) -> None:
    """Also what came to its end just before the driver did; and by the driver's node alone."""
    last = history.scrapes[history.after_set]
    assert values(last, "ray_dreamray_pictures_total", state="done") == [GOOD]
    assert values(last, "ray_dreamray_pictures_total", state="failed") == [BAD]
    assert values(last, "ray_dreamray_lost_workers_total") == [1]
    (work,) = values(last, "ray_dreamray_pixel_steps_total")
    assert work >= GOOD * 150 * 150 * 30
    own = [dict(s) for s in last if _name(s).startswith("ray_dreamray_")]
    assert {series["component"] for series in own} == {"head"}


def test_alerts_come_and_go_with_what_a_run_exports(history: History, tmp_path: Path) -> None:
    """A run whose workers do not fit and that hangs; then the real rest of it, and quiet."""
    resources = {s: v for s, v in history.scrapes[history.idle].items() if _is_resource(s)}
    others = {s: v for s, v in history.scrapes[history.waiting].items() if not _is_resource(s)}
    hang = [{**resources, **others}] * (50 * 60 // STEP)
    run = history.scrapes[history.waiting : history.after_set]
    some = run[:: 1 + len(run) // 12]  # Not more than minutes, however long it took.
    last = [history.scrapes[history.after_set]] * (40 * 60 // STEP)
    end = STEP * len([*hang, *some])

    def on(second: int) -> tuple[str, int]:
        return 'ALERTS{alertstate="firing"}', second

    moments = {"hangs": 45 * 60, "ended": end, "later": end + 10 * 60, "at last": end + 39 * 60}
    found = monitoring.answers(
        tmp_path,
        in_words([*hang, *some, *last]),
        STEP,
        map(on, moments.values()),
        monitoring.alert_rules(),
    )
    names = {
        when: {sample.labels["alertname"] for sample in found[on(second)]}
        for when, second in moments.items()
    }
    assert names == {
        "hangs": {"DreamrayNoProgress", "DreamrayGpusIdle"},
        "ended": set(),
        "later": {"DreamrayManyFailures"},  # One of seven pictures.
        "at last": set(),
    }
    for second in moments.values():
        for sample in found[on(second)]:
            assert sample.labels["ray_io_cluster"] == "farm-dreamray"


def _is_resource(series: Labels) -> bool:
    return _name(series) == "ray_resources"


def test_a_driver_that_lives_on_leaves_nobody_at_work(cluster: tuple[Hosts, Watched]) -> None:
    """A set that ends with an error, in a process that goes on: its alerts would never end."""
    hosts, watched = cluster
    command = [sys.executable, "-c", LIVES_ON]
    pipe = subprocess.PIPE
    driver = hosts[0].popen(command, stdin=pipe, stdout=pipe, text=True)
    assert driver.stdin is not None
    assert driver.stdout is not None
    assert driver.stdout.readline() == "at work\n"
    watched.until(lambda scrape: values(scrape, "ray_dreamray_queue") == [7])
    print(file=driver.stdin, flush=True)
    assert driver.stdout.readline() == "ended\n"
    watched.until(lambda scrape: values(scrape, "ray_dreamray_queue") == [0])
    assert values(watched.scrapes[-1], "ray_dreamray_active_workers") == [0]
    driver.communicate("\n", timeout=30)
