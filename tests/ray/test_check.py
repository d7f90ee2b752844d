"""A check on the nodes of a cluster, one of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dreamray.base.errors import DreamrayError
from dreamray.farm.check.findings import MachineReport
from dreamray.farm.check.machine_check import CheckOptions
from dreamray.farm.cluster import connect
from dreamray.settings.execution import Execution
from tests.support.places import PROJECT


def test_a_node_is_checked_and_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By a worker's rights: with its processors, and its way to the storage."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))  # For `check_engines`.
    execution = Execution(workers="1", threads=1)
    options = CheckOptions(
        short=True, storage=str(tmp_path), engine="tests.support.check_engines:seamed"
    )
    with connect(execution):
        from dreamray.farm import answers
        from dreamray.farm.visits import exchange_between, visit_kinds

        ((name, found),) = visit_kinds(options, execution, lambda text: None)
        between = exchange_between(answers.nodes() * 2, 0.5)
        with pytest.raises(DreamrayError, match="no node that is up has 999 CPUs"):
            next(visit_kinds(options, execution.replace(threads=999), lambda text: None))
        ((_, full),) = _visit_while_all_is_in_use(options, execution)
    (finding,) = MachineReport.from_json(full).findings
    assert "no room for a worker within 1 s" in finding.told
    assert not finding.ours
    assert between.holds, between.told
    assert "from node to node" in between.told
    report = MachineReport.from_json(found)
    assert report.machine["host"] in name
    assert {one.promise: one.holds for one in report.findings} == {
        "same bits, float32": True,
        "exact tiles, float32": False,
        "exchange of workers": True,
        "storage": True,
    }


def _visit_while_all_is_in_use(
    options: CheckOptions, execution: Execution
) -> list[tuple[str, Mapping[str, Any]]]:
    import ray

    from dreamray.farm.visits import visit_kinds

    class Holder:
        def ready(self) -> None:
            """All processors are its own."""

    holder: Any = ray.remote(num_cpus=ray.cluster_resources()["CPU"])(Holder).remote()
    ray.get(holder.ready.remote())
    try:
        return list(visit_kinds(options, execution.replace(wait=1), lambda text: None))
    finally:
        ray.kill(holder)
