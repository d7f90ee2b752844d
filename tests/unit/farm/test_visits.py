"""Which nodes of a cluster are checked: one of each kind that has room for a worker."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ray")

from dreamray.farm.kinds import KIND
from dreamray.farm.visits import has_room, one_of_each


def node(name: str, cpus: float, gpus: float = 0, **labels: str) -> dict[str, Any]:
    return {"NodeID": name, "Resources": {"CPU": cpus, "GPU": gpus}, "Labels": labels}


def test_one_node_of_each_kind_is_taken() -> None:
    nodes = [
        node("head", 0),
        node("a", 8, 1, **{KIND: "l4"}),
        node("b", 8, 1, **{KIND: "l4"}),
        node("c", 8, 1, **{"ray.io/accelerator-type": "H100"}),
        node("d", 16, 1),
        node("e", 16, 1),
        node("small", 2, 1),
    ]
    found = one_of_each([one for one in nodes if has_room(one, 4, 1)])
    assert {kind: one["NodeID"] for kind, one in found.items()} == {
        "l4": "a",
        "H100": "c",
        "16 CPUs, 1 GPUs": "d",
    }


def test_nodes_without_a_label_are_told_apart_by_what_they_have() -> None:
    assert list(one_of_each([node("a", 8), node("b", 8, 1)])) == [
        "8 CPUs, 0 GPUs",
        "8 CPUs, 1 GPUs",
    ]
