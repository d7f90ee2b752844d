"""Processes that start in milliseconds, and share no thread and no lock with the tests."""

from __future__ import annotations

import multiprocessing

FRESH = multiprocessing.get_context("forkserver")
"""Copies of a process that has no threads, as libvips' do not go along into a copy.

They have the environment of the first of them. What that process imports is one list for all tests:
Python keeps the last one that it is given.
"""
FRESH.set_forkserver_preload(
    [
        "pytest",
        "tests.unit.render.test_kills",
        "tests.unit.render.test_two_at_once",
        "tests.unit.storage.test_contract",
        "tests.unit.storage.test_lease",
    ]
)
