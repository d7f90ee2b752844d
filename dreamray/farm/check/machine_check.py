"""All that is checked on one machine, in its order."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

from dreamray.base.messages import Warn
from dreamray.farm.check import promises, round_trips, speeds
from dreamray.farm.check.findings import Finding, MachineReport
from dreamray.farm.check.trial import Trial
from dreamray.farm.check.trial_process import TrialFailedError, make
from dreamray.model.device import Kernels
from dreamray.model.layers import Precision

_GRADIENT_SIDE = 128
"""Pixels: its numbers are told as text."""


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
    check = _MachineCheck(options, tell)
    with contextlib.suppress(_NoEngineError):
        check.see_what_there_is()
        check.try_promises()
        if not options.short:
            check.measure()
        check.try_round_trips()
    check.report.seconds = round(time.monotonic() - begun, 1)
    return check.report


class _NoEngineError(Exception):
    """There is nothing to be tried."""


class _MachineCheck:
    """A check on its way, and what it has found so far."""

    def __init__(self, options: CheckOptions, tell: Warn) -> None:
        self.report = MachineReport()
        self._options = options
        self._tell = tell
        self._precisions: tuple[Precision, ...] = ()
        self._first: dict[str, Any] = {}
        self._device = ""
        self._trial = Trial(
            "steps", threads=options.threads, kernels=options.kernels, engine=options.engine
        )
        if options.short:
            self._trial = replace(self._trial, sides=(128,), steps=5)

    def see_what_there_is(self) -> None:
        """What computes here. Raises _NoEngineError where nothing does, which breaks a promise."""
        with self._attempt("an engine"):
            self._first = make(self._trial)
        if not self._first:
            raise _NoEngineError
        self.report.machine = self._first["about"] | _versions()
        self._device = str(self._first["about"].get("device", ""))
        self._precisions = promises.precisions_on(self._device)

    def try_promises(self) -> None:
        """In a short check in float32 alone."""
        options, add = self._options, self.report.findings.extend
        precisions = self._precisions[:1] if options.short else self._precisions
        if options.kernels == "fast":
            add([Finding("same bits", None, "--fast gives them up")])
        else:
            with self._attempt("same bits"):
                add(promises.try_determinism(self._trial, self._first, precisions))
        with self._attempt("exact tiles"):
            side = 640 if options.short else 768
            add(promises.try_exactness(replace(self._trial, sides=(side,)), precisions))
        if promises.is_card(self._device):
            with self._attempt("the processor's gradient"):
                add([promises.try_gradient(replace(self._trial, sides=(_GRADIENT_SIDE,)))])
        if options.engine == Trial.engine:
            with self._attempt("float32 is float32"):
                add([promises.try_products(self._trial)])

    def measure(self) -> None:
        """Steps of several sizes in each precision, and what they take of memory."""
        report, trial = self.report, replace(self._trial, sides=speeds.SIDES)
        for precision in self._precisions:
            with self._attempt(f"steps in {precision}"):
                steps, rate = speeds.measure_steps(trial, precision)
                report.steps += steps
                if rate is not None:
                    report.rates[precision] = rate
        report.findings.append(speeds.compare_memory(report.steps))
        report.remarks += speeds.compare_precisions(report.steps)
        self._tell("PyTorch")
        report.steps += speeds.measure_pytorch(trial, self._precisions, report.remarks)

    def try_round_trips(self) -> None:
        """To another process, and to a storage if one is named."""
        self._tell("exchange of workers")
        self.report.findings.append(round_trips.try_exchange())
        if self._options.storage is not None:
            self._tell("storage")
            self.report.findings.append(round_trips.try_storage(self._options.storage))

    @contextlib.contextmanager
    def _attempt(self, what: str) -> Iterator[None]:
        """A trial that fails breaks its promise, and keeps no other one from being tried."""
        self._tell(what)
        try:
            yield
        except TrialFailedError as error:
            self.report.findings.append(Finding(what, False, str(error)))


def _versions() -> dict[str, str]:
    """Of what else may matter, beside what a worker says of itself."""
    packages = {}
    for name in ("numpy", "keras", "ray", "nvidia-cudnn-cu12", "torch"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {"python": platform.python_version(), "system": platform.platform(), **packages}
