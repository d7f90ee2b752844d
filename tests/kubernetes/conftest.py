"""The Kubernetes that these tests run in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubernetes import SCRIPTS, Kubernetes


@pytest.fixture(scope="session")
def kubernetes() -> Kubernetes:
    """The cluster that `make test-kubernetes` has started, or the end of the test."""
    if state := os.environ.get("DREAMRAY_KUBERNETES_STATE"):
        return Kubernetes(Path(state))
    lacks = subprocess.run([SCRIPTS / "lacks"], capture_output=True, text=True, check=True).stdout
    reason = lacks.strip() or "runs by `make test-kubernetes`"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests have measured, which they tell by `record_property`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")
