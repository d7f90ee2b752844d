"""Prints the version of dreamray, or sets it in every file that states it.

    python .ci/version.py           print it
    python .ci/version.py 0.2.0     set it; make version VERSION=0.2.0 does the same

dreamray/base/version.py is the source, from which the package has it. Chart, Dockerfile, compose
file and manifests cannot read it from there: they state it themselves, in the places below.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
SOURCE = "dreamray/base/version.py"

_NUMBER = r"(\d+\.\d+\.\d+)"

PLACES = {
    SOURCE: [rf'^__version__ = "{_NUMBER}"$'],
    "helm/dreamray/Chart.yaml": [rf"^version: {_NUMBER}$", rf"^appVersion: {_NUMBER}$"],
    "cluster/Dockerfile": [rf"^ARG VERSION={_NUMBER}$"],
    "cluster/compose.yaml": [rf"^  image: \$\{{DREAMRAY_IMAGE:-dreamray:{_NUMBER}\}}$"],
    "cluster/rayjob-bulk.yaml": [rf"^ +image: &image dreamray:{_NUMBER}-gpu$"],
    "cluster/rayjob-huge-picture.yaml": [rf"^ +image: &image dreamray:{_NUMBER}-gpu$"],
    "docs/operations.md": [
        rf"^    docker build .* --tag dreamray:{_NUMBER} \.$",
        rf"^image: .*, tag: {_NUMBER}-gpu\}}$",
    ],
}
"""Files that state the version, each with one line for every pattern."""


class Statement(NamedTuple):
    """A line that states a version."""

    path: str
    line: int
    version: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def statements(project: Path = PROJECT) -> Iterator[Statement]:
    """All lines that state it, the source's first; raises ValueError where there is not one."""
    for path, patterns in PLACES.items():
        text = (project / path).read_text(encoding="utf-8")
        for pattern in patterns:
            found = _only(path, pattern, text)
            yield Statement(path, text.count("\n", 0, found.start()) + 1, found[1])


def set_version(version: str, project: Path = PROJECT) -> list[Statement]:
    """State another version in all places; gives those that were changed.

    Raises ValueError, and changes nothing, where a place is not as expected.
    """
    if not re.fullmatch(_NUMBER, version):
        raise ValueError(f"{version!r} is no version; write three numbers, as in 0.2.0")
    changed = [place for place in statements(project) if place.version != version]
    for path, patterns in PLACES.items():
        file = project / path
        text = file.read_text(encoding="utf-8")
        for pattern in patterns:
            found = _only(path, pattern, text)
            text = text[: found.start(1)] + version + text[found.end(1) :]
        file.write_text(text, encoding="utf-8")
    return changed


def _only(path: str, pattern: str, text: str) -> re.Match[str]:
    found = list(re.finditer(pattern, text, re.M))
    if len(found) != 1:
        raise ValueError(
            f"{path}: {len(found)} lines match {pattern}, not one; mend PLACES in .ci/version.py"
        )
    return found[0]


def main() -> None:
    """Print the version, or set it and say where, and what is left to be done."""
    try:
        if len(sys.argv) < 2:
            print(next(statements()).version)
            return
        for place in set_version(sys.argv[1]):
            print(f"{place}: {place.version} -> {sys.argv[1]}")
    except ValueError as error:
        sys.exit(f"version: {error}")
    print(
        "Now say what is new in CHANGELOG.md, and what of it is the chart's under "
        "artifacthub.io/changes in helm/dreamray/Chart.yaml."
    )


if __name__ == "__main__":
    main()
