"""Reads a Dockerfile: its stages, what they are based on, and their instructions.

As much of the language as cluster/Dockerfile uses: no here-documents, no `SHELL`, no `ONBUILD`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:[-+])([^{}]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction as it is written, with its lines joined and its flags apart."""

    line: int
    keyword: str
    flags: tuple[tuple[str, str], ...]
    value: str

    def flag(self, name: str) -> str | None:
        """The value of a flag such as `from`; None without it."""
        return dict(self.flags).get(name)

    def words(self) -> list[str]:
        """The value as words, of a JSON array or of a line."""
        if self.value.startswith("["):
            return [str(word) for word in json.loads(self.value)]
        return shlex.split(self.value)

    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of ENV, LABEL and ARG; an ARG without a default has an empty one."""
        return [(name, value) for name, _, value in (w.partition("=") for w in self.words())]


@dataclass(frozen=True)
class Stage:
    """A stage: its name, the image or stage it begins with, and what comes then."""

    line: int
    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def of(self, keyword: str) -> list[Instruction]:
        """Its instructions of one kind."""
        return [one for one in self.instructions if one.keyword == keyword]


@dataclass(frozen=True)
class Dockerfile:
    """All stages for certain build arguments, and the arguments before the first of them."""

    arguments: Mapping[str, str]
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage | None:
        """The stage of that name; None if it is an image of somebody else's."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def needed(self) -> list[Stage]:
        """The stages that the last one needs, itself included, in order."""
        wanted, names = [], {self.stages[-1].name}
        for stage in reversed(self.stages):
            if stage.name in names:
                wanted.append(stage)
                names |= {stage.base, *filter(None, (i.flag("from") for i in stage.of("COPY")))}
        return wanted[::-1]


def parse(text: str, given: Mapping[str, str] | None = None) -> Dockerfile:
    """Read a Dockerfile; `given` are build arguments. Raises ValueError where it makes no sense."""
    arguments: dict[str, str] = {}
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in _instructions(text):
        if instruction.keyword == "FROM":
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif instruction.keyword == "ARG":
            for name, default in instruction.pairs():
                arguments[name] = (given or {}).get(name, default)
        else:
            raise ValueError(f"line {instruction.line}: {instruction.keyword} before FROM")
    if not stages:
        raise ValueError("no FROM")
    named = [_stage(begin, rest, arguments, n) for n, (begin, rest) in enumerate(stages)]
    return Dockerfile(arguments, tuple(named))


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put in variables: `$A`, `${A}`, `${A:-else}`, `${A:+if set}`; unknown ones are empty."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1] or match[2], "")
        if match[3] == ":-":
            return found or match[4]
        if match[3] == ":+":
            return match[4] if found else ""
        return found

    return _VARIABLE.sub(value, text)


def _stage(
    begin: Instruction, rest: list[Instruction], arguments: Mapping[str, str], number: int
) -> Stage:
    words = expand(begin.value, arguments).split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise ValueError(f"line {begin.line}: FROM {begin.value}")
    name = words[2] if len(words) == 3 else str(number)
    return Stage(begin.line, name, words[0], tuple(rest))


def _instructions(text: str) -> Iterator[Instruction]:
    start, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        start = start or number
        if line.endswith("\\"):
            joined += line[:-1]
            continue
        yield _instruction(start, (joined + line).strip())
        start, joined = 0, ""
    if joined:
        raise ValueError(f"line {start}: it does not end")


def _instruction(line: int, text: str) -> Instruction:
    keyword, _, value = text.partition(" ")
    flags = []
    value = value.strip()
    while match := re.match(r"--([\w-]+)(?:=(\S+))?\s+", value):
        flags.append((match[1], match[2] or ""))
        value = value[match.end() :]
    return Instruction(line, keyword.upper(), tuple(flags), value)
