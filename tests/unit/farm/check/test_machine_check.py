"""What a check finds out: promises kept, broken on purpose, and not to be tried."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dreamray.farm.check import (
    findings,
    machine_check,
    promises,
    round_trips,
    speeds,
    trial,
    trial_process,
)
from dreamray.farm.check.findings import Finding, MachineReport, StepTime, last_words
from dreamray.farm.check.machine_check import CheckOptions, check_machine
from dreamray.farm.check.trial import Trial
from dreamray.farm.check.trial_process import TrialFailedError, make
from dreamray.storage import MemoryFolder

Check = Callable[..., MachineReport]


def engine(name: str) -> str:
    return f"tests.support.check_engines:{name}"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    """A check of an engine of `check_engines`, in this process: others take seconds to start."""

    def try_here(given: Trial, limit: float = 0.0) -> dict[str, Any]:
        try:
            found = trial._KINDS[given.kind](Trial.from_json(given.to_json()))
            return dict(json.loads(json.dumps(found)))
        except RuntimeError as error:
            raise TrialFailedError(str(error)) from None

    def at_once(trials: Sequence[Trial]) -> list[dict[str, Any]]:
        return [try_here(one) for one in trials]

    for module in (promises, speeds, machine_check):
        monkeypatch.setattr(module, "make", try_here)
    monkeypatch.setattr(promises, "make_at_once", at_once)
    monkeypatch.setattr(speeds, "SIDES", (128, 192))
    # What other tests have left in this process is not this engine's.
    monkeypatch.setattr(trial, "_process_peak", lambda: 1 << 20)
    monkeypatch.setattr(trial, "_matrix_rate", lambda precision: 1e9)
    monkeypatch.setattr(round_trips, "try_exchange", lambda: Finding("exchange", True, ""))

    def run(name: str, **options: Any) -> MachineReport:
        return check_machine(CheckOptions(engine=engine(name), **options))

    return run


def test_an_engine_that_keeps_its_promises_is_measured(check: Check) -> None:
    report = check("sound")
    assert report.broken == []
    assert [one.promise for one in report.findings] == [
        "same bits, float32",
        "same bits, bfloat16",
        "exact tiles, float32",
        "exact tiles, bfloat16",
        "memory as planned",
        "exchange",
    ]
    assert [(one.precision, one.side) for one in report.steps] == [
        ("float32", 128),
        ("float32", 192),
        ("bfloat16", 128),
        ("bfloat16", 192),
    ]
    assert any("as float32 here, at 192x192" in remark for remark in report.remarks)
    assert report.machine["device"] == "NumPy"
    assert report.machine["python"] == platform.python_version()
    assert report.rates == {"float32": 1e9, "bfloat16": 1e9}


def test_a_short_one_tries_the_promises_alone(check: Check) -> None:
    report = check("sound", short=True)
    assert [one.promise for one in report.findings] == [
        "same bits, float32",
        "exact tiles, float32",
        "exchange",
    ]
    assert report.steps == []


def test_tiles_that_are_not_exact_break_a_promise(check: Check) -> None:
    report = check("seamed", short=True)
    assert [one.promise for one in report.broken] == ["exact tiles, float32"]


def test_gradients_that_are_no_numbers_break_one_in_each_precision() -> None:
    found = trial.try_exactness(
        Trial("exactness", ("float32", "bfloat16"), (192,), engine=engine("numberless"))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promises, "make", lambda trial: found)
        tried = list(promises.try_exactness(Trial("exactness"), ("float32", "bfloat16")))
    assert [one.holds for one in tried] == [False, False]


def test_a_card_has_the_gradient_of_the_processor_beside_it(check: Check) -> None:
    report = check("card", short=True)
    assert [one.promise for one in report.findings][2] == "the processor's gradient"
    assert report.broken == []
    other = promises.try_gradient(Trial("gradient", sides=(128,), engine=engine("other_card")))
    assert other.holds is False
    assert "allowed 1.0e-03" in other.told


def test_products_that_are_rounded_break_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, holds in (2e-7, True), (5e-4, False):
        monkeypatch.setattr(promises, "make", lambda trial, error=error: {"error": error})
        assert promises.try_products(Trial("steps")).holds is holds


@pytest.mark.slow
def test_products_are_rounded_as_the_engine_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an engine in float32 that leaves TF32 on, as TensorFlow does, would not be seen."""
    tf = pytest.importorskip("tensorflow")
    from dreamray.model.device import allow_tf32

    monkeypatch.setattr(Trial, "make_engine", lambda self, precision: allow_tf32(True))
    try:
        assert trial.try_products(Trial("products"))["error"] < promises.SHARP
        assert tf.config.experimental.tensor_float_32_execution_enabled()
    finally:
        allow_tf32(False)


