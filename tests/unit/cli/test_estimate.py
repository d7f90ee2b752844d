"""The speed that a plan counts with is measured on windows as large as it needs, and no larger."""

from __future__ import annotations

from typing import Any

import pytest

from dreamray.base.geometry import Shape
from dreamray.cli import estimate
from dreamray.model.architecture import convolution_flops
from dreamray.model.processor import Processor
from dreamray.plan.planner import Planner
from dreamray.settings.dream import Dream
from dreamray.settings.execution import Execution
from tests.support.farm_tools import PlainSpec


@pytest.mark.parametrize(
    ("picture", "launches", "tera", "sides"),
    [
        (3000, 0.0, 0.1, [320]),  # A processor: a step of the smallest takes long.
        (3000, 0.003, 40, [320, 640, 1280, 2560]),  # A card, which small windows do not fill.
        (700, 0.003, 40, [320, 640]),  # The plan has no larger window.
        (200, 0.003, 40, [320]),
    ],
)
def test_windows_grow_until_a_step_takes_a_moment(
    monkeypatch: pytest.MonkeyPatch, picture: int, launches: float, tera: float, sides: list[int]
) -> None:
    tried: list[int] = []

    def seconds(executor: object, dream: Dream, side: int) -> float:
        tried.append(side)
        return launches + convolution_flops(dream.layer_names, side, side) / (tera * 1e12)

    monkeypatch.setattr(estimate, "EngineSpec", PlainSpec)
    monkeypatch.setattr(estimate, "_step_seconds", seconds)
    dream, execution = Dream(), Execution(memory="64GiB")
    plan = Planner(dream, execution).plan(Shape(picture, picture))
    speed = estimate.measure_speed(plan, dream, execution)
    assert tried == sides
    assert speed <= tera * 1.001e12
    if len(sides) > 2:
        assert speed > 0.5 * tera * 1e12


@pytest.mark.parametrize(
    ("precision", "words"),
    [("float32", "bfloat16 takes about as long"), ("tf32", "tf32 is float32 on a processor")],
)
def test_what_a_precision_means_on_this_processor_is_told(
    monkeypatch: pytest.MonkeyPatch, precision: Any, words: str
) -> None:
    monkeypatch.setattr(estimate, "usable_card", lambda: None)
    monkeypatch.setattr(estimate, "this_processor", lambda: Processor("one", "AVX2"))
    assert words in str(estimate.who_computes(Execution(precision=precision)))
