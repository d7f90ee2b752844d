"""What the chart asks of Prometheus, and what Prometheus would answer, as promtool works it out."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support import chart

DASHBOARD = "dreamray.json"

_GRAFANA = {"$__rate_interval": "1m", "$namespace": chart.NAMESPACE, "$cluster": ".*"}
_SAMPLE = re.compile(r"\w*(\{[^}]*\}) (\S+?)(?:,\s|$)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_FAILED = re.compile(r'expr: ("(?:[^"\\]|\\.)*"), time: (\S+),\s+exp: nil\s+got: (.*)')


def watched(**rules: Any) -> chart.Manifests:
    """The chart with all of its monitoring; `rules` are values of the alert rules."""
    monitoring = {
        **chart.VALUE_SETS["monitoring"]["monitoring"],
        "rules": {"enabled": True, **rules},
    }
    return chart.render({"monitoring": monitoring})


@dataclass(frozen=True)
class Query:
    """What a panel of the dashboard, a variable of it, or an alert rule asks for."""

    title: str
    expression: str
    """In PromQL, with a value in place of each of Grafana's variables."""
    shows: tuple[str, ...]
    """Labels that its legend, its description or its choice of values names."""


def panels() -> list[Query]:
    """What the panels of the dashboard ask for."""
    return [
        Query(
            f"{panel['title']}: {target['legendFormat']}",
            _filled(target["expr"]),
            tuple(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])),
        )
        for panel in _dashboard()["panels"]
        for target in panel["targets"]
    ]


def variables() -> list[Query]:
    """What the variables of the dashboard ask for: the values of a label."""
    asked = [v for v in _dashboard()["templating"]["list"] if v["type"] == "query"]
    found = [re.fullmatch(r"label_values\((.*), (\w+)\)", v["definition"]) for v in asked]
    assert all(found)
    return [
        Query(variable["name"], _filled(match[1]), (match[2],))
        for variable, match in zip(asked, found, strict=True)
        if match
    ]


def alerts(**rules: Any) -> list[Query]:
    """What the alert rules ask for."""
    return [
        Query(
            rule["alert"],
            rule["expr"],
            tuple(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"])),
        )
        for rule in alert_rules(**rules)["groups"][0]["rules"]
    ]


def alert_rules(**rules: Any) -> dict[str, Any]:
    """The file of alert rules."""
    spec: dict[str, Any] = watched(**rules).one("PrometheusRule")["spec"]
    assert len(spec["groups"]) == 1
    return spec


def metric_names(expression: str) -> set[str]:
    """Names of the metrics in an expression of PromQL."""
    return set(re.findall(r"\bray_(?!io_)\w+", expression))


@dataclass(frozen=True)
class Sample:
    """One of the values that an expression has."""

    labels: Mapping[str, str]
    value: float


def answers(
    folder: Path,
    series: Mapping[str, str],
    interval: int,
    asked: Iterable[tuple[str, int]],
    rules: Mapping[str, Any] | None = None,
) -> dict[tuple[str, int], list[Sample]]:
    """What expressions amount to, each at a second; none is left out.

    Series are values every `interval` seconds, in the words of promtool's unit tests. With
    `rules` alerts that are on can be asked for, as `ALERTS`.
    """
    asked = list(asked)
    # Nothing is expected of any, so promtool complains of all that have a value.
    tests = [
        {"expr": expression, "eval_time": f"{second}s", "exp_samples": []}
        for expression, second in asked
    ]
    spec = {
        "rule_files": ["asked-rules.yaml"],
        "evaluation_interval": f"{interval}s",
        "tests": [
            {
                "interval": f"{interval}s",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": tests,
            }
        ],
    }
    (folder / "asked-rules.yaml").write_text(json.dumps(rules or {"groups": []}))
    (folder / "asked.yaml").write_text(json.dumps(spec))
    done = promtool("test", "rules", str(folder / "asked.yaml"))
    found: dict[tuple[str, int], list[Sample]] = {one: [] for one in asked}
    for match in _FAILED.finditer(done.stdout + done.stderr):
        samples = [
            Sample(dict(_LABEL.findall(labels)), float(value))
            for labels, value in _SAMPLE.findall(match[3])
        ]
        assert samples, match[0]
        found[json.loads(match[1]), _seconds(match[2])] = samples
    assert found.keys() == set(asked)
    assert (done.returncode != 0) == any(found.values()), done.stdout + done.stderr
    return found


def check_rules(folder: Path, rules: Mapping[str, Any]) -> None:
    """Have promtool look at a file of rules."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    succeed("check", "rules", str(folder / "rules.yaml"))


def succeed(*arguments: str) -> None:
    """Run promtool; the test fails, with what it says, if it does not succeed."""
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool, whatever its exit code."""
    command = [chart.tool("promtool"), *arguments]
    return subprocess.run(command, text=True, capture_output=True, timeout=60)


def _dashboard() -> dict[str, Any]:
    config = watched().one("ConfigMap", "farm-dreamray-dashboard")
    dashboard: dict[str, Any] = json.loads(config["data"][DASHBOARD])
    return dashboard


def _filled(expression: str) -> str:
    for name, value in _GRAFANA.items():
        expression = expression.replace(name, value)
    return expression


def _seconds(duration: str) -> int:
    """Of a duration as Prometheus writes it, such as `1h2m3s`."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([dhms])", duration))
