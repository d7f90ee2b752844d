"""All that is checked on one machine, in its order."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

from dreamray.base.messages import Warn
from dreamray.farm.check import promises, round_trips, speeds
from dreamray.farm.check.findings import Finding, MachineReport
from dreamray.farm.check.trial import Trial
from dreamray.farm.check.trial_process import TrialFailedError, make
from dreamray.model.device import Kernels


@dataclass(frozen=True)
class CheckOptions:
    """What is checked."""

    short: bool = False
    """The promises alone, on small pictures: a minute or two."""
    storage: str | None = None
    """A folder or `s3://` prefix for a round trip."""
    threads: int | None = None
    kernels: Kernels = "reproducible"
    engine: str = Trial.engine
    """Whose promises are tried: see `Trial`."""


def check_machine(options: CheckOptions, tell: Warn = lambda text: None) -> MachineReport:
    """Try the promises on this machine, and measure it; `tell` hears what is tried next."""
    begun = time.monotonic()
    report = MachineReport()
    trial = Trial("steps", threads=options.threads, kernels=options.kernels, engine=options.engine)
    if options.short:
        trial = replace(trial, sides=(128,), steps=5)

    def attempt(what: str, call: Callable[[], Any]) -> None:
        """A trial that fails breaks its promise, and keeps no other one from being tried."""
        tell(what)
        try:
            call()
        except TrialFailedError as error:
            report.findings.append(Finding(what, False, str(error)))

    tell("what there is")
    try:
        first = make(trial)
    except TrialFailedError as error:
        report.findings.append(Finding("steps", False, str(error)))
        return report
    report.machine = first["about"] | _versions()
    precisions = promises.precisions_on(str(report.machine.get("device", "")))
    tried = precisions[:1] if options.short else precisions
    add = report.findings.extend
    if options.kernels == "fast":
        add([Finding("same bits", None, "--fast gives them up")])
    else:
        attempt("same bits", lambda: add(promises.try_determinism(trial, first, tried)))
    large = replace(trial, sides=(640 if options.short else 768,))
    attempt("exact tiles", lambda: add(promises.try_exactness(large, tried)))
    if options.engine == Trial.engine:
        attempt("float32 is float32", lambda: add([promises.try_products(trial)]))
    if not options.short:
        measured = replace(trial, sides=speeds.SIDES)
        for precision in precisions:

            def measure(precision: Any = precision) -> None:
                steps, rate = speeds.measure_steps(measured, precision)
                report.steps.extend(steps)
                if rate is not None:
                    report.rates[precision] = rate

            attempt(f"steps in {precision}", measure)
        add([speeds.compare_memory(report.steps)])
        report.remarks += speeds.compare_precisions(report.steps)
        tell("PyTorch")
        report.steps += speeds.measure_pytorch(measured, precisions, report.remarks)
    tell("exchange of workers")
    add([round_trips.try_exchange()])
    if options.storage is not None:
        tell("storage")
        add([round_trips.try_storage(options.storage)])
    report.seconds = round(time.monotonic() - begun, 1)
    return report


def _versions() -> dict[str, str]:
    """Of what else may matter, beside what a worker says of itself."""
    packages = {}
    for name in ("numpy", "keras", "ray", "nvidia-cudnn-cu12", "torch"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {"python": platform.python_version(), "system": platform.platform(), **packages}
