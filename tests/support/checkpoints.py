"""What the work on a picture says of itself."""

from __future__ import annotations

import json
from pathlib import Path


def checkpoint_of(work: Path, output: str) -> dict[str, int]:
    """How far the work on an output is, as its record in the folder of all work has it."""
    (record,) = work.glob(f"{output}-*/job.json")
    checkpoint: dict[str, int] = json.loads(record.read_text())["checkpoint"]
    return checkpoint
