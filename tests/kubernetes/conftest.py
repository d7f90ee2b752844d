"""The Kubernetes that these tests run in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

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
