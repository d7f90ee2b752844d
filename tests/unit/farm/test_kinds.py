"""Workers of other kinds: told once, or left out where nodes have labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("ray")

from dreamray.farm import answers
from dreamray.farm.kinds import KIND, Kinds, differences

L4 = {"device": "GPU NVIDIA L4", "driver": "550.54", "threads": 4}
NODES = {"a": "l4", "b": "l4", "c": "h100", "bare": None}


@pytest.fixture(autouse=True)
def nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [
        {"NodeID": node, "Labels": {KIND: label} if label else {}} for node, label in NODES.items()
    ]
    monkeypatch.setattr(answers, "nodes", lambda: known)


def of(*workers: tuple[str, Mapping[str, Any]], pinned: bool = True, **more: str) -> Any:
    told: list[str] = []
    kinds = Kinds(pinned=pinned, precision=more.get("precision", "float32"), warn=told.append)
    for node, about in workers:
        kinds.welcome(node, about)
    return kinds, told


def test_the_first_ones_label_is_wanted_of_all_others() -> None:
    kinds, told = of(("a", L4))
    assert kinds.wanted == "l4"
    assert kinds.asked_for == " on a node of l4 (any other with --same-kind never)"
    assert [node for node in NODES if kinds.is_other(node)] == ["c", "bare"]
    assert told == []


@pytest.mark.parametrize("workers", [[("a", L4)], [("bare", L4), ("c", L4)]])
def test_any_is_wanted_unless_pinned_to_a_label(workers: list[Any]) -> None:
    kinds, _ = of(*workers, pinned=workers[0][0] == "bare")
    assert kinds.wanted is None
    assert kinds.asked_for == ""
    assert not any(map(kinds.is_other, NODES))


def test_those_left_out_are_told_once() -> None:
    kinds, told = of(("a", L4))
    kinds.tell_left_out("c")
    kinds.tell_left_out("c")
    assert told == [
        "workers on nodes of h100 are left out, as the first one is on l4; --same-kind never "
        "takes them, too"
    ]


def test_in_what_a_worker_differs_is_told_once() -> None:
    """Also on nodes with the same label."""
    other = {**L4, "driver": "535.2"}
    _, told = of(("a", L4), ("b", other), ("b", other), ("b", L4))
    assert len(told) == 1
    assert "(driver 535.2 in place of 550.54)" in told[0]


def test_what_a_precision_costs_on_the_first_ones_kind_is_told() -> None:
    _, told = of(*[("a", {"instructions": "AVX2"})] * 2, precision="bfloat16")
    assert len(told) == 1
    assert "about as long as float32" in told[0]


def test_differences_name_what_one_has_and_the_other_has_not() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 3}) == "a 1 in place of none, b 2 in place of 3"
    assert differences(L4, dict(L4)) == ""
