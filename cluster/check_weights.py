"""Checks the weights that go into an image: their checksum, and that dreamray can read them.

python check_weights.py FILE SHA256
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from dreamray.base.errors import DreamrayError
from dreamray.model.weights import loader


def main() -> None:
    """Print what was found; ends with a message if the file is not the one, or of no use."""
    file, expected = Path(sys.argv[1]), sys.argv[2].strip().lower()
    if not file.is_file():
        sys.exit("WEIGHTS: a folder; name one file")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if not expected:
        sys.exit(f"WEIGHTS_SHA256 is missing; the file has {found}: compare, and give it")
    if found != expected:
        sys.exit(f"WEIGHTS: the file has the SHA-256 {found}, not {expected}; get it again")
    try:
        loader.load(str(file))
    except DreamrayError as error:
        sys.exit(f"WEIGHTS: {error}")
    print(f"weights with SHA-256 {found}")


if __name__ == "__main__":
    main()
