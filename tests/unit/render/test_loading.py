"""When a renderer loads weights: when it is told to, or has to dream, and no sooner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dreamray.base.geometry import Shape
from dreamray.engine.events import Notice
from dreamray.engine.tile_executor import LocalTileExecutor
from dreamray.engine.worker import Worker
from dreamray.model.weights import loader
from dreamray.model.weights.arrays import Weights
from dreamray.plan.planner import Planner
from dreamray.render.renderer import Renderer
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from tests.support.plain_engine import PlainEngine

DREAM = Dream(layers={"mixed0": 1.0}, octaves=1, iterations=1)
IMAGE = np.random.default_rng(1).uniform(-1, 1, (90, 100, 3)).astype(np.float32)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, untrained: Weights) -> list[str]:
    """The sources that weights were loaded from."""
    sources: list[str] = []

    def load(source: str, warn: Any) -> Weights:
        sources.append(source)
        return untrained

    monkeypatch.setattr(loader, "load", load)
    return sources


def plain() -> LocalTileExecutor:
    return LocalTileExecutor(Worker(PlainEngine("mixed0")))


def test_a_property_loads_nothing(loads: list[str]) -> None:
    renderer = Renderer(DREAM, Execution(weights="random"))
    for name in ("weights", "dream", "planner"):
        with pytest.raises(RuntimeError, match="load"):
            getattr(renderer, name)
    assert loads == []


def test_they_are_loaded_once(loads: list[str]) -> None:
    renderer = Renderer(DREAM, Execution(weights="random"))
    renderer.load()
    renderer.load()
    renderer.plan(Shape(90, 100))
    assert loads == ["random"]
    assert renderer.with_dream(DREAM.replace(step=0.5)).weights is renderer.weights


def test_a_dream_loads_them_with_a_plan_as_without(loads: list[str]) -> None:
    plan = Planner(DREAM, Execution()).plan(Shape(90, 100))
    for given in None, plan:
        renderer = Renderer(DREAM, Execution(weights="random"), executor=plain())
        assert not np.array_equal(renderer.dream_array(IMAGE, given), IMAGE)
    assert loads == ["random", "random"]


def test_other_weights_than_those_of_an_earlier_result_are_told(loads: list[str]) -> None:
    heard: list[object] = []
    Renderer(DREAM, Execution(), heard.append, made_with="0" * 64).load()
    (notice,) = heard
    assert isinstance(notice, Notice)
    assert "made with other weights than random" in notice.text
