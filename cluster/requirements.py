"""Prints what dreamray needs, so that an image can have it before it has dreamray.

    python requirements.py cpu|gpu > requirements.txt

Reads pyproject.toml in the current folder.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

EXTRAS = {"cpu": [], "gpu": ["gpu"]}
"""Optional dependencies of each variant of the image."""


def main() -> None:
    """Print a requirement a line; ends with a message if there is no such variant."""
    variant = sys.argv[1] if len(sys.argv) == 2 else ""
    if variant not in EXTRAS:
        sys.exit(f"VARIANT={variant}: no such variant; write cpu or gpu")
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    needs = list(project["dependencies"])
    for extra in EXTRAS[variant]:
        needs += project["optional-dependencies"][extra]
    print(*needs, sep="\n")


if __name__ == "__main__":
    main()
