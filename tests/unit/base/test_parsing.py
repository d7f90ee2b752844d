"""Whatever a text holds, reading it takes little and ends in a value or in one line."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import RequestError
from dreamray.base.parsing import (
    MOST_DEPTH,
    MOST_DIGITS,
    ParseError,
    bounded_lines,
    parse_json,
    parse_yaml,
    read_bounded,
)
from dreamray.storage import MemoryFolder

NAMES = "bcdefghijklm"


def bomb(first: str, line: str) -> str:
    """Each line names the one before nine times."""
    chained = zip("a" + NAMES, NAMES, strict=False)
    lines = [line.format(new=new, old=",".join([f"*{old}"] * 9)) for old, new in chained]
    return "\n".join([f"a: &a {first}", *lines])


HOSTILE_YAML = {
    "aliases": bomb("[1, 1]", "{new}: &{new} [{old}]"),
    "merges": bomb("{k: 1}", "{new}: &{new} {{<<: [{old}]}}"),
    "itself": "&a [*a]",
    "binary digits": "a: 0b" + "1" * 20_000,
    "base 60": "a: 59" + ":59" * 10_000,
    "base 60 of fractions": "a: 1" + ":1" * 200 + ".5",
    "deep brackets": "[" * 20_000,
    "deep braces": "{a: " * 60_000,
    "deep dashes": "- " * 100_000,
    "deep questions": "? " * 100_000,
    "many": "".join(f"k{number}: 1\n" for number in range(6_000)),
    "twice": "step: 1\nstep: 2",
    "object": "!!python/object/apply:os.system [ls]",
    "tag": "!!bool x",
    "date": "a: 2020-13-45",
    "zero": "a: \0",
    "documents": "---\n" * 60_000,
}

HOSTILE_JSON = {
    "deep brackets": "[" * 1_000_000,
    "deeper than is read": "[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1),
    "digits": "1" * (MOST_DIGITS + 1),
    "many digits": "1" * 1_000_000,
    "NaN": "[NaN]",
    "infinity": '{"a": -Infinity}',
    "exponent": "[1e400]",
    "no UTF-8": b"\xff\xfe{",
    "nothing": "",
}


def refused(parse: Callable[[Any], Any], text: str | bytes) -> None:
    """In one short line, within two seconds."""
    begun = time.process_time()
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert time.process_time() - begun < 2
    message = str(caught.value)
    assert message.isprintable()
    assert 0 < len(message) < 400


@pytest.mark.parametrize("text", HOSTILE_YAML.values(), ids=HOSTILE_YAML)
def test_hostile_yaml_is_refused_in_one_line(text):
    refused(parse_yaml, text)


@pytest.mark.parametrize("text", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_hostile_json_is_refused_in_one_line(text):
    refused(parse_json, text)


def test_an_error_of_yaml_tells_the_line():
    with pytest.raises(ParseError, match="line 2"):
        parse_yaml("a: 1\nb: %\n")


def test_a_few_aliases_and_merges_are_read():
    text = "x: &a {k: 1, l: 2}\ny: {<<: *a, k: 3}\nz: [*a, *a]"
    assert parse_yaml(text) == yaml.safe_load(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_json_writes_is_read(value):
    assert parse_json(json.dumps(value)) == value


@given(VALUES)
def test_what_yaml_writes_is_read(value):
    assert parse_yaml(yaml.safe_dump(value)) == value


@given(st.text() | st.binary())
def test_anything_is_read_or_refused_in_one_line(text):
    for parse in (parse_json, parse_yaml):
        message = ""
        try:
            parse(text)
        except ParseError as error:
            message = str(error)
        assert message.isprintable()


@pytest.mark.parametrize(("size", "fits"), [(10, True), (11, False)])
def test_no_more_is_read_than_may_be(size, fits):
    place = MemoryFolder().file("x")
    place.write(b"x" * size)
    if fits:
        assert read_bounded(place, 10, "a word") == b"x" * size
    else:
        with pytest.raises(RequestError, match="over 10 B, which is more than a word takes"):
            read_bounded(place, 10, "a word")


@given(st.lists(st.text("ab", max_size=9)))
def test_of_a_long_line_only_the_beginning_is_held(lines):
    text = io.StringIO("\n".join(lines))
    expected = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines and lines[-1] else [])
    assert [*bounded_lines(text, 4)] == [line[:5] for line in expected]
