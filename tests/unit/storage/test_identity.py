"""Two places are one by whatever path, link or key; of S3 also where only some storages say so."""

from __future__ import annotations

import pytest

from dreamray.storage import locate, locate_folder
from dreamray.storage.identity import is_inside, is_same


@pytest.mark.parametrize(
    ("key", "same"),
    [
        ("in/a.png", True),
        ("/in/a.png", True),
        ("in//a.png", True),
        ("in/./a.png", True),
        ("in/b/../a.png", True),
        ("in/A.png", False),
        ("in/a%2Epng", False),
        ("in/b/a.png", False),
    ],
)
def test_keys_that_would_be_one_path(key: str, same: bool) -> None:
    place = locate(f"s3://bucket/{key}")
    assert is_same(place, locate("s3://bucket/in/a.png")) is same
    assert not is_same(place, locate("s3://other/in/a.png"))


@pytest.mark.parametrize("key", ["in/a.png", "/in/a.png", "in//a.png", "x/../in/a.png"])
def test_of_what_lies_below(key: str) -> None:
    place = locate(f"s3://bucket/{key}")
    for folder in ("s3://bucket/in", "s3://bucket//in/", "s3://bucket"):
        assert is_inside(place, locate_folder(folder))
    for folder in ("s3://bucket/i", "s3://other/in"):
        assert not is_inside(place, locate_folder(folder))
