"""Reading what users and others wrote, within bounds: of size, of depth, of digits.

Settings, lists, manifests, leases, records of work and what pictures carry may be anyone's. Each
is read by the functions here: whatever it holds, that takes little time and memory, and gives
either a value or an error of one line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Protocol, TextIO

import yaml

from dreamray.base.errors import RequestError
from dreamray.base.messages import brief, show_size, shown

MOST_DEPTH = 32
"""Of lists and mappings within each other: what dreamray writes has five."""

MOST_DIGITS = 100
"""Of a number: with them, any one fits into a float."""

MOST_SETTINGS = 256 << 10
"""Bytes of a file of settings: all channels of all layers take a quarter of that."""

MOST_LINE = 1 << 20
"""Characters of a line of a list or a manifest."""

_MOST_NODES = 10_000
"""Values of a YAML text, each as often as aliases repeat it."""


class ParseError(ValueError):
    """Why a text is not read: one line that goes behind the name of what was read."""


class Readable(Protocol):
    """What `read_bounded` reads: a `dreamray.storage.Location`."""

    def read(self, limit: int | None = None) -> bytes:
        """The first `limit` bytes."""
        ...


def read_bounded(place: Readable, most: int, what: str) -> bytes:
    """All bytes of a place, which are `what`.

    Raises RequestError where there are more than `most`, without reading them; else as
    `Location.read`.
    """
    data = place.read(most + 1)
    if len(data) > most:
        raise RequestError(
            f"{shown(place)}: it has over {show_size(most)}, which is more than {what} takes; "
            "name another file"
        )
    return data


def bounded_lines(text: TextIO, most: int = MOST_LINE) -> Iterator[str]:
    """The lines of a text; of one with over `most` characters the first, without its end."""
    while line := text.readline(most + 1):
        yield line
        while len(line) > most and not line.endswith("\n"):
            line = text.readline(most + 1)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text, of finite numbers alone. Raises ParseError for anything else."""
    try:
        value = json.loads(text, parse_constant=_no_number, parse_int=_integer, parse_float=_real)
    except RecursionError:
        raise _too_deep() from None
    except ParseError:
        raise
    except ValueError as error:
        raise ParseError(_one_line(error)) from None
    _check_depth(value)
    return value


def parse_yaml(text: str | bytes) -> Any:
    """The value of a YAML text of plain values, lists and mappings; None for an empty one.

    Aliases and merges count as often as they repeat what they name. Raises ParseError for what
    is none, and for a mapping with a key twice.
    """
    try:
        return yaml.load(text, _Loader)
    except ParseError:
        raise
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ParseError(_one_line(f"{error.problem or error.context}{where}")) from None
    except _NOT_YAML as error:
        raise ParseError(_one_line(error)) from None


_NOT_YAML = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What PyYAML raises; of values such as `2020-13-45` or `!!bool x` anything."""


class _Loader(yaml.SafeLoader):
    """Plain values, counted while they are met."""

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[int, int] = {}
        """Of each node that is whole, by its identity: the values in it, and itself."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _too_deep()
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            if id(node) not in self._sizes:
                raise ParseError("a value holds itself")
            return node
        children: list[Any] = []
        if isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
            _check_keys(node)
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        elif (
            node is not None
            and len(node.value) > MOST_DIGITS
            and node.tag.endswith((":int", ":float"))
        ):
            raise _too_long(node.value)
        self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in children)
        if max(len(self._sizes), self._sizes[id(node)]) > _MOST_NODES:
            raise ParseError(f"it holds over {_MOST_NODES:,} values")
        return node


def _check_keys(mapping: yaml.MappingNode) -> None:
    met = set[str]()
    for key in (key.value for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)):
        if key in met and key != "<<":
            raise ParseError(f"{brief(key)} is there twice")
        met.add(key)


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _too_long(digits)
    return int(digits)


def _real(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ParseError(f"{brief(digits)} is too large a number")
    return number


def _no_number(name: str) -> float:
    raise ParseError(f"{name} is no number of JSON")


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        if depth > MOST_DEPTH:
            raise _too_deep()
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]


def _too_deep() -> ParseError:
    return ParseError(f"it is nested over {MOST_DEPTH} deep")


def _too_long(digits: str) -> ParseError:
    return ParseError(f"{brief(digits)} is a number of {len(digits):,} characters")


_SPACES = re.compile(r"\s+")


def _one_line(error: object) -> str:
    return shown(_SPACES.sub(" ", str(error))[:300] or type(error).__name__)
