"""Writes the table of values in the chart's README from the comments in values.yaml.

    python helm/values_table.py           write it
    python helm/values_table.py --check   end with 1 if it is not up to date

A value is documented by the comment above it that begins with two dashes. What lies below a
documented value is part of it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).parent / "dreamray"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"

_LINE = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):(?: |$)")
_COMMENT = re.compile(r" *# ?(?P<text>.*)")


class Value(NamedTuple):
    """A documented value: where it is, what it is without further ado, and what it does."""

    path: tuple[str, ...]
    default: Any
    description: str


def documented(text: str) -> list[Value]:
    """The documented values of a values.yaml, in its order."""
    values = yaml.safe_load(text)
    found: list[Value] = []
    path: list[tuple[int, str]] = []
    description: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.fullmatch(line):
            words = comment["text"]
            if words.startswith("-- "):
                description = [words.removeprefix("-- ")]
            elif description:
                description.append(words)
            continue
        if key := _LINE.match(line):
            path = [(indent, name) for indent, name in path if indent < len(key["indent"])]
            path.append((len(key["indent"]), key["key"]))
            if description:
                names = tuple(name for _, name in path)
                found.append(Value(names, _at(values, names), " ".join(description)))
        description = []
    return found


def table(values: list[Value]) -> str:
    """The values as a table of Markdown."""
    lines = ["| value | default | |", "|---|---|---|"]
    for value in values:
        default = json.dumps(value.default, ensure_ascii=False).replace("|", "\\|")
        description = value.description.replace("|", "\\|")
        lines.append(f"| `{'.'.join(value.path)}` | `{default}` | {description} |")
    return "\n".join(lines)


def with_table(readme: str, values: list[Value]) -> str:
    """The README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"README.md has no {BEGIN} and {END} around the place for the table")
    return f"{before}{BEGIN}\n\n{table(values)}\n\n{END}{after}"


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def main() -> None:
    """Write the table, or say that it is out of date."""
    readme = CHART / "README.md"
    is_now = readme.read_text(encoding="utf-8")
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    should_be = with_table(is_now, documented(text))
    if "--check" not in sys.argv[1:]:
        readme.write_text(should_be, encoding="utf-8")
    elif is_now != should_be:
        raise SystemExit("README.md is not up to date: run `python helm/values_table.py`")


if __name__ == "__main__":
    main()
