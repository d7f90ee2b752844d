"""cluster/kubernetes/README.md: its first dream."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.places import PROJECT

README = (PROJECT / "cluster" / "kubernetes" / "README.md").read_text(encoding="utf-8")


def test_the_first_dream_has_the_memory_that_it_needs() -> None:
    """With the weights that the farm has there."""
    (said,) = re.findall(r"dreamray render s3://pictures/(lake\.png .+)", README)
    picture, _, *options = said.split()
    command = [sys.executable, "-m", "dreamray", "plan", str(PROJECT / "examples" / picture)]
    options = [option for option in options if not option.startswith("--workers")]
    done = subprocess.run(
        [*command, "--no-probe", *options],
        env={**os.environ, "DREAMRAY_WEIGHTS": "bestiary"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