@pytest.mark.slow
def test_a_process_may_be_kept_from_cards() -> None:
    tried = Trial("steps", sides=(128,), steps=1, engine=engine("tells_cards"), card=False)
    assert make(tried)["about"]["cards"] == ""


def test_an_engine_that_cannot_be_made_breaks_one(check: Check) -> None:
    (finding,) = check("missing").broken
    assert "no such library" in finding.told


def test_what_the_fast_kernels_give_up_is_not_tried(check: Check) -> None:
    report = check("sound", short=True, kernels="fast")
    assert report.findings[0].holds is None
    assert report.broken == []


@pytest.mark.slow
def test_bits_are_compared_between_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real ones: the engine has other bits in each."""
    tried = Trial("steps", sides=(128,), steps=2, engine=engine("drifting"))
    (finding,) = promises.try_determinism(tried, make(tried), ["float32"])
    assert finding.holds is False
    assert "in 4 processes: 4 different results" in finding.told


@pytest.mark.slow
def test_a_process_that_fails_says_why_in_one_line() -> None:
    with pytest.raises(TrialFailedError, match="tries steps failed: RuntimeError: no such library"):
        make(Trial("steps", engine=engine("missing")))


@pytest.mark.slow
def test_strips_reach_another_process() -> None:
    finding = round_trips.try_exchange()
    assert finding.holds, finding.told


def test_a_storage_gives_back_what_it_was_given(tmp_path: Path) -> None:
    """And nothing stays there, not even a folder that was not there before."""
    for place in tmp_path, tmp_path / "new":
        finding = round_trips.try_storage(str(place))
        assert finding.holds, finding.told
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "broken", "words"),
    [
        ("read", lambda *a: b"other", "not what was written"),
        ("create_if_absent", lambda *a: True, "two can create one file"),
        ("compare_and_swap", lambda *a: True, "replaced whatever they hold"),
    ],
)
def test_a_storage_that_does_not_is_broken(
    monkeypatch: pytest.MonkeyPatch, method: str, broken: Any, words: str
) -> None:
    folder = MemoryFolder()
    monkeypatch.setattr(round_trips, "locate_folder", lambda place: folder)
    monkeypatch.setattr(type(folder.file("x")), method, broken)
    finding = round_trips.try_storage("memory")
    assert finding.holds is False
    assert words in finding.told


def test_a_storage_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = round_trips.try_storage(str(tmp_path / "file" / "below"))
    assert finding.holds is False
    assert "\n" not in finding.told
    words = last_words({"x": MachineReport(findings=[Finding("a", True, ""), finding])})
    assert words.startswith("1 of 2 promises hold, the rest could not be tried: ")
    assert findings.ISSUES not in words


@pytest.mark.parametrize(("killed_by", "words"), [(9, "ended by signal 9"), (0, "exit code 0")])
def test_a_process_that_ends_without_a_word_is_told_by_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, killed_by: int, words: str
) -> None:
    code = f"import os; {killed_by} and os.kill(os.getpid(), {killed_by})"
    monkeypatch.setattr(trial_process, "python", lambda *given: [sys.executable, "-S", "-c", code])
    with pytest.raises(TrialFailedError, match=words):
        make(Trial("steps"))


def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_process, "python", lambda *given: ["/no/such/python"])
    with pytest.raises(TrialFailedError, match="could be started: No such file"):
        make(Trial("steps"))


def test_other_processes_find_modules_where_this_one_does(tmp_path: Path) -> None:
    """Not in the current folder, whatever lies there."""
    (tmp_path / "random.py").write_text("raise SystemExit('of the current folder')")
    command = trial_process.python("import random; print(*sys.argv[1:])", "one")
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("one\n", "")


def test_a_process_ends_where_the_one_that_asked_does() -> None:
    """However that ends: what held its standard input is gone."""
    code = "import time; from dreamray.farm.check import trial; "
    code += "trial._KINDS['steps'] = lambda trial: time.sleep(600); trial.main()"
    command = trial_process.python(code, Trial("steps").to_json())
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 1


def test_windows_that_take_more_than_planned_break_a_promise() -> None:
    steps = [
        StepTime("dreamray", "float32", 256, 0.1, 1e9, peak=90, predicted=100),
        StepTime("dreamray", "float32", 512, 0.1, 1e9, peak=120, predicted=100),
        StepTime("PyTorch, eager", "float32", 512, 0.1, 1e9),
    ]
    assert speeds.compare_memory(steps).holds is False
    assert speeds.compare_memory(steps[:1]).holds is True
    assert speeds.compare_memory([]).holds is None


def test_what_matrices_take_of_memory_is_no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [1 << 20]
    monkeypatch.setattr(trial, "_process_peak", lambda: max(held))
    monkeypatch.setattr(trial, "_matrix_rate", lambda precision: held.append(1 << 40))
    (step,) = trial.try_speed(Trial("speed", sides=(128,), engine=engine("sound")))["steps"]
    assert step["peak"] == 1 << 20
    assert max(held) == 1 << 40


def test_pytorch_is_measured_until_memory_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """And whatever keeps its compiler from it; what does not go at all is said."""

    def make_step(side: int, precision: str, compiled: bool, threads: int) -> Any:
        if compiled:
            raise RuntimeError("no compiler")
        if side > 256:
            raise MemoryError
        return lambda: 0.0

    here = types.SimpleNamespace(make_step=make_step)
    monkeypatch.setitem(sys.modules, "dreamray.farm.check.torch_step", here)
    monkeypatch.setattr(speeds.importlib.util, "find_spec", lambda name: True)

    def try_here(given: Trial, limit: float) -> dict[str, Any]:
        try:
            return trial._KINDS[given.kind](given)
        except RuntimeError as error:
            raise TrialFailedError(str(error)) from None

    monkeypatch.setattr(speeds, "make", try_here)
    told: list[str] = []
    tried = Trial("speed", sides=(128, 256, 512), threads=1)
    found = speeds.measure_pytorch(tried, ["float32", "bfloat16"], told)
    assert [(one.program, one.precision, one.side) for one in found] == [
        ("PyTorch, eager", precision, side)
        for precision in ("float32", "bfloat16")
        for side in (128, 256)
    ]
    assert told == [
        f"PyTorch, compiled, in {precision}: no compiler" for precision in ("float32", "bfloat16")
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (8, "takes 2.0 times as long as"),
        (4.1, "takes about as long as"),
        (2, "is 2.0 times as fast as"),
    ],
)
def test_precisions_are_compared_at_the_largest_window_of_both(seconds: float, words: str) -> None:
    of = {
        ("float32", 256): 1.0,
        ("float32", 512): 4.0,
        ("bfloat16", 256): 9,
        ("bfloat16", 512): seconds,
    }
    steps = [StepTime("dreamray", p, side, s, 1.0) for (p, side), s in of.items()]
    assert list(speeds.compare_precisions(steps)) == [f"bfloat16 {words} float32 here, at 512x512"]


def test_a_report_survives_json_and_is_told_in_lines() -> None:
    report = MachineReport(
        {"device": "CPU"},
        [Finding("same bits", False, "two results")],
        [StepTime("dreamray", "float32", 256, 0.1, 1e9, 0.5, 1 << 30, 2 << 30)],
        {"float32": 2e9},
        ["a remark"],
        3.5,
    )
    values = json.loads(json.dumps(report.to_json()))
    assert values["holds"] is False
    assert MachineReport.from_json(values) == report
    text = "\n".join(report.lines())
    assert "same bits  BROKEN     two results" in text
    assert " 50%" in text


def test_the_last_words_say_what_to_do() -> None:
    good, bad = Finding("a", True, ""), Finding("b", False, "")
    untried = Finding("c", None, "")
    assert last_words({"x": MachineReport(findings=[good, untried])}) == "all 1 promises hold"
    words = last_words({"x": MachineReport(findings=[good, bad])})
    assert words.startswith("1 of 2 promises do not hold")
    assert findings.ISSUES in words
