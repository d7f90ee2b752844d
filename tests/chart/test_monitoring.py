"""What Prometheus and Grafana get: metrics that there are, and alerts when there should be some."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import chart
from tests.support.monitoring import (
    DASHBOARD,
    alert_rules,
    alerts,
    check_rules,
    metric_names,
    panels,
    succeed,
    variables,
    watched,
)

METRICS = {
    # dreamray's own
    "ray_dreamray_active_workers",
    "ray_dreamray_exchange_bytes_total",
    "ray_dreamray_lost_workers_total",
    "ray_dreamray_picture_seconds_bucket",
    "ray_dreamray_pictures_total",
    "ray_dreamray_pixel_steps_total",
    "ray_dreamray_queue",
    "ray_dreamray_step_seconds_bucket",
    "ray_dreamray_worker_seconds_total",
    # Ray's
    "ray_node_mem_total",
    "ray_node_mem_used",
    "ray_resources",
}
"""All that the chart asks for."""

CLUSTER = 'namespace="dreams", ray_io_cluster="farm-dreamray"'


def test_nothing_of_it_is_there_unless_it_is_switched_on() -> None:
    kinds = {manifest["kind"] for manifest in chart.render()}
    assert not kinds & {"PodMonitor", "PrometheusRule"}
    names = {manifest["metadata"]["name"] for manifest in chart.render()}
    assert "farm-dreamray-dashboard" not in names


def test_only_known_metrics_are_asked_for_and_each_of_them_is_shown() -> None:
    asked = [*panels(), *variables(), *alerts()]
    assert set().union(*(metric_names(query.expression) for query in asked)) == METRICS


def test_the_pod_monitor_finds_head_and_workers_by_a_port_that_they_have() -> None:
    manifests = watched()
    spec = manifests.one("PodMonitor")["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    (among,) = spec["selector"]["matchExpressions"]
    found = [
        pod
        for pod in manifests.pods()
        if spec["selector"]["matchLabels"].items() <= pod.labels.items()
        and pod.labels[among["key"]] in among["values"]
    ]
    assert len(found) == 2
    for pod in found:
        assert endpoint["port"] in {port["name"] for port in pod.container["ports"]}
    (cluster, _) = endpoint["relabelings"]
    assert all(cluster["targetLabel"] in query.expression for query in [*panels(), *alerts()])


def test_the_dashboard_is_whole() -> None:
    config = watched().one("ConfigMap", "farm-dreamray-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(config["data"][DASHBOARD])
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        rows = range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in rows}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert used - {"__rate_interval", "__all"} == variables


def test_promtool_takes_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    asked = [query.expression for query in [*panels(), *variables()]]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(asked)]
    check_rules(tmp_path, {"groups": [{"name": "dashboard", "rules": rules}]})


def test_promtool_takes_the_rules(tmp_path: Path) -> None:
    check_rules(tmp_path, alert_rules())


def test_no_progress_on_waiting_pictures_is_told(tmp_path: Path) -> None:
    stuck = {
        "ray_dreamray_queue": "5x90",
        "ray_dreamray_pixel_steps_total": "0+100x20 2000x70",  # It stops after 20 minutes.
    }
    fires(tmp_path, "DreamrayNoProgress", stuck, at="50m", severity="critical", value=None)
    fires(tmp_path, "DreamrayNoProgress", stuck, at="70m", severity="critical", value="5")


def test_no_progress_from_the_beginning_is_told(tmp_path: Path) -> None:
    never = {"ray_dreamray_queue": "3x60"}
    fires(tmp_path, "DreamrayNoProgress", never, at="40m", severity="critical", value="3")


@pytest.mark.parametrize(
    "healthy",
    [
        {"ray_dreamray_queue": "5x90", "ray_dreamray_pixel_steps_total": "0+100x90"},
        {"ray_dreamray_queue": "0x90", "ray_dreamray_pixel_steps_total": "7x90"},
        {"ray_dreamray_pixel_steps_total": "7x90"},
    ],
    ids=["steps", "nothing-waits", "no-run"],
)
def test_progress_or_no_work_is_not_told(tmp_path: Path, healthy: dict[str, str]) -> None:
    fires(tmp_path, "DreamrayNoProgress", healthy, at="80m", severity="critical", value=None)


def test_many_failures_are_told_and_few_are_not(tmp_path: Path) -> None:
    done = 'ray_dreamray_pictures_total{state="done"}'
    failed = 'ray_dreamray_pictures_total{state="failed"}'
    many = {done: "0+90x60", failed: "0+10x60"}
    fires(tmp_path, "DreamrayManyFailures", many, at="40m", severity="warning", value="10%")
    few = {done: "0+98x60", failed: "0+2x60"}
    fires(tmp_path, "DreamrayManyFailures", few, at="40m", severity="warning", value=None)
    kept = {'ray_dreamray_pictures_total{state="kept"}': "0+100x60"}
    fires(tmp_path, "DreamrayManyFailures", kept, at="40m", severity="warning", value=None)


def test_failures_of_a_run_between_two_scrapes_are_told_for_half_an_hour(tmp_path: Path) -> None:
    """Its counters are there all at once, and do not grow: that is how short runs are seen."""
    short = {
        'ray_dreamray_pictures_total{state="done"}': "_x10 6x80",
        'ray_dreamray_pictures_total{state="failed"}': "_x10 2x80",
    }
    for at, value in (("12m", None), ("30m", "25%"), ("50m", None)):
        fires(tmp_path, "DreamrayManyFailures", short, at=at, severity="warning", value=value)


def test_failures_of_earlier_runs_are_not_told_again(tmp_path: Path) -> None:
    """Counters stay after their run: those of a bad one must not spoil the next."""
    counted = 'ray_dreamray_pictures_total{{state="{}", WorkerId="{}"}}'.format
    runs = {
        counted("failed", "earlier"): "50x90",
        counted("done", "earlier"): "10x90",
        counted("done", "next"): "_x40 0+5x50",
        counted("failed", "next"): "_x60 1x30",
    }
    fires(tmp_path, "DreamrayManyFailures", runs, at="75m", severity="warning", value=None)


def test_the_first_picture_is_progress(tmp_path: Path) -> None:
    """It takes long to come where nodes come up and pictures are large."""
    slow = {"ray_dreamray_queue": "5x90", "ray_dreamray_pixel_steps_total": "_x25 7x65"}
    fires(tmp_path, "DreamrayNoProgress", slow, at="40m", severity="critical", value=None)
    fires(tmp_path, "DreamrayNoProgress", slow, at="80m", severity="critical", value="5")


def test_alerts_end_with_the_driver(tmp_path: Path) -> None:
    """Its gauges vanish from the scrape."""
    gpus = 'ray_resources{Name="GPU", State="AVAILABLE"}'
    gone = {"ray_dreamray_queue": "5x50 stale", gpus: "2x90"}
    told = {"DreamrayNoProgress": ("critical", "5"), "DreamrayGpusIdle": ("warning", "2")}
    for alert, (severity, value) in told.items():
        fires(tmp_path, alert, gone, at="50m", severity=severity, value=value)
        fires(tmp_path, alert, gone, at="52m", severity=severity, value=None)


def test_idle_gpus_are_told_while_pictures_wait(tmp_path: Path) -> None:
    gpus = 'ray_resources{Name="GPU", State="AVAILABLE"}'
    idle = {gpus: "2x60", "ray_dreamray_queue": "9x60"}
    fires(tmp_path, "DreamrayGpusIdle", idle, at="10m", severity="warning", value=None)
    fires(tmp_path, "DreamrayGpusIdle", idle, at="20m", severity="warning", value="2")
    for healthy in ({gpus: "0x60", "ray_dreamray_queue": "9x60"}, {gpus: "2x60"}):
        fires(tmp_path, "DreamrayGpusIdle", healthy, at="50m", severity="warning", value=None)


def test_thresholds_are_the_operators(tmp_path: Path) -> None:
    stuck = {"ray_dreamray_queue": "3x60"}
    fires(
        tmp_path,
        "DreamrayNoProgress",
        stuck,
        at="6m",
        severity="critical",
        value="3",
        rules={"stalledMinutes": 5},
    )


def fires(
    folder: Path,
    alert: str,
    series: dict[str, str],
    at: str,
    severity: str,
    value: str | None,
    rules: dict[str, Any] | None = None,
) -> None:
    """Have promtool prove that the alert is on at that time and names the value, or is not on.

    Series are values at each minute, in promtool's words.
    """
    spec = alert_rules(**(rules or {}))
    (rule,) = [r for group in spec["groups"] for r in group["rules"] if r["alert"] == alert]
    labels = {"namespace": "dreams", "ray_io_cluster": "farm-dreamray", "severity": severity}
    expected = []
    if value is not None:
        description = rule["annotations"]["description"]
        for name, text in (("value", value), ("labels.ray_io_cluster", "farm-dreamray")):
            description = re.sub(rf"\{{\{{ \${re.escape(name)}[^}}]*\}}\}}", text, description)
        annotations = {**rule["annotations"], "description": description}
        expected = [{"exp_labels": labels, "exp_annotations": annotations}]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": of_the_cluster(name), "values": values}
                    for name, values in series.items()
                ],
                "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
            }
        ],
    }
    (folder / "rules.yaml").write_text(yaml.safe_dump(spec))
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    succeed("test", "rules", str(folder / "test.yaml"))


def of_the_cluster(series: str) -> str:
    """The series with the labels of a farm."""
    name, _, labels = series.partition("{")
    return f"{name}{{{CLUSTER}, {labels}" if labels else f"{name}{{{CLUSTER}}}"
