"""The process that dreams: TensorFlow's threads, and what of it reaches the terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


def test_threads_are_those_asked_for_and_nothing_is_printed() -> None:
    ended = python(
        "from dreamray.model.device import start_tensorflow, used_threads\n"
        "print(start_tensorflow(3), used_threads())\n"
        "import tensorflow as tf; tf.constant(1)\n"
    )
    assert ended.stdout == "3 3\n"
    assert ended.stderr == ""


def test_a_tensorflow_that_runs_already_keeps_its_threads() -> None:
    """Where no number is asked for; another one is refused."""
    ended = python(
        "import tensorflow as tf; tf.constant(1) + 1\n"
        "from dreamray.model.device import start_tensorflow, available_threads\n"
        "assert start_tensorflow(None) == available_threads()\n"
        "print('kept'); start_tensorflow(7)\n"
    )
    assert ended.stdout == "kept\n"
    assert ended.returncode != 0
    assert "RequestError: threads: TensorFlow already runs" in ended.stderr


def test_what_native_code_writes_is_shown_if_the_import_fails() -> None:
    ended = python(
        "import os\n"
        "from dreamray.model.device import _native_stderr_held_back\n"
        "with _native_stderr_held_back(): os.write(2, b'kept ')\n"
        "with _native_stderr_held_back():\n"
        "    os.write(2, b'shown '); raise ImportError('no library')\n"
    )
    assert "kept" not in ended.stderr
    assert ended.stderr.startswith("shown ")
    assert "no library" in ended.stderr
